//! The first 29 bytes of an archive (FORMAT.md, "The first 29 bytes").

use crate::error::{Error, Result, code};

/// What every Rosettar archive of any version begins with: an empty zstd frame, then the head of a skippable frame.
pub const MAGIC: [u8; 25] = *b"\x28\xB5\x2F\xFD\x20\x00\x01\x00\x00\x5A\x2A\x4D\x18\x0C\x00\x00\x00ROSETTAR";
/// The stored size of the empty frame.
pub const EMPTY_FRAME_LEN: u32 = 9;
/// The stored size of the header.
pub const HEADER_LEN: u32 = 20;
/// The length of both together.
pub const LEN: usize = (EMPTY_FRAME_LEN + HEADER_LEN) as usize;

/// The first 29 bytes for a version.
pub fn encode(major: u8, minor: u8) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
    bytes[MAGIC.len()] = major;
    bytes[MAGIC.len() + 1] = minor;
    bytes
}

/// Whether `head`, the beginning of a file, is that of a Rosettar archive of any version, as far as it goes.
pub fn is_magic(head: &[u8]) -> bool {
    let len = head.len().min(MAGIC.len());
    head[..len] == MAGIC[..len]
}

/// The major and minor version in `head`, the beginning of a file.
///
/// # Errors
/// `envelope.unknown-magic`, `envelope.truncated`.
pub fn parse_version(head: &[u8]) -> Result<(u8, u8)> {
    if !is_magic(head) {
        let shown = &head[..head.len().min(8)];
        return Err(Error::new(
            code::ENVELOPE_UNKNOWN_MAGIC,
            format!("not an archive of a known format: its first bytes are {shown:02x?}"),
        )
        .with_offset(0));
    }
    match head.get(MAGIC.len()..LEN) {
        Some(rest) => Ok((rest[0], rest[1])),
        None => Err(Error::new(
            code::ENVELOPE_TRUNCATED,
            format!("the file ends after {} bytes: expected at least the {LEN} bytes of the header", head.len()),
        )
        .with_offset(head.len() as u64)),
    }
}

/// Checks the bytes that version 1 reserves.
///
/// # Errors
/// `envelope.reserved`.
pub fn check_reserved(head: &[u8; LEN]) -> Result<()> {
    if head[LEN - 2..] != [0, 0] {
        return Err(Error::new(
            code::ENVELOPE_RESERVED,
            format!("reserved bytes of the header: expected 00 00, found {:02x?}", &head[LEN - 2..]),
        )
        .with_offset(LEN as u64 - 2));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These bytes are promised to every reader of every version; a change here is a broken promise.
    #[test]
    fn the_first_bytes_are_pinned_for_ever() {
        let expected = [
            0x28, 0xB5, 0x2F, 0xFD, 0x20, 0x00, 0x01, 0x00, 0x00, 0x5A, 0x2A, 0x4D, 0x18, 0x0C, 0x00, 0x00, 0x00, 0x52,
            0x4F, 0x53, 0x45, 0x54, 0x54, 0x41, 0x52, 0x01, 0x00, 0x00, 0x00,
        ];
        assert_eq!(encode(1, 0), expected);
        assert_eq!(parse_version(&expected).unwrap(), (1, 0));
    }

    #[test]
    fn short_and_strange_beginnings() {
        let whole = encode(1, 0);
        for len in 0..LEN {
            assert_eq!(parse_version(&whole[..len]).unwrap_err().code(), "envelope.truncated", "{len}");
        }
        assert_eq!(parse_version(b"x").unwrap_err().code(), "envelope.unknown-magic");
        assert_eq!(parse_version(&whole.map(|b| b ^ 1)).unwrap_err().code(), "envelope.unknown-magic");
    }
}
