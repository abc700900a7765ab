//! Errors of the core as the Python classes of `rosettar/_errors.py`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The Python exception that stands for `error`: of the class of its kind, with code, offset and entry.
///
/// What a Python object of the caller's raised, such as a file that is read, becomes its cause; what ends a program, such
/// as `KeyboardInterrupt`, is passed on as it is.
pub fn raise(py: Python<'_>, error: rosettar::Error) -> PyErr {
    let raised = python_cause(&error).map(|cause| cause.clone_ref(py));
    if let Some(raised) = &raised
        && !raised.is_instance_of::<pyo3::exceptions::PyException>(py)
    {
        return raised.clone_ref(py);
    }
    match make(py, &error) {
        Ok(exception) => {
            let error = PyErr::from_value(exception);
            if raised.is_some() {
                error.set_cause(py, raised);
            }
            error
        }
        Err(failed) => failed,
    }
}

/// The Python exception object that stands for `error`.
///
/// # Errors
/// Where the package's Python part cannot be imported.
pub fn make<'py>(py: Python<'py>, error: &rosettar::Error) -> PyResult<Bound<'py, PyAny>> {
    let make = MAKE.get_or_try_init(py, || py.import("rosettar._errors")?.getattr("make_error").map(Bound::unbind))?;
    let errno = os_error(error);
    let parts = (error.kind().as_str(), error.code(), error.message(), error.offset(), error.entry(), errno);
    make.bind(py).call1(parts)
}

/// Turns the error of a result into a Python exception.
pub trait OrRaise<T> {
    /// The value, or the exception that stands for the error.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for rosettar::Result<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| raise(py, error))
    }
}

/// A fault of the caller's with one of the core's codes.
pub fn usage(py: Python<'_>, code: rosettar::error::Code, message: impl Into<String>) -> PyErr {
    raise(py, rosettar::Error::new(code, message))
}

/// Goes down the chain of causes to the first that `find` knows.
fn in_chain<'e, T>(
    error: &'e rosettar::Error,
    find: impl Fn(&'e (dyn std::error::Error + 'static)) -> Option<T>,
) -> Option<T> {
    let mut at = std::error::Error::source(error);
    while let Some(cause) = at {
        if let Some(found) = find(cause) {
            return Some(found);
        }
        // An io::Error with an error inside names that one's source as its own.
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        at = match inner {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}

fn python_cause(error: &rosettar::Error) -> Option<&PyErr> {
    in_chain(error, |cause| cause.downcast_ref::<PyErr>())
}

/// The operating system's number of an error, or the one that stands for its kind.
fn os_error(error: &rosettar::Error) -> Option<i32> {
    use std::io::ErrorKind;
    let io = in_chain(error, |cause| cause.downcast_ref::<std::io::Error>())?;
    let stands_for = || match io.kind() {
        ErrorKind::NotFound => Some(2),
        ErrorKind::PermissionDenied => Some(13),
        ErrorKind::AlreadyExists => Some(17),
        ErrorKind::NotADirectory => Some(20),
        ErrorKind::IsADirectory => Some(21),
        _ => None,
    };
    in_chain(error, |cause| cause.downcast_ref::<std::io::Error>()?.raw_os_error()).or_else(stands_for)
}
