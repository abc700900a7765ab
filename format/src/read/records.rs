//! The records of one stream.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use prost_reflect::{DynamicMessage, MessageDescriptor};

use super::ahead::Ahead;
use super::batches::{Batch, Batches};
use super::indexed::Indexed;
use crate::digest::Hasher;
use crate::error::{Error, Result, code};
use crate::limits::Limits;
use crate::model::StreamInfo;
use crate::record::{self, Splitter, put_length};
use crate::schema;

/// The bytes from which on a record is large: it is handed over in the vector that it was read into, which is not kept for
/// the next.
const LARGE: usize = 1 << 20;

/// A stream of an open archive; made by [`Archive::stream`](crate::Archive::stream).
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # std::fs::write(dir.path().join("g.proto"), r#"syntax = "proto3"; package demo; message Greeting { string text = 1; }"#).unwrap();
/// # let set = rosettar::schema::compile(&[dir.path().join("g.proto")], &[dir.path()])?;
/// # let mut file = Vec::new();
/// # let mut writer = rosettar::WriteOptions::new().write_to(&mut file)?;
/// # let id = writer.declare("greetings", rosettar::RecordType::new("demo.Greeting", set))?;
/// # writer.append_encoded(id, b"\x0a\x05hello")?;
/// # writer.append_encoded(id, b"\x0a\x03hey")?;
/// # writer.finish()?;
/// let archive = rosettar::open(file)?;
/// let greetings = archive.stream("greetings")?;
/// assert_eq!(greetings.len(), 2);
/// assert_eq!(greetings.record(1)?, b"\x0a\x03hey");
/// for message in greetings.messages(..)? {
///     println!("{}", rosettar::record::to_json(&message?, &Default::default())?);
/// }
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Clone)]
pub struct Stream {
    archive: Arc<Indexed>,
    number: usize,
}

impl Stream {
    pub(super) fn new(archive: &Arc<Indexed>, number: usize) -> Self {
        Self { archive: Arc::clone(archive), number }
    }

    /// Its declaration and totals.
    pub fn info(&self) -> &StreamInfo {
        &self.archive.facts.streams[self.number]
    }

    /// How many records it has.
    pub fn len(&self) -> u64 {
        self.info().records
    }

    /// Whether it has no records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The limits that the archive is read with.
    pub fn limits(&self) -> &Limits {
        &self.archive.options.limits
    }

    /// How many threads the archive is read with.
    pub fn threads(&self) -> usize {
        self.archive.options.threads.get()
    }

    /// The serialized descriptor set that defines its record type, verbatim.
    ///
    /// # Errors
    /// For a Schema that was declared late, whatever is wrong with its section.
    pub fn descriptor_set(&self) -> Result<&[u8]> {
        Ok(&self.archive.schema(self.info().declaration.schema)?.descriptor_set)
    }

    /// The descriptor of its record type, found acceptable.
    ///
    /// # Errors
    /// `schema.*`, and as [`descriptor_set`](Self::descriptor_set).
    pub fn descriptor(&self) -> Result<MessageDescriptor> {
        schema::message(self.archive.pool(self.info().declaration.schema)?, self.info().type_name())
    }

    /// Record `number`, serialized.
    ///
    /// # Errors
    /// `usage.no-such-record`, and whatever is wrong with what was read.
    pub fn record(&self, number: u64) -> Result<Vec<u8>> {
        let mut records = self.records(number..number.saturating_add(1))?;
        records.next().unwrap_or_else(|| Err(no_such_record(number, self.len())))
    }

    /// Record `number`, decoded by the stream's own schema.
    ///
    /// # Errors
    /// As [`record`](Self::record) and [`messages`](Self::messages).
    pub fn message(&self, number: u64) -> Result<DynamicMessage> {
        let mut messages = self.messages(number..number.saturating_add(1))?;
        messages.next().unwrap_or_else(|| Err(no_such_record(number, self.len())))
    }

    /// The records with these numbers, serialized. What lies before is not decoded, but for the chunk that the first is
    /// in.
    ///
    /// # Errors
    /// `usage.no-such-record` where the range ends past the last record or before it begins.
    pub fn records(&self, range: impl RangeBounds<u64>) -> Result<Records> {
        Ok(Records::new(&self.archive, self.number, self.range(range)?))
    }

    /// The batches that hold the records with these numbers, to be read and decoded whole: the fast way to many records.
    ///
    /// # Errors
    /// As [`records`](Self::records).
    pub fn batches(&self, range: impl RangeBounds<u64>) -> Result<Batches> {
        Ok(Batches::new(&self.archive, self.number, self.range(range)?))
    }

