//! The native part of the Python package `rosettar`.

mod archive;
mod arrow;
mod capsule;
mod entries;
mod errors;
mod names;
mod records;
mod reports;
mod source;
mod values;
mod work;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<archive::Archive>()?;
    module.add_class::<entries::EntryIterator>()?;
    module.add_class::<entries::EntryReader>()?;
    module.add_class::<records::Stream>()?;
    module.add_class::<records::RecordIterator>()
}
