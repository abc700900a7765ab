//! The body of `INDX` (FORMAT.md, "Index").

use std::collections::BTreeMap;

use prost::Message as _;

use super::OPENING_FRAMES;
use super::guard::{Shape, tally};
use super::manifest::{add_attributes, check_features, check_schema_count, check_streams, check_type_name, from_any};
use super::manifest::{to_any, to_key_values};
use crate::digest::Digest;
use crate::error::{Error, Result, code};
use crate::frame::{MAX_DECODED, max_stored};
use crate::limits::Limits;
use crate::model::{Annotation, StreamDeclaration, StreamInfo, Totals};
use crate::path::StreamName;
use crate::proto;
use crate::tar;
use crate::wire::{prefix, section, seek_table};

/// The most entries in a page.
const MAX_PAGE_ENTRIES: u32 = super::page::MAX_ENTRIES as u32;

/// A `KeyValue` and an `Any` have two fields each.
const PAIR: Shape = Shape { last: 2, packed: &[], nested: &[] };
const STREAM: Shape = Shape { last: 8, packed: &[], nested: &[] };
const TOTALS: Shape = Shape { last: 7, packed: &[], nested: &[] };
const FRAMES: Shape = Shape { last: 3, packed: &[1, 2], nested: &[] };
const PAGE: Shape = Shape { last: 6, packed: &[4], nested: &[] };
const INDEX: Shape = Shape {
    last: 11,
    packed: &[3],
    nested: &[(5, &PAIR), (6, &PAIR), (7, &STREAM), (8, &TOTALS), (10, &FRAMES), (11, &PAGE)],
};

/// The shape by which an index is counted, for the test that compares it with the descriptor.
#[cfg(test)]
pub(super) const SHAPES: [(&str, &Shape); 1] = [("rosettar.v1.Index", &INDEX)];

/// The index of an archive, found consistent in itself.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) root_digest: Digest,
    pub(crate) manifest_digest: Digest,
    pub(crate) content_digest: Digest,
    pub(crate) schema_count: u32,
    /// For each late Schema the number of its frame.
    pub(crate) late_schema_frames: Vec<u32>,
    pub(crate) late_features: Vec<String>,
    pub(crate) late_attributes: BTreeMap<String, String>,
    pub(crate) late_annotations: Vec<Annotation>,
    pub(crate) streams: Vec<StreamInfo>,
    pub(crate) totals: Totals,
    pub(crate) frames: Vec<FramePlace>,
    pub(crate) pages: Vec<PagePlace>,
    /// Where `INDX` begins and how long it is.
    pub(crate) offset: u64,
    pub(crate) stored: u32,
    /// How many of its fields this version does not know.
    pub(crate) unknown_fields: u64,
}

/// Where a frame is, and what it has to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FramePlace {
    pub(crate) offset: u64,
    /// The tar offset of the first byte it decodes to; for a skippable frame that of the next payload frame.
    pub(crate) tar_offset: u64,
    pub(crate) stored: u32,
    /// 0 for a skippable frame.
    pub(crate) decoded: u32,
    pub(crate) digest: Digest,
}

impl FramePlace {
    /// The tar offset of the first byte after it.
    pub(crate) fn tar_end(&self) -> u64 {
        self.tar_offset + u64::from(self.decoded)
    }
}

/// Where a page is, and what it has to hold.
#[derive(Clone, Debug)]
pub(crate) struct PagePlace {
    /// The number of the page's frame.
    pub(crate) frame: usize,
    pub(crate) decoded_size: u32,
    pub(crate) first_entry: u64,
    pub(crate) entry_count: u32,
    pub(crate) tar_offset: u64,
    /// The tar offset of the first byte after the page's last entry.
    pub(crate) tar_end: u64,
    pub(crate) record_counts: Vec<u64>,
    pub(crate) least_path: String,
    pub(crate) greatest_path: String,
}

impl PagePlace {
    /// Places for pages that are known to fit together, as a writer knows of its own.
    pub(crate) fn list(pages: &[proto::Page], tar_bytes: u64) -> Vec<Self> {
        let mut list: Vec<Self> = Vec::with_capacity(pages.len());
        for page in pages {
            Self::push(&mut list, page.clone(), 0, tar_bytes - u64::from(tar::END_LEN));
        }
        list
    }

