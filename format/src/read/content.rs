//! The content of one entry.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use super::driver::Content;
use super::indexed::Indexed;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, ErrorKind, Result, code};
use crate::model::Entry;
use crate::v1::Placed;

/// How much of a proven content is read at once.
const PIECE: u64 = 256 << 10;

/// The content of an entry: [`Read`] and [`Seek`]; made by [`Archive::open_entry`](crate::Archive::open_entry).
///
/// Each piece comes from a frame whose SHA-256 was compared with the index's. Who reads from the beginning to the end
/// also has the digest of the content compared before the end is reported. An [`Error`](struct@crate::Error) that a read
/// meets is the source of the [`io::Error`] it returns.
pub struct EntryReader {
    source: Source,
    at: u64,
}

enum Source {
    Frames(Box<Frames>),
    Proven(Entry, Content),
}

impl EntryReader {
    pub(crate) fn new(archive: &Arc<Indexed>, placed: Placed) -> Self {
        let (archive, hasher) = (Arc::clone(archive), Some(Hasher::new()));
        Self { source: Source::Frames(Box::new(Frames { archive, placed, chunk: None, hasher, wrong: None })), at: 0 }
    }

    /// For a content that was proven before.
    pub(super) fn proven(entry: Entry, content: Content) -> Self {
        Self { source: Source::Proven(entry, content), at: 0 }
    }

    /// The entry.
    pub fn entry(&self) -> &Entry {
        match &self.source {
            Source::Frames(frames) => &frames.placed.entry,
            Source::Proven(entry, _) => entry,
        }
    }

    /// Shows the rest of the content to `see`, piece by piece; the last piece comes after the digest of the content was
    /// found right, where all of it was read.
    ///
    /// # Errors
    /// What `see` returns, and whatever is wrong with the content.
    pub fn read_all(&mut self, mut see: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match &mut self.source {
            Source::Frames(frames) => {
                while let Some((chunk, from)) = frames.piece(self.at)? {
                    let to = frames.piece_end(self.at, &chunk, from);
                    frames.pass(&mut self.at, &chunk[from..to])?;
                    see(&chunk[from..to])?;
                }
                frames.pass(&mut self.at, &[])
            }
            Source::Proven(entry, content) => {
                let mut piece = vec![0; PIECE.min(entry.size.saturating_sub(self.at)) as usize];
                while self.at < entry.size {
                    let len = PIECE.min(entry.size - self.at) as usize;
                    let piece = &mut piece[..len];
                    content.source.read_exact_at(piece, content.at + self.at).map_err(|e| {
                        Error::io(code::IO_READ, "reading a content", e).with_entry(entry.path.as_str())
                    })?;
                    self.at += len as u64;
                    see(piece)?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for EntryReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryReader").field("entry", self.entry()).field("at", &self.at).finish_non_exhaustive()
    }
}

impl Read for EntryReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        match &mut self.source {
            Source::Frames(frames) => {
                let Some((chunk, from)) = frames.piece(self.at).map_err(to_io)? else {
                    return frames.pass(&mut self.at, &[]).map(|()| 0).map_err(to_io);
                };
                let to = frames.piece_end(self.at, &chunk, from).min(from + buf.len());
                let piece = &chunk[from..to];
                frames.pass(&mut self.at, piece).map_err(to_io)?;
                buf[..piece.len()].copy_from_slice(piece);
                Ok(piece.len())
            }
            Source::Proven(entry, content) => {
                let len = (buf.len() as u64).min(entry.size.saturating_sub(self.at)) as usize;
                content.source.read_exact_at(&mut buf[..len], content.at + self.at)?;
                self.at += len as u64;
                Ok(len)
            }
        }
    }
}

impl Seek for EntryReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(delta) => self.at.checked_add_signed(delta),
            SeekFrom::End(delta) => self.entry().size.checked_add_signed(delta),
        };
        let at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the beginning"))?;
        if at != self.at {
            if let Source::Frames(frames) = &mut self.source {
                frames.hasher = (at == 0).then(Hasher::new);
            }
            self.at = at;
        }
        Ok(at)
    }
}

/// A content in frames that the index proves.
struct Frames {
    archive: Arc<Indexed>,
    placed: Placed,
    /// The chunk at hand and its frame.
    chunk: Option<(usize, Arc<Vec<u8>>)>,
    /// What was read so far, as long as that was everything from the beginning.
    hasher: Option<Hasher>,
    /// The digest that the whole content was found to have instead of the entry's.
    wrong: Option<Digest>,
}

impl Frames {
    /// The chunk that holds the next byte, and where in it that is; `None` at the end.
    fn piece(&mut self, at: u64) -> Result<Option<(Arc<Vec<u8>>, usize)>> {
        // Whoever asks again after an error must not be told of an end, or of a part.
        self.check_digest()?;
        if at >= self.placed.entry.size {
            return Ok(None);
        }
        let tar_offset = self.placed.content_at + at;
        let number = self.archive.index.frame_at(tar_offset);
        let chunk = match &self.chunk {
            Some((at_hand, chunk)) if *at_hand == number => Arc::clone(chunk),
            _ => {
                let chunk = self.archive.chunk(number)?;
                self.archive.check_member(&self.placed, number, &chunk)?;
                self.chunk = Some((number, Arc::clone(&chunk)));
                chunk
            }
        };
        let from = (tar_offset - self.archive.index.frames[number].tar_offset) as usize;
        Ok(Some((chunk, from)))
    }

    fn piece_end(&self, at: u64, chunk: &[u8], from: usize) -> usize {
        let left = self.placed.entry.size - at;
        from + left.min((chunk.len() - from) as u64) as usize
    }

    /// Moves over `piece`, and compares the digest where it is the last.
    fn pass(&mut self, at: &mut u64, piece: &[u8]) -> Result<()> {
        *at += piece.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(piece);
        }
        if *at == self.placed.entry.size
            && let Some(hasher) = self.hasher.take()
        {
            let found = hasher.finish();
            self.wrong = (found != self.placed.entry.digest).then_some(found);
        }
        self.check_digest()
    }

    fn check_digest(&self) -> Result<()> {
        self.wrong.map_or(Ok(()), |found| self.placed.entry.check_digest(found))
    }
}

fn to_io(error: Error) -> io::Error {
    let kind = match error.kind() {
        ErrorKind::Io => error.io_error().map_or(io::ErrorKind::Other, io::Error::kind),
        _ => io::ErrorKind::InvalidData,
    };
    io::Error::new(kind, error)
}
