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
//! Such a directory has its sticky bit set and belongs to the user: without that, an archive could bring one with a list
//! of its own, or another user leave one, and the next run would remove what that lists.
//!
//! Anything else in the target, an entry replaced by the user since then included (its inode number differs), and the
//! target is not empty: it is refused, and nothing in it touched. A lock on the target keeps two runs apart; where the
//! system or the file system has no such lock, remains are refused too, with an error that names them.
//!
//! **An existing target may hold other things where the options ask to merge.** The tree is staged in the same way and
//! compared with the target, and what is in the way is refused, before anything is moved. Then one entry after the other
//! is renamed into place; directories that only the tree has, as a whole. A crash leaves the staging directory. The next
//! merge removes it, takes what is already as its own tree has it for done, and so completes.

mod merge;
mod moves;
mod remains;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::dir::{Dir, LockedDir, OPEN_WHILE_REMOVING, remove_tree, shortened, uninterrupted, with_random_name};
use super::sandbox::{Modes, Sandbox};
use crate::error::{Error, Result, code};
use merge::Merge;
use moves::{Moves, remove_published};
use remains::{MOVES, PREFIX, Remains, TREE, is_staging, look_among_others, look_for_remains};

/// What becomes of a file or link that is in the way of a merge. One that is the same already (a file of equal content,
/// mode and time, a link of equal target) never is. A directory and something else are in each other's way whatever is
/// chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overwrite {
    /// It is an error, and nothing is merged.
    #[default]
    Refuse,
    /// It is kept, and reported.
    Never,
    /// It is replaced by one of a later time; otherwise it is kept, and reported.
    Newer,
    /// It is replaced.
    Always,
}

/// What publishing did about things that were there before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The paths at which a file or link was kept.
    pub kept: Vec<String>,
    /// How many files and links were replaced.
    pub replaced: u64,
    /// Staging directories for the same target beside it, which interrupted runs left. They are of no use any more, but
    /// whether a run is still at work in one cannot be told, so they are not touched.
    pub left_behind: Vec<PathBuf>,
}

/// How a tree is published.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StagingOptions {
    modes: Modes,
    sync: bool,
    merge: Option<Overwrite>,
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

    /// Lets an existing target hold other things, which stay, and says what becomes of those that are in the way. Unless
    /// this is called, a target that is not empty is refused.
    #[must_use]
    pub fn merge(mut self, overwrite: Overwrite) -> Self {
        self.merge = Some(overwrite);
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
    /// Descriptors to remove it with, where the process has no more of them by then.
    reserve: Vec<Dir>,
}

#[derive(Debug)]
enum Place {
    /// Beside the absent target `name` in `parent`.
    Beside { parent: Dir, name: OsString, staging: OsString, made: MadeParents, left_behind: Vec<PathBuf> },
    /// In the existing target.
    Inside { target: LockedDir, staging: OsString, remains: Remains },
}

/// Directories made for an absent target, the deepest last. Dropped, they are removed, as far as they are empty.
#[derive(Debug)]
struct MadeParents(Vec<PathBuf>);

