//! Records as values of Rust types, with the crate `apache-avro` and, beside it, with ours.
//!
//! Avro has no way to take messages that are serialised already, so here both begin and end with values: ours encodes and
//! decodes protobuf, Avro its own format through serde, which is its fastest interface. Blocks of 1 MiB, zstd, level 3.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::Path;

use apache_avro::{Codec, Reader, Schema, Writer, ZstandardSettings};
use rosettar::{ReadOptions, RecordType, WriteOptions};
use serde_json::{Value, json};

use crate::records::Records;
use crate::timing::measure;
use crate::types::{Flight, Order, Record, Sample};
use crate::{Result, Task};

const BLOCK: usize = 1 << 20;

/// Calls a function for the type of the task's data set.
macro_rules! typed {
    ($task:expr, $function:ident) => {
        match $task.dataset.as_str() {
            "flights" => $function::<Flight>($task),
            "orders" => $function::<Order>($task),
            "small" => $function::<Sample>($task),
            other => Err(format!("no type for {other}").into()),
        }
    };
}

pub fn make(task: &Task) -> Result<Value> {
    typed!(task, make_of)
}

pub fn write(task: &Task) -> Result<Value> {
    typed!(task, write_of)
}

pub fn read(task: &Task) -> Result<Value> {
    typed!(task, read_of)
}

pub fn ours_write(task: &Task) -> Result<Value> {
    typed!(task, ours_write_of)
}

pub fn ours_read(task: &Task) -> Result<Value> {
    typed!(task, ours_read_of)
}

fn values<T: Record>(task: &Task) -> Result<Vec<T>> {
    Records::load(task)?.iter().map(|record| Ok(T::decode(record)?)).collect()
}

fn write_file<T: Record>(values: &[T], path: &Path) -> Result<()> {
    let schema = Schema::parse_str(T::AVRO)?;
    let codec = Codec::Zstandard(ZstandardSettings::new(3));
    let sink = BufWriter::with_capacity(BLOCK, File::create(path)?);
    let mut writer = Writer::builder().schema(&schema).writer(sink).codec(codec).block_size(BLOCK).build()?;
    for value in values {
        writer.append_ser(value)?;
    }
    writer.into_inner()?.into_inner().map_err(|error| error.into_error())?;
    Ok(())
}

/// Writes the file that is read, and sees that it has every value.
fn make_of<T: Record>(task: &Task) -> Result<Value> {
    let (values, path) = (values::<T>(task)?, task.file(".avro"));
    write_file(&values, &path)?;
    let mut number = 0;
    for value in Reader::new(BufReader::new(File::open(&path)?))?.into_deser_iter::<T>() {
        if values.get(number) != Some(&value?) {
            return Err(format!("record {number} does not come back from Avro as it was").into());
        }
        number += 1;
    }
    Ok(done(values.len() as u64, 0.0))
}

fn done(records: u64, seconds: f64) -> Value {
    json!({"seconds": seconds, "work": {"records": records}})
}

fn write_of<T: Record>(task: &Task) -> Result<Value> {
    let (values, path) = (values::<T>(task)?, task.file(".written.avro"));
    let (seconds, ()) = measure(|| write_file(&values, &path))?;
    let size = fs::metadata(&path)?.len();
    fs::remove_file(&path)?;
    if size != fs::metadata(task.file(".avro"))?.len() {
        return Err("another size than the file that was read back had".into());
    }
    Ok(done(values.len() as u64, seconds))
}

fn read_of<T: Record>(task: &Task) -> Result<Value> {
    let path = task.file(".avro");
    let (seconds, records) = measure(|| {
        let mut records = 0;
        for value in Reader::new(BufReader::with_capacity(BLOCK, File::open(&path)?))?.into_deser_iter::<T>() {
            std::hint::black_box(&value?);
            records += 1;
        }
        Ok(records)
    })?;
    Ok(done(records, seconds))
}

fn ours_write_of<T: Record>(task: &Task) -> Result<Value> {
    let schema = fs::read(task.file(".binpb-schema"))?;
    let (values, path) = (values::<T>(task)?, task.file(".written-values.rtar"));
    let (seconds, records) = measure(|| {
        let mut writer = WriteOptions::new().threads(task.threads).create(&path)?;
        let stream = writer.declare(&task.dataset, RecordType::of::<T>(schema.as_slice()))?;
        for value in &values {
            writer.append(stream, value)?;
        }
        Ok(writer.finish()?.totals.records)
    })?;
    fs::remove_file(&path)?;
    Ok(done(records, seconds))
}

fn ours_read_of<T: Record>(task: &Task) -> Result<Value> {
    let path = task.file(".rtar");
    let (seconds, records) = measure(|| {
        let archive = ReadOptions::new().threads(task.threads).open_path(&path)?;
        let mut records = 0;
        for value in archive.stream(&task.dataset)?.decode::<T>(..)? {
            std::hint::black_box(&value?);
            records += 1;
        }
        Ok(records)
    })?;
    Ok(done(records, seconds))
}
