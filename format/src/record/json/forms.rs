//! Which messages have a form of their own in JSON, and whether their values have one: decided before anything is written.

use std::collections::HashSet;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value};
use prost_types::{Duration, Timestamp};

use crate::schema::wire::MAX_DEPTH;

/// What RFC 3339 can write: the years 1 to 9999.
const TIMESTAMPS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// Some 10 000 years, as `duration.proto` says.
const DURATION_SECONDS: i64 = 315_576_000_000;
const NANOS: i32 = 999_999_999;

/// How a message is written.
pub(super) enum Form {
    /// As an object of its fields.
    Plain,
    /// The same, because its own form cannot tell its value.
    Untold,
    /// In quotes, with nothing to escape.
    Text(String),
    /// The paths of a `FieldMask`.
    Paths(String),
    Empty,
    Any,
    /// A `Value`, `ListValue` or `Struct` with finite numbers only.
    Json,
    /// As the value of this field.
    Wrapper(FieldDescriptor),
}

/// What was found out about a message and all inside it, as long as it is being written.
#[derive(Default)]
pub(super) struct Forms {
    /// Each `Value`, `ListValue` and `Struct` inside which a number is not finite, by where it is in memory.
    unfit: HashSet<*const DynamicMessage>,
}

impl Forms {
    /// Looks at a message that stands `depth` messages deep; `None` where messages nest more than 100 deep.
    pub(super) fn of_message(message: &DynamicMessage, depth: usize) -> Option<Self> {
        let mut forms = Self::default();
        forms.visit(message, depth).map(|_| forms)
    }

    /// The same of a value of a field.
    pub(super) fn of_value(value: &Value) -> Option<Self> {
        let mut forms = Self::default();
        forms.visit_value(value, 0).map(|_| forms)
    }

    /// Whether no number in it keeps it from being JSON.
    fn visit(&mut self, message: &DynamicMessage, depth: usize) -> Option<bool> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut fit = true;
        for (_, value) in message.fields() {
            fit &= self.visit_value(value, depth)?;
        }
        for (_, value) in message.extensions() {
            self.visit_value(value, depth)?;
        }
        if !fit && is_json(&message.descriptor()) {
            self.unfit.insert(message);
        }
        Some(fit)
    }

    fn visit_value(&mut self, value: &Value, depth: usize) -> Option<bool> {
        Some(match value {
            Value::F64(number) => number.is_finite(),
            Value::Message(message) => self.visit(message, depth + 1)?,
            Value::List(values) => self.visit_all(values.iter(), depth)?,
            Value::Map(values) => self.visit_all(values.values(), depth)?,
            _ => true,
        })
    }

    fn visit_all<'a>(&mut self, values: impl Iterator<Item = &'a Value>, depth: usize) -> Option<bool> {
        let mut fit = true;
        for value in values {
            // A list of scalars has one kind of them, of which only one kind matters.
            if let Value::Message(_) | Value::F64(_) = value {
                fit &= self.visit_value(value, depth)?;
            } else {
                break;
            }
        }
        Some(fit)
    }

    /// The form of a message that is, or is inside of, the one that was looked at.
    pub(super) fn of(&self, message: &DynamicMessage) -> Form {
        let descriptor = message.descriptor();
        let Some(name) = descriptor.full_name().strip_prefix("google.protobuf.") else { return Form::Plain };
        match name {
            "Any" if has(&descriptor, &[(1, &Kind::String, false), (2, &Kind::Bytes, false)]) => Form::Any,
            "Timestamp" if is_time(&descriptor) => timestamp(time(message)).map_or(Form::Untold, Form::Text),
            "Duration" if is_time(&descriptor) => duration(time(message)).map_or(Form::Untold, Form::Text),
            "FieldMask" if has(&descriptor, &[(1, &Kind::String, true)]) => {
                paths(message).map_or(Form::Untold, Form::Paths)
            }
            "Struct" | "ListValue" | "Value" if is_json(&descriptor) => {
                if self.unfit.contains(&std::ptr::from_ref(message)) { Form::Untold } else { Form::Json }
            }
            "Empty" => Form::Empty,
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
            | "BoolValue" | "StringValue" | "BytesValue" => {
                descriptor.get_field_by_name("value").map_or(Form::Plain, Form::Wrapper)
            }
            _ => Form::Plain,
        }
    }
}

