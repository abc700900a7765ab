//! How a C1Z file is written.

use std::io::Write;
use std::path::Path;

use prost::Message as _;

use super::write::{C1zWriter, Sink};
use crate::c1z;
use crate::error::{Error, Result, code};
use crate::io::AtomicFile;
use crate::limits::Limits;
use crate::model::{Annotation, C1zEncoding, C1zRecordType, C1zSyncRun, Mtime};
use crate::monitor::Monitor;
use crate::parallel::Threads;
use crate::proto::c1::c1z::v3 as proto;
use crate::read::Archive;

/// Options for writing a C1Z v3 file.
///
/// ```
/// use rosettar::{C1zEncoding, C1zOptions, NewEntry};
///
/// let mut file = Vec::new();
/// let mut writer = C1zOptions::new(C1zEncoding::IndexedZstd, "pebble").schema_version(24).write_to(&mut file)?;
/// writer.add_bytes(NewEntry::new("CURRENT")?, b"MANIFEST-000001\n")?;
/// writer.finish()?;
/// let archive = rosettar::open(file)?;
/// assert_eq!(archive.facts().format, "C1Z v3, indexed_zstd");
/// assert_eq!(archive.read("CURRENT")?, b"MANIFEST-000001\n");
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct C1zOptions {
    encoding: C1zEncoding,
    manifest: ManifestSource,
    pub(super) level: i32,
    pub(super) threads: usize,
    pub(super) limits: Limits,
    pub(super) monitor: Monitor,
    pub(super) previous: Option<Archive>,
}

/// Where the manifest comes from.
#[derive(Clone, Debug)]
enum ManifestSource {
    /// What the caller set.
    Fields(Box<proto::C1zManifestV3>),
    /// A whole message, of which only the encoding is changed.
    Message(Vec<u8>),
}

impl C1zOptions {
    /// A file in this encoding, whose payload the storage engine called `engine` wrote.
    pub fn new(encoding: C1zEncoding, engine: impl Into<String>) -> Self {
        let fields = proto::C1zManifestV3 { engine: engine.into(), ..Default::default() };
        Self::with(encoding, ManifestSource::Fields(Box::new(fields)))
    }

    /// A file in this encoding with a manifest that is there already, a serialized `c1.c1z.v3.C1ZManifestV3`. All of its
    /// fields stay as they are, unknown ones included; only the encoding becomes this one.
    pub fn with_manifest(encoding: C1zEncoding, manifest: impl Into<Vec<u8>>) -> Self {
        Self::with(encoding, ManifestSource::Message(manifest.into()))
    }

    fn with(encoding: C1zEncoding, manifest: ManifestSource) -> Self {
        Self {
            encoding,
            manifest,
            level: 3,
            threads: Threads::default().get(),
            limits: Limits::default(),
            monitor: Monitor::new(),
            previous: None,
        }
    }

    fn set(mut self, set: impl FnOnce(&mut proto::C1zManifestV3)) -> Self {
        if let ManifestSource::Fields(fields) = &mut self.manifest {
            set(fields);
        }
        self
    }

    /// The version of what the engine stores. This and the other facts are ignored where a whole manifest was given.
    #[must_use]
    pub fn schema_version(self, version: u32) -> Self {
        self.set(|fields| fields.engine_schema_version = version)
    }

    /// The engine's own settings.
    #[must_use]
    pub fn engine_config(self, config: Annotation) -> Self {
        let config = prost_types::Any { type_url: config.type_url, value: config.value };
        self.set(|fields| fields.engine_config = Some(config))
    }

    /// A serialized `google.protobuf.FileDescriptorSet` of what the engine stores. Its files are written sorted by path,
    /// each as it is.
    #[must_use]
    pub fn descriptors(self, set: impl Into<Vec<u8>>) -> Self {
        self.set(|fields| fields.descriptors = set.into())
    }

    /// Adds a type of record.
    #[must_use]
    pub fn record_type(self, found: C1zRecordType) -> Self {
        let C1zRecordType { full_name, schema_version, estimated_count } = found;
        self.set(|fields| fields.record_types.push(proto::RecordType { full_name, schema_version, estimated_count }))
    }

