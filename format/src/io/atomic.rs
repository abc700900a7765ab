//! Writing one file so that, whatever happens, the old one or the new one is there.
//!
//! The protocol: open the directory; make a temporary file beside the target, under a random name, exclusively and for
//! its owner only; check every write; set the mode through the descriptor; sync the file; rename it; sync the directory.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::dir::{
    Dir, is_random, keep_owner, lock_file, set_file_mode, shortened, stat_file, uninterrupted, unlock_file,
    with_random_name,
};
use super::locked::LockedFile;
use crate::error::{Code, Error, Result, code};

/// The longest file name there is, and what a temporary name adds to the target's: `.` and `.rosettar-XXXXXXXX.tmp`.
const NAME_MAX: usize = 255;
const NAME_ADDED: usize = 23;
/// As many symbolic links as Linux follows.
const LINKS_MAX: usize = 40;

/// A file being written, which appears under its name complete or not at all.
///
/// Nothing is published until [`commit`](Self::commit). Dropping the value before removes the temporary file; a process
/// that is killed leaves one named `.NAME.rosettar-XXXXXXXX.tmp`, and the old file.
///
/// - A symbolic link is resolved, and the file that it leads to is replaced; the link stays.
/// - What is no regular file, such as `/dev/null`, a FIFO or `/dev/stdout`, cannot be replaced and is written directly.
/// - With [`partial`](Self::partial) the temporary file is visible and stays where the writing ends early.
/// - An existing file hands down its permission bits, not its owner; a new one has 0666 without the umask.
///
/// ```
/// use std::io::Write as _;
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("a");
///
/// let mut file = rosettar::io::AtomicFile::replace(&path)?;
/// file.write_all(b"content").unwrap();
/// assert!(!path.exists());
/// file.commit()?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"content");
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    /// The target as the user wrote it, for messages.
    shown: PathBuf,
    /// `None` where the target is written directly.
    pending: Option<Pending>,
    failed: bool,
}

/// A temporary file that is to take the target's place. Dropped, it is removed.
#[derive(Debug)]
struct Pending {
    directory: Dir,
    temporary: OsString,
    /// Where the temporary file is.
    at: PathBuf,
    name: OsString,
    exclusive: bool,
    mode: u32,
    /// User and group of the file that is replaced.
    owner: Option<(u32, u32)>,
    live: bool,
    /// Whether it stays when it is not published.
    partial: bool,
    written: bool,
}

/// Where a path leads once symbolic links are resolved.
enum Target {
    /// A name in a directory, free or a regular file's; and that file's permission bits, user and group.
    Name { directory: Dir, name: OsString, mode: Option<(u32, (u32, u32))>, path: PathBuf },
    /// Something that is written in place.
    Direct(File),
}

impl AtomicFile {
    /// Begins to write the file at `path`, which replaces one that is there.
    ///
    /// # Errors
    /// `io.file`, where `path` is a directory, its directory does not exist or cannot be written to, or links form a
    /// cycle.
    pub fn replace(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let target = resolve(path).map_err(|error| cannot("open", path, error))?;
        Self::begin(path, target, false, false)
    }

    /// Begins to write the file at `path`, under which nothing may be now or at the time of the commit.
    ///
    /// # Errors
    /// `io.file`, as for [`replace`](Self::replace) and where `path` exists, if only as a symbolic link.
    pub fn create_new(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::begin(path, free(path)?, true, false)
    }

    /// Begins to write the file at `path` as `NAME.partial` beside it, for its owner only. Once something was written to
    /// it, that file stays until the commit renames it: after an error, when the value is dropped, when the process dies.
    /// Where `exclusive`, nothing may be at `path`, as for [`create_new`](Self::create_new).
    ///
    /// # Errors
    /// As [`replace`](Self::replace) and [`create_new`](Self::create_new); `io.file` also where a `NAME.partial` is there
    /// already.
    pub fn partial(path: impl AsRef<Path>, exclusive: bool) -> Result<Self> {
        let path = path.as_ref();
        let target = match exclusive {
            true => free(path)?,
            false => resolve(path).map_err(|error| cannot("open", path, error))?,
        };
        Self::begin(path, target, exclusive, true)
    }

