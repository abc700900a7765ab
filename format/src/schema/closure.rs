//! The files of a descriptor set and how they import each other: pruning, ordering, merging (FORMAT.md, "Schemas").
//!
//! Everything here slices the wire format and copies whole files verbatim. A set is *in order* when its files are those
//! that repeatedly taking, among the files whose imports were all taken, the one with the bytewise least path yields.
//! So a set has one order only, and an import stands before its importer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};

use super::guard::limit;
use super::wire::{self, Fault, Raw};
use crate::error::{Error, Result, code};

/// What this module needs to know of one file.
pub(super) struct FileEntry<'a> {
    pub path: &'a str,
    pub package: &'a str,
    pub imports: Vec<&'a str>,
    /// The bytes of the `FileDescriptorProto`.
    pub bytes: &'a [u8],
}

/// The part of the descriptor set `set` that the message types `types` need: the files that define them and all that
/// those import, directly or not, each verbatim, in order.
///
/// Types are named in full, without a leading dot.
///
/// ```
/// # #[cfg(feature = "compile")] {
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("a.proto"), r#"syntax = "proto3"; package demo; message A {}"#).unwrap();
/// # std::fs::write(dir.path().join("b.proto"), r#"syntax = "proto3"; package demo; message B {}"#).unwrap();
/// let set = rosettar::schema::compile(&[dir.path().join("a.proto"), dir.path().join("b.proto")], &[dir.path()])?;
/// let closure = rosettar::schema::closure_of(&set, &["demo.B"])?;
/// assert!(closure.len() < set.len());
/// # }
/// # Ok::<(), rosettar::Error>(())
/// ```
///
/// # Errors
/// `schema.protobuf` when `set` is no descriptor set, `schema.type` when it lacks a type as a message, `schema.closure`
/// when it lacks an imported file, `schema.cycle`, `schema.order` when a path occurs twice, `schema.too-large`.
pub fn closure_of(set: &[u8], types: &[&str]) -> Result<Vec<u8>> {
    let files = files_of(set)?;
    let by_path = by_path(&files)?;
    let mut wanted = HashSet::new();
    let mut pending = Vec::new();
    let mut file_of: HashMap<&str, usize> = HashMap::new();
    for (index, file) in files.iter().enumerate() {
        let wanted = types.iter().filter(|name| !file_of.contains_key(**name));
        for name in defined_messages(file, wanted.copied())? {
            file_of.insert(name, index);
        }
    }
    for &name in types {
        let index = *file_of.get(name).ok_or_else(|| {
            Error::new(
                code::SCHEMA_TYPE,
                format!(
                    "the descriptor set defines no message {name:?}; state a message's full name, package included"
                ),
            )
        })?;
        pending.push(index);
    }
    while let Some(index) = pending.pop() {
        if wanted.insert(index) {
            for &import in &files[index].imports {
                pending.push(*by_path.get(import).ok_or_else(|| missing_import(files[index].path, import))?);
            }
        }
    }
    let kept: Vec<_> =
        files.into_iter().enumerate().filter(|(i, _)| wanted.contains(i)).map(|(_, file)| file).collect();
    encode_in_order(&kept)
}

/// The descriptor set `set` in order, each file verbatim; what is not a file is left out.
///
/// # Errors
/// As [`closure_of`].
pub fn order(set: &[u8]) -> Result<Vec<u8>> {
    encode_in_order(&files_of(set)?)
}

/// Checks that `set` is what an archive stores: files alone, every import among them, each path once, in order.
///
/// # Errors
/// `schema.protobuf`, `schema.closure`, `schema.cycle`, `schema.order`, `schema.too-large`.
pub fn check_order(set: &[u8]) -> Result<()> {
    for field in wire::fields(set) {
        let field = field.map_err(not_a_set)?;
        if field.number != 1 {
            let message = format!("expected only files in a stored descriptor set, found a field {}", field.number);
            return Err(Error::new(code::SCHEMA_PROTOBUF, message));
        }
    }
    let files = files_of(set)?;
    for (found, &expected) in files.iter().zip(&ordered(&files)?) {
        let expected = &files[expected];
        if found.path != expected.path {
            return Err(Error::new(
                code::SCHEMA_ORDER,
                format!("files out of order: expected {:?} here, found {:?}", expected.path, found.path),
            ));
        }
    }
    Ok(())
}

