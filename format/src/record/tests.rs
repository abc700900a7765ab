//! Records against hostile bytes, prost-reflect, protoc and the JSON forms that protobuf prescribes.
#![cfg(feature = "compile")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use super::{JsonOptions, check, decode, encode, from_json, to_json, write_json};
use crate::error::{Code, code};
use crate::limits::Limits;
use crate::schema::{build_pool, compile, message, wire};

const SOURCE: &str = include_str!("tests.proto");

/// `SOURCE`, as descriptor set and directory.
fn compiled() -> (tempfile::TempDir, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tests.proto");
    std::fs::write(&path, SOURCE).unwrap();
    std::fs::write(dir.path().join("tests2.proto"), include_str!("tests2.proto")).unwrap();
    let set = compile(&[&path], &[] as &[&str]).unwrap();
    (dir, set)
}

fn pool() -> DescriptorPool {
    build_pool(&compiled().1).unwrap()
}

fn of(name: &str) -> MessageDescriptor {
    message(&pool(), name).unwrap()
}

#[track_caller]
fn refused(descriptor: &MessageDescriptor, record: &[u8], expected: Code) -> String {
    let limits = Limits { record_values: 1000, ..Limits::default() };
    let error = decode(descriptor, record, &limits).unwrap_err();
    assert!(error.is(expected), "{error}");
    assert_eq!(check(descriptor, record, &limits).unwrap_err().to_string(), error.to_string());
    error.to_string()
}

fn bytes_field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    wire::put_bytes(&mut out, number, bytes);
    out
}

#[test]
fn faults_are_found_with_their_place() {
    let all = of("t.All");
    for (record, what) in [
        (&b"\x08"[..], "byte 1: the message ends"),
        (b"\x0d\x00\x00\x00\x00", "field i32: expected a varint, found four bytes"),
        (b"\x12\x02\xff\xfe", "field s: string is not UTF-8 after 0 bytes"),
        (b"\x12\x05ab", "field s: expected 5 bytes, found 2"),
        (b"\x1a\x05\x08\x01\x12\x05a", "in inner, byte 6, field s: expected 5 bytes, found 1"),
        (b"\x1a\x04\x12\x02\xff\xff", "in inner, byte 4, field s"),
        (b"\x22\x01\x80", "field packed: the message ends"),
        (b"\x2a\x03abc", "field fixed: expected a multiple of 4 bytes, found 3"),
        (b"\x2b\x2c", "field fixed: expected four bytes, found a group"),
        (b"\x0c", "the end of a group that was not begun"),
        (b"\xa3\x06", "byte 2: the message ends"),
        (b"\xa3\x06\xac\x06", "the end of a group"),
        (b"\x0f", "a field key"),
        (b"\x00\x00", "a field key"),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "more than 64 bits"),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "expected 18446744073709551615 bytes"),
    ] {
        let text = refused(&all, record, code::RECORD_DECODE);
        assert!(text.contains(what), "{what}: {text}");
        assert!(DynamicMessage::decode(all.clone(), record).is_err(), "{what}: prost-reflect accepts it");
    }
}

#[test]
fn values_are_counted_before_they_are_made() {
    let all = of("t.All");
    let limit = |n: usize| Limits { record_values: n as u64, ..Limits::default() };
    for (record, values) in [
        (bytes_field(4, &[1; 999]), 1000),
        (bytes_field(5, &[1; 4 * 999]), 1000),
        ([0x32, 0x00].repeat(1000), 1000),
        (bytes_field(6, &[0x32, 0x00].repeat(999)), 1000),
        ([0xa3, 0x06, 0xa4, 0x06].repeat(1000), 1000),
        ([0xa0, 0x06, 0x00].repeat(1000), 1000),
        (bytes_field(7, b"\x08\x01\x12\x00").repeat(300), 900),
    ] {
        decode(&all, &record, &limit(values)).unwrap();
        let error = decode(&all, &record, &limit(values - 1)).unwrap_err();
        assert!(error.is(code::LIMIT_RECORD_VALUES), "{error}");
    }
    // Messages with fields take more memory: of values they may be a quarter. To be checked, they need not be held.
    let message = bytes_field(6, &[8, 1]);
    decode(&all, &message.repeat(50), &limit(200)).unwrap();
    let error = decode(&all, &message.repeat(51), &limit(200)).unwrap_err();
    assert!(error.is(code::LIMIT_RECORD_VALUES) && error.message().contains("51 messages"), "{error}");
    check(&all, &message.repeat(51), &limit(200)).unwrap();
    let error = decode(&all, &[8, 1, 8], &Limits { record_bytes: 2, ..Limits::default() }).unwrap_err();
    assert!(error.is(code::LIMIT_RECORD_BYTES));
}

