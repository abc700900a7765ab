//! Paths of entries, targets of symbolic links, names of streams (FORMAT.md, "Paths" and "Reserved members").
//!
//! A path is judged by its components and refused when it breaks a rule; it is never repaired.

mod reserved;

pub use reserved::{Reserved, StreamName, batch_path, is_reserved, schema_path, stream_path};

use std::fmt;

use crate::error::{Code, Error, Result, code};
use crate::limits::Limits;

/// The path of an entry: UTF-8, relative, with `/` between components, none of which is empty, `.` or `..`; without
/// control characters. Only such a path ever reaches a file system.
///
/// ```
/// let path = rosettar::EntryPath::new("photos/été.jpg")?;
/// assert_eq!(path.components().count(), 2);
/// assert!(rosettar::EntryPath::new("../etc/passwd").is_err());
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryPath(String);

impl EntryPath {
    /// Checks `path` under the default limits.
    ///
    /// # Errors
    /// `path.invalid`, or `limit.path-bytes`, `limit.component-bytes`, `limit.path-depth`.
    pub fn new(path: impl Into<String>) -> Result<Self> {
        Self::with_limits(path, &Limits::default())
    }

    /// Checks `path` under `limits`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_limits(path: impl Into<String>, limits: &Limits) -> Result<Self> {
        let path = Self(path.into());
        path.check(limits)?;
        Ok(path)
    }

    /// Holds the path against other limits than those it was made with.
    pub(crate) fn check(&self, limits: &Limits) -> Result<()> {
        let path = self.0.as_str();
        check_text("path", path)?;
        let (mut depth, mut longest) = (0, 0);
        for component in path.as_bytes().split(|byte| *byte == b'/') {
            depth += 1;
            longest = longest.max(component.len());
            let fault = match component {
                b"" if path.starts_with('/') => "is absolute",
                b"" => "has an empty component",
                b"." | b".." => "has a component `.` or `..`",
                _ => continue,
            };
            return Err(invalid("path", path, fault));
        }
        // Only what is a path can be too long for one.
        check_len("path", path, limits)?;
        if longest as u64 > limits.component_bytes {
            let (code, limit) = (code::LIMIT_COMPONENT_BYTES, limits.component_bytes);
            return Err(too_long(code, "a path component", longest, "component-bytes", limit, path));
        }
        if depth > limits.path_depth {
            let message = format!("path of {depth} components exceeds the limit path-depth of {}", limits.path_depth);
            return Err(Error::new(code::LIMIT_PATH_DEPTH, message).with_entry(path));
        }
        Ok(())
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is left of the path without its first `count` components; `None` where that is nothing.
    pub(crate) fn without_leading(&self, count: usize) -> Option<Self> {
        let rest = self.0.splitn(count.checked_add(1)?, '/').nth(count)?;
        Some(Self(rest.to_owned()))
    }

    /// The components, from the first down.
    pub fn components(&self) -> std::str::Split<'_, char> {
        self.0.split('/')
    }

    /// The paths of the directories above, from the nearest up; none for a path of one component.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        self.0.rmatch_indices('/').map(|(at, _)| &self.0[..at])
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for EntryPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<EntryPath> for String {
    fn from(path: EntryPath) -> Self {
        path.0
    }
}

/// The target of a symbolic link: not empty, UTF-8, without control characters. Whether it may be followed is another
/// question: see [`is_inside`](Self::is_inside).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkTarget(String);

impl LinkTarget {
    /// Checks `target` under `limits`.
    ///
    /// # Errors
    /// `path.invalid` or `limit.path-bytes`.
    pub fn with_limits(target: impl Into<String>, limits: &Limits) -> Result<Self> {
        let target = Self(target.into());
        target.check(limits)?;
        Ok(target)
    }

    /// Holds the target against other limits than those it was made with.
    pub(crate) fn check(&self, limits: &Limits) -> Result<()> {
        check_text("link target", &self.0)?;
        check_len("link target", &self.0, limits)
    }

    /// The target as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the target, as the link at `link` would resolve it, is *inside*: relative, with `..` only as leading
    /// components, and no more of them than there are directories above the link.
    pub fn is_inside(&self, link: &EntryPath) -> bool {
        if self.0.starts_with('/') {
            return false;
        }
        let mut climbed = 0;
        let mut leading = true;
        for component in self.0.split('/') {
            match component {
                ".." if leading => climbed += 1,
                ".." => return false,
                "" | "." => {}
                _ => leading = false,
            }
        }
        climbed < link.components().count()
    }
}

