//! The interpreter, for what other libraries call.

use pyo3::ffi;
use pyo3::prelude::*;

/// Does `work` with the interpreter; `None` where there is none any more.
///
/// `Python::try_attach` takes a thread that is within a call of pyo3's for one that has the interpreter. That does not hold
/// for what Arrow's C interface calls: such a call may have run Python code, which called a library that released the
/// interpreter, which asks for a batch.
pub fn attached<T>(work: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    // SAFETY: the call has no preconditions.
    if unsafe { ffi::Py_IsInitialized() } == 0 {
        return None;
    }
    // SAFETY: there is an interpreter. Whether this thread has it is looked at by the call, which may be nested.
    let _ensured = Ensured(unsafe { ffi::PyGILState_Ensure() });
    Python::try_attach(work)
}

struct Ensured(ffi::PyGILState_STATE);

impl Drop for Ensured {
    fn drop(&mut self) {
        // SAFETY: it is what the matching call returned on this thread, and whatever was begun after that has ended: the
        // value is private to the function above, which is the only one that makes it.
        unsafe { ffi::PyGILState_Release(self.0) };
    }
}
