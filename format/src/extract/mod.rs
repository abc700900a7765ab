//! Extracting to a directory: everything is proven before anything appears (FORMAT.md, "Extraction").
//!
//! [`publish`] stages and publishes; the tree itself is made by a [`TreeBuilder`], which decides with the help of a
//! [`Policy`]. Here, the entries come from the index.

mod options;
mod policy;
mod streamed;
mod tree;

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::Path;

pub use options::{ExtractOptions, ExtractReport};
pub(crate) use tree::TreeBuilder;

use crate::digest::Hasher;
use crate::error::{Error, Result, code};
use crate::io::{Published, Sandbox, SandboxFile, Staging, StagingOptions};
use crate::model::EntryKind;
use crate::read::{Archive, TarCursor};
use crate::tar;
use crate::v1::Placed;
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
    /// `usage.target` for a target that is something else, or where something is in the way; `usage.no-such-entry` where a pattern matches nothing;
    /// `policy.link`, `policy.name`; whatever is wrong with the archive; failures to write. Nothing is left behind then.
    pub fn extract(&self, target: impl AsRef<Path>, options: &ExtractOptions) -> Result<ExtractReport> {
        let plan = self.plan(options)?;
        publish(target.as_ref(), options, |sandbox| self.fill(sandbox, options, plan))
    }

    /// Goes through the whole entry table before anything is written: what is wrong with it, what the policy refuses,
    /// and which frames are needed.
    fn plan(&self, options: &ExtractOptions) -> Result<Plan> {
        let mut plan = Plan { frames: VecDeque::new(), bytes: 0 };
        let mut policy = Policy::new(options)?;
        let index = &self.inner.index;
        let mut entries = self.entries();
        while let Some(placed) = entries.next_placed() {
            let placed = placed?;
            if !matches!(policy.decide(&placed.entry)?, Decision::Extract(_)) {
                continue;
            }
            let (first, last) = (index.frame_at(placed.header_at), index.frame_at(placed.end() - 1));
            let next = plan.frames.back().map_or(0, |frame| frame + 1);
            plan.frames.extend((first.max(next)..=last).filter(|number| index.frames[*number].decoded > 0));
            plan.bytes += placed.entry.size;
        }
        policy.finish()?;
        Ok(plan)
    }

    fn fill(&self, sandbox: &Sandbox, options: &ExtractOptions, plan: Plan) -> Result<ExtractReport> {
        let mut tree = TreeBuilder::new(sandbox, options)?;
        self.inner.options.monitor.set_total(plan.bytes);
        let mut cursor = TarCursor::new(&self.inner, plan.frames);
        for number in 0..self.inner.index.pages.len() {
            for placed in &self.inner.decode_page(number)?.entries {
                let entry = &placed.entry;
                let Some(path) = tree.admit(entry)? else { continue };
                self.check_header(&mut cursor, placed)?;
                match entry.kind {
                    EntryKind::File => {
                        let mut file = tree.file(&path)?;
                        self.copy_content(&mut file, &mut cursor, placed)?;
                        tree.finish_file(file, entry)?;
                    }
                    EntryKind::Directory => tree.directory(path, entry)?,
                    _ => tree.link(path, entry),
                }
            }
        }
        tree.finish()
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

    fn copy_content(&self, file: &mut SandboxFile, cursor: &mut TarCursor, placed: &Placed) -> Result<()> {
        let entry = &placed.entry;
        let path = entry.path.as_str();
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
        })
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
            let Published { kept, replaced, .. } = staging.publish()?;
            Ok(ExtractReport { kept, replaced, ..report })
        }
        Err(error) => Err(staging.discard_after(error)),
    }
}

/// What a pass over the entry table found out.
struct Plan {
    /// The payload frames that hold what is to be extracted, in order.
    frames: VecDeque<usize>,
    bytes: u64,
}
