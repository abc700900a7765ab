use prost_reflect::DynamicMessage;

use super::*;
use crate::ingest::{BinpbReader, JsonlReader};
use crate::testing::all_types;

/// Every record of a CSV file as JSON.
fn read(type_name: &str, text: &str, options: &Options) -> Result<Vec<String>> {
    let desc = all_types(type_name);
    let mut reader = CsvReader::new(text.as_bytes(), "x.csv", &desc, options)?;
    let mut found = Vec::new();
    while let Some(record) = reader.next_record()? {
        let message = DynamicMessage::decode(desc.clone(), record).unwrap();
        let mut json = Vec::new();
        json.extend_from_slice(rosettar::record::to_json(&message, &Default::default()).unwrap().as_bytes());
        found.push(String::from_utf8(json).unwrap());
    }
    Ok(found)
}

fn one(column: &str, cell: &str) -> Result<String> {
    let text = format!("i32,{column}\n1,\"{}\"\n", cell.replace('"', "\"\""));
    let text = if column == "i32" { format!("u32,i32\n1,{cell}\n") } else { text };
    Ok(read("t.All", &text, &Options::new())?.remove(0))
}

fn refusal(type_name: &str, text: &str) -> String {
    let error = read(type_name, text, &Options::new()).unwrap_err();
    assert!(error.is(code::RECORD_VALUE), "{error}");
    error.message().to_owned()
}

