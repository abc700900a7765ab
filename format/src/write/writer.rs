//! The writer: what the caller calls.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use prost_reflect::{DynamicMessage, ReflectMessage as _};

use super::chunk::Chunk;
use super::entries::{EntryQueue, NewEntry};
use super::finish;
use super::members::Content;
use super::options::WriteOptions;
use super::pipeline::{Pipeline, cannot_write};
use super::schemas::Schemas;
use super::splice::Continued;
use super::streams::{RecordType, StreamId, StreamState};
use super::tree::{self, SourceOpener, Tree, TreeItem, TreeKind, WalkOptions};
use crate::digest::Digest;
use crate::error::{Error, Result, code};
use crate::io::{AtomicFile, Spool};
use crate::model::{Annotation, Entry, Manifest, Mtime, StreamDeclaration, Summary};
use crate::monitor::Monitor;
use crate::path::{LinkTarget, StreamName};
use crate::record;
use crate::schema;
use crate::tar;
use crate::v1::{PathCheck, check_type_name};

/// What a writer may hold of content whose size it was not told, before it uses a file.
const SPOOL_MEMORY: usize = 8 << 20;

/// Tells the writers of a process apart.
static NEXT_WRITER: AtomicU64 = AtomicU64::new(0);

/// Writes an archive, from front to back in one pass. Made by [`WriteOptions`].
///
/// What is declared before the first entry or record goes into the manifest; what comes later is kept as well, in
/// sections of its own. Nothing is published before [`finish`](Self::finish); dropping a writer discards what it wrote
/// to a path, but for the `NAME.partial` of [`WriteOptions::flush_every`].
///
/// A call that refuses its input (a bad path, a record of the wrong type) leaves the writer as it was. After a failure to
/// read or write, or a limit on the whole archive that was reached, every further call fails with `usage.writer-failed`.
///
/// ```
/// use rosettar::{NewEntry, RecordType, WriteOptions};
/// # #[derive(Clone, PartialEq, prost::Message)]
/// # struct Greeting { #[prost(string, tag = "1")] text: String }
/// # impl prost::Name for Greeting { const NAME: &'static str = "Greeting"; const PACKAGE: &'static str = "demo"; }
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("g.proto"), r#"syntax = "proto3"; package demo; message Greeting { string text = 1; }"#).unwrap();
/// # let file_descriptor_set = rosettar::schema::compile(&[dir.path().join("g.proto")], &[dir.path()])?;
///
/// let mut archive = Vec::new();
/// let mut writer = WriteOptions::new().write_to(&mut archive)?;
/// let greetings = writer.declare("greetings", RecordType::of::<Greeting>(file_descriptor_set))?;
/// writer.append(greetings, &Greeting { text: "hello".into() })?;
/// writer.add_bytes(NewEntry::new("notes/today.txt")?, b"nothing new\n")?;
/// let summary = writer.finish()?;
/// assert_eq!((summary.totals.records, summary.totals.files), (1, 1));
/// # Ok::<(), rosettar::Error>(())
/// ```
pub struct Writer<'a> {
    number: u64,
    pub(super) options: WriteOptions,
    pub(super) pipeline: Pipeline<Sink<'a>>,
    pub(super) queue: EntryQueue,
    /// What was said before the manifest was written, and what was said later.
    pub(super) manifest: Manifest,
    pub(super) late: Manifest,
    /// The digest of the manifest, once it is written.
    pub(super) manifest_digest: Option<Digest>,
    pub(super) schemas: Schemas,
    pub(super) late_schema_frames: Vec<u32>,
    pub(super) streams: Vec<StreamState>,
    pub(super) stream_names: HashSet<String>,
    /// Bytes of records that are in no batch yet.
    pub(super) buffered: usize,
    pub(super) paths: PathCheck,
    pub(super) chunk: Chunk,
    pub(super) tar_bytes: u64,
    /// Bytes of content taken since the last flush.
    pub(super) unflushed: u64,
    /// The file that stays where the archive is not finished.
    pub(super) partial: Option<PathBuf>,
    pub(super) opener: SourceOpener,
    /// Device and inode of the files that this writer makes, replaces and continues, which a walk is to leave out.
    pub(super) own_files: Vec<(u64, u64)>,
    /// The archive that is continued, where one is.
    pub(super) continued: Option<Continued>,
    pub(super) failed: bool,
}

