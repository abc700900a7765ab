//! Directories by path, for systems without directory descriptors in the standard library.
//!
//! Between a check and the step that relies on it another process could put a link in place; on such systems extract
//! only where no one else may write. Modes are reduced to the read-only flag of files.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileTimes, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Kind, Stat, Time};

/// A directory known by its path.
#[derive(Debug)]
pub(crate) struct Dir(PathBuf);

impl Dir {
    /// Takes the directory at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        if !fs::metadata(path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self(std::path::absolute(path)?))
    }

    /// Takes the directory `name`; a symbolic link is an error.
    pub(crate) fn child(&self, name: &OsStr) -> io::Result<Self> {
        match self.stat(name)?.kind {
            Kind::Directory => Ok(Self(self.0.join(name))),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// As [`child`](Self::child).
    pub(crate) fn child_made_accessible(&self, name: &OsStr) -> io::Result<Self> {
        self.child(name)
    }

    /// Takes the directory at `path`, relative and with `/` between components, following no link.
    pub(crate) fn below(&self, path: &str) -> io::Result<Self> {
        let mut dir = Self(self.0.clone());
        for component in path.split('/') {
            if matches!(component, "" | "." | "..") {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "a component is empty, `.` or `..`"));
            }
            dir = dir.child(OsStr::new(component))?;
        }
        Ok(dir)
    }

    /// Makes the directory `name`.
    pub(crate) fn create_dir(&self, name: &OsStr, _mode: u32) -> io::Result<()> {
        fs::create_dir(self.0.join(name))
    }

    /// Makes the file `name`, which must be free.
    pub(crate) fn create_file(&self, name: &OsStr, _mode: u32) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(self.0.join(name))
    }

    /// Makes the directory `name`. There is no way to mark it.
    pub(crate) fn create_marked_dir(&self, name: &OsStr) -> io::Result<()> {
        self.create_dir(name, 0o700)
    }

    /// There are no marks. What depends on them is not done without a lock, either, which there is none of.
    pub(crate) fn is_marked(&self) -> io::Result<bool> {
        Ok(true)
    }

    /// Opens the file `name` for reading; a symbolic link is an error.
    pub(crate) fn open_file(&self, name: &OsStr) -> io::Result<File> {
        if self.stat(name)?.kind != Kind::File {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a regular file"));
        }
        File::open(self.0.join(name))
    }

    /// Makes the symbolic link `name`, to a directory where `target` is one now.
    pub(crate) fn create_symlink(&self, target: &OsStr, name: &OsStr) -> io::Result<()> {
        #[cfg(windows)]
        {
            let link = self.0.join(name);
            let target = PathBuf::from(target.to_string_lossy().replace('/', "\\"));
            match self.0.join(&target).is_dir() {
                true => std::os::windows::fs::symlink_dir(target, link),
                false => std::os::windows::fs::symlink_file(target, link),
            }
        }
        #[cfg(not(windows))]
        {
            let _ = (target, name);
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// Sets the time of the file `name`. The standard library cannot set that of a link itself or of a directory; they
    /// keep the time of their making.
    pub(crate) fn set_mtime_of(&self, name: &OsStr, mtime: Time) -> io::Result<()> {
        match self.stat(name)?.kind {
            Kind::File => set_file_mtime(&OpenOptions::new().write(true).open(self.0.join(name))?, mtime),
            _ => Ok(()),
        }
    }

    /// The target of the symbolic link `name`, with `/` between components.
    pub(crate) fn read_link(&self, name: &OsStr) -> io::Result<OsString> {
        let target = fs::read_link(self.0.join(name))?.into_os_string();
        Ok(match target.into_string() {
            Ok(text) if cfg!(windows) => text.replace('\\', "/").into(),
            Ok(text) => text.into(),
            Err(target) => target,
        })
    }

    /// Renames `from` here to `to` in another directory, replacing what is there.
    pub(crate) fn rename(&self, from: &OsStr, into: &Self, to: &OsStr) -> io::Result<()> {
        fs::rename(self.0.join(from), into.0.join(to))
    }

    /// Renames `from` here to `to` in another directory, where `to` must be free.
    pub(crate) fn rename_new(&self, from: &OsStr, into: &Self, to: &OsStr) -> io::Result<()> {
        if self.stat(from)?.kind == Kind::File && fs::hard_link(self.0.join(from), into.0.join(to)).is_ok() {
            return self.remove_file(from);
        }
        match fs::symlink_metadata(into.0.join(to)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.rename(from, into, to),
            Err(error) => Err(error),
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }

    /// There is no way to swap two names.
    pub(crate) fn exchange(&self, _from: &OsStr, _into: &Self, _to: &OsStr) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Removes `name`, which is not a directory; a link to a directory is removed itself.
    pub(crate) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        let path = self.0.join(name);
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_symlink() {
            return fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
        }
        let mut permissions = metadata.permissions();
        if permissions.readonly() {
            // Windows refuses to remove a read-only file.
            #[allow(clippy::permissions_set_readonly_false)]
            permissions.set_readonly(false);
            fs::set_permissions(&path, permissions)?;
        }
        fs::remove_file(path)
    }

    /// Removes the empty directory `name`.
    pub(crate) fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_dir(self.0.join(name))
    }

    /// What stands under `name`, itself: a symbolic link is not followed.
    pub(crate) fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        convert(&fs::symlink_metadata(self.0.join(name))?)
    }

    /// The facts about this directory.
    pub(crate) fn stat_self(&self) -> io::Result<Stat> {
        convert(&fs::metadata(&self.0)?)
    }

    /// The names in this directory, in no order.
    pub(crate) fn list(&self) -> io::Result<Vec<OsString>> {
        fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// Directories have no mode here.
    pub(crate) fn set_mode(&self, _mode: u32) -> io::Result<()> {
        Ok(())
    }

    /// The standard library cannot open a directory to set its time; it keeps the one it has.
    pub(crate) fn set_mtime(&self, _mtime: Time) -> io::Result<()> {
        Ok(())
    }

    /// Names are the file system's own to make durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// There is no call for it in the standard library.
    pub(crate) fn sync_file_system(&self) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system cannot sync a whole file system; leave out `sync`"))
    }

    /// There is no lock on directories.
    pub(crate) fn lock(&self) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// There is no lock to give back.
    pub(super) fn unlock(&self) {}

    /// There is no process file system.
    pub(crate) fn is_procfs(&self) -> io::Result<bool> {
        Ok(false)
    }

    /// There is no umask; the customary one keeps modes sensible.
    pub(crate) fn umask(&self) -> io::Result<u32> {
        Ok(0o022)
    }

    /// A file for reading and writing that is gone when it is closed.
    pub(crate) fn unnamed_file(&self) -> io::Result<File> {
        #[cfg(windows)]
        {
            use std::os::windows::fs::OpenOptionsExt as _;
            const DELETE_ON_CLOSE: u32 = 0x0400_0000;
            super::with_random_name(|digits| {
                OpenOptions::new()
                    .read(true)
                    .write(true)
                    .create_new(true)
                    .share_mode(0)
                    .custom_flags(DELETE_ON_CLOSE)
                    .open(self.0.join(format!(".rosettar-{digits}.tmp")))
            })
        }
        #[cfg(not(windows))]
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Makes a file read-only where no one may write it under `mode`.
pub(crate) fn set_file_mode(file: &File, mode: u32) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(mode & 0o222 == 0);
    file.set_permissions(permissions)
}

