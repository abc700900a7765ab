//! zstd frames as they are, which need not be as they must be.

use std::ops::Range;

use super::out::{Group, Out};
use super::{Line, Space, cannot_read, fault, hex};
use crate::error::{Error, Result, code};
use crate::frame::{BLOCK_HEAD_LEN, CHECKSUM_LEN, MAGIC, MAX_DECODED, parse_header};
use crate::io::ReadAt;

/// How much is read at a time where only a few bytes here and there are needed.
const WINDOW: usize = 64 << 10;

/// The section of FORMAT.md on payload frames.
pub(super) const SPEC: &str = "3.2";

/// Reads a few bytes here and there.
pub(super) struct Window<'s> {
    source: &'s dyn ReadAt,
    size: u64,
    bytes: Vec<u8>,
    at: u64,
}

impl<'s> Window<'s> {
    pub(super) fn new(source: &'s dyn ReadAt, size: u64) -> Self {
        Self { source, size, bytes: Vec::new(), at: 0 }
    }

    /// The bytes from `at` on, at most `len`, which is no more than a few: fewer where the file ends.
    pub(super) fn get(&mut self, at: u64, len: usize) -> Result<&[u8]> {
        let len = (self.size.saturating_sub(at)).min(len as u64);
        if at < self.at || at + len > self.at + self.bytes.len() as u64 {
            self.bytes.resize(self.size.saturating_sub(at).min(WINDOW as u64) as usize, 0);
            self.at = at;
            self.source.read_exact_at(&mut self.bytes, at).map_err(cannot_read)?;
        }
        let from = (at - self.at) as usize;
        Ok(&self.bytes[from..from + len as usize])
    }
}

/// A zstd frame, by its own bytes.
#[derive(Debug)]
pub(super) struct Frame {
    /// The header, as far as it is there.
    header: Vec<u8>,
    /// What the header states, if it does.
    pub(super) content_size: Option<u64>,
    checksum: bool,
    /// Where its blocks end.
    pub(super) blocks: Range<u64>,
    /// Where it ends; `None` where that is not to be found.
    pub(super) end: Option<u64>,
    /// Why not.
    pub(super) why: Option<Error>,
}

/// The parts of a header: the lengths of window, dictionary and content size.
fn parts(descriptor: u8) -> (usize, usize, usize) {
    let single = descriptor & 0b10_0000 != 0;
    let size = match descriptor >> 6 {
        0 => usize::from(single),
        flag => 1 << flag,
    };
    (usize::from(!single), [0, 1, 2, 4][usize::from(descriptor & 0b11)], size)
}

/// Walks over the blocks of the frame that begins at `at`, up to `end` at most.
pub(super) fn walk(window: &mut Window<'_>, at: u64, end: u64) -> Result<Frame> {
    let first = window.get(at, MAGIC.len() + 1)?;
    let len = match first.get(MAGIC.len()) {
        Some(descriptor) => {
            let (window, dictionary, size) = parts(*descriptor);
            MAGIC.len() + 1 + window + dictionary + size
        }
        None => MAGIC.len() + 1,
    };
    let header = window.get(at, len.min((end - at) as usize))?.to_vec();
    let blocks_at = at + header.len() as u64;
    let mut frame =
        Frame { header, content_size: None, checksum: false, blocks: blocks_at..blocks_at, end: None, why: None };
    let cut = || fault(code::FRAME_DECODE, "a zstd frame does not end where it must: expected another block");
    if frame.header.len() < len {
        frame.why = Some(cut());
        return Ok(frame);
    }
    let descriptor = frame.header[MAGIC.len()];
    let (_, _, size_len) = parts(descriptor);
    let mut size = [0; 8];
    size[..size_len].copy_from_slice(&frame.header[len - size_len..]);
    frame.content_size = (size_len > 0).then_some(u64::from_le_bytes(size) + if size_len == 2 { 256 } else { 0 });
    frame.checksum = descriptor & 0b100 != 0;
    loop {
        let at = frame.blocks.end;
        let head = window.get(at, BLOCK_HEAD_LEN.min((end - at) as usize))?;
        let Some(block) = Block::parse(head) else {
            frame.why = Some(cut());
            return Ok(frame);
        };
        if let Some(error) = block.fault() {
            frame.why = Some(error);
            return Ok(frame);
        }
        let next = at + (BLOCK_HEAD_LEN + block.stored()) as u64;
        if next > end {
            frame.why = Some(cut());
            return Ok(frame);
        }
        frame.blocks.end = next;
        if block.last {
            break;
        }
    }
    let whole = frame.blocks.end + if frame.checksum { CHECKSUM_LEN as u64 } else { 0 };
    match whole <= end {
        true => frame.end = Some(whole),
        false => frame.why = Some(fault(code::FRAME_DECODE, "a zstd frame ends within its checksum")),
    }
    Ok(frame)
}

/// The head of a block.
#[derive(Clone, Copy)]
struct Block {
    last: bool,
    kind: usize,
    size: usize,
}