/// Where an archive goes.
pub(super) enum Sink<'a> {
    /// A file that is published when it is complete.
    File(AtomicFile),
    /// Anything else.
    Stream(Box<dyn Write + Send + 'a>),
}

impl Sink<'_> {
    /// Makes durable, or hands on, what was written so far.
    pub(super) fn sync(&mut self) -> Result<()> {
        match self {
            Self::File(file) => file.sync_data(),
            Self::Stream(stream) => stream.flush().map_err(cannot_write),
        }
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stream(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stream(stream) => stream.flush(),
        }
    }
}

impl<'a> Writer<'a> {
    pub(super) fn new(sink: Sink<'a>, options: WriteOptions) -> Result<Self> {
        let manifest = Manifest { producer: options.producer.clone(), created: options.created, ..Manifest::default() };
        let (own_files, partial) = match &sink {
            Sink::File(file) => (file.identities()?, file.partial_path().map(Path::to_owned)),
            Sink::Stream(_) => (Vec::new(), None),
        };
        Ok(Self {
            number: NEXT_WRITER.fetch_add(1, Ordering::Relaxed),
            own_files,
            pipeline: Pipeline::new(sink, &options)?,
            queue: EntryQueue::new(options.level)?,
            options,
            manifest,
            late: Manifest::default(),
            manifest_digest: None,
            schemas: Schemas::new(),
            late_schema_frames: Vec::new(),
            streams: Vec::new(),
            stream_names: HashSet::new(),
            buffered: 0,
            paths: PathCheck::default(),
            chunk: Chunk::default(),
            tar_bytes: 0,
            unflushed: 0,
            partial,
            opener: SourceOpener::default(),
            continued: None,
            failed: false,
        })
    }

    /// Sets an attribute.
    ///
    /// # Errors
    /// `usage.input` where `key` is empty or was set before.
    pub fn attribute(&mut self, key: impl Into<String>, value: impl Into<String>) -> Result<()> {
        self.check_usable()?;
        let key = key.into();
        if key.is_empty() || self.manifest.attributes.contains_key(&key) || self.late.attributes.contains_key(&key) {
            let message = format!("attribute {key:?}: expected a key that is not empty and was not set before");
            return Err(Error::new(code::USAGE_INPUT, message));
        }
        self.facts().attributes.insert(key, value.into());
        Ok(())
    }

    /// Adds a typed annotation, with the `FILE_DESCRIPTOR_SET` of the build that `M` comes from.
    ///
    /// # Errors
    /// As [`annotate_encoded`](Self::annotate_encoded).
    pub fn annotate<M: prost::Message + prost::Name>(&mut self, message: &M, descriptor_set: &[u8]) -> Result<()> {
        let type_url = format!("type.googleapis.com/{}", M::full_name());
        self.annotate_encoded(Annotation { type_url, value: message.encode_to_vec() }, descriptor_set)
    }

    /// Adds a typed annotation, with descriptors that define its type.
    ///
    /// # Errors
    /// `schema.*` where `descriptor_set` does not define the type or is not acceptable; `limit.schemas`.
    pub fn annotate_encoded(&mut self, annotation: Annotation, descriptor_set: &[u8]) -> Result<()> {
        self.check_usable()?;
        let limits = &self.options.limits;
        let added = self.schemas.for_annotation(annotation.type_name(), descriptor_set, limits)?;
        if added && self.manifest_digest.is_some() {
            self.write_late_schema()?;
        }
        self.facts().annotations.push(annotation);
        Ok(())
    }

