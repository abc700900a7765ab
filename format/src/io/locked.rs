//! A file that is to be replaced by another made from it, while others may want to do the same.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dir::{Kind, Stat, lock_file, stat_file, stat_path, unlock_file};
use super::{NamedFile, ReadAt};
use crate::error::{Error, Result, code};

/// The least and the most time between two attempts to take a lock.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// A file held open for reading under an advisory lock, so that those who replace it by something made from it do so one
/// after another. Clones share the file; the lock ends with the last of them.
///
/// The lock (`flock`) is on the file itself, so that it needs no file beside it that could stay behind; whoever gets it
/// makes sure that the path still leads to that file. Readers take none, and are never kept waiting. On a file system
/// without locks there is none, and it is the [check](Self::check_unchanged) before publication that finds another
/// writer.
///
/// ```
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("a.rtar");
/// # rosettar::WriteOptions::new().create(&path)?.finish()?;
/// let file = rosettar::io::LockedFile::open(&path, |_waited| Ok(()))?;
/// let archive = rosettar::open(file.clone())?;
/// let mut writer = rosettar::WriteOptions::new().continue_from(&archive).source_file(&file).create(&path)?;
/// writer.attribute("checked", "yes")?;
/// writer.finish()?;
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LockedFile(Arc<Locked>);

#[derive(Debug)]
struct Locked {
    file: NamedFile,
    stat: Stat,
    /// The descriptor that has the lock, where it is not that of the file.
    lock: Option<File>,
}

impl Drop for Locked {
    fn drop(&mut self) {
        // A process that another thread has just begun may still have a copy of the descriptor.
        unlock_file(self.lock.as_ref().unwrap_or_else(|| self.file.file()));
    }
}

impl LockedFile {
    /// Opens the file at `path` and locks it. While somebody else holds the lock, `wait` is called again and again with
    /// the time that has gone by; an error that it returns ends the wait.
    ///
    /// # Errors
    /// `io.file` where the file cannot be opened or is no regular file, and what `wait` returns.
    pub fn open(path: impl AsRef<Path>, mut wait: impl FnMut(Duration) -> Result<()>) -> Result<Self> {
        let path = path.as_ref();
        let cannot = |error| Error::io(code::IO_FILE, format_args!("cannot open {}", path.display()), error);
        let (start, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            // Nothing else can be replaced; and opening a FIFO may take for ever.
            if stat_path(path).map_err(cannot)?.kind != Kind::File {
                return Err(cannot(io::Error::new(io::ErrorKind::InvalidInput, "expected a regular file")));
            }
            // Opened anew each time: who held the lock may have put another file in the place of this one.
            let file = NamedFile::open(path)?;
            if let Some(lock) = take_lock(&file, path) {
                let stat = stat_file(file.file()).map_err(cannot)?;
                match stat_path(path) {
                    Ok(now) if stat.is_same_file(&now) => return Ok(Self(Arc::new(Locked { file, stat, lock }))),
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot(error)),
                    // Another file is being put in its place.
                    _ => {}
                }
            }
            wait(start.elapsed())?;
            std::thread::sleep(pause);
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        self.0.file.path()
    }

    /// Makes sure that the file is as it was when it was opened (size, time of modification, time of change), and that
    /// its path still leads to it.
    ///
    /// # Errors
    /// `io.source-changed`.
    pub fn check_unchanged(&self) -> Result<()> {
        let reason = match stat_path(self.path()) {
            Ok(there) => self.0.stat.change(&there),
            Err(error) => Some(format!("it cannot be found any more: {error}")),
        };
        reason.map_or(Ok(()), |reason| Err(self.changed(&reason)))
    }

    /// Whether `stat` is of this file.
    pub(crate) fn is(&self, stat: &Stat) -> bool {
        self.0.stat.is_same_file(stat)
    }

    /// Device and inode.
    pub(crate) fn identity(&self) -> (u64, u64) {
        (self.0.stat.dev, self.0.stat.ino)
    }

    pub(crate) fn changed(&self, reason: &str) -> Error {
        let path = self.path().display();
        let message = format!("{path} changed while it was being read: {reason}; nothing was published, try again");
        Error::new(code::IO_SOURCE_CHANGED, message)
    }
}

/// `None` where somebody else holds the lock. Any other failure means that there are no locks here.
fn take_lock(file: &NamedFile, path: &Path) -> Option<Option<File>> {
    /// On a descriptor for reading, network file systems have no such lock.
    const EBADF: i32 = 9;
    match lock_file(file.file()) {
        Ok(true) => Some(None),
        Ok(false) => None,
        Err(error) if error.raw_os_error() == Some(EBADF) => {
            let Ok(writable) = File::options().read(true).write(true).open(path) else { return Some(None) };
            match lock_file(&writable) {
                Ok(true) => Some(Some(writable)),
                Ok(false) => None,
                Err(_) => Some(None),
            }
        }
        Err(_) => Some(None),
    }
}

impl ReadAt for LockedFile {
    fn size(&self) -> io::Result<u64> {
        self.0.file.size()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.file.read_at(buf, offset)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn one_after_another() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        fs::write(&path, "one").unwrap();
        let first = LockedFile::open(&path, |_| panic!("nobody holds it")).unwrap();
        let mut asked = 0;
        let gave_up = LockedFile::open(&path, |_| {
            asked += 1;
            if asked == 3 { Err(Error::new(code::USAGE_INTERRUPTED, "interrupted")) } else { Ok(()) }
        });
        assert_eq!((gave_up.unwrap_err().code(), asked), ("usage.interrupted", 3));
        // Who waits gets the file that replaced the one it waited for, even while that one is still held.
        let second = LockedFile::open(&path, |_| {
            fs::write(temp.path().join("b"), "other").unwrap();
            fs::rename(temp.path().join("b"), &path).unwrap();
            Ok(())
        });
        let second = second.unwrap();
        assert_eq!((first.size().unwrap(), second.size().unwrap()), (3, 5));
        assert_eq!(first.check_unchanged().unwrap_err().code(), "io.source-changed");
        second.check_unchanged().unwrap();
        drop(second);
        LockedFile::open(&path, |_| panic!("nobody holds it any more")).unwrap();
    }

    #[test]
    fn every_change_is_seen() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        let change = |what: &str, change: &dyn Fn()| {
            fs::write(&path, "one").unwrap();
            let file = LockedFile::open(&path, |_| Ok(())).unwrap();
            file.check_unchanged().unwrap();
            change();
            let error = file.check_unchanged().unwrap_err();
            assert!(error.code() == "io.source-changed" && error.message().contains(what), "{what}: {error}");
        };
        change("its size was 3 bytes and is 4", &|| fs::write(&path, "four").unwrap());
        change("it was modified", &|| {
            let times = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
            fs::File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
        });
        change("links", &|| fs::hard_link(&path, temp.path().join("link")).unwrap());
        change("cannot be found", &|| fs::remove_file(&path).unwrap());
    }
}