#[test]
fn good_cells() {
    for (column, cell, expected) in [
        ("s32", "-2147483648", r#""s32":-2147483648"#),
        ("sf32", "2147483647", r#""sf32":2147483647"#),
        ("u32", "4294967295", r#""u32":4294967295"#),
        ("f32", "+7", r#""f32":7"#),
        ("i64", "-9223372036854775808", r#""i64":"-9223372036854775808""#),
        ("s64", "9223372036854775807", r#""s64":"9223372036854775807""#),
        ("sf64", "-1", r#""sf64":"-1""#),
        ("u64", "18446744073709551615", r#""u64":"18446744073709551615""#),
        ("f64", "18446744073709551615", r#""f64":"18446744073709551615""#),
        ("f", "0.1", r#""f":0.1"#),
        ("f", "-inf", r#""f":"-Infinity""#),
        ("d", "NaN", r#""d":"NaN""#),
        ("d", "Infinity", r#""d":"Infinity""#),
        ("d", "-1.5e300", r#""d":-1.5e300"#),
        ("ok", "TRUE", r#""ok":true"#),
        ("ok", "1", r#""ok":true"#),
        ("s", " é,\"\n", r#""s":" é,\"\n""#),
        ("b", "_-8", r#""b":"/+8=""#),
        ("b", "AAE=", r#""b":"AAE=""#),
        ("color", "BLUE", r#""color":"BLUE""#),
        ("color", "-2", r#""color":"BLUE""#),
        ("color", "9", r#""color":9"#),
        ("opt_i32", "0", r#""optI32":0"#),
        ("optI32", "0", r#""optI32":0"#),
        ("opt_color", "COLOR_UNSET", r#""optColor":"COLOR_UNSET""#),
        ("ints", "[1, -2]", r#""ints":[1,-2]"#),
        ("strings", "[\"a\",\"\"]", r#""strings":["a",""]"#),
        ("by_name", r#"{"b":2,"a":1}"#, r#""byName":{"a":1,"b":2}"#),
        ("by_id", r#"{"-5":{"n":1}}"#, r#""byId":{"-5":{"n":1}}"#),
        ("inner", r#"{"n":1,"deep":{"x":0}}"#, r#""inner":{"n":1,"deep":{"x":0.0}}"#),
        ("inner", "{}", r#""inner":{}"#),
        ("inner.n", "0", r#""inner":{}"#),
        ("inner.deep.x", "2", r#""inner":{"deep":{"x":2.0}}"#),
        ("inner.list", "[1]", r#""inner":{"list":[1]}"#),
        ("tree.left.name", "x", r#""tree":{"left":{"name":"x"}}"#),
        ("left", "0", r#""left":0"#),
        ("either.text", "t", r#""either":{"text":"t"}"#),
        ("when", "2013-01-01T05:00:00.250-05:00", r#""when":"2013-01-01T10:00:00.250Z""#),
        ("took", "-1.5s", r#""took":"-1.500s""#),
        ("count", "0", r#""count":"0""#),
        ("label", "x", r#""label":"x""#),
        ("blob", "AA==", r#""blob":"AA==""#),
        ("mask", "aB,c.d", r#""mask":"aB,c.d""#),
        ("extra", r#"{"k":[1,null]}"#, r#""extra":{"k":[1.0,null]}"#),
        ("anything", "null", r#""anything":null"#),
        ("any", r#"{"@type":"x/t.Inner","n":3}"#, r#""any":{"@type":"x/t.Inner","n":3}"#),
    ] {
        let found = one(column, cell).unwrap_or_else(|error| panic!("{column} {cell}: {error}"));
        assert!(found.contains(expected), "{column} = {cell}: {found}");
    }
    assert_eq!(one("i32", "-5").unwrap(), r#"{"i32":-5,"u32":1}"#);
    assert_eq!(one("ints", "[]").unwrap(), r#"{"i32":1}"#);
    assert_eq!(one("inner", "null").unwrap(), r#"{"i32":1}"#);
}

#[test]
fn bad_cells_are_refused_exactly() {
    for (column, cell, expected) in [
        ("s32", "abc", r#"expected sint32, found "abc""#),
        ("s32", "1.0", r#"expected sint32, found "1.0""#),
        ("s32", "1e3", r#"expected sint32, found "1e3""#),
        ("s32", " 1", r#"expected sint32, found " 1""#),
        ("s32", "2147483648", r#"expected sint32 from -2147483648 to 2147483647, found "2147483648""#),
        ("u32", "-1", r#"expected uint32 from 0 to 4294967295, found "-1""#),
        ("fixed", "", ""),
        (
            "i64",
            "9223372036854775808",
            r#"expected int64 from -9223372036854775808 to 9223372036854775807, found "9223372036854775808""#,
        ),
        (
            "u64",
            "18446744073709551616",
            r#"expected uint64 from 0 to 18446744073709551615, found "18446744073709551616""#,
        ),
        ("f", "1e39", r#"expected float from -3.4028235e38 to 3.4028235e38, found "1e39""#),
        ("d", "1,5", r#"expected double, found "1,5""#),
        ("d", "1e999", r#"expected double from -1.7976931348623157e308 to 1.7976931348623157e308, found "1e999""#),
        ("ok", "yes", r#"expected bool (true or false), found "yes""#),
        ("b", "*", r#"expected bytes (base64), found "*""#),
        ("color", "red", r#"expected a value of t.Color (BLUE, COLOR_UNSET, RED), found "red""#),
        (
            "when",
            "2013-01-01",
            "expected google.protobuf.Timestamp in RFC 3339 (such as 2013-01-01T05:00:00Z), \
            found \"2013-01-01\"",
        ),
        ("took", "1.5", "expected google.protobuf.Duration in seconds (such as 1.5s), found \"1.5\""),
        ("count", "x", r#"expected google.protobuf.Int64Value: int64, found "x""#),
        (
            "ints",
            "[1,\"x\"]",
            "expected JSON of repeated int32, found \"[1,\\\"x\\\"]\" (expected int32: invalid digit found in string, \
            at character 6)",
        ),
        (
            "ints",
            "1",
            "expected JSON of repeated int32, found \"1\" (invalid type: integer `1`, expected a list, at character 1)",
        ),
        (
            "ints",
            "[1],\"u64\":2",
            "expected JSON of repeated int32, found \"[1],\\\"u64\\\":2\" (trailing characters, at character 4)",
        ),
        (
            "by_name",
            r#"{"a":1,"a":2}"#,
            "expected JSON of map<string, int32>, found \"{\\\"a\\\":1,\\\"a\\\":2}\" \
            (the name is given twice, at character 10)",
        ),
        (
            "by_id",
            "{\"01\":{}}",
            "expected JSON of map<int64, t.Inner>, found \"{\\\"01\\\":{}}\" \
            (a number as a map key has no sign + and no leading zero, at character 5)",
        ),
    ] {
        if cell.is_empty() {
            continue;
        }
        let error = one(column, cell).unwrap_err();
        assert!(error.is(code::RECORD_VALUE));
        assert_eq!(error.message(), format!("x.csv:2: column {column:?}: {expected}"), "{column} = {cell}");
    }
    let long = refusal("t.All", &format!("i32\n{}\n", "9".repeat(100)));
    assert!(long.ends_with(&format!("found \"{}\"…", "9".repeat(60))), "{long}");
}

#[test]
fn headers_that_do_not_fit() {
    for (type_name, text, expected) in [
        ("t.Inner", "", "x.csv: expected a header row with the names of the columns, found nothing"),
        (
            "t.Inner",
            "n,foo\n",
            "x.csv:1: column \"foo\": t.Inner has no field \"foo\"; its fields are n, text, deep, list",
        ),
        ("t.Inner", "n,deep.y\n", "x.csv:1: column \"deep.y\": t.Deep has no field \"y\"; its fields are x"),
        ("t.Inner", "n,n\n", "x.csv:1: column \"n\": its field is that of column \"n\""),
        ("t.All", "optI32,opt_i32\n", "x.csv:1: column \"opt_i32\": its field is that of column \"optI32\""),
        ("t.Inner", "deep.x,deep\n", "x.csv:1: column \"deep\": \"deep\" has columns for its parts already"),
        ("t.Inner", "deep,deep.x\n", "x.csv:1: column \"deep.x\": its field is that of column \"deep\""),
        ("t.All", "inners.n\n", "x.csv:1: column \"inners.n\": \"inners\" is repeated t.Inner, which takes one column"),
        (
            "t.All",
            "when.seconds\n",
            "x.csv:1: column \"when.seconds\": \"when\" is google.protobuf.Timestamp, which takes one column",
        ),
        ("p2.Old", "level\n", "x.csv:1: expected a column for the required field \"id\", found none"),
    ] {
        assert_eq!(refusal(type_name, text), expected);
    }
    let deep = format!("{}name\n", "left.".repeat(64));
    assert!(refusal("t.Tree", &deep).ends_with("expected a path of at most 64 fields"));
}

#[test]
fn rows_that_do_not_fit() {
    for (type_name, text, expected) in [
        ("t.Inner", "n,text\n1,\"a\nb\"\n2\n", "x.csv:4: expected 2 cells as in the header, found 1"),
        ("t.Inner", "n,text\n1,a,b\n", "x.csv:2: expected 2 cells as in the header, found 3"),
        (
            "t.All",
            "left,right\n1,\n1,x\n",
            "x.csv:3: expected one member of the oneof \"choice\", found \"left\" and \"right\"",
        ),
        ("p2.Old", "id,level\n,LOW\n", "x.csv:2: required field \"id\" is not set"),
        ("p2.Old", "id,need.may\n1,\n1,x\n", "x.csv:3: required field \"must\" of \"need\" is not set"),
        (
            "p2.Old",
            "id,level\n1,3\n",
            "x.csv:2: column \"level\": expected a value of p2.Level (LOW, HIGH), found \"3\"",
        ),
        (
            "p2.Old",
            "id,need\n1,{}\n",
            "x.csv:2: column \"need\": expected JSON of p2.Need, found \"{}\" \
            (required field \"must\" is not set)",
        ),
    ] {
        assert_eq!(refusal(type_name, text).replace("\"need.must\"", "\"must\""), expected, "{text:?}");
    }
}

#[test]
fn empty_cells_and_the_null_text_are_unset() {
    let text = "opt_s,opt_i32\nNA,NA\n,5\n";
    assert_eq!(read("t.All", text, &Options::new().null("NA")).unwrap(), ["{}", r#"{"optI32":5}"#]);
    let error = read("t.All", text, &Options::new()).unwrap_err();
    assert_eq!(error.message(), "x.csv:2: column \"opt_i32\": expected int32, found \"NA\"");
    assert_eq!(read("p2.Old", "id,need.must,need.may\n1,,\n", &Options::new()).unwrap(), [r#"{"id":1}"#]);
}

#[test]
fn groups_and_declared_order_do_not_matter() {
    assert_eq!(read("p2.Old", "part.x,id\n7,1\n", &Options::new()).unwrap(), [r#"{"id":1,"part":{"x":7}}"#]);
    let csv = "inner.text,s,i32\nt,s,1\n";
    let desc = all_types("t.All");
    let mut from_csv = CsvReader::new(csv.as_bytes(), "x", &desc, &Options::new()).unwrap();
    let json = r#"{"s":"s","i32":1,"inner":{"text":"t"}}"#;
    let mut from_json = JsonlReader::new(json.as_bytes(), "x", &desc, &Options::new());
    assert_eq!(from_csv.next_record().unwrap(), from_json.next_record().unwrap());
}

#[test]
fn limits_hold_for_the_encoding_and_for_values() {
    let mut limits = Limits::default();
    limits.record_values = 4;
    let options = Options::new().limits(limits);
    assert!(read("t.All", "ints\n\"[1,2,3]\"\n", &options).is_ok());
    assert!(read("t.All", "ints\n\"[1,2,3,4]\"\n", &options).unwrap_err().is(code::LIMIT_RECORD_VALUES));
}

#[test]
fn json_lines() {
    let desc = all_types("t.All");
    let read = |text: &str| {
        let mut reader = JsonlReader::new(text.as_bytes(), "x.jsonl", &desc, &Options::new());
        let mut count = 0;
        loop {
            match reader.next_record() {
                Ok(Some(_)) => count += 1,
                Ok(None) => return Ok(count),
                Err(error) => return Err(error.message().to_owned()),
            }
        }
    };
    assert_eq!(read("\u{feff}{}\r\n\n  \n{\"i32\":1}"), Ok(2));
    for (text, expected) in [
        ("{\"i32\":\"x\"}", "x.jsonl:1:10: field \"i32\": expected int32: invalid digit found in string"),
        (
            "{}\n{\"inner\":{\"list\":[1,true]}}",
            "x.jsonl:2:24: field \"inner.list[1]\": expected int32: \
            invalid type: boolean `true`, expected a 32-bit signed integer",
        ),
        ("{\"u64\":18446744073709551616}", "x.jsonl:1:27: field \"u64\": expected uint64: the number is out of range"),
        ("{\"i32\":1,\"i32\":2}", "x.jsonl:1:14: field \"i32\": the field is given twice"),
        ("{\"optI32\":1,\"opt_i32\":2}", "x.jsonl:1:21: field \"opt_i32\": the field is given twice"),
        ("{\"i32\":1", "x.jsonl:1:8: EOF while parsing an object"),
        ("[]", "x.jsonl:1:1: invalid type: sequence, expected a map"),
        ("{} {}", "x.jsonl:1:4: trailing characters"),
    ] {
        let found = read(text).unwrap_err();
        assert_eq!(found, expected, "{text}");
    }
    assert!(read("{\"inner\":{\"z\":1}}").unwrap_err().contains("t.Inner has no field \"z\"; its fields are n, text"));
    assert!(read("{\"left\":1,\"right\":\"\"}").unwrap_err().contains("multiple fields provided for oneof 'choice'"));
    let nested = |depth: usize| format!("{{\"tree\":{}{}}}", "{\"left\":".repeat(depth) + "{}", "}".repeat(depth));
    assert_eq!(read(&nested(90)), Ok(1));
    assert!(read(&nested(110)).is_err());
}

#[test]
fn length_delimited() {
    let desc = all_types("t.Inner");
    let read = |bytes: &[u8]| {
        let mut reader = BinpbReader::new(bytes, "x.binpb", &desc, &Options::new());
        let mut found = Vec::new();
        loop {
            match reader.next_record() {
                Ok(Some(record)) => found.push(record.to_vec()),
                Ok(None) => return Ok(found),
                Err(error) => return Err(error.message().to_owned()),
            }
        }
    };
    // Unknown fields, an order that we would not write and a padded varint stay as they are.
    let odd = b"\x12\x01x\x08\x81\x00\xf8\x07\x05";
    assert_eq!(read(b"\x09\x12\x01x\x08\x81\x00\xf8\x07\x05\x00").unwrap(), [&odd[..], b""]);
    for (bytes, expected) in [
        (&b"\x00\x80"[..], "x.binpb: record 1 at byte 1: the file ends within the length"),
        (b"\x05\x08", "x.binpb: record 0 at byte 0: the length is 5 bytes, but the file ends after 1"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "x.binpb: record 0 at byte 0: the length is not a varint"),
        (
            b"\xff\xff\xff\xff\x0f",
            "x.binpb: record 0 at byte 0: the record is longer than the limit record-bytes of \
            67108864 bytes",
        ),
    ] {
        assert_eq!(read(bytes).unwrap_err(), expected);
    }
    assert!(read(b"\x02\x08\xff").unwrap_err().starts_with("x.binpb: record 0 at byte 0: record of t.Inner, byte 1: "));
}
