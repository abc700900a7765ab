//! C1Z files from parts, sealed. The first byte of an input says what follows: a file as it is, a database for version 1,
//! or a manifest (its length in two bytes before it) for version 3 and after it a tar or, one after the other, files, each
//! a name and a content with lengths before them, in one byte and two.

use prost::Message;
use sha2::{Digest, Sha256};
use twox_hash::XxHash64;

use super::{compressed, decompressed, field, varint};

const RAW: u8 = 0;
const DATABASE: u8 = 1;
const TAR_ZSTD: u8 = 2;
const TAR: u8 = 3;
const INDEXED: u8 = 4;
const TAGS: u8 = 5;

const V1: &[u8; 5] = b"C1ZF\0";
const V3: &[u8; 5] = b"C1Z3\0";
const FOOTER: &[u8; 8] = b"C1ZIDX1\0";
const FOOTER_LEN: usize = 28;
/// The field of the manifest that says how the payload is encoded.
const ENCODING: u64 = 4;

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(bytes = "vec", tag = "1")]
    name: Vec<u8>,
    #[prost(int64, tag = "2")]
    offset: i64,
    #[prost(int64, tag = "3")]
    stored: i64,
    #[prost(int64, tag = "4")]
    raw: i64,
    #[prost(fixed64, tag = "5")]
    checksum: u64,
    #[prost(bytes = "vec", tag = "6")]
    sha256: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Index {
    #[prost(message, repeated, tag = "1")]
    files: Vec<File>,
    #[prost(int64, tag = "2")]
    raw: i64,
    #[prost(int64, tag = "3")]
    stored: i64,
    #[prost(fixed64, tag = "4")]
    manifest: u64,
}

fn checksum(bytes: &[u8]) -> u64 {
    XxHash64::oneshot(0, bytes)
}

/// Takes `len` bytes, or what there is.
fn take<'a>(rest: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(len.min(rest.len()));
    *rest = left;
    taken
}

/// Takes a length of `width` bytes, little-endian, and as many bytes.
fn take_counted<'a>(rest: &mut &'a [u8], width: usize) -> &'a [u8] {
    let len = take(rest, width).iter().rev().fold(0, |len, byte| len << 8 | usize::from(*byte));
    take(rest, len)
}

/// A file of the parts.
pub fn seal(data: &[u8]) -> Vec<u8> {
    let Some((tag, mut rest)) = data.split_first() else { return Vec::new() };
    let tag = tag % TAGS;
    match tag {
        RAW => return rest.to_vec(),
        DATABASE => return [&V1[..], &compressed(rest)].concat(),
        _ => {}
    }
    let manifest = take_counted(&mut rest, 2);
    let mut out = [&V3[..], &(manifest.len() as u32).to_be_bytes(), manifest].concat();
    match tag {
        TAR_ZSTD => out.extend_from_slice(&compressed(rest)),
        TAR => out.extend_from_slice(rest),
        _ => indexed(&mut out, manifest, rest),
    }
    out
}

fn indexed(out: &mut Vec<u8>, manifest: &[u8], mut rest: &[u8]) {
    let mut index = Index { manifest: checksum(manifest), ..Index::default() };
    while !rest.is_empty() {
        let (name, content) = (take_counted(&mut rest, 1), take_counted(&mut rest, 2));
        let frame = compressed(content);
        index.raw += content.len() as i64;
        index.stored += frame.len() as i64;
        index.files.push(File {
            name: name.to_vec(),
            offset: out.len() as i64,
            stored: frame.len() as i64,
            raw: content.len() as i64,
            checksum: checksum(content),
            sha256: Sha256::digest(content).to_vec(),
        });
        out.extend_from_slice(&frame);
    }
    let (at, bytes) = (out.len() as u64, index.encode_to_vec());
    out.extend_from_slice(&bytes);
    out.extend_from_slice(&at.to_be_bytes());
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(&checksum(&bytes).to_be_bytes());
    out.extend_from_slice(FOOTER);
}

/// The parts of a file, for a seed: itself where it is broken.
pub fn unseal(file: &[u8]) -> Vec<u8> {
    parts(file).unwrap_or_else(|| [&[RAW], file].concat())
}

fn parts(file: &[u8]) -> Option<Vec<u8>> {
    if let Some(frame) = file.strip_prefix(V1) {
        return Some([&[DATABASE][..], &decompressed(frame)?].concat());
    }
    let mut rest = file.strip_prefix(V3)?;
    let len = u32::from_be_bytes(*rest.first_chunk()?) as usize;
    rest = &rest[4..];
    let (manifest, payload) = rest.split_at_checked(len).filter(|_| len <= usize::from(u16::MAX))?;
    let (tag, body) = match encoding(manifest)? {
        1 => (TAR_ZSTD, decompressed(payload)?),
        2 => (TAR, payload.to_vec()),
        5 => (INDEXED, files(file)?),
        _ => return None,
    };
    Some([&[tag][..], &(len as u16).to_le_bytes(), manifest, &body].concat())
}

fn encoding(manifest: &[u8]) -> Option<u64> {
    let (mut at, mut found) = (0, None);
    while at < manifest.len() {
        let (end, number) = field(manifest, at)?;
        if number == ENCODING {
            let mut value_at = at + 1;
            found = varint(manifest, &mut value_at);
        }
        at = end;
    }
    found
}

fn files(file: &[u8]) -> Option<Vec<u8>> {
    let footer = file.get(file.len().checked_sub(FOOTER_LEN)?..)?;
    let at = u64::from_be_bytes(*footer.first_chunk()?) as usize;
    let index = Index::decode(file.get(at..file.len() - FOOTER_LEN)?).ok()?;
    let mut out = Vec::new();
    for entry in index.files {
        let (from, len) = (usize::try_from(entry.offset).ok()?, usize::try_from(entry.stored).ok()?);
        let content = decompressed(file.get(from..from.checked_add(len)?)?)?;
        out.push(u8::try_from(entry.name.len()).ok()?);
        out.extend_from_slice(&entry.name);
        out.extend_from_slice(&u16::try_from(content.len()).ok()?.to_le_bytes());
        out.extend_from_slice(&content);
    }
    Some(out)
}
