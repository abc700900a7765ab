//! The payload of a broken archive: which frames are whole, and what they decode to.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result, code};
use crate::frame::{self, Decoder};
use crate::io::ReadAt;

/// How many decoded chunks are kept: neighbouring members share one.
const KEPT: usize = 2;

/// A payload frame, and where in the tar its chunk begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) offset: u64,
    pub(super) tar_offset: u64,
    pub(super) stored: u32,
    pub(super) decoded: u32,
    pub(super) whole: bool,
}

impl Frame {
    fn tar_end(&self) -> u64 {
        self.tar_offset + u64::from(self.decoded)
    }
}

/// A chunk, and a part of it.
type Piece = (Arc<Vec<u8>>, Range<usize>);

/// Payload frames in the order of the tar, without gaps between them.
pub(super) struct Payload<'s> {
    source: &'s dyn ReadAt,
    frames: Vec<Frame>,
    decoder: Decoder,
    kept: VecDeque<(usize, Arc<Vec<u8>>)>,
    /// Frames that seemed whole and do not decode, since the last call to [`take_refused`](Self::take_refused).
    refused: Vec<Frame>,
}

impl<'s> Payload<'s> {
    pub(super) fn new(source: &'s dyn ReadAt, frames: Vec<Frame>) -> Result<Self> {
        let decoder = Decoder::new()?;
        Ok(Self { source, frames, decoder, kept: VecDeque::new(), refused: Vec::new() })
    }

    /// The tar offset of the first byte that no frame holds.
    pub(super) fn tar_end(&self) -> u64 {
        self.frames.last().map_or(0, Frame::tar_end)
    }

    /// Frames that seemed whole and were found not to decode.
    pub(super) fn take_refused(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.refused)
    }

    /// The first frame that holds a byte of `range` and is not whole, by its offset in the file; that of the end of the
    /// last frame where the range goes on after it. `None` where every byte is in a whole frame.
    pub(super) fn broken_in(&self, range: Range<u64>) -> Option<u64> {
        let end = self.whole_until(range.start, range.end);
        (end < range.end).then(|| match self.frames.get(self.frame_at(end)) {
            Some(frame) => frame.offset,
            None => self.frames.last().map_or(0, |frame| frame.offset + u64::from(frame.stored)),
        })
    }

    /// How far from `from` on, at most to `to`, the tar is in whole frames.
    pub(super) fn whole_until(&self, from: u64, to: u64) -> u64 {
        let mut at = from;
        let frames = self.frames.get(self.frame_at(from)..).unwrap_or_default();
        for frame in frames.iter().take_while(|frame| frame.whole) {
            if at >= to {
                break;
            }
            at = frame.tar_end();
        }
        at.min(to)
    }

    /// Shows the bytes of `range`, which begins in a whole frame, to `see`, piece by piece, as far as frames are whole;
    /// whether that was all.
    pub(super) fn read(&mut self, range: Range<u64>, mut see: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let mut at = range.start;
        while at < range.end {
            let Some((chunk, piece)) = self.piece(at, range.end)? else { return Ok(false) };
            see(&chunk[piece.clone()])?;
            at += piece.len() as u64;
        }
        Ok(true)
    }

    /// Appends to `bytes` what the tar has from `from` on, until there are `len` of them; whether that many are in whole
    /// frames.
    pub(super) fn fill(&mut self, bytes: &mut Vec<u8>, from: u64, len: usize) -> Result<bool> {
        let start = from + bytes.len() as u64;
        let Some(end) = from.checked_add(len as u64) else { return Ok(false) };
        self.read(start..end, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })
    }

    /// A reader of `range`, which was found whole.
    pub(super) fn reader(&mut self, range: Range<u64>) -> RangeReader<'_, 's> {
        RangeReader { payload: self, range }
    }

    fn frame_at(&self, tar_offset: u64) -> usize {
        self.frames.partition_point(|frame| frame.tar_end() <= tar_offset)
    }

    /// The chunk that holds the byte at `at`, and what of it is before `to`.
    fn piece(&mut self, at: u64, to: u64) -> Result<Option<Piece>> {
        let number = self.frame_at(at);
        let Some(chunk) = self.chunk(number)? else { return Ok(None) };
        let frame = &self.frames[number];
        let from = (at - frame.tar_offset) as usize;
        let until = (to.min(frame.tar_end()) - frame.tar_offset) as usize;
        Ok(Some((chunk, from..until)))
    }

    fn chunk(&mut self, number: usize) -> Result<Option<Arc<Vec<u8>>>> {
        let Some(&place) = self.frames.get(number).filter(|frame| frame.whole) else { return Ok(None) };
        if let Some((_, chunk)) = self.kept.iter().find(|(kept, _)| *kept == number) {
            return Ok(Some(Arc::clone(chunk)));
        }
        let stored = read_range(self.source, place.offset, u64::from(place.stored))?;
        // The oldest chunk goes before the next one comes, which takes its place in memory where nobody reads it any more.
        let oldest = if self.kept.len() == KEPT { self.kept.pop_front() } else { None };
        let mut chunk = oldest.and_then(|(_, chunk)| Arc::try_unwrap(chunk).ok()).unwrap_or_default();
        match decode(&mut self.decoder, &stored, &mut chunk)? {
            true if chunk.len() == place.decoded as usize => {}
            // Its digest is right, so it was written like this; there is nothing in it to salvage.
            _ => {
                self.frames[number].whole = false;
                self.refused.push(place);
                return Ok(None);
            }
        }
        drop(stored);
        let chunk = Arc::new(chunk);
        self.kept.push_back((number, Arc::clone(&chunk)));
        Ok(Some(chunk))
    }
}

