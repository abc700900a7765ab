//! The archive, as a caller sees it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::content::EntryReader;
use super::driver::{Driver, Listed};
use super::entries::Entries;
use super::indexed::Indexed;
use super::options::ReadOptions;
use super::records::Stream;
use crate::error::{Error, Result, code};
use crate::model::{Entry, EntryKind, Facts, StreamInfo};
use crate::path::is_reserved;
use crate::schema;
use crate::v1::Placed;

/// An archive that was opened and found consistent: its manifest and index are proven, everything else is proven as it
/// is read. Made by [`open`](crate::open), [`open_path`](crate::open_path) or [`ReadOptions`](crate::ReadOptions).
///
/// Clones share what they have open, and an archive can be read from many threads at once.
///
/// ```
/// # let mut file = Vec::new();
/// # let mut writer = rosettar::WriteOptions::new().write_to(&mut file)?;
/// # writer.add_bytes(rosettar::NewEntry::new("notes/a.txt")?, b"alpha")?;
/// # writer.finish()?;
/// let archive = rosettar::open(file)?;
/// for entry in archive.entries() {
///     let entry = entry?;
///     println!("{} {}", entry.size, entry.path);
/// }
/// assert_eq!(archive.read("notes/a.txt")?, b"alpha");
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Clone)]
pub struct Archive {
    pub(crate) driver: Driver,
}

impl Archive {
    pub(crate) fn new(inner: Indexed) -> Self {
        Self { driver: Driver::Indexed(Arc::new(inner)) }
    }

    /// An archive whose entries are all known.
    pub(crate) fn listed(inner: Arc<dyn Listed>) -> Self {
        Self { driver: Driver::Listed(inner) }
    }

    /// How the archive is read.
    pub(crate) fn options(&self) -> &ReadOptions {
        self.driver.options()
    }

    /// What the archive says of itself: digests, manifest, streams, totals.
    pub fn facts(&self) -> &Facts {
        self.driver.facts()
    }

    /// Every entry of the user's, in tar order. What only the whole table shows (repeated paths, the order of reserved
    /// members, totals) is checked on the way, so that a table which ends without an error is sound.
    pub fn entries(&self) -> Entries {
        Entries::new(self, false)
    }

    /// As [`entries`](Self::entries), with the reserved members.
    pub fn all_entries(&self) -> Entries {
        Entries::new(self, true)
    }

    /// The entry at `path`. Reads the pages of the entry table that may hold it.
    ///
    /// # Errors
    /// `usage.no-such-entry`; `path.duplicate` where two entries have the path; whatever is wrong with a page.
    pub fn entry(&self, path: &str) -> Result<Entry> {
        match &self.driver {
            Driver::Indexed(archive) => Ok(find(archive, path)?.entry),
            Driver::Listed(archive) => Ok(archive.entries()[find_listed(archive.as_ref(), path)?].clone()),
        }
    }

