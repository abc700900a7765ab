//! A directory held open, and the operations on names in it: the one place that knows how a system spells them.
//!
//! On Unix every operation goes through the directory's descriptor, so that renaming or replacing a directory above it
//! changes nothing. Elsewhere the paths are joined, with checks against symbolic links before each step, which is the
//! best that the standard library offers.

#[cfg(not(unix))]
mod portable;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(crate) use portable::{
    Dir, keep_owner, lock_file, set_file_mode, set_file_mtime, stat_file, stat_path, unlock_file,
};
#[cfg(unix)]
pub(crate) use unix::{Dir, keep_owner, lock_file, set_file_mode, set_file_mtime, stat_file, stat_path, unlock_file};

use std::ffi::{OsStr, OsString};
use std::hash::BuildHasher as _;
use std::io;

/// A point in time: seconds since 1970, and nanoseconds in 0..1e9 after them.
pub(crate) type Time = (i64, u32);

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    /// Anything else, by its name in messages.
    Other(&'static str),
}

/// The facts about a file that this crate uses. Where a system does not tell one of them, it is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub kind: Kind,
    /// Permission bits, with setuid, setgid and sticky: 0..=0o7777.
    pub mode: u32,
    pub size: u64,
    pub mtime: Time,
    pub ctime: Time,
    pub dev: u64,
    pub ino: u64,
    /// User and group.
    pub owner: (u32, u32),
}

/// A directory that is locked, as far as that is possible, until this is dropped.
#[derive(Debug)]
pub(crate) struct LockedDir {
    dir: Dir,
    locked: bool,
}

impl LockedDir {
    /// Locks `dir`; `None` where another process, or another value of this type, has done so.
    pub(crate) fn new(dir: Dir) -> Option<Self> {
        match dir.lock() {
            Ok(true) => Some(Self { dir, locked: true }),
            Ok(false) => None,
            Err(_) => Some(Self { dir, locked: false }),
        }
    }

    /// Whether the lock is held: some systems and file systems have none.
    pub(crate) fn is_locked(&self) -> bool {
        self.locked
    }
}

impl std::ops::Deref for LockedDir {
    type Target = Dir;

    fn deref(&self) -> &Dir {
        &self.dir
    }
}

impl Drop for LockedDir {
    fn drop(&mut self) {
        if self.locked {
            self.dir.unlock();
        }
    }
}

impl Stat {
    /// Whether `other` is of the same file as this. Where a system does not tell, it is taken to be.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        (self.dev, self.ino, self.kind) == (other.dev, other.ino, other.kind)
    }

    /// What has changed between this and a later look at what should be the same file; `None` where nothing has.
    pub(crate) fn change(&self, later: &Self) -> Option<String> {
        if !self.is_same_file(later) {
            Some("it was replaced".to_owned())
        } else if later.size != self.size {
            Some(format!("its size was {} bytes and is {}", self.size, later.size))
        } else if later.mtime != self.mtime {
            Some("it was modified".to_owned())
        } else if later.ctime != self.ctime {
            Some("its content, mode or links were changed".to_owned())
        } else {
            None
        }
    }
}

/// Eight hexadecimal digits that another process cannot foresee, from the keys that the standard library draws for its
/// hash maps. Names made from them are still created exclusively.
pub(crate) fn random_digits() -> String {
    let hash = std::collections::hash_map::RandomState::new().hash_one(std::process::id());
    format!("{:08x}", hash & 0xffff_ffff)
}

impl Dir {
    /// Whether names are taken for one here that only differ by case, or by how characters are composed. Something is made
    /// to find out, and removed.
    pub(crate) fn folds_names(&self) -> io::Result<bool> {
        let probe = |ending: &str| {
            with_random_name(|digits| {
                let name = OsString::from(format!(".rosettar-probe-{digits}-{ending}"));
                self.create_file(&name, 0o600).map(|_| (name, digits.to_owned()))
            })
        };
        let (name, digits) = match probe("\u{e9}") {
            // Where there are no such characters, they cannot be composed in two ways.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidFilename | io::ErrorKind::InvalidInput) => {
                probe("e")?
            }
            made => made?,
        };
        let others = [name.to_string_lossy().to_uppercase(), format!(".rosettar-probe-{digits}-e\u{301}")];
        let mut folds = false;
        for other in others {
            match self.stat(OsStr::new(&other)) {
                Ok(_) => folds = true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidFilename => {}
                Err(error) => {
                    let _ = self.remove_file(&name);
                    return Err(error);
                }
            }
        }
        self.remove_file(&name)?;
        Ok(folds)
    }
}

