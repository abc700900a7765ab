//! Compression and decompression of single frames, through libzstd with contexts that are used again.

use std::io;

use zstd::zstd_safe::{CCtx, CParameter, DCtx, DParameter, get_error_name};

use super::{MAX_DECODED, frame_len, max_stored, parse_header};
use crate::error::{Error, Result, code};

/// Makes payload frames.
pub struct Encoder(CCtx<'static>);

impl Encoder {
    /// An encoder at zstd's compression `level`.
    ///
    /// # Errors
    /// `usage.option` where zstd has no such level, `io.resources` where there is no memory.
    pub fn new(level: i32) -> Result<Self> {
        let range = zstd::compression_level_range();
        if !range.contains(&level) || level == 0 {
            return Err(Error::new(
                code::USAGE_OPTION,
                format!("compression level {level}: expected {} to {}, and not 0", range.start(), range.end()),
            ));
        }
        let mut context = CCtx::try_create().ok_or_else(no_memory)?;
        for parameter in [
            CParameter::CompressionLevel(level),
            CParameter::ChecksumFlag(true),
            CParameter::ContentSizeFlag(true),
            CParameter::DictIdFlag(false),
        ] {
            context.set_parameter(parameter).map_err(|e| Error::io(code::IO_WRITE, "setting up zstd", said(e)))?;
        }
        Ok(Self(context))
    }

    /// Puts the frame that decodes to `chunk` into `frame`, which is emptied first.
    ///
    /// # Errors
    /// `io.write` where zstd fails, which it does only for want of memory.
    ///
    /// # Panics
    /// When `chunk` is empty or longer than 8 MiB.
    pub fn encode(&mut self, chunk: &[u8], frame: &mut Vec<u8>) -> Result<()> {
        assert!((1..=MAX_DECODED as usize).contains(&chunk.len()), "a chunk of {} bytes", chunk.len());
        frame.clear();
        // Longer than any frame that comes out: what zstd does not use stays untouched.
        frame.reserve(max_stored(chunk.len() as u32) as usize);
        self.0.compress2(frame, chunk).map_err(|e| Error::io(code::IO_WRITE, "compressing", said(e)))?;
        debug_assert!(frame.len() as u64 <= max_stored(chunk.len() as u32));
        Ok(())
    }
}

/// Decodes payload frames.
pub struct Decoder(DCtx<'static>);

impl Decoder {
    /// A decoder.
    ///
    /// # Errors
    /// `io.resources` where there is no memory.
    pub fn new() -> Result<Self> {
        decoding_context(MAX_DECODED.ilog2()).map(Self)
    }

    /// Decodes `frame`, which is one whole frame and nothing else, into `chunk`, which is emptied first.
    ///
    /// # Errors
    /// `frame.header`, `frame.size`, `frame.decode`, without an offset, which the caller knows.
    pub fn decode(&mut self, frame: &[u8], chunk: &mut Vec<u8>) -> Result<()> {
        chunk.clear();
        let header = parse_header(frame)?;
        if frame.len() as u64 > max_stored(header.content_size) {
            return Err(Error::new(
                code::FRAME_SIZE,
                format!(
                    "a frame of {} bytes that decodes to {}: expected at most {} bytes",
                    frame.len(),
                    header.content_size,
                    max_stored(header.content_size)
                ),
            ));
        }
        if frame_len(frame)? != Some(frame.len()) {
            return Err(Error::new(
                code::FRAME_DECODE,
                format!("a zstd frame does not end where its {} stored bytes do", frame.len()),
            ));
        }
        // The content size is at most 8 MiB by the format, so this is no trust in a declared number.
        chunk.reserve_exact(header.content_size as usize);
        let found = self
            .0
            .decompress(chunk, frame)
            .map_err(|e| Error::new(code::FRAME_DECODE, format!("a frame does not decode: {}", said(e))))?;
        if found != header.content_size as usize {
            return Err(Error::new(
                code::FRAME_DECODE,
                format!("a frame decodes to {found} bytes: expected {}", header.content_size),
            ));
        }
        Ok(())
    }
}

/// A context that decodes frames whose window is at most 2 to the power of `window_log` bytes.
///
/// # Errors
/// `io.resources` where there is no memory.
pub(crate) fn decoding_context(window_log: u32) -> Result<DCtx<'static>> {
    let mut context = DCtx::try_create().ok_or_else(no_memory)?;
    let bounded = context.set_parameter(DParameter::WindowLogMax(window_log));
    bounded.map_err(|e| Error::io(code::IO_READ, "setting up zstd", said(e)))?;
    Ok(context)
}

/// zstd gives no context.
fn no_memory() -> Error {
    Error::io(code::IO_RESOURCES, "setting up zstd", io::ErrorKind::OutOfMemory.into())
}

/// The bindings of zstd panic where it gives no context: for those that have no other way to ask for one.
///
/// # Errors
/// `io.resources` where there is no memory, as far as can be told beforehand.
pub(crate) fn check_memory() -> Result<()> {
    CCtx::try_create().map(drop).ok_or_else(no_memory)
}

/// What zstd says of an error.
pub(crate) fn said(error: usize) -> io::Error {
    io::Error::other(get_error_name(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_back() {
        let mut encoder = Encoder::new(3).unwrap();
        let mut decoder = Decoder::new().unwrap();
        let (mut frame, mut chunk) = (Vec::new(), Vec::new());
        let noise: Vec<u8> = (0..300_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for content in [&b"x"[..], &[0; 1024], &noise, &vec![7; MAX_DECODED as usize]] {
            encoder.encode(content, &mut frame).unwrap();
            assert_eq!(frame_len(&frame).unwrap(), Some(frame.len()));
            decoder.decode(&frame, &mut chunk).unwrap();
            assert!(chunk == content);
        }
    }

    #[test]
    fn damage_and_excess_are_refused() {
        let mut frame = Vec::new();
        Encoder::new(3).unwrap().encode(b"some content, some content", &mut frame).unwrap();
        let mut decoder = Decoder::new().unwrap();
        let mut chunk = Vec::new();
        for bit in 0..frame.len() * 8 {
            let mut frame = frame.clone();
            frame[bit / 8] ^= 1 << (bit % 8);
            // Bit 4 of the descriptor is the one that RFC 8878 calls unused.
            if bit != 36 {
                assert!(decoder.decode(&frame, &mut chunk).is_err(), "bit {bit}");
            }
        }
        for len in 0..frame.len() {
            assert!(decoder.decode(&frame[..len], &mut chunk).is_err(), "length {len}");
        }
        let twice = [&frame[..], &frame].concat();
        assert_eq!(decoder.decode(&twice, &mut chunk).unwrap_err().code(), "frame.decode");
    }

    #[test]
    fn levels() {
        for level in [-5, 1, 3, 19, 22] {
            Encoder::new(level).unwrap();
        }
        for level in [0, 23] {
            assert!(Encoder::new(level).is_err());
        }
    }
}
