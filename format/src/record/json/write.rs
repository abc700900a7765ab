//! Writing the canonical protobuf JSON of a message.

use prost::Message;
use prost_reflect::{DynamicMessage, Kind, MapKey, ReflectMessage, Value};
use prost_types::value::Kind as JsonKind;
use prost_types::{Any, Duration, FieldMask, ListValue, Struct, Timestamp};

use super::JsonOptions;
use crate::error::{Error, Result, code};
use crate::limits::Limits;
use crate::record::decode;
use crate::schema::wire::MAX_DEPTH;

/// What RFC 3339 can write: the years 1 to 9999.
const TIMESTAMPS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// Some 10 000 years, as `duration.proto` says.
const DURATION_SECONDS: i64 = 315_576_000_000;
const NANOS: i32 = 999_999_999;

pub(super) fn message(message: &DynamicMessage, options: &JsonOptions) -> Result<String> {
    let mut writer = Writer { out: String::new(), options, anys: 0 };
    writer.message(message, 0)?;
    Ok(writer.out)
}

pub(super) fn value(value: &Value, kind: &Kind, options: &JsonOptions) -> Result<String> {
    let mut writer = Writer { out: String::new(), options, anys: 0 };
    writer.value(value, kind, 0)?;
    Ok(writer.out)
}

/// How many `Any` may be nested in each other before one is written as bytes: each holds a copy of those inside it.
const MAX_ANYS: usize = 8;

struct Writer<'a> {
    out: String,
    options: &'a JsonOptions,
    /// How many `Any` the place being written is inside.
    anys: usize,
}

fn no_form(what: impl Into<String>) -> Error {
    Error::new(code::RECORD_VALUE, what)
}

/// The message as the compiled-in type; a set's own message of that name may be shaped otherwise.
fn known<T: Message + Default>(message: &DynamicMessage) -> Result<T> {
    message.transcode_to().map_err(|error| {
        no_form(format!("the schema's {} is not what every protobuf has: {error}", message.descriptor().full_name()))
            .with_source(error)
    })
}

