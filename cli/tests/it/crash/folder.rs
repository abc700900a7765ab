//! A folder for one run, and what is in it afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::strace::Run;
use super::{Scenario, args};

/// A folder for one run, in memory where there is such a place.
pub struct Folder {
    pub path: PathBuf,
    _above: tempfile::TempDir,
}

impl Folder {
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let above = match memory.is_dir() {
            true => tempfile::tempdir_in(memory).unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        Self { path: above.path().join("folder"), _above: above }
    }

    /// One in `directory`, such as the root of another file system.
    pub fn inside(directory: &Path) -> Self {
        let above = tempfile::tempdir_in(directory).unwrap();
        Self { path: above.path().join("folder"), _above: above }
    }

    /// The same again, times of links included.
    pub fn copy(&self) -> Self {
        self.copy_to(Self::new())
    }

    /// Fills `copy` with the same, times of links included.
    pub fn copy_to(&self, copy: Self) -> Self {
        let status = std::process::Command::new("cp").arg("-a").args([&self.path, &copy.path]).status().unwrap();
        assert!(status.success());
        copy
    }

    pub fn run(&self, scenario: &Scenario) -> Run<'_> {
        let input = (!scenario.input.is_empty()).then(|| self.path.join(scenario.input));
        Run { folder: &self.path, args: args(&self.path, scenario.args), input }
    }

    /// What is there, and apart from that what says by its name that it was left by a run that broke off.
    pub fn state(&self) -> (State, Vec<String>) {
        let mut state = State::new();
        let mut leftovers = Vec::new();
        look(&self.path, "", &mut state, &mut leftovers);
        (state, leftovers)
    }
}

pub type State = BTreeMap<String, Node>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub mode: u32,
    /// `None` at the top of the folder, where an archive and the target of an extraction have the time of their making, and
    /// for a directory that was there before.
    pub mtime: Option<(i64, i64)>,
    pub content: Vec<u8>,
}

impl Node {
    pub fn is_directory(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
}

pub fn forget_times(state: &mut State, directories: &BTreeSet<String>) {
    for (path, node) in state {
        if directories.contains(path) {
            node.mtime = None;
        }
    }
}

fn look(folder: &Path, prefix: &str, state: &mut State, leftovers: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if is_leftover(&name) {
            leftovers.push(name);
            continue;
        }
        let metadata = entry.metadata().unwrap();
        let path = format!("{prefix}{name}");
        let content = if metadata.is_dir() {
            look(&entry.path(), &format!("{path}/"), state, leftovers);
            Vec::new()
        } else if metadata.is_symlink() {
            std::fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes()
        } else {
            std::fs::read(entry.path()).unwrap()
        };
        let mtime = (!prefix.is_empty()).then(|| (metadata.mtime(), metadata.mtime_nsec()));
        state.insert(path, Node { mode: metadata.mode(), mtime, content });
    }
}

/// `.NAME.rosettar-XXXXXXXX.tmp`, `.NAME.rosettar-extract-XXXXXXXX`, the same without a NAME, and what is left on purpose.
fn is_leftover(name: &str) -> bool {
    name.starts_with('.') && name.contains(".rosettar-") || name.ends_with(".partial")
}
