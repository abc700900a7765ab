//! Publishing a tree of files: it is built in a private directory, and appears in its place when it is complete.
//!
//! **An absent target** is built in `.NAME.rosettar-extract-XXXXXXXX` beside it and published by one rename.
//!
//! **An existing empty target** keeps its inode. The tree is built in `.rosettar-extract-XXXXXXXX/tree` inside it, and
//! its top-level entries are then moved out, in bytewise order. A crash leaves that directory behind:
//!
//! - before the moves, the target holds nothing else, and the next run removes the remains and goes on as in an empty
//!   target;
//! - during the moves, the file `moves` in it lists the name and inode number of everything that is being moved. The
//!   next run builds its own tree first, then swaps each entry that was already moved for its own (in one step where the
//!   system can), moves the others, and removes the remains last. Each entry is thus wholly old or new at any time,
//!   and running again completes.
//!
//! Anything else in the target, an entry replaced by the user since then included (its inode number differs), and the
//! target is not empty: it is refused, and nothing in it touched. A lock on the target keeps two runs apart; where the
//! system or the file system has no such lock, remains are refused too, with an error that names them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::dir::{Dir, Kind, Stat, remove_tree, shortened, uninterrupted, with_random_name};
use super::sandbox::{Modes, Sandbox};
use crate::error::{Error, Result, code};

/// What a staging directory inside its target is called, before eight hexadecimal digits.
const PREFIX: &str = ".rosettar-extract-";
/// In a staging directory inside its target: the tree, the list of moves, and what was swapped out.
const TREE: &str = "tree";
const MOVES: &str = "moves";
const OLD: &str = "old";
/// No list of moves is longer: a million names of the greatest length.
const MOVES_MAX: u64 = 512 << 20;

/// How a tree is published.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StagingOptions {
    modes: Modes,
    sync: bool,
}

impl StagingOptions {
    /// The defaults: modes honour the umask, and nothing is synced.
    pub fn new() -> Self {
        Self::default()
    }

    /// How the modes of entries are applied.
    #[must_use]
    pub fn modes(mut self, modes: Modes) -> Self {
        self.modes = modes;
        self
    }

    /// Whether everything is made durable before it is published (one `syncfs`), so that a power cut too leaves all or
    /// nothing of an absent target.
    #[must_use]
    pub fn sync(mut self, sync: bool) -> Self {
        self.sync = sync;
        self
    }
}

/// A tree being built, to be published at its target or discarded.
///
/// ```
/// use rosettar::EntryPath;
/// use rosettar::io::{Staging, StagingOptions};
/// use std::io::Write as _;
/// # let directory = tempfile::tempdir().unwrap();
/// # let target = directory.path().join("out");
///
/// let staging = Staging::new(&target, StagingOptions::new())?;
/// let sandbox = staging.sandbox()?;
/// let mut file = sandbox.create_file(&EntryPath::new("a/b")?)?;
/// file.write_all(b"content").unwrap();
/// file.finish(0o644, (0, 0))?;
/// assert!(!target.exists());
/// staging.publish()?;
/// assert_eq!(std::fs::read(target.join("a/b")).unwrap(), b"content");
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Debug)]
pub struct Staging {
    place: Place,
    options: StagingOptions,
    target: PathBuf,
    /// The staging directory, for messages.
    shown: PathBuf,
    umask: u32,
    /// Whether the staging directory is to be removed on drop.
    live: bool,
}

#[derive(Debug)]
enum Place {
    /// Beside the absent target `name` in `parent`.
    Beside { parent: Dir, name: OsString, staging: OsString, made: MadeParents },
    /// In the existing target.
    Inside { target: Dir, staging: OsString, remains: Remains },
}

/// What an interrupted run left in a target.
#[derive(Debug, Default)]
struct Remains {
    stagings: Vec<OsString>,
    /// The entries it had moved, with their inode numbers.
    moved: BTreeMap<OsString, u64>,
}

