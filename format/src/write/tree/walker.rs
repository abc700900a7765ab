//! The walk itself: each directory is listed by one of several threads.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobSet;

use super::{Note, NoteKind, Tree, TreeItem, TreeKind, Unsupported, WalkOptions, changed, vanished};
use crate::error::{Error, Result, code};
use crate::io::Names;
use crate::io::collisions::Collisions;
use crate::io::dir::{Dir, Kind, Stat};
use crate::io::names::unportable;
use crate::io::sandbox::Links;
use crate::parallel::OrderedPool;
use crate::path::{EntryPath, LinkTarget, is_reserved};
use crate::select::globs;

/// Goes through directories and gathers what is to be packed.
pub(super) struct Walker {
    rules: Arc<Rules>,
    gathered: Gathered,
}

/// What is asked of everything that a walk comes upon.
pub(super) struct Rules {
    options: WalkOptions,
    /// `None` where everything is taken.
    include: Option<GlobSet>,
    exclude: GlobSet,
    /// The directory, by device and inode, and the name of what is left out as [`WalkOptions::output`] asks.
    outputs: Vec<((u64, u64), OsString)>,
}

/// What was found in one directory, or in all.
#[derive(Default)]
struct Gathered {
    found: Vec<Found>,
    skipped: Vec<Note>,
    /// Directories that were not listed yet.
    below: Vec<Unlisted>,
}

struct Found {
    item: TreeItem,
    /// Whether it is taken for its own sake, not only for that of something below it.
    matched: bool,
    notes: Vec<Note>,
}

/// A directory to be listed. What it is in stays open for it, and for its neighbours; no more directories than the tree is
/// deep, and a few, are open at a time, since those found last are listed first.
struct Unlisted {
    place: Place,
    /// Its archive path with a `/`; empty for the root.
    prefix: String,
    source: PathBuf,
    /// Whether an include pattern matched it, or above.
    matched: bool,
}

enum Place {
    Open(Dir),
    /// In a directory, under a name, with this device and inode.
    In(Arc<Dir>, OsString, (u64, u64)),
}

impl Walker {
    pub(super) fn new(options: &WalkOptions) -> Result<Self> {
        let include = if options.include.is_empty() { None } else { Some(globs(&options.include)?) };
        let exclude = globs(&options.exclude)?;
        let mut outputs = Vec::new();
        for path in &options.outputs {
            outputs.extend(identity_of_output(path)?);
        }
        let rules = Arc::new(Rules { options: options.clone(), include, exclude, outputs });
        Ok(Self { rules, gathered: Gathered::default() })
    }

    /// Whether an exclude pattern matches `path`, and whether an include pattern does or there is none.
    pub(super) fn matches(&self, path: &str) -> (bool, bool) {
        self.rules.matches(path)
    }

    /// Takes in all that is in the root.
    pub(super) fn visit(&mut self, root: Dir, source: &Path) -> Result<()> {
        let place = Place::Open(root);
        self.list(vec![Unlisted { place, prefix: String::new(), source: source.to_owned(), matched: false }])
    }

    /// Takes in what stands in `dir` under `name`, with all that is below it.
    pub(super) fn take(
        &mut self,
        dir: &Arc<Dir>,
        name: &OsStr,
        path: String,
        source: PathBuf,
        matched: bool,
    ) -> Result<()> {
        let mut taken = Gathered::default();
        self.rules.look_at(dir, name, path, source, matched, &mut taken)?;
        let below = self.gather(taken)?;
        self.list(below)
    }

    /// Lists directories, and those below them.
    fn list(&mut self, mut unlisted: Vec<Unlisted>) -> Result<()> {
        let rules = Arc::clone(&self.rules);
        let mut pool = OrderedPool::new(self.rules.options.threads.get(), move || {
            let rules = Arc::clone(&rules);
            move |directory| rules.list(directory)
        });
        loop {
            while !pool.is_full()
                && let Some(directory) = unlisted.pop()
            {
                pool.submit(directory);
            }
            let Some(listed) = pool.take() else { return Ok(()) };
            unlisted.extend(self.gather(listed?)?.into_iter().rev());
        }
    }

    /// Takes over what was found, and returns the directories among it.
    fn gather(&mut self, listed: Gathered) -> Result<Vec<Unlisted>> {
        let room = self.rules.options.limits.entries.saturating_sub(self.gathered.found.len() as u64);
        if let Some(more) = listed.found.get(usize::try_from(room).unwrap_or(usize::MAX)) {
            return Err(self.rules.too_many(&more.item.path));
        }
        self.gathered.found.extend(listed.found);
        self.gathered.skipped.extend(listed.skipped);
        Ok(listed.below)
    }

    pub(super) fn finish(self) -> Result<Tree> {
        let (rules, Gathered { mut found, skipped, .. }) = (self.rules, self.gathered);
        if rules.include.is_some() {
            let above: HashSet<String> = found
                .iter()
                .filter(|found| found.matched)
                .flat_map(|found| found.item.path.ancestors().map(str::to_owned))
                .collect();
            found.retain(|found| found.matched || above.contains(found.item.path.as_str()));
        }
        let mut tree = Tree { items: Vec::with_capacity(found.len()), notes: skipped };
        for found in found {
            tree.notes.extend(found.notes);
            tree.items.push(found.item);
        }
        // GNU tar gives a directory its mode and time as soon as a member comes that is not in it. Were `a-b` between the
        // directory `a` and `a/b`, then `a/b` would change the time, or could not be made in a read-only directory.
        tree.items.sort_unstable_by(TreeItem::cmp_by_name);
        tree.notes.sort_by(|a, b| a.path.cmp(&b.path));
        if rules.options.names == Names::Portable {
            let mut collisions = Collisions::new(rules.options.names);
            for item in &tree.items {
                collisions.add(&item.path, item.path.as_str(), item.kind == TreeKind::Directory)?;
            }
        }
        Ok(tree)
    }
}

