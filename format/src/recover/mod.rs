//! Salvaging what is whole of a broken archive into a new one (FORMAT.md, "Recovered").
//!
//! `survey` finds out what can be relied on: the index, or else the `chain` of frames from byte 0. `salvage` takes the
//! members one by one, each only where every frame that holds a byte of it is whole, and writes them.

mod chain;
mod payload;
mod report;
mod salvage;
mod streams;
mod survey;

pub use report::{DamagedRange, KeptRecords, Listed, Losses, LostEntry, LostRecords, LostSchema, RecoverReport};

use std::path::Path;

use self::chain::{Chain, acceptable};
use self::payload::{Payload, cannot_read, decode, read_range};
use self::salvage::{ParseEnd, Salvage, broken_at};
use self::survey::{Indexed, Survey, survey};
use crate::error::Result;
use crate::frame::{Decoder, MAX_DECODED};
use crate::io::{NamedFile, ReadAt};
use crate::limits::Limits;
use crate::model::Annotation;
use crate::monitor::Monitor;
use crate::v1::{Index, ManifestBody, Page, PagePlace, Placed, SchemaBody};
use crate::wire::section;
use crate::write::Writer;

/// Salvages what is whole of a broken archive: every complete entry and every whole record, and nothing that no digest or
/// checksum vouches for. FORMAT.md, section 11.3, says exactly what is whole and where a recovery goes on after damage.
///
/// ```
/// use rosettar::{NewEntry, RecoverOptions, WriteOptions};
///
/// let mut archive = Vec::new();
/// let mut writer = WriteOptions::new().chunk_size(4096).write_to(&mut archive)?;
/// writer.add_bytes(NewEntry::new("first.txt")?, &[1; 5000])?;
/// writer.add_bytes(NewEntry::new("second.txt")?, &[2; 5000])?;
/// writer.finish()?;
///
/// // The end is missing, and with it the index.
/// archive.truncate(archive.len() - 300);
/// let mut salvaged = Vec::new();
/// let report = RecoverOptions::new().recover(archive, WriteOptions::new().write_to(&mut salvaged)?)?;
/// assert_eq!(report.losses.entries, 2);
/// assert!(!report.is_complete());
/// let archive = rosettar::open(salvaged)?;
/// assert_eq!(archive.facts().totals.files, 2);
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RecoverOptions {
    limits: Limits,
    monitor: Monitor,
}

impl RecoverOptions {
    /// The defaults: default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// The limits to keep to in reading. What exceeds a limit on a whole archive is an error, not a loss.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where to count the bytes that were looked at: first those of the file, then those of the tar.
    #[must_use]
    pub fn monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = monitor;
        self
    }

    /// Salvages what is whole in `source` into the archive that `writer` writes, and finishes that. Attributes,
    /// annotations and streams that `writer` has already come first. Entries keep their order, and records theirs within
    /// a stream. Where anything was lost, the new archive has the account of it as an annotation, a
    /// `rosettar.v1.RecoveryReport`; otherwise its content digest is the old one's.
    ///
    /// # Errors
    /// `envelope.truncated` for less than 25 bytes, `envelope.unknown-magic` where nothing is to be recognised,
    /// `envelope.unsupported-version`, `feature.unknown`, `limit.*`; failures to read and write. `writer` publishes nothing
    /// then.
    pub fn recover(self, source: impl ReadAt, writer: Writer<'_>) -> Result<RecoverReport> {
        let source: &dyn ReadAt = &source;
        let Self { limits, monitor } = self;
        let size = source.size().map_err(cannot_read)?;
        let mut losses = Losses { source_size: size, ..Losses::default() };
        let survey = survey(source, size, &limits, &monitor, &mut losses)?;
        let frames = match &survey {
            Survey::Index(indexed) => indexed.payload(),
            Survey::Chain(chain) => chain.frames.clone(),
        };
        let payload = Payload::new(source, frames)?;
        monitor.set_total(size.saturating_add(payload.tar_end()));
        let salvage = Salvage::new(payload, writer, losses, &limits, &monitor);
        let mut pages = Pages { source, decoder: Decoder::new()?, limits: &limits };
        match survey {
            Survey::Index(indexed) => by_index(salvage, *indexed, &mut pages),
            Survey::Chain(chain) => by_chain(salvage, *chain, &mut pages),
        }
    }

    /// As [`recover`](Self::recover), from the file at `path`.
    ///
    /// # Errors
    /// As [`recover`](Self::recover), and `io.file` where the file cannot be opened.
    pub fn recover_path(self, path: impl AsRef<Path>, writer: Writer<'_>) -> Result<RecoverReport> {
        self.recover(NamedFile::open(path)?, writer)
    }
}

