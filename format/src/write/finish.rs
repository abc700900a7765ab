//! The end of an archive: last batches, entry table, index, seek table (FORMAT.md, "Entry table", "Index").

use std::io::Write as _;

use super::chunk::Closed;
use super::entries::QueuedPage;
use super::members::with_partial;
use super::pipeline::cannot_write;
use super::streams::StreamState;
use super::writer::{Sink, Writer};
use crate::digest::Digest;
use crate::error::{Error, Result, code};
use crate::frame::Decoder;
use crate::io::LockedFile;
use crate::limits::Limits;
use crate::model::{Manifest, StreamInfo, Summary, Totals};
use crate::proto;
use crate::tar;
use crate::v1::{ContentHasher, IndexParts, Page, PagePlace};
use crate::wire::{section, seek_table};

/// Writes everything that is left, and publishes.
pub(super) fn finish(mut writer: Writer<'_>) -> Result<Summary> {
    writer.start()?;
    writer.guarded(finish_tar)?;
    let partial = writer.partial.take();
    publish(writer).map_err(|error| with_partial(error, partial.as_deref()))
}

fn publish(mut writer: Writer<'_>) -> Result<Summary> {
    let continued = writer.continued.take();
    let source_file = continued.as_ref().and_then(|continued| continued.file.as_ref());
    // As early as it can be known, and again when it counts.
    source_file.map_or(Ok(()), LockedFile::check_unchanged)?;
    let Writer { mut pipeline, queue, options, mut manifest, late, schemas, mut streams, .. } = writer;
    let mut totals = queue.totals();
    totals.tar_bytes = writer.tar_bytes;
    let (pages, page_bytes) = queue.finish()?;
    streams.sort_by_key(|stream| stream.number);
    let streams: Vec<StreamInfo> = streams.into_iter().map(StreamState::into_info).collect();
    let places: Vec<proto::Page> = pages.iter().map(|page| place_for(page, streams.len())).collect();
    // The content digest is over early and late facts alike.
    manifest.attributes.extend(late.attributes.clone());
    manifest.annotations.extend(late.annotations.clone());
    let content_digest = content_digest(&pages, &places, &streams, &manifest, &totals)?;
    pages.into_iter().try_for_each(|page| pipeline.raw(page.section))?;
    pipeline.drain()?;

    let body = IndexParts {
        manifest_digest: writer.manifest_digest.expect("the manifest is written"),
        content_digest,
        schema_count: schemas.bodies().len() as u32,
        late_schema_frames: writer.late_schema_frames,
        late_features: late.required_features,
        late_attributes: late.attributes,
        late_annotations: late.annotations,
        streams: streams.clone(),
        totals,
        frames: pipeline.frames().to_vec(),
        pages: places,
    }
    .encode();
    check_size(body.len() as u64 + page_bytes, &options.limits)?;
    let index = section::encode(section::INDX, &body);
    let mut rows: Vec<(u32, u32)> = pipeline.frames().iter().map(|(stored, decoded, _)| (*stored, *decoded)).collect();
    rows.push((index.len() as u32, 0));
    pipeline.write_unlisted(&index)?;
    pipeline.write_unlisted(&seek_table::encode(rows.into_iter()))?;
    let size = pipeline.stored_bytes();
    match pipeline.into_sink() {
        Sink::File(file) => match source_file {
            Some(source) => file.commit_made_from(source)?,
            None => file.commit()?,
        },
        Sink::Stream(mut stream) => stream.flush().map_err(cannot_write)?,
    }
    let (copied_bytes, dropped_fields) =
        continued.map_or((0, 0), |continued| (continued.copied_bytes, continued.dropped_fields));
    Ok(Summary { root_digest: Digest::of(&body), content_digest, size, totals, streams, copied_bytes, dropped_fields })
}

/// Writes the last batches, the descriptions of streams without records, and the two blocks that end the tar.
fn finish_tar(writer: &mut Writer<'_>) -> Result<()> {
    writer.write_batches()?;
    let mut order: Vec<usize> = (0..writer.streams.len()).collect();
    order.sort_by_key(|stream| writer.streams[*stream].number);
    order.into_iter().try_for_each(|stream| writer.describe(stream))?;
    writer.flush_chunk()?;
    writer.tar_bytes += u64::from(tar::END_LEN);
    writer.pipeline.chunk(Closed::whole(vec![0; tar::END_LEN as usize], Vec::new()))?;
    writer.pipeline.drain()?;
    writer.settle()
}

/// What the index says of a page, now that the number of streams is known.
fn place_for(page: &QueuedPage, streams: usize) -> proto::Page {
    let mut place = page.place.clone();
    place.record_counts.resize(streams, 0);
    place
}

/// Computes the content digest from the pages as a reader will see them.
fn content_digest(
    pages: &[QueuedPage],
    places: &[proto::Page],
    streams: &[StreamInfo],
    manifest: &Manifest,
    totals: &Totals,
) -> Result<Digest> {
    let places = PagePlace::list(places, totals.tar_bytes);
    let mut hasher = ContentHasher::new(totals.user_entries(), PagePlace::ascend(&places));
    let mut decoder = Decoder::new()?;
    let mut bytes = Vec::new();
    for (page, place) in pages.iter().zip(&places) {
        decoder.decode(&page.section[section::HEAD_LEN..], &mut bytes)?;
        // The entries kept the writer's limits when they were added.
        let page = Page::decode(&bytes, place, &Limits::unlimited())?;
        hasher.page(page.entries.iter().map(|placed| &placed.entry));
    }
    Ok(hasher.finish(streams, &manifest.attributes, &manifest.annotations))
}

fn check_size(size: u64, limits: &Limits) -> Result<()> {
    if size > limits.index_bytes {
        let message = format!(
            "the archive needs an index of {size} bytes, its pages included, more than the limit index-bytes of {}",
            limits.index_bytes
        );
        return Err(Error::new(code::LIMIT_INDEX_BYTES, message));
    }
    Ok(())
}
