//! From an entry to its header bytes.

use crate::model::{Entry, EntryKind};

/// The length of a tar block.
pub const BLOCK: usize = 512;
/// The length of the two zero blocks that end a tar.
pub const END_LEN: u32 = 2 * BLOCK as u32;

/// The length of the name and linkname fields.
const NAME_LEN: usize = 100;
/// The first size that eleven octal digits cannot hold.
const SIZE_END: u64 = 1 << 33;
/// The first second that eleven octal digits cannot hold.
const MTIME_END: i64 = 1 << 33;

/// The header of the member for `entry`: its PAX header with the records, where it needs one, and its header block.
///
/// ```text
/// [ PAX header block | PAX records, zero-padded ]  header block
/// ```
pub fn member_header(entry: &Entry) -> Vec<u8> {
    let name = Name::of(entry);
    let target = entry.target.as_ref().map_or("", |target| target.as_str());
    let records = pax_records(entry, &name, target);
    let mut bytes = Vec::with_capacity(header_len_for(records.len()) as usize);
    if !records.is_empty() {
        let size = records.len() as u64;
        let head = Fields { name: "PaxHeader", mode: 0o644, size, mtime: 0, kind: b'x', linkname: "" };
        bytes.extend_from_slice(&head.encode());
        bytes.extend_from_slice(&records);
        bytes.resize(bytes.len() + padding(size) as usize, 0);
    }
    let kind = match entry.kind {
        EntryKind::Directory => b'5',
        EntryKind::Symlink => b'2',
        _ => b'0',
    };
    let size = if entry.size < SIZE_END { entry.size } else { 0 };
    let mtime = if fits_mtime(entry.mtime.seconds) { entry.mtime.seconds as u64 } else { 0 };
    let head = Fields { name: name.as_str(), mode: entry.mode, size, mtime, kind, linkname: target };
    bytes.extend_from_slice(&head.encode());
    bytes
}

/// The length of [`member_header`]`(entry)`, without making it.
pub fn header_len(entry: &Entry) -> u64 {
    let name_len = entry.path.as_str().len() + usize::from(entry.kind == EntryKind::Directory);
    let mut records = 0;
    if name_len > NAME_LEN || !entry.path.as_str().is_ascii() {
        records += record_len("path", name_len);
    }
    if let Some(target) = entry.target.as_ref().filter(|target| needs_record(target.as_str())) {
        records += record_len("linkpath", target.as_str().len());
    }
    if entry.size >= SIZE_END {
        records += record_len("size", entry.size.to_string().len());
    }
    if !fits_mtime(entry.mtime.seconds) {
        records += record_len("mtime", entry.mtime.seconds.to_string().len());
    }
    header_len_for(records)
}

/// The length of the whole member: header, content, padding; `None` where it does not fit a `u64`.
pub fn member_len(entry: &Entry) -> Option<u64> {
    header_len(entry).checked_add(entry.size)?.checked_add(padding(entry.size))
}

/// How many zero bytes follow a content of `size` bytes.
pub fn padding(size: u64) -> u64 {
    (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64
}

/// The path as tar names it: a directory's with a slash at the end.
enum Name<'a> {
    Plain(&'a str),
    Directory(String),
}

impl<'a> Name<'a> {
    fn of(entry: &'a Entry) -> Self {
        let path = entry.path.as_str();
        if entry.kind == EntryKind::Directory { Self::Directory(format!("{path}/")) } else { Self::Plain(path) }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Plain(name) => name,
            Self::Directory(name) => name,
        }
    }
}

/// The fields of a header block that are not the same in every one.
struct Fields<'a> {
    name: &'a str,
    mode: u16,
    size: u64,
    mtime: u64,
    kind: u8,
    linkname: &'a str,
}

