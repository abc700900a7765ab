//! Going through the tar from front to back, its frames decoded on several threads.

use std::collections::VecDeque;
use std::sync::Arc;

use super::indexed::Indexed;
use crate::digest::Digest;
use crate::error::{Error, Result, code};
use crate::parallel::OrderedPool;
use crate::v1::Placed;

/// A place in the tar that only moves forward. Of the frames it was given, each is read, proven and decoded once, ahead
/// of the place, on as many threads as the options say.
pub(crate) struct TarCursor {
    archive: Arc<Indexed>,
    /// Frames that are not submitted yet, and those whose chunks are under way.
    waiting: VecDeque<usize>,
    submitted: VecDeque<usize>,
    pool: OrderedPool<(usize, Vec<u8>), Result<Decoded>>,
    /// The chunk at hand; `None` for one that could not be had.
    chunk: Option<Vec<u8>>,
    /// Digests of contents that are whole in it, with the tar offsets at which these begin, in order.
    digests: VecDeque<(u64, Digest)>,
    /// Chunks that were passed, for further ones: memory that is at hand costs no page faults.
    buffers: Vec<Vec<u8>>,
    chunk_start: u64,
    chunk_end: u64,
    /// The tar offset of the next byte.
    at: u64,
    /// Why chunks could not be had, in order.
    faults: Vec<Error>,
}

struct Decoded {
    chunk: Vec<u8>,
    digests: VecDeque<(u64, Digest)>,
}

impl TarCursor {
    /// A cursor that will pass over these payload frames, in order.
    pub(crate) fn new(archive: &Arc<Indexed>, frames: impl IntoIterator<Item = usize>) -> Self {
        Self::make(archive, frames, false)
    }

    /// As [`new`](Self::new), for who asks for the [`digest`](Self::digest) of every content: those are computed where
    /// the frames are decoded, as far as a content is whole in its frame.
    pub(crate) fn digesting(archive: &Arc<Indexed>, frames: impl IntoIterator<Item = usize>) -> Self {
        Self::make(archive, frames, true)
    }

    fn make(archive: &Arc<Indexed>, frames: impl IntoIterator<Item = usize>, digesting: bool) -> Self {
        let shared = Arc::clone(archive);
        let pool = OrderedPool::new(archive.options.threads.get(), move || {
            let (archive, mut frame) = (Arc::clone(&shared), Vec::new());
            move |(number, mut chunk)| {
                archive.decode_chunk_into(number, &mut frame, &mut chunk)?;
                let digests = if digesting { contents(&archive, number, &chunk) } else { VecDeque::new() };
                Ok(Decoded { chunk, digests })
            }
        });
        Self {
            archive: Arc::clone(archive),
            waiting: frames.into_iter().collect(),
            submitted: VecDeque::new(),
            pool,
            chunk: None,
            digests: VecDeque::new(),
            buffers: Vec::new(),
            chunk_start: 0,
            chunk_end: 0,
            at: 0,
            faults: Vec::new(),
        }
    }

    /// Goes to `offset`, which is not before the present place.
    pub(crate) fn seek(&mut self, offset: u64) {
        debug_assert!(offset >= self.at);
        self.at = offset;
    }

    /// Passes over the next `len` bytes and shows them to `see`, piece by piece: `None` with the length of a piece that
    /// could not be had.
    ///
    /// # Errors
    /// What `see` returns, and `index.frames` past the last of the frames it was given. Why a piece could not be had is kept for [`take_faults`](Self::take_faults).
    pub(crate) fn take(&mut self, len: u64, mut see: impl FnMut(Option<&[u8]>, u64) -> Result<()>) -> Result<()> {
        let end = self.at + len;
        while self.at < end {
            if self.at >= self.chunk_end && !self.next_chunk() {
                // Only a cursor over a part of the frames could come here, and it is not to.
                let message = format!("byte {} of the tar is in none of the frames that are being read", self.at);
                return Err(Error::new(code::INDEX_FRAMES, message));
            }
            let piece_end = end.min(self.chunk_end);
            let from = (self.at - self.chunk_start) as usize;
            let to = (piece_end - self.chunk_start) as usize;
            let piece = self.chunk.as_ref().map(|chunk| &chunk[from..to]);
            see(piece, piece_end - self.at)?;
            self.at = piece_end;
        }
        Ok(())
    }

