//! What is complete in a broken archive, by the rules of FORMAT.md and what the intact file says of its frames; nothing
//! here shares code with the recovery.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::Range;

use rosettar::digest::Hasher;
use rosettar::{Archive, Digest, Entry};

use crate::support;

/// One frame of the intact file.
pub struct Frame {
    pub stored: Range<usize>,
    /// What of the tar it decodes to; empty for a section.
    pub tar: Range<usize>,
}

/// A member of the tar.
pub struct Member {
    pub path: String,
    pub whole: Range<usize>,
    pub content: Range<usize>,
    /// What the intact archive says of it, unless it is reserved.
    pub entry: Option<Entry>,
}

/// The intact file, taken apart.
pub struct Intact {
    pub bytes: Vec<u8>,
    pub frames: Vec<Frame>,
    pub tar: Vec<u8>,
    pub members: Vec<Member>,
}

impl Intact {
    pub fn new(bytes: Vec<u8>) -> Self {
        let archive = support::prove(&bytes);
        // The seek table lists every frame: stored and decoded sizes.
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let rows = word(bytes.len() - 9);
        let table = bytes.len() - 9 - 8 * rows;
        let (mut at, mut tar_at, mut frames, mut tar) = (0, 0, Vec::new(), Vec::new());
        for row in 0..rows {
            let (stored, decoded) = (word(table + 8 * row), word(table + 8 * row + 4));
            if decoded > 0 {
                tar.extend(zstd::decode_all(&bytes[at..at + stored]).unwrap());
            }
            frames.push(Frame { stored: at..at + stored, tar: tar_at..tar_at + decoded });
            at += stored;
            tar_at += decoded;
        }
        assert_eq!(tar.len(), tar_at);
        let mut members = Vec::new();
        let mut begin = 0;
        let mut reader = ::tar::Archive::new(&tar[..]);
        for member in reader.entries().unwrap() {
            let mut member = member.unwrap();
            let path = String::from_utf8(member.path_bytes().into_owned()).unwrap().trim_end_matches('/').to_owned();
            let content_at = member.raw_file_position() as usize;
            let mut content = Vec::new();
            member.read_to_end(&mut content).unwrap();
            let content = content_at..content_at + content.len();
            let end = content.end.next_multiple_of(512);
            let entry = (!path.starts_with(".rosettar/")).then(|| archive.entry(&path).unwrap());
            members.push(Member { path, whole: begin..end, content, entry });
            begin = end;
        }
        Self { bytes, frames, tar, members }
    }

    /// How far the tar is known from a prefix of `len` bytes.
    pub fn tar_known(&self, len: usize) -> usize {
        self.frames.iter().take_while(|frame| frame.stored.end <= len).last().map_or(0, |frame| frame.tar.end)
    }

    /// Whether each frame of `broken`, which is as long as the intact file, is what it was.
    pub fn whole_frames(&self, broken: &[u8]) -> Vec<bool> {
        self.frames.iter().map(|frame| self.bytes[frame.stored.clone()] == broken[frame.stored.clone()]).collect()
    }

    /// Whether all frames that hold a byte of `range` of the tar are whole.
    pub fn is_whole(&self, whole: &[bool], range: &Range<usize>) -> bool {
        let holds = |frame: &Frame| frame.tar.start < range.end && range.start < frame.tar.end;
        self.frames.iter().zip(whole).all(|(frame, whole)| *whole || !holds(frame))
    }

    /// The user entries that a prefix of `len` bytes has whole.
    pub fn entries_in(&self, len: usize) -> Vec<&Entry> {
        let known = self.tar_known(len);
        let whole = self.members.iter().filter(|member| member.whole.end <= known);
        whole.filter_map(|member| member.entry.as_ref()).collect()
    }

    /// For each stream that has records in a prefix of `len` bytes: their number and digest.
    pub fn records_in(&self, len: usize) -> BTreeMap<String, (u64, Digest)> {
        let known = self.tar_known(len);
        let mut found: BTreeMap<String, (u64, Hasher)> = BTreeMap::new();
        for (stream, member) in self.batches() {
            if member.content.start > known {
                continue;
            }
            let content = &self.tar[member.content.start..member.content.end.min(known)];
            let (records, len) = whole_records(content);
            if records > 0 {
                let (count, hasher) = found.entry(stream.to_owned()).or_insert_with(|| (0, Hasher::new()));
                *count += records;
                hasher.update(&content[..len]);
            }
        }
        found.into_iter().map(|(name, (count, hasher))| (name, (count, hasher.finish()))).collect()
    }

    /// The batches, each with the name of its stream.
    pub fn batches(&self) -> impl Iterator<Item = (&str, &Member)> {
        self.members.iter().filter_map(|member| {
            let (stream, file) = member.path.strip_prefix(".rosettar/streams/")?.split_once('/')?;
            file.ends_with(".binpb").then_some((stream, member))
        })
    }
}

/// How many whole records `content` begins with, and their length.
pub fn whole_records(content: &[u8]) -> (u64, usize) {
    let (mut records, mut at) = (0, 0);
    loop {
        let (mut length, mut shift, mut next) = (0usize, 0, at);
        loop {
            let Some(byte) = content.get(next) else { return (records, at) };
            length |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            next += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        if content.len() - next < length {
            return (records, at);
        }
        at = next + length;
        records += 1;
    }
}

/// The streams of an archive that have records: number and digest of these.
pub fn records_of(archive: &Archive) -> BTreeMap<String, (u64, Digest)> {
    let streams = archive.streams().iter().filter(|stream| stream.records > 0);
    streams.map(|stream| (stream.name().to_owned(), (stream.records, stream.digest))).collect()
}

/// Whether two entries are the same but for nanoseconds, which only the entry table has.
pub fn same(a: &Entry, b: &Entry) -> bool {
    let mut a = a.clone();
    a.mtime.nanoseconds = b.mtime.nanoseconds;
    a == *b
}
