//! Archives from parts, sealed: so that a mutation reaches what checksums guard.
//!
//! The input of a target is a list of parts, each a tag, a length of three bytes (little-endian) and a body. A payload frame
//! stands as what it decodes to, a section as its kind and body, a page as what it decodes to. Sealing compresses, digests,
//! and puts into the index and the seek table what the frames before them really are.

pub mod c1z;

use std::cell::RefCell;

use prost::Message;
use sha2::{Digest, Sha256};
use zstd::bulk::Compressor;

/// A frame as it is.
const RAW: u8 = 0;
/// What a payload frame decodes to.
const PAYLOAD: u8 = 1;
/// A section: its kind, four bytes, and its body.
const SECTION: u8 = 2;
/// What the body of a section "ENTR" decodes to.
const PAGE: u8 = 3;
/// A `rosettar.v1.Index`, of which the frames and the digest of the manifest are replaced.
const INDEX: u8 = 4;
/// The seek table, which has no body.
const SEEK_TABLE: u8 = 5;
const TAGS: u8 = 6;

const SKIPPABLE: [u8; 4] = [0x5a, 0x2a, 0x4d, 0x18];
const TABLE: [u8; 4] = [0x5e, 0x2a, 0x4d, 0x18];
const TABLE_END: [u8; 4] = [0xb1, 0xea, 0x92, 0x8f];
const HEAD: usize = 48;
const MOST_DECODED: usize = 8 << 20;

#[derive(Clone, PartialEq, Message)]
struct Frames {
    #[prost(uint32, repeated, tag = "1")]
    stored_sizes: Vec<u32>,
    #[prost(uint32, repeated, tag = "2")]
    decoded_sizes: Vec<u32>,
    #[prost(bytes = "vec", tag = "3")]
    digests: Vec<u8>,
}

/// The fields of `rosettar.v1.Index` that are replaced; a message may come in parts.
#[derive(Clone, PartialEq, Message)]
struct IndexPatch {
    #[prost(bytes = "vec", tag = "1")]
    manifest_digest: Vec<u8>,
    #[prost(message, optional, tag = "10")]
    frames: Option<Frames>,
}

/// The parts of an input; what is left over at its end is one that is cut short.
fn parts(mut data: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let [tag, a, b, c, rest @ ..] = data {
        let len = usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16;
        let (body, left) = rest.split_at(len.min(rest.len()));
        found.push((tag % TAGS, body));
        data = left;
    }
    found
}

fn put(out: &mut Vec<u8>, tag: u8, body: &[u8]) {
    out.push(tag);
    out.extend_from_slice(&(body.len() as u32).to_le_bytes()[..3]);
    out.extend_from_slice(body);
}

/// An archive of the parts.
pub fn seal(data: &[u8]) -> Vec<u8> {
    let mut archive = Archive::default();
    for (tag, body) in parts(data) {
        match tag {
            // The first 29 bytes are two frames.
            RAW if archive.bytes.is_empty() && body.len() == 29 => {
                archive.frame(&body[..9], 0);
                archive.frame(&body[9..], 0);
            }
            RAW => archive.frame(body, 0),
            PAYLOAD if !body.is_empty() && body.len() <= MOST_DECODED => archive.frame(&compressed(body), body.len()),
            PAYLOAD => {}
            SECTION => {
                let (kind, body) = body.split_at(body.len().min(4));
                archive.section(kind, body);
            }
            PAGE => archive.section(b"ENTR", &compressed(body)),
            INDEX => archive.index(body),
            _ => archive.seek_table(),
        }
    }
    archive.bytes
}

/// An archive whose payload is `tar`, whatever that is; everything else is that of `archive`.
pub fn around(archive: &[u8], tar: &[u8]) -> Vec<u8> {
    let (mut out, mut is_in) = (Vec::new(), false);
    for (tag, body) in parts(&unseal(archive)) {
        match tag {
            PAYLOAD if !is_in => {
                tar.chunks(1 << 20).for_each(|chunk| put(&mut out, PAYLOAD, chunk));
                is_in = true;
            }
            PAYLOAD => {}
            _ => put(&mut out, tag, body),
        }
    }
    seal(&out)
}