    /// The range as numbers of records that there are.
    fn range(&self, range: impl RangeBounds<u64>) -> Result<Range<u64>> {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&end) => end.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => self.len(),
        };
        if start > end || end > self.len() {
            return Err(no_such_record(end.max(start).saturating_sub(1), self.len()));
        }
        Ok(start..end)
    }

    /// The records with these numbers, decoded by the stream's own schema.
    ///
    /// # Errors
    /// As [`records`](Self::records) and [`descriptor`](Self::descriptor).
    pub fn messages(&self, range: impl RangeBounds<u64>) -> Result<Messages<DynamicMessage>> {
        let descriptor = self.descriptor()?;
        let limits = self.archive.options.limits.clone();
        let decode = move |bytes: &[u8]| record::decode(&descriptor, bytes, &limits);
        Ok(Messages { records: self.records(range)?, decode: Box::new(decode), decoded: PhantomData })
    }

    /// The records with these numbers, as values of a generated type. That `M` is the stream's type is checked by name
    /// only: a program may be older or newer than the archive.
    ///
    /// # Errors
    /// As [`records`](Self::records), and `schema.type` where `M` has another name.
    pub fn decode<M>(&self, range: impl RangeBounds<u64>) -> Result<Messages<M>>
    where
        M: prost::Message + prost::Name + Default,
    {
        let expected = self.info().type_name();
        if M::full_name() != expected {
            let message = format!("records of type {expected} cannot be read as {}", M::full_name());
            return Err(Error::new(code::SCHEMA_TYPE, message));
        }
        let decode = |bytes: &[u8]| {
            M::decode(bytes)
                .map_err(|e| Error::new(code::RECORD_DECODE, format!("a record does not decode: {e}")).with_source(e))
        };
        Ok(Messages { records: self.records(range)?, decode: Box::new(decode), decoded: PhantomData })
    }
}

/// Serialized records of a stream, in order; made by [`Stream::records`].
///
/// Of the first batch no more is read than is asked for. Whoever goes on to the next is likely to want the rest, and so the
/// batches from there on are read and proven ahead, each before its first record is yielded, on as many threads as the
/// archive is [read with](crate::ReadOptions::threads).
///
/// As an iterator it yields each record in a vector of its own; [`next_record`](Self::next_record) lends it instead.
pub struct Records {
    archive: Arc<Indexed>,
    stream: usize,
    /// The number of the next record, and the one to end before.
    next: u64,
    end: u64,
    /// The batches, before the second was asked for, and from then on.
    batches: Option<Batches>,
    ahead: Option<Ahead>,
    batch: Option<Reading>,
    record: Vec<u8>,
    failed: bool,
}

/// A batch being read.
struct Reading {
    batch: Batch,
    splitter: Splitter,
    /// The content of the chunks so far: a batch is always passed over from its first byte. `None` where its digest was
    /// found already, or its last record is not asked for, and so nothing would come of it; that every frame has its digest
    /// was found all the same.
    hasher: Option<Hasher>,
    /// The tar offset of the next byte to hand to the splitter.
    at: u64,
    /// Bytes of the tar, and where they begin.
    chunk: Option<(u64, Arc<Vec<u8>>)>,
}

impl Records {
    fn new(archive: &Arc<Indexed>, stream: usize, range: Range<u64>) -> Self {
        Self {
            archive: Arc::clone(archive),
            stream,
            next: range.start,
            end: range.end,
            batches: Some(Batches::new(archive, stream, range)),
            ahead: None,
            batch: None,
            record: Vec::new(),
            failed: false,
        }
    }

