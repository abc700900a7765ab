//! What only the whole entry table shows: paths that collide, the order of reserved members, totals (FORMAT.md,
//! "Entries and paths", "Reserved members", "Index").

use std::collections::HashMap;

use super::{Index, Placed};
use crate::digest::Digest;
use crate::error::{Code, Error, Result, code};
use crate::model::{Entry, EntryKind, StreamDeclaration, Totals};
use crate::path::Reserved;

/// The most directories that paths may imply without their being entries: what bounds the memory of the check.
const MOST_IMPLIED: usize = 1 << 20;

/// Sixteen bytes of a path's SHA-256: no two paths that anyone can find have the same.
type PathId = [u8; 16];

/// Checks an entry table as its entries go by, in order.
pub(crate) struct TableCheck {
    /// `None` where the paths were checked before.
    paths: Option<PathCheck>,
    streams: Vec<StreamState>,
    /// The number of the stream of each name.
    stream_numbers: HashMap<String, usize>,
    /// The digest of each Schema's descriptor set, where the caller knows it.
    schemas: Vec<Option<Digest>>,
    /// Where in the tar the late Schemas' sections stand.
    late_at: Vec<u64>,
    late_from: u32,
    schemas_seen: u32,
    totals: Totals,
}

struct StreamState {
    name: String,
    schema: u32,
    description: Digest,
    described: bool,
    batches: u32,
    size: u64,
}

impl TableCheck {
    pub(crate) fn new(index: &Index, schemas: Vec<Option<Digest>>) -> Self {
        let late_at = index.late_schema_frames.iter().map(|frame| index.frames[*frame as usize].tar_offset).collect();
        let streams = index.streams.iter().map(|stream| StreamState::new(&stream.declaration)).collect();
        let names = index.streams.iter().map(|stream| stream.name().to_owned());
        Self {
            paths: Some(PathCheck::default()),
            stream_numbers: names.zip(0..).collect(),
            streams,
            schemas,
            late_at,
            late_from: index.first_late_schema(),
            schemas_seen: 0,
            totals: Totals::default(),
        }
    }

    /// As [`new`](Self::new), for a table whose paths are known to form a tree.
    pub(crate) fn of_known_paths(index: &Index, schemas: Vec<Option<Digest>>) -> Self {
        Self { paths: None, ..Self::new(index, schemas) }
    }

    /// From the next entry on, holds the paths against those of the entries before as well, which `paths` has taken in.
    pub(crate) fn know_paths(&mut self, paths: PathCheck) {
        self.paths = Some(paths);
    }

    /// Takes in the next entry, which is number `number` of the table.
    ///
    /// # Errors
    /// `path.duplicate`, `path.parent`, `entries.reserved`, `section.misplaced`.
    pub(crate) fn entry(&mut self, number: u64, placed: &Placed) -> Result<()> {
        let entry = &placed.entry;
        // One of each reserved member is another rule.
        if let Some(paths) = self.paths.as_mut().filter(|_| !entry.kind.is_reserved()) {
            paths.entry(entry)?;
        }
        let path = entry.path.as_str();
        if number < u64::from(self.late_from) && entry.kind != EntryKind::Schema {
            return Err(reserved(path, format!("expected the descriptor set of Schema {number} to open the tar")));
        }
        match (entry.kind, Reserved::parse(path)) {
            (EntryKind::File, _) => {
                self.totals.files += 1;
                self.totals.file_bytes = self.totals.file_bytes.saturating_add(entry.size);
            }
            (EntryKind::Directory, _) => self.totals.directories += 1,
            (EntryKind::Symlink, _) => self.totals.symlinks += 1,
            (_, parsed) => {
                self.totals.reserved_members += 1;
                self.reserved_member(placed, parsed)?;
            }
        }
        Ok(())
    }