#[test]
fn nesting_is_bounded() {
    let all = of("t.All");
    for (open, close) in [(vec![0xa3, 0x06], vec![0xa4, 0x06]), (vec![0x43], vec![0x44]), (vec![0x1b], vec![0x1c])] {
        let all = if open == [0x1b] { of("t2.Outer") } else { all.clone() };
        let groups = |depth: usize| [open.repeat(depth), close.repeat(depth)].concat();
        let limits = Limits::default();
        decode(&all, &groups(99), &limits).unwrap();
        for depth in [101, 50_000] {
            assert!(decode(&all, &groups(depth), &limits).unwrap_err().is(code::RECORD_DECODE), "{depth}");
        }
        assert!(decode(&all, &open.repeat(50_000), &limits).unwrap_err().is(code::RECORD_DECODE));
    }
    let mut nested = Vec::new();
    for _ in 0..100 {
        nested = bytes_field(3, &nested);
    }
    decode(&all, &nested, &Limits::default()).unwrap();
    let text = refused(&all, &bytes_field(3, &nested), code::RECORD_DECODE);
    assert!(
        text.contains("in inner.inner.inner.inner.inner.inner.inner…, byte") && text.contains("100 deep"),
        "{text}"
    );
}

#[test]
fn required_fields_are_missed_only_once_merged() {
    let outer = of("t2.Outer");
    let limits = Limits::default();
    for (record, missing) in [
        (&b""[..], Some("inner")),
        (b"\x0a\x00", Some("inner.a")),
        (b"\x0a\x02\x08\x01", Some("inner.b")),
        (b"\x0a\x04\x08\x01\x10\x01", None),
        // In two parts.
        (b"\x0a\x02\x08\x01\x0a\x02\x10\x01", None),
        (b"\x0a\x04\x08\x01\x10\x01\x12\x02\x08\x01", Some("more.b")),
    ] {
        decode(&outer, record, &limits).unwrap();
        match (check(&outer, record, &limits), missing) {
            (Ok(()), None) => {}
            (Err(error), Some(path)) => {
                assert!(error.message().ends_with(&format!("required field {path}")), "{error}")
            }
            (result, _) => panic!("{record:?}: {result:?}"),
        }
    }
}

