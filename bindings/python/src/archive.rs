//! An open archive.

use std::sync::{Arc, PoisonError, RwLock};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use rosettar::error::code;
use rosettar::io::{Links, Modes, Names, Overwrite};
use rosettar::{ExtractOptions, Limits, Monitor, ReadOptions, VerifyOptions};

use crate::entries::{EntryIterator, EntryReader, entry_tuple};
use crate::errors::{self, OrRaise};
use crate::records::Stream;
use crate::source::Source;
use crate::turn::Id;
use crate::{limits, names, reports, source, work};

/// What an archive and all that comes from it share: who may use it, and until when.
pub struct Handle {
    open: RwLock<Option<Open>>,
    /// That of the source.
    id: Id,
}

#[derive(Clone)]
struct Open {
    archive: rosettar::Archive,
    source: Source,
    options: ReadOptions,
    limits: Limits,
}

impl Handle {
    /// Refuses what was opened in another process, and what reading the archive calls.
    pub fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.id.check(py, "the archive")
    }

    /// What stands for the archive's source.
    pub fn id(&self) -> Id {
        self.id
    }

    fn open(&self, py: Python<'_>) -> PyResult<Open> {
        self.check(py)?;
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.clone().ok_or_else(|| errors::usage(py, code::USAGE_CLOSED, "the archive is closed: open it again"))
    }

    /// The archive, unless it was closed or belongs to another process.
    pub fn archive(&self, py: Python<'_>) -> PyResult<rosettar::Archive> {
        Ok(self.open(py)?.archive)
    }
}

/// An open archive: the native part of `rosettar.Archive`.
#[pyclass(frozen, module = "rosettar._native", name = "Archive")]
pub struct Archive {
    handle: Arc<Handle>,
}

/// Options, and the limits that are in them.
type Options = (ReadOptions, Limits);

fn options(py: Python<'_>, limits: Vec<(String, String)>, threads: Option<usize>) -> PyResult<Options> {
    let kept = limits::of(py, &limits)?;
    let options = ReadOptions::new().limits(kept.clone());
    Ok(match threads {
        Some(threads) => (options.threads(threads), kept),
        None => (options, kept),
    })
}

fn open(py: Python<'_>, source: Source, (options, limits): Options) -> PyResult<Archive> {
    let archive = py.detach(|| options.clone().open(source.clone())).or_raise(py)?;
    let id = source.id();
    let open = RwLock::new(Some(Open { archive, source, options, limits }));
    Ok(Archive { handle: Arc::new(Handle { open, id }) })
}

#[pymethods]
impl Archive {
    /// Opens a path, `bytes` or a binary file object.
    #[staticmethod]
    #[pyo3(name = "open")]
    fn open_any(source: &Bound<'_, PyAny>, limits: Vec<(String, String)>, threads: Option<usize>) -> PyResult<Self> {
        let options = options(source.py(), limits, threads)?;
        open(source.py(), source::of(source)?, options)
    }

    fn close(&self, py: Python<'_>) {
        let closed = self.handle.open.write().unwrap_or_else(PoisonError::into_inner).take();
        // Closing a file may take its time.
        py.detach(|| drop(closed));
    }

    #[getter]
    fn closed(&self) -> bool {
        self.handle.open.read().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        reports::facts(py, self.handle.archive(py)?.facts())
    }

