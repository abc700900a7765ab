//! CSV that the CSV reader takes back to the same records.
//!
//! The header has the fields in the order of their numbers, or of `--fields`, by their proto names. A message that is not
//! repeated is spread over columns with paths such as `inner.n`; except a member of a oneof and one of a recursive type,
//! which are JSON cells, as are lists and maps. An unset field is an empty cell or the null text; a field without presence
//! is never unset, and prints its default.
//!
//! CSV cannot tell everything: an `optional string` that is set to the empty string comes back unset, a message that is
//! present with no field set comes back absent (in a column of its own it does not: that cell is `{}`), unknown fields and
//! extensions are left out, and of an `Any` only what its JSON tells comes back.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};
use std::ops::Range;

use base64::engine::general_purpose::STANDARD as BASE64;
use base64::write::EncoderWriter;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value};
use rosettar::error::code;
use rosettar::record::{JsonOptions, value_to_json, write_value_json};
use rosettar::{Error, Result};

use super::held::Held;
use super::{Fields, MOST_KEPT};
use crate::well_known::is_special;

/// The most columns; a type that would be spread over more keeps its messages as JSON cells.
const MAX_COLUMNS: usize = 4096;

/// From how many columns on a row is begun from that of an empty message, of which it is likely to keep most.
pub(super) const MANY_COLUMNS: usize = 40;

/// The columns for a message type.
pub(super) struct Columns {
    columns: Vec<Column>,
    null: Option<String>,
    /// Known from the first row on.
    absent: Option<Absent>,
}

/// What a row takes from the one of an empty message: of a type with many columns most records state few.
struct Absent {
    nothing: DynamicMessage,
    /// The cells of that row, each but the first after its comma, and where each ends. Fewer than there are where they are too
    /// long to be kept, or one of them is an error.
    cells: Vec<u8>,
    ends: Vec<usize>,
    /// The columns inside of each field, by its number.
    columns: HashMap<u32, Vec<usize>>,
    /// The columns that are floats without presence, of which the negative zero counts as absent.
    floats: Vec<usize>,
}

struct Column {
    name: String,
    /// From the record to the field.
    path: Vec<FieldDescriptor>,
    /// Whether the field's JSON is itself the cell: a list, a map, a message.
    json: bool,
}

impl Columns {
    /// `null` is what an unset field is printed as, if not as nothing.
    pub(super) fn new(desc: &MessageDescriptor, fields: Option<&Fields>, null: Option<&str>) -> Self {
        let mut columns = Vec::new();
        if !spread(desc, &mut Vec::new(), &mut vec![desc.full_name().to_owned()], &mut columns) {
            columns = desc.fields().map(|field| Column::new(vec![field])).collect();
        }
        if let Some(fields) = fields {
            let mut ranked: Vec<_> =
                columns.into_iter().filter_map(|column| Some((fields.rank(&column.path)?, column))).collect();
            ranked.sort_by_key(|(rank, _)| *rank);
            columns = ranked.into_iter().map(|(_, column)| column).collect();
        }
        Self { columns, null: null.map(str::to_owned), absent: None }
    }