fn check_text(what: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Err(Error::new(code::PATH_INVALID, format!("an empty {what}: expected at least one component")));
    }
    // Control characters are these bytes, or two of which the first is 0xC2.
    let may_be_control = |byte: u8| byte < 0x20 || byte == 0x7f || byte == 0xc2;
    if text.bytes().any(may_be_control) && text.chars().any(char::is_control) {
        return Err(invalid(what, text, "has a control character"));
    }
    Ok(())
}

fn check_len(what: &str, text: &str, limits: &Limits) -> Result<()> {
    if text.len() as u64 > limits.path_bytes {
        let what = format!("a {what}");
        return Err(too_long(code::LIMIT_PATH_BYTES, &what, text.len(), "path-bytes", limits.path_bytes, text));
    }
    Ok(())
}

fn invalid(what: &str, text: &str, fault: &str) -> Error {
    let message = format!(
        "{what} {fault}: expected a relative path with `/` between components, none of them empty, `.` or `..`, and no control characters"
    );
    let message = if what == "path" { message } else { format!("{what} {fault}: expected none") };
    // It may be of any length.
    Error::new(code::PATH_INVALID, message).with_entry(text.chars().take(4096).collect::<String>())
}

fn too_long(code: Code, what: &str, len: usize, name: &str, limit: u64, text: &str) -> Error {
    let shown: String = text.chars().take(80).collect();
    Error::new(code, format!("{what} of {len} bytes exceeds the limit {name} of {limit}")).with_entry(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_paths() {
        for path in ["a", "a/b", "..a/b..", "a..b", "C:\\x", "con", " ", "été", "a\u{301}", "-", "…", ".rosettar/x"]
        {
            assert!(EntryPath::new(path).is_ok(), "{path:?}");
        }
        assert!(EntryPath::new("x".repeat(255)).is_ok());
        assert!(EntryPath::new(vec!["x"; 64].join("/")).is_ok());
    }

    #[test]
    fn refused_paths() {
        for path in ["", "/", "/a", "a/", "a//b", ".", "..", "a/./b", "a/../b", "a\0b", "a\nb", "a\u{7f}", "a\u{85}b"] {
            assert_eq!(EntryPath::new(path).unwrap_err().code(), "path.invalid", "{path:?}");
        }
        assert_eq!(EntryPath::new("x".repeat(256)).unwrap_err().code(), "limit.component-bytes");
        assert_eq!(EntryPath::new(vec!["x"; 65].join("/")).unwrap_err().code(), "limit.path-depth");
        assert_eq!(EntryPath::new("x/".repeat(2048) + "y").unwrap_err().code(), "limit.path-bytes");
    }

    #[test]
    fn leading_components_are_left_off() {
        let path = EntryPath::new("a/b/c").unwrap();
        let rest = |count| path.without_leading(count).map(String::from);
        assert_eq!([rest(0), rest(1), rest(2)].map(Option::unwrap), ["a/b/c", "b/c", "c"]);
        assert_eq!((rest(3), rest(4), rest(usize::MAX)), (None, None, None));
    }

    #[test]
    fn ancestors_go_up() {
        let path = EntryPath::new("a/b/c").unwrap();
        assert_eq!(path.ancestors().collect::<Vec<_>>(), ["a/b", "a"]);
        assert_eq!(EntryPath::new("a").unwrap().ancestors().count(), 0);
    }

    #[test]
    fn inside_links() {
        let inside = |link: &str, target: &str| {
            LinkTarget::with_limits(target, &Limits::default()).unwrap().is_inside(&EntryPath::new(link).unwrap())
        };
        for (link, target) in
            [("a", "b"), ("d/a", "../b"), ("d/e/a", "../../b/c"), ("a", "./b"), ("a", "b/."), ("d/a", "..")]
        {
            assert!(inside(link, target), "{link} -> {target}");
        }
        for (link, target) in
            [("a", "/b"), ("a", "../b"), ("a", ".."), ("d/a", "../../b"), ("d/a", "b/../c"), ("d/a", "x/..")]
        {
            assert!(!inside(link, target), "{link} -> {target}");
        }
    }
}
