use proptest::prelude::*;
use prost_reflect::DynamicMessage;

use super::*;
use crate::ingest::{self, Options as Reading, RecordSource};
use crate::testing::all_types;

fn wire(type_name: &str, format: ingest::Format, text: &[u8], options: &Reading) -> Vec<Vec<u8>> {
    let mut source = ingest::open(format, text, "x", &all_types(type_name), options).unwrap();
    collect(source.as_mut())
}

fn collect(source: &mut dyn RecordSource) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some(record) = source.next_record().unwrap() {
        found.push(record.to_vec());
    }
    found
}

fn print(type_name: &str, format: Format, records: &[Vec<u8>], options: Options) -> Vec<u8> {
    let mut writer = RecordWriter::new(Vec::new(), format, &all_types(type_name), options);
    for record in records {
        writer.write_bytes(record).unwrap();
    }
    writer.finish().unwrap()
}

fn from_json(type_name: &str, json: &str) -> Vec<Vec<u8>> {
    wire(type_name, ingest::Format::Jsonl, json.as_bytes(), &Reading::new())
}

fn printed(type_name: &str, format: Format, json: &str, options: Options) -> String {
    String::from_utf8(print(type_name, format, &from_json(type_name, json), options)).unwrap()
}

#[test]
fn json_is_canonical() {
    let json = r#"{"i32":-1,"i64":"9223372036854775807","u64":"18446744073709551615","f":0.1,"d":"NaN","b":"/+8=","color":"BLUE","optI32":0,"ints":[1,2],"byName":{"a":0,"b":2},"inner":{"n":1},"left":0,"when":"2013-01-01T05:00:00Z","took":"1.500s","count":"0","label":"","extra":{"k":null},"mask":"aB.c","anything":null}"#;
    assert_eq!(printed("t.All", Format::Jsonl, json, Options::new()), format!("{json}\n"));
}

