//! Extracting an archive as it arrives: the tree is staged while nothing is proven yet, and published once all is.

use std::io::{Read, Write as _};
use std::path::Path;

use super::{ExtractOptions, ExtractReport, TreeBuilder, publish};
use crate::error::{Error, Result, code};
use crate::io::Sandbox;
use crate::model::EntryKind;
use crate::read::{ArchiveStream, Confirmed, Provisional};

impl<R: Read> ArchiveStream<R> {
    /// Extracts to `target`, as [`Archive::extract`](crate::Archive::extract) does: everything appears there once the
    /// index at the end of the stream has confirmed it, or nothing does.
    ///
    /// ```
    /// # let mut file = Vec::new();
    /// # let mut writer = rosettar::WriteOptions::new().write_to(&mut file)?;
    /// # writer.add_bytes(rosettar::NewEntry::new("notes/a.txt")?, b"alpha")?;
    /// # writer.finish()?;
    /// # let pipe = &file[..];
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let target = dir.path().join("out");
    /// let stream = rosettar::ReadOptions::new().stream(pipe)?;
    /// let (confirmed, report) = stream.extract(&target, &rosettar::ExtractOptions::new())?;
    /// assert_eq!(report.files, confirmed.facts().totals.files);
    /// # Ok::<(), rosettar::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Archive::extract`](crate::Archive::extract); `envelope.truncated`, and whatever else is wrong with the stream.
    pub fn extract(self, target: impl AsRef<Path>, options: &ExtractOptions) -> Result<(Confirmed, ExtractReport)> {
        let mut confirmed = None;
        let report = publish(target.as_ref(), options, |sandbox| {
            let (archive, report) = self.fill(sandbox, options)?;
            confirmed = Some(archive);
            Ok(report)
        })?;
        Ok((confirmed.expect("what was published was confirmed"), report))
    }

    fn fill(mut self, sandbox: &Sandbox, options: &ExtractOptions) -> Result<(Confirmed, ExtractReport)> {
        let mut tree = TreeBuilder::new(sandbox, options)?;
        while let Some(item) = self.next_item()? {
            let Provisional::Entry(mut provisional) = item else { continue };
            let entry = provisional.entry().clone();
            let Some(path) = tree.admit(&entry)? else { continue };
            match entry.kind {
                EntryKind::File => {
                    let mut file = tree.file(&path)?;
                    provisional.read_all(|piece| {
                        file.write_all(piece)
                            .map_err(|e| Error::io(code::IO_WRITE, "writing a file", e).with_entry(entry.path.as_str()))
                    })?;
                    TreeBuilder::finish_file(file, &entry)?;
                    tree.count_file(&entry);
                }
                EntryKind::Directory => tree.directory(path, &entry)?,
                _ => tree.link(path, &entry),
            }
        }
        let confirmed = self.confirm()?;
        // The tar has whole seconds; the rest stands in the entry table.
        for entry in confirmed.entries() {
            let entry = entry?;
            if entry.mtime.nanoseconds > 0
                && let Some(path) = tree.path_of(&entry)
            {
                tree.set_mtime(&path, entry.mtime)?;
            }
        }
        Ok((confirmed, tree.finish()?))
    }
}
