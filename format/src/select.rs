//! Choosing entries by patterns over their paths.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::{Error, Result, code};

/// Entries chosen by patterns: what matches one, with all that is below it; everything where there is no pattern.
///
/// Patterns are globs over paths: `?` and `*` match within a component, `**` across components, `[a-z]` and `{a,b}` as
/// usual, and a backslash escapes. One without a `/` matches a name at any depth; a `/` at the beginning says that the
/// pattern is a whole path, one at the end nothing. An empty pattern, such as a script makes of a variable that is not set,
/// would match everything; it is refused.
///
/// ```
/// let mut selection = rosettar::Selection::new(&["docs", "*.txt"])?;
/// assert!(selection.matches("docs/deep/a.md"));
/// assert!(selection.matches("b.txt"));
/// assert!(!selection.matches("b.md"));
/// selection.finish()?;
/// assert!(rosettar::Selection::new(&["docs", ""]).is_err());
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Selection {
    globs: GlobSet,
    patterns: Vec<String>,
    used: Vec<bool>,
}

impl Selection {
    /// What these patterns choose.
    ///
    /// # Errors
    /// `usage.option` for a pattern that is empty or no glob.
    pub fn new(patterns: &[impl AsRef<str>]) -> Result<Self> {
        let globs = globs(patterns)?;
        let patterns: Vec<String> = patterns.iter().map(|pattern| pattern.as_ref().to_owned()).collect();
        Ok(Self { globs, used: vec![false; patterns.len()], patterns })
    }

    /// Whether the entry at `path` is chosen: it, or a directory above it, matches a pattern.
    pub fn matches(&mut self, path: &str) -> bool {
        if self.patterns.is_empty() {
            return true;
        }
        let mut found = false;
        for end in path.match_indices('/').map(|(at, _)| at).chain([path.len()]) {
            for number in self.globs.matches(&path[..end]) {
                self.used[number] = true;
                found = true;
            }
        }
        found
    }

    /// Makes sure that each pattern matched something, once all paths were asked for.
    ///
    /// # Errors
    /// `usage.no-such-entry`, which names the first pattern that matched nothing.
    pub fn finish(&self) -> Result<()> {
        match self.used.iter().position(|used| !used) {
            Some(number) => Err(Error::new(
                code::USAGE_NO_SUCH_ENTRY,
                format!("no entry matches {:?}: expected a path in the archive, or a glob", self.patterns[number]),
            )),
            None => Ok(()),
        }
    }
}

/// One matcher for all patterns, in the form that [`Selection`] describes.
///
/// # Errors
/// `usage.option` for a pattern that is empty or no glob.
pub(crate) fn globs(patterns: &[impl AsRef<str>]) -> Result<GlobSet> {
    let bad = |pattern: &str, error: globset::Error| {
        let message = format!("pattern {pattern:?}: expected a glob such as `*.txt` or `src/**`: {}", error.kind());
        Error::new(code::USAGE_OPTION, message).with_source(error)
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let pattern = pattern.as_ref();
        let trimmed = pattern.trim_matches('/');
        if trimmed.is_empty() {
            let message = format!("pattern {pattern:?}: an empty pattern; expected a path in the archive, or a glob");
            return Err(Error::new(code::USAGE_OPTION, message));
        }
        let whole_path = trimmed.contains('/') || pattern.starts_with('/');
        let anchored = if whole_path { trimmed.to_owned() } else { format!("**/{trimmed}") };
        // Paths of archives have the same form everywhere, so a backslash escapes on every system.
        let glob = GlobBuilder::new(&anchored).literal_separator(true).backslash_escape(true).build();
        set.add(glob.map_err(|error| bad(pattern, error))?);
    }
    set.build().map_err(|error| bad("", error))
}
