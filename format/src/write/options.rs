//! How to write.

use std::io::Write;
use std::path::Path;

use super::writer::{Sink, Writer};
use crate::error::{Error, Result, code};
use crate::frame::MAX_DECODED;
use crate::io::AtomicFile;
use crate::limits::Limits;
use crate::model::Mtime;
use crate::monitor::Monitor;
use crate::parallel::Threads;

/// Options of a [`Writer`], and the way to get one.
///
/// ```
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("a.rtar");
/// use rosettar::{NewEntry, WriteOptions};
///
/// let mut writer = WriteOptions::new().level(9).create(&path)?;
/// writer.add_bytes(NewEntry::new("hello.txt")?, b"hello\n")?;
/// let summary = writer.finish()?;
/// assert_eq!(summary.totals.files, 1);
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WriteOptions {
    pub(super) level: i32,
    pub(crate) threads: usize,
    pub(super) chunk_size: usize,
    pub(super) producer: String,
    pub(super) created: Option<Mtime>,
    pub(crate) limits: Limits,
    pub(crate) monitor: Monitor,
    pub(super) flush_every: Option<u64>,
}

/// The chunk size where none is chosen: measured on source trees, the smallest that costs no more than 1 %.
const DEFAULT_CHUNK: usize = 4 << 20;
/// Bytes at which a batch is closed, unless chunks are smaller: a quarter of that would cost 12 % in size, four times as
/// much would gain 4 %, and one record more time to read.
const BATCH: usize = 1 << 20;
/// The least chunk size, below which frames cost more than they give.
const MIN_CHUNK: usize = 4 << 10;

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            level: 3,
            threads: Threads::default().get(),
            chunk_size: DEFAULT_CHUNK,
            producer: concat!("rosettar ", env!("CARGO_PKG_VERSION")).to_owned(),
            created: None,
            limits: Limits::default(),
            monitor: Monitor::new(),
            flush_every: None,
        }
    }
}

impl WriteOptions {
    /// The defaults: level 3, as many threads as there are cores, chunks of 4 MiB.
    pub fn new() -> Self {
        Self::default()
    }

    /// zstd's compression level, -131072 to 22 without 0; 3 unless set. Checked when the writer is made.
    #[must_use]
    pub fn level(mut self, level: i32) -> Self {
        self.level = level;
        self
    }

    /// How many threads compress and digest; the number of cores unless set, and at least 1. With 1 everything happens
    /// on the caller's thread. The bytes written are the same whatever the number.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Bytes at which a chunk is closed, 4 KiB to 8 MiB and a multiple of 512; 4 MiB unless set. To read one file, a reader
    /// decodes the chunk it is in; a file of this size or more has chunks of its own. Records are in batches of this size,
    /// but of 1 MiB where chunks are larger. Checked when the writer is made.
    #[must_use]
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        self.chunk_size = bytes;
        self
    }

    /// What the manifest names as the producer; `rosettar` and its version unless set.
    #[must_use]
    pub fn producer(mut self, producer: impl Into<String>) -> Self {
        self.producer = producer.into();
        self
    }

    /// When the archive says that it was made; it says nothing unless set, so that the same input gives the same bytes.
    #[must_use]
    pub fn created(mut self, created: Mtime) -> Self {
        self.created = Some(created);
        self
    }

    /// Limits; the reader's defaults unless set, so that nothing is made that a reader with defaults refuses.
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

    /// [Flushes](Writer::flush) whenever `bytes` bytes of records and files were taken since the last time, so that an
    /// abrupt end loses no more than that and the entry being written; never unless set. A file written to a path is then
    /// visible as `NAME.partial` beside it until it is complete, and stays there where the writer fails, is dropped or
    /// dies with its process: [`RecoverOptions`](crate::RecoverOptions) salvages what it holds. Small batches and chunks
    /// compress less well; a value of some multiples of the chunk size costs little.
    #[must_use]
    pub fn flush_every(mut self, bytes: u64) -> Self {
        self.flush_every = Some(bytes);
        self
    }

    /// A writer of the file at `path`, which appears, complete and synced, when [`Writer::finish`] returns, and replaces
    /// what is there; before that, and after any failure, the old file or none is there.
    ///
    /// # Errors
    /// `io.file` where no file can be made there, also where with [`flush_every`](Self::flush_every) a `NAME.partial` is
    /// left from before; `usage.option` for an option that is out of range.
    pub fn create(self, path: impl AsRef<Path>) -> Result<Writer<'static>> {
        self.check()?;
        let file = match self.flush_every {
            None => AtomicFile::replace(path)?,
            Some(_) => AtomicFile::partial(path, false)?,
        };
        Writer::new(Sink::File(file), self)
    }

    /// As [`create`](Self::create), but refuses a path where something is.
    ///
    /// # Errors
    /// As [`create`](Self::create), and `io.file` where something is at `path`.
    pub fn create_new(self, path: impl AsRef<Path>) -> Result<Writer<'static>> {
        self.check()?;
        let file = match self.flush_every {
            None => AtomicFile::create_new(path)?,
            Some(_) => AtomicFile::partial(path, true)?,
        };
        Writer::new(Sink::File(file), self)
    }

    /// A writer to anything that takes bytes, from front to back; pass `&mut sink` to have it back.
    ///
    /// # Errors
    /// `usage.option` for an option that is out of range.
    pub fn write_to<'a>(self, sink: impl Write + Send + 'a) -> Result<Writer<'a>> {
        self.check()?;
        Writer::new(Sink::Stream(Box::new(sink)), self)
    }

    /// Bytes at which a batch of records is closed.
    pub(super) fn batch_size(&self) -> usize {
        self.chunk_size.min(BATCH)
    }

    fn check(&self) -> Result<()> {
        let legal =
            (MIN_CHUNK..=MAX_DECODED as usize).contains(&self.chunk_size) && self.chunk_size.is_multiple_of(512);
        if self.created.is_some_and(|created| !created.is_valid()) {
            let message = "the time of creation has a second or more of nanoseconds";
            return Err(Error::new(code::USAGE_OPTION, message));
        }
        if !legal {
            return Err(Error::new(
                code::USAGE_OPTION,
                format!(
                    "chunk size {}: expected {MIN_CHUNK} to {MAX_DECODED} bytes and a multiple of 512",
                    self.chunk_size
                ),
            ));
        }
        Ok(())
    }
}
