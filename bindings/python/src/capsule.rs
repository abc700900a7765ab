//! Arrow's C interface in Python's capsules.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{ArrowError, SchemaRef};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::gil;
use crate::turn::{Id, drop_detached};

/// What a stream of record batches is read from.
pub type Reader = Box<dyn RecordBatchReader + Send>;

/// An `ArrowArrayStream` in a capsule, as `__arrow_c_stream__` returns it; `source` is what its archive is read from.
pub fn stream(py: Python<'_>, reader: Reader, source: Id) -> PyResult<Bound<'_, PyCapsule>> {
    let stream = FFI_ArrowArrayStream::new(Box::new(Detached { reader: Some(reader), source }));
    PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
}

/// An `ArrowSchema` in a capsule, as `__arrow_c_schema__` returns it.
pub fn schema<'py>(py: Python<'py>, schema: &SchemaRef) -> PyResult<Bound<'py, PyCapsule>> {
    let schema = FFI_ArrowSchema::try_from(schema.as_ref())
        .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))?;
    PyCapsule::new_with_value(py, schema, c"arrow_schema")
}

/// A reader whose work is done without the GIL, whether whoever asks for a batch has it or not: threads that read a Python
/// file need it meanwhile.
struct Detached {
    reader: Option<Reader>,
    source: Id,
}

impl Iterator for Detached {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let refused = gil::attached(|py| self.source.check(py, "the archive").map_err(|error| as_text(&error)));
        if let Some(Err(refused)) = refused {
            return Some(Err(refused));
        }
        let reader = self.reader.as_mut()?;
        // A panic must not unwind into whoever called through the C interface.
        let mut next = AssertUnwindSafe(|| {
            catch_unwind(AssertUnwindSafe(|| reader.next())).unwrap_or_else(|_| {
                let message = "an internal fault of rosettar ended the stream; please report it";
                Some(Err(ArrowError::ExternalError(message.into())))
            })
        });
        let stopped = gil::attached(|py| {
            let stopped = py.check_signals().is_err();
            if stopped {
                // The error below is what the consumer raises; the interruption itself comes again after it.
                // SAFETY: the call has no preconditions; it only marks that a signal has come.
                unsafe { pyo3::ffi::PyErr_SetInterrupt() };
                return (true, None);
            }
            let batch = py.detach(&mut *next);
            (false, Some(batch.map(|batch| batch.map_err(|error| as_text(&error)))))
        });
        match stopped {
            Some((true, _)) => Some(Err(ArrowError::ExternalError("interrupted [usage.interrupted]".into()))),
            Some((false, batch)) => batch.flatten(),
            None => next.0(),
        }
    }
}

/// An error as text alone. What Python raised may be in it, which needs the interpreter to be shown or dropped, and whoever
/// asked for the batch may have released that.
fn as_text(error: &(dyn std::error::Error + 'static)) -> ArrowError {
    let text = match error.downcast_ref() {
        Some(ArrowError::ExternalError(source)) => source.to_string(),
        _ => error.to_string(),
    };
    ArrowError::ExternalError(text.into())
}

impl RecordBatchReader for Detached {
    fn schema(&self) -> SchemaRef {
        self.reader.as_ref().map_or_else(|| SchemaRef::new(arrow_schema::Schema::empty()), |reader| reader.schema())
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        let reader = self.reader.take();
        if self.source.is_forked() {
            // Its threads are not in this process, and would be waited for.
            std::mem::forget(reader);
            return;
        }
        drop_detached(reader);
    }
}
