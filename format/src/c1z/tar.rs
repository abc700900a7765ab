//! The tar of a C1Z payload (C1Z.md, "Tar payload"): ustar with PAX headers, regular files and directories. Whatever
//! programs read in different ways is refused.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufReader, Read};

use super::index::INDEX_MAX;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result, code};
use crate::io::ReadAt;
use crate::limits::Limits;
use crate::model::{Entry, EntryKind, Mtime};
use crate::path::EntryPath;

const BLOCK: usize = 512;
/// The most bytes of a PAX header: no path is longer than 4 096 bytes, and there are no other long values.
const PAX_MAX: u64 = 64 << 10;
/// How much is read at a time.
const PIECE: usize = 256 << 10;

/// A member of the tar.
#[derive(Clone, Debug)]
pub struct TarEntry {
    /// What it is.
    pub entry: Entry,
    /// Where its content begins in the tar.
    pub content_at: u64,
}

/// Reads the tar that is all of `len` bytes from `at` on: every header, every content for its digest, and the end. `step`
/// is called with the bytes that were passed.
///
/// # Errors
/// `c1z.tar`, `c1z.tar-kind`, `c1z.trailing`, `envelope.truncated`, `tar.padding`, `path.*`, `limit.*`, `io.read`, and what
/// `step` returns. Offsets are those in `source`.
pub fn read_tar(
    source: &dyn ReadAt,
    at: u64,
    len: u64,
    limits: &Limits,
    step: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Vec<TarEntry>> {
    let range = Range { source, at, end: at + len };
    let mut walk = Walk { input: BufReader::with_capacity(PIECE, range), base: at, at: 0, len, limits, step };
    let entries = walk.members()?;
    check_paths(&entries)?;
    Ok(entries)
}

struct Walk<'a> {
    input: BufReader<Range<'a>>,
    /// Where in the source the tar begins.
    base: u64,
    /// Where in the tar the next byte is.
    at: u64,
    len: u64,
    limits: &'a Limits,
    step: &'a mut dyn FnMut(u64) -> Result<()>,
}

impl Walk<'_> {
    fn members(&mut self) -> Result<Vec<TarEntry>> {
        let mut entries = Vec::new();
        let most = INDEX_MAX.min(self.limits.index_bytes);
        let mut left = most;
        let mut extended: Option<Extended> = None;
        loop {
            let header_at = self.at;
            let block = self.block()?;
            let located = |e: Error| e.with_offset(self.base + header_at);
            if block.iter().all(|byte| *byte == 0) {
                if extended.is_some() {
                    return Err(located(fault("ends after a PAX header: expected the member that it belongs to")));
                }
                self.end(header_at)?;
                return Ok(entries);
            }
            let header = Header::parse(&block).map_err(located)?;
            if header.kind == b'x' {
                if extended.is_some() {
                    return Err(located(fault("has two PAX headers in a row: expected one before a member")));
                }
                if header.size > PAX_MAX {
                    let what = format!("has a PAX header of {} bytes: expected at most {PAX_MAX}", header.size);
                    return Err(located(fault(what)));
                }
                let mut bytes = Vec::new();
                self.content(header.size, &mut |piece| bytes.extend_from_slice(piece))?;
                extended = Some(Extended::parse(&bytes).map_err(|e| e.with_offset(self.base + header_at))?);
                self.padding(header.size, "a PAX header")?;
                continue;
            }
            if entries.len() as u64 >= self.limits.entries {
                let message = format!("the tar has more members than the limit entries of {}", self.limits.entries);
                return Err(Error::new(code::LIMIT_ENTRIES, message));
            }
            let mut entry = header
                .entry(extended.take().unwrap_or_default(), self.limits)
                .map_err(|e| e.with_offset(self.base + header_at))?;
            left = left.checked_sub(entry.path.as_str().len() as u64).ok_or_else(|| paths_too_long(most))?;
            let content_at = self.at;
            if entry.kind == EntryKind::File {
                let mut hasher = Hasher::new();
                self.content(entry.size, &mut |piece| hasher.update(piece))?;
                entry.digest = hasher.finish();
                self.padding(entry.size, entry.path.as_str())?;
            }
            entries.push(TarEntry { entry, content_at });
        }
    }

    fn block(&mut self) -> Result<[u8; BLOCK]> {
        let mut block = [0; BLOCK];
        self.fill(&mut block)?;
        (self.step)(BLOCK as u64)?;
        Ok(block)
    }

    fn content(&mut self, size: u64, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        if size > self.len - self.at {
            return Err(self.truncated());
        }
        let mut left = size;
        let mut piece = [0; 16 << 10];
        while left > 0 {
            let piece = &mut piece[..(16 << 10).min(left) as usize];
            self.fill(piece)?;
            see(piece);
            left -= piece.len() as u64;
            (self.step)(piece.len() as u64)?;
        }
        Ok(())
    }

    fn padding(&mut self, size: u64, what: &str) -> Result<()> {
        let len = (BLOCK - (size % BLOCK as u64) as usize) % BLOCK;
        let padding_at = self.at;
        let mut padding = [0; BLOCK];
        self.fill(&mut padding[..len])?;
        if padding.iter().any(|byte| *byte != 0) {
            let message = format!("the padding after {what:?} is not zero");
            return Err(Error::new(code::TAR_PADDING, message).with_offset(self.base + padding_at));
        }
        (self.step)(len as u64)
    }

    /// After one block of zeros, another, and nothing else.
    fn end(&mut self, first_at: u64) -> Result<()> {
        if self.at == self.len {
            return Err(self.truncated());
        }
        let block = self.block()?;
        if block.iter().any(|byte| *byte != 0) {
            let what = "has one block of zeros before a member: expected two, at its end";
            return Err(fault(what).with_offset(self.base + first_at));
        }
        if self.at < self.len {
            let message =
                format!("{} bytes follow the two blocks that end the tar: expected nothing", self.len - self.at);
            return Err(Error::new(code::C1Z_TRAILING, message).with_offset(self.base + self.at));
        }
        Ok(())
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        if bytes.len() as u64 > self.len - self.at {
            return Err(self.truncated());
        }
        self.input
            .read_exact(bytes)
            .map_err(|e| Error::io(code::IO_READ, "reading the tar", e).with_offset(self.base + self.at))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn truncated(&self) -> Error {
        let message = "the tar ends before its two blocks of zeros: the file was cut short";
        Error::new(code::ENVELOPE_TRUNCATED, message).with_offset(self.base + self.len)
    }
}

