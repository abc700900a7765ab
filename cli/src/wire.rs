//! Protobuf wire bytes, written deterministically.
//!
//! `prost_reflect` keeps maps in hash maps and writes them in their order, which differs from run to run. Here the same
//! message always gives the same bytes: fields by number, map entries by key, each entry with its key and its value.

use std::fmt;

use prost::Message as _;
use prost::encoding::encode_varint;
use prost_reflect::{DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

pub(crate) const VARINT: u8 = 0;
pub(crate) const FIXED64: u8 = 1;
pub(crate) const LENGTH: u8 = 2;
pub(crate) const GROUP_START: u8 = 3;
pub(crate) const GROUP_END: u8 = 4;
pub(crate) const FIXED32: u8 = 5;

/// How deep messages may be nested: what every protobuf library reads.
pub(crate) const MAX_DEPTH: usize = 100;

/// Why a message has no wire form: a proto2 `required` field is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingField(pub String);

impl fmt::Display for MissingField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "required field {:?} is not set", self.0)
    }
}

/// Appends `message` to `out`; the same message always gives the same bytes.
///
/// # Errors
/// When a `required` field of the message, or of one in it, is not set.
pub fn encode(message: &DynamicMessage, out: &mut Vec<u8>) -> Result<(), MissingField> {
    Encoder { rewrite_any: false }.message(message, out)
}

/// Like [`encode`], and writes what every `google.protobuf.Any` holds deterministically too. For messages that were
/// parsed from JSON: there the packed bytes are `prost_reflect`'s own and not the user's.
pub(crate) fn encode_parsed(message: &DynamicMessage, out: &mut Vec<u8>) -> Result<(), MissingField> {
    Encoder { rewrite_any: true }.message(message, out)
}

/// Appends one field of a message that was parsed from JSON.
pub(crate) fn encode_parsed_field(
    field: &FieldDescriptor,
    value: &Value,
    out: &mut Vec<u8>,
) -> Result<(), MissingField> {
    Encoder { rewrite_any: true }.field(&Shape::of(field), value, out)
}

pub(crate) fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: u8) {
    encode_varint(u64::from(number) << 3 | u64::from(wire_type), out);
}

/// Appends a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, value: u64) {
    encode_varint(value, out);
}

/// Turns the bytes of `out` from `start` on into a length-delimited value: puts their length before them.
pub(crate) fn delimit(out: &mut Vec<u8>, start: usize) {
    let mut head = [0_u8; 10];
    let mut rest = &mut head[..];
    encode_varint((out.len() - start) as u64, &mut rest);
    let unused = rest.len();
    let head_len = head.len() - unused;
    out.splice(start..start, head[..head_len].iter().copied());
}

pub(crate) fn zigzag32(value: i32) -> u64 {
    u64::from(((value << 1) ^ (value >> 31)).cast_unsigned())
}

pub(crate) fn zigzag64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// A field or an extension, as far as its encoding goes.
struct Shape {
    name: String,
    number: u32,
    kind: Kind,
    packed: bool,
    group: bool,
}

impl Shape {
    fn of(field: &FieldDescriptor) -> Self {
        Self {
            name: field.name().to_owned(),
            number: field.number(),
            kind: field.kind(),
            packed: field.is_packed(),
            group: field.is_group(),
        }
    }

    fn of_extension(field: &ExtensionDescriptor) -> Self {
        Self {
            name: field.full_name().to_owned(),
            number: field.number(),
            kind: field.kind(),
            packed: field.is_packed(),
            group: field.is_group(),
        }
    }
}

pub(crate) fn wire_type(kind: &Kind) -> u8 {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => FIXED64,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => FIXED32,
        Kind::String | Kind::Bytes | Kind::Message(_) => LENGTH,
        _ => VARINT,
    }
}

struct Encoder {
    rewrite_any: bool,
}

