//! From entries to chunks: how members share payload frames or have their own (FORMAT.md, "Writing").

use std::io::Read;
use std::path::Path;

use super::chunk::Closed;
use super::streams::StreamId;
use super::tree::TreeItem;
use super::writer::Writer;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result, code};
use crate::frame::MAX_DECODED;
use crate::limits::Limits;
use crate::model::{Entry, EntryKind};
use crate::path::{batch_path, is_reserved, schema_path, stream_path};
use crate::record;
use crate::tar;
use crate::v1::{self, ManifestBody};
use crate::wire::{prefix, section};

/// What all streams together may hold of records that are in no batch yet.
const BATCH_MEMORY: usize = 64 << 20;

/// The content of a member that is about to be written.
pub(super) enum Content<'c> {
    Bytes(&'c [u8]),
    Owned(Vec<u8>),
    Reader(&'c mut dyn Read),
    /// A file that is smaller than a chunk and may be read later.
    File(TreeItem),
}

impl Writer<'_> {
    /// Writes a user's member.
    pub(super) fn member(&mut self, entry: Entry, content: Content<'_>) -> Result<()> {
        self.check_usable()?;
        if is_reserved(entry.path.as_str()) {
            let message = "the directory .rosettar is reserved for the archive itself: expected another path";
            return Err(Error::new(code::PATH_RESERVED, message).with_entry(entry.path.as_str()));
        }
        check_entry(&entry, &self.options.limits)?;
        self.paths.entry(&entry)?;
        self.start()?;
        self.guarded(|writer| {
            let size = entry.size;
            writer.write_member(entry, content)?;
            writer.count_unflushed(size)
        })
    }

    /// Appends a record of `len` bytes, which `put` writes, to the batch of a stream.
    pub(super) fn append_with(&mut self, stream: StreamId, len: usize, put: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        self.check_usable()?;
        let stream = self.index_of(stream)?;
        if len as u64 > self.options.limits.record_bytes {
            let limit = self.options.limits.record_bytes;
            let message = format!("a record of {len} bytes exceeds the limit record-bytes of {limit}");
            return Err(Error::new(code::LIMIT_RECORD_BYTES, message));
        }
        self.start()?;
        let state = &mut self.streams[stream];
        let before = state.batch.len();
        record::put_length(&mut state.batch, len as u64);
        let start = state.batch.len();
        put(&mut state.batch);
        if len as u64 > self.options.limits.record_values {
            // A value takes at least one byte, so only a record of more bytes can have more values than a reader takes.
            let record = state.batch[start..].to_vec();
            // Whether the record is one of its type is not asked here.
            if let Err(error) = self.check_record(stream, &record)
                && error.is(code::LIMIT_RECORD_VALUES)
            {
                self.streams[stream].batch.truncate(before);
                return Err(error);
            }
        }
        let state = &mut self.streams[stream];
        state.batch_records += 1;
        self.buffered += state.batch.len() - before;
        self.guarded(|writer| {
            writer.options.monitor.advance(len as u64)?;
            if writer.streams[stream].batch.len() >= writer.options.batch_size() {
                writer.write_batch(stream)?;
            } else if writer.buffered > BATCH_MEMORY {
                // Many streams, each with little: the fullest makes room.
                let fullest = (0..writer.streams.len()).rev().max_by_key(|number| writer.streams[*number].batch.len());
                writer.write_batch(fullest.expect("a record was just appended"))?;
            }
            writer.count_unflushed(len as u64)
        })
    }

    /// Counts content, and flushes where the options say so.
    fn count_unflushed(&mut self, bytes: u64) -> Result<()> {
        self.unflushed = self.unflushed.saturating_add(bytes);
        match self.options.flush_every {
            Some(every) if self.unflushed >= every => self.flush_all(),
            _ => Ok(()),
        }
    }

    /// Writes everything taken so far, and makes it durable.
    pub(super) fn flush_all(&mut self) -> Result<()> {
        self.unflushed = 0;
        if self.manifest_digest.is_none() {
            return Ok(());
        }
        self.write_batches()?;
        self.flush_chunk()?;
        self.pipeline.drain()?;
        self.settle()?;
        self.pipeline.sink().sync()
    }

    /// Writes the batches that have records, in the order of the streams.
    pub(super) fn write_batches(&mut self) -> Result<()> {
        let mut order: Vec<usize> = (0..self.streams.len()).collect();
        order.retain(|stream| self.streams[*stream].batch_records > 0);
        order.sort_by_key(|stream| self.streams[*stream].number);
        order.into_iter().try_for_each(|stream| self.write_batch(stream))
    }

    /// Writes everything before the first member, unless that is done.
    pub(super) fn start(&mut self) -> Result<()> {
        if self.manifest_digest.is_some() {
            return Ok(());
        }
        self.guarded(|writer| {
            let first = prefix::encode(v1::MAJOR, v1::MINOR);
            let (empty, header) = first.split_at(prefix::EMPTY_FRAME_LEN as usize);
            writer.pipeline.raw(empty.to_vec())?;
            writer.pipeline.raw(header.to_vec())?;
            writer.number_streams();
            let schemas = writer.schemas.close_manifest().to_vec();
            let body = ManifestBody { facts: writer.manifest.clone(), schemas }.encode();
            writer.schemas.count(body.len(), &writer.options.limits)?;
            writer.manifest_digest = Some(Digest::of(&body));
            writer.pipeline.raw(section::encode(section::MANI, &body))?;
            (0..writer.schemas.in_manifest()).try_for_each(|number| writer.write_schema_member(number))
        })
    }

    /// Writes the section and the member of the Schema declared last.
    pub(super) fn write_late_schema(&mut self) -> Result<()> {
        self.guarded(|writer| {
            writer.number_streams();
            writer.flush_chunk()?;
            let number = writer.schemas.bodies().len() - 1;
            let body = writer.schemas.bodies()[number].encode();
            writer.schemas.count(body.len(), &writer.options.limits)?;
            writer.late_schema_frames.push(writer.pipeline.frame_count() as u32);
            writer.pipeline.raw(section::encode(section::SCHM, &body))?;
            writer.write_schema_member(number)
        })
    }

    /// Writes the batch of a stream as filled so far, after the stream's description.
    pub(super) fn write_batch(&mut self, stream: usize) -> Result<()> {
        self.describe(stream)?;
        self.take_in_old_batches(stream)?;
        let few = self.streams.len() <= BATCH_MEMORY / MAX_DECODED as usize;
        let state = &mut self.streams[stream];
        // An empty buffer of full size for each of many streams would be too much.
        let next = if few { self.pipeline.buffer() } else { Vec::new() };
        let (content, records) = state.take_batch(next);
        self.buffered -= content.len();
        let path = batch_path(&state.declaration.name, state.batches);
        state.batches += 1;
        let entry = Entry::batch(path, content.len() as u64, Digest::ZERO, state.number, records);
        self.write_member(entry, Content::Owned(content))
    }

    /// Writes the `stream.txt` of a stream, unless that is done.
    pub(super) fn describe(&mut self, stream: usize) -> Result<()> {
        if std::mem::replace(&mut self.streams[stream].described, true) {
            return Ok(());
        }
        let declaration = &self.streams[stream].declaration;
        let text = declaration.description();
        let entry = Entry::reserved(stream_path(&declaration.name), EntryKind::Stream, text.len() as u64, Digest::ZERO);
        self.write_member(entry, Content::Bytes(text.as_bytes()))
    }

    fn write_schema_member(&mut self, number: usize) -> Result<()> {
        let set = self.schemas.bodies()[number].descriptor_set.clone();
        let entry = Entry::reserved(schema_path(number as u32), EntryKind::Schema, set.len() as u64, Digest::ZERO);
        self.write_member(entry, Content::Bytes(&set))
    }

    /// Numbers the streams through the Schemas in their order. Those that have a number keep it: a late stream is of a
    /// later Schema.
    fn number_streams(&mut self) {
        let mut order: Vec<usize> = (0..self.streams.len()).collect();
        order.sort_by_key(|stream| self.streams[*stream].declaration.schema);
        for (number, stream) in (0..).zip(order) {
            self.streams[stream].number = number;
        }
    }

    /// Refuses to go on after a failure.
    pub(super) fn check_usable(&self) -> Result<()> {
        if self.failed {
            let message = "an earlier call to this writer failed; nothing it wrote is of use";
            return Err(Error::new(code::USAGE_WRITER_FAILED, message));
        }
        Ok(())
    }

    /// Runs `work`; where it fails, the writer is of no further use.
    pub(super) fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.check_usable()?;
        let done = work(self);
        self.failed |= done.is_err();
        done.map_err(|error| with_partial(error, self.partial.as_deref()))
    }

    /// Writes a member into the chunk being filled, or into frames of its own.
    pub(super) fn write_member(&mut self, entry: Entry, content: Content<'_>) -> Result<()> {
        let reserved = entry.kind.is_reserved();
        if reserved != self.chunk.reserved {
            self.flush_chunk()?;
            self.chunk.reserved = reserved;
        }
        let header = tar::member_header(&entry);
        let member_len = header.len() as u64 + entry.size + tar::padding(entry.size);
        self.tar_bytes += member_len;
        // Just below a chunk size of the most that a frame may hold, header and padding are too much.
        let large = entry.size >= self.options.chunk_size as u64 || member_len > u64::from(MAX_DECODED);
        if entry.kind == EntryKind::Batch || large {
            self.flush_chunk()?;
            self.pipeline.chunk(Closed::whole(header, Vec::new()))?;
            let Content::File(item) = content else { return self.write_large(entry, content) };
            let mut file = self.opener.open(&item)?;
            self.write_large(entry, Content::Reader(&mut file))?;
            // What was written is of no use if the file changed meanwhile.
            return file.check_unchanged();
        }
        if self.chunk.len() as u64 + member_len > u64::from(MAX_DECODED) {
            self.flush_chunk()?;
        }
        let chunk = self.chunk.bytes();
        chunk.extend_from_slice(&header);
        let later = matches!(content, Content::File(_));
        let counted = !reserved && !later;
        match content {
            Content::Bytes(bytes) => chunk.extend_from_slice(bytes),
            Content::Owned(bytes) => chunk.extend_from_slice(&bytes),
            Content::Reader(reader) => read_exactly(reader, entry.size as usize, chunk, &entry)?,
            Content::File(item) => self.chunk.add_file(item),
        }
        let waits = entry.kind.has_content();
        if counted {
            self.options.monitor.advance(entry.size)?;
        }
        if waits && !later {
            self.chunk.end_content(entry.size as usize);
        }
        self.queue.push(entry, !waits, &self.options.limits)?;
        if self.chunk.len() >= self.options.chunk_size {
            self.flush_chunk()?;
        }
        Ok(())
    }

    /// Writes a content in frames of its own, its header being written.
    fn write_large(&mut self, mut entry: Entry, content: Content<'_>) -> Result<()> {
        let size = entry.size;
        let padding = tar::padding(size) as usize;
        let chunk_size = self.options.chunk_size;
        let mut source = match content {
            // A batch of one frame becomes the chunk without a copy.
            Content::Owned(mut bytes) if bytes.len() + padding <= MAX_DECODED as usize => {
                let end = bytes.len();
                bytes.resize(end + padding, 0);
                self.queue.push(entry, false, &self.options.limits)?;
                self.pipeline.chunk(Closed::whole(bytes, std::iter::once(0..end).collect()))?;
                return self.settle();
            }
            Content::Owned(bytes) => Source::Bytes(std::io::Cursor::new(bytes)),
            Content::Bytes(bytes) => Source::Slice(bytes),
            Content::Reader(reader) => Source::Reader(reader),
            Content::File(_) => unreachable!("the caller opens it"),
        };
        let counted = !entry.kind.is_reserved();
        let mut hasher = Hasher::new();
        let mut left = size;
        while left > 0 {
            let take = left.min(chunk_size as u64) as usize;
            let mut bytes = self.pipeline.buffer();
            bytes.reserve(take + padding);
            let last = take as u64 == left;
            if last {
                read_exactly(source.as_read(), take, &mut bytes, &entry)?;
            } else {
                read_up_to(source.as_read(), take, &mut bytes, &entry)?;
            }
            if counted {
                self.options.monitor.advance(take as u64)?;
            }
            left -= take as u64;
            let end = bytes.len();
            if last {
                bytes.resize(end + padding, 0);
            }
            if last && take as u64 == size {
                self.queue.push(entry, false, &self.options.limits)?;
                self.pipeline.chunk(Closed::whole(bytes, std::iter::once(0..end).collect()))?;
                return self.settle();
            }
            hasher.update(&bytes[..end]);
            self.pipeline.chunk(Closed::whole(bytes, Vec::new()))?;
            self.settle()?;
        }
        entry.digest = hasher.finish();
        self.queue.push(entry, true, &self.options.limits)
    }

    /// Reads the files that are missing in what was taken, so that nobody needs them any more.
    pub(super) fn read_missing(&mut self) -> Result<()> {
        let buffer = self.pipeline.buffer();
        self.chunk.complete(&mut self.opener, &self.options.monitor, buffer)?;
        self.pipeline.drain()?;
        self.settle()
    }

    /// Closes the chunk being filled.
    pub(super) fn flush_chunk(&mut self) -> Result<()> {
        if !self.chunk.is_empty() {
            let closed = self.chunk.close(self.pipeline.buffer());
            self.pipeline.chunk(closed)?;
        }
        self.settle()
    }

    /// Hands the digests that became known to the entries that wait for them.
    pub(super) fn settle(&mut self) -> Result<()> {
        let queue = &mut self.queue;
        self.pipeline.take_contents().try_for_each(|digest| queue.digest(digest))
    }
}

