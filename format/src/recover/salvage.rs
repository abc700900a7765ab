//! From members to the new archive: what is complete is written, what is not is reported.

use std::collections::HashMap;

use super::payload::Payload;
use super::report::{KeptRecords, Losses, LostEntry, LostRecords};
use super::streams::{LONGEST_DESCRIPTION, Streams};
use crate::digest::Hasher;
use crate::error::{Error, Result, code};
use crate::limits::Limits;
use crate::model::{Entry, EntryKind};
use crate::monitor::Monitor;
use crate::path::Reserved;
use crate::record::Splitter;
use crate::tar::{self, Parsed};
use crate::v1::{Placed, SchemaBody};
use crate::write::{NewEntry, Writer};

/// Where records go whose Schema is lost.
const KEPT_ROOT: &str = "recovered-records";
/// How many names for that directory are tried.
const MOST_ROOTS: u32 = 1000;

/// Takes members in the order of the tar.
pub(super) struct Salvage<'s, 'w> {
    pub(super) payload: Payload<'s>,
    pub(super) writer: Writer<'w>,
    pub(super) streams: Streams,
    pub(super) losses: Losses,
    pub(super) limits: Limits,
    pub(super) monitor: Monitor,
    /// The bodies of late Schemas whose numbers only their members tell, with the tar offsets these stand at.
    pub(super) late: Vec<(u64, Vec<u8>)>,
    /// The number that the next record of each stream had.
    pub(super) next_record: HashMap<String, u64>,
    /// While it is set, only descriptions of streams and Schemas are taken.
    pub(super) scanning: bool,
    /// How many members were seen so far: in earnest, and while `scanning` was set.
    members: [u64; 2],
    /// Whether what is missing of a stream is counted page by page, so that a member need not say it.
    pub(super) counted_by_page: bool,
    /// The number of the next batch of each stream.
    next_batch: HashMap<String, u32>,
    /// Batches of lost Schemas: they become files once no user's entry can want their paths.
    kept: Vec<KeptBatch>,
    /// Entries salvaged whose nanoseconds are not known.
    timeless: u64,
}

struct KeptBatch {
    stream: String,
    number: u32,
    content_at: u64,
    len: u64,
    records: u64,
}

/// How far members could be parsed from the tar.
pub(super) enum ParseEnd {
    /// Up to where it should go.
    Complete,
    /// To the zero blocks that end the tar.
    TarEnd,
    /// To a frame that is not whole, or is not there; its offset in the file.
    Broken(u64),
    /// To something that is no member.
    Malformed(String),
}

/// What the whole frames hold of a batch.
struct Scan {
    /// Whole records, and their bytes with their lengths.
    records: u64,
    len: u64,
    /// Why it ends early, if it does.
    short: Option<String>,
}

impl<'s, 'w> Salvage<'s, 'w> {
    pub(super) fn new(
        payload: Payload<'s>,
        writer: Writer<'w>,
        losses: Losses,
        limits: &Limits,
        monitor: &Monitor,
    ) -> Self {
        Self {
            payload,
            writer,
            streams: Streams::new(limits),
            losses,
            limits: limits.clone(),
            monitor: monitor.clone(),
            late: Vec::new(),
            next_record: HashMap::new(),
            scanning: false,
            members: [0; 2],
            counted_by_page: false,
            next_batch: HashMap::new(),
            kept: Vec::new(),
            timeless: 0,
        }
    }

    /// Takes the entries of a page.
    pub(super) fn page(&mut self, entries: &[Placed]) -> Result<()> {
        entries.iter().try_for_each(|placed| self.member(placed, true))
    }

    /// Takes the members that the tar has from `from` on, up to `to`.
    pub(super) fn parse(&mut self, from: u64, to: u64) -> Result<ParseEnd> {
        let mut at = from;
        while at < to {
            let (entry, len) = match self.parse_header(at, to)? {
                Ok(found) => found,
                Err(end) => return Ok(end),
            };
            let end = tar::member_len(&entry).and_then(|len| at.checked_add(len));
            let Some(end) = end else { return Ok(ParseEnd::Malformed("a member is longer than any tar".to_owned())) };
            // The members of a page end where the next one's begin. Else each page could claim all that follows it.
            if self.counted_by_page && end > to {
                return Ok(ParseEnd::Malformed("a member goes on where those of the next page begin".to_owned()));
            }
            let placed = Placed { entry, header_at: at, content_at: at + len as u64 };
            self.member(&placed, false)?;
            if end > to {
                return Ok(match self.payload.broken_in(at..end) {
                    Some(broken) => ParseEnd::Broken(broken),
                    None => ParseEnd::Malformed("a member does not end where it should".to_owned()),
                });
            }
            // Where its content is damaged, its header still tells where the next member begins.
            at = end;
        }
        Ok(ParseEnd::Complete)
    }

