//! The plain mapping, in the most obvious way, from decoded messages.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::*;
use arrow_array::*;
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

type Units = HashMap<String, TimeUnit>;

pub fn batch(message: &MessageDescriptor, messages: &[DynamicMessage], units: &Units) -> RecordBatch {
    let messages: Vec<_> = messages.iter().map(Some).collect();
    let (fields, arrays) = columns(message, &messages, units);
    let options = RecordBatchOptions::new().with_row_count(Some(messages.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).unwrap()
}

fn columns(
    message: &MessageDescriptor,
    messages: &[Option<&DynamicMessage>],
    units: &Units,
) -> (Fields, Vec<ArrayRef>) {
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for field in message.fields() {
        let values = messages.iter().map(|message| match message {
            Some(message) if message.has_field(&field) => Some(message.get_field(&field).into_owned()),
            _ if field.supports_presence() => None,
            _ => Some(Value::default_value_for_field(&field)),
        });
        let array = column(&field, values.collect(), units);
        let metadata = HashMap::from([("rosettar.number".to_owned(), field.number().to_string())]);
        let nullable = field.supports_presence();
        fields.push(Field::new(field.name(), array.data_type().clone(), nullable).with_metadata(metadata));
        arrays.push(array);
    }
    (fields.into(), arrays)
}

fn column(field: &FieldDescriptor, values: Vec<Option<Value>>, units: &Units) -> ArrayRef {
    if field.is_map() {
        let kind = field.kind();
        let entry = kind.as_message().unwrap();
        let (mut keys, mut items, mut lens) = (Vec::new(), Vec::new(), Vec::new());
        for value in values {
            let Some(Value::Map(map)) = value else { panic!() };
            lens.push(map.len());
            // In whatever order; the tables here have keys that rise.
            let mut all: Vec<_> = map.into_iter().collect();
            all.sort_by_key(|(key, _)| match key {
                MapKey::I32(n) => (i64::from(*n), String::new()),
                MapKey::I64(n) => (*n, String::new()),
                MapKey::U32(n) => (i64::from(*n), String::new()),
                MapKey::U64(n) => (*n as i64, String::new()),
                MapKey::Bool(b) => (i64::from(*b), String::new()),
                MapKey::String(s) => (0, s.clone()),
            });
            for (key, value) in all {
                keys.push(Some(Value::from(key)));
                items.push(Some(value));
            }
        }
        let keys = one(&entry.map_entry_key_field(), keys, units);
        let items = one(&entry.map_entry_value_field(), items, units);
        let fields = vec![
            Field::new("key", keys.data_type().clone(), false),
            Field::new("value", items.data_type().clone(), true),
        ];
        let entries = StructArray::new(fields.into(), vec![keys, items], None);
        let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
        return Arc::new(MapArray::new(field, OffsetBuffer::from_lengths(lens), entries, None, false));
    }
    if field.is_list() {
        let (mut items, mut lens) = (Vec::new(), Vec::new());
        for value in values {
            let Some(Value::List(list)) = value else { panic!() };
            lens.push(list.len());
            items.extend(list.into_iter().map(Some));
        }
        let items = one(field, items, units);
        let item = Arc::new(Field::new("item", items.data_type().clone(), false));
        return Arc::new(ListArray::new(item, OffsetBuffer::from_lengths(lens), items, None));
    }
    one(field, values, units)
}

macro_rules! scalars {
    ($values:expr, $builder:ty, $variant:ident) => {{
        let mut builder = <$builder>::new();
        for value in $values {
            match value {
                Some(Value::$variant(value)) => builder.append_value(value),
                None => builder.append_null(),
                other => panic!("{other:?}"),
            }
        }
        Arc::new(builder.finish())
    }};
}

fn one(field: &FieldDescriptor, values: Vec<Option<Value>>, units: &Units) -> ArrayRef {
    match field.kind() {
        Kind::Bool => scalars!(values, BooleanBuilder, Bool),
        Kind::Int32 => scalars!(values, Int32Builder, I32),
        Kind::Int64 => scalars!(values, Int64Builder, I64),
        Kind::Uint32 => scalars!(values, UInt32Builder, U32),
        Kind::Uint64 => scalars!(values, UInt64Builder, U64),
        Kind::Float => scalars!(values, Float32Builder, F32),
        Kind::Double => scalars!(values, Float64Builder, F64),
        Kind::String => scalars!(values, StringBuilder, String),
        Kind::Bytes => scalars!(values, BinaryBuilder, Bytes),
        Kind::Message(message) => {
            let messages: Vec<Option<&DynamicMessage>> =
                values.iter().map(|value| value.as_ref().map(|value| value.as_message().unwrap())).collect();
            let unit = units.get(field.full_name()).copied().unwrap_or(TimeUnit::Nanosecond);
            match message.full_name() {
                "google.protobuf.Timestamp" => times(&messages, unit, true),
                "google.protobuf.Duration" => times(&messages, unit, false),
                _ if message.fields().len() == 0 => {
                    Arc::new(messages.iter().map(|message| message.map(|_| true)).collect::<BooleanArray>())
                }
                _ => {
                    let (fields, arrays) = columns(&message, &messages, units);
                    let nulls: NullBuffer = messages.iter().map(Option::is_some).collect();
                    Arc::new(StructArray::new(fields, arrays, Some(nulls)))
                }
            }
        }
        other => panic!("{other:?}"),
    }
}

fn times(messages: &[Option<&DynamicMessage>], unit: TimeUnit, stamps: bool) -> ArrayRef {
    let per_second = crate::encode::value::per_second(unit);
    let values: Int64Array = messages
        .iter()
        .map(|message| {
            let message = (*message)?;
            let seconds = message.get_field_by_name("seconds")?.as_i64()?;
            let nanos = message.get_field_by_name("nanos")?.as_i32()?;
            Some(
                i64::try_from(
                    i128::from(seconds) * i128::from(per_second)
                        + i128::from(nanos) * i128::from(per_second) / 1_000_000_000,
                )
                .unwrap(),
            )
        })
        .collect();
    let data_type = match stamps {
        true => DataType::Timestamp(unit, Some("UTC".into())),
        false => DataType::Duration(unit),
    };
    make_array(values.into_data().into_builder().data_type(data_type).build().unwrap())
}