    fn reserved_member(&mut self, placed: &Placed, parsed: Option<Reserved>) -> Result<()> {
        let entry = &placed.entry;
        let path = entry.path.as_str();
        let fault = |message: String| Err(reserved(path, message));
        match parsed {
            Some(Reserved::Schema(number)) => {
                if number != self.schemas_seen || number as usize >= self.late_from as usize + self.late_at.len() {
                    return fault(format!("expected the descriptor set of Schema {}", self.schemas_seen));
                }
                if let Some(late) = number.checked_sub(self.late_from)
                    && self.late_at.get(late as usize) != Some(&placed.header_at)
                {
                    let message = "it does not directly follow the section of its Schema";
                    return Err(Error::new(code::SECTION_MISPLACED, message).with_entry(path));
                }
                if let Some(Some(expected)) = self.schemas.get(number as usize)
                    && *expected != entry.digest
                {
                    return fault("its content is not the descriptor set of its Schema".into());
                }
                self.schemas_seen += 1;
            }
            Some(Reserved::Stream(name)) => {
                let schemas_seen = self.schemas_seen;
                let Some(&number) = self.stream_numbers.get(&*name) else {
                    return fault("no stream of this name is declared".into());
                };
                let stream = &mut self.streams[number];
                if stream.schema >= schemas_seen {
                    return fault(format!("expected the descriptor set of Schema {} before it", stream.schema));
                }
                if std::mem::replace(&mut stream.described, true) {
                    return fault("expected one description of a stream".into());
                }
                if entry.digest != stream.description {
                    return fault("its content is not the stream's declaration".into());
                }
            }
            Some(Reserved::Batch(name, number)) => {
                let Some(stream) = entry.stream.and_then(|stream| self.streams.get_mut(stream as usize)) else {
                    return fault("it belongs to no declared stream".into());
                };
                if stream.name != name {
                    return fault(format!("its entry says that it belongs to the stream {}", stream.name));
                }
                if !stream.described {
                    return fault("expected the stream's description before its first batch".into());
                }
                if number != stream.batches {
                    return fault(format!("expected batch {:08}", stream.batches));
                }
                stream.batches += 1;
                stream.size = stream.size.saturating_add(entry.size);
            }
            None => return fault("expected the path of a reserved member".into()),
        }
        Ok(())
    }

    /// Holds what went by against the index, after the last entry.
    ///
    /// # Errors
    /// `entries.reserved`, `index.totals`.
    pub(crate) fn finish(mut self, index: &Index) -> Result<()> {
        if self.schemas_seen != index.schema_count {
            return Err(Error::new(
                code::ENTRIES_RESERVED,
                format!("{} descriptor sets among the entries: expected {}", self.schemas_seen, index.schema_count),
            ));
        }
        for (stream, info) in self.streams.iter().zip(&index.streams) {
            if !stream.described {
                let message = format!("the stream {} has no description among the entries", stream.name);
                return Err(Error::new(code::ENTRIES_RESERVED, message));
            }
            if (stream.batches, stream.size) != (info.batches, info.size) {
                return Err(Error::new(
                    code::INDEX_TOTALS,
                    format!(
                        "the stream {} has {} batches of {} bytes: expected {} of {}, as the index says",
                        stream.name, stream.batches, stream.size, info.batches, info.size
                    ),
                ));
            }
        }
        // Records and the size of the tar were compared when the index was read.
        (self.totals.records, self.totals.tar_bytes) = (index.totals.records, index.totals.tar_bytes);
        if self.totals != index.totals {
            return Err(Error::new(
                code::INDEX_TOTALS,
                format!("the totals are {:?}: expected {:?}, as the index says", self.totals, index.totals),
            ));
        }
        Ok(())
    }
}

impl StreamState {
    fn new(declaration: &StreamDeclaration) -> Self {
        Self {
            name: declaration.name.to_string(),
            schema: declaration.schema,
            description: Digest::of(declaration.description().as_bytes()),
            described: false,
            batches: 0,
            size: 0,
        }
    }
}

/// Shows that paths form a tree as long as they come in the order in which GNU tar wants them, a directory's with a `/` at
/// its end: then all that begins with a path follows it directly, and nothing has to be remembered but the paths that the
/// last one begins with. It never finds a fault, but says that it cannot tell.
#[derive(Default)]
pub(crate) struct AscendingPaths {
    /// The last name.
    last: Vec<u8>,
    /// The lengths of those entries, none a directory, whose paths `last` begins with.
    leaves: Vec<usize>,
}