    /// The entry of the header at `at`, and the header's length.
    fn parse_header(&mut self, at: u64, to: u64) -> Result<Result<(Entry, usize), ParseEnd>> {
        let mut bytes = Vec::new();
        let mut needed = tar::BLOCK;
        loop {
            if needed as u64 > to - at || !self.payload.fill(&mut bytes, at, needed)? {
                let broken = self.payload.broken_in(at..at.saturating_add(needed as u64));
                let past = || ParseEnd::Malformed("a member does not end where it should".to_owned());
                return Ok(Err(broken.map_or_else(past, ParseEnd::Broken)));
            }
            match tar::parse_header(&bytes, &self.limits) {
                Ok(Parsed::Needs(more)) => needed = more,
                Ok(Parsed::Member { entry, len }) => return Ok(Ok((entry, len))),
                Ok(Parsed::End) => return Ok(Err(ParseEnd::TarEnd)),
                Err(error) => return Ok(Err(ParseEnd::Malformed(error.to_string()))),
            }
        }
    }

    /// Takes one member, whose entry and digest a page states where `vouched`.
    fn member(&mut self, placed: &Placed, vouched: bool) -> Result<()> {
        self.monitor.advance(0)?;
        let members = &mut self.members[usize::from(self.scanning)];
        *members += 1;
        if *members > self.limits.entries {
            let message = format!("more entries than the limit entries of {}", self.limits.entries);
            return Err(Error::new(code::LIMIT_ENTRIES, message).with_entry(placed.entry.path.as_str()));
        }
        if self.scanning && !matches!(placed.entry.kind, EntryKind::Schema | EntryKind::Stream) {
            return Ok(());
        }
        match Reserved::parse(placed.entry.path.as_str()).filter(|_| placed.entry.kind.is_reserved()) {
            None => self.user_entry(placed, vouched)?,
            Some(Reserved::Schema(number)) => {
                if let Some(at) = self.late.iter().position(|(tar_offset, _)| *tar_offset == placed.header_at) {
                    let (_, body) = self.late.swap_remove(at);
                    if let Ok(body) = SchemaBody::decode(&body, number, &self.limits) {
                        self.streams.section(number, body);
                    }
                }
                if !self.streams.has_schema(number)
                    && let Some(set) = self.content(placed, vouched, self.limits.manifest_bytes)?
                {
                    self.streams.schema(number, set);
                }
            }
            Some(Reserved::Stream(name)) => {
                if let Some(text) = self.content(placed, vouched, LONGEST_DESCRIPTION)? {
                    self.streams.description(&name, &text);
                }
            }
            Some(Reserved::Batch(name, number)) => self.batch(placed, vouched, &name, number)?,
        }
        match self.scanning {
            true => Ok(()),
            false => self.monitor.advance(placed.end().saturating_sub(placed.header_at)),
        }
    }

    fn user_entry(&mut self, placed: &Placed, vouched: bool) -> Result<()> {
        let entry = &placed.entry;
        if let Err(why) = self.check(placed, vouched)? {
            self.lose(entry, why);
            return Ok(());
        }
        let new = NewEntry::at(entry.path.clone()).mode(u32::from(entry.mode)).mtime(entry.mtime);
        let added = match (entry.kind, &entry.target) {
            (EntryKind::Directory, _) => self.writer.add_directory(new),
            (EntryKind::Symlink, Some(target)) => self.writer.add_symlink(new, target.as_str()),
            _ => {
                let content = self.payload.reader(placed.content_at..placed.content_end());
                self.writer.add_reader(new, Some(entry.size), content)
            }
        };
        match added {
            Ok(()) => {
                self.losses.entries += 1;
                self.losses.file_bytes += entry.size;
                self.timeless += u64::from(!vouched);
                Ok(())
            }
            Err(error) if self.writer.has_failed() => Err(error),
            Err(error) => {
                self.lose(entry, format!("{}: {}", error.code(), error.message()));
                Ok(())
            }
        }
    }

    fn lose(&mut self, entry: &Entry, why: String) {
        self.losses.lost_entries.push(LostEntry {
            path: entry.path.to_string(),
            kind: entry.kind,
            size: entry.size,
            why,
        });
    }

