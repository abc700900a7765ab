//! Building the tree below a sandbox, entry by entry, wherever the entries come from.

use std::collections::BTreeMap;

use super::policy::{Decision, Policy};
use super::{ExtractOptions, ExtractReport};
use crate::error::Result;
use crate::io::{Sandbox, SandboxFile};
use crate::model::{Entry, EntryKind, Mtime};
use crate::path::EntryPath;

/// Makes the chosen entries below a sandbox. It knows the policy, not where entries and contents come from: the caller
/// shows it each entry in tar order, and writes the contents.
pub(crate) struct TreeBuilder<'a> {
    sandbox: &'a Sandbox,
    policy: Policy<'a>,
    report: ExtractReport,
    // Links are made last, so that nothing is ever written through one. Directories get mode and time after all that is
    // in them.
    links: BTreeMap<EntryPath, (String, Mtime)>,
    directories: BTreeMap<EntryPath, (u16, Mtime)>,
}

impl<'a> TreeBuilder<'a> {
    /// # Errors
    /// `usage.option` for a pattern that is no glob.
    pub(crate) fn new(sandbox: &'a Sandbox, options: &'a ExtractOptions) -> Result<Self> {
        let policy = Policy::new(options)?;
        let report = ExtractReport::default();
        Ok(Self { sandbox, policy, report, links: BTreeMap::new(), directories: BTreeMap::new() })
    }

    /// Whether `entry` is extracted: the path that it gets below the target, or `None` where it is not chosen or to be
    /// skipped (which is then part of the report). To be called once for each entry, in tar order, before anything of it
    /// is made; reserved members are never chosen.
    ///
    /// # Errors
    /// `policy.link`, `policy.name`.
    pub(crate) fn admit(&mut self, entry: &Entry) -> Result<Option<EntryPath>> {
        match self.policy.decide(entry)? {
            Decision::Extract(path) => return Ok(Some(path)),
            Decision::NotChosen => {}
            Decision::Stripped if entry.kind == EntryKind::Directory => {}
            Decision::Stripped => self.report.stripped += 1,
            Decision::SkippedLink => self.report.skipped.push(entry.path.to_string()),
        }
        Ok(None)
    }

    /// Begins the file of an admitted entry, under the path that [`admit`](Self::admit) gave. The caller writes and
    /// checks the content, and then calls [`finish_file`](Self::finish_file).
    ///
    /// # Errors
    /// `policy.name` where the name is taken, `io.file`.
    pub(crate) fn file(&mut self, path: &EntryPath) -> Result<SandboxFile> {
        self.sandbox.create_file(path)
    }

    /// Ends the file of `entry`, which has all of its content.
    ///
    /// # Errors
    /// `io.file`.
    pub(crate) fn finish_file(&mut self, file: SandboxFile, entry: &Entry) -> Result<()> {
        file.finish(u32::from(entry.mode), parts(entry.mtime))?;
        self.report.files += 1;
        self.report.bytes += entry.size;
        Ok(())
    }

    /// Makes the directory of an admitted entry.
    ///
    /// # Errors
    /// `policy.name` where the name is taken, `io.file`.
    pub(crate) fn directory(&mut self, path: EntryPath, entry: &Entry) -> Result<()> {
        self.sandbox.create_dir(&path)?;
        self.directories.insert(path, (entry.mode, entry.mtime));
        self.report.directories += 1;
        Ok(())
    }

    /// Keeps the link of an admitted entry for the end.
    pub(crate) fn link(&mut self, path: EntryPath, entry: &Entry) {
        let target = entry.target.as_ref().map_or_else(String::new, |target| target.as_str().to_owned());
        self.links.insert(path, (target, entry.mtime));
        self.report.symlinks += 1;
    }

    /// The path that [`admit`](Self::admit) gave for `entry`, once more, without taking note of anything.
    pub(crate) fn path_of(&mut self, entry: &Entry) -> Option<EntryPath> {
        match self.policy.place(entry) {
            Decision::Extract(path) => Some(path),
            _ => None,
        }
    }

    /// Corrects the time of something that was made, or kept for the end, under this path: a stream tells the
    /// nanoseconds only at its end.
    ///
    /// # Errors
    /// `io.file`.
    pub(crate) fn set_mtime(&mut self, path: &EntryPath, mtime: Mtime) -> Result<()> {
        if let Some((_, time)) = self.directories.get_mut(path) {
            *time = mtime;
        } else if let Some((_, time)) = self.links.get_mut(path) {
            *time = mtime;
        } else {
            self.sandbox.set_mtime(path, parts(mtime))?;
        }
        Ok(())
    }

    /// Makes the links, and gives the directories their modes and times. Nothing can be made after that.
    ///
    /// # Errors
    /// `usage.no-such-entry` where a pattern matched nothing; `policy.name`, `io.file`.
    pub(crate) fn finish(self) -> Result<ExtractReport> {
        self.policy.finish()?;
        for (path, (target, mtime)) in &self.links {
            self.sandbox.create_symlink(path, target, parts(*mtime))?;
        }
        // A directory's path is a prefix of what is below it, so this order is deepest first.
        for (path, (mode, mtime)) in self.directories.iter().rev() {
            self.sandbox.finish_dir(path, u32::from(*mode), parts(*mtime))?;
        }
        Ok(self.report)
    }
}

fn parts(mtime: Mtime) -> (i64, u32) {
    (mtime.seconds, mtime.nanoseconds)
}
