//! Archives to read.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use rosettar::read::Stream;
use rosettar::{RecordType, WriteOptions};
use rosettar_arrow::{ArrowOptions, read};

/// The type `T` that `proto` defines, and the descriptor set that it is in.
pub struct Schema {
    pub message: MessageDescriptor,
    pub set: Vec<u8>,
}

pub fn schema(proto: &str) -> Schema {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.proto");
    std::fs::write(&path, proto).unwrap();
    let set = rosettar::schema::compile(&[&path], &[dir.path()]).unwrap();
    let pool = rosettar::schema::build_pool(&set).unwrap();
    Schema { message: rosettar::schema::message(&pool, "T").unwrap(), set }
}

impl Schema {
    /// A record, from JSON.
    pub fn record(&self, json: &str) -> Vec<u8> {
        rosettar::record::encode(&rosettar::record::from_json(&self.message, json, &Default::default()).unwrap())
    }

    pub fn dynamic(&self, record: &[u8]) -> DynamicMessage {
        rosettar::record::decode(&self.message, record, &Default::default()).unwrap()
    }

    /// A stream of these records.
    pub fn stream(&self, records: &[Vec<u8>]) -> Stream {
        self.stream_in_batches(records, usize::MAX)
    }

    /// The same, with so many records in each batch of the archive.
    pub fn stream_in_batches(&self, records: &[Vec<u8>], of: usize) -> Stream {
        let mut file = Vec::new();
        // What a test is to find too much must be written first.
        let mut limits = rosettar::Limits::default();
        limits.record_values = u64::MAX;
        let mut writer = WriteOptions::new().limits(limits).write_to(&mut file).unwrap();
        let id = writer.declare("s", RecordType::new("T", self.set.clone())).unwrap();
        for (number, record) in records.iter().enumerate() {
            writer.append_encoded(id, record).unwrap();
            if (number + 1) % of == 0 {
                writer.flush().unwrap();
            }
        }
        writer.finish().unwrap();
        rosettar::open(file).unwrap().stream("s").unwrap()
    }
}

/// All rows as one batch.
pub fn table(stream: &Stream, options: &ArrowOptions) -> RecordBatch {
    let reader = read(stream, 0..stream.len(), options).unwrap();
    let schema = arrow_array::RecordBatchReader::schema(&reader);
    let batches: Vec<_> = reader.collect::<Result<_, _>>().unwrap();
    match &batches[..] {
        [] => RecordBatch::new_empty(schema),
        [one] => one.clone(),
        several => {
            let columns = (0..schema.fields().len())
                .map(|at| {
                    let parts: Vec<&dyn Array> = several.iter().map(|batch| batch.column(at).as_ref()).collect();
                    arrow_select::concat::concat(&parts).unwrap()
                })
                .collect();
            RecordBatch::try_new(schema, columns).unwrap()
        }
    }
}

/// The column at a dotted path through structs.
pub fn column(batch: &RecordBatch, path: &str) -> ArrayRef {
    let mut parts = path.split('.');
    let first = batch.column_by_name(parts.next().unwrap()).unwrap();
    parts.fold(Arc::clone(first), |column, part| {
        let members = column.as_any().downcast_ref::<StructArray>().unwrap();
        Arc::clone(members.column_by_name(part).unwrap())
    })
}