impl Encoder {
    fn message(&self, message: &DynamicMessage, out: &mut Vec<u8>) -> Result<(), MissingField> {
        use prost_reflect::ReflectMessage as _;
        let desc = message.descriptor();
        if let Some(missing) = desc.fields().find(|field| field.is_required() && !message.has_field(field)) {
            return Err(MissingField(missing.name().to_owned()));
        }
        if self.rewrite_any
            && desc.full_name() == "google.protobuf.Any"
            && let Some(rewritten) = self.any(message)?
        {
            out.extend_from_slice(&rewritten.encode_to_vec());
            return Ok(());
        }
        let mut fields: Vec<(Shape, &Value)> =
            message.fields().map(|(field, value)| (Shape::of(&field), value)).collect();
        let known = fields.len();
        fields.extend(message.extensions().map(|(field, value)| (Shape::of_extension(&field), value)));
        if fields.len() > known {
            fields.sort_by_key(|(shape, _)| shape.number);
        }
        for (shape, value) in fields {
            self.field(&shape, value, out)?;
        }
        for unknown in message.unknown_fields() {
            unknown.encode(out);
        }
        Ok(())
    }

    /// The same `Any` with what it holds written by this encoder, where its type is known.
    fn any(&self, message: &DynamicMessage) -> Result<Option<DynamicMessage>, MissingField> {
        let Some((desc, bytes)) = any_parts(message) else { return Ok(None) };
        let Ok(payload) = DynamicMessage::decode(desc, bytes.as_slice()) else { return Ok(None) };
        let mut rewritten = Vec::with_capacity(bytes.len());
        self.message(&payload, &mut rewritten)?;
        let mut message = message.clone();
        message.set_field_by_name("value", Value::Bytes(rewritten.into()));
        Ok(Some(message))
    }

    fn field(&self, shape: &Shape, value: &Value, out: &mut Vec<u8>) -> Result<(), MissingField> {
        match value {
            Value::List(values) if shape.packed => {
                if !values.is_empty() {
                    put_tag(out, shape.number, LENGTH);
                    let start = out.len();
                    for value in values {
                        self.value(shape, value, out)?;
                    }
                    delimit(out, start);
                }
            }
            Value::List(values) => {
                for value in values {
                    self.single(shape, value, out)?;
                }
            }
            Value::Map(values) => {
                let Kind::Message(entry) = &shape.kind else { return Ok(()) };
                let (key_shape, value_shape) =
                    (Shape::of(&entry.map_entry_key_field()), Shape::of(&entry.map_entry_value_field()));
                let mut entries: Vec<(&MapKey, &Value)> = values.iter().collect();
                entries.sort_by(|a, b| a.0.cmp(b.0));
                for (key, value) in entries {
                    put_tag(out, shape.number, LENGTH);
                    let start = out.len();
                    self.single(&key_shape, &Value::from(key.clone()), out)?;
                    self.single(&value_shape, value, out)?;
                    delimit(out, start);
                }
            }
            value => self.single(shape, value, out)?,
        }
        Ok(())
    }

    fn single(&self, shape: &Shape, value: &Value, out: &mut Vec<u8>) -> Result<(), MissingField> {
        let wire_type = if shape.group { GROUP_START } else { wire_type(&shape.kind) };
        put_tag(out, shape.number, wire_type);
        self.value(shape, value, out)?;
        if shape.group {
            put_tag(out, shape.number, GROUP_END);
        }
        Ok(())
    }

