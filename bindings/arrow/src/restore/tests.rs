//! Round trips of tables through records: derived, encoded, decoded by prost-reflect, laid out as the plain mapping does,
//! and restored.

mod plain;
mod random;

use std::sync::Arc;

use arrow_array::*;
use arrow_schema::{DataType, Field, Schema};
use proptest::prelude::*;
use prost_reflect::{DynamicMessage, MessageDescriptor};

use super::{Restore, time_units};
use crate::TableType;

/// The records of `batch` and their type, through an archive.
fn archived(batch: &RecordBatch) -> rosettar::Result<(MessageDescriptor, Vec<DynamicMessage>)> {
    let table = TableType::derive("test", &batch.schema())?;
    let mut archive = Vec::new();
    let mut writer = rosettar::WriteOptions::new().write_to(&mut archive)?;
    let stream = writer.declare("test", table.record_type())?;
    table.encode(batch, |record| writer.append_encoded(stream, record))?;
    writer.finish()?;
    let archive = rosettar::open(archive)?;
    let stream = archive.stream("test")?;
    let descriptor = stream.descriptor()?;
    let messages: Vec<_> = stream.messages(..)?.collect::<rosettar::Result<_>>()?;
    // One encoding, the one that this project gives messages elsewhere.
    let mut at = 0;
    table.encode(batch, |record| {
        assert_eq!(rosettar::record::encode(&messages[at]), record, "row {at}: {}", messages[at]);
        at += 1;
        Ok(())
    })?;
    Ok((descriptor, messages))
}

fn restored(batch: &RecordBatch) -> rosettar::Result<RecordBatch> {
    let (descriptor, messages) = archived(batch)?;
    let plain = plain::batch(&descriptor, &messages, &time_units(&descriptor));
    let restore = Restore::of(&descriptor, &plain.schema(), false).expect("a table");
    restore.apply(&plain)
}

fn round_trip(batch: &RecordBatch) {
    let found = restored(batch).unwrap();
    assert_eq!(found.schema(), batch.schema());
    for ((found, expected), field) in found.columns().iter().zip(batch.columns()).zip(batch.schema().fields()) {
        assert_eq!(&random::comparable(found), &random::comparable(expected), "column {field:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300)))]

    #[test]
    fn tables_come_back(seed: u64) {
        let batch = random::batch(seed);
        round_trip(&batch);
        read_back(&batch);
    }
}

/// The same through the reader of this crate, as far as it reads times in nanoseconds.
fn read_back(batch: &RecordBatch) {
    let table = TableType::derive("test", &batch.schema()).unwrap();
    let mut archive = Vec::new();
    let mut writer = rosettar::WriteOptions::new().write_to(&mut archive).unwrap();
    let stream = writer.declare("test", table.record_type()).unwrap();
    table.encode(batch, |record| writer.append_encoded(stream, record)).unwrap();
    writer.finish().unwrap();
    let archive = rosettar::open(archive).unwrap();
    let stream = archive.stream("test").unwrap();
    let descriptor = stream.descriptor().unwrap();
    if time_units(&descriptor).values().any(|unit| *unit != arrow_schema::TimeUnit::Nanosecond) {
        return;
    }
    let options = crate::ArrowOptions::new().restore(false);
    let schema = crate::schema(&stream, &options).unwrap();
    let restore = Restore::of(&descriptor, &schema, false).unwrap();
    assert_eq!(*restore.schema(), batch.schema());
    let mut row = 0;
    for plain in crate::read(&stream, 0..stream.len(), &options).unwrap() {
        let found = restore.apply(&plain.unwrap()).unwrap();
        let expected = batch.slice(row, found.num_rows());
        row += found.num_rows();
        for (found, expected) in found.columns().iter().zip(expected.columns()) {
            assert_eq!(random::comparable(found), random::comparable(expected), "{:?}", expected.data_type());
        }
    }
    assert_eq!(row, batch.num_rows());
}

#[test]
fn every_type_comes_back_through_the_reader() {
    for data_type in random::types() {
        for nullable in [false, true].into_iter().filter(|nullable| *nullable || data_type != DataType::Null) {
            read_back(&random::batch_of(9, vec![Arc::new(Field::new("it", data_type.clone(), nullable))], 20));
        }
    }
}

#[test]
fn every_type_comes_back() {
    for data_type in random::types() {
        for nullable in [false, true].into_iter().filter(|nullable| *nullable || data_type != DataType::Null) {
            let field = Field::new("a column", data_type.clone(), nullable);
            round_trip(&random::batch_of(7, vec![Arc::new(field)], 20));
            round_trip(&random::batch_of(8, vec![Arc::new(Field::new("it", data_type.clone(), nullable))], 0));
        }
    }
}

#[test]
fn what_is_selected_comes_back() {
    let inner = Field::new(
        "b",
        DataType::Struct(vec![Field::new("x", DataType::Int8, true), Field::new("y", DataType::Int16, false)].into()),
        true,
    );
    let fields = vec![Arc::new(Field::new("a", DataType::UInt8, false)), Arc::new(inner)];
    let batch = random::batch_of(3, fields, 10);
    let (descriptor, messages) = archived(&batch).unwrap();
    let plain = plain::batch(&descriptor, &messages, &time_units(&descriptor));
    // Of `b`, only `y`.
    let b: &StructArray = arrow_array::cast::AsArray::as_struct(plain.column(1).as_ref());
    let y = Arc::clone(&b.fields()[1]);
    let part = StructArray::new(vec![y].into(), vec![b.column(1).clone()], b.nulls().cloned());
    let field = plain.schema().field(1).clone().with_data_type(part.data_type().clone());
    let part = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::new(part)]).unwrap();
    let restore = Restore::of(&descriptor, &part.schema(), false).unwrap();
    let expected = Field::new("b", DataType::Struct(vec![Field::new("y", DataType::Int16, false)].into()), true);
    assert_eq!(restore.schema().fields()[0].as_ref(), &expected);
    assert_eq!(restore.apply(&part).unwrap().num_rows(), 10);
}

#[test]
fn what_cannot_be_encoded_is_named() {
    let refused = |field: Field, array: ArrayRef| {
        let schema = Arc::new(Schema::new(vec![field]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![array]).unwrap();
        let table = TableType::derive("test", &schema).unwrap();
        table.encode(&batch, |_| Ok(())).unwrap_err()
    };
    let late = TimestampSecondArray::from(vec![0, i64::MAX]);
    let error = refused(Field::new("when", late.data_type().clone(), true), Arc::new(late));
    assert_eq!(error.code(), "record.value");
    assert!(error.message().starts_with("row 1: the value of column \"when\""), "{error}");

    let schema = Schema::new(vec![Field::new("a", DataType::FixedSizeBinary(-1), true)]);
    let error = TableType::derive("test", &schema).unwrap_err();
    assert_eq!(error.code(), "usage.input");
    assert!(error.message().contains("column \"a\""), "{error}");

    let mut deep = DataType::Int8;
    for _ in 0..40 {
        deep = DataType::List(Arc::new(Field::new("item", deep, true)));
    }
    let error = TableType::derive("test", &Schema::new(vec![Field::new("deep", deep, true)])).unwrap_err();
    assert_eq!(error.code(), "usage.input");
}