/// Adds to `error` where the part of the archive is that was written, if it stays.
pub(super) fn with_partial(error: Error, partial: Option<&Path>) -> Error {
    let Some(partial) = partial.filter(|path| path.metadata().is_ok_and(|metadata| metadata.len() > 0)) else {
        return error;
    };
    let shown = partial.display();
    error.with_note(format_args!(
        "what was written before stays in {shown}: `rosettar recover {shown} -o NEW` salvages it"
    ))
}

/// Holds an entry against the writer's limits, and against what the format can hold whatever the limits.
pub(super) fn check_entry(entry: &Entry, limits: &Limits) -> Result<()> {
    /// Far below a page and a frame, so that every entry fits into one.
    const MOST_TEXT: usize = 1 << 20;
    entry.path.check(limits)?;
    let target = entry.target.as_ref();
    if let Some(target) = target {
        target.check(limits).map_err(|error| error.with_entry(entry.path.as_str()))?;
    }
    let text = entry.path.as_str().len() + target.map_or(0, |target| target.as_str().len());
    if text > MOST_TEXT {
        let message = format!("a path and target of {text} bytes: expected at most {MOST_TEXT}, whatever the limits");
        return Err(Error::new(code::LIMIT_PATH_BYTES, message));
    }
    if !entry.mtime.is_valid() {
        let message = format!("{} nanoseconds: expected less than a second", entry.mtime.nanoseconds);
        return Err(Error::new(code::USAGE_INPUT, message).with_entry(entry.path.as_str()));
    }
    Ok(())
}

