//! Records as JSON: the canonical protobuf form, one line each (FORMAT.md, "Records").
//!
//! prost-reflect reads it. It also writes it, but maps in an order that changes from run to run, a wrapper's NaN as
//! `null`, and an `Any` inside an `Any` inside an `Any` down to the end of the stack; so this crate writes it itself.

mod forms;
mod write;

use std::io::Write;

use prost::Message;
use prost_reflect::{DeserializeOptions, DynamicMessage, Kind, MessageDescriptor, Value};

use super::dynamic::missing_required;
use crate::error::{Error, Result, code};
use crate::limits::Limits;

/// How [`to_json`] writes a record. The default is the canonical form.
///
/// ```
/// let options = rosettar::record::JsonOptions::new().proto_names(true);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct JsonOptions {
    proto_names: bool,
    defaults: bool,
}

impl JsonOptions {
    /// The canonical form.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether fields are called as in the `.proto` file, `user_id`, instead of `userId`. Readers take either.
    #[must_use]
    pub fn proto_names(mut self, yes: bool) -> Self {
        self.proto_names = yes;
        self
    }

    /// Whether fields without presence are written even where they hold their default value.
    #[must_use]
    pub fn defaults(mut self, yes: bool) -> Self {
        self.defaults = yes;
        self
    }
}

/// The canonical protobuf JSON of a record, on one line without a line feed.
///
/// Integers of 64 bits are strings, bytes are base64, enum values their names, or numbers where they have none. Fields
/// come by their numbers and map entries by their keys, so equal records have equal JSON. Unknown fields are left out:
/// JSON has no place for them.
///
/// A record is not lost for one value that has no canonical form. An `Any` of a type that the record's schema lacks, or
/// whose bytes do not decode as it, or below eight others, is `{"@type":"…","@value":"<its bytes in base64>"}`; a
/// `Timestamp` or `Duration` out of range, a `FieldMask` with a path that is not in snake case, and a `Value` with a
/// number that is not finite are the plain messages that they are: `{"seconds":"253402300800"}`. [`from_json`] reads
/// none of these.
///
/// ```
/// # #[cfg(feature = "compile")] {
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("a.proto"), "syntax = \"proto3\"; message A { int64 user_id = 1; }").unwrap();
/// # let set = rosettar::schema::compile(&[dir.path().join("a.proto")], &[dir.path()])?;
/// # let pool = rosettar::schema::build_pool(&set)?;
/// # let descriptor = rosettar::schema::message(&pool, "A")?;
/// let record = rosettar::record::decode(&descriptor, b"\x08\x05", &rosettar::Limits::default())?;
/// let json = rosettar::record::to_json(&record, &rosettar::record::JsonOptions::new())?;
/// assert_eq!(json, r#"{"userId":"5"}"#);
/// # }
/// # Ok::<(), rosettar::Error>(())
/// ```
///
/// # Errors
/// `record.value` for messages nested more than 100 deep, which none is that was decoded.
pub fn to_json(message: &DynamicMessage, options: &JsonOptions) -> Result<String> {
    let mut out = Vec::new();
    write::message(message, options, &mut out)?;
    Ok(text(out))
}

/// As [`to_json`], written to `out` piece by piece: the text of a record of 64 MiB may be six times as long.
///
/// Many pieces are a few bytes, so `out` should be buffered.
///
/// # Errors
/// As [`to_json`], before anything is written; `io.write`.
pub fn write_json(message: &DynamicMessage, options: &JsonOptions, mut out: impl Write) -> Result<()> {
    write::message(message, options, &mut out)
}

fn text(json: Vec<u8>) -> String {
    String::from_utf8(json).expect("JSON is written as text")
}

/// The JSON of one value of a field of this kind, in the form that it has in [`to_json`].
///
/// ```
/// use prost_reflect::{Kind, Value};
/// use rosettar::record::{JsonOptions, value_to_json};
/// assert_eq!(value_to_json(&Value::U64(5), &Kind::Uint64, &JsonOptions::new())?, r#""5""#);
/// # Ok::<(), rosettar::Error>(())
/// ```
///
/// # Errors
/// As [`to_json`].
pub fn value_to_json(value: &Value, kind: &Kind, options: &JsonOptions) -> Result<String> {
    let mut out = Vec::new();
    write::value(value, kind, options, &mut out)?;
    Ok(text(out))
}

/// As [`value_to_json`], written to `out` piece by piece.
///
/// # Errors
/// As [`write_json`].
pub fn write_value_json(value: &Value, kind: &Kind, options: &JsonOptions, mut out: impl Write) -> Result<()> {
    write::value(value, kind, options, &mut out)
}

