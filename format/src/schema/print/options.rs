//! Options, standard and custom, as source text.

use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MapKey, Value};

use super::super::guard::descriptor;
use super::super::names::{quote_bytes, quote_text};
use super::scope::Symbols;
use crate::error::Result;

/// The options of one element.
#[derive(Default)]
pub(super) struct Printed {
    /// Each as `name = value`.
    pub set: Vec<String>,
    /// What could not be written.
    pub left_out: Vec<String>,
}

/// Prints the options `encoded`, of the type `google.protobuf.` + `of`, except the fields `implied`.
pub(super) fn print(
    pool: &DescriptorPool,
    symbols: &Symbols,
    of: &str,
    encoded: &[Vec<u8>],
    scope: &str,
    implied: &[u32],
) -> Result<Printed> {
    let mut printed = Printed::default();
    if encoded.iter().all(Vec::is_empty) {
        return Ok(printed);
    }
    let name = format!("google.protobuf.{of}");
    // Where the set has no descriptor.proto of its own, the one that prost-reflect brings knows the standard options.
    let known = pool.get_message_by_name(&name).or_else(|| DescriptorPool::global().get_message_by_name(&name));
    let Some(known) = known else { return Ok(printed) };
    let message = DynamicMessage::decode(known, &encoded.concat()[..])
        .map_err(|error| descriptor(format!("options in {scope:?} do not decode: {error}")).with_source(error))?;
    for (field, value) in message.fields() {
        if !implied.contains(&field.number()) {
            printed.statements(field.name(), value, &field.kind());
        }
    }
    for (extension, value) in message.extensions() {
        let name = symbols.shortest(&format!(".{}", extension.full_name()), scope);
        printed.statements(&format!("({name})"), value, &extension.kind());
    }
    printed.left_out.extend(message.unknown_fields().map(|field| format!("option number {}", field.number())));
    Ok(printed)
}

impl Printed {
    fn statements(&mut self, name: &str, value: &Value, kind: &Kind) {
        match value {
            Value::List(values) => values.iter().for_each(|value| self.statements(name, value, kind)),
            Value::Map(values) => {
                for (key, value) in values {
                    if let Some(entry) = entry_text(key, value, kind, 1) {
                        self.set.push(format!("{name} = {{\n{entry}}}"));
                    }
                }
            }
            _ => match value_text(value, kind, 0) {
                Some(text) => self.set.push(format!("{name} = {text}")),
                None => self.left_out.push(format!("a value of {name}")),
            },
        }
    }
}

/// A value, in the form that option statements and the text format share; `None` where it has none.
fn value_text(value: &Value, kind: &Kind, depth: usize) -> Option<String> {
    Some(match value {
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => f32_text(*value, depth),
        Value::F64(value) => f64_text(*value, depth),
        Value::String(value) => quote_text(value),
        Value::Bytes(value) => quote_bytes(value),
        Value::EnumNumber(number) => match kind.as_enum()?.get_value(*number) {
            Some(value) => value.name().to_owned(),
            // Only the text format takes numbers.
            None if depth > 0 => number.to_string(),
            None => return None,
        },
        Value::Message(message) => format!("{{\n{}{}}}", text_format(message, depth + 1), "  ".repeat(depth)),
        Value::List(_) | Value::Map(_) => return None,
    })
}

/// The fields of `message` in the text format, one on each line.
fn text_format(message: &DynamicMessage, depth: usize) -> String {
    let mut out = String::new();
    for (field, value) in message.fields() {
        let kind = field.kind();
        // A group is called by its type there.
        let name = match &kind {
            Kind::Message(group) if field.is_group() => group.name().to_owned(),
            _ => field.name().to_owned(),
        };
        put(&mut out, &name, value, &kind, depth);
    }
    for (extension, value) in message.extensions() {
        put(&mut out, &format!("[{}]", extension.full_name()), value, &extension.kind(), depth);
    }
    for unknown in message.unknown_fields() {
        out.push_str(&format!("{}# Left out: the unknown field {}.\n", "  ".repeat(depth), unknown.number()));
    }
    out
}

fn put(out: &mut String, name: &str, value: &Value, kind: &Kind, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::List(values) => values.iter().for_each(|value| put(out, name, value, kind, depth)),
        Value::Map(values) => {
            for (key, value) in values {
                if let Some(entry) = entry_text(key, value, kind, depth + 1) {
                    out.push_str(&format!("{indent}{name} {{\n{entry}{indent}}}\n"));
                }
            }
        }
        _ => {
            if let Some(text) = value_text(value, kind, depth) {
                let colon = if matches!(value, Value::Message(_)) { "" } else { ":" };
                out.push_str(&format!("{indent}{name}{colon} {text}\n"));
            }
        }
    }
}

fn entry_text(key: &MapKey, value: &Value, kind: &Kind, depth: usize) -> Option<String> {
    let entry = kind.as_message()?;
    let mut out = String::new();
    put(&mut out, "key", &Value::from(key.clone()), &entry.map_entry_key_field().kind(), depth);
    put(&mut out, "value", value, &entry.map_entry_value_field().kind(), depth);
    Some(out)
}

fn f64_text(value: f64, depth: usize) -> String {
    match () {
        () if value.is_nan() => "nan".to_owned(),
        // protoc 3.21 has no word for infinity in an option statement, but overflows to it.
        () if value.is_infinite() => {
            let text = if depth > 0 { "inf" } else { "1e999" };
            if value > 0.0 { text.to_owned() } else { format!("-{text}") }
        }
        () => format!("{value:?}"),
    }
}

fn f32_text(value: f32, depth: usize) -> String {
    let short = format!("{value:?}");
    // A compiler reads a double first; the shortest text may then round twice.
    match short.parse::<f64>() {
        Ok(double) if value.is_finite() && double as f32 == value => short,
        _ => f64_text(f64::from(value), depth),
    }
}
