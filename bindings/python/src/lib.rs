//! The native part of the Python package `rosettar`.

mod command;
mod errors;
mod work;
mod writing;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(command::run_command, module)?)?;
    module.add_function(wrap_pyfunction!(writing::compile_proto, module)?)?;
    module.add_class::<writing::RawWriter>()
}