/// Sets a file's time of modification.
pub(crate) fn set_file_mtime(file: &File, (seconds, nanoseconds): Time) -> io::Result<()> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    let time = time.and_then(|time| time.checked_add(Duration::from_nanos(nanoseconds.into())));
    let time = time.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the time is out of range"))?;
    file.set_times(FileTimes::new().set_modified(time))
}

/// The facts about an open file.
pub(crate) fn stat_file(file: &File) -> io::Result<Stat> {
    convert(&file.metadata()?)
}

/// Nobody's business here.
pub(crate) fn keep_owner(_file: &File, _owner: (u32, u32), mode: u32) -> io::Result<u32> {
    Ok(mode)
}

/// The facts about what stands at `path`, symbolic links followed.
pub(crate) fn stat_path(path: &Path) -> io::Result<Stat> {
    convert(&fs::metadata(path)?)
}

/// There is no lock to give back.
pub(crate) fn unlock_file(_file: &File) {}

/// There are no advisory locks that leave readers alone.
pub(crate) fn lock_file(_file: &File) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

fn convert(metadata: &Metadata) -> io::Result<Stat> {
    let kind = match metadata.file_type() {
        kind if kind.is_symlink() => Kind::Symlink,
        kind if kind.is_dir() => Kind::Directory,
        kind if kind.is_file() => Kind::File,
        _ => Kind::Other("a file of an unknown type"),
    };
    let writable = if metadata.permissions().readonly() { 0 } else { 0o200 };
    let mode = writable | if kind == Kind::Directory { 0o555 } else { 0o444 };
    Ok(Stat {
        owner: (0, 0),
        kind,
        mode,
        size: metadata.len(),
        mtime: floor(metadata.modified()?),
        ctime: (0, 0),
        dev: 0,
        ino: 0,
    })
}

/// Seconds rounded down, so that the nanoseconds after them are never negative.
fn floor(time: SystemTime) -> Time {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (i64::try_from(after.as_secs()).unwrap_or(i64::MAX), after.subsec_nanos()),
        Err(error) => {
            let before = error.duration();
            let seconds = -i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => (seconds, 0),
                nanoseconds => (seconds - 1, 1_000_000_000 - nanoseconds),
            }
        }
    }
}
