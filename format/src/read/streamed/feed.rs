//! Frames from a source that can only be read forward, one after the other, each in bounded memory.

use std::io::{self, Read};

use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result, code};
use crate::frame::{self, BLOCK_HEAD_LEN, CHECKSUM_LEN, MAX_DECODED, max_stored};
use crate::limits::Limits;
use crate::v1::OPENING_FRAMES;
use crate::wire::{prefix, section, seek_table};

/// How much of an ancillary section is held at once.
const PIECE: usize = 64 << 10;

/// A source of frames, and how far it was read.
pub(super) struct Feed<R> {
    source: R,
    offset: u64,
    frames: u64,
    /// What the payload frames so far announce to decode to.
    declared_bytes: u64,
    /// Bytes of the bodies of MANI and SCHM, and of INDX and the pages, so far.
    manifest_bytes: u64,
    index_bytes: u64,
    limits: Limits,
}

/// The next frame of an archive.
pub(super) enum Fed {
    /// A payload frame, delimited but not decoded.
    Payload { offset: u64, bytes: Vec<u8> },
    /// A section of a known kind, whole; only the form of its head was checked.
    Section { kind: section::Kind, offset: u64, bytes: Vec<u8> },
    /// An ancillary section, passed over.
    Ancillary { stored: u32, digest: Digest },
}

impl<R: Read> Feed<R> {
    /// A feed from the first byte after the archive's first frames, whose 29 bytes were read.
    pub(super) fn new(source: R, limits: Limits) -> Self {
        Self {
            source,
            offset: prefix::LEN as u64,
            frames: OPENING_FRAMES as u64 - 1,
            declared_bytes: 0,
            manifest_bytes: 0,
            index_bytes: 0,
            limits,
        }
    }

    /// How many bytes of the source were read.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the next frame.
    ///
    /// # Errors
    /// `envelope.truncated` where the source ends; `frame.*`, `section.*`, and limits.
    pub(super) fn frame(&mut self) -> Result<Fed> {
        let offset = self.offset;
        self.frames += 1;
        if self.frames > self.limits.frames {
            let message = format!("more frames than the limit frames of {}", self.limits.frames);
            return Err(Error::new(code::LIMIT_FRAMES, message).with_offset(offset));
        }
        let mut bytes = Vec::new();
        self.more(&mut bytes, frame::MAGIC.len())?;
        match <[u8; 4]>::try_from(&bytes[..]) {
            Ok(frame::MAGIC) => self.payload(offset, bytes),
            Ok(section::MAGIC) => self.section(offset, bytes),
            Ok(seek_table::MAGIC) => {
                let message = "a seek table before the index: expected the section INDX before it";
                Err(Error::new(code::SECTION_MISPLACED, message).with_offset(offset))
            }
            _ => {
                let message = format!("expected a zstd frame or a section, found {bytes:02x?}");
                Err(Error::new(code::FRAME_HEADER, message).with_offset(offset))
            }
        }
    }

