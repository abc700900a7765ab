//! An open archive: what was checked when it was opened, and its frames, pages and Schemas, each proven before it is
//! believed (FORMAT.md, "Indexed").

use std::sync::{Arc, Mutex, OnceLock};

use prost_reflect::DescriptorPool;

use super::cache::Cache;
use super::options::ReadOptions;
use crate::digest::Digest;
use crate::error::{Error, Result, code};
use crate::frame::{self, Decoder};
use crate::io::ReadAt;
use crate::limits::Limits;
use crate::model::{Facts, Manifest};
use crate::schema;
use crate::tar;
use crate::v1::{self, Index, ManifestBody, Page, PagePlace, Placed, SchemaBody};
use crate::wire::{prefix, section, seek_table};

/// How much is read from the beginning, and from the end, when an archive is opened.
const HEAD_READ: u64 = 64 << 10;
const TAIL_READ: u64 = 256 << 10;
/// How many pages and chunks are kept once decoded: enough for neighbours to be read without decoding them again.
const PAGES_KEPT: usize = 4;
const CHUNKS_KEPT: usize = 3;

/// The beginning of a source, as far as it was read to find out what it is.
pub(crate) struct Head {
    pub(crate) source: Box<dyn ReadAt>,
    pub(crate) size: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Head {
    /// Reads the beginning of `source`.
    ///
    /// # Errors
    /// `io.read`.
    pub(crate) fn read(source: Box<dyn ReadAt>) -> Result<Self> {
        let size = source.size().map_err(cannot_read)?;
        let mut bytes = vec![0; size.min(HEAD_READ) as usize];
        source.read_exact_at(&mut bytes, 0).map_err(cannot_read)?;
        Ok(Self { source, size, bytes })
    }
}

/// An archive of version 1 that was opened.
pub(crate) struct Indexed {
    source: Box<dyn ReadAt>,
    pub(crate) index: Index,
    pub(crate) facts: Facts,
    pub(crate) options: ReadOptions,
    /// Every Schema, the late ones once they were asked for.
    schemas: Vec<OnceLock<SchemaBody>>,
    /// The descriptors of each Schema once they were asked for.
    pools: Vec<OnceLock<DescriptorPool>>,
    pages: Cache<Page>,
    chunks: Cache<Vec<u8>>,
    /// Decoders that are not in use.
    decoders: Mutex<Vec<Decoder>>,
}

impl Indexed {
    /// Opens the archive of version 1.`minor` that begins with `head`, in the order of checks of FORMAT.md, "Indexed".
    pub(crate) fn open(head: Head, minor: u8, options: ReadOptions) -> Result<Self> {
        let Head { source, size, bytes: head } = head;
        let first = head.first_chunk::<{ prefix::LEN }>().expect("the version was read from it");
        prefix::check_reserved(first)?;
        let limits = &options.limits;
        let (index, table) = read_tail(source.as_ref(), size, &options)?;
        if index.seek_table() != table {
            return Err(Error::new(
                code::SEEK_TABLE_MISMATCH,
                "the seek table differs from the one that the index yields; the archive is damaged, or was altered",
            )
            .with_offset(index.offset + u64::from(index.stored)));
        }

        let place = index.frames[v1::OPENING_FRAMES - 1];
        check_manifest_bytes(&index, limits.manifest_bytes)?;
        let range = place.offset as usize..place.offset as usize + place.stored as usize;
        let read;
        let frame = match head.get(range) {
            Some(frame) => frame,
            None => {
                read = read_range(source.as_ref(), place.offset, place.stored)?;
                &read
            }
        };
        check_frame(frame, &place)?;
        let body = section::open(frame, section::MANI, place.offset)?;
        if Digest::of(body) != index.manifest_digest {
            let message = "the manifest is not the one whose digest the index states";
            return Err(Error::new(code::INDEX_MANIFEST, message).with_offset(place.offset));
        }
        let manifest =
            ManifestBody::decode(body, limits, &options.features).map_err(|e| e.with_offset(place.offset))?;
        let facts = merged_facts(size, minor, &index, &manifest.facts)?;
        check_manifest(&index, &manifest.schemas)?;
        let mut schemas: Vec<OnceLock<SchemaBody>> = manifest.schemas.into_iter().map(OnceLock::from).collect();
        schemas.resize_with(index.schema_count as usize, OnceLock::new);
        let pools = schemas.iter().map(|_| OnceLock::new()).collect();
        Ok(Self {
            source,
            index,
            facts,
            options,
            schemas,
            pools,
            pages: Cache::new(PAGES_KEPT),
            chunks: Cache::new(CHUNKS_KEPT),
            decoders: Mutex::new(Vec::new()),
        })
    }