/// Salvages with an index: page by page, whatever is damaged between them.
fn by_index(mut salvage: Salvage<'_, '_>, indexed: Indexed, pages: &mut Pages<'_>) -> Result<RecoverReport> {
    let Indexed { index, whole, manifest } = indexed;
    salvage.counted_by_page = true;
    index.streams.iter().for_each(|stream| salvage.streams.stream(stream.declaration.clone()));
    let schema_count = index.schema_count;
    let late = index.late_annotations.clone();
    let late_attributes = index.late_attributes.clone();
    facts(&mut salvage, manifest, |salvage| {
        for (number, &frame) in (index.first_late_schema()..).zip(&index.late_schema_frames) {
            if let Some(body) = pages.late_schema(&index, &whole, frame as usize, number)? {
                salvage.streams.section(number, body);
            }
        }
        if salvage.streams.is_complete() {
            return Ok(());
        }
        // Found now, all Schemas can stand in the new manifest, and merge there.
        salvage.scanning = true;
        for place in &index.pages {
            match pages.page(&index, place, whole[place.frame])? {
                Some(page) => salvage.page(&page.entries)?,
                None => drop(salvage.parse(place.tar_offset, place.tar_end)?),
            }
        }
        salvage.scanning = false;
        Ok(())
    })?;
    // The index may have more of these than a manifest can.
    salvage.writer.begin()?;
    attributes(&mut salvage, late_attributes.into_iter())?;
    salvage.streams.annotate(late, &mut salvage.writer)?;

    let mut starts = vec![0u64; index.streams.len()];
    let mut unreadable = 0;
    for place in &index.pages {
        for (stream, start) in index.streams.iter().zip(&starts) {
            salvage.next_record.insert(stream.name().to_owned(), *start);
        }
        let mut why = "a batch is missing that a page of the entry table counts".to_owned();
        match pages.page(&index, place, whole[place.frame])? {
            Some(page) => salvage.page(&page.entries)?,
            None => {
                unreadable += 1;
                let end = match salvage.parse(place.tar_offset, place.tar_end)? {
                    ParseEnd::Broken(offset) => broken_at(offset),
                    ParseEnd::Malformed(what) => what,
                    ParseEnd::Complete | ParseEnd::TarEnd => why,
                };
                why = format!("{end}; the page of the entry table that covers what follows is damaged");
            }
        }
        for ((stream, start), count) in index.streams.iter().zip(&mut starts).zip(&place.record_counts) {
            *start = start.saturating_add(*count);
            let next = salvage.next_record.get(stream.name()).copied().unwrap_or_default();
            if next < *start {
                salvage.lose_records(stream.name(), next, Some(*start - next), why.clone());
            }
        }
    }
    if unreadable > 0 {
        let lost = format!("{unreadable} pages of the entry table; entries were taken from the tar there");
        salvage.losses.lost_facts.push(lost);
    }
    let known = salvage.losses.entries + salvage.losses.lost_entries.len();
    salvage.losses.unknown_entries = Some(index.totals.user_entries().saturating_sub(known));
    salvage.finish(Some(schema_count))
}

/// Salvages without an index: what the chain of frames holds.
fn by_chain(mut salvage: Salvage<'_, '_>, chain: Chain, pages: &mut Pages<'_>) -> Result<RecoverReport> {
    let schema_count = chain.manifest.as_ref().map(|manifest| manifest.schemas.len() + chain.late.len());
    let first_late = chain.manifest.as_ref().map(|manifest| manifest.schemas.len());
    let Chain { manifest, late, pages: page_places, .. } = chain;
    facts(&mut salvage, manifest, |salvage| {
        let Some(first) = first_late else {
            // Only the members say what numbers the late Schemas have, and what the others are.
            salvage.late = late;
            salvage.scanning = true;
            walk_tar(salvage, &page_places, pages)?;
            salvage.scanning = false;
            return Ok(());
        };
        for (number, (_, body)) in (first as u32..).zip(late) {
            if let Ok(body) = SchemaBody::decode(&body, number, pages.limits) {
                salvage.streams.section(number, body);
            }
        }
        Ok(())
    })?;
    match walk_tar(&mut salvage, &page_places, pages)? {
        ParseEnd::TarEnd => salvage.losses.unknown_entries = Some(0),
        ParseEnd::Malformed(why) => {
            salvage.losses.lost_facts.push(format!("everything after something that is no member: {why}"));
        }
        ParseEnd::Complete | ParseEnd::Broken(_) => {}
    }
    let index = "the index: attributes and annotations that were added last, if there were any";
    salvage.losses.lost_facts.push(index.to_owned());
    salvage.finish(schema_count.map(|count| count as u32))
}

