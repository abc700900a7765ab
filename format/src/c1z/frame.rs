//! The zstd frames of C1Z (C1Z.md, "Frames"): any frame that RFC 8878 allows, without a dictionary, within a window of
//! 128 MiB, and nothing after it.

use zstd::stream::raw::{Decoder, InBuffer, Operation as _, OutBuffer};
use zstd::zstd_safe::{DCtx, DParameter, find_frame_compressed_size};

use crate::error::{Error, Result, code};
use crate::frame::{MAGIC, decoding_context, header_len, said};
use crate::io::ReadAt;

/// The greatest window: 128 MiB.
const WINDOW_LOG: u32 = 27;
/// The longest header of a frame.
const HEADER_MAX: u64 = 18;
/// How much is read, and decoded, at a time.
const PIECE: usize = 256 << 10;

/// What the header of a frame states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameFacts {
    /// The size of what it decodes to, where that is stated.
    pub declared_size: Option<u64>,
    /// Whether a checksum of that ends it.
    pub checksum: bool,
}

/// Reads the header that begins `bytes`.
///
/// # Errors
/// `frame.header`, `c1z.window`, without an offset, which the caller knows.
fn parse_header(bytes: &[u8]) -> Result<FrameFacts> {
    let fault = |what: &str| Error::new(code::FRAME_HEADER, format!("a zstd frame {what}"));
    let Some((magic, rest)) = bytes.split_first_chunk::<4>() else {
        return Err(fault("ends within its header"));
    };
    if *magic != MAGIC {
        let message = format!("expected the magic number {MAGIC:02x?} of a zstd frame, found {magic:02x?}");
        return Err(Error::new(code::FRAME_HEADER, message));
    }
    let descriptor = *rest.first().ok_or_else(|| fault("ends within its header"))?;
    if descriptor & 0b11 != 0 {
        return Err(fault("has a dictionary ID: expected none"));
    }
    if descriptor & 0b1000 != 0 {
        return Err(fault("has the reserved bit of its header set"));
    }
    let len = header_len(descriptor);
    let header = bytes.get(..len).ok_or_else(|| fault("ends within its header"))?;
    let single_segment = descriptor & 0b10_0000 != 0;
    let size_field = &header[MAGIC.len() + 1 + usize::from(!single_segment)..];
    let mut size = [0; 8];
    size[..size_field.len()].copy_from_slice(size_field);
    let size = u64::from_le_bytes(size) + if size_field.len() == 2 { 256 } else { 0 };
    let window = if single_segment {
        size
    } else {
        let field = header[MAGIC.len() + 1];
        let base = 1u64 << (10 + (field >> 3));
        base + base / 8 * u64::from(field & 0b111)
    };
    if window > 1 << WINDOW_LOG {
        let message = format!("a zstd frame needs a window of {window} bytes: expected at most {}", 1u64 << WINDOW_LOG);
        return Err(Error::new(code::C1Z_WINDOW, message));
    }
    Ok(FrameFacts { declared_size: (!size_field.is_empty()).then_some(size), checksum: descriptor & 0b100 != 0 })
}