    /// Adds a sync run, without its statistics: those come with a whole manifest.
    #[must_use]
    pub fn sync_run(self, run: C1zSyncRun) -> Self {
        let time = |time: Mtime| prost_types::Timestamp { seconds: time.seconds, nanos: time.nanoseconds as i32 };
        let run = proto::SyncRun {
            sync_id: run.sync_id,
            r#type: run.kind,
            started_at: run.started_at.map(time),
            ended_at: run.ended_at.map(time),
            parent_sync_id: run.parent_sync_id,
            stats: None,
        };
        self.set(|fields| fields.sync_runs.push(run))
    }

    /// zstd's compression level; 3 unless set. Checked when the writer is made.
    #[must_use]
    pub fn level(mut self, level: i32) -> Self {
        self.level = level;
        self
    }

    /// How many threads compress in the encoding `indexed_zstd`; the number of cores unless set. The bytes written are the
    /// same whatever the number.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Limits; the reader's defaults unless set.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where to count the bytes of content taken in.
    #[must_use]
    pub fn monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = monitor;
        self
    }

    /// A file in the encoding `indexed_zstd` whose frames are copied, as they are, for contents that have not changed: those
    /// with the path, size and SHA-256 that the old index states, once the old frame was decoded and found to have them.
    #[must_use]
    pub fn previous(mut self, archive: &Archive) -> Self {
        self.previous = Some(archive.clone());
        self
    }

    /// A writer of the file at `path`, which appears, complete and synced, when [`C1zWriter::finish`] returns, and replaces
    /// what is there; before that, and after any failure, the old file or none is there.
    ///
    /// # Errors
    /// `io.file` where no file can be made there, and as [`write_to`](Self::write_to).
    pub fn create(self, path: impl AsRef<Path>) -> Result<C1zWriter<'static>> {
        // What is wrong with the manifest leaves no temporary file.
        let manifest = self.encoded()?;
        C1zWriter::new(Sink::File(AtomicFile::replace(path)?), self, manifest)
    }

    /// As [`create`](Self::create), but refuses a path where something is.
    ///
    /// # Errors
    /// As [`create`](Self::create), and `io.file` where something is at `path`.
    pub fn create_new(self, path: impl AsRef<Path>) -> Result<C1zWriter<'static>> {
        let manifest = self.encoded()?;
        C1zWriter::new(Sink::File(AtomicFile::create_new(path)?), self, manifest)
    }

    /// A writer to anything that takes bytes, from front to back.
    ///
    /// # Errors
    /// `c1z.engine` where the manifest names none, `c1z.manifest` where it does not decode, `schema.*` where the
    /// descriptors are not complete, `limit.manifest-bytes`, `usage.option` for an option that is out of range.
    pub fn write_to<'a>(self, sink: impl Write + Send + 'a) -> Result<C1zWriter<'a>> {
        let manifest = self.encoded()?;
        C1zWriter::new(Sink::Stream(Box::new(sink)), self, manifest)
    }

    /// The encoding.
    pub fn encoding(&self) -> C1zEncoding {
        self.encoding
    }

    /// The manifest as it is to be written, found to be one that a reader takes.
    fn encoded(&self) -> Result<Vec<u8>> {
        let bytes = match &self.manifest {
            ManifestSource::Message(message) => c1z::with_encoding(message, self.encoding)?.into_owned(),
            ManifestSource::Fields(fields) => {
                let mut fields = fields.clone();
                fields.payload_encoding = i32::from(self.encoding.number());
                if !fields.descriptors.is_empty() {
                    fields.descriptors = c1z::sorted_closure(&fields.descriptors)?;
                }
                fields.encode_to_vec()
            }
        };
        let most = u64::from(c1z::MANIFEST_MAX).min(self.limits.manifest_bytes);
        if bytes.len() as u64 > most {
            let message = format!("a manifest of {} bytes exceeds the limit manifest-bytes of {most}", bytes.len());
            return Err(Error::new(code::LIMIT_MANIFEST_BYTES, message));
        }
        let manifest = c1z::Manifest::decode(bytes, &self.limits)?;
        if !manifest.descriptors.is_empty() {
            crate::schema::order(&manifest.descriptors)?;
        }
        Ok(manifest.facts.bytes)
    }
}
