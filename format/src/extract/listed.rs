//! What is extracted by a list of entries: files are decoded and proven on several threads, and written in order.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::Arc;

use super::policy::{Decision, Policy};
use super::{ExtractOptions, ExtractReport, TreeBuilder};
use crate::error::{Error, Result, code};
use crate::io::Sandbox;
use crate::model::{Entry, EntryKind};
use crate::parallel::OrderedPool;
use crate::read::Listed;

/// Larger files are not held in memory, but written as they are decoded.
const WHOLE: u64 = 8 << 20;

/// Goes through all entries before anything is written: what the policy refuses.
pub(super) fn plan(archive: &dyn Listed, options: &ExtractOptions) -> Result<Plan> {
    let mut plan = Plan { whole: VecDeque::new(), bytes: 0 };
    let mut policy = Policy::new(options)?;
    for (number, entry) in archive.entries().iter().enumerate() {
        if matches!(policy.decide(entry)?, Decision::Extract(_)) {
            plan.bytes += entry.size;
            if is_whole(entry) {
                plan.whole.push_back(number);
            }
        }
    }
    policy.finish()?;
    Ok(plan)
}

pub(super) fn fill(
    archive: &Arc<dyn Listed>,
    sandbox: &Sandbox,
    options: &ExtractOptions,
    mut plan: Plan,
) -> Result<ExtractReport> {
    let mut tree = TreeBuilder::new(sandbox, options)?;
    let reading = archive.options();
    let monitor = &reading.monitor;
    monitor.set_total(plan.bytes);
    let shared = Arc::clone(archive);
    let mut pool = OrderedPool::new(reading.threads, move || {
        let archive = Arc::clone(&shared);
        move |number: usize| {
            let mut content = Vec::new();
            archive.copy(number, &mut |piece| {
                content.extend_from_slice(piece);
                Ok(())
            })?;
            Ok::<_, Error>(content)
        }
    });
    for (number, entry) in archive.entries().iter().enumerate() {
        let Some(path) = tree.admit(entry)? else { continue };
        monitor.advance(0)?;
        match entry.kind {
            EntryKind::File => {
                while !pool.is_full()
                    && let Some(next) = plan.whole.pop_front()
                {
                    pool.submit(next);
                }
                let mut file = tree.file(&path)?;
                let mut write = |piece: &[u8]| {
                    file.write_all(piece)
                        .map_err(|e| Error::io(code::IO_WRITE, "writing a file", e).with_entry(entry.path.as_str()))?;
                    monitor.advance(piece.len() as u64)
                };
                match is_whole(entry) {
                    true => write(&pool.take().expect("every such file was submitted in this order")?)?,
                    // The tree is staged: what turns out to be wrong at its end was written where nobody sees it.
                    false => archive.copy(number, &mut write)?,
                }
                tree.count_file(entry);
                TreeBuilder::finish_file(file, entry)?;
            }
            EntryKind::Directory => tree.directory(path, entry)?,
            _ => tree.link(path, entry),
        }
    }
    tree.finish()
}

fn is_whole(entry: &Entry) -> bool {
    entry.kind == EntryKind::File && entry.size <= WHOLE
}

/// What a pass over the entries found out.
pub(super) struct Plan {
    /// The numbers of the files that are decoded on several threads, in order.
    whole: VecDeque<usize>,
    bytes: u64,
}
