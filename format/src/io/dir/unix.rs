//! Directories by descriptor.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawMode, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;

use super::{Kind, Stat, Time, with_random_name};

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The mark of a directory is its sticky bit.
const STICKY: u32 = 0o1000;
const MARKED: u32 = 0o700 | STICKY;

/// A directory held open by its descriptor.
#[derive(Debug)]
pub(crate) struct Dir(OwnedFd);

/// Set once `openat2` turns out to be missing or forbidden, so that it is not tried again for every entry.
#[cfg(target_os = "linux")]
static NO_OPENAT2: AtomicBool = AtomicBool::new(false);

impl Dir {
    /// Opens the directory at `path`, which is the user's own and may lead through symbolic links.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Ok(Self(retry(|| fs::open(path, DIRECTORY, Mode::empty()))?))
    }

    /// Opens the directory `name`; a symbolic link is an error.
    pub(crate) fn child(&self, name: &OsStr) -> io::Result<Self> {
        Ok(Self(retry(|| fs::openat(&self.0, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()))?))
    }

    /// As [`child`](Self::child), and gives the owner every permission on it, so that it can be listed and emptied. Only
    /// for directories that this process made.
    pub(crate) fn child_made_accessible(&self, name: &OsStr) -> io::Result<Self> {
        let all = Mode::RWXU;
        let dir = match self.child(name) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                retry(|| fs::chmodat(&self.0, name, all, AtFlags::empty()))?;
                self.child(name)?
            }
            result => result?,
        };
        if dir.stat_self()?.mode & 0o700 != 0o700 {
            retry(|| fs::fchmod(&dir.0, all))?;
        }
        Ok(dir)
    }

    /// Opens the directory at `path`, relative and with `/` between components, without leaving this directory and
    /// without following a symbolic link anywhere.
    pub(crate) fn below(&self, path: &str) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if !NO_OPENAT2.load(Ordering::Relaxed) {
            use fs::ResolveFlags;
            let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            match retry(|| fs::openat2(&self.0, path, DIRECTORY, Mode::empty(), how)) {
                Ok(fd) => return Ok(Self(fd)),
                // An old kernel, or a sandbox such as seccomp that forbids what it does not know.
                Err(Errno::NOSYS | Errno::PERM) => NO_OPENAT2.store(true, Ordering::Relaxed),
                // Longer than the kernel takes in one call, but not than the file system holds.
                Err(Errno::NAMETOOLONG) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.walk(path)
    }

    /// What [`below`](Self::below) does where there is no `openat2`: one component after the other.
    pub(super) fn walk(&self, path: &str) -> io::Result<Self> {
        let mut dir: Option<Self> = None;
        for component in path.split('/') {
            if matches!(component, "" | "." | "..") {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "a component is empty, `.` or `..`"));
            }
            dir = Some(dir.as_ref().unwrap_or(self).child(OsStr::new(component))?);
        }
        dir.ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    /// Makes the directory `name` with `mode`, from which the umask is taken.
    pub(crate) fn create_dir(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        Ok(retry(|| fs::mkdirat(&self.0, name, bits(mode)))?)
    }

    /// Makes the directory `name`, for its owner only, with the mark that [`is_marked`](Self::is_marked) looks for. On
    /// Linux that is one step.
    pub(crate) fn create_marked_dir(&self, name: &OsStr) -> io::Result<()> {
        self.create_dir(name, MARKED)?;
        // Other systems leave the bit out there.
        #[cfg(not(target_os = "linux"))]
        self.child(name)?.set_mode(MARKED)?;
        Ok(())
    }

    /// Whether this directory was made by [`create_marked_dir`](Self::create_marked_dir) for this user. No extraction
    /// makes one like it, as archives have nine permission bits, and no other user can.
    pub(crate) fn is_marked(&self) -> io::Result<bool> {
        let stat = retry(|| fs::fstat(&self.0))?;
        let own = stat.st_uid == rustix::process::geteuid().as_raw();
        Ok(own && convert(&stat).mode & STICKY != 0)
    }

    /// Makes the file `name`, which must be free, for writing; nothing is followed or opened that is there already.
    pub(crate) fn create_file(&self, name: &OsStr, mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(retry(|| fs::openat(&self.0, name, flags, bits(mode)))?.into())
    }

    /// Opens the file `name` for reading; a symbolic link is an error, and a FIFO does not make it wait.
    pub(crate) fn open_file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(retry(|| fs::openat(&self.0, name, flags, Mode::empty()))?.into())
    }

    /// Makes the symbolic link `name`, which must be free.
    pub(crate) fn create_symlink(&self, target: &OsStr, name: &OsStr) -> io::Result<()> {
        Ok(retry(|| fs::symlinkat(target, &self.0, name))?)
    }

    /// Sets the time of what stands under `name`, itself: a symbolic link is not followed.
    pub(crate) fn set_mtime_of(&self, name: &OsStr, mtime: Time) -> io::Result<()> {
        let times = timestamps(mtime)?;
        Ok(retry(|| fs::utimensat(&self.0, name, &times, AtFlags::SYMLINK_NOFOLLOW))?)
    }

    /// The target of the symbolic link `name`.
    pub(crate) fn read_link(&self, name: &OsStr) -> io::Result<OsString> {
        Ok(OsString::from_vec(retry(|| fs::readlinkat(&self.0, name, Vec::new()))?.into_bytes()))
    }

    /// Renames `from` here to `to` in another directory, replacing what is there.
    pub(crate) fn rename(&self, from: &OsStr, into: &Self, to: &OsStr) -> io::Result<()> {
        Ok(retry(|| fs::renameat(&self.0, from, &into.0, to))?)
    }

    /// Renames `from` here to `to` in another directory, where `to` must be free: `AlreadyExists` otherwise.
    ///
    /// On a file system without `RENAME_NOREPLACE` a file or link is linked and then unlinked, which is as exclusive. A
    /// directory cannot be linked; there a plain rename replaces an empty directory, and nothing else.
    pub(crate) fn rename_new(&self, from: &OsStr, into: &Self, to: &OsStr) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_vendor = "apple"))]
        match retry(|| fs::renameat_with(&self.0, from, &into.0, to, fs::RenameFlags::NOREPLACE)) {
            Err(Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => {}
            result => return Ok(result?),
        }
        self.rename_new_by_link(from, into, to)
    }

    /// What [`rename_new`](Self::rename_new) does where the system has no call for it.
    pub(super) fn rename_new_by_link(&self, from: &OsStr, into: &Self, to: &OsStr) -> io::Result<()> {
        if self.stat(from)?.kind == Kind::Directory {
            return match retry(|| fs::renameat(&self.0, from, &into.0, to)) {
                Err(Errno::NOTEMPTY | Errno::NOTDIR) => Err(Errno::EXIST.into()),
                result => Ok(result?),
            };
        }
        retry(|| fs::linkat(&self.0, from, &into.0, to, AtFlags::empty()))?;
        self.remove_file(from)
    }

    /// Swaps `from` here with `to` in another directory, both of which exist, in one step. `Unsupported` where that
    /// cannot be done.
    pub(crate) fn exchange(&self, from: &OsStr, into: &Self, to: &OsStr) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_vendor = "apple"))]
        match retry(|| fs::renameat_with(&self.0, from, &into.0, to, fs::RenameFlags::EXCHANGE)) {
            Err(Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => {}
            result => return Ok(result?),
        }
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Removes `name`, which is not a directory.
    pub(crate) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        Ok(retry(|| fs::unlinkat(&self.0, name, AtFlags::empty()))?)
    }

    /// Removes the empty directory `name`.
    pub(crate) fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        Ok(retry(|| fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR))?)
    }

    /// What stands under `name`, itself: a symbolic link is not followed.
    pub(crate) fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        Ok(convert(&retry(|| fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW))?))
    }

    /// The facts about this directory.
    pub(crate) fn stat_self(&self) -> io::Result<Stat> {
        Ok(convert(&retry(|| fs::fstat(&self.0))?))
    }

    /// The names in this directory, in no order, without `.` and `..`.
    pub(crate) fn list(&self) -> io::Result<Vec<OsString>> {
        // After an error the place in the directory is lost: an interrupted listing begins anew.
        Ok(retry(|| {
            let mut names = Vec::new();
            for entry in fs::Dir::read_from(&self.0)? {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if name != b"." && name != b".." {
                    names.push(OsStr::from_bytes(name).to_owned());
                }
            }
            Ok(names)
        })?)
    }

    /// Sets this directory's mode, whatever the umask.
    pub(crate) fn set_mode(&self, mode: u32) -> io::Result<()> {
        Ok(retry(|| fs::fchmod(&self.0, bits(mode)))?)
    }

    /// Sets this directory's time of modification.
    pub(crate) fn set_mtime(&self, mtime: Time) -> io::Result<()> {
        let times = timestamps(mtime)?;
        Ok(retry(|| fs::futimens(&self.0, &times))?)
    }

    /// Makes the names in this directory durable. A file system that has no such operation is taken at its word.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match retry(|| fs::fsync(&self.0)) {
            Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
            result => Ok(result?),
        }
    }

    /// Makes everything written so far to the file system of this directory durable.
    pub(crate) fn sync_file_system(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        retry(|| fs::syncfs(&self.0))?;
        #[cfg(not(target_os = "linux"))]
        fs::sync();
        Ok(())
    }

    /// Takes the advisory lock on this directory until it is dropped. `Ok(false)` where another process holds it.
    pub(crate) fn lock(&self) -> io::Result<bool> {
        lock(&self.0)
    }

    /// Gives the lock back. Closing the descriptor is not enough where another thread has just begun a process, which has
    /// a copy of it until it runs its program.
    pub(super) fn unlock(&self) {
        unlock(&self.0);
    }

    /// Whether this directory belongs to the kernel's process file system, whose links are not what they seem.
    pub(crate) fn is_procfs(&self) -> io::Result<bool> {
        #[cfg(target_os = "linux")]
        return Ok(retry(|| fs::fstatfs(&self.0))?.f_type == fs::PROC_SUPER_MAGIC);
        #[cfg(not(target_os = "linux"))]
        Ok(false)
    }

    /// The process's umask.
    ///
    /// The system call that tells it also changes it, for every thread. So it is read from `/proc`, or else seen in the
    /// mode of an empty file that is made in this directory and removed at once.
    pub(crate) fn umask(&self) -> io::Result<u32> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        match line.and_then(|text| u32::from_str_radix(text.trim(), 8).ok()) {
            Some(umask) => Ok(umask & 0o777),
            None => self.umask_by_probe(),
        }
    }

    /// What [`umask`](Self::umask) does without `/proc`.
    pub(super) fn umask_by_probe(&self) -> io::Result<u32> {
        with_random_name(|digits| {
            let name = OsString::from(format!(".rosettar-{digits}.tmp"));
            let file = self.create_file(&name, 0o777)?;
            let found = stat_file(&file);
            self.remove_file(&name)?;
            Ok(0o777 & !found?.mode)
        })
    }

    /// A file without a name in this directory, for reading and writing, which is gone when it is closed.
    pub(crate) fn unnamed_file(&self) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
        #[cfg(target_os = "linux")]
        if let Ok(fd) = retry(|| fs::openat(&self.0, ".", flags | OFlags::TMPFILE, bits(0o600))) {
            return Ok(fd.into());
        }
        with_random_name(|digits| {
            let name = OsString::from(format!(".rosettar-{digits}.tmp"));
            let fd = retry(|| fs::openat(&self.0, &name, flags | OFlags::CREATE | OFlags::NOFOLLOW, bits(0o600)))?;
            self.remove_file(&name)?;
            Ok(fd.into())
        })
    }
}