/// Directories made for an absent target, the deepest last. Dropped, they are removed, as far as they are empty.
#[derive(Debug)]
struct MadeParents(Vec<PathBuf>);

impl Staging {
    /// Prepares a staging directory for `target`: an absent path, whose missing parents are made (and removed again if
    /// nothing is published), or an existing empty directory.
    ///
    /// # Errors
    /// `usage.target` where the target is something else, or another run is at work in it; otherwise `io.file`.
    pub fn new(target: impl AsRef<Path>, options: StagingOptions) -> Result<Self> {
        let target = target.as_ref();
        match uninterrupted(|| fs::symlink_metadata(target)) {
            Ok(_) => Self::inside(target, options),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::beside(target, options),
            Err(error) => Err(cannot("look at", target, error)),
        }
    }

    fn beside(target: &Path, options: StagingOptions) -> Result<Self> {
        let Some(name) = target.file_name() else {
            return Err(refused(target, "its last component is no name; give the directory to extract to"));
        };
        let above = match target.parent() {
            Some(above) if !above.as_os_str().is_empty() => above,
            _ => Path::new("."),
        };
        let made = make_parents(above)?;
        let begin = || {
            let parent = Dir::open(above)?;
            match parent.stat(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
                Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            }
            let umask = parent.umask()?;
            let kept = shortened(name, 255 - 1 - PREFIX.len() - 8);
            let staging = with_random_name(|digits| {
                let staging = OsString::from(format!(".{kept}{PREFIX}{digits}"));
                parent.create_dir(&staging, 0o700).map(|()| staging)
            })?;
            Ok((parent, umask, staging))
        };
        let (parent, umask, staging) = begin().map_err(|error| cannot("make a staging directory in", above, error))?;
        let shown = above.join(&staging);
        let place = Place::Beside { parent, name: name.to_owned(), staging, made };
        Ok(Self { place, options, target: target.to_owned(), shown, umask, live: true })
    }

