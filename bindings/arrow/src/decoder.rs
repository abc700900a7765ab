//! Decoding runs of records, with the tables and buffers that one thread keeps.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_buffer::NullBuffer;
use arrow_schema::ArrowError;
use rosettar::Limits;
use rosettar::error::{Error, Result, code};
use rosettar::read::Stream;

use crate::columns::{Growth, MOST_SOURCE, Table};
use crate::decode::{self, State};
use crate::finish::{self, Blanks, Bytes};
use crate::options::{ArrowOptions, OnError};
use crate::plan::Plan;
use crate::reader::{MOST_KEPT, Report};
use crate::wire::Cursor;

/// What one thread decodes with.
pub(crate) struct Decoder {
    plan: Arc<Plan>,
    options: ArrowOptions,
    stream: String,
    report: Arc<Report>,
    table: Table,
    state: State,
}

/// Records one after the other, each after its length: where the first of them begins, and how many there are.
#[derive(Clone, Copy, Default)]
pub(crate) struct Run {
    pub(crate) at: usize,
    pub(crate) rows: usize,
}

/// Some records as a record batch, and those that are left.
pub(crate) struct Rows {
    pub(crate) batch: RecordBatch,
    /// What the columns take, about.
    pub(crate) bytes: usize,
    pub(crate) rest: Run,
}

impl Decoder {
    pub(crate) fn new(plan: Arc<Plan>, options: ArrowOptions, stream: &Stream, report: Arc<Report>) -> Self {
        let table = Table::new(&plan.table);
        let state = State {
            growth: Growth::default(),
            arena: plan.constants.clone(),
            text: 0,
            unknown: 0,
            values: 0,
            merged: 0,
            limits: stream.limits().clone(),
            careful: false,
        };
        Self { plan, options, stream: stream.info().name().to_owned(), report, table, state }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.state.limits
    }

    pub(crate) fn batch_bytes(&self) -> usize {
        self.options.batch_bytes.min(MOST_SOURCE / 2)
    }

    /// Decodes records of `source`, of which the first has the number `first`: as many as one batch may have, and at
    /// least one.
    pub(crate) fn decode(&mut self, source: &[u8], run: Run, first: u64) -> Result<Rows> {
        match self.try_decode(source, run, first) {
            // A string that is not UTF-8 shows when a column is done. Whose it is takes a closer look.
            Err(Failure::Arrow(_)) if !self.state.careful => {
                self.state.careful = true;
                let decoded = self.try_decode(source, run, first);
                self.state.careful = false;
                decoded
            }
            decoded => decoded,
        }
        .map_err(|failure| match failure {
            Failure::Record(error) => error,
            Failure::Arrow(error) => {
                let message = format!("records of stream {} do not become columns: {error}", self.stream);
                Error::new(code::RECORD_DECODE, message).with_source(error)
            }
        })
    }

    fn try_decode(&mut self, source: &[u8], run: Run, first: u64) -> Result<Rows, Failure> {
        self.reset();
        let (mut rows, mut bad) = (0, Vec::new());
        let budget = self.batch_bytes();
        let located = |fault: crate::fault::Fault, row: usize| fault.into_error(&self.stream, first + row as u64);
        let state = &mut self.state;
        let most = run.rows.min(self.options.batch_rows);
        self.table.reserve(most, budget, &mut state.growth).map_err(|fault| located(fault, 0))?;
        let mut records = Cursor { bytes: source, at: run.at };
        while rows < most {
            let place = records.delimited().map_err(|fault| located(fault, rows))?;
            state.growth.begin();
            let row = self.table.push(&mut state.growth).map_err(|fault| located(fault, rows))?;
            if let Err(fault) = decode::record(&self.plan.root, &mut self.table, row, source, place, state) {
                if self.options.errors == OnError::Raise || fault.is_limit() {
                    return Err(Failure::Record(located(fault, rows)));
                }
                bad.push(row);
            }
            rows += 1;
            if state.growth.bytes + state.text >= budget.saturating_add(self.table.reserved_bytes(rows)) {
                break;
            }
        }
        let bytes = Bytes { source, arena: &state.arena };
        let mut columns = finish::columns(&self.plan.root, &mut self.table, bytes, &mut Blanks::new())?;
        if state.arena.capacity() > MOST_KEPT {
            state.arena = self.plan.constants.clone();
        }
        if !bad.is_empty() {
            columns = without(&columns, rows, &bad)?;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = match &self.plan.restore {
            None => RecordBatch::try_new_with_options(Arc::clone(&self.plan.schema), columns, &options)?,
            Some(restore) => {
                let plain = RecordBatch::try_new_with_options(Arc::clone(&self.plan.plain), columns, &options)?;
                restore.apply(&plain).map_err(|error| {
                    let place = format!("records from {first} on of stream {}", self.stream);
                    Failure::Record(error.about(place))
                })?
            }
        };
        self.report.unknown_fields.fetch_add(state.unknown, Ordering::Relaxed);
        self.report.bad_records.fetch_add(bad.len() as u64, Ordering::Relaxed);
        let bytes = state.growth.bytes + state.text;
        Ok(Rows { batch, bytes, rest: Run { at: records.at, rows: run.rows - rows } })
    }

    /// Begins anew.
    fn reset(&mut self) {
        self.table.forget();
        self.state.growth = Growth::default();
        self.state.arena.truncate(self.plan.constants.len());
        (self.state.text, self.state.unknown) = (0, 0);
    }
}

/// The columns, with nulls in the rows that are bad.
fn without(columns: &[ArrayRef], rows: usize, bad: &[usize]) -> Result<Vec<ArrayRef>, ArrowError> {
    let mut good = vec![true; rows];
    bad.iter().for_each(|row| good[*row] = false);
    let good = NullBuffer::from(good);
    columns.iter().map(|column| finish::with_nulls(column, &good)).collect()
}

/// Why records became no batch.
enum Failure {
    Record(Error),
    Arrow(ArrowError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Record(error)
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error)
    }
}
