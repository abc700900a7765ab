//! The `.proto` files of one compilation: found, read, counted, parsed, and checked for what protox takes long with.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use protox::file::{FileResolver, IncludeFileResolver};
use protox::prost_reflect::prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};

use super::compile::compile_error;
use super::guard::limit;
use super::source::Count;
use crate::error::{Error, Result, code};
use crate::io::uninterrupted;

/// Bytes of one `.proto` file. All of it is held in memory, and more than once.
pub(super) const SOURCE_MAX: u64 = 16 << 20;
/// How many pairs of a field and a range that is reserved, or for extensions, are compared.
const COMPARISONS: usize = 1 << 26;

/// The files, parsed, by the names that imports have for them. Where a file was not found, protox says so.
pub(super) struct Sources {
    directories: Vec<PathBuf>,
    files: HashMap<String, protox::file::File>,
    count: Count,
    ranges: Ranges,
}

impl Sources {
    /// Loads `files`, each of which is below one of the directories, and all that they import.
    ///
    /// # Errors
    /// `io.file`, `schema.compile`, `schema.too-large`.
    pub(super) fn load(files: &[impl AsRef<Path>], directories: &[PathBuf]) -> Result<Self> {
        let mut sources = Self {
            directories: directories.to_owned(),
            files: HashMap::new(),
            count: Count::default(),
            ranges: Ranges::default(),
        };
        let mut wanted: Vec<String> = files.iter().filter_map(|file| sources.resolve_path(file.as_ref())).collect();
        while let Some(name) = wanted.pop() {
            if sources.files.contains_key(&name) {
                continue;
            }
            if let Some(file) = sources.open(&name)? {
                wanted.extend(file.file_descriptor_proto().dependency.iter().cloned());
                sources.files.insert(name, file);
            }
        }
        sources.check_public_imports()?;
        Ok(sources)
    }

    /// The file that imports find under a name, if there is one.
    fn open(&mut self, name: &str) -> Result<Option<protox::file::File>> {
        for path in self.directories.iter().map(|directory| directory.join(name)).collect::<Vec<_>>() {
            let cannot_read = |error| cannot_read(&path, error);
            let size = match uninterrupted(|| fs::metadata(&path)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                found => found.map_err(cannot_read)?.len(),
            };
            let mut text = Vec::new();
            // A FIFO, such as the shell makes of `<(command)`, or a device has no size until its end.
            if size <= SOURCE_MAX {
                let opened = uninterrupted(|| File::open(&path)).map_err(cannot_read)?;
                opened.take(SOURCE_MAX + 1).read_to_end(&mut text).map_err(cannot_read)?;
            }
            if size > SOURCE_MAX || text.len() as u64 > SOURCE_MAX {
                let message = format!("{}: expected a .proto file of at most {SOURCE_MAX} bytes", path.display());
                return Err(Error::new(code::SCHEMA_TOO_LARGE, message));
            }
            return self.parse(name, &path, &text).map(Some);
        }
        Ok(None)
    }

    fn parse(&mut self, name: &str, path: &Path, text: &[u8]) -> Result<protox::file::File> {
        let about = |error: Error| error.about(path.display());
        let counted = self.count.file(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)).map_err(about)?;
        let text = String::from_utf8(counted.text)
            .map_err(|error| Error::new(code::SCHEMA_COMPILE, "expected UTF-8 text").with_source(error))
            .map_err(about)?;
        let file = protox::file::File::from_source(name, &text).map_err(compile_error)?;
        let descriptor = file.file_descriptor_proto();
        self.ranges.file(descriptor).map_err(about)?;
        if counted.located {
            return Ok(file);
        }
        let descriptor = FileDescriptorProto { source_code_info: None, ..descriptor.clone() };
        Ok(protox::file::File::from_file_descriptor_proto(descriptor))
    }

    /// Bounds the ways that public imports lead: the library goes each of them, for each import of a file.
    fn check_public_imports(&self) -> Result<()> {
        let places: HashMap<&str, usize> = self.files.keys().map(String::as_str).zip(0..).collect();
        let imports: Vec<&FileDescriptorProto> = self.files.values().map(|file| file.file_descriptor_proto()).collect();
        let place = |name: &String| places.get(name.as_str()).copied();
        let (mut importers, mut waiting) = (vec![Vec::new(); imports.len()], vec![0usize; imports.len()]);
        for (importer, file) in imports.iter().enumerate() {
            let public = file.public_dependency.iter().filter_map(|index| file.dependency.get(*index as usize));
            for imported in public.filter_map(place) {
                importers[imported].push(importer);
                waiting[importer] += 1;
            }
        }
        // Of a cycle, which protox refuses, no file is ever ready.
        let mut ready: Vec<usize> = (0..imports.len()).filter(|file| waiting[*file] == 0).collect();
        let mut ways = vec![0usize; imports.len()];
        while let Some(file) = ready.pop() {
            for &importer in &importers[file] {
                ways[importer] = ways[importer].saturating_add(ways[file].saturating_add(1));
                waiting[importer] -= 1;
                if waiting[importer] == 0 {
                    ready.push(importer);
                }
            }
        }
        let followed = imports.iter().flat_map(|file| &file.dependency).filter_map(place);
        let all = followed.fold(0usize, |all, file| all.saturating_add(ways[file].saturating_add(1)));
        if all > limit::IMPORTS {
            return Err(limit::exceeded("imports, public ones followed", limit::IMPORTS));
        }
        Ok(())
    }
}