/// One descriptor set of all files of `sets`, in order, or `None` where two sets hold different bytes under one path.
///
/// ```
/// # #[cfg(feature = "compile")] {
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("a.proto"), "syntax = \"proto3\"; message A {}").unwrap();
/// let set = rosettar::schema::compile(&[dir.path().join("a.proto")], &[dir.path()])?;
/// assert_eq!(rosettar::schema::merge(&[&set, &set])?, Some(set));
/// # }
/// # Ok::<(), rosettar::Error>(())
/// ```
///
/// # Errors
/// As [`closure_of`]; the sets are closed together, so that one may hold what another imports.
pub fn merge(sets: &[&[u8]]) -> Result<Option<Vec<u8>>> {
    let mut merged: Vec<FileEntry<'_>> = Vec::new();
    let mut seen: HashMap<&str, &[u8]> = HashMap::new();
    for set in sets {
        let files = files_of(set)?;
        by_path(&files)?;
        for file in files {
            match seen.get(file.path) {
                Some(&bytes) if bytes == file.bytes => {}
                Some(_) => return Ok(None),
                None => {
                    seen.insert(file.path, file.bytes);
                    merged.push(file);
                }
            }
        }
    }
    encode_in_order(&merged).map(Some)
}

/// Reads the files of a set: path, package and imports of each, within the [limits](limit) on their number.
pub(super) fn files_of(set: &[u8]) -> Result<Vec<FileEntry<'_>>> {
    let mut files = Vec::new();
    let mut imports_in_all = 0;
    for field in wire::fields(set) {
        let field = field.map_err(not_a_set)?;
        if field.number != 1 {
            continue;
        }
        let Raw::Bytes(bytes) = field.value else {
            return Err(Error::new(code::SCHEMA_PROTOBUF, "a file of the descriptor set is not length-delimited"));
        };
        if files.len() == limit::FILES {
            return Err(limit::exceeded("files", limit::FILES));
        }
        let file = read_file(bytes)?;
        imports_in_all += file.imports.len();
        if imports_in_all > limit::IMPORTS {
            return Err(limit::exceeded("imports", limit::IMPORTS));
        }
        files.push(file);
    }
    Ok(files)
}

/// The indices of `files` in order.
pub(super) fn ordered(files: &[FileEntry<'_>]) -> Result<Vec<usize>> {
    let by_path = by_path(files)?;
    let mut importers: Vec<Vec<usize>> = vec![Vec::new(); files.len()];
    let mut missing = vec![0usize; files.len()];
    for (index, file) in files.iter().enumerate() {
        for &import in &file.imports {
            let imported = *by_path.get(import).ok_or_else(|| missing_import(file.path, import))?;
            importers[imported].push(index);
            missing[index] += 1;
        }
    }
    let mut ready: BinaryHeap<_> =
        (0..files.len()).filter(|&i| missing[i] == 0).map(|i| Reverse((files[i].path, i))).collect();
    let mut taken = Vec::new();
    while let Some(Reverse((_, index))) = ready.pop() {
        taken.push(index);
        for &importer in &importers[index] {
            missing[importer] -= 1;
            if missing[importer] == 0 {
                ready.push(Reverse((files[importer].path, importer)));
            }
        }
    }
    if taken.len() < files.len() {
        let left = (0..files.len()).filter(|&i| missing[i] > 0).map(|i| files[i].path).min().unwrap_or_default();
        return Err(Error::new(
            code::SCHEMA_CYCLE,
            format!("files import each other in a cycle: {left:?} is in or behind it"),
        ));
    }
    Ok(taken)
}

fn encode_in_order(files: &[FileEntry<'_>]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(files.iter().map(|file| file.bytes.len() + 6).sum());
    for index in ordered(files)? {
        wire::put_bytes(&mut out, 1, files[index].bytes);
    }
    Ok(out)
}

fn by_path<'a>(files: &[FileEntry<'a>]) -> Result<HashMap<&'a str, usize>> {
    let mut map = HashMap::new();
    for (index, file) in files.iter().enumerate() {
        if map.insert(file.path, index).is_some() {
            let message = format!("expected each file once in a descriptor set, found {:?} again", file.path);
            return Err(Error::new(code::SCHEMA_ORDER, message));
        }
    }
    Ok(map)
}