impl Block {
    fn parse(head: &[u8]) -> Option<Self> {
        let head: [u8; BLOCK_HEAD_LEN] = head.try_into().ok()?;
        let head = u32::from_le_bytes([head[0], head[1], head[2], 0]);
        Some(Self { last: head & 1 == 1, kind: (head >> 1 & 0b11) as usize, size: (head >> 3) as usize })
    }

    fn stored(self) -> usize {
        if self.kind == 1 { 1 } else { self.size }
    }

    fn fault(self) -> Option<Error> {
        const MOST: usize = 128 << 10;
        (self.kind == 3 || self.size > MOST).then(|| {
            let message = format!(
                "a zstd block of type {} and {} bytes: expected type 0 to 2 and at most {MOST}",
                self.kind, self.size
            );
            fault(code::FRAME_DECODE, message)
        })
    }
}

/// The lines of the parts of `frame`, which begins at `at` and has to end at `end`. Where `spec` is not of FORMAT.md, the
/// frame need not keep its rules.
pub(super) fn lines(
    out: &mut Out<'_>,
    window: &mut Window<'_>,
    frame: &Frame,
    (at, end): (u64, u64),
    level: u32,
    spec: &'static str,
) -> Result<()> {
    let header = &frame.header;
    let wrong = |code| parse_header(header).err().filter(|error| spec == SPEC && error.is(code));
    let mut at = at;
    let mut part = |out: &mut Out<'_>, len: usize, what: &str, value: String, problem: Option<Error>| {
        let line = Line::new(level, at, len as u64, what, spec).value(value).problem(problem);
        at += len as u64;
        out.add(line)
    };
    let Some(descriptor) = header.get(MAGIC.len()).copied() else {
        return part(out, header.len(), "magic number of a zstd frame", hex(header), None);
    };
    part(out, MAGIC.len(), "magic number of a zstd frame", hex(&header[..MAGIC.len()]), None)?;
    part(out, 1, "descriptor", descriptor_text(descriptor), wrong(code::FRAME_HEADER))?;
    let (window_len, dictionary, size_len) = parts(descriptor);
    let rest = &header[MAGIC.len() + 1..];
    if rest.len() < window_len + dictionary + size_len {
        return part(out, rest.len(), "the rest of the header, which is cut off", hex(rest), None);
    }
    if window_len > 0 {
        let base = 1u64 << (10 + (rest[0] >> 3));
        let window = base + base / 8 * u64::from(rest[0] & 0b111);
        part(out, 1, "window", format!("{window} bytes"), None)?;
    }
    if dictionary > 0 {
        part(out, dictionary, "dictionary", hex(&rest[window_len..window_len + dictionary]), None)?;
    }
    if let Some(size) = frame.content_size {
        part(out, size_len, "content size", format!("{size} bytes"), wrong(code::FRAME_SIZE))?;
    }
    blocks(out, window, frame, level, spec)?;
    let mut at = frame.blocks.end;
    if let Some(whole) = frame.end {
        if frame.checksum {
            let sum = window.get(at, CHECKSUM_LEN)?;
            let value = hex(sum);
            out.add(Line::new(level, at, CHECKSUM_LEN as u64, "checksum (XXH64, the lower half)", spec).value(value))?;
        }
        at = whole;
    }
    if at < end {
        let what = match frame.end {
            Some(_) => "what follows the frame within its stored size",
            None => "what is no block",
        };
        let value = hex(window.get(at, super::SHOWN_BYTES + 1)?);
        out.add(Line::new(level, at, end - at, what, spec).value(value))?;
    }
    Ok(())
}

fn blocks(out: &mut Out<'_>, window: &mut Window<'_>, frame: &Frame, level: u32, spec: &'static str) -> Result<()> {
    let (mut at, mut group) = (frame.blocks.start, Group::default());
    while at < frame.blocks.end {
        let block = Block::parse(window.get(at, BLOCK_HEAD_LEN)?).expect("it was walked over");
        let kind = ["raw", "RLE", "compressed", "reserved"][block.kind];
        let len = (BLOCK_HEAD_LEN + block.stored()) as u64;
        let last = if block.last { ", the last" } else { "" };
        let line = Line::new(level, at, len, "block", spec).value(format!("{kind}, of {} bytes{last}", block.size));
        out.add_to(&mut group, "blocks", line)?;
        at += len;
    }
    out.end_group(group, level, Space::File, at, spec)
}

fn descriptor_text(descriptor: u8) -> String {
    let mut told = vec![if descriptor & 0b10_0000 != 0 { "single segment" } else { "with a window" }];
    told.push(if descriptor & 0b100 != 0 { "with a checksum" } else { "no checksum" });
    if descriptor & 0b1_0000 != 0 {
        told.push("the unused bit");
    }
    if descriptor & 0b1000 != 0 {
        told.push("the reserved bit");
    }
    if descriptor & 0b11 != 0 {
        told.push("a dictionary");
    }
    if parts(descriptor).2 == 0 {
        told.push("no content size");
    }
    told.join(", ")
}

/// The most bytes of a frame that is looked into.
pub(super) fn most_stored() -> u64 {
    crate::frame::max_stored(MAX_DECODED)
}
