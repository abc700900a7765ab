//! Entries, by path.

use std::io::Read as _;
use std::path::Path;

use super::{Aspect, DiffOptions, Difference, EntryDifference, Filter, NEW, OLD, Sides};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result, code};
use crate::io::Links;
use crate::model::{Entry, EntryKind, Mtime};
use crate::monitor::Monitor;
use crate::read::Archive;
use crate::write::tree::{self, NoteKind, SourceOpener, TreeItem, TreeKind, Unsupported, WalkOptions};

/// How much of a file is read at once.
const PIECE: usize = 256 << 10;

pub(super) fn compare(
    old: &Archive,
    new: &Archive,
    options: &DiffOptions,
    filter: &mut Filter,
) -> Result<Vec<EntryDifference>> {
    let monitor = &old.options().monitor;
    let old = table(old, filter, monitor).map_err(|error| error.about(OLD))?;
    let new = table(new, filter, monitor).map_err(|error| error.about(NEW))?;
    merge(old, new, options, |new| Ok(new.digest))
}

pub(super) fn compare_with_directory(
    archive: &Archive,
    directory: &Path,
    own: Option<&Path>,
    options: &DiffOptions,
    mut filter: Filter,
    difference: &mut Difference,
) -> Result<()> {
    let reading = archive.options();
    // What an archive cannot hold need not stop a comparison, and a link is only compared.
    let mut walk = WalkOptions::new().links(Links::Keep).unsupported(Unsupported::Skip).limits(reading.limits.clone());
    walk = walk.threads(reading.threads.get());
    if let Some(own) = own {
        walk = walk.output(own);
    }
    walk = options.include.iter().fold(walk, WalkOptions::include);
    walk = options.exclude.iter().fold(walk, WalkOptions::exclude);
    let mut tree = tree::walk(directory, &walk)?;
    tree.items.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    difference.skipped = tree.notes.into_iter().filter(|note| note.kind == NoteKind::Skipped).collect();

    let old = table(archive, &mut filter, &reading.monitor)?;
    let implied = |path: &str| {
        let below = format!("{path}/");
        let at = old.partition_point(|entry| entry.path.as_str() < below.as_str());
        old.get(at).is_some_and(|entry| entry.path.as_str().starts_with(&below))
    };
    let listed = |path: &str| old.binary_search_by(|entry| entry.path.as_str().cmp(path)).is_ok();
    let mut new = Vec::with_capacity(tree.items.len());
    for item in &tree.items {
        let path = item.path.as_str();
        // The walk takes directories above what the patterns choose, too.
        if filter.takes(path) && (item.kind != TreeKind::Directory || listed(path) || !implied(path)) {
            new.push(entry_of(item));
        }
    }
    let mut opener = SourceOpener::default();
    difference.entries = merge(old, new, options, |new| {
        let at = tree.items.binary_search_by(|item| item.path.cmp(&new.path)).expect("made of the items");
        digest_of(&mut opener, &tree.items[at], &reading.monitor)
    })?;
    Ok(())
}

/// The entries that are compared, by path.
fn table(archive: &Archive, filter: &mut Filter, monitor: &Monitor) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in archive.entries() {
        let entry = entry?;
        monitor.advance(0)?;
        if filter.takes(entry.path.as_str()) {
            entries.push(entry);
        }
    }
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// Goes through two tables, both in the order of their paths. `digest` tells the digest of a new file's content; it is
/// asked only where the sizes agree.
fn merge(
    old: Vec<Entry>,
    new: Vec<Entry>,
    options: &DiffOptions,
    mut digest: impl FnMut(&Entry) -> Result<Digest>,
) -> Result<Vec<EntryDifference>> {
    let mut found = Vec::new();
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    loop {
        let (take_old, take_new) = match (old.peek(), new.peek()) {
            (None, None) => return Ok(found),
            (Some(a), Some(b)) => (a.path <= b.path, b.path <= a.path),
            (a, b) => (a.is_some(), b.is_some()),
        };
        let mut sides =
            Sides { old: if take_old { old.next() } else { None }, new: if take_new { new.next() } else { None } };
        let mut aspects = Vec::new();
        if let (Some(old), Some(new)) = (&sides.old, &mut sides.new) {
            if old.kind == EntryKind::File && new.kind == EntryKind::File && old.size == new.size {
                new.digest = digest(new)?;
            }
            aspects = differing(old, new, options);
            if aspects.is_empty() {
                continue;
            }
        }
        found.push(EntryDifference { sides, aspects });
    }
}

fn differing(old: &Entry, new: &Entry, options: &DiffOptions) -> Vec<Aspect> {
    let same_kind = old.kind == new.kind;
    // Files of different sizes have different contents, whether or not the digest is known.
    let same_content = old.size == new.size && old.digest == new.digest;
    [
        (!same_kind, Aspect::Kind),
        (same_kind && !same_content, Aspect::Content),
        (same_kind && old.size != new.size, Aspect::Size),
        (old.mode != new.mode, Aspect::Mode),
        (options.times && old.mtime != new.mtime, Aspect::Time),
        (same_kind && old.target != new.target, Aspect::Target),
    ]
    .into_iter()
    .filter_map(|(differs, aspect)| differs.then_some(aspect))
    .collect()
}

/// The entry that packing would make of `item`, as far as that is known without reading.
fn entry_of(item: &TreeItem) -> Entry {
    let (path, mode) = (item.path.clone(), item.mode as u16);
    let mtime = Mtime { seconds: item.mtime.0, nanoseconds: item.mtime.1 };
    match &item.kind {
        TreeKind::File => Entry::file(path, mode, mtime, item.size, Digest::ZERO),
        TreeKind::Directory => Entry::directory(path, mode, mtime),
        TreeKind::Symlink(target) => Entry::symlink(path, mtime, target.clone()),
    }
}

fn digest_of(opener: &mut SourceOpener, item: &TreeItem, monitor: &Monitor) -> Result<Digest> {
    let mut file = opener.open(item)?;
    let mut hasher = Hasher::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let doing = format!("reading {}", item.source.display());
                return Err(Error::io(code::IO_READ, doing, error).with_entry(item.path.as_str()));
            }
        };
        hasher.update(&piece[..read]);
        monitor.advance(read as u64)?;
    }
    file.check_unchanged()?;
    Ok(hasher.finish())
}
