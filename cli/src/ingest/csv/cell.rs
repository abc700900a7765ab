//! One cell, by the type of its field.

use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, Syntax};

use super::super::json::kind_name;
use super::super::time;
use crate::well_known::is_wrapper;
use crate::wire::{self, VARINT, delimit, put_tag, put_varint};

const BASE64: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, BASE64);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, BASE64);

/// How the cells of a column become wire bytes.
#[derive(Debug)]
pub(super) enum CellType {
    /// A number, a string, bytes or an enum.
    Scalar(Scalar),
    Timestamp,
    Duration,
    /// A message that holds one value in field 1 and is written as that value.
    Wrapper(Scalar),
    /// A JSON string without its quotes.
    JsonString,
    /// JSON text.
    Json,
}

/// A scalar type, and the message that names it in errors.
#[derive(Debug)]
pub(super) struct Scalar {
    kind: Kind,
    /// Whether an enum takes only the numbers that it names.
    closed: bool,
}

impl Scalar {
    fn new(kind: Kind) -> Self {
        let closed = matches!(&kind, Kind::Enum(desc) if desc.parent_file().syntax() == Syntax::Proto2);
        Self { kind, closed }
    }
}

impl CellType {
    pub(super) fn of(field: &FieldDescriptor) -> Self {
        if field.is_list() || field.is_map() {
            return Self::Json;
        }
        match field.kind() {
            Kind::Message(desc) => match desc.full_name() {
                "google.protobuf.Timestamp" => Self::Timestamp,
                "google.protobuf.Duration" => Self::Duration,
                "google.protobuf.FieldMask" => Self::JsonString,
                name if is_wrapper(name) => match desc.get_field(1) {
                    Some(value) => Self::Wrapper(Scalar::new(value.kind())),
                    None => Self::Json,
                },
                _ => Self::Json,
            },
            kind => Self::Scalar(Scalar::new(kind)),
        }
    }

    /// What a cell should have been, for a message.
    pub(super) fn expected(&self, field: &FieldDescriptor, text: &str) -> String {
        match self {
            Self::Scalar(scalar) => scalar.expected(text),
            Self::Wrapper(scalar) => format!("{}: {}", type_name(field), scalar.expected(text)),
            Self::Timestamp => "google.protobuf.Timestamp in RFC 3339 (such as 2013-01-01T05:00:00Z)".to_owned(),
            Self::Duration => "google.protobuf.Duration in seconds (such as 1.5s)".to_owned(),
            Self::JsonString => "google.protobuf.FieldMask (such as a,b.c)".to_owned(),
            Self::Json => format!("JSON of {}", type_name(field)),
        }
    }
}

/// A field's type as `.proto` text writes it.
pub(crate) fn type_name(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let (key, value) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
            format!("map<{}, {}>", kind_name(&key), kind_name(&value))
        }
        kind if field.is_list() => format!("repeated {}", kind_name(&kind)),
        kind => kind_name(&kind),
    }
}

/// Appends the field: its tag and the value that `text` is. Without `presence`, a default value is not written. `None`
/// when the text is no such value.
pub(super) fn write(cell: &CellType, text: &str, tag: &[u8], presence: bool, out: &mut Vec<u8>) -> Option<()> {
    match cell {
        CellType::Scalar(scalar) => write_scalar(scalar, text, tag, presence, out),
        CellType::Wrapper(scalar) => {
            out.extend_from_slice(tag);
            let start = out.len();
            let mut inner = Vec::new();
            put_tag(&mut inner, 1, wire::wire_type(&scalar.kind));
            write_scalar(scalar, text, &inner, false, out)?;
            delimit(out, start);
            Some(())
        }
        CellType::Timestamp => write_time(time::timestamp(text)?, tag, out),
        CellType::Duration => write_time(time::duration(text)?, tag, out),
        CellType::JsonString | CellType::Json => None,
    }
}

fn write_time((seconds, nanos): (i64, i32), tag: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(tag);
    let start = out.len();
    if seconds != 0 {
        put_tag(out, 1, VARINT);
        put_varint(out, seconds.cast_unsigned());
    }
    if nanos != 0 {
        put_tag(out, 2, VARINT);
        put_varint(out, i64::from(nanos).cast_unsigned());
    }
    delimit(out, start);
    Some(())
}