    fn inside(target: &Path, options: StagingOptions) -> Result<Self> {
        let dir = Dir::open(target).map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory => refused(target, "it is no directory; give one that is empty or absent"),
            io::ErrorKind::NotFound => refused(target, "it is a symbolic link that leads nowhere; remove it first"),
            _ => cannot("open", target, error),
        })?;
        let locked = match dir.lock() {
            Ok(false) => return Err(refused(target, "another extraction is running in it")),
            Ok(true) => true,
            Err(_) => false,
        };
        let mut remains = look_for_remains(target, &dir, locked)?;
        if remains.moved.is_empty() {
            // Nothing of an interrupted run was published, so its remains are of no use to anyone.
            for name in std::mem::take(&mut remains.stagings) {
                remove_tree(&dir, &name).map_err(|error| cannot("remove", &target.join(&name), error))?;
            }
        }
        let begin = || {
            let umask = dir.umask()?;
            let staging = with_random_name(|digits| {
                let staging = OsString::from(format!("{PREFIX}{digits}"));
                dir.create_dir(&staging, 0o700).map(|()| staging)
            })?;
            Ok((umask, staging))
        };
        let (umask, staging) = begin().map_err(|error| cannot("make a staging directory in", target, error))?;
        let shown = target.join(&staging);
        let place = Place::Inside { target: dir, staging, remains };
        let staging = Self { place, options, target: target.to_owned(), shown, umask, live: true };
        let made = staging.directory().and_then(|dir| dir.create_dir(OsStr::new(TREE), 0o700));
        made.map_err(|error| cannot("make a directory in", &staging.shown, error))?;
        Ok(staging)
    }

    /// The directory in which to create the tree.
    ///
    /// # Errors
    /// `io.file`.
    pub fn sandbox(&self) -> Result<Sandbox> {
        let open = || match self.place {
            Place::Beside { .. } => self.directory(),
            Place::Inside { .. } => self.directory()?.child(OsStr::new(TREE)),
        };
        let dir = open().map_err(|error| cannot("open", &self.shown, error))?;
        Ok(Sandbox::over(dir, self.shown.clone(), self.options.modes, self.umask))
    }

    /// The path of the staging directory, for messages.
    pub fn path(&self) -> &Path {
        &self.shown
    }

    /// Publishes the tree at its target.
    ///
    /// # Errors
    /// - `io.write` where the sync fails, `usage.target` where the target has come into being meanwhile, `io.file`
    ///   where a rename fails: nothing is published, and the staging directory is removed.
    /// - `io.file` where only some entries could be moved into an existing target: the message names the staging
    ///   directory with the others, and running again completes. Also where all is published, but the staging
    ///   directory cannot be removed.
    /// - `io.durability` where all is published, but the sync of the directory that holds it failed.
    pub fn publish(mut self) -> Result<()> {
        match self.try_publish() {
            Err(error) if self.live => Err(self.discard_after(error)),
            result => result,
        }
    }

    /// Removes the staging directory, and the parents made for the target. Dropping the value does the same, but cannot
    /// report a failure.
    ///
    /// # Errors
    /// `io.file`; the message names what could not be removed.
    pub fn discard(mut self) -> Result<()> {
        self.live = false;
        self.remove().map_err(|error| cannot("remove the staging directory", &self.shown, error))
    }

    /// [Discards](Self::discard) because of `error`, and returns that, with an addition where something is left behind.
    pub fn discard_after(self, error: Error) -> Error {
        let Err(second) = self.discard() else { return error };
        let same = code::ALL.iter().find(|code| error.is(**code)).copied().unwrap_or(code::IO_FILE);
        let mut both = Error::new(same, format!("{}; besides, {}", error.message(), second.message()));
        if let Some(entry) = error.entry() {
            both = both.with_entry(entry);
        }
        if let Some(offset) = error.offset() {
            both = both.with_offset(offset);
        }
        both.with_source(error)
    }

    fn directory(&self) -> io::Result<Dir> {
        match &self.place {
            Place::Beside { parent, staging, .. } => parent.child(staging),
            Place::Inside { target, staging, .. } => target.child(staging),
        }
    }

    fn remove(&mut self) -> io::Result<()> {
        match &self.place {
            Place::Beside { parent, staging, .. } => remove_tree(parent, staging),
            Place::Inside { target, staging, .. } => remove_tree(target, staging),
        }
    }

    /// On an error, `live` tells whether the staging directory is to be removed.
    fn try_publish(&mut self) -> Result<()> {
        let staging = self.directory().map_err(|error| cannot("open", &self.shown, error))?;
        if self.options.sync {
            staging.sync_file_system().map_err(|error| {
                Error::io(code::IO_WRITE, format!("cannot sync the file system of {}", self.shown.display()), error)
            })?;
        }
        match &mut self.place {
            Place::Beside { parent, name, staging: from, made } => {
                let publish = || {
                    staging.set_mode(0o777 & !self.umask)?;
                    parent.rename_new(from, parent, name)
                };
                publish().map_err(|error| match error.kind() {
                    io::ErrorKind::AlreadyExists => refused(&self.target, "it has come into being meanwhile"),
                    _ => cannot("rename the staging directory to", &self.target, error),
                })?;
                self.live = false;
                made.0.clear();
                if self.options.sync { durable(parent, &self.target) } else { Ok(()) }
            }
            Place::Inside { target, staging: name, remains } => {
                let mut moves = Moves::prepare(target, &staging, remains, self.options.sync)
                    .map_err(|error| cannot("prepare the moves from", &self.shown, error))?;
                if let Err((entry, error)) = moves.run() {
                    self.live = moves.done == 0;
                    let doing = format!(
                        "cannot move {entry:?} from {} into place after {} of {} entries{}",
                        self.shown.display(),
                        moves.done,
                        moves.names.len(),
                        if self.live { "" } else { "; the others are still there, and running again completes" },
                    );
                    return Err(Error::io(code::IO_FILE, doing, error).with_entry(entry.to_string_lossy()));
                }
                self.live = false;
                for name in remains.stagings.iter().chain([&*name]) {
                    remove_published(target, name).map_err(|error| {
                        cannot("remove, now that all is published,", &self.target.join(name), error)
                    })?;
                }
                if self.options.sync { durable(target, &self.target) } else { Ok(()) }
            }
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.live {
            // Nothing can be reported from here; `discard` can.
            let _ = self.remove();
        }
    }
}

