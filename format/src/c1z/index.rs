//! The index of an indexed payload (C1Z.md, "Indexed payload").

use std::collections::HashSet;

use super::checksum;
use crate::digest::Digest;
use crate::error::{Error, Result, code};
use crate::io::ReadAt;
use crate::limits::Limits;
use crate::path::EntryPath;
use crate::schema::wire::{self, Raw};

/// What the file ends with.
pub const FOOTER_MAGIC: [u8; 8] = *b"C1ZIDX1\0";
/// The length of the footer.
pub const FOOTER_LEN: u64 = 28;
/// The most bytes of an index, and of all paths in a tar: 64 MiB.
pub const INDEX_MAX: u64 = 64 << 20;

/// A file of an indexed payload, as its index describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FramePlace {
    /// Its path.
    pub path: EntryPath,
    /// Where its frame begins.
    pub offset: u64,
    /// How many bytes the frame has.
    pub stored: u64,
    /// How many bytes it decodes to.
    pub raw: u64,
    /// The checksum of these.
    pub checksum: u64,
    /// Their SHA-256.
    pub digest: Digest,
}

/// An index that was found consistent.
#[derive(Debug)]
pub struct Index {
    /// The files, in the order of the index.
    pub files: Vec<FramePlace>,
    /// Bytes of all contents.
    pub raw: u64,
    /// Whether the index says which manifest it belongs to.
    pub has_manifest_checksum: bool,
}

/// Reads the index of a file of `size` bytes whose payload begins at `payload_at`, and holds it against the file and its
/// manifest.
///
/// # Errors
/// `envelope.truncated`, `c1z.index`, `c1z.index-checksum`, `c1z.manifest-checksum`, `path.*`, `limit.*`, `io.read`.
pub fn read_index(source: &dyn ReadAt, size: u64, payload_at: u64, manifest: &[u8], limits: &Limits) -> Result<Index> {
    let truncated = |what: &str| {
        let message = format!(
            "{what}: expected the file to end in the footer of its index; it was cut short, or something was added to it"
        );
        Error::new(code::ENVELOPE_TRUNCATED, message).with_offset(size)
    };
    let Some(footer_at) = size.checked_sub(FOOTER_LEN).filter(|at| *at >= payload_at) else {
        return Err(truncated("the file ends before the payload does"));
    };
    let mut footer = [0; FOOTER_LEN as usize];
    read(source, &mut footer, footer_at)?;
    if footer[20..] != FOOTER_MAGIC {
        return Err(truncated("the file does not end in C1ZIDX1"));
    }
    let at = u64::from_be_bytes(footer[..8].try_into().expect("eight bytes"));
    let len = u64::from(u32::from_be_bytes(footer[8..12].try_into().expect("four bytes")));
    let stated = u64::from_be_bytes(footer[12..20].try_into().expect("eight bytes"));
    if at < payload_at || at.checked_add(len) != Some(footer_at) {
        let message = format!(
            "the footer states an index of {len} bytes at {at}: expected it to lie after {payload_at} and to end at {footer_at}"
        );
        return Err(Error::new(code::C1Z_INDEX, message).with_offset(footer_at));
    }
    let most = INDEX_MAX.min(limits.index_bytes);
    if len > most {
        let bound = if most == INDEX_MAX { "the format's" } else { "the limit index-bytes of" };
        let message = format!("an index of {len} bytes exceeds {bound} {most}");
        return Err(Error::new(code::LIMIT_INDEX_BYTES, message).with_offset(at));
    }
    let mut bytes = vec![0; len as usize];
    read(source, &mut bytes, at)?;
    let found = checksum(&bytes);
    if found != stated {
        let message =
            format!("the checksum of the index: expected {stated:016x}, found {found:016x}; the file is damaged");
        return Err(Error::new(code::C1Z_INDEX_CHECKSUM, message).with_offset(at));
    }
    parse(&bytes, payload_at, at, manifest, limits).map_err(|e| e.with_offset(at))
}

fn parse(bytes: &[u8], payload_at: u64, index_at: u64, manifest: &[u8], limits: &Limits) -> Result<Index> {
    let mut files = Vec::new();
    let (mut raw_total, mut stored_total, mut manifest_checksum) = (0, 0, 0);
    for field in wire::fields(bytes) {
        let field = field.map_err(malformed)?;
        match (field.number, field.value) {
            (1, Raw::Bytes(entry)) => {
                if files.len() as u64 >= limits.entries {
                    let message = format!("the index has more files than the limit entries of {}", limits.entries);
                    return Err(Error::new(code::LIMIT_ENTRIES, message));
                }
                files.push(place(entry, limits)?);
            }
            (2, Raw::Varint(total)) => raw_total = total,
            (3, Raw::Varint(total)) => stored_total = total,
            (4, Raw::Other) => manifest_checksum = fixed64(&field)?,
            (1..=4, _) => return Err(fault("a field of another wire type than it must have")),
            _ => {}
        }
    }
    check_cover(&files, payload_at, index_at)?;
    check_paths(&files)?;
    // Sums are exact: frames cover the file without overlap, and a size is less than 2^63.
    let stored: u64 = files.iter().map(|file| file.stored).sum();
    let raw = files.iter().try_fold(0u64, |sum, file| sum.checked_add(file.raw));
    if stored != stored_total || raw != Some(raw_total) {
        let message = format!(
            "totals of {stored_total} stored and {raw_total} decoded bytes: expected {stored} and {}, as the files add up",
            raw.map_or("more than there can be".to_owned(), |raw| raw.to_string())
        );
        return Err(fault(message));
    }
    if manifest_checksum != 0 {
        let found = checksum(manifest);
        if found != manifest_checksum {
            let message = format!(
                "the checksum of the manifest: expected {manifest_checksum:016x}, found {found:016x}; manifest or index is damaged, or of another file"
            );
            return Err(Error::new(code::C1Z_MANIFEST_CHECKSUM, message));
        }
    }
    Ok(Index { files, raw: raw_total, has_manifest_checksum: manifest_checksum != 0 })
}

