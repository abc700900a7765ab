//! Walking a directory that is to be packed, and opening its files so that a change under way is noticed.

use std::cmp::Ordering;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, code};
use crate::io::Names;
use crate::io::dir::{Dir, Stat};
use crate::io::sandbox::Links;
use crate::limits::Limits;
use crate::parallel::Threads;
use crate::path::{EntryPath, LinkTarget};

mod paths;
mod source;
mod walker;

pub use paths::walk_paths;
pub use source::{SourceFile, SourceOpener};
use walker::Walker;

/// What is done about something that an archive cannot hold: a device, FIFO or socket, a name or link target that is no
/// text or has control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Unsupported {
    /// It is an error.
    #[default]
    Refuse,
    /// It is left out, and reported.
    Skip,
}

/// What of a tree is taken.
///
/// Patterns are globs over archive paths: `?` and `*` match within a component, `**` across components, `[a-z]` and
/// `{a,b}` as usual; a leading dot is nothing special. One with a `/` in it is matched against the whole path (a leading
/// `/` says no more than that), one without against a name at any depth; a `/` at the end is ignored.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WalkOptions {
    include: Vec<String>,
    exclude: Vec<String>,
    links: Links,
    unsupported: Unsupported,
    names: Names,
    limits: Limits,
    threads: Threads,
    outputs: Vec<PathBuf>,
    /// Device and inode of files that are left out.
    own_files: Vec<(u64, u64)>,
}

impl WalkOptions {
    /// The defaults: everything is taken, and what cannot be is an error.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes only what matches `pattern`, or one given by another call, with all that is below it. Directories above
    /// something that is taken are taken too, for the sake of their modes and times.
    #[must_use]
    pub fn include(mut self, pattern: impl Into<String>) -> Self {
        self.include.push(pattern.into());
        self
    }

    /// Leaves out what matches `pattern`, with all that is below it, which is not even looked at. Wins over
    /// [`include`](Self::include).
    #[must_use]
    pub fn exclude(mut self, pattern: impl Into<String>) -> Self {
        self.exclude.push(pattern.into());
        self
    }

    /// What is done about symbolic links that are not inside the tree.
    #[must_use]
    pub fn links(mut self, links: Links) -> Self {
        self.links = links;
        self
    }

    /// What is done about things that an archive cannot hold.
    #[must_use]
    pub fn unsupported(mut self, unsupported: Unsupported) -> Self {
        self.unsupported = unsupported;
        self
    }

    /// Which names are accepted; [any](Names::Any) unless set.
    #[must_use]
    pub fn names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    /// The bounds on paths and on the number of entries.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many threads list directories; the number of cores unless set, and at least 1. What is found does not depend on
    /// it.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Threads::exactly(threads);
        self
    }

    /// Leaves out what stands at `path`, an archive that is about to be replaced, so that it is not packed into itself;
    /// and what other calls named.
    #[must_use]
    pub fn output(mut self, path: impl Into<PathBuf>) -> Self {
        self.outputs.push(path.into());
        self
    }
}

impl WalkOptions {
    /// As the writer does that the tree is for: without files of this device and inode, within its limits, on as many
    /// threads.
    pub(super) fn as_writer(&mut self, own_files: &[(u64, u64)], limits: &Limits, threads: usize) {
        self.own_files = own_files.to_vec();
        self.limits = limits.clone();
        self.threads = Threads::exactly(threads);
    }
}

/// The kind of a [`TreeItem`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, and its target.
    Symlink(LinkTarget),
}

/// Something in the tree, as it was when the walk came by.
#[derive(Clone, Debug)]
pub struct TreeItem {
    /// Its path in the archive.
    pub path: EntryPath,
    /// Where it is.
    pub source: PathBuf,
    /// What it is.
    pub kind: TreeKind,
    /// The nine permission bits; 0777 for a symbolic link.
    pub mode: u32,
    /// When it was modified: seconds since 1970, rounded down, and the nanoseconds after them.
    pub mtime: (i64, u32),
    /// The bytes of a file; 0 for anything else.
    pub size: u64,
    stat: Stat,
}