impl Staging {
    /// Prepares a staging directory for `target`: an absent path, whose missing parents are made (and removed again if
    /// nothing is published), or an existing empty directory, or with [`merge`](StagingOptions::merge) any directory.
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
            let reserve = reserved(&parent)?;
            match parent.stat(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
                Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            }
            let umask = parent.umask()?;
            let kept = shortened(name, 255 - 1 - PREFIX.len() - 8);
            let begins = format!(".{kept}");
            let left_behind = parent
                .list()?
                .into_iter()
                .filter(|name| name.to_str().and_then(|name| name.strip_prefix(&begins)).is_some_and(is_staging))
                .map(|name| above.join(name))
                .collect();
            let staging = with_random_name(|digits| {
                let staging = OsString::from(format!("{begins}{PREFIX}{digits}"));
                parent.create_dir(&staging, 0o700).map(|()| staging)
            })?;
            Ok((parent, umask, staging, left_behind, reserve))
        };
        let (parent, umask, staging, left_behind, reserve) =
            begin().map_err(|error| cannot("make a staging directory in", above, error))?;
        let shown = above.join(&staging);
        let place = Place::Beside { parent, name: name.to_owned(), staging, made, left_behind };
        Ok(Self { place, options, target: target.to_owned(), shown, umask, live: true, reserve })
    }

    fn inside(target: &Path, options: StagingOptions) -> Result<Self> {
        let dir = Dir::open(target).map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory => refused(target, "it is no directory; give one that is empty or absent"),
            io::ErrorKind::NotFound => refused(target, "it is a symbolic link that leads nowhere; remove it first"),
            _ => cannot("open", target, error),
        })?;
        let Some(dir) = LockedDir::new(dir) else {
            return Err(refused(target, "another extraction is running in it"));
        };
        let merging = options.merge.is_some();
        let look = if merging { look_among_others } else { look_for_remains };
        let mut remains = look(target, &dir, dir.is_locked())?;
        if merging {
            // Of what was not moved nothing is needed; only the lists of moves still are.
            for name in &remains.stagings {
                remove_all_but_moves(&dir, name).map_err(|error| cannot("empty", &target.join(name), error))?;
            }
        } else if remains.moved.is_empty() {
            // Nothing of an interrupted run was published, so its remains are of no use to anyone.
            for name in std::mem::take(&mut remains.stagings) {
                remove_tree(&dir, &name).map_err(|error| cannot("remove", &target.join(&name), error))?;
            }
        }
        let begin = || {
            let reserve = reserved(&dir)?;
            let umask = dir.umask()?;
            let staging = with_random_name(|digits| {
                let staging = OsString::from(format!("{PREFIX}{digits}"));
                dir.create_marked_dir(&staging).map(|()| staging)
            })?;
            Ok((umask, staging, reserve))
        };
        let (umask, staging, reserve) =
            begin().map_err(|error| cannot("make a staging directory in", target, error))?;
        let shown = target.join(&staging);
        let place = Place::Inside { target: dir, staging, remains };
        let staging = Self { place, options, target: target.to_owned(), shown, umask, live: true, reserve };
        let made = staging.directory().and_then(|dir| dir.create_dir(OsStr::new(TREE), 0o700));
        made.map_err(|error| cannot("make a directory in", &staging.shown, error))?;
        Ok(staging)
    }

    /// The directory in which to create the tree.
    ///
    /// # Errors
    /// `io.file`.
    pub fn sandbox(&self) -> Result<Sandbox> {
        let open = || {
            let dir = match self.place {
                Place::Beside { .. } => self.directory()?,
                Place::Inside { .. } => self.directory()?.child(OsStr::new(TREE))?,
            };
            let folds = dir.folds_names()?;
            Ok((dir, folds))
        };
        let (dir, folds) = open().map_err(|error| cannot("open", &self.shown, error))?;
        Ok(Sandbox::over(dir, self.shown.clone(), self.options.modes, self.umask, folds))
    }

    /// The path of the staging directory, for messages.
    pub fn path(&self) -> &Path {
        &self.shown
    }

    /// Publishes the tree at its target.
    ///
    /// # Errors
    /// - `usage.target` where something is in the way of a merge, and `policy.name` where an entry is called as staging
    ///   directories are: nothing is published, and the staging directory is removed.
    /// - `io.write` where the sync fails, `usage.target` where the target has come into being meanwhile, `io.file`
    ///   where a rename fails: nothing is published, and the staging directory is removed.
    /// - `io.file` where only some entries could be moved into an existing target: the message names the staging
    ///   directory with the others, and running again completes. Also where all is published, but the staging
    ///   directory cannot be removed.
    /// - `io.durability` where all is published, but the sync of the directory that holds it failed.
    pub fn publish(mut self) -> Result<Published> {
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
        self.reserve.clear();
        match &self.place {
            Place::Beside { parent, staging, .. } => remove_tree(parent, staging),
            Place::Inside { target, staging, .. } => remove_tree(target, staging),
        }
    }

    /// On an error, `live` tells whether the staging directory is to be removed.
    fn try_publish(&mut self) -> Result<Published> {
        self.reserve.clear();
        let staging = self.directory().map_err(|error| cannot("open", &self.shown, error))?;
        if self.options.sync {
            staging.sync_file_system().map_err(|error| {
                Error::io(code::IO_WRITE, format!("cannot sync the file system of {}", self.shown.display()), error)
            })?;
        }
        match &mut self.place {
            Place::Beside { parent, name, staging: from, made, left_behind } => {
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
                if self.options.sync {
                    durable(&self.target, parent.sync())?;
                }
                Ok(Published { left_behind: std::mem::take(left_behind), ..Published::default() })
            }
            Place::Inside { target, staging: name, remains } => {
                let published = match self.options.merge {
                    None => publish_into_empty(target, &staging, remains, &self.options).map(|()| Published::default()),
                    Some(overwrite) => {
                        merge_into(&self.target, target, &staging, remains, overwrite, self.options.sync)
                    }
                };
                let published = published.map_err(|failure| failure.report(&self.shown, &mut self.live))?;
                self.live = false;
                for name in remains.stagings.iter().chain([&*name]) {
                    remove_published(target, name).map_err(|error| {
                        cannot("remove, now that all is published,", &self.target.join(name), error)
                    })?;
                }
                if self.options.sync {
                    // A merge changes directories all over the target.
                    let merged = self.options.merge.is_some();
                    durable(&self.target, if merged { target.sync_file_system() } else { target.sync() })?;
                }
                Ok(published)
            }
        }
    }
}

