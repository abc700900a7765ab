//! Protobuf messages field by field, with the names that their descriptors give.

use std::sync::OnceLock;

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

use super::out::{Group, Out};
use super::{Line, Space, fault, hex, quoted, quoted_bytes};
use crate::digest::Digest;
use crate::error::{Code, Result};
use crate::proto;
use crate::schema;
use crate::schema::wire::{self, Field, Raw};

/// How many of packed numbers are shown.
const MOST_NUMBERS: usize = 8;
/// No message of the format nests as deep.
const DEEPEST: u32 = 16;
/// The field that holds a descriptor set.
const DESCRIPTOR_SETS: [&str; 2] = ["rosettar.v1.Schema.descriptor_set", "c1.c1z.v3.C1ZManifestV3.descriptors"];

/// The message of this full name in `rosettar.v1`, or of C1Z.
pub(super) fn message(name: &str) -> Option<MessageDescriptor> {
    static POOLS: OnceLock<Vec<DescriptorPool>> = OnceLock::new();
    let pools = POOLS.get_or_init(|| {
        let sets = [proto::DESCRIPTOR_SET, proto::C1Z_MANIFEST_SET];
        sets.into_iter().filter_map(|set| schema::build_pool(set).ok()).collect()
    });
    pools.iter().find_map(|pool| pool.get_message_by_name(name))
}

/// Where a message is, and what it is called to be wrong where it does not decode.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) level: u32,
    pub(super) space: Space,
    pub(super) offset: u64,
    pub(super) spec: &'static str,
    pub(super) code: Code,
}

impl Place {
    fn within(self, offset: u64) -> Self {
        Self { level: self.level + 1, offset, ..self }
    }

    fn line(self, length: usize, what: impl Into<String>) -> Line {
        Line::new(self.level, self.offset, length as u64, what, self.spec).space(self.space)
    }
}

/// The lines of the fields of `bytes`, a message of the type `descriptor` if that is known.
pub(super) fn lines(
    out: &mut Out<'_>,
    place: Place,
    bytes: &[u8],
    descriptor: Option<&MessageDescriptor>,
) -> Result<()> {
    let mut group = Group::default();
    let mut at = 0;
    for field in wire::fields(bytes) {
        let here = Place { offset: place.offset + at as u64, ..place };
        let field = match field {
            Ok(field) => field,
            Err(found) => {
                let message = format!("no protobuf message: {found}");
                let line = here.line(bytes.len() - at, "what does not decode").value(hex(&bytes[at..]));
                out.add(line.problem(fault(place.code, message)))?;
                break;
            }
        };
        at += field.whole.len();
        let known = descriptor.and_then(|message| message.get_field(field.number));
        let name = known.as_ref().map_or("unknown fields", FieldDescriptor::name);
        // A message may have millions of fields, of which a few are shown.
        if !out.shows(&group, name) && is_plain(&field) {
            out.pass(&mut group, name);
            continue;
        }
        one(out, &mut group, here, &field, known.as_ref())?;
    }
    out.end_group(group, place.level, place.space, place.offset + at as u64, place.spec)
}

/// Whether nothing that would be said of a field is a fault: what is cut is not looked into.
fn is_plain(field: &Field<'_>) -> bool {
    match field.value {
        Raw::Bytes(bytes) => bytes.len() <= SMALL && std::str::from_utf8(bytes).is_ok(),
        _ => true,
    }
}

/// What is looked into even where it is not shown, for what may be wrong with it.
const SMALL: usize = 4 << 10;

fn one(
    out: &mut Out<'_>,
    group: &mut Group,
    here: Place,
    field: &Field<'_>,
    known: Option<&FieldDescriptor>,
) -> Result<()> {
    let number = field.number;
    let wire_type = wire_type(field);
    let Some(known) = known else {
        let value = match field.value {
            Raw::Varint(value) => value.to_string(),
            Raw::Bytes(bytes) => format!("{} bytes: {}", bytes.len(), hex(bytes)),
            Raw::Other => hex(field.whole),
        };
        let what = format!("field {number}, unknown ({wire_type})");
        return out.add_to(group, "unknown fields", here.line(field.whole.len(), what).value(value));
    };
    let what = format!("{}, field {number} ({wire_type})", known.name());
    let line = here.line(field.whole.len(), what);
    let kind = known.kind();
    let body_at = |body: &[u8]| here.offset + (field.whole.len() - body.len()) as u64;
    let mismatch = |line: Line| {
        let message = format!("field {} is {wire_type}: expected {}", known.name(), expected(known));
        line.value(hex(field.whole)).problem(fault(here.code, message))
    };
    let line = match (field.value, &kind) {
        (Raw::Bytes(body), Kind::Message(inner)) if here.level < DEEPEST => {
            let line = line.value(format!("{} bytes", body.len()));
            let shown = out.shows(group, known.name());
            out.add_to(group, known.name(), line)?;
            return match shown {
                true => lines(out, here.within(body_at(body)), body, Some(inner)),
                false => Ok(()),
            };
        }
        (Raw::Bytes(body), Kind::String) => match std::str::from_utf8(body) {
            Ok(text) => line.value(quoted(text)),
            Err(_) => {
                let message = format!("field {} is text that is not UTF-8", known.name());
                line.value(quoted_bytes(body)).problem(fault(here.code, message))
            }
        },
        (Raw::Bytes(body), Kind::Bytes) => {
            let line = line.value(format!("{} bytes: {}", body.len(), hex(body)));
            if DESCRIPTOR_SETS.contains(&known.full_name()) && out.shows(group, known.name()) {
                out.add_to(group, known.name(), line)?;
                return files(out, here.within(body_at(body)), body);
            }
            line
        }
        (Raw::Bytes(body), kind) if known.is_list() && is_varint(kind) => match packed(body, kind) {
            Some(value) => line.value(value),
            None => mismatch(line),
        },
        (Raw::Varint(value), kind) if is_varint(kind) => line.value(number_text(value, kind)),
        (Raw::Other, Kind::Fixed64 | Kind::Sfixed64 | Kind::Double) if wire_type == "eight bytes" => {
            let bytes = field.whole[field.whole.len() - 8..].try_into().expect("eight bytes");
            line.value(format!("{:016x}", u64::from_le_bytes(bytes)))
        }
        (Raw::Other, Kind::Fixed32 | Kind::Sfixed32 | Kind::Float) if wire_type == "four bytes" => {
            line.value(hex(&field.whole[field.whole.len() - 4..]))
        }
        _ => mismatch(line),
    };
    out.add_to(group, known.name(), line)
}

