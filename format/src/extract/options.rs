//! What is extracted and how, and what came of it.

use crate::io::{Links, Modes};

/// What to extract, and how.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ExtractOptions {
    pub(super) patterns: Vec<String>,
    pub(super) links: Links,
    pub(super) modes: Modes,
    pub(super) sync: bool,
}

impl ExtractOptions {
    /// Everything of the user's; modes without the umask's bits; links that are not inside refused; no sync.
    pub fn new() -> Self {
        Self::default()
    }

    /// Extracts only what matches `pattern`, or one given by another call, with all that is below it. Patterns are globs
    /// over paths, as for [`Selection`](crate::Selection).
    #[must_use]
    pub fn pattern(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.push(pattern.into());
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
}
