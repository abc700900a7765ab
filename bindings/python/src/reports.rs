//! Facts and reports as dicts.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use rosettar::diff::Sides;
use rosettar::{Difference, ExtractReport, Facts, Mtime, StreamInfo, VerifyReport};

use crate::conversion;
use crate::entries::entry_tuple;
use crate::errors;

pub fn time<'py>(py: Python<'py>, time: Mtime) -> PyResult<Bound<'py, PyAny>> {
    py.import("rosettar._times")?.getattr("make_timestamp")?.call1((time.seconds, time.nanoseconds))
}

/// What an archive says of itself.
pub fn facts<'py>(py: Python<'py>, facts: &Facts) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("format", &facts.format)?;
    dict.set_item("size", facts.size)?;
    dict.set_item("root_digest", facts.root_digest.map(|digest| digest.to_string()))?;
    dict.set_item("content_digest", facts.content_digest.map(|digest| digest.to_string()))?;
    dict.set_item("producer", &facts.manifest.producer)?;
    dict.set_item("created", facts.manifest.created.map(|created| time(py, created)).transpose()?)?;
    dict.set_item("attributes", &facts.manifest.attributes)?;
    dict.set_item("required_features", &facts.manifest.required_features)?;
    dict.set_item("schemas", facts.schemas)?;
    let streams = PyDict::new(py);
    for info in &facts.streams {
        streams.set_item(info.name(), stream(py, info)?)?;
    }
    dict.set_item("streams", streams)?;
    let totals = &facts.totals;
    dict.set_item("entries", totals.user_entries())?;
    dict.set_item("files", totals.files)?;
    dict.set_item("directories", totals.directories)?;
    dict.set_item("symlinks", totals.symlinks)?;
    dict.set_item("file_bytes", totals.file_bytes)?;
    dict.set_item("records", totals.records)?;
    dict.set_item("tar_bytes", totals.tar_bytes)?;
    dict.set_item("frames", facts.frames)?;
    dict.set_item("pages", facts.pages)?;
    dict.set_item("c1z", facts.c1z.as_deref().map(|c1z| conversion::c1z(py, c1z)).transpose()?)?;
    Ok(dict)
}

/// What an archive says of a stream.
pub fn stream<'py>(py: Python<'py>, info: &StreamInfo) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("name", info.name())?;
    dict.set_item("type_name", info.type_name())?;
    dict.set_item("schema", info.declaration.schema)?;
    dict.set_item("schema_version", info.declaration.schema_version)?;
    dict.set_item("records", info.records)?;
    dict.set_item("size", info.size)?;
    dict.set_item("batches", info.batches)?;
    dict.set_item("digest", info.digest.to_string())?;
    Ok(dict)
}

/// The arguments of `VerifyReport`.
pub fn verify<'py>(py: Python<'py>, report: &VerifyReport) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let problems = report.problems.iter().map(|problem| errors::make(py, problem));
    dict.set_item("problems", PyList::new(py, problems.collect::<PyResult<Vec<_>>>()?)?)?;
    dict.set_item("more_problems", report.more_problems)?;
    dict.set_item("damaged", &report.damaged)?;
    dict.set_item("proven", &report.proven)?;
    dict.set_item("unproven", &report.unproven)?;
    dict.set_item("stored_bytes", report.stored_bytes)?;
    dict.set_item("decoded_bytes", report.decoded_bytes)?;
    dict.set_item("entries", report.entries)?;
    dict.set_item("records", report.records)?;
    dict.set_item("records_decoded", report.records_decoded)?;
    Ok(dict)
}

/// The arguments of `ExtractReport`.
pub fn extract<'py>(py: Python<'py>, report: &ExtractReport) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("files", report.files)?;
    dict.set_item("directories", report.directories)?;
    dict.set_item("symlinks", report.symlinks)?;
    dict.set_item("bytes", report.bytes)?;
    dict.set_item("skipped", &report.skipped)?;
    dict.set_item("stripped", report.stripped)?;
    dict.set_item("kept", &report.kept)?;
    dict.set_item("replaced", report.replaced)?;
    dict.set_item("left_behind", &report.left_behind)?;
    Ok(dict)
}

/// Both sides of something, each as `convert` gives it.
fn sides<'py, T>(
    py: Python<'py>,
    sides: &Sides<T>,
    convert: impl Fn(&T) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("change", sides.change().as_str())?;
    dict.set_item("old", sides.old.as_ref().map(&convert).transpose()?)?;
    dict.set_item("new", sides.new.as_ref().map(&convert).transpose()?)?;
    Ok(dict)
}

/// The arguments of `Difference`: for each kind of thing, dicts with `change`, `old`, `new` and what it is about.
pub fn difference<'py>(py: Python<'py>, difference: &Difference) -> PyResult<Bound<'py, PyDict>> {
    let text = |text: &String| Ok(text.into_pyobject(py)?.into_any());
    let aspects = |aspects: &[rosettar::diff::Aspect]| aspects.iter().map(|aspect| aspect.as_str()).collect::<Vec<_>>();
    let dict = PyDict::new(py);
    let entries = PyList::empty(py);
    for one in &difference.entries {
        let item = sides(py, &one.sides, |entry| entry_tuple(py, entry))?;
        item.set_item("path", one.path())?;
        item.set_item("aspects", aspects(&one.aspects))?;
        entries.append(item)?;
    }
    dict.set_item("entries", entries)?;
    let streams = PyList::empty(py);
    for one in &difference.streams {
        let item = sides(py, &one.sides, |info| Ok(stream(py, info)?.into_any()))?;
        item.set_item("name", one.name())?;
        item.set_item("aspects", aspects(&one.aspects))?;
        item.set_item("first_record", one.first_record)?;
        streams.append(item)?;
    }
    dict.set_item("streams", streams)?;
    let schemas = PyList::empty(py);
    for one in &difference.schemas {
        let item = sides(py, &one.sides, text)?;
        item.set_item("name", &one.name)?;
        item.set_item("element", one.element.as_str())?;
        item.set_item("aspects", aspects(&one.aspects))?;
        schemas.append(item)?;
    }
    dict.set_item("schemas", schemas)?;
    let attributes = PyList::empty(py);
    for one in &difference.attributes {
        let item = sides(py, &one.sides, text)?;
        item.set_item("key", &one.key)?;
        attributes.append(item)?;
    }
    dict.set_item("attributes", attributes)?;
    let annotations = PyList::empty(py);
    for one in &difference.annotations {
        let item = sides(py, &one.sides, |value| Ok(PyBytes::new(py, value).into_any()))?;
        item.set_item("type_url", &one.type_url)?;
        annotations.append(item)?;
    }
    dict.set_item("annotations", annotations)?;
    dict.set_item("annotations_reordered", difference.annotations_reordered)?;
    let facts = PyDict::new(py);
    if let Some(format) = &difference.format {
        facts.set_item("format", sides(py, format, text)?)?;
    }
    if let Some(producer) = &difference.producer {
        facts.set_item("producer", sides(py, producer, text)?)?;
    }
    if let Some(created) = &difference.created {
        facts.set_item("created", sides(py, created, |created| time(py, *created))?)?;
    }
    if let Some(features) = &difference.required_features {
        let names = |names: &Vec<String>| Ok(names.into_pyobject(py)?.into_any());
        facts.set_item("required_features", sides(py, features, names)?)?;
    }
    dict.set_item("facts", facts)?;
    dict.set_item("not_compared", &difference.not_compared)?;
    dict.set_item("same", difference.is_same())?;
    Ok(dict)
}
