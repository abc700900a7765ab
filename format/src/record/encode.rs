//! Encoding a record so that equal records are equal bytes (FORMAT.md, "Records").

use std::ops::Range;

use prost::Message;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, ReflectMessage};

use crate::schema::wire::{self, Raw};

/// The bytes of a record: fields by their numbers, map entries by their keys.
///
/// prost-reflect keeps maps in hash order, which changes from run to run, so its own encoding of one record has no
/// digest to speak of.
///
/// ```
/// # #[cfg(feature = "compile")] {
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("a.proto"), "syntax = \"proto3\"; message A { map<string, bool> m = 1; }").unwrap();
/// # let set = rosettar::schema::compile(&[dir.path().join("a.proto")], &[dir.path()])?;
/// # let pool = rosettar::schema::build_pool(&set)?;
/// # let descriptor = rosettar::schema::message(&pool, "A")?;
/// use rosettar::{Limits, record};
/// let message = record::from_json(&descriptor, r#"{"m": {"b": true, "a": true}}"#, &Limits::default())?;
/// assert_eq!(record::encode(&message), b"\x0a\x05\x0a\x01a\x10\x01\x0a\x05\x0a\x01b\x10\x01");
/// # }
/// # Ok::<(), rosettar::Error>(())
/// ```
pub fn encode(message: &DynamicMessage) -> Vec<u8> {
    let mut bytes = message.encode_to_vec();
    sort_maps(&message.descriptor(), &mut bytes);
    bytes
}

/// An entry of a map field, by its key.
struct Entry {
    key: Key,
    whole: Range<usize>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i128),
    Text(Vec<u8>),
}

/// Sorts the entries of each map in place: that moves them, and changes no length. The recursion is as deep as the
/// message, of which nothing deeper than 100 was decoded.
fn sort_maps(descriptor: &MessageDescriptor, bytes: &mut [u8]) {
    let mut position = 0;
    let mut run: (u32, Vec<Entry>) = (0, Vec::new());
    while let Some(Ok(field)) = wire::fields(&bytes[position..]).next() {
        let whole = position..position + field.whole.len();
        position = whole.end;
        let inner = match field.value {
            Raw::Bytes(inner) => whole.end - inner.len()..whole.end,
            // A group's first and last bytes are its key, of the same length both times.
            _ => {
                let key = key_length(field.number);
                if whole.len() < 2 * key { continue } else { whole.start + key..whole.end - key }
            }
        };
        let number = field.number;
        let found = match descriptor.get_field(number) {
            Some(field) => Some((field.kind(), field.is_map(), field.is_group())),
            None => descriptor.get_extension(number).map(|extension| (extension.kind(), false, extension.is_group())),
        };
        let is_group = matches!(field.value, Raw::Other);
        if run.0 != number {
            put_sorted(&mut run.1, bytes);
            run.0 = number;
        }
        if let Some((Kind::Message(inner_type), is_map, group)) = found
            && group == is_group
        {
            sort_maps(&inner_type, &mut bytes[inner.clone()]);
            if is_map {
                let key = key_of(&inner_type, &bytes[inner]);
                run.1.push(Entry { key, whole });
            }
        }
    }
    put_sorted(&mut run.1, bytes);
}

fn put_sorted(run: &mut Vec<Entry>, bytes: &mut [u8]) {
    let mut run = std::mem::take(run);
    if run.is_sorted_by(|a, b| a.key <= b.key) {
        return;
    }
    let (start, end) = (run[0].whole.start, run[run.len() - 1].whole.end);
    run.sort_by(|a, b| a.key.cmp(&b.key));
    let sorted: Vec<u8> = run.iter().flat_map(|entry| &bytes[entry.whole.clone()]).copied().collect();
    bytes[start..end].copy_from_slice(&sorted);
}

/// The key of an entry; a default one may be absent.
fn key_of(entry: &MessageDescriptor, bytes: &[u8]) -> Key {
    let kind = entry.map_entry_key_field().kind();
    let mut key = match kind {
        Kind::String => Key::Text(Vec::new()),
        _ => Key::Number(0),
    };
    for field in wire::fields(bytes).flatten().filter(|field| field.number == 1) {
        key = match (field.value, &kind) {
            (Raw::Bytes(text), _) => Key::Text(text.to_vec()),
            (Raw::Varint(value), Kind::Sint32 | Kind::Sint64) => {
                Key::Number(i128::from((value >> 1) as i64 ^ -((value & 1) as i64)))
            }
            (Raw::Varint(value), Kind::Int32 | Kind::Int64) => Key::Number(i128::from(value as i64)),
            (Raw::Varint(value), _) => Key::Number(i128::from(value)),
            (Raw::Other, kind) => {
                let value = field.whole[1..].iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
                Key::Number(match kind {
                    Kind::Sfixed32 => i128::from(value as u32 as i32),
                    Kind::Sfixed64 => i128::from(value as i64),
                    _ => i128::from(value),
                })
            }
        };
    }
    key
}

fn key_length(number: u32) -> usize {
    let mut key = Vec::new();
    wire::put_varint(&mut key, u64::from(number) << 3);
    key.len()
}
