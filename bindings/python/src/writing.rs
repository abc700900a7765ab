//! Writing archives: what the Python classes `Writer` and `StreamWriter` are made on.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use prost_reflect::MessageDescriptor;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use rosettar::error::code;
use rosettar::io::{Links, LockedFile, Names, uninterrupted};
use rosettar::write::tree::{Note, NoteKind, Tree, TreeItem, Unsupported, WalkOptions, walk_paths};
use rosettar::{
    Annotation, EntryPath, Error, Limits, Monitor, Mtime, NewEntry, ReadOptions, RecordType, Result, StreamId, Summary,
    WriteOptions, Writer, record, schema,
};
use rosettar_arrow::TableType;

use crate::turn::Turn;
use crate::{errors, limits, tables, work};

/// A time as Python hands it over: seconds since 1970, rounded down, and nanoseconds after them.
type Time = Option<(i64, u32)>;

/// The writer under the Python class of that name. Nothing here is for users.
#[pyclass(frozen, module = "rosettar._native", name = "RawWriter")]
pub(crate) struct RawWriter {
    state: Turn<State>,
    monitor: Monitor,
    limits: Limits,
    progress: Option<Py<PyAny>>,
}

#[derive(Default)]
struct State {
    /// `None` once it was finished or discarded.
    writer: Option<Writer<'static>>,
    streams: Vec<Stream>,
    tables: Vec<Tables>,
}

struct Stream {
    id: StreamId,
    type_name: String,
    /// The descriptors that define the type, for records given as JSON.
    descriptor_set: Vec<u8>,
    descriptor: Option<MessageDescriptor>,
}

/// A stream of tables, and the type that was derived from the first.
struct Tables {
    name: String,
    id: StreamId,
    table: TableType,
}

impl RawWriter {
    /// Works on the writer with the interpreter released.
    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut State) -> Result<T> + Send) -> PyResult<T> {
        self.state.check(py)?;
        py.detach(|| work(&mut self.state.lock_detached())).map_err(|error| errors::raise(py, error))
    }

    /// The same for work that may take long: it shows progress and can be interrupted.
    fn long<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut State) -> Result<T> + Send) -> PyResult<T> {
        self.state.check(py)?;
        let progress = self.progress.as_ref().map(|progress| progress.clone_ref(py));
        work::run(py, &self.monitor, progress, || work(&mut self.state.lock_detached()))
    }
}

impl State {
    fn writer(&mut self) -> Result<&mut Writer<'static>> {
        self.writer.as_mut().ok_or_else(closed)
    }

    fn stream(&mut self, number: usize) -> Result<&mut Stream> {
        let message = "no stream of this writer has that number";
        self.streams.get_mut(number).ok_or_else(|| Error::new(code::USAGE_INPUT, message))
    }

    fn add_items(&mut self, items: &[TreeItem]) -> Result<()> {
        let writer = self.writer()?;
        items.iter().try_for_each(|item| writer.add_item(item))
    }
}

fn closed() -> Error {
    let message = "the writer is closed: it was finished, or discarded after an error; open another one";
    Error::new(code::USAGE_WRITER_FAILED, message)
}

fn entry(path: &str, mode: Option<u32>, mtime: Time) -> Result<NewEntry> {
    let mut entry = NewEntry::new(path)?;
    if let Some(mode) = mode {
        if mode > 0o777 {
            let message = format!("mode {mode:#o}: expected the nine permission bits, 0 to 0o777");
            return Err(Error::new(code::USAGE_OPTION, message).with_entry(path));
        }
        entry = entry.mode(mode);
    }
    Ok(match mtime {
        Some((seconds, nanoseconds)) => entry.mtime(Mtime { seconds, nanoseconds }),
        None => entry,
    })
}

/// What to write, and where to.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Settings {
    level: i32,
    threads: Option<usize>,
    chunk_size: Option<usize>,
    exclusive: bool,
    extend: bool,
    producer: Option<String>,
    created: Time,
    limits: Vec<(String, String)>,
    flush_every: Option<u64>,
}