impl Fields<'_> {
    fn encode(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        put_text(&mut block[..NAME_LEN], self.name);
        put_octal(&mut block[100..107], u64::from(self.mode));
        for number in [108..115, 116..123, 329..336, 337..344] {
            put_octal(&mut block[number], 0);
        }
        put_octal(&mut block[124..135], self.size);
        put_octal(&mut block[136..147], self.mtime);
        block[156] = self.kind;
        put_text(&mut block[157..157 + NAME_LEN], self.linkname);
        block[257..265].copy_from_slice(b"ustar\x0000");
        // The checksum counts its own eight bytes as spaces.
        let sum = 8 * u64::from(b' ') + block.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        put_octal(&mut block[148..154], sum);
        block[155] = b' ';
        block
    }
}

/// Writes the field form of `text` into `field`.
fn put_text(field: &mut [u8], text: &str) {
    let len = text.len().min(field.len());
    field[..len].copy_from_slice(&text.as_bytes()[..len]);
    if needs_record(text) {
        field.iter_mut().filter(|byte| **byte >= 0x80).for_each(|byte| *byte = b'_');
        // A slash at the end would make tools that stop at the field take a file for a directory.
        if let Some(last @ b'/') = field.last_mut() {
            *last = b'_';
        }
    }
}

fn put_octal(field: &mut [u8], mut number: u64) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (number & 7) as u8;
        number >>= 3;
    }
    debug_assert_eq!(number, 0, "a number too large for its field");
}

fn needs_record(text: &str) -> bool {
    text.len() > NAME_LEN || !text.is_ascii()
}

fn fits_mtime(seconds: i64) -> bool {
    (0..MTIME_END).contains(&seconds)
}

fn pax_records(entry: &Entry, name: &Name, target: &str) -> Vec<u8> {
    let mut records = Vec::new();
    if needs_record(name.as_str()) {
        put_record(&mut records, "path", name.as_str());
    }
    if needs_record(target) {
        put_record(&mut records, "linkpath", target);
    }
    if entry.size >= SIZE_END {
        put_record(&mut records, "size", &entry.size.to_string());
    }
    if !fits_mtime(entry.mtime.seconds) {
        put_record(&mut records, "mtime", &entry.mtime.seconds.to_string());
    }
    records
}

fn put_record(records: &mut Vec<u8>, key: &str, value: &str) {
    let len = record_len(key, value.len());
    records.extend_from_slice(format!("{len} {key}={value}\n").as_bytes());
}

/// The length of a whole record, which counts the digits of the length itself.
fn record_len(key: &str, value_len: usize) -> usize {
    let rest = key.len() + value_len + " =\n".len();
    let mut len = rest + 1;
    while rest + decimal_digits(len) != len {
        len = rest + decimal_digits(len);
    }
    len
}

fn decimal_digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

