//! Moving a staged tree into a target that holds other things.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _};
use std::path::Path;

use super::moves::{MoveList, move_new};
use super::{Overwrite, Published, cannot};
use crate::error::{Error, Result, code};
use crate::io::dir::{Dir, Kind, Stat};

/// What a merge is going to do, and what it leaves alone.
///
/// Directories that both sides have are merged, and those of the target keep their modes. What only the staged tree has
/// is moved, a directory as a whole. Of two files or links the options choose one. Nothing is followed on either side.
pub(super) struct Merge<'a> {
    /// The target's path, for messages.
    shown: &'a Path,
    overwrite: Overwrite,
    /// The device of the staged tree: nothing can be renamed to another.
    device: u64,
    /// What an interrupted run had moved: paths and inode numbers.
    moved: &'a BTreeMap<OsString, u64>,
    steps: Vec<Step>,
    /// Directories that the interrupted run had moved into the target, which still are to get modes and times, because
    /// a crash may have come before that.
    unfinished: Vec<(String, Stat)>,
    pub(super) published: Published,
    in_the_way: Option<String>,
    how_many_in_the_way: usize,
    pub(super) done: usize,
}

/// One move.
struct Step {
    path: String,
    ino: u64,
    replaces: bool,
}

impl<'a> Merge<'a> {
    /// Compares the staged tree with the target, and changes neither.
    ///
    /// # Errors
    /// `usage.target` where something is in the way, `io.file`.
    pub(super) fn plan(
        shown: &'a Path,
        tree: &Dir,
        target: &Dir,
        overwrite: Overwrite,
        moved: &'a BTreeMap<OsString, u64>,
    ) -> Result<Self> {
        let device = tree.stat_self().map_err(|error| cannot("look into", shown, error))?.dev;
        let mut merge = Self {
            shown,
            overwrite,
            device,
            moved,
            steps: Vec::new(),
            unfinished: Vec::new(),
            published: Published::default(),
            in_the_way: None,
            how_many_in_the_way: 0,
            done: 0,
        };
        merge.compare(tree, target, "")?;
        match &merge.in_the_way {
            None => Ok(merge),
            Some(first) => Err(blocked(shown, first, merge.how_many_in_the_way)),
        }
    }

