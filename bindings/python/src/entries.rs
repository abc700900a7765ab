//! Entries and their contents.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use arrow_array::builder::{StringBuilder, TimestampNanosecondBuilder, UInt16Builder, UInt64Builder};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use rosettar::{Entry, EntryKind, Mtime};

use crate::archive::Handle;
use crate::errors::{OrRaise, raise};
use crate::turn::Turn;

/// How many entries are turned into Python objects or rows at a time.
const AT_ONCE: usize = 4096;
/// How much of a content is read at a time.
const PIECE: usize = 1 << 20;

/// An entry as the arguments of the Python class: path, kind, size, mode, seconds, nanoseconds, target, digest.
pub fn entry_tuple<'py>(py: Python<'py>, entry: &Entry) -> PyResult<Bound<'py, PyAny>> {
    let Mtime { seconds, nanoseconds } = entry.mtime;
    let parts = (
        entry.path.as_str(),
        entry.kind.as_str(),
        entry.size,
        entry.mode,
        seconds,
        nanoseconds,
        target(entry),
        digest(entry),
    );
    Ok(parts.into_pyobject(py)?.into_any())
}

fn target(entry: &Entry) -> Option<&str> {
    entry.target.as_ref().map(|target| target.as_str())
}

fn digest(entry: &Entry) -> Option<String> {
    entry.kind.has_content().then(|| entry.digest.to_string())
}

/// Entries of an archive, a list of tuples at a time.
#[pyclass(frozen, module = "rosettar._native")]
pub struct EntryIterator {
    handle: Arc<Handle>,
    entries: Turn<(rosettar::read::Entries, u64)>,
}

impl EntryIterator {
    pub fn new(handle: Arc<Handle>, entries: rosettar::read::Entries, start: u64) -> Self {
        Self { handle, entries: Turn::new("the iterator", (entries, start)) }
    }
}

#[pymethods]
impl EntryIterator {
    /// The next entries, at most `count`; an empty list at the end.
    fn next_entries<'py>(&self, py: Python<'py>, count: usize) -> PyResult<Bound<'py, PyList>> {
        self.handle.archive(py)?;
        let mut entries = self.entries.lock(py)?;
        let (entries, skip) = &mut *entries;
        let list = PyList::empty(py);
        while *skip > 0 {
            py.check_signals()?;
            let skipped = py.detach(|| {
                let step = (*skip).min(1 << 16);
                for _ in 0..step {
                    match entries.next() {
                        Some(Ok(_)) => *skip -= 1,
                        Some(Err(error)) => return Err(error),
                        None => return Ok(false),
                    }
                }
                Ok(true)
            });
            if !skipped.or_raise(py)? {
                return Ok(list);
            }
        }
        let some =
            py.detach(|| entries.take(count.min(AT_ONCE)).collect::<rosettar::Result<Vec<Entry>>>()).or_raise(py)?;
        for entry in &some {
            list.append(entry_tuple(py, entry)?)?;
        }
        Ok(list)
    }
}

/// The entry table as record batches.
pub struct EntryBatches {
    entries: rosettar::read::Entries,
    schema: SchemaRef,
}

impl EntryBatches {
    pub fn new(archive: rosettar::Archive) -> Self {
        Self { entries: archive.entries(), schema: Arc::new(entry_schema()) }
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let (mut path, mut kind, mut target, mut digests) =
            (StringBuilder::new(), StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
        let (mut size, mut mode) = (UInt64Builder::new(), UInt16Builder::new());
        let mut mtime = TimestampNanosecondBuilder::new().with_timezone("UTC");
        let mut rows = 0;
        for entry in self.entries.by_ref().take(AT_ONCE) {
            let entry = entry.map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
            path.append_value(entry.path.as_str());
            kind.append_value(entry.kind.as_str());
            size.append_option((entry.kind == EntryKind::File).then_some(entry.size));
            mode.append_value(entry.mode);
            // Before 1677 and after 2262 there is no such number.
            let nanoseconds = entry.mtime.seconds.checked_mul(1_000_000_000);
            mtime.append_option(nanoseconds.and_then(|whole| whole.checked_add(i64::from(entry.mtime.nanoseconds))));
            target.append_option(self::target(&entry));
            digests.append_option(digest(&entry));
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(path.finish()),
            Arc::new(kind.finish()),
            Arc::new(size.finish()),
            Arc::new(mode.finish()),
            Arc::new(mtime.finish()),
            Arc::new(target.finish()),
            Arc::new(digests.finish()),
        ];
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map(Some)
    }
}

/// The columns of the entry table.
pub fn entry_schema() -> Schema {
    Schema::new(vec![
        Field::new("path", DataType::Utf8, false),
        Field::new("kind", DataType::Utf8, false),
        Field::new("size", DataType::UInt64, true),
        Field::new("mode", DataType::UInt16, false),
        Field::new("mtime", DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), true),
        Field::new("target", DataType::Utf8, true),
        Field::new("digest", DataType::Utf8, true),
    ])
}

impl Iterator for EntryBatches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batch().transpose()
    }
}

impl RecordBatchReader for EntryBatches {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The content of an entry: the native part of `rosettar.EntryFile`.
#[pyclass(frozen, module = "rosettar._native")]
pub struct EntryReader {
    handle: Arc<Handle>,
    reader: Turn<rosettar::read::EntryReader>,
}

impl EntryReader {
    pub fn new(handle: Arc<Handle>, reader: rosettar::read::EntryReader) -> Self {
        Self { handle, reader: Turn::new("the file of the archive", reader) }
    }
}

#[pymethods]
impl EntryReader {
    /// The next bytes, at most `count`, and fewer only at the end; all that are left where `count` is below 0.
    fn read<'py>(&self, py: Python<'py>, count: i64) -> PyResult<Bound<'py, PyBytes>> {
        self.handle.archive(py)?;
        let mut reader = self.reader.lock(py)?;
        let reader = &mut *reader;
        let wanted = u64::try_from(count).unwrap_or(u64::MAX);
        let mut content = Vec::new();
        while (content.len() as u64) < wanted {
            py.check_signals()?;
            let piece = (wanted - content.len() as u64).min(PIECE as u64);
            let read = py.detach(|| reader.by_ref().take(piece).read_to_end(&mut content));
            match read {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Err(raise(py, of_io(error))),
            }
        }
        Ok(PyBytes::new(py, &content))
    }

    /// Goes to `offset`, counted from the beginning (0), the present place (1) or the end (2); the new place.
    fn seek(&self, py: Python<'_>, offset: i64, whence: i32) -> PyResult<u64> {
        self.handle.archive(py)?;
        let mut reader = self.reader.lock(py)?;
        let to = match whence {
            0 => u64::try_from(offset).ok().map(SeekFrom::Start),
            1 => Some(SeekFrom::Current(offset)),
            2 => Some(SeekFrom::End(offset)),
            _ => None,
        };
        let to = to.ok_or_else(|| {
            pyo3::exceptions::PyValueError::new_err(format!(
                "seek({offset}, {whence}): expected a place in the file, and 0, 1 or 2"
            ))
        })?;
        reader.seek(to).map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))
    }
}

/// The error of the core that a reader put into one of the standard library's.
fn of_io(error: std::io::Error) -> rosettar::Error {
    match error.downcast::<rosettar::Error>() {
        Ok(error) => error,
        Err(error) => rosettar::Error::io(rosettar::error::code::IO_READ, "reading an entry", error),
    }
}
