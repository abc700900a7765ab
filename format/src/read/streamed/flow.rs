//! From frames to chunks of the tar: read ahead, decoded and digested on several threads, handed out in order.

use std::collections::VecDeque;
use std::io::Read;

use super::feed::{Fed, Feed, truncated};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::frame::Decoder;
use crate::parallel::OrderedPool;
use crate::v1;
use crate::wire::{prefix, section};

/// How many sections may wait between payload frames that were read ahead.
const SECTIONS_AHEAD: usize = 16;

/// Stored size, decoded size and digest of a frame, as the index will have to list it.
pub(super) type FrameSeen = (u32, u32, Digest);

/// What comes next in an archive.
pub(super) enum Event {
    /// A chunk of the tar, and where its frame begins.
    Chunk { offset: u64, bytes: Vec<u8> },
    /// A section of a known kind, whole; only the form of its head was checked.
    Section { kind: section::Kind, offset: u64, bytes: Vec<u8> },
}

/// An archive's frames in order, decoded ahead.
pub(super) struct Flow<R> {
    feed: Feed<R>,
    pool: OrderedPool<(u64, Vec<u8>), Result<Decoded>>,
    waiting: VecDeque<Waiting>,
    /// Whether nothing more is to be read ahead: the index came, or an error.
    ends: bool,
    /// Every frame that was handed out so far.
    pub(super) frames: Vec<FrameSeen>,
}

enum Waiting {
    /// The oldest result of the pool.
    Payload,
    Section {
        kind: section::Kind,
        offset: u64,
        bytes: Vec<u8>,
    },
    Ancillary(FrameSeen),
    Failed(Error),
}

struct Decoded {
    offset: u64,
    chunk: Vec<u8>,
    stored: u32,
    digest: Digest,
}

impl<R: Read> Flow<R> {
    /// The flow after the first frames, which are `first`.
    pub(super) fn new(feed: Feed<R>, threads: usize, first: &[u8; prefix::LEN]) -> Self {
        let pool = OrderedPool::new(threads, || {
            let mut decoder = Decoder::new();
            move |(offset, bytes): (u64, Vec<u8>)| {
                let mut chunk = Vec::new();
                match &mut decoder {
                    Ok(decoder) => decoder.decode(&bytes, &mut chunk).map_err(|e| e.with_offset(offset))?,
                    Err(error) => return Err(Error::new(error.kept_code(), error.message())),
                }
                Ok(Decoded { offset, chunk, stored: bytes.len() as u32, digest: Digest::of(&bytes) })
            }
        });
        let (empty, header) = first.split_at(prefix::EMPTY_FRAME_LEN as usize);
        let frames = [empty, header].map(|frame| (frame.len() as u32, 0, Digest::of(frame))).to_vec();
        debug_assert_eq!(frames.len(), v1::OPENING_FRAMES - 1);
        Self { feed, pool, waiting: VecDeque::new(), ends: false, frames }
    }

    /// The next chunk or section; ancillary sections are passed over. Not to be called after the index.
    ///
    /// # Errors
    /// Whatever is wrong with the frame, as [`Feed::frame`] and [`Decoder::decode`] say.
    pub(super) fn next(&mut self) -> Result<Event> {
        loop {
            self.read_ahead();
            match self.waiting.pop_front() {
                Some(Waiting::Payload) => {
                    let decoded = self.pool.take().expect("a job for each payload frame that waits")?;
                    self.frames.push((decoded.stored, decoded.chunk.len() as u32, decoded.digest));
                    return Ok(Event::Chunk { offset: decoded.offset, bytes: decoded.chunk });
                }
                Some(Waiting::Section { kind, offset, bytes }) => {
                    // The index does not list itself.
                    if kind != section::INDX {
                        self.frames.push((bytes.len() as u32, 0, Digest::of(&bytes)));
                    }
                    return Ok(Event::Section { kind, offset, bytes });
                }
                Some(Waiting::Ancillary(seen)) => self.frames.push(seen),
                Some(Waiting::Failed(error)) => return Err(error),
                None => return Err(truncated(self.feed.offset())),
            }
        }
    }

    /// How many bytes of the source were read.
    pub(super) fn offset(&self) -> u64 {
        self.feed.offset()
    }

    /// As [`Feed::end_with`].
    pub(super) fn end_with(&mut self, table: &[u8]) -> Result<()> {
        self.feed.end_with(table)
    }

    /// Reads frames until the threads have enough to do. What fails is kept for its turn: what precedes it is whole.
    fn read_ahead(&mut self) {
        while !self.ends && !self.pool.is_full() && self.waiting.len() < SECTIONS_AHEAD {
            let waiting = match self.feed.frame() {
                Ok(Fed::Payload { offset, bytes }) => {
                    self.pool.submit((offset, bytes));
                    Waiting::Payload
                }
                Ok(Fed::Section { kind, offset, bytes }) => {
                    self.ends = kind == section::INDX;
                    Waiting::Section { kind, offset, bytes }
                }
                Ok(Fed::Ancillary { stored, digest }) => Waiting::Ancillary((stored, 0, digest)),
                Err(error) => {
                    self.ends = true;
                    Waiting::Failed(error)
                }
            };
            self.waiting.push_back(waiting);
        }
    }
}