/// Sets a file's mode through its descriptor, whatever the umask.
pub(crate) fn set_file_mode(file: &File, mode: u32) -> io::Result<()> {
    Ok(retry(|| fs::fchmod(file, bits(mode)))?)
}

/// Gives a file that replaces another the owner and group of that, as far as this user may. The mode that it may have then:
/// where the group is another, that one may do no more than everybody.
pub(crate) fn keep_owner(file: &File, (user, group): (u32, u32), mode: u32) -> io::Result<u32> {
    let found = stat_file(file)?.owner;
    if found == (user, group) {
        return Ok(mode);
    }
    let chown = |user| retry(|| fs::fchown(file, user, Some(rustix::fs::Gid::from_raw(group))));
    if chown(Some(rustix::fs::Uid::from_raw(user))).is_ok() || chown(None).is_ok() {
        return Ok(mode);
    }
    let others = mode & 0o007;
    Ok(mode & !0o070 | mode & others << 3)
}

/// Sets a file's time of modification through its descriptor.
pub(crate) fn set_file_mtime(file: &File, mtime: Time) -> io::Result<()> {
    let times = timestamps(mtime)?;
    Ok(retry(|| fs::futimens(file, &times))?)
}

/// The facts about an open file.
pub(crate) fn stat_file(file: &File) -> io::Result<Stat> {
    Ok(convert(&retry(|| fs::fstat(file.as_fd()))?))
}

