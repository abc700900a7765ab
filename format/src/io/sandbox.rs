//! Creating entries below a directory, from paths that an archive states, so that none can land elsewhere.
//!
//! Every parent is opened without following a link (on Linux by `openat2` with `RESOLVE_BENEATH` and
//! `RESOLVE_NO_SYMLINKS`), every file is created exclusively, and modes and times are set through descriptors.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::dir::{Dir, Kind, Stat, set_file_mode, set_file_mtime};
use crate::error::{Error, Result, code};
use crate::path::EntryPath;

/// How the modes that an archive states are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Modes {
    /// Without the bits of the umask, as for anything else that a user creates.
    #[default]
    Umask,
    /// As they are.
    Exact,
}

/// What becomes of symbolic links whose target is not [inside](crate::path::LinkTarget::is_inside), when packing and
/// when extracting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Links {
    /// They are an error.
    #[default]
    Refuse,
    /// They are left out, and reported.
    Skip,
    /// They are kept like any other.
    Keep,
}

/// A directory under which entries are created, and which no path and no link leads out of.
///
/// It may be used from several threads. Directories that an entry's path implies are made as they are needed.
#[derive(Debug)]
pub struct Sandbox {
    root: Arc<Dir>,
    shown: PathBuf,
    /// The bits that are taken from every mode.
    mask: u32,
    /// Whether the file system takes names for one that only differ by case or by how characters are composed.
    folds: bool,
    /// The parent of the entry made last: entries mostly come directory by directory.
    parent: Mutex<Option<(String, Arc<Dir>)>>,
}

/// The same directory, for another thread: each keeps the parent of what it made last.
impl Clone for Sandbox {
    fn clone(&self) -> Self {
        Self {
            root: Arc::clone(&self.root),
            shown: self.shown.clone(),
            mask: self.mask,
            folds: self.folds,
            parent: Mutex::new(None),
        }
    }
}

impl Sandbox {
    /// Opens the directory at `path`, which is the caller's own and may lead through symbolic links.
    ///
    /// # Errors
    /// `io.file`.
    pub fn open(path: impl AsRef<Path>, modes: Modes) -> Result<Self> {
        let path = path.as_ref();
        let open = || {
            let root = Dir::open(path)?;
            let umask = root.umask()?;
            let folds = root.folds_names()?;
            Ok((root, umask, folds))
        };
        let (root, umask, folds) = open().map_err(|error| {
            Error::io(code::IO_FILE, format!("cannot open the directory {}", path.display()), error)
        })?;
        Ok(Self::over(root, path.to_owned(), modes, umask, folds))
    }

    pub(super) fn over(root: Dir, shown: PathBuf, modes: Modes, umask: u32, folds: bool) -> Self {
        let mask = match modes {
            Modes::Umask => umask,
            Modes::Exact => 0,
        };
        Self { root: Arc::new(root), shown, mask, folds, parent: Mutex::new(None) }
    }

    /// Whether two directories whose names only differ by case or composition would be one here.
    pub(crate) fn folds_names(&self) -> bool {
        self.folds
    }

    /// Makes the directory `path`, with those above it; one that is there already is kept. Its own mode and time are
    /// set by [`finish_dir`](Self::finish_dir).
    ///
    /// # Errors
    /// `policy.name` where something else than a directory stands there, otherwise `io.file`.
    pub fn create_dir(&self, path: &EntryPath) -> Result<()> {
        let (parent, name) = self.parent_of(path)?;
        make_dir(&parent, name, path.as_str())
    }

    /// Makes the file `path`, with the directories above it. Until it is [finished](SandboxFile::finish) only its owner
    /// may read it.
    ///
    /// # Errors
    /// `policy.name` where something stands there already, otherwise `io.file`.
    pub fn create_file(&self, path: &EntryPath) -> Result<SandboxFile> {
        let (parent, name) = self.parent_of(path)?;
        let file = parent.create_file(name, 0o600).map_err(|error| refused("create", &parent, name, path, error))?;
        Ok(SandboxFile { file, path: path.clone(), mask: self.mask })
    }

