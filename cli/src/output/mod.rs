//! Records as text, and what else the verbs print.

mod csv;
mod fields;
mod held;
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
use held::Held;

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
    form: Form,
    desc: MessageDescriptor,
    begun: bool,
    /// What a record of no bytes is printed as, once one was, if that is not too long to be kept.
    empty: Option<Vec<u8>>,
}

/// The most bytes that are kept of what an absent thing is printed as.
const MOST_KEPT: usize = 4 << 20;

impl<W: Write> RecordWriter<W> {
    /// Prints to `out`, which had better be buffered.
    pub fn new(out: W, format: Format, desc: &MessageDescriptor, options: Options) -> Self {
        let null = options.null.as_deref();
        let csv = (format == Format::Csv).then(|| csv::Columns::new(desc, options.fields.as_ref(), null));
        let form = Form { format, fields: options.fields, csv };
        Self { out, form, desc: desc.clone(), begun: false, empty: None }
    }

    /// The type of the records.
    pub fn descriptor(&self) -> &MessageDescriptor {
        &self.desc
    }

    /// Whether this record is printed without being decoded, by [`write_bytes`](Self::write_bytes).
    pub fn wants_bytes(&self, record: &[u8]) -> bool {
        self.is_printed_as_stored() || record.is_empty()
    }

    fn is_printed_as_stored(&self) -> bool {
        self.form.format == Format::Binpb && self.form.fields.is_none()
    }

    /// Prints a record from its wire bytes; decodes it, within the default limits, where the format needs that.
    ///
    /// # Errors
    /// `record.decode` when the bytes are no message of the type, and those of [`write`](Self::write).
    pub fn write_bytes(&mut self, record: &[u8]) -> Result<()> {
        if self.is_printed_as_stored() {
            let mut length = Vec::with_capacity(10);
            prost::encoding::encode_varint(record.len() as u64, &mut length);
            return self.out.write_all(&length).and_then(|()| self.out.write_all(record)).map_err(unwritable);
        }
        match (&self.empty, record.is_empty()) {
            // There may be any number of them in a small archive.
            (Some(line), true) => self.out.write_all(line).map_err(unwritable),
            (None, true) => self.write_first_empty(),
            _ => self.write(record::decode(&self.desc, record, &Limits::default())?),
        }
    }

    fn write_first_empty(&mut self) -> Result<()> {
        self.begin()?;
        let mut line = Vec::new();
        let mut held = Held::new(&mut line, MOST_KEPT);
        match self.form.write(DynamicMessage::new(self.desc.clone()), &mut held) {
            Err(_) if held.is_full() => self.form.write(DynamicMessage::new(self.desc.clone()), &mut self.out),
            Err(error) => Err(error),
            Ok(()) => self.out.write_all(self.empty.insert(line)).map_err(unwritable),
        }
    }

    /// Prints a record.
    ///
    /// # Errors
    /// `io.write`; `usage.option` when a CSV cell is the null text itself.
    pub fn write(&mut self, message: DynamicMessage) -> Result<()> {
        self.begin()?;
        self.form.write(message, &mut self.out)
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
            if let Some(columns) = &self.form.csv {
                columns.write_header(&mut self.out).map_err(unwritable)?;
            }
        }
        Ok(())
    }
}

/// What records are printed as.
struct Form {
    format: Format,
    fields: Option<Fields>,
    csv: Option<csv::Columns>,
}

impl Form {
    /// Writes a record, straight to the output: one of 64 MiB may be several times as long as text.
    fn write(&mut self, mut message: DynamicMessage, out: &mut impl Write) -> Result<()> {
        if let Some(fields) = &self.fields {
            fields.keep_only(&mut message);
        }
        match self.format {
            Format::Jsonl => {
                record::write_json(&message, &JsonOptions::new(), &mut *out)?;
                out.write_all(b"\n").map_err(unwritable)
            }
            Format::Text => text::write(&message, out).and_then(|_| out.write_all(b"\n")).map_err(unwritable),
            Format::Binpb => {
                let mut bytes = Vec::new();
                if wire::encode(&message, &mut bytes).is_err() {
                    // A required field was not selected, or never set: the reader of the output will have to know.
                    bytes = message.encode_to_vec();
                }
                wire::delimit(&mut bytes, 0);
                out.write_all(&bytes).map_err(unwritable)
            }
            Format::Csv => match &mut self.csv {
                Some(columns) => columns.write_row(&message, out),
                None => Ok(()),
            },
        }
    }
}

fn unwritable(error: std::io::Error) -> rosettar::Error {
    rosettar::Error::io(code::IO_WRITE, "writing records", error)
}

#[cfg(test)]
mod tests;
