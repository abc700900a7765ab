//! Writing the canonical protobuf JSON of a message, straight to where it goes: nothing of it is kept, and nothing that was
//! written is taken back. So [`Forms`] tells beforehand which form a message has.

use std::io::{self, Write};

use prost_reflect::{DynamicMessage, Kind, MapKey, ReflectMessage, Value};

use super::JsonOptions;
use super::forms::{Form, Forms};
use crate::error::{Error, Result, code};
use crate::record::dynamic::decode_shared;
use crate::schema::wire::MAX_DEPTH;

pub(super) fn message(message: &DynamicMessage, options: &JsonOptions, out: &mut impl Write) -> Result<()> {
    // Of messages that were decoded, none is too deep.
    let forms = Forms::of_message(message, 0).ok_or_else(too_deep)?;
    Writer { out, options, forms, anys: 0 }.message(message, 0).map_err(unwritable)
}

pub(super) fn value(value: &Value, kind: &Kind, options: &JsonOptions, out: &mut impl Write) -> Result<()> {
    let forms = Forms::of_value(value).ok_or_else(too_deep)?;
    Writer { out, options, forms, anys: 0 }.value(value, kind, 0).map_err(unwritable)
}

fn too_deep() -> Error {
    Error::new(code::RECORD_VALUE, format!("messages nested more than {MAX_DEPTH} deep have no JSON"))
}

fn unwritable(error: io::Error) -> Error {
    Error::io(code::IO_WRITE, "writing JSON", error)
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// How many `Any` may be nested in each other before one is written as bytes: each holds a copy of those inside it.
const MAX_ANYS: usize = 8;

struct Writer<'a, W> {
    out: &'a mut W,
    options: &'a JsonOptions,
    forms: Forms,
    /// How many `Any` the place being written is inside.
    anys: usize,
}

