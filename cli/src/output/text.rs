//! Protobuf text format.
//!
//! One message a line, which is what `protoc --encode=TYPE FILE.proto` takes back: `head -n 1 | protoc --encode …`.
//! Fields stand in the order of their numbers, repeated ones and map entries once for each value, map entries by their
//! keys. What an `Any` holds stays bytes; unknown fields are left out, because `protoc` takes none.

use std::io::{Result, Write};

use prost_reflect::{DynamicMessage, Kind, MapKey, Value};

/// Writes a message as one line of text format, without a line end; whether it has any field.
pub(super) fn write(message: &DynamicMessage, out: &mut impl Write) -> Result<bool> {
    let mut any = false;
    for (desc, value) in message.fields() {
        let kind = desc.kind();
        match &kind {
            // A group goes by the name of its type.
            Kind::Message(group) if desc.is_group() => field(group.name(), value, &kind, &mut any, out)?,
            _ => field(desc.name(), value, &kind, &mut any, out)?,
        }
    }
    for (desc, value) in message.extensions() {
        field(&format!("[{}]", desc.full_name()), value, &desc.kind(), &mut any, out)?;
    }
    Ok(any)
}

/// Writes a field, once for each of its values; `any` tells whether something stands before it.
fn field<W: Write>(name: &str, value: &Value, kind: &Kind, any: &mut bool, out: &mut W) -> Result<()> {
    let mut begin = |out: &mut W| {
        let separator = if std::mem::replace(any, true) { " " } else { "" };
        write!(out, "{separator}{name}")
    };
    match value {
        Value::List(values) => {
            for value in values {
                begin(out)?;
                write_value(value, kind, out)?;
            }
        }
        Value::Map(values) => {
            let Kind::Message(entry) = kind else { return Ok(()) };
            let (key_kind, value_kind) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
            let mut entries: Vec<(&MapKey, &Value)> = values.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            for (key, value) in entries {
                begin(out)?;
                out.write_all(b" { key")?;
                write_value(&Value::from(key.clone()), &key_kind, out)?;
                out.write_all(b" value")?;
                write_value(value, &value_kind, out)?;
                out.write_all(b" }")?;
            }
        }
        value => {
            begin(out)?;
            write_value(value, kind, out)?;
        }
    }
    Ok(())
}

/// Writes what follows a field's name.
fn write_value(value: &Value, kind: &Kind, out: &mut impl Write) -> Result<()> {
    match value {
        Value::Message(message) => {
            out.write_all(b" { ")?;
            let end: &[u8] = if write(message, out)? { b" }" } else { b"}" };
            out.write_all(end)
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
    }
}

/// The text format writes `nan`, `inf`, `-inf` as Rust does but for case.
fn float(text: String) -> String {
    text.to_ascii_lowercase()
}

fn string(bytes: &[u8], out: &mut impl Write) -> Result<()> {
    out.write_all(b": \"")?;
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| !matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~')) {
        let (run, special) = rest.split_at(at);
        out.write_all(run)?;
        match special[0] {
            byte @ (b'"' | b'\\') => out.write_all(&[b'\\', byte])?,
            b'\n' => out.write_all(b"\\n")?,
            b'\r' => out.write_all(b"\\r")?,
            b'\t' => out.write_all(b"\\t")?,
            other => out.write_all(&[b'\\', b'0' + (other >> 6), b'0' + (other >> 3 & 7), b'0' + (other & 7)])?,
        }
        rest = &special[1..];
    }
    out.write_all(rest)?;
    out.write_all(b"\"")
}
