//! What an archive is read from.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::sync::MutexExt as _;
use rosettar::io::{NamedFile, ReadAt};

use crate::errors::OrRaise as _;

/// A source that several archives can share.
pub type Source = Arc<dyn ReadAt>;

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
    /// Who has the turn: a file whose `read` reads the archive it is the source of would wait for itself.
    reader: Mutex<Option<ThreadId>>,
}

impl File {
    /// Takes `file`, whose size is where its end is.
    fn new(file: &Bound<'_, PyAny>) -> PyResult<Self> {
        let size = file.call_method1("seek", (0, 2))?;
        let size = if size.is_none() { file.call_method0("tell")? } else { size };
        let size = size.extract()?;
        Ok(Self { file: file.clone().unbind(), size, turn: Mutex::new(()), reader: Mutex::new(None) })
    }

    fn read(&self, py: Python<'_>, buf: &mut [u8], offset: u64) -> PyResult<usize> {
        let file = self.file.bind(py);
        file.call_method1("seek", (offset,))?;
        let read = file.call_method1("read", (buf.len(),))?;
        let read: PyBackedBytes = read.extract()?;
        let Some(room) = buf.get_mut(..read.len()) else {
            let message = format!("read({}) of the file object returned {} bytes", buf.len(), read.len());
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
        let own = std::thread::current().id();
        if *self.reader.lock().unwrap_or_else(PoisonError::into_inner) == Some(own) {
            return Err(io::Error::other("reading the file object reads the archive that is in it"));
        }
        let read = Python::try_attach(|py| {
            // The turn is waited for without the GIL, which who has the turn needs; it is kept while Python runs.
            let turn = self.turn.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
            *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(own);
            let read = self.read(py, buf, offset);
            *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = None;
            drop(turn);
            read
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
    if let Ok(data) = source.extract::<PyBackedBytes>() {
        return Ok(Arc::new(Bytes(data)));
    }
    if let Ok(path) = source.extract::<std::path::PathBuf>() {
        let py = source.py();
        return Ok(Arc::new(py.detach(|| NamedFile::open(path)).or_raise(py)?));
    }
    Ok(Arc::new(File::new(source)?))
}