    /// Whether every frame of a member is whole, and it is what its entry says; otherwise why not.
    fn check(&mut self, placed: &Placed, vouched: bool) -> Result<Result<(), String>> {
        let entry = &placed.entry;
        if let Some(broken) = self.payload.broken_in(placed.header_at..placed.end()) {
            return Ok(Err(broken_at(broken)));
        }
        if let Err(why) = self.check_header(placed, vouched)? {
            return Ok(Err(why));
        }
        let mut hasher = Hasher::new();
        let content = self.payload.read(placed.content_at..placed.content_end(), |piece| {
            hasher.update(piece);
            Ok(())
        })?;
        let mut zeros = true;
        let padding = self.payload.read(placed.content_end()..placed.end(), |piece| {
            zeros &= piece.iter().all(|byte| *byte == 0);
            Ok(())
        })?;
        let fault = if !content || !padding {
            "a frame that holds a part of it does not decode"
        } else if !zeros {
            "its padding is not zero"
        } else if vouched && entry.kind.has_content() && hasher.finish() != entry.digest {
            "its content has another digest than its entry states"
        } else {
            return Ok(Ok(()));
        };
        Ok(Err(fault.to_owned()))
    }

    /// Whether the header of a member is that of its entry. One that was parsed was compared then.
    fn check_header(&mut self, placed: &Placed, vouched: bool) -> Result<Result<(), String>> {
        if !vouched {
            return Ok(Ok(()));
        }
        let expected = tar::member_header(&placed.entry);
        let mut found = Vec::new();
        self.payload.fill(&mut found, placed.header_at, expected.len())?;
        Ok(match found == expected {
            true => Ok(()),
            false => Err("its tar header differs from its entry".to_owned()),
        })
    }

    /// The content of a complete member of at most `most` bytes.
    fn content(&mut self, placed: &Placed, vouched: bool, most: u64) -> Result<Option<Vec<u8>>> {
        if placed.entry.size > most || self.check(placed, vouched)?.is_err() {
            return Ok(None);
        }
        let mut content = Vec::new();
        let whole = self.payload.fill(&mut content, placed.content_at, placed.entry.size as usize)?;
        Ok(whole.then_some(content))
    }

    fn batch(&mut self, placed: &Placed, vouched: bool, stream: &str, number: u32) -> Result<()> {
        let entry = &placed.entry;
        let first = self.next_record.get(stream).copied().unwrap_or_default();
        let scan = match self.take_batch_number(stream, number) {
            true => self.scan_batch(placed, vouched)?,
            false => Scan::nothing("another batch has its number, or a greater one came before".to_owned()),
        };
        let expected = vouched.then_some(entry.records);
        self.next_record.insert(stream.to_owned(), first + scan.records.max(expected.unwrap_or_default()));
        if let Some(why) = &scan.short
            && (vouched || !self.counted_by_page)
        {
            let count = expected.map(|expected| expected.saturating_sub(scan.records));
            if count != Some(0) {
                self.lose_records(stream, first + scan.records, count, why.clone());
            }
        }
        if scan.records == 0 {
            return Ok(());
        }
        let Some(target) = self.streams.target(stream, &mut self.writer)? else {
            let (stream, content_at) = (stream.to_owned(), placed.content_at);
            self.kept.push(KeptBatch { stream, number, content_at, len: scan.len, records: scan.records });
            return Ok(());
        };
        let mut splitter = Splitter::new(&self.limits);
        let (mut taken, mut refused) = (0, Vec::new());
        let writer = &mut self.writer;
        self.payload.read(placed.content_at..placed.content_at + scan.len, |mut piece| {
            while let Some(record) = splitter.next_record(&mut piece)? {
                match writer.append_encoded(target, record) {
                    Ok(()) => {}
                    Err(error) if writer.has_failed() => return Err(error),
                    Err(error) => refused.push((taken, format!("{}: {}", error.code(), error.message()))),
                }
                taken += 1;
            }
            Ok(())
        })?;
        if taken != scan.records {
            return Err(Error::new(code::IO_READ, "the archive changed while it was recovered from"));
        }
        self.losses.records += taken - refused.len() as u64;
        for (place, why) in refused {
            self.lose_records(stream, first + place, Some(1), why);
        }
        Ok(())
    }

    /// Whether batch `number` may come next in its stream: others may be missing before it, but none comes twice.
    fn take_batch_number(&mut self, stream: &str, number: u32) -> bool {
        let next = self.next_batch.entry(stream.to_owned()).or_default();
        let fits = number >= *next;
        *next = (*next).max(number.saturating_add(1));
        fits
    }

