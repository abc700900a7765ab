//! Paths that cannot stand side by side in a file system.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization as _;

use super::names::{Names, unportable};
use crate::error::{Error, Result, code};
use crate::path::EntryPath;

/// As many bytes of paths are remembered, for messages only. Beyond that, a message names one path and not two.
const REMEMBERED: usize = 4 << 20;

/// Takes in the paths of a tree, each once, and refuses one for which there is no room beside the others.
///
/// Of a path, and of each directory that it implies, some forty bytes are kept however long it is.
///
/// ```
/// use rosettar::EntryPath;
/// use rosettar::io::{Collisions, Names};
///
/// let mut paths = Collisions::new(Names::Portable);
/// paths.add(&EntryPath::new("docs/readme")?, "docs/readme", false)?;
/// assert_eq!(paths.add(&EntryPath::new("Docs")?, "Docs", true).unwrap_err().code(), "policy.name");
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Debug)]
pub struct Collisions {
    /// Whether paths are looked up by their [`folded`] form.
    folds: bool,
    /// Whether names that Windows cannot hold are refused.
    portable: bool,
    /// What stands under each path, the directories that paths imply included.
    seen: HashMap<u128, Seen>,
    /// With keys of their own, so that nobody can prepare two paths with the same hash.
    hashers: [RandomState; 2],
    /// The sources of entries, one after another, and where each begins; the path of an entry ends its source.
    text: String,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The hash of the path as it is spelt.
    spelt: u64,
    /// Where its source begins in the text, how long that is, and where in it the path begins and ends.
    told: Option<Told>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    source: (u32, u32),
    path: (u32, u32),
}

/// An entry that is added.
struct Addition<'s> {
    source: &'s str,
    /// How much of the source comes before the path.
    stripped: usize,
    /// Where in the text the source begins, once it is remembered.
    begin: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A directory that only the paths below it call for.
    Implied,
    Directory,
    Other,
}

impl Collisions {
    /// Without any path. With [`Names::Portable`], paths that only differ by case or by how characters are composed
    /// collide, and names that Windows cannot hold are refused.
    pub fn new(names: Names) -> Self {
        let portable = names == Names::Portable;
        Self {
            folds: portable,
            portable,
            seen: HashMap::new(),
            hashers: [RandomState::new(), RandomState::new()],
            text: String::new(),
        }
    }

    /// As [`new`](Self::new), for a file system that takes names for one that only differ by case or composition.
    pub(crate) fn on_folding_file_system(names: Names) -> Self {
        Self { folds: true, ..Self::new(names) }
    }

    /// Takes in `path`, which is that of `source` in the archive, a path that ends with it.
    ///
    /// # Errors
    /// `policy.name`, which names both, as far as they are remembered.
    pub fn add(&mut self, path: &EntryPath, source: &str, is_directory: bool) -> Result<()> {
        if self.portable {
            check_portable(path).map_err(|error| error.with_entry(source))?;
        }
        let text = path.as_str();
        let of = match source.strip_suffix(text) {
            Some(stripped) => Addition { source, stripped: stripped.len(), begin: self.text.len() },
            None => Addition { source: text, stripped: 0, begin: self.text.len() },
        };
        // Each hash goes on from that of the directory above, so that a path costs no more than its length.
        let (mut place, mut spelt, mut end) = (0, 0, 0);
        for component in text.split('/') {
            end += component.len();
            place = match self.folds {
                true => self.place(place, &folded(component)),
                false => self.place(place, component),
            };
            spelt = self.hashers[0].hash_one((spelt, component));
            let kind = match (end == text.len(), is_directory) {
                (false, _) => Kind::Implied,
                (true, true) => Kind::Directory,
                (true, false) => Kind::Other,
            };
            self.put(place, spelt, &text[..end], kind, &of)?;
            end += 1;
        }
        Ok(())
    }

    /// What is looked up for `component` in the directory that is looked up by `above`.
    fn place(&self, above: u128, component: &str) -> u128 {
        let [high, low] = [0, 1].map(|n| u128::from(self.hashers[n].hash_one((above, component))));
        high << 64 | low
    }

