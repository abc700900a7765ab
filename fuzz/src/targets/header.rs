//! Tar headers: what is parsed is encoded to the same bytes, what is encoded is parsed to the same entry, and the `tar`
//! crate sees the same in it.

use rosettar::internals::{Parsed, member_header, parse_header};
use rosettar::path::LinkTarget;
use rosettar::{Digest, Entry, EntryKind, EntryPath, Mtime};

use super::input::Input;
use super::{MEMORY, limits};
use crate::memory;

const BLOCK: usize = 512;

/// Runs the target: an odd first byte is followed by what an entry is made of, an even one by header blocks.
pub fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    memory::within(MEMORY, || match first % 2 {
        0 => parsed(with_checksums(rest)),
        _ => made(Input(rest)),
    });
}

fn parsed(mut bytes: Vec<u8>) {
    match parse_header(&bytes, &limits()) {
        Ok(Parsed::Member { entry, len }) => {
            bytes.truncate(len);
            assert!(member_header(&entry) == bytes, "{entry:?}: another header than {bytes:?}");
            as_others_see(&entry, bytes);
        }
        Ok(Parsed::Needs(more)) => assert!(more > bytes.len(), "{more} bytes of {} are asked for", bytes.len()),
        Ok(Parsed::End) => assert!(bytes[..BLOCK].iter().all(|byte| *byte == 0)),
        Err(_) => {}
    }
}

fn made(input: Input<'_>) {
    let Some(entry) = entry(input) else { return };
    let header = member_header(&entry);
    match parse_header(&header, &limits()) {
        Ok(Parsed::Member { entry: found, len }) => assert_eq!((found, len), (entry.clone(), header.len())),
        // What can be written has limits that need not be those of reading.
        Err(error) => assert!(matches!(error.kind(), rosettar::ErrorKind::Limit), "{entry:?}: {error}"),
        Ok(_) => panic!("{entry:?}: {header:?} is no header"),
    }
    as_others_see(&entry, header);
}

/// The header blocks of the entry that an input says what it is made of, for a seed; none where it is not acceptable.
pub fn blocks(data: &[u8]) -> Vec<u8> {
    entry(Input(data.get(1..).unwrap_or_default())).map_or_else(Vec::new, |entry| member_header(&entry))
}

fn entry(mut input: Input<'_>) -> Option<Entry> {
    let (kind, mode, mtime, size) = (input.byte(), input.number(), input.number(), input.number());
    let path = EntryPath::with_limits(input.text(), &limits()).ok()?;
    let (mode, mtime) = ((mode & 0o777) as u16, Mtime::from_seconds(mtime as i64));
    Some(match kind % 3 {
        0 => Entry::file(path, mode, mtime, size, Digest::ZERO),
        1 => Entry::directory(path, mode, mtime),
        _ => Entry::symlink(path, mtime, LinkTarget::with_limits(input.text(), &limits()).ok()?),
    })
}

/// The `tar` crate reads the same path, kind, size and target. It adds sizes up in 64 bits.
fn as_others_see(entry: &Entry, mut header: Vec<u8>) {
    if entry.size > u64::MAX >> 1 {
        return;
    }
    header.resize(header.len() + 2 * BLOCK, 0);
    let mut archive = tar::Archive::new(&header[..]);
    let mut entries = archive.entries().expect("a source in memory");
    let found = entries.next().expect("a member").expect("a header that the tar crate reads");
    let slash = if entry.kind == EntryKind::Directory { "/" } else { "" };
    assert_eq!(found.path_bytes(), format!("{}{slash}", entry.path).as_bytes());
    assert_eq!(found.size(), entry.size);
    assert_eq!(found.header().entry_type().is_dir(), entry.kind == EntryKind::Directory);
    assert_eq!(found.header().mode().ok(), Some(u32::from(entry.mode)));
    assert_eq!(found.link_name_bytes().as_deref(), entry.target.as_ref().map(|target| target.as_str().as_bytes()));
}

/// The blocks with the checksums they need: of the first, and where that is a PAX header, of the one after its records.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut next = Some(0);
    while let Some(at) = next.take() {
        let Some(block) = bytes.get_mut(at..at + BLOCK) else { break };
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let octal = std::str::from_utf8(&block[124..135]).ok().and_then(|text| usize::from_str_radix(text, 8).ok());
        if at == 0 && block[156] == b'x' {
            next = octal.and_then(|len| len.checked_next_multiple_of(BLOCK)).map(|len| len.saturating_add(BLOCK));
        }
    }
    bytes
}
