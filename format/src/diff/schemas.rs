//! The types of streams, field by field.
//!
//! Fields and enum values are paired by name, then by number: a name that got another number is one that changed, and so
//! is a number that got another name.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

use super::{Aspect, NEW, OLD, SchemaDifference, SchemaElement, Sides};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::model::StreamInfo;
use crate::read::Archive;
use crate::schema;

pub(super) fn compare(old: &Archive, new: &Archive) -> Result<Vec<SchemaDifference>> {
    // Streams that share their Schema on both sides are looked at together.
    let mut pairs: BTreeMap<(u32, u32), Roots<'_>> = BTreeMap::new();
    let by_name: BTreeMap<&str, &StreamInfo> = new.streams().iter().map(|stream| (stream.name(), stream)).collect();
    for stream in old.streams() {
        if let Some(other) = by_name.get(stream.name()) {
            let roots = pairs.entry((stream.declaration.schema, other.declaration.schema)).or_default();
            roots.streams.push(stream.name());
            roots.old.insert(stream.type_name());
            roots.new.insert(other.type_name());
        }
    }
    // Two Schemas may hold one file, and what differs in it is told once.
    let mut found = BTreeSet::new();
    for ((old_number, new_number), roots) in pairs {
        // Thousands of pairs may each take a while.
        old.options().monitor.advance(0)?;
        let of_old = |error: Error| error.about(OLD);
        let of_new = |error: Error| error.about(NEW);
        let old_set = old.descriptor_set(old_number).map_err(of_old)?;
        let new_set = new.descriptor_set(new_number).map_err(of_new)?;
        if old_set == new_set && roots.old == roots.new {
            continue;
        }
        // Which other files a Schema holds depends on the streams that share it.
        let closure = |set, roots: &BTreeSet<&str>| schema::closure_of(set, &roots.iter().copied().collect::<Vec<_>>());
        let old_set = closure(old_set, &roots.old).map_err(of_old)?;
        let new_set = closure(new_set, &roots.new).map_err(of_new)?;
        if old_set == new_set && roots.old == roots.new {
            continue;
        }
        let mut differences = Vec::new();
        let old_types = old.driver.pool(old_number).and_then(|pool| Types::of(pool, &roots.old)).map_err(of_old)?;
        let new_types = new.driver.pool(new_number).and_then(|pool| Types::of(pool, &roots.new)).map_err(of_new)?;
        compare_messages(&old_types.messages, &new_types.messages, &mut differences);
        compare_enums(&old_types.enums, &new_types.enums, &mut differences);
        if differences.is_empty() && old_set != new_set {
            let digest = |set: &[u8]| format!("sha256:{}", Digest::of(set));
            differences.push(SchemaDifference {
                name: roots.streams.join(", "),
                element: SchemaElement::DescriptorSet,
                sides: Sides::both(digest(&old_set), digest(&new_set)),
                aspects: Vec::new(),
            });
        }
        found.extend(differences);
    }
    Ok(found.into_iter().collect())
}

/// The streams that have one Schema on the old side and one on the new, and their types.
#[derive(Default)]
struct Roots<'a> {
    streams: Vec<&'a str>,
    old: BTreeSet<&'a str>,
    new: BTreeSet<&'a str>,
}

/// The types that some message types are made of, these included, by full name.
#[derive(Default)]
struct Types {
    messages: BTreeMap<String, MessageDescriptor>,
    enums: BTreeMap<String, EnumDescriptor>,
}

impl Types {
    fn of(pool: &DescriptorPool, roots: &BTreeSet<&str>) -> Result<Self> {
        let mut types = Self::default();
        let mut pending = roots.iter().map(|name| schema::message(pool, name)).collect::<Result<Vec<_>>>()?;
        while let Some(message) = pending.pop() {
            if types.messages.contains_key(message.full_name()) {
                continue;
            }
            for field in message.fields() {
                match field.kind() {
                    Kind::Message(inner) => pending.push(inner),
                    Kind::Enum(inner) => drop(types.enums.insert(inner.full_name().to_owned(), inner)),
                    _ => {}
                }
            }
            types.messages.insert(message.full_name().to_owned(), message);
        }
        // Those stand in their field's type.
        types.messages.retain(|_, message| !message.is_map_entry());
        Ok(types)
    }
}

fn compare_messages(
    old: &BTreeMap<String, MessageDescriptor>,
    new: &BTreeMap<String, MessageDescriptor>,
    found: &mut Vec<SchemaDifference>,
) {
    for (name, old, new) in both(old, new, SchemaElement::Message, found) {
        let parts = |message: &MessageDescriptor| message.fields().map(|field| Part::field(&field)).collect();
        compare_parts(&name, SchemaElement::Field, parts(&old), parts(&new), found);
    }
}

fn compare_enums(
    old: &BTreeMap<String, EnumDescriptor>,
    new: &BTreeMap<String, EnumDescriptor>,
    found: &mut Vec<SchemaDifference>,
) {
    for (name, old, new) in both(old, new, SchemaElement::Enum, found) {
        let parts =
            |kind: &EnumDescriptor| kind.values().map(|value| Part::enum_value(value.name(), value.number())).collect();
        compare_parts(&name, SchemaElement::EnumValue, parts(&old), parts(&new), found);
    }
}

