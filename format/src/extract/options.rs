//! What is extracted and how, and what came of it.

use std::path::PathBuf;

use crate::io::{Links, Modes, Names, Overwrite};
use crate::path::EntryPath;

/// What to extract, and how.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ExtractOptions {
    pub(super) patterns: Vec<String>,
    pub(super) excludes: Vec<String>,
    pub(super) links: Links,
    pub(super) modes: Modes,
    pub(super) sync: bool,
    pub(super) merge: Option<Overwrite>,
    pub(super) names: Names,
    pub(super) strip_components: usize,
    pub(super) beside: Vec<EntryPath>,
}

impl ExtractOptions {
    /// Everything of the user's, under its own path; modes without the umask's bits; links that are not inside refused;
    /// names as they are; no sync.
    pub fn new() -> Self {
        Self::default()
    }

    /// Extracts only what matches `pattern`, or one given by another call, with all that is below it. Patterns are globs
    /// over the paths that the archive has, as for [`Selection`](crate::Selection).
    #[must_use]
    pub fn pattern(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.push(pattern.into());
        self
    }

    /// Leaves out what matches `pattern`, or one given by another call, with all that is below it.
    #[must_use]
    pub fn exclude(mut self, pattern: impl Into<String>) -> Self {
        self.excludes.push(pattern.into());
        self
    }

    /// What becomes of symbolic links that are not [inside](crate::path::LinkTarget::is_inside); refused unless set.
    #[must_use]
    pub fn links(mut self, links: Links) -> Self {
        self.links = links;
        self
    }

    /// Whether modes honour the umask; they do unless set.
    #[must_use]
    pub fn modes(mut self, modes: Modes) -> Self {
        self.modes = modes;
        self
    }

    /// Whether everything is on the disk before it is published, so that a power cut leaves all or nothing, too; not
    /// unless set.
    #[must_use]
    pub fn sync(mut self, sync: bool) -> Self {
        self.sync = sync;
        self
    }

    /// Lets the target hold other things, which stay, and says what becomes of files and links that are in the way. Unless
    /// this is called, a target that is not empty is refused. Directories that are there already keep their modes.
    #[must_use]
    pub fn merge(mut self, overwrite: Overwrite) -> Self {
        self.merge = Some(overwrite);
        self
    }

    /// Which names are accepted; [any](Names::Any) unless set. On Windows, names that it cannot hold never are.
    #[must_use]
    pub fn names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    /// Leaves the first `count` components off every path; none unless set. An entry with no more than those is left
    /// out, and counted in the report unless it is a directory. Whether a link is inside is judged by its new place.
    /// Entries that would get the same path are refused (`policy.name`).
    #[must_use]
    pub fn strip_components(mut self, count: usize) -> Self {
        self.strip_components = count;
        self
    }

    /// States that the caller makes a file of this name, of one component, besides (see [`Archive::extract_with`]): an
    /// entry that gets it is refused up front, with `policy.name`.
    ///
    /// [`Archive::extract_with`]: crate::Archive::extract_with
    #[must_use]
    pub fn beside(mut self, name: EntryPath) -> Self {
        self.beside.push(name);
        self
    }
}

/// What was extracted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtractReport {
    /// Regular files.
    pub files: u64,
    /// Directories that are entries.
    pub directories: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Bytes of the contents of all files.
    pub bytes: u64,
    /// Links that were left out, as [`Links::Skip`] asks: their paths.
    pub skipped: Vec<String>,
    /// Files and links that were left out because [`ExtractOptions::strip_components`] left nothing of their paths.
    pub stripped: u64,
    /// Where a file or link that was there before was kept, as [`Overwrite::Never`] and [`Overwrite::Newer`] ask: the
    /// paths below the target. What the archive has there counts as extracted above.
    pub kept: Vec<String>,
    /// Files and links that were there before and were replaced.
    pub replaced: u64,
    /// Staging directories beside a target that was absent, which interrupted extractions to it left. They can be removed,
    /// unless one of those is still running.
    pub left_behind: Vec<PathBuf>,
}