    fn scan_batch(&mut self, placed: &Placed, vouched: bool) -> Result<Scan> {
        if let Some(broken) = self.payload.broken_in(placed.header_at..placed.content_at) {
            return Ok(Scan::nothing(broken_at(broken)));
        }
        if let Err(why) = self.check_header(placed, vouched)? {
            return Ok(Scan::nothing(why));
        }
        let range = placed.content_at..placed.content_end();
        let whole_to = self.payload.whole_until(range.start, range.end);
        let mut splitter = Splitter::new(&self.limits);
        let mut hasher = Hasher::new();
        let mut framing = None;
        let read = self.payload.read(range.start..whole_to, |mut piece| {
            hasher.update(piece);
            while framing.is_none() {
                match splitter.skip_record(&mut piece) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => framing = Some(error.to_string()),
                }
            }
            Ok(())
        })?;
        let mut scan = Scan { records: splitter.records(), len: splitter.offset(), short: framing };
        if scan.short.is_none() {
            scan.short = match self.payload.broken_in(range.clone()) {
                Some(broken) => Some(broken_at(broken)),
                None => splitter.finish().err().map(|error| error.to_string()),
            };
        }
        if vouched && read && whole_to == range.end && hasher.finish() != placed.entry.digest {
            return Ok(Scan::nothing("the batch has another digest than its entry states".to_owned()));
        }
        if vouched && scan.short.is_none() && scan.records < placed.entry.records {
            scan.short = Some("the batch holds fewer records than its entry states".to_owned());
        }
        Ok(scan)
    }

    /// Notes records as lost.
    pub(super) fn lose_records(&mut self, stream: &str, first: u64, count: Option<u64>, why: String) {
        let lost = &mut self.losses.lost_records;
        if let Some(last) = lost.items.last_mut()
            && lost.more == 0
            && last.stream == stream
            && let (Some(before), Some(more)) = (last.count, count)
            && last.first + before == first
            && last.why == why
        {
            last.count = Some(before + more);
            return;
        }
        lost.push(LostRecords { stream: stream.to_owned(), first, count, why });
    }

    /// Writes what waited for all members to be seen, notes what else is lost, and completes the archive.
    pub(super) fn finish(mut self, schemas: Option<u32>) -> Result<super::RecoverReport> {
        self.streams.declare_known(&mut self.writer)?;
        self.keep_as_files()?;
        for frame in self.payload.take_refused() {
            self.losses.damage(frame.offset, u64::from(frame.stored), "payload that does not decode");
        }
        self.streams.report(schemas, &mut self.losses);
        if self.timeless > 0 {
            let lost = match self.timeless {
                1 => "the nanoseconds of 1 modification time, if it had any".to_owned(),
                more => format!("the nanoseconds of {more} modification times, if they had any"),
            };
            self.losses.lost_facts.push(lost);
        }
        if !self.losses.is_nothing() {
            self.writer.annotate(&self.losses.to_proto(), crate::proto::RECOVERY_DESCRIPTOR_SET)?;
        }
        let summary = self.writer.finish()?;
        Ok(super::RecoverReport { summary, losses: self.losses })
    }

    /// Writes the records of lost Schemas as files.
    fn keep_as_files(&mut self) -> Result<()> {
        let mut root = 1;
        for batch in std::mem::take(&mut self.kept) {
            loop {
                let suffix = if root == 1 { String::new() } else { format!("-{root}") };
                let path = format!("{KEPT_ROOT}{suffix}/{}/{:08}.binpb", batch.stream, batch.number);
                let content = self.payload.reader(batch.content_at..batch.content_at + batch.len);
                let added =
                    NewEntry::new(&path).and_then(|entry| self.writer.add_reader(entry, Some(batch.len), content));
                match added {
                    Ok(()) => {
                        let KeptBatch { stream, records, .. } = batch;
                        self.losses.kept_as_files.push(KeptRecords { stream, path, records });
                        break;
                    }
                    Err(error) if self.writer.has_failed() => return Err(error),
                    Err(error)
                        if (error.is(code::PATH_DUPLICATE) || error.is(code::PATH_PARENT)) && root < MOST_ROOTS =>
                    {
                        root += 1;
                    }
                    Err(error) => {
                        let why = format!("the Schema is lost, and no file could be made: {error}");
                        self.losses.lost_facts.push(format!("{} records of {}: {why}", batch.records, batch.stream));
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Scan {
    fn nothing(why: String) -> Self {
        Self { records: 0, len: 0, short: Some(why) }
    }
}

pub(super) fn broken_at(offset: u64) -> String {
    format!("the frame at byte {offset}, which holds a part of it, is damaged or missing")
}