/// Takes the members of the pages that the chain gets to, and those that the tar has after them.
fn walk_tar(salvage: &mut Salvage<'_, '_>, places: &[(u64, u32)], pages: &mut Pages<'_>) -> Result<ParseEnd> {
    let mut at = 0;
    for (body_at, len) in places {
        let Some(entries) = pages.page_alone(*body_at, *len, at)? else { break };
        salvage.page(&entries)?;
        at = entries.last().map_or(at, Placed::end);
    }
    let tar_end = salvage.payload.tar_end();
    salvage.parse(at, tar_end)
}

/// Takes over what the manifest says; `late` adds what is known of late Schemas before anything is declared.
fn facts<'s, 'w>(
    salvage: &mut Salvage<'s, 'w>,
    manifest: Option<ManifestBody>,
    late: impl FnOnce(&mut Salvage<'s, 'w>) -> Result<()>,
) -> Result<()> {
    let mut annotations: Vec<Annotation> = Vec::new();
    match manifest {
        None => salvage
            .losses
            .lost_facts
            .push("the manifest: its attributes, its annotations, when the archive was made".to_owned()),
        Some(manifest) => {
            for (number, schema) in (0..).zip(manifest.schemas) {
                salvage.streams.section(number, schema);
            }
            salvage.writer.take_over_created(manifest.facts.created);
            attributes(salvage, manifest.facts.attributes.into_iter())?;
            annotations = manifest.facts.annotations;
        }
    }
    late(salvage)?;
    salvage.streams.declare_known(&mut salvage.writer)?;
    salvage.streams.annotate(annotations, &mut salvage.writer)
}

fn attributes(salvage: &mut Salvage<'_, '_>, attributes: impl Iterator<Item = (String, String)>) -> Result<()> {
    for (key, value) in attributes {
        match salvage.writer.attribute(key, value) {
            Ok(()) => {}
            Err(error) if salvage.writer.has_failed() => return Err(error),
            Err(error) => salvage.losses.lost_facts.push(error.to_string()),
        }
    }
    Ok(())
}

/// Reads pages of the entry table and late Schemas.
struct Pages<'s> {
    source: &'s dyn ReadAt,
    decoder: Decoder,
    limits: &'s Limits,
}

impl Pages<'_> {
    /// A page that the index describes; `None` where it is damaged or malformed.
    fn page(&mut self, index: &Index, place: &PagePlace, whole: bool) -> Result<Option<Page>> {
        if !whole {
            return Ok(None);
        }
        let frame = index.frames[place.frame];
        // A page that is longer does not decode.
        if u64::from(frame.stored) > crate::frame::max_stored(MAX_DECODED) + section::HEAD_LEN as u64 {
            return Ok(None);
        }
        let stored = read_range(self.source, frame.offset, u64::from(frame.stored))?;
        let Ok(body) = section::open(&stored, section::ENTR, frame.offset) else { return Ok(None) };
        let mut bytes = Vec::new();
        if !decode(&mut self.decoder, body, &mut bytes)? || bytes.len() as u64 != u64::from(place.decoded_size) {
            return Ok(None);
        }
        acceptable(Page::decode(&bytes, place, self.limits))
    }

    /// The entries of the page whose body is at `body_at`, where only the pages before it say where its members begin.
    fn page_alone(&mut self, body_at: u64, len: u32, tar_offset: u64) -> Result<Option<Vec<Placed>>> {
        let body = read_range(self.source, body_at, u64::from(len))?;
        let mut bytes = Vec::new();
        if !decode(&mut self.decoder, &body, &mut bytes)? {
            return Ok(None);
        }
        acceptable(Page::decode_alone(&bytes, tar_offset, self.limits))
    }

    fn late_schema(&self, index: &Index, whole: &[bool], frame: usize, number: u32) -> Result<Option<SchemaBody>> {
        let place = index.frames[frame];
        let most = self.limits.manifest_bytes.saturating_add(section::HEAD_LEN as u64);
        if !whole[frame] || u64::from(place.stored) > most {
            return Ok(None);
        }
        let stored = read_range(self.source, place.offset, u64::from(place.stored))?;
        let Ok(body) = section::open(&stored, section::SCHM, place.offset) else { return Ok(None) };
        Ok(SchemaBody::decode(body, number, self.limits).ok())
    }
}
