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
        let policy = Policy::new(options, sandbox.folds_names())?;
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
    /// checks the content, and then calls [`finish_file`](Self::finish_file); [`count_file`](Self::count_file) counts it.
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
    pub(crate) fn finish_file(file: SandboxFile, entry: &Entry) -> Result<()> {
        file.finish(u32::from(entry.mode), parts(entry.mtime))
    }

    /// Counts an admitted entry as a file that is made.
    pub(crate) fn count_file(&mut self, entry: &Entry) {
        self.report.files += 1;
        self.report.bytes += entry.size;
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

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;
    use crate::digest::Digest;
    use crate::io::Modes;
    use crate::limits::Limits;
    use crate::path::LinkTarget;

    /// As extraction from a stream drives it: entries come one by one, and their times in full only at the end.
    #[test]
    fn entries_one_by_one_and_nanoseconds_at_the_end() {
        let root = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::open(root.path(), Modes::Exact).unwrap();
        let options = ExtractOptions::new().strip_components(1).pattern("a");
        let mut tree = TreeBuilder::new(&sandbox, &options).unwrap();
        let path = |path: &str| EntryPath::new(path).unwrap();
        let (coarse, exact) = (Mtime::from_seconds(5), Mtime { seconds: 5, nanoseconds: 7 });
        let target = LinkTarget::with_limits("f", &Limits::default()).unwrap();
        let entries = [
            Entry::directory(path("a"), 0o755, coarse),
            Entry::directory(path("a/d"), 0o000, coarse),
            Entry::file(path("a/d/f"), 0o400, coarse, 1, Digest::of(b"x")),
            Entry::symlink(path("a/d/l"), coarse, target),
            Entry::file(path("b/f"), 0o400, coarse, 1, Digest::of(b"x")),
        ];
        let mut admitted = Vec::new();
        for entry in &entries {
            let Some(path) = tree.admit(entry).unwrap() else { continue };
            admitted.push(path.to_string());
            match entry.kind {
                EntryKind::File => {
                    let mut file = tree.file(&path).unwrap();
                    file.write_all(b"x").unwrap();
                    TreeBuilder::finish_file(file, entry).unwrap();
                    tree.count_file(entry);
                }
                EntryKind::Directory => tree.directory(path, entry).unwrap(),
                _ => tree.link(path, entry),
            }
        }
        assert_eq!(admitted, ["d", "d/f", "d/l"]);
        for entry in &entries {
            if let Some(path) = tree.path_of(entry) {
                tree.set_mtime(&path, exact).unwrap();
            }
        }
        let report = tree.finish().unwrap();
        assert_eq!((report.files, report.directories, report.symlinks, report.stripped), (1, 1, 1, 0));
        let stat = |path: &str| std::fs::symlink_metadata(root.path().join(path)).unwrap();
        assert_eq!((stat("d").mode() & 0o777, stat("d").mtime_nsec()), (0, 7));
        // Its owner, too, may look into it only now.
        std::fs::set_permissions(root.path().join("d"), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!((stat("d/f").mtime_nsec(), stat("d/l").mtime_nsec()), (7, 7));
    }
}
