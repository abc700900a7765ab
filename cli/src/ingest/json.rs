//! Protobuf JSON, with the checks that `prost_reflect` leaves out.
//!
//! A first pass over the text, guided by the message type, builds nothing. It refuses what a second pass would let
//! through: names given twice, 64-bit integers written as numbers beyond their range, and more values than the limit. The
//! second pass is `prost_reflect`'s.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;

use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use rosettar::Limits;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::csv::cell::type_name;
use crate::well_known::is_special;
use crate::wire;

/// What is wrong with a piece of JSON, and where.
#[derive(Debug)]
pub(super) struct Bad {
    /// The path of the value, such as `inner.list[2]`; empty for the whole or where it is not known.
    pub(super) path: String,
    /// The character at which it was noticed, counted from 1.
    pub(super) column: usize,
    pub(super) reason: Reason,
}

#[derive(Debug)]
pub(super) enum Reason {
    TooManyValues,
    Value(String),
}

/// Parses one message.
pub(super) fn parse(desc: &MessageDescriptor, text: &str, limits: &Limits) -> Result<DynamicMessage, Bad> {
    check(Shape::of_kind(Kind::Message(desc.clone())), text, limits)?;
    deserialize(desc, text)
}

/// Parses the value of one field, as the message that has only this field set.
pub(super) fn parse_field(field: &FieldDescriptor, text: &str, limits: &Limits) -> Result<DynamicMessage, Bad> {
    // The text is one JSON value: the check comes before it is put between braces.
    check(Shape::Field(field.clone()), text, limits)?;
    let head = format!("{{{}:", serde_json::Value::from(field.json_name()));
    deserialize(field.parent_message(), &format!("{head}{text}}}")).map_err(|mut bad| {
        bad.column = bad.column.saturating_sub(head.chars().count()).max(1);
        // The caller says itself what the whole should be.
        if let (Reason::Value(reason), true) = (&mut bad.reason, bad.path == field.json_name())
            && let Some(rest) = reason.strip_prefix(&format!("expected {}: ", type_name(field)))
        {
            *reason = rest.to_owned();
        }
        bad
    })
}

fn deserialize(desc: &MessageDescriptor, text: &str) -> Result<DynamicMessage, Bad> {
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let mut json = serde_json::Deserializer::from_str(text);
    let error = match DynamicMessage::deserialize_with_options(desc.clone(), &mut json, &options) {
        Ok(message) => match json.end() {
            // What is nested too deep to be read again must not be written. Half of the depth is surely not.
            Ok(()) if text.bytes().filter(|b| matches!(b, b'{' | b'[')).count() <= wire::MAX_DEPTH / 2 => {
                return Ok(message);
            }
            Ok(()) => {
                return match DynamicMessage::decode(desc.clone(), message.encode_to_vec().as_slice()) {
                    Ok(_) => Ok(message),
                    Err(error) => Err(Bad { path: String::new(), column: 1, reason: Reason::Value(error.to_string()) }),
                };
            }
            Err(error) => return Err(bad_json(&error, text, String::new(), None)),
        },
        Err(error) => error,
    };
    // Once more, to learn where: following the path costs time that good records need not spend.
    let mut track = serde_path_to_error::Track::new();
    let mut json = serde_json::Deserializer::from_str(text);
    let again = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    let error = DynamicMessage::deserialize_with_options(desc.clone(), again, &options).err().unwrap_or(error);
    let path = track.path().to_string();
    let path = if path == "." { String::new() } else { path };
    let field = field_at(desc, &path);
    Err(bad_json(&error, text, path, field))
}

fn bad_json(error: &serde_json::Error, text: &str, path: String, field: Option<String>) -> Bad {
    let mut reason = error.to_string();
    if let Some(at) = reason.rfind(" at line ") {
        reason.truncate(at);
    }
    // For a syntax error the type does not matter.
    if let (Some(expected), serde_json::error::Category::Data) = (field, error.classify()) {
        reason = format!("expected {expected}: {reason}");
    }
    Bad { path, column: column(text, error), reason: Reason::Value(reason) }
}