    /// Makes the symbolic link `path` to `target`, with the directories above it, and sets its own time (seconds since
    /// 1970 and nanoseconds). Links are not followed here, so a target may be anything; make them last, so that nothing
    /// else is refused because of them.
    ///
    /// # Errors
    /// `policy.name` where something stands there already, otherwise `io.file`.
    pub fn create_symlink(&self, path: &EntryPath, target: &str, mtime: (i64, u32)) -> Result<()> {
        let (parent, name) = self.parent_of(path)?;
        let made = parent.create_symlink(OsStr::new(target), name);
        made.map_err(|error| refused("create the symbolic link", &parent, name, path, error))?;
        parent.set_mtime_of(name, mtime).map_err(|error| failed("set the time of", path.as_str(), error))
    }

    /// Gives the directory `path` its mode and time. To be called when nothing more is made in any directory, and for
    /// the deepest directories first: making something changes the time, and a read-only directory takes nothing in.
    ///
    /// # Errors
    /// `io.file`.
    pub fn finish_dir(&self, path: &EntryPath, mode: u32, mtime: (i64, u32)) -> Result<()> {
        let (parent, name) = self.parent_of(path)?;
        let finish = || {
            let dir = parent.child(name)?;
            dir.set_mode(mode & 0o777 & !self.mask)?;
            dir.set_mtime(mtime)
        };
        finish().map_err(|error| failed("set the mode and time of", path.as_str(), error))
    }

    /// Sets the time of the file, directory or link at `path`, itself, which was made here.
    ///
    /// # Errors
    /// `io.file`.
    pub fn set_mtime(&self, path: &EntryPath, mtime: (i64, u32)) -> Result<()> {
        let (parent, name) = self.parent_of(path)?;
        parent.set_mtime_of(name, mtime).map_err(|error| failed("set the time of", path.as_str(), error))
    }

    /// The directory above `path`, made where it is missing, and the name in it.
    fn parent_of<'a>(&self, path: &'a EntryPath) -> Result<(Arc<Dir>, &'a OsStr)> {
        let path = path.as_str();
        let Some((above, name)) = path.rsplit_once('/') else {
            return Ok((Arc::clone(&self.root), OsStr::new(path)));
        };
        let mut cached = self.parent.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = match &*cached {
            Some((path, dir)) if path == above => Arc::clone(dir),
            _ => {
                let dir = Arc::new(self.open_or_make(above)?);
                *cached = Some((above.to_owned(), Arc::clone(&dir)));
                dir
            }
        };
        Ok((dir, OsStr::new(name)))
    }

    /// Opens the directory at `path`, making it and those above it where they are missing.
    fn open_or_make(&self, path: &str) -> Result<Dir> {
        match self.root.below(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result.map_err(|error| self.not_opened(path, error)),
        }
        let mut dir: Option<Dir> = None;
        let mut end = 0;
        for component in path.split('/') {
            end += component.len();
            let parent = dir.as_ref().unwrap_or(&self.root);
            make_dir(parent, OsStr::new(component), &path[..end])?;
            dir = Some(parent.child(OsStr::new(component)).map_err(|error| self.not_opened(&path[..end], error))?);
            end += 1;
        }
        dir.ok_or_else(|| self.not_opened(path, io::ErrorKind::NotFound.into()))
    }

    fn not_opened(&self, path: &str, error: io::Error) -> Error {
        // An archive has no entry below one that is no directory.
        if error.kind() == io::ErrorKind::NotADirectory {
            let message = format!(
                "cannot create {path:?}: something else than a directory stands there, or above it; extract to an empty \
                 directory, and where that is one, to a file system that does not fold names"
            );
            return Error::new(code::POLICY_NAME, message).with_entry(path).with_source(error);
        }
        let doing =
            format!("cannot open the directory below {}, without following symbolic links", self.shown.display());
        Error::io(code::IO_FILE, doing, error).with_entry(path)
    }
}

/// A file being written below a [`Sandbox`].
#[derive(Debug)]
pub struct SandboxFile {
    file: File,
    path: EntryPath,
    mask: u32,
}

impl SandboxFile {
    /// The path of the entry.
    pub fn path(&self) -> &EntryPath {
        &self.path
    }

