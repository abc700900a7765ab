//! Records of any bytes: nothing panics, and the verdict is that of the crate's own decoder.

use proptest::prelude::*;
use prost::Message;
use prost_types::field_descriptor_proto::Type as FieldType;
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
    #![proptest_config(ProptestConfig {
        // PROPTEST_CASES asks for more.
        cases: ProptestConfig::default().cases.max(600),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

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

/// A well-known type's fields in every wire type, with the type as a message and as a group (which editions call a delimited
/// one).
#[test]
fn well_known_types_on_any_wire() {
    let proto = r#"syntax = "proto2"; import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
        import "google/protobuf/struct.proto"; import "google/protobuf/field_mask.proto"; import "google/protobuf/empty.proto";
        message T { optional google.protobuf.Timestamp t = 1; optional google.protobuf.StringValue s = 2;
          optional google.protobuf.Int32Value i = 3; optional google.protobuf.DoubleValue d = 4;
          optional google.protobuf.FieldMask f = 5; optional google.protobuf.Empty e = 6; optional google.protobuf.ListValue l = 7;
          repeated google.protobuf.FieldMask g = 8; }"#;
    let values: [&[u8]; 5] = [&[0], &[0; 8], &[1, b'x'], &[], &[0; 4]];
    for group in [false, true] {
        let mut plain = schema(proto);
        if group {
            let mut set = prost_types::FileDescriptorSet::decode(&plain.set[..]).unwrap();
            let file = set.file.iter_mut().find(|file| file.name() == "t.proto").unwrap();
            file.message_type[0].field.iter_mut().for_each(|field| field.set_type(FieldType::Group));
            plain.set = set.encode_to_vec();
            let pool = rosettar::schema::build_pool(&plain.set).unwrap();
            plain.message = rosettar::schema::message(&pool, "T").unwrap();
        }
        let mut seen = [0, 0];
        for (outer, number) in (1u8..=8).flat_map(|outer| (1..=3).map(move |number| (outer, number))) {
            for (wire_type, value) in [0u8, 1, 2, 3, 5].into_iter().zip(values) {
                let mut inner = vec![number << 3 | wire_type];
                inner.extend_from_slice(value);
                if wire_type == 3 {
                    inner.push(number << 3 | 4);
                }
                let record = match group {
                    true => [&[outer << 3 | 3][..], &inner, &[outer << 3 | 4]].concat(),
                    false => [&[outer << 3 | 2, inner.len() as u8][..], &inner].concat(),
                };
                let expected = rosettar::record::decode(&plain.message, &record, &Default::default());
                let found = accepted(&plain, &record, &ArrowOptions::new());
                assert_eq!(found.is_ok(), expected.is_ok(), "group {group}, {record:02x?}: {expected:?}, {found:?}");
                seen[usize::from(expected.is_ok())] += 1;
            }
        }
        assert!(seen[0] > 20 && seen[1] > 40, "{seen:?}");
    }
}

/// Records that take no bytes, many to a batch of the archive, some of them decoded after the rest of it: rows and the
/// number of a record that is wrong are those of any others.
#[test]
fn records_of_no_bytes() {
    let schema = schema("syntax = \"proto3\"; message T { string a = 1; }");
    let record = b"\x0a\x04last".to_vec();
    for (count, batch_rows) in [(3 << 20, 1 << 20), (100_000, 7_000)] {
        let mut file = Vec::new();
        let mut writer = rosettar::WriteOptions::new().level(-5).write_to(&mut file).unwrap();
        let id = writer.declare("s", rosettar::RecordType::new("T", schema.set.clone())).unwrap();
        (0..count).for_each(|_| writer.append_encoded(id, &[]).unwrap());
        writer.append_encoded(id, &record).unwrap();
        writer.append_encoded(id, b"\x0a\x01").unwrap();
        writer.finish().unwrap();
        let stream = rosettar::open(file).unwrap().stream("s").unwrap();
        let options = ArrowOptions::new().batch_rows(batch_rows).threads(1);
        for range in [0..count + 1, count - 5..count + 1] {
            let wanted = range.end - range.start;
            let mut rows = 0;
            for batch in read(&stream, range, &options).unwrap() {
                let batch = batch.unwrap();
                assert!(batch.num_rows() <= batch_rows);
                rows += batch.num_rows() as u64;
                let a: &arrow_array::StringArray = batch.column(0).as_any().downcast_ref().unwrap();
                let last = if rows == wanted { "last" } else { "" };
                assert_eq!(a.value(batch.num_rows() - 1), last);
            }
            assert_eq!(rows, wanted);
        }
        let error = read(&stream, 0..count + 2, &options).unwrap().find_map(Result::err).unwrap();
        assert!(error.to_string().contains(&format!("record {} of stream s", count + 1)), "{error}");
    }
}

