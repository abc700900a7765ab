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

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use rosettar::error::code;
use rosettar::record::{JsonOptions, value_to_json};
use rosettar::{Error, Result};

use super::Fields;
use crate::well_known::is_special;

/// The most columns; a type that would be spread over more keeps its messages as JSON cells.
const MAX_COLUMNS: usize = 4096;

/// The columns for a message type.
pub(super) struct Columns {
    columns: Vec<Column>,
}

struct Column {
    name: String,
    /// From the record to the field.
    path: Vec<FieldDescriptor>,
    /// Whether the field's JSON is itself the cell: a list, a map, a message.
    json: bool,
}

impl Columns {
    pub(super) fn new(desc: &MessageDescriptor, fields: Option<&Fields>) -> Self {
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
        Self { columns }
    }

    pub(super) fn write_header(&self, out: &mut Vec<u8>) {
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_cell(column.name.as_bytes(), false, out);
        }
        out.push(b'\n');
    }

    pub(super) fn write_row(&self, message: &DynamicMessage, null: Option<&str>, out: &mut Vec<u8>) -> Result<()> {
        let mut cell = Vec::new();
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            cell.clear();
            let set = column.write(message, &mut cell)?;
            if let (true, Some(null)) = (set, null)
                && cell == null.as_bytes()
            {
                return Err(Error::new(
                    code::USAGE_OPTION,
                    format!(
                        "column {:?} has a value that is the null text {null:?} itself; choose another",
                        column.name
                    ),
                ));
            }
            if !set {
                cell.extend_from_slice(null.unwrap_or_default().as_bytes());
            }
            write_cell(&cell, self.columns.len() == 1, out);
        }
        out.push(b'\n');
        Ok(())
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

    /// Appends the cell's text; `false` when the field is unset.
    fn write(&self, message: &DynamicMessage, cell: &mut Vec<u8>) -> Result<bool> {
        let Some((field, parents)) = self.path.split_last() else { return Ok(false) };
        let mut parent = std::borrow::Cow::Borrowed(message);
        for step in parents {
            if !parent.has_field(step) {
                return Ok(false);
            }
            let inner = match &parent {
                std::borrow::Cow::Borrowed(message) => match message.get_field(step) {
                    std::borrow::Cow::Borrowed(value) => value.as_message().map(std::borrow::Cow::Borrowed),
                    std::borrow::Cow::Owned(value) => value.as_message().cloned().map(std::borrow::Cow::Owned),
                },
                std::borrow::Cow::Owned(message) => {
                    message.get_field(step).as_message().cloned().map(std::borrow::Cow::Owned)
                }
            };
            let Some(inner) = inner else { return Ok(false) };
            parent = inner;
        }
        if (self.json || field.supports_presence()) && !parent.has_field(field) {
            return Ok(false);
        }
        let value = parent.get_field(field);
        match value.as_ref() {
            Value::String(text) => cell.extend_from_slice(text.as_bytes()),
            value => {
                cell.extend_from_slice(value_to_json(value, &field.kind(), &JsonOptions::new())?.as_bytes());
                // A string in JSON is, but for messages that any JSON can stand for, its text as a cell.
                let whole_json = field.is_list()
                    || field.is_map()
                    || matches!(field.kind(), Kind::Message(desc) if desc.full_name() == "google.protobuf.Value");
                if !whole_json
                    && cell.first() == Some(&b'"')
                    && let Ok(text) = serde_json::from_slice::<String>(cell)
                {
                    cell.clear();
                    cell.extend_from_slice(text.as_bytes());
                }
            }
        }
        Ok(!cell.is_empty() || field.supports_presence())
    }
}

/// Appends a cell, quoted where it must be. `alone`: in a row of its own, where an empty one must be too.
fn write_cell(cell: &[u8], alone: bool, out: &mut Vec<u8>) {
    let special = cell.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'));
    // A byte order mark of the text itself would be taken for the file's.
    let needs_quotes = special || cell.starts_with(b"\xef\xbb\xbf") || (alone && cell.is_empty());
    if !needs_quotes {
        return out.extend_from_slice(cell);
    }
    out.push(b'"');
    for byte in cell {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
