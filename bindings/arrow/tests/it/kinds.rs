//! Every kind of field, by its meaning.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use rosettar_arrow::{ArrowOptions, Cut, Enums, OnError, read};

use crate::support::{column, schema, table};

#[test]
fn scalars_with_and_without_presence() {
    let s = schema(
        r#"syntax = "proto3"; message T { int32 a = 1; optional int32 b = 2; string c = 3; bytes d = 4; double e = 5;
           bool f = 6; uint64 g = 7; sint64 h = 8; fixed32 i = 9; sfixed64 j = 10; float k = 11; }"#,
    );
    let full = r#"{"a":-1,"b":0,"c":"Grüße","d":"AAE=","e":2.5,"f":true,"g":"18446744073709551615","h":"-9","i":7,"j":"-8","k":1.5}"#;
    let batch = table(&s.stream(&[s.record(full), s.record("{}")]), &ArrowOptions::new());
    assert_eq!(batch.num_rows(), 2);
    assert_eq!(batch.column(0).as_primitive::<Int32Type>().values(), &[-1, 0]);
    assert!(!batch.schema().field(0).is_nullable() && batch.schema().field(1).is_nullable());
    assert!(batch.column(1).is_valid(0) && batch.column(1).is_null(1));
    assert_eq!(batch.column(2).as_string::<i32>().value(0), "Grüße");
    assert_eq!(batch.column(3).as_binary::<i32>().value(0), [0, 1]);
    assert_eq!(batch.column(4).as_primitive::<Float64Type>().values(), &[2.5, 0.0]);
    assert!(batch.column(5).as_boolean().value(0));
    assert_eq!(batch.column(6).as_primitive::<UInt64Type>().value(0), u64::MAX);
    assert_eq!(batch.column(7).as_primitive::<Int64Type>().value(0), -9);
    assert_eq!(batch.column(8).as_primitive::<UInt32Type>().value(0), 7);
    assert_eq!(batch.column(9).as_primitive::<Int64Type>().value(0), -8);
    assert_eq!(batch.column(10).as_primitive::<Float32Type>().value(0), 1.5);
}

#[test]
fn protobuf_rules_of_merging() {
    let s = schema(
        r#"syntax = "proto3"; message M { int32 x = 1; repeated int32 y = 2; }
           message T { int32 a = 1; M m = 2; oneof o { M p = 3; int32 q = 4; } map<string, int32> k = 5; }"#,
    );
    // a twice; m in two parts; p, then q, then p again, which begins anew; a key twice.
    let record = [
        &b"\x08\x01\x08\x02"[..],
        b"\x12\x03\x10\x07\x10\x12\x04\x08\x05\x10\x08"[..0].as_ref(),
        b"\x12\x04\x08\x05\x10\x07\x12\x04\x08\x06\x10\x08",
        b"\x1a\x04\x08\x01\x10\x01\x20\x09\x1a\x02\x10\x02",
        b"\x2a\x05\x0a\x01k\x10\x01\x2a\x05\x0a\x01j\x10\x02\x2a\x05\x0a\x01k\x10\x03",
    ]
    .concat();
    let batch = table(&s.stream(&[record.clone(), record]), &ArrowOptions::new());
    assert_eq!(batch.column(0).as_primitive::<Int32Type>().values(), &[2, 2]);
    assert_eq!(column(&batch, "m.x").as_primitive::<Int32Type>().values(), &[6, 6]);
    let y = column(&batch, "m.y");
    assert_eq!(y.as_list::<i32>().value(1).as_primitive::<Int32Type>().values(), &[7, 8]);
    assert!(column(&batch, "q").is_null(0));
    assert_eq!(column(&batch, "p.x").as_primitive::<Int32Type>().values(), &[0, 0]);
    let y = column(&batch, "p.y");
    assert_eq!(y.as_list::<i32>().value(0).as_primitive::<Int32Type>().values(), &[2]);
    let k = column(&batch, "k");
    let entries = k.as_map().value(1);
    assert_eq!(entries.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["j", "k"]);
    assert_eq!(entries.column(1).as_primitive::<Int32Type>().values(), &[2, 3]);
}

