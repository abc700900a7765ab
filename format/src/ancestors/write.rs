//! Writing C1Z files, in one pass to any sink (C1Z.md, "Writing").

mod v1;

pub(crate) use v1::write_v1;

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read, Write};

use zstd::bulk::Compressor;
use zstd::stream::Encoder;

use super::options::C1zOptions;
use super::{DIRECTORY_MODE, FILE_MODE};
use crate::c1z::{self, FramePlace, INDEX_MAX};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result, code};
use crate::frame::check_memory;
use crate::io::AtomicFile;
use crate::model::{C1zEncoding, Entry, EntryKind, Mtime};
use crate::monitor::Monitor;
use crate::parallel::OrderedPool;
use crate::path::EntryPath;
use crate::read::{Archive, Driver};
use crate::write::NewEntry;
use crate::write::tree::{SourceOpener, TreeItem};

/// Larger files are compressed as they come; smaller ones whole, on several threads.
const WHOLE: u64 = 8 << 20;
/// At how many bytes, or files, small files become a job: one by one, they would cost more to hand over than to compress.
const BATCH_BYTES: usize = 1 << 20;
const BATCH_FILES: usize = 128;
/// How much is read at a time.
const PIECE: usize = 256 << 10;

/// Where the bytes go.
pub(super) enum Sink<'a> {
    File(AtomicFile),
    Stream(Box<dyn Write + Send + 'a>),
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stream(sink) => sink.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stream(sink) => sink.flush(),
        }
    }
}

/// Counts what passes.
struct Counted<W> {
    sink: W,
    size: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes)?;
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// What a C1Z writer made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct C1zSummary {
    /// Bytes of the file.
    pub size: u64,
    /// Regular files in it.
    pub files: u64,
    /// Directories in it.
    pub directories: u64,
    /// Bytes of the contents of all files.
    pub file_bytes: u64,
    /// Bytes of frames that were copied as they are from the previous file.
    pub copied_bytes: u64,
}

/// Writes a C1Z v3 file; made by [`C1zOptions`].
///
/// In the encoding `indexed_zstd` files come in the bytewise order of their paths; in the others anything comes after the
/// directory that it is in, if that comes at all. Dropping the writer publishes nothing.
pub struct C1zWriter<'a> {
    payload: Payload<'a>,
    encoding: C1zEncoding,
    monitor: Monitor,
    /// Each path, and whether it is a file.
    paths: HashMap<String, bool>,
    paths_size: u64,
    last: Option<EntryPath>,
    entries: u64,
    summary: C1zSummary,
    options: C1zOptions,
    failed: bool,
}

enum Payload<'a> {
    Tar(Counted<Sink<'a>>),
    TarZstd(Encoder<'static, Counted<Sink<'a>>>),
    Indexed(Box<Indexed<'a>>),
}

/// A payload under way in which each file is a frame.
struct Indexed<'a> {
    sink: Counted<Sink<'a>>,
    manifest: Vec<u8>,
    rows: Vec<FramePlace>,
    /// How many bytes these take in the index, at least.
    index_bytes: usize,
    pool: OrderedPool<Batch, Result<Vec<Framed>>>,
    /// Small files that are to be one job, and how many bytes they have.
    batch: Batch,
    batched: usize,
    level: i32,
    copied: u64,
}

/// Paths and contents of files, in order.
type Batch = Vec<(EntryPath, Content)>;

/// The content of a small file.
enum Content {
    Bytes(Vec<u8>),
    /// It is read by the thread that compresses it.
    Unread(TreeItem),
}

/// What one thread makes frames with.
struct Maker {
    level: i32,
    previous: Option<Archive>,
    compressor: Option<Compressor<'static>>,
    opener: SourceOpener,
    monitor: Monitor,
    /// For contents that are read here.
    buffer: Vec<u8>,
}

/// A file as a frame, without its place.
struct Framed {
    path: EntryPath,
    frame: Vec<u8>,
    raw: u64,
    checksum: u64,
    digest: Digest,
    copied: bool,
}