    fn begin(path: &Path, target: Target, exclusive: bool, partial: bool) -> Result<Self> {
        let (directory, name, mode_and_owner, resolved) = match target {
            Target::Direct(file) => {
                return Ok(Self { file, shown: path.to_owned(), pending: None, failed: false });
            }
            Target::Name { directory, name, mode, path } => (directory, name, mode, path),
        };
        let mut partial_name = name.clone();
        partial_name.push(".partial");
        let partial = partial.then(|| resolved.with_file_name(&partial_name));
        let begin = || -> io::Result<_> {
            let mode = match mode_and_owner {
                Some((mode, _)) => mode,
                None => 0o666 & !directory.umask()?,
            };
            if partial.is_some() {
                let file = directory.create_file(&partial_name, 0o600)?;
                // What is flushed is durable only if the name is.
                if let Err(error) = directory.sync() {
                    let _ = directory.remove_file(&partial_name);
                    return Err(error);
                }
                return Ok((file, partial_name.clone(), mode));
            }
            let made = create_temporary(&directory, &name, NAME_MAX - NAME_ADDED);
            // Some file systems hold less than 255 bytes.
            let (file, temporary) = match made {
                Err(error) if error.kind() == io::ErrorKind::InvalidFilename => create_temporary(&directory, &name, 0)?,
                made => made?,
            };
            Ok((file, temporary, mode))
        };
        let begun = begin().map_err(|error| match &partial {
            Some(partial) if error.kind() == io::ErrorKind::AlreadyExists => {
                partial_exists(partial, directory.open_file(&partial_name).ok())
            }
            _ => cannot("create a temporary file beside", path, error),
        });
        let (file, temporary, mode) = begun?;
        let at = resolved.with_file_name(&temporary);
        let partial = partial.is_some();
        // So that others can tell whether a writer is still at work. Where there are no locks, they cannot.
        let _ = lock_file(&file);
        let owner = mode_and_owner.map(|(_, owner)| owner);
        let pending =
            Pending { directory, temporary, at, name, exclusive, mode, owner, live: true, partial, written: false };
        Ok(Self { file, shown: path.to_owned(), pending: Some(pending), failed: false })
    }