    /// The next record; `None` after the last. After an error there is none.
    ///
    /// # Errors
    /// `record.framing`, `record.count`, `limit.record-bytes`, `entry.digest` before the last record of a batch, and whatever is wrong with what was read.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>> {
        if self.next >= self.end || self.failed {
            return Ok(None);
        }
        self.release();
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        let read = self.advance(&mut record, |_, _| ());
        self.record = record;
        read.map(|()| Some(&self.record[..]))
    }

    /// Gives back the memory of the record that was lent last, if it is a large one. The next call does so as well: this is for
    /// somebody who makes something as large of it before that.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # std::fs::write(dir.path().join("g.proto"), r#"syntax = "proto3"; package demo; message Greeting { string text = 1; }"#).unwrap();
    /// # let set = rosettar::schema::compile(&[dir.path().join("g.proto")], &[dir.path()])?;
    /// # let mut file = Vec::new();
    /// # let mut writer = rosettar::WriteOptions::new().write_to(&mut file)?;
    /// # let id = writer.declare("greetings", rosettar::RecordType::new("demo.Greeting", set))?;
    /// # writer.append_encoded(id, b"\x0a\x05hello")?;
    /// # writer.append_encoded(id, b"\x0a\x03hey")?;
    /// # writer.finish()?;
    /// let stream = rosettar::open(file)?.stream("greetings")?;
    /// let (descriptor, mut records) = (stream.descriptor()?, stream.records(..)?);
    /// while let Some(record) = records.next_record()? {
    ///     let message = rosettar::record::decode(&descriptor, record, stream.limits())?;
    ///     records.release();
    ///     println!("{}", rosettar::record::to_json(&message, &Default::default())?);
    /// }
    /// # Ok::<(), rosettar::Error>(())
    /// ```
    pub fn release(&mut self) {
        if self.record.capacity() >= LARGE {
            self.record = Vec::new();
        }
    }

    /// Appends the next record to `out`, after its length, as in a batch; `false` after the last. It is the way to many
    /// records in one place: nothing is copied twice.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # std::fs::write(dir.path().join("g.proto"), r#"syntax = "proto3"; package demo; message Greeting { string text = 1; }"#).unwrap();
    /// # let set = rosettar::schema::compile(&[dir.path().join("g.proto")], &[dir.path()])?;
    /// # let mut file = Vec::new();
    /// # let mut writer = rosettar::WriteOptions::new().write_to(&mut file)?;
    /// # let id = writer.declare("greetings", rosettar::RecordType::new("demo.Greeting", set))?;
    /// # writer.append_encoded(id, b"\x0a\x05hello")?;
    /// # writer.append_encoded(id, b"\x0a\x03hey")?;
    /// # writer.finish()?;
    /// let mut records = rosettar::open(file)?.stream("greetings")?.records(..)?;
    /// let mut all = Vec::new();
    /// while records.append_delimited(&mut all)? {}
    /// assert_eq!(all, b"\x07\x0a\x05hello\x05\x0a\x03hey");
    /// # Ok::<(), rosettar::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`next_record`](Self::next_record); `out` is then as it was.
    pub fn append_delimited(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        if self.next >= self.end || self.failed {
            return Ok(false);
        }
        let before = out.len();
        self.advance(out, |out, length| put_length(out, length as u64)).inspect_err(|_| out.truncate(before))?;
        Ok(true)
    }

    /// How many records are left.
    pub fn remaining(&self) -> u64 {
        if self.failed { 0 } else { self.end - self.next }
    }

    /// Appends the record with number `next` to `out`, after what `begin` puts there for its length.
    fn advance(&mut self, out: &mut Vec<u8>, begin: Begin) -> Result<()> {
        let read = self.read(out, begin);
        match read {
            Ok(()) => self.next += 1,
            Err(_) => self.failed = true,
        }
        read
    }

    fn read(&mut self, out: &mut Vec<u8>, begin: Begin) -> Result<()> {
        loop {
            if let Some(reading) = &mut self.batch {
                let skip = self.next - reading.batch.first() > reading.splitter.records();
                match reading.step(&self.archive, skip, out, begin)? {
                    Step::Record => return Ok(()),
                    Step::Skipped => continue,
                    Step::End => self.end_batch(),
                }
            }
            self.batch = Some(self.next_batch()?);
        }
    }

    fn next_batch(&mut self) -> Result<Reading> {
        let next = match (&mut self.batches, &mut self.ahead) {
            (Some(batches), _) => batches.next().map(|batch| Ok((batch?, None))),
            (None, Some(ahead)) => ahead.next(),
            (None, None) => None,
        };
        let Some((batch, content)) = next.transpose()? else {
            let message = format!("record {} is in no batch, though the index counts it", self.next);
            return Err(Error::new(code::RECORD_COUNT, message));
        };
        Ok(Reading::new(batch, content, &self.archive.options.limits))
    }

    /// Leaves the batch at hand; those that follow are read ahead from now on.
    fn end_batch(&mut self) {
        let used = self.batch.take().and_then(|reading| reading.chunk);
        if let Some(batches) = self.batches.take() {
            self.ahead = Some(Ahead::new(batches, self.archive.options.threads.get()));
        } else if let (Some(ahead), Some((_, content))) = (&self.ahead, used) {
            ahead.give_back(content);
        }
    }
}

/// What puts before a record what its length makes necessary.
type Begin = fn(&mut Vec<u8>, usize);

enum Step {
    Record,
    Skipped,
    End,
}

impl Reading {
    /// At the first record of a batch, whose content may be at hand and proven.
    fn new(batch: Batch, content: Option<Vec<u8>>, limits: &Limits) -> Self {
        let at = batch.placed.content_at;
        let hasher = (content.is_none() && batch.rows().end == batch.first() + batch.records()).then(Hasher::new);
        let chunk = content.map(|content| (at, Arc::new(content)));
        Self { batch, splitter: Splitter::new(limits), hasher, at, chunk }
    }