/// Decodes the one frame that is all of `len` bytes from `at` on, to at most `limit` bytes, and shows what it decodes to to
/// `see`, piece by piece. The frame's checksum, if it has one, was compared when this returns.
///
/// # Errors
/// `frame.header`, `frame.decode`, `c1z.window`, `c1z.trailing`, `envelope.truncated`, `limit.decoded-bytes`, `io.read`,
/// and what `see` returns.
pub fn decode_stream(
    source: &dyn ReadAt,
    at: u64,
    len: u64,
    limit: u64,
    see: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<FrameFacts> {
    let truncated = || {
        let message = "the file ends within a zstd frame: it was cut short";
        Error::new(code::ENVELOPE_TRUNCATED, message).with_offset(at + len)
    };
    let mut input = vec![0; PIECE.min(len as usize)];
    let mut header = vec![0; HEADER_MAX.min(len) as usize];
    read(source, &mut header, at)?;
    let facts = match parse_header(&header) {
        Err(error) if len < HEADER_MAX && MAGIC.starts_with(&header[..header.len().min(4)]) => {
            return Err(if error.is(code::FRAME_HEADER) { truncated() } else { error.with_offset(at) });
        }
        parsed => parsed.map_err(|e| e.with_offset(at))?,
    };
    if let Some(size) = facts.declared_size
        && size > limit
    {
        return Err(too_much(limit));
    }
    let broken = |e: std::io::Error| {
        Error::new(code::FRAME_DECODE, format!("a zstd frame does not decode: {e}")).with_offset(at)
    };
    let mut decoder = Decoder::new().map_err(|e| Error::io(code::IO_READ, "setting up zstd", e))?;
    decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).map_err(broken)?;
    let mut output = vec![0; PIECE];
    let (mut taken, mut decoded) = (0, 0u64);
    let mut ended = false;
    while taken < len && !ended {
        let piece = &mut input[..(PIECE as u64).min(len - taken) as usize];
        read(source, piece, at + taken)?;
        let mut piece = InBuffer::around(piece);
        loop {
            let mut out = OutBuffer::around(&mut output[..]);
            let before = piece.pos();
            let hint = decoder.run(&mut piece, &mut out).map_err(broken)?;
            let found = out.as_slice();
            decoded += found.len() as u64;
            if decoded > limit {
                return Err(too_much(limit));
            }
            see(found)?;
            if hint == 0 {
                ended = true;
                break;
            }
            // All that was given is used up once there is room that is not.
            if piece.pos() == piece.src.len() && found.len() < PIECE {
                break;
            }
            if piece.pos() == before && found.is_empty() {
                return Err(Error::new(code::FRAME_DECODE, "a zstd frame does not decode").with_offset(at));
            }
        }
        taken += piece.pos() as u64;
    }
    if !ended {
        return Err(truncated());
    }
    if taken < len {
        let message = format!("{} bytes follow a zstd frame: expected nothing", len - taken);
        return Err(Error::new(code::C1Z_TRAILING, message).with_offset(at + taken));
    }
    if facts.declared_size.is_some_and(|size| size != decoded) {
        let message = format!("a zstd frame decodes to {decoded} bytes: expected what its header states");
        return Err(Error::new(code::FRAME_SIZE, message).with_offset(at));
    }
    Ok(facts)
}

/// Decodes frames that are in memory.
pub struct Unpacker(DCtx<'static>);

impl Unpacker {
    /// An unpacker.
    ///
    /// # Errors
    /// `io.resources` where there is no memory.
    pub fn new() -> Result<Self> {
        decoding_context(WINDOW_LOG).map(Self)
    }

    /// Decodes `frame`, which is one whole frame and nothing else, to exactly `size` bytes, into `content`, which is
    /// emptied first. The caller has bounded `size`.
    ///
    /// # Errors
    /// `frame.header`, `frame.size`, `frame.decode`, `c1z.window`, `c1z.trailing`, without an offset.
    pub fn decode(&mut self, frame: &[u8], size: usize, content: &mut Vec<u8>) -> Result<()> {
        content.clear();
        let facts = parse_header(frame)?;
        let differs = |found: u64| {
            let message = format!("a zstd frame decodes to {found} bytes: expected {size}, as the index says");
            Error::new(code::FRAME_SIZE, message)
        };
        if let Some(declared) = facts.declared_size
            && declared != size as u64
        {
            return Err(differs(declared));
        }
        let end = find_frame_compressed_size(frame)
            .map_err(|_| Error::new(code::FRAME_DECODE, "a zstd frame does not end where its stored bytes do"))?;
        if end != frame.len() {
            let message = format!("{} bytes follow a zstd frame: expected nothing", frame.len() - end);
            return Err(Error::new(code::C1Z_TRAILING, message));
        }
        content.reserve_exact(size);
        let found = self.0.decompress(content, frame).map_err(|e| {
            Error::new(code::FRAME_DECODE, format!("a zstd frame does not decode to {size} bytes: {}", said(e)))
        })?;
        if found != size {
            return Err(differs(found as u64));
        }
        Ok(())
    }
}

fn read(source: &dyn ReadAt, bytes: &mut [u8], at: u64) -> Result<()> {
    source.read_exact_at(bytes, at).map_err(|e| Error::io(code::IO_READ, "reading the archive", e).with_offset(at))
}

fn too_much(limit: u64) -> Error {
    let message = format!("what the file decodes to exceeds the limit decoded-bytes of {limit}");
    Error::new(code::LIMIT_DECODED_BYTES, message)
}