#[pymethods]
impl RawWriter {
    /// A writer of the file at `path`, or else of the binary file object `file`.
    #[new]
    #[pyo3(signature = (path, file, settings, progress))]
    fn new(
        py: Python<'_>,
        path: Option<PathBuf>,
        file: Option<Py<PyAny>>,
        settings: Settings,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let monitor = Monitor::new();
        let limits = limits::of(py, &settings.limits)?;
        let mut options = WriteOptions::new().level(settings.level).limits(limits.clone()).monitor(monitor.clone());
        if let Some(threads) = settings.threads {
            options = options.threads(threads);
        }
        if let Some(bytes) = settings.chunk_size {
            options = options.chunk_size(bytes);
        }
        if let Some(producer) = settings.producer {
            options = options.producer(producer);
        }
        if let Some((seconds, nanoseconds)) = settings.created {
            options = options.created(Mtime { seconds, nanoseconds });
        }
        if let Some(bytes) = settings.flush_every {
            options = options.flush_every(bytes);
        }
        let (exclusive, extend, reading) = (settings.exclusive, settings.extend, limits.clone());
        let waiting = monitor.clone();
        let shown = progress.as_ref().map(|progress| progress.clone_ref(py));
        let writer = work::run(py, &monitor, shown, move || match (path, file) {
            (Some(path), _) if extend => extending(options, &path, reading, &waiting),
            (Some(path), _) if exclusive => options.create_new(path),
            (Some(path), _) => options.create(path),
            (None, Some(file)) => options.write_to(PythonFile(file)),
            (None, None) => Err(Error::new(code::USAGE_OPTION, "neither a path nor a file to write to")),
        })?;
        let state = State { writer: Some(writer), ..State::default() };
        Ok(Self { state: Turn::new("the writer", state), monitor, limits, progress })
    }

    fn add_bytes(&self, py: Python<'_>, path: &str, data: Content<'_>, mode: Option<u32>, mtime: Time) -> PyResult<()> {
        let data = data.bytes();
        self.with(py, |state| state.writer()?.add_bytes(entry(path, mode, mtime)?, data))
    }

    /// Adds a file by its name; one that changes meanwhile is refused.
    fn add_file(&self, py: Python<'_>, path: &str, source: PathBuf, mode: Option<u32>, mtime: Time) -> PyResult<()> {
        self.long(py, |state| {
            entry(path, mode, mtime)?;
            let mut item = find_file(&source)?;
            item.path = EntryPath::new(path)?;
            item.mode = mode.unwrap_or(item.mode);
            item.mtime = mtime.unwrap_or(item.mtime);
            state.add_items(&[item])
        })
    }

    /// Adds a file whose content comes from a binary file object, to its end.
    fn add_reader(
        &self,
        py: Python<'_>,
        path: &str,
        source: Py<PyAny>,
        mode: Option<u32>,
        mtime: Time,
    ) -> PyResult<()> {
        let source = PythonFile(source);
        self.long(py, |state| state.writer()?.add_reader(entry(path, mode, mtime)?, None, source))
    }

    fn add_directory(&self, py: Python<'_>, path: &str, mode: Option<u32>, mtime: Time) -> PyResult<()> {
        self.with(py, |state| state.writer()?.add_directory(entry(path, mode, mtime)?))
    }

    fn add_link(&self, py: Python<'_>, path: &str, target: &str, mtime: Time) -> PyResult<()> {
        self.with(py, |state| state.writer()?.add_symlink(entry(path, None, mtime)?, target))
    }

