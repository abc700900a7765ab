//! Protobuf text format.
//!
//! One message a line, which is what `protoc --encode=TYPE FILE.proto` takes back: `head -n 1 | protoc --encode …`.
//! Fields stand in the order of their numbers, repeated ones and map entries once for each value, map entries by their
//! keys. What an `Any` holds stays bytes; unknown fields are left out, because `protoc` takes none.

use std::io::Write as _;

use prost_reflect::{DynamicMessage, Kind, MapKey, Value};

/// Appends a message as one line of text format, without a line end.
pub(super) fn write(message: &DynamicMessage, out: &mut Vec<u8>) {
    let mut separator = "";
    let mut field = |name: &str, value: &Value, kind: &Kind, out: &mut Vec<u8>| {
        let mut one = |value: &Value, out: &mut Vec<u8>| {
            out.extend_from_slice(separator.as_bytes());
            separator = " ";
            out.extend_from_slice(name.as_bytes());
            write_value(value, kind, out);
        };
        match value {
            Value::List(values) => values.iter().for_each(|value| one(value, out)),
            Value::Map(values) => {
                let mut entries: Vec<(&MapKey, &Value)> = values.iter().collect();
                entries.sort_by(|a, b| a.0.cmp(b.0));
                for (key, value) in entries {
                    let Kind::Message(entry) = kind else { continue };
                    out.extend_from_slice(separator.as_bytes());
                    separator = " ";
                    out.extend_from_slice(name.as_bytes());
                    out.extend_from_slice(b" { key");
                    write_value(&Value::from(key.clone()), &entry.map_entry_key_field().kind(), out);
                    out.extend_from_slice(b" value");
                    write_value(value, &entry.map_entry_value_field().kind(), out);
                    out.extend_from_slice(b" }");
                }
            }
            value => one(value, out),
        }
    };
    for (desc, value) in message.fields() {
        let kind = desc.kind();
        match &kind {
            // A group goes by the name of its type.
            Kind::Message(group) if desc.is_group() => field(group.name(), value, &kind, out),
            _ => field(desc.name(), value, &kind, out),
        }
    }
    for (desc, value) in message.extensions() {
        field(&format!("[{}]", desc.full_name()), value, &desc.kind(), out);
    }
}

/// Appends what follows a field's name.
fn write_value(value: &Value, kind: &Kind, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = match value {
        Value::Message(message) => {
            out.extend_from_slice(b" { ");
            let before = out.len();
            write(message, out);
            if out.len() > before {
                out.push(b' ');
            }
            out.push(b'}');
            Ok(())
        }
        Value::Bool(value) => write!(out, ": {value}"),
        Value::I32(value) => write!(out, ": {value}"),
        Value::I64(value) => write!(out, ": {value}"),
        Value::U32(value) => write!(out, ": {value}"),
        Value::U64(value) => write!(out, ": {value}"),
        Value::F32(value) => write!(out, ": {}", float(format!("{value:?}"))),
        Value::F64(value) => write!(out, ": {}", float(format!("{value:?}"))),
        Value::String(value) => string(value.as_bytes(), out),
        Value::Bytes(value) => string(value, out),
        Value::EnumNumber(number) => match kind {
            Kind::Enum(desc) => match desc.get_value(*number) {
                Some(value) => write!(out, ": {}", value.name()),
                None => write!(out, ": {number}"),
            },
            _ => write!(out, ": {number}"),
        },
        Value::List(_) | Value::Map(_) => Ok(()),
    };
}

/// The text format writes `nan`, `inf`, `-inf` as Rust does but for case.
fn float(text: String) -> String {
    text.to_ascii_lowercase()
}

fn string(bytes: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    out.extend_from_slice(b": \"");
    for byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b' '..=b'~' => out.push(*byte),
            other => write!(out, "\\{other:03o}")?,
        }
    }
    out.push(b'"');
    Ok(())
}
