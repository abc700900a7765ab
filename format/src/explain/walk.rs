//! The map of a Rosettar archive, or of what may have been one.

use super::frames::{self, Frame, Window};
use super::members::Members;
use super::out::{Group, Out};
use super::plan::{Known, Plan};
use super::{ExplainOptions, Line, fault, hex, read, refused, sections, table};
use crate::digest::{Digest, Hasher};
use crate::dispatch::Format;
use crate::error::{Error, Result, code};
use crate::frame::{Decoder, MAGIC};
use crate::io::ReadAt;
use crate::limits::Limits;
use crate::monitor::Monitor;
use crate::wire::{prefix, section, seek_table};

/// How much is digested at a time.
const PIECE: u64 = 256 << 10;

/// A walk over the frames of a file.
pub(super) struct Walk<'w> {
    pub(super) source: &'w dyn ReadAt,
    pub(super) size: u64,
    pub(super) limits: &'w Limits,
    monitor: &'w Monitor,
    pub(super) window: Window<'w>,
    pub(super) plan: Plan,
    pub(super) members: Members,
    pub(super) decoder: Decoder,
    /// How many frames there were, with the one at hand.
    number: u64,
    pub(super) seen: Seen,
    chunk: Vec<u8>,
}

/// What came before, which decides what may come.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) payload: bool,
    pub(super) pages: bool,
    pub(super) index: bool,
    pub(super) table: bool,
    pub(super) late_schemas: u32,
    /// How many Schemas the manifest has.
    pub(super) schemas: u32,
}

/// Explains the file that begins with `head`.
pub(super) fn explain(
    source: &dyn ReadAt,
    size: u64,
    head: &[u8],
    options: &ExplainOptions,
    out: &mut Out<'_>,
) -> Result<()> {
    let limits = &options.limits;
    let plan = Plan::read(source, size, limits)?;
    let mut walk = Walk {
        source,
        size,
        limits,
        monitor: &options.monitor,
        window: Window::new(source, size),
        plan,
        members: Members::new(limits),
        decoder: Decoder::new()?,
        number: 0,
        seen: Seen::default(),
        chunk: Vec::new(),
    };
    let own_beginning = prefix::is_magic(head)
        || head.starts_with(&prefix::MAGIC[..prefix::EMPTY_FRAME_LEN as usize])
        || head.get(prefix::EMPTY_FRAME_LEN as usize..).is_some_and(|rest| rest.starts_with(&section::MAGIC))
        || walk.plan.index_at.is_some();
    let mut at = 0;
    if own_beginning {
        at = walk.beginning(out, head)?;
    }
    while at < size {
        options.monitor.advance(0)?;
        at += walk.frame(out, at)?;
    }
    Ok(())
}

