//! Archives as a whole: opening, listing, finding, and scans too large for the other subjects.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rosettar::io::{NamedFile, ReadAt};
use rosettar::{Limits, NewEntry, ReadOptions, RecordType, WriteOptions};
use serde_json::{Value, json};

use crate::records::Records;
use crate::timing::measure;
use crate::{Result, Task, ours};

/// A file that counts how often it is read, and how many bytes.
struct Counted {
    file: NamedFile,
    reads: AtomicU64,
    bytes: AtomicU64,
}

impl Counted {
    fn open(task: &Task) -> Result<&'static Self> {
        let file = NamedFile::open(task.file(".rtar"))?;
        // An archive keeps its source for as long as it likes.
        Ok(Box::leak(Box::new(Self { file, reads: AtomicU64::new(0), bytes: AtomicU64::new(0) })))
    }

    fn so_far(&self) -> (u64, u64) {
        (self.reads.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

impl ReadAt for Counted {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.file.read_at(buf, offset)?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// For a million entries and more, and for what is larger than limits allow.
fn wide() -> Limits {
    let mut limits = Limits::default();
    limits.entries = 1 << 24;
    limits.index_bytes = 4 << 30;
    limits.decoded_bytes = Some(1 << 40);
    limits
}

fn path(number: u64) -> String {
    format!("data/{:04}/{:04}/file-{number:08}.txt", number / 100_000, number / 1000)
}

/// An archive of as many small files as the task's type says.
pub fn make_entries(task: &Task) -> Result<Value> {
    let count: u64 = task.message_type.parse()?;
    let start = Instant::now();
    let mut writer = WriteOptions::new().threads(task.threads).limits(wide()).create(task.file(".rtar"))?;
    for number in 0..count {
        writer.add_bytes(NewEntry::new(path(number))?, format!("{number}\n").as_bytes())?;
    }
    let summary = writer.finish()?;
    Ok(json!({"seconds": start.elapsed().as_secs_f64(), "work": {"files": summary.totals.files}}))
}

/// Opens an archive and goes through all its entries.
pub fn list(task: &Task) -> Result<Value> {
    let options = ReadOptions::new().limits(wide());
    let list = |source: &'static Counted| -> Result<u64> {
        let mut files = 0;
        for entry in options.clone().open(source)?.entries() {
            files += u64::from(entry?.kind.has_content());
        }
        Ok(files)
    };
    let source = Counted::open(task)?;
    let (seconds, files) = measure(|| list(source))?;
    let source = Counted::open(task)?;
    list(source)?;
    let (reads, bytes) = source.so_far();
    Ok(json!({"seconds": seconds, "work": {"files": files}, "reads": reads, "bytes_read": bytes}))
}

/// Opens an archive: what everything else waits for.
pub fn open(task: &Task) -> Result<Value> {
    let options = ReadOptions::new().limits(wide());
    let source = Counted::open(task)?;
    let (seconds, entries) = measure(|| Ok(options.clone().open(source)?.facts().totals.files))?;
    let source = Counted::open(task)?;
    options.open(source)?;
    let (reads, bytes) = source.so_far();
    Ok(json!({"seconds": seconds, "work": {"files": entries}, "reads": reads, "bytes_read": bytes}))
}

/// Finds one entry in an archive that is open; each time another, in a page that was not read yet.
pub fn find(task: &Task) -> Result<Value> {
    let source = Counted::open(task)?;
    let archive = ReadOptions::new().limits(wide()).open(source)?;
    let count = archive.facts().totals.files;
    let mut times = Vec::new();
    let (mut most_reads, mut most_bytes) = (0, 0);
    for number in 0..21 {
        let wanted = path(count / 22 * (number + 1));
        let before = source.so_far();
        let start = Instant::now();
        let entry = archive.entry(&wanted)?;
        times.push(start.elapsed().as_secs_f64());
        if entry.path.as_str() != wanted {
            return Err(format!("looked for {wanted}, found {}", entry.path.as_str()).into());
        }
        let after = source.so_far();
        (most_reads, most_bytes) = (most_reads.max(after.0 - before.0), most_bytes.max(after.1 - before.1));
    }
    times.sort_by(f64::total_cmp);
    let work = json!({"files": count});
    Ok(json!({"seconds": times[times.len() / 2], "work": work, "reads": most_reads, "bytes_read": most_bytes}))
}

/// Opens a C1Z file as far as its header, again and again: neither the payload nor the descriptors are looked at.
pub fn c1z_header(task: &Task) -> Result<Value> {
    const TIMES: u32 = 1000;
    let path = task.file(".indexed.c1z");
    let (seconds, engine) = measure(|| {
        let mut engine = None;
        for _ in 0..TIMES {
            let facts = ReadOptions::new().header(File::open(&path)?)?;
            engine = facts.c1z.and_then(|c1z| c1z.manifest).map(|manifest| manifest.engine);
        }
        Ok(engine)
    })?;
    engine.filter(|engine| engine == "bench").ok_or("the header names no engine, or another")?;
    Ok(json!({"seconds": seconds / f64::from(TIMES)}))
}

/// Records over and over, until they are as many bytes as the task's type says: another stream of the small set's type.
pub fn make_scan(task: &Task) -> Result<Value> {
    let wanted: u64 = task.message_type.parse()?;
    repeated(task, |bytes, _| bytes >= wanted)
}

/// The same, until there are as many records.
pub fn make_records(task: &Task) -> Result<Value> {
    let wanted: u64 = task.message_type.parse()?;
    repeated(task, |_, count| count >= wanted)
}

fn repeated(task: &Task, enough: impl Fn(u64, u64) -> bool) -> Result<Value> {
    let source = Task { message_type: "small.v1.Sample".to_owned(), dataset: "small".to_owned(), ..task.clone() };
    let records = Records::load(&source)?;
    let (mut bytes, mut count) = (0, 0u64);
    let start = Instant::now();
    let mut writer = WriteOptions::new().threads(task.threads).limits(wide()).create(task.file(".rtar"))?;
    let stream = writer.declare(&task.dataset, RecordType::new(source.message_type.as_str(), &records.schema[..]))?;
    'all: loop {
        for record in records.iter() {
            if enough(bytes, count) {
                break 'all;
            }
            writer.append_encoded(stream, record)?;
            bytes += record.len() as u64 + 1;
            count += 1;
        }
    }
    writer.finish()?;
    Ok(json!({"seconds": start.elapsed().as_secs_f64(), "work": {"records": count}}))
}

/// Goes through all records once, verified.
pub fn scan(task: &Task) -> Result<Value> {
    let start = Instant::now();
    let seen = ours::scan(&task.file(".rtar"), &task.dataset, task.threads, wide())?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(json!({"seconds": seconds, "work": {"records": seen.records}}))
}
