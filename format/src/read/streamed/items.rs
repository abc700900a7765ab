//! What a stream of an archive yields: provisional entries and batches, in types of their own.

use std::fmt;
use std::io::{self, Read};

use prost_reflect::MessageDescriptor;

use super::ArchiveStream;
use crate::digest::Digest;
use crate::error::Result;
use crate::model::{Entry, EntryKind, StreamDeclaration};
use crate::path::{EntryPath, LinkTarget};

/// What comes next in a stream, before anything confirms it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Provisional<'a, R> {
    /// An entry of the user's.
    Entry(ProvisionalEntry<'a, R>),
    /// A batch of records.
    Batch(ProvisionalBatch<'a, R>),
}

/// An entry as its tar header describes it. Nothing of it is proven before [`ArchiveStream::confirm`] has returned: not
/// that it is there, not its content. So it is no [`Entry`].
pub struct ProvisionalEntry<'a, R> {
    stream: &'a mut ArchiveStream<R>,
    /// What of the piece at hand was not read yet.
    piece: Vec<u8>,
    read: usize,
}

impl<'a, R: Read> ProvisionalEntry<'a, R> {
    pub(super) fn new(stream: &'a mut ArchiveStream<R>) -> Self {
        Self { stream, piece: Vec::new(), read: 0 }
    }

    /// What its header was made from: without digest and nanoseconds, which only the index has.
    pub(crate) fn entry(&self) -> &Entry {
        &self.stream.member.as_ref().expect("an entry is at hand").entry
    }

    /// Where it is, without a trailing slash.
    pub fn path(&self) -> &EntryPath {
        &self.entry().path
    }

    /// What it is.
    pub fn kind(&self) -> EntryKind {
        self.entry().kind
    }

    /// The nine permission bits.
    pub fn mode(&self) -> u16 {
        self.entry().mode
    }

    /// When it was last modified, in whole seconds since 1970, rounded down; nanoseconds come with the index.
    pub fn mtime_seconds(&self) -> i64 {
        self.entry().mtime.seconds
    }

    /// Bytes of content.
    pub fn size(&self) -> u64 {
        self.entry().size
    }

    /// The target of a symbolic link.
    pub fn target(&self) -> Option<&LinkTarget> {
        self.entry().target.as_ref()
    }

    /// Shows the content, as far as it was not read yet, to `see`, piece by piece.
    ///
    /// # Errors
    /// What `see` returns; `envelope.truncated` and whatever else is wrong with the stream.
    pub fn read_all(&mut self, mut see: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if self.read < self.piece.len() {
            see(&self.piece[self.read..])?;
            self.read = self.piece.len();
        }
        while let Some(piece) = self.stream.piece()? {
            see(piece)?;
        }
        Ok(())
    }

    /// Passes over what is left of the content, and returns the SHA-256 of all of it, as found.
    ///
    /// # Errors
    /// `envelope.truncated` and whatever else is wrong with the stream.
    pub fn found_digest(&mut self) -> Result<Digest> {
        self.read = self.piece.len();
        match self.kind().has_content() {
            true => self.stream.content_digest(),
            false => Ok(Digest::ZERO),
        }
    }
}

impl<R: Read> Read for ProvisionalEntry<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.read == self.piece.len() {
            self.piece.clear();
            self.read = 0;
            if let Some(piece) = self.stream.piece().map_err(io::Error::other)? {
                self.piece.extend_from_slice(piece);
            }
        }
        let len = buf.len().min(self.piece.len() - self.read);
        buf[..len].copy_from_slice(&self.piece[self.read..self.read + len]);
        self.read += len;
        Ok(len)
    }
}

/// A batch of records, of which nothing is proven before [`ArchiveStream::confirm`] has returned.
pub struct ProvisionalBatch<'a, R> {
    stream: &'a mut ArchiveStream<R>,
    record: Vec<u8>,
}

impl<'a, R: Read> ProvisionalBatch<'a, R> {
    pub(super) fn new(stream: &'a mut ArchiveStream<R>) -> Self {
        Self { stream, record: Vec::new() }
    }

    /// The declaration of the stream that it belongs to.
    pub fn stream(&self) -> &StreamDeclaration {
        let batch = self.stream.member.as_ref().and_then(|member| member.batch.as_ref());
        &self.stream.streams[batch.expect("a batch is at hand").stream].0
    }

    /// The path of its member.
    pub fn path(&self) -> &EntryPath {
        &self.stream.member.as_ref().expect("a batch is at hand").entry.path
    }

    /// The descriptor of its record type, found acceptable.
    ///
    /// # Errors
    /// `schema.*`.
    pub fn descriptor(&mut self) -> Result<MessageDescriptor> {
        let name = self.stream().name.clone();
        self.stream.descriptor(name.as_str())
    }

    /// The next record, serialized; `None` after the last.
    ///
    /// # Errors
    /// `record.framing`, `limit.record-bytes`, `envelope.truncated`, and whatever else is wrong with the stream.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>> {
        let found = self.stream.record(&mut self.record)?;
        Ok(found.then_some(&self.record[..]))
    }
}

impl<R> fmt::Debug for ProvisionalEntry<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.stream.member.as_ref().map(|member| &member.entry);
        f.debug_struct("ProvisionalEntry").field("entry", &entry).finish_non_exhaustive()
    }
}

impl<R> fmt::Debug for ProvisionalBatch<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.stream.member.as_ref().map(|member| &member.entry);
        f.debug_struct("ProvisionalBatch").field("entry", &entry).finish_non_exhaustive()
    }
}