    /// Device and inode of the temporary file, and of the file that it is to replace.
    ///
    /// # Errors
    /// `io.file`: what cannot be looked at could not be told from other files.
    pub(crate) fn identities(&self) -> Result<Vec<(u64, u64)>> {
        let Some(pending) = &self.pending else { return Ok(Vec::new()) };
        let mut identities = Vec::new();
        for name in [&pending.temporary, &pending.name] {
            match pending.directory.stat(name) {
                Ok(stat) => identities.push((stat.dev, stat.ino)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(cannot("look at", &self.shown.with_file_name(name), error)),
            }
        }
        Ok(identities)
    }

    /// Whether the target is written in place, because it is no regular file: what was written is already out.
    pub fn is_direct(&self) -> bool {
        self.pending.is_none()
    }

    /// The temporary files of `path` that are beside it: of writers at work, or left by some that were killed. Whether a
    /// writer is still at work on one cannot be told. Unlike those, what is written now never needs them.
    ///
    /// # Errors
    /// `io.file` where the directory cannot be listed.
    ///
    /// ```
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("a.rtar");
    /// std::fs::write(directory.path().join(".a.rtar.rosettar-0123abcd.tmp"), "").unwrap();
    /// assert_eq!(rosettar::io::AtomicFile::temporaries_of(&path)?.len(), 1);
    /// # Ok::<(), rosettar::Error>(())
    /// ```
    pub fn temporaries_of(path: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let path = path.as_ref();
        let list = || -> io::Result<_> {
            let Target::Name { directory, name, path, .. } = resolve(path)? else { return Ok(Vec::new()) };
            let begin = temporary_prefix(&name, NAME_MAX - NAME_ADDED);
            let is_temporary = |name: &OsString| {
                let digits = name.to_str().and_then(|name| name.strip_prefix(&begin)?.strip_suffix(".tmp"));
                digits.is_some_and(is_random)
            };
            let mut found: Vec<PathBuf> =
                directory.list()?.into_iter().filter(is_temporary).map(|name| path.with_file_name(name)).collect();
            found.sort();
            Ok(found)
        };
        list().map_err(|error| cannot("look for temporary files beside", path, error))
    }

    /// The file that stays where this one is not published; see [`partial`](Self::partial).
    pub fn partial_path(&self) -> Option<&Path> {
        self.pending.as_ref().filter(|pending| pending.partial).map(|pending| &*pending.at)
    }

    /// Makes durable what was written so far.
    ///
    /// # Errors
    /// `io.write`; what was written is not known then, and the file cannot be committed.
    pub fn sync_data(&mut self) -> Result<()> {
        let synced = match &self.pending {
            Some(_) => self.file.sync_data(),
            None => sync_direct(&self.file),
        };
        self.failed |= synced.is_err();
        synced.map_err(|error| failed_to(code::IO_WRITE, "sync", &self.shown, error))
    }

    /// Publishes the file under its name and makes that durable.
    ///
    /// # Errors
    /// - `io.write` where a write or sync failed, now or before: the temporary file is removed (but for a
    ///   [partial](Self::partial) one), the old file stays. A
    ///   failed sync is not tried again, since the system may by then have dropped the data it could not write.
    /// - `io.file` where the mode cannot be set or the file not renamed, also where the name of a
    ///   [new](Self::create_new) file is taken by now: the same.
    /// - `io.durability` where all that failed is the sync of the directory: the new file is in place, but a power cut
    ///   may undo that.
    pub fn commit(self) -> Result<()> {
        self.publish(None)
    }

    /// As [`commit`](Self::commit), for a file made from `source`: only if that is unchanged. Where it is `source` itself
    /// that is replaced, the two change places in one step, so that another file that was put there in the last moment
    /// is seen, and put back.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); `io.source-changed`, where the temporary file is removed and what is there stays.
    pub fn commit_made_from(self, source: &LockedFile) -> Result<()> {
        self.publish(Some(source))
    }

    fn publish(mut self, source: Option<&LockedFile>) -> Result<()> {
        if self.failed {
            let message = format!("cannot commit {}: an earlier write failed", self.shown.display());
            return Err(Error::new(code::IO_WRITE, message));
        }
        let Some(mut pending) = self.pending.take() else {
            source.map_or(Ok(()), LockedFile::check_unchanged)?;
            return sync_direct(&self.file).map_err(|error| failed_to(code::IO_WRITE, "sync", &self.shown, error));
        };
        let mode = match pending.owner {
            Some(owner) => keep_owner(&self.file, owner, pending.mode),
            None => Ok(pending.mode),
        };
        let set = mode.and_then(|mode| set_file_mode(&self.file, mode));
        set.map_err(|error| cannot("set the mode of", &self.shown, error))?;
        self.file.sync_all().map_err(|error| failed_to(code::IO_WRITE, "sync", &self.shown, error))?;
        source.map_or(Ok(()), LockedFile::check_unchanged)?;
        pending.check_own(&self.file, &self.shown)?;
        // Under its name, it is for others to lock.
        unlock_file(&self.file);
        let old = pending.put_in_place(source, &self.shown)?;
        pending.live = false;
        let removed = old.map_or(Ok(()), |old| pending.directory.remove_file(&old));
        pending.directory.sync().map_err(|error| {
            let doing = format!("{} was renamed into place, but its durability is unknown", self.shown.display());
            Error::io(code::IO_DURABILITY, doing, error)
        })?;
        removed.map_err(|error| {
            let (new, old) = (self.shown.display(), pending.at.display());
            let doing = format!("{new} is in place, but the old file stays as {old}");
            Error::io(code::IO_FILE, doing, error)
        })
    }

    /// Discards what was written. Dropping the value does the same, but cannot report a failure.
    ///
    /// # Errors
    /// `io.file` where the temporary file cannot be removed; the message names it.
    pub fn abort(mut self) -> Result<()> {
        let Some(mut pending) = self.pending.take() else { return Ok(()) };
        pending.live = false;
        pending
            .directory
            .remove_file(&pending.temporary)
            .map_err(|error| cannot("remove the temporary file", &pending.at, error))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.file.write(bytes) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.failed = true;
                // Whoever called `write` knows no path.
                Err(io::Error::new(error.kind(), format!("{}: {error}", self.shown.display())))
            }
            result => {
                if let (Some(pending), Ok(1..)) = (&mut self.pending, &result) {
                    pending.written = true;
                }
                result
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Pending {
    /// Makes sure that what stands under the temporary name is the file that was written.
    fn check_own(&mut self, file: &File, shown: &Path) -> Result<()> {
        let is_own =
            || -> io::Result<bool> { Ok(stat_file(file)?.is_same_file(&self.directory.stat(&self.temporary)?)) };
        match is_own() {
            Ok(true) => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot("look at", &self.at, error)),
            _ => {
                // It is not ours to remove.
                self.live = false;
                let (shown, at) = (shown.display(), self.at.display());
                let message =
                    format!("cannot publish {shown}: somebody removed {at}, or put something else in its place");
                Err(Error::io(code::IO_FILE, message, io::ErrorKind::NotFound.into()))
            }
        }
    }

    /// Gives the temporary file its name. Where it has changed places with `source`, the name of that is returned.
    fn put_in_place(&mut self, source: Option<&LockedFile>, shown: &Path) -> Result<Option<OsString>> {
        let failed = |error| cannot("rename the temporary file to", shown, error);
        if self.exclusive {
            let Self { directory, temporary, name, .. } = &*self;
            return directory.rename_new(temporary, directory, name).map(|()| None).map_err(failed);
        }
        if let Some(source) = source {
            match self.is_source(&self.name, source).map_err(failed)? {
                true if self.exchange_with(source, shown)? => return Ok(Some(self.temporary.clone())),
                true => {}
                // Either the new file goes elsewhere, or another one has just been put in the place of the old one: then the
                // old one is not where it was, either.
                false => source.check_unchanged()?,
            }
        }
        let Self { directory, temporary, name, .. } = &*self;
        directory.rename(temporary, directory, name).map(|()| None).map_err(failed)
    }

    /// Lets the temporary file and the target change places, and makes sure that it was `source` that stood there. `false`
    /// where the file system cannot do that; there the look of a moment ago has to do.
    fn exchange_with(&mut self, source: &LockedFile, shown: &Path) -> Result<bool> {
        let Self { directory, temporary, name, .. } = &*self;
        match directory.exchange(temporary, directory, name) {
            Ok(()) => match self.is_source(temporary, source) {
                Ok(true) => Ok(true),
                otherwise => Err(self.exchange_back(shown, otherwise.map(|_| source))),
            },
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(false),
            Err(error) => Err(cannot("rename the temporary file to", shown, error)),
        }
    }

    /// Lets the new file and what stood in its place change places again, where that is not the file it was made from, or
    /// cannot be looked at. The error to report.
    fn exchange_back(&mut self, shown: &Path, found: io::Result<&LockedFile>) -> Error {
        let Self { directory, temporary, name, .. } = &*self;
        if let Err(error) = directory.exchange(temporary, directory, name) {
            // What has the temporary name now is another's.
            self.live = false;
            let (new, other) = (shown.display(), self.at.display());
            let doing =
                format!("{new} is in place, but another file was put there in the last moment, and is now {other}");
            return Error::io(code::IO_FILE, doing, error);
        }
        match found {
            Ok(source) => source.changed("another file was put in its place"),
            Err(error) => cannot("look at what stood in the place of", shown, error),
        }
    }

    fn is_source(&self, name: &OsStr, source: &LockedFile) -> io::Result<bool> {
        match self.directory.stat(name) {
            Ok(stat) => Ok(source.is(&stat)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let stays = self.partial && self.written;
        if self.live && !stays {
            // Nothing can be reported from here; `abort` can.
            let _ = self.directory.remove_file(&self.temporary);
        }
    }
}

fn create_temporary(directory: &Dir, name: &OsStr, keep: usize) -> io::Result<(File, OsString)> {
    let prefix = temporary_prefix(name, keep);
    with_random_name(|digits| {
        let temporary = OsString::from(format!("{prefix}{digits}.tmp"));
        Ok((directory.create_file(&temporary, 0o600)?, temporary))
    })
}

/// What the names of the temporary files of `name` begin with; of `name` itself, at most `keep` bytes are in it.
fn temporary_prefix(name: &OsStr, keep: usize) -> String {
    match shortened(name, keep).as_str() {
        "" => ".rosettar-".to_owned(),
        name => format!(".{name}.rosettar-"),
    }
}

/// `file` is what is there, where it can be opened: its writer, while there is one, has it locked.
fn partial_exists(partial: &Path, file: Option<File>) -> Error {
    let shown = partial.display();
    let salvage = format!("`rosettar recover {shown} -o NEW` salvages what it holds, then remove it");
    let message = match file.map(|file| lock_file(&file)) {
        Some(Ok(false)) => format!("{shown} exists: an archive is being written there; wait for that to end"),
        Some(Ok(true)) => format!("{shown} exists: its writer ended early; {salvage}"),
        _ => format!("{shown} exists: an archive is being written there, or its writer ended early; {salvage}"),
    };
    Error::new(code::IO_FILE, message)
}

/// The name `path`, which has to be free.
fn free(path: &Path) -> Result<Target> {
    let target = split(path).and_then(|(directory, name)| match directory.stat(&name) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Target::Name { directory, name, mode: None, path: path.to_owned() })
        }
        Err(error) => Err(error),
    });
    target.map_err(|error| cannot("create", path, error))
}

/// The directory and the name that `path` consists of.
fn split(path: &Path) -> io::Result<(Dir, OsString)> {
    // Rust takes `a/` and `a/.` for `a`; a user who writes them means a directory.
    let text = path.to_string_lossy();
    let is_directory = text.strip_suffix('.').unwrap_or(&text).ends_with(std::path::is_separator);
    let Some(name) = path.file_name().filter(|_| !is_directory) else {
        let message = "expected the path of a file, found that of a directory";
        return Err(io::Error::new(io::ErrorKind::IsADirectory, message));
    };
    Ok((Dir::open(path.parent().unwrap_or(Path::new("")))?, name.to_owned()))
}

/// Follows symbolic links to where `path` leads.
fn resolve(path: &Path) -> io::Result<Target> {
    let mut path = path.to_owned();
    for _ in 0..=LINKS_MAX {
        let (directory, name) = split(&path)?;
        let metadata = match uninterrupted(|| fs::symlink_metadata(&path)) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Target::Name { directory, name, mode: None, path });
            }
            Err(error) => return Err(error),
        };
        if metadata.is_symlink() {
            // The text of a link such as /proc/self/fd/1 is a description: only opening it leads to the file.
            if directory.is_procfs()? {
                return Ok(Target::Direct(open_direct(&path)?));
            }
            path = path.parent().unwrap_or(Path::new("")).join(uninterrupted(|| fs::read_link(&path))?);
        } else if metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "expected a file, found a directory"));
        } else if metadata.is_file() {
            let stat = directory.stat(&name)?;
            return Ok(Target::Name { directory, name, mode: Some((stat.mode & 0o777, stat.owner)), path });
        } else {
            return Ok(Target::Direct(open_direct(&path)?));
        }
    }
    Err(io::Error::other(format!("more than {LINKS_MAX} symbolic links in a row")))
}