impl Writer<'_> {
    fn message(&mut self, message: &DynamicMessage, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(no_form(format!("messages nested more than {MAX_DEPTH} deep, those inside an Any included")));
        }
        let start = self.out.len();
        match self.well_known(message, depth) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // A value outside what its own form can tell is written as the plain message that it is.
            Err(_) => self.out.truncate(start),
        }
        self.out.push('{');
        let mut first = true;
        self.fields(message, depth, &mut first)?;
        self.out.push('}');
        Ok(())
    }

    fn fields(&mut self, message: &DynamicMessage, depth: usize, first: &mut bool) -> Result<()> {
        let descriptor = message.descriptor();
        if self.options.defaults {
            for field in descriptor.fields().filter(|field| message.has_field(field) || !field.supports_presence()) {
                let name = if self.options.proto_names { field.name() } else { field.json_name() };
                self.field(name, &message.get_field(&field), &field.kind(), depth, first)?;
            }
        } else {
            for (field, value) in message.fields() {
                let name = if self.options.proto_names { field.name() } else { field.json_name() };
                self.field(name, value, &field.kind(), depth, first)?;
            }
        }
        for (extension, value) in message.extensions() {
            self.field(extension.json_name(), value, &extension.kind(), depth, first)?;
        }
        Ok(())
    }

    fn field(&mut self, name: &str, value: &Value, kind: &Kind, depth: usize, first: &mut bool) -> Result<()> {
        self.comma(first);
        self.text(name);
        self.out.push(':');
        self.value(value, kind, depth)
    }

    fn value(&mut self, value: &Value, kind: &Kind, depth: usize) -> Result<()> {
        match value {
            Value::Bool(value) => self.plain(value),
            Value::I32(value) => self.plain(value),
            Value::U32(value) => self.plain(value),
            Value::I64(value) => self.quoted(value),
            Value::U64(value) => self.quoted(value),
            Value::F32(value) => match value.is_finite() {
                true => self.plain(format_args!("{value:?}")),
                false => self.non_finite(f64::from(*value)),
            },
            Value::F64(value) => match value.is_finite() {
                true => self.plain(format_args!("{value:?}")),
                false => self.non_finite(*value),
            },
            Value::String(value) => self.text(value),
            Value::Bytes(value) => self.base64(value),
            Value::EnumNumber(number) => match kind.as_enum() {
                Some(kind) if kind.full_name() == "google.protobuf.NullValue" => self.out.push_str("null"),
                Some(kind) => match kind.get_value(*number) {
                    Some(value) => self.text(value.name()),
                    None => self.plain(number),
                },
                None => self.plain(number),
            },
            Value::Message(message) => return self.message(message, depth + 1),
            Value::List(values) => {
                self.out.push('[');
                let mut first = true;
                for value in values {
                    self.comma(&mut first);
                    self.value(value, kind, depth)?;
                }
                self.out.push(']');
            }
            Value::Map(values) => {
                let value_kind = match kind.as_message() {
                    Some(entry) => entry.map_entry_value_field().kind(),
                    None => return Err(no_form("a map whose entries are no messages")),
                };
                let mut sorted: Vec<_> = values.iter().collect();
                sorted.sort_by_key(|entry| entry.0);
                self.out.push('{');
                let mut first = true;
                for (key, value) in sorted {
                    self.comma(&mut first);
                    match key {
                        MapKey::Bool(key) => self.quoted(key),
                        MapKey::I32(key) => self.quoted(key),
                        MapKey::I64(key) => self.quoted(key),
                        MapKey::U32(key) => self.quoted(key),
                        MapKey::U64(key) => self.quoted(key),
                        MapKey::String(key) => self.text(key),
                    }
                    self.out.push(':');
                    self.value(value, &value_kind, depth)?;
                }
                self.out.push('}');
            }
        }
        Ok(())
    }

    /// Writes a message that has a form of its own; `false` where it has none.
    fn well_known(&mut self, message: &DynamicMessage, depth: usize) -> Result<bool> {
        let descriptor = message.descriptor();
        let Some(name) = descriptor.full_name().strip_prefix("google.protobuf.") else { return Ok(false) };
        match name {
            "Any" => self.any(message, known(message)?, depth)?,
            "Timestamp" => {
                let time: Timestamp = known(message)?;
                if !TIMESTAMPS.contains(&time.seconds) || !(0..=NANOS).contains(&time.nanos) {
                    return Err(no_form(format!(
                        "a timestamp of {} seconds and {} nanoseconds is outside the years 1 to 9999",
                        time.seconds, time.nanos
                    )));
                }
                self.quoted(time);
            }
            "Duration" => {
                let span: Duration = known(message)?;
                let alike = span.seconds == 0 || span.nanos == 0 || (span.seconds < 0) == (span.nanos < 0);
                let bounded = (-DURATION_SECONDS..=DURATION_SECONDS).contains(&span.seconds)
                    && (-NANOS..=NANOS).contains(&span.nanos);
                if !alike || !bounded {
                    return Err(no_form(format!(
                        "a duration of {} seconds and {} nanoseconds is out of range or of two signs",
                        span.seconds, span.nanos
                    )));
                }
                self.quoted(span);
            }
            "FieldMask" => {
                let mask: FieldMask = known(message)?;
                let paths: Option<Vec<_>> = mask.paths.iter().map(|path| camel_case(path)).collect();
                let paths =
                    paths.ok_or_else(|| no_form("a field mask holds a field name that is not in snake case"))?;
                self.text(&paths.join(","));
            }
            "Struct" => self.object(&known(message)?, depth)?,
            "ListValue" => self.list(&known(message)?, depth)?,
            "Value" => self.json(&known(message)?, depth)?,
            "Empty" => self.out.push_str("{}"),
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
            | "BoolValue" | "StringValue" | "BytesValue" => match descriptor.get_field_by_name("value") {
                Some(field) => self.value(&message.get_field(&field), &field.kind(), depth)?,
                None => return Ok(false),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn any(&mut self, message: &DynamicMessage, any: Any, depth: usize) -> Result<()> {
        if any.type_url.is_empty() && any.value.is_empty() {
            self.out.push_str("{}");
            return Ok(());
        }
        self.out.push_str("{\"@type\":");
        self.text(&any.type_url);
        let name = any.type_url.rsplit_once('/').map_or(&any.type_url[..], |(_, name)| name);
        let inner = match message.descriptor().parent_pool().get_message_by_name(name) {
            Some(inner) if self.anys < MAX_ANYS => decode(&inner, &any.value, &Limits::default()).ok(),
            _ => None,
        };
        let start = self.out.len();
        self.anys += 1;
        let told = inner.is_some_and(|inner| self.packed(&inner, depth + 1).is_ok());
        self.anys -= 1;
        if !told {
            self.out.truncate(start);
            self.out.push_str(",\"@value\":");
            self.base64(&any.value);
        }
        self.out.push('}');
        Ok(())
    }

    /// What an `Any` holds: the fields, or, where the message has a form of its own, that as a value beside the type.
    fn packed(&mut self, message: &DynamicMessage, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(no_form(format!("messages nested more than {MAX_DEPTH} deep, those inside an Any included")));
        }
        let start = self.out.len();
        self.out.push_str(",\"value\":");
        match self.well_known(message, depth) {
            Ok(true) => Ok(()),
            outcome => {
                self.out.truncate(start);
                outcome.and_then(|_| self.fields(message, depth, &mut false))
            }
        }
    }

    fn object(&mut self, object: &Struct, depth: usize) -> Result<()> {
        self.out.push('{');
        let mut first = true;
        for (key, value) in &object.fields {
            self.comma(&mut first);
            self.text(key);
            self.out.push(':');
            self.json(value, depth + 1)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn list(&mut self, list: &ListValue, depth: usize) -> Result<()> {
        self.out.push('[');
        let mut first = true;
        for value in &list.values {
            self.comma(&mut first);
            self.json(value, depth + 1)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn json(&mut self, value: &prost_types::Value, depth: usize) -> Result<()> {
        match &value.kind {
            None | Some(JsonKind::NullValue(_)) => self.out.push_str("null"),
            Some(JsonKind::BoolValue(value)) => self.plain(value),
            Some(JsonKind::NumberValue(value)) if value.is_finite() => self.plain(format_args!("{value:?}")),
            Some(JsonKind::NumberValue(_)) => {
                return Err(no_form("a google.protobuf.Value holds a number that is not finite"));
            }
            Some(JsonKind::StringValue(value)) => self.text(value),
            Some(JsonKind::ListValue(list)) => self.list(list, depth)?,
            Some(JsonKind::StructValue(object)) => self.object(object, depth)?,
        }
        Ok(())
    }

    fn comma(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.out.push(',');
        }
    }

    fn plain(&mut self, value: impl std::fmt::Display) {
        use std::fmt::Write as _;
        // Writing to a string does not fail.
        let _ = write!(self.out, "{value}");
    }

    fn quoted(&mut self, value: impl std::fmt::Display) {
        self.plain(format_args!("\"{value}\""));
    }

    fn non_finite(&mut self, value: f64) {
        self.out.push_str(match () {
            () if value.is_nan() => "\"NaN\"",
            () if value > 0.0 => "\"Infinity\"",
            () => "\"-Infinity\"",
        });
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                c if c.is_control() => self.plain(format_args!("\\u{:04x}", c as u32)),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn base64(&mut self, bytes: &[u8]) {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        self.out.push('"');
        for chunk in bytes.chunks(3) {
            let group = chunk.iter().fold(0, |group, &byte| group << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
            for digit in 0..4 {
                match digit <= chunk.len() {
                    true => self.out.push(char::from(DIGITS[(group >> (18 - 6 * digit)) as usize & 63])),
                    false => self.out.push('='),
                }
            }
        }
        self.out.push('"');
    }
}

/// A path of a field mask, from snake case; `None` where the way back would lead elsewhere.
fn camel_case(path: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len());
    let mut upper = false;
    for c in path.chars() {
        match c {
            'A'..='Z' => return None,
            'a'..='z' if upper => out.push(c.to_ascii_uppercase()),
            _ if upper => return None,
            '_' => {
                upper = true;
                continue;
            }
            c => out.push(c),
        }
        upper = false;
    }
    (!upper).then_some(out)
}
