//! `records`.

use crate::support::Dir;

#[test]
fn rows_fields_and_formats() {
    let dir = Dir::with_archive();
    let records = |args: &[&str]| dir.run(&[&["records", "a.rtar", "rows"], args].concat()).ok().out;
    let first = r#"{"number":1,"name":"one","color":"RED","when":"2013-01-01T05:00:00Z","inner":{"n":7}}"#;
    let all = format!(
        "{first}\n{{\"number\":2}}\n{{\"number\":3,\"name\":\"drei\",\"color\":\"RED\",\"inner\":{{\"n\":9}}}}\n"
    );
    assert_eq!(records(&[]), all);
    assert_eq!(records(&["--rows", "0:1"]), format!("{first}\n"));
    assert_eq!(records(&["--rows", "1"]), "{\"number\":2}\n");
    assert_eq!(records(&["--rows", "-1:", "--fields", "inner.n"]), "{\"inner\":{\"n\":9}}\n");
    assert_eq!(records(&["--rows", "10:20"]), "");
    assert_eq!(
        records(&["--format", "csv", "--fields", "name,number,inner", "--null", "NA"]),
        "name,number,inner.n\none,1,7\nNA,2,NA\ndrei,3,9\n"
    );
    assert_eq!(records(&["--format", "text", "--rows", "2"]), "number: 3 name: \"drei\" color: RED inner { n: 9 }\n");
    let raw = dir.run(&["records", "a.rtar", "rows", "--format", "binpb", "--rows", "1"]).ok().bytes;
    assert_eq!(raw, b"\x02\x08\x02");
    let raw = dir.run(&["records", "a.rtar", "rows", "--format", "binpb", "--fields", "inner"]).ok().bytes;
    assert_eq!(raw, b"\x04\x2a\x02\x08\x07\x00\x04\x2a\x02\x08\x09");
}

#[test]
fn what_is_refused() {
    let dir = Dir::with_archive();
    for (args, what) in [
        (&["nope"][..], "the archive has rows [usage.no-such-stream]"),
        (&["rows", "--rows", "x"], "--rows \"x\": expected START:END"),
        (&["rows", "--fields", "nope"], "demo.Row has no field \"nope\""),
        (&["rows", "--format", "xml"], "invalid value 'xml'"),
        (&["rows", "--null", "NA"], "--null is for --format csv"),
    ] {
        let ran = dir.run(&[&["records", "a.rtar"], args].concat()).code(1);
        assert!(ran.err.contains(what), "{args:?}: {}", ran.err);
        assert_eq!(ran.out, "");
    }
    let ran = dir.run(&["records", "a.rtar", "rows", "--limit", "record-values=2"]).code(2);
    assert!(ran.err.contains("record 0 of stream rows") && ran.err.contains("[limit.record-values]"), "{}", ran.err);
}

/// A range is what there is of it; a single record is there or it is not.
#[test]
fn one_record_that_is_not_there_is_an_error() {
    let dir = Dir::with_archive();
    let ran = dir.run(&["records", "a.rtar", "rows", "--rows", "999"]).code(1);
    assert!(ran.err.contains("there is no record 999: expected 0 to "), "{}", ran.err);
    assert_eq!(dir.run(&["records", "a.rtar", "rows", "--rows", "998:999"]).code(0).out, "");
}
