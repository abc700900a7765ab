//! What is extracted by an index: only the frames that are needed are decoded, on several threads.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::Arc;

use super::policy::{Decision, Policy};
use super::{ExtractOptions, ExtractReport, TreeBuilder};
use crate::digest::Hasher;
use crate::error::{Error, Result, code};
use crate::io::{Sandbox, SandboxFile};
use crate::model::EntryKind;
use crate::read::{Indexed, Table, TarCursor};
use crate::tar;
use crate::v1::Placed;

/// Goes through the whole entry table before anything is written: what is wrong with it, what the policy refuses,
/// and which frames are needed.
pub(super) fn plan(archive: &Arc<Indexed>, options: &ExtractOptions) -> Result<Plan> {
    let mut plan = Plan { frames: VecDeque::new(), bytes: 0 };
    let mut policy = Policy::new(options)?;
    let index = &archive.index;
    let mut entries = Table::new(archive, false);
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

pub(super) fn fill(
    archive: &Arc<Indexed>,
    sandbox: &Sandbox,
    options: &ExtractOptions,
    plan: Plan,
) -> Result<ExtractReport> {
    let mut tree = TreeBuilder::new(sandbox, options)?;
    archive.options.monitor.set_total(plan.bytes);
    let mut cursor = TarCursor::new(archive, plan.frames);
    for number in 0..archive.index.pages.len() {
        for placed in &archive.decode_page(number)?.entries {
            let entry = &placed.entry;
            let Some(path) = tree.admit(entry)? else { continue };
            // Empty files and directories have no content that would be counted.
            archive.options.monitor.advance(0)?;
            check_header(&mut cursor, placed)?;
            match entry.kind {
                EntryKind::File => {
                    let mut file = tree.file(&path)?;
                    copy_content(archive, &mut file, &mut cursor, placed)?;
                    tree.finish_file(file, entry)?;
                }
                EntryKind::Directory => tree.directory(path, entry)?,
                _ => tree.link(path, entry),
            }
        }
    }
    tree.finish()
}

fn check_header(cursor: &mut TarCursor, placed: &Placed) -> Result<()> {
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

fn copy_content(archive: &Indexed, file: &mut SandboxFile, cursor: &mut TarCursor, placed: &Placed) -> Result<()> {
    let entry = &placed.entry;
    let path = entry.path.as_str();
    let mut hasher = Hasher::new();
    let monitor = &archive.options.monitor;
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

/// What a pass over the entry table found out.
pub(super) struct Plan {
    /// The payload frames that hold what is to be extracted, in order.
    frames: VecDeque<usize>,
    bytes: u64,
}
