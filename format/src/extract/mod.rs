//! Extracting to a directory: everything is proven before anything appears (FORMAT.md, "Extraction").
//!
//! [`publish`] stages and publishes; the tree itself is made by a [`TreeBuilder`], which decides with the help of a
//! [`Policy`]. Here, the entries come from the index, and [`Files`] makes the files on several threads.

mod files;
mod options;
mod policy;
mod streamed;
mod tree;

use std::path::Path;

pub use options::{ExtractOptions, ExtractReport};
pub(crate) use tree::TreeBuilder;

use crate::error::Result;
use crate::io::{Published, Sandbox, Staging, StagingOptions};
use crate::model::EntryKind;
use crate::read::Archive;
use files::Files;
use policy::{Decision, Policy};

impl Archive {
    /// Extracts to `target`, which is absent or an empty directory, or with [`ExtractOptions::merge`] any directory.
    /// Either everything appears there, each content proven, or nothing does; only where a move into an existing
    /// directory fails, a part does, and the error says so.
    ///
    /// ```
    /// # let mut file = Vec::new();
    /// # let mut writer = rosettar::WriteOptions::new().write_to(&mut file)?;
    /// # writer.add_bytes(rosettar::NewEntry::new("notes/a.txt")?, b"alpha")?;
    /// # writer.finish()?;
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let target = dir.path().join("out");
    /// let report = rosettar::open(file)?.extract(&target, &rosettar::ExtractOptions::new())?;
    /// assert_eq!(report.files, 1);
    /// assert_eq!(std::fs::read(target.join("notes/a.txt")).unwrap(), b"alpha");
    /// # Ok::<(), rosettar::Error>(())
    /// ```
    ///
    /// # Errors
    /// `usage.target` for a target that is something else, or where something is in the way; `usage.no-such-entry` where
    /// a pattern matches nothing; `policy.link`, `policy.name`; whatever is wrong with the archive; failures to write.
    /// Nothing is left behind then, unless `io.file` says that a move into an existing directory failed half-way.
    pub fn extract(&self, target: impl AsRef<Path>, options: &ExtractOptions) -> Result<ExtractReport> {
        self.extract_with(target, options, |_| Ok(()))
    }

    /// As [`extract`](Self::extract), and lets `add` make files of its own beside the entries, before anything is
    /// published: all of it appears, or nothing. Their names are to be stated by [`ExtractOptions::beside`].
    ///
    /// ```
    /// # use rosettar::{EntryPath, ExtractOptions};
    /// # use std::io::Write as _;
    /// # let mut file = Vec::new();
    /// # let mut writer = rosettar::WriteOptions::new().write_to(&mut file)?;
    /// # writer.add_bytes(rosettar::NewEntry::new("notes/a.txt")?, b"alpha")?;
    /// # writer.finish()?;
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let target = dir.path().join("out");
    /// let name = EntryPath::new("SOURCE")?;
    /// let options = ExtractOptions::new().beside(name.clone());
    /// rosettar::open(file)?.extract_with(&target, &options, |sandbox| {
    ///     let mut file = sandbox.create_file(&name)?;
    ///     file.write_all(b"notes.rtar").unwrap();
    ///     file.finish(0o644, (0, 0))
    /// })?;
    /// assert_eq!(std::fs::read(target.join("SOURCE")).unwrap(), b"notes.rtar");
    /// # Ok::<(), rosettar::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`extract`](Self::extract), and those of `add`.
    pub fn extract_with(
        &self,
        target: impl AsRef<Path>,
        options: &ExtractOptions,
        add: impl FnOnce(&Sandbox) -> Result<()>,
    ) -> Result<ExtractReport> {
        let bytes = self.plan(options)?;
        publish(target.as_ref(), options, |sandbox| {
            let report = self.fill(sandbox, options, bytes)?;
            add(sandbox)?;
            Ok(report)
        })
    }

    /// Goes through the whole entry table before anything is written: what is wrong with it, and what the policy refuses.
    /// Returns how many bytes the files have that are to be made.
    fn plan(&self, options: &ExtractOptions) -> Result<u64> {
        let mut bytes = 0;
        let mut policy = Policy::new(options)?;
        let mut entries = self.entries();
        while let Some(placed) = entries.next_placed() {
            let entry = placed?.entry;
            if matches!(policy.decide(&entry)?, Decision::Extract(_)) {
                bytes += entry.size;
            }
        }
        policy.finish()?;
        Ok(bytes)
    }

    fn fill(&self, sandbox: &Sandbox, options: &ExtractOptions, bytes: u64) -> Result<ExtractReport> {
        let mut tree = TreeBuilder::new(sandbox, options)?;
        let monitor = &self.inner.options.monitor;
        monitor.set_total(bytes);
        let mut files = Files::new(&self.inner, sandbox);
        for number in 0..self.inner.index.pages.len() {
            for placed in self.inner.decode_page(number)?.entries {
                let entry = &placed.entry;
                let Some(path) = tree.admit(entry)? else { continue };
                // Empty files and directories have no content that would be counted.
                monitor.advance(0)?;
                match entry.kind {
                    EntryKind::File => tree.count_file(entry),
                    EntryKind::Directory => tree.directory(path.clone(), entry)?,
                    _ => tree.link(path.clone(), entry),
                }
                files.add(placed, path)?;
            }
        }
        files.finish()?;
        tree.finish()
    }
}

/// Stages a tree for `target`, lets `fill` make it, and publishes it as the options say. After an error of `fill`,
/// nothing is left.
///
/// # Errors
/// Those of [`Staging::new`], of `fill`, and of [`Staging::publish`].
pub(crate) fn publish(
    target: &Path,
    options: &ExtractOptions,
    fill: impl FnOnce(&Sandbox) -> Result<ExtractReport>,
) -> Result<ExtractReport> {
    let mut staging = StagingOptions::new().modes(options.modes).sync(options.sync);
    if let Some(overwrite) = options.merge {
        staging = staging.merge(overwrite);
    }
    let staging = Staging::new(target, staging)?;
    match staging.sandbox().and_then(|sandbox| fill(&sandbox)) {
        Ok(report) => {
            let Published { kept, replaced, left_behind } = staging.publish()?;
            Ok(ExtractReport { kept, replaced, left_behind, ..report })
        }
        Err(error) => Err(staging.discard_after(error)),
    }
}
