//! Verifying a whole archive: structure, every digest, the tar by encoding it again, and records if asked.

mod streamed;

use std::collections::HashMap;
use std::sync::Arc;

use prost_reflect::MessageDescriptor;

use crate::digest::{Digest, Hasher};
use crate::error::{Error, ErrorKind, Result, code};
use crate::model::{EntryKind, Facts, VerifyReport};
use crate::proto;
use crate::read::{Archive, Driver, Indexed, TarCursor};
use crate::record::{self, Splitter};
use crate::schema;
use crate::tar;
use crate::v1::{self, ContentHasher, PagePlace, Placed, SchemaBody, TableCheck};
use crate::wire::section;

/// After this many problems the report only counts.
const MOST_PROBLEMS: usize = 1000;

/// What to verify.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct VerifyOptions {
    records: bool,
}

impl VerifyOptions {
    /// Everything but whether each record decodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to decode every record by its schema, too; not unless set.
    #[must_use]
    pub fn records(mut self, records: bool) -> Self {
        self.records = records;
        self
    }
}

impl Archive {
    /// Checks every rule of FORMAT.md and every digest, and reports all that is wrong, as far as one fault does not hide
    /// another.
    ///
    /// ```
    /// # let mut file = Vec::new();
    /// # rosettar::WriteOptions::new().write_to(&mut file)?.finish()?;
    /// let report = rosettar::open(file)?.verify(&rosettar::VerifyOptions::new())?;
    /// assert!(report.is_sound());
    /// # Ok::<(), rosettar::Error>(())
    /// ```
    ///
    /// # Errors
    /// `io.read` where the archive cannot be read, and `usage.interrupted`; what is wrong with the archive is in the
    /// report.
    pub fn verify(&self, options: &VerifyOptions) -> Result<VerifyReport> {
        let inner = match &self.driver {
            Driver::Indexed(inner) => inner,
            Driver::Listed(inner) => return inner.verify(options.records),
        };
        inner.options.monitor.set_total(inner.index.totals.tar_bytes);
        let mut verifier = Verifier::new(inner, options.clone());
        verifier.schemas()?;
        verifier.sections()?;
        verifier.tar()?;
        Ok(verifier.finish())
    }
}

struct Verifier<'a> {
    inner: &'a Arc<Indexed>,
    options: VerifyOptions,
    report: VerifyReport,
    /// The record type of each stream, once it was asked for; `None` where it cannot be had.
    types: HashMap<u32, Option<MessageDescriptor>>,
    /// The digest of each stream's batches so far; `None` once a piece was missing.
    streams: Vec<Option<Hasher>>,
    /// Whether every page of the entry table was there.
    pages_complete: bool,
}

impl<'a> Verifier<'a> {
    fn new(inner: &'a Arc<Indexed>, options: VerifyOptions) -> Self {
        let report = VerifyReport::default();
        let streams = inner.index.streams.iter().map(|_| Some(Hasher::new())).collect();
        Self { inner, options, report, types: HashMap::new(), streams, pages_complete: true }
    }

    /// Takes note of what is wrong with the archive; what is wrong with the world is passed on.
    fn problem(&mut self, error: Error) -> Result<()> {
        if matches!(error.kind(), ErrorKind::Io | ErrorKind::Usage) {
            return Err(error);
        }
        // A damaged page, for one, is met as a frame and again as a page.
        let known = |problem: &Error| {
            (problem.code(), problem.offset(), problem.entry(), problem.message())
                == (error.code(), error.offset(), error.entry(), error.message())
        };
        if self.report.problems.iter().any(known) {
            return Ok(());
        }
        if self.report.problems.len() < MOST_PROBLEMS {
            self.report.problems.push(error);
        } else {
            self.report.more_problems += 1;
        }
        Ok(())
    }

    fn check(&mut self, outcome: Result<()>) -> Result<()> {
        outcome.or_else(|error| self.problem(error))
    }

    /// Every Schema: there, closed, in order, acceptable, and defining what it must.
    fn schemas(&mut self) -> Result<()> {
        for number in 0..self.inner.facts.schemas {
            // What is wrong with a late Schema's section is met again as a fault of the section, and has its place.
            let body = match self.inner.schema(number) {
                Ok(body) => body,
                Err(error) => {
                    self.problem(error)?;
                    continue;
                }
            };
            self.check(check_schema(number, body))?;
        }
        Ok(())
    }

