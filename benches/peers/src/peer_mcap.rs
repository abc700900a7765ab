//! Records with the crate `mcap`.
//!
//! Its best: chunks of 1 MiB, level 3 and checksums as ours; written with `write_to_known_channel`, which looks nothing up;
//! read with the reader that copies nothing out of the chunk, straight from the file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Seek, SeekFrom};
use std::path::Path;

use mcap::records::{MessageHeader, op};
use mcap::sans_io::{LinearReadEvent, LinearReader, LinearReaderOptions, SummaryReadEvent, SummaryReader};
use mcap::{Compression, MessageStream, Summary, WriteOptions};
use serde_json::{Value, json};

use crate::records::Records;
use crate::timing::{Seen, measure};
use crate::{Result, Task};

/// Channel, sequence and two times, before the content of each message.
const MESSAGE_HEADER: usize = 22;
const READ_AT_ONCE: usize = 256 << 10;

fn as_ours(threads: u32) -> WriteOptions {
    WriteOptions::new().compression(Some(Compression::Zstd)).compression_level(3).compression_threads(threads)
}

/// Without all that can be left out: index, message index, summary, checksums.
fn bare() -> WriteOptions {
    as_ours(0)
        .emit_summary_records(false)
        .emit_summary_offsets(false)
        .emit_message_indexes(false)
        .calculate_chunk_crcs(false)
        .calculate_data_section_crc(false)
        .calculate_summary_section_crc(false)
}

fn write_file(task: &Task, records: &Records, options: WriteOptions, path: &Path) -> Result<()> {
    let mut writer = options.create(BufWriter::with_capacity(1 << 20, File::create(path)?))?;
    let schema = writer.add_schema(&task.message_type, "protobuf", &records.schema)?;
    let channel_id = writer.add_channel(schema, &task.dataset, "protobuf", &BTreeMap::new())?;
    for (number, record) in records.iter().enumerate() {
        let time = number as u64;
        let header = MessageHeader { channel_id, sequence: number as u32, log_time: time, publish_time: time };
        writer.write_to_known_channel(&header, record)?;
    }
    writer.finish()?;
    Ok(())
}

fn measure_writing(task: &Task, options: WriteOptions) -> Result<Value> {
    let records = Records::load(task)?;
    let path = task.file(&format!(".written-{}-{}.mcap", task.threads, std::process::id()));
    let (seconds, ()) = measure(|| write_file(task, &records, options.clone(), &path))?;
    let mut report = linear(&path, 0..u64::MAX, &reading())?.report(seconds);
    report["size"] = json!(fs::metadata(&path)?.len());
    fs::remove_file(&path)?;
    Ok(report)
}

/// Serialised records to a file. With one thread zstd has none of its own.
pub fn write(task: &Task) -> Result<Value> {
    measure_writing(task, as_ours(if task.threads == 1 { 0 } else { task.threads as u32 }))
}

/// The same, without index and checksums.
pub fn write_bare(task: &Task) -> Result<Value> {
    measure_writing(task, bare())
}

/// Writes the files that are read, and those of which only the size is wanted.
pub fn make(task: &Task) -> Result<Value> {
    let records = Records::load(task)?;
    write_file(task, &records, as_ours(0), &task.file(".best.mcap"))?;
    let unindexed = as_ours(0).emit_summary_records(false).emit_summary_offsets(false).emit_message_indexes(false);
    write_file(task, &records, unindexed, &task.file(".unindexed.mcap"))?;
    write_file(task, &records, as_ours(0).chunk_size(Some(4 << 20)), &task.file(".chunk4.mcap"))?;
    Ok(records.seen().report(0.0))
}

/// With checksums verified. To verify them before the first message of a chunk is faster by a third than after the last,
/// since a chunk is decompressed at once then; it is also what ours does.
fn reading() -> LinearReaderOptions {
    LinearReaderOptions::default().with_prevalidate_chunk_crcs(true).with_validate_data_section_crc(true)
}

/// The messages in part of a file, none of them copied.
fn linear(path: &Path, range: std::ops::Range<u64>, options: &LinearReaderOptions) -> Result<Seen> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(range.start))?;
    let mut file = file.take(range.end - range.start);
    let mut reader = LinearReader::new_with_options(options.clone());
    let mut seen = Seen::default();
    while let Some(event) = reader.next_event() {
        match event? {
            LinearReadEvent::ReadRequest(wanted) => {
                let read = file.read(reader.insert(wanted.max(READ_AT_ONCE)))?;
                reader.notify_read(read);
            }
            LinearReadEvent::Record { data, opcode } if opcode == op::MESSAGE => {
                seen.see(data.get(MESSAGE_HEADER..).ok_or("a message shorter than its header")?);
            }
            LinearReadEvent::Record { .. } => {}
        }
    }
    Ok(seen)
}

/// All messages of a file, with the reader that copies none, its checksums verified.
pub fn read(task: &Task) -> Result<Value> {
    let path = task.file(".best.mcap");
    let (seconds, seen) = measure(|| linear(&path, 0..u64::MAX, &reading()))?;
    Ok(seen.report(seconds))
}

/// The same as the crate's documentation shows it: the file in memory, each message a value.
pub fn read_messages(task: &Task) -> Result<Value> {
    let path = task.file(".best.mcap");
    let (seconds, seen) = measure(|| {
        let mut seen = Seen::default();
        for message in MessageStream::new(&fs::read(&path)?)? {
            seen.see(&message?.data);
        }
        Ok(seen)
    })?;
    Ok(seen.report(seconds))
}

fn summary(path: &Path) -> Result<Summary> {
    let (mut file, mut reader) = (File::open(path)?, SummaryReader::new());
    while let Some(event) = reader.next_event() {
        match event? {
            SummaryReadEvent::ReadRequest(wanted) => {
                let read = file.read(reader.insert(wanted))?;
                reader.notify_read(read);
            }
            SummaryReadEvent::SeekRequest(to) => reader.notify_seeked(file.seek(to)?),
        }
    }
    Ok(reader.finish().ok_or("no summary")?)
}

/// What the crate does not offer, but a user can build of it: the chunks divided among threads by the chunk index.
pub fn read_split(task: &Task) -> Result<Value> {
    let path = task.file(".best.mcap");
    let options = reading().with_validate_data_section_crc(false).with_skip_start_magic(true).with_skip_end_magic(true);
    let (seconds, seen) = measure(|| {
        let mut chunks = summary(&path)?.chunk_indexes;
        chunks.sort_by_key(|chunk| chunk.chunk_start_offset);
        let share = chunks.len().div_ceil(task.threads).max(1);
        std::thread::scope(|scope| {
            let started: Vec<_> = chunks
                .chunks(share)
                .map(|part| {
                    let last = &part[part.len() - 1];
                    let range = part[0].chunk_start_offset..last.chunk_start_offset + last.chunk_length;
                    let (path, options) = (&path, &options);
                    scope.spawn(move || linear(path, range, options).map_err(|error| error.to_string()))
                })
                .collect();
            let mut all = Seen::default();
            for thread in started {
                all.add(thread.join().map_err(|_| "a thread panicked")??);
            }
            Ok(all)
        })
    })?;
    Ok(seen.report(seconds))
}
