//! Recovery of broken archives, and its report as a dict.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rosettar::error::code;
use rosettar::recover::{Listed, Losses};
use rosettar::{Error, Monitor, RecoverOptions, WriteOptions};

use crate::writing::{PythonFile, summary_dict};
use crate::{limits, source, work};

/// Salvages what is whole of `source` into a new archive: at `path`, or else in the file object `file`. Returns its summary
/// and what was lost.
#[pyfunction]
#[pyo3(signature = (source, path, file, *, level, limits, threads, progress))]
#[allow(clippy::too_many_arguments)]
pub fn recover<'py>(
    py: Python<'py>,
    source: &Bound<'py, PyAny>,
    path: Option<PathBuf>,
    file: Option<Py<PyAny>>,
    level: i32,
    limits: Vec<(String, String)>,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyDict>, bool)> {
    let kept = limits::of(py, &limits)?;
    let source = source::of(source)?;
    let monitor = Monitor::new();
    let mut options = WriteOptions::new().level(level).limits(kept.for_writing());
    if let Some(threads) = threads {
        options = options.threads(threads);
    }
    let recovery = RecoverOptions::new().limits(kept).monitor(monitor.clone());
    let report = work::run(py, &monitor, progress, move || {
        let writer = match (path, file) {
            (Some(path), _) => options.create(path)?,
            (None, Some(file)) => options.write_to(PythonFile(file))?,
            (None, None) => return Err(Error::new(code::USAGE_OPTION, "neither a path nor a file to write to")),
        };
        recovery.recover(source, writer)
    })?;
    Ok((summary_dict(py, &report.summary)?, losses(py, &report.losses)?, report.is_complete()))
}

/// The elements of a list, and under `more_NAME` how many more there are than it holds.
fn listed<'py, T>(
    dict: &Bound<'py, PyDict>,
    name: &str,
    listed: &Listed<T>,
    convert: impl Fn(&T) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<()> {
    let list = PyList::empty(dict.py());
    for item in &listed.items {
        list.append(convert(item)?)?;
    }
    dict.set_item(name, list)?;
    dict.set_item(format!("more_{name}"), listed.more)
}

/// A dict of what `$value` has in these fields.
macro_rules! fields {
    ($py:ident, $value:ident: $($field:ident),+) => {{
        let dict = PyDict::new($py);
        $(dict.set_item(stringify!($field), &$value.$field)?;)+
        dict
    }};
}

fn losses<'py>(py: Python<'py>, losses: &Losses) -> PyResult<Bound<'py, PyDict>> {
    let dict = fields!(py, losses: source_size, by_index, chain_end, unknown_entries, entries, file_bytes, records);
    listed(&dict, "damaged", &losses.damaged, |one| Ok(fields!(py, one: offset, length, why).into_any()))?;
    listed(&dict, "lost_entries", &losses.lost_entries, |one| {
        let item = fields!(py, one: path, size, why);
        item.set_item("kind", one.kind.as_str())?;
        Ok(item.into_any())
    })?;
    listed(&dict, "lost_records", &losses.lost_records, |one| {
        Ok(fields!(py, one: stream, first, count, why).into_any())
    })?;
    listed(&dict, "lost_schemas", &losses.lost_schemas, |one| Ok(fields!(py, one: number, why).into_any()))?;
    listed(&dict, "lost_facts", &losses.lost_facts, |one| Ok(one.into_pyobject(py)?.into_any()))?;
    listed(
        &dict,
        "kept_as_files",
        &losses.kept_as_files,
        |one| Ok(fields!(py, one: stream, path, records).into_any()),
    )?;
    Ok(dict)
}
