//! The first bytes of a C1Z file (C1Z.md, "Envelope").

use super::manifest::{MANIFEST_MAX, Manifest};
use crate::error::{Error, Result, code};
use crate::io::ReadAt;
use crate::limits::Limits;
use crate::schema::wire::{self, WireType};

/// How long the magic is, in both versions.
pub const MAGIC_LEN: usize = 5;
/// What a file of version 1 begins with.
pub const MAGIC_V1: [u8; MAGIC_LEN] = *b"C1ZF\0";
/// What a file of version 3 begins with.
pub const MAGIC_V3: [u8; MAGIC_LEN] = *b"C1Z3\0";

/// The magic and the length of the manifest.
const HEAD_LEN: u64 = 9;
/// How much of a manifest is read at a time where only the header is wanted.
const WINDOW: u64 = 512;

/// The beginning of a file of version 3.
#[derive(Debug)]
pub struct Head {
    /// The manifest.
    pub manifest: Manifest,
    /// Where the payload begins.
    pub payload_at: u64,
}

impl Head {
    /// The descriptor set in the manifest.
    pub fn descriptors(&self) -> &[u8] {
        &self.manifest.descriptors
    }
}

/// Reads the manifest of a file of version 3 that has `size` bytes; where `header_only`, without the descriptors in it.
///
/// # Errors
/// `envelope.truncated`, `limit.manifest-bytes`, `io.read`, and as [`Manifest::decode`].
pub fn read_head(source: &dyn ReadAt, size: u64, limits: &Limits, header_only: bool) -> Result<Head> {
    let truncated = |expected: u64| {
        let message = format!("the file ends after {size} bytes: expected at least {expected}");
        Error::new(code::ENVELOPE_TRUNCATED, message).with_offset(size)
    };
    if size < HEAD_LEN {
        return Err(truncated(HEAD_LEN));
    }
    let mut declared_len = [0; 4];
    read(source, &mut declared_len, MAGIC_LEN as u64)?;
    let len = u64::from(u32::from_be_bytes(declared_len));
    let most = u64::from(MANIFEST_MAX).min(limits.manifest_bytes);
    if len > most {
        let message = format!("a manifest of {len} bytes exceeds the limit manifest-bytes of {most}");
        return Err(Error::new(code::LIMIT_MANIFEST_BYTES, message).with_offset(MAGIC_LEN as u64));
    }
    let payload_at = HEAD_LEN + len;
    if payload_at > size {
        return Err(truncated(payload_at));
    }
    let manifest = if header_only {
        Manifest::decode_header(&without_descriptors(source, payload_at)?, limits)
    } else {
        // No more than the file has.
        let mut bytes = vec![0; len as usize];
        read(source, &mut bytes, HEAD_LEN)?;
        Manifest::decode(bytes, limits)
    };
    Ok(Head { manifest: manifest.map_err(|e| e.with_offset(HEAD_LEN))?, payload_at })
}

/// The fields of the manifest that ends at `end`, but for the descriptors, which are not read.
fn without_descriptors(source: &dyn ReadAt, end: u64) -> Result<Vec<u8>> {
    let mut fields = Vec::new();
    let mut window = Vec::new();
    let (mut window_at, mut at) = (HEAD_LEN, HEAD_LEN);
    while at < end {
        // The longest key and length take ten bytes each.
        let whole = window_at + window.len() as u64 == end;
        if window.is_empty() || (window_at + (window.len() as u64)) < at + 20 && !whole {
            window_at = at;
            window.resize(WINDOW.min(end - at) as usize, 0);
            read(source, &mut window, at)?;
        }
        let start = &window[(at - window_at) as usize..];
        let mut rest = start;
        let fault = |fault| Error::new(code::C1Z_MANIFEST, format!("the manifest does not decode: {fault}"));
        let (number, wire_type) = wire::key(&mut rest).map_err(fault)?;
        let value_len = match wire_type {
            WireType::Varint => {
                wire::varint(&mut rest).map_err(fault)?;
                0
            }
            WireType::Fixed64 => 8,
            WireType::Fixed32 => 4,
            WireType::Bytes => wire::varint(&mut rest).map_err(fault)?,
            // No field of the manifest is a group; one that is unknown is passed over with all that follows.
            WireType::StartGroup | WireType::EndGroup => {
                let from = fields.len();
                fields.resize(from + (end - at) as usize, 0);
                read(source, &mut fields[from..], at)?;
                return Ok(fields);
            }
        };
        let key_len = (start.len() - rest.len()) as u64;
        let next = at.checked_add(key_len).and_then(|at| at.checked_add(value_len)).filter(|next| *next <= end);
        let Some(next) = next else { return Err(fault(wire::Fault::Truncated)) };
        if number != super::manifest::DESCRIPTORS {
            let from = fields.len();
            fields.extend_from_slice(&start[..start.len().min((next - at) as usize)]);
            let have = (fields.len() - from) as u64;
            if have < next - at {
                fields.resize(from + (next - at) as usize, 0);
                read(source, &mut fields[from + have as usize..], at + have)?;
            }
        }
        if next > window_at + window.len() as u64 {
            window.clear();
        }
        at = next;
    }
    Ok(fields)
}

fn read(source: &dyn ReadAt, bytes: &mut [u8], at: u64) -> Result<()> {
    source.read_exact_at(bytes, at).map_err(|e| Error::io(code::IO_READ, "reading the archive", e).with_offset(at))
}