fn header_len_for(records_len: usize) -> u64 {
    let block = BLOCK as u64;
    match records_len as u64 {
        0 => block,
        len => block + len + padding(len) + block,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::limits::Limits;
    use crate::model::Mtime;
    use crate::path::{EntryPath, LinkTarget};
    use proptest::prelude::*;

    fn file(path: &str, mode: u16, seconds: i64, size: u64) -> Entry {
        Entry::file(EntryPath::new(path).unwrap(), mode, Mtime::from_seconds(seconds), size, Digest::ZERO)
    }

    /// What the `tar` crate reads in a member's header.
    fn read_back(entry: &Entry) -> (String, u32, u64, u64, tar::EntryType, Option<String>) {
        let mut bytes = member_header(entry);
        bytes.extend([0; 1024]);
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut entries = archive.entries().unwrap();
        // A huge content is not there; the header is all that is asked for.
        let found = entries.next().unwrap().unwrap();
        let header = found.header();
        (
            String::from_utf8(found.path_bytes().into_owned()).unwrap(),
            header.mode().unwrap(),
            header.mtime().unwrap(),
            found.size(),
            header.entry_type(),
            found.link_name_bytes().map(|name| String::from_utf8(name.into_owned()).unwrap()),
        )
    }

    #[test]
    fn the_tar_crate_reads_what_was_meant() {
        let found = read_back(&file("a/b", 0o640, 1_700_000_000, 7));
        assert_eq!(found, ("a/b".into(), 0o640, 1_700_000_000, 7, tar::EntryType::Regular, None));
        let found = read_back(&file("a", 0o777, (1 << 33) - 1, (1 << 33) - 1));
        assert_eq!(found, ("a".into(), 0o777, (1 << 33) - 1, (1 << 33) - 1, tar::EntryType::Regular, None));
        let found = read_back(&file("a", 0, 0, 1 << 33));
        assert_eq!(found.3, 1 << 33);
        let long = "d/".repeat(60) + "é";
        let target = LinkTarget::with_limits("ü".repeat(60), &Limits::default()).unwrap();
        let link = Entry::symlink(EntryPath::new(&long).unwrap(), Mtime::default(), target);
        let found = read_back(&link);
        assert_eq!((found.0, found.4, found.5), (long, tar::EntryType::Symlink, Some("ü".repeat(60))));
    }

    #[test]
    fn the_field_form() {
        let field = |entry: &Entry| {
            let bytes = member_header(entry);
            String::from_utf8(bytes[bytes.len() - BLOCK..][..NAME_LEN].to_vec()).unwrap()
        };
        assert_eq!(field(&file(&"x".repeat(100), 0, 0, 0)), "x".repeat(100));
        assert_eq!(field(&file(&"x".repeat(101), 0, 0, 0)), "x".repeat(100));
        assert_eq!(field(&file(&format!("{}/y", "x".repeat(99)), 0, 0, 0)), "x".repeat(99) + "_");
        assert_eq!(&field(&file("é", 0, 0, 0))[..3], "__\0");
        let directory = |path: String| Entry::directory(EntryPath::new(path).unwrap(), 0o755, Mtime::default());
        assert_eq!(field(&directory("x".repeat(99))), "x".repeat(99) + "/");
        assert_eq!(member_header(&directory("x".repeat(99))).len(), BLOCK);
        assert_eq!(member_header(&directory("x".repeat(100))).len(), 3 * BLOCK);
    }

    #[test]
    fn record_lengths_count_themselves() {
        for value in 0..2000 {
            let mut records = Vec::new();
            put_record(&mut records, "path", &"v".repeat(value));
            let text = String::from_utf8(records).unwrap();
            let len: usize = text.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(len, text.len());
            assert_eq!(len, record_len("path", value));
        }
    }

    proptest! {
        #[test]
        fn a_header_is_as_long_as_it_says_and_reads_back(
            path in "[a-zéπ.]{1,60}(/[a-z ]{1,60}){0,3}",
            target in proptest::option::of("[a-zé/.]{1,130}"),
            directory: bool,
            seconds in prop_oneof![Just(-1i64), Just(1 << 33), 0i64..1 << 34, any::<i64>()],
            size in prop_oneof![0u64..5000, Just(1 << 33), any::<u64>()],
        ) {
            let Ok(path) = EntryPath::new(path) else { return Ok(()) };
            let mtime = Mtime::from_seconds(seconds);
            let entry = match (target, directory) {
                (Some(target), _) => {
                    Entry::symlink(path, mtime, LinkTarget::with_limits(target, &Limits::default()).unwrap())
                }
                (None, true) => Entry::directory(path, 0o755, mtime),
                (None, false) => Entry::file(path, 0o644, mtime, size, Digest::ZERO),
            };
            let header = member_header(&entry);
            prop_assert_eq!(header.len() as u64, header_len(&entry));
            prop_assert_eq!(header.len() % BLOCK, 0);
            let found = read_back(&entry);
            let slash = if entry.kind == EntryKind::Directory { "/" } else { "" };
            prop_assert_eq!(found.0, format!("{}{slash}", entry.path));
            prop_assert_eq!(found.3, entry.size);
        }
    }
}
