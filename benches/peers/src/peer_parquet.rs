//! Records as Arrow tables, with the crate `parquet` and, beside it, with `rosettar-arrow`. zstd, level 3.

use std::fs::{self, File};
use std::path::Path;

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rosettar::ReadOptions;
use rosettar_arrow::ArrowOptions;
use serde_json::{Value, json};

use crate::timing::measure;
use crate::{Result, Task};

fn done(records: usize, seconds: f64) -> Value {
    json!({"seconds": seconds, "work": {"records": records}})
}

fn batches(task: &Task) -> Result<Vec<RecordBatch>> {
    let archive = ReadOptions::new().open_path(task.file(".rtar"))?;
    let stream = archive.stream(&task.dataset)?;
    let options = ArrowOptions::new().threads(task.threads);
    Ok(rosettar_arrow::read(&stream, 0..stream.len(), &options)?.collect::<std::result::Result<_, _>>()?)
}

fn rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

fn write_file(batches: &[RecordBatch], path: &Path) -> Result<()> {
    let level = Compression::ZSTD(ZstdLevel::try_new(3)?);
    let properties = WriterProperties::builder().set_compression(level).build();
    let schema = batches.first().ok_or("no records")?.schema();
    let mut writer = ArrowWriter::try_new(File::create(path)?, schema, Some(properties))?;
    for batch in batches {
        writer.write(batch)?;
    }
    writer.close()?;
    Ok(())
}

pub fn make(task: &Task) -> Result<Value> {
    let batches = batches(task)?;
    write_file(&batches, &task.file(".rust.parquet"))?;
    Ok(done(rows(&batches), 0.0))
}

pub fn read(task: &Task) -> Result<Value> {
    let path = task.file(".rust.parquet");
    let (seconds, records) = measure(|| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path)?)?.with_batch_size(65_536).build()?;
        let batches: Vec<RecordBatch> = reader.collect::<std::result::Result<_, _>>()?;
        Ok(rows(&batches))
    })?;
    Ok(done(records, seconds))
}

pub fn ours_read(task: &Task) -> Result<Value> {
    let (seconds, records) = measure(|| Ok(rows(&batches(task)?)))?;
    Ok(done(records, seconds))
}

/// From tables in memory; our part of it is measured in Python, where tables are written.
pub fn write(task: &Task) -> Result<Value> {
    let (batches, path) = (batches(task)?, task.file(".written.parquet"));
    let (seconds, ()) = measure(|| write_file(&batches, &path))?;
    fs::remove_file(&path)?;
    Ok(done(rows(&batches), seconds))
}
