//! Walking a directory that is to be packed, and opening its files so that a change under way is noticed.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use globset::GlobSet;

use crate::error::{Error, Result, code};
use crate::io::Names;
use crate::io::collisions::Collisions;
use crate::io::dir::{Dir, Kind, Stat};
use crate::io::names::unportable;
use crate::io::sandbox::Links;
use crate::limits::Limits;
use crate::path::{EntryPath, LinkTarget, is_reserved};
use crate::select::globs;

mod paths;
mod source;

pub use paths::walk_paths;
pub use source::{SourceFile, SourceOpener};

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

    /// Leaves out what stands at `path`, an archive that is about to be replaced, so that it is not packed into itself;
    /// and what other calls named.
    #[must_use]
    pub fn output(mut self, path: impl Into<PathBuf>) -> Self {
        self.outputs.push(path.into());
        self
    }
}

impl WalkOptions {
    /// Leaves out files by device and inode, and takes the limits of the writer that the tree is for.
    pub(super) fn leave_out(&mut self, files: &[(u64, u64)], limits: &Limits) {
        self.own_files = files.to_vec();
        self.limits = limits.clone();
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
    walker.visit(&open_root(root)?, "", root, false)?;
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

/// Device and inode of the directory that `path` is in, and its name there; `None` where there is no such directory, and
/// so nothing to leave out.
fn identity_of_output(path: &Path) -> Result<Option<((u64, u64), OsString)>> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = path.file_name() else { return Ok(None) };
    match Dir::open(above).and_then(|dir| dir.stat_self()) {
        Ok(stat) => Ok(Some(((stat.dev, stat.ino), name.to_owned()))),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::io(code::IO_FILE, format!("cannot look at the directory {}", above.display()), error)),
    }
}

impl TreeItem {
    /// The bytes of its name in the tar.
    fn member_name(&self) -> impl Iterator<Item = u8> {
        let end: &[u8] = if self.kind == TreeKind::Directory { b"/" } else { b"" };
        self.path.as_str().bytes().chain(end.iter().copied())
    }
}

impl Tree {
    /// The bytes of all files together, saturating.
    pub fn total_size(&self) -> u64 {
        self.items.iter().fold(0, |sum, item| sum.saturating_add(item.size))
    }
}

struct Walker<'a> {
    options: &'a WalkOptions,
    /// `None` where everything is taken.
    include: Option<GlobSet>,
    exclude: GlobSet,
    /// The directory, by device and inode, and the name of what is left out as [`WalkOptions::output`] asks.
    outputs: Vec<((u64, u64), OsString)>,
    found: Vec<Found>,
    skipped: Vec<Note>,
}

struct Found {
    item: TreeItem,
    /// Whether it is taken for its own sake, not only for that of something below it.
    matched: bool,
    notes: Vec<Note>,
}

impl<'a> Walker<'a> {
    fn new(options: &'a WalkOptions) -> Result<Self> {
        let include = if options.include.is_empty() { None } else { Some(globs(&options.include)?) };
        let exclude = globs(&options.exclude)?;
        let mut outputs = Vec::new();
        for path in &options.outputs {
            outputs.extend(identity_of_output(path)?);
        }
        Ok(Self { options, include, exclude, outputs, found: Vec::new(), skipped: Vec::new() })
    }

    /// Lists `dir`, whose archive path with a `/` is `prefix`, and what is below it. `matched` tells whether an include
    /// pattern matched above.
    fn visit(&mut self, dir: &Dir, prefix: &str, source: &Path, matched: bool) -> Result<()> {
        let names =
            dir.list().map_err(|error| Error::io(code::IO_READ, format!("cannot list {}", source.display()), error))?;
        for name in names {
            let path = format!("{prefix}{}", name.to_string_lossy());
            if self.exclude.is_match(&path) {
                continue;
            }
            let matched = matched || self.include.as_ref().is_none_or(|include| include.is_match(&path));
            self.look_at(dir, &name, path, source.join(&name), matched)?;
        }
        Ok(())
    }

