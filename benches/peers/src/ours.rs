//! Records with the crate `rosettar`: digests and verification are always on.

use std::fs;
use std::path::Path;

use rosettar::read::{Batch, BatchBuffer};
use rosettar::{Limits, ReadOptions, RecordType, WriteOptions};
use serde_json::{Value, json};

use crate::records::Records;
use crate::timing::{Seen, measure};
use crate::{Result, Task};

/// Serialised records to a file.
pub fn write(task: &Task) -> Result<Value> {
    let records = Records::load(task)?;
    let path = task.file(&format!(".written-{}.rtar", task.threads));
    let (seconds, ()) = measure(|| {
        let mut writer = WriteOptions::new().threads(task.threads).create(&path)?;
        let record_type = RecordType::new(task.message_type.as_str(), records.schema.as_slice());
        let stream = writer.declare(&task.dataset, record_type)?;
        for record in records.iter() {
            writer.append_encoded(stream, record)?;
        }
        writer.finish()?;
        Ok(())
    })?;
    // What was written is read back, so that nobody is fast by writing nothing.
    let seen = scan(&path, &task.dataset, task.threads, Limits::default())?;
    let mut report = seen.report(seconds);
    report["size"] = json!(fs::metadata(&path)?.len());
    fs::remove_file(&path)?;
    Ok(report)
}

/// All records of a file, batch by batch.
pub fn read(task: &Task) -> Result<Value> {
    let path = task.file(".rtar");
    let (seconds, seen) = measure(|| scan(&path, &task.dataset, task.threads, Limits::default()))?;
    Ok(seen.report(seconds))
}

/// All records of a stream, on some threads.
pub fn scan(path: &Path, stream: &str, threads: usize, limits: Limits) -> Result<Seen> {
    let archive = ReadOptions::new().threads(threads).limits(limits).open_path(path)?;
    let batches = archive.stream(stream)?.batches(..)?;
    let mut all = Seen::default();
    let worker = || {
        let (mut buffer, limits) = (BatchBuffer::default(), Limits::default());
        move |batch: rosettar::Result<Batch>| {
            let mut seen = Seen::default();
            for record in rosettar::record::records(batch?.read(&mut buffer)?, &limits) {
                seen.see(record?);
            }
            Ok::<_, rosettar::Error>(seen)
        }
    };
    for seen in batches.map_in_order(threads, worker) {
        all.add(seen?);
    }
    Ok(all)
}

/// All records of a file, one after the other, on one thread.
pub fn read_each(task: &Task) -> Result<Value> {
    let path = task.file(".rtar");
    let (seconds, seen) = measure(|| {
        let archive = ReadOptions::new().threads(task.threads).open_path(&path)?;
        let mut records = archive.stream(&task.dataset)?.records(..)?;
        let mut seen = Seen::default();
        while let Some(record) = records.next_record()? {
            seen.see(record);
        }
        Ok(seen)
    })?;
    Ok(seen.report(seconds))
}