fn read_file(bytes: &[u8]) -> Result<FileEntry<'_>> {
    let mut file = FileEntry { path: "", package: "", imports: Vec::new(), bytes };
    for field in wire::fields(bytes) {
        let field = field.map_err(not_a_set)?;
        let text = || match field.value {
            Raw::Bytes(bytes) => std::str::from_utf8(bytes).map_err(not_a_set),
            _ => Err(Error::new(code::SCHEMA_PROTOBUF, "a file's name, package or import is not length-delimited")),
        };
        match field.number {
            1 => file.path = text()?,
            2 => file.package = text()?,
            3 if file.imports.len() == limit::IMPORTS_OF_ONE_FILE => {
                return Err(limit::exceeded("imports of one file", limit::IMPORTS_OF_ONE_FILE));
            }
            3 => file.imports.push(text()?),
            _ => {}
        }
    }
    if file.path.is_empty() {
        return Err(Error::new(code::SCHEMA_DESCRIPTOR, "a file of the descriptor set has no name"));
    }
    Ok(file)
}

/// Those of `names` that are full names of messages that `file` defines. The file is walked once, however many they are:
/// an archive may have thousands of streams whose types are in one large file.
fn defined_messages<'n>(file: &FileEntry<'_>, names: impl Iterator<Item = &'n str>) -> Result<Vec<&'n str>> {
    let mut wanted = BTreeMap::new();
    for name in names {
        let relative = match file.package {
            "" => Some(name),
            package => name.strip_prefix(package).and_then(|rest| rest.strip_prefix('.')),
        };
        // No acceptable name has more parts.
        if let Some(relative) = relative.filter(|relative| relative.split('.').nth(limit::NESTING).is_none()) {
            wanted.insert(relative, name);
        }
    }
    let mut found = Vec::new();
    if !wanted.is_empty() {
        find_messages(file.bytes, 4, &mut String::new(), &wanted, &mut found)?;
    }
    Ok(found)
}

/// Looks for `wanted` among the messages in the fields `number` of `scope`, whose names begin with `prefix`, and inside
/// those that a wanted name leads through.
fn find_messages<'n>(
    scope: &[u8],
    number: u32,
    prefix: &mut String,
    wanted: &BTreeMap<&str, &'n str>,
    found: &mut Vec<&'n str>,
) -> Result<()> {
    for field in wire::fields(scope) {
        let field = field.map_err(not_a_set)?;
        let (true, Raw::Bytes(message)) = (field.number == number, field.value) else { continue };
        let name = message_name(message)?.and_then(|name| std::str::from_utf8(name).ok());
        let Some(name) = name.filter(|name| !name.contains('.')) else { continue };
        let before = prefix.len();
        prefix.push_str(name);
        found.extend(wanted.get(prefix.as_str()));
        prefix.push('.');
        if wanted.range(prefix.as_str()..).next().is_some_and(|(name, _)| name.starts_with(prefix.as_str())) {
            find_messages(message, 3, prefix, wanted, found)?;
        }
        prefix.truncate(before);
    }
    Ok(())
}

fn message_name(message: &[u8]) -> Result<Option<&[u8]>> {
    let mut name = None;
    for field in wire::fields(message) {
        if let (1, Raw::Bytes(bytes)) = field.map(|f| (f.number, f.value)).map_err(not_a_set)? {
            name = Some(bytes);
        }
    }
    Ok(name)
}

fn missing_import(importer: &str, import: &str) -> Error {
    Error::new(
        code::SCHEMA_CLOSURE,
        format!(
            "{importer:?} imports {import:?}, which the descriptor set lacks; compile it with all imports included"
        ),
    )
}

pub(super) fn not_a_set(fault: impl Into<NotASet>) -> Error {
    let NotASet(why) = fault.into();
    Error::new(code::SCHEMA_PROTOBUF, format!("expected a serialized google.protobuf.FileDescriptorSet: {why}"))
}

pub(super) struct NotASet(String);

impl From<Fault> for NotASet {
    fn from(fault: Fault) -> Self {
        Self(fault.to_string())
    }
}

impl From<std::str::Utf8Error> for NotASet {
    fn from(_: std::str::Utf8Error) -> Self {
        Self("a name in it is not UTF-8".to_owned())
    }
}

impl From<prost::DecodeError> for NotASet {
    fn from(error: prost::DecodeError) -> Self {
        Self(error.to_string())
    }
}