/// What has no columns takes no time by their number: batches are as many rows as they would be, one array stands for all
/// columns of a type, and only what one record takes is refused.
#[test]
fn columns_that_nothing_is_written_to() {
    let fields: String = (1..=8000).map(|n| format!("int64 f{n} = {n};")).collect();
    let wide =
        schema(&format!("syntax = \"proto3\"; message E {{ {fields} }} message T {{ {fields} repeated E e = 9000; }}"));
    let records = vec![Vec::new(); 6000];
    let stream = wide.stream(&records);
    let started = std::time::Instant::now();
    // 8000 columns of 8 bytes by 6000 rows: 366 MiB if anything were in them.
    let options = ArrowOptions::new().columns((1..=8000).map(|n| format!("f{n}"))).batch_bytes(1 << 30);
    let batches: Vec<_> = read(&stream, 0..6000, &options).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).collect::<Vec<_>>(), [6000]);
    let (first, last) = (batches[0].column(0).to_data(), batches[0].column(7999).to_data());
    assert_eq!(first.buffers()[0].as_ptr(), last.buffers()[0].as_ptr());
    first.validate_full().unwrap();
    // The same by default: 16 MiB a batch.
    let options = ArrowOptions::new().columns((1..=8000).map(|n| format!("f{n}")));
    for batch in read(&stream, 0..6000, &options).unwrap() {
        let batch = batch.unwrap();
        assert!(batch.num_rows() <= (16 << 20) / (8 * 8000) + 1, "{}", batch.num_rows());
    }
    // Elements of one record, which come to 64 000 bytes each.
    let stream = wide.stream(&[b"\xc2\xb2\x04\x00".repeat(10_000)]);
    let error = read(&stream, 0..1, &ArrowOptions::new().columns(["e"])).unwrap().find_map(Result::err).unwrap();
    assert!(error.to_string().contains("more than 100663296 bytes as columns"), "{error}");
    assert!(started.elapsed().as_secs() < 60);
}

/// JSON in a column may be six times as long as what it tells.
#[test]
fn long_json() {
    let schema = schema(
        "syntax = \"proto3\"; import \"google/protobuf/struct.proto\"; message T { google.protobuf.Value v = 1; }",
    );
    let record = |len: usize| {
        let text = prost_types::Value { kind: Some(prost_types::value::Kind::StringValue("\u{1}".repeat(len))) };
        let text = text.encode_to_vec();
        let mut record = vec![0x0a];
        prost::encoding::encode_varint(text.len() as u64, &mut record);
        [record, text].concat()
    };
    assert_eq!(accepted(&schema, &record(1 << 20), &ArrowOptions::new()), Ok(()));
    let error = accepted(&schema, &record(23 << 20), &ArrowOptions::new()).unwrap_err();
    assert!(error.contains("JSON of more than 67108864 bytes"), "{error}");
}

/// Defaults, which stand in every row that states none.
#[test]
fn long_defaults() {
    let long = "x".repeat(1 << 20);
    let members: String = (1..=100).map(|n| format!("optional M m{n} = {n};")).collect();
    let schema = schema(&format!(
        "syntax = \"proto2\"; message M {{ optional string s = 1 [default = \"{long}\"]; }} \
         message T {{ optional string s = 200 [default = \"{long}\"]; {members} }}"
    ));
    let stream = schema.stream(&vec![Vec::new(); 3000]);
    let mut rows = 0;
    for batch in read(&stream, 0..3000, &ArrowOptions::new().columns(["s"]).defaults(true).threads(1)).unwrap().take(3)
    {
        let batch = batch.unwrap();
        assert!(batch.get_array_memory_size() < 64 << 20, "{}", batch.get_array_memory_size());
        rows += batch.num_rows();
    }
    assert!(rows > 30);
    let error = read(&stream, 0..3000, &ArrowOptions::new().defaults(true)).unwrap_err();
    assert_eq!(error.code(), "schema.too-large");
}
