//! The map of a C1Z file.

use super::fields::{self, Place};
use super::frames::{self, Window};
use super::out::{Group, Out};
use super::{ExplainOptions, Line, Space, fault, hex, quoted_bytes, read, refused};
use crate::c1z::{self, FOOTER_LEN, FOOTER_MAGIC, MAGIC_LEN, MAGIC_V1, MANIFEST_MAX, Manifest, TarEntry};
use crate::error::{Error, Result, code};
use crate::io::{ReadAt, Spool};
use crate::limits::Limits;
use crate::model::C1zEncoding;
use crate::schema::wire::{self, Raw};

const ENVELOPE: &str = "C1Z.md 1";
const FRAMES: &str = "C1Z.md 2";
const MANIFEST: &str = "C1Z.md 3";
const TAR: &str = "C1Z.md 4";
const INDEXED: &str = "C1Z.md 5";

/// What a tar may take of memory, before a temporary file takes the rest.
const SPOOL_MEMORY: usize = 8 << 20;

/// Explains the C1Z file `source`.
pub(super) fn explain(source: &dyn ReadAt, size: u64, options: &ExplainOptions, out: &mut Out<'_>) -> Result<()> {
    let mut map =
        Map { source, size, limits: &options.limits, options, window: Window::new(source, size), manifest: Vec::new() };
    let magic = read(source, 0, MAGIC_LEN as u64)?;
    let what = if magic == MAGIC_V1 { "magic of C1Z, version 1" } else { "magic of C1Z, version 3" };
    single(out, Line::new(0, 0, MAGIC_LEN as u64, what, ENVELOPE).value(quoted_bytes(&magic)))?;
    let at = MAGIC_LEN as u64;
    if magic == MAGIC_V1 {
        return map.frame(out, at, size, "payload: a SQLite database", false);
    }
    match map.manifest(out, at)? {
        Some((payload_at, encoding)) => map.payload(out, payload_at, encoding),
        None => Ok(()),
    }
}

/// An outermost line with nothing in it.
fn single(out: &mut Out<'_>, line: Line) -> Result<()> {
    out.begin(line, None)?;
    out.end()
}

struct Map<'m> {
    source: &'m dyn ReadAt,
    size: u64,
    limits: &'m Limits,
    options: &'m ExplainOptions,
    window: Window<'m>,
    manifest: Vec<u8>,
}

/// A frame of an indexed payload, as the index has it.
struct Listed {
    offset: u64,
    stored: u64,
    name: Vec<u8>,
}

