//! What `--json` prints is what spec/CLI-JSON.md says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::{Dir, PACK_ALL};

/// The tables of the document: for each heading, the type of each key.
fn tables() -> BTreeMap<String, BTreeMap<String, String>> {
    let text = include_str!("../../../spec/CLI-JSON.md");
    let mut tables: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut heading = String::new();
    for line in text.lines() {
        if let Some(found) = line.strip_prefix("### ").or_else(|| line.strip_prefix("## ")) {
            heading = found.to_owned();
        } else if let Some(row) = line.strip_prefix("| `") {
            let cells: Vec<&str> = row.split(" | ").collect();
            let key = cells[0].trim_end_matches('`');
            let known = tables.entry(heading.clone()).or_default().insert(key.to_owned(), cells[1].to_owned());
            assert_eq!(known, None, "{heading}: {key} is listed twice");
        }
    }
    tables
}

struct Schema {
    tables: BTreeMap<String, BTreeMap<String, String>>,
    used: BTreeSet<String>,
}

impl Schema {
    #[track_caller]
    fn check(&mut self, heading: &str, value: &Value) {
        self.used.insert(heading.to_owned());
        let table = self.tables.get(heading).unwrap_or_else(|| panic!("no table {heading}")).clone();
        let object = value.as_object().unwrap_or_else(|| panic!("{heading} is no object: {value}"));
        let found: Vec<_> = object.keys().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        assert_eq!(found, table.keys().cloned().collect::<Vec<_>>(), "the keys of {heading}");
        for (key, kind) in &table {
            self.check_type(&format!("{heading}.{key}"), kind, &object[key]);
        }
    }

    #[track_caller]
    fn check_type(&mut self, place: &str, kind: &str, value: &Value) {
        if let Some(kind) = kind.strip_suffix(" or null") {
            if !value.is_null() {
                self.check_type(place, kind, value);
            }
            return;
        }
        if let Some(kind) = kind.strip_prefix("array of ") {
            let values = value.as_array().unwrap_or_else(|| panic!("{place}: {value}"));
            return values.iter().for_each(|value| self.check_type(place, kind, value));
        }
        let fits = match kind {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "any" => true,
            "map of string" => value.as_object().is_some_and(|map| map.values().all(Value::is_string)),
            "digest" => value.as_str().and_then(|text| text.strip_prefix("sha256:")).is_some_and(|hex| hex.len() == 64),
            other => return self.check(other, value),
        };
        assert!(fits, "{place}: expected {kind}, found {value}");
    }
}