    /// Every frame that is not payload: its digest, and whether it may stand where it does.
    fn sections(&mut self) -> Result<()> {
        let frames = &self.inner.index.frames;
        let first_page = frames.len() - self.inner.index.pages.len();
        let last_payload = first_page - 1;
        for number in (0..frames.len()).filter(|number| frames[*number].decoded == 0) {
            let offset = frames[number].offset;
            let late = self.inner.index.late_schema_frames.binary_search(&(number as u32)).is_ok();
            let outcome = self.inner.frame(number).and_then(|frame| {
                self.report.stored_bytes += frame.len() as u64;
                if number < v1::OPENING_FRAMES - 1 {
                    // Both were looked at when the archive was opened; here it is that their digests are right.
                    return Ok(());
                }
                let kind = section::parse_head(&frame, offset)?.kind;
                let expected = match number {
                    _ if number == v1::OPENING_FRAMES - 1 => section::MANI,
                    _ if number >= first_page => section::ENTR,
                    _ if late => section::SCHM,
                    _ if kind == section::SCHM => {
                        let message = "a schema section that the index does not list";
                        return Err(Error::new(code::INDEX_STREAMS, message).with_offset(offset));
                    }
                    _ if kind[0].is_ascii_lowercase() && number < last_payload => kind,
                    _ if kind[0].is_ascii_lowercase() => return Err(misplaced("an ancillary section", offset)),
                    _ => return Err(section::unexpected(kind, offset)),
                };
                section::open(&frame, expected, offset).map(drop)
            });
            self.check(outcome)?;
        }
        Ok(())
    }

    /// Every page, every payload frame, every byte of the tar.
    fn tar(&mut self) -> Result<()> {
        let index = &self.inner.index;
        let payload = (0..index.frames.len()).filter(|number| index.frames[*number].decoded > 0);
        let mut cursor = TarCursor::digesting(self.inner, payload.clone());
        let schemas =
            (0..self.inner.facts.schemas).map(|n| self.inner.schema(n).ok().map(|s| Digest::of(&s.descriptor_set)));
        let mut table = Some(TableCheck::new(index, schemas.collect()));
        let mut content = ContentHasher::new(index.totals.user_entries(), PagePlace::ascend(&index.pages));
        for (number, place) in index.pages.iter().enumerate() {
            let page = match self.inner.page(number) {
                Ok(page) => page,
                Err(error) => {
                    self.problem(error)?;
                    table = None;
                    self.pages_complete = false;
                    for (stream, records) in self.streams.iter_mut().zip(&place.record_counts) {
                        if *records > 0 {
                            *stream = None;
                        }
                    }
                    cursor.take(place.tar_end - place.tar_offset, |_, _| Ok(()))?;
                    self.faults(&mut cursor)?;
                    continue;
                }
            };
            content.page(page.entries.iter().map(|placed| &placed.entry));
            for (number, placed) in (page.first_entry..).zip(&page.entries) {
                if let Some(check) = &mut table
                    && let Err(error) = check.entry(number, placed)
                {
                    self.problem(error)?;
                }
                self.member(&mut cursor, placed)?;
            }
        }
        self.tar_end(&mut cursor)?;
        if let Some(check) = table
            && self.report.problems.is_empty()
        {
            self.check(check.finish(index))?;
        }
        self.report.stored_bytes += payload.map(|number| u64::from(index.frames[number].stored)).sum::<u64>();
        self.digests(content)
    }