impl Rules {
    fn matches(&self, path: &str) -> (bool, bool) {
        (self.exclude.is_match(path), self.include.as_ref().is_none_or(|include| include.is_match(path)))
    }

    /// Opens a directory and looks at what is in it.
    fn list(&self, directory: Unlisted) -> Result<Gathered> {
        let Unlisted { place, prefix, source, matched } = directory;
        let dir = match place {
            Place::Open(dir) => dir,
            Place::In(parent, name, identity) => {
                let path = prefix.trim_end_matches('/');
                let dir = parent.child(&name).map_err(|error| vanished("open the directory", &source, path, error))?;
                let now = dir.stat_self().map_err(|error| vanished("look at", &source, path, error))?;
                if (now.dev, now.ino) != identity {
                    return Err(changed(&source, path, "it was replaced"));
                }
                dir
            }
        };
        let (dir, mut listed) = (Arc::new(dir), Gathered::default());
        let names =
            dir.list().map_err(|error| Error::io(code::IO_READ, format!("cannot list {}", source.display()), error))?;
        for name in names {
            let path = format!("{prefix}{}", name.to_string_lossy());
            let (excluded, included) = self.matches(&path);
            if !excluded {
                self.look_at(&dir, &name, path, source.join(&name), matched || included, &mut listed)?;
            }
        }
        Ok(listed)
    }

    /// Adds what stands in `dir` under `name`, if it is taken, to what was found there.
    fn look_at(
        &self,
        dir: &Arc<Dir>,
        name: &OsStr,
        path: String,
        source: PathBuf,
        matched: bool,
        listed: &mut Gathered,
    ) -> Result<()> {
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
        let Some(path) = self.acceptable(name, path, &source, listed)? else { return Ok(()) };
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
            Kind::Symlink => match self.target(dir, name, &path, &source, listed)? {
                Some(target) => TreeKind::Symlink(target),
                None => return Ok(()),
            },
            Kind::Other(what) => {
                let reason = format!("{what} cannot be packed");
                return self.unsupported(Error::new(code::POLICY_FILE_TYPE, reason), path.as_str(), &source, listed);
            }
        };
        if kind == TreeKind::Directory {
            let place = Place::In(Arc::clone(dir), name.to_owned(), (stat.dev, stat.ino));
            listed.below.push(Unlisted { place, prefix: format!("{path}/"), source: source.clone(), matched });
        }
        // Of one directory, no more is held than of all.
        if listed.found.len() as u64 > self.options.limits.entries {
            return Err(self.too_many(&path));
        }
        listed.found.push(found(path, source, kind, stat, matched));
        Ok(())
    }

    fn too_many(&self, path: &EntryPath) -> Error {
        let message = format!(
            "the tree has more than the limit entries of {}; raise the limit or exclude something",
            self.options.limits.entries
        );
        Error::new(code::LIMIT_ENTRIES, message).with_entry(path.as_str())
    }

    /// The archive path, `None` where it is skipped.
    fn acceptable(
        &self,
        name: &OsStr,
        path: String,
        source: &Path,
        listed: &mut Gathered,
    ) -> Result<Option<EntryPath>> {
        let fault = match name.to_str() {
            None => "the name is not UTF-8",
            Some(name) if name.chars().any(char::is_control) => "the name has a control character",
            Some(_) => return EntryPath::with_limits(path, &self.options.limits).map(Some),
        };
        let error = Error::new(code::USAGE_INPUT, format!("{fault} and cannot be packed"));
        self.unsupported(error, &path, source, listed)?;
        Ok(None)
    }

    /// The target of a link, `None` where the link is skipped.
    fn target(
        &self,
        dir: &Dir,
        name: &OsStr,
        path: &EntryPath,
        source: &Path,
        listed: &mut Gathered,
    ) -> Result<Option<LinkTarget>> {
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
                    listed.skip(path.as_str(), &reason);
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
        self.unsupported(error, path.as_str(), source, listed)?;
        Ok(None)
    }

    /// Skips something that cannot be packed, or refuses it with the code and message of `error`.
    fn unsupported(&self, error: Error, path: &str, source: &Path, listed: &mut Gathered) -> Result<()> {
        if self.options.unsupported == Unsupported::Skip {
            listed.skip(path, error.message());
            return Ok(());
        }
        let code = if error.is(code::POLICY_FILE_TYPE) { code::POLICY_FILE_TYPE } else { code::USAGE_INPUT };
        // Debug formatting shows the bytes that are no text, and keeps control characters off the terminal.
        let message = format!("{source:?}: {}; exclude it, or ask for such things to be skipped", error.message());
        Err(Error::new(code, message).with_entry(path))
    }
}

impl Gathered {
    fn skip(&mut self, path: &str, reason: &str) {
        self.skipped.push(Note {
            path: path.to_owned(),
            kind: NoteKind::Skipped,
            message: format!("is skipped: {reason}"),
        });
    }
}

/// What is known of something that is taken.
fn found(path: EntryPath, source: PathBuf, kind: TreeKind, stat: Stat, matched: bool) -> Found {
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
    Found { item, matched, notes }
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
