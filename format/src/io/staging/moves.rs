//! Moving a staged tree into an empty target.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};

use super::remains::{MOVES, OLD, Remains, TREE};
use crate::io::dir::{Dir, Kind, Stat, remove_tree};

/// The moves from a staging directory into the target around it.
pub(super) struct Moves<'a> {
    target: &'a Dir,
    staging: &'a Dir,
    tree: Dir,
    remains: &'a Remains,
    pub(super) names: Vec<OsString>,
    pub(super) done: usize,
}

impl<'a> Moves<'a> {
    /// Lists the moves, and writes them down for a run after a crash.
    pub(super) fn prepare(target: &'a Dir, staging: &'a Dir, remains: &'a Remains, sync: bool) -> io::Result<Self> {
        let tree = staging.child(OsStr::new(TREE))?;
        let mut names = tree.list()?;
        names.sort();
        let mut list = MoveList::create(staging)?;
        for name in &names {
            list.add(tree.stat(name)?.ino, name)?;
        }
        for (name, ino) in &remains.moved {
            list.add(*ino, name)?;
        }
        list.finish(staging, target, sync)?;
        Ok(Self { target, staging, tree, remains, names, done: 0 })
    }

    pub(super) fn run(&mut self) -> std::result::Result<(), (OsString, io::Error)> {
        for name in self.names.clone() {
            self.publish(&name).map_err(|error| (name, error))?;
        }
        // What the interrupted run had published, and this tree does not have.
        for name in self.remains.moved.keys() {
            if self.names.binary_search(name).is_err() {
                self.put_aside(name).map_err(|error| (name.clone(), error))?;
            }
        }
        Ok(())
    }

    pub(super) fn publish(&mut self, name: &OsStr) -> io::Result<()> {
        if !self.remains.moved.contains_key(name) {
            return move_new(&self.tree, name, self.target, &mut self.done);
        }
        let stat = self.tree.stat(name)?;
        let reopened = make_movable(&self.tree, name, &stat)?;
        make_movable(self.target, name, &self.target.stat(name)?)?;
        match self.tree.exchange(name, self.target, name) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                self.put_aside(name)?;
                self.tree.rename_new(name, self.target, name)?;
            }
            result => result?,
        }
        self.done += 1;
        restore(reopened, &stat)
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

/// The list, in a staging directory, of what is about to be moved, for a run after a crash.
pub(super) struct MoveList(io::BufWriter<File>);

impl MoveList {
    pub(super) fn create(staging: &Dir) -> io::Result<Self> {
        Ok(Self(io::BufWriter::new(staging.create_file(OsStr::new(MOVES), 0o600)?)))
    }

    pub(super) fn add(&mut self, ino: u64, path: &OsStr) -> io::Result<()> {
        writeln!(self.0, "{ino} {}", path.to_string_lossy())
    }

    /// Ends the list; with `sync`, it is durable before anything is moved.
    pub(super) fn finish(self, staging: &Dir, target: &Dir, sync: bool) -> io::Result<()> {
        let list = self.0.into_inner().map_err(io::IntoInnerError::into_error)?;
        if sync {
            list.sync_all()?;
            staging.sync()?;
            target.sync()?;
        }
        Ok(())
    }
}

/// Moves `name` from one directory into another, where the name must be free, with the mode and time that it has. Counts
/// it as done once it is there, even if mode and time cannot be set again.
pub(super) fn move_new(from: &Dir, name: &OsStr, into: &Dir, done: &mut usize) -> io::Result<()> {
    let rename = || from.rename_new(name, into, name);
    let stat = from.stat(name)?;
    let reopened = match rename() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let reopened = make_movable(from, name, &stat)?;
            rename()?;
            reopened
        }
        result => result.map(|()| None)?,
    };
    *done += 1;
    restore(reopened, &stat)
}

/// Gives a directory back what [`make_movable`], and the move, changed.
fn restore(reopened: Option<Dir>, stat: &Stat) -> io::Result<()> {
    if let Some(dir) = reopened {
        dir.set_mode(stat.mode)?;
        dir.set_mtime(stat.mtime)?;
    }
    Ok(())
}

/// Removes a staging directory whose tree is published; the list of moves last, so that a run after a crash knows the
/// published entries for its own as long as anything else is left.
pub(super) fn remove_published(target: &Dir, name: &OsStr) -> io::Result<()> {
    let staging = target.child(name)?;
    for inner in staging.list()?.into_iter().filter(|inner| inner != MOVES) {
        remove_tree(&staging, &inner)?;
    }
    remove_tree(target, name)
}

/// A directory that its owner may not write to cannot be moved into another, because its `..` changes (unless the owner has
/// the right to ignore modes). Such a one is made writable and returned.
fn make_movable(parent: &Dir, name: &OsStr, stat: &Stat) -> io::Result<Option<Dir>> {
    if stat.kind != Kind::Directory || stat.mode & 0o700 == 0o700 {
        return Ok(None);
    }
    parent.child_made_accessible(name).map(Some)
}