/// The facts about what stands at `path`, symbolic links followed.
pub(crate) fn stat_path(path: &Path) -> io::Result<Stat> {
    Ok(convert(&retry(|| fs::stat(path))?))
}

/// Takes the advisory lock on an open file until it is closed. `Ok(false)` where somebody else holds it.
pub(crate) fn lock_file(file: &File) -> io::Result<bool> {
    lock(file)
}

/// Gives the lock on an open file back, as [`Dir::unlock`] does.
pub(crate) fn unlock_file(file: &File) {
    unlock(file);
}

fn unlock(descriptor: impl AsFd) {
    // On a failure the lock goes with the descriptor.
    let _ = fs::flock(descriptor, fs::FlockOperation::Unlock);
}

fn lock(descriptor: impl AsFd) -> io::Result<bool> {
    match retry(|| fs::flock(descriptor.as_fd(), fs::FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Calls again what a signal interrupted. On network and user-space file systems that happens to any call, whatever its
/// man page says.
fn retry<T>(call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    rustix::io::retry_on_intr(call)
}

fn bits(mode: u32) -> Mode {
    Mode::from_raw_mode((mode & 0o7777) as RawMode)
}

/// The access time is left alone. Seconds that the system's type cannot hold are an error; those that only the file
/// system cannot hold are its own to clamp.
// The types of the fields differ from system to system.
#[allow(clippy::useless_conversion)]
fn timestamps((seconds, nanoseconds): Time) -> io::Result<Timestamps> {
    let tv_sec = seconds.try_into().map_err(|_| io::Error::from(Errno::OVERFLOW))?;
    Ok(Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ },
        last_modification: Timespec { tv_sec, tv_nsec: nanoseconds as _ },
    })
}

// The types of the fields differ from system to system.
#[allow(clippy::unnecessary_cast)]
fn convert(stat: &fs::Stat) -> Stat {
    let kind = match FileType::from_raw_mode(stat.st_mode as RawMode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Other("a FIFO"),
        FileType::Socket => Kind::Other("a socket"),
        FileType::CharacterDevice => Kind::Other("a character device"),
        FileType::BlockDevice => Kind::Other("a block device"),
        FileType::Unknown => Kind::Other("a file of an unknown type"),
    };
    Stat {
        owner: (stat.st_uid, stat.st_gid),
        kind,
        mode: stat.st_mode as u32 & 0o7777,
        size: stat.st_size as u64,
        mtime: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
        ctime: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        dev: stat.st_dev as u64,
        ino: stat.st_ino as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_opening_below_refuse_every_escape() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::create_dir(temp.path().join("outside")).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        std::os::unix::fs::symlink("../outside", root.join("up")).unwrap();
        std::os::unix::fs::symlink("a", root.join("in")).unwrap();
        std::os::unix::fs::symlink("/", root.join("a/abs")).unwrap();
        let dir = Dir::open(&root).unwrap();
        let expected = dir.child(OsStr::new("a")).unwrap().child(OsStr::new("b")).unwrap().stat_self().unwrap();
        for open in [Dir::below, Dir::walk] {
            assert_eq!(open(&dir, "a/b").unwrap().stat_self().unwrap(), expected);
            for path in ["up", "in", "in/b", "a/abs", "a/abs/etc", "file", "a/../../outside", "..", "/etc", ""] {
                assert!(open(&dir, path).is_err(), "{path:?} was opened");
            }
        }
    }

    #[test]
    fn a_path_longer_than_one_call_takes_is_walked() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let name = "n".repeat(250);
        let mut inner = Dir::open(temp.path()).unwrap();
        for _ in 0..20 {
            inner.create_dir(OsStr::new(&name), 0o777).unwrap();
            inner = inner.child(OsStr::new(&name)).unwrap();
        }
        let opened = dir.below(&vec![name.as_str(); 20].join("/")).unwrap();
        assert_eq!(opened.stat_self().unwrap(), inner.stat_self().unwrap());
        super::super::remove_tree(&dir, OsStr::new(&name)).unwrap();
        assert!(dir.list().unwrap().is_empty());
    }

    #[test]
    fn both_ways_of_renaming_to_a_free_name_replace_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let name = OsStr::new;
        for rename in [Dir::rename_new, Dir::rename_new_by_link] {
            std::fs::write(temp.path().join("from"), "new").unwrap();
            std::fs::write(temp.path().join("taken"), "old").unwrap();
            let error = rename(&dir, name("from"), &dir, name("taken")).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(std::fs::read(temp.path().join("taken")).unwrap(), b"old");
            rename(&dir, name("from"), &dir, name("free")).unwrap();
            assert_eq!(std::fs::read(temp.path().join("free")).unwrap(), b"new");
            dir.create_dir(name("d"), 0o777).unwrap();
            assert_eq!(rename(&dir, name("d"), &dir, name("taken")).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            rename(&dir, name("d"), &dir, name("e")).unwrap();
            for left in dir.list().unwrap() {
                super::super::remove_tree(&dir, &left).unwrap();
            }
        }
    }

    #[test]
    fn both_ways_of_finding_the_umask_agree() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        assert_eq!(dir.umask().unwrap(), dir.umask_by_probe().unwrap());
        assert!(dir.list().unwrap().is_empty());
    }

    /// Runs `test` in a thread without root's right to ignore modes.
    fn as_modes_count<T: Send>(test: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let test = || {
                #[cfg(target_os = "linux")]
                {
                    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
                    let mut sets = capabilities(None).unwrap();
                    sets.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
                    set_capabilities(None, sets).unwrap();
                }
                test()
            };
            scope.spawn(test).join().unwrap()
        })
    }

    #[test]
    fn removing_a_tree_follows_no_link_and_opens_closed_directories() {
        let temp = tempfile::tempdir().unwrap();
        let outside = temp.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("kept"), "").unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        std::fs::create_dir_all(temp.path().join("t/closed/deeper")).unwrap();
        std::fs::write(temp.path().join("t/closed/deeper/f"), "").unwrap();
        std::os::unix::fs::symlink("../outside", temp.path().join("t/link")).unwrap();
        let deeper = Dir::open(&temp.path().join("t/closed/deeper")).unwrap();
        deeper.set_mode(0).unwrap();
        Dir::open(&temp.path().join("t/closed")).unwrap().set_mode(0o500).unwrap();
        let modes_count = as_modes_count(|| {
            let modes_count = Dir::open(&temp.path().join("t/closed/deeper")).is_err();
            super::super::remove_tree(&dir, OsStr::new("t")).unwrap();
            modes_count
        });
        assert_eq!(dir.list().unwrap(), ["outside"]);
        assert!(outside.join("kept").exists());
        if !modes_count {
            // `.ci/run` runs the tests of this module without that right, too.
            eprintln!("note: root ignores the modes, so only the links were tried");
        }
    }

    #[test]
    fn the_lock_excludes_a_second_handle() {
        let temp = tempfile::tempdir().unwrap();
        let first = Dir::open(temp.path()).unwrap();
        assert!(first.lock().unwrap());
        let second = Dir::open(temp.path()).unwrap();
        assert!(!second.lock().unwrap());
        drop(first);
        assert!(second.lock().unwrap());
    }
}