    /// Adds what is below a directory; returns what there is to tell of it: path, kind and message of each note.
    #[allow(clippy::too_many_arguments)]
    fn add_tree(
        &self,
        py: Python<'_>,
        root: PathBuf,
        include: Vec<String>,
        exclude: Vec<String>,
        links: &str,
        names: &str,
        unsupported: &str,
        prefix: Option<&str>,
    ) -> PyResult<Vec<(String, &'static str, String)>> {
        let tree = self.long(py, |state| {
            let mut options = WalkOptions::new()
                .links(choice("links", links)?)
                .names(choice("names", names)?)
                .unsupported(choice("unsupported", unsupported)?);
            options = include.into_iter().fold(options, WalkOptions::include);
            options = exclude.into_iter().fold(options, WalkOptions::exclude);
            let mut tree = state.writer()?.walk(&root, &options)?;
            if let Some(prefix) = prefix {
                move_below(&mut tree, prefix, &self.limits)?;
            }
            self.monitor.set_total(self.monitor.bytes().saturating_add(tree.total_size()));
            state.add_items(&tree.items)?;
            Ok(tree)
        })?;
        let kind = |note: &Note| match note.kind {
            NoteKind::Skipped => "skipped",
            NoteKind::ModeBits => "mode-bits",
            NoteKind::Unportable => "unportable",
            _ => "other",
        };
        Ok(tree.notes.into_iter().map(|note| (note.path.clone(), kind(&note), note.message)).collect())
    }

    fn attribute(&self, py: Python<'_>, key: String, value: String) -> PyResult<()> {
        self.with(py, |state| state.writer()?.attribute(key, value))
    }

    fn annotate(&self, py: Python<'_>, type_url: String, value: Vec<u8>, descriptor_set: Vec<u8>) -> PyResult<()> {
        self.with(py, |state| state.writer()?.annotate_encoded(Annotation { type_url, value }, &descriptor_set))
    }

    /// Declares a stream, and returns its number for the calls below.
    fn declare(
        &self,
        py: Python<'_>,
        name: &str,
        type_name: String,
        descriptor_set: Vec<u8>,
        version: u32,
    ) -> PyResult<usize> {
        self.with(py, |state| {
            let record_type = RecordType::new(&*type_name, &*descriptor_set).schema_version(version);
            let id = state.writer()?.declare(name, record_type)?;
            state.streams.push(Stream { id, type_name, descriptor_set, descriptor: None });
            Ok(state.streams.len() - 1)
        })
    }

    /// Appends serialized records; with `checked`, only those that decode as the stream's type.
    fn append(&self, py: Python<'_>, stream: usize, records: Vec<Content<'_>>, checked: bool) -> PyResult<()> {
        let records: Vec<&[u8]> = records.iter().map(Content::bytes).collect();
        self.with(py, |state| {
            let id = state.stream(stream)?.id;
            let writer = state.writer()?;
            records.into_iter().try_for_each(|record| match checked {
                true => writer.append_checked(id, record),
                false => writer.append_encoded(id, record),
            })
        })
    }

    /// Writes a table into a stream of its own, or of tables of the same schema that were written before; returns the
    /// name of the record type.
    fn write_table(&self, py: Python<'_>, name: &str, table: &Bound<'_, PyAny>) -> PyResult<String> {
        let mut batches = tables::import(table)?;
        self.long(py, |state| {
            let schema = batches.schema();
            // Before there is a type: of ordered dictionaries it keeps the values.
            let mut next = batches.next()?;
            let found = state.tables.iter().position(|known| known.name == name && *known.table.schema() == schema);
            let at = match found {
                Some(at) => at,
                None => {
                    let table = match &next {
                        Some(batch) => TableType::derive_for(name, batch)?,
                        None => TableType::derive(name, &schema)?,
                    };
                    let id = state.writer()?.declare(name, table.record_type())?;
                    state.tables.push(Tables { name: name.to_owned(), id, table });
                    state.tables.len() - 1
                }
            };
            let State { writer, tables: known, .. } = state;
            let (writer, stream) = (writer.as_mut().ok_or_else(closed)?, &known[at]);
            while let Some(batch) = next {
                self.monitor.advance(0)?;
                stream.table.encode(&batch, |record| writer.append_encoded(stream.id, record))?;
                next = batches.next()?;
            }
            Ok(stream.table.type_name().to_owned())
        })
    }

