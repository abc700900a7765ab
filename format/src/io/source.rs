//! Reading at offsets.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::dir::uninterrupted;
use crate::error::{Error, Result, code};

/// Bytes that can be read at any offset, from any thread, without a shared position.
///
/// Files are read with positioned reads and never mapped into memory: a mapped file that another process truncates
/// kills the reader with SIGBUS.
///
/// ```
/// use rosettar::io::ReadAt;
///
/// let mut word = [0; 5];
/// b"hello world".as_slice().read_exact_at(&mut word, 6)?;
/// assert_eq!(&word, b"world");
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait ReadAt: Send + Sync {
    /// The number of bytes there are.
    ///
    /// # Errors
    /// The operating system's, and `Unsupported` or `IsADirectory` for something that has no size to rely on.
    fn size(&self) -> io::Result<u64>;

    /// Reads into `buf` from `offset` on, as much as is at hand; 0 means that `offset` is at or past the end, or that
    /// `buf` is empty.
    ///
    /// # Errors
    /// The operating system's. `Interrupted` may be tried again.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills `buf` from `offset` on. An interrupted read is tried again.
    ///
    /// # Errors
    /// `UnexpectedEof` where the bytes end before `buf` is full, otherwise as [`read_at`](Self::read_at).
    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        let wanted = buf.len();
        while !buf.is_empty() {
            match self.read_at(buf, offset) {
                Ok(0) => {
                    let found = wanted - buf.len();
                    return Err(io::Error::new(
                        ErrorKind::UnexpectedEof,
                        format!("expected {wanted} more bytes, found {found} before the end"),
                    ));
                }
                Ok(read) => {
                    let rest = buf.get_mut(read..).ok_or_else(|| {
                        io::Error::new(ErrorKind::InvalidData, "read_at returned more than the buffer holds")
                    })?;
                    buf = rest;
                    offset = offset.saturating_add(read as u64);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl ReadAt for File {
    /// The size of a regular file. Directories, pipes, terminals and devices state none that can be relied on and are
    /// refused.
    fn size(&self) -> io::Result<u64> {
        let metadata = uninterrupted(|| self.metadata())?;
        if metadata.is_file() {
            Ok(metadata.len())
        } else if metadata.is_dir() {
            Err(io::Error::new(ErrorKind::IsADirectory, "expected a regular file, found a directory"))
        } else {
            Err(io::Error::new(
                ErrorKind::Unsupported,
                "expected a regular file, found a pipe or device; copy it to a file first",
            ))
        }
    }

    #[cfg(unix)]
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buf, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(self, buf, offset)
    }

    #[cfg(not(any(unix, windows)))]
    fn read_at(&self, _buf: &mut [u8], _offset: u64) -> io::Result<usize> {
        Err(io::Error::new(ErrorKind::Unsupported, "this system has no positioned reads; use a byte slice"))
    }
}

/// A file whose errors of reading say which it is.
///
/// ```no_run
/// let file = rosettar::io::NamedFile::open("notes.rtar")?;
/// let archive = rosettar::open(file)?;
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Debug)]
pub struct NamedFile {
    file: File,
    path: PathBuf,
}

impl NamedFile {
    /// Opens the file at `path` for reading.
    ///
    /// # Errors
    /// `io.file`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        match File::open(&path) {
            Ok(file) => Ok(Self { file, path }),
            Err(error) => Err(Error::io(code::IO_FILE, format_args!("cannot open {}", path.display()), error)),
        }
    }

    /// The file itself.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn named(&self, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
    }
}

impl ReadAt for NamedFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size().map_err(|error| self.named(error))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        ReadAt::read_at(&self.file, buf, offset).map_err(|error| match error.kind() {
            ErrorKind::Interrupted => error,
            _ => self.named(error),
        })
    }
}

impl ReadAt for [u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> io::Result<u64> {
        self.as_slice().size()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.as_slice().read_at(buf, offset)
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: ReadAt + ?Sized> ReadAt for $pointer {
            fn size(&self) -> io::Result<u64> {
                (**self).size()
            }

            fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
                (**self).read_at(buf, offset)
            }

            fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
                (**self).read_exact_at(buf, offset)
            }
        }
    )*};
}

forward!(&T, Box<T>, Arc<T>);

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Gives one byte at a time and is interrupted before each.
    struct Halting(Vec<u8>, AtomicUsize);

    impl ReadAt for Halting {
        fn size(&self) -> io::Result<u64> {
            self.0.size()
        }

        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            if self.1.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                return Err(ErrorKind::Interrupted.into());
            }
            let len = buf.len().min(1);
            self.0.read_at(&mut buf[..len], offset)
        }
    }

    #[test]
    fn every_kind_of_source_reads_alike() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let bytes = b"0123456789";
        let sources: [Box<dyn ReadAt>; 6] = [
            Box::new(file),
            Box::new(bytes.as_slice()),
            Box::new(bytes.to_vec()),
            Box::new(Arc::<[u8]>::from(bytes.as_slice())),
            Box::new(Arc::new(bytes.to_vec())),
            Box::new(Halting(bytes.to_vec(), AtomicUsize::new(0))),
        ];
        for source in &sources {
            assert_eq!(source.size().unwrap(), 10);
            let mut buf = [0; 4];
            source.read_exact_at(&mut buf, 6).unwrap();
            assert_eq!(&buf, b"6789");
            let error = source.read_exact_at(&mut buf, 7).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            assert!(error.to_string().contains("expected 4 more bytes, found 3"), "{error}");
            source.read_exact_at(&mut [], u64::MAX).unwrap();
            assert_eq!(source.read_exact_at(&mut buf, 1 << 62).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn a_source_that_claims_too_much_is_an_error_not_a_panic() {
        struct Liar;
        impl ReadAt for Liar {
            fn size(&self) -> io::Result<u64> {
                Ok(0)
            }
            fn read_at(&self, buf: &mut [u8], _: u64) -> io::Result<usize> {
                Ok(buf.len() + 1)
            }
        }
        assert_eq!(Liar.read_exact_at(&mut [0; 2], 0).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn a_sparse_file_of_a_tebibyte_has_its_size() {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(1 << 40).unwrap();
        assert_eq!(file.size().unwrap(), 1 << 40);
        io::Seek::seek(&mut file, io::SeekFrom::Start((1 << 40) - 1)).unwrap();
        file.write_all(b"x").unwrap();
        let mut last = [0];
        file.read_exact_at(&mut last, (1 << 40) - 1).unwrap();
        assert_eq!(&last, b"x");
    }

    #[cfg(unix)]
    #[test]
    fn directories_and_devices_have_no_size() {
        let directory = File::open(std::env::temp_dir()).unwrap();
        assert_eq!(directory.size().unwrap_err().kind(), ErrorKind::IsADirectory);
        let device = File::open("/dev/null").unwrap();
        assert_eq!(device.size().unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
