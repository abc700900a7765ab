//! Streams and their records.

use std::collections::VecDeque;
use std::sync::Arc;

use prost_reflect::{DynamicMessage, MessageDescriptor};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict, PyList};
use rosettar::error::code;
use rosettar::{Error, Limits, Result};

use crate::archive::Handle;
use crate::errors::{self, OrRaise};
use crate::turn::Turn;
use crate::values::Converter;

/// How many records are decoded ahead, and how many of their bytes.
const AHEAD: usize = 256;
const AHEAD_BYTES: usize = 1 << 18;
/// How many bytes and values a record may have of which somebody is shown the beginning, and after how many bytes of
/// records no more of them are shown.
const SHOWN_BYTES: usize = 1 << 20;
const SHOWN_VALUES: u64 = 1 << 16;
const SHOWN_IN_ALL: usize = 8 << 20;

/// A stream: the native part of `rosettar.Stream`.
#[pyclass(frozen, module = "rosettar._native")]
pub struct Stream {
    handle: Arc<Handle>,
    name: String,
}

impl Stream {
    pub fn new(handle: Arc<Handle>, stream: &rosettar::read::Stream) -> Self {
        Self { handle, name: stream.info().name().to_owned() }
    }

    pub fn stream(&self, py: Python<'_>) -> PyResult<rosettar::read::Stream> {
        self.handle.archive(py)?.stream(&self.name).or_raise(py)
    }
}

#[pymethods]
impl Stream {
    /// What the archive says of it.
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        crate::reports::stream(py, self.stream(py)?.info())
    }

    fn descriptor_set<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let stream = self.stream(py)?;
        let set = py.detach(|| stream.descriptor_set()).or_raise(py)?;
        Ok(PyBytes::new(py, set))
    }

    /// The names of the type's fields.
    fn columns(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let stream = self.stream(py)?;
        let descriptor = py.detach(|| stream.descriptor()).or_raise(py)?;
        Ok(descriptor.fields().map(|field| field.name().to_owned()).collect())
    }

    /// The file that defines the type.
    fn file(&self, py: Python<'_>) -> PyResult<String> {
        let stream = self.stream(py)?;
        let descriptor = py.detach(|| stream.descriptor()).or_raise(py)?;
        Ok(descriptor.parent_file().name().to_owned())
    }

    /// The columns as Arrow has them, in a capsule.
    fn arrow_schema<'py>(
        &self,
        py: Python<'py>,
        columns: Vec<String>,
        options: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let (stream, options) = (self.stream(py)?, crate::arrow::options(py, columns, options)?);
        let schema = py.detach(|| rosettar_arrow::schema(&stream, &options)).or_raise(py)?;
        crate::capsule::schema(py, &schema)
    }

    /// The records from `start` to before `stop` as Arrow, in a capsule; and what is counted as they are read.
    fn arrow_stream<'py>(
        &self,
        py: Python<'py>,
        start: u64,
        stop: u64,
        columns: Vec<String>,
        options: &Bound<'py, PyDict>,
    ) -> PyResult<(Bound<'py, PyCapsule>, ReadReport)> {
        let (stream, options) = (self.stream(py)?, crate::arrow::options(py, columns, options)?);
        let reader = py.detach(|| rosettar_arrow::read(&stream, start..stop, &options)).or_raise(py)?;
        let report = ReadReport(reader.report());
        Ok((crate::capsule::stream(py, Box::new(reader), self.handle.id())?, report))
    }

    /// The records from `start` to before `stop`, or fewer, for somebody who sees the beginnings of their values: dicts
    /// with these columns. An error stands for a record that does not decode, or is larger than anybody looks at.
    fn preview<'py>(
        &self,
        py: Python<'py>,
        start: u64,
        stop: u64,
        columns: Vec<String>,
    ) -> PyResult<Bound<'py, PyList>> {
        let stream = self.stream(py)?;
        let descriptor = py.detach(|| stream.descriptor()).or_raise(py)?;
        let mut records = stream.records(start..stop).or_raise(py)?;
        let mut limits = stream.limits().clone();
        limits.record_values = limits.record_values.min(SHOWN_VALUES);
        let converter = Converter::new(py, &limits)?.only(columns).shown();
        let (list, mut read) = (PyList::empty(py), 0);
        for number in start..stop {
            let next = py.detach(|| {
                let Some(record) = records.next_record()? else { return Ok(None) };
                read += record.len();
                Ok(Some(decode_shown(&descriptor, record, &limits)))
            });
            match next.or_raise(py)? {
                None => break,
                Some(Ok(message)) => match converter.message(py, &message, &|| place(number, &self.name)) {
                    Err(error) if error.is_instance_of::<PyException>(py) => list.append(error.into_value(py))?,
                    made => list.append(made?)?,
                },
                Some(Err(error)) => list.append(errors::make(py, &error.about(place(number, &self.name)))?)?,
            }
            if read > SHOWN_IN_ALL {
                break;
            }
        }
        Ok(list)
    }

    /// The records from `start` to before `stop`: as `bytes` where `raw`, otherwise as dicts.
    fn records(
        &self,
        py: Python<'_>,
        start: u64,
        stop: u64,
        raw: bool,
        columns: Vec<String>,
    ) -> PyResult<RecordIterator> {
        let stream = self.stream(py)?;
        let records = stream.records(start..stop).or_raise(py)?;
        let decoder = if raw {
            None
        } else {
            let descriptor = py.detach(|| stream.descriptor()).or_raise(py)?;
            Some((descriptor, Converter::new(py, stream.limits())?.only(columns)))
        };
        let limits = stream.limits().clone();
        let state = State { records, limits, ready: VecDeque::new(), failed: None, next: start };
        Ok(RecordIterator {
            handle: Arc::clone(&self.handle),
            name: self.name.clone(),
            decoder,
            state: Turn::new("the iterator", state),
        })
    }
}

