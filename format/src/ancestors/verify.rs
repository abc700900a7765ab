//! Verifying a C1Z file: what its encoding can prove, and in words what it cannot.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{C1z, Proof, Store};
use crate::error::{Error, ErrorKind, Result};
use crate::model::VerifyReport;
use crate::read::Listed as _;
use crate::schema;

/// After this many problems the report only counts.
const MOST_PROBLEMS: usize = 1000;

pub(super) fn verify(archive: &C1z, records: bool) -> Result<VerifyReport> {
    let c1z = archive.facts.c1z.as_deref().expect("every C1Z file has these");
    let mut report = VerifyReport::default();
    let mut problems = contents(archive)?;
    // The unlike of a descriptor set that this library stands need not be a fault of the file.
    if !archive.descriptors.is_empty()
        && let Err(error) = schema::check(&archive.descriptors)
    {
        match error.kind() {
            ErrorKind::Schema => {
                report.unproven.push(format!("whether the descriptors describe anything: {}", error.message()))
            }
            _ => problems.push((usize::MAX, error)),
        }
    }
    problems.sort_by_key(|(number, _)| *number);
    for (number, problem) in problems {
        if let Some(entry) = archive.entries.get(number)
            && report.damaged.len() < MOST_PROBLEMS
        {
            report.damaged.push(entry.path.to_string());
        }
        match report.problems.len() < MOST_PROBLEMS {
            true => report.problems.push(problem),
            false => report.more_problems += 1,
        }
    }
    report.entries = archive.entries.len() as u64;
    report.stored_bytes = archive.facts.size;
    report.decoded_bytes = archive.facts.totals.tar_bytes;
    #[cfg(feature = "sqlite")]
    if let Some(database) = &archive.database {
        super::sqlite::verify(archive, database, records, &mut report)?;
    }
    #[cfg(not(feature = "sqlite"))]
    let _ = records;
    if report.is_sound() {
        report.proven = proven(archive, &report);
    }
    let mut unproven = unproven(archive.proof, c1z.version);
    unproven.append(&mut report.unproven);
    unproven.extend(c1z.remarks.iter().cloned());
    report.unproven = unproven;
    Ok(report)
}

/// What is wrong with contents, with the number of the entry; they are decoded on several threads.
fn contents(archive: &C1z) -> Result<Vec<(usize, Error)>> {
    let Store::Frames { .. } = archive.store else {
        // Everything was read to its end when the file was opened.
        return Ok(Vec::new());
    };
    let monitor = &archive.options.monitor;
    monitor.set_total(archive.facts.totals.file_bytes);
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let problems = Mutex::new(Vec::new());
    let fatal = Mutex::new(None);
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= archive.entries.len() {
                return;
            }
            let Err(error) = archive.copy(number, &mut |piece| monitor.advance(piece.len() as u64)) else { continue };
            if matches!(error.kind(), ErrorKind::Io | ErrorKind::Usage) {
                stop.store(true, Ordering::Relaxed);
                fatal.lock().expect("nothing panics with the lock").get_or_insert(error);
            } else {
                problems.lock().expect("nothing panics with the lock").push((number, error));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..archive.options.threads.get().min(archive.entries.len()) {
            // Where the system gives no more threads, those that there are do the work.
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    match fatal.into_inner().expect("nothing panics with the lock") {
        Some(error) => Err(error),
        None => Ok(problems.into_inner().expect("nothing panics with the lock")),
    }
}

fn proven(archive: &C1z, report: &VerifyReport) -> Vec<String> {
    let mut proven = Vec::new();
    match archive.proof {
        Proof::Indexed { manifest } => {
            proven.push(format!("every one of {} contents has its SHA-256 and its xxh64", report.entries));
            proven.push("the index has its xxh64, and its frames cover the payload without gap or overlap".to_owned());
            if manifest {
                proven.push("the manifest has the xxh64 that the index states".to_owned());
            }
        }
        Proof::Frame { checksum } => {
            if checksum {
                proven.push("the payload has the checksum with which its zstd frame ends".to_owned());
            }
            proven.push("the payload is one zstd frame to its end, and nothing follows it".to_owned());
        }
        Proof::Nothing => proven.push("the tar is well-formed to its end, and nothing follows it".to_owned()),
    }
    if !archive.descriptors.is_empty() && archive.facts.c1z.as_deref().is_some_and(|c1z| c1z.version == 3) {
        proven.push("every import among the descriptors is there".to_owned());
    }
    if report.records > 0 {
        proven.push(format!("{} records were read, {} of them decoded", report.records, report.records_decoded));
    }
    proven
}

fn unproven(proof: Proof, version: u8) -> Vec<String> {
    let mut unproven = Vec::new();
    match proof {
        Proof::Indexed { .. } => {}
        Proof::Frame { checksum } => {
            unproven.push(match checksum {
                true => {
                    "that nobody altered the payload: a checksum of 32 bits shows damage, and is no digest".to_owned()
                }
                false => "that the payload is undamaged: its zstd frame has no checksum".to_owned(),
            });
            if version == 3 {
                unproven.push("anything about the manifest: this encoding has no hash of it".to_owned());
            }
        }
        Proof::Nothing => unproven.push(
            "that contents, names or the manifest are what was written: this encoding has no hash of any of them"
                .to_owned(),
        ),
    }
    unproven.push("who made the file, and that nobody altered it: nothing in the format is a signature".to_owned());
    unproven
}