    fn member(&mut self, cursor: &mut TarCursor, placed: &Placed) -> Result<()> {
        let entry = &placed.entry;
        let header = tar::member_header(entry);
        let mut seen = 0;
        let mut same = true;
        // Whether all of the member was to be had, and whether all of its content was.
        let mut there = true;
        let mut whole = true;
        cursor.take(header.len() as u64, |piece, len| {
            match piece {
                Some(piece) => same &= header[seen..seen + piece.len()] == *piece,
                None => there = false,
            }
            seen += len as usize;
            Ok(())
        })?;
        if !same {
            let message = "the tar header of a member differs from the one that its entry has";
            self.problem(self.located(Error::new(code::TAR_HEADER, message), placed))?;
        }
        let mut batch = match (entry.kind, entry.stream) {
            (EntryKind::Batch, Some(stream)) => Some(BatchCheck::new(self, stream)?),
            _ => None,
        };
        let stream = entry.stream.map(|stream| stream as usize);
        let mut stream_hasher = stream.and_then(|stream| self.streams.get_mut(stream)?.take());
        let mut hasher = Hasher::new();
        // Whether the content came in one piece, of which the cursor knows the digest.
        let mut at_once = false;
        cursor.take(entry.size, |piece, _| {
            match piece {
                Some(piece) => {
                    match piece.len() as u64 == entry.size {
                        true => at_once = true,
                        false => hasher.update(piece),
                    }
                    if let Some(hasher) = &mut stream_hasher {
                        hasher.update(piece);
                    }
                    if let Some(batch) = batch.as_mut().filter(|_| whole) {
                        batch.piece(piece);
                    }
                }
                None => whole = false,
            }
            Ok(())
        })?;
        let at_once = if at_once { cursor.digest(placed) } else { None };
        let mut zero = true;
        cursor.take(tar::padding(entry.size), |piece, _| {
            there &= piece.is_some();
            zero &= piece.is_none_or(|piece| piece.iter().all(|byte| *byte == 0));
            Ok(())
        })?;
        if !(there && whole) && self.report.damaged.len() < MOST_PROBLEMS {
            self.report.damaged.push(entry.path.to_string());
        }
        if !zero {
            let message = "the padding after a member's content is not zero";
            self.problem(self.located(Error::new(code::TAR_PADDING, message), placed))?;
        }
        if let (Some(stream), true) = (stream, whole) {
            self.streams[stream] = stream_hasher;
        }
        self.faults(cursor)?;
        if whole && entry.kind.has_content() {
            let found = at_once.unwrap_or_else(|| hasher.finish());
            self.check(entry.check_digest(found).map_err(|error| self.located(error, placed)))?;
        }
        if let (Some(batch), true) = (batch, whole) {
            let (records, decoded, outcome) = batch.finish(entry.records);
            self.report.records += records;
            self.report.records_decoded += decoded;
            self.check(outcome.map_err(|error| error.with_entry(entry.path.as_str())))?;
        }
        self.report.entries += 1;
        let len = placed.end() - placed.header_at;
        self.report.decoded_bytes += len;
        self.inner.options.monitor.advance(len)
    }

    fn tar_end(&mut self, cursor: &mut TarCursor) -> Result<()> {
        let mut zero = true;
        cursor.take(u64::from(tar::END_LEN), |piece, _| {
            zero &= piece.is_none_or(|piece| piece.iter().all(|byte| *byte == 0));
            Ok(())
        })?;
        self.faults(cursor)?;
        if !zero {
            let message = "the last payload frame: expected the two zero blocks that end the tar, and nothing else";
            self.problem(Error::new(code::TAR_END, message))?;
        }
        self.report.decoded_bytes += u64::from(tar::END_LEN);
        self.inner.options.monitor.advance(u64::from(tar::END_LEN))
    }

    /// The digests of whatever was there as a whole, whatever is wrong elsewhere.
    fn digests(&mut self, content: ContentHasher) -> Result<()> {
        for number in 0..self.streams.len() {
            let Some(hasher) = self.streams[number].take() else { continue };
            let stream = &self.inner.index.streams[number];
            let found = hasher.finish();
            if found != stream.digest {
                let message =
                    format!("the digest of stream {}: expected {}, found {found}", stream.name(), stream.digest);
                self.problem(Error::new(code::STREAM_DIGEST, message))?;
            }
        }
        if self.pages_complete {
            let facts = &self.inner.facts;
            let manifest = &facts.manifest;
            let found = content.finish(&facts.streams, &manifest.attributes, &manifest.annotations);
            let expected = self.inner.index.content_digest;
            if found != expected {
                let message = format!("the content digest: expected {expected}, found {found}");
                self.problem(Error::new(code::CONTENT_DIGEST, message))?;
            }
        }
        Ok(())
    }

    fn faults(&mut self, cursor: &mut TarCursor) -> Result<()> {
        cursor.take_faults().into_iter().try_for_each(|fault| self.problem(fault))
    }

    fn located(&self, error: Error, placed: &Placed) -> Error {
        let frame = &self.inner.index.frames[self.inner.index.frame_at(placed.header_at)];
        error.with_entry(placed.entry.path.as_str()).with_offset(frame.offset)
    }

    /// The record type of a stream; its Schema was checked, and complained of, before.
    fn record_type(&mut self, stream: u32) -> Result<Option<MessageDescriptor>> {
        if let Some(known) = self.types.get(&stream) {
            return Ok(known.clone());
        }
        let declaration = &self.inner.index.streams[stream as usize].declaration;
        let built = self.inner.pool(declaration.schema).and_then(|pool| schema::message(pool, &declaration.type_name));
        let built = match built {
            Ok(built) => Some(built),
            Err(error) => {
                // What is wrong with a Schema was found before.
                if !self.report.problems.iter().any(|problem| problem.code() == error.code()) {
                    self.problem(error)?;
                }
                None
            }
        };
        self.types.insert(stream, built.clone());
        Ok(built)
    }

