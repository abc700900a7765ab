//! What a descriptor set must be before prost-reflect sees it.
//!
//! prost-reflect 0.16 was written for what compilers make. Hostile sets overflow its stack (import cycles), make it run
//! for hours (a public import listed many times), panic (editions, map entries without key and value, escapes in default
//! values) or take gigabytes. So the set is first counted on the wire, then read with this crate's own mirror of
//! `descriptor.proto`, then checked; and a *working copy* is made, without source info and with public imports as plain
//! ones, because prost-reflect follows public imports wrongly over three hops. The set itself stays as it is.

mod count;
pub(in crate::schema) mod rules;

use std::collections::HashMap;

use prost::Message;

use super::closure::{FileEntry, files_of, not_a_set, ordered};
use super::descriptor::File;
use super::wire::{self, Raw};
use crate::error::{Error, Result, code};

/// Bounds on what one descriptor set may define (FORMAT.md, "Schemas"). They are part of the format, not options.
pub mod limit {
    use crate::error::{Error, code};

    /// Files.
    pub const FILES: usize = 4_096;
    /// Messages, fields, oneofs, enums, enum values, extensions, services and methods together.
    pub const SYMBOLS: usize = 65_536;
    /// Reserved and extension ranges, reserved names, together.
    pub const RANGES: usize = 65_536;
    /// Imports of all files together, public imports followed.
    pub const IMPORTS: usize = 65_536;
    /// Imports of one file, public imports followed.
    pub const IMPORTS_OF_ONE_FILE: usize = 1_024;
    /// Extensions of one message.
    pub const EXTENSIONS_OF_ONE_MESSAGE: usize = 4_096;
    /// Bytes of one identifier.
    pub const IDENTIFIER_BYTES: usize = 255;
    /// Parts of one package name.
    pub const PACKAGE_PARTS: usize = 32;
    /// Messages inside one another.
    pub const NESTING: usize = 32;
    /// Bytes of all full names together; also of the paths of all imports together, public imports followed.
    pub const NAME_BYTES: usize = 16 << 20;
    /// Bytes of the encoded options of one element: as prost-reflect decodes them, each may become a value.
    pub const OPTION_BYTES: usize = 1 << 20;

    pub(in crate::schema) fn exceeded(what: &str, limit: usize) -> Error {
        Error::new(code::SCHEMA_TOO_LARGE, format!("a descriptor set may hold at most {limit} {what}, found more"))
    }
}

/// A set that passed the checks.
pub(super) struct Checked {
    /// The set as prost-reflect gets it.
    pub working_copy: Vec<u8>,
    /// The files as they were, in the order of the set.
    pub files: Vec<File>,
}

/// Checks that the descriptor set `set` is closed and within the [limits](limit), and what a library needs that is to build
/// something of it.
///
/// # Errors
/// `schema.protobuf`, `schema.closure`, `schema.cycle`, `schema.order` (a path occurs twice), `schema.edition`,
/// `schema.descriptor`, `schema.too-large`.
pub(super) fn prepare(set: &[u8]) -> Result<Checked> {
    let entries = files_of(set)?;
    let order = ordered(&entries)?;
    let mut count = count::Count::default();
    for entry in &entries {
        count.file(entry.bytes)?;
    }
    let mut files = Vec::new();
    let mut rules = rules::Rules::default();
    for entry in &entries {
        let file = File::decode(entry.bytes).map_err(not_a_set)?;
        rules.file(&file)?;
        files.push(file);
    }
    rules.finish()?;
    let imports = expanded_imports(&entries, &files, &order)?;
    let mut working_copy = Vec::with_capacity(set.len());
    let mut buffer = Vec::new();
    for ((entry, imports), file) in entries.iter().zip(imports).zip(&files) {
        buffer.clear();
        for field in wire::fields(entry.bytes) {
            let field = field.map_err(not_a_set)?;
            if let (SOURCE_INFO, Raw::Bytes(info)) = (field.number, field.value) {
                source_info(info).map_err(not_a_set)?;
            }
            // Imports and syntax are written anew below; source info is large, and no pool needs it.
            if !matches!(field.number, 3 | SOURCE_INFO | 10 | 11 | 12) {
                buffer.extend_from_slice(field.whole);
            }
        }
        // An empty one means proto2, too, which prost-reflect does not know.
        if file.is_proto3() {
            wire::put_bytes(&mut buffer, 12, b"proto3");
        }
        for import in imports {
            wire::put_bytes(&mut buffer, 3, entries[import].path.as_bytes());
        }
        wire::put_bytes(&mut working_copy, 1, &buffer);
    }
    Ok(Checked { working_copy, files })
}

