//! The members of the tar, in the chunks that they come in.

use super::out::{Group, Out};
use super::{Line, Space, fault, hex, quoted, quoted_bytes};
use crate::error::{Error, Result, code};
use crate::limits::Limits;
use crate::model::{Entry, EntryKind};
use crate::tar::{self, BLOCK, Parsed};

/// The fields of a header block: where each begins, and its name.
const FIELDS: [(usize, &str); 15] = [
    (0, "name"),
    (100, "mode"),
    (108, "uid"),
    (116, "gid"),
    (124, "size"),
    (136, "mtime"),
    (148, "checksum"),
    (156, "type"),
    (157, "linkname"),
    (257, "magic"),
    (265, "uname, gname"),
    (329, "devmajor"),
    (337, "devminor"),
    (345, "prefix, padding"),
    (512, ""),
];

/// The tar so far.
pub(super) struct Members {
    limits: Limits,
    /// Where in the tar the next chunk begins.
    pub(super) offset: u64,
    state: State,
    /// What the member at hand is called.
    name: String,
    /// How many headers were not as they must be.
    wrong: u64,
}

enum State {
    /// A header begins here, or goes on: what there is of it.
    Header(Vec<u8>),
    /// So many bytes of content and of padding are still to come.
    Content { left: u64, padding: u64 },
    /// Zero blocks came.
    End,
    /// Nothing tells where a member begins.
    Lost,
}

impl Members {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { limits: limits.clone(), offset: 0, state: State::Header(Vec::new()), name: String::new(), wrong: 0 }
    }

    /// Passes over a chunk of `len` bytes that is not known.
    pub(super) fn pass(&mut self, len: u64) {
        self.offset = self.offset.saturating_add(len);
        self.state = match &self.state {
            State::Content { left, padding } if *left > len => State::Content { left: left - len, padding: *padding },
            State::Content { left, padding } if left.checked_add(*padding) == Some(len) => State::Header(Vec::new()),
            _ => State::Lost,
        };
    }

    /// The lines of the chunk that comes next.
    pub(super) fn chunk(&mut self, out: &mut Out<'_>, chunk: &[u8]) -> Result<()> {
        let (mut at, mut group) = (0, Group::default());
        // Frames begin with a header, or with content after one: where it was lost, a header that is right is one.
        if let State::Lost = self.state
            && matches!(tar::parse_header(chunk, &self.limits), Ok(Parsed::Member { .. } | Parsed::End))
        {
            self.state = State::Header(Vec::new());
        }
        while at < chunk.len() {
            at += match std::mem::replace(&mut self.state, State::Lost) {
                State::Header(begun) => self.header(out, &mut group, begun, &chunk[at..])?,
                State::Content { left, padding } => self.content(out, &mut group, left, padding, &chunk[at..])?,
                State::End => self.end(out, &chunk[at..])?,
                State::Lost => {
                    let line = self.line(chunk.len() - at, "a part of the tar in which nothing is told apart", "5");
                    out.add(line.value(hex(&chunk[at..])))?;
                    self.offset += (chunk.len() - at) as u64;
                    chunk.len() - at
                }
            };
        }
        out.end_group(group, 1, Space::Tar, self.offset, "5")
    }

    fn line(&self, len: usize, what: impl Into<String>, spec: &'static str) -> Line {
        Line::new(1, self.offset, len as u64, what, spec).space(Space::Tar)
    }

    /// A header, or a part of one; how many bytes of `rest` it takes.
    fn header(&mut self, out: &mut Out<'_>, group: &mut Group, begun: Vec<u8>, rest: &[u8]) -> Result<usize> {
        let before = begun.len();
        let mut bytes = begun;
        let mut wanted = BLOCK;
        let parsed = loop {
            let more = wanted.saturating_sub(bytes.len()).min(rest.len() - (bytes.len() - before));
            bytes.extend_from_slice(&rest[bytes.len() - before..][..more]);
            if bytes.len() < wanted {
                let taken = bytes.len() - before;
                out.add_to(group, "parts of headers", self.line(taken, "a part of a header", "5.2"))?;
                self.offset += taken as u64;
                self.state = State::Header(bytes);
                return Ok(taken);
            }
            match tar::parse_header(&bytes[..wanted], &self.limits) {
                Ok(Parsed::Needs(more)) => wanted = more,
                parsed => break parsed,
            }
        };
        let taken = wanted - before;
        let what = if before > 0 { "the rest of a header" } else { "header" };
        match parsed {
            Ok(Parsed::End) => {
                self.state = State::End;
                self.end(out, rest)
            }
            Ok(Parsed::Member { entry, len }) => {
                let pax = if len > BLOCK { ", with PAX records" } else { "" };
                let line = self.line(taken, what, if len > BLOCK { "5.3" } else { "5.2" });
                out.add_to(group, "headers", line.value(format!("{}{pax}", entry_text(&entry))))?;
                self.offset += taken as u64;
                self.name = quoted(entry.path.as_str());
                self.state = State::after_header(entry.size);
                Ok(taken)
            }
            Ok(Parsed::Needs(_)) => unreachable!("the loop goes on"),
            Err(error) => self.wrong_header(out, group, &bytes[..wanted], before, error),
        }
    }

    /// A header that is not as it must be, field by field, beside what it should be as far as that can be told. It is
    /// taken by its size alone.
    fn wrong_header(
        &mut self,
        out: &mut Out<'_>,
        group: &mut Group,
        bytes: &[u8],
        before: usize,
        error: Error,
    ) -> Result<usize> {
        let expected = tar::expected_header(bytes, &self.limits);
        let taken = bytes.len() - before;
        let (records, block) = bytes.split_at(bytes.len() - BLOCK);
        let name = quoted_bytes(until_zero(&block[..100]));
        let mut value = format!("{name}, type {:?}", char::from(block[156]));
        let same_len = expected.as_ref().filter(|expected| expected.len() == bytes.len());
        if let (None, Some(expected)) = (same_len, &expected) {
            value.push_str(&format!("; it has {} bytes, and should have {}", bytes.len(), expected.len()));
        }
        let line = self.line(taken, "header, which is not as it must be", "5.2").value(value).problem(error);
        out.add_to(group, "headers", line)?;
        let start = self.offset.saturating_sub(before as u64);
        self.offset += taken as u64;
        self.name = if block[156] == b'x' { "the PAX header".to_owned() } else { name };
        self.state = octal(&block[124..136]).map_or(State::Lost, State::after_header);
        self.wrong += 1;
        if !out.is_shown_in_full(self.wrong - 1) {
            return Ok(taken);
        }
        let inner = |from: usize, len: usize, what: &str, spec| {
            Line::new(2, start.saturating_add(from as u64), len as u64, what, spec).space(Space::Tar)
        };
        let wrong = |what: &str, right: &[u8], found: &[u8]| {
            let message = format!("{what}: expected {}, found {}", field_text(right), field_text(found));
            (right != found).then(|| fault(code::TAR_HEADER, message))
        };
        if !records.is_empty() {
            let problem = same_len.and_then(|right| wrong("PAX header", &right[..records.len()], records));
            let value = quoted_bytes(until_zero(records.get(BLOCK..).unwrap_or_default()));
            out.add(inner(0, records.len(), "PAX header and records", "5.3").value(value).problem(problem))?;
        }
        for field in FIELDS.windows(2) {
            let (range, what) = (field[0].0..field[1].0, field[0].1);
            let found = &block[range.clone()];
            let right = same_len.map(|right| &right[records.len()..][range.clone()]);
            let problem = right.and_then(|right| wrong(what, right, found));
            let line = inner(records.len() + range.start, range.len(), what, "5.2");
            out.add(line.value(field_text(found)).problem(problem))?;
        }
        Ok(taken)
    }

    fn content(&mut self, out: &mut Out<'_>, group: &mut Group, left: u64, padding: u64, rest: &[u8]) -> Result<usize> {
        let (kind, taken) = match left {
            0 => ("paddings", padding.min(rest.len() as u64)),
            _ => ("contents", left.min(rest.len() as u64)),
        };
        let piece = &rest[..taken as usize];
        if left == 0 {
            let zero = piece.iter().all(|byte| *byte == 0);
            let wrong = (!zero).then(|| {
                let message = format!("the padding after {}: expected zeros, found {}", self.name, hex(piece));
                fault(code::TAR_PADDING, message)
            });
            out.add_to(group, kind, self.line(piece.len(), "padding", "5").value("zeros").problem(wrong))?;
        } else {
            let what = if taken < left { "a part of the content" } else { "content" };
            let value = format!("of {}: {}", self.name, hex(piece));
            out.add_to(group, kind, self.line(piece.len(), what, "5").value(value))?;
        }
        self.offset += taken;
        self.state = match left {
            0 if taken == padding => State::Header(Vec::new()),
            0 => State::Content { left: 0, padding: padding - taken },
            _ if taken == left && padding == 0 => State::Header(Vec::new()),
            _ => State::Content { left: left - taken, padding },
        };
        Ok(taken as usize)
    }

    /// All that is left of a chunk, after a zero block.
    fn end(&mut self, out: &mut Out<'_>, rest: &[u8]) -> Result<usize> {
        let wrong = rest.iter().any(|byte| *byte != 0).then(|| {
            let message = format!("something follows a zero block: expected the tar to end, found {}", hex(rest));
            fault(code::TAR_END, message)
        });
        out.add(self.line(rest.len(), "zero blocks, which end the tar", "5").problem(wrong))?;
        self.offset += rest.len() as u64;
        self.state = State::End;
        Ok(rest.len())
    }

    /// Whether zero blocks ended the tar.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, State::End)
    }
}