#[test]
fn extensions_are_known() {
    let outer = of("t2.Outer");
    let limits = Limits::default();
    let record = [b"\x0a\x04\x08\x01\x10\x01".to_vec(), bytes_field(100, b"ext")].concat();
    let decoded = decode(&outer, &record, &limits).unwrap();
    assert_eq!(decoded.encode_to_vec(), record);
    assert_eq!(to_json(&decoded, &JsonOptions::new()).unwrap(), r#"{"inner":{"a":1,"b":1},"[t2.ext]":"ext"}"#);
    assert!(decode(&outer, &[0xa0, 0x06, 1], &limits).unwrap_err().is(code::RECORD_DECODE));
}

#[track_caller]
fn json_of(descriptor: &MessageDescriptor, text: &str) -> String {
    let message = from_json(descriptor, text, &Limits::default()).unwrap_or_else(|error| panic!("{text}: {error}"));
    let again = decode(descriptor, &message.encode_to_vec(), &Limits::default()).unwrap();
    to_json(&again, &JsonOptions::new()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn maps_are_encoded_in_the_order_of_their_keys() {
    let maps = of("t.Maps");
    let text = r#"{"texts":{"":"e","a":"1","b":"2","é":"3"},"signed":{"-2":1,"-1":1,"0":1,"1":1},"zigzag":{"-2147483648":1,"0":1,"5":1},"unsigned":{"0":1,"9":1,"10":1,"18446744073709551615":1},"fixed":{"-1":1,"0":1,"1":1},"bools":{"false":1,"true":1},"inner":{"x":{"texts":{"a":"1","b":"2","c":"3","d":"4"}},"y":{}}}"#;
    let message = from_json(&maps, text, &Limits::default()).unwrap();
    assert_eq!(to_json(&message, &JsonOptions::new()).unwrap(), text);
    let record = encode(&message);
    // Each message that is decoded hashes anew.
    for _ in 0..50 {
        let again = decode(&maps, &record, &Limits::default()).unwrap();
        assert_eq!(encode(&again), record);
        assert_eq!(to_json(&again, &JsonOptions::new()).unwrap(), text);
    }
}

#[test]
fn canonical_json() {
    let all = of("t.All");
    for text in [
        r#"{}"#,
        r#"{"i32":-5,"s":"a\"b\\c\né","inner":{"i32":1}}"#,
        r#"{"packed":[1,2],"fixed":[4294967295],"map":{"1":"a","2":""},"byMessage":{"k":{}}}"#,
        r#"{"i64":"-9223372036854775808","u64":"18446744073709551615"}"#,
        r#"{"f32":0.1,"f64":1e300}"#,
        r#"{"f32":"NaN","f64":"-Infinity"}"#,
        r#"{"bytes":"AP/+"}"#,
        r#"{"color":"RED"}"#,
        r#"{"time":"2026-11-21T08:15:00.123Z","duration":"-1.500s"}"#,
        r#"{"mask":"fooBar,baz.quxQuux"}"#,
        r#"{"struct":{"a":[1.0,"x",null,true,{"b":{}}]}}"#,
        r#"{"value":null}"#,
        r#"{"any":{"@type":"type.googleapis.com/t.All","i32":7}}"#,
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"3s"}}"#,
        r#"{"wrapped":"5","double":1.5,"maybe":0}"#,
        r#"{"double":"NaN"}"#,
        r#"{"snakeCaseName":"x"}"#,
    ] {
        assert_eq!(json_of(&all, text), text);
    }
    let text = r#"{"color":9,"f64":"Infinity","i64":5,"bytes":"AP_-"}"#;
    assert_eq!(json_of(&all, text), r#"{"i64":"5","f64":"Infinity","bytes":"AP/+","color":9}"#);
    assert_eq!(json_of(&all, r#"{"snake_case_name":"x"}"#), r#"{"snakeCaseName":"x"}"#);
    let message = from_json(&all, r#"{"snakeCaseName":"x"}"#, &Limits::default()).unwrap();
    assert_eq!(to_json(&message, &JsonOptions::new().proto_names(true)).unwrap(), r#"{"snake_case_name":"x"}"#);
    assert!(to_json(&message, &JsonOptions::new().defaults(true)).unwrap().contains(r#""i32":0"#));
}

#[test]
fn json_that_is_no_record() {
    let all = of("t.All");
    for (text, what) in [
        ("", "line 1 column 0"),
        ("{", "line 1 column 1"),
        ("[]", "t.All"),
        ("{} {}", "trailing"),
        ("{\"i32\": 1,\n \"unknown\": 2}", "field unknown"),
        ("{\"inner\": {\"i32\": \"x\"}}", "field inner.i32"),
        ("{\"packed\": [1, 2, 1.5]}", "field packed[2]"),
        ("{\"i32\": 2147483648}", "field i32"),
        ("{\"i64\": \"9223372036854775808\"}", "field i64"),
        ("{\"u64\": -1}", "field u64"),
        ("{\"bytes\": \"!\"}", "field bytes"),
        ("{\"color\": \"MAUVE\"}", "field color"),
        ("{\"time\": \"10000-01-01T00:00:00Z\"}", "field time"),
        ("{\"time\": \"2026-13-01T00:00:00Z\"}", "field time"),
        ("{\"duration\": \"315576000001s\"}", "field duration"),
        ("{\"duration\": \"1\"}", "field duration"),
        ("{\"mask\": \"foo_bar\"}", "field mask"),
        ("{\"any\": {\"@type\": \"type.googleapis.com/absent.Type\"}}", "absent.Type"),
        ("{\"any\": {\"i32\": 1}}", "field any"),
        ("{\"map\": {\"x\": \"\"}}", "field map"),
        ("{\"a\\u0000\": 1}", "record.value"),
        ("{\"oneA\": 1, \"oneB\": 2}", "line 1"),
    ] {
        let error = from_json(&all, text, &Limits::default()).err().unwrap_or_else(|| panic!("{text} is accepted"));
        assert!(error.is(code::RECORD_VALUE), "{text}: {error}");
        assert!(error.to_string().contains(what), "{text}: expected {what:?} in {error}");
        assert!(error.to_string().contains("line ") || what != "line 1", "{text}: {error}");
    }
    let error = from_json(&of("t2.Outer"), "{\"inner\":{\"a\":1}}", &Limits::default()).unwrap_err();
    assert!(error.message().contains("required field inner.b"), "{error}");
    for deep in ["{\"inner\":".repeat(10_000), "{\"struct\":{\"a\":".to_owned() + &"[".repeat(10_000)] {
        assert!(from_json(&all, &deep, &Limits::default()).unwrap_err().is(code::RECORD_VALUE));
    }
    let many = format!("{{\"messages\":[{}{{}}]}}", "{},".repeat(998));
    let limits = |record_values| Limits { record_values, ..Limits::default() };
    from_json(&all, &many, &limits(3000)).unwrap();
    assert!(from_json(&all, &many, &limits(1000)).unwrap_err().is(code::LIMIT_RECORD_VALUES));
    let small = Limits { record_bytes: 3, ..Limits::default() };
    assert!(from_json(&all, "{\"s\":\"ab\"}", &small).unwrap_err().is(code::LIMIT_RECORD_BYTES));
}

#[test]
fn records_without_a_json_form() {
    let all = of("t.All");
    let any =
        |url: &str, value: &[u8]| bytes_field(20, &[bytes_field(1, url.as_bytes()), bytes_field(2, value)].concat());
    for (record, json) in [
        (bytes_field(15, b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), r#"{"time":{"seconds":"9223372036854775807"}}"#),
        (bytes_field(15, b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), r#"{"time":{"nanos":-1}}"#),
        (
            bytes_field(16, b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
            r#"{"duration":{"seconds":"9223372036854775807"}}"#,
        ),
        (bytes_field(17, b"\x0a\x06fooBar"), r#"{"mask":{"paths":["fooBar"]}}"#),
        (bytes_field(19, b"\x11\x00\x00\x00\x00\x00\x00\xf8\x7f"), r#"{"value":{"numberValue":"NaN"}}"#),
        (any("x/t.All", b"\x08"), r#"{"any":{"@type":"x/t.All","@value":"CA=="}}"#),
        (
            any("x/google.protobuf.FieldMask", b"\x0a\x06fooBar"),
            r#"{"any":{"@type":"x/google.protobuf.FieldMask","@value":"CgZmb29CYXI="}}"#,
        ),
    ] {
        let message = decode(&all, &record, &Limits::default()).unwrap();
        assert_eq!(to_json(&message, &JsonOptions::new()).unwrap(), json);
    }
    for (record, json) in [
        (
            any("type.googleapis.com/absent.Type", b"ab"),
            r#"{"any":{"@type":"type.googleapis.com/absent.Type","@value":"YWI="}}"#,
        ),
        (any("", b""), r#"{"any":{}}"#),
        (any("x/t.All", b""), r#"{"any":{"@type":"x/t.All"}}"#),
    ] {
        let message = decode(&all, &record, &Limits::default()).unwrap();
        assert_eq!(to_json(&message, &JsonOptions::new()).unwrap(), json);
    }
    // What keeps a value from its own form may stand deep inside, behind much that has one. Nothing is written twice.
    let long = "x".repeat(1 << 20);
    let (mut value, mut expected) =
        (b"\x11\x00\x00\x00\x00\x00\x00\xf8\x7f".to_vec(), r#"{"numberValue":"NaN"}"#.to_owned());
    for depth in 0..45 {
        let text = if depth == 0 { bytes_field(1, &bytes_field(3, long.as_bytes())) } else { Vec::new() };
        let before = if depth == 0 { format!("\"{long}\",") } else { String::new() };
        value = bytes_field(6, &[text, bytes_field(1, &value)].concat());
        expected = format!(r#"{{"listValue":{{"values":[{before}{expected}]}}}}"#);
    }
    let message = decode(&all, &bytes_field(19, &value), &Limits::default()).unwrap();
    let mut written = Vec::new();
    write_json(&message, &JsonOptions::new(), &mut written).unwrap();
    assert!(written == format!(r#"{{"value":{expected}}}"#).as_bytes());
    // An Any inside an Any: each is opaque bytes to the one before, so no decoder counts how deep they go.
    let mut nested = Vec::new();
    for _ in 0..2000 {
        nested = [bytes_field(1, b"x/google.protobuf.Any"), bytes_field(2, &nested)].concat();
    }
    let message = decode(&all, &bytes_field(20, &nested), &Limits::default()).unwrap();
    let json = to_json(&message, &JsonOptions::new()).unwrap();
    assert_eq!(json.matches("@value").count(), 1);
    assert_eq!(json.matches("\"@type\"").count(), 9);
    // As deep as may be.
    let mut deep = Vec::new();
    for _ in 0..98 {
        deep = bytes_field(3, &deep);
    }
    let message = decode(&all, &deep, &Limits::default()).unwrap();
    to_json(&message, &JsonOptions::new()).unwrap();
    let mut list = bytes_field(3, b"x");
    for _ in 0..45 {
        list = bytes_field(6, &bytes_field(1, &list));
    }
    let message = decode(&all, &bytes_field(19, &list), &Limits::default()).unwrap();
    to_json(&message, &JsonOptions::new()).unwrap();
}

fn protoc(mode: &str, set: &std::path::Path, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("protoc")
        .arg(format!("--{mode}=t.All"))
        .arg(format!("--descriptor_set_in={}", set.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
fn protoc_reads_and_writes_the_same_records() {
    if !Command::new("protoc").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: protoc_reads_and_writes_the_same_records: protoc not found");
        return;
    }
    let (dir, set) = compiled();
    let path = dir.path().join("set.binpb");
    std::fs::write(&path, &set).unwrap();
    let all = message(&build_pool(&set).unwrap(), "t.All").unwrap();
    let text = r#"{"i32":-5,"s":"é","inner":{"i32":1},"packed":[1,2],"fixed":[3],"messages":[{},{"s":"x"}],"map":{"1":"a"},"time":"2026-11-21T08:15:00Z","f64":"NaN","color":"RED"}"#;
    let record = from_json(&all, text, &Limits::default()).unwrap().encode_to_vec();
    let shown = protoc("decode", &path, &record);
    assert!(String::from_utf8_lossy(&shown).contains("i32: -5"));
    assert_eq!(protoc("encode", &path, &shown), record);
    check(&all, &record, &Limits::default()).unwrap();
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    /// The walk and prost-reflect agree on what a record is, on any bytes; and what decodes has a JSON form or an error.
    #[test]
    fn any_bytes_are_refused_or_decoded(record in proptest::collection::vec(proptest::prop_oneof![0u8..8, 0u8..180, 0u8..], 0..40)) {
        let pool = POOL.get_or_init(pool);
        for name in ["t.All", "t2.Outer"] {
            let descriptor = message(pool, name).unwrap();
            let walked = decode(&descriptor, &record, &Limits::default());
            let alone = DynamicMessage::decode(descriptor.clone(), &record[..]);
            // Of a map field, prost-reflect 0.16 ignores the wire type and reads an entry from whatever follows.
            let stricter = walked.as_ref().is_err_and(|e| e.to_string().contains("expected length-delimited"));
            proptest::prop_assert!(walked.is_ok() == alone.is_ok() || stricter, "{:?} {:?}", walked.err(), alone.err());
            if let Ok(message) = walked {
                let encoded = encode(&message);
                proptest::prop_assert_eq!(&encode(&decode(&descriptor, &encoded, &Limits::default()).unwrap()), &encoded);
                let _ = check(&descriptor, &record, &Limits::default());
                to_json(&message, &JsonOptions::new()).unwrap();
            }
        }
    }

    #[test]
    fn any_text_is_refused_or_read(text in "[{}\\[\\]\",:a-z0-9@TZ.\\\\ -]{0,40}") {
        let pool = POOL.get_or_init(pool);
        let _ = from_json(&message(pool, "t.All").unwrap(), &text, &Limits::default());
        for field in ["time", "duration", "mask", "value", "any", "map", "color", "f64"] {
            let text = format!("{{\"{field}\":\"{}\"}}", text.replace(['"', '\\'], ""));
            let _ = from_json(&message(pool, "t.All").unwrap(), &text, &Limits::default());
        }
    }

    #[test]
    fn any_time_is_refused_or_read(y in 0u32..10_001, mo in 0u32..14, d in 0u32..33, h in 0u32..26, mi in 0u32..62, s in 0u32..62, f in "(\\.[0-9]{1,12})?", z in "(Z|[+-][0-9]{2}:[0-9]{2})") {
        let pool = POOL.get_or_init(pool);
        let all = message(pool, "t.All").unwrap();
        let text = format!("{{\"time\":\"{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}{f}{z}\"}}");
        if let Ok(message) = from_json(&all, &text, &Limits::default()) {
            to_json(&message, &JsonOptions::new()).unwrap();
        }
    }
}

static POOL: std::sync::OnceLock<DescriptorPool> = std::sync::OnceLock::new();