/// Reads a range of the tar.
pub(super) struct RangeReader<'p, 's> {
    payload: &'p mut Payload<'s>,
    range: Range<u64>,
}

impl Read for RangeReader<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.range.is_empty() || buf.is_empty() {
            return Ok(0);
        }
        match self.payload.piece(self.range.start, self.range.end) {
            Ok(Some((chunk, piece))) => {
                let piece = &chunk[piece];
                let len = piece.len().min(buf.len());
                buf[..len].copy_from_slice(&piece[..len]);
                self.range.start += len as u64;
                Ok(len)
            }
            Ok(None) => Err(io::Error::other("a frame that was whole no longer is: the file changed meanwhile")),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

/// Decodes one whole frame; whether it is one, with a right checksum.
pub(super) fn decode(decoder: &mut Decoder, stored: &[u8], chunk: &mut Vec<u8>) -> Result<bool> {
    match decoder.decode(stored, chunk) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Io => Err(error),
        Err(_) => Ok(false),
    }
}

/// The stored bytes of the payload frame at `offset`, found by walking over its blocks; `None` where none begins there or
/// the file ends first.
pub(super) fn read_frame(source: &dyn ReadAt, size: u64, offset: u64) -> Result<Option<Vec<u8>>> {
    /// Enough for a small frame, and little where none begins.
    const FIRST: u64 = 1 << 10;
    let mut len = FIRST;
    let left = size.saturating_sub(offset);
    loop {
        let mut bytes = read_range(source, offset, len.min(left))?;
        let Ok(header) = frame::parse_header(&bytes) else { return Ok(None) };
        let most = frame::max_stored(header.content_size).max(FIRST);
        match frame::frame_len(&bytes) {
            Ok(Some(len)) => {
                bytes.truncate(len);
                return Ok(Some(bytes));
            }
            Ok(None) if len < left && len < most => len = (4 * len).min(most),
            _ => return Ok(None),
        }
    }
}

/// Reads `len` bytes, which are there.
pub(super) fn read_range(source: &dyn ReadAt, offset: u64, len: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len as usize];
    source.read_exact_at(&mut bytes, offset).map_err(cannot_read)?;
    Ok(bytes)
}

pub(super) fn cannot_read(error: io::Error) -> Error {
    Error::io(code::IO_READ, "reading the archive", error)
}