impl Drop for MadeParents {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            // One that another program has put something in stays.
            let _ = uninterrupted(|| fs::remove_dir(path));
        }
    }
}

/// The moves from a staging directory into the target around it.
struct Moves<'a> {
    target: &'a Dir,
    staging: &'a Dir,
    tree: Dir,
    remains: &'a Remains,
    names: Vec<OsString>,
    done: usize,
}

impl<'a> Moves<'a> {
    /// Lists the moves, and writes them down for a run after a crash.
    fn prepare(target: &'a Dir, staging: &'a Dir, remains: &'a Remains, sync: bool) -> io::Result<Self> {
        let tree = staging.child(OsStr::new(TREE))?;
        let mut names = tree.list()?;
        names.sort();
        let mut list = io::BufWriter::new(staging.create_file(OsStr::new(MOVES), 0o600)?);
        for name in &names {
            writeln!(list, "{} {}", tree.stat(name)?.ino, name.to_string_lossy())?;
        }
        for (name, ino) in &remains.moved {
            writeln!(list, "{ino} {}", name.to_string_lossy())?;
        }
        let list = list.into_inner().map_err(io::IntoInnerError::into_error)?;
        if sync {
            list.sync_all()?;
            staging.sync()?;
            target.sync()?;
        }
        Ok(Self { target, staging, tree, remains, names, done: 0 })
    }

    fn run(&mut self) -> std::result::Result<(), (OsString, io::Error)> {
        for name in &self.names {
            self.publish(name).map_err(|error| (name.clone(), error))?;
            self.done += 1;
        }
        // What the interrupted run had published, and this tree does not have.
        for name in self.remains.moved.keys() {
            if self.names.binary_search(name).is_err() {
                self.put_aside(name).map_err(|error| (name.clone(), error))?;
            }
        }
        Ok(())
    }

    fn publish(&self, name: &OsStr) -> io::Result<()> {
        let stat = self.tree.stat(name)?;
        let reopened = make_movable(&self.tree, name, &stat)?;
        if self.remains.moved.contains_key(name) {
            make_movable(self.target, name, &self.target.stat(name)?)?;
            match self.tree.exchange(name, self.target, name) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    self.put_aside(name)?;
                    self.tree.rename_new(name, self.target, name)?;
                }
                result => result?,
            }
        } else {
            self.tree.rename_new(name, self.target, name)?;
        }
        if let Some(dir) = reopened {
            dir.set_mode(stat.mode)?;
            dir.set_mtime(stat.mtime)?;
        }
        Ok(())
    }

    /// Moves an entry of an interrupted run into the staging directory, to be removed with it.
    fn put_aside(&self, name: &OsStr) -> io::Result<()> {
        match self.staging.create_dir(OsStr::new(OLD), 0o700) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let old = self.staging.child(OsStr::new(OLD))?;
        make_movable(self.target, name, &self.target.stat(name)?)?;
        self.target.rename_new(name, &old, name)
    }
}

/// Removes a staging directory whose tree is published; the list of moves last, so that a run after a crash knows the
/// published entries for its own as long as anything else is left.
fn remove_published(target: &Dir, name: &OsStr) -> io::Result<()> {
    let staging = target.child(name)?;
    for inner in staging.list()?.into_iter().filter(|inner| inner != MOVES) {
        remove_tree(&staging, &inner)?;
    }
    remove_tree(target, name)
}