    /// The stored bytes of frame `number`, once their digest was found right.
    pub(crate) fn frame(&self, number: usize) -> Result<Vec<u8>> {
        self.frame_into(number, Vec::new())
    }

    /// As [`frame`](Self::frame), in a buffer that was used before: memory that is at hand costs no page faults.
    pub(crate) fn frame_into(&self, number: usize, mut buffer: Vec<u8>) -> Result<Vec<u8>> {
        let place = &self.index.frames[number];
        buffer.resize(place.stored as usize, 0);
        fill(&mut buffer, self.source.as_ref(), place.offset)?;
        check_frame(&buffer, place)?;
        Ok(buffer)
    }

    /// As [`frame_into`](Self::frame_into), for a payload frame, once also the size that its header states was found
    /// right.
    pub(crate) fn payload_frame(&self, number: usize, buffer: Vec<u8>) -> Result<Vec<u8>> {
        let place = &self.index.frames[number];
        let frame = self.frame_into(number, buffer)?;
        let declared = frame::parse_header(&frame).map_err(|e| e.with_offset(place.offset))?.content_size;
        if declared != place.decoded {
            return Err(Error::new(
                code::FRAME_SIZE,
                format!("a frame decodes to {declared} bytes: expected {}, as the index says", place.decoded),
            )
            .with_offset(place.offset));
        }
        Ok(frame)
    }

    /// What payload frame `number` decodes to.
    pub(crate) fn decode_chunk(&self, number: usize) -> Result<Vec<u8>> {
        let mut chunk = Vec::new();
        self.decode_chunk_into(number, &mut Vec::new(), &mut chunk)?;
        Ok(chunk)
    }

    /// As [`decode_chunk`](Self::decode_chunk), into a buffer, with another for the frame: memory that is at hand costs
    /// no page faults.
    pub(crate) fn decode_chunk_into(&self, number: usize, frame: &mut Vec<u8>, chunk: &mut Vec<u8>) -> Result<()> {
        *frame = self.payload_frame(number, std::mem::take(frame))?;
        let offset = self.index.frames[number].offset;
        self.with_decoder(|decoder| decoder.decode(frame, chunk).map_err(|e| e.with_offset(offset)))
    }

    /// As [`decode_chunk`](Self::decode_chunk), kept for whoever asks next.
    pub(crate) fn chunk(&self, number: usize) -> Result<Arc<Vec<u8>>> {
        self.chunks.get(number, || self.decode_chunk(number))
    }

    /// Page `number` of the entry table.
    pub(crate) fn page(&self, number: usize) -> Result<Arc<Page>> {
        self.pages.get(number, || self.decode_page(number))
    }

    /// As [`page`](Self::page), without keeping it.
    pub(crate) fn decode_page(&self, number: usize) -> Result<Page> {
        let place = &self.index.pages[number];
        let frame = self.frame(place.frame)?;
        let offset = self.index.frames[place.frame].offset;
        self.with_decoder(|decoder| open_page(&frame, offset, place, decoder, &self.options.limits))
    }

    /// Schema `number`, read from its section if it was declared late.
    pub(crate) fn schema(&self, number: u32) -> Result<&SchemaBody> {
        let slot = &self.schemas[number as usize];
        if let Some(schema) = slot.get() {
            return Ok(schema);
        }
        let schema = self.read_late_schema(number)?;
        Ok(slot.get_or_init(|| schema))
    }

