//! The batches of one stream, whole: for who decodes many records at once, on several threads.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::archive::batches_in;
use super::indexed::Indexed;
use crate::digest::Digest;
use crate::error::{Error, Result, code};
use crate::parallel::OrderedPool;
use crate::v1::Placed;

/// The batches of a stream that hold certain records, in order, each as a place that was not read yet; made by
/// [`Stream::batches`](crate::read::Stream::batches). After an error it ends.
pub struct Batches {
    archive: Arc<Indexed>,
    stream: usize,
    wanted: Range<u64>,
    next_page: usize,
    /// How many records of the stream the pages before `next_page` hold.
    before: u64,
    /// Batches of the page at hand, with the number of the first record of each.
    page: std::vec::IntoIter<(u64, Placed)>,
    /// The number of the next record.
    next: u64,
}

impl Batches {
    pub(super) fn new(archive: &Arc<Indexed>, stream: usize, wanted: Range<u64>) -> Self {
        let (archive, page, next) = (Arc::clone(archive), Vec::new().into_iter(), wanted.start);
        Self { archive, stream, wanted, next_page: 0, before: 0, page, next }
    }

    /// The place of the next batch, with the number of its first record.
    fn next_placed(&mut self) -> Result<Option<(u64, Placed)>> {
        loop {
            if self.next >= self.wanted.end {
                return Ok(None);
            }
            if let Some((first, placed)) = self.page.next() {
                self.next = first + placed.entry.records;
                return Ok(Some((first, placed)));
            }
            let Some(page) = self.archive.index.pages.get(self.next_page) else {
                let next = std::mem::replace(&mut self.next, self.wanted.end);
                let message = format!("record {next} is in no batch, though the index counts it");
                return Err(Error::new(code::RECORD_COUNT, message));
            };
            let (number, first) = (self.next_page, self.before);
            self.next_page += 1;
            // That the sum over all pages does not overflow was found when the index was read.
            self.before += page.record_counts[self.stream];
            // Pages without records of the stream, or before those that are wanted, are not read.
            if first < self.before && self.before > self.next {
                let found = batches_in(&self.archive, number, self.stream as u32, first, &self.wanted);
                self.page = found.inspect_err(|_| self.next = self.wanted.end)?.into_iter();
            }
        }
    }

    /// Has `worker`s do something with each batch, on up to `threads` threads, a few batches ahead of who takes the
    /// results; these come in the order of the batches. Each thread has a worker of its own.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # std::fs::write(dir.path().join("g.proto"), r#"syntax = "proto3"; package demo; message Greeting { string text = 1; }"#).unwrap();
    /// # let set = rosettar::schema::compile(&[dir.path().join("g.proto")], &[dir.path()])?;
    /// # let mut file = Vec::new();
    /// # let mut writer = rosettar::WriteOptions::new().write_to(&mut file)?;
    /// # let id = writer.declare("greetings", rosettar::RecordType::new("demo.Greeting", set))?;
    /// # writer.append_encoded(id, b"\x0a\x05hello")?;
    /// # writer.finish()?;
    /// let stream = rosettar::open(file)?.stream("greetings")?;
    /// let sizes = stream.batches(..)?.map_in_order(2, || {
    ///     let mut buffer = rosettar::read::BatchBuffer::default();
    ///     move |batch: rosettar::Result<rosettar::read::Batch>| Ok(batch?.read(&mut buffer)?.len())
    /// });
    /// assert_eq!(sizes.collect::<rosettar::Result<Vec<_>>>()?, [8]);
    /// # Ok::<(), rosettar::Error>(())
    /// ```
    pub fn map_in_order<T, W>(self, threads: usize, worker: impl Fn() -> W + Send + 'static) -> MappedBatches<T>
    where
        T: Send + 'static,
        W: FnMut(Result<Batch>) -> T + Send + 'static,
    {
        MappedBatches { pool: OrderedPool::new(threads, worker), batches: self }
    }
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        let (first, placed) = match self.next_placed() {
            Ok(placed) => placed?,
            Err(error) => return Some(Err(error)),
        };
        let end = (first + placed.entry.records).min(self.wanted.end);
        let rows = first.max(self.wanted.start)..end;
        Some(Ok(Batch { archive: Arc::clone(&self.archive), placed, first, rows }))
    }
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches").field("next", &self.next).field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

/// What workers made of batches, in order; made by [`Batches::map_in_order`].
pub struct MappedBatches<T> {
    pool: OrderedPool<Result<Batch>, T>,
    batches: Batches,
}

impl<T: Send + 'static> Iterator for MappedBatches<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        while !self.pool.is_full()
            && let Some(batch) = self.batches.next()
        {
            self.pool.submit(batch);
        }
        self.pool.take()
    }
}