    /// Appends a record given as protobuf JSON.
    fn append_json(&self, py: Python<'_>, stream: usize, text: &str) -> PyResult<()> {
        self.with(py, |state| {
            let found = state.stream(stream)?;
            if found.descriptor.is_none() {
                let pool = schema::build_pool(&schema::closure_of(&found.descriptor_set, &[&found.type_name])?)?;
                found.descriptor = Some(schema::message(&pool, &found.type_name)?);
            }
            let Some(descriptor) = &found.descriptor else { return Err(closed()) };
            let (id, message) = (found.id, record::from_json(descriptor, text, &self.limits)?);
            state.writer()?.append_dynamic(id, &message)
        })
    }

    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.long(py, |state| state.writer()?.flush())
    }

    /// Publishes the archive, and returns what was made.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let summary = self.long(py, |state| state.writer.take().ok_or_else(closed)?.finish())?;
        summary_dict(py, &summary)
    }

    /// Discards what was written; in a forked process nothing, since it is not its own.
    fn discard(&self, py: Python<'_>) -> PyResult<()> {
        if self.state.id().is_forked() {
            return Ok(());
        }
        self.with(py, |state| {
            drop(state.writer.take());
            Ok(())
        })
    }

    #[getter]
    fn closed(&self, py: Python<'_>) -> PyResult<bool> {
        if self.state.id().is_at_work() {
            return Ok(false);
        }
        self.with(py, |state| Ok(state.writer.is_none()))
    }
}

/// Compiles a `.proto` file, and returns a serialized `google.protobuf.FileDescriptorSet`.
#[pyfunction]
pub(crate) fn compile_proto<'py>(
    py: Python<'py>,
    path: PathBuf,
    include: Vec<PathBuf>,
) -> PyResult<Bound<'py, PyBytes>> {
    let set = py.detach(|| schema::compile(&[path], &include)).map_err(|error| errors::raise(py, error))?;
    Ok(PyBytes::new(py, &set))
}

/// Bytes that stay as they are while the interpreter is released: `bytes` itself, or a copy of anything else.
struct Content<'py>(Bound<'py, PyBytes>);

impl Content<'_> {
    fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl<'py> FromPyObject<'_, 'py> for Content<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self(bytes.to_owned()));
        }
        // Only what has the buffer protocol: `bytes(5)` would be five zeros.
        let view = object.py().import("builtins")?.getattr("memoryview")?.call1((object,))?;
        let bytes = view.call_method0("tobytes")?;
        Ok(Self(bytes.cast_into::<PyBytes>()?))
    }
}

/// A binary file object. Its errors come back to the caller as they are.
pub(crate) struct PythonFile(pub Py<PyAny>);

impl Read for PythonFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Python::attach(|py| {
            let read = self.0.bind(py).call_method1("read", (buf.len(),))?;
            let bytes = read.cast::<PyBytes>().map_err(|_| not_binary("read() returns bytes"))?.as_bytes();
            if bytes.len() > buf.len() {
                return Err(not_binary("read(n) returns no more than n bytes"));
            }
            buf[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        })
    }
}

