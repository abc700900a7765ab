//! Content whose size is not known until its end: held in memory up to a bound, then in a file without a name.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use super::ReadAt;
use super::dir::Dir;
use crate::error::{Error, Result, code};

/// How many bytes are moved at a time.
const CHUNK: usize = 64 << 10;

/// Takes content in, to be read again once its size is known.
///
/// Up to the bound it is held in memory, beyond it in a file that has no name (or loses it at once), is readable by its
/// owner only, and is gone when the spool is dropped or the process dies.
///
/// ```
/// use std::io::{Read as _, Write as _};
///
/// let mut spool = rosettar::io::Spool::new(1 << 20);
/// spool.write_all(b"content")?;
/// let mut content = spool.finish();
/// assert_eq!(content.size(), 7);
/// let mut text = String::new();
/// content.read_to_string(&mut text)?;
/// assert_eq!(text, "content");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Spool {
    memory: Vec<u8>,
    bound: usize,
    directory: PathBuf,
    file: Option<File>,
    size: u64,
    failed: bool,
}

impl Spool {
    /// A spool that keeps at most `bound` bytes in memory, and more in the system's directory for temporary files.
    pub fn new(bound: usize) -> Self {
        Self::in_directory(bound, std::env::temp_dir())
    }

    /// As [`new`](Self::new), with the file, if one is needed, in `directory`.
    pub fn in_directory(bound: usize, directory: impl Into<PathBuf>) -> Self {
        Self { memory: Vec::new(), bound, directory: directory.into(), file: None, size: 0, failed: false }
    }

    /// Takes in everything that `source` has left, and returns how many bytes that were.
    ///
    /// # Errors
    /// `io.read` where `source` fails, `io.write` where the spool does.
    pub fn fill_from(&mut self, mut source: impl Read) -> Result<u64> {
        let mut chunk = vec![0; CHUNK];
        let mut taken = 0;
        loop {
            match source.read(&mut chunk) {
                Ok(0) => return Ok(taken),
                Ok(read) => {
                    self.write_all(&chunk[..read]).map_err(|error| {
                        Error::io(code::IO_WRITE, format!("spooling to {}", self.directory.display()), error)
                    })?;
                    taken += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io(code::IO_READ, "reading content to spool", error)),
            }
        }
    }

    /// The number of bytes taken in.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Ends the intake; what is returned reads from the beginning.
    pub fn finish(self) -> Spooled {
        let store = match self.file {
            Some(file) => Store::File(file),
            None => Store::Memory(self.memory),
        };
        Spooled { store, size: self.size, position: 0 }
    }
}

impl Write for Spool {
    /// Takes in all of `bytes`. After a failure every further call fails, because what was taken in is not known.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed {
            return Err(io::Error::other("an earlier write to this spool failed"));
        }
        if self.file.is_none() && bytes.len() <= self.bound.saturating_sub(self.memory.len()) {
            self.memory.extend_from_slice(bytes);
        } else {
            self.failed = true;
            if self.file.is_none() {
                let mut file = Dir::open(&self.directory)?.unnamed_file()?;
                file.write_all(&self.memory)?;
                self.memory = Vec::new();
                self.file = Some(file);
            }
            if let Some(file) = &mut self.file {
                file.write_all(bytes)?;
            }
            self.failed = false;
        }
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a [`Spool`] took in. Reads from its own position, and at any offset.
#[derive(Debug)]
pub struct Spooled {
    store: Store,
    size: u64,
    position: u64,
}

#[derive(Debug)]
enum Store {
    Memory(Vec<u8>),
    File(File),
}

impl Spooled {
    /// The number of bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Sets the position of reading back to the beginning.
    pub fn rewind(&mut self) {
        self.position = 0;
    }
}

impl Read for Spooled {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.read_at(buf, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl ReadAt for Spooled {
    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.store {
            Store::Memory(bytes) => bytes.read_at(buf, offset),
            Store::File(file) => file.read_at(buf, offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_up_to_the_bound_and_a_file_beyond_give_the_same() {
        let temp = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        for (bound, in_file) in [(200_000, false), (199_999, true), (0, true)] {
            let mut spool = Spool::in_directory(bound, temp.path());
            for piece in content.chunks(777) {
                spool.write_all(piece).unwrap();
            }
            assert_eq!(spool.file.is_some(), in_file, "bound {bound}");
            assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0, "a name was left behind");
            let mut spooled = spool.finish();
            assert_eq!(spooled.size(), 200_000);
            for _ in 0..2 {
                let mut found = Vec::new();
                spooled.read_to_end(&mut found).unwrap();
                assert!(found == content, "bound {bound}");
                spooled.rewind();
            }
            let mut tail = [0; 3];
            spooled.read_exact_at(&mut tail, 199_997).unwrap();
            assert_eq!(tail, content[199_997..]);
            assert!(spooled.read_exact_at(&mut tail, 199_998).is_err());
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_only() {
        use std::os::unix::fs::MetadataExt as _;
        let mut spool = Spool::new(0);
        spool.write_all(b"x").unwrap();
        let metadata = spool.file.as_ref().unwrap().metadata().unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.nlink()), (0o600, 0));
    }

    #[test]
    fn a_failing_source_and_a_failing_spool_are_told_apart() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let error = Spool::new(0).fill_from(Failing).unwrap_err();
        assert_eq!(error.code(), "io.read");
        let mut spool = Spool::in_directory(2, "/nonexistent-rosettar");
        assert_eq!(spool.fill_from(&b"ab"[..]).unwrap(), 2);
        assert_eq!(spool.fill_from(&b"c"[..]).unwrap_err().code(), "io.write");
        assert_eq!(spool.size(), 2);
        assert!(spool.write(b"d").is_err(), "a failed spool took in more");
    }
}