/// Decodes a record of which somebody is shown the beginning.
fn decode_shown(descriptor: &MessageDescriptor, record: &[u8], limits: &Limits) -> Result<DynamicMessage> {
    let too_large = |code, most, what| Error::new(code, format!("more than {most} {what}, which are not shown"));
    if record.len() > SHOWN_BYTES {
        return Err(too_large(code::LIMIT_RECORD_BYTES, SHOWN_BYTES as u64, "bytes"));
    }
    rosettar::record::decode(descriptor, record, limits).map_err(|error| match error.is(code::LIMIT_RECORD_VALUES) {
        true => too_large(code::LIMIT_RECORD_VALUES, limits.record_values, "values"),
        false => error,
    })
}

/// What a record is called.
fn place(number: u64, stream: &str) -> String {
    format!("record {number} of stream {stream}")
}

/// What a read as Arrow came upon, counted as it goes on.
#[pyclass(frozen, module = "rosettar._native")]
pub struct ReadReport(Arc<rosettar_arrow::Report>);

#[pymethods]
impl ReadReport {
    #[getter]
    fn unknown_fields(&self) -> u64 {
        self.0.unknown_fields()
    }

    #[getter]
    fn bad_records(&self) -> u64 {
        self.0.bad_records()
    }
}

/// Records, one after the other.
#[pyclass(frozen, module = "rosettar._native")]
pub struct RecordIterator {
    handle: Arc<Handle>,
    name: String,
    decoder: Option<(MessageDescriptor, Converter)>,
    state: Turn<State>,
}

struct State {
    records: rosettar::read::Records,
    limits: Limits,
    ready: VecDeque<Ready>,
    /// What comes after those that are ready.
    failed: Option<rosettar::Error>,
    /// The number of the next record to decode.
    next: u64,
}

enum Ready {
    Raw(Vec<u8>),
    /// With its number.
    Decoded(DynamicMessage, u64),
}

#[pymethods]
impl RecordIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        // What of Python is called below is called without the state, which it might ask for.
        let mut next = self.take(py, false)?.or_raise(py)?;
        if next.is_none() {
            // One look at the archive and at signals for many records.
            self.handle.archive(py)?;
            py.check_signals()?;
            next = self.take(py, true)?.or_raise(py)?;
        }
        match next {
            Some(Ready::Raw(record)) => Ok(Some(PyBytes::new(py, &record).into_any())),
            Some(Ready::Decoded(message, number)) => {
                let Some((_, converter)) = &self.decoder else { return Ok(None) };
                converter.message(py, &message, &|| place(number, &self.name)).map(Some)
            }
            None => Ok(None),
        }
    }

    fn __length_hint__(&self, py: Python<'_>) -> PyResult<usize> {
        self.handle.check(py)?;
        let state = self.state.lock(py)?;
        Ok(state.ready.len() + state.records.remaining() as usize)
    }
}

impl RecordIterator {
    /// The next record that is ready; with `more`, after more were decoded where none is.
    fn take(&self, py: Python<'_>, more: bool) -> PyResult<rosettar::Result<Option<Ready>>> {
        self.handle.check(py)?;
        let mut state = self.state.lock(py)?;
        let state = &mut *state;
        if more && state.ready.is_empty() && state.failed.is_none() {
            py.detach(|| self.fill(state));
        }
        Ok(match state.ready.pop_front() {
            None => state.failed.take().map_or(Ok(None), Err),
            ready => Ok(ready),
        })
    }

    /// The next record, and how many bytes it has.
    fn next(&self, state: &mut State) -> rosettar::Result<Option<(Ready, usize)>> {
        let Some((descriptor, _)) = &self.decoder else {
            let Some(record) = state.records.next().transpose()? else { return Ok(None) };
            let size = record.len();
            return Ok(Some((Ready::Raw(record), size)));
        };
        let Some(record) = state.records.next_record()? else { return Ok(None) };
        let size = record.len();
        let message = rosettar::record::decode(descriptor, record, &state.limits)
            .map_err(|error| error.about(place(state.next, &self.name)))?;
        state.records.release();
        Ok(Some((Ready::Decoded(message, state.next), size)))
    }

    fn fill(&self, state: &mut State) {
        let mut bytes = 0;
        while state.ready.len() < AHEAD && bytes < AHEAD_BYTES {
            match self.next(state) {
                Ok(Some((ready, size))) => {
                    state.ready.push_back(ready);
                    bytes += size;
                }
                Ok(None) => return,
                Err(error) => {
                    state.failed = Some(error);
                    return;
                }
            }
            state.next += 1;
        }
    }
}