impl<'a> C1zWriter<'a> {
    pub(super) fn new(sink: Sink<'a>, options: C1zOptions, manifest: Vec<u8>) -> Result<Self> {
        check_level(options.level)?;
        let mut sink = Counted { sink, size: 0 };
        let head = [&c1z::MAGIC_V3[..], &(manifest.len() as u32).to_be_bytes(), &manifest].concat();
        sink.write_all(&head).map_err(cannot_write)?;
        let encoding = options.encoding();
        let payload = match encoding {
            C1zEncoding::Tar => Payload::Tar(sink),
            C1zEncoding::TarZstd => Payload::TarZstd(encoder(sink, options.level, None)?),
            C1zEncoding::IndexedZstd => {
                let (level, previous, monitor) = (options.level, options.previous.clone(), options.monitor.clone());
                let pool = OrderedPool::new(options.threads, move || {
                    let mut maker = Maker {
                        level,
                        previous: previous.clone(),
                        compressor: None,
                        opener: SourceOpener::default(),
                        monitor: monitor.clone(),
                        buffer: Vec::new(),
                    };
                    move |batch: Batch| batch.into_iter().map(|(path, content)| maker.make(path, content)).collect()
                });
                Payload::Indexed(Box::new(Indexed {
                    sink,
                    manifest,
                    rows: Vec::new(),
                    index_bytes: 0,
                    pool,
                    batch: Vec::new(),
                    batched: 0,
                    level,
                    copied: 0,
                }))
            }
        };
        let summary = C1zSummary { size: 0, files: 0, directories: 0, file_bytes: 0, copied_bytes: 0 };
        Ok(Self {
            payload,
            encoding,
            monitor: options.monitor.clone(),
            paths: HashMap::new(),
            paths_size: 0,
            last: None,
            entries: 0,
            summary,
            options,
            failed: false,
        })
    }

    /// Adds a file. In the encoding `indexed_zstd` its mode and time are not stored.
    ///
    /// # Errors
    /// As [`add_reader`](Self::add_reader).
    pub fn add_bytes(&mut self, entry: NewEntry, content: &[u8]) -> Result<()> {
        self.add_reader(entry, content.len() as u64, content)
    }

    /// Adds a file whose content, of `size` bytes, `source` has.
    ///
    /// # Errors
    /// `usage.input` where the order is not the encoding's or the content has another size; `path.duplicate`,
    /// `path.parent`; `limit.*`; `io.read` where `source` fails, `io.write` where the sink does; `usage.interrupted`.
    pub fn add_reader(&mut self, entry: NewEntry, size: u64, source: impl Read) -> Result<()> {
        let (path, mode, mtime) = entry.into_parts();
        let mode = mode.map_or(FILE_MODE, |mode| mode & FILE_MODE);
        self.add(Entry::file(path, mode, mtime, size, Digest::ZERO), source)
    }

    /// Adds a directory.
    ///
    /// # Errors
    /// As [`add_reader`](Self::add_reader); `usage.input` in the encoding `indexed_zstd`, which has none.
    pub fn add_directory(&mut self, entry: NewEntry) -> Result<()> {
        let (path, mode, mtime) = entry.into_parts();
        let mode = mode.map_or(DIRECTORY_MODE, |mode| mode & DIRECTORY_MODE);
        self.add(Entry::directory(path, mode, mtime), io::empty())
    }

    /// Adds a file that a walk found, or a directory. A small file may be read later, on one of the threads that compress.
    ///
    /// # Errors
    /// As [`add_reader`](Self::add_reader) and [`SourceOpener`].
    pub(crate) fn add_item(&mut self, mut entry: Entry, item: &TreeItem, opener: &mut SourceOpener) -> Result<()> {
        if entry.kind != EntryKind::File {
            entry.mode &= DIRECTORY_MODE;
            return self.add(entry, io::empty());
        }
        entry.mode &= FILE_MODE;
        self.guarded(entry, |payload, entry, monitor| {
            if let Payload::Indexed(indexed) = payload
                && entry.size <= WHOLE
            {
                return indexed.add_small(&entry.path, Content::Unread(item.clone()), entry.size);
            }
            let mut source = opener.open(item)?;
            payload.add(entry, &mut source, monitor)?;
            // What was written is of no use if the file changed meanwhile.
            source.check_unchanged()
        })
    }