impl<T> fmt::Debug for MappedBatches<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedBatches").field("batches", &self.batches).finish_non_exhaustive()
    }
}

/// The place of one batch in an archive, from which it is [read](Self::read).
pub struct Batch {
    archive: Arc<Indexed>,
    pub(super) placed: Placed,
    first: u64,
    rows: Range<u64>,
}

/// What reading a batch needs besides the batch: kept from one to the next, it costs no new memory.
#[derive(Default)]
pub struct BatchBuffer {
    content: Vec<u8>,
    frame: Vec<u8>,
    chunk: Vec<u8>,
}

impl fmt::Debug for BatchBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchBuffer").field("content", &self.content.len()).finish_non_exhaustive()
    }
}

impl Batch {
    /// The number, in the stream, of the first record of the batch.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// How many records the batch has, as its entry says; [`read`](Self::read) does not count them.
    pub fn records(&self) -> u64 {
        self.placed.entry.records
    }

    /// The numbers, in the stream, of those records of the batch that were asked for.
    pub fn rows(&self) -> Range<u64> {
        self.rows.clone()
    }

    /// Bytes of the batch once it is decoded. It may be as large as the whole archive: look before you
    /// [`read`](Self::read).
    pub fn size(&self) -> u64 {
        self.placed.entry.size
    }

    /// The path of the member that is the batch.
    pub fn path(&self) -> &str {
        self.placed.entry.path.as_str()
    }

    /// The content of the batch, length-delimited records: every frame of it proven, and its own digest.
    ///
    /// # Errors
    /// `frame.digest`, `entry.digest`, `tar.header`, `tar.padding`, and whatever else is wrong with what was read.
    pub fn read<'b>(&self, buffer: &'b mut BatchBuffer) -> Result<&'b [u8]> {
        let (start, end) = (self.placed.content_at, self.placed.content_end());
        buffer.content.clear();
        let mut at = start;
        while at < end {
            let number = self.archive.index.frame_at(at);
            let place = &self.archive.index.frames[number];
            let (frame_start, frame_end) = (place.tar_offset, place.tar_end());
            let from = (at - frame_start) as usize;
            let to = (end.min(frame_end) - frame_start) as usize;
            if frame_start >= self.placed.header_at && frame_end <= self.placed.end() {
                // Nobody else needs this frame, so what it decodes to is not kept.
                self.archive.decode_chunk_into(number, &mut buffer.frame, &mut buffer.chunk)?;
                self.archive.check_member(&self.placed, number, &buffer.chunk)?;
                if from == 0 && at == start {
                    std::mem::swap(&mut buffer.content, &mut buffer.chunk);
                    buffer.content.truncate(to);
                } else {
                    buffer.content.extend_from_slice(&buffer.chunk[from..to]);
                }
            } else {
                let chunk = self.archive.chunk(number)?;
                self.archive.check_member(&self.placed, number, &chunk)?;
                buffer.content.extend_from_slice(&chunk[from..to]);
            }
            at = end.min(frame_end);
        }
        self.placed.entry.check_digest(Digest::of(&buffer.content))?;
        Ok(&buffer.content)
    }

    /// The same in `content`, whose memory is used again; that of `buffer` stays with it.
    pub(super) fn read_into(&self, content: Vec<u8>, buffer: &mut BatchBuffer) -> Result<Vec<u8>> {
        buffer.content = content;
        self.read(buffer)?;
        Ok(std::mem::take(&mut buffer.content))
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("path", &self.path()).field("rows", &self.rows).finish_non_exhaustive()
    }
}
