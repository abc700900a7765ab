//! What an archive is read from.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::sync::MutexExt as _;
use rosettar::io::{NamedFile, ReadAt};

use crate::errors::OrRaise as _;
use crate::turn::Id;

/// A source that several archives can share.
#[derive(Clone)]
pub struct Source {
    at: Arc<dyn ReadAt>,
    id: Id,
}

impl Source {
    /// What stands for it: a thread that reads it from Python is at work with it.
    pub fn id(&self) -> Id {
        self.id
    }
}

impl ReadAt for Source {
    fn size(&self) -> io::Result<u64> {
        self.at.size()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.at.read_at(buf, offset)
    }
}

/// A Python `bytes` object, not copied.
struct Bytes(PyBackedBytes);

impl ReadAt for Bytes {
    fn size(&self) -> io::Result<u64> {
        self.0.as_ref().size()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.as_ref().read_at(buf, offset)
    }
}

/// A binary file object of Python's that seeks. It has one position, so only one thread reads at a time.
struct File {
    file: Py<PyAny>,
    size: u64,
    turn: Mutex<()>,
    id: Id,
}

impl File {
    /// Takes `file`, whose size is where its end is.
    fn new(file: &Bound<'_, PyAny>, id: Id) -> PyResult<Self> {
        let end = file.call_method1("seek", (0, 2))?;
        let end = if end.is_none() { file.call_method0("tell")? } else { end };
        let size = end.extract().map_err(|_| {
            let message =
                format!("seek(0, 2) of the file object: expected the place of its end, found {}", found(&end));
            pyo3::exceptions::PyOSError::new_err(message)
        })?;
        Ok(Self { file: file.clone().unbind(), size, turn: Mutex::new(()), id })
    }

    fn read(&self, py: Python<'_>, buf: &mut [u8], offset: u64) -> PyResult<usize> {
        let file = self.file.bind(py);
        file.call_method1("seek", (offset,))?;
        let read = file.call_method1("read", (buf.len(),))?;
        let read: PyBackedBytes = read.extract().map_err(|_| {
            let message = format!("read({}) of the file object: expected bytes, found {}", buf.len(), found(&read));
            pyo3::exceptions::PyOSError::new_err(message)
        })?;
        let Some(room) = buf.get_mut(..read.len()) else {
            let message = format!("read({}) of the file object: found {} bytes, which is more", buf.len(), read.len());
            return Err(pyo3::exceptions::PyOSError::new_err(message));
        };
        room.copy_from_slice(&read);
        Ok(read.len())
    }
}

impl ReadAt for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = Python::try_attach(|py| {
            // As one more line of defence: whoever is called from Python asks before it comes to this.
            self.id.check(py, "the file object")?;
            // The turn is waited for without the GIL, which who has the turn needs; it is kept while Python runs.
            let _turn = self.turn.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
            let _at_work = self.id.enter();
            self.read(py, buf, offset)
        });
        match read {
            Some(Ok(read)) => Ok(read),
            Some(Err(error)) => Err(io::Error::other(error)),
            None => Err(io::Error::other("the Python interpreter is shutting down")),
        }
    }
}

/// The source that a path, `bytes` or a binary file object stands for.
pub fn of(source: &Bound<'_, PyAny>) -> PyResult<Source> {
    let id = Id::new();
    let at: Arc<dyn ReadAt> = if let Ok(data) = source.extract::<PyBackedBytes>() {
        Arc::new(Bytes(data))
    } else if let Ok(path) = source.extract::<std::path::PathBuf>() {
        let py = source.py();
        Arc::new(py.detach(|| NamedFile::open(path)).or_raise(py)?)
    } else {
        Arc::new(File::new(source, id)?)
    };
    Ok(Source { at, id })
}

/// A value as a message names it: numbers as they are, of others the type.
fn found(value: &Bound<'_, PyAny>) -> String {
    match value.is_instance_of::<pyo3::types::PyInt>() {
        true => value.to_string(),
        false => value.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string()),
    }
}