    /// Whether every page's paths come after those of the page before.
    pub(crate) fn ascend(places: &[Self]) -> bool {
        let mut greatest = "";
        places.iter().filter(|page| !page.greatest_path.is_empty()).all(|page| {
            let ascends = greatest < page.least_path.as_str();
            greatest = &page.greatest_path;
            ascends
        })
    }

    /// Appends the place of `page`, whose frame counts from `first_frame`.
    fn push(list: &mut Vec<Self>, page: proto::Page, first_frame: usize, content_end: u64) {
        let first_entry = list.last_mut().map_or(0, |before| {
            before.tar_end = page.tar_offset;
            before.first_entry + u64::from(before.entry_count)
        });
        list.push(Self {
            frame: first_frame + list.len(),
            decoded_size: page.decoded_size,
            first_entry,
            entry_count: page.entry_count,
            tar_offset: page.tar_offset,
            tar_end: content_end,
            record_counts: page.record_counts,
            least_path: page.least_path,
            greatest_path: page.greatest_path,
        });
    }
}

impl Index {
    /// Reads the body of the `INDX` section that stands at `offset` in a file of `file_size` bytes and whose digest was
    /// found right, in the order of checks of FORMAT.md, "Index".
    ///
    /// # Errors
    /// `index.*`, `feature.unknown`, `manifest.*`, and limits.
    pub(crate) fn decode(
        body: &[u8],
        root_digest: Digest,
        offset: u64,
        file_size: u64,
        limits: &Limits,
        known_features: &[String],
    ) -> Result<Self> {
        let (message, unknown_fields) = decode(body, limits)?;
        let digest = |bytes: &[u8], what: &str| {
            Digest::from_slice(bytes)
                .ok_or_else(|| fault(code::INDEX_PROTOBUF, format!("{what} of {} bytes: expected 32", bytes.len())))
        };
        let manifest_digest = digest(&message.manifest_digest, "the digest of the manifest")?;
        let content_digest = digest(&message.content_digest, "the content digest")?;
        let stream_digests = message
            .streams
            .iter()
            .map(|stream| digest(&stream.digest, "the digest of a stream"))
            .collect::<Result<Vec<_>>>()?;
        check_features(&message.late_features, &[], known_features)?;

        let frames = frame_list(message.frames.unwrap_or_default(), message.pages.len(), limits)?;
        let stored_sum = frames.last().map_or(0, |frame| frame.offset + u64::from(frame.stored));
        if stored_sum != offset {
            return Err(fault(
                code::INDEX_FRAME_GAP,
                format!(
                    "the frames that the index lists end at byte {stored_sum}: expected the index there, found it at {offset}"
                ),
            ));
        }
        let message_totals = message.totals.unwrap_or_default();
        let totals = Totals {
            files: message_totals.files,
            directories: message_totals.directories,
            symlinks: message_totals.symlinks,
            reserved_members: message_totals.reserved_members,
            file_bytes: message_totals.file_bytes,
            records: message_totals.records,
            tar_bytes: message_totals.tar_bytes,
        };
        let tar_bytes = frames.last().map_or(0, FramePlace::tar_end);
        if totals.tar_bytes != tar_bytes || tar_bytes % tar::BLOCK as u64 != 0 {
            return Err(fault(
                code::INDEX_TOTALS,
                format!(
                    "a tar of {} bytes: expected {tar_bytes}, the sum of all frames, a multiple of 512",
                    totals.tar_bytes
                ),
            ));
        }
        let limit = limits.decoded_bytes_for(file_size);
        if tar_bytes > limit {
            return Err(fault(
                code::LIMIT_DECODED_BYTES,
                format!("the archive decodes to {tar_bytes} bytes, more than the limit decoded-bytes of {limit}"),
            ));
        }
        let late = &message.late_schema_frames;
        check_late_schemas(message.schema_count, late, &frames, message.pages.len())?;
        check_schema_count(u64::from(message.schema_count), limits)?;
        let streams = stream_list(message.streams, stream_digests, message.schema_count, limits)?;
        let pages = page_list(message.pages, streams.len(), &frames, tar_bytes)?;
        check_record_counts(&streams, &pages)?;
        check_totals(&totals, &streams, &pages, limits)?;
        let page_bytes: u64 = pages.iter().map(|page| u64::from(page.decoded_size)).sum();
        check_size(body.len() as u64 + page_bytes, limits)?;
        let mut late_attributes = BTreeMap::new();
        add_attributes(&mut late_attributes, message.late_attributes)?;
        Ok(Self {
            root_digest,
            manifest_digest,
            content_digest,
            schema_count: message.schema_count,
            late_schema_frames: message.late_schema_frames,
            late_features: message.late_features,
            late_attributes,
            late_annotations: message.late_annotations.into_iter().map(from_any).collect(),
            streams,
            totals,
            frames,
            pages,
            offset,
            stored: (section::HEAD_LEN + body.len()) as u32,
            unknown_fields,
        })
    }