/// The files of a descriptor set, each a line.
fn files(out: &mut Out<'_>, place: Place, set: &[u8]) -> Result<()> {
    let (mut group, mut at) = (Group::default(), 0);
    for field in wire::fields(set) {
        let here = Place { offset: place.offset + at as u64, spec: "4.2", ..place };
        let Ok(field) = field else {
            // Building the types says what is wrong, as verifying does.
            out.add(here.line(set.len() - at, "no descriptors").value(hex(&set[at..])))?;
            break;
        };
        at += field.whole.len();
        let (1, Raw::Bytes(file)) = (field.number, field.value) else {
            let what = format!("field {}, which no descriptor set has", field.number);
            out.add_to(&mut group, "other fields", here.line(field.whole.len(), what).value(hex(field.whole)))?;
            continue;
        };
        let path = wire::fields(file).flatten().find_map(|field| match (field.number, field.value) {
            (1, Raw::Bytes(path)) => Some(path),
            _ => None,
        });
        let value = path.map_or_else(|| "without a path".to_owned(), quoted_bytes);
        out.add_to(&mut group, "files", here.line(field.whole.len(), "file of descriptors").value(value))?;
    }
    out.end_group(group, place.level, place.space, place.offset + at as u64, "4.2")
}

/// The wire type of a field, in words.
fn wire_type(field: &Field<'_>) -> String {
    match wire::key(&mut { field.whole }) {
        Ok((_, wire_type)) => wire_type.to_string(),
        Err(_) => String::new(),
    }
}

fn expected(field: &FieldDescriptor) -> &'static str {
    match field.kind() {
        Kind::String | Kind::Bytes | Kind::Message(_) => "length-delimited",
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => "eight bytes",
        Kind::Fixed32 | Kind::Sfixed32 | Kind::Float => "four bytes",
        _ if field.is_list() => "a varint, or several packed",
        _ => "a varint",
    }
}

fn is_varint(kind: &Kind) -> bool {
    use Kind::{Bool, Enum, Int32, Int64, Sint32, Sint64, Uint32, Uint64};
    matches!(kind, Bool | Enum(_) | Int32 | Int64 | Sint32 | Sint64 | Uint32 | Uint64)
}

fn packed(mut body: &[u8], kind: &Kind) -> Option<String> {
    let (mut shown, mut count) = (Vec::new(), 0u64);
    while !body.is_empty() {
        let value = wire::varint(&mut body).ok()?;
        count += 1;
        if shown.len() < MOST_NUMBERS {
            shown.push(number_text(value, kind));
        }
    }
    let more = count - shown.len() as u64;
    let shown = shown.join(", ");
    Some(if more > 0 { format!("{shown}, … {count} in all") } else { shown })
}

fn number_text(value: u64, kind: &Kind) -> String {
    match kind {
        Kind::Bool => (value != 0).to_string(),
        Kind::Int32 | Kind::Int64 => (value as i64).to_string(),
        Kind::Sint32 | Kind::Sint64 => ((value >> 1) as i64 ^ -((value & 1) as i64)).to_string(),
        Kind::Enum(of) => match of.get_value(value as i32) {
            Some(known) => format!("{value} {}", known.name().trim_start_matches("ENTRY_KIND_")),
            None => format!("{value}, unknown"),
        },
        _ => value.to_string(),
    }
}

/// The first digits of a digest, enough to tell it from another.
pub(super) fn short(digest: &Digest) -> String {
    let mut text = digest.to_string();
    text.truncate(16);
    text + "…"
}
