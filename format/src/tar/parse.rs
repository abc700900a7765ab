//! From header bytes to the entry, for readers that have no index yet (FORMAT.md, "Streamed" and "Recovered").
//!
//! What a header says is only a guess until the entry that was rebuilt from it was encoded again and gave the same bytes.
//! So there is one way to write each member, whoever reads it, and none of the liberties that tar readers differ in.

use super::header::{BLOCK, header_len, member_header, padding};
use crate::digest::Digest;
use crate::error::{Error, Result, code};
use crate::limits::Limits;
use crate::model::{Entry, EntryKind, Mtime};
use crate::path::{EntryPath, LinkTarget, Reserved, is_reserved};

/// What the keys, lengths and separators of all PAX records of a header take beside path and target.
const PAX_OVERHEAD: u64 = 256;

/// What stands at the place of a member.
#[derive(Debug)]
pub enum Parsed {
    /// It takes this many bytes in all to tell.
    Needs(usize),
    /// A header of `len` bytes. The digest of the entry is unknown (zeros), as are its nanoseconds (0) and, of a batch,
    /// the number of its stream and of its records.
    Member {
        /// What the header was made from.
        entry: Entry,
        /// The length of the header: the content begins after it.
        len: usize,
    },
    /// A zero block: the tar ends here.
    End,
}

/// Reads the header of the member that begins `bytes`.
///
/// # Errors
/// `tar.header` for bytes that are not the header of any entry; `path.*`, `limit.path-bytes` and the like for one whose
/// path or target breaks the rules. None has an offset, which the caller knows.
pub fn parse_header(bytes: &[u8], limits: &Limits) -> Result<Parsed> {
    let Some(first) = bytes.get(..BLOCK) else {
        return Ok(Parsed::Needs(BLOCK));
    };
    if first.iter().all(|byte| *byte == 0) {
        return Ok(Parsed::End);
    }
    let (pax, head_at) = if first[156] == b'x' {
        let len = octal(&first[124..136], "size of a PAX header")?;
        let most = limits.path_bytes.saturating_mul(2).saturating_add(PAX_OVERHEAD);
        if len > most {
            let message = format!("a PAX header of {len} bytes: expected at most {most}, for the limit path-bytes");
            return Err(Error::new(code::LIMIT_PATH_BYTES, message));
        }
        let head_at = BLOCK + (len + padding(len)) as usize;
        if bytes.len() < head_at + BLOCK {
            return Ok(Parsed::Needs(head_at + BLOCK));
        }
        (PaxRecords::parse(&bytes[BLOCK..BLOCK + len as usize])?, head_at)
    } else {
        (PaxRecords::default(), 0)
    };
    let entry = rebuild(&bytes[head_at..head_at + BLOCK], pax, limits)?;
    let len = head_at + BLOCK;
    if header_len(&entry) != len as u64 || member_header(&entry) != bytes[..len] {
        let message = "a tar header is not the one that its entry has: expected the form of FORMAT.md, \"Tar profile\"";
        return Err(Error::new(code::TAR_HEADER, message).with_entry(entry.path.as_str()));
    }
    Ok(Parsed::Member { entry, len })
}

/// The header that begins `bytes` as it has to be, by what can be read of it; for whoever is to be told where it differs.
pub fn expected_header(bytes: &[u8], limits: &Limits) -> Option<Vec<u8>> {
    let first = bytes.get(..BLOCK)?;
    let (pax, head_at) = match first[156] {
        b'x' => {
            let len = usize::try_from(octal(&first[124..136], "").ok()?).ok()?;
            let records = bytes.get(BLOCK..BLOCK.checked_add(len)?)?;
            (PaxRecords::parse(records).ok()?, len.checked_next_multiple_of(BLOCK)?.checked_add(BLOCK)?)
        }
        _ => (PaxRecords::default(), 0),
    };
    let head = bytes.get(head_at..head_at.checked_add(BLOCK)?)?;
    rebuild(head, pax, limits).ok().map(|entry| member_header(&entry))
}