/// The error's place as a number of characters; `serde_json` counts lines and the bytes in them.
fn column(text: &str, error: &serde_json::Error) -> usize {
    let line_start: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let bytes = (line_start + error.column()).min(text.len());
    String::from_utf8_lossy(&text.as_bytes()[..bytes]).chars().count().max(1)
}

/// The type of the field at a path such as `inner.list[2]`.
fn field_at(desc: &MessageDescriptor, path: &str) -> Option<String> {
    let mut desc = desc.clone();
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        let (name, element) = part.split_once('[').map_or((part, false), |(name, _)| (name, true));
        let field = desc.get_field_by_json_name(name).or_else(|| desc.get_field_by_name(name))?;
        if parts.peek().is_none() {
            return Some(if element { kind_name(&field.kind()) } else { type_name(&field) });
        }
        let Kind::Message(mut inner) = field.kind() else { return None };
        if field.is_map() {
            parts.next()?;
            let value = inner.map_entry_value_field();
            let Kind::Message(value_desc) = value.kind() else { return Some(kind_name(&value.kind())) };
            if parts.peek().is_none() {
                return Some(value_desc.full_name().to_owned());
            }
            inner = value_desc;
        }
        desc = inner;
    }
    None
}

pub(super) fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::Message(desc) => desc.full_name().to_owned(),
        Kind::Enum(desc) => desc.full_name().to_owned(),
        kind => format!("{kind:?}").to_ascii_lowercase(),
    }
}

/// What the first pass expects of a value.
#[derive(Clone)]
enum Shape {
    Message(MessageDescriptor),
    Field(FieldDescriptor),
    Signed,
    Unsigned,
    /// Anything: only names are compared.
    Raw,
}

impl Shape {
    fn of_kind(kind: Kind) -> Self {
        match kind {
            Kind::Message(desc) => match desc.full_name() {
                "google.protobuf.Int64Value" => Self::Signed,
                "google.protobuf.UInt64Value" => Self::Unsigned,
                name if is_special(name) => Self::Raw,
                _ => Self::Message(desc),
            },
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Self::Signed,
            Kind::Uint64 | Kind::Fixed64 => Self::Unsigned,
            _ => Self::Raw,
        }
    }
}

enum Step {
    Key(String),
    Index(usize),
}

/// The first pass. What it finds stands in `bad`, because a `serde` error is only text.
struct Pass {
    limit: u64,
    values: Cell<u64>,
    path: RefCell<Vec<Step>>,
    bad: RefCell<Option<(String, Reason)>>,
}

fn check(shape: Shape, text: &str, limits: &Limits) -> Result<(), Bad> {
    let pass =
        Pass { limit: limits.record_values, values: Cell::new(0), path: RefCell::default(), bad: RefCell::default() };
    let mut json = serde_json::Deserializer::from_str(text);
    let result = Check { shape, pass: &pass }.deserialize(&mut json).and_then(|()| json.end());
    let Err(error) = result else { return Ok(()) };
    match pass.bad.take() {
        Some((path, reason)) => Err(Bad { path, column: column(text, &error), reason }),
        None => Err(bad_json(&error, text, pass.path(), None)),
    }
}

impl Pass {
    fn path(&self) -> String {
        let mut text = String::new();
        for step in self.path.borrow().iter() {
            match step {
                Step::Key(key) if text.is_empty() => text.push_str(key),
                Step::Key(key) => {
                    text.push('.');
                    text.push_str(key);
                }
                Step::Index(index) => {
                    use fmt::Write as _;
                    let _ = write!(text, "[{index}]");
                }
            }
        }
        text
    }

    fn refuse<E: serde::de::Error>(&self, reason: Reason) -> E {
        *self.bad.borrow_mut() = Some((self.path(), reason));
        E::custom("refused")
    }

    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > self.limit { Err(self.refuse(Reason::TooManyValues)) } else { Ok(()) }
    }
}

struct Check<'a> {
    shape: Shape,
    pass: &'a Pass,
}