    fn annotations<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyBytes>)>> {
        let archive = self.handle.archive(py)?;
        let annotations = &archive.facts().manifest.annotations;
        Ok(annotations.iter().map(|one| (one.type_url.clone(), PyBytes::new(py, &one.value))).collect())
    }

    /// The C1Z manifest, serialized and as a dict; None where there is none.
    fn c1z_manifest<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyBytes>, Bound<'py, PyAny>)>> {
        let Open { archive, limits, .. } = self.handle.open(py)?;
        let Some(manifest) = archive.c1z_manifest() else { return Ok(None) };
        let pool = rosettar::schema::build_pool(rosettar::c1z_manifest_descriptors()).or_raise(py)?;
        let descriptor = rosettar::schema::message(&pool, "c1.c1z.v3.C1ZManifestV3").or_raise(py)?;
        let message = rosettar::record::decode(&descriptor, manifest, &limits).or_raise(py)?;
        let dict =
            crate::values::Converter::new(py, &limits)?.message(py, &message, &|| "the C1Z manifest".to_owned())?;
        Ok(Some((PyBytes::new(py, manifest), dict)))
    }

    /// The message `value` of type `type_name` as a dict, or None where no Schema defines the type.
    fn decode<'py>(&self, py: Python<'py>, type_name: &str, value: &[u8]) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Open { archive, limits, .. } = self.handle.open(py)?;
        for number in 0..archive.facts().schemas {
            let set = archive.descriptor_set(number).or_raise(py)?;
            let Ok(pool) = rosettar::schema::build_pool(set) else { continue };
            let Some(descriptor) = pool.get_message_by_name(type_name) else { continue };
            let message = rosettar::record::decode(&descriptor, value, &limits).or_raise(py)?;
            let converter = crate::values::Converter::new(py, &limits)?;
            return converter.message(py, &message, &|| format!("a message of type {type_name}")).map(Some);
        }
        Ok(None)
    }

    fn entry<'py>(&self, py: Python<'py>, path: &str) -> PyResult<Bound<'py, PyAny>> {
        let archive = self.handle.archive(py)?;
        match py.detach(|| archive.entry(path)) {
            Ok(entry) => entry_tuple(py, &entry),
            Err(error) if error.is(code::USAGE_NO_SUCH_ENTRY) => {
                let near = py.detach(|| {
                    let entries = archive.entries().map_while(Result::ok).take(names::MOST);
                    names::near(path, entries.map(|entry| entry.path.as_str().to_owned()))
                });
                let message =
                    format!("no entry has the path {path:?}{}", names::hint(&near, "iterate over the archive for all"));
                Err(errors::usage(py, code::USAGE_NO_SUCH_ENTRY, message))
            }
            Err(error) => Err(errors::raise(py, error)),
        }
    }

    fn entries(&self, py: Python<'_>, start: u64) -> PyResult<EntryIterator> {
        Ok(EntryIterator::new(Arc::clone(&self.handle), self.handle.archive(py)?.entries(), start))
    }

    fn entries_arrow<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyCapsule>> {
        let batches = crate::entries::EntryBatches::new(self.handle.archive(py)?);
        crate::capsule::stream(py, Box::new(batches), self.handle.id())
    }

    fn open_entry(&self, py: Python<'_>, path: &str) -> PyResult<EntryReader> {
        let archive = self.handle.archive(py)?;
        let reader = py.detach(|| archive.open_entry(path)).or_raise(py)?;
        Ok(EntryReader::new(Arc::clone(&self.handle), reader))
    }

    fn stream(&self, py: Python<'_>, name: &str) -> PyResult<Stream> {
        let archive = self.handle.archive(py)?;
        match archive.stream(name) {
            Ok(stream) => Ok(Stream::new(Arc::clone(&self.handle), &stream)),
            Err(error) if error.is(code::USAGE_NO_SUCH_STREAM) => {
                let near = names::near(name, archive.streams().iter().map(|stream| stream.name().to_owned()));
                let message =
                    format!("no stream is called {name:?}{}", names::hint(&near, "iterate over `streams` for all"));
                Err(errors::usage(py, code::USAGE_NO_SUCH_STREAM, message))
            }
            Err(error) => Err(errors::raise(py, error)),
        }
    }

    fn descriptor_set<'py>(&self, py: Python<'py>, number: u32) -> PyResult<Bound<'py, PyBytes>> {
        let archive = self.handle.archive(py)?;
        let set = py.detach(|| archive.descriptor_set(number)).or_raise(py)?;
        Ok(PyBytes::new(py, set))
    }

    fn proto_files(&self, py: Python<'_>, number: u32) -> PyResult<Vec<(String, String)>> {
        let archive = self.handle.archive(py)?;
        py.detach(|| archive.proto_files(number)).or_raise(py)
    }

    #[pyo3(signature = (*, records, progress))]
    fn verify<'py>(&self, py: Python<'py>, records: bool, progress: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyDict>> {
        let (archive, monitor) = self.again(py)?;
        let options = VerifyOptions::new().records(records);
        let report = work::run(py, &monitor, progress, || archive()?.verify(&options))?;
        reports::verify(py, &report)
    }

    #[pyo3(signature = (target, *, patterns, exclude, links, modes, sync, merge, names, strip_components, progress))]
    #[allow(clippy::too_many_arguments)]
    fn extract<'py>(
        &self,
        py: Python<'py>,
        target: std::path::PathBuf,
        patterns: Vec<String>,
        exclude: Vec<String>,
        links: &str,
        modes: &str,
        sync: bool,
        merge: Option<&str>,
        names: &str,
        strip_components: usize,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let mut options = ExtractOptions::new()
            .links(choose(
                py,
                "links",
                links,
                &[("refuse", Links::Refuse), ("skip", Links::Skip), ("keep", Links::Keep)],
            )?)
            .modes(choose(py, "modes", modes, &[("umask", Modes::Umask), ("exact", Modes::Exact)])?)
            .names(choose(py, "names", names, &[("any", Names::Any), ("portable", Names::Portable)])?)
            .sync(sync)
            .strip_components(strip_components);
        if let Some(merge) = merge {
            let known = [
                ("never", Overwrite::Never),
                ("newer", Overwrite::Newer),
                ("always", Overwrite::Always),
                ("refuse", Overwrite::Refuse),
            ];
            options = options.merge(choose(py, "merge", merge, &known)?);
        }
        let options = patterns.into_iter().fold(options, ExtractOptions::pattern);
        let options = exclude.into_iter().fold(options, ExtractOptions::exclude);
        let (archive, monitor) = self.again(py)?;
        let report = work::run(py, &monitor, progress, || archive()?.extract(&target, &options))?;
        reports::extract(py, &report)
    }

    #[pyo3(signature = (new, *, times, include, exclude, progress))]
    fn diff<'py>(
        &self,
        py: Python<'py>,
        new: &Self,
        times: bool,
        include: Vec<String>,
        exclude: Vec<String>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let options = rosettar::DiffOptions::new().times(times);
        let options = include.into_iter().fold(options, rosettar::DiffOptions::include);
        let options = exclude.into_iter().fold(options, rosettar::DiffOptions::exclude);
        let (archive, monitor) = self.again(py)?;
        let new = new.handle.archive(py)?;
        let difference = work::run(py, &monitor, progress, || archive()?.diff(&new, &options))?;
        reports::difference(py, &difference)
    }
}

impl Archive {
    /// The same archive opened anew, with a monitor of its own: what one call counts and stops is not another's.
    fn again(
        &self,
        py: Python<'_>,
    ) -> PyResult<(impl FnOnce() -> rosettar::Result<rosettar::Archive> + Send, Monitor)> {
        let Open { archive, source, options, .. } = self.handle.open(py)?;
        let monitor = Monitor::new();
        let options = options.monitor(monitor.clone());
        let open = move || {
            let again = options.open(source)?;
            if again.facts() != archive.facts() {
                let message = "the archive is another than when it was opened: open it again";
                return Err(rosettar::Error::new(code::IO_SOURCE_CHANGED, message));
            }
            Ok(again)
        };
        Ok((open, monitor))
    }
}

/// The value of `known` that `option` names.
pub fn choose<T: Copy>(py: Python<'_>, option: &str, value: &str, known: &[(&str, T)]) -> PyResult<T> {
    known.iter().find(|(name, _)| *name == value).map(|(_, chosen)| *chosen).ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let message = format!("option {option}: expected one of {}, found {value:?}", names.join(", "));
        errors::usage(py, code::USAGE_OPTION, message)
    })
}