/// Something about the tree that its owner should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The path it is about; with replacement characters where it is no text.
    pub path: String,
    /// What it is.
    pub kind: NoteKind,
    /// The same for people, to be shown after the path.
    pub message: String,
}

/// The kind of a [`Note`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteKind {
    /// It was left out, as the options ask.
    Skipped,
    /// It is taken without its setuid, setgid or sticky bit.
    ModeBits,
    /// It is taken, but Windows cannot hold the name.
    Unportable,
}

/// What a [`walk`] found.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// What is taken, in bytewise order of the names that it has in the tar, where a directory's ends in `/`: so what is in
    /// a directory directly follows it, as `a-b`, `a/`, `a/b`, `ab`. Each of several hard links to a file is a file of its
    /// own.
    pub items: Vec<TreeItem>,
    /// What is to be reported, in the order of the paths.
    pub notes: Vec<Note>,
}

/// Walks the directory `root`, without following any symbolic link below it, and lists what is to be packed. The root
/// itself is no item.
///
/// # Errors
/// - `usage.option`: a pattern is no glob.
/// - `io.file`, `io.read`: the root, something below it, cannot be opened or listed.
/// - `usage.input`: the root is no directory, a name or link target is no text or has control characters, or a name at
///   the top is `.rosettar`, which is reserved.
/// - `policy.file-type`: a device, FIFO or socket. `policy.link`: a link that is not inside. `policy.name`: a name that
///   is not [portable](Names::Portable), where the options ask for such names.
/// - `limit.path-bytes`, `limit.component-bytes`, `limit.path-depth`, `limit.entries`.
/// - `io.source-changed`: something vanished or became something else during the walk.
pub fn walk(root: impl AsRef<Path>, options: &WalkOptions) -> Result<Tree> {
    let root = root.as_ref();
    let mut walker = Walker::new(options)?;
    walker.visit(open_root(root)?, root)?;
    walker.finish()
}

fn open_root(root: &Path) -> Result<Dir> {
    Dir::open(root).map_err(|error| match error.kind() {
        io::ErrorKind::NotADirectory => {
            Error::new(code::USAGE_INPUT, format!("cannot pack {}: expected a directory", root.display()))
        }
        _ => Error::io(code::IO_FILE, format!("cannot open the directory {}", root.display()), error),
    })
}

impl TreeItem {
    /// Bytewise order of the names in the tar, where a directory's ends in `/`.
    fn cmp_by_name(&self, other: &Self) -> Ordering {
        let (a, b) = (self.path.as_str().as_bytes(), other.path.as_str().as_bytes());
        let common = a.len().min(b.len());
        let next = |item: &Self, path: &[u8]| match path.get(common) {
            None if item.kind == TreeKind::Directory => Some(b'/'),
            byte => byte.copied(),
        };
        // After a slash at the end of one, the other goes on.
        a[..common].cmp(&b[..common]).then_with(|| next(self, a).cmp(&next(other, b))).then(a.len().cmp(&b.len()))
    }
}

impl Tree {
    /// The bytes of all files together, saturating.
    pub fn total_size(&self) -> u64 {
        self.items.iter().fold(0, |sum, item| sum.saturating_add(item.size))
    }
}

/// The error for a call that failed on something the walk had seen: it may have gone since.
fn vanished(what: &str, source: &Path, path: &str, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            changed(source, path, "it has gone").with_source(error)
        }
        _ => Error::io(code::IO_READ, format!("cannot {what} {}", source.display()), error).with_entry(path),
    }
}

fn changed(source: &Path, path: &str, how: &str) -> Error {
    let message = format!("{} changed while it was being packed: {how}; pack it when it is at rest", source.display());
    Error::new(code::IO_SOURCE_CHANGED, message).with_entry(path)
}

#[cfg(all(test, unix))]
mod tests;
