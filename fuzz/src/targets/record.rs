//! Records of one type with every kind of field: as JSON against prost-reflect, and as columns.

use std::ops::Range;
use std::sync::OnceLock;

use arrow_array::{Array as _, RecordBatch};
use prost_reflect::MessageDescriptor;
use rosettar::record::{self, JsonOptions};
use rosettar::{Error, RecordType, WriteOptions, schema};
use rosettar_arrow::{ArrowOptions, OnError};

use super::input::Input;
use super::{MEMORY, kinds, limits, reading};
use crate::memory;

const TYPES: [&str; 2] = ["t.All", "t2.Outer"];

fn types() -> &'static [MessageDescriptor; 2] {
    static TYPES_FOUND: OnceLock<[MessageDescriptor; 2]> = OnceLock::new();
    TYPES_FOUND.get_or_init(|| {
        let pool = schema::build_pool(kinds()).expect("the set is acceptable");
        TYPES.map(|name| schema::message(&pool, name).expect("the type is there"))
    })
}

/// How many records one input has at most.
const MOST: usize = 32;

/// Runs the target: after a byte that chooses the type, records, each with a byte before it that says how long it is.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let which = usize::from(input.byte() % 2);
    let mut records = Vec::new();
    while !input.is_empty() && records.len() < MOST {
        records.push(input.bytes());
    }
    memory::within(MEMORY, || {
        let verdicts: Vec<_> = records.iter().map(|bytes| json(&types()[which], bytes)).collect();
        columns(TYPES[which], &records, &verdicts);
    });
}

/// Whether it is a record of the type, and has JSON.
fn json(descriptor: &MessageDescriptor, bytes: &[u8]) -> Result<Result<(), Error>, Error> {
    let message = record::decode(descriptor, bytes, &limits())?;
    let text = match record::to_json(&message, &JsonOptions::new()) {
        Ok(text) => text,
        Err(error) => return Ok(Err(error)),
    };
    serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
    // prost-reflect's own parser, which knows nothing of ours, reads the same message.
    let mut theirs = serde_json::Deserializer::from_str(&text);
    if let Ok(read) = prost_reflect::DynamicMessage::deserialize(descriptor.clone(), &mut theirs)
        && let Ok(ours) = record::from_json(descriptor, &text, &limits())
    {
        assert_eq!(record::encode(&read), record::encode(&ours), "{text}");
    }
    Ok(Ok(()))
}

/// As columns: the verdict on each record is that of the decoder, and what is wrong spoils nothing beside it.
fn columns(name: &str, records: &[&[u8]], verdicts: &[Result<Result<(), Error>, Error>]) {
    let mut file = Vec::new();
    let mut writer = WriteOptions::new().threads(1).level(1).write_to(&mut file).expect("a writer to memory");
    let id = writer.declare("s", RecordType::new(name, kinds())).expect("the type is acceptable");
    for record in records {
        writer.append_encoded(id, record).expect("a record of any bytes");
    }
    writer.finish().expect("an archive in memory");
    let stream = reading().open(file).and_then(|archive| archive.stream("s")).expect("it was just written");
    let batches = |range: Range<u64>, on_error| -> Result<Vec<RecordBatch>, String> {
        let options = ArrowOptions::new().threads(1).errors(on_error);
        let reader = rosettar_arrow::read(&stream, range, &options).map_err(|error| error.to_string())?;
        reader.map(|batch| batch.map_err(|error| error.to_string())).collect()
    };
    let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    let all = records.len() as u64;
    // Unless a limit is hit, a bad record is a row of nulls; in a good one of the first type, a number is none.
    let nulled = batches(0..all, OnError::Null);
    let mut bad = Vec::new();
    if let Ok(batches) = &nulled {
        assert_eq!(rows(batches), records.len());
        for batch in batches {
            let number = batch.column_by_name("i32");
            bad.extend((0..batch.num_rows()).map(|row| number.is_some_and(|column| column.is_null(row))));
        }
    }
    let first = verdicts.iter().position(Result::is_err);
    for (number, (bytes, verdict)) in records.iter().zip(verdicts).enumerate() {
        // One by one where the rows do not tell, and of each input the first record that is wrong.
        let one = number as u64..number as u64 + 1;
        let found = match bad.get(number) {
            Some(bad) if name == TYPES[0] && first != Some(number) => match bad {
                true => Err(batches(one, OnError::Raise).err().unwrap_or_default()),
                false => Ok(1),
            },
            _ => batches(one, OnError::Raise).map(|batches| rows(&batches)),
        };
        match (verdict, found) {
            (_, Ok(count)) if count != 1 => panic!("{bytes:02x?}: {count} rows"),
            (Ok(_), Ok(_)) | (Err(_), Err(_)) => {}
            // Times that nanoseconds in 64 bits cannot hold, and values that JSON does not have.
            (Ok(_), Err(error)) if error.contains("choose a coarser unit") => {}
            (Ok(_), Err(error)) if error.contains("JSON") => {}
            // Text that a later value has replaced is in no column, and not looked at.
            (Err(error), Ok(_)) if error.message().contains("not UTF-8") => {}
            (verdict, found) => panic!("{bytes:02x?}: {verdict:?}, as columns {found:?}"),
        }
    }
    if let Ok(batches) = batches(0..all, OnError::Raise) {
        assert_eq!(rows(&batches), records.len());
    }
}
