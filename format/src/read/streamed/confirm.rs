//! Holding everything that went by against the index (FORMAT.md, "Streamed").

use std::io::Read;

use super::super::indexed::{check_manifest, check_manifest_bytes, merged_facts, open_page};
use super::members::{Seen, content_id, id};
use super::{ArchiveStream, Tail};
use crate::digest::Digest;
use crate::error::{Error, Result, code};
use crate::frame::Decoder;
use crate::limits::Limits;
use crate::model::{Entry, EntryKind, Facts};
use crate::tar;
use crate::v1::{ContentHasher, Index, Page, PagePlace, Placed, SchemaBody, TableCheck};
use crate::wire::{section, seek_table};

/// An archive that was read to its end and found true: whatever its stream delivered is what its index commits to.
#[derive(Debug)]
pub struct Confirmed {
    facts: Facts,
    index: Index,
    schemas: Vec<SchemaBody>,
    /// The sections of the pages, each with its offset.
    pages: Vec<(u64, Vec<u8>)>,
    limits: Limits,
}

impl Confirmed {
    /// What the archive says of itself: digests, manifest, streams, totals.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Every entry of the user's, in tar order, with the digests and nanoseconds that the stream could not tell.
    ///
    /// # Errors
    /// Each item may be `io.read` for want of memory; what could be wrong with the entries was found before.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry>> + '_ {
        self.pages().flat_map(|page| {
            let (entries, error) = match page {
                Ok(page) => (page.entries, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            let entries = entries.into_iter().map(|placed| placed.entry);
            entries.filter(|entry| !entry.kind.is_reserved()).map(Ok).chain(error)
        })
    }

    /// The descriptor set of Schema `number`, verbatim; `None` where there is no such Schema.
    pub fn descriptor_set(&self, number: u32) -> Option<&[u8]> {
        self.schemas.get(number as usize).map(|schema| &schema.descriptor_set[..])
    }

    pub(crate) fn schemas(&self) -> &[SchemaBody] {
        &self.schemas
    }

    fn pages(&self) -> impl Iterator<Item = Result<Page>> + '_ {
        let pages = self.pages.iter().zip(&self.index.pages);
        pages.map(|((offset, section), place)| open_page(section, *offset, place, &mut Decoder::new()?, &self.limits))
    }
}

/// Confirms a stream that was read up to and including its index.
pub(super) fn confirm<R: Read>(mut stream: ArchiveStream<R>) -> Result<Confirmed> {
    let Some(Tail { pages, index: Some((offset, frame)) }) = stream.tail.take() else {
        return Err(Error::new(code::ENVELOPE_TRUNCATED, "the stream was not read to its end"));
    };
    let limits = stream.options.limits.clone();
    let body = section::open(&frame, section::INDX, offset)?;
    let rows = stream.flow.frames.len() as u64 + 1;
    let size = offset + frame.len() as u64 + seek_table::stored_len(rows);
    let index = Index::decode(body, Digest::of(body), offset, size, &limits, &stream.options.features)
        .map_err(|e| e.with_offset(offset))?;
    drop(frame);
    check_frames(&stream, &index)?;
    if pages.len() != index.pages.len() {
        let message = "an ancillary section after the last payload frame: expected pages and the index only";
        return Err(Error::new(code::SECTION_MISPLACED, message).with_offset(offset));
    }
    stream.flow.end_with(&index.seek_table())?;

    check_manifest_bytes(&index, limits.manifest_bytes)?;
    if stream.manifest_digest != index.manifest_digest {
        let message = "the manifest is not the one whose digest the index states";
        return Err(Error::new(code::INDEX_MANIFEST, message));
    }
    let facts = merged_facts(size, stream.minor, &index, &stream.manifest.facts)?;
    let in_manifest = stream.schemas.len() - stream.late_schema_frames.len();
    check_manifest(&index, &stream.schemas[..in_manifest])?;
    if stream.late_schema_frames != index.late_schema_frames {
        let message = format!(
            "late Schemas in frames {:?}: expected {:?}, as the index says",
            stream.late_schema_frames, index.late_schema_frames
        );
        return Err(Error::new(code::INDEX_STREAMS, message).with_offset(offset));
    }
    let declared = stream.schemas[in_manifest..].iter().flat_map(|schema| &schema.streams);
    let repeated = index.streams.iter().map(|stream| &stream.declaration);
    if !declared.eq(repeated.filter(|stream| stream.schema as usize >= in_manifest)) {
        let message = "the streams that late Schemas declare differ from those that the index repeats";
        return Err(Error::new(code::INDEX_STREAMS, message).with_offset(offset));
    }

    let confirmed = Confirmed { facts, index, schemas: stream.schemas, pages, limits };
    for ((declaration, hasher), info) in stream.streams.into_iter().zip(&confirmed.index.streams) {
        let found = hasher.finish();
        if found != info.digest {
            let message = format!("the digest of stream {}: expected {}, found {found}", declaration.name, info.digest);
            return Err(Error::new(code::STREAM_DIGEST, message));
        }
    }
    check_entries(&confirmed, &stream.seen, &stream.batch_records)?;
    Ok(confirmed)
}

