//! What a conversion leaves out, because its target cannot hold it.

use std::collections::BTreeSet;

use super::ConvertOptions;
use crate::ancestors::{DATABASE, DIRECTORY_MODE, FILE_MODE};
use crate::error::{Error, Result, code};
use crate::model::{C1zEncoding, Entry, EntryKind, Mtime};
use crate::path::EntryPath;

/// Something that the target of a conversion cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// What it is, such as `modes other than 0644`.
    pub what: &'static str,
    /// How many there are.
    pub count: u64,
    /// One of them: a path, or a name.
    pub example: String,
}

/// Losses, counted.
#[derive(Default)]
pub(super) struct Losses(Vec<Loss>);

impl Losses {
    pub(super) fn add(&mut self, what: &'static str, example: &str) {
        match self.0.iter_mut().find(|loss| loss.what == what) {
            Some(loss) => loss.count += 1,
            None => self.0.push(Loss { what, count: 1, example: example.to_owned() }),
        }
    }

    pub(super) fn list(self) -> Vec<Loss> {
        self.0
    }
}

/// What the target cannot hold of these entries.
pub(super) fn entry_losses(entries: &[Entry], encoding: C1zEncoding) -> Losses {
    let mut losses = Losses::default();
    let indexed = encoding == C1zEncoding::IndexedZstd;
    let parents: BTreeSet<&str> = match indexed {
        true => entries.iter().flat_map(|entry| EntryPath::ancestors(&entry.path)).collect(),
        false => BTreeSet::new(),
    };
    for entry in entries {
        let path = entry.path.as_str();
        let lost_mode = |mask: u16| if indexed { entry.mode != mask } else { entry.mode & !mask != 0 };
        match entry.kind {
            EntryKind::Symlink => {
                losses.add("symbolic links", path);
                continue;
            }
            EntryKind::Directory if indexed && !parents.contains(path) => losses.add("empty directories", path),
            EntryKind::Directory if lost_mode(DIRECTORY_MODE) => losses.add("modes of directories", path),
            EntryKind::File if lost_mode(FILE_MODE) => losses.add("modes of files", path),
            _ => {}
        }
        if indexed && entry.mtime != Mtime::default() {
            losses.add("times of modification", path);
        } else if !indexed && entry.mtime.nanoseconds != 0 {
            losses.add("nanoseconds of times of modification", path);
        }
    }
    losses
}

pub(super) fn check_losses(losses: &[Loss], options: &ConvertOptions) -> Result<()> {
    if losses.is_empty() || options.lossy {
        return Ok(());
    }
    let list: Vec<String> =
        losses.iter().map(|loss| format!("{} {} (such as {:?})", loss.count, loss.what, loss.example)).collect();
    let message = format!(
        "the format {} cannot hold {}: convert with `lossy` to leave that out",
        options.target,
        list.join(", ")
    );
    Err(Error::new(code::POLICY_LOSSY, message))
}

pub(super) fn no_database() -> Error {
    let message =
        format!("a C1Z v1 file holds one SQLite database, and the source has no entry {DATABASE:?} that could be it");
    Error::new(code::USAGE_FORMAT, message)
}