    /// The whole content of the file at `path`, proven.
    ///
    /// # Errors
    /// As [`open_entry`](Self::open_entry), and whatever is wrong with the content.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let mut reader = self.open_entry(path)?;
        let mut content = Vec::new();
        reader.read_all(|piece| {
            content.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(content)
    }

    /// The content of the file at `path`, to be read piece by piece and from anywhere. Every piece is proven before it is
    /// handed out.
    ///
    /// # Errors
    /// As [`entry`](Self::entry), and `usage.not-a-file` for a directory or symbolic link.
    pub fn open_entry(&self, path: &str) -> Result<EntryReader> {
        match &self.driver {
            Driver::Indexed(archive) => {
                let placed = find(archive, path)?;
                check_content(&placed.entry)?;
                Ok(EntryReader::new(archive, placed))
            }
            Driver::Listed(archive) => {
                let number = find_listed(archive.as_ref(), path)?;
                let entry = &archive.entries()[number];
                check_content(entry)?;
                Ok(EntryReader::proven(entry.clone(), archive.content(number)?))
            }
        }
    }

    /// The streams, in the order of their numbers.
    pub fn streams(&self) -> &[StreamInfo] {
        &self.facts().streams
    }

    /// The stream called `name`.
    ///
    /// # Errors
    /// `usage.no-such-stream`.
    pub fn stream(&self, name: &str) -> Result<Stream> {
        let number = self.streams().iter().position(|stream| stream.name() == name).ok_or_else(|| {
            let names: Vec<&str> = self.streams().iter().map(StreamInfo::name).collect();
            let message = match names.len() {
                0 => format!("no stream is called {name:?}: the archive has none"),
                _ => format!("no stream is called {name:?}: the archive has {}", names.join(", ")),
            };
            Error::new(code::USAGE_NO_SUCH_STREAM, message)
        })?;
        match &self.driver {
            Driver::Indexed(archive) => Ok(Stream::new(archive, number)),
            Driver::Listed(archive) => archive.records(number)?.stream(name),
        }
    }

    /// The descriptor set of Schema `number`, verbatim: a serialized `google.protobuf.FileDescriptorSet`, not checked.
    ///
    /// # Errors
    /// `usage.option` where there is no such Schema; for a late one, whatever is wrong with its section.
    pub fn descriptor_set(&self, number: u32) -> Result<&[u8]> {
        let schemas = self.facts().schemas;
        if number >= schemas {
            let message = format!("no Schema has the number {number}: expected less than {schemas}");
            return Err(Error::new(code::USAGE_OPTION, message));
        }
        match &self.driver {
            Driver::Indexed(archive) => Ok(&archive.schema(number)?.descriptor_set),
            Driver::Listed(archive) => archive.descriptor_set(number),
        }
    }

    /// The files of Schema `number` printed as `.proto` text: each a path, as imports name it, and a text that `protoc`
    /// compiles to an equal descriptor.
    ///
    /// # Errors
    /// As [`descriptor_set`](Self::descriptor_set), and `schema.*`.
    pub fn proto_files(&self, number: u32) -> Result<Vec<(String, String)>> {
        schema::print_files(self.descriptor_set(number)?)
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").field("facts", self.facts()).finish_non_exhaustive()
    }
}

/// The entry at `path` with its place.
fn find(inner: &Indexed, path: &str) -> Result<Placed> {
    let reserved = is_reserved(path);
    let mut found: Option<Placed> = None;
    for (number, page) in inner.index.pages.iter().enumerate() {
        // The bounds say nothing of reserved members.
        let encloses = page.least_path.as_str() <= path && path <= page.greatest_path.as_str();
        if !reserved && !encloses {
            continue;
        }
        for placed in inner.page(number)?.entries.iter().filter(|placed| placed.entry.path.as_str() == path) {
            if found.replace(placed.clone()).is_some() {
                return Err(Error::new(code::PATH_DUPLICATE, "two entries have this path").with_entry(path));
            }
        }
    }
    found.ok_or_else(|| no_such_entry(path))
}

fn find_listed(archive: &dyn Listed, path: &str) -> Result<usize> {
    archive.find(path).ok_or_else(|| no_such_entry(path))
}

fn no_such_entry(path: &str) -> Error {
    Error::new(code::USAGE_NO_SUCH_ENTRY, "no entry has this path").with_entry(path)
}

fn check_content(entry: &Entry) -> Result<()> {
    if entry.kind.has_content() {
        return Ok(());
    }
    let message = format!("a {} has no content to read: expected the path of a file", entry.kind.as_str());
    Err(Error::new(code::USAGE_NOT_A_FILE, message).with_entry(entry.path.as_str()))
}

/// Of the entries of page `number`, whose first record of stream `stream` has the number `first`, the batches of that
/// stream whose records are in `wanted`; with each, the number of its first record.
pub(super) fn batches_in(
    inner: &Indexed,
    number: usize,
    stream: u32,
    mut first: u64,
    wanted: &Range<u64>,
) -> Result<Vec<(u64, Placed)>> {
    let mut batches = Vec::new();
    for placed in &inner.page(number)?.entries {
        if placed.entry.kind == EntryKind::Batch && placed.entry.stream == Some(stream) {
            // The page's batches have as many records as the index says, and those of all pages can be counted.
            let after = first + placed.entry.records;
            if first < wanted.end && after > wanted.start {
                batches.push((first, placed.clone()));
            }
            first = after;
        }
    }
    Ok(batches)
}