impl AscendingPaths {
    /// Whether the paths still form a tree with the next one; after `false` it is of no further use.
    pub(crate) fn entry(&mut self, entry: &Entry) -> bool {
        let path = entry.path.as_str().as_bytes();
        let common = self.last.iter().zip(path).take_while(|(a, b)| a == b).count();
        let is_directory = entry.kind == EntryKind::Directory;
        let next = path.get(common).or(is_directory.then_some(&b'/'));
        // Where one of them ends, the other is greater; `None` is less than any byte. A directory's own slash may be one
        // that the last name has, too: then the last is the same directory or below it.
        if next <= self.last.get(common) {
            return false;
        }
        while self.leaves.pop_if(|leaf| *leaf > common).is_some() {}
        // What is left stands before the name that comes: is it, or one of its directories, among them?
        if self.leaves.iter().any(|leaf| path.get(*leaf).is_none_or(|byte| *byte == b'/')) {
            return false;
        }
        self.last.truncate(common);
        self.last.extend_from_slice(&path[common..]);
        if is_directory {
            self.last.push(b'/');
        } else {
            self.leaves.push(path.len());
        }
        true
    }
}

/// Checks that paths form a tree, in whatever order they come.
///
/// Of every path that is known, all ancestors are known, too, so that going up from a new one ends at the first that is
/// known. An archive that lists its directories, each before what is in it, costs 17 bytes an entry and nothing more.
#[derive(Default)]
pub(crate) struct PathCheck {
    known: HashMap<PathId, Known>,
    /// How many of those are implied.
    implied: usize,
    /// The parent of the last entry, whose ancestors were all looked at.
    last_parent: String,
}

/// What is known of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// An entry that nothing may lie below.
    Leaf,
    Directory,
    /// No entry so far, but something lies below it.
    Implied,
}

impl PathCheck {
    /// Takes in the next entry.
    ///
    /// # Errors
    /// `path.duplicate`, `path.parent`; `limit.entries` where paths imply too many directories that are no entries.
    pub(crate) fn entry(&mut self, entry: &Entry) -> Result<()> {
        self.entry_within(entry, MOST_IMPLIED)
    }

    fn entry_within(&mut self, entry: &Entry, most_implied: usize) -> Result<()> {
        let path = entry.path.as_str();
        let id = path_id(path);
        let leaf = entry.kind != EntryKind::Directory;
        let before = self.known.get(&id).copied();
        match before {
            Some(Known::Leaf | Known::Directory) => {
                return Err(collision(code::PATH_DUPLICATE, path, "two entries have this path"));
            }
            Some(Known::Implied) if leaf => {
                let message = "other entries lie below this one, which is no directory";
                return Err(collision(code::PATH_PARENT, path, message));
            }
            _ => {}
        }
        // Nothing is noted before everything is checked: a refused entry leaves no trace.
        let mut unknown = Vec::new();
        let parent = entry.path.ancestors().next().unwrap_or_default();
        if parent != self.last_parent {
            for ancestor in entry.path.ancestors() {
                let id = path_id(ancestor);
                match self.known.get(&id) {
                    None => unknown.push(id),
                    Some(Known::Leaf) => {
                        let message = format!("it lies below {ancestor:?}, which is no directory");
                        return Err(collision(code::PATH_PARENT, path, &message));
                    }
                    Some(_) => break,
                }
            }
            if self.implied + unknown.len() > most_implied {
                let message = format!(
                    "paths imply more than {most_implied} directories that are no entries, which exceeds the limit entries"
                );
                return Err(collision(code::LIMIT_ENTRIES, path, &message));
            }
            self.last_parent.clear();
            self.last_parent.push_str(parent);
        }
        self.implied += unknown.len();
        self.implied -= usize::from(before.is_some());
        self.known.extend(unknown.into_iter().map(|id| (id, Known::Implied)));
        self.known.insert(id, if leaf { Known::Leaf } else { Known::Directory });
        Ok(())
    }
}

fn path_id(path: &str) -> PathId {
    Digest::of(path.as_bytes()).0[..16].try_into().expect("16 of 32 bytes")
}

fn collision(code: Code, path: &str, message: &str) -> Error {
    Error::new(code, message).with_entry(path)
}