/// Notes the types that only one side has, and returns the others.
fn both<T: Clone>(
    old: &BTreeMap<String, T>,
    new: &BTreeMap<String, T>,
    element: SchemaElement,
    found: &mut Vec<SchemaDifference>,
) -> Vec<(String, T, T)> {
    let mut common = Vec::new();
    for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => common.push((name.clone(), old.clone(), new.clone())),
            (old, new) => {
                let sides = Sides { old: old.map(|_| name.clone()), new: new.map(|_| name.clone()) };
                found.push(SchemaDifference { name: name.clone(), element, sides, aspects: Vec::new() });
            }
        }
    }
    common
}

/// A field or an enum value.
struct Part {
    name: String,
    number: i64,
    kind: String,
    label: &'static str,
    oneof: Option<String>,
}

impl Part {
    fn field(field: &FieldDescriptor) -> Self {
        let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        let is_message = matches!(field.kind(), Kind::Message(_));
        let label = if field.is_list() {
            "repeated "
        } else if field.is_required() {
            "required "
        } else if field.supports_presence() && !is_message && oneof.is_none() {
            "optional "
        } else {
            // A message that is no list always can be absent, whatever the syntax.
            ""
        };
        Self {
            name: field.name().to_owned(),
            number: i64::from(field.number()),
            kind: type_text(field),
            label,
            oneof: oneof.map(|oneof| oneof.name().to_owned()),
        }
    }

    fn enum_value(name: &str, number: i32) -> Self {
        Self { name: name.to_owned(), number: i64::from(number), kind: String::new(), label: "", oneof: None }
    }

    fn text(&self) -> String {
        let space = if self.kind.is_empty() { "" } else { " " };
        let text = format!("{}{}{space}{} = {}", self.label, self.kind, self.name, self.number);
        match &self.oneof {
            Some(oneof) => format!("oneof {oneof} {{ {text} }}"),
            None => text,
        }
    }

    fn differing(&self, new: &Self) -> Vec<Aspect> {
        [
            (self.kind != new.kind, Aspect::Type),
            (self.name != new.name, Aspect::Name),
            (self.number != new.number, Aspect::Number),
            (self.label != new.label, Aspect::Label),
            (self.oneof != new.oneof, Aspect::Oneof),
        ]
        .into_iter()
        .filter_map(|(differs, aspect)| differs.then_some(aspect))
        .collect()
    }
}

fn type_text(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            format!("map<{}, {}>", type_text(&key), type_text(&value))
        }
        Kind::Message(message) if field.is_group() => format!("group {}", message.full_name()),
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(kind) => kind.full_name().to_owned(),
        Kind::Double => "double".to_owned(),
        Kind::Float => "float".to_owned(),
        Kind::Int32 => "int32".to_owned(),
        Kind::Int64 => "int64".to_owned(),
        Kind::Uint32 => "uint32".to_owned(),
        Kind::Uint64 => "uint64".to_owned(),
        Kind::Sint32 => "sint32".to_owned(),
        Kind::Sint64 => "sint64".to_owned(),
        Kind::Fixed32 => "fixed32".to_owned(),
        Kind::Fixed64 => "fixed64".to_owned(),
        Kind::Sfixed32 => "sfixed32".to_owned(),
        Kind::Sfixed64 => "sfixed64".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::String => "string".to_owned(),
        Kind::Bytes => "bytes".to_owned(),
    }
}

fn compare_parts(
    scope: &str,
    element: SchemaElement,
    old: Vec<Part>,
    new: Vec<Part>,
    found: &mut Vec<SchemaDifference>,
) {
    let mut push = |name: &str, old: Option<&Part>, new: Option<&Part>, aspects: Vec<Aspect>| {
        let sides = Sides { old: old.map(Part::text), new: new.map(Part::text) };
        found.push(SchemaDifference { name: format!("{scope}.{name}"), element, sides, aspects });
    };
    let old_names: BTreeSet<&str> = old.iter().map(|part| part.name.as_str()).collect();
    let by_name: BTreeMap<&str, &Part> = new.iter().map(|part| (part.name.as_str(), part)).collect();
    // New parts whose name is new. Of enum values with one number, aliases, the last is taken.
    let mut by_number: BTreeMap<i64, &Part> =
        new.iter().filter(|part| !old_names.contains(part.name.as_str())).map(|part| (part.number, part)).collect();
    let mut paired: BTreeSet<&str> = old_names.clone();
    for part in &old {
        let other = by_name.get(part.name.as_str()).copied().or_else(|| by_number.remove(&part.number));
        match other {
            None => push(&part.name, Some(part), None, Vec::new()),
            Some(other) => {
                paired.insert(&other.name);
                let aspects = part.differing(other);
                if !aspects.is_empty() {
                    push(&part.name, Some(part), Some(other), aspects);
                }
            }
        }
    }
    for part in new.iter().filter(|part| !paired.contains(part.name.as_str())) {
        push(&part.name, None, Some(part), Vec::new());
    }
}
