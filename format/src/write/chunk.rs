//! The chunk being filled, of which files may be missing that are read when it is compressed.

use std::ops::Range;

use super::tree::{SourceOpener, TreeItem};
use crate::error::Result;
use crate::monitor::Monitor;
use crate::tar;

/// Whole members, all reserved or none.
#[derive(Default)]
pub(super) struct Chunk {
    /// All bytes but those of the missing files.
    bytes: Vec<u8>,
    /// Files that are to be read, each with the place in `bytes` at which its content and padding go.
    files: Vec<(usize, TreeItem)>,
    /// Bytes of the missing files with their padding.
    missing: usize,
    /// Where, in the whole chunk, the contents are whose digests are not known yet.
    contents: Vec<Range<usize>>,
    pub(super) reserved: bool,
}

/// A chunk that is closed.
#[derive(Default)]
pub(super) struct Closed {
    pub(super) bytes: Vec<u8>,
    files: Vec<(usize, TreeItem)>,
    pub(super) contents: Vec<Range<usize>>,
}

impl Chunk {
    /// How long the chunk is, missing files included.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + self.missing
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where headers and contents at hand are appended.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Pads the content of `size` bytes that the chunk ends with, and has it digested.
    pub(super) fn end_content(&mut self, size: usize) {
        let end = self.len();
        self.contents.push(end - size..end);
        self.bytes.resize(self.bytes.len() + tar::padding(size as u64) as usize, 0);
    }

    /// Has the content of a file come next, with its padding, which is read later.
    pub(super) fn add_file(&mut self, item: TreeItem) {
        let (start, size) = (self.len(), item.size as usize);
        self.contents.push(start..start + size);
        self.missing += size + tar::padding(item.size) as usize;
        self.files.push((self.bytes.len(), item));
    }

    /// The chunk as filled so far; the next one begins in `next`, which is empty.
    pub(super) fn close(&mut self, next: Vec<u8>) -> Closed {
        self.missing = 0;
        Closed {
            bytes: std::mem::replace(&mut self.bytes, next),
            files: std::mem::take(&mut self.files),
            contents: std::mem::take(&mut self.contents),
        }
    }

    /// Reads the missing files now.
    ///
    /// # Errors
    /// As [`Closed::complete`].
    pub(super) fn complete(&mut self, opener: &mut SourceOpener, monitor: &Monitor, mut buffer: Vec<u8>) -> Result<()> {
        let mut so_far = Closed {
            bytes: std::mem::take(&mut self.bytes),
            files: std::mem::take(&mut self.files),
            ..Closed::default()
        };
        so_far.complete(opener, monitor, &mut buffer)?;
        self.bytes = so_far.bytes;
        self.missing = 0;
        Ok(())
    }
}

impl Closed {
    /// How long the chunk is, missing files included.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + self.files.iter().map(|(_, item)| item.size as usize).sum::<usize>()
    }

    /// A chunk of which nothing is missing.
    pub(super) fn whole(bytes: Vec<u8>, contents: Vec<Range<usize>>) -> Self {
        Self { bytes, files: Vec::new(), contents }
    }

    /// Reads the missing files; `buffer` is another one for the bytes, and gets the one they were in.
    ///
    /// # Errors
    /// `io.source-changed` where a file is not what the walk saw, `io.read`; `usage.interrupted`.
    pub(super) fn complete(
        &mut self,
        opener: &mut SourceOpener,
        monitor: &Monitor,
        buffer: &mut Vec<u8>,
    ) -> Result<()> {
        if self.files.is_empty() {
            return Ok(());
        }
        buffer.clear();
        buffer.reserve(self.bytes.len() + self.files.iter().map(|(_, item)| item.size as usize + 512).sum::<usize>());
        let mut from = 0;
        for (at, item) in self.files.drain(..) {
            buffer.extend_from_slice(&self.bytes[from..at]);
            from = at;
            opener.read(&item, buffer)?;
            buffer.resize(buffer.len() + tar::padding(item.size) as usize, 0);
            monitor.advance(item.size)?;
        }
        buffer.extend_from_slice(&self.bytes[from..]);
        std::mem::swap(&mut self.bytes, buffer);
        Ok(())
    }
}