/// The record of the type `descriptor` that `text` is the protobuf JSON of.
///
/// Fields may be called either way; those that the type lacks are refused. Where a field comes twice, the last counts,
/// as in other protobuf libraries.
///
/// ```
/// # #[cfg(feature = "compile")] {
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("a.proto"), "syntax = \"proto3\"; message A { int64 user_id = 1; }").unwrap();
/// # let set = rosettar::schema::compile(&[dir.path().join("a.proto")], &[dir.path()])?;
/// # let pool = rosettar::schema::build_pool(&set)?;
/// # let descriptor = rosettar::schema::message(&pool, "A")?;
/// use rosettar::{Limits, record};
/// let message = record::from_json(&descriptor, r#"{"user_id": 5}"#, &Limits::default())?;
/// assert_eq!(record::to_json(&message, &record::JsonOptions::new())?, r#"{"userId":"5"}"#);
/// assert!(record::from_json(&descriptor, r#"{"user": 5}"#, &Limits::default()).is_err());
/// # }
/// # Ok::<(), rosettar::Error>(())
/// ```
///
/// # Errors
/// `record.value` with the field, line and column; also for a required field that is absent. `limit.record-values`
/// where the text holds more values than the limit, `limit.record-bytes` where the encoded record is longer.
pub fn from_json(descriptor: &MessageDescriptor, text: &str, limits: &Limits) -> Result<DynamicMessage> {
    let values = scan(text.as_bytes()).0;
    if values > limits.record_values {
        let message =
            format!("JSON text of {values} values exceeds the limit record-values of {}", limits.record_values);
        return Err(Error::new(code::LIMIT_RECORD_VALUES, message));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let message = DynamicMessage::deserialize_with_options(descriptor.clone(), &mut deserializer, &options)
        .and_then(|message| deserializer.end().map(|()| message))
        .map_err(|error| {
            let path = scan(&text.as_bytes()[..offset(text, &error)]).1;
            let place = if path.is_empty() { String::new() } else { format!(", field {path}") };
            Error::new(code::RECORD_VALUE, format!("expected the JSON of a {}{place}: {error}", descriptor.full_name()))
                .with_source(error)
        })?;
    if let Some(path) = missing_required(&message) {
        let message = format!("{} lacks the required field {path}", descriptor.full_name());
        return Err(Error::new(code::RECORD_VALUE, message));
    }
    let length = message.encoded_len() as u64;
    if length > limits.record_bytes {
        let message = format!("record of {length} bytes exceeds the limit record-bytes of {}", limits.record_bytes);
        return Err(Error::new(code::LIMIT_RECORD_BYTES, message));
    }
    Ok(message)
}

/// The offset in `text` at which `error` was found.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let line_start: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    (line_start + error.column()).min(text.len())
}

/// How many values the JSON text holds at most, and the path of keys and positions at its end.
fn scan(text: &[u8]) -> (u64, String) {
    /// Where the scan is in one object or array.
    enum Step<'a> {
        Key(&'a [u8]),
        Index(u64),
    }
    let mut path = Vec::new();
    let (mut values, mut key, mut string_start, mut escaped) = (1, &text[..0], None, false);
    for (position, &byte) in text.iter().enumerate() {
        if let Some(start) = string_start {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    key = &text[start..position];
                    string_start = None;
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => string_start = Some(position + 1),
            b'{' => {
                values += 1;
                path.push(Step::Key(&[]));
            }
            b'[' => {
                values += 1;
                path.push(Step::Index(0));
            }
            b'}' | b']' => drop(path.pop()),
            b':' => {
                if let Some(last @ Step::Key(_)) = path.last_mut() {
                    *last = Step::Key(key);
                }
            }
            b',' => {
                values += 1;
                match path.last_mut() {
                    Some(Step::Index(index)) => *index += 1,
                    Some(Step::Key(last)) => *last = &[],
                    None => {}
                }
            }
            _ => {}
        }
    }
    // An error in a key is found at its end, before the colon.
    if let (Some(Step::Key(last @ [])), None) = (path.last_mut(), string_start) {
        *last = key;
    }
    let mut out = String::new();
    for step in &path {
        match step {
            Step::Key([]) => {}
            Step::Key(key) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(&String::from_utf8_lossy(key));
            }
            Step::Index(index) => out.push_str(&format!("[{index}]")),
        }
    }
    (values, out)
}
