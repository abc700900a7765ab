//! Trees on disk, as they are, to compare with what an archive says.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use rosettar::digest::Hasher;
use rosettar::model::EntryKind;
use rosettar::{Archive, Digest};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, RawMode};

/// What stands at one path. Of times, the fractions of a second are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    File {
        mode: u32,
        mtime: i64,
        size: u64,
        digest: Digest,
    },
    Directory {
        mode: u32,
        mtime: i64,
    },
    /// The time is that of the link itself.
    Symlink {
        target: String,
        mtime: i64,
    },
}

pub type Tree = BTreeMap<String, Node>;

/// What is below `root`, but for `.rosettar` there. Works with paths of any length, and makes every directory and file
/// accessible on the way.
pub fn on_disk(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    visit(rustix::fs::open(root, flags, Mode::empty()).unwrap(), "", &mut tree);
    tree
}

fn visit(dir: OwnedFd, prefix: &str, tree: &mut Tree) {
    let mut names: Vec<CString> = Vec::new();
    for entry in Dir::read_from(&dir).unwrap() {
        let name = entry.unwrap().file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push(name);
        }
    }
    for name in names {
        let text = name.to_str().expect("a name that is text");
        let path = format!("{prefix}{text}");
        if path == ".rosettar" {
            continue;
        }
        let stat = rustix::fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        let mode = stat.st_mode & 0o7777;
        let mtime = stat.st_mtime;
        let node = match stat.st_mode & libc_format::MASK {
            libc_format::SYMLINK => {
                let target = rustix::fs::readlinkat(&dir, &name, Vec::new()).unwrap();
                Node::Symlink { target: target.into_string().unwrap(), mtime }
            }
            libc_format::DIRECTORY => {
                rustix::fs::chmodat(&dir, &name, Mode::from_raw_mode(0o700), AtFlags::empty()).unwrap();
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
                let child = rustix::fs::openat(&dir, &name, flags, Mode::empty()).unwrap();
                visit(child, &format!("{path}/"), tree);
                Node::Directory { mode, mtime }
            }
            libc_format::REGULAR => {
                rustix::fs::chmodat(&dir, &name, Mode::from_raw_mode(0o600), AtFlags::empty()).unwrap();
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW;
                let file = File::from(rustix::fs::openat(&dir, &name, flags, Mode::empty()).unwrap());
                Node::File { mode, mtime, size: stat.st_size as u64, digest: digest_of(file).unwrap() }
            }
            other => panic!("{path} has the format {other:o}"),
        };
        tree.insert(path, node);
    }
}

/// The values of `st_mode` that POSIX systems agree on.
mod libc_format {
    use super::RawMode;
    pub const MASK: RawMode = 0o170_000;
    pub const SYMLINK: RawMode = 0o120_000;
    pub const DIRECTORY: RawMode = 0o040_000;
    pub const REGULAR: RawMode = 0o100_000;
}

fn digest_of(mut file: File) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finish()),
            len => hasher.update(&piece[..len]),
        }
    }
}

/// What extracting `archive` must give, where `umask` takes bits from every mode.
pub fn expected(archive: &Archive, umask: u32) -> Tree {
    archive
        .entries()
        .map(|entry| {
            let entry = entry.unwrap();
            let (mode, mtime) = (u32::from(entry.mode) & !umask, entry.mtime.seconds);
            let node = match entry.kind {
                EntryKind::File => Node::File { mode, mtime, size: entry.size, digest: entry.digest },
                EntryKind::Directory => Node::Directory { mode, mtime },
                EntryKind::Symlink => Node::Symlink { target: entry.target.unwrap().as_str().to_owned(), mtime },
                other => panic!("{other:?} is no entry of the user's"),
            };
            (entry.path.to_string(), node)
        })
        .collect()
}

/// How `found` differs from `expected`. Directories that are no entries may be there where a path implies them.
pub fn differences(expected: &Tree, found: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, node) in expected {
        match found.get(path) {
            Some(found) if found == node => {}
            found => faults.push(format!("{path:?}: expected {node:?}, found {found:?}")),
        }
    }
    for (path, node) in found.iter().filter(|(path, _)| !expected.contains_key(*path)) {
        let above = format!("{path}/");
        let implied = expected.range(above.clone()..).next().is_some_and(|(path, _)| path.starts_with(&above));
        if !(implied && matches!(node, Node::Directory { .. })) {
            faults.push(format!("{path:?} is not in the archive: {node:?}"));
        }
    }
    faults
}

/// The umask of this process, which the programs that it starts have, too.
pub fn umask() -> u32 {
    let output = std::process::Command::new("sh").args(["-c", "umask"]).output().unwrap();
    u32::from_str_radix(String::from_utf8(output.stdout).unwrap().trim(), 8).unwrap()
}
