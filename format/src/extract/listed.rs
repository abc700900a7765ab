//! What is extracted by a list of entries: files are decoded, proven and made on several threads.

use std::io::Write as _;
use std::sync::Arc;

use super::policy::{Decision, Policy};
use super::{ExtractOptions, ExtractReport, TreeBuilder};
use crate::error::{Error, Result, code};
use crate::io::Sandbox;
use crate::model::EntryKind;
use crate::parallel::OrderedPool;
use crate::path::EntryPath;
use crate::read::Listed;

/// At how many bytes, or files, files become a job: one by one, small ones would cost more to hand over than to make.
const JOB_BYTES: u64 = 1 << 20;
const JOB_FILES: usize = 64;

/// The numbers of files, and the paths that they get.
type Job = Vec<(usize, EntryPath)>;

/// Goes through all entries before anything is written: what the policy refuses. Returns how many bytes the files have
/// that are to be made.
pub(super) fn plan(archive: &dyn Listed, options: &ExtractOptions) -> Result<u64> {
    let mut bytes = 0;
    let mut policy = Policy::new(options, false)?;
    for entry in archive.entries() {
        if matches!(policy.decide(entry)?, Decision::Extract(_)) {
            bytes += entry.size;
        }
    }
    policy.finish()?;
    Ok(bytes)
}

pub(super) fn fill(
    archive: &Arc<dyn Listed>,
    sandbox: &Sandbox,
    options: &ExtractOptions,
    bytes: u64,
) -> Result<ExtractReport> {
    let mut tree = TreeBuilder::new(sandbox, options)?;
    let monitor = &archive.options().monitor;
    monitor.set_total(bytes);
    let (shared, handle) = (Arc::clone(archive), sandbox.clone());
    let mut pool = OrderedPool::new(archive.options().threads.get(), move || {
        let (archive, sandbox) = (Arc::clone(&shared), handle.clone());
        move |job: Job| job.iter().try_for_each(|(number, path)| make(archive.as_ref(), &sandbox, *number, path))
    });
    let (mut job, mut job_bytes): (Job, u64) = (Vec::new(), 0);
    for (number, entry) in archive.entries().iter().enumerate() {
        let Some(path) = tree.admit(entry)? else { continue };
        monitor.advance(0)?;
        match entry.kind {
            EntryKind::File => {
                tree.count_file(entry);
                job.push((number, path));
                job_bytes = job_bytes.saturating_add(entry.size);
            }
            EntryKind::Directory => tree.directory(path, entry)?,
            _ => tree.link(path, entry),
        }
        if job_bytes >= JOB_BYTES || job.len() >= JOB_FILES {
            if pool.is_full() {
                pool.take().unwrap_or(Ok(()))?;
            }
            pool.submit(std::mem::take(&mut job));
            job_bytes = 0;
        }
    }
    while let Some(done) = pool.take() {
        done?;
    }
    job.iter().try_for_each(|(number, path)| make(archive.as_ref(), sandbox, *number, path))?;
    tree.finish()
}

/// Makes a file. The tree is staged: what turns out to be wrong at its end was written where nobody sees it.
fn make(archive: &dyn Listed, sandbox: &Sandbox, number: usize, path: &EntryPath) -> Result<()> {
    let entry = &archive.entries()[number];
    let monitor = &archive.options().monitor;
    let mut file = sandbox.create_file(path)?;
    archive.copy(number, &mut |piece| {
        file.write_all(piece)
            .map_err(|e| Error::io(code::IO_WRITE, "writing a file", e).with_entry(entry.path.as_str()))?;
        monitor.advance(piece.len() as u64)
    })?;
    TreeBuilder::finish_file(file, entry)
}