/// One entry of the index.
fn place(entry: &[u8], limits: &Limits) -> Result<FramePlace> {
    let (mut name, mut offset, mut stored, mut raw, mut checksum, mut digest) = (&[][..], 0, 0, 0, 0, &[][..]);
    for field in wire::fields(entry) {
        let field = field.map_err(malformed)?;
        match (field.number, field.value) {
            (1, Raw::Bytes(bytes)) => name = bytes,
            (2, Raw::Varint(value)) => offset = value,
            (3, Raw::Varint(value)) => stored = value,
            (4, Raw::Varint(value)) => raw = value,
            (5, Raw::Other) => checksum = fixed64(&field)?,
            (6, Raw::Bytes(bytes)) => digest = bytes,
            (1..=6, _) => return Err(fault("a field of another wire type than it must have")),
            _ => {}
        }
    }
    let shown = String::from_utf8_lossy(name);
    let name = std::str::from_utf8(name)
        .map_err(|_| Error::new(code::PATH_INVALID, "a name that is not UTF-8").with_entry(shown.clone()))?;
    let path = EntryPath::with_limits(name, limits)?;
    let wrong = |what: String| fault(what).with_entry(path.as_str());
    // int64: what is negative is 2^63 or more here.
    if stored == 0 || stored > i64::MAX as u64 {
        return Err(wrong(format!("a stored size of {}: expected more than 0", stored as i64)));
    }
    if raw > i64::MAX as u64 || offset > i64::MAX as u64 {
        return Err(wrong(format!("a size of {} at offset {}: expected neither below 0", raw as i64, offset as i64)));
    }
    let digest: [u8; 32] =
        digest.try_into().map_err(|_| wrong(format!("a SHA-256 of {} bytes: expected 32", digest.len())))?;
    Ok(FramePlace { path, offset, stored, raw, checksum, digest: Digest(digest) })
}

/// Checks that the frames cover the payload up to the index: no gap, no overlap, nothing outside.
fn check_cover(files: &[FramePlace], payload_at: u64, index_at: u64) -> Result<()> {
    let mut order: Vec<&FramePlace> = files.iter().collect();
    order.sort_by_key(|file| file.offset);
    let mut at = payload_at;
    for file in order {
        if file.offset != at {
            let what = if file.offset < at { "overlaps what is before it" } else { "leaves a gap before it" };
            let message = format!("a frame at {} {what}: expected it at {at}", file.offset);
            return Err(fault(message).with_entry(file.path.as_str()));
        }
        at = at.checked_add(file.stored).filter(|end| *end <= index_at).ok_or_else(|| {
            fault(format!("a frame of {} bytes at {at} runs past the payload's end at {index_at}", file.stored))
                .with_entry(file.path.as_str())
        })?;
    }
    if at != index_at {
        let message = format!("the frames end at {at}: expected {index_at}, where the index begins");
        return Err(fault(message));
    }
    Ok(())
}

fn check_paths(files: &[FramePlace]) -> Result<()> {
    let mut paths = HashSet::with_capacity(files.len());
    for file in files {
        if !paths.insert(file.path.as_str()) {
            let message = "two files have this path: expected it once";
            return Err(Error::new(code::PATH_DUPLICATE, message).with_entry(file.path.as_str()));
        }
    }
    for file in files {
        if let Some(parent) = file.path.ancestors().find(|parent| paths.contains(parent)) {
            let message = format!("a file below {parent:?}, which is a file itself");
            return Err(Error::new(code::PATH_PARENT, message).with_entry(file.path.as_str()));
        }
    }
    Ok(())
}

fn fixed64(field: &wire::Field<'_>) -> Result<u64> {
    // Its key takes one byte; 1 is the wire type of eight bytes.
    match field.whole.split_first() {
        Some((key, value)) if key & 7 == 1 && value.len() == 8 => {
            Ok(u64::from_le_bytes(value.try_into().expect("eight bytes")))
        }
        _ => Err(fault("a field of another wire type than it must have")),
    }
}

fn fault(what: impl std::fmt::Display) -> Error {
    Error::new(code::C1Z_INDEX, format!("the index: {what}"))
}

fn malformed(found: wire::Fault) -> Error {
    fault(format_args!("it does not decode: {found}"))
}

fn read(source: &dyn ReadAt, bytes: &mut [u8], at: u64) -> Result<()> {
    source.read_exact_at(bytes, at).map_err(|e| Error::io(code::IO_READ, "reading the archive", e).with_offset(at))
}
