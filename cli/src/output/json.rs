//! Canonical protobuf JSON.
//!
//! As the protobuf documentation has it: lowerCamelCase names, 64-bit integers as strings, enums by name, bytes in
//! base64, the well-known types in their own forms, unset fields left out. Fields stand in the order of their numbers and
//! map entries in that of their keys, so that the same record always gives the same text.
//!
//! A record must not be lost for one value that has no canonical form. So an `Any` whose type is not in the schema, or
//! that does not decode as it, is printed as `{"@type":URL,"@value":BASE64}`; and a well-known type with a value outside
//! its range (a `Timestamp` in year 10000, a `Value` that is NaN) as the plain message that it is.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use prost_reflect::{DynamicMessage, Kind, MapKey, ReflectMessage as _, Value};

use crate::ingest::csv::is_wrapper;
use crate::wire;

/// How deep messages packed in `Any` may be nested within each other before they are printed as bytes.
const MAX_ANY_DEPTH: usize = 8;
/// The most values in a message packed in an `Any` before it is printed as bytes.
const MAX_ANY_VALUES: u64 = 1 << 20;

/// Appends a message as one line of JSON, without a line end.
pub fn write(message: &DynamicMessage, out: &mut Vec<u8>) {
    write_message(message, out, 0);
}

/// Appends a field's value: as JSON a string, a number, a list and so on.
pub(super) fn write_field(value: &Value, kind: &Kind, out: &mut Vec<u8>) {
    write_value(value, kind, out, 0);
}

/// Whether messages of this type have a JSON form of their own.
pub(crate) fn is_special(name: &str) -> bool {
    is_wrapper(name)
        || name.strip_prefix("google.protobuf.").is_some_and(|name| {
            matches!(name, "Any" | "Timestamp" | "Duration" | "FieldMask" | "Struct" | "Value" | "ListValue" | "Empty")
        })
}

fn write_message(message: &DynamicMessage, out: &mut Vec<u8>, any_depth: usize) {
    let desc = message.descriptor();
    if desc.full_name() == "google.protobuf.Any" {
        return write_any(message, out, any_depth);
    }
    if is_special(desc.full_name()) {
        let before = out.len();
        let mut json = serde_json::Serializer::new(&mut *out);
        if message.serialize_with_options(&mut json, &prost_reflect::SerializeOptions::new()).is_ok() {
            return;
        }
        out.truncate(before);
    }
    out.push(b'{');
    write_fields(message, out, any_depth, true);
    out.push(b'}');
}

fn write_fields(message: &DynamicMessage, out: &mut Vec<u8>, any_depth: usize, mut first: bool) {
    let mut next = |out: &mut Vec<u8>, name: &str| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
    };
    for (field, value) in message.fields() {
        next(out, field.json_name());
        write_value(value, &field.kind(), out, any_depth);
    }
    for (field, value) in message.extensions() {
        next(out, field.json_name());
        write_value(value, &field.kind(), out, any_depth);
    }
}

fn write_any(message: &DynamicMessage, out: &mut Vec<u8>, any_depth: usize) {
    let text = message.get_field_by_name("type_url");
    let url = text.as_ref().and_then(|url| url.as_str()).unwrap_or_default();
    let packed = message.get_field_by_name("value");
    let bytes = packed.as_ref().and_then(|value| value.as_bytes()).map(|bytes| bytes.as_ref()).unwrap_or_default();
    if url.is_empty() && bytes.is_empty() {
        return out.extend_from_slice(b"{}");
    }
    out.extend_from_slice(b"{\"@type\":");
    write_string(url, out);
    let payload = if any_depth < MAX_ANY_DEPTH { wire::any_parts(message) } else { None };
    let payload = payload.and_then(|(desc, bytes)| {
        wire::count_values(&desc, &bytes, MAX_ANY_VALUES)?;
        DynamicMessage::decode(desc, bytes.as_slice()).ok()
    });
    match payload {
        Some(payload) if is_special(payload.descriptor().full_name()) => {
            out.extend_from_slice(b",\"value\":");
            write_message(&payload, out, any_depth + 1);
        }
        Some(payload) => write_fields(&payload, out, any_depth + 1, false),
        None => {
            out.extend_from_slice(b",\"@value\":");
            write_string(&BASE64_STANDARD.encode(bytes), out);
        }
    }
    out.push(b'}');
}

fn write_value(value: &Value, kind: &Kind, out: &mut Vec<u8>, any_depth: usize) {
    match value {
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::I32(value) => display(value, out),
        Value::U32(value) => display(value, out),
        Value::I64(value) => display(format_args!("\"{value}\""), out),
        Value::U64(value) => display(format_args!("\"{value}\""), out),
        Value::F32(value) if value.is_finite() => json(value, out),
        Value::F32(value) => write_not_finite(f64::from(*value), out),
        Value::F64(value) if value.is_finite() => json(value, out),
        Value::F64(value) => write_not_finite(*value, out),
        Value::String(value) => write_string(value, out),
        Value::Bytes(value) => write_string(&BASE64_STANDARD.encode(value), out),
        Value::EnumNumber(number) => match kind {
            Kind::Enum(desc) if desc.full_name() == "google.protobuf.NullValue" => out.extend_from_slice(b"null"),
            Kind::Enum(desc) => match desc.get_value(*number) {
                Some(value) => write_string(value.name(), out),
                None => display(number, out),
            },
            _ => display(number, out),
        },
        Value::Message(message) => write_message(message, out, any_depth),
        Value::List(values) => {
            out.push(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(value, kind, out, any_depth);
            }
            out.push(b']');
        }
        Value::Map(values) => {
            let value_kind = match kind {
                Kind::Message(entry) => entry.map_entry_value_field().kind(),
                kind => kind.clone(),
            };
            let mut entries: Vec<(&MapKey, &Value)> = values.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            out.push(b'{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                match key {
                    MapKey::String(key) => write_string(key, out),
                    MapKey::Bool(key) => display(format_args!("\"{key}\""), out),
                    MapKey::I32(key) => display(format_args!("\"{key}\""), out),
                    MapKey::I64(key) => display(format_args!("\"{key}\""), out),
                    MapKey::U32(key) => display(format_args!("\"{key}\""), out),
                    MapKey::U64(key) => display(format_args!("\"{key}\""), out),
                }
                out.push(b':');
                write_value(value, &value_kind, out, any_depth);
            }
            out.push(b'}');
        }
    }
}

fn write_not_finite(value: f64, out: &mut Vec<u8>) {
    let text: &[u8] = if value.is_nan() {
        b"\"NaN\""
    } else if value > 0.0 {
        b"\"Infinity\""
    } else {
        b"\"-Infinity\""
    };
    out.extend_from_slice(text);
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    json(text, out);
}

/// Appends what `serde_json` makes of a string or a finite number; neither can fail.
fn json<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, value);
}

fn display(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    use std::io::Write as _;
    // Writing to a vector cannot fail.
    let _ = write!(out, "{value}");
}