/// Opens what is written in place. Where it is this process's own standard output or error, that is used itself, since
/// a file opened again would begin at another position; other files are written at their end for the same reason.
fn open_direct(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd as _;
        use std::os::unix::fs::MetadataExt as _;
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let wanted = fs::metadata(path).map(identity)?;
        for own in [io::stdout().as_fd().try_clone_to_owned(), io::stderr().as_fd().try_clone_to_owned()] {
            let Ok(own) = own.map(File::from) else { continue };
            let is_output = own.metadata().map(identity).is_ok_and(|own| own == wanted);
            if is_output && path.starts_with("/proc") {
                return Ok(own);
            }
        }
    }
    OpenOptions::new().append(true).open(path)
}

/// Pipes and most devices cannot be synced, and say so; for them there is nothing to make durable.
fn sync_direct(file: &File) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, ReadOnlyFilesystem, Unsupported};
    match file.sync_all() {
        Err(error) if matches!(error.kind(), InvalidInput | Unsupported | ReadOnlyFilesystem) => Ok(()),
        result => result,
    }
}

fn cannot(what: &str, path: &Path, error: io::Error) -> Error {
    failed_to(code::IO_FILE, what, path, error)
}

fn failed_to(code: Code, what: &str, path: &Path, error: io::Error) -> Error {
    Error::io(code, format!("cannot {what} {}", path.display()), error)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    fn names(path: &Path) -> Vec<OsString> {
        let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    fn write(path: &Path, content: &[u8]) {
        let mut file = AtomicFile::replace(path).unwrap();
        file.write_all(content).unwrap();
        file.commit().unwrap();
    }

    #[test]
    fn dropping_and_aborting_leave_the_old_file() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        fs::write(&path, "old").unwrap();
        let mut file = AtomicFile::replace(&path).unwrap();
        file.write_all(b"new").unwrap();
        let temporary = names(temp.path()).remove(0).into_string().unwrap();
        assert!(temporary.starts_with(".a.rosettar-") && temporary.ends_with(".tmp"), "{temporary}");
        assert_eq!(temporary.len(), 1 + NAME_ADDED);
        assert_eq!(fs::metadata(temp.path().join(&temporary)).unwrap().mode() & 0o777, 0o600);
        drop(file);
        assert_eq!(names(temp.path()), ["a"]);
        let mut file = AtomicFile::replace(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.abort().unwrap();
        assert_eq!(names(temp.path()), ["a"]);
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_was_put_there_in_the_last_moment_is_put_back() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        fs::write(&path, "old").unwrap();
        let source = LockedFile::open(&path, |_| Ok(())).unwrap();
        let mut file = AtomicFile::replace(&path).unwrap();
        file.write_all(b"new").unwrap();
        // After the look before publication, so that only the exchange can show it.
        write(&path, b"another's");
        match file.pending.as_mut().unwrap().exchange_with(&source, &path) {
            Ok(exchanged) => assert!(!exchanged, "this file system has no exchange, so it was not tried"),
            Err(error) => assert_eq!(error.code(), "io.source-changed"),
        }
        assert_eq!(fs::read(&path).unwrap(), b"another's");
        // The same, seen before the exchange.
        let error = file.pending.as_mut().unwrap().put_in_place(Some(&source), &path).unwrap_err();
        assert_eq!(error.code(), "io.source-changed");
        assert_eq!(fs::read(&path).unwrap(), b"another's");
        drop(file);
        drop(source);
        let source = LockedFile::open(&path, |_| Ok(())).unwrap();
        let mut file = AtomicFile::replace(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.commit_made_from(&source).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(temp.path()), ["a"]);
    }

    #[test]
    fn an_existing_file_hands_down_its_mode_and_a_new_one_honours_the_umask() {
        let temp = tempfile::tempdir().unwrap();
        let (old, new, plain) = (temp.path().join("old"), temp.path().join("new"), temp.path().join("plain"));
        fs::write(&old, "old").unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o4640)).unwrap();
        write(&old, b"content");
        write(&new, b"content");
        fs::write(&plain, "").unwrap();
        assert_eq!(fs::metadata(&old).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(fs::metadata(&new).unwrap().mode(), fs::metadata(&plain).unwrap().mode());
        assert_eq!(fs::read(&old).unwrap(), b"content");
        assert_eq!(names(temp.path()), ["new", "old", "plain"]);
    }

    #[test]
    fn a_new_file_replaces_nothing_that_is_there_or_appears() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        let file = AtomicFile::create_new(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        let error = file.commit().unwrap_err();
        assert_eq!(error.code(), "io.file");
        assert_eq!(error.io_error().unwrap().kind(), io::ErrorKind::AlreadyExists);
        assert!(AtomicFile::create_new(&path).is_err());
        symlink("nowhere", temp.path().join("link")).unwrap();
        assert!(AtomicFile::create_new(temp.path().join("link")).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert_eq!(names(temp.path()), ["a", "link"]);
        let mut file = AtomicFile::create_new(temp.path().join("b")).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read(temp.path().join("b")).unwrap(), b"new");
    }

    #[test]
    fn a_name_of_255_bytes_works_and_a_longer_one_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let name = "é".repeat(127) + "x";
        write(&temp.path().join(&name), b"content");
        assert_eq!(names(temp.path()), [OsString::from(name)]);
        assert_eq!(AtomicFile::replace(temp.path().join("x".repeat(256))).unwrap_err().code(), "io.file");
        assert_eq!(names(temp.path()).len(), 1);
    }

    #[test]
    fn what_others_put_under_the_temporary_name_is_not_published() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        for partial in [false, true] {
            fs::write(&path, "old").unwrap();
            let mut file = match partial {
                true => AtomicFile::partial(&path, false).unwrap(),
                false => AtomicFile::replace(&path).unwrap(),
            };
            file.write_all(b"new").unwrap();
            let temporary = file.pending.as_ref().unwrap().at.clone();
            fs::rename(&temporary, temp.path().join("mine")).unwrap();
            symlink("/etc/passwd", &temporary).unwrap();
            let error = file.commit().unwrap_err();
            assert!(error.code() == "io.file" && error.message().contains("somebody"), "{error}");
            assert_eq!(fs::read(&path).unwrap(), b"old");
            assert!(temporary.is_symlink(), "what is another's stays");
            fs::remove_file(&temporary).unwrap();
        }
    }

    #[test]
    fn a_partial_file_says_whether_somebody_writes_it() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        let again = || AtomicFile::partial(&path, false).unwrap_err().to_string();
        let mut file = AtomicFile::partial(&path, false).unwrap();
        file.write_all(b"some").unwrap();
        assert!(again().contains("is being written"), "{}", again());
        drop(file);
        assert!(again().contains("ended early") && again().contains("recover"), "{}", again());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn owner_and_group_are_kept_or_nobody_gains() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: owner_and_group_are_kept_or_nobody_gains: only root may give files away");
            return;
        }
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::chown(&path, Some(1234), Some(4321)).unwrap();
        write(&path, b"new");
        let found = fs::metadata(&path).unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (1234, 4321, 0o640));
    }

    #[test]
    fn temporary_files_that_were_left_are_found() {
        let temp = tempfile::tempdir().unwrap();
        let (path, link) = (temp.path().join("a"), temp.path().join("link"));
        symlink("a", &link).unwrap();
        let others =
            [".a.rosettar-0123abc.tmp", ".a.rosettar-0123abcd", ".b.rosettar-0123abcd.tmp", ".rosettar-0123abcd.tmp"];
        for name in others.iter().chain(&[".a.rosettar-0123abcd.tmp"]) {
            fs::write(temp.path().join(name), "").unwrap();
        }
        let left = temp.path().join(".a.rosettar-0123abcd.tmp");
        assert_eq!(AtomicFile::temporaries_of(&path).unwrap(), std::slice::from_ref(&left));
        assert_eq!(AtomicFile::temporaries_of(&link).unwrap(), [left]);
        assert!(AtomicFile::temporaries_of("/dev/null").unwrap().is_empty());
        assert_eq!(AtomicFile::temporaries_of(temp.path().join("absent/a")).unwrap_err().code(), "io.file");
    }

    #[test]
    fn links_are_followed_and_stay() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("d")).unwrap();
        fs::write(temp.path().join("d/file"), "old").unwrap();
        symlink("d/middle", temp.path().join("link")).unwrap();
        symlink("file", temp.path().join("d/middle")).unwrap();
        symlink("d/absent", temp.path().join("dangling")).unwrap();
        symlink("cycle", temp.path().join("cycle")).unwrap();
        write(&temp.path().join("link"), b"new");
        write(&temp.path().join("dangling"), b"made");
        assert_eq!(fs::read(temp.path().join("d/file")).unwrap(), b"new");
        assert_eq!(fs::read(temp.path().join("d/absent")).unwrap(), b"made");
        for link in ["link", "d/middle", "dangling"] {
            assert!(temp.path().join(link).is_symlink(), "{link}");
        }
        assert_eq!(AtomicFile::replace(temp.path().join("cycle")).unwrap_err().code(), "io.file");
    }

    #[test]
    fn directories_are_no_targets() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("d")).unwrap();
        for path in ["d", "d/", "new/", "d/.", "d/..", "absent/file"] {
            let error = AtomicFile::replace(temp.path().join(path)).unwrap_err();
            assert_eq!(error.code(), "io.file", "{path}");
        }
        assert_eq!(AtomicFile::replace("").unwrap_err().code(), "io.file");
        assert_eq!(names(temp.path()), ["d"]);
    }

    #[test]
    fn what_is_no_regular_file_is_written_directly() {
        let mut null = AtomicFile::replace("/dev/null").unwrap();
        assert!(null.is_direct());
        null.write_all(b"content").unwrap();
        null.commit().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());

        let temp = tempfile::tempdir().unwrap();
        let fifo = temp.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        if !made.is_ok_and(|status| status.success()) {
            eprintln!("skipped: what_is_no_regular_file_is_written_directly: mkfifo is not installed");
            return;
        }
        let reader = std::thread::spawn({
            let fifo = fifo.clone();
            move || fs::read(fifo).unwrap()
        });
        write(&fifo, b"content");
        assert_eq!(reader.join().unwrap(), b"content");
        assert_eq!(names(temp.path()), ["fifo"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_link_of_the_process_file_system_is_written_through_not_replaced() {
        use std::os::fd::AsRawFd as _;
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        fs::write(&path, "before ").unwrap();
        let held = File::open(&path).unwrap();
        let inode = held.metadata().unwrap().ino();
        write(Path::new(&format!("/proc/self/fd/{}", held.as_raw_fd())), b"after");
        assert_eq!(fs::read(&path).unwrap(), b"before after");
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        assert!(AtomicFile::replace("/dev/stdout").unwrap().is_direct());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_failed_write_cannot_be_committed() {
        let mut full = AtomicFile::replace("/dev/full").unwrap();
        assert!(full.write_all(b"content").is_err());
        assert_eq!(full.commit().unwrap_err().code(), "io.write");
    }

    #[test]
    fn a_failed_rename_leaves_no_temporary_file() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        let file = AtomicFile::replace(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(file.commit().unwrap_err().code(), "io.file");
        assert_eq!(names(temp.path()), ["a"]);
    }
}
