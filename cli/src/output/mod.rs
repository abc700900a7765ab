//! Records as text, and what else the verbs print.

mod csv;
mod fields;
pub mod human;
mod rows;
pub mod table;
mod text;

use std::io::Write;

use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use rosettar::error::code;
use rosettar::record::{self, JsonOptions};
use rosettar::{Limits, Result};

pub use fields::Fields;
pub use rows::RowRange;

use crate::wire;

/// The formats in which records are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Canonical protobuf JSON, one object a line.
    Jsonl,
    /// CSV with a header row, which `pack` reads back.
    Csv,
    /// Messages, each after its length as a varint.
    Binpb,
    /// Protobuf text format, one message a line, which `protoc --encode` takes.
    Text,
}

impl Format {
    /// The names that [`from_name`](Self::from_name) knows.
    pub const NAMES: &'static [&'static str] = &["jsonl", "csv", "binpb", "text"];

    /// The format called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "jsonl" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            "binpb" => Some(Self::Binpb),
            "text" => Some(Self::Text),
            _ => None,
        }
    }
}

/// How records are printed.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The fields to print; all by default.
    pub fields: Option<Fields>,
    /// What CSV prints for an unset field; nothing by default.
    pub null: Option<String>,
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the fields to print.
    #[must_use]
    pub fn fields(mut self, fields: Fields) -> Self {
        self.fields = Some(fields);
        self
    }

    /// Sets what CSV prints for an unset field.
    #[must_use]
    pub fn null(mut self, text: impl Into<String>) -> Self {
        self.null = Some(text.into());
        self
    }
}

/// Prints records of one type.
///
/// What [`write`](Self::write) is given was decoded by the caller, within the limits; only `binpb` without a selection
/// of fields needs no decoding, and [`wants_bytes`](Self::wants_bytes) tells.
pub struct RecordWriter<W> {
    out: W,
    format: Format,
    desc: MessageDescriptor,
    options: Options,
    csv: Option<csv::Columns>,
    buf: Vec<u8>,
    begun: bool,
}

impl<W: Write> RecordWriter<W> {
    /// Prints to `out`, which had better be buffered.
    pub fn new(out: W, format: Format, desc: &MessageDescriptor, options: Options) -> Self {
        let csv = (format == Format::Csv).then(|| csv::Columns::new(desc, options.fields.as_ref()));
        Self { out, format, desc: desc.clone(), options, csv, buf: Vec::new(), begun: false }
    }

    /// Whether records are printed as they are stored, so that [`write_bytes`](Self::write_bytes) needs no decoding.
    pub fn wants_bytes(&self) -> bool {
        self.format == Format::Binpb && self.options.fields.is_none()
    }

    /// Prints a record from its wire bytes; decodes it, within the default limits, where the format needs that.
    ///
    /// # Errors
    /// `record.decode` when the bytes are no message of the type, and those of [`write`](Self::write).
    pub fn write_bytes(&mut self, record: &[u8]) -> Result<()> {
        if self.wants_bytes() {
            self.buf.clear();
            prost::encoding::encode_varint(record.len() as u64, &mut self.buf);
            self.flush_record()?;
            return self.out.write_all(record).map_err(unwritable);
        }
        self.write(record::decode(&self.desc, record, &Limits::default())?)
    }

    /// Prints a record.
    ///
    /// # Errors
    /// `io.write`; `usage.option` when a CSV cell is the null text itself.
    pub fn write(&mut self, mut message: DynamicMessage) -> Result<()> {
        self.begin()?;
        if let Some(fields) = &self.options.fields {
            fields.keep_only(&mut message);
        }
        // Straight to the output: a record of 64 MiB may be several times as long as text.
        match self.format {
            Format::Jsonl => {
                record::write_json(&message, &JsonOptions::new(), &mut self.out)?;
                self.out.write_all(b"\n").map_err(unwritable)
            }
            Format::Text => {
                text::write(&message, &mut self.out).and_then(|_| self.out.write_all(b"\n")).map_err(unwritable)
            }
            Format::Binpb => {
                self.buf.clear();
                if wire::encode(&message, &mut self.buf).is_err() {
                    // A required field was not selected, or never set: the reader of the output will have to know.
                    self.buf = message.encode_to_vec();
                }
                wire::delimit(&mut self.buf, 0);
                self.flush_record()
            }
            Format::Csv => match &self.csv {
                Some(columns) => columns.write_row(&message, self.options.null.as_deref(), &mut self.out),
                None => Ok(()),
            },
        }
    }

    /// Ends the output and hands the writer back. CSV without records is still its header.
    ///
    /// # Errors
    /// `io.write`.
    pub fn finish(mut self) -> Result<W> {
        self.begin()?;
        self.out.flush().map_err(unwritable)?;
        Ok(self.out)
    }

    fn begin(&mut self) -> Result<()> {
        if !self.begun {
            self.begun = true;
            if let Some(columns) = &self.csv {
                columns.write_header(&mut self.out).map_err(unwritable)?;
            }
        }
        Ok(())
    }

    fn flush_record(&mut self) -> Result<()> {
        self.out.write_all(&self.buf).map_err(unwritable)
    }
}

fn unwritable(error: std::io::Error) -> rosettar::Error {
    rosettar::Error::io(code::IO_WRITE, "writing records", error)
}

#[cfg(test)]
mod tests;