    fn add(&mut self, entry: Entry, source: impl Read) -> Result<()> {
        self.guarded(entry, |payload, entry, monitor| payload.add(entry, source, monitor))
    }

    /// Adds what `put` puts into the payload. After a failure the writer is of no further use.
    fn guarded(
        &mut self,
        entry: Entry,
        put: impl FnOnce(&mut Payload<'a>, &Entry, &Monitor) -> Result<()>,
    ) -> Result<()> {
        if self.failed {
            let message = "an earlier call to this writer failed: make a new one";
            return Err(Error::new(code::USAGE_WRITER_FAILED, message));
        }
        self.failed = true;
        self.check(&entry)?;
        put(&mut self.payload, &entry, &self.monitor)?;
        let is_file = entry.kind != EntryKind::Directory;
        match is_file {
            false => self.summary.directories += 1,
            true => {
                self.summary.files += 1;
                self.summary.file_bytes += entry.size;
            }
        }
        self.paths.insert(entry.path.to_string(), is_file);
        self.last = Some(entry.path);
        self.failed = false;
        Ok(())
    }

    fn check(&mut self, entry: &Entry) -> Result<()> {
        let path = entry.path.as_str();
        let fault = |code, message: String| Err(Error::new(code, message).with_entry(path));
        self.entries += 1;
        entry.path.check(&self.options.limits)?;
        if self.entries > self.options.limits.entries {
            let message = format!("more entries than the limit entries of {}", self.options.limits.entries);
            return fault(code::LIMIT_ENTRIES, message);
        }
        self.paths_size += path.len() as u64;
        if self.paths_size > INDEX_MAX {
            return Err(c1z::paths_too_long(INDEX_MAX));
        }
        if self.paths.contains_key(path) {
            return fault(code::PATH_DUPLICATE, "a second entry with this path: expected it once".to_owned());
        }
        if let Some(parent) = entry.path.ancestors().find(|parent| self.is_file(parent)) {
            return fault(code::PATH_PARENT, format!("an entry below {parent:?}, which is a file"));
        }
        if self.encoding == C1zEncoding::IndexedZstd {
            if entry.kind == EntryKind::Directory {
                return fault(code::USAGE_INPUT, "the encoding indexed_zstd holds no directories".to_owned());
            }
            if self.last.as_ref().is_some_and(|last| last.as_str() > path) {
                return fault(code::USAGE_INPUT, "expected files in the bytewise order of their paths".to_owned());
            }
        }
        Ok(())
    }

    fn is_file(&self, path: &str) -> bool {
        self.paths.get(path).copied().unwrap_or_default()
    }

    /// Writes the end, and publishes the file where it has a path.
    ///
    /// # Errors
    /// `usage.writer-failed` after a failure; `path.parent` where a file has entries below it; `io.write`, `io.file`.
    pub fn finish(mut self) -> Result<C1zSummary> {
        if self.failed {
            let message = "an earlier call to this writer failed: make a new one";
            return Err(Error::new(code::USAGE_WRITER_FAILED, message));
        }
        // A file that came after what is below it.
        let below = |path: &&String| path.match_indices('/').any(|(at, _)| self.is_file(&path[..at]));
        if let Some(path) = self.paths.keys().find(below) {
            return Err(Error::new(code::PATH_PARENT, "an entry below a path that is a file").with_entry(path.as_str()));
        }
        let mut sink = match self.payload {
            Payload::Tar(mut sink) => {
                sink.write_all(&c1z::end_of_tar()).map_err(cannot_write)?;
                sink
            }
            Payload::TarZstd(mut encoder) => {
                encoder.write_all(&c1z::end_of_tar()).map_err(cannot_write)?;
                encoder.finish().map_err(cannot_write)?
            }
            Payload::Indexed(indexed) => {
                self.summary.copied_bytes = 0;
                let (sink, copied) = indexed.finish()?;
                self.summary.copied_bytes = copied;
                sink
            }
        };
        sink.flush().map_err(cannot_write)?;
        self.summary.size = sink.size;
        if let Sink::File(file) = sink.sink {
            file.commit()?;
        }
        Ok(self.summary)
    }
}

impl fmt::Debug for C1zWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("C1zWriter")
            .field("encoding", &self.encoding)
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

impl Payload<'_> {
    /// Adds an entry with the content that `source` has.
    fn add(&mut self, entry: &Entry, source: impl Read, monitor: &Monitor) -> Result<()> {
        let mut source = Exact { source, left: entry.size, path: entry.path.as_str(), monitor };
        match self {
            Self::Tar(sink) => add_member(sink, entry, &mut source),
            Self::TarZstd(sink) => add_member(sink, entry, &mut source),
            Self::Indexed(indexed) => indexed.add(entry, &mut source),
        }
    }
}