/// Whether a type has these fields and no other: number, kind, and whether it is a list. That it bears a well-known name
/// does not make it so.
fn has(descriptor: &MessageDescriptor, fields: &[(u32, &Kind, bool)]) -> bool {
    descriptor.fields().len() == fields.len()
        && fields.iter().all(|(number, kind, list)| {
            descriptor
                .get_field(*number)
                .is_some_and(|field| field.kind() == **kind && field.is_list() == *list && !field.is_map())
        })
}

fn is_time(descriptor: &MessageDescriptor) -> bool {
    has(descriptor, &[(1, &Kind::Int64, false), (2, &Kind::Int32, false)])
}

/// Whether it is one of the three types of JSON values, and of their shape.
fn is_json(descriptor: &MessageDescriptor) -> bool {
    let is = |field: Option<FieldDescriptor>, name: &str, list: bool| {
        field.is_some_and(|field| {
            field.is_list() == list && field.kind().as_message().is_some_and(|kind| kind.full_name() == name)
        })
    };
    match descriptor.full_name() {
        "google.protobuf.Value" => {
            let scalar = |number, kind: &Kind| {
                descriptor.get_field(number).is_some_and(|field| field.kind() == *kind && !field.is_list())
            };
            descriptor.fields().len() == 6
                && descriptor.get_field(1).is_some_and(|field| field.kind().as_enum().is_some() && !field.is_list())
                && scalar(2, &Kind::Double)
                && scalar(3, &Kind::String)
                && scalar(4, &Kind::Bool)
                && is(descriptor.get_field(5), "google.protobuf.Struct", false)
                && is(descriptor.get_field(6), "google.protobuf.ListValue", false)
                // One of them is set, not several.
                && descriptor.oneofs().next().is_some_and(|oneof| oneof.fields().len() == 6)
        }
        "google.protobuf.ListValue" => {
            descriptor.fields().len() == 1 && is(descriptor.get_field(1), "google.protobuf.Value", true)
        }
        "google.protobuf.Struct" => {
            descriptor.fields().len() == 1
                && descriptor.get_field(1).is_some_and(|field| {
                    field.is_map()
                        && field.kind().as_message().is_some_and(|entry| {
                            entry.map_entry_key_field().kind() == Kind::String
                                && is(Some(entry.map_entry_value_field()), "google.protobuf.Value", false)
                        })
                })
        }
        _ => false,
    }
}

/// Seconds and nanoseconds.
fn time(message: &DynamicMessage) -> (i64, i32) {
    let number = |number| message.get_field_by_number(number);
    (
        number(1).as_deref().and_then(Value::as_i64).unwrap_or_default(),
        number(2).as_deref().and_then(Value::as_i32).unwrap_or_default(),
    )
}

fn timestamp((seconds, nanos): (i64, i32)) -> Option<String> {
    let in_range = TIMESTAMPS.contains(&seconds) && (0..=NANOS).contains(&nanos);
    in_range.then(|| Timestamp { seconds, nanos }.to_string())
}

/// `None` where it is out of range, or of two signs.
fn duration((seconds, nanos): (i64, i32)) -> Option<String> {
    let alike = seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0);
    let bounded = (-DURATION_SECONDS..=DURATION_SECONDS).contains(&seconds) && (-NANOS..=NANOS).contains(&nanos);
    (alike && bounded).then(|| Duration { seconds, nanos }.to_string())
}

/// `None` where one of them is not in snake case.
fn paths(message: &DynamicMessage) -> Option<String> {
    let paths = message.get_field_by_number(1)?;
    let camel: Option<Vec<_>> = paths.as_list()?.iter().map(|path| camel_case(path.as_str()?)).collect();
    Some(camel?.join(","))
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