    /// How many moves there are.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Compares a staged directory with that of the same path in the target; `prefix` is that path with a `/`.
    fn compare(&mut self, tree: &Dir, target: &Dir, prefix: &str) -> Result<()> {
        let at = |error| cannot("look into", &self.shown.join(prefix), error);
        let other_device = target.stat_self().map_err(at)?.dev != self.device;
        let mut names = tree.list().map_err(at)?;
        names.sort();
        for name in names {
            let path = format!("{prefix}{}", name.to_string_lossy());
            let failed = |error| cannot("look at", &self.shown.join(&path), error);
            let staged = tree.stat(&name).map_err(failed)?;
            let there = match target.stat(&name) {
                Ok(there) => there,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if other_device {
                        return Err(self.other_file_system(&path));
                    }
                    self.steps.push(Step { path, ino: staged.ino, replaces: false });
                    continue;
                }
                Err(error) => return Err(failed(error)),
            };
            match (staged.kind, there.kind) {
                (Kind::Directory, Kind::Directory) => {
                    let below_tree = tree.child_made_accessible(&name).map_err(failed)?;
                    let below_target = target.child(&name).map_err(failed)?;
                    self.compare(&below_tree, &below_target, &format!("{path}/"))?;
                    if there.ino != 0 && self.moved.get(OsStr::new(&path)) == Some(&there.ino) {
                        self.unfinished.push((path, staged));
                    }
                }
                (Kind::File | Kind::Symlink, Kind::File | Kind::Symlink) => {
                    if is_same(tree, target, &name, (&staged, &there)).map_err(failed)? {
                        continue;
                    }
                    if self.choose(&path, &staged, &there) && other_device {
                        return Err(self.other_file_system(&path));
                    }
                }
                _ => return Err(self.other_kind(&path, staged.kind, there.kind)),
            }
        }
        Ok(())
    }

    /// Chooses between two that differ, and tells whether the staged one is moved.
    fn choose(&mut self, path: &str, staged: &Stat, there: &Stat) -> bool {
        let replaces = match self.overwrite {
            Overwrite::Refuse => {
                self.how_many_in_the_way += 1;
                self.in_the_way.get_or_insert_with(|| path.to_owned());
                return false;
            }
            Overwrite::Never => false,
            Overwrite::Newer => staged.mtime > there.mtime,
            Overwrite::Always => true,
        };
        if replaces {
            self.published.replaced += 1;
            self.steps.push(Step { path: path.to_owned(), ino: staged.ino, replaces });
        } else {
            self.published.kept.push(path.to_owned());
        }
        replaces
    }

    /// Writes the moves down for a run after a crash.
    pub(super) fn write_down(&self, staging: &Dir, target: &Dir, sync: bool) -> io::Result<()> {
        let mut list = MoveList::create(staging)?;
        for step in &self.steps {
            list.add(step.ino, OsStr::new(&step.path))?;
        }
        list.finish(staging, target, sync)
    }

    /// Moves one after the other; each is wholly old or new at any time. An error comes with the path.
    pub(super) fn run(&mut self, tree: &Dir, target: &Dir) -> std::result::Result<(), (OsString, io::Error)> {
        let mut parents: Option<(&str, Dir, Dir)> = None;
        for step in &self.steps {
            let (above, name) = step.path.rsplit_once('/').unwrap_or(("", &step.path));
            let mut make = || {
                let (from, into) = match &mut parents {
                    _ if above.is_empty() => (tree, target),
                    Some((path, from, into)) if *path == above => (&*from, &*into),
                    parents => {
                        let (_, from, into) = parents.insert((above, tree.below(above)?, target.below(above)?));
                        (&*from, &*into)
                    }
                };
                if !step.replaces {
                    return move_new(from, OsStr::new(name), into, &mut self.done);
                }
                from.rename(OsStr::new(name), into, OsStr::new(name))?;
                self.done += 1;
                Ok(())
            };
            make().map_err(|error| (OsString::from(&step.path), error))?;
        }
        // What is below a directory comes before it here.
        for (path, stat) in &self.unfinished {
            let finish = || {
                let dir = target.below(path)?;
                dir.set_mode(stat.mode)?;
                dir.set_mtime(stat.mtime)
            };
            finish().map_err(|error| (OsString::from(path), error))?;
        }
        Ok(())
    }

    /// Leaves out all but the first `count` moves, as a crash does.
    #[cfg(test)]
    pub(super) fn cut(&mut self, count: usize) {
        self.steps.truncate(count);
        self.unfinished.clear();
    }

    fn other_file_system(&self, path: &str) -> Error {
        let message = format!(
            "cannot merge into {}: {path:?} is on another file system, to which nothing can be moved in one step; extract \
             that part to a directory there, or leave it out",
            self.shown.display()
        );
        Error::new(code::USAGE_TARGET, message).with_entry(path)
    }

    fn other_kind(&self, path: &str, staged: Kind, there: Kind) -> Error {
        let message = format!(
            "cannot merge into {}: the archive has {} where {} stands, and neither takes the other's place; move {path:?} \
             away, or leave it out",
            self.shown.display(),
            described(staged),
            described(there),
        );
        Error::new(code::USAGE_TARGET, message).with_entry(path)
    }
}

/// Whether two files have the same content, mode and time, or two links the same target.
fn is_same(tree: &Dir, target: &Dir, name: &OsStr, (staged, there): (&Stat, &Stat)) -> io::Result<bool> {
    if staged.kind != there.kind {
        return Ok(false);
    }
    if staged.kind == Kind::Symlink {
        return Ok(tree.read_link(name)? == target.read_link(name)?);
    }
    if (staged.mode, staged.mtime, staged.size) != (there.mode, there.mtime, there.size) {
        return Ok(false);
    }
    let (mut one, mut other) = match (tree.open_file(name), target.open_file(name)) {
        (Ok(one), Ok(other)) => (one, other),
        // What its owner may not read is not compared.
        _ => return Ok(false),
    };
    let (mut left, mut right) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let len = one.read(&mut left)?;
        if len == 0 {
            return Ok(other.read(&mut right[..1])? == 0);
        }
        match other.read_exact(&mut right[..len]) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            result => result?,
        }
        if left[..len] != right[..len] {
            return Ok(false);
        }
    }
}

fn blocked(target: &Path, first: &str, count: usize) -> Error {
    let more = match count {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let message = format!(
        "cannot merge into {}: other files stand where the archive has {first:?}{more}; choose what becomes of them: keep \
         them (`overwrite = never`), replace older ones (`overwrite = newer`) or all (`overwrite = always`)",
        target.display()
    );
    Error::new(code::USAGE_TARGET, message).with_entry(first)
}

fn described(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "a file",
        Kind::Directory => "a directory",
        Kind::Symlink => "a symbolic link",
        Kind::Other(what) => what,
    }
}
