//! Paths that cannot stand side by side in a file system.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization as _;

use super::names::{Names, unportable};
use crate::error::{Error, Result, code};
use crate::path::EntryPath;

/// Takes in the paths of a tree, each once, and refuses one for which there is no room beside the others.
#[derive(Debug)]
pub(crate) struct Collisions {
    names: Names,
    /// What stands under each path, the directories that paths imply included, by [`folded`] path where the names are to
    /// be portable.
    seen: HashMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    /// The path as it is spelt, where the key is another.
    path: Option<Box<str>>,
    /// What it is called in the archive, where that is something else.
    source: Option<Box<str>>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A directory that only the paths below it call for.
    Implied,
    Directory,
    Other,
}

impl Collisions {
    pub(crate) fn new(names: Names) -> Self {
        Self { names, seen: HashMap::new() }
    }

    /// Takes in `path`, which is that of `source` in the archive.
    ///
    /// # Errors
    /// `policy.name`, which names both.
    pub(crate) fn add(&mut self, path: &EntryPath, source: &str, is_directory: bool) -> Result<()> {
        let text = path.as_str();
        if self.names == Names::Portable {
            check_portable(path).map_err(|error| error.with_entry(source))?;
        }
        for (at, _) in text.match_indices('/') {
            self.place(&text[..at], source, Kind::Implied)?;
        }
        self.place(text, source, if is_directory { Kind::Directory } else { Kind::Other })
    }

    fn place(&mut self, path: &str, source: &str, kind: Kind) -> Result<()> {
        let key = self.names.key(path);
        let unlike = |text: &str, other: &str| (text != other).then(|| Box::from(text));
        let seen = Seen { path: unlike(path, &key), source: unlike(source, path), kind };
        let mut taken = match self.seen.entry(key) {
            Entry::Vacant(free) => {
                free.insert(seen);
                return Ok(());
            }
            Entry::Occupied(taken) => taken,
        };
        let other = taken.get().path.as_deref().unwrap_or(taken.key());
        let other_source = taken.get().source.as_deref().unwrap_or(other);
        let message = if other != path {
            format!(
                "the name {path:?} differs from {other:?} only by case or by how its characters are composed, so that \
                 many systems take them for one; rename one of them, leave one out, or do without portable names \
                 (`names = any`)"
            )
        } else if taken.get().kind == Kind::Implied && kind == Kind::Directory {
            taken.get_mut().kind = kind;
            taken.get_mut().source = seen.source;
            return Ok(());
        } else if kind == Kind::Implied && taken.get().kind != Kind::Other {
            return Ok(());
        } else {
            format!(
                "{source:?} and {other_source:?} would both be extracted to {path:?}; leave one of them out, or strip \
                 fewer components"
            )
        };
        Err(Error::new(code::POLICY_NAME, message).with_entry(source))
    }
}

impl Names {
    /// The text under which `path` is looked up: paths with the same text cannot stand side by side.
    pub(crate) fn key(self, path: &str) -> String {
        match self {
            Self::Any => path.to_owned(),
            Self::Portable => folded(path),
        }
    }
}

/// Refuses a path that Windows cannot hold.
///
/// # Errors
/// `policy.name`.
pub(crate) fn check_portable(path: &EntryPath) -> Result<()> {
    match path.components().find_map(|name| unportable(name).map(|reason| (name, reason))) {
        None => Ok(()),
        Some((name, reason)) => {
            let choice = if cfg!(windows) { "" } else { ", or do without portable names (`names = any`)" };
            let message = format!("the name {name:?} {reason}; leave it out, or rename it{choice}");
            Err(Error::new(code::POLICY_NAME, message).with_entry(path.as_str()))
        }
    }
}

/// The same text for all that are canonical caseless matches of each other (The Unicode Standard, section 3.13, D145):
/// decomposed, so that a letter is folded with its marks apart, with full case folding, and composed again.
fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let decomposed: String = text.nfd().collect();
    UniCase::unicode(decomposed).to_folded_case().nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(names: Names, paths: &[(&str, bool)]) -> Option<Error> {
        let mut collisions = Collisions::new(names);
        paths
            .iter()
            .find_map(|(path, directory)| collisions.add(&EntryPath::new(*path).unwrap(), path, *directory).err())
    }

    #[test]
    fn names_that_fold_to_the_same() {
        for (one, other) in [
            ("README", "readme"),
            ("straße", "STRASSE"),
            ("ﬁle", "FILE"),
            ("é", "e\u{301}"),
            ("É", "e\u{301}"),
            ("Å", "\u{212b}"),
            ("Σ", "ς"),
            ("K", "\u{212a}"),
            ("ᾳ\u{301}", "\u{1fb4}"),
            ("ǰ", "J\u{30c}"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
            for (one, other) in [(one.to_owned(), other.to_owned()), (format!("d/{one}/f"), format!("d/{other}/g"))] {
                assert!(refused(Names::Any, &[(&one, false), (&other, false)]).is_none());
                let error = refused(Names::Portable, &[(&one, false), (&other, false)]).unwrap();
                assert_eq!((error.code(), error.entry()), ("policy.name", Some(other.as_str())));
                let (one, other) = (one.trim_end_matches("/f"), other.trim_end_matches("/g"));
                let named = error.message().contains(&format!("{one:?}"));
                assert!(named && error.message().contains(&format!("{other:?}")), "{error}");
            }
        }
        for (one, other) in [("a", "b"), ("i", "ı"), ("İ", "i"), ("ss", "s"), ("A/x", "b/X"), ("ﬁ", "ﬂ")] {
            assert!(refused(Names::Portable, &[(one, false), (other, false)]).is_none(), "{one} {other}");
        }
        // The same directory, spelt the same: an entry, and implied.
        assert!(refused(Names::Portable, &[("D/x", false), ("D", true), ("D/y", false)]).is_none());
        assert!(refused(Names::Portable, &[("D", true), ("d/y", false)]).is_some());
    }

    #[test]
    fn equal_paths_and_files_as_parents() {
        for paths in [
            &[("a", false), ("a", false)][..],
            &[("a", true), ("a", true)],
            &[("a/b", false), ("a", false)],
            &[("a", false), ("a/b", false)],
            &[("a", false), ("a", true)],
            &[("a/b", false), ("a", true), ("a", true)],
        ] {
            assert_eq!(refused(Names::Any, paths).unwrap().code(), "policy.name", "{paths:?}");
        }
    }

    #[test]
    fn names_that_windows_cannot_hold() {
        for path in ["aux", "d/con.txt", "a:b/c", "a /b", "x\\y"] {
            assert!(refused(Names::Any, &[(path, false)]).is_none());
            assert_eq!(refused(Names::Portable, &[(path, false)]).unwrap().entry(), Some(path));
        }
    }
}