impl Map<'_> {
    fn truncated(&self, expected: u64) -> Error {
        let message = format!("the file ends after {} bytes: expected at least {expected}", self.size);
        fault(code::ENVELOPE_TRUNCATED, message)
    }

    /// The length of the manifest, and the manifest; where the payload begins, if there is one, and its encoding.
    fn manifest(&mut self, out: &mut Out<'_>, at: u64) -> Result<Option<(u64, Option<C1zEncoding>)>> {
        let head = read(self.source, at, 4.min(self.size - at))?;
        if head.is_empty() {
            return Ok(None);
        }
        let stated = head.first_chunk().map(|head| u64::from(u32::from_be_bytes(*head)));
        let mut line = Line::new(0, at, head.len() as u64, "length of the manifest", ENVELOPE);
        line = line.value(stated.map_or_else(|| hex(&head), |len| format!("{len} bytes")));
        let most = u64::from(MANIFEST_MAX).min(self.limits.manifest_bytes);
        let at = at + 4;
        let len = stated.unwrap_or_default();
        if stated.is_none() {
            line = line.problem(self.truncated(at));
        } else if len > most {
            let message = format!("a manifest of {len} bytes exceeds the limit manifest-bytes of {most}");
            line = line.problem(fault(code::LIMIT_MANIFEST_BYTES, message));
        }
        single(out, line)?;
        if at >= self.size {
            return Ok(None);
        }
        if len > most {
            single(out, Line::new(0, at, self.size - at, "what follows", ENVELOPE))?;
            return Ok(None);
        }
        let there = len.min(self.size - at);
        if there == 0 {
            return Ok(Some((at, None)));
        }
        self.manifest = read(self.source, at, there)?;
        let mut line = Line::new(0, at, there, "manifest", MANIFEST).value(format!("{there} bytes"));
        let mut encoding = None;
        match refused(Manifest::decode(self.manifest.clone(), self.limits))? {
            _ if there < len => line = line.problem(self.truncated(at + len)),
            Ok(manifest) => encoding = Some(manifest.facts.encoding),
            Err(error) => line = line.problem(error),
        }
        out.begin(line, None)?;
        let place = Place { level: 1, space: Space::File, offset: at, spec: MANIFEST, code: code::C1Z_MANIFEST };
        fields::lines(out, place, &self.manifest, fields::message("c1.c1z.v3.C1ZManifestV3").as_ref())?;
        out.end()?;
        Ok((at + there < self.size).then_some((at + there, encoding)))
    }

    fn payload(&mut self, out: &mut Out<'_>, at: u64, encoding: Option<C1zEncoding>) -> Result<()> {
        match encoding {
            Some(C1zEncoding::TarZstd) => self.frame(out, at, self.size, "payload: a tar", true),
            Some(C1zEncoding::Tar) => {
                out.begin(Line::new(0, at, self.size - at, "payload: a tar", TAR), None)?;
                let members = c1z::read_tar(self.source, at, self.size - at, self.limits, &mut |_| self.step());
                if let Ok(members) = refused(members)? {
                    contents(out, &members)?;
                }
                out.end()
            }
            _ => self.indexed(out, at, encoding.is_some()),
        }
    }

    fn step(&self) -> Result<()> {
        self.options.monitor.advance(0)
    }

    /// A frame from `at` to `end`; of a tar, if it is one and sound, the members.
    fn frame(&mut self, out: &mut Out<'_>, at: u64, end: u64, what: &str, is_tar: bool) -> Result<()> {
        if at >= end {
            return Ok(());
        }
        let frame = frames::walk(&mut self.window, at, end)?;
        let value = match frame.content_size {
            Some(size) => format!("a zstd frame of {} bytes that states {size}", end - at),
            None => format!("a zstd frame of {} bytes, its content size not stated", end - at),
        };
        out.begin(Line::new(0, at, end - at, what, FRAMES).value(value), None)?;
        frames::lines(out, &mut self.window, &frame, (at, end), 1, FRAMES)?;
        if is_tar && frame.end == Some(end) {
            out.enclose(frame.blocks.clone());
            let mut spool = Spool::new(SPOOL_MEMORY);
            let limit = self.limits.decoded_bytes_for(self.size);
            let decoded = c1z::decode_stream(self.source, at, end - at, limit, &mut |piece| {
                self.step()?;
                std::io::Write::write_all(&mut spool, piece)
                    .map_err(|error| Error::io(code::IO_WRITE, "keeping the tar", error))
            });
            if refused(decoded)?.is_ok() {
                let tar = spool.finish();
                let len = tar.size();
                let members = c1z::read_tar(&tar, 0, len, self.limits, &mut |_| self.step());
                if let Ok(members) = refused(members)? {
                    contents(out, &members)?;
                }
            }
        }
        out.end()
    }

    /// Frames, index and footer; where the payload is known to be `indexed`, also where the footer is not there.
    fn indexed(&mut self, out: &mut Out<'_>, at: u64, indexed: bool) -> Result<()> {
        let footer_at = self.size.checked_sub(FOOTER_LEN).filter(|footer_at| *footer_at >= at);
        let footer = match footer_at {
            Some(at) => read(self.source, at, FOOTER_LEN)?,
            None => Vec::new(),
        };
        let Some(footer_at) = footer_at.filter(|_| footer[20..] == FOOTER_MAGIC) else {
            let problem = indexed.then(|| {
                let message = "expected the file to end in the footer of its index: it was cut short, or added to";
                fault(code::ENVELOPE_TRUNCATED, message)
            });
            let line = Line::new(0, at, self.size - at, "payload in which nothing is told apart", ENVELOPE);
            let value = hex(self.window.get(at, super::SHOWN_BYTES + 1)?);
            return single(out, line.value(value).problem(problem));
        };
        let word = |at: usize| u64::from_be_bytes(footer[at..at + 8].try_into().expect("eight bytes"));
        let (index_at, checksum) = (word(0), word(12));
        let index_len = u64::from(u32::from_be_bytes(footer[8..12].try_into().expect("four bytes")));
        let lies_right = index_at >= at && index_at.checked_add(index_len) == Some(footer_at);
        let fits = lies_right && index_len <= self.limits.index_bytes;
        if fits {
            let index = read(self.source, index_at, index_len)?;
            self.frames(out, at, index_at, &index)?;
            self.index(out, index_at, &index, checksum)?;
        } else if at < footer_at {
            single(out, Line::new(0, at, footer_at - at, "frames and index, which are not told apart", INDEXED))?;
        }
        let line = Line::new(0, footer_at, FOOTER_LEN, "footer", INDEXED);
        let problem = (!lies_right).then(|| {
            let message = format!("an index of {index_len} bytes at {index_at}: expected it to end at {footer_at}");
            fault(code::C1Z_INDEX, message)
        });
        let too_long = (lies_right && !fits).then(|| {
            let message = format!("an index of {index_len} bytes: expected at most {}", self.limits.index_bytes);
            fault(code::LIMIT_INDEX_BYTES, message)
        });
        out.begin(line.problem(problem).problem(too_long), None)?;
        let mut part = |from: u64, len: u64, what: &str, value: String| {
            out.add(Line::new(1, footer_at + from, len, what, INDEXED).value(value))
        };
        part(0, 8, "offset of the index", index_at.to_string())?;
        part(8, 4, "length of the index", index_len.to_string())?;
        part(12, 8, "xxh64 of the index", format!("{checksum:016x}"))?;
        part(20, 8, "magic", quoted_bytes(&footer[20..]))?;
        out.end()
    }

    /// The frames from `at` to `end`, as `index` lists them.
    fn frames(&mut self, out: &mut Out<'_>, at: u64, end: u64, index: &[u8]) -> Result<()> {
        let mut listed = list(index, self.limits);
        listed.sort_by_key(|frame| frame.offset);
        let mut at = at;
        for frame in listed {
            self.step()?;
            let next = frame.offset.saturating_add(frame.stored).min(end);
            if frame.offset > at && frame.offset < end {
                let line = Line::new(0, at, frame.offset - at, "bytes that no frame of the index covers", INDEXED);
                single(out, line.problem(fault(code::C1Z_INDEX, format!("a gap before byte {}", frame.offset))))?;
                at = frame.offset;
            }
            if next <= at {
                continue;
            }
            let walked = frames::walk(&mut self.window, at, next)?;
            let overlap = (frame.offset < at).then(|| fault(code::C1Z_INDEX, "a frame overlaps what is before it"));
            let decoded = walked.content_size.map_or_else(String::new, |size| format!(", states {size} bytes"));
            let value = format!("of {}{decoded}", quoted_bytes(&frame.name));
            let line = Line::new(0, at, next - at, "frame", INDEXED).value(value).problem(overlap);
            out.begin(line, Some("frames"))?;
            frames::lines(out, &mut self.window, &walked, (at, next), 1, FRAMES)?;
            out.end()?;
            at = next;
        }
        if at < end {
            let problem =
                fault(code::C1Z_INDEX, format!("the frames end at {at}: expected {end}, where the index begins"));
            let line = Line::new(0, at, end - at, "bytes that no frame of the index covers", INDEXED);
            single(out, line.problem(problem))?;
        }
        Ok(())
    }

    fn index(&self, out: &mut Out<'_>, at: u64, index: &[u8], stated: u64) -> Result<()> {
        let found = c1z::checksum(index);
        if index.is_empty() {
            return Ok(());
        }
        let problem = (found != stated).then(|| {
            let message = format!("the checksum of the index: expected {stated:016x}, found {found:016x}");
            fault(code::C1Z_INDEX_CHECKSUM, message)
        });
        let manifest =
            format!("{} bytes; the manifest has the xxh64 {:016x}", index.len(), c1z::checksum(&self.manifest));
        out.begin(Line::new(0, at, index.len() as u64, "index", INDEXED).value(manifest).problem(problem), None)?;
        let place = Place { level: 1, space: Space::File, offset: at, spec: INDEXED, code: code::C1Z_INDEX };
        fields::lines(out, place, index, fields::message("c1.c1z.v3.IndexedFrameIndex").as_ref())?;
        out.end()
    }
}

