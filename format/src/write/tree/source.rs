//! Opening the files that a walk found, so that a change under way is noticed.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{TreeItem, TreeKind, changed, vanished};
use crate::error::{Error, Result, code};
use crate::io::dir::{Dir, Kind, Stat, stat_file};
use crate::path::EntryPath;

/// A file of the tree, open for reading.
#[derive(Debug)]
pub struct SourceFile {
    file: File,
    path: EntryPath,
    source: PathBuf,
    stat: Stat,
}

/// Opens files of a tree, one after another. The directory of the last one stays open, so that neighbours take one call
/// less each.
#[derive(Debug, Default)]
pub struct SourceOpener {
    last: Option<(PathBuf, Dir)>,
}

impl SourceOpener {
    /// Opens the file of `item` and makes sure that it is the one that the walk saw, unchanged. Neither a symbolic link
    /// nor a FIFO put in its place is followed or waited for.
    ///
    /// # Errors
    /// `usage.not-a-file` where `item` is none, `io.source-changed` where something else stands there by now or the file
    /// changed, `io.read` where it cannot be opened.
    pub fn open(&mut self, item: &TreeItem) -> Result<SourceFile> {
        let opened = self.open_unchecked(item)?;
        opened.check_unchanged()?;
        Ok(opened)
    }

    /// Appends the content of the file of `item` to `bytes`, and makes sure that it is what the walk saw, before it was
    /// read and after.
    ///
    /// # Errors
    /// As [`open`](Self::open), and `io.read`.
    pub(crate) fn read(&mut self, item: &TreeItem, bytes: &mut Vec<u8>) -> Result<()> {
        let file = self.open_unchecked(item)?;
        // A file of nothing may be one of the kernel's, which do not tell their size.
        let most = item.size.max(1);
        let read = (&file.file).take(most).read_to_end(bytes);
        let path = item.path.as_str();
        let found = read.map_err(|error| vanished("read", &item.source, path, error))? as u64;
        // Where nothing of this changed, neither has what was read: the time of change is the kernel's to set.
        file.check_unchanged()?;
        match found == item.size {
            true => Ok(()),
            false => Err(changed(&item.source, path, &format!("expected {} bytes, found {found}", item.size))),
        }
    }

    /// Opens the file of `item`, which may be another by now.
    fn open_unchecked(&mut self, item: &TreeItem) -> Result<SourceFile> {
        let path = item.path.as_str();
        if item.kind != TreeKind::File {
            let message = format!("cannot read {}: expected a regular file", item.source.display());
            return Err(Error::new(code::USAGE_NOT_A_FILE, message).with_entry(path));
        }
        let name = item.source.file_name().unwrap_or_default();
        let cannot_open = |error| vanished("open", &item.source, path, error);
        let dir = self.directory(item.source.parent().unwrap_or(Path::new(""))).map_err(cannot_open)?;
        // What takes the place of a file shows when it is looked at once more, after it was read, or here if it cannot even
        // be opened.
        let file = dir.open_file(name).map_err(|error| match dir.stat(name) {
            Ok(stat) if stat.kind != Kind::File => changed(&item.source, path, "it is no regular file any more"),
            _ => cannot_open(error),
        })?;
        Ok(SourceFile { file, path: item.path.clone(), source: item.source.clone(), stat: item.stat })
    }

    fn directory(&mut self, path: &Path) -> io::Result<&Dir> {
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            self.last = Some((path.to_owned(), Dir::open(path)?));
        }
        Ok(&self.last.as_ref().expect("opened just now").1)
    }
}

impl SourceFile {
    /// As [`SourceOpener::open`], for one file.
    ///
    /// # Errors
    /// As [`SourceOpener::open`].
    pub fn open(item: &TreeItem) -> Result<Self> {
        SourceOpener::default().open(item)
    }

    /// Makes sure that the file is as the walk saw it: size, time of modification, time of change, inode. To be called
    /// when it has been read to its end.
    ///
    /// # Errors
    /// `io.source-changed`, or `io.read` where the file cannot be looked at.
    pub fn check_unchanged(&self) -> Result<()> {
        let path = self.path.as_str();
        let now = stat_file(&self.file).map_err(|error| vanished("look at", &self.source, path, error))?;
        match self.stat.change(&now) {
            Some(reason) => Err(changed(&self.source, path, &reason)),
            None => Ok(()),
        }
    }
}

impl Read for SourceFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read(buf)
    }
}