/// The parts of an archive, as far as its frames can be told apart: for a seed.
pub fn unseal(archive: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = archive;
    if let Some((first, after)) =
        rest.split_at_checked(29).filter(|(first, _)| first.starts_with(b"\x28\xb5\x2f\xfd\x20\x00"))
    {
        put(&mut out, RAW, first);
        rest = after;
    }
    while !rest.is_empty() {
        let len = match zstd::zstd_safe::find_frame_compressed_size(rest) {
            Ok(len) if len > 0 && len <= rest.len() => len,
            _ => rest.len(),
        };
        let (frame, after) = rest.split_at(len);
        rest = after;
        let body = frame.get(HEAD..).unwrap_or_default();
        match frame.get(..12) {
            Some(head) if head[..4] == SKIPPABLE && &head[8..] == b"INDX" => put(&mut out, INDEX, body),
            Some(head) if head[..4] == SKIPPABLE && &head[8..] == b"ENTR" => match decompressed(body) {
                Some(page) => put(&mut out, PAGE, &page),
                None => put(&mut out, RAW, frame),
            },
            Some(head) if head[..4] == SKIPPABLE => put(&mut out, SECTION, &[&head[8..], body].concat()),
            Some(head) if head[..4] == TABLE => put(&mut out, SEEK_TABLE, b""),
            _ => match decompressed(frame).filter(|decoded| !decoded.is_empty()) {
                Some(decoded) => put(&mut out, PAYLOAD, &decoded),
                None => put(&mut out, RAW, frame),
            },
        }
    }
    out
}

fn compressed(content: &[u8]) -> Vec<u8> {
    thread_local! {
        /// Making one takes longer than compressing what an input has.
        static COMPRESSOR: RefCell<Compressor<'static>> = RefCell::new({
            let mut compressor = Compressor::new(1).expect("level 1 is one");
            compressor.include_checksum(true).expect("zstd has checksums");
            compressor
        });
    }
    COMPRESSOR.with_borrow_mut(|compressor| compressor.compress(content)).expect("there is memory")
}

fn decompressed(frame: &[u8]) -> Option<Vec<u8>> {
    zstd::bulk::decompress(frame, MOST_DECODED).ok()
}

/// An archive under way.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    frames: Frames,
    manifest_digest: Vec<u8>,
}

impl Archive {
    fn frame(&mut self, frame: &[u8], decoded: usize) {
        self.bytes.extend_from_slice(frame);
        self.frames.stored_sizes.push(frame.len() as u32);
        self.frames.decoded_sizes.push(decoded as u32);
        self.frames.digests.extend_from_slice(&Sha256::digest(frame));
    }

    fn section(&mut self, kind: &[u8], body: &[u8]) {
        let digest = Sha256::digest(body);
        if kind == b"MANI" {
            self.manifest_digest = digest.to_vec();
        }
        let len = (body.len() + HEAD - 8) as u32;
        self.frame(&[&SKIPPABLE, &len.to_le_bytes()[..], kind, &[0; 4], &digest, body].concat(), 0);
    }

    fn index(&mut self, body: &[u8]) {
        let patch = IndexPatch { manifest_digest: self.manifest_digest.clone(), frames: Some(self.frames.clone()) };
        let kept = without(body, &[1, 10]);
        self.section(b"INDX", &[kept, patch.encode_to_vec()].concat());
    }

    fn seek_table(&mut self) {
        let rows = self.frames.stored_sizes.len() as u32;
        self.bytes.extend_from_slice(&TABLE);
        self.bytes.extend_from_slice(&(rows * 8 + 9).to_le_bytes());
        for (stored, decoded) in self.frames.stored_sizes.iter().zip(&self.frames.decoded_sizes) {
            self.bytes.extend_from_slice(&stored.to_le_bytes());
            self.bytes.extend_from_slice(&decoded.to_le_bytes());
        }
        self.bytes.extend_from_slice(&rows.to_le_bytes());
        self.bytes.push(0);
        self.bytes.extend_from_slice(&TABLE_END);
    }
}

/// A message without the length-delimited fields of these numbers; from where it is malformed on as it is.
fn without(message: &[u8], numbers: &[u64]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < message.len() {
        let Some((end, number)) = field(message, at) else {
            out.extend_from_slice(&message[at..]);
            break;
        };
        if !numbers.contains(&number) {
            out.extend_from_slice(&message[at..end]);
        }
        at = end;
    }
    out
}

/// Where the field at `at` ends, and its number.
fn field(message: &[u8], at: usize) -> Option<(usize, u64)> {
    let mut at = at;
    let key = varint(message, &mut at)?;
    let len = match key & 7 {
        0 => {
            varint(message, &mut at)?;
            0
        }
        1 => 8,
        2 => usize::try_from(varint(message, &mut at)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let end = at.checked_add(len).filter(|end| *end <= message.len())?;
    Some((end, key >> 3))
}

fn varint(message: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *message.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