    pub(super) fn write_header(&self, out: &mut impl Write) -> io::Result<()> {
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                out.write_all(b",")?;
            }
            write_cell(column.name.as_bytes(), false, out)?;
        }
        out.write_all(b"\n")
    }

    /// Writes the row of a message.
    ///
    /// # Errors
    /// `usage.option` where a cell is the null text itself; `io.write`.
    pub(super) fn write_row(&mut self, message: &DynamicMessage, out: &mut impl Write) -> Result<()> {
        if self.columns.len() < MANY_COLUMNS {
            self.write_each(0..self.columns.len(), message, out)?;
        } else {
            let absent = self.absent.take().unwrap_or_else(|| self.absent(message));
            let written = self.write_cells(message, &absent, out);
            self.absent = Some(absent);
            written?;
        }
        out.write_all(b"\n").map_err(unwritable)
    }

    fn write_cells(&self, message: &DynamicMessage, absent: &Absent, out: &mut impl Write) -> Result<()> {
        let mut at = 0;
        for index in absent.differing(&self.columns, message) {
            absent.write(at..index, out).map_err(unwritable)?;
            self.write_each(index..index + 1, message, out)?;
            at = index + 1;
        }
        absent.write(at..self.columns.len(), out).map_err(unwritable)
    }

    fn write_each(&self, columns: Range<usize>, message: &DynamicMessage, out: &mut impl Write) -> Result<()> {
        for index in columns {
            if index > 0 {
                out.write_all(b",").map_err(unwritable)?;
            }
            self.write_cell(&self.columns[index], message, out)?;
        }
        Ok(())
    }

    /// What a row of the type has where a field is absent.
    fn absent(&self, message: &DynamicMessage) -> Absent {
        let nothing = DynamicMessage::new(message.descriptor());
        let (mut cells, mut ends) = (Vec::new(), Vec::new());
        let mut columns: HashMap<u32, Vec<usize>> = HashMap::new();
        let mut floats = Vec::new();
        for (index, column) in self.columns.iter().enumerate() {
            if let Some(field) = column.path.first() {
                columns.entry(field.number()).or_default().push(index);
            }
            if let ([field], Kind::Float | Kind::Double) = (&column.path[..], column.kind())
                && !field.supports_presence()
                && !column.json
            {
                floats.push(index);
            }
        }
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                cells.push(b',');
            }
            if self.write_cell(column, &nothing, &mut Held::new(&mut cells, MOST_KEPT)).is_err() {
                break;
            }
            ends.push(cells.len());
        }
        Absent { nothing, cells, ends, columns, floats }
    }

    fn write_cell(&self, column: &Column, message: &DynamicMessage, out: &mut impl Write) -> Result<()> {
        let null = self.null.as_deref();
        let value = column.value(message);
        let mut cell = Vec::new();
        let text = match value.as_deref() {
            None => None,
            Some(Value::String(text)) => Some(text.as_bytes()),
            Some(value) => match column.text(value, &mut cell)? {
                true => Some(&cell[..]),
                // No null text is that long.
                false => return column.write_long(value, out),
            },
        };
        let text = text.filter(|text| !text.is_empty() || column.has_presence());
        if let (Some(text), Some(null)) = (text, null)
            && text == null.as_bytes()
        {
            return Err(Error::new(
                code::USAGE_OPTION,
                format!("column {:?} has a value that is the null text {null:?} itself; choose another", column.name),
            ));
        }
        let alone = self.columns.len() == 1;
        write_cell(text.unwrap_or(null.unwrap_or_default().as_bytes()), alone, out).map_err(unwritable)
    }
}

impl Absent {
    /// The columns, in order, in which a message may differ from an empty one.
    fn differing(&self, columns: &[Column], message: &DynamicMessage) -> Vec<usize> {
        if self.ends.len() < columns.len() {
            return (0..columns.len()).collect();
        }
        if *message == self.nothing {
            return Vec::new();
        }
        let set = message.fields().filter_map(|(field, _)| self.columns.get(&field.number())).flatten().copied();
        let is_stated = |index: &usize| matches!(message.get_field(&columns[*index].path[0]), Cow::Borrowed(_));
        let mut found: Vec<usize> = set.chain(self.floats.iter().copied().filter(is_stated)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Writes the cells of these columns as they are in an empty message.
    fn write(&self, columns: Range<usize>, out: &mut impl Write) -> io::Result<()> {
        let end_before = |index: usize| index.checked_sub(1).map_or(0, |before| self.ends[before]);
        match columns.is_empty() {
            true => Ok(()),
            false => out.write_all(&self.cells[end_before(columns.start)..end_before(columns.end)]),
        }
    }
}

/// Appends the columns of a message; `false` when they are too many.
fn spread(
    desc: &MessageDescriptor,
    path: &mut Vec<FieldDescriptor>,
    within: &mut Vec<String>,
    columns: &mut Vec<Column>,
) -> bool {
    for field in desc.fields() {
        let inner = match field.kind() {
            Kind::Message(inner)
                if !field.is_list()
                    && !field.is_map()
                    && field.containing_oneof().is_none()
                    && !is_special(inner.full_name())
                    && inner.fields().len() > 0
                    && !is_recursive(&inner, within) =>
            {
                Some(inner)
            }
            _ => None,
        };
        path.push(field);
        match inner {
            None => columns.push(Column::new(path.clone())),
            Some(inner) => {
                within.push(inner.full_name().to_owned());
                let few = spread(&inner, path, within, columns);
                within.pop();
                if !few {
                    return false;
                }
            }
        }
        path.pop();
        if columns.len() > MAX_COLUMNS {
            return false;
        }
    }
    true
}

/// Whether a message holds itself, directly among those that would be spread with it.
fn is_recursive(desc: &MessageDescriptor, within: &[String]) -> bool {
    within.iter().any(|name| name == desc.full_name())
        || desc.fields().any(|field| {
            matches!(field.kind(), Kind::Message(inner) if inner.full_name() == desc.full_name() && !field.is_map())
        })
}

impl Column {
    fn new(path: Vec<FieldDescriptor>) -> Self {
        let names: Vec<_> = path.iter().map(FieldDescriptor::name).collect();
        let json = path
            .last()
            .is_some_and(|field| field.is_list() || field.is_map() || matches!(field.kind(), Kind::Message(_)));
        Self { name: names.join("."), json, path }
    }

    /// The field's value in a message; `None` where it is unset.
    fn value<'a>(&self, message: &'a DynamicMessage) -> Option<Cow<'a, Value>> {
        let (field, parents) = self.path.split_last()?;
        let mut parent = message;
        for step in parents {
            // What is set is there, and not a default that was just made.
            parent = match parent.has_field(step).then(|| parent.get_field(step))? {
                Cow::Borrowed(value) => value.as_message()?,
                Cow::Owned(_) => return None,
            };
        }
        if (self.json || field.supports_presence()) && !parent.has_field(field) {
            return None;
        }
        Some(parent.get_field(field))
    }