impl<W: Write> Writer<'_, W> {
    fn message(&mut self, message: &DynamicMessage, depth: usize) -> io::Result<()> {
        if self.well_known(message, depth)? {
            return Ok(());
        }
        self.out.write_all(b"{")?;
        self.fields(message, depth, &mut true)?;
        self.out.write_all(b"}")
    }

    fn fields(&mut self, message: &DynamicMessage, depth: usize, first: &mut bool) -> io::Result<()> {
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

    fn field(&mut self, name: &str, value: &Value, kind: &Kind, depth: usize, first: &mut bool) -> io::Result<()> {
        self.comma(first)?;
        self.text(name)?;
        self.out.write_all(b":")?;
        self.value(value, kind, depth)
    }

    fn value(&mut self, value: &Value, kind: &Kind, depth: usize) -> io::Result<()> {
        match value {
            Value::Bool(value) => write!(self.out, "{value}"),
            Value::I32(value) => write!(self.out, "{value}"),
            Value::U32(value) => write!(self.out, "{value}"),
            Value::I64(value) => write!(self.out, "\"{value}\""),
            Value::U64(value) => write!(self.out, "\"{value}\""),
            Value::F32(value) => match value.is_finite() {
                true => write!(self.out, "{value:?}"),
                false => self.non_finite(f64::from(*value)),
            },
            Value::F64(value) => match value.is_finite() {
                true => write!(self.out, "{value:?}"),
                false => self.non_finite(*value),
            },
            Value::String(value) => self.text(value),
            Value::Bytes(value) => self.base64(value),
            Value::EnumNumber(number) => match kind.as_enum() {
                Some(kind) if kind.full_name() == "google.protobuf.NullValue" => self.out.write_all(b"null"),
                Some(kind) => match kind.get_value(*number) {
                    Some(value) => self.text(value.name()),
                    None => write!(self.out, "{number}"),
                },
                None => write!(self.out, "{number}"),
            },
            Value::Message(message) => self.message(message, depth + 1),
            Value::List(values) => {
                self.out.write_all(b"[")?;
                let mut first = true;
                for value in values {
                    self.comma(&mut first)?;
                    self.value(value, kind, depth)?;
                }
                self.out.write_all(b"]")
            }
            Value::Map(values) => {
                let value_kind = kind.as_message().map_or(Kind::Bytes, |entry| entry.map_entry_value_field().kind());
                let mut sorted: Vec<_> = values.iter().collect();
                sorted.sort_by_key(|entry| entry.0);
                self.out.write_all(b"{")?;
                let mut first = true;
                for (key, value) in sorted {
                    self.comma(&mut first)?;
                    match key {
                        MapKey::Bool(key) => write!(self.out, "\"{key}\""),
                        MapKey::I32(key) => write!(self.out, "\"{key}\""),
                        MapKey::I64(key) => write!(self.out, "\"{key}\""),
                        MapKey::U32(key) => write!(self.out, "\"{key}\""),
                        MapKey::U64(key) => write!(self.out, "\"{key}\""),
                        MapKey::String(key) => self.text(key),
                    }?;
                    self.out.write_all(b":")?;
                    self.value(value, &value_kind, depth)?;
                }
                self.out.write_all(b"}")
            }
        }
    }

    /// Writes a message that has a form of its own; `false`, and nothing written, where it has none.
    fn well_known(&mut self, message: &DynamicMessage, depth: usize) -> io::Result<bool> {
        match self.forms.of(message) {
            Form::Plain | Form::Untold => return Ok(false),
            Form::Text(text) => write!(self.out, "\"{text}\"")?,
            Form::Paths(paths) => self.text(&paths)?,
            Form::Empty => self.out.write_all(b"{}")?,
            Form::Any => self.any(message, depth)?,
            Form::Json => self.json(message)?,
            Form::Wrapper(field) => self.value(&message.get_field(&field), &field.kind(), depth)?,
        }
        Ok(true)
    }

    fn any(&mut self, message: &DynamicMessage, depth: usize) -> io::Result<()> {
        let (url, value) = (message.get_field_by_number(1), message.get_field_by_number(2));
        let url = url.as_deref().and_then(Value::as_str).unwrap_or_default();
        let value = value.as_deref().and_then(Value::as_bytes).cloned().unwrap_or_default();
        if url.is_empty() && value.is_empty() {
            return self.out.write_all(b"{}");
        }
        self.out.write_all(b"{\"@type\":")?;
        self.text(url)?;
        let name = url.rsplit_once('/').map_or(url, |(_, name)| name);
        let inner = match message.descriptor().parent_pool().get_message_by_name(name) {
            Some(inner) if self.anys < MAX_ANYS => decode_shared(&inner, value.clone()).ok(),
            _ => None,
        };
        let told = inner.and_then(|inner| {
            let forms = Forms::of_message(&inner, depth + 1)?;
            let form = forms.of(&inner);
            (!matches!(form, Form::Untold)).then_some((inner, forms, form))
        });
        match told {
            // The fields, or, where the message has a form of its own, that as a value beside the type.
            Some((inner, forms, form)) => {
                let outer = std::mem::replace(&mut self.forms, forms);
                self.anys += 1;
                if let Form::Plain = form {
                    self.fields(&inner, depth + 1, &mut false)?;
                } else {
                    self.out.write_all(b",\"value\":")?;
                    self.well_known(&inner, depth + 1)?;
                }
                self.anys -= 1;
                self.forms = outer;
            }
            None => {
                self.out.write_all(b",\"@value\":")?;
                self.base64(&value)?;
            }
        }
        self.out.write_all(b"}")
    }

    /// A `Value`, `ListValue` or `Struct`, all of whose numbers are finite.
    fn json(&mut self, message: &DynamicMessage) -> io::Result<()> {
        let Some((_, content)) = message.fields().next() else {
            return self.out.write_all(match message.descriptor().name() {
                "Struct" => b"{}",
                "ListValue" => b"[]",
                _ => b"null",
            });
        };
        match content {
            Value::Bool(value) => write!(self.out, "{value}"),
            Value::F64(value) => write!(self.out, "{value:?}"),
            Value::String(value) => self.text(value),
            Value::Message(inner) => self.json(inner),
            Value::List(values) => {
                self.out.write_all(b"[")?;
                let mut first = true;
                for value in values.iter().filter_map(Value::as_message) {
                    self.comma(&mut first)?;
                    self.json(value)?;
                }
                self.out.write_all(b"]")
            }
            Value::Map(values) => {
                let mut sorted: Vec<_> = values.iter().collect();
                sorted.sort_by_key(|entry| entry.0);
                self.out.write_all(b"{")?;
                let mut first = true;
                for (key, value) in sorted {
                    self.comma(&mut first)?;
                    self.text(key.as_str().unwrap_or_default())?;
                    self.out.write_all(b":")?;
                    match value.as_message() {
                        Some(value) => self.json(value)?,
                        None => self.out.write_all(b"null")?,
                    }
                }
                self.out.write_all(b"}")
            }
            _ => self.out.write_all(b"null"),
        }
    }

    fn comma(&mut self, first: &mut bool) -> io::Result<()> {
        match std::mem::take(first) {
            true => Ok(()),
            false => self.out.write_all(b","),
        }
    }

    fn non_finite(&mut self, value: f64) -> io::Result<()> {
        self.out.write_all(match () {
            () if value.is_nan() => b"\"NaN\"",
            () if value > 0.0 => b"\"Infinity\"",
            () => b"\"-Infinity\"",
        })
    }

    /// A string in quotes, of which whole runs are written that need no escape.
    fn text(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(b"\"")?;
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || c.is_control()) {
            let (run, special) = rest.split_at(at);
            self.out.write_all(run.as_bytes())?;
            let mut chars = special.chars();
            match chars.next() {
                Some('"') => self.out.write_all(b"\\\"")?,
                Some('\\') => self.out.write_all(b"\\\\")?,
                Some('\n') => self.out.write_all(b"\\n")?,
                Some('\r') => self.out.write_all(b"\\r")?,
                Some('\t') => self.out.write_all(b"\\t")?,
                // All of them are below U+00A0.
                Some(c) => {
                    let (high, low) = (HEX[c as usize >> 4 & 15], HEX[c as usize & 15]);
                    self.out.write_all(&[b'\\', b'u', b'0', b'0', high, low])?;
                }
                None => {}
            }
            rest = chars.as_str();
        }
        self.out.write_all(rest.as_bytes())?;
        self.out.write_all(b"\"")
    }

    fn base64(&mut self, bytes: &[u8]) -> io::Result<()> {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        self.out.write_all(b"\"")?;
        for chunk in bytes.chunks(3) {
            let group = chunk.iter().fold(0, |group, &byte| group << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
            let digits: [u8; 4] = std::array::from_fn(|digit| match digit <= chunk.len() {
                true => DIGITS[(group >> (18 - 6 * digit)) as usize & 63],
                false => b'=',
            });
            self.out.write_all(&digits)?;
        }
        self.out.write_all(b"\"")
    }
}
