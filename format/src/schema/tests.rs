//! Hazards, closures, and print → compile → equal, against protox and, where it is installed, protoc.

mod hazards;
mod round_trip;

use super::descriptor::{Enum, Field, File, MessageType};
use super::wire;
use prost::Message;

/// Encodes files as a set.
pub(super) fn set_of(files: &[File]) -> Vec<u8> {
    let mut set = Vec::new();
    files.iter().for_each(|file| wire::put_bytes(&mut set, 1, &file.encode_to_vec()));
    set
}

pub(super) fn file(name: &str, imports: &[&str]) -> File {
    File {
        name: Some(name.to_owned()),
        dependency: imports.iter().map(|import| (*import).to_owned()).collect(),
        ..File::default()
    }
}

pub(super) fn message(name: &str, fields: Vec<Field>) -> MessageType {
    MessageType { name: Some(name.to_owned()), fields, ..MessageType::default() }
}

pub(super) fn field(name: &str, number: i32, kind: i32) -> Field {
    Field { name: Some(name.to_owned()), number: Some(number), label: Some(1), kind: Some(kind), ..Field::default() }
}

pub(super) fn enumeration(name: &str, values: &[(&str, i32)]) -> Enum {
    let value = |&(name, number): &(&str, i32)| super::descriptor::EnumValue {
        name: Some(name.to_owned()),
        number: Some(number),
        options: Vec::new(),
    };
    Enum { name: Some(name.to_owned()), values: values.iter().map(value).collect(), ..Enum::default() }
}
