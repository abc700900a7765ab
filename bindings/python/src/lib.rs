//! The native part of the Python package `rosettar`.

mod allocator;
mod archive;
mod arrow;
mod capsule;
mod command;
mod conversion;
mod entries;
mod errors;
mod gil;
mod limits;
mod names;
mod records;
mod recovery;
mod reports;
mod source;
mod tables;
mod turn;
mod values;
mod work;
mod writing;

use pyo3::prelude::*;

#[global_allocator]
static ALLOCATOR: allocator::BySize = allocator::BySize;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(command::run_command, module)?)?;
    module.add_function(wrap_pyfunction!(writing::compile_proto, module)?)?;
    module.add_function(wrap_pyfunction!(recovery::recover, module)?)?;
    module.add_function(wrap_pyfunction!(conversion::convert, module)?)?;
    module.add_function(wrap_pyfunction!(conversion::read_header, module)?)?;
    module.add_class::<writing::RawWriter>()?;
    module.add_class::<archive::Archive>()?;
    module.add_class::<entries::EntryIterator>()?;
    module.add_class::<entries::EntryReader>()?;
    module.add_class::<records::Stream>()?;
    module.add_class::<records::ReadReport>()?;
    module.add_class::<records::RecordIterator>()
}