/// Holds the frames that went by against those that the index lists.
fn check_frames<R: Read>(stream: &ArchiveStream<R>, index: &Index) -> Result<()> {
    let seen = &stream.flow.frames;
    if seen.len() != index.frames.len() {
        let message = format!("{} frames: expected {}, as the index says", seen.len(), index.frames.len());
        return Err(Error::new(code::INDEX_FRAME_GAP, message).with_offset(index.offset));
    }
    for ((stored, decoded, digest), place) in seen.iter().zip(&index.frames) {
        if (*stored, *decoded) != (place.stored, place.decoded) {
            return Err(Error::new(
                code::FRAME_SIZE,
                format!(
                    "a frame of {stored} bytes that decodes to {decoded}: expected {} and {}, as the index says",
                    place.stored, place.decoded
                ),
            )
            .with_offset(place.offset));
        }
        if *digest != place.digest {
            let message = format!("the digest of a frame: expected {}, found {digest}", place.digest);
            return Err(Error::new(code::FRAME_DIGEST, message).with_offset(place.offset));
        }
    }
    Ok(())
}

/// Holds the entry table against the members that went by, and the totals and the content digest against the table.
fn check_entries(confirmed: &Confirmed, seen: &[Seen], batch_records: &[u64]) -> Result<()> {
    let index = &confirmed.index;
    let schemas = confirmed.schemas.iter().map(|schema| Some(Digest::of(&schema.descriptor_set))).collect();
    // That paths form a tree was found as they went by.
    let mut table = TableCheck::of_known_paths(index, schemas);
    let mut content = ContentHasher::new(index.totals.user_entries(), PagePlace::ascend(&index.pages));
    let (mut seen, mut batches) = (seen.iter(), batch_records.iter());
    for page in confirmed.pages() {
        let page = page?;
        for (number, placed) in (page.first_entry..).zip(&page.entries) {
            check_entry(placed, seen.next())?;
            if placed.entry.kind == EntryKind::Batch && batches.next() != Some(&placed.entry.records) {
                let message =
                    format!("a batch with another number of records than the {} of its entry", placed.entry.records);
                return Err(Error::new(code::RECORD_COUNT, message).with_entry(placed.entry.path.as_str()));
            }
            table.entry(number, placed)?;
        }
        content.page(page.entries.iter().map(|placed| &placed.entry));
    }
    if seen.next().is_some() {
        let message = format!("a member after the {} entries of the table", index.totals.entries());
        return Err(Error::new(code::TAR_HEADER, message));
    }
    table.finish(index)?;
    let facts = &confirmed.facts;
    let found = content.finish(&facts.streams, &facts.manifest.attributes, &facts.manifest.annotations);
    if found != index.content_digest {
        let message = format!("the content digest: expected {}, found {found}", index.content_digest);
        return Err(Error::new(code::CONTENT_DIGEST, message));
    }
    Ok(())
}

fn check_entry(placed: &Placed, seen: Option<&Seen>) -> Result<()> {
    let entry = &placed.entry;
    let fault = |code, message: &str| Err(Error::new(code, message).with_entry(entry.path.as_str()));
    let Some(seen) = seen else {
        return fault(code::TAR_HEADER, "an entry of the table that the tar has no member for");
    };
    if id(&Digest::of(&tar::member_header(entry))) != seen.header {
        return fault(code::TAR_HEADER, "the tar header of a member differs from the one that its entry has");
    }
    if entry.kind.has_content() && content_id(&entry.digest) != seen.content {
        return fault(code::ENTRY_DIGEST, "the content of a member does not have the digest that its entry states");
    }
    Ok(())
}
