//! Extracting to a directory: everything is proven before anything appears (FORMAT.md, "Extraction").

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::Path;

use crate::digest::Hasher;
use crate::error::{Error, Result, code};
use crate::io::{Links, Modes, Sandbox, Staging, StagingOptions};
use crate::model::EntryKind;
use crate::read::{Archive, TarCursor};
use crate::select::Selection;
use crate::tar;
use crate::v1::Placed;

/// What to extract, and how.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ExtractOptions {
    patterns: Vec<String>,
    links: Links,
    modes: Modes,
    sync: bool,
}

impl ExtractOptions {
    /// Everything of the user's; modes without the umask's bits; links that are not inside refused; no sync.
    pub fn new() -> Self {
        Self::default()
    }

    /// Extracts only what matches `pattern`, or one given by another call, with all that is below it. Patterns are globs
    /// over paths, as for [`Selection`].
    #[must_use]
    pub fn pattern(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.push(pattern.into());
        self
    }

    /// What becomes of symbolic links that are not [inside](crate::path::LinkTarget::is_inside); refused unless set.
    #[must_use]
    pub fn links(mut self, links: Links) -> Self {
        self.links = links;
        self
    }

    /// Whether modes honour the umask; they do unless set.
    #[must_use]
    pub fn modes(mut self, modes: Modes) -> Self {
        self.modes = modes;
        self
    }

    /// Whether everything is on the disk before it is published, so that a power cut leaves all or nothing, too; not
    /// unless set.
    #[must_use]
    pub fn sync(mut self, sync: bool) -> Self {
        self.sync = sync;
        self
    }
}

/// What was extracted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtractReport {
    /// Regular files.
    pub files: u64,
    /// Directories that are entries.
    pub directories: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Bytes of the contents of all files.
    pub bytes: u64,
    /// Entries that were left out, as [`Links::Skip`] asks: their paths.
    pub skipped: Vec<String>,
}

impl Archive {
    /// Extracts to `target`, which is absent or an empty directory. Either everything appears there, each content
    /// proven, or nothing does.
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
    /// `usage.target` for a target that is something else; `usage.no-such-entry` where a pattern matches nothing;
    /// `policy.link`, `policy.name`; whatever is wrong with the archive; failures to write. Nothing is left behind then.
    pub fn extract(&self, target: impl AsRef<Path>, options: &ExtractOptions) -> Result<ExtractReport> {
        let mut selection = Selection::new(&options.patterns)?;
        let plan = self.plan(&mut selection, options)?;
        let staging = StagingOptions::new().modes(options.modes).sync(options.sync);
        let staging = Staging::new(target, staging)?;
        match self.fill(&staging, &mut selection, options, plan) {
            Ok(report) => staging.publish().map(|()| report),
            Err(error) => Err(staging.discard_after(error)),
        }
    }

    /// Goes through the whole entry table before anything is written: what is wrong with it, what the policy refuses,
    /// and which frames are needed.
    fn plan(&self, selection: &mut Selection, options: &ExtractOptions) -> Result<Plan> {
        let mut plan = Plan { frames: VecDeque::new(), bytes: 0 };
        let index = &self.inner.index;
        let mut entries = self.entries();
        while let Some(placed) = entries.next_placed() {
            let placed = placed?;
            let path = placed.entry.path.as_str();
            if !selection.matches(path) {
                continue;
            }
            if options.links == Links::Refuse && is_outside(&placed) {
                let target = placed.entry.target.as_ref().map_or("", |target| target.as_str());
                return Err(Error::new(
                    code::POLICY_LINK,
                    format!("a symbolic link to {target:?}, which is not inside the target directory: skip such links, or keep them (`--links skip`, `--links keep`)"),
                )
                .with_entry(path));
            }
            if cfg!(windows)
                && let Some(reason) = placed.entry.path.components().find_map(crate::io::names::unportable)
            {
                return Err(Error::new(code::POLICY_NAME, format!("this system cannot hold the name: {reason}"))
                    .with_entry(path));
            }
            let (first, last) = (index.frame_at(placed.header_at), index.frame_at(placed.end() - 1));
            let next = plan.frames.back().map_or(0, |frame| frame + 1);
            plan.frames.extend((first.max(next)..=last).filter(|number| index.frames[*number].decoded > 0));
            plan.bytes += placed.entry.size;
        }
        selection.finish()?;
        Ok(plan)
    }