    /// Passes over one record, which is appended to `out` unless it is to be skipped. Before the last that the entry
    /// counts is yielded, the batch is found to end with it and to have the entry's digest.
    fn step(&mut self, archive: &Indexed, skip: bool, out: &mut Vec<u8>, begin: Begin) -> Result<Step> {
        let (end, expected) = (self.batch.placed.content_end(), self.batch.records());
        if self.splitter.records() >= expected {
            return Ok(Step::End);
        }
        loop {
            if self.at == end {
                self.splitter.finish().map_err(|e| self.located(e))?;
                let found = self.splitter.records();
                let message = format!("a batch of {found} records: expected {expected}, as its entry says");
                return Err(self.located(Error::new(code::RECORD_COUNT, message)));
            }
            if self.chunk.as_ref().is_none_or(|(start, chunk)| self.at >= start + chunk.len() as u64) {
                self.chunk = Some(self.next_chunk(archive)?);
            }
            let (start, chunk) =
                self.chunk.as_ref().map(|(start, chunk)| (*start, chunk)).expect("it was set just now");
            let to = (end.min(start + chunk.len() as u64) - start) as usize;
            let mut rest = &chunk[(self.at - start) as usize..to];
            let passed = if skip {
                self.splitter.skip_record(&mut rest).map(|passed| passed.then_some(Step::Skipped))
            } else {
                self.splitter.append_record(&mut rest, out, begin).map(|passed| passed.then_some(Step::Record))
            };
            self.at = start + (to - rest.len()) as u64;
            if let Some(step) = passed.map_err(|e| self.located(e))? {
                if self.splitter.records() == expected {
                    self.check_end()?;
                }
                return Ok(step);
            }
        }
    }

    /// Decodes the chunk that the next byte is in.
    fn next_chunk(&mut self, archive: &Indexed) -> Result<(u64, Arc<Vec<u8>>)> {
        let number = archive.index.frame_at(self.at);
        let start = archive.index.frames[number].tar_offset;
        let chunk = archive.chunk(number)?;
        archive.check_member(&self.batch.placed, number, &chunk)?;
        if let Some(hasher) = &mut self.hasher {
            let to = (self.batch.placed.content_end().min(start + chunk.len() as u64) - start) as usize;
            hasher.update(&chunk[(self.at - start) as usize..to]);
        }
        Ok((start, chunk))
    }

    /// Checks, after the last record that the entry counts, that nothing follows and that the digest is right.
    fn check_end(&mut self) -> Result<()> {
        let entry = &self.batch.placed.entry;
        if self.at != self.batch.placed.content_end() {
            let message =
                format!("a batch goes on after {} records: expected no more, as its entry says", entry.records);
            return Err(self.located(Error::new(code::RECORD_COUNT, message)));
        }
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        entry.check_digest(hasher.finish())
    }

    fn located(&self, error: Error) -> Error {
        error.with_entry(self.batch.path())
    }
}

impl Iterator for Records {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Result<Vec<u8>>> {
        match self.next_record() {
            Ok(None) => None,
            // What is large is not copied.
            Ok(Some(record)) if record.len() >= LARGE => Some(Ok(std::mem::take(&mut self.record))),
            record => record.map(|record| record.map(<[u8]>::to_vec)).transpose(),
        }
    }
}

/// Turns a serialized record into what the caller wants.
type Decode<M> = Box<dyn Fn(&[u8]) -> Result<M> + Send>;

/// Decoded records of a stream, in order; made by [`Stream::messages`] and [`Stream::decode`].
pub struct Messages<M> {
    records: Records,
    decode: Decode<M>,
    decoded: PhantomData<M>,
}

impl<M> Iterator for Messages<M> {
    type Item = Result<M>;

    fn next(&mut self) -> Option<Result<M>> {
        let number = self.records.next;
        match self.records.next_record() {
            Ok(None) => None,
            Ok(Some(record)) => Some((self.decode)(record).map_err(|e| {
                let place = format!(
                    "record {number} of stream {}",
                    self.records.archive.facts.streams[self.records.stream].name()
                );
                Error::new(e.kept_code(), format!("{place}: {}", e.message())).with_source(e)
            })),
            Err(error) => Some(Err(error)),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("info", self.info()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("next", &self.next).field("end", &self.end).finish_non_exhaustive()
    }
}

impl<M> fmt::Debug for Messages<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("records", &self.records).finish_non_exhaustive()
    }
}

fn no_such_record(number: u64, len: u64) -> Error {
    let message = match len {
        0 => format!("there is no record {number}: the stream is empty"),
        _ => format!("there is no record {number}: expected 0 to {}", len - 1),
    };
    Error::new(code::USAGE_NO_SUCH_RECORD, message)
}
