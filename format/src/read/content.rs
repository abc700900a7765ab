//! The content of one entry.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use super::indexed::Indexed;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, ErrorKind, Result, code};
use crate::model::Entry;
use crate::v1::Placed;

/// The content of an entry: [`Read`] and [`Seek`]; made by [`Archive::open_entry`](crate::Archive::open_entry).
///
/// Each piece comes from a frame whose SHA-256 was compared with the index's. Who reads from the beginning to the end
/// also has the digest of the content compared before the end is reported. An [`Error`](struct@crate::Error) that a read
/// meets is the source of the [`io::Error`] it returns.
pub struct EntryReader {
    archive: Arc<Indexed>,
    placed: Placed,
    at: u64,
    /// The chunk at hand and its frame.
    chunk: Option<(usize, Arc<Vec<u8>>)>,
    /// What was read so far, as long as that was everything from the beginning.
    hasher: Option<Hasher>,
    /// The digest that the whole content was found to have instead of the entry's.
    wrong: Option<Digest>,
}

impl EntryReader {
    pub(crate) fn new(archive: &Arc<Indexed>, placed: Placed) -> Self {
        Self { archive: Arc::clone(archive), placed, at: 0, chunk: None, hasher: Some(Hasher::new()), wrong: None }
    }

    /// The entry.
    pub fn entry(&self) -> &Entry {
        &self.placed.entry
    }

    /// Shows the rest of the content to `see`, piece by piece, without copying; the last piece comes after the digest of
    /// the content was found right, where all of it was read.
    ///
    /// # Errors
    /// What `see` returns, and whatever is wrong with the content.
    pub fn read_all(&mut self, mut see: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        while let Some((chunk, from)) = self.piece()? {
            let to = self.piece_end(&chunk, from);
            self.pass(&chunk[from..to])?;
            see(&chunk[from..to])?;
        }
        self.pass(&[])
    }

    /// The chunk that holds the next byte, and where in it that is; `None` at the end.
    fn piece(&mut self) -> Result<Option<(Arc<Vec<u8>>, usize)>> {
        // Whoever asks again after an error must not be told of an end, or of a part.
        self.check_digest()?;
        if self.at >= self.placed.entry.size {
            return Ok(None);
        }
        let tar_offset = self.placed.content_at + self.at;
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

    fn piece_end(&self, chunk: &[u8], from: usize) -> usize {
        let left = self.placed.entry.size - self.at;
        from + left.min((chunk.len() - from) as u64) as usize
    }

    /// Moves over `piece`, and compares the digest where it is the last.
    fn pass(&mut self, piece: &[u8]) -> Result<()> {
        self.at += piece.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(piece);
        }
        if self.at == self.placed.entry.size
            && let Some(hasher) = self.hasher.take()
        {
            let found = hasher.finish();
            self.wrong = (found != self.placed.entry.digest).then_some(found);
        }
        self.check_digest()
    }

    fn check_digest(&self) -> Result<()> {
        if let Some(found) = self.wrong {
            let expected = self.placed.entry.digest;
            let message = format!("the digest of the content: expected {expected}, found {found}");
            return Err(Error::new(code::ENTRY_DIGEST, message).with_entry(self.placed.entry.path.as_str()));
        }
        Ok(())
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
        let Some((chunk, from)) = self.piece().map_err(to_io)? else {
            return self.pass(&[]).map(|()| 0).map_err(to_io);
        };
        let to = self.piece_end(&chunk, from).min(from + buf.len());
        let piece = &chunk[from..to];
        self.pass(piece).map_err(to_io)?;
        buf[..piece.len()].copy_from_slice(piece);
        Ok(piece.len())
    }
}

impl Seek for EntryReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(delta) => self.at.checked_add_signed(delta),
            SeekFrom::End(delta) => self.placed.entry.size.checked_add_signed(delta),
        };
        let at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the beginning"))?;
        if at != self.at {
            self.hasher = (at == 0).then(Hasher::new);
            self.at = at;
        }
        Ok(at)
    }
}

fn to_io(error: Error) -> io::Error {
    let kind = match error.kind() {
        ErrorKind::Io => error.io_error().map_or(io::ErrorKind::Other, io::Error::kind),
        _ => io::ErrorKind::InvalidData,
    };
    io::Error::new(kind, error)
}