    fn look_at(&mut self, dir: &Dir, name: &OsStr, path: String, source: PathBuf, matched: bool) -> Result<()> {
        if self.outputs.iter().any(|(_, output)| output == name) {
            let stat = dir.stat_self().map_err(|error| vanished("look at", &source, &path, error))?;
            if self.outputs.contains(&((stat.dev, stat.ino), name.to_owned())) {
                return Ok(());
            }
        }
        let stat = dir.stat(name).map_err(|error| vanished("look at", &source, &path, error))?;
        if self.options.own_files.contains(&(stat.dev, stat.ino)) {
            return Ok(());
        }
        if !matched && stat.kind != Kind::Directory {
            return Ok(());
        }
        let Some(path) = self.acceptable(name, path, &source)? else { return Ok(()) };
        if matched && is_reserved(path.as_str()) {
            let message = format!(
                "cannot pack {}: `.rosettar` at the top, in whatever case, is reserved; rename or exclude it",
                source.display()
            );
            return Err(Error::new(code::USAGE_INPUT, message).with_entry(path));
        }
        let kind = match stat.kind {
            Kind::File => TreeKind::File,
            Kind::Directory => TreeKind::Directory,
            Kind::Symlink => match self.target(dir, name, &path, &source)? {
                Some(target) => TreeKind::Symlink(target),
                None => return Ok(()),
            },
            Kind::Other(what) => {
                let reason = format!("{what} cannot be packed");
                return self.unsupported(Error::new(code::POLICY_FILE_TYPE, reason), path.as_str(), &source);
            }
        };
        let below = match kind {
            TreeKind::Directory => {
                let child =
                    dir.child(name).map_err(|error| vanished("open the directory", &source, path.as_str(), error))?;
                let now = child.stat_self().map_err(|error| vanished("look at", &source, path.as_str(), error))?;
                if (now.dev, now.ino) != (stat.dev, stat.ino) {
                    return Err(changed(&source, path.as_str(), "it was replaced"));
                }
                Some((child, format!("{path}/"), source.clone()))
            }
            _ => None,
        };
        self.add(path, source, kind, stat, matched)?;
        match below {
            Some((child, prefix, source)) => self.visit(&child, &prefix, &source, matched),
            None => Ok(()),
        }
    }

    fn add(&mut self, path: EntryPath, source: PathBuf, kind: TreeKind, stat: Stat, matched: bool) -> Result<()> {
        if self.found.len() as u64 >= self.options.limits.entries {
            let message = format!(
                "the tree has more than the limit entries of {}; raise the limit or exclude something",
                self.options.limits.entries
            );
            return Err(Error::new(code::LIMIT_ENTRIES, message).with_entry(path));
        }
        let mut notes = Vec::new();
        let mut note = |kind, message: String| notes.push(Note { path: path.to_string(), kind, message });
        let is_link = matches!(kind, TreeKind::Symlink(_));
        if !is_link && stat.mode & 0o7000 != 0 {
            let dropped: Vec<_> = [(0o4000, "setuid"), (0o2000, "setgid"), (0o1000, "sticky")]
                .into_iter()
                .filter_map(|(bit, name)| (stat.mode & bit != 0).then_some(name))
                .collect();
            note(NoteKind::ModeBits, format!("is packed without its {} bit", dropped.join(" and ")));
        }
        if let Some(reason) = path.components().next_back().and_then(unportable) {
            note(NoteKind::Unportable, format!("cannot be extracted on Windows: the name {reason}"));
        }
        let mode = if is_link { 0o777 } else { stat.mode & 0o777 };
        let size = if kind == TreeKind::File { stat.size } else { 0 };
        let item = TreeItem { path, source, kind, mode, mtime: stat.mtime, size, stat };
        self.found.push(Found { item, matched, notes });
        Ok(())
    }