    /// The descriptors of Schema `number`, built once.
    pub(crate) fn pool(&self, number: u32) -> Result<&DescriptorPool> {
        let slot = &self.pools[number as usize];
        if let Some(pool) = slot.get() {
            return Ok(pool);
        }
        let pool = schema::build_pool(&self.schema(number)?.descriptor_set)?;
        Ok(slot.get_or_init(|| pool))
    }

    /// The digest of the descriptor set of Schema `number`, where it is at hand without reading.
    pub(crate) fn schema_digests(&self) -> Vec<Option<Digest>> {
        self.schemas.iter().map(|schema| schema.get().map(|schema| Digest::of(&schema.descriptor_set))).collect()
    }

    /// Checks the two blocks that end the tar.
    pub(crate) fn check_tar_end(&self) -> Result<()> {
        let number = self.index.frame_at(self.index.totals.tar_bytes - u64::from(tar::END_LEN));
        let chunk = self.decode_chunk(number)?;
        if chunk.len() as u64 != u64::from(tar::END_LEN) || chunk.iter().any(|byte| *byte != 0) {
            return Err(Error::new(
                code::TAR_END,
                "the last payload frame: expected the two zero blocks that end the tar, and nothing else",
            )
            .with_offset(self.index.frames[number].offset));
        }
        Ok(())
    }

    /// Holds the part of `placed`'s header and padding that `chunk`, of frame `number`, has against what they must be.
    pub(crate) fn check_member(&self, placed: &Placed, number: usize, chunk: &[u8]) -> Result<()> {
        let start = self.index.frames[number].tar_offset;
        let fault = |code, what: &str| {
            Err(Error::new(code, format!("{what} of a member differs from what its entry says"))
                .with_offset(self.index.frames[number].offset)
                .with_entry(placed.entry.path.as_str()))
        };
        let within = |from: u64, to: u64| {
            let (from, to) = (from.max(start), to.min(start + chunk.len() as u64));
            (from < to).then(|| (from, &chunk[(from - start) as usize..(to - start) as usize]))
        };
        if let Some((from, found)) = within(placed.header_at, placed.content_at) {
            let header = tar::member_header(&placed.entry);
            if header[(from - placed.header_at) as usize..][..found.len()] != *found {
                return fault(code::TAR_HEADER, "the tar header");
            }
        }
        if let Some((_, found)) = within(placed.content_end(), placed.end())
            && found.iter().any(|byte| *byte != 0)
        {
            return fault(code::TAR_PADDING, "the padding");
        }
        Ok(())
    }

    /// Runs `work` with a decoder, of which no more are made than work at the same time.
    fn with_decoder<T>(&self, work: impl FnOnce(&mut Decoder) -> Result<T>) -> Result<T> {
        let kept = self.decoders.lock().ok().and_then(|mut decoders| decoders.pop());
        let mut decoder = kept.map_or_else(Decoder::new, Ok)?;
        let done = work(&mut decoder);
        if let Ok(mut decoders) = self.decoders.lock() {
            decoders.push(decoder);
        }
        done
    }