impl Walk<'_> {
    /// The empty frame and the header; where they end.
    fn beginning(&mut self, out: &mut Out<'_>, head: &[u8]) -> Result<u64> {
        const EMPTY: usize = prefix::EMPTY_FRAME_LEN as usize;
        let unknown = |right: &[u8], found: &[u8]| {
            (!right.starts_with(found)).then(|| {
                let message = format!("expected {}, found {}", hex(right), hex(found));
                fault(code::ENVELOPE_UNKNOWN_MAGIC, message)
            })
        };
        let cut = || {
            let message = format!("the file ends after {} bytes: expected {}", head.len(), prefix::LEN);
            fault(code::ENVELOPE_TRUNCATED, message)
        };
        let frame = &head[..head.len().min(EMPTY)];
        if frame.is_empty() {
            return Ok(0);
        }
        let mut line = Line::new(0, 0, frame.len() as u64, "frame 0, the empty frame", "3.1").value(hex(frame));
        line = line.problem(unknown(&prefix::MAGIC[..EMPTY], frame));
        line = line.problem((frame.len() < EMPTY).then(cut)).problem(self.digest_fault(0, frame));
        out.begin(line, None)?;
        out.end()?;
        let header = &head[frame.len()..];
        self.number = 2;
        if header.is_empty() {
            return Ok(frame.len() as u64);
        }
        let version = match Format::of(head) {
            Err(error) if error.is(code::ENVELOPE_UNSUPPORTED_VERSION) => Some(error),
            _ => None,
        };
        let value = match header.get(16..18) {
            Some(version) => format!("version {}.{}", version[0], version[1]),
            None => "cut off".to_owned(),
        };
        let mut line = Line::new(0, EMPTY as u64, header.len() as u64, "frame 1, the header", "3.1").value(value);
        line = line.problem((head.len() < prefix::LEN).then(cut));
        line = line.problem(self.digest_fault(EMPTY as u64, header));
        out.begin(line, None)?;
        let reserved = head.first_chunk().and_then(|head| prefix::check_reserved(head).err());
        let mut faults = [
            unknown(&prefix::MAGIC[9..13], header.get(..4).unwrap_or(header)),
            header.get(4..8).and_then(|found| unknown(&prefix::MAGIC[13..17], found)),
            header.get(8..16).and_then(|found| unknown(&prefix::MAGIC[17..], found)),
            version,
            None,
            reserved,
        ]
        .into_iter();
        let parts = [
            (0, 4, "magic number of a skippable frame"),
            (4, 8, "its length"),
            (8, 16, "the name of the format"),
            (16, 17, "major version"),
            (17, 18, "minor version"),
            (18, 20, "reserved"),
        ];
        for (from, to, what) in parts {
            let problem = faults.next().flatten();
            let Some(bytes) = header.get(from..to.min(header.len())).filter(|bytes| !bytes.is_empty()) else { break };
            let value = match (from, bytes) {
                (4, &[a, b, c, d]) => format!("{} bytes", u32::from_le_bytes([a, b, c, d])),
                (8, _) => super::quoted_bytes(bytes),
                (16 | 17, [version]) => version.to_string(),
                _ => hex(bytes),
            };
            let at = (EMPTY + from) as u64;
            out.add(Line::new(1, at, bytes.len() as u64, what, "3.1").value(value).problem(problem))?;
        }
        out.end()?;
        Ok(head.len() as u64)
    }

    /// Whether what stands at `at` is what the index says.
    fn digest_fault(&mut self, at: u64, frame: &[u8]) -> Option<Error> {
        let known = self.plan.frame_at(at).filter(|known| known.stored as usize == frame.len())?;
        self.compare_digest(&known, Digest::of(frame))
    }

    fn compare_digest(&self, known: &Known, found: Digest) -> Option<Error> {
        let expected = known.digest.filter(|expected| *expected != found)?;
        let message = format!("the digest of frame {}: expected {expected}, found {found}", known.number);
        Some(fault(code::FRAME_DIGEST, message))
    }

    /// The frame at `at`, or what stands there instead; its length.
    fn frame(&mut self, out: &mut Out<'_>, at: u64) -> Result<u64> {
        let known = self.plan.frame_at(at);
        // Where nothing says otherwise, what stands here reaches to the next place that is known, at most.
        let bound = self.plan.next_after(at).unwrap_or(self.size).min(self.size);
        let head = self.window.get(at, 8)?.to_vec();
        let end = known.map_or(bound, |known| (at + u64::from(known.stored)).min(self.size));
        let number = self.number;
        self.number += 1;
        if head.starts_with(&MAGIC) {
            return self.payload(out, at, end, known);
        }
        let length = || {
            let length = u32::from_le_bytes(*head[4..].first_chunk()?);
            Some(u64::from(length) + 8)
        };
        if head.starts_with(&seek_table::MAGIC) {
            let len = length().unwrap_or(8).min(end - at).min(self.size - at);
            table::lines(self, out, at, len)?;
            return Ok(len);
        }
        if head.starts_with(&section::MAGIC) {
            return sections::lines(self, out, at, end, known);
        }
        let skippable = head.len() >= 4 && head[0] & 0xF0 == 0x50 && head[1..4] == section::MAGIC[1..];
        let len = match known {
            Some(_) => end - at,
            None if skippable => length().unwrap_or(8).min(end - at),
            None => bound - at,
        };
        let problem = self.stray(at, &head, skippable);
        let head = &head[..head.len().min(len as usize)];
        let (what, told) = match skippable {
            true => (self.named("a skippable frame that no archive has"), format!("of {len} bytes")),
            false if known.is_some() => (self.named("which does not begin as a frame"), hex(head)),
            false => ("bytes with which no frame begins".to_owned(), hex(head)),
        };
        if !skippable && known.is_none() {
            self.number = number;
        }
        let line = Line::new(0, at, len, what, "2").value(told).problem(problem);
        let digest = self.digest_of(&known, at, len)?;
        out.begin(line.problem(digest), None)?;
        out.end()?;
        Ok(len)
    }

    /// What is wrong with what is no frame of an archive.
    fn stray(&self, at: u64, head: &[u8], skippable: bool) -> Option<Error> {
        if at == 0 {
            let message = format!("expected {}, found {}", hex(&prefix::MAGIC), hex(head));
            return Some(fault(code::ENVELOPE_UNKNOWN_MAGIC, message));
        }
        if self.seen.table {
            let message = "something follows the seek table: expected the file to end";
            return Some(fault(code::SEEK_TABLE_FOOTER, message));
        }
        if at == prefix::LEN as u64 || skippable {
            let message =
                format!("expected the magic number {} of a section, found {}", hex(&section::MAGIC), hex(head));
            return Some(fault(code::SECTION_HEAD, message));
        }
        let message =
            format!("expected the magic number of a zstd frame, a section or the seek table, found {}", hex(head));
        Some(fault(code::FRAME_HEADER, message))
    }

    /// What an outermost thing is called.
    pub(super) fn named(&self, what: &str) -> String {
        format!("frame {}, {what}", self.number - 1)
    }

    /// Compares the frame of `len` bytes at `at` with the digest that the index states.
    pub(super) fn digest_of(&mut self, known: &Option<Known>, at: u64, len: u64) -> Result<Option<Error>> {
        let Some(known) = known.filter(|known| known.digest.is_some() && u64::from(known.stored) == len) else {
            return Ok(None);
        };
        let found = self.digest(at, len)?;
        Ok(self.compare_digest(&known, found))
    }

    /// The digest of a range that is there.
    pub(super) fn digest(&self, at: u64, len: u64) -> Result<Digest> {
        let mut hasher = Hasher::new();
        let (mut from, end) = (at, at + len);
        while from < end {
            let piece = read(self.source, from, PIECE.min(end - from))?;
            hasher.update(&piece);
            from += piece.len() as u64;
            self.monitor.advance(0)?;
        }
        Ok(hasher.finish())
    }

    /// A zstd frame.
    fn payload(&mut self, out: &mut Out<'_>, at: u64, bound: u64, known: Option<Known>) -> Result<u64> {
        let frame = frames::walk(&mut self.window, at, bound)?;
        let end = match (known, frame.end) {
            (Some(_), _) | (None, None) => bound,
            (None, Some(end)) => end,
        };
        let len = end - at;
        let mut problems = Vec::new();
        problems.extend(self.digest_of(&known, at, len)?);
        problems.extend(self.place_of_payload(at));
        let mut chunk = std::mem::take(&mut self.chunk);
        let decoded = self.decode(&frame, at, len, &mut chunk)?;
        if let Err(error) = &decoded
            && !error.is(code::FRAME_HEADER)
            && frame.content_size.is_none_or(|size| error.is(code::FRAME_DECODE) || chunk_is_legal(size))
        {
            problems.push(fault_again(error));
        }
        if let (Some(known), Some(size)) = (known, frame.content_size)
            && size != u64::from(known.decoded)
        {
            let by = if self.plan.by_index { "index" } else { "seek table" };
            let message = format!("a frame decodes to {size} bytes: expected {}, as the {by} says", known.decoded);
            problems.push(fault(code::FRAME_SIZE, message));
        }
        let tar_at = self.members.offset;
        let mut line = Line::new(0, at, len, self.named("payload"), "3.2");
        line.value = match (&decoded, frame.content_size) {
            (Ok(()), _) => {
                format!(
                    "decodes to {} bytes, tar {tar_at} to {}",
                    chunk.len(),
                    tar_at + (chunk.len() as u64).max(1) - 1
                )
            }
            (Err(_), Some(size)) => format!("states {size} bytes, from tar {tar_at}"),
            (Err(_), None) => format!("from tar {tar_at}"),
        };
        line.value.push_str(self.confirmed(&known));
        line.problems = problems;
        out.begin(line, Some("payload frames"))?;
        frames::lines(out, &mut self.window, &frame, (at, end), 1, frames::SPEC)?;
        out.enclose(frame.blocks.clone());
        match decoded {
            Ok(()) => self.members.chunk(out, &chunk)?,
            Err(_) => {
                self.members.pass(known.map_or(frame.content_size, |known| Some(known.decoded.into())).unwrap_or(0))
            }
        }
        self.chunk = chunk;
        self.seen.payload = true;
        out.end()?;
        Ok(len)
    }

    /// What the end of the file says of a frame, in a few words.
    pub(super) fn confirmed(&self, known: &Option<Known>) -> &'static str {
        match known {
            Some(Known { digest: Some(_), .. }) => "; listed by the index, with a digest",
            Some(_) if self.plan.by_index => "; listed by the index, which is damaged",
            Some(_) => "; listed by the seek table",
            None => "; not listed",
        }
    }

    fn place_of_payload(&self, at: u64) -> Option<Error> {
        if at == 0 {
            let message = format!("expected {}, found another zstd frame", hex(&prefix::MAGIC));
            return Some(fault(code::ENVELOPE_UNKNOWN_MAGIC, message));
        }
        if at == prefix::LEN as u64 {
            return Some(fault(code::SECTION_HEAD, "a zstd frame: expected the section MANI at byte 29"));
        }
        if self.seen.table {
            return Some(fault(code::SEEK_TABLE_FOOTER, "a zstd frame after the seek table: expected the file to end"));
        }
        if self.seen.pages || self.seen.index {
            let message =
                "a zstd frame after the entry table began: expected pages, the index and the seek table alone";
            return Some(fault(code::INDEX_FRAMES, message));
        }
        None
    }

    /// Decodes a payload frame, if it is one of which that is to be expected.
    fn decode(&mut self, frame: &Frame, at: u64, len: u64, chunk: &mut Vec<u8>) -> Result<Result<()>> {
        chunk.clear();
        if let Some(why) = &frame.why {
            return Ok(Err(fault_again(why)));
        }
        if len > frames::most_stored() {
            let message = format!("a frame of {len} bytes: expected at most {}", frames::most_stored());
            return Ok(Err(fault(code::FRAME_SIZE, message)));
        }
        let limit = self.limits.decoded_bytes_for(self.size);
        if self.members.offset.saturating_add(frame.content_size.unwrap_or_default()) > limit {
            let message = format!("the payload decodes to more than the limit decoded-bytes of {limit}");
            return Ok(Err(fault(code::LIMIT_DECODED_BYTES, message)));
        }
        let bytes = read(self.source, at, len)?;
        refused(self.decoder.decode(&bytes, chunk))
    }

    /// Lines of what a page of the entry table says of its entries.
    pub(super) fn entries(&self, out: &mut Out<'_>, level: u32, page: &[u8], known: Option<Known>) -> Result<()> {
        let place = known.and_then(|known| self.plan.page(known.number));
        let decoded = match place {
            Some(place) => refused(crate::v1::Page::decode(page, place, self.limits))?.map(|page| page.entries),
            None => refused(crate::v1::Page::decode_alone(page, 0, self.limits))?,
        };
        let entries = match decoded {
            Ok(entries) => entries,
            Err(error) => {
                let line = Line::new(level, 0, page.len() as u64, "entries, which break a rule", "7");
                return out.add(line.space(super::Space::Page).problem(error));
            }
        };
        let mut group = Group::default();
        for placed in &entries {
            let (what, space) = ("entry", super::Space::Tar);
            let line = Line::new(level, placed.header_at, placed.end() - placed.header_at, what, "7").space(space);
            let mut text = super::members::entry_text(&placed.entry);
            if placed.entry.kind.has_content() {
                text.push_str(&format!(", digest {}", super::fields::short(&placed.entry.digest)));
            }
            if let Some(stream) = placed.entry.stream {
                text.push_str(&format!(", records of stream {stream}: {}", placed.entry.records));
            }
            out.add_to(&mut group, "entries", line.value(text))?;
        }
        out.end_group(group, level, super::Space::Tar, entries.last().map_or(0, |last| last.end()), "7")
    }
}

/// Whether a content size is within bounds, so that what is said of it elsewhere is not said again.
fn chunk_is_legal(size: u64) -> bool {
    (1..=u64::from(crate::frame::MAX_DECODED)).contains(&size)
}

fn fault_again(error: &Error) -> Error {
    super::out::copy(error)
}