    fn finish(mut self) -> VerifyReport {
        let report = &mut self.report;
        let index = &self.inner.index;
        report.stored_bytes += u64::from(index.stored);
        if report.problems.is_empty() {
            report.proven = proven(&self.inner.facts, report, &self.options);
        }
        report.unproven = unproven(report, &self.options);
        self.report
    }
}

/// The records of one batch as its pieces go by.
struct BatchCheck {
    splitter: Splitter,
    record_type: Option<(MessageDescriptor, crate::Limits)>,
    decoded: u64,
    fault: Option<Error>,
}

impl BatchCheck {
    fn new(verifier: &mut Verifier<'_>, stream: u32) -> Result<Self> {
        let limits = verifier.inner.options.limits.clone();
        let known = verifier.options.records && (stream as usize) < verifier.inner.index.streams.len();
        let record_type = if known { verifier.record_type(stream)? } else { None };
        Ok(Self {
            splitter: Splitter::new(&limits),
            record_type: record_type.map(|record_type| (record_type, limits)),
            decoded: 0,
            fault: None,
        })
    }

    fn piece(&mut self, mut piece: &[u8]) {
        while self.fault.is_none() {
            let number = self.splitter.records();
            let step = match &self.record_type {
                None => self.splitter.skip_record(&mut piece),
                Some((record_type, limits)) => self.splitter.next_record(&mut piece).and_then(|found| match found {
                    None => Ok(false),
                    Some(record) => match record::check(record_type, record, limits) {
                        Ok(()) => {
                            self.decoded += 1;
                            Ok(true)
                        }
                        Err(e) => {
                            Err(Error::new(e.kept_code(), format!("record {number} of a batch: {}", e.message())))
                        }
                    },
                }),
            };
            match step {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => self.fault = Some(error),
            }
        }
    }

    fn finish(self, expected: u64) -> (u64, u64, Result<()>) {
        let found = self.splitter.records();
        let outcome = match self.fault {
            Some(fault) => Err(fault),
            None => self.splitter.finish().and_then(|()| {
                if found == expected {
                    return Ok(());
                }
                let message = format!("a batch of {found} records: expected {expected}, as its entry says");
                Err(Error::new(code::RECORD_COUNT, message))
            }),
        };
        (found, self.decoded, outcome)
    }
}

/// Schema `number`: closed, in order, acceptable, and defining what it must.
fn check_schema(number: u32, body: &SchemaBody) -> Result<()> {
    let sound = || -> Result<()> {
        let set = &body.descriptor_set;
        schema::check_order(set)?;
        schema::check(set)?;
        if number == 0 {
            let own = [proto::MANIFEST, proto::INDEX, proto::ENTRY_PAGE];
            return schema::closure_of(set, &own)
                .map(drop)
                .map_err(|e| Error::new(code::MANIFEST_SCHEMAS, e.message()));
        }
        let types: Vec<&str> = body.streams.iter().map(|stream| &*stream.type_name).collect();
        schema::closure_of(set, &types).map(drop)
    };
    sound().map_err(|e| Error::new(e.kept_code(), format!("Schema {number}: {}", e.message())).with_source(e))
}

/// What a sound archive has proven, a sentence each.
fn proven(facts: &Facts, report: &VerifyReport, options: &VerifyOptions) -> Vec<String> {
    let root = facts.root_digest.expect("every archive of this format has one");
    let mut proven = vec![
        format!("every byte of the file is the one that the root digest {root} commits to"),
        "manifest, index, entry table and seek table are well-formed and agree".to_owned(),
        format!("the tar is, byte for byte, the one that its {} entries describe", report.entries),
        "every content has its SHA-256, and the whole has its content digest".to_owned(),
    ];
    if !facts.streams.is_empty() {
        let decoded = if options.records { "and decodes by its schema" } else { "and framed as it must be" };
        proven.push(format!("every one of {} records is counted {decoded}", report.records));
    }
    proven
}

/// What this format or these options cannot prove, a sentence each.
fn unproven(report: &VerifyReport, options: &VerifyOptions) -> Vec<String> {
    let mut unproven = Vec::new();
    if !options.records && report.records > 0 {
        unproven.push("whether each record decodes by its schema: not asked for".to_owned());
    }
    unproven.push("who made the archive: a signature over the root digest would prove that".to_owned());
    unproven
}

fn misplaced(what: &str, offset: u64) -> Error {
    Error::new(code::SECTION_MISPLACED, format!("{what} stands where none may")).with_offset(offset)
}