fn reserved(path: &str, message: String) -> Error {
    Error::new(code::ENTRIES_RESERVED, message).with_entry(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::model::Mtime;
    use crate::path::EntryPath;

    fn entry(path: &str, kind: EntryKind) -> Entry {
        let path = EntryPath::new(path).unwrap();
        match kind {
            EntryKind::Directory => Entry::directory(path, 0o755, Mtime::default()),
            _ => Entry::file(path, 0o644, Mtime::default(), 0, Digest::ZERO),
        }
    }

    fn check(paths: &[(&str, EntryKind)]) -> Result<()> {
        let mut check = PathCheck::default();
        paths.iter().try_for_each(|(path, kind)| check.entry(&entry(path, *kind)))
    }

    /// All lists of four of these paths, each as a file or a directory: what is taken to be a tree is one, and every tree
    /// in the order that writers use is taken to be one.
    #[test]
    fn ascending_paths_form_a_tree() {
        let paths = ["a", "a-b", "a/b", "a/b-", "a/b/c", "ab", "b", "a/bb"];
        let all: Vec<(&str, EntryKind)> =
            paths.iter().flat_map(|path| [(*path, EntryKind::File), (*path, EntryKind::Directory)]).collect();
        let (mut taken, mut trees) = (0, 0);
        for number in 0..all.len().pow(4) {
            let list: Vec<_> = (0..4).map(|place| all[number / all.len().pow(place) % all.len()]).collect();
            let mut ascending = AscendingPaths::default();
            let is_taken = list.iter().all(|(path, kind)| ascending.entry(&entry(path, *kind)));
            let is_tree = check(&list).is_ok();
            assert!(is_tree || !is_taken, "{list:?}");
            let name = |(path, kind): &(&str, EntryKind)| {
                format!("{path}{}", ["", "/"][usize::from(*kind == EntryKind::Directory)])
            };
            if list.iter().map(name).is_sorted_by(|a, b| a < b) {
                assert_eq!(is_taken, is_tree, "{list:?}");
            }
            (taken, trees) = (taken + u64::from(is_taken), trees + u64::from(is_tree));
        }
        assert!(taken > 0 && taken < trees);
    }

    #[test]
    fn trees_and_collisions() {
        use EntryKind::{Directory, File};
        check(&[("a", Directory), ("a-b", File), ("a/b", File), ("a/b-", File), ("c/d", File)]).unwrap();
        check(&[("a/b", File), ("a", Directory)]).unwrap();
        let code = |paths: &[_]| check(paths).unwrap_err().code();
        assert_eq!(code(&[("a", File), ("b", File), ("a", Directory)]), "path.duplicate");
        assert_eq!(code(&[("a", File), ("a-b", File), ("a/b", File)]), "path.parent");
        assert_eq!(code(&[("a/b/c", File), ("a", File)]), "path.parent");
        assert_eq!(code(&[("a/b", File), ("a/c", File), ("a/b/d/e", File)]), "path.parent");
        // The parent was looked at before it became a file.
        assert_eq!(code(&[("d/x", File), ("d/y", File), ("d", File)]), "path.parent");
    }
    /// Directories that are entries cost nothing but themselves; those that are only implied are counted, and no longer
    /// so once they come.
    #[test]
    fn implied_directories_are_bounded() {
        let (file, directory) = (EntryKind::File, EntryKind::Directory);
        let mut check = PathCheck::default();
        for path in ["a", "a/b", "a/b/c"] {
            check.entry_within(&entry(path, directory), 0).unwrap();
        }
        check.entry_within(&entry("a/b/c/d", file), 0).unwrap();
        assert_eq!((check.implied, check.known.len()), (0, 4));
        // The child before its directories: two are implied, and one comes after all.
        check.entry_within(&entry("x/y/z", file), 2).unwrap();
        assert_eq!(check.implied, 2);
        assert_eq!(check.entry_within(&entry("v/w", file), 2).unwrap_err().code(), "limit.entries");
        assert_eq!(check.entry_within(&entry("x", file), 2).unwrap_err().code(), "path.parent");
        check.entry_within(&entry("x", directory), 2).unwrap();
        check.entry_within(&entry("v/w", file), 2).unwrap();
        assert_eq!((check.implied, check.known.len()), (2, 9));
        // Below an implied directory whose own ancestors are known.
        assert_eq!(check.entry_within(&entry("x/y/z/q", file), 2).unwrap_err().code(), "path.parent");
        assert_eq!(check.entry_within(&entry("x/y", file), 2).unwrap_err().code(), "path.parent");
    }
}
