//! Long work: the GIL released, progress told, and Ctrl-C heard.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use pyo3::prelude::*;
use rosettar::Monitor;
use rosettar::error::code;

use crate::errors::OrRaise;

/// How long the calling thread waits before it tells of progress and looks for signals.
const PAUSE: Duration = Duration::from_millis(50);

/// Does `work` on a thread of its own, and returns what it returns. Meanwhile the calling thread, with the GIL released
/// but for that, calls `progress(done, total)` and the handlers of signals about twenty times a second. Once either
/// raises, `monitor` is told to stop, the end of the work is awaited, and the exception is raised.
///
/// `monitor` must be the one that the work counts on.
pub fn run<T: Send>(
    py: Python<'_>,
    monitor: &Monitor,
    progress: Option<Py<PyAny>>,
    work: impl FnOnce() -> rosettar::Result<T> + Send,
) -> PyResult<T> {
    let tell = |py: Python<'_>| match &progress {
        Some(progress) => progress.bind(py).call1((monitor.bytes(), monitor.total())).map(drop),
        None => Ok(()),
    };
    let done = std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let work = move || {
            // Nobody listens any more where the caller was interrupted.
            let _ = sender.send(work());
        };
        let worker = std::thread::Builder::new()
            .spawn_scoped(scope, work)
            .map_err(|error| rosettar::Error::io(code::IO_RESOURCES, "cannot start a thread", error))
            .or_raise(py)?;
        let mut receiver = Some(receiver);
        let outcome = loop {
            let waited = py.detach(|| {
                // A receiver cannot be shared, so it is moved into the closure and back.
                let own = receiver.take();
                let waited = own.as_ref().map(|receiver| receiver.recv_timeout(PAUSE));
                (waited, own)
            });
            let (waited, own) = waited;
            receiver = own;
            match waited {
                Some(Ok(done)) => break Ok(done),
                Some(Err(RecvTimeoutError::Timeout)) => {
                    if let Err(raised) = py.check_signals().and_then(|()| tell(py)) {
                        monitor.stop();
                        break Err(raised);
                    }
                }
                // The work panicked; joining it says how.
                Some(Err(RecvTimeoutError::Disconnected)) | None => break Err(panicked()),
            }
        };
        // Without the GIL: the work may need it to end, to read a Python file for one.
        match py.detach(|| worker.join()) {
            Ok(()) => outcome,
            Err(_) => Err(panicked()),
        }
    })?;
    let done = done.or_raise(py)?;
    tell(py)?;
    Ok(done)
}

fn panicked() -> PyErr {
    pyo3::exceptions::PyRuntimeError::new_err("an internal fault of rosettar ended the work; please report it")
}