    /// As [`take`](Self::take), for who cannot go on without every byte.
    ///
    /// # Errors
    /// What `see` returns, and why a piece could not be had.
    pub(crate) fn take_whole(&mut self, len: u64, mut see: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut missing = false;
        let taken = self.take(len, |piece, _| match piece {
            Some(piece) => see(piece),
            // Whatever is returned, nothing more is decoded; why the piece is missing is told below.
            None => {
                missing = true;
                Err(Error::new(code::FRAME_DECODE, "a piece of the tar is missing"))
            }
        });
        match self.faults.pop() {
            Some(fault) if missing => Err(fault),
            _ => taken,
        }
    }

    /// The digest of the content of `placed`, which was just passed and is whole in the chunk at hand.
    pub(crate) fn digest(&mut self, placed: &Placed) -> Option<Digest> {
        while self.digests.front().is_some_and(|(at, _)| *at < placed.content_at) {
            self.digests.pop_front();
        }
        if let Some((at, digest)) = self.digests.front()
            && *at == placed.content_at
        {
            return Some(*digest);
        }
        let from = placed.content_at.checked_sub(self.chunk_start)? as usize;
        let content = self.chunk.as_ref()?.get(from..from + placed.entry.size as usize)?;
        Some(Digest::of(content))
    }

    /// Why chunks passed so far could not be had.
    pub(crate) fn take_faults(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.faults)
    }

    /// Gets the chunk that holds the present place.
    fn next_chunk(&mut self) -> bool {
        loop {
            while !self.pool.is_full()
                && let Some(number) = self.waiting.pop_front()
            {
                self.pool.submit((number, self.buffers.pop().unwrap_or_default()));
                self.submitted.push_back(number);
            }
            let (Some(number), Some(decoded)) = (self.submitted.pop_front(), self.pool.take()) else {
                return false;
            };
            let place = &self.archive.index.frames[number];
            (self.chunk_start, self.chunk_end) = (place.tar_offset, place.tar_end());
            let decoded = decoded.map_err(|fault| self.faults.push(fault)).ok();
            let (chunk, digests) = decoded.map(|decoded| (decoded.chunk, decoded.digests)).unzip();
            self.digests = digests.unwrap_or_default();
            self.buffers.extend(std::mem::replace(&mut self.chunk, chunk));
            if self.at < self.chunk_end {
                return true;
            }
        }
    }
}

/// The digests of the contents that are whole in a chunk, as far as the entry table is sound.
fn contents(archive: &Indexed, number: usize, chunk: &[u8]) -> VecDeque<(u64, Digest)> {
    let frame = &archive.index.frames[number];
    let pages = &archive.index.pages;
    let mut places = Vec::new();
    let first = pages.partition_point(|page| page.tar_end <= frame.tar_offset);
    for (page, _) in (first..).zip(&pages[first..]).take_while(|(_, page)| page.tar_offset < frame.tar_end()) {
        // What is wrong with a page shows where its entries are gone through.
        let Ok(page) = archive.page(page) else { continue };
        let begin = page.entries.partition_point(|placed| placed.content_at < frame.tar_offset);
        let here = page.entries[begin..].iter().take_while(|placed| placed.content_end() <= frame.tar_end());
        places.extend(here.filter(|placed| placed.entry.kind.has_content()).map(|p| (p.content_at, p.entry.size)));
    }
    let content = |(at, size): &(u64, u64)| {
        let from = (at - frame.tar_offset) as usize;
        &chunk[from..from + *size as usize]
    };
    let digests = Digest::of_each(places.iter().map(content));
    places.iter().map(|(at, _)| *at).zip(digests).collect()
}