    /// Reads the bytes that must end the source, the seek table, and makes sure that nothing follows.
    ///
    /// # Errors
    /// `envelope.truncated`, `seek-table.mismatch`, `seek-table.footer`.
    pub(super) fn end_with(&mut self, table: &[u8]) -> Result<()> {
        let offset = self.offset;
        let mut expected = table;
        while !expected.is_empty() {
            let mut piece = Vec::new();
            self.more(&mut piece, expected.len().min(PIECE))?;
            let Some(rest) = expected.strip_prefix(&piece[..]) else {
                let message =
                    "the seek table differs from the one that the index yields; the archive is damaged, or was altered";
                return Err(Error::new(code::SEEK_TABLE_MISMATCH, message).with_offset(offset));
            };
            expected = rest;
        }
        let mut more = [0];
        loop {
            match self.source.read(&mut more) {
                Ok(0) => return Ok(()),
                Ok(_) => {
                    let message = "the source goes on after the seek table: expected its end";
                    return Err(Error::new(code::SEEK_TABLE_FOOTER, message).with_offset(self.offset));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(cannot_read(error)),
            }
        }
    }

    fn payload(&mut self, offset: u64, mut bytes: Vec<u8>) -> Result<Fed> {
        let located = |error: Error| error.with_offset(offset);
        self.more(&mut bytes, 1)?;
        let header_len = frame::header_len(bytes[4]);
        self.more(&mut bytes, header_len - 5)?;
        let declared = frame::parse_header(&bytes).map_err(located)?.content_size;
        let most = max_stored(declared);
        loop {
            self.more(&mut bytes, BLOCK_HEAD_LEN)?;
            let head = bytes.last_chunk().expect("a head was read");
            let block = frame::parse_block(*head).map_err(located)?;
            let len = block.stored + if block.last { CHECKSUM_LEN } else { 0 };
            if (bytes.len() + len) as u64 > most {
                let message = format!("a frame that decodes to {declared} bytes: expected at most {most} stored bytes");
                return Err(located(Error::new(code::FRAME_SIZE, message)));
            }
            self.more(&mut bytes, len)?;
            if block.last {
                break;
            }
        }
        self.declared_bytes += u64::from(declared);
        let limit = self.limits.decoded_bytes_for(self.offset);
        if self.declared_bytes > limit {
            let message =
                format!("more decoded bytes than the limit decoded-bytes of {limit}, at this point of the stream");
            return Err(located(Error::new(code::LIMIT_DECODED_BYTES, message)));
        }
        Ok(Fed::Payload { offset, bytes })
    }

    fn section(&mut self, offset: u64, mut bytes: Vec<u8>) -> Result<Fed> {
        self.more(&mut bytes, section::HEAD_LEN - 4)?;
        let head = section::parse_head(&bytes, offset)?;
        let len = head.declared_len;
        let over = |code, limit: &str, most: u64| {
            let kind = String::from_utf8_lossy(&head.kind).into_owned();
            let message = format!("a section {kind} of {len} bytes exceeds the limit {limit} of {most}");
            Err(Error::new(code, message).with_offset(offset))
        };
        match head.kind {
            section::MANI | section::SCHM => {
                self.manifest_bytes += u64::from(len);
                if self.manifest_bytes > self.limits.manifest_bytes {
                    return over(code::LIMIT_MANIFEST_BYTES, "manifest-bytes", self.limits.manifest_bytes);
                }
            }
            section::ENTR | section::INDX => {
                self.index_bytes += u64::from(len);
                let most = self.limits.index_bytes;
                // What is stored may be a little larger than what it decodes to.
                if self.index_bytes > most.saturating_add(most / 64).saturating_add(1 << 20) {
                    return over(code::LIMIT_INDEX_BYTES, "index-bytes", most);
                }
                if head.kind == section::ENTR && u64::from(len) > max_stored(MAX_DECODED) {
                    let message = format!("a page of {len} stored bytes: expected at most {}", max_stored(MAX_DECODED));
                    return Err(Error::new(code::FRAME_SIZE, message).with_offset(offset));
                }
            }
            kind if kind[0].is_ascii_lowercase() => return self.ancillary(offset, bytes, head),
            kind => return Err(section::unexpected(kind, offset)),
        }
        self.more(&mut bytes, len as usize)?;
        Ok(Fed::Section { kind: head.kind, offset, bytes })
    }

    /// Passes over an ancillary section, of which nothing is kept but its digest.
    fn ancillary(&mut self, offset: u64, bytes: Vec<u8>, head: section::Head) -> Result<Fed> {
        let (mut frame, mut body) = (Hasher::new(), Hasher::new());
        frame.update(&bytes);
        let mut left = head.declared_len as usize;
        let mut piece = Vec::new();
        while left > 0 {
            piece.clear();
            self.more(&mut piece, left.min(PIECE))?;
            left -= piece.len();
            frame.update(&piece);
            body.update(&piece);
        }
        let found = body.finish();
        if found != head.digest {
            let message = format!("the digest of an ancillary section: expected {}, found {found}", head.digest);
            return Err(Error::new(code::SECTION_DIGEST, message).with_offset(offset));
        }
        let Some(stored) = head.declared_len.checked_add(section::HEAD_LEN as u32) else {
            let message = "an ancillary section of 4 GiB: expected less, as no index can list it";
            return Err(Error::new(code::SECTION_HEAD, message).with_offset(offset));
        };
        Ok(Fed::Ancillary { stored, digest: frame.finish() })
    }

    /// Appends the next `len` bytes of the source to `bytes`, which grows as they arrive.
    fn more(&mut self, bytes: &mut Vec<u8>, len: usize) -> Result<()> {
        let found = (&mut self.source).take(len as u64).read_to_end(bytes).map_err(cannot_read)?;
        self.offset += found as u64;
        if found < len {
            return Err(truncated(self.offset));
        }
        Ok(())
    }
}

/// The error for a source that ends at `offset`, where an archive does not.
pub(super) fn truncated(offset: u64) -> Error {
    let message = format!("the archive is cut off after {offset} bytes");
    Error::new(code::ENVELOPE_TRUNCATED, message).with_offset(offset)
}

pub(super) fn cannot_read(error: io::Error) -> Error {
    // A reader of ours reports this crate's errors through the standard ones.
    if error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
        return *error.into_inner().expect("looked at just now").downcast().expect("looked at just now");
    }
    Error::io(code::IO_READ, "reading the archive", error)
}