#[test]
fn a_oneof_is_cleared_by_members_that_are_not_selected() {
    let s = schema(r#"syntax = "proto3"; message T { oneof o { int32 p = 1; string q = 2; } }"#);
    let batch = table(&s.stream(&[b"\x08\x05\x12\x01x".to_vec()]), &ArrowOptions::new().columns(["p"]));
    assert!(batch.column(0).is_null(0));
    assert_eq!(batch.num_columns(), 1);
}

#[test]
fn enums_open_and_closed() {
    let open =
        schema(r#"syntax = "proto3"; enum E { A = 0; B = 1; N = -5; } message T { E e = 1; repeated E r = 2; }"#);
    let record = open.record(r#"{"e":"N","r":["B",7,"A"]}"#);
    let batch = table(&open.stream(std::slice::from_ref(&record)), &ArrowOptions::new());
    let names = |array: &dyn Array| -> Vec<String> {
        let array = array.as_dictionary::<Int32Type>();
        let values = array.values().as_string::<i32>();
        array.keys().iter().map(|key| key.map_or("null".into(), |key| values.value(key as usize).into())).collect()
    };
    assert_eq!(names(batch.column(0)), ["N"]);
    assert_eq!(names(&batch.column(1).as_list::<i32>().value(0)), ["B", "7", "A"]);
    let numbers = table(&open.stream(&[record]), &ArrowOptions::new().enums(Enums::Numbers));
    assert_eq!(numbers.column(0).as_primitive::<Int32Type>().value(0), -5);

    let closed =
        schema(r#"syntax = "proto2"; enum E { A = 1; B = 2; } message T { optional E e = 1; repeated E r = 2; }"#);
    let stream = closed.stream(&[b"\x08\x02\x08\x09\x10\x01\x10\x09\x10\x02".to_vec()]);
    let reader = read(&stream, 0..1, &ArrowOptions::new()).unwrap();
    let report = reader.report();
    let batch = reader.last().unwrap().unwrap();
    assert_eq!(names(batch.column(0)), ["B"]);
    assert_eq!(names(&batch.column(1).as_list::<i32>().value(0)), ["A", "B"]);
    assert_eq!(report.unknown_fields(), 2);
}

#[test]
fn proto2_defaults_groups_and_extensions() {
    let s = schema(
        r#"syntax = "proto2"; message T { optional int32 a = 1 [default = 7]; required string b = 2;
           repeated group G = 3 { optional int32 x = 3; } extensions 100 to max; }
           extend T { optional string note = 100 [default = "none"]; }"#,
    );
    let record = b"\x12\x01x\x1b\x18\x04\x1c\x1b\x1c\xa2\x06\x02hi".to_vec();
    let batch = table(&s.stream(&[record.clone(), b"\x12\x00".to_vec()]), &ArrowOptions::new());
    assert!(batch.column(0).is_null(0));
    assert_eq!(batch.schema().field(0).metadata()["rosettar.default"], "7");
    let groups = batch.column(2).as_list::<i32>().value(0);
    let x = groups.as_struct().column(0);
    assert!(x.as_primitive::<Int32Type>().value(0) == 4 && x.is_null(1));
    assert_eq!(batch.column_by_name("[note]").unwrap().as_string::<i32>().value(0), "hi");
    assert!(batch.column_by_name("[note]").unwrap().is_null(1));
    let filled = table(&s.stream(&[record, b"\x12\x00".to_vec()]), &ArrowOptions::new().defaults(true));
    assert_eq!(filled.column(0).as_primitive::<Int32Type>().values(), &[7, 7]);
    assert_eq!(filled.column_by_name("[note]").unwrap().as_string::<i32>().value(1), "none");
}

#[test]
fn well_known_types() {
    let s = schema(
        r#"syntax = "proto3"; import "google/protobuf/timestamp.proto"; import "google/protobuf/duration.proto";
           import "google/protobuf/wrappers.proto"; import "google/protobuf/struct.proto";
           import "google/protobuf/any.proto"; import "google/protobuf/field_mask.proto"; import "google/protobuf/empty.proto";
           message T { google.protobuf.Timestamp t = 1; google.protobuf.Duration d = 2; google.protobuf.Int64Value w = 3;
           google.protobuf.Struct s = 4; google.protobuf.Any any = 5; google.protobuf.FieldMask f = 6;
           google.protobuf.Empty e = 7; repeated google.protobuf.StringValue l = 8; google.protobuf.Value v = 9; }"#,
    );
    let json = r#"{"t":"1969-12-31T23:59:59.999999999Z","d":"-1.5s","w":"0","s":{"a":[1,null]},
        "f":"x.y,z","e":{},"l":["","b"],"v":null}"#;
    let stream = s.stream(&[s.record(json), s.record("{}")]);
    let batch = table(&stream, &ArrowOptions::new());
    assert_eq!(batch.column(0).as_primitive::<TimestampNanosecondType>().value(0), -1);
    assert_eq!(batch.column(1).as_primitive::<DurationNanosecondType>().value(0), -1_500_000_000);
    assert_eq!(batch.column(2).as_primitive::<Int64Type>().value(0), 0);
    assert_eq!(batch.column(3).as_string::<i32>().value(0), r#"{"a":[1.0,null]}"#);
    assert!((0..7).all(|at| batch.column(at).is_null(1)));
    assert_eq!(column(&batch, "f").as_list::<i32>().value(0).as_string::<i32>().value(1), "z");
    assert!(column(&batch, "e").as_boolean().value(0));
    assert_eq!(column(&batch, "v").as_string::<i32>().value(0), "null");
    assert_eq!(column(&batch, "l").as_list::<i32>().value(0).as_string::<i32>().value(1), "b");
    let seconds = table(&stream, &ArrowOptions::new().time_unit(TimeUnit::Second));
    assert_eq!(seconds.column(0).as_primitive::<TimestampSecondType>().value(0), -1);
    assert_eq!(seconds.column(1).as_primitive::<DurationSecondType>().value(0), -2);
}

#[test]
fn recursion_is_cut() {
    let s = schema(r#"syntax = "proto3"; message T { int32 n = 1; T left = 2; repeated T more = 3; }"#);
    let record = s.record(r#"{"n":1,"left":{"n":2,"left":{"n":3,"left":{"n":4}}},"more":[{"more":[{"n":9}]}]}"#);
    let stream = s.stream(&[record]);
    let batch = table(&stream, &ArrowOptions::new());
    assert_eq!(column(&batch, "left.n").as_primitive::<Int32Type>().value(0), 2);
    assert_eq!(column(&batch, "left.left").as_string::<i32>().value(0), r#"{"n":3,"left":{"n":4}}"#);
    assert_eq!(batch.schema().metadata()["rosettar.recursion"], "2");
    let binary = table(&stream, &ArrowOptions::new().recursion(1).cut(Cut::Binary));
    assert_eq!(
        s.dynamic(column(&binary, "left").as_binary::<i32>().value(0)).get_field_by_name("n").unwrap().as_i32(),
        Some(2)
    );
}

#[test]
fn rows_columns_and_batches() {
    let s =
        schema(r#"syntax = "proto3"; message M { int32 b = 1; string c = 2; } message T { int32 n = 1; M m = 2; }"#);
    let records: Vec<_> = (0..1000).map(|n| s.record(&format!(r#"{{"n":{n},"m":{{"b":{n},"c":"x{n}"}}}}"#))).collect();
    let stream = s.stream_in_batches(&records, 37);
    for threads in [1, 3] {
        for range in [0..1000, 36..38, 500..500, 999..1000, 37..74] {
            let options = ArrowOptions::new().threads(threads).columns(["m.c", "n"]).batch_rows(20);
            let batches: Vec<RecordBatch> =
                read(&stream, range.clone(), &options).unwrap().collect::<Result<_, _>>().unwrap();
            assert!(batches.iter().all(|batch| batch.num_rows() <= 20));
            let found: Vec<i32> =
                batches.iter().flat_map(|b| b.column(1).as_primitive::<Int32Type>().values().to_vec()).collect();
            assert_eq!(found, (range.start as i32..range.end as i32).collect::<Vec<_>>());
            for batch in &batches {
                assert_eq!(batch.column(0).as_struct().num_columns(), 1);
            }
        }
    }
    let error = read(&stream, 0..1, &ArrowOptions::new().columns(["m.d"])).unwrap_err();
    assert_eq!(error.code(), "usage.option");
    assert!(error.to_string().contains("b, c"), "{error}");
}

#[test]
fn a_bad_record_is_named_or_null() {
    let s = schema(r#"syntax = "proto3"; message T { string a = 1; repeated string l = 2; }"#);
    let good = s.record(r#"{"a":"x","l":["y"]}"#);
    for bad in [&b"\x0a\x02\xff\xfe"[..], b"\x12\x01y\x0a\x09", b"\x08\x01", b"\x12\x01\xff"] {
        let stream = s.stream_in_batches(&[good.clone(), good.clone(), bad.to_vec(), good.clone()], 3);
        let error = read(&stream, 0..4, &ArrowOptions::new()).unwrap().find_map(Result::err).unwrap();
        assert!(error.to_string().contains("record 2 of stream s: field "), "{error}");
        let batch = table(&stream, &ArrowOptions::new().errors(OnError::Null));
        let a = batch.column(0).as_string::<i32>();
        assert_eq!(a.iter().collect::<Vec<_>>(), [Some("x"), Some("x"), None, Some("x")]);
        assert!(batch.column(1).is_null(2) && batch.column(1).is_valid(3));
        assert_eq!(batch.column(1).data_type(), &DataType::new_list(DataType::Utf8, false));
    }
}

#[test]
fn hostile_schemas_and_records_cost_little() {
    // Ten fields, six levels: a million columns.
    let mut proto = String::from("syntax = \"proto3\"; message T { L0 a = 1; }\n");
    for level in 0..6 {
        let inner = if level == 5 { "int32".to_owned() } else { format!("L{}", level + 1) };
        let fields: String = (1..=10).map(|n| format!("{inner} f{n} = {n};")).collect();
        proto.push_str(&format!("message L{level} {{ {fields} }}\n"));
    }
    let wide = schema(&proto);
    let stream = wide.stream(&[Vec::new()]);
    let error = read(&stream, 0..1, &ArrowOptions::new()).unwrap_err();
    assert_eq!(error.code(), "schema.too-large");
    assert_eq!(table(&stream, &ArrowOptions::new().columns(["a.f1.f2.f3"])).num_rows(), 1);

    // One byte a record, many columns: batches stay small.
    let fields: String = (1..=5000).map(|n| format!("int64 f{n} = {n};")).collect();
    let sparse = schema(&format!("syntax = \"proto3\"; message T {{ {fields} }}"));
    let stream = sparse.stream(&vec![Vec::new(); 20_000]);
    let mut rows = 0;
    for batch in read(&stream, 0..20_000, &ArrowOptions::new().batch_bytes(1 << 20).threads(2)).unwrap() {
        let batch = batch.unwrap();
        assert!(batch.get_array_memory_size() < 4 << 20, "{}", batch.get_array_memory_size());
        rows += batch.num_rows();
    }
    assert_eq!(rows, 20_000);

    // Two bytes an element, many columns an element.
    let elements = schema(&format!("syntax = \"proto3\"; message E {{ {fields} }} message T {{ repeated E e = 1; }}"));
    let stream = elements.stream(&[b"\x0a\x00".repeat(900_000)]);
    let error = read(&stream, 0..1, &ArrowOptions::new()).unwrap().find_map(Result::err).unwrap();
    assert!(error.to_string().contains("limit.record-values"), "{error}");
    let s = schema("syntax = \"proto3\"; message T { repeated bool b = 1; }");
    let packed = [&b"\x0a\x80\x89\x7a"[..], &vec![1; 2_000_000]].concat();
    let error = read(&s.stream(&[packed]), 0..1, &ArrowOptions::new()).unwrap().find_map(Result::err).unwrap();
    assert!(error.to_string().contains("record-values"), "{error}");

    // A message that is cut, in many parts, each of which copies those before; members of a oneof by turns, each of which
    // clears many columns.
    let cut = schema("syntax = \"proto3\"; message T { T t = 1; bytes b = 2; }");
    let part = cut.record(&format!(r#"{{"t":{{"t":{{"b":"{}"}}}}}}"#, "AAAA".repeat(100)));
    let turns = schema(&format!(
        "syntax = \"proto3\"; message E {{ {fields} }} message T {{ oneof o {{ E a = 1; int32 b = 2; }} }}"
    ));
    for (s, record) in [(&cut, part.repeat(100_000)), (&turns, b"\x0a\x00\x10\x01".repeat(400_000))] {
        let started = std::time::Instant::now();
        let error = read(&s.stream(&[record]), 0..1, &ArrowOptions::new()).unwrap().find_map(Result::err).unwrap();
        assert!(error.to_string().contains("limit.record-values"), "{error} after {:?}", started.elapsed());
    }
}

#[test]
fn columns_that_are_written_to_late_or_never() {
    let s = schema(
        r#"syntax = "proto2"; enum E { A = 3; B = 4; } message M { optional int32 x = 1; repeated int32 l = 2; }
        message T {
          optional bool b = 1; optional int32 i = 2 [default = 7]; optional double d = 3; optional string t = 4;
          optional E e = 5; optional M m = 6; map<int32, string> k = 7; map<string, M> n = 8; repeated M r = 9;
          oneof o { int64 p = 10; string q = 11; M z = 12; } optional bytes y = 13; optional bool never = 14;
        }"#,
    );
    let full = r#"{"b":true,"i":1,"d":0.5,"t":"t","e":"B","m":{"x":1,"l":[1]},"k":{"1":"a"},"n":{"c":{"x":2}},
        "r":[{},{"x":5},{}],"z":{"x":3},"y":"AAAA"}"#;
    let (full, none) = (s.record(full), Vec::new());
    // Entries without a key are one entry: of several with the same key, the last.
    let keyless = b"\x3a\x00\x3a\x03\x12\x01v\x42\x00\x42\x00".to_vec();
    // A member that displaces another, which is then as if it had never been there.
    let displaced = b"\x62\x02\x08\x05\x50\x09".to_vec();
    let others = [none.clone(), keyless, displaced, full.clone(), none.clone()];
    for at in [0, 1, 17, 40, 99] {
        let mut records = vec![none.clone(); 100];
        records[at] = full.clone();
        records.extend(others.clone());
        for defaults in [false, true] {
            let options = ArrowOptions::new().defaults(defaults);
            // One batch for all rows, and one for each row.
            let whole = table(&s.stream(&records), &options);
            let single = table(&s.stream_in_batches(&records, 1), &options.clone().batch_rows(1));
            assert_eq!(whole, single);
            assert_eq!(whole.num_rows(), 105);
            let i = column(&whole, "i").as_primitive::<Int32Type>().clone();
            assert_eq!((i.value(at), i.is_valid(104)), (1, defaults));
            assert!(!defaults || i.value(104) == 7);
            let z = column(&whole, "z");
            assert!(z.is_valid(at) && z.is_null(102) && z.is_valid(103));
            assert_eq!(column(&whole, "z.x").as_primitive::<Int32Type>().value(at), 3);
            assert_eq!(column(&whole, "k").as_map().value_length(101), 1);
            assert_eq!(column(&whole, "n").as_map().value_length(101), 1);
            let r = column(&whole, "r").as_list::<i32>().value(at);
            let x = r.as_struct().column(0).as_primitive::<Int32Type>().clone();
            assert_eq!(x.iter().map(Option::unwrap_or_default).collect::<Vec<_>>(), [0, 5, 0]);
            assert_eq!(column(&whole, "never").null_count(), if defaults { 0 } else { 105 });
        }
    }
}