/// The header of a member.
struct Header {
    path: Vec<u8>,
    kind: u8,
    mode: u64,
    size: u64,
    mtime: u64,
}

impl Header {
    fn parse(block: &[u8; BLOCK]) -> Result<Self> {
        if block[257..265] != *b"ustar\x0000" {
            return Err(fault("has a header that is not ustar's: expected `ustar`, a zero byte and `00`"));
        }
        let stated = octal(&block[148..156]).ok_or_else(|| fault("has a header whose checksum is no octal number"))?;
        let found: u64 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
            .sum();
        if stated != found {
            return Err(fault(format!("has a header with the checksum {stated:o}: expected {found:o}")));
        }
        let number = |what: &str, field: &[u8]| {
            octal(field).ok_or_else(|| fault(format!("has a header whose {what} is no octal number")))
        };
        // Not used, and yet a number in every file that is what it says.
        number("uid", &block[108..116])?;
        number("gid", &block[116..124])?;
        let (name, prefix) = (text(&block[..100])?, text(&block[345..500])?);
        let path = if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() };
        let kind = if block[156] == 0 { b'0' } else { block[156] };
        let shown = String::from_utf8_lossy(&path).into_owned();
        let refused = match kind {
            b'0' | b'5' | b'x' => None,
            b'1' => Some("a hard link"),
            b'2' => Some("a symbolic link"),
            b'3' => Some("a character device"),
            b'4' => Some("a block device"),
            b'6' => Some("a FIFO"),
            b'g' => Some("a global PAX header"),
            b'L' | b'K' => Some("a long name of GNU tar"),
            b'S' => Some("a sparse file of GNU tar"),
            _ => Some("of an unknown type"),
        };
        if let Some(what) = refused {
            let message = format!("a member of the tar is {what}: expected regular files and directories alone");
            return Err(Error::new(code::C1Z_TAR_KIND, message).with_entry(shown));
        }
        if !text(&block[157..257])?.is_empty() {
            return Err(fault("has a link target where no link is").with_entry(shown));
        }
        Ok(Self {
            path,
            kind,
            mode: number("mode", &block[100..108])?,
            size: number("size", &block[124..136])?,
            mtime: number("mtime", &block[136..148])?,
        })
    }

    fn entry(self, extended: Extended, limits: &Limits) -> Result<Entry> {
        let mut path = extended.path.unwrap_or(self.path);
        let directory = self.kind == b'5';
        if directory && path.last() == Some(&b'/') {
            path.pop();
        }
        let shown = String::from_utf8_lossy(&path).into_owned();
        let path = String::from_utf8(path)
            .map_err(|_| Error::new(code::PATH_INVALID, "a name that is not UTF-8").with_entry(shown.clone()))?;
        let path = EntryPath::with_limits(path, limits)?;
        if self.mode > 0o777 {
            let what = format!("has a member of mode {:o}: expected at most 777", self.mode);
            return Err(fault(what).with_entry(shown));
        }
        let size = extended.size.unwrap_or(self.size);
        let mtime = extended.mtime.unwrap_or(Mtime::from_seconds(self.mtime as i64));
        // The masks with which C1Z takes modes out (C1Z.md, "Tar payload").
        let mode = self.mode as u16 & if directory { 0o755 } else { 0o644 };
        match directory {
            true if size > 0 => Err(fault("has a directory with content").with_entry(shown)),
            true => Ok(Entry::directory(path, mode, mtime)),
            false => Ok(Entry::file(path, mode, mtime, size, Digest::ZERO)),
        }
    }
}