impl<'a> Indexed<'a> {
    fn add(&mut self, entry: &Entry, source: &mut Exact<'_, impl Read>) -> Result<()> {
        if entry.size <= WHOLE {
            let mut content = Vec::with_capacity(entry.size as usize);
            source.all(&mut |piece| {
                content.extend_from_slice(piece);
                Ok(())
            })?;
            return self.add_small(&entry.path, Content::Bytes(content), entry.size);
        }
        self.drain()?;
        let offset = self.sink.size;
        let mut hasher = Hasher::new();
        let mut checksum = c1z::Checksum::new();
        let mut encoder = encoder(&mut self.sink, self.level, Some(entry.size))?;
        source.all(&mut |piece| {
            hasher.update(piece);
            checksum.update(piece);
            encoder.write_all(piece).map_err(cannot_write)
        })?;
        encoder.finish().map_err(cannot_write)?;
        self.row(FramePlace {
            path: entry.path.clone(),
            offset,
            stored: self.sink.size - offset,
            raw: entry.size,
            checksum: checksum.finish(),
            digest: hasher.finish(),
        })
    }

    /// Notes a frame for the index, as long as that can hold it: paths may be long, and files many.
    fn row(&mut self, place: FramePlace) -> Result<()> {
        self.index_bytes += place.path.as_str().len() + place.digest.0.len();
        self.rows.push(place);
        c1z::check_index_size(self.index_bytes, self.rows.len())
    }

    /// Adds a file that is compressed whole.
    fn add_small(&mut self, path: &EntryPath, content: Content, size: u64) -> Result<()> {
        self.batched += size as usize;
        self.batch.push((path.clone(), content));
        match self.batched >= BATCH_BYTES || self.batch.len() >= BATCH_FILES {
            true => self.submit(),
            false => Ok(()),
        }
    }

    /// Gives the pool the files at hand.
    fn submit(&mut self) -> Result<()> {
        if !self.batch.is_empty() {
            while self.pool.is_full() {
                self.take()?;
            }
            self.pool.submit(std::mem::take(&mut self.batch));
            self.batched = 0;
        }
        Ok(())
    }

    /// Writes the frames of the oldest job.
    fn take(&mut self) -> Result<bool> {
        let Some(framed) = self.pool.take() else { return Ok(false) };
        for Framed { path, frame, raw, checksum, digest, copied } in framed? {
            let (offset, stored) = (self.sink.size, frame.len() as u64);
            self.sink.write_all(&frame).map_err(cannot_write)?;
            self.copied += if copied { stored } else { 0 };
            self.row(FramePlace { path, offset, stored, raw, checksum, digest })?;
        }
        Ok(true)
    }

    fn drain(&mut self) -> Result<()> {
        self.submit()?;
        while self.take()? {}
        Ok(())
    }

    fn finish(mut self) -> Result<(Counted<Sink<'a>>, u64)> {
        self.drain()?;
        let index = c1z::encode_index(&self.rows, &self.manifest, self.sink.size)?;
        self.sink.write_all(&index).map_err(cannot_write)?;
        Ok((self.sink, self.copied))
    }
}