    fn read_late_schema(&self, number: u32) -> Result<SchemaBody> {
        let late = (number - self.index.first_late_schema()) as usize;
        let frame_number = self.index.late_schema_frames[late] as usize;
        let place = &self.index.frames[frame_number];
        let limits = &self.options.limits;
        let frame = self.frame(frame_number)?;
        let body = section::open(&frame, section::SCHM, place.offset)?;
        let schema = SchemaBody::decode(body, number, limits).map_err(|e| e.with_offset(place.offset))?;
        let declared =
            self.index.streams.iter().map(|stream| &stream.declaration).filter(|stream| stream.schema == number);
        if !declared.eq(&schema.streams) {
            return Err(streams_differ(place.offset));
        }
        Ok(schema)
    }
}

/// The page in `frame`, a section that stands at `offset`, held against what the index says of it.
pub(super) fn open_page(
    frame: &[u8],
    offset: u64,
    place: &PagePlace,
    decoder: &mut Decoder,
    limits: &Limits,
) -> Result<Page> {
    let body = section::open(frame, section::ENTR, offset)?;
    let body_at = offset + section::HEAD_LEN as u64;
    let declared = frame::parse_header(body).map_err(|e| e.with_offset(body_at))?.content_size;
    if declared != place.decoded_size {
        return Err(Error::new(
            code::INDEX_PAGES,
            format!("a page decodes to {declared} bytes: expected {}, as the index says", place.decoded_size),
        )
        .with_offset(body_at));
    }
    let mut bytes = Vec::new();
    decoder.decode(body, &mut bytes).map_err(|e| e.with_offset(body_at))?;
    Page::decode(&bytes, place, limits).map_err(|e| e.with_offset(offset))
}

/// Reads index and seek table from the end of a source.
fn read_tail(source: &dyn ReadAt, size: u64, options: &ReadOptions) -> Result<(Index, Vec<u8>)> {
    let limits = &options.limits;
    let tail_at = size.saturating_sub(TAIL_READ);
    let mut tail = read_range(source, tail_at, (size - tail_at) as u32)?;
    let footer = &tail[tail.len().saturating_sub(seek_table::FOOTER_LEN)..];
    let rows = seek_table::parse_footer(footer, size)?;
    let table_len = seek_table::stored_len(u64::from(rows));
    let first_len = prefix::LEN as u64;
    let Some(table_at) = size.checked_sub(table_len).filter(|at| *at >= first_len && rows > 0) else {
        return Err(Error::new(
            code::SEEK_TABLE_FOOTER,
            format!(
                "the footer announces a seek table of {rows} rows: expected at least one, and no more than the file holds"
            ),
        ));
    };
    if u64::from(rows) > limits.frames {
        let message = format!("{rows} frames exceed the limit frames of {}", limits.frames);
        return Err(Error::new(code::LIMIT_FRAMES, message));
    }
    // The last row, which says how long the index is, stands right before the footer, so it is at hand already.
    let row_at = tail.len() - seek_table::FOOTER_LEN - seek_table::ROW_LEN;
    let last_row = *tail[row_at..].first_chunk().expect("a row before the footer");
    let stored = seek_table::last_stored_size(&last_row);
    let index_at = table_at.checked_sub(u64::from(stored)).filter(|at| *at >= first_len);
    let Some(index_at) = index_at.filter(|_| stored as usize >= section::HEAD_LEN) else {
        return Err(Error::new(
            code::SEEK_TABLE_MISMATCH,
            format!("the last row of the seek table states an index of {stored} bytes, which the file has no room for"),
        )
        .with_offset(table_at));
    };
    if u64::from(stored) > limits.index_bytes.saturating_add(section::HEAD_LEN as u64) {
        let message = format!("an index of {stored} bytes exceeds the limit index-bytes of {}", limits.index_bytes);
        return Err(Error::new(code::LIMIT_INDEX_BYTES, message).with_offset(index_at));
    }
    if index_at < tail_at {
        let before = u32::try_from(tail_at - index_at).map_err(|_| {
            let message =
                format!("an index of {stored} bytes and a table of {table_len}: more than can be read at once");
            Error::new(code::LIMIT_INDEX_BYTES, message).with_offset(index_at)
        })?;
        let mut before = read_range(source, index_at, before)?;
        before.append(&mut tail);
        tail = before;
    } else {
        tail.drain(..(index_at - tail_at) as usize);
    }
    let table = tail.split_off(stored as usize);
    seek_table::check_head(&table, rows, table_at)?;
    let body = section::open(&tail, section::INDX, index_at)?;
    let root_digest = Digest::of(body);
    let index = Index::decode(body, root_digest, index_at, size, limits, &options.features)
        .map_err(|e| e.with_offset(index_at))?;
    Ok((index, table))
}

/// What manifest and index say together.
pub(super) fn merged_facts(size: u64, minor: u8, index: &Index, manifest: &Manifest) -> Result<Facts> {
    let mut merged = manifest.clone();
    if let Some(feature) = index.late_features.iter().find(|feature| merged.required_features.contains(feature)) {
        let message = format!("the feature {feature:?} is required by manifest and index: expected it once");
        return Err(Error::new(code::MANIFEST_FEATURES, message));
    }
    merged.required_features.extend(index.late_features.clone());
    for (key, value) in &index.late_attributes {
        if merged.attributes.insert(key.clone(), value.clone()).is_some() {
            let message = format!("the attribute {key:?} stands in manifest and index: expected it once");
            return Err(Error::new(code::MANIFEST_ATTRIBUTES, message));
        }
    }
    merged.annotations.extend(index.late_annotations.clone());
    Ok(Facts {
        format: format!("Rosettar {}.{minor}", v1::MAJOR),
        size,
        root_digest: Some(index.root_digest),
        content_digest: Some(index.content_digest),
        manifest: merged,
        schemas: index.schema_count,
        streams: index.streams.clone(),
        totals: index.totals,
        frames: index.frames.len() as u64 + 1,
        pages: index.pages.len() as u64,
        c1z: None,
    })
}

/// Holds the Schemas of the manifest against the index.
pub(super) fn check_manifest(index: &Index, schemas: &[SchemaBody]) -> Result<()> {
    if schemas.len() as u64 != u64::from(index.first_late_schema()) {
        return Err(Error::new(
            code::INDEX_STREAMS,
            format!(
                "the manifest has {} Schemas: expected {}, as the index says",
                schemas.len(),
                index.first_late_schema()
            ),
        ));
    }
    let declared = schemas.iter().flat_map(|schema| &schema.streams);
    let first_late = index.first_late_schema();
    let repeated = index.streams.iter().map(|stream| &stream.declaration).filter(|stream| stream.schema < first_late);
    if !declared.eq(repeated) {
        return Err(streams_differ(index.offset));
    }
    Ok(())
}

/// Checks the size of the manifest and of all late Schemas together.
pub(super) fn check_manifest_bytes(index: &Index, limit: u64) -> Result<()> {
    let manifest = index.frames[v1::OPENING_FRAMES - 1];
    let late = index.late_schema_frames.iter().map(|frame| index.frames[*frame as usize]);
    let bytes = late.chain([manifest]).map(|frame| u64::from(frame.stored) - section::HEAD_LEN as u64).sum::<u64>();
    if bytes > limit {
        let message = format!("a manifest and schemas of {bytes} bytes exceed the limit manifest-bytes of {limit}");
        return Err(Error::new(code::LIMIT_MANIFEST_BYTES, message).with_offset(manifest.offset));
    }
    Ok(())
}

fn streams_differ(offset: u64) -> Error {
    let message = "the streams that a Schema declares differ from those that the index repeats: expected the same";
    Error::new(code::INDEX_STREAMS, message).with_offset(offset)
}

fn check_frame(frame: &[u8], place: &v1::FramePlace) -> Result<()> {
    let found = Digest::of(frame);
    if found != place.digest {
        return Err(Error::new(
            code::FRAME_DIGEST,
            format!("the digest of a frame: expected {}, found {found}; the archive is damaged", place.digest),
        )
        .with_offset(place.offset));
    }
    Ok(())
}

/// Reads `len` bytes, which lie within the source by sums that were checked.
fn read_range(source: &dyn ReadAt, offset: u64, len: u32) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len as usize];
    fill(&mut bytes, source, offset)?;
    Ok(bytes)
}

fn fill(bytes: &mut [u8], source: &dyn ReadAt, offset: u64) -> Result<()> {
    source.read_exact_at(bytes, offset).map_err(|e| cannot_read(e).with_offset(offset))
}

fn cannot_read(error: std::io::Error) -> Error {
    Error::io(code::IO_READ, "reading the archive", error)
}
