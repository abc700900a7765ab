//! Extracting to a directory: everything is proven before anything appears (FORMAT.md, "Extraction").
//!
//! [`publish`] stages and publishes; the tree itself is made by a [`TreeBuilder`], which decides with the help of a
//! [`Policy`](policy::Policy). Entries and contents come from an index (`indexed`), from a list (`listed`) or from a pipe
//! (`streamed`).

mod files;
mod indexed;
mod listed;
mod options;
mod policy;
mod streamed;
mod tree;

use std::path::Path;

pub use options::{ExtractOptions, ExtractReport};
pub(crate) use tree::TreeBuilder;

use crate::error::Result;
use crate::io::{Published, Sandbox, Staging, StagingOptions};
use crate::read::{Archive, Driver};

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
        match &self.driver {
            Driver::Indexed(archive) => {
                let bytes = indexed::plan(archive, options)?;
                publish(target.as_ref(), options, |sandbox| {
                    let report = indexed::fill(archive, sandbox, options, bytes)?;
                    add(sandbox)?;
                    Ok(report)
                })
            }
            Driver::Listed(archive) => {
                let bytes = listed::plan(archive.as_ref(), options)?;
                publish(target.as_ref(), options, |sandbox| {
                    let report = listed::fill(archive, sandbox, options, bytes)?;
                    add(sandbox)?;
                    Ok(report)
                })
            }
        }
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