    /// Gives the file its mode and its time (seconds since 1970 and nanoseconds) and closes it. A time that the file
    /// system cannot hold is the kernel's to bring into range.
    ///
    /// # Errors
    /// `io.file`.
    pub fn finish(self, mode: u32, mtime: (i64, u32)) -> Result<()> {
        let finish = || {
            set_file_mode(&self.file, mode & 0o777 & !self.mask)?;
            set_file_mtime(&self.file, mtime)
        };
        finish().map_err(|error| failed("set the mode and time of", self.path.as_str(), error))
    }
}

impl Write for SandboxFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn make_dir(parent: &Dir, name: &OsStr, path: &str) -> Result<()> {
    match parent.create_dir(name, 0o777) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match parent.stat(name) {
            Ok(Stat { kind: Kind::Directory, .. }) => Ok(()),
            _ => Err(taken(parent, name, path, error)),
        },
        result => result.map_err(|error| failed("create the directory", path, error)),
    }
}

fn refused(what: &str, parent: &Dir, name: &OsStr, path: &EntryPath, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists => taken(parent, name, path.as_str(), error),
        _ => failed(what, path.as_str(), error),
    }
}

/// The error for a name that is taken. An archive has every path once, so where no other program interferes it is the
/// file system that takes another name for this one.
fn taken(parent: &Dir, name: &OsStr, path: &str, error: io::Error) -> Error {
    let other = folded_twin(parent, name).map(|other| match path.rsplit_once('/') {
        Some((above, _)) => format!("{above}/{other}"),
        None => other,
    });
    let message = match other {
        Some(other) => format!(
            "cannot create {path:?}: the file system takes it for {other:?}, which is there already; extract to a file \
             system that tells these names apart, or leave one of them out"
        ),
        None => format!(
            "cannot create {path:?}: {path:?} is there already; extract to an empty directory, and where that is one, \
             to a file system that does not fold names"
        ),
    };
    Error::new(code::POLICY_NAME, message).with_entry(path).with_source(error)
}

/// The name in `parent`, spelt differently, under which the file system finds what it finds under `name`.
fn folded_twin(parent: &Dir, name: &OsStr) -> Option<String> {
    let wanted = parent.stat(name).ok()?;
    let names = parent.list().ok()?;
    if wanted.ino == 0 || names.iter().any(|other| other == name) {
        return None;
    }
    let twin = names.iter().find(|other| parent.stat(other).is_ok_and(|stat| stat.ino == wanted.ino))?;
    Some(twin.to_string_lossy().into_owned())
}

