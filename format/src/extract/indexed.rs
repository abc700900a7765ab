//! What is extracted by an index: [`Files`] makes the files on several threads.

use std::sync::Arc;

use super::files::Files;
use super::policy::{Decision, Policy};
use super::{ExtractOptions, ExtractReport, TreeBuilder};
use crate::error::Result;
use crate::io::Sandbox;
use crate::model::EntryKind;
use crate::read::{Indexed, Table};

/// Goes through the whole entry table before anything is written: what is wrong with it, and what the policy refuses.
/// Returns how many bytes the files have that are to be made.
pub(super) fn plan(archive: &Arc<Indexed>, options: &ExtractOptions) -> Result<u64> {
    let mut bytes = 0;
    let mut policy = Policy::new(options, false)?;
    let mut entries = Table::new(archive, false);
    while let Some(placed) = entries.next_placed() {
        let entry = placed?.entry;
        if matches!(policy.decide(&entry)?, Decision::Extract(_)) {
            bytes += entry.size;
        }
    }
    policy.finish()?;
    Ok(bytes)
}

pub(super) fn fill(
    archive: &Arc<Indexed>,
    sandbox: &Sandbox,
    options: &ExtractOptions,
    bytes: u64,
) -> Result<ExtractReport> {
    let mut tree = TreeBuilder::new(sandbox, options)?;
    let monitor = &archive.options.monitor;
    monitor.set_total(bytes);
    let mut files = Files::new(archive, sandbox);
    for number in 0..archive.index.pages.len() {
        for placed in archive.decode_page(number)?.entries {
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
