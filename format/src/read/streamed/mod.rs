//! Reading an archive that can only be read forward, such as a pipe (FORMAT.md, "Streamed").
//!
//! What comes out is provisional: whether it is what the archive's writer put in shows only when the index at the end has
//! confirmed it. So it has types of its own, [`ProvisionalEntry`] and [`ProvisionalBatch`], and only
//! [`ArchiveStream::confirm`] turns what went by into something proven.

mod confirm;
mod feed;
mod flow;
mod items;
mod members;

use std::collections::HashMap;
use std::fmt;
use std::io::{BufReader, Read};

use prost_reflect::{DescriptorPool, MessageDescriptor};

use self::feed::Feed;
use self::flow::{Event, Flow};
use self::members::Member;
use super::options::ReadOptions;
use crate::digest::{Digest, Hasher};
use crate::error::{Code, Error, Result, code};
use crate::limits::Limits;
use crate::model::{EntryKind, Manifest, StreamDeclaration};
use crate::schema;
use crate::v1::{ManifestBody, OPENING_FRAMES, PathCheck, SchemaBody};
use crate::wire::{prefix, section};

pub use confirm::Confirmed;
pub use items::{Provisional, ProvisionalBatch, ProvisionalEntry};

/// How much of the source is read at once.
const READ_AT_ONCE: usize = 128 << 10;

/// An archive that arrives: its members in order, each provisional until [`confirm`](Self::confirm) has read the index at
/// the end. Made by [`ReadOptions::stream`](crate::ReadOptions::stream).
///
/// Memory is bounded whatever the archive's size: the chunks in flight, 32 bytes an entry and 40 a frame, what it takes
/// to find a path that occurs twice, and the index.
///
/// ```
/// # let mut file = Vec::new();
/// # let mut writer = rosettar::WriteOptions::new().write_to(&mut file)?;
/// # writer.add_bytes(rosettar::NewEntry::new("a.txt")?, b"alpha")?;
/// # writer.finish()?;
/// # let pipe = &file[..];
/// use rosettar::read::Provisional;
///
/// let mut stream = rosettar::ReadOptions::new().stream(pipe)?;
/// let mut found = Vec::new();
/// while let Some(item) = stream.next_item()? {
///     if let Provisional::Entry(mut entry) = item {
///         let mut content = Vec::new();
///         entry.read_all(|piece| Ok(content.extend_from_slice(piece)))?;
///         found.push((entry.path().to_string(), content));
///     }
/// }
/// // Only now is it known that all of that is true.
/// let confirmed = stream.confirm()?;
/// assert_eq!(found, [("a.txt".to_string(), b"alpha".to_vec())]);
/// assert_eq!(confirmed.facts().totals.files, 1);
/// # Ok::<(), rosettar::Error>(())
/// ```
pub struct ArchiveStream<R> {
    flow: Flow<BufReader<R>>,
    options: ReadOptions,
    minor: u8,
    manifest: ManifestBody,
    manifest_digest: Digest,
    /// Every Schema so far, those of the manifest first, and the numbers of the late ones' frames.
    schemas: Vec<SchemaBody>,
    late_schema_frames: Vec<u32>,
    pools: Vec<Option<DescriptorPool>>,
    /// Every stream so far, with the digest of its batches.
    streams: Vec<(StreamDeclaration, Hasher)>,
    /// The number of the stream of each name, case folded.
    numbers: HashMap<String, usize>,
    /// The chunk at hand, how much of it is used, the tar offset of its first byte, and the offset of its frame.
    chunk: Vec<u8>,
    used: usize,
    chunk_at: u64,
    chunk_offset: u64,
    member: Option<Member>,
    seen: Vec<members::Seen>,
    /// How many records each batch was found to have, in tar order.
    batch_records: Vec<u64>,
    paths: PathCheck,
    /// What follows the tar, once that ended.
    tail: Option<Tail>,
    /// The first error: nothing after it can be trusted to be in step.
    failed: Option<(Code, String)>,
}

/// The pages that came after the tar, and what came after them.
#[derive(Default)]
struct Tail {
    /// Each page with its offset.
    pages: Vec<(u64, Vec<u8>)>,
    index: Option<(u64, Vec<u8>)>,
}