    fn has_presence(&self) -> bool {
        self.path.last().is_some_and(FieldDescriptor::supports_presence)
    }

    /// The kind of the field's value, or elements.
    fn kind(&self) -> Kind {
        self.path.last().map_or(Kind::Bytes, FieldDescriptor::kind)
    }

    /// Whether a string in JSON stays JSON: in lists and maps, and for messages that any JSON can stand for. Else its text is
    /// the cell.
    fn is_whole_json(&self) -> bool {
        self.path.last().is_some_and(|field| field.is_list() || field.is_map())
            || matches!(self.kind(), Kind::Message(desc) if desc.full_name() == "google.protobuf.Value")
    }

    /// Puts the text of a value into `cell`; `false` where it is longer than a cell that is held.
    fn text(&self, value: &Value, cell: &mut Vec<u8>) -> Result<bool> {
        let mut held = Held::new(cell, MOST_HELD);
        match write_value_json(value, &self.kind(), &JsonOptions::new(), &mut held) {
            Err(_) if held.is_full() && !is_name(value) => return Ok(false),
            Err(_) if held.is_full() => *cell = value_to_json(value, &self.kind(), &JsonOptions::new())?.into_bytes(),
            outcome => outcome?,
        }
        if !self.is_whole_json()
            && cell.first() == Some(&b'"')
            && let Ok(text) = serde_json::from_slice::<String>(cell)
        {
            cell.clear();
            cell.extend_from_slice(text.as_bytes());
        }
        Ok(true)
    }

    /// Writes the cell of a value whose text is too long to be held.
    fn write_long(&self, value: &Value, out: &mut impl Write) -> Result<()> {
        // The text of a wrapper is that of what it wraps.
        let wrapped = match value {
            Value::Message(message)
                if matches!(
                    message.descriptor().full_name(),
                    "google.protobuf.StringValue" | "google.protobuf.BytesValue"
                ) =>
            {
                message.get_field_by_number(1)
            }
            _ => None,
        };
        match wrapped.as_deref().unwrap_or(value) {
            Value::String(text) => write_cell(text.as_bytes(), false, out).map_err(unwritable),
            Value::Bytes(bytes) => {
                let mut encoder = EncoderWriter::new(out, &BASE64);
                encoder.write_all(bytes).and_then(|()| encoder.finish().map(drop)).map_err(unwritable)
            }
            value => {
                out.write_all(b"\"").map_err(unwritable)?;
                write_value_json(value, &self.kind(), &JsonOptions::new(), Doubling { out })?;
                out.write_all(b"\"").map_err(unwritable)
            }
        }
    }
}

/// Writes each quote twice.
struct Doubling<'a, W> {
    out: &'a mut W,
}

impl<W: Write> Write for Doubling<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_doubled(bytes, self.out)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Whether its JSON is a string that may have escapes, but is no value of a string: names of enum values, field masks.
fn is_name(value: &Value) -> bool {
    match value {
        Value::EnumNumber(_) => true,
        Value::Message(message) => message.descriptor().full_name() == "google.protobuf.FieldMask",
        _ => false,
    }
}

/// How long a cell may be that is held as a whole.
pub(super) const MOST_HELD: usize = 64 << 10;

/// Writes a cell, quoted where it must be. `alone`: in a row of its own, where an empty one must be too.
fn write_cell(cell: &[u8], alone: bool, out: &mut impl Write) -> io::Result<()> {
    let special = cell.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'));
    // A byte order mark of the text itself would be taken for the file's.
    let needs_quotes = special || cell.starts_with(b"\xef\xbb\xbf") || (alone && cell.is_empty());
    if !needs_quotes {
        return out.write_all(cell);
    }
    out.write_all(b"\"")?;
    write_doubled(cell, out)?;
    out.write_all(b"\"")
}

/// Writes what stands between quotes: each quote in it twice.
fn write_doubled(text: &[u8], out: &mut impl Write) -> io::Result<()> {
    for part in text.split_inclusive(|byte| *byte == b'"') {
        out.write_all(part)?;
        if part.ends_with(b"\"") {
            out.write_all(b"\"")?;
        }
    }
    Ok(())
}

fn unwritable(error: io::Error) -> Error {
    Error::io(code::IO_WRITE, "writing records", error)
}