    /// Adds an annotation whose type nothing here defines; a reader keeps its URL and bytes.
    pub(crate) fn annotate_undefined(&mut self, annotation: Annotation) -> Result<()> {
        self.check_usable()?;
        self.facts().annotations.push(annotation);
        Ok(())
    }

    /// Writes the manifest, unless that is done: what is said from now on stands elsewhere.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.start()
    }

    /// States when the archive was made, unless that is stated already or the manifest is written.
    pub(crate) fn take_over_created(&mut self, created: Option<Mtime>) {
        if self.manifest.created.is_none() {
            self.manifest.created = created;
        }
    }

    /// Whether a call failed after which nothing more can be written, and not just refused its input.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// The file that stays if this archive is not finished; see [`WriteOptions::flush_every`].
    pub fn partial_path(&self) -> Option<&Path> {
        self.partial.as_deref()
    }

    /// States a feature that a reader must know; one that does not know it refuses the archive.
    ///
    /// # Errors
    /// `usage.input` where `name` is empty.
    pub fn require_feature(&mut self, name: impl Into<String>) -> Result<()> {
        self.check_usable()?;
        let name = name.into();
        if name.is_empty() {
            return Err(Error::new(code::USAGE_INPUT, "a required feature without a name"));
        }
        let known = self.manifest.required_features.contains(&name) || self.late.required_features.contains(&name);
        if !known {
            let features = &mut self.facts().required_features;
            features.push(name);
            features.sort();
        }
        Ok(())
    }

    /// Declares a stream called `name` of records of a type. The descriptors that the type needs are put into the
    /// archive, once for all streams that agree on them.
    ///
    /// A stream that the archive being [continued](WriteOptions::continue_from) has already is extended, where its type
    /// is the same: by name, by [descriptors](crate::schema::same_type), and by version unless none is stated.
    ///
    /// # Errors
    /// `manifest.streams` where `name` is not legal or, case ignored, taken, or a stream of another type; `schema.*` where the type is not defined or
    /// its descriptors are not acceptable; `limit.streams`, `limit.schemas`, `limit.manifest-bytes`.
    pub fn declare(&mut self, name: &str, record_type: RecordType) -> Result<StreamId> {
        self.check_usable()?;
        let name = StreamName::new(name)?;
        check_type_name(&record_type.type_name)?;
        if let Some(index) = self.continued_stream(name.as_str()) {
            return self.extend(index, &record_type);
        }
        if self.stream_names.contains(&name.folded()) {
            let message = format!("a stream called {name}, case ignored, was declared before: expected another name");
            return Err(Error::new(code::MANIFEST_STREAMS, message));
        }
        if self.streams.len() as u64 >= self.options.limits.streams {
            let message = format!("more streams than the limit streams of {}", self.options.limits.streams);
            return Err(Error::new(code::LIMIT_STREAMS, message));
        }
        let limits = &self.options.limits;
        let schema = self.schemas.for_stream(&record_type.type_name, &record_type.descriptor_set, limits)?;
        let (type_name, schema_version) = (record_type.type_name, record_type.schema_version);
        let declaration = StreamDeclaration { name, type_name, schema, schema_version };
        self.stream_names.insert(declaration.name.folded());
        self.schemas.add_stream(declaration.clone());
        self.streams.push(StreamState::new(declaration));
        if self.manifest_digest.is_some() {
            self.write_late_schema()?;
        }
        Ok(StreamId { writer: self.number, index: self.streams.len() - 1 })
    }

    /// The stream called `name` of the archive that is being [continued](WriteOptions::continue_from), to be extended by
    /// records of the type that it has.
    ///
    /// # Errors
    /// `usage.no-such-stream`.
    pub fn stream(&self, name: &str) -> Result<StreamId> {
        match self.continued_stream(name) {
            Some(index) => Ok(StreamId { writer: self.number, index }),
            None => {
                let message = format!("the archive that is continued has no stream called {name:?}");
                Err(Error::new(code::USAGE_NO_SUCH_STREAM, message))
            }
        }
    }

    /// Appends a record to a stream.
    ///
    /// # Errors
    /// `usage.input` where `M` is not the stream's type, `limit.record-bytes`, and failures to write.
    pub fn append<M: prost::Message + prost::Name>(&mut self, stream: StreamId, message: &M) -> Result<()> {
        self.check_type(stream, &M::full_name())?;
        self.append_with(stream, message.encoded_len(), |batch| message.encode_raw(batch))
    }

    /// Appends a record to a stream.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_dynamic(&mut self, stream: StreamId, message: &DynamicMessage) -> Result<()> {
        self.check_type(stream, message.descriptor().full_name())?;
        // Encoded so that equal messages are equal bytes, maps included.
        self.append_encoded(stream, &record::encode(message))
    }

    /// Appends a record that is serialized already, and is not looked into.
    ///
    /// # Errors
    /// `limit.record-bytes`, and failures to write.
    pub fn append_encoded(&mut self, stream: StreamId, record: &[u8]) -> Result<()> {
        self.append_with(stream, record.len(), |batch| batch.extend_from_slice(record))
    }

    /// As [`append_encoded`](Self::append_encoded), once the record was found to be a message of the stream's type.
    ///
    /// # Errors
    /// As [`append_encoded`](Self::append_encoded), and `record.decode` where the record is no such message.
    pub fn append_checked(&mut self, stream: StreamId, record: &[u8]) -> Result<()> {
        let index = self.index_of(stream)?;
        self.check_record(index, record)?;
        self.append_encoded(stream, record)
    }

    /// Adds a regular file whose content is at hand.
    ///
    /// # Errors
    /// `path.reserved`, `path.duplicate`, `path.parent`, limits, and failures to write.
    pub fn add_bytes(&mut self, entry: NewEntry, content: &[u8]) -> Result<()> {
        let entry = self.file(entry, content.len() as u64)?;
        self.member(entry, Content::Bytes(content))
    }

    /// Adds a regular file whose content comes from `source`, to its end. Where `size` is not told, the content is held
    /// back, in memory or in a temporary file, until its end is seen.
    ///
    /// # Errors
    /// As [`add_bytes`](Self::add_bytes); `io.read` where `source` fails; `io.source-changed` where it has not exactly
    /// `size` bytes.
    pub fn add_reader(&mut self, entry: NewEntry, size: Option<u64>, mut source: impl Read) -> Result<()> {
        let Some(size) = size else {
            self.check_usable()?;
            let mut spool = Spool::new(SPOOL_MEMORY);
            spool.fill_from(Stoppable { source, monitor: &self.options.monitor })?;
            let mut content = spool.finish();
            let entry = self.file(entry, content.size())?;
            return self.member(entry, Content::Reader(&mut content));
        };
        let entry = self.file(entry, size)?;
        self.member(entry, Content::Reader(&mut source))
    }

    /// Adds a directory. Directories above other entries need not be added, but then have no mode or time of their own.
    ///
    /// # Errors
    /// As [`add_bytes`](Self::add_bytes).
    pub fn add_directory(&mut self, entry: NewEntry) -> Result<()> {
        self.member(Entry::directory(entry.path, entry.mode.unwrap_or(0o755), entry.mtime), Content::Bytes(b""))
    }

    /// Adds a symbolic link to `target`. Whether a link is [inside](LinkTarget::is_inside) is not asked here; a reader
    /// refuses to extract one that is not, unless told otherwise.
    ///
    /// # Errors
    /// As [`add_bytes`](Self::add_bytes), and `path.invalid` for a target that is empty or has control characters.
    pub fn add_symlink(&mut self, entry: NewEntry, target: impl Into<String>) -> Result<()> {
        let target = LinkTarget::with_limits(target, &self.options.limits)?;
        self.member(Entry::symlink(entry.path, entry.mtime, target), Content::Bytes(b""))
    }

    /// Adds something that a [`walk`](crate::write::tree::walk) found. A file that is no longer as the walk saw it is
    /// refused.
    ///
    /// # Errors
    /// As [`add_bytes`](Self::add_bytes) and [`SourceFile`](crate::write::tree::SourceFile).
    pub fn add_item(&mut self, item: &TreeItem) -> Result<()> {
        let TreeKind::File = item.kind else { return self.add_later(item.clone()) };
        let mut file = self.opener.open(item)?;
        let entry = self.file(new_entry(item), item.size)?;
        self.member(entry, Content::Reader(&mut file))?;
        // What was written is of no use if the file changed meanwhile.
        self.guarded(|_| file.check_unchanged())
    }

    /// Adds all that a [`walk`](crate::write::tree::walk) found, in this order: the same archive as by
    /// [`add_item`](Self::add_item), but small files are read on the threads that compress. All is read when this returns.
    ///
    /// # Errors
    /// As [`add_item`](Self::add_item); after any of them the writer is of no further use.
    pub fn add_items(&mut self, items: impl IntoIterator<Item = TreeItem>) -> Result<()> {
        items.into_iter().try_for_each(|item| self.add_later(item))?;
        self.guarded(Self::read_missing)
    }

    /// Adds an item whose content, if it has any, may be read later.
    fn add_later(&mut self, item: TreeItem) -> Result<()> {
        let entry = new_entry(&item);
        match &item.kind {
            TreeKind::Directory => self.add_directory(entry),
            TreeKind::Symlink(target) => self.add_symlink(entry, target.as_str()),
            TreeKind::File => {
                let entry = self.file(entry, item.size)?;
                self.member(entry, Content::File(item))
            }
        }
    }

    /// Adds everything below the directory `root`, and returns what was found there.
    ///
    /// # Errors
    /// As [`walk`](crate::write::tree::walk) and [`add_items`](Self::add_items).
    pub fn add_tree(&mut self, root: impl AsRef<Path>, options: &WalkOptions) -> Result<Tree> {
        let tree = self.walk(root, options)?;
        self.add_items(tree.items.iter().cloned())?;
        Ok(tree)
    }

    /// Walks the directory `root` as [`add_tree`](Self::add_tree) does, without the files that this writer makes and
    /// within its limits, and adds nothing: for a caller that changes paths or times before
    /// [`add_items`](Self::add_items).
    ///
    /// # Errors
    /// As [`walk`](crate::write::tree::walk).
    pub fn walk(&self, root: impl AsRef<Path>, options: &WalkOptions) -> Result<Tree> {
        let mut options = options.clone();
        options.as_writer(&self.own_files, &self.options.limits, self.options.threads);
        tree::walk(root, &options)
    }

    /// Writes everything taken so far, unfinished batches included, and makes it durable (a stream is flushed): it is what
    /// [`RecoverOptions`](crate::RecoverOptions) salvages where the archive is never finished. Does nothing before the first entry or
    /// record. A caller flushes where it has to know that its data is safe; each flush ends a batch of every stream and
    /// the chunk being filled, so flushing often costs size.
    ///
    /// # Errors
    /// Failures to write.
    pub fn flush(&mut self) -> Result<()> {
        self.guarded(Self::flush_all)
    }

    /// Writes what is left, the entry table, the index and the seek table; publishes a file that was written to a path.
    ///
    /// # Errors
    /// Limits, and failures to write. Nothing is published then, except with `io.durability`.
    pub fn finish(self) -> Result<Summary> {
        finish::finish(self)
    }

    /// Where facts go: into the manifest, or, once it is written, into the index.
    fn facts(&mut self) -> &mut Manifest {
        if self.manifest_digest.is_none() { &mut self.manifest } else { &mut self.late }
    }

    /// The place among the declared ones of the stream called `name`, if it is one of the archive that is continued.
    fn continued_stream(&self, name: &str) -> Option<usize> {
        let continued = self.continued.as_ref()?.streams();
        self.streams[..continued].iter().position(|stream| stream.declaration.name.as_str() == name)
    }

    /// The continued stream at `index`, once its type was found to be `record_type`.
    fn extend(&self, index: usize, record_type: &RecordType) -> Result<StreamId> {
        let declaration = &self.streams[index].declaration;
        let refuse = |what: String| {
            let name = &declaration.name;
            let message = format!("the archive has a stream called {name} {what}: expected the same, or another name");
            Err(Error::new(code::MANIFEST_STREAMS, message))
        };
        if declaration.type_name != record_type.type_name {
            return refuse(format!("of type {}, not {}", declaration.type_name, record_type.type_name));
        }
        let (has, stated) = (declaration.schema_version, record_type.schema_version);
        if stated != 0 && stated != has {
            return refuse(format!("of schema version {has}, not {stated}"));
        }
        let known = &self.schemas.bodies()[declaration.schema as usize].descriptor_set;
        if !schema::same_type(known, &record_type.descriptor_set, &declaration.type_name)? {
            return refuse(format!("whose type {} is defined differently", declaration.type_name));
        }
        Ok(StreamId { writer: self.number, index })
    }

    /// The place of `stream` among the declared ones.
    pub(super) fn index_of(&self, stream: StreamId) -> Result<usize> {
        if stream.writer != self.number {
            let message = "a stream of another writer: expected one that this writer declared";
            return Err(Error::new(code::USAGE_INPUT, message));
        }
        Ok(stream.index)
    }

    /// Makes sure that `record` is a message of the stream's type, within the limits.
    pub(super) fn check_record(&mut self, stream: usize, record: &[u8]) -> Result<()> {
        let state = &mut self.streams[stream];
        if state.checker.is_none() {
            let set = &self.schemas.bodies()[state.declaration.schema as usize].descriptor_set;
            state.checker = Some(schema::message(&schema::build_pool(set)?, &state.declaration.type_name)?);
        }
        let checker = state.checker.as_ref().expect("set just now");
        record::check(checker, record, &self.options.limits)
    }

    fn check_type(&self, stream: StreamId, found: &str) -> Result<()> {
        let declaration = &self.streams[self.index_of(stream)?].declaration;
        if declaration.type_name != found {
            let (name, expected) = (&declaration.name, &declaration.type_name);
            let message = format!("a record of type {found} for stream {name}: expected {expected}");
            return Err(Error::new(code::USAGE_INPUT, message));
        }
        Ok(())
    }

    fn file(&self, entry: NewEntry, size: u64) -> Result<Entry> {
        let entry = Entry::file(entry.path, entry.mode.unwrap_or(0o644), entry.mtime, size, Digest::ZERO);
        if tar::member_len(&entry).and_then(|len| len.checked_add(self.tar_bytes)).is_none() {
            let message = format!("a file of {size} bytes is more than an archive can hold");
            return Err(Error::new(code::USAGE_INPUT, message).with_entry(entry.path.as_str()));
        }
        Ok(entry)
    }
}

fn new_entry(item: &TreeItem) -> NewEntry {
    let mtime = Mtime { seconds: item.mtime.0, nanoseconds: item.mtime.1 };
    NewEntry::at(item.path.clone()).mode(item.mode).mtime(mtime)
}

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("options", &self.options).field("failed", &self.failed).finish_non_exhaustive()
    }
}

/// A source that ends with an error once the monitor was told to stop.
struct Stoppable<'m, R> {
    source: R,
    monitor: &'m Monitor,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.monitor.advance(0).map_err(io::Error::other)?;
        self.source.read(buf)
    }
}