/// What a PAX header says, as far as it counts.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    size: Option<u64>,
    mtime: Option<Mtime>,
}

impl Extended {
    fn parse(mut bytes: &[u8]) -> Result<Self> {
        let mut records = BTreeMap::new();
        while !bytes.is_empty() {
            let malformed = || fault("has a PAX header with a record that is not `LENGTH KEY=VALUE`");
            let space = bytes.iter().position(|byte| *byte == b' ').ok_or_else(malformed)?;
            let digits = &bytes[..space];
            let len: usize = std::str::from_utf8(digits)
                .ok()
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0'))
                .and_then(|digits| digits.parse().ok())
                .ok_or_else(malformed)?;
            let record = bytes.get(space + 1..len).ok_or_else(malformed)?;
            let record = record.strip_suffix(b"\n").ok_or_else(malformed)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
            let key = std::str::from_utf8(&record[..equals]).map_err(|_| malformed())?;
            if records.insert(key, &record[equals + 1..]).is_some() {
                return Err(fault(format!("has a PAX header with two values of {key:?}: expected one")));
            }
            bytes = &bytes[len..];
        }
        let mut found = Self::default();
        for (key, value) in records {
            let malformed = || fault(format!("has a PAX header with a bad value of {key:?}"));
            match key {
                "path" if value.contains(&0) => return Err(malformed()),
                "path" => found.path = Some(value.to_vec()),
                "size" => found.size = Some(decimal(value).ok_or_else(malformed)?),
                "mtime" => found.mtime = Some(time(value).ok_or_else(malformed)?),
                // What is not applied need not be understood.
                "uid" | "gid" | "uname" | "gname" | "atime" | "ctime" | "comment" => {}
                _ => return Err(fault(format!("has a PAX header with {key:?}, which has no place here"))),
            }
        }
        Ok(found)
    }
}

/// That the paths of a tar have more bytes than they may.
pub fn paths_too_long(most: u64) -> Error {
    let bound = match most {
        INDEX_MAX => "the format's",
        _ => "the limit index-bytes of",
    };
    let message = format!("the paths have more bytes together than {bound} {most}");
    Error::new(code::LIMIT_INDEX_BYTES, message)
}

/// No two members have one path, and none lies below a file.
fn check_paths(entries: &[TarEntry]) -> Result<()> {
    let mut kinds = HashMap::with_capacity(entries.len());
    for TarEntry { entry, .. } in entries {
        if kinds.insert(entry.path.as_str(), entry.kind).is_some() {
            let message = "two members have this path: expected it once";
            return Err(Error::new(code::PATH_DUPLICATE, message).with_entry(entry.path.as_str()));
        }
    }
    for TarEntry { entry, .. } in entries {
        if let Some(parent) = entry.path.ancestors().find(|parent| kinds.get(parent) == Some(&EntryKind::File)) {
            let message = format!("a member below {parent:?}, which is a file");
            return Err(Error::new(code::PATH_PARENT, message).with_entry(entry.path.as_str()));
        }
    }
    Ok(())
}

/// Octal digits, ended by zero bytes or spaces, or filling the field; none at all is 0.
fn octal(field: &[u8]) -> Option<u64> {
    let end = field.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(field.len());
    let (digits, rest) = field.split_at(end);
    if !rest.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return None;
    }
    digits.iter().try_fold(0u64, |value, byte| match byte {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// Text ended by a zero byte, after which there are only more, or filling the field.
fn text(field: &[u8]) -> Result<&[u8]> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let (text, rest) = field.split_at(end);
    match rest.iter().all(|byte| *byte == 0) {
        true => Ok(text),
        false => Err(fault("has a header with bytes after the end of a text")),
    }
}

fn decimal(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// A PAX time: seconds with a fraction, of which nine digits count.
fn time(value: &[u8]) -> Option<Mtime> {
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let (whole, fraction) = match value.iter().position(|byte| *byte == b'.') {
        Some(at) => (&value[..at], &value[at + 1..]),
        None => (value, &b""[..]),
    };
    let seconds = i64::try_from(decimal(whole)?).ok()?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanoseconds = (0..9).fold(0u32, |n, at| n * 10 + fraction.get(at).map_or(0, |digit| u32::from(digit - b'0')));
    Some(match (negative, nanoseconds) {
        (false, nanoseconds) => Mtime { seconds, nanoseconds },
        (true, 0) => Mtime { seconds: -seconds, nanoseconds: 0 },
        (true, nanoseconds) => Mtime { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}

fn fault(what: impl std::fmt::Display) -> Error {
    Error::new(code::C1Z_TAR, format!("the tar {what}"))
}

/// A part of a source, read from front to back.
struct Range<'a> {
    source: &'a dyn ReadAt,
    at: u64,
    end: u64,
}

impl Read for Range<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let len = (buf.len() as u64).min(self.end - self.at) as usize;
        let read = self.source.read_at(&mut buf[..len], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