    /// The seek table that an archive with this index ends in.
    pub(crate) fn seek_table(&self) -> Vec<u8> {
        let rows: Vec<_> =
            self.frames.iter().map(|frame| (frame.stored, frame.decoded)).chain([(self.stored, 0)]).collect();
        seek_table::encode(rows.into_iter())
    }

    /// The number of the frame that holds the byte at `tar_offset`.
    pub(crate) fn frame_at(&self, tar_offset: u64) -> usize {
        self.frames.partition_point(|frame| frame.tar_end() <= tar_offset)
    }

    /// The numbers of the first Schema that is not the manifest's.
    pub(crate) fn first_late_schema(&self) -> u32 {
        self.schema_count - self.late_schema_frames.len() as u32
    }
}

/// The message, and how many of its fields are unknown.
fn decode(body: &[u8], limits: &Limits) -> Result<(proto::Index, u64)> {
    check_size(body.len() as u64, limits)?;
    let malformed = || Error::new(code::INDEX_PROTOBUF, "the body of the index is no rosettar.v1.Index");
    let found = tally(body, &INDEX).ok_or_else(malformed)?;
    // Eight bytes a number, and two dozen a string, in memory; far above what an archive within the limits holds.
    let (numbers, fields) = (4 * limits.frames.max(1 << 20), 4 * limits.entries.max(1 << 16));
    if found.numbers > numbers || found.fields > fields {
        return Err(Error::new(
            code::LIMIT_INDEX_BYTES,
            format!(
                "an index of {} numbers and {} texts: expected at most {numbers} and {fields}",
                found.numbers, found.fields
            ),
        ));
    }
    let message = proto::Index::decode(body).map_err(|e| malformed().with_source(e))?;
    Ok((message, found.unknown))
}

fn frame_list(list: proto::Frames, pages: usize, limits: &Limits) -> Result<Vec<FramePlace>> {
    let count = list.stored_sizes.len();
    if list.decoded_sizes.len() != count || list.digests.len() != count * Digest::LEN {
        return Err(frames_fault(format!(
            "{count} stored sizes, {} decoded sizes and {} bytes of digests: expected them for the same number of frames",
            list.decoded_sizes.len(),
            list.digests.len()
        )));
    }
    // The seek table lists the index, too.
    if count as u64 >= limits.frames {
        let message = format!("{} frames exceed the limit frames of {}", count + 1, limits.frames);
        return Err(fault(code::LIMIT_FRAMES, message));
    }
    let mut frames = Vec::with_capacity(count);
    let (mut offset, mut tar_offset) = (0u64, 0u64);
    let sizes = list.stored_sizes.iter().zip(&list.decoded_sizes);
    for ((&stored, &decoded), digest) in sizes.zip(list.digests.chunks_exact(Digest::LEN)) {
        let number = frames.len();
        let legal = match number {
            0 => (stored, decoded) == (prefix::EMPTY_FRAME_LEN, 0),
            1 => (stored, decoded) == (prefix::HEADER_LEN, 0),
            _ if decoded == 0 => stored as usize >= section::HEAD_LEN,
            2 => false,
            _ => decoded <= MAX_DECODED && u64::from(stored) <= max_stored(decoded) && stored > 0,
        };
        if !legal {
            return Err(frames_fault(format!("frame {number} has no legal sizes: {stored} stored, {decoded} decoded"))
                .with_offset(offset));
        }
        let digest = Digest::from_slice(digest).expect("chunks of 32 bytes");
        frames.push(FramePlace { offset, tar_offset, stored, decoded, digest });
        // Four million sizes of 32 bits cannot overflow.
        offset += u64::from(stored);
        tar_offset += u64::from(decoded);
    }
    let payload_end = count.checked_sub(pages).filter(|_| pages > 0).unwrap_or_default();
    let payload = frames.get(OPENING_FRAMES..payload_end).unwrap_or_default();
    let closed = payload.last().is_some_and(|frame| frame.decoded == tar::END_LEN)
        && payload.iter().filter(|frame| frame.decoded > 0).count() >= 2
        && frames[payload_end..].iter().all(|frame| frame.decoded == 0);
    if !closed {
        return Err(frames_fault(format!(
            "{count} frames with {pages} pages at their end: expected the manifest, payload frames of which the last decodes to {} bytes, then the pages",
            tar::END_LEN
        )));
    }
    Ok(frames)
}

