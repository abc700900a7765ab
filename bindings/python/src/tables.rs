//! Tables that another library hands over, by the Arrow PyCapsule interface.

use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use rosettar::Error;
use rosettar::error::code;

/// The batches of anything with `__arrow_c_stream__`.
pub fn import(table: &Bound<'_, PyAny>) -> PyResult<RecordBatchStreamReader> {
    let Some(method) = table.getattr_opt("__arrow_c_stream__")? else {
        let found = table.get_type().name()?;
        let message = format!(
            "expected a table with __arrow_c_stream__, such as one of pyarrow, polars or pandas, found {found}"
        );
        return Err(PyTypeError::new_err(message));
    };
    let capsule = method.call0()?.cast_into::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(c"arrow_array_stream"))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: a capsule of this name holds a valid ArrowArrayStream (Arrow PyCapsule interface), whose name was checked
    // just now. It is moved out, and what stays is marked as released, so that the capsule frees nothing twice; the
    // capsule itself is alive until the end of this function, and the interpreter is held, so that nobody else takes it.
    let reader = unsafe { RecordBatchStreamReader::from_raw(pointer.as_ptr()) };
    reader.map_err(|error| PyValueError::new_err(format!("the table's Arrow stream cannot be read: {error}")))
}

/// What went wrong with the stream of another library.
pub fn cannot_read(error: &arrow_schema::ArrowError) -> Error {
    Error::new(code::USAGE_INPUT, format!("the table's Arrow stream failed: {error}"))
}