#[test]
fn every_verb_prints_what_is_documented() {
    let mut schema = Schema { tables: tables(), used: BTreeSet::new() };
    let dir = Dir::with_files();
    // A name that Windows cannot hold gives a note.
    dir.write("t/aux.txt", "");
    let packed = dir.run(&[PACK_ALL, &["--json", "--created", "@5"]].concat()).ok().json();
    schema.check("pack", &packed);
    assert_eq!(packed["notes"][0]["kind"], "unportable");
    dir.write("t/more.txt", "more");
    let append = ["append", "--json", "a.rtar", "-o", "b.rtar", "t/more.txt", "t/a.txt", "--replace"];
    let appended = dir.run(&append).ok().json();
    schema.check("append", &appended);
    assert_eq!((&appended["replaced"], &appended["archive"]), (&1.into(), &"b.rtar".into()));
    for dry_run in [true, false] {
        let args = ["remove", "--json", "b.rtar", "*.txt", "t/sub", if dry_run { "--dry-run" } else { "--quiet" }];
        let removed = dir.run(&args).ok().json();
        schema.check("remove", &removed);
        assert_eq!(removed["dry_run"], dry_run);
        assert_eq!(removed["removed"].as_array().unwrap().len(), 6);
    }
    let info = dir.run(&["info", "--json", "a.rtar"]).ok().json();
    schema.check("info", &info);
    assert_eq!(info["root_digest"], packed["root_digest"]);
    assert_eq!(info["attributes"]["source"], "test");
    assert_eq!(info["created"]["seconds"], 5);
    let entries = dir.run(&["list", "--json", "--all", "a.rtar"]).ok().json_lines();
    entries.iter().for_each(|entry| schema.check("entry", entry));
    let kinds: BTreeSet<_> = entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    let expected = ["batch", "directory", "file", "schema", "stream", "symlink"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
    let streams = dir.run(&["list", "--json", "--streams", "a.rtar"]).ok().json_lines();
    streams.iter().for_each(|stream| schema.check("stream", stream));
    assert_eq!(streams[0]["records"], 3);
    let cat = dir.run(&["cat", "--json", "a.rtar", "t/a.txt", "t/sub/ü b.md"]).ok().json_lines();
    cat.iter().for_each(|file| schema.check("cat", file));
    assert_eq!((&cat[0]["content"], &cat[1]["content"]), (&"YWxwaGEK".into(), &"YmV0YQo=".into()));
    assert_eq!(dir.run(&["records", "--json", "a.rtar", "rows"]).ok().json_lines()[0]["number"], 1);
    schema.check("schema", &dir.run(&["schema", "--json", "a.rtar"]).ok().json());
    let written = dir.run(&["schema", "--json", "a.rtar", "-o", "protos"]).ok().json();
    schema.check("schema", &written);
    assert_eq!(written["output"], "protos");
    let set = dir.run(&["schema", "--json", "a.rtar", "rows", "--descriptor-set", "-o", "set.binpb"]).ok().json();
    schema.check("schema", &set);
    schema.check("extract", &dir.run(&["extract", "--json", "a.rtar", "-C", "out"]).ok().json());
    dir.write("bad.rtar", "not an archive, but long enough to be looked at");
    let verified = dir.run(&["verify", "--json", "--records", "a.rtar", "bad.rtar"]).code(2);
    let verified = verified.json_lines();
    verified.iter().for_each(|report| schema.check("verify", report));
    assert_eq!((&verified[0]["sound"], &verified[1]["sound"]), (&true.into(), &false.into()));
    assert_eq!(verified[1]["problems"][0]["code"], "envelope.unknown-magic");
    schema.check("man", &dir.run(&["man", "--json", "-o", "man"]).ok().json());
    schema.check("error", &dir.run(&["cat", "--json", "a.rtar", "nope"]).code(1).json_error());
    // Nothing in this archive has an annotation: `annotations_are_decoded` covers it.
    schema.used.insert("annotation".to_owned());
    let documented: BTreeSet<_> = schema.tables.keys().cloned().collect();
    assert_eq!(documented, schema.used);
}

#[test]
fn annotations_are_decoded() {
    let mut schema = Schema { tables: tables(), used: BTreeSet::new() };
    let dir = Dir::with_files();
    let set = rosettar::schema::compile(&[dir.path("rows.proto")], &[dir.path("")]).unwrap();
    let mut writer = rosettar::WriteOptions::new().create(dir.path("a.rtar")).unwrap();
    for (name, value) in [("demo.Row", &b"\x08\x05"[..]), ("demo.Inner", b"\x08")] {
        let type_url = format!("type.googleapis.com/{name}");
        let annotation = rosettar::model::Annotation { type_url, value: value.to_vec() };
        writer.annotate_encoded(annotation, &set).unwrap();
    }
    writer.finish().unwrap();
    let info = dir.run(&["info", "--json", "a.rtar"]).ok().json();
    schema.check("info", &info);
    assert_eq!(info["annotations"][0]["value"], serde_json::json!({"number": 5}));
    assert_eq!(info["annotations"][1]["value"], Value::Null);
    let text = dir.run(&["info", "a.rtar"]).ok().out;
    assert!(text.contains("  type.googleapis.com/demo.Row  {\"number\":5}\n"), "{text}");
    assert!(text.contains("  type.googleapis.com/demo.Inner  1 B\n"), "{text}");
}
