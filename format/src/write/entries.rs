//! Entries on their way into an archive: what a caller says of one, and how they become pages.

use std::collections::VecDeque;

use crate::digest::Digest;
use crate::error::{Error, Result, code};
use crate::frame::Encoder;
use crate::limits::Limits;
use crate::model::{Entry, EntryKind, Mtime, Totals};
use crate::path::EntryPath;
use crate::proto;
use crate::v1::PageBuilder;
use crate::wire::section;

/// Path, mode and time of an entry to be added.
///
/// ```
/// let entry = rosettar::NewEntry::new("bin/tool")?.mode(0o755);
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NewEntry {
    pub(super) path: EntryPath,
    pub(super) mode: Option<u16>,
    pub(super) mtime: Mtime,
}

impl NewEntry {
    /// An entry at `path`, last modified at the beginning of 1970, with mode 0644 (0755 for a directory).
    ///
    /// # Errors
    /// `path.invalid` and the limits on paths, at their defaults; see [`EntryPath`].
    pub fn new(path: impl Into<String>) -> Result<Self> {
        Ok(Self::at(EntryPath::new(path)?))
    }

    /// As [`new`](Self::new), for a path that was checked before.
    pub fn at(path: EntryPath) -> Self {
        Self { path, mode: None, mtime: Mtime::default() }
    }

    /// Sets the mode, of which the nine permission bits count.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some((mode & 0o777) as u16);
        self
    }

    /// Path, mode where one was set, and time.
    pub(crate) fn into_parts(self) -> (EntryPath, Option<u16>, Mtime) {
        (self.path, self.mode, self.mtime)
    }

    /// Sets the modification time.
    #[must_use]
    pub fn mtime(mut self, mtime: impl Into<Mtime>) -> Self {
        self.mtime = mtime.into();
        self
    }
}

/// Entries in tar order, some of which wait for the digest of their content, and the pages made of the others.
pub(super) struct EntryQueue {
    /// Entries from the first on that waits for its digest.
    waiting: VecDeque<(Entry, bool)>,
    builder: PageBuilder,
    encoder: Encoder,
    pages: Vec<QueuedPage>,
    page_bytes: u64,
    totals: Totals,
}

/// A page that is complete: its section, and what the index says of it.
pub(super) struct QueuedPage {
    pub(super) section: Vec<u8>,
    pub(super) place: proto::Page,
}

impl EntryQueue {
    pub(super) fn new(level: i32) -> Result<Self> {
        Ok(Self {
            waiting: VecDeque::new(),
            builder: PageBuilder::new(),
            encoder: Encoder::new(level)?,
            pages: Vec::new(),
            page_bytes: 0,
            totals: Totals::default(),
        })
    }

    /// Adds an entry. Where its digest is not known yet, [`digest`](Self::digest) brings it, in order.
    pub(super) fn push(&mut self, entry: Entry, known: bool, limits: &Limits) -> Result<()> {
        if self.totals.entries() >= limits.entries {
            let message = format!("more entries than the limit entries of {}", limits.entries);
            return Err(Error::new(code::LIMIT_ENTRIES, message).with_entry(entry.path.as_str()));
        }
        match entry.kind {
            EntryKind::File => {
                self.totals.files += 1;
                self.totals.file_bytes += entry.size;
            }
            EntryKind::Directory => self.totals.directories += 1,
            EntryKind::Symlink => self.totals.symlinks += 1,
            _ => self.totals.reserved_members += 1,
        }
        self.totals.records += entry.records;
        self.waiting.push_back((entry, known));
        self.settle()
    }

    /// Brings the digest of the first entry that waits for one.
    pub(super) fn digest(&mut self, digest: Digest) -> Result<()> {
        let (entry, known) = self.waiting.front_mut().expect("a digest for an entry that waits for it");
        debug_assert!(!*known);
        (entry.digest, *known) = (digest, true);
        self.settle()
    }

    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    /// Closes the last page. The pages and the sum of their decoded sizes.
    pub(super) fn finish(mut self) -> Result<(Vec<QueuedPage>, u64)> {
        debug_assert!(self.waiting.is_empty(), "an entry still waits for its digest");
        self.seal()?;
        Ok((self.pages, self.page_bytes))
    }

    fn settle(&mut self) -> Result<()> {
        while let Some((_, true)) = self.waiting.front() {
            let (entry, _) = self.waiting.pop_front().expect("looked at just now");
            if self.builder.is_full() {
                self.seal()?;
            }
            self.builder.push(entry);
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<()> {
        if !self.builder.is_empty() {
            let sealed = self.builder.seal();
            self.page_bytes += sealed.bytes.len() as u64;
            let mut frame = Vec::new();
            self.encoder.encode(&sealed.bytes, &mut frame)?;
            let section = section::encode(section::ENTR, &frame);
            self.pages.push(QueuedPage { section, place: sealed.place });
        }
        Ok(())
    }
}
