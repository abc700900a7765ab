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
            "map of integer" => value.as_object().is_some_and(|map| map.values().all(Value::is_i64)),
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
    let merge = ["extract", "--json", "a.rtar", "-C", "out", "--merge", "--overwrite", "never", "--records", "csv"];
    dir.write("out/rows.csv", "mine");
    std::fs::create_dir(dir.path(".new.rosettar-extract-00000000")).unwrap();
    let merged = dir.run(&merge).code(3).json();
    schema.check("extract", &merged);
    assert_eq!((&merged["kept"][0], &merged["records"]), (&"rows.csv".into(), &3.into()));
    let new = dir.run(&["extract", "--json", "a.rtar", "-C", "new"]).ok().json();
    schema.check("extract", &new);
    assert_eq!(new["left_behind"].as_array().unwrap().len(), 1);
    dir.write("bad.rtar", "not an archive, but long enough to be looked at");
    let verified = dir.run(&["verify", "--json", "--records", "a.rtar", "bad.rtar"]).code(2);
    let verified = verified.json_lines();
    verified.iter().for_each(|report| schema.check("verify", report));
    assert_eq!((&verified[0]["sound"], &verified[1]["sound"]), (&true.into(), &false.into()));
    assert_eq!(verified[1]["problems"][0]["code"], "envelope.unknown-magic");
    let lines = dir.run(&["explain", "--json", "a.rtar"]).ok().json_lines();
    let (verdict, lines) = lines.split_last().unwrap();
    schema.check("explain", verdict);
    lines.iter().for_each(|line| schema.check("map line", line));
    for made in [&["kit.rtar"][..], &["kit.tar"], &["--directory", "kit"]] {
        schema.check("conformance", &dir.run(&[&["conformance", "--json"], made].concat()).ok().json());
    }
    let kit = dir.run(&["conformance", "--json", "--list"]).ok().json_lines();
    kit.iter().for_each(|file| schema.check("kit file", file));
    schema.check("man", &dir.run(&["man", "--json", "-o", "man"]).ok().json());
    schema.check("error", &dir.run(&["cat", "--json", "a.rtar", "nope"]).code(1).json_error());
    schema.check("recover", &dir.run(&["recover", "--json", "a.rtar", "-o", "b.rtar"]).ok().json());
    // Nothing in this archive has an annotation: `annotations_are_decoded` covers it; and nothing was lost: `losses` does.
    let elsewhere = ["annotation", "damaged range", "lost entry", "lost records", "lost schema", "kept records"];
    schema.used.extend(elsewhere.map(str::to_owned));
    differences_are_documented(&mut schema, &dir);
    c1z_is_documented(&mut schema, &dir);
    let documented: BTreeSet<_> = schema.tables.keys().cloned().collect();
    assert_eq!(documented, schema.used);
}

