//! The header of a zstd frame (RFC 8878, section 3.1.1) and the walk over its blocks.

use super::MAX_DECODED;
use crate::error::{Error, Result, code};

/// The magic number of a zstd frame, as stored.
pub const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// The length of a block's head.
pub const BLOCK_HEAD_LEN: usize = 3;
/// The length of the checksum that ends a frame.
pub const CHECKSUM_LEN: usize = 4;
/// The greatest size of a block, as RFC 8878 bounds it.
const MAX_BLOCK: usize = 128 << 10;

/// What the header of a payload frame states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The length of the header itself.
    pub len: usize,
    /// The content size, 1 to 8 MiB.
    pub content_size: u32,
}

/// Reads the header that begins `frame` and holds it against FORMAT.md, "Payload frames".
///
/// # Errors
/// `frame.header`; `frame.size` where the content size is out of bounds. Neither has an offset, which the caller knows.
pub fn parse_header(frame: &[u8]) -> Result<FrameHeader> {
    let fault = |what: String| Err(Error::new(code::FRAME_HEADER, what));
    let Some((magic, rest)) = frame.split_first_chunk::<4>() else {
        return fault(format!("a frame of {} bytes is too short for a zstd frame", frame.len()));
    };
    if *magic != MAGIC {
        return fault(format!("expected the magic number {MAGIC:02x?} of a zstd frame, found {magic:02x?}"));
    }
    let Some((&descriptor, rest)) = rest.split_first() else {
        return fault("a zstd frame ends within its header".into());
    };
    if descriptor & 0b11 != 0 {
        return fault("a zstd frame with a dictionary ID: expected none".into());
    }
    if descriptor & 0b1000 != 0 {
        return fault("the reserved bit of a zstd frame header is set".into());
    }
    if descriptor & 0b100 == 0 {
        return fault("a zstd frame without a content checksum: expected one".into());
    }
    let single_segment = descriptor & 0b10_0000 != 0;
    let window_len = usize::from(!single_segment);
    let size_len = header_len(descriptor) - MAGIC.len() - 1 - window_len;
    if size_len == 0 {
        return fault("a zstd frame that does not state its content size: expected it to".into());
    }
    let Some(size_field) = rest.get(window_len..window_len + size_len) else {
        return fault("a zstd frame ends within its header".into());
    };
    let mut size = [0; 8];
    size[..size_len].copy_from_slice(size_field);
    let size = u64::from_le_bytes(size) + if size_len == 2 { 256 } else { 0 };
    // The window of a single-segment frame is its content.
    let window = if single_segment { size } else { window_size(rest[0]) };
    if window > u64::from(MAX_DECODED) {
        return fault(format!("a zstd frame with a window of {window} bytes: expected at most {MAX_DECODED}"));
    }
    match u32::try_from(size) {
        Ok(content_size @ 1..=MAX_DECODED) => Ok(FrameHeader { len: header_len(descriptor), content_size }),
        _ => Err(Error::new(
            code::FRAME_SIZE,
            format!("a zstd frame with a content of {size} bytes: expected 1 to {MAX_DECODED}"),
        )),
    }
}

/// The length of a frame's header, which its fifth byte tells; the header may still be one that no payload frame may have.
pub fn header_len(descriptor: u8) -> usize {
    let single_segment = descriptor & 0b10_0000 != 0;
    let size_len = match descriptor >> 6 {
        0 => usize::from(single_segment),
        flag => 1 << flag,
    };
    MAGIC.len() + 1 + usize::from(!single_segment) + size_len
}

/// One block of a frame, as its three bytes of head say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Whether it is the frame's last, which the checksum follows.
    pub last: bool,
    /// How many bytes it stores after its head.
    pub stored: usize,
}

/// Reads the head of a block.
///
/// # Errors
/// `frame.decode` where a block cannot be what its head says.
pub fn parse_block(head: [u8; BLOCK_HEAD_LEN]) -> Result<Block> {
    let head = u32::from_le_bytes([head[0], head[1], head[2], 0]);
    let (last, kind, size) = (head & 1 == 1, head >> 1 & 0b11, (head >> 3) as usize);
    if kind == 3 || size > MAX_BLOCK {
        return Err(Error::new(
            code::FRAME_DECODE,
            format!("a zstd block of type {kind} and {size} bytes: expected type 0 to 2 and at most {MAX_BLOCK}"),
        ));
    }
    // A block of type 1 stores one byte, which it repeats.
    Ok(Block { last, stored: if kind == 1 { 1 } else { size } })
}

/// The stored length of the frame that begins `bytes`, found by walking over its blocks without decoding them; `None`
/// where `bytes` ends before the frame does.
///
/// # Errors
/// `frame.header`, `frame.size`, or `frame.decode` where a block cannot be what it says.
pub fn frame_len(bytes: &[u8]) -> Result<Option<usize>> {
    let mut at = parse_header(bytes)?.len;
    loop {
        let Some(head) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else {
            return Ok(None);
        };
        let block = parse_block(*head)?;
        at += BLOCK_HEAD_LEN + block.stored;
        if block.last {
            let end = at + CHECKSUM_LEN;
            return Ok((end <= bytes.len()).then_some(end));
        }
    }
}

fn window_size(descriptor: u8) -> u64 {
    let base = 1u64 << (10 + (descriptor >> 3));
    base + base / 8 * u64::from(descriptor & 0b111)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_descriptors() {
        assert_eq!(window_size(0), 1024);
        assert_eq!(window_size(13 << 3), 8 << 20);
        assert_eq!(window_size(13 << 3 | 1), (8 << 20) + (1 << 20));
    }

    #[test]
    fn headers_that_are_refused() {
        let codes = |bytes: &[u8]| parse_header(bytes).unwrap_err().code();
        let frame = |rest: &[u8]| [&MAGIC[..], rest].concat();
        assert_eq!(codes(b"\x28\xB5"), "frame.header");
        assert_eq!(codes(b"\x50\x2A\x4D\x18\0\0\0\0"), "frame.header");
        assert_eq!(codes(&frame(&[0x24 | 1, 5])), "frame.header", "dictionary");
        assert_eq!(codes(&frame(&[0x20, 5])), "frame.header", "no checksum");
        assert_eq!(codes(&frame(&[0x2C, 5])), "frame.header", "reserved bit");
        assert_eq!(codes(&frame(&[0x04, 0x58])), "frame.header", "no content size");
        assert_eq!(codes(&frame(&[0x84, 13 << 3 | 1, 1, 0, 0, 0])), "frame.header", "window");
        assert_eq!(codes(&frame(&[0xA4, 1, 0])), "frame.header", "cut");
        assert_eq!(codes(&frame(&[0x24, 0])), "frame.size");
        assert_eq!(codes(&frame(&[0xA4, 1, 0, 0x80, 0])), "frame.header", "the window is the content");
        assert_eq!(codes(&frame(&[0x84, 0, 1, 0, 0x80, 0])), "frame.size");
        let header = parse_header(&frame(&[0xA4, 0, 0, 0x80, 0])).unwrap();
        assert_eq!(header, FrameHeader { len: 9, content_size: 8 << 20 });
        let header = parse_header(&frame(&[0x64, 0, 0])).unwrap();
        assert_eq!(header, FrameHeader { len: 7, content_size: 256 });
    }
}