impl<R: Read> ArchiveStream<R> {
    /// The stream of an archive of version 1.`minor` whose first bytes are `first`.
    pub(crate) fn open(source: R, first: &[u8; prefix::LEN], minor: u8, options: ReadOptions) -> Result<Self> {
        prefix::check_reserved(first)?;
        let feed = Feed::new(BufReader::with_capacity(READ_AT_ONCE, source), options.limits.clone());
        let mut flow = Flow::new(feed, options.threads.get(), first);
        let (offset, frame) = match flow.next()? {
            Event::Section { kind: section::MANI, offset, bytes } => (offset, bytes),
            Event::Section { kind, offset, .. } => return Err(section::unexpected(kind, offset)),
            Event::Chunk { .. } => {
                let message = "payload where the manifest must be: expected the section MANI";
                return Err(Error::new(code::SECTION_HEAD, message).with_offset(prefix::LEN as u64));
            }
        };
        if flow.frames.len() != OPENING_FRAMES {
            let message = "a section before the manifest: expected the section MANI to follow the header";
            return Err(Error::new(code::SECTION_MISPLACED, message).with_offset(prefix::LEN as u64));
        }
        let body = section::open(&frame, section::MANI, offset)?;
        let mut manifest =
            ManifestBody::decode(body, &options.limits, &options.features).map_err(|e| e.with_offset(offset))?;
        let schemas = std::mem::take(&mut manifest.schemas);
        let mut stream = Self {
            flow,
            minor,
            manifest_digest: Digest::of(body),
            manifest,
            schemas: Vec::new(),
            late_schema_frames: Vec::new(),
            pools: Vec::new(),
            streams: Vec::new(),
            numbers: HashMap::new(),
            chunk: Vec::new(),
            used: 0,
            chunk_at: 0,
            chunk_offset: prefix::LEN as u64,
            member: None,
            seen: Vec::new(),
            batch_records: Vec::new(),
            paths: PathCheck::default(),
            tail: None,
            failed: None,
            options,
        };
        schemas.into_iter().for_each(|schema| stream.add_schema(schema));
        Ok(stream)
    }

    /// What the manifest says, which is provisional: attributes and annotations learned late stand in the index.
    pub fn unconfirmed_manifest(&self) -> &Manifest {
        &self.manifest.facts
    }

    /// The streams declared so far, in the order of their numbers, which is provisional.
    pub fn unconfirmed_streams(&self) -> impl Iterator<Item = &StreamDeclaration> {
        self.streams.iter().map(|(declaration, _)| declaration)
    }

    /// The descriptor of the record type of the stream called `name`, found acceptable.
    ///
    /// # Errors
    /// `usage.no-such-stream` where none of this name was declared so far; `schema.*`.
    pub fn descriptor(&mut self, name: &str) -> Result<MessageDescriptor> {
        let Some(stream) = self.stream_number(name) else {
            let message = format!("no stream called {name:?} was declared so far");
            return Err(Error::new(code::USAGE_NO_SUCH_STREAM, message));
        };
        let declaration = &self.streams[stream].0;
        let number = declaration.schema as usize;
        if self.pools[number].is_none() {
            self.pools[number] = Some(schema::build_pool(&self.schemas[number].descriptor_set)?);
        }
        schema::message(self.pools[number].as_ref().expect("built just now"), &declaration.type_name)
    }

    /// How many bytes of the source were read so far.
    pub fn bytes_read(&self) -> u64 {
        self.flow.offset()
    }

    /// The next entry of the user's, or batch of records; `None` once the tar has ended, which confirms nothing yet.
    /// What is left of the one before is passed over.
    ///
    /// # Errors
    /// `envelope.truncated` where the source ends too early; whatever is wrong with what was read. After an error every
    /// further call fails.
    pub fn next_item(&mut self) -> Result<Option<Provisional<'_, R>>> {
        loop {
            let Some(kind) = self.next_member()? else { return Ok(None) };
            if !kind.is_reserved() {
                return Ok(Some(Provisional::Entry(ProvisionalEntry::new(self))));
            }
            if kind == EntryKind::Batch {
                return Ok(Some(Provisional::Batch(ProvisionalBatch::new(self))));
            }
        }
    }

    /// Reads what is left, and holds everything that went by against the index: frames, entries, contents, Schemas,
    /// streams, totals, content digest, seek table, and the end of the source.
    ///
    /// # Errors
    /// Whatever is wrong; what was delivered is then not to be trusted.
    pub fn confirm(mut self) -> Result<Confirmed> {
        while self.next_member()?.is_some() {}
        confirm::confirm(self)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.options.limits
    }

    /// The number of the stream called `name`, exactly.
    fn stream_number(&self, name: &str) -> Option<usize> {
        let number = *self.numbers.get(&name.to_ascii_lowercase())?;
        (self.streams[number].0.name.as_str() == name).then_some(number)
    }

    fn add_schema(&mut self, schema: SchemaBody) {
        for stream in &schema.streams {
            self.numbers.insert(stream.name.folded(), self.streams.len());
            self.streams.push((stream.clone(), Hasher::new()));
        }
        self.schemas.push(schema);
        self.pools.push(None);
    }
}

impl<R> fmt::Debug for ArchiveStream<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveStream").field("manifest", &self.manifest.facts).finish_non_exhaustive()
    }
}