fn failed(what: &str, path: &str, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::InvalidFilename {
        let message = format!("cannot {what} {path:?}: this file system cannot hold the name or target");
        return Error::new(code::POLICY_NAME, message).with_entry(path).with_source(error);
    }
    Error::io(code::IO_FILE, format!("cannot {what} {path:?}"), error).with_entry(path)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    fn path(path: &str) -> EntryPath {
        EntryPath::new(path).unwrap()
    }

    fn sandbox(modes: Modes) -> (tempfile::TempDir, PathBuf, Sandbox) {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("root");
        fs::create_dir(&root).unwrap();
        let sandbox = Sandbox::open(&root, modes).unwrap();
        (temp, root, sandbox)
    }

    #[test]
    fn nothing_is_made_through_a_link() {
        let (temp, root, sandbox) = sandbox(Modes::Umask);
        let outside = temp.path().join("outside");
        fs::create_dir(&outside).unwrap();
        symlink("../outside", root.join("up")).unwrap();
        symlink(&outside, root.join("abs")).unwrap();
        fs::create_dir(root.join("d")).unwrap();
        symlink("d", root.join("in")).unwrap();
        symlink("../outside/new", root.join("leaf")).unwrap();
        for parent in ["up", "abs", "in"] {
            for below in [path(&format!("{parent}/x")), path(&format!("{parent}/y/x"))] {
                assert!(sandbox.create_file(&below).is_err(), "{below}");
                assert!(sandbox.create_dir(&below).is_err(), "{below}");
                assert!(sandbox.create_symlink(&below, "t", (0, 0)).is_err(), "{below}");
            }
            assert!(sandbox.create_dir(&path(parent)).is_err(), "{parent}");
            assert!(sandbox.finish_dir(&path(parent), 0o700, (0, 0)).is_err(), "{parent}");
        }
        assert_eq!(sandbox.create_file(&path("leaf")).unwrap_err().code(), "policy.name");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert_eq!(fs::read_dir(root.join("d")).unwrap().count(), 0);
        assert_ne!(fs::metadata(&outside).unwrap().mtime(), 0);
    }

    #[test]
    fn a_parent_swapped_for_a_link_leads_nowhere() {
        let (temp, root, sandbox) = sandbox(Modes::Umask);
        let outside = temp.path().join("outside");
        fs::create_dir(&outside).unwrap();
        sandbox.create_file(&path("a/first")).unwrap().finish(0o644, (0, 0)).unwrap();
        fs::rename(root.join("a"), root.join("moved")).unwrap();
        symlink("../outside", root.join("a")).unwrap();
        // The parent is still held open, so the file lands in the directory that was opened, not behind the link.
        sandbox.create_file(&path("a/second")).unwrap();
        assert!(root.join("moved/second").exists());
        // Another parent, so that "a" is looked up again.
        sandbox.create_dir(&path("b/c")).unwrap();
        assert!(sandbox.create_file(&path("a/third")).is_err());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }

    #[test]
    fn a_taken_name_is_refused_and_named() {
        let (_temp, root, sandbox) = sandbox(Modes::Umask);
        sandbox.create_file(&path("d/a")).unwrap().write_all(b"first").unwrap();
        for error in [
            sandbox.create_file(&path("d/a")).unwrap_err(),
            sandbox.create_symlink(&path("d/a"), "t", (0, 0)).unwrap_err(),
            sandbox.create_dir(&path("d/a")).unwrap_err(),
        ] {
            assert_eq!((error.code(), error.entry()), ("policy.name", Some("d/a")));
            assert!(error.message().contains("fold"), "{error}");
        }
        let error = sandbox.create_file(&path("d/a/b")).unwrap_err();
        assert_eq!((error.code(), error.entry()), ("policy.name", Some("d/a")));
        assert_eq!(fs::read(root.join("d/a")).unwrap(), b"first");
        sandbox.create_dir(&path("d")).unwrap();
    }

    #[test]
    fn the_twin_of_a_folded_name_is_found() {
        // A file system that folds names is not to be had here; two names of one file look the same from outside, apart
        // from the wanted name being listed, which is why only the listing is played.
        let (_temp, root, sandbox) = sandbox(Modes::Umask);
        fs::write(root.join("Readme"), "").unwrap();
        assert_eq!(folded_twin(&sandbox.root, OsStr::new("Readme")), None);
        assert_eq!(folded_twin(&sandbox.root, OsStr::new("absent")), None);
        // `./Readme` finds the file as a folding file system would, and no listing holds that spelling.
        assert_eq!(folded_twin(&sandbox.root, OsStr::new("./Readme")).unwrap(), "Readme");
        let error = taken(&sandbox.root, OsStr::new("./Readme"), "d/README", io::ErrorKind::AlreadyExists.into());
        assert!(error.message().contains("\"d/README\"") && error.message().contains("\"d/Readme\""), "{error}");
    }

    #[test]
    fn modes_honour_the_umask_unless_exact() {
        let mask = Dir::open(Path::new("/")).unwrap().umask().unwrap();
        for (modes, mask) in [(Modes::Umask, mask), (Modes::Exact, 0)] {
            let (_temp, root, sandbox) = sandbox(modes);
            let file = sandbox.create_file(&path("implied/f")).unwrap();
            assert_eq!(fs::metadata(root.join("implied/f")).unwrap().mode() & 0o7777, 0o600);
            file.finish(0o7777, (1, 2)).unwrap();
            sandbox.create_dir(&path("d")).unwrap();
            sandbox.finish_dir(&path("d"), 0o2777, (1, 2)).unwrap();
            for name in ["implied/f", "d"] {
                let metadata = fs::metadata(root.join(name)).unwrap();
                assert_eq!(metadata.mode() & 0o7777, 0o777 & !mask, "{name} {modes:?}");
            }
        }
        if mask == 0 {
            eprintln!("skipped: modes_honour_the_umask_unless_exact: the umask is 0, so both are alike");
        }
    }

    #[test]
    fn times_are_kept_before_1970_and_far_from_it() {
        let (_temp, root, sandbox) = sandbox(Modes::Umask);
        for (name, mtime) in [("a", (-1, 999_999_999)), ("b", (1_700_000_000, 123_456_789)), ("c", (0, 0))] {
            sandbox.create_file(&path(name)).unwrap().finish(0o644, mtime).unwrap();
            sandbox.create_symlink(&path(&format!("{name}.link")), "nowhere", mtime).unwrap();
            for name in [name.to_owned(), format!("{name}.link")] {
                let metadata = fs::symlink_metadata(root.join(&name)).unwrap();
                assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (mtime.0, i64::from(mtime.1)), "{name}");
            }
        }
        sandbox.set_mtime(&path("a"), (5, 6)).unwrap();
        sandbox.set_mtime(&path("a.link"), (7, 8)).unwrap();
        assert_eq!(fs::symlink_metadata(root.join("a")).unwrap().mtime(), 5);
        assert_eq!(fs::symlink_metadata(root.join("a.link")).unwrap().mtime_nsec(), 8);
        // Out of any file system's range: brought into range by the kernel or refused by it, but never a panic.
        for seconds in [i64::MIN, i64::MAX] {
            let name = path(&format!("far{seconds}"));
            if let Err(error) = sandbox.create_file(&name).unwrap().finish(0o644, (seconds, 0)) {
                assert_eq!((error.code(), error.entry()), ("io.file", Some(name.as_str())));
            }
        }
    }

    #[test]
    fn read_only_directories_finished_deepest_first_keep_mode_and_time() {
        let (_temp, root, sandbox) = sandbox(Modes::Umask);
        sandbox.create_dir(&path("a")).unwrap();
        sandbox.create_file(&path("a/b/f")).unwrap().finish(0o400, (5, 0)).unwrap();
        sandbox.finish_dir(&path("a/b"), 0o500, (6, 0)).unwrap();
        sandbox.finish_dir(&path("a"), 0o500, (7, 0)).unwrap();
        for (name, mode, time) in [("a/b/f", 0o400, 5), ("a/b", 0o500, 6), ("a", 0o500, 7)] {
            let metadata = fs::metadata(root.join(name)).unwrap();
            assert_eq!((metadata.mode() & 0o777, metadata.mtime()), (mode, time), "{name}");
        }
        for name in ["a", "a/b"] {
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o700)).unwrap();
        }
    }

    #[test]
    fn names_too_long_for_the_file_system_are_an_error() {
        let (_temp, _root, sandbox) = sandbox(Modes::Umask);
        let mut limits = crate::Limits::default();
        limits.set("component-bytes", "300").unwrap();
        let long = EntryPath::with_limits("x".repeat(256), &limits).unwrap();
        assert_eq!(sandbox.create_file(&long).unwrap_err().code(), "policy.name");
        let deepest = vec!["d".repeat(62); 64].join("/") + &"e".repeat(65);
        assert_eq!(deepest.len(), 4096);
        sandbox.create_dir(&path(&deepest)).unwrap();
        sandbox.finish_dir(&path(&deepest), 0o755, (9, 0)).unwrap();
    }

    #[test]
    fn several_threads_share_one_sandbox() {
        let (_temp, root, sandbox) = sandbox(Modes::Umask);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let sandbox = &sandbox;
                scope.spawn(move || {
                    for n in 0..50 {
                        let name = path(&format!("d{}/e/{thread}-{n}", n % 5));
                        sandbox.create_file(&name).unwrap().write_all(name.as_str().as_bytes()).unwrap();
                    }
                });
            }
        });
        for n in 0..50 {
            let name = format!("d{}/e/3-{n}", n % 5);
            assert_eq!(fs::read_to_string(root.join(&name)).unwrap(), name);
        }
    }
}
