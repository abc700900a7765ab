//! Sections: skippable frames with a kind and a digest (FORMAT.md, "Sections").

use super::u32_at;
use crate::digest::Digest;
use crate::error::{Error, Result, code};

/// The magic number of the header and of every section, as stored.
pub const MAGIC: [u8; 4] = [0x5A, 0x2A, 0x4D, 0x18];
/// The length of what precedes a section's body.
pub const HEAD_LEN: usize = 48;
/// The part of the head that the frame's own length counts.
const COUNTED: u32 = 40;

/// The kind of a section: four ASCII letters.
pub type Kind = [u8; 4];
/// The manifest.
pub const MANI: Kind = *b"MANI";
/// A Schema declared late.
pub const SCHM: Kind = *b"SCHM";
/// A page of the entry table.
pub const ENTR: Kind = *b"ENTR";
/// The index.
pub const INDX: Kind = *b"INDX";

/// The head of a section, checked for its form only.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// What the section holds.
    pub kind: Kind,
    /// The length of the body, which is not checked against anything yet.
    pub declared_len: u32,
    /// What the body's digest has to be.
    pub digest: Digest,
}

/// A whole section around `body`.
///
/// # Panics
/// When `body` is 4 GiB or longer; the limits on each kind are far below.
pub fn encode(kind: Kind, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).ok().and_then(|len| len.checked_add(COUNTED)).expect("a body below 4 GiB");
    let mut frame = Vec::with_capacity(HEAD_LEN + body.len());
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&len.to_le_bytes());
    frame.extend_from_slice(&kind);
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&Digest::of(body).0);
    frame.extend_from_slice(body);
    frame
}

/// Reads the head of the section that begins `frame`, at `offset` in the archive.
///
/// # Errors
/// `section.head`.
pub fn parse_head(frame: &[u8], offset: u64) -> Result<Head> {
    let fault = |what: String| Err(Error::new(code::SECTION_HEAD, what).with_offset(offset));
    let Some(head) = frame.get(..HEAD_LEN) else {
        return fault(format!("a section of {} bytes: expected at least {HEAD_LEN}", frame.len()));
    };
    if head[..4] != MAGIC {
        return fault(format!("expected the magic number {MAGIC:02x?} of a section, found {:02x?}", &head[..4]));
    }
    let counted = u32_at(head, 4);
    let Some(declared_len) = counted.checked_sub(COUNTED) else {
        return fault(format!("a section's length of {counted}: expected at least {COUNTED}"));
    };
    let kind: Kind = head[8..12].try_into().expect("four bytes");
    if !kind.iter().all(u8::is_ascii_alphabetic) {
        return fault(format!("a section's kind of {kind:02x?}: expected four ASCII letters"));
    }
    if head[12..16] != [0; 4] {
        return fault(format!("reserved bytes of a section: expected zeros, found {:02x?}", &head[12..16]));
    }
    Ok(Head { kind, declared_len, digest: Digest::from_slice(&head[16..48]).expect("32 bytes") })
}

/// The length of the body that the head of a section states, whatever else is wrong with it.
pub fn stated_len(head: &[u8]) -> Option<u32> {
    let counted = head.get(..8).filter(|head| head[..4] == MAGIC).map(|head| u32_at(head, 4))?;
    counted.checked_sub(COUNTED)
}

/// The body of `frame`, a whole section that has to be of `kind`, once its digest was found right.
///
/// # Errors
/// `section.head`, `section.misplaced`, `section.unknown-kind`, `section.digest` (`index.digest` for an index).
pub fn open(frame: &[u8], kind: Kind, offset: u64) -> Result<&[u8]> {
    let head = parse_head(frame, offset)?;
    if head.declared_len as usize != frame.len() - HEAD_LEN {
        return Err(Error::new(
            code::SECTION_HEAD,
            format!("a section's body of {} bytes: expected {}", head.declared_len, frame.len() - HEAD_LEN),
        )
        .with_offset(offset));
    }
    if head.kind != kind {
        return Err(unexpected(head.kind, offset));
    }
    let body = &frame[HEAD_LEN..];
    let found = Digest::of(body);
    if found != head.digest {
        let code = if kind == INDX { code::INDEX_DIGEST } else { code::SECTION_DIGEST };
        let kind = String::from_utf8_lossy(&kind);
        return Err(Error::new(
            code,
            format!("the digest of section {kind}: expected {}, found {found}; the archive is damaged", head.digest),
        )
        .with_offset(offset));
    }
    Ok(body)
}

/// The error for a section of kind `found` where none of that kind may stand.
pub fn unexpected(found: Kind, offset: u64) -> Error {
    let known = [MANI, SCHM, ENTR, INDX].contains(&found) || found[0].is_ascii_lowercase();
    let code = if known { code::SECTION_MISPLACED } else { code::SECTION_UNKNOWN_KIND };
    let found = String::from_utf8_lossy(&found);
    Error::new(code, format!("a section {found} stands where no such section is expected")).with_offset(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let frame = encode(MANI, b"body");
        assert_eq!(frame.len(), HEAD_LEN + 4);
        assert_eq!(open(&frame, MANI, 0).unwrap(), b"body");
        assert_eq!(open(&frame, INDX, 0).unwrap_err().code(), "section.misplaced");
        assert_eq!(open(&encode(*b"NEWS", b""), INDX, 0).unwrap_err().code(), "section.unknown-kind");
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let whole = encode(ENTR, b"abc");
        for bit in 0..whole.len() * 8 {
            let mut frame = whole.clone();
            frame[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&frame, ENTR, 0).is_err(), "bit {bit}");
        }
        for len in 0..whole.len() {
            assert!(open(&whole[..len], ENTR, 0).is_err(), "length {len}");
        }
    }
}