/// Whether `digits` could be [`random_digits`].
pub(crate) fn is_random(digits: &str) -> bool {
    digits.len() == 8 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Calls `create` with fresh random digits until the name it makes of them is free.
///
/// # Errors
/// The first error that is not `AlreadyExists`, or `AlreadyExists` after 64 attempts.
pub(crate) fn with_random_name<T>(mut create: impl FnMut(&str) -> io::Result<T>) -> io::Result<T> {
    let mut attempts = 64;
    loop {
        match create(&random_digits()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempts > 0 => attempts -= 1,
            result => return result,
        }
    }
}

/// The longest beginning of `name` of at most `max` bytes, cut between characters where it is UTF-8.
pub(crate) fn shortened(name: &OsStr, max: usize) -> String {
    let name = name.to_string_lossy();
    let mut end = max.min(name.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}

/// Calls again what a signal interrupted; for the functions of the standard library that do not do so themselves. On network
/// and user-space file systems a signal may interrupt any call.
///
/// ```
/// let metadata = rosettar::io::uninterrupted(|| std::fs::metadata("."))?;
/// assert!(metadata.is_dir());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// What `call` returns, but for an interruption.
pub fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Removes what stands under `name` in `parent`, with everything below it; symbolic links are removed, not followed.
/// Directories without permissions are given them first.
///
/// # Errors
/// The first failure; what comes after it is left.
pub(crate) fn remove_tree(parent: &Dir, name: &OsStr) -> io::Result<()> {
    if parent.stat(name)?.kind != Kind::Directory {
        return parent.remove_file(name);
    }
    let dir = parent.child_made_accessible(name)?;
    // Once more for the directories that came up.
    loop {
        let names = dir.list()?;
        if names.is_empty() {
            break;
        }
        names.iter().try_for_each(|name| remove_level(&dir, name))?;
    }
    drop(dir);
    parent.remove_dir(name)
}

/// How many directories [`remove_tree`] has open at a time, whatever the depth of what it removes.
pub(crate) const OPEN_WHILE_REMOVING: usize = 4;

/// Removes what stands under `name` in `dir`; the directories in it come up to `dir`.
fn remove_level(dir: &Dir, name: &OsStr) -> io::Result<()> {
    if dir.stat(name)?.kind != Kind::Directory {
        return dir.remove_file(name);
    }
    let child = dir.child_made_accessible(name)?;
    for inner in child.list()? {
        if child.stat(&inner)?.kind != Kind::Directory {
            child.remove_file(&inner)?;
            continue;
        }
        // A directory without permissions cannot be moved.
        drop(child.child_made_accessible(&inner)?);
        let moved = with_random_name(|digits| child.rename_new(&inner, dir, OsStr::new(digits)));
        // Not every file system can; then depth costs what it costs.
        moved.or_else(|_| remove_tree(&child, &inner))?;
    }
    drop(child);
    dir.remove_dir(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_digits_differ() {
        let seen: std::collections::HashSet<_> = (0..100).map(|_| random_digits()).collect();
        assert!(seen.len() > 95, "{seen:?}");
        assert!(seen.iter().all(|digits| digits.len() == 8));
    }

    #[test]
    fn a_taken_name_is_tried_again_but_not_for_ever() {
        let mut calls = 0;
        let error = with_random_name(|_| {
            calls += 1;
            Err::<(), _>(io::ErrorKind::AlreadyExists.into())
        })
        .unwrap_err();
        assert_eq!((error.kind(), calls), (io::ErrorKind::AlreadyExists, 65));
        let mut left = 3;
        let found = with_random_name(|_| {
            left -= 1;
            if left > 0 { Err(io::ErrorKind::AlreadyExists.into()) } else { Ok(left) }
        });
        assert_eq!(found.unwrap(), 0);
    }

    #[test]
    fn trees_of_any_shape_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("t");
        let deep = tree.join(vec!["d"; 300].join("/"));
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("f"), "x").unwrap();
        for name in ["a", "b"] {
            // The same names at several levels.
            std::fs::create_dir_all(tree.join(name).join("d/d")).unwrap();
            std::fs::write(tree.join(name).join("d/f"), "x").unwrap();
        }
        std::fs::write(folder.path().join("kept"), "x").unwrap();
        let dir = Dir::open(folder.path()).unwrap();
        remove_tree(&dir, OsStr::new("t")).unwrap();
        assert_eq!(dir.list().unwrap(), ["kept"]);
        remove_tree(&dir, OsStr::new("kept")).unwrap();
        assert!(dir.list().unwrap().is_empty());
    }

    #[test]
    fn names_are_cut_between_characters() {
        assert_eq!(shortened(OsStr::new("été"), 4), "ét");
        assert_eq!(shortened(OsStr::new("été"), 5), "été");
        assert_eq!(shortened(OsStr::new("é"), 1), "");
    }
}
