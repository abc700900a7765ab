//! Selections of fields.

use std::collections::BTreeMap;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use rosettar::error::code;
use rosettar::{Error, Result};

use crate::well_known::is_special;

/// The argument of `--fields`: `a,b.c`, fields by their proto or JSON names, with paths into messages, also into those in
/// lists and maps.
#[derive(Clone, Debug)]
pub struct Fields {
    tree: Tree,
    /// The paths in the order in which they were given.
    paths: Vec<Vec<u32>>,
}

/// The selected fields of a message by number; `None` for a field of which everything is selected.
type Tree = BTreeMap<u32, Option<Box<Node>>>;

#[derive(Clone, Debug)]
struct Node(Tree);

impl Fields {
    /// Parses the argument for messages of type `desc`.
    ///
    /// # Errors
    /// `usage.option` when the message has no such field; the message lists those it has.
    pub fn parse(text: &str, desc: &MessageDescriptor) -> Result<Self> {
        let (mut tree, mut paths) = (Tree::new(), Vec::new());
        for path in text.split(',') {
            let fields = resolve(path.trim(), desc)
                .map_err(|why| Error::new(code::USAGE_OPTION, format!("--fields {text:?}: {why}")))?;
            insert(&mut tree, &fields);
            paths.push(fields);
        }
        Ok(Self { tree, paths })
    }

    /// Clears all other fields of the message, unknown ones too.
    pub fn keep_only(&self, message: &mut DynamicMessage) {
        keep_only(&self.tree, message);
    }

    /// The place in the order of the argument of the first path that selects, or lies in, the field at `path`.
    pub(super) fn rank(&self, path: &[FieldDescriptor]) -> Option<usize> {
        self.paths
            .iter()
            .position(|selected| selected.iter().zip(path).all(|(number, field)| *number == field.number()))
    }
}

fn resolve(path: &str, desc: &MessageDescriptor) -> Result<Vec<u32>, String> {
    let (mut numbers, mut desc) = (Vec::new(), desc.clone());
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        let field = desc.get_field_by_name(part).or_else(|| desc.get_field_by_json_name(part)).ok_or_else(|| {
            let names: Vec<_> = desc.fields().map(|field| field.name().to_owned()).collect();
            format!("{} has no field {part:?}; its fields are {}", desc.full_name(), names.join(", "))
        })?;
        numbers.push(field.number());
        if parts.peek().is_none() {
            break;
        }
        let kind = match field.kind() {
            Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
            kind => kind,
        };
        match kind {
            Kind::Message(inner) if !is_special(inner.full_name()) => desc = inner,
            _ => return Err(format!("{part:?} of {} is one value, with no fields to choose from", desc.full_name())),
        }
    }
    Ok(numbers)
}

fn insert(tree: &mut Tree, path: &[u32]) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        tree.insert(*first, None);
    } else if let Some(node) = tree.entry(*first).or_insert_with(|| Some(Box::new(Node(Tree::new())))) {
        insert(&mut node.0, rest);
    }
}

fn keep_only(tree: &Tree, message: &mut DynamicMessage) {
    message.take_unknown_fields().for_each(drop);
    message.take_extensions().for_each(drop);
    let others: Vec<_> =
        message.fields().map(|(field, _)| field).filter(|field| !tree.contains_key(&field.number())).collect();
    for field in others {
        message.clear_field(&field);
    }
    for (field, value) in message.fields_mut() {
        let Some(Some(node)) = tree.get(&field.number()) else { continue };
        match value {
            Value::Message(inner) => keep_only(&node.0, inner),
            Value::List(values) => {
                values.iter_mut().filter_map(Value::as_message_mut).for_each(|m| keep_only(&node.0, m))
            }
            Value::Map(values) => {
                values.values_mut().filter_map(Value::as_message_mut).for_each(|m| keep_only(&node.0, m));
            }
            _ => {}
        }
    }
}
