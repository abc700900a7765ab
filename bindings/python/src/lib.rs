//! The native part of the Python package `rosettar`.

#[allow(dead_code)]
mod errors;
#[allow(dead_code)]
mod work;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