impl State {
    fn after_header(size: u64) -> Self {
        match size {
            0 => Self::Header(Vec::new()),
            _ => Self::Content { left: size, padding: tar::padding(size) },
        }
    }
}

/// An entry in a few words.
pub(super) fn entry_text(entry: &Entry) -> String {
    let mut text = format!("{} {}", entry.kind.as_str(), quoted(entry.path.as_str()));
    if let Some(target) = &entry.target {
        text.push_str(&format!(" -> {}", quoted(target.as_str())));
    }
    if entry.kind.has_content() {
        text.push_str(&format!(", {} bytes", entry.size));
    }
    if matches!(entry.kind, EntryKind::File | EntryKind::Directory) {
        text.push_str(&format!(", mode {:04o}", entry.mode));
    }
    if !entry.kind.is_reserved() {
        text.push_str(&format!(", time {}", entry.mtime.seconds));
    }
    text
}

fn until_zero(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn octal(field: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(until_zero(field)).ok()?, 8).ok()
}

/// A field: its text, or its bytes where these are more than text and zeros.
fn field_text(field: &[u8]) -> String {
    let text = until_zero(field);
    match field[text.len()..].iter().all(|byte| *byte == 0) && text.iter().all(|byte| (0x20..0x7F).contains(byte)) {
        true if text.is_empty() => "zeros".to_owned(),
        true => quoted_bytes(text),
        false => hex(field),
    }
}