/// The field of a file that has its source info.
const SOURCE_INFO: u32 = 9;

/// Checks that source info, which no pool gets and so nothing decodes, is made of messages.
fn source_info(info: &[u8]) -> std::result::Result<(), wire::Fault> {
    for field in wire::fields(info) {
        let field = field?;
        let (1, Raw::Bytes(location)) = (field.number, field.value) else { continue };
        for field in wire::fields(location) {
            let field = field?;
            // The path and the span of a location, as packed numbers.
            if let (1 | 2, Raw::Bytes(mut numbers)) = (field.number, field.value) {
                while !numbers.is_empty() {
                    wire::varint(&mut numbers)?;
                }
            }
        }
    }
    Ok(())
}

/// What each file may refer to: its imports, and whatever those import publicly, over any number of hops.
fn expanded_imports(entries: &[FileEntry<'_>], files: &[File], order: &[usize]) -> Result<Vec<Vec<usize>>> {
    let index: HashMap<&str, usize> = entries.iter().enumerate().map(|(i, entry)| (entry.path, i)).collect();
    let mut expanded = vec![Vec::new(); files.len()];
    // What an importer of each file gets with it; an imported file comes before its importers in `order`.
    let mut exported: Vec<Vec<usize>> = vec![Vec::new(); files.len()];
    let mut seen = vec![usize::MAX; files.len()];
    let (mut total, mut path_bytes) = (0, 0);
    for &file in order {
        let imports: Vec<usize> = entries[file].imports.iter().filter_map(|path| index.get(path).copied()).collect();
        let public = public_imports(&files[file], imports.len())?;
        seen[file] = file;
        for &import in &imports {
            if seen[import] == file {
                return Err(descriptor(format!("{:?} imports {:?} twice", entries[file].path, entries[import].path)));
            }
            seen[import] = file;
            expanded[file].push(import);
        }
        let mut exports = Vec::new();
        for (position, &import) in imports.iter().enumerate() {
            if public[position] {
                exports.push(import);
                exports.extend_from_slice(&exported[import]);
            }
            for &through in &exported[import] {
                if seen[through] != file {
                    seen[through] = file;
                    expanded[file].push(through);
                }
            }
        }
        exports.sort_unstable();
        exports.dedup();
        exported[file] = exports;
        if expanded[file].len() > limit::IMPORTS_OF_ONE_FILE {
            return Err(limit::exceeded("imports of one file", limit::IMPORTS_OF_ONE_FILE));
        }
        // A long path that is imported publicly comes again with every importer.
        path_bytes += expanded[file].iter().map(|&import| entries[import].path.len()).sum::<usize>();
        if path_bytes > limit::NAME_BYTES {
            return Err(limit::exceeded("bytes of imported paths", limit::NAME_BYTES));
        }
        total += expanded[file].len();
        if total > limit::IMPORTS {
            return Err(limit::exceeded("imports", limit::IMPORTS));
        }
    }
    Ok(expanded)
}

/// For each import of `file`, whether it is public.
fn public_imports(file: &File, imports: usize) -> Result<Vec<bool>> {
    let mut marks = [vec![false; imports], vec![false; imports]];
    for (marks, indices) in marks.iter_mut().zip([&file.public_dependency, &file.weak_dependency]) {
        for &index in indices {
            match usize::try_from(index).ok().and_then(|i| marks.get_mut(i)) {
                Some(mark) if !*mark => *mark = true,
                _ => {
                    return Err(descriptor(format!(
                        "{:?} marks import number {index} as public or weak, twice or without having one",
                        file.name()
                    )));
                }
            }
        }
    }
    let [public, _] = marks;
    Ok(public)
}

/// A set that does what no compiler would let pass.
pub(super) fn descriptor(message: impl Into<String>) -> Error {
    Error::new(code::SCHEMA_DESCRIPTOR, message)
}

/// Reads encoded options field by field; a fault is one of the whole set.
pub(super) fn option_fields(options: &[u8]) -> impl Iterator<Item = Result<(u32, Raw<'_>)>> {
    wire::fields(options).map(|field| field.map(|f| (f.number, f.value)).map_err(not_a_set))
}