    fn fill(
        &self,
        staging: &Staging,
        selection: &mut Selection,
        options: &ExtractOptions,
        plan: Plan,
    ) -> Result<ExtractReport> {
        let sandbox = staging.sandbox()?;
        let mut report = ExtractReport::default();
        let monitor = &self.inner.options.monitor;
        monitor.set_total(plan.bytes);
        let mut cursor = TarCursor::new(&self.inner, plan.frames);
        // Links come last, so that nothing is ever written through one; directories get mode and time after all that is
        // in them.
        let (mut links, mut directories) = (Vec::new(), Vec::new());
        for number in 0..self.inner.index.pages.len() {
            for placed in &self.inner.decode_page(number)?.entries {
                let entry = &placed.entry;
                if entry.kind.is_reserved() || !selection.matches(entry.path.as_str()) {
                    continue;
                }
                self.check_header(&mut cursor, placed)?;
                match entry.kind {
                    EntryKind::File => {
                        self.extract_file(&sandbox, &mut cursor, placed)?;
                        report.files += 1;
                        report.bytes += entry.size;
                    }
                    EntryKind::Directory => {
                        sandbox.create_dir(&entry.path)?;
                        directories.push(entry.clone());
                        report.directories += 1;
                    }
                    _ if options.links == Links::Skip && is_outside(placed) => {
                        report.skipped.push(entry.path.to_string());
                    }
                    _ => links.push(entry.clone()),
                }
            }
        }
        for link in &links {
            let target = link.target.as_ref().map_or("", |target| target.as_str());
            sandbox.create_symlink(&link.path, target, (link.mtime.seconds, link.mtime.nanoseconds))?;
            report.symlinks += 1;
        }
        // A directory's path is a prefix of what is below it, so this order is deepest first.
        directories.sort_by(|a, b| b.path.cmp(&a.path));
        for directory in &directories {
            let mtime = (directory.mtime.seconds, directory.mtime.nanoseconds);
            sandbox.finish_dir(&directory.path, u32::from(directory.mode), mtime)?;
        }
        Ok(report)
    }

    fn check_header(&self, cursor: &mut TarCursor, placed: &Placed) -> Result<()> {
        let header = tar::member_header(&placed.entry);
        let mut rest = &header[..];
        let mut same = true;
        cursor.seek(placed.header_at);
        cursor.take_whole(header.len() as u64, |piece| {
            same &= rest.starts_with(piece);
            rest = &rest[piece.len()..];
            Ok(())
        })?;
        if !same {
            let message = "the tar header of a member differs from the one that its entry has";
            return Err(Error::new(code::TAR_HEADER, message).with_entry(placed.entry.path.as_str()));
        }
        Ok(())
    }

    fn extract_file(&self, sandbox: &Sandbox, cursor: &mut TarCursor, placed: &Placed) -> Result<()> {
        let entry = &placed.entry;
        let path = entry.path.as_str();
        let mut file = sandbox.create_file(&entry.path)?;
        let mut hasher = Hasher::new();
        let monitor = &self.inner.options.monitor;
        cursor.take_whole(entry.size, |piece| {
            hasher.update(piece);
            file.write_all(piece).map_err(|e| Error::io(code::IO_WRITE, "writing a file", e).with_entry(path))?;
            monitor.advance(piece.len() as u64)
        })?;
        let found = hasher.finish();
        if found != entry.digest {
            let message = format!("the digest of the content: expected {}, found {found}", entry.digest);
            return Err(Error::new(code::ENTRY_DIGEST, message).with_entry(path));
        }
        cursor.take_whole(tar::padding(entry.size), |piece| match piece.iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => {
                let message = "the padding after a member's content is not zero";
                Err(Error::new(code::TAR_PADDING, message).with_entry(path))
            }
        })?;
        file.finish(u32::from(entry.mode), (entry.mtime.seconds, entry.mtime.nanoseconds))
    }
}

/// What a pass over the entry table found out.
struct Plan {
    /// The payload frames that hold what is to be extracted, in order.
    frames: VecDeque<usize>,
    bytes: u64,
}

fn is_outside(placed: &Placed) -> bool {
    placed.entry.target.as_ref().is_some_and(|target| !target.is_inside(&placed.entry.path))
}