/// The entry that a header block and the PAX records before it describe.
fn rebuild(head: &[u8], pax: PaxRecords, limits: &Limits) -> Result<Entry> {
    let name = match pax.path {
        Some(path) => path,
        None => text(field(&head[..100]))?,
    };
    let mode = octal(&head[100..108], "mode")?;
    let size = match pax.size {
        Some(size) => size,
        None => octal(&head[124..136], "size")?,
    };
    let seconds = match pax.mtime {
        Some(seconds) => seconds,
        None => octal(&head[136..148], "time")? as i64,
    };
    let mtime = Mtime::from_seconds(seconds);
    // One that does not fit is not the mode of any entry, and shows when the header is encoded again.
    let mode = u16::try_from(mode).unwrap_or(u16::MAX) & 0o777;
    let path = |name: &str| EntryPath::with_limits(name, limits);
    match head[156] {
        b'0' if is_reserved(&name) => {
            let path = path(&name)?;
            let kind = match Reserved::parse(&name) {
                Some(Reserved::Schema(_)) => EntryKind::Schema,
                Some(Reserved::Stream(_)) => EntryKind::Stream,
                Some(Reserved::Batch(..)) => EntryKind::Batch,
                None => return Err(reserved(&name)),
            };
            Ok(Entry::reserved(path, kind, size, Digest::ZERO))
        }
        b'0' => Ok(Entry::file(path(&name)?, mode, mtime, size, Digest::ZERO)),
        b'5' => {
            let path = path(name.strip_suffix('/').unwrap_or(&name))?;
            if is_reserved(path.as_str()) {
                return Err(reserved(&name));
            }
            Ok(Entry::directory(path, mode, mtime))
        }
        b'2' => {
            let path = path(&name)?;
            if is_reserved(path.as_str()) {
                return Err(reserved(&name));
            }
            let target = match pax.linkpath {
                Some(target) => target,
                None => text(field(&head[157..257]))?,
            };
            let target = LinkTarget::with_limits(target, limits).map_err(|e| e.with_entry(path.as_str()))?;
            Ok(Entry::symlink(path, mtime, target))
        }
        other => {
            let kind = match other {
                b'1' => "a hard link",
                b'3' | b'4' => "a device",
                b'6' => "a FIFO",
                b'g' => "a global PAX header",
                b'L' | b'K' => "a GNU long name",
                b'S' => "a GNU sparse file",
                _ => "a member of an unknown type",
            };
            let message = format!("{kind} (type {:?}): expected a file, directory or symbolic link", other as char);
            Err(Error::new(code::TAR_HEADER, message).with_entry(name))
        }
    }
}

/// The PAX records of a header, of the keys that a header may have.
#[derive(Default)]
struct PaxRecords {
    path: Option<String>,
    linkpath: Option<String>,
    size: Option<u64>,
    mtime: Option<i64>,
}

impl PaxRecords {
    /// Reads records whose order and form show when the header is encoded again.
    fn parse(mut records: &[u8]) -> Result<Self> {
        let fault = || Error::new(code::TAR_HEADER, "a PAX record is not of the form LENGTH KEY=VALUE and a line feed");
        let mut found = Self::default();
        while !records.is_empty() {
            let space = records.iter().position(|byte| *byte == b' ').ok_or_else(fault)?;
            let len = std::str::from_utf8(&records[..space]).ok().and_then(|text| text.parse::<usize>().ok());
            let record = len.and_then(|len| records.get(space + 1..len)).ok_or_else(fault)?;
            records = &records[space + 1 + record.len()..];
            let record = record.strip_suffix(b"\n").ok_or_else(fault)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(fault)?;
            let value = text(&record[equals + 1..])?;
            match &record[..equals] {
                b"path" => found.path = Some(value),
                b"linkpath" => found.linkpath = Some(value),
                b"size" => found.size = Some(value.parse().map_err(|_| fault())?),
                b"mtime" => found.mtime = Some(value.parse().map_err(|_| fault())?),
                key => {
                    let key = String::from_utf8_lossy(key);
                    let message = format!("a PAX record {key:?}: expected path, linkpath, size or mtime");
                    return Err(Error::new(code::TAR_HEADER, message));
                }
            }
        }
        Ok(found)
    }
}

fn reserved(path: &str) -> Error {
    let message = "the directory .rosettar holds only what the format itself puts there";
    Error::new(code::PATH_RESERVED, message).with_entry(path)
}

/// What stands in a text field before its first zero byte.
fn field(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn text(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| {
        let shown = String::from_utf8_lossy(bytes).into_owned();
        Error::new(code::PATH_INVALID, format!("a name or target in the tar that is not UTF-8: {shown:?}"))
    })
}