impl FileResolver for Sources {
    fn resolve_path(&self, path: &Path) -> Option<String> {
        let in_directory = |directory: &PathBuf| IncludeFileResolver::new(directory.clone()).resolve_path(path);
        self.directories.iter().find_map(in_directory)
    }

    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        self.files.get(name).cloned().ok_or_else(|| protox::Error::file_not_found(name))
    }
}

pub(super) fn cannot_read(path: &Path, error: io::Error) -> Error {
    Error::io(code::IO_FILE, format_args!("cannot read {}", path.display()), error)
}

/// What the ranges of all files have come to.
#[derive(Default)]
struct Ranges {
    /// Pairs of a field or value and a range of its type.
    pairs: usize,
    /// Extensions, each of which is looked up among the ranges of some type.
    extensions: usize,
    most: usize,
}

impl Ranges {
    /// Counts the ranges of a file, and makes sure that none overlap: the library tells each field that is in several of
    /// them, with each.
    fn file(&mut self, file: &FileDescriptorProto) -> Result<()> {
        self.extensions += file.extension.len();
        file.enum_type.iter().try_for_each(|inner| self.enum_type(inner))?;
        file.message_type.iter().try_for_each(|inner| self.message(inner))?;
        let found = self.pairs.saturating_add(self.extensions.saturating_mul(self.most));
        if found > COMPARISONS {
            return Err(limit::exceeded("pairs of a field and a range of numbers", COMPARISONS));
        }
        Ok(())
    }

    /// No message nests deeper here than a parser goes.
    fn message(&mut self, message: &DescriptorProto) -> Result<()> {
        let reserved = message.reserved_range.iter().map(|range| (range.start(), range.end()));
        let extensions = message.extension_range.iter().map(|range| (range.start(), range.end()));
        let ranges = disjoint(message.name(), reserved.chain(extensions).collect())?;
        self.pairs = self.pairs.saturating_add(ranges.saturating_mul(message.field.len()));
        self.extensions += message.extension.len();
        self.most = self.most.max(ranges);
        message.enum_type.iter().try_for_each(|inner| self.enum_type(inner))?;
        message.nested_type.iter().try_for_each(|inner| self.message(inner))
    }

    fn enum_type(&mut self, of: &EnumDescriptorProto) -> Result<()> {
        // The last is in the range.
        let reserved = of.reserved_range.iter().map(|range| (range.start(), range.end().saturating_add(1)));
        let ranges = disjoint(of.name(), reserved.collect())?;
        self.pairs = self.pairs.saturating_add(ranges.saturating_mul(of.value.len()));
        Ok(())
    }
}

/// How many ranges there are.
fn disjoint(name: &str, mut ranges: Vec<(i32, i32)>) -> Result<usize> {
    ranges.sort_unstable();
    match ranges.windows(2).find(|pair| pair[0].1 > pair[1].0) {
        None => Ok(ranges.len()),
        Some(pair) => {
            let message = format!(
                "two ranges of {name} overlap: one begins with {}, the other with {}, and the first goes on to {}",
                pair[0].0,
                pair[1].0,
                i64::from(pair[0].1) - 1
            );
            Err(Error::new(code::SCHEMA_COMPILE, message))
        }
    }
}