fn check_late_schemas(schemas: u32, late: &[u32], frames: &[FramePlace], pages: usize) -> Result<()> {
    let legal = |&number: &u32| {
        let number = number as usize;
        let tar_bytes = frames.last().map_or(0, FramePlace::tar_end);
        let in_payload = frames
            .get(number)
            .is_some_and(|frame| frame.decoded == 0 && frame.tar_offset > 0 && frame.tar_offset < tar_bytes);
        in_payload && number < frames.len() - pages
    };
    let fits = (late.len() as u64) < u64::from(schemas);
    if !fits || !late.is_sorted_by(|a, b| a < b) || !late.iter().all(legal) {
        return Err(streams_fault(format!(
            "{schemas} Schemas, {} of them late: expected at least one that is not late, and ascending numbers of sections between payload frames",
            late.len()
        )));
    }
    Ok(())
}

fn stream_list(
    streams: Vec<proto::StreamTotals>,
    digests: Vec<Digest>,
    schemas: u32,
    limits: &Limits,
) -> Result<Vec<StreamInfo>> {
    if streams.len() as u64 > limits.streams {
        let message = format!("{} streams exceed the limit streams of {}", streams.len(), limits.streams);
        return Err(fault(code::LIMIT_STREAMS, message));
    }
    let mut list: Vec<StreamInfo> = Vec::with_capacity(streams.len());
    for (stream, digest) in streams.into_iter().zip(digests) {
        check_type_name(&stream.r#type)?;
        let declaration = StreamDeclaration {
            name: StreamName::new(stream.name)?,
            type_name: stream.r#type,
            schema: stream.schema,
            schema_version: stream.schema_version,
        };
        let least = list.last().map_or(1, |before| before.declaration.schema);
        if !(least..schemas).contains(&declaration.schema) {
            return Err(streams_fault(format!(
                "stream {} is of Schema {}: expected {least} to {}",
                declaration.name,
                declaration.schema,
                schemas.saturating_sub(1)
            )));
        }
        list.push(StreamInfo {
            declaration,
            records: stream.record_count,
            size: stream.size,
            digest,
            batches: stream.batch_count,
        });
    }
    check_streams(list.iter().map(|stream| &stream.declaration), limits)?;
    Ok(list)
}

fn page_list(pages: Vec<proto::Page>, streams: usize, frames: &[FramePlace], tar_bytes: u64) -> Result<Vec<PagePlace>> {
    let first_frame = frames.len() - pages.len();
    let content_end = tar_bytes - u64::from(tar::END_LEN);
    let mut list: Vec<PagePlace> = Vec::with_capacity(pages.len());
    for (number, page) in pages.into_iter().enumerate() {
        let fault = |what: String| Err(fault(code::INDEX_PAGES, format!("page {number} {what}")));
        if !(1..=MAX_PAGE_ENTRIES).contains(&page.entry_count) {
            return fault(format!("has {} entries: expected 1 to {MAX_PAGE_ENTRIES}", page.entry_count));
        }
        if !(1..=MAX_DECODED).contains(&page.decoded_size) {
            return fault(format!("has a decoded size of {}: expected 1 to {MAX_DECODED}", page.decoded_size));
        }
        let in_order = match list.last() {
            None => page.tar_offset == 0,
            Some(before) => page.tar_offset > before.tar_offset && page.tar_offset < content_end,
        };
        if !in_order {
            return fault(format!(
                "begins at tar offset {}: expected 0 for the first, then ascending ones",
                page.tar_offset
            ));
        }
        if page.record_counts.len() != streams {
            return fault(format!("has record counts for {} streams: expected {streams}", page.record_counts.len()));
        }
        PagePlace::push(&mut list, page, first_frame, content_end);
    }
    Ok(list)
}

/// Holds each stream's number of records against what the pages say.
fn check_record_counts(streams: &[StreamInfo], pages: &[PagePlace]) -> Result<()> {
    for (number, stream) in streams.iter().enumerate() {
        // Overflow is refused here, so that sums over some of the pages cannot overflow later.
        let records = pages.iter().try_fold(0u64, |sum, page| sum.checked_add(page.record_counts[number]));
        let records =
            records.ok_or_else(|| streams_fault(format!("stream {} has over 2^64 records", stream.name())))?;
        if records != stream.records || (records == 0) != (stream.batches == 0) {
            return Err(streams_fault(format!(
                "stream {} has {} records in {} batches: expected {records} records, as its pages say",
                stream.name(),
                stream.records,
                stream.batches
            )));
        }
    }
    Ok(())
}

fn check_totals(totals: &Totals, streams: &[StreamInfo], pages: &[PagePlace], limits: &Limits) -> Result<()> {
    let entries = pages.last().map_or(0, |page| page.first_entry + u64::from(page.entry_count));
    let records = streams.iter().fold(0u64, |sum, stream| sum.saturating_add(stream.records));
    if entries > limits.entries {
        let message = format!("{entries} entries exceed the limit entries of {}", limits.entries);
        return Err(fault(code::LIMIT_ENTRIES, message));
    }
    if totals.entries() != entries || totals.records != records {
        return Err(fault(
            code::INDEX_TOTALS,
            format!(
                "totals of {} entries and {} records: expected {entries} and {records}, as the pages and streams say",
                totals.entries(),
                totals.records
            ),
        ));
    }
    Ok(())
}

fn check_size(size: u64, limits: &Limits) -> Result<()> {
    if size > limits.index_bytes {
        return Err(Error::new(
            code::LIMIT_INDEX_BYTES,
            format!(
                "an index of {size} bytes, its pages included, exceeds the limit index-bytes of {}",
                limits.index_bytes
            ),
        ));
    }
    Ok(())
}

fn fault(code: crate::error::Code, message: String) -> Error {
    Error::new(code, message)
}

fn frames_fault(message: String) -> Error {
    fault(code::INDEX_FRAMES, message)
}

fn streams_fault(message: String) -> Error {
    fault(code::INDEX_STREAMS, message)
}

/// What a writer puts into an index; it has counted right.
pub(crate) struct IndexParts {
    pub(crate) manifest_digest: Digest,
    pub(crate) content_digest: Digest,
    pub(crate) schema_count: u32,
    pub(crate) late_schema_frames: Vec<u32>,
    pub(crate) late_features: Vec<String>,
    pub(crate) late_attributes: BTreeMap<String, String>,
    pub(crate) late_annotations: Vec<Annotation>,
    pub(crate) streams: Vec<StreamInfo>,
    pub(crate) totals: Totals,
    /// For each frame its stored size, decoded size and digest.
    pub(crate) frames: Vec<(u32, u32, Digest)>,
    pub(crate) pages: Vec<proto::Page>,
}

impl IndexParts {
    /// The body of an `INDX` section.
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut frames = proto::Frames::default();
        for (stored, decoded, digest) in self.frames {
            frames.stored_sizes.push(stored);
            frames.decoded_sizes.push(decoded);
            frames.digests.extend_from_slice(&digest.0);
        }
        let streams = self.streams.into_iter().map(|stream| proto::StreamTotals {
            name: stream.declaration.name.to_string(),
            r#type: stream.declaration.type_name,
            schema: stream.declaration.schema,
            schema_version: stream.declaration.schema_version,
            record_count: stream.records,
            size: stream.size,
            digest: stream.digest.0.to_vec(),
            batch_count: stream.batches,
        });
        proto::Index {
            manifest_digest: self.manifest_digest.0.to_vec(),
            schema_count: self.schema_count,
            late_schema_frames: self.late_schema_frames,
            late_features: self.late_features,
            late_attributes: to_key_values(&self.late_attributes),
            late_annotations: self.late_annotations.iter().map(to_any).collect(),
            streams: streams.collect(),
            totals: Some(proto::Totals {
                files: self.totals.files,
                directories: self.totals.directories,
                symlinks: self.totals.symlinks,
                reserved_members: self.totals.reserved_members,
                file_bytes: self.totals.file_bytes,
                records: self.totals.records,
                tar_bytes: self.totals.tar_bytes,
            }),
            content_digest: self.content_digest.0.to_vec(),
            frames: Some(frames),
            pages: self.pages,
        }
        .encode_to_vec()
    }
}