#[test]
fn text_format_is_read_back_to_the_same() {
    let json = r#"{"i32":-1,"f":"-Infinity","d":1e300,"s":"é\"\n\\'","b":"AP8=","color":"RED","ints":[1,2],"byName":{"a":0,"b":2},"byId":{"1":{}},"inner":{"n":1,"deep":{}},"when":"2013-01-01T05:00:00Z"}"#;
    let records = from_json("t.All", json);
    let text = print("t.All", Format::Text, &records, Options::new());
    let text = String::from_utf8(text).unwrap();
    assert_eq!(
        text,
        "i32: -1 f: -inf d: 1e300 s: \"\\303\\251\\\"\\n\\\\'\" b: \"\\000\\377\" color: RED ints: 1 ints: 2 \
         by_name { key: \"a\" value: 0 } by_name { key: \"b\" value: 2 } by_id { key: 1 value { } } \
         inner { n: 1 deep { } } when { seconds: 1357016400 }\n"
    );
    let back = DynamicMessage::parse_text_format(all_types("t.All"), &text).unwrap();
    let mut bytes = Vec::new();
    crate::wire::encode(&back, &mut bytes).unwrap();
    assert_eq!(bytes, records[0]);
    let old = printed("p2.Old", Format::Text, r#"{"id":1,"part":{"x":2},"[p2.note]":"n"}"#, Options::new());
    assert_eq!(old, "id: 1 Part { x: 2 } [p2.note]: \"n\"\n");
}

#[test]
fn binpb_is_unaltered_without_a_selection() {
    let odd = b"\x12\x01x\x08\x81\x00\xf8\x07\x05".to_vec();
    let out = print("t.Inner", Format::Binpb, std::slice::from_ref(&odd), Options::new());
    assert_eq!(out[1..], odd);
    let fields = Fields::parse("n", &all_types("t.Inner")).unwrap();
    assert_eq!(print("t.Inner", Format::Binpb, &[odd], Options::new().fields(fields)), b"\x02\x08\x01");
}

#[test]
fn csv_columns_and_cells() {
    let json = r#"{"n":1,"text":"a,b","list":[1,2]}
{"deep":{"x":0.5},"text":"say \"hi\""}"#;
    assert_eq!(
        printed("t.Inner", Format::Csv, json, Options::new()),
        "n,text,deep.x,list\n1,\"a,b\",,\"[1,2]\"\n0,\"say \"\"hi\"\"\",0.5,\n"
    );
    assert_eq!(
        printed("t.Inner", Format::Csv, json, Options::new().null("NA")),
        "n,text,deep.x,list\n1,\"a,b\",NA,\"[1,2]\"\n0,\"say \"\"hi\"\"\",0.5,NA\n"
    );
    assert_eq!(printed("t.One", Format::Csv, "{}", Options::new()), "only\n\"\"\n");
    assert_eq!(printed("t.Inner", Format::Csv, "", Options::new()), "n,text,deep.x,list\n");
    assert_eq!(printed("t.Tree", Format::Csv, r#"{"left":{}}"#, Options::new()), "name,left,more\n,{},\n");
    let records = from_json("t.One", r#"{"only":"NA"}"#);
    let mut writer = RecordWriter::new(Vec::new(), Format::Csv, &all_types("t.One"), Options::new().null("NA"));
    assert_eq!(
        writer.write_bytes(&records[0]).unwrap_err().message(),
        "column \"only\" has a value that is the null text \"NA\" itself; choose another"
    );
}

#[test]
fn selections() {
    let desc = all_types("t.All");
    let json =
        r#"{"i32":1,"s":"x","inner":{"n":1,"text":"t"},"inners":[{"n":2,"text":"u"}],"byId":{"1":{"n":3,"text":"v"}}}"#;
    let fields = || Fields::parse("s,inner.text,inners.n,by_id.n", &desc).unwrap();
    assert_eq!(
        printed("t.All", Format::Jsonl, json, Options::new().fields(fields())),
        "{\"s\":\"x\",\"byId\":{\"1\":{\"n\":3}},\"inner\":{\"text\":\"t\"},\"inners\":[{\"n\":2}]}\n"
    );
    assert_eq!(
        printed("t.All", Format::Csv, json, Options::new().fields(Fields::parse("inner,i32,inners.n", &desc).unwrap())),
        "inner.n,inner.text,inner.deep.x,inner.list,i32,inners\n1,t,,,1,\"[{\"\"n\"\":2}]\"\n"
    );
    assert_eq!(
        Fields::parse("inner.z", &desc).unwrap_err().message(),
        "--fields \"inner.z\": t.Inner has no field \"z\"; its fields are n, text, deep, list"
    );
    assert_eq!(
        Fields::parse("when.seconds", &desc).unwrap_err().message(),
        "--fields \"when.seconds\": \"when\" of t.All is one value, with no fields to choose from"
    );
    assert!(Fields::parse("", &desc).unwrap_err().is(code::USAGE_OPTION));
}

/// What a row has of absent fields is kept from one to the next.
#[test]
fn rows_with_one_field() {
    let fields = [
        ("i32", "-1"),
        ("d", "1.5"),
        ("f", "1.5"),
        ("s", "\"a,b\""),
        ("optI32", "0"),
        ("optD", "-0.0"),
        ("ints", "[1]"),
        ("byId", "{\"1\":{}}"),
        ("inner", "{\"text\":\"t\",\"list\":[1]}"),
        ("either", "{}"),
        ("when", "\"1970-01-01T00:00:05Z\""),
        ("label", "\"x\""),
        ("anything", "null"),
    ];
    let desc = all_types("t.All");
    let fields_of = |text: &str| Options::new().fields(Fields::parse(text, &desc).unwrap());
    for (field, value) in fields {
        let records = from_json("t.All", &format!("{{}}\n{{\"{field}\":{value}}}\n{{}}"));
        for format in [Format::Csv, Format::Jsonl, Format::Text, Format::Binpb] {
            let one_by_one: Vec<u8> = records
                .iter()
                .flat_map(|record| {
                    let printed = print("t.All", format, std::slice::from_ref(record), Options::new().null("\\N"));
                    let header =
                        if format == Format::Csv { printed.iter().position(|b| *b == b'\n').unwrap() + 1 } else { 0 };
                    printed[header..].to_vec()
                })
                .collect();
            let printed = print("t.All", format, &records, Options::new().null("\\N"));
            assert!(printed.ends_with(&one_by_one), "{field}");
        }
        let rows = print("t.All", Format::Csv, &records, Options::new());
        let rows: Vec<_> = ::csv::Reader::from_reader(&rows[..]).into_records().map(|row| row.unwrap()).collect();
        assert_eq!(rows[0], rows[2]);
        assert_ne!(rows[0], rows[1], "{field}");
        // In another order, and with a column that is alone.
        let rows = print("t.All", Format::Csv, &records, fields_of(&format!("s,{field},i32")));
        assert_eq!(rows.iter().filter(|byte| **byte == b'\n').count(), 4);
        print("t.All", Format::Csv, &records, fields_of(field));
    }
    let negative = [b"\x61".to_vec(), (-0.0_f64).to_le_bytes().to_vec()].concat();
    let records = [vec![], negative, b"\x08\x07".to_vec()];
    let rows = print("t.All", Format::Csv, &records, fields_of("s,d,i32"));
    assert_eq!(String::from_utf8(rows).unwrap(), "s,d,i32\n,0.0,0\n,-0.0,0\n,0.0,7\n");
    let rows = print("t.All", Format::Csv, &records, Options::new());
    let rows = ::csv::Reader::from_reader(&rows[..]).into_records().map(|row| row.unwrap());
    let cells: Vec<_> =
        rows.map(|row| (row.len() >= csv::MANY_COLUMNS, row[0].to_owned(), row[11].to_owned())).collect();
    let cells: Vec<_> = cells.iter().map(|(many, i32, d)| (*many, i32.as_str(), d.as_str())).collect();
    assert_eq!(cells, [(true, "0", "0.0"), (true, "0", "-0.0"), (true, "7", "0.0")]);
    // A default that is the null text is refused, as everywhere.
    let mut writer = RecordWriter::new(Vec::new(), Format::Csv, &desc, fields_of("i32,s").null("0"));
    assert!(writer.write_bytes(b"").unwrap_err().is(code::USAGE_OPTION));
    writer.write_bytes(b"\x08\x07").unwrap();
    assert!(writer.write_bytes(b"").unwrap_err().is(code::USAGE_OPTION));
}

/// Cells that are too long to be held: what a short one of the kind is, only longer.
#[test]
fn long_cells() {
    let text = "a\"b,\n\u{1}".repeat(30_000);
    let quoted = serde_json::to_string(&text).unwrap();
    let paths: Vec<_> = (0..30_000).map(|n| format!("path{n}")).collect();
    let long = [
        ("s", quoted.clone()),
        ("label", quoted.clone()),
        ("b", format!("\"{}\"", "AP8A".repeat(60_000))),
        ("blob", format!("\"{}\"", "AP8A".repeat(60_000))),
        ("strings", format!("[{quoted},\"\"]")),
        ("ints", format!("[{}]", vec!["17"; 60_000].join(","))),
        ("extra", format!("{{\"k\":[{quoted},null]}}")),
        ("anything", quoted.clone()),
        ("mask", format!("\"{}\"", paths.join(","))),
        ("tree", format!("{{\"name\":{quoted},\"more\":[{{}}]}}")),
    ];
    for (field, value) in long {
        let records = from_json("t.All", &format!("{{\"{field}\":{value}}}"));
        let rows = print("t.All", Format::Csv, &records, Options::new());
        assert!(rows.len() > csv::MOST_HELD, "{field}: {} bytes", rows.len());
        let mut reader = ::csv::Reader::from_reader(&rows[..]);
        let column = reader.headers().unwrap().iter().position(|name| name == field).unwrap();
        let row = reader.records().next().unwrap().unwrap();
        let is_text = value.starts_with('"') && field != "anything";
        let expected = if is_text { serde_json::from_str(&value).unwrap() } else { value };
        assert!(row[column] == expected, "{field}: {:.100}", &row[column]);
        let back = wire("t.All", ingest::Format::Csv, &rows, &Reading::new());
        assert!(back == records, "{field} is not read back");
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z\",\n\r \\\\é日\u{1}]{1,8}", Just("null".to_owned()), Just("[1]".to_owned()), "\\PC{1,6}"]
}

fn not_negative_zero(value: f64) -> bool {
    !(value == 0.0 && value.is_sign_negative())
}

prop_compose! {
    /// A record with everything that CSV can tell.
    fn record()(
        ints in (any::<i32>(), any::<i64>(), any::<u32>(), any::<u64>(), any::<i32>(), any::<i64>()),
        fixed in (any::<u32>(), any::<u64>(), any::<i32>(), any::<i64>()),
        d in any::<f64>().prop_filter("kept", |v| not_negative_zero(*v)),
        f in any::<f32>().prop_filter("kept", |v| not_negative_zero(f64::from(*v))),
        ok in any::<bool>(),
        strings in (text(), proptest::option::of(text()), proptest::collection::vec(text(), 0..3)),
        b in proptest::collection::vec(any::<u8>(), 0..6),
        color in prop_oneof![Just(0), Just(1), Just(-2), any::<i32>()],
        opt in (proptest::option::of(any::<i32>()), proptest::option::of(-5_i32..5)),
        list in proptest::collection::vec(any::<i32>(), 0..4),
        map in proptest::collection::btree_map(text(), any::<i32>(), 0..4),
        inner in proptest::option::of((any::<i32>(), text())),
        choice in 0..4,
        when in (-62_135_596_800_i64..253_402_300_800, 0..1_000_000_000_i32),
    ) -> serde_json::Value {
        let float = |v: f64| if v.is_finite() { v.into() } else if v.is_nan() { "NaN".into() }
            else if v > 0.0 { "Infinity".into() } else { serde_json::Value::from("-Infinity") };
        let base64 = { use base64::Engine as _; base64::prelude::BASE64_STANDARD.encode(&b) };
        let mut json = serde_json::json!({
            "i32": ints.0, "i64": ints.1.to_string(), "u32": ints.2, "u64": ints.3.to_string(), "s32": ints.4,
            "s64": ints.5.to_string(), "f32": fixed.0, "f64": fixed.1.to_string(), "sf32": fixed.2,
            "sf64": fixed.3.to_string(), "d": float(d), "f": float(f64::from(f)), "ok": ok, "s": strings.0,
            "b": base64, "color": color, "ints": list, "strings": strings.2, "byName": map, "optI32": opt.0,
            "optColor": opt.1, "optS": strings.1, "label": strings.0,
        });
        if let Some((n, text)) = inner {
            json["inner"] = serde_json::json!({"n": n, "text": text, "deep": {"x": 0.0}});
        }
        match choice {
            0 => json["left"] = 0.into(),
            1 => json["right"] = "x".into(),
            2 => json["either"] = serde_json::json!({}),
            _ => {}
        }
        let time = jiff::Timestamp::new(when.0, when.1).unwrap();
        json["when"] = time.to_string().into();
        json
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_format_reads_back_to_the_same_bytes(records in proptest::collection::vec(record(), 0..4)) {
        let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
        let bytes = from_json("t.All", &lines);
        let reading = Reading::new().null("\u{0}none");
        for (format, back) in [
            (Format::Jsonl, ingest::Format::Jsonl),
            (Format::Csv, ingest::Format::Csv),
            (Format::Binpb, ingest::Format::Binpb),
        ] {
            let options = Options::new().null("\u{0}none");
            let out = print("t.All", format, &bytes, options);
            prop_assert_eq!(&wire("t.All", back, &out, &reading), &bytes, "{}", String::from_utf8_lossy(&out));
        }
        for record in &bytes {
            let out = print("t.All", Format::Text, std::slice::from_ref(record), Options::new());
            let out = String::from_utf8(out).unwrap();
            let message = DynamicMessage::parse_text_format(all_types("t.All"), &out).unwrap();
            let mut again = Vec::new();
            crate::wire::encode(&message, &mut again).unwrap();
            prop_assert_eq!(&again, record, "{}", out);
        }
    }

    #[test]
    fn whatever_the_input_readers_answer(text in proptest::collection::vec(prop_oneof![
        Just(b'"'), Just(b','), Just(b'\n'), Just(b'{'), Just(b'}'), Just(b':'), Just(b'['), Just(b']'), any::<u8>()], 0..60))
    {
        for (format, head) in [(ingest::Format::Csv, &b"s,ints,inner,d\n"[..]), (ingest::Format::Jsonl, b""),
            (ingest::Format::Binpb, b"")]
        {
            let input = [head, &text].concat();
            let desc = all_types("t.All");
            let mut source = ingest::open(format, input.as_slice(), "x", &desc, &Reading::new()).unwrap();
            while let Ok(Some(record)) = source.next_record() {
                prop_assert!(DynamicMessage::decode(desc.clone(), record).is_ok());
            }
        }
    }
}