    fn value(&self, shape: &Shape, value: &Value, out: &mut Vec<u8>) -> Result<(), MissingField> {
        match (value, &shape.kind) {
            (Value::Bool(value), _) => out.push(u8::from(*value)),
            (Value::I32(value), Kind::Sint32) => put_varint(out, zigzag32(*value)),
            (Value::I32(value), Kind::Sfixed32) => out.extend_from_slice(&value.to_le_bytes()),
            (Value::I32(value) | Value::EnumNumber(value), _) => {
                put_varint(out, i64::from(*value).cast_unsigned());
            }
            (Value::I64(value), Kind::Sint64) => put_varint(out, zigzag64(*value)),
            (Value::I64(value), Kind::Sfixed64) => out.extend_from_slice(&value.to_le_bytes()),
            (Value::I64(value), _) => put_varint(out, value.cast_unsigned()),
            (Value::U32(value), Kind::Fixed32) => out.extend_from_slice(&value.to_le_bytes()),
            (Value::U32(value), _) => put_varint(out, u64::from(*value)),
            (Value::U64(value), Kind::Fixed64) => out.extend_from_slice(&value.to_le_bytes()),
            (Value::U64(value), _) => put_varint(out, *value),
            (Value::F32(value), _) => out.extend_from_slice(&value.to_le_bytes()),
            (Value::F64(value), _) => out.extend_from_slice(&value.to_le_bytes()),
            (Value::String(value), _) => {
                put_varint(out, value.len() as u64);
                out.extend_from_slice(value.as_bytes());
            }
            (Value::Bytes(value), _) => {
                put_varint(out, value.len() as u64);
                out.extend_from_slice(value);
            }
            (Value::Message(message), _) => {
                let start = out.len();
                self.message(message, out).map_err(|missing| MissingField(format!("{}.{}", shape.name, missing.0)))?;
                if !shape.group {
                    delimit(out, start);
                }
            }
            // A list of lists or of maps does not exist in protobuf.
            (Value::List(_) | Value::Map(_), _) => {}
        }
        Ok(())
    }
}

/// The type and the packed bytes of a `google.protobuf.Any`; `None` where the type is not in its pool.
pub(crate) fn any_parts(message: &DynamicMessage) -> Option<(MessageDescriptor, Vec<u8>)> {
    use prost_reflect::ReflectMessage as _;
    let url = message.get_field_by_name("type_url")?.as_str()?.to_owned();
    let (_, name) = url.rsplit_once('/')?;
    let desc = message.descriptor().parent_pool().get_message_by_name(name)?;
    let bytes = message.get_field_by_name("value")?.as_bytes()?.to_vec();
    Some((desc, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::all_types;

    #[test]
    fn maps_are_written_by_key_and_decode_to_the_same() {
        let desc = all_types("t.All");
        let json = r#"{"byName":{"b":2,"a":1,"":3,"c":0},"byId":{"-5":{"n":1},"7":{}}}"#;
        let message = DynamicMessage::deserialize(desc.clone(), &mut serde_json::Deserializer::from_str(json)).unwrap();
        let mut first = Vec::new();
        encode(&message, &mut first).unwrap();
        for _ in 0..16 {
            let again = DynamicMessage::decode(desc.clone(), first.as_slice()).unwrap();
            assert_eq!(again, message);
            let mut bytes = Vec::new();
            encode(&again, &mut bytes).unwrap();
            assert_eq!(bytes, first);
        }
    }

    #[test]
    fn without_maps_the_bytes_are_those_of_prost_reflect() {
        let desc = all_types("t.All");
        let json = r#"{"i32":-1,"s32":-2,"sf64":"-3","f":1.5,"d":"NaN","s":"é","b":"AAE=","color":"RED","ints":[1,-1],
            "strings":["","x"],"inner":{"n":4},"optI32":0,"when":"2013-01-01T05:00:00.5Z"}"#;
        let message = DynamicMessage::deserialize(desc, &mut serde_json::Deserializer::from_str(json)).unwrap();
        let mut bytes = Vec::new();
        encode(&message, &mut bytes).unwrap();
        assert_eq!(bytes, message.encode_to_vec());
    }

    #[test]
    fn a_missing_required_field_is_named() {
        let message = DynamicMessage::new(all_types("p2.Old"));
        assert_eq!(encode(&message, &mut Vec::new()), Err(MissingField("id".to_owned())));
    }
}
