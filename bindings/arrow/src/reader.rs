//! Records of a stream as record batches: batches of the archive are read, proven and decoded whole, on several threads.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use rosettar::error::{Error, Result, code};
use rosettar::read::{Batch, BatchBuffer, MappedBatches, Records, Stream};

use crate::decoder::{Decoder, Rows, Run};
use crate::options::ArrowOptions;
use crate::plan::Plan;

/// The largest batch of an archive that is read whole; of larger ones the records are read one by one.
const MOST_WHOLE: u64 = 32 << 20;
/// The largest buffer that is kept for the next records, in bytes: one record may be far larger than the rest.
pub(crate) const MOST_KEPT: usize = 16 << 20;
/// After how many bytes of columns no more record batches are made of one batch before somebody takes them.
const MOST_MADE: usize = 16 << 20;

/// The Arrow schema of a stream's records.
///
/// # Errors
/// `usage.option` for a column that there is not; `schema.*`.
pub fn schema(stream: &Stream, options: &ArrowOptions) -> Result<SchemaRef> {
    Ok(Arc::clone(&Plan::new(&stream.descriptor()?, options)?.schema))
}

/// The records of a stream with these numbers as record batches, each call anew.
///
/// # Errors
/// As [`schema`], and `usage.no-such-record` for numbers that no record has.
pub fn read(stream: &Stream, rows: Range<u64>, options: &ArrowOptions) -> Result<ArrowReader> {
    let plan = Arc::new(Plan::new(&stream.descriptor()?, options)?);
    let report = Arc::new(Report::default());
    let batches = stream.batches(rows)?;
    let make = {
        let (plan, options, stream, report) = (Arc::clone(&plan), options.clone(), stream.clone(), Arc::clone(&report));
        move || Decoder::new(Arc::clone(&plan), options.clone(), &stream, Arc::clone(&report))
    };
    let decoder = make();
    let threads = options.threads.unwrap_or(stream.threads());
    let units = batches.map_in_order(threads, move || {
        let (mut decoder, mut buffer) = (make(), BatchBuffer::default());
        move |batch: Result<Batch>| unit(&batch?, &mut decoder, &mut buffer)
    });
    Ok(ArrowReader {
        schema: Arc::clone(&plan.schema),
        stream: stream.clone(),
        batch_rows: options.batch_rows,
        report,
        units,
        decoder,
        made: VecDeque::new(),
        rest: None,
        failed: false,
    })
}

/// What reading has come upon besides rows.
#[derive(Debug, Default)]
pub struct Report {
    pub(crate) unknown_fields: AtomicU64,
    pub(crate) bad_records: AtomicU64,
}

impl Report {
    /// How many fields, at any depth, the schema does not have, and values its closed enums do not have, in what was
    /// decoded so far; those inside of fields that nobody asked for are not seen.
    pub fn unknown_fields(&self) -> u64 {
        self.unknown_fields.load(Ordering::Relaxed)
    }

    /// How many records did not decode and have become rows of nulls so far.
    pub fn bad_records(&self) -> u64 {
        self.bad_records.load(Ordering::Relaxed)
    }
}

/// What became of one batch of the archive.
struct Unit {
    made: Vec<RecordBatch>,
    /// Records that are still to be decoded, one by one.
    rest: Option<Range<u64>>,
    /// Why no more came of it.
    failed: Option<Error>,
}

/// Record batches of a stream, in order; made by [`read`]. After an error it ends.
pub struct ArrowReader {
    schema: SchemaRef,
    stream: Stream,
    batch_rows: usize,
    report: Arc<Report>,
    units: MappedBatches<Result<Unit>>,
    /// For what is decoded one by one.
    decoder: Decoder,
    made: VecDeque<RecordBatch>,
    rest: Option<Rest>,
    failed: bool,
}

/// Records that are decoded one by one.
struct Rest {
    records: Records,
    /// Why nothing follows after them.
    error: Option<Error>,
    /// Records one after the other, each after its length; those that are still to be decoded, and the number of the
    /// first of them.
    source: Vec<u8>,
    run: Run,
    first: u64,
}