/// The frames that an index lists, as far as it can be read.
fn list(index: &[u8], limits: &Limits) -> Vec<Listed> {
    let entries = wire::fields(index).flatten().filter_map(|field| match (field.number, field.value) {
        (1, Raw::Bytes(entry)) => Some(entry),
        _ => None,
    });
    let listed = entries.map(|entry| {
        let mut frame = Listed { offset: 0, stored: 0, name: Vec::new() };
        for field in wire::fields(entry).flatten() {
            match (field.number, field.value) {
                (1, Raw::Bytes(name)) => frame.name = name.to_vec(),
                (2, Raw::Varint(offset)) => frame.offset = offset,
                (3, Raw::Varint(stored)) => frame.stored = stored,
                _ => {}
            }
        }
        frame
    });
    listed.take(usize::try_from(limits.entries).unwrap_or(usize::MAX)).collect()
}

/// The contents of a tar.
fn contents(out: &mut Out<'_>, members: &[TarEntry]) -> Result<()> {
    let mut group = Group::default();
    for member in members {
        let line =
            Line::new(1, member.content_at, member.entry.size, "content, after its header", TAR).space(Space::Tar);
        out.add_to(&mut group, "members", line.value(super::members::entry_text(&member.entry)))?;
    }
    let end = members.last().map_or(0, |last| last.content_at + last.entry.size);
    out.end_group(group, 1, Space::Tar, end, TAR)
}
