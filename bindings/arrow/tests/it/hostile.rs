//! Records of any bytes: nothing panics, and the verdict is that of the crate's own decoder.

use proptest::prelude::*;
use rosettar_arrow::{ArrowOptions, Cut, OnError, read};

use crate::support::{Schema, schema};

const PROTO: &str = r#"syntax = "proto2";
import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto"; import "google/protobuf/struct.proto";
import "google/protobuf/field_mask.proto"; import "google/protobuf/empty.proto";
enum E { A = 1; B = 2; N = -1; }
message M { optional int32 x = 1; repeated string s = 2; optional T t = 3; repeated group G = 4 { optional bytes y = 4; } }
message T {
  optional int32 a = 1; repeated sint64 b = 2; optional string c = 3; optional M m = 4; repeated M r = 5;
  oneof o { string p = 6; M q = 7; E e = 8; } map<string, M> k = 9; map<int32, E> l = 10; repeated E n = 11 [packed = true];
  optional google.protobuf.Timestamp t = 12; optional google.protobuf.StringValue w = 13;
  optional google.protobuf.Struct j = 14; optional google.protobuf.FieldMask f = 15; optional google.protobuf.Empty z = 16;
  optional double d = 17; repeated fixed32 g = 18 [packed = true]; extensions 100 to 200;
}
extend T { repeated M more = 100; }"#;

/// Bytes that are now and then a message: fields with small numbers and every wire type, whose lengths fit or nearly do.
fn message(depth: u32) -> BoxedStrategy<Vec<u8>> {
    let leaf = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..6),
        prop::collection::vec(0u8..20, 0..4),
        "[a-z]{0,5}".prop_map(String::into_bytes),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let number = prop_oneof![8 => 1u32..19, 1 => Just(100u32), 1 => 1u32..300];
    let field =
        (number, 0u32..16, any::<u64>(), message(depth - 1), 0i32..40).prop_map(|(number, form, value, inner, off)| {
            let mut out = Vec::new();
            let varint = |value: u64, out: &mut Vec<u8>| {
                let mut value = value;
                while value >= 0x80 {
                    out.push(value as u8 | 0x80);
                    value >>= 7;
                }
                out.push(value as u8);
            };
            let small = value % 5;
            match form {
                0..=3 => {
                    varint(u64::from(number) << 3, &mut out);
                    varint(if form == 0 { value } else { small }, &mut out);
                }
                4 => {
                    varint(u64::from(number) << 3 | 1, &mut out);
                    out.extend_from_slice(&value.to_le_bytes());
                }
                5 => {
                    varint(u64::from(number) << 3 | 5, &mut out);
                    out.extend_from_slice(&(value as u32).to_le_bytes());
                }
                6 => {
                    varint(u64::from(number) << 3 | 3, &mut out);
                    out.extend_from_slice(&inner);
                    varint(u64::from(number) << 3 | 4, &mut out);
                }
                _ => {
                    varint(u64::from(number) << 3 | 2, &mut out);
                    // Mostly the right length.
                    let length = inner.len() as i64 + if off == 0 { 1 } else { 0 };
                    varint(length as u64, &mut out);
                    out.extend_from_slice(&inner);
                }
            }
            out
        });
    prop_oneof![1 => leaf, 6 => prop::collection::vec(field, 0..5).prop_map(|fields| fields.concat())].boxed()
}

/// Whether the stream's one record becomes a row.
fn accepted(schema: &Schema, record: &[u8], options: &ArrowOptions) -> Result<(), String> {
    let stream = schema.stream(&[record.to_vec(), Vec::new()]);
    for batch in read(&stream, 0..2, options).map_err(|error| error.to_string())? {
        for column in batch.map_err(|error| error.to_string())?.columns() {
            column.to_data().validate_full().expect("arrays are valid whatever the bytes");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(record in message(4)) {
        thread_local!(static SCHEMA: Schema = schema(PROTO));
        SCHEMA.with(|schema| {
            let expected = rosettar::record::decode(&schema.message, &record, &Default::default());
            let found = accepted(schema, &record, &ArrowOptions::new());
            match (&expected, &found) {
                (Ok(_), Ok(())) | (Err(_), Err(_)) => {}
                // Times that nanoseconds in 64 bits cannot hold.
                (Ok(_), Err(error)) if error.contains("choose a coarser unit") => {}
                // Values that JSON does not have.
                (Ok(_), Err(error)) if error.contains("JSON") || error.contains("field j") => {}
                // Text that a later value has replaced is in no column, and not looked at.
                (Err(error), Ok(())) if error.message().contains("not UTF-8") => {}
                _ => panic!("{record:02x?}: {expected:?}, {found:?}"),
            }
            for options in [
                ArrowOptions::new().errors(OnError::Null).recursion(1).cut(Cut::Binary),
                ArrowOptions::new().errors(OnError::Null).columns(["e", "r.s", "k.value.x"]).defaults(true),
            ] {
                prop_assert_eq!(accepted(schema, &record, &options), Ok(()));
            }
            Ok(())
        })?;
    }
}