fn write_scalar(scalar: &Scalar, text: &str, tag: &[u8], presence: bool, out: &mut Vec<u8>) -> Option<()> {
    let mut varint = |value: u64| {
        if value != 0 || presence {
            out.extend_from_slice(tag);
            put_varint(out, value);
        }
    };
    match &scalar.kind {
        Kind::Int32 => varint(i64::from(text.parse::<i32>().ok()?).cast_unsigned()),
        Kind::Int64 => varint(text.parse::<i64>().ok()?.cast_unsigned()),
        Kind::Uint32 => varint(u64::from(text.parse::<u32>().ok()?)),
        Kind::Uint64 => varint(text.parse::<u64>().ok()?),
        Kind::Sint32 => varint(wire::zigzag32(text.parse().ok()?)),
        Kind::Sint64 => varint(wire::zigzag64(text.parse().ok()?)),
        Kind::Bool => varint(u64::from(parse_bool(text)?)),
        Kind::Enum(desc) => varint(i64::from(parse_enum(desc, scalar.closed, text)?).cast_unsigned()),
        Kind::Fixed32 => fixed(text.parse::<u32>().ok()?.to_le_bytes(), tag, presence, out),
        Kind::Fixed64 => fixed(text.parse::<u64>().ok()?.to_le_bytes(), tag, presence, out),
        Kind::Sfixed32 => fixed(text.parse::<i32>().ok()?.to_le_bytes(), tag, presence, out),
        Kind::Sfixed64 => fixed(text.parse::<i64>().ok()?.to_le_bytes(), tag, presence, out),
        Kind::Float => fixed(parse_float::<f32>(text, f32::is_infinite)?.to_le_bytes(), tag, presence, out),
        Kind::Double => fixed(parse_float::<f64>(text, f64::is_infinite)?.to_le_bytes(), tag, presence, out),
        Kind::String => delimited(text.as_bytes(), tag, presence, out),
        Kind::Bytes => delimited(&parse_base64(text)?, tag, presence, out),
        Kind::Message(_) => return None,
    }
    Some(())
}

fn fixed<const N: usize>(bytes: [u8; N], tag: &[u8], presence: bool, out: &mut Vec<u8>) {
    if presence || bytes != [0; N] {
        out.extend_from_slice(tag);
        out.extend_from_slice(&bytes);
    }
}

fn delimited(bytes: &[u8], tag: &[u8], presence: bool, out: &mut Vec<u8>) {
    if presence || !bytes.is_empty() {
        out.extend_from_slice(tag);
        put_varint(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }
}

/// A number that is infinite only where the text says so.
fn parse_float<T: FromStr + Copy>(text: &str, is_infinite: fn(T) -> bool) -> Option<T> {
    let value = text.parse().ok()?;
    let said = text.bytes().any(|b| b.eq_ignore_ascii_case(&b'n'));
    (said || !is_infinite(value)).then_some(value)
}

fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn parse_enum(desc: &EnumDescriptor, closed: bool, text: &str) -> Option<i32> {
    if let Some(value) = desc.get_value_by_name(text) {
        return Some(value.number());
    }
    let number = text.parse().ok()?;
    (!closed || desc.get_value(number).is_some()).then_some(number)
}

fn parse_base64(text: &str) -> Option<Vec<u8>> {
    let url_safe = text.bytes().any(|b| matches!(b, b'-' | b'_'));
    if url_safe { URL_SAFE.decode(text) } else { STANDARD.decode(text) }.ok()
}

impl Scalar {
    fn expected(&self, text: &str) -> String {
        fn range<T: std::fmt::Debug>(kind: &str, least: T, most: T) -> String {
            format!("{kind} from {least:?} to {most:?}")
        }
        let kind = kind_name(&self.kind);
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let integer = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        match &self.kind {
            Kind::Enum(desc) => {
                let names: Vec<_> = desc.values().take(8).map(|value| value.name().to_owned()).collect();
                let more = if desc.values().len() > 8 { ", …" } else { "" };
                format!("a value of {kind} ({}{more})", names.join(", "))
            }
            Kind::Bool => "bool (true or false)".to_owned(),
            Kind::Bytes => "bytes (base64)".to_owned(),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 if integer => range(&kind, i32::MIN, i32::MAX),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 if integer => range(&kind, i64::MIN, i64::MAX),
            Kind::Uint32 | Kind::Fixed32 if integer => range(&kind, u32::MIN, u32::MAX),
            Kind::Uint64 | Kind::Fixed64 if integer => range(&kind, u64::MIN, u64::MAX),
            Kind::Float if text.parse::<f32>().is_ok() => range(&kind, f32::MIN, f32::MAX),
            Kind::Double if text.parse::<f64>().is_ok() => range(&kind, f64::MIN, f64::MAX),
            _ => kind,
        }
    }
}