/// A directory that its owner may not write to cannot be moved into another, because its `..` changes. Such a one is
/// made writable and returned.
fn make_movable(parent: &Dir, name: &OsStr, stat: &Stat) -> io::Result<Option<Dir>> {
    if stat.kind != Kind::Directory || stat.mode & 0o700 == 0o700 {
        return Ok(None);
    }
    parent.child_made_accessible(name).map(Some)
}

/// Finds what an interrupted run left in `dir`, and refuses a target that holds anything else.
fn look_for_remains(path: &Path, dir: &Dir, locked: bool) -> Result<Remains> {
    let look = || -> io::Result<_> {
        let mut present = BTreeMap::new();
        let mut remains = Remains::default();
        for name in dir.list()? {
            let stat = dir.stat(&name)?;
            if stat.kind == Kind::Directory && is_staging(&name) {
                remains.stagings.push(name);
            } else {
                present.insert(name, stat.ino);
            }
        }
        for staging in &remains.stagings {
            let list = match dir.child(staging)?.open_file(OsStr::new(MOVES)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                result => result?,
            };
            for line in io::BufReader::new(list).take(MOVES_MAX).split(b'\n') {
                let line = String::from_utf8(line?).unwrap_or_default();
                let Some((ino, name)) = line.split_once(' ') else { continue };
                if let Some((name, found)) = present.get_key_value(OsStr::new(name))
                    && ino.parse() == Ok(*found)
                {
                    remains.moved.insert(name.clone(), *found);
                }
            }
        }
        present.retain(|name, _| !remains.moved.contains_key(name));
        remains.stagings.sort();
        Ok((present.into_keys().next(), remains))
    };
    let (foreign, remains) = look().map_err(|error| cannot("look into", path, error))?;
    let staging = remains.stagings.first().map(|name| path.join(name));
    match (foreign, staging) {
        (None, None) => Ok(remains),
        (None, Some(_)) if locked => Ok(remains),
        (None, Some(staging)) => Err(refused(
            path,
            &format!(
                "an interrupted extraction left {}, and whether it has ended cannot be told here; if it has, empty the \
                 directory and run again",
                staging.display()
            ),
        )),
        (Some(name), None) => Err(refused(path, &format!("it is not empty but holds {name:?}"))),
        (Some(name), Some(staging)) => Err(refused(
            path,
            &format!(
                "it holds {name:?}, besides {} of an interrupted extraction; move the former away and run again, or \
                 remove the latter",
                staging.display()
            ),
        )),
    }
}

fn is_staging(name: &OsStr) -> bool {
    let digits = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    digits.is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// Makes `path` and what is missing above it.
fn make_parents(path: &Path) -> Result<MadeParents> {
    let mut missing = Vec::new();
    for path in path.ancestors().take_while(|path| !path.as_os_str().is_empty()) {
        match uninterrupted(|| fs::metadata(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(path),
            // What is no directory shows when something is made in it.
            Err(error) if error.kind() != io::ErrorKind::NotADirectory => return Err(cannot("look at", path, error)),
            _ => break,
        }
    }
    let mut made = MadeParents(Vec::new());
    for path in missing.into_iter().rev() {
        match uninterrupted(|| fs::create_dir(path)) {
            Ok(()) => made.0.push(path.to_owned()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(cannot("make the directory", path, error)),
        }
    }
    Ok(made)
}

fn durable(dir: &Dir, target: &Path) -> Result<()> {
    dir.sync().map_err(|error| {
        let doing = format!("{} is published, but its durability is unknown", target.display());
        Error::io(code::IO_DURABILITY, doing, error)
    })
}

fn refused(target: &Path, why: &str) -> Error {
    let message =
        format!("cannot use {} as a target: expected an absent or empty directory, but {why}", target.display());
    Error::new(code::USAGE_TARGET, message)
}

fn cannot(what: &str, path: &Path, error: io::Error) -> Error {
    Error::io(code::IO_FILE, format!("cannot {what} {}", path.display()), error)
}

#[cfg(all(test, unix))]
mod tests;