impl Maker {
    fn make(&mut self, path: EntryPath, content: Content) -> Result<Framed> {
        match content {
            Content::Bytes(content) => self.frame(path, &content),
            Content::Unread(item) => {
                let mut buffer = std::mem::take(&mut self.buffer);
                buffer.clear();
                buffer.reserve(item.size as usize);
                self.opener.read(&item, &mut buffer)?;
                self.monitor.advance(item.size)?;
                let framed = self.frame(path, &buffer);
                self.buffer = buffer;
                framed
            }
        }
    }

    /// A content as a frame: the one that the previous file has for it, once that was proven, or a new one.
    fn frame(&mut self, path: EntryPath, content: &[u8]) -> Result<Framed> {
        let (digest, checksum, raw) = (Digest::of(content), c1z::checksum(content), content.len() as u64);
        if let Some(Driver::Listed(previous)) = self.previous.as_ref().map(|previous| &previous.driver)
            && let Some(frame) = previous.proven_frame(path.as_str(), raw, digest)?
        {
            return Ok(Framed { path, frame, raw, checksum, digest, copied: true });
        }
        let cannot = |e| Error::io(code::IO_WRITE, "compressing", e);
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            None => {
                check_memory()?;
                let mut made = Compressor::new(self.level).map_err(cannot)?;
                made.include_checksum(true).map_err(cannot)?;
                made.include_contentsize(true).map_err(cannot)?;
                self.compressor.insert(made)
            }
        };
        let frame = compressor.compress(content).map_err(cannot)?;
        Ok(Framed { path, frame, raw, checksum, digest, copied: false })
    }
}

/// Writes a member of a tar.
fn add_member(sink: &mut impl Write, entry: &Entry, source: &mut Exact<'_, impl Read>) -> Result<()> {
    let seconds = Mtime::from_seconds(entry.mtime.seconds);
    let entry = Entry { mtime: seconds, ..entry.clone() };
    sink.write_all(&c1z::tar_head(&entry)).map_err(cannot_write)?;
    source.all(&mut |piece| sink.write_all(piece).map_err(cannot_write))?;
    let padding = (512 - entry.size % 512) % 512;
    sink.write_all(&[0; 512][..padding as usize]).map_err(cannot_write)
}

fn encoder<'e, W: Write>(sink: W, level: i32, size: Option<u64>) -> Result<Encoder<'e, W>> {
    check_memory()?;
    let set_up = || -> io::Result<_> {
        let mut encoder = Encoder::new(sink, level)?;
        encoder.include_checksum(true)?;
        encoder.set_pledged_src_size(size)?;
        Ok(encoder)
    };
    set_up().map_err(|e| Error::io(code::IO_WRITE, "setting up zstd", e))
}

fn check_level(level: i32) -> Result<()> {
    let range = zstd::compression_level_range();
    if range.contains(&level) && level != 0 {
        return Ok(());
    }
    let message = format!("compression level {level}: expected {} to {}, and not 0", range.start(), range.end());
    Err(Error::new(code::USAGE_OPTION, message))
}

fn cannot_write(error: io::Error) -> Error {
    Error::io(code::IO_WRITE, "writing the file", error)
}

fn cannot_read(error: io::Error) -> Error {
    // A reader of this crate's, such as that of an entry of a damaged archive, says more than that reading failed.
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::io(code::IO_READ, "reading a content", error),
    }
}

/// A content that must have the size that was stated.
struct Exact<'p, R> {
    source: R,
    left: u64,
    path: &'p str,
    monitor: &'p Monitor,
}

impl<R: Read> Exact<'_, R> {
    fn all(&mut self, see: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut piece = vec![0; (PIECE as u64).min(self.left.saturating_add(1)) as usize];
        loop {
            match self.source.read(&mut piece) {
                Ok(0) if self.left == 0 => return self.monitor.advance(0),
                Ok(read) if read > 0 && read as u64 <= self.left => {
                    see(&piece[..read])?;
                    self.left -= read as u64;
                    self.monitor.advance(read as u64)?;
                }
                Ok(_) => {
                    let message = "a content is not of the size that was stated for it";
                    return Err(Error::new(code::USAGE_INPUT, message).with_entry(self.path));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(cannot_read(error).with_entry(self.path)),
            }
        }
    }
}