    /// Notes that `path`, which is that of an addition or a directory above it, is there.
    fn put(&mut self, place: u128, spelt: u64, path: &str, kind: Kind, of: &Addition<'_>) -> Result<()> {
        let source = of.source;
        let Some(&taken) = self.seen.get(&place) else {
            let told = self.tell(path, of);
            self.seen.insert(place, Seen { spelt, told, kind });
            return Ok(());
        };
        let message = if taken.spelt != spelt {
            let other = match self.other(taken) {
                Some((_, other)) => format!("{other:?}"),
                None => "another".to_owned(),
            };
            let remedy = match self.portable {
                true => "rename one of them, leave one out, or do without portable names (`names = any`)",
                false => "extract to a file system that tells them apart, or leave one of them out",
            };
            format!(
                "the name {path:?} differs from {other} only by case or by how its characters are composed, so that \
                 many systems take them for one; {remedy}"
            )
        } else if taken.kind == Kind::Implied && kind == Kind::Directory {
            let told = self.tell(path, of);
            self.seen.insert(place, Seen { spelt, told, kind });
            return Ok(());
        } else if kind == Kind::Implied && taken.kind != Kind::Other {
            return Ok(());
        } else {
            let other = match self.other(taken) {
                Some((other, _)) => format!("{other:?}"),
                None => "another entry".to_owned(),
            };
            format!(
                "{source:?} and {other} would both be extracted to {path:?}; leave one of them out, or strip \
                 fewer components"
            )
        };
        Err(Error::new(code::POLICY_NAME, message).with_entry(source))
    }

    /// Remembers the source, unless that is done or there is too much of it.
    fn tell(&mut self, path: &str, of: &Addition<'_>) -> Option<Told> {
        if self.text.len() == of.begin {
            if of.begin + of.source.len() > REMEMBERED {
                return None;
            }
            self.text.push_str(of.source);
        }
        let range = |from: usize, len: usize| {
            let at = |number: usize| u32::try_from(of.begin + number).expect("what is remembered is short");
            (at(from), at(from + len))
        };
        Some(Told { source: range(0, of.source.len()), path: range(of.stripped, path.len()) })
    }

    /// Source and path of what was seen.
    fn other(&self, seen: Seen) -> Option<(&str, &str)> {
        let told = seen.told?;
        let text = |(begin, end): (u32, u32)| self.text.get(begin as usize..end as usize);
        Some((text(told.source)?, text(told.path)?))
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

    /// Long and deep paths that fold to longer ones: what is kept, and done, is little for each directory.
    #[test]
    fn a_path_costs_no_more_than_its_length() {
        let mut collisions = Collisions::new(Names::Portable);
        let component = "\u{390}".repeat(30);
        for number in 0..2000 {
            let path = format!("{number}/{}", [&*component; 60].join("/"));
            collisions.add(&EntryPath::new(&*path).unwrap(), &path, false).unwrap();
        }
        assert!(collisions.text.len() <= REMEMBERED && collisions.seen.len() == 2000 * 61);
        // What is not remembered is refused all the same, with one name.
        let path = format!("1999/{}", [&*component; 60].join("/"));
        let error = collisions.add(&EntryPath::new(&*path).unwrap(), &path, false).unwrap_err();
        assert!(error.code() == "policy.name" && error.message().contains("another entry"), "{error}");
    }

    #[test]
    fn what_a_folding_file_system_cannot_hold() {
        let mut collisions = Collisions::on_folding_file_system(Names::Any);
        let mut add = |path: &str, directory| collisions.add(&EntryPath::new(path).unwrap(), path, directory);
        add("A", true).unwrap();
        // Not portable, but no matter here.
        add("aux", false).unwrap();
        let error = add("a/secret", false).unwrap_err();
        assert!(error.message().contains("\"A\"") && error.message().contains("\"a\""), "{error}");
        assert_eq!(add("a", true).unwrap_err().code(), "policy.name");
    }

    #[test]
    fn sources_are_named_whole() {
        let mut collisions = Collisions::new(Names::Any);
        collisions.add(&EntryPath::new("d/f").unwrap(), "one/d/f", false).unwrap();
        let error = collisions.add(&EntryPath::new("d/f").unwrap(), "two/d/f", false).unwrap_err();
        assert!(error.message().contains("\"one/d/f\"") && error.message().contains("\"two/d/f\""), "{error}");
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
