//! What an interrupted run left in a target.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, Read as _};
use std::path::Path;

use super::{cannot, refused};
use crate::error::{Error, Result};
use crate::io::dir::{Dir, Kind, is_random};

/// What a staging directory inside its target is called, before eight hexadecimal digits.
pub(super) const PREFIX: &str = ".rosettar-extract-";
/// In a staging directory inside its target: the tree, the list of moves, and what was swapped out.
pub(super) const TREE: &str = "tree";
pub(super) const MOVES: &str = "moves";
pub(super) const OLD: &str = "old";
/// No list of moves is longer: a million paths of the greatest length that archives have unless the limit is raised.
const MOVES_MAX: u64 = 5 << 30;
/// No line of it: an inode number and a path.
const LINE_MAX: u64 = 1 << 20;

/// What an interrupted run left in a target.
#[derive(Debug, Default)]
pub(super) struct Remains {
    pub(super) stagings: Vec<OsString>,
    /// What it had moved, by path, with the inode numbers.
    pub(super) moved: BTreeMap<OsString, u64>,
}

/// Finds what an interrupted run left in `dir`, and refuses a target that holds anything else.
pub(super) fn look_for_remains(path: &Path, dir: &Dir, locked: bool) -> Result<Remains> {
    let look = || -> io::Result<_> {
        let mut present = BTreeMap::new();
        let mut remains = Remains::default();
        for name in dir.list()? {
            let stat = dir.stat(&name)?;
            if left_by_a_run(dir, &name)?.is_some() {
                remains.stagings.push(name);
            } else {
                present.insert(name, stat.ino);
            }
        }
        for staging in &remains.stagings {
            each_move(&dir.child(staging)?, |ino, path| {
                if let Some((name, found)) = present.get_key_value(OsStr::new(path))
                    && ino == *found
                {
                    remains.moved.insert(name.clone(), *found);
                }
            })?;
        }
        present.retain(|name, _| !remains.moved.contains_key(name));
        if locked && !present.is_empty() {
            clear_last_step(dir, &mut remains.stagings)?;
        }
        remains.stagings.sort();
        Ok((present.into_keys().next(), remains))
    };
    let (foreign, remains) = look().map_err(|error| cannot("look into", path, error))?;
    let staging = remains.stagings.first().map(|name| path.join(name));
    match (foreign, staging) {
        (None, None) => Ok(remains),
        (None, Some(_)) if locked => Ok(remains),
        (None, Some(staging)) => Err(left_behind(path, &staging, "empty the directory")),
        (Some(name), None) if name.to_str().is_some_and(is_staging) => Err(refused(
            path,
            &format!("it holds {name:?}, which is only called as what interrupted extractions leave; remove it"),
        )),
        (Some(name), None) => {
            Err(refused(path, &format!("it holds {name:?}; to add to what is there, merge (`merge = true`)")))
        }
        (Some(name), Some(staging)) => Err(refused(
            path,
            &format!(
                "it holds {name:?}, besides {} of an interrupted extraction; if that was to merge, run it again as it \
                 was (`merge = true`); otherwise move {name:?} away and run again, or remove what it left",
                staging.display()
            ),
        )),
    }
}

/// Removes staging directories that are empty: all that a run left which was interrupted at its last step, when everything
/// was published.
fn clear_last_step(dir: &Dir, stagings: &mut Vec<OsString>) -> io::Result<()> {
    let mut kept = Vec::new();
    for name in std::mem::take(stagings) {
        match dir.child(&name)?.list()?.is_empty() {
            true => dir.remove_dir(&name)?,
            false => kept.push(name),
        }
    }
    *stagings = kept;
    Ok(())
}

/// Finds what interrupted runs left in `dir`, whatever else it holds. A directory counts only where it holds nothing but
/// what a staging directory does.
pub(super) fn look_among_others(path: &Path, dir: &Dir, locked: bool) -> Result<Remains> {
    let look = || -> io::Result<_> {
        let mut remains = Remains::default();
        for name in dir.list()? {
            let Some(staging) = left_by_a_run(dir, &name)? else { continue };
            if staging.list()?.iter().all(|inner| inner == TREE || inner == MOVES || inner == OLD) {
                each_move(&staging, |ino, path| {
                    if inode_of(dir, path) == Some(ino) {
                        remains.moved.insert(OsString::from(path), ino);
                    }
                })?;
                remains.stagings.push(name);
            }
        }
        Ok(remains)
    };
    let remains = look().map_err(|error| cannot("look into", path, error))?;
    match remains.stagings.first() {
        Some(staging) if !locked => Err(left_behind(path, &path.join(staging), "remove it")),
        _ => Ok(remains),
    }
}

/// The directory `name`, if it is one that a run of this user made for staging.
fn left_by_a_run(dir: &Dir, name: &OsStr) -> io::Result<Option<Dir>> {
    if !name.to_str().is_some_and(is_staging) || dir.stat(name)?.kind != Kind::Directory {
        return Ok(None);
    }
    let staging = match dir.child(name) {
        // A run's own is open to it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        staging => staging?,
    };
    // A list of moves is a file; with anything else of that name, nobody's run has left it.
    let lists = match staging.stat(OsStr::new(MOVES)) {
        Ok(stat) => stat.kind == Kind::File,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    Ok((lists && staging.is_marked()?).then_some(staging))
}

/// Shows the inode number and path of each move in the list of a staging directory, where there is one.
fn each_move(staging: &Dir, mut see: impl FnMut(u64, &str)) -> io::Result<()> {
    let list = match staging.open_file(OsStr::new(MOVES)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result?,
    };
    let mut list = io::BufReader::new(list).take(MOVES_MAX);
    let mut line = Vec::new();
    loop {
        line.clear();
        list.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            // The end; or the line of a run that was cut off, or no run's, for what follows has no beginning.
            return Ok(());
        }
        let Ok(line) = std::str::from_utf8(&line) else { continue };
        // Where a system tells no inode numbers, they are 0, and prove nothing.
        if let Some((ino, path)) = line.split_once(' ')
            && let Ok(ino @ 1..) = ino.parse()
        {
            see(ino, path);
        }
    }
}

/// The inode number of what stands at `path` in `dir`, without following a link.
fn inode_of(dir: &Dir, path: &str) -> Option<u64> {
    let stat = match path.rsplit_once('/') {
        Some((above, name)) => dir.below(above).ok()?.stat(OsStr::new(name)),
        None => dir.stat(OsStr::new(path)),
    };
    Some(stat.ok()?.ino)
}

fn left_behind(path: &Path, staging: &Path, remedy: &str) -> Error {
    let why = format!(
        "an interrupted extraction left {}, and whether it has ended cannot be told here; if it has, {remedy} and run again",
        staging.display()
    );
    refused(path, &why)
}

pub(super) fn is_staging(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(is_random)
}