impl Write for PythonFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Python::attach(|py| {
            let written = self.0.bind(py).call_method1("write", (PyBytes::new(py, buf),))?;
            // A raw file tells how much it took; None from one that does not block says that it took nothing.
            match written.extract::<Option<usize>>()? {
                Some(count) if count <= buf.len() => Ok(count),
                Some(_) => Err(not_binary("write() returns no more than it was given")),
                None => Err(io::ErrorKind::WouldBlock.into()),
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Python::attach(|py| match self.0.bind(py).getattr_opt("flush")? {
            Some(flush) => Ok(flush.call0().map(drop)?),
            None => Ok(()),
        })
    }
}

fn not_binary(expected: &str) -> io::Error {
    io::Error::other(format!("expected a binary file object, whose {expected}"))
}

/// The file that `source` leads to, as a walk finds it.
fn find_file(source: &Path) -> Result<TreeItem> {
    let cannot = |error| Error::io(code::IO_FILE, format!("cannot add the file {}", source.display()), error);
    let whole = uninterrupted(|| source.canonicalize()).map_err(cannot)?;
    let is_no_file = || {
        let message = format!("{} is no regular file; add_tree adds a directory", source.display());
        Error::new(code::USAGE_INPUT, message)
    };
    let (Some(above), Some(name)) = (whole.parent(), whole.file_name()) else { return Err(is_no_file()) };
    if whole.is_dir() {
        return Err(is_no_file());
    }
    let tree = walk_paths(above, &[name], &WalkOptions::new().threads(1))?;
    tree.items.into_iter().next().ok_or_else(is_no_file)
}

/// Puts a tree below `prefix`.
fn move_below(tree: &mut Tree, prefix: &str, limits: &Limits) -> Result<()> {
    let prefix = EntryPath::with_limits(prefix, limits)?;
    for item in &mut tree.items {
        item.path = EntryPath::with_limits(format!("{prefix}/{}", item.path), limits)?;
    }
    for note in &mut tree.notes {
        note.path = format!("{prefix}/{}", note.path);
    }
    Ok(())
}

/// The value of an option, by its name in lower case.
trait Choice: Copy + 'static {
    const ALL: &[(&str, Self)];
}

impl Choice for Links {
    const ALL: &[(&str, Self)] = &[("refuse", Self::Refuse), ("skip", Self::Skip), ("keep", Self::Keep)];
}

impl Choice for Names {
    const ALL: &[(&str, Self)] = &[("any", Self::Any), ("portable", Self::Portable)];
}

impl Choice for Unsupported {
    const ALL: &[(&str, Self)] = &[("refuse", Self::Refuse), ("skip", Self::Skip)];
}

fn choice<T: Choice>(option: &str, value: &str) -> Result<T> {
    T::ALL.iter().find(|(name, _)| *name == value).map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<_> = T::ALL.iter().map(|(name, _)| format!("{name:?}")).collect();
        Error::new(code::USAGE_OPTION, format!("{option}={value:?}: expected one of {}", names.join(", ")))
    })
}

/// A writer that goes on where the archive at `path` ends, and replaces it.
fn extending(options: WriteOptions, path: &Path, limits: Limits, waiting: &Monitor) -> Result<Writer<'static>> {
    let file = LockedFile::open(path, |_| waiting.advance(0))?;
    let archive = ReadOptions::new().limits(limits).open(file.clone())?;
    options.continue_from(&archive).source_file(&file).create(path)
}

pub(crate) fn summary_dict<'py>(py: Python<'py>, summary: &Summary) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    all.set_item("root_digest", summary.root_digest.to_string())?;
    all.set_item("content_digest", summary.content_digest.to_string())?;
    all.set_item("size", summary.size)?;
    let totals = &summary.totals;
    for (name, value) in [
        ("files", totals.files),
        ("directories", totals.directories),
        ("links", totals.symlinks),
        ("records", totals.records),
        ("file_bytes", totals.file_bytes),
        ("tar_bytes", totals.tar_bytes),
    ] {
        all.set_item(name, value)?;
    }
    let streams = PyDict::new(py);
    for stream in &summary.streams {
        let one = PyDict::new(py);
        one.set_item("type", stream.type_name())?;
        one.set_item("records", stream.records)?;
        one.set_item("size", stream.size)?;
        one.set_item("digest", stream.digest.to_string())?;
        streams.set_item(stream.name(), one)?;
    }
    all.set_item("streams", streams)?;
    Ok(all)
}
