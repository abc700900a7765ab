//! What a header makes of a message type: the columns in the order in which their fields are encoded.

use std::collections::BTreeMap;
use std::io::BufRead;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use rosettar::Limits;

use super::super::json::{self, Reason};
use super::super::shown;
use super::cell::{self, CellType, type_name};
use super::rows::Rows;
use crate::well_known::is_special;
use crate::wire::{self, GROUP_END, GROUP_START, delimit, put_tag};

/// The most fields in a column's path.
const MAX_PATH: usize = 64;

/// Why a row has no encoding.
#[derive(Debug)]
pub(super) enum Refused {
    /// A cell is not a value of its field's type.
    Cell { column: usize, expected: String, because: Option<String> },
    /// The row as a whole does not fit.
    Row(String),
    /// More values than `record-values`.
    TooManyValues,
}

/// The columns, in the order of the encoding.
#[derive(Debug)]
pub(super) struct Plan {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    field: FieldDescriptor,
    tag: Vec<u8>,
    /// The oneof that the field belongs to, if it is one of several members that have columns.
    oneof: Option<String>,
    part: Part,
}

#[derive(Debug)]
enum Part {
    Cell { column: usize, cell: CellType },
    Message { nodes: Vec<Node>, required: Vec<String> },
}

/// The columns of one message while the header is read.
#[derive(Default)]
struct Draft {
    fields: BTreeMap<u32, (FieldDescriptor, Found)>,
}

enum Found {
    Column(usize),
    Message(Draft),
}

impl Plan {
    /// The plan for the columns called `names`; `Err` says which of them does not fit.
    pub(super) fn new(desc: &MessageDescriptor, names: &[String]) -> Result<Self, String> {
        let mut draft = Draft::default();
        for (column, name) in names.iter().enumerate() {
            draft.add(desc, name, column, names, 1).map_err(|what| format!("column {}: {what}", shown(name)))?;
        }
        let (nodes, missing) = draft.finish(desc);
        match missing.first() {
            Some(missing) => Err(format!("expected a column for the required field {missing:?}, found none")),
            None => Ok(Self { nodes }),
        }
    }

    /// Appends the current row's encoding.
    pub(super) fn encode<R: BufRead>(
        &self,
        rows: &Rows<R>,
        null: Option<&str>,
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        Encoder { rows, null, limits }.nodes(&self.nodes, out).map(|_| ())
    }
}

impl Draft {
    fn add(
        &mut self,
        desc: &MessageDescriptor,
        name: &str,
        column: usize,
        names: &[String],
        depth: usize,
    ) -> Result<(), String> {
        let find = |name: &str| desc.get_field_by_name(name).or_else(|| desc.get_field_by_json_name(name));
        let (field, rest) = match find(name) {
            Some(field) => (field, None),
            None => {
                let (head, rest) = name.split_once('.').unwrap_or((name, ""));
                let field = find(head).ok_or_else(|| unknown(desc, head))?;
                (field, Some(rest))
            }
        };
        let Some(rest) = rest else {
            return match self.fields.get(&field.number()) {
                None => {
                    self.fields.insert(field.number(), (field, Found::Column(column)));
                    Ok(())
                }
                Some((_, Found::Column(other))) => Err(same_field(&names[*other])),
                Some((_, Found::Message(_))) => Err(format!("{:?} has columns for its parts already", field.name())),
            };
        };
        let inner = match field.kind() {
            _ if field.is_list() || field.is_map() => None,
            Kind::Message(inner) if !is_special(inner.full_name()) => Some(inner),
            _ => None,
        };
        let Some(inner) = inner else {
            return Err(format!("{:?} is {}, which takes one column", field.name(), type_name(&field)));
        };
        if depth == MAX_PATH {
            return Err(format!("expected a path of at most {MAX_PATH} fields"));
        }
        let entry = self.fields.entry(field.number()).or_insert_with(|| (field, Found::Message(Self::default())));
        match &mut entry.1 {
            Found::Message(draft) => draft.add(&inner, rest, column, names, depth + 1),
            Found::Column(other) => Err(same_field(&names[*other])),
        }
    }

    /// The nodes, and the names of the required fields that have no column.
    fn finish(self, desc: &MessageDescriptor) -> (Vec<Node>, Vec<String>) {
        let missing = desc
            .fields()
            .filter(|field| field.is_required() && !self.fields.contains_key(&field.number()))
            .map(|field| field.name().to_owned())
            .collect();
        let nodes = self.fields.into_values().map(|(field, found)| {
            let oneof = field.containing_oneof().filter(|oneof| oneof.fields().len() > 1);
            let mut tag = Vec::new();
            let wire_type = if field.is_group() { GROUP_START } else { wire::wire_type(&field.kind()) };
            put_tag(&mut tag, field.number(), wire_type);
            let part = match (found, field.kind()) {
                (Found::Message(draft), Kind::Message(inner)) => {
                    let (nodes, required) = draft.finish(&inner);
                    Part::Message { nodes, required }
                }
                (Found::Message(_), _) => Part::Message { nodes: Vec::new(), required: Vec::new() },
                (Found::Column(column), _) => Part::Cell { column, cell: CellType::of(&field) },
            };
            Node { tag, oneof: oneof.map(|oneof| oneof.name().to_owned()), part, field }
        });
        (nodes.collect(), missing)
    }
}