/// As many descriptors as it takes to remove a staging directory.
fn reserved(dir: &Dir) -> io::Result<Vec<Dir>> {
    (0..OPEN_WHILE_REMOVING).map(|_| dir.child(OsStr::new("."))).collect()
}

/// Why a tree was not moved into an existing target, or not all of it.
enum Failure {
    /// Nothing was moved.
    Before(Error),
    /// The preparations failed.
    Preparing(io::Error),
    /// This entry was not moved, and those after it.
    At { entry: OsString, error: io::Error, done: usize, of: usize },
}

impl Failure {
    /// The error, and whether the staging directory is of no more use and to be removed.
    fn report(self, staging: &Path, remove: &mut bool) -> Error {
        match self {
            Self::Before(error) => error,
            Self::Preparing(error) => cannot("prepare the moves from", staging, error),
            Self::At { entry, error, done, of } => {
                *remove = done == 0;
                let doing = format!(
                    "cannot move {entry:?} from {} into place after {done} of {of} entries{}",
                    staging.display(),
                    if *remove { "" } else { "; the others are still there, and running again completes" },
                );
                Error::io(code::IO_FILE, doing, error).with_entry(entry.to_string_lossy())
            }
        }
    }
}

fn publish_into_empty(
    target: &Dir,
    staging: &Dir,
    remains: &Remains,
    options: &StagingOptions,
) -> std::result::Result<(), Failure> {
    let mut moves = Moves::prepare(target, staging, remains, options.sync).map_err(Failure::Preparing)?;
    check_names(&moves.names)?;
    moves.run().map_err(|(entry, error)| Failure::At { entry, error, done: moves.done, of: moves.names.len() })
}

fn merge_into(
    shown: &Path,
    target: &Dir,
    staging: &Dir,
    remains: &Remains,
    overwrite: Overwrite,
    sync: bool,
) -> std::result::Result<Published, Failure> {
    let tree = staging.child(OsStr::new(TREE)).map_err(Failure::Preparing)?;
    check_names(&tree.list().map_err(Failure::Preparing)?)?;
    let mut merge = Merge::plan(shown, &tree, target, overwrite, &remains.moved).map_err(Failure::Before)?;
    merge.write_down(staging, target, sync).map_err(Failure::Preparing)?;
    let moved = merge.run(&tree, target);
    moved.map_err(|(entry, error)| Failure::At { entry, error, done: merge.done, of: merge.len() })?;
    Ok(merge.published)
}

/// Refuses an entry that a later run would take for what an interrupted one left, and remove.
fn check_names(names: &[OsString]) -> std::result::Result<(), Failure> {
    match names.iter().find(|name| name.to_str().is_some_and(is_staging)) {
        None => Ok(()),
        Some(name) => {
            let message = format!(
                "the name {name:?} is one of staging directories, which a later extraction would remove; leave the entry \
                 out, or extract to an absent directory"
            );
            let error = Error::new(code::POLICY_NAME, message).with_entry(name.to_string_lossy());
            Err(Failure::Before(error))
        }
    }
}

/// Empties what an interrupted run left, but for the list of what it moved.
fn remove_all_but_moves(target: &Dir, staging: &OsStr) -> io::Result<()> {
    let staging = target.child_made_accessible(staging)?;
    staging.list()?.iter().filter(|name| *name != MOVES).try_for_each(|name| remove_tree(&staging, name))
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

fn durable(target: &Path, synced: io::Result<()>) -> Result<()> {
    synced.map_err(|error| {
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
