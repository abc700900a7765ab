//! Records from files: CSV, JSON lines and length-delimited protobuf, checked against their message type and handed on
//! as wire bytes, one record at a time.
//!
//! Every reader streams. Its memory is bounded by `record-bytes`, which holds for the text of a record and for its
//! encoding alike, and by `record-values`. The same input gives the same bytes: fields by number, map entries by key.
//!
//! A value that does not fit is refused with the file, the line and the column, what was found and what was expected:
//! `flights.csv:12: column "dep_delay": expected int32, found "abc"`.

mod binpb;
pub mod csv;
mod json;
mod jsonl;
mod lines;
mod records_spec;
mod time;

use std::fmt;
use std::io::BufRead;

use prost_reflect::MessageDescriptor;
use rosettar::error::{Code, code};
use rosettar::{Error, Limits, Result};

pub use binpb::BinpbReader;
pub use csv::CsvReader;
pub use jsonl::JsonlReader;
pub use records_spec::{RecordsSpec, Source};

/// A file of records, read one record at a time.
pub trait RecordSource {
    /// The wire bytes of the next record, `None` after the last one.
    ///
    /// After an error the source is in no defined state; ask it for nothing more.
    ///
    /// # Errors
    /// `record.value` for what does not fit the record's type, `record.framing` for a length-delimited file that is none,
    /// `limit.record-bytes` and `limit.record-values`, and `io.read`.
    fn next_record(&mut self) -> Result<Option<&[u8]>>;
}

/// The formats of record files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Comma-separated values with a header row.
    Csv,
    /// One canonical protobuf JSON object a line.
    Jsonl,
    /// Messages, each after its length as a varint.
    Binpb,
}

impl Format {
    /// The format that the name's suffix tells: `.csv`; `.jsonl` or `.ndjson`; `.binpb` or `.pb`. Case is ignored.
    pub fn of_file(name: &str) -> Option<Self> {
        let (_, suffix) = name.rsplit_once('.')?;
        match suffix.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "binpb" | "pb" => Some(Self::Binpb),
            _ => None,
        }
    }

    /// The format called `name`: `csv`, `jsonl` or `binpb`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "csv" => Some(Self::Csv),
            "jsonl" => Some(Self::Jsonl),
            "binpb" => Some(Self::Binpb),
            _ => None,
        }
    }
}

/// How record files are read.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The bounds on one record.
    pub limits: Limits,
    /// The text of a CSV cell that stands for an unset field, beside the empty cell; none by default.
    pub null: Option<String>,
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the bounds on one record.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the text of a CSV cell that stands for an unset field.
    #[must_use]
    pub fn null(mut self, text: impl Into<String>) -> Self {
        self.null = Some(text.into());
        self
    }
}

/// Reads records of type `desc` from `reader`; `name` is the file's name in errors.
///
/// # Errors
/// For CSV, whatever is wrong with the header row.
pub fn open<'a>(
    format: Format,
    reader: impl BufRead + 'a,
    name: &str,
    desc: &MessageDescriptor,
    options: &Options,
) -> Result<Box<dyn RecordSource + 'a>> {
    Ok(match format {
        Format::Csv => Box::new(CsvReader::new(reader, name, desc, options)?),
        Format::Jsonl => Box::new(JsonlReader::new(reader, name, desc, options)),
        Format::Binpb => Box::new(BinpbReader::new(reader, name, desc, options)),
    })
}

/// An error of `code` at `place`, which is a file's name with a line or a record's number.
fn fault(code: Code, place: impl fmt::Display, what: impl fmt::Display) -> Error {
    Error::new(code, format!("{place}: {what}"))
}

fn too_long(place: impl fmt::Display, what: &str, limits: &Limits) -> Error {
    fault(
        code::LIMIT_RECORD_BYTES,
        place,
        format_args!("the {what} is longer than the limit record-bytes of {} bytes", limits.record_bytes),
    )
}

fn too_many_values(place: impl fmt::Display, limits: &Limits) -> Error {
    fault(
        code::LIMIT_RECORD_VALUES,
        place,
        format_args!("the record has more values than the limit record-values of {}", limits.record_values),
    )
}

fn unreadable(name: &str, error: std::io::Error) -> Error {
    Error::io(code::IO_READ, format_args!("reading {name}"), error)
}

/// A value from a file as a message shows it: quoted, escaped and cut after 60 characters.
fn shown(value: &str) -> String {
    match value.char_indices().nth(60) {
        Some((at, _)) => format!("{:?}…", &value[..at]),
        None => format!("{value:?}"),
    }
}

/// Drops a byte order mark from the first line of a file.
fn strip_bom(buf: &mut Vec<u8>) {
    if buf.starts_with(b"\xef\xbb\xbf") {
        buf.drain(..3);
    }
}