/// Where a large content comes from.
enum Source<'c> {
    Slice(&'c [u8]),
    Bytes(std::io::Cursor<Vec<u8>>),
    Reader(&'c mut dyn Read),
}

impl Source<'_> {
    fn as_read(&mut self) -> &mut dyn Read {
        match self {
            Self::Slice(bytes) => bytes,
            Self::Bytes(bytes) => bytes,
            Self::Reader(reader) => reader,
        }
    }
}

/// Appends `len` bytes from `source` to `chunk`.
fn read_up_to(source: &mut dyn Read, len: usize, chunk: &mut Vec<u8>, entry: &Entry) -> Result<()> {
    let found = source.take(len as u64).read_to_end(chunk).map_err(|e| cannot_read(e, entry))?;
    if found < len {
        return Err(changed(entry, &format!("the source ends {} bytes early", len - found)));
    }
    Ok(())
}

/// Appends the `len` bytes that `source` has left to `chunk`.
fn read_exactly(source: &mut dyn Read, len: usize, chunk: &mut Vec<u8>, entry: &Entry) -> Result<()> {
    read_up_to(source, len, chunk, entry)?;
    let mut more = [0];
    loop {
        match source.read(&mut more) {
            Ok(0) => return Ok(()),
            Ok(_) => return Err(changed(entry, "the source goes on")),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(cannot_read(error, entry)),
        }
    }
}

fn cannot_read(error: std::io::Error, entry: &Entry) -> Error {
    // A reader of this crate's, such as that of an entry of another archive, says more than that reading failed.
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::io(code::IO_READ, "reading a source", error).with_entry(entry.path.as_str()),
    }
}

fn changed(entry: &Entry, what: &str) -> Error {
    let message =
        format!("{what}: expected {} bytes; it changed while it was read, or its size was misstated", entry.size);
    Error::new(code::IO_SOURCE_CHANGED, message).with_entry(entry.path.as_str())
}