fn octal(digits: &[u8], what: &str) -> Result<u64> {
    let digits = field(digits);
    let number = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 8).ok());
    number.ok_or_else(|| {
        let shown = String::from_utf8_lossy(digits).into_owned();
        Error::new(code::TAR_HEADER, format!("the {what} in a tar header: expected octal digits, found {shown:?}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<(Entry, usize)> {
        match parse_header(bytes, &Limits::default())? {
            Parsed::Member { entry, len } => Ok((entry, len)),
            other => panic!("{other:?}"),
        }
    }

    fn file(path: &str, size: u64) -> Entry {
        Entry::file(EntryPath::new(path).unwrap(), 0o640, Mtime::from_seconds(77), size, Digest::ZERO)
    }

    #[test]
    fn headers_come_back_in_whatever_pieces() {
        let target = LinkTarget::with_limits("../é".repeat(40), &Limits::default()).unwrap();
        for entry in [
            file("a", 5),
            file(&format!("{}end", "long/".repeat(30)), 1 << 40),
            Entry::directory(EntryPath::new("d".repeat(99)).unwrap(), 0o755, Mtime::from_seconds(-1)),
            Entry::directory(EntryPath::new("d".repeat(100)).unwrap(), 0, Mtime::from_seconds(i64::MIN)),
            Entry::symlink(EntryPath::new("l").unwrap(), Mtime::from_seconds(1 << 33), target),
            Entry::reserved(crate::path::schema_path(3), EntryKind::Schema, 9, Digest::ZERO),
        ] {
            let header = member_header(&entry);
            let mut len = 0;
            while let Parsed::Needs(more) = parse_header(&header[..len], &Limits::default()).unwrap() {
                assert!(more > len && more <= header.len());
                len = more;
            }
            assert_eq!(len, header.len());
            let mut with_more = header.clone();
            with_more.extend_from_slice(b"content");
            assert_eq!(read(&with_more).unwrap(), (entry, header.len()));
        }
        assert!(matches!(parse_header(&[0; BLOCK], &Limits::default()), Ok(Parsed::End)));
    }

    #[test]
    fn every_flipped_bit_is_refused_or_another_entry() {
        let entry = file(&"p".repeat(120), 5);
        let header = member_header(&entry);
        for bit in 0..header.len() * 8 {
            let mut header = header.clone();
            header[bit / 8] ^= 1 << (bit % 8);
            match parse_header(&header, &Limits::default()) {
                // A path in a PAX record has no checksum.
                Ok(Parsed::Member { entry: found, len }) => {
                    assert!(found.path != entry.path && member_header(&found) == header[..len], "bit {bit}");
                }
                Ok(Parsed::Needs(more)) => assert!(more > header.len(), "bit {bit}"),
                Ok(Parsed::End) => panic!("bit {bit}"),
                Err(_) => {}
            }
        }
    }

    #[test]
    fn what_the_profile_does_not_have_is_named() {
        let refused = |change: fn(&mut tar::Header)| {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Regular);
            header.set_path("a").unwrap();
            header.set_size(0);
            header.set_mode(0o644);
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            for number in [329..336, 337..344] {
                header.as_mut_bytes()[number].fill(b'0');
            }
            let encode = |header: &mut tar::Header| {
                header.set_cksum();
                // The crate ends the checksum in another way.
                let sum = header.cksum().unwrap();
                header.as_mut_bytes()[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            };
            encode(&mut header);
            read(header.as_bytes()).unwrap();
            change(&mut header);
            encode(&mut header);
            parse_header(header.as_bytes(), &Limits::default()).unwrap_err().to_string()
        };
        assert!(refused(|header| header.set_entry_type(tar::EntryType::Link)).contains("hard link"));
        assert!(refused(|header| header.set_entry_type(tar::EntryType::Fifo)).contains("FIFO"));
        assert!(refused(|header| header.set_entry_type(tar::EntryType::XGlobalHeader)).contains("global"));
        assert!(refused(|header| header.set_uid(1000)).contains("tar.header"));
        assert!(refused(|header| header.set_mode(0o4755)).contains("tar.header"));
        assert!(refused(|header| header.set_path(".ROSETTAR/x").unwrap()).contains("path.reserved"));
        assert!(refused(|header| header.as_mut_bytes()[..5].copy_from_slice(b"../up")).contains("path.invalid"));
        assert!(refused(|header| header.as_mut_bytes()[..2].copy_from_slice(b"\xFF\xFE")).contains("path.invalid"));
        let big = refused(|header| {
            header.set_entry_type(tar::EntryType::XHeader);
            header.set_size(1 << 30);
        });
        assert!(big.contains("limit.path-bytes"), "{big}");
    }

    proptest! {
        #[test]
        fn arbitrary_records_never_panic(records in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = PaxRecords::parse(&records);
        }
    }
}