impl<'de> DeserializeSeed<'de> for Check<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.pass.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Check<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        // 2^63 and 2^64 are the first that do not fit; a conversion would silently take the greatest that does.
        let shape = match &self.shape {
            Shape::Field(field) if !field.is_list() && !field.is_map() => Shape::of_kind(field.kind()),
            shape => shape.clone(),
        };
        let (fits, expected) = match shape {
            Shape::Signed => ((-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value), "int64"),
            Shape::Unsigned => ((0.0..18_446_744_073_709_551_616.0).contains(&value), "uint64"),
            _ => return Ok(()),
        };
        if fits {
            return Ok(());
        }
        Err(self.pass.refuse(Reason::Value(format!("expected {expected}: the number is out of range"))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let shape = match &self.shape {
            Shape::Field(field) if field.is_list() => Shape::of_kind(field.kind()),
            _ => Shape::Raw,
        };
        let mut index = 0;
        loop {
            self.pass.path.borrow_mut().push(Step::Index(index));
            if seq.next_element_seed(Check { shape: shape.clone(), pass: self.pass })?.is_none() {
                self.pass.path.borrow_mut().pop();
                return Ok(());
            }
            self.pass.path.borrow_mut().pop();
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let shape = match self.shape {
            Shape::Field(field) if field.is_map() => {
                let Kind::Message(entry) = field.kind() else { return Err(A::Error::custom("a map without entries")) };
                let number_keys = !matches!(entry.map_entry_key_field().kind(), Kind::String | Kind::Bool);
                return visit_names(self.pass, map, number_keys, &Shape::of_kind(entry.map_entry_value_field().kind()));
            }
            Shape::Field(field) if !field.is_list() => Shape::of_kind(field.kind()),
            shape => shape,
        };
        match shape {
            Shape::Message(desc) => visit_fields(self.pass, map, &desc),
            _ => visit_names(self.pass, map, false, &Shape::Raw),
        }
    }
}

/// Visits an object that is a message: no field may be named twice, under either of its names.
fn visit_fields<'de, A: MapAccess<'de>>(pass: &Pass, mut map: A, desc: &MessageDescriptor) -> Result<(), A::Error> {
    let mut seen = HashSet::new();
    while let Some(key) = map.next_key::<String>()? {
        let field = desc.get_field_by_json_name(&key).or_else(|| desc.get_field_by_name(&key));
        let extension = || desc.get_extension_by_json_name(&key);
        let number = field.as_ref().map(FieldDescriptor::number).or_else(|| Some(extension()?.number()));
        let Some(number) = number else {
            let names: Vec<_> = desc.fields().map(|field| field.name().to_owned()).collect();
            let reason = format!("{} has no field {key:?}; its fields are {}", desc.full_name(), names.join(", "));
            return Err(pass.refuse(Reason::Value(reason)));
        };
        pass.path.borrow_mut().push(Step::Key(key));
        if !seen.insert(number) {
            return Err(pass.refuse(Reason::Value("the field is given twice".to_owned())));
        }
        let shape = field.map_or(Shape::Raw, Shape::Field);
        map.next_value_seed(Check { shape, pass })?;
        pass.path.borrow_mut().pop();
    }
    Ok(())
}

/// Visits an object whose names are data. `numbers`: the names are integers, which are written in one way only.
fn visit_names<'de, A: MapAccess<'de>>(pass: &Pass, mut map: A, numbers: bool, shape: &Shape) -> Result<(), A::Error> {
    let mut seen = HashSet::new();
    while let Some(key) = map.next_key::<String>()? {
        pass.path.borrow_mut().push(Step::Key(key.clone()));
        if numbers && key.parse::<i128>().is_ok_and(|number| number.to_string() != key) {
            return Err(
                pass.refuse(Reason::Value("a number as a map key has no sign + and no leading zero".to_owned()))
            );
        }
        if !seen.insert(key) {
            return Err(pass.refuse(Reason::Value("the name is given twice".to_owned())));
        }
        map.next_value_seed(Check { shape: shape.clone(), pass })?;
        pass.path.borrow_mut().pop();
    }
    Ok(())
}