/// Makes a C1Z file with all that `info` can say of one, and converts it.
fn c1z_is_documented(schema: &mut Schema, dir: &Dir) {
    // Engine, settings, a record type, a sync run with statistics, the digest of all grants.
    let manifest = b"\x0a\x01e\x10\x18\x1a\x03\x0a\x01t\x5a\x05\x0a\x01r\x10\x01\xc2\x02\x14\x0a\x01s\x10\x01\x1a\x02\x08\x05\x32\x09\x18\x07\x3a\x05\x0a\x01u\x10\x07\xda\x02\x03\x0a\x01\xff";
    dir.write("manifest.binpb", manifest);
    let args = ["convert", "--json", "t", "-o", "a.c1z", "--to", "c1z3-indexed", "--manifest", "manifest.binpb"];
    let refused = dir.run(&args).code(1).json_error();
    assert_eq!(refused["code"], "policy.lossy");
    assert!(!dir.path("a.c1z").exists());
    let lossy = dir.run(&[&args[..], &["--lossy"]].concat()).code(3).json();
    schema.check("convert", &lossy);
    assert!(lossy["losses"].as_array().unwrap().iter().any(|loss| loss["what"] == "times of modification"), "{lossy}");
    let info = dir.run(&["info", "--json", "a.c1z"]).ok().json();
    schema.check("info", &info);
    assert_eq!(info["c1z"]["manifest"]["sync_runs"][0]["stats"]["resources_by_resource_type"]["u"], 7);
    assert_eq!(info["c1z"]["manifest"]["grant_digest_root"]["xor_digest"], "ff");
    let header = dir.run(&["info", "--json", "--header", "a.c1z"]).ok().json();
    schema.check("info", &header);
    assert_eq!((&header["totals"]["files"], &header["c1z"]["manifest"]), (&0.into(), &info["c1z"]["manifest"]));
    let verified = dir.run(&["verify", "--json", "a.c1z"]).ok().json();
    schema.check("verify", &verified);
    let converted = dir.run(&["convert", "--json", "a.c1z", "-o", "c.rtar", "--to", "rtar"]).ok().json();
    schema.check("convert", &converted);
    assert_eq!(converted["losses"], serde_json::json!([]));
    let text = dir.run(&["info", "a.c1z"]).ok().out;
    for line in ["engine         e, schema version 24\n", "encoding       indexed_zstd\n", "resources: 7 u\n"] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

/// Compares archives that differ in everything, in the directory where `a.rtar` was made.
fn differences_are_documented(schema: &mut Schema, dir: &Dir) {
    let write = |name: &str, proto: &str, value: &[u8], attribute: &str, seconds: i64| {
        dir.write("d.proto", format!("syntax = \"proto3\"; package d; {proto}"));
        let set = rosettar::schema::compile(&[dir.path("d.proto")], &[dir.path("")]).unwrap();
        let created = rosettar::Mtime::from_seconds(seconds);
        let mut writer = rosettar::WriteOptions::new().producer(name).created(created).create(dir.path(name)).unwrap();
        writer.attribute("a", attribute).unwrap();
        let annotation = rosettar::Annotation { type_url: "x/d.M".to_owned(), value: value.to_vec() };
        writer.annotate_encoded(annotation, &set).unwrap();
        let stream = writer.declare("s", rosettar::RecordType::new("d.M", set)).unwrap();
        writer.append_encoded(stream, value).unwrap();
        writer.add_bytes(rosettar::NewEntry::new("f").unwrap(), value).unwrap();
        writer.finish().unwrap();
    };
    write("old.rtar", "message M { int32 n = 1; }", b"\x08\x01", "1", 1);
    write("new.rtar", "message M { int64 n = 1; }", b"\x08\x02", "2", 2);
    let found = dir.run(&["diff", "--json", "old.rtar", "new.rtar"]).code(3).json();
    schema.check("diff", &found);
    assert_eq!((&found["same"], &found["root_digests_equal"]), (&false.into(), &false.into()));
    for list in ["entries", "streams", "schemas", "attributes", "annotations"] {
        assert_eq!(found[list].as_array().unwrap().len(), 1, "{list}: {found}");
    }
    for (fact, old) in [("producer", Value::from("old.rtar")), ("created", found["created"]["old"].clone())] {
        assert_eq!(found[fact]["old"], old, "{fact}");
        assert!(!old.is_null(), "{fact}");
    }
    assert_eq!(found["entries"][0]["aspects"], serde_json::json!(["content"]));
    assert_eq!(found["streams"][0]["first_record"], 0);
    let same = dir.run(&["diff", "--json", "old.rtar", "old.rtar"]).ok().json();
    schema.check("diff", &same);
    assert_eq!(same["same"], true);
    dir.write("tree/f", "longer");
    let found = dir.run(&["diff", "--json", "old.rtar", "tree"]).code(3).json();
    schema.check("diff", &found);
    // The sizes differ, so the file was not read.
    assert!(found["entries"][0]["new"]["digest"].is_null() && found["root_digests_equal"].is_null(), "{found}");
}

#[test]
fn losses() {
    let mut schema = Schema { tables: tables(), used: BTreeSet::new() };
    let dir = Dir::with_files();
    let rows: String = (0..2000).map(|number| format!("{number},row {number},RED\n")).collect();
    dir.write("rows.csv", format!("number,name,color\n{rows}"));
    dir.run(&[PACK_ALL, &["--chunk-size", "4K"]].concat()).ok();
    let mut bytes = std::fs::read(dir.path("a.rtar")).unwrap();
    // The seek table has the stored sizes of all frames: the manifest, the reserved members, the batches, each with a frame
    // for its header, but the last after the files, the end of the tar, the entry table, the index.
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let count = word(bytes.len() - 9);
    let table = bytes.len() - 9 - 8 * count;
    let ends: Vec<usize> = (0..count)
        .scan(0, |end, row| {
            *end += word(table + 8 * row);
            Some(*end)
        })
        .collect();
    for frame in [2, 3, 7, count - 6] {
        bytes[ends[frame] - 1] ^= 1;
    }
    dir.write("broken.rtar", bytes);
    let report = dir.run(&["recover", "--json", "broken.rtar", "-o", "new.rtar"]).code(3).json();
    schema.check("recover", &report);
    for list in ["damaged", "lost_entries", "lost_records", "lost_schemas", "lost_facts", "kept_as_files"] {
        assert!(!report[list].as_array().unwrap().is_empty(), "{list}: {report}");
    }
    assert_eq!(report["complete"], false);
    let text = dir.run(&["recover", "broken.rtar", "-o", "new.rtar"]).code(3).out;
    assert!(text.starts_with("broken.rtar: something is lost\n  salvaged to new.rtar: "), "{text}");
    for line in ["\n  damaged: bytes ", "\n  lost: file t/a.txt (", "\n  lost: Schema 1: ", "\n  kept: "] {
        assert!(text.contains(line), "{line}: {text}");
    }
    dir.run(&["verify", "--records", "new.rtar"]).ok();
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