    /// The archive path, `None` where it is skipped.
    fn acceptable(&mut self, name: &OsStr, path: String, source: &Path) -> Result<Option<EntryPath>> {
        let fault = match name.to_str() {
            None => "the name is not UTF-8",
            Some(name) if name.chars().any(char::is_control) => "the name has a control character",
            Some(_) => return EntryPath::with_limits(path, &self.options.limits).map(Some),
        };
        let error = Error::new(code::USAGE_INPUT, format!("{fault} and cannot be packed"));
        self.unsupported(error, &path, source)?;
        Ok(None)
    }

    /// The target of a link, `None` where the link is skipped.
    fn target(&mut self, dir: &Dir, name: &OsStr, path: &EntryPath, source: &Path) -> Result<Option<LinkTarget>> {
        let target = dir.read_link(name).map_err(|error| vanished("read the link", source, path.as_str(), error))?;
        let fault = match target.to_str() {
            None => "the link's target is not UTF-8",
            Some(target) if target.chars().any(char::is_control) => "the link's target has a control character",
            Some(text) => {
                let target = LinkTarget::with_limits(text, &self.options.limits)
                    .map_err(|error| error.with_entry(path.as_str()))?;
                if target.is_inside(path) || self.options.links == Links::Keep {
                    return Ok(Some(target));
                }
                let reason = format!("the link's target {text:?} is not inside the tree");
                if self.options.links == Links::Skip {
                    self.skip(path.as_str(), &reason);
                    return Ok(None);
                }
                let message = format!(
                    "cannot pack {}: {reason}; set links to `skip` to leave it out or to `keep` to pack it all the same",
                    source.display()
                );
                return Err(Error::new(code::POLICY_LINK, message).with_entry(path.as_str()));
            }
        };
        let error = Error::new(code::USAGE_INPUT, format!("{fault} and cannot be packed"));
        self.unsupported(error, path.as_str(), source)?;
        Ok(None)
    }

    /// Skips something that cannot be packed, or refuses it with the code and message of `error`.
    fn unsupported(&mut self, error: Error, path: &str, source: &Path) -> Result<()> {
        if self.options.unsupported == Unsupported::Skip {
            self.skip(path, error.message());
            return Ok(());
        }
        let code = if error.is(code::POLICY_FILE_TYPE) { code::POLICY_FILE_TYPE } else { code::USAGE_INPUT };
        // Debug formatting shows the bytes that are no text, and keeps control characters off the terminal.
        let message = format!("{source:?}: {}; exclude it, or ask for such things to be skipped", error.message());
        Err(Error::new(code, message).with_entry(path))
    }

    fn skip(&mut self, path: &str, reason: &str) {
        self.skipped.push(Note {
            path: path.to_owned(),
            kind: NoteKind::Skipped,
            message: format!("is skipped: {reason}"),
        });
    }

    fn finish(mut self) -> Result<Tree> {
        if self.include.is_some() {
            let above: HashSet<String> = self
                .found
                .iter()
                .filter(|found| found.matched)
                .flat_map(|found| found.item.path.ancestors().map(str::to_owned))
                .collect();
            self.found.retain(|found| found.matched || above.contains(found.item.path.as_str()));
        }
        let mut tree = Tree { items: Vec::with_capacity(self.found.len()), notes: self.skipped };
        for found in self.found {
            tree.notes.extend(found.notes);
            tree.items.push(found.item);
        }
        // GNU tar gives a directory its mode and time as soon as a member comes that is not in it. Were `a-b` between the
        // directory `a` and `a/b`, then `a/b` would change the time, or could not be made in a read-only directory.
        tree.items.sort_unstable_by(|a, b| a.member_name().cmp(b.member_name()));
        tree.notes.sort_by(|a, b| a.path.cmp(&b.path));
        if self.options.names == Names::Portable {
            let mut collisions = Collisions::new(self.options.names);
            for item in &tree.items {
                collisions.add(&item.path, item.path.as_str(), item.kind == TreeKind::Directory)?;
            }
        }
        Ok(tree)
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
