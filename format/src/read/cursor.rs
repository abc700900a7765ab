//! Going through the tar from front to back, its frames decoded on several threads.

use std::collections::VecDeque;
use std::sync::Arc;

use super::indexed::Indexed;
use crate::error::{Error, Result};
use crate::parallel::OrderedPool;

/// A place in the tar that only moves forward. Of the frames it was given, each is read, proven and decoded once, ahead
/// of the place, on as many threads as the options say.
pub(crate) struct TarCursor {
    archive: Arc<Indexed>,
    /// Frames that are not submitted yet, and those whose chunks are under way.
    waiting: VecDeque<usize>,
    submitted: VecDeque<usize>,
    pool: OrderedPool<usize, Result<Vec<u8>>>,
    /// The chunk at hand; `None` for one that could not be had.
    chunk: Option<Vec<u8>>,
    chunk_start: u64,
    chunk_end: u64,
    /// The tar offset of the next byte.
    at: u64,
    /// Why chunks could not be had, in order.
    faults: Vec<Error>,
}

impl TarCursor {
    /// A cursor that will pass over these payload frames, in order.
    pub(crate) fn new(archive: &Arc<Indexed>, frames: impl IntoIterator<Item = usize>) -> Self {
        let shared = Arc::clone(archive);
        let pool = OrderedPool::new(archive.options.threads, move || {
            let archive = Arc::clone(&shared);
            move |number| archive.decode_chunk(number)
        });
        Self {
            archive: Arc::clone(archive),
            waiting: frames.into_iter().collect(),
            submitted: VecDeque::new(),
            pool,
            chunk: None,
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
    /// What `see` returns. Why a piece could not be had is kept for [`take_faults`](Self::take_faults).
    pub(crate) fn take(&mut self, len: u64, mut see: impl FnMut(Option<&[u8]>, u64) -> Result<()>) -> Result<()> {
        let end = self.at + len;
        while self.at < end {
            if self.at >= self.chunk_end && !self.next_chunk() {
                // Only a cursor over a part of the frames comes here, and it was not to.
                debug_assert!(false, "a cursor left its frames");
                return see(None, end - self.at);
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
            Some(piece) if !missing => see(piece),
            _ => {
                missing = true;
                Ok(())
            }
        });
        match self.faults.pop() {
            Some(fault) if missing => Err(fault),
            _ => taken,
        }
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
                self.pool.submit(number);
                self.submitted.push_back(number);
            }
            let (Some(number), Some(decoded)) = (self.submitted.pop_front(), self.pool.take()) else {
                return false;
            };
            let place = &self.archive.index.frames[number];
            (self.chunk_start, self.chunk_end) = (place.tar_offset, place.tar_end());
            self.chunk = decoded.map_err(|fault| self.faults.push(fault)).ok();
            if self.at < self.chunk_end {
                return true;
            }
        }
    }
}
