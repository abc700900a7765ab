//! Whether two descriptor sets say the same, though other toolchains made them (FORMAT.md, "Schemas").

use super::closure::{closure_of, files_of, not_a_set};
use super::guard::limit;
use super::wire::{self, Field, Raw};
use crate::error::Result;

/// Fields of `FileDescriptorProto`.
const FILE_MESSAGES: u32 = 4;
const FILE_EXTENSIONS: u32 = 7;
const FILE_SOURCE_INFO: u32 = 9;
const FILE_SYNTAX: u32 = 12;
/// Fields of `DescriptorProto`.
const MESSAGE_FIELDS: u32 = 2;
const MESSAGE_NESTED: u32 = 3;
const MESSAGE_EXTENSIONS: u32 = 6;
/// Fields of `FieldDescriptorProto`.
const FIELD_NAME: u32 = 1;
const FIELD_JSON_NAME: u32 = 10;

/// Whether two descriptor sets define the message type `type_name` alike: what of each the type needs has the same files
/// with the same content. Left out of account is what toolchains write differently and means nothing: comments and
/// positions (`source_code_info`), a `json_name` that is the default, `syntax = "proto2"`, and the order of fields on the
/// wire.
///
/// ```
/// # #[cfg(feature = "compile")] {
/// # let dir = tempfile::tempdir().unwrap();
/// # let compile = |text: &str| {
/// #     std::fs::write(dir.path().join("a.proto"), text).unwrap();
/// #     rosettar::schema::compile(&[dir.path().join("a.proto")], &[dir.path()])
/// # };
/// let plain = compile(r#"syntax = "proto3"; message A { int32 n = 1; }"#)?;
/// let commented = compile(r#"syntax = "proto3"; /* of the */ message A { int32 n = 1; }"#)?;
/// let other = compile(r#"syntax = "proto3"; message A { int64 n = 1; }"#)?;
/// assert!(rosettar::schema::same_type(&plain, &commented, "A")?);
/// assert!(!rosettar::schema::same_type(&plain, &other, "A")?);
/// # }
/// # Ok::<(), rosettar::Error>(())
/// ```
///
/// # Errors
/// As [`closure_of`](super::closure_of), for either set.
pub fn same_type(a: &[u8], b: &[u8], type_name: &str) -> Result<bool> {
    let (a, b) = (closure_of(a, &[type_name])?, closure_of(b, &[type_name])?);
    if a == b {
        return Ok(true);
    }
    // Closures are in an order that depends on paths and imports alone.
    let (a, b) = (files_of(&a)?, files_of(&b)?);
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.iter().zip(&b) {
        if a.bytes != b.bytes && plain_file(a.bytes)? != plain_file(b.bytes)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A file without what means nothing.
fn plain_file(file: &[u8]) -> Result<Vec<u8>> {
    rebuilt(file, |field| {
        Ok(match (field.number, field.value) {
            (FILE_SOURCE_INFO, _) | (FILE_SYNTAX, Raw::Bytes(b"proto2")) => None,
            (FILE_MESSAGES, Raw::Bytes(message)) => Some(plain_message(message, 1)?),
            (FILE_EXTENSIONS, Raw::Bytes(field)) => Some(plain_field(field)?),
            _ => Some(Vec::new()),
        })
    })
}

fn plain_message(message: &[u8], depth: usize) -> Result<Vec<u8>> {
    if depth > limit::NESTING {
        return Err(limit::exceeded("levels of nesting", limit::NESTING));
    }
    rebuilt(message, |field| {
        Ok(match (field.number, field.value) {
            (MESSAGE_FIELDS | MESSAGE_EXTENSIONS, Raw::Bytes(field)) => Some(plain_field(field)?),
            (MESSAGE_NESTED, Raw::Bytes(message)) => Some(plain_message(message, depth + 1)?),
            _ => Some(Vec::new()),
        })
    })
}

fn plain_field(field: &[u8]) -> Result<Vec<u8>> {
    let mut name = &b""[..];
    for part in wire::fields(field) {
        if let (FIELD_NAME, Raw::Bytes(bytes)) = part.map(|part| (part.number, part.value)).map_err(not_a_set)? {
            name = bytes;
        }
    }
    let default = json_name(name);
    rebuilt(field, |part| {
        let is_default = part.number == FIELD_JSON_NAME && matches!(part.value, Raw::Bytes(name) if name == default);
        Ok((!is_default).then(Vec::new))
    })
}

/// The name in JSON that a field has unless another is stated: without underscores, the letter after each in upper case.
fn json_name(name: &[u8]) -> Vec<u8> {
    let mut upper = false;
    let mut json = Vec::with_capacity(name.len());
    for &byte in name {
        match byte {
            b'_' => upper = true,
            _ => {
                json.push(if std::mem::take(&mut upper) { byte.to_ascii_uppercase() } else { byte });
            }
        }
    }
    json
}

/// The fields of `message` by number, those of one number in their order; each dropped where `change` yields `None`,
/// verbatim where it yields nothing, or with the content that it yields.
fn rebuilt(message: &[u8], mut change: impl FnMut(&Field<'_>) -> Result<Option<Vec<u8>>>) -> Result<Vec<u8>> {
    let mut parts: Vec<(u32, Vec<u8>)> = Vec::new();
    for field in wire::fields(message) {
        let field = field.map_err(not_a_set)?;
        let Some(content) = change(&field)? else { continue };
        let mut bytes = Vec::new();
        match content.is_empty() {
            true => bytes.extend_from_slice(field.whole),
            false => wire::put_bytes(&mut bytes, field.number, &content),
        }
        parts.push((field.number, bytes));
    }
    parts.sort_by_key(|(number, _)| *number);
    Ok(parts.into_iter().flat_map(|(_, bytes)| bytes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;
    use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, SourceCodeInfo};

    fn set(change: impl FnOnce(&mut FileDescriptorProto)) -> Vec<u8> {
        let field = FieldDescriptorProto {
            name: Some("carrier_code_2".into()),
            number: Some(1),
            label: Some(1),
            r#type: Some(9),
            ..Default::default()
        };
        let nested = DescriptorProto { name: Some("N".into()), field: vec![field.clone()], ..Default::default() };
        let message = DescriptorProto {
            name: Some("M".into()),
            field: vec![field],
            nested_type: vec![nested],
            ..Default::default()
        };
        let mut file =
            FileDescriptorProto { name: Some("a.proto".into()), message_type: vec![message], ..Default::default() };
        change(&mut file);
        FileDescriptorSet { file: vec![file] }.encode_to_vec()
    }

    #[test]
    fn what_means_nothing_makes_no_difference() {
        let plain = set(|_| ());
        let same = |change: &dyn Fn(&mut FileDescriptorProto)| same_type(&plain, &set(change), "M").unwrap();
        assert!(same(&|file| file.source_code_info = Some(SourceCodeInfo::default())));
        assert!(same(&|file| file.syntax = Some("proto2".into())));
        assert!(!same(&|file| file.syntax = Some("proto3".into())));
        assert!(same(&|file| file.message_type[0].field[0].json_name = Some("carrierCode2".into())));
        assert!(same(&|file| file.message_type[0].nested_type[0].field[0].json_name = Some("carrierCode2".into())));
        assert!(!same(&|file| file.message_type[0].field[0].json_name = Some("code".into())));
        assert!(!same(&|file| file.message_type[0].nested_type[0].field[0].number = Some(2)));
    }

    #[test]
    fn the_order_on_the_wire_makes_no_difference() {
        let plain = set(|_| ());
        let file = files_of(&plain).unwrap()[0].bytes.to_vec();
        let mut parts: Vec<&[u8]> = wire::fields(&file).map(|field| field.unwrap().whole).collect();
        parts.reverse();
        let mut turned = Vec::new();
        wire::put_bytes(&mut turned, 1, &parts.concat());
        assert_ne!(plain, turned);
        assert!(same_type(&plain, &turned, "M").unwrap());
    }
}
