//! Converting between formats.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rosettar::convert::{ConvertOptions, ConvertReport, Target, convert_database, convert_directory};
use rosettar::model::C1zFacts;
use rosettar::{Monitor, ReadOptions};

use crate::errors::OrRaise as _;
use crate::{limits, reports, source, work};

/// How a conversion is done.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Settings {
    lossy: bool,
    engine: Option<String>,
    schema_version: u32,
    manifest: Option<Vec<u8>>,
    level: i32,
    threads: Option<usize>,
}

/// Converts `source`, an archive, or with `kind` a directory or a database, to the file at `path`.
#[pyfunction]
#[pyo3(signature = (source, kind, path, to, settings, limits, progress))]
#[allow(clippy::too_many_arguments)]
pub fn convert<'py>(
    py: Python<'py>,
    source: &Bound<'py, PyAny>,
    kind: &str,
    path: PathBuf,
    to: &str,
    settings: Settings,
    limits: Vec<(String, String)>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let kept = limits::of(py, &limits)?;
    let target: Target = to.parse::<Target>().or_raise(py)?;
    let monitor = Monitor::new();
    let mut options = ConvertOptions::new(target)
        .lossy(settings.lossy)
        .level(settings.level)
        .limits(kept.clone())
        .monitor(monitor.clone());
    if let Some(threads) = settings.threads {
        options = options.threads(threads);
    }
    if let Some(engine) = settings.engine {
        options = options.engine(engine, settings.schema_version);
    }
    if let Some(manifest) = settings.manifest {
        options = options.manifest(manifest);
    }
    let report = match kind {
        "directory" | "database" => {
            let from: PathBuf = source.extract()?;
            let directory = kind == "directory";
            work::run(py, &monitor, progress, move || match directory {
                true => convert_directory(from, path, &options),
                false => convert_database(from, path, &options),
            })?
        }
        _ => {
            let source = source::of(source)?;
            work::run(py, &monitor, progress, move || {
                ReadOptions::new().limits(kept).open(source)?.convert(path, &options)
            })?
        }
    };
    report_dict(py, &report)
}

/// What stands at the beginning of an archive.
#[pyfunction]
pub fn read_header<'py>(
    py: Python<'py>,
    source: &Bound<'py, PyAny>,
    limits: Vec<(String, String)>,
) -> PyResult<Bound<'py, PyDict>> {
    let kept = limits::of(py, &limits)?;
    let source = source::of(source)?;
    let facts = py.detach(move || ReadOptions::new().limits(kept).header(source)).or_raise(py)?;
    reports::facts(py, &facts)
}

fn report_dict<'py>(py: Python<'py>, report: &ConvertReport) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let losses = PyList::empty(py);
    for loss in &report.losses {
        losses.append((loss.what, loss.count, &loss.example))?;
    }
    dict.set_item("losses", losses)?;
    dict.set_item("size", report.size)?;
    dict.set_item("files", report.files)?;
    dict.set_item("directories", report.directories)?;
    dict.set_item("symlinks", report.symlinks)?;
    dict.set_item("file_bytes", report.file_bytes)?;
    dict.set_item("records", report.records)?;
    dict.set_item("copied_bytes", report.copied_bytes)?;
    Ok(dict)
}

/// What is particular to a C1Z file.
pub fn c1z<'py>(py: Python<'py>, c1z: &C1zFacts) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("version", c1z.version)?;
    dict.set_item("payload_size", c1z.payload_size)?;
    dict.set_item("remarks", &c1z.remarks)?;
    let manifest = c1z.manifest.as_ref();
    dict.set_item("engine", manifest.map(|manifest| &manifest.engine))?;
    dict.set_item("engine_schema_version", manifest.map(|manifest| manifest.engine_schema_version))?;
    dict.set_item("encoding", manifest.map(|manifest| manifest.encoding.as_str()))?;
    let runs = PyList::empty(py);
    for run in manifest.into_iter().flat_map(|manifest| &manifest.sync_runs) {
        let row = PyDict::new(py);
        row.set_item("sync_id", &run.sync_id)?;
        row.set_item("type", run.kind_name())?;
        row.set_item("started_at", run.started_at.map(|time| reports::time(py, time)).transpose()?)?;
        row.set_item("ended_at", run.ended_at.map(|time| reports::time(py, time)).transpose()?)?;
        row.set_item("parent_sync_id", &run.parent_sync_id)?;
        let stats = run.stats.as_ref().map(|stats| -> PyResult<_> {
            let counts = PyDict::new(py);
            counts.set_item("resource_types", stats.resource_types)?;
            counts.set_item("resources", stats.resources)?;
            counts.set_item("entitlements", stats.entitlements)?;
            counts.set_item("grants", stats.grants)?;
            counts.set_item("assets", stats.assets)?;
            Ok(counts)
        });
        row.set_item("stats", stats.transpose()?)?;
        runs.append(row)?;
    }
    dict.set_item("sync_runs", runs)?;
    Ok(dict)
}