fn unknown(desc: &MessageDescriptor, name: &str) -> String {
    let names: Vec<_> = desc.fields().map(|field| field.name().to_owned()).collect();
    format!("{} has no field {}; its fields are {}", desc.full_name(), shown(name), names.join(", "))
}

fn same_field(other: &str) -> String {
    format!("its field is that of column {other:?}")
}

struct Encoder<'a, R> {
    rows: &'a Rows<R>,
    null: Option<&'a str>,
    limits: &'a Limits,
}

impl<R: BufRead> Encoder<'_, R> {
    /// Appends the fields of one message; tells whether any of them is set.
    fn nodes(&self, nodes: &[Node], out: &mut Vec<u8>) -> Result<bool, Refused> {
        let mut any = false;
        let mut oneofs: Vec<(&str, &Node)> = Vec::new();
        for node in nodes {
            let set = match &node.part {
                Part::Cell { column, cell } => self.cell(node, *column, cell, out)?,
                Part::Message { nodes, required } => self.message(node, nodes, required, out)?,
            };
            if !set {
                if node.field.is_required() {
                    return Err(Refused::Row(format!("required field {:?} is not set", node.field.name())));
                }
                continue;
            }
            any = true;
            if let Some(oneof) = &node.oneof {
                if let Some((_, other)) = oneofs.iter().find(|(name, _)| name == oneof) {
                    return Err(Refused::Row(format!(
                        "expected one member of the oneof {oneof:?}, found {:?} and {:?}",
                        other.field.name(),
                        node.field.name()
                    )));
                }
                oneofs.push((oneof, node));
            }
        }
        Ok(any)
    }

    fn message(&self, node: &Node, nodes: &[Node], required: &[String], out: &mut Vec<u8>) -> Result<bool, Refused> {
        let before = out.len();
        out.extend_from_slice(&node.tag);
        let start = out.len();
        // A required field of an absent message is not missing.
        let set = match self.nodes(nodes, out) {
            Err(Refused::Row(_)) if nodes.iter().all(|node| self.is_unset(node)) => false,
            result => result?,
        };
        if !set {
            out.truncate(before);
            return Ok(false);
        }
        if let Some(missing) = required.first() {
            let what = format!("required field {missing:?} of {:?} is not set", node.field.name());
            return Err(Refused::Row(what));
        }
        if node.field.is_group() {
            put_tag(out, node.field.number(), GROUP_END);
        } else {
            delimit(out, start);
        }
        Ok(true)
    }

    fn is_unset(&self, node: &Node) -> bool {
        match &node.part {
            Part::Cell { column, .. } => self.text(*column).is_none(),
            Part::Message { nodes, .. } => nodes.iter().all(|node| self.is_unset(node)),
        }
    }

    fn text(&self, column: usize) -> Option<&str> {
        let text = self.rows.cell(column);
        (!text.is_empty() && Some(text) != self.null).then_some(text)
    }

    fn cell(&self, node: &Node, column: usize, cell: &CellType, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let Some(text) = self.text(column) else { return Ok(false) };
        let quoted;
        let json = match cell {
            CellType::Json => text,
            CellType::JsonString => {
                quoted = serde_json::Value::from(text).to_string();
                &quoted
            }
            _ => {
                let written = cell::write(cell, text, &node.tag, node.field.supports_presence(), out);
                return match written {
                    Some(()) => Ok(true),
                    None => {
                        let expected = cell.expected(&node.field, text);
                        Err(Refused::Cell { column, expected, because: None })
                    }
                };
            }
        };
        let because = |because: String| Refused::Cell {
            column,
            expected: cell.expected(&node.field, text),
            because: Some(because),
        };
        let message = json::parse_field(&node.field, json, self.limits).map_err(|bad| match bad.reason {
            Reason::TooManyValues => Refused::TooManyValues,
            Reason::Value(reason) => because(format!("{reason}, at character {}", bad.column)),
        })?;
        if !message.has_field(&node.field) {
            // JSON null, an empty list or an empty map.
            return Ok(false);
        }
        let value = message.get_field(&node.field);
        wire::encode_parsed_field(&node.field, &value, out).map_err(|missing| because(missing.to_string()))?;
        Ok(true)
    }
}
