//! Records of one type with every kind of field: as JSON against prost-reflect, and as columns.

use std::sync::OnceLock;

use prost_reflect::MessageDescriptor;
use rosettar::record::{self, JsonOptions};
use rosettar::{RecordType, WriteOptions, schema};
use rosettar_arrow::{ArrowOptions, OnError};

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

/// Runs the target.
pub fn run(data: &[u8]) {
    let Some((which, bytes)) = data.split_first() else { return };
    let which = usize::from(which % 2);
    memory::within(MEMORY, || {
        json(&types()[which], bytes);
        columns(TYPES[which], bytes);
    });
}

fn json(descriptor: &MessageDescriptor, bytes: &[u8]) {
    let Ok(message) = record::decode(descriptor, bytes, &limits()) else { return };
    let Ok(text) = record::to_json(&message, &JsonOptions::new()) else { return };
    serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
    // prost-reflect's own parser, which knows nothing of ours, reads the same message.
    let mut theirs = serde_json::Deserializer::from_str(&text);
    if let Ok(read) = prost_reflect::DynamicMessage::deserialize(descriptor.clone(), &mut theirs)
        && let Ok(ours) = record::from_json(descriptor, &text, &limits())
    {
        assert_eq!(record::encode(&read), record::encode(&ours), "{text}");
    }
}

fn columns(name: &str, bytes: &[u8]) {
    let mut file = Vec::new();
    let mut writer = WriteOptions::new().threads(1).level(1).write_to(&mut file).expect("a writer to memory");
    let id = writer.declare("s", RecordType::new(name, kinds())).expect("the type is acceptable");
    // A good record before and after shows that the bad one spoils nothing.
    for record in [&[][..], bytes, &[]] {
        writer.append_encoded(id, record).expect("a record of any bytes");
    }
    writer.finish().expect("an archive in memory");
    let stream = reading().open(file).and_then(|archive| archive.stream("s")).expect("it was just written");
    let rows = |on_error| -> Result<usize, String> {
        let options = ArrowOptions::new().threads(1).errors(on_error);
        let reader = rosettar_arrow::read(&stream, 0..3, &options).map_err(|error| error.to_string())?;
        let mut rows = 0;
        for batch in reader {
            rows += batch.map_err(|error| error.to_string())?.num_rows();
        }
        Ok(rows)
    };
    if let Ok(count) = rows(OnError::Raise) {
        assert_eq!(count, 3);
    }
    // Unless a limit is hit, a bad record is a row of nulls.
    if let Ok(count) = rows(OnError::Null) {
        assert_eq!(count, 3);
    }
}