impl ArrowReader {
    /// What reading came upon, counted as it goes on.
    pub fn report(&self) -> Arc<Report> {
        Arc::clone(&self.report)
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(made) = self.made.pop_front() {
                if made.num_rows() > self.batch_rows {
                    self.made.push_front(made.slice(self.batch_rows, made.num_rows() - self.batch_rows));
                    return Ok(Some(made.slice(0, self.batch_rows)));
                }
                return Ok(Some(made));
            }
            if let Some(rest) = &mut self.rest {
                match rest.next_batch(&mut self.decoder)? {
                    Some(batch) => self.made.push_back(batch),
                    None => match self.rest.take().and_then(|rest| rest.error) {
                        Some(error) => return Err(error),
                        None => continue,
                    },
                }
                continue;
            }
            let Some(unit) = self.units.next() else { return Ok(None) };
            let unit = unit?;
            self.made.extend(unit.made);
            let range = unit.rest.unwrap_or_default();
            if !range.is_empty() || unit.failed.is_some() {
                let records = self.stream.records(range.clone())?;
                let (first, error) = (range.start, unit.failed);
                self.rest = Some(Rest { records, error, source: Vec::new(), run: Run::default(), first });
            }
        }
    }
}

/// Reads and decodes one batch of the archive.
fn unit(batch: &Batch, decoder: &mut Decoder, buffer: &mut BatchBuffer) -> Result<Unit> {
    let rows = batch.rows();
    if batch.size() > MOST_WHOLE {
        return Ok(Unit { made: Vec::new(), rest: Some(rows), failed: None });
    }
    let located = |error: Error| error.with_entry(batch.path());
    let content = batch.read(buffer)?;
    let (skipped, mut at, mut found) = ((rows.start - batch.first()), 0, 0);
    // Nothing is kept of a record here: a batch may hold as many as it has bytes.
    for record in rosettar::record::records(content, decoder.limits()) {
        let record = record.map_err(located)?;
        found += 1;
        if found == skipped {
            at = record.as_ptr() as usize - content.as_ptr() as usize + record.len();
        }
    }
    if found != batch.records() {
        let message = format!("a batch of {found} records: expected {}, as its entry says", batch.records());
        return Err(located(Error::new(code::RECORD_COUNT, message)));
    }
    let (mut made, mut made_bytes, mut first) = (Vec::new(), 0, rows.start);
    let mut run = Run { at, rows: (rows.end - rows.start) as usize };
    while run.rows > 0 && made_bytes < MOST_MADE {
        match decoder.decode(content, run, first) {
            Ok(Rows { batch, bytes, rest }) => {
                made.push(batch);
                made_bytes += bytes;
                first += (run.rows - rest.rows) as u64;
                run = rest;
            }
            // What was made before is delivered first.
            Err(error) => return Ok(Unit { made, rest: None, failed: Some(error) }),
        }
    }
    Ok(Unit { made, rest: (run.rows > 0).then_some(first..rows.end), failed: None })
}

impl Rest {
    /// Decodes as many of the records as make a batch; gathers more of them where none is left.
    fn next_batch(&mut self, decoder: &mut Decoder) -> Result<Option<RecordBatch>> {
        if self.run.rows == 0 {
            self.source.clear();
            self.run = Run::default();
            // A record of no bytes takes one here, so that there are never more of them than this is large.
            while self.source.len() < decoder.batch_bytes() && self.records.append_delimited(&mut self.source)? {
                self.run.rows += 1;
            }
            if self.run.rows == 0 {
                return Ok(None);
            }
        }
        let made = decoder.decode(&self.source, self.run, self.first)?;
        self.first += (self.run.rows - made.rest.rows) as u64;
        self.run = made.rest;
        if self.run.rows == 0 && self.source.capacity() > MOST_KEPT {
            self.source = Vec::new();
        }
        Ok(Some(made.batch))
    }
}

impl Iterator for ArrowReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        self.next_batch().map_err(external).inspect_err(|_| self.failed = true).transpose()
    }
}

impl RecordBatchReader for ArrowReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl fmt::Debug for ArrowReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrowReader").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// An error as Arrow passes it on; it can be had back by downcasting its source.
fn external(error: Error) -> ArrowError {
    ArrowError::ExternalError(Box::new(error))
}
