//! The conformance vectors, under this crate (conformance/README.md).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rosettar::digest::Hasher;
use rosettar::io::Links;
use rosettar::record::{self, JsonOptions};
use rosettar::{
    Archive, Digest, Error, ExtractOptions, Limits, ReadOptions, RecoverOptions, Result, VerifyOptions, WriteOptions,
};
use serde_json::{Value, json};

use crate::support;

pub fn vectors() -> Vec<PathBuf> {
    let folder = support::project().join("conformance/vectors");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut found: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ext| ext == "rtar")).collect();
    found.sort();
    assert!(found.len() >= 250, "only {} vectors", found.len());
    found
}

pub fn facts(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap()
}

pub fn limits(expected: &Value) -> Limits {
    let mut limits = Limits::default();
    for (name, value) in expected["limits"].as_object().into_iter().flatten() {
        limits.set(name, &value.to_string()).unwrap();
    }
    limits
}

/// Opens and verifies, records included; the first thing that is wrong is the verdict.
fn judge(path: &Path, expected: &Value) -> Result<Archive> {
    let archive = ReadOptions::new().limits(limits(expected)).threads(1).open_path(path)?;
    let report = archive.verify(&VerifyOptions::new().records(true))?;
    report.problems.into_iter().next().map_or(Ok(archive), Err)
}

/// Judges every vector, and tells of those that `fault` finds something in.
pub fn each(fault: impl Fn(&Path, &Value) -> Option<String>) {
    let mut wrong = Vec::new();
    for path in vectors() {
        let fault = fault(&path, &facts(&path));
        wrong.extend(fault.map(|fault| format!("{}: {fault}", path.file_stem().unwrap().display())));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_vector_is_judged_as_it_says() {
    each(|path, expected| {
        let outcome = judge(path, expected);
        match (&outcome, expected["expect"].as_str().unwrap()) {
            (Ok(archive), "accept") => differences(archive, expected).err(),
            (Err(error), verdict) if verdict != "accept" && matches(error, expected) => None,
            (Ok(_), _) => Some(format!("accepted, though {}", expected["code"])),
            (Err(error), _) => Some(format!("{error}, though {} {}", expected["expect"], expected["code"])),
        }
    });
}

fn matches(error: &Error, expected: &Value) -> bool {
    let kind = error.kind().as_str();
    let verdict = if matches!(kind, "unsupported" | "limit" | "policy") { kind } else { "reject" };
    expected["code"] == error.code() && expected["kind"] == kind && expected["expect"] == verdict
}

/// Who lists finds what is of level 0, and who reads the contents what is of level 1.
#[test]
fn vectors_of_a_level_are_refused_by_those_who_do_as_much() {
    each(|path, expected| {
        let level = expected["level"].as_u64().unwrap();
        let outcome = ReadOptions::new().limits(limits(expected)).threads(1).open_path(path).and_then(|archive| {
            if level == 0 {
                return archive.entries().try_for_each(|entry| entry.map(drop));
            }
            // Of two faults one who lists may come upon another one first. Level 1 and 2: records are not decoded.
            let report = archive.verify(&VerifyOptions::new().records(level > 1))?;
            report.problems.into_iter().next().map_or(Ok(()), Err)
        });
        let code = outcome.err().map(|error| error.code());
        (code != expected["code"].as_str()).then(|| format!("level {level}: {code:?}, though {}", expected["code"]))
    });
}

/// What recovery keeps, or that it refuses.
#[test]
fn every_vector_is_recovered_as_it_says() {
    let mut count = 0;
    for path in vectors() {
        let vector = facts(&path);
        let expected = &vector["recovered"];
        if expected.is_null() {
            continue;
        }
        count += 1;
        let name = path.file_stem().unwrap().display();
        let mut salvaged = Vec::new();
        let writer = WriteOptions::new().level(1).threads(1).write_to(&mut salvaged).unwrap();
        let outcome = RecoverOptions::new().limits(limits(&vector)).recover_path(&path, writer);
        let report = match outcome {
            Err(error) => {
                assert_eq!(expected["code"], error.code(), "{name}: {error}");
                continue;
            }
            Ok(report) => report,
        };
        assert!(expected["code"].is_null(), "{name}: {report:?}");
        let archive = support::prove(&salvaged);
        let entries: Vec<String> = archive.entries().map(|entry| entry.unwrap().path.to_string()).collect();
        let records: BTreeMap<_, _> = archive.streams().iter().map(|info| (info.name(), info.records)).collect();
        let found = json!({"whole": report.is_complete(), "entries": entries, "records": records});
        assert_eq!(*expected, found, "{name}: {:?}", report.losses);
        if report.is_complete() && !vector["content"].is_null() {
            assert_eq!(vector["content"], archive.facts().content_digest.unwrap().to_string(), "{name}");
        }
    }
    assert!(count > 150, "only {count} vectors say what recovery makes of them");
}

/// Compares all that the vector says of a sound archive.
fn differences(archive: &Archive, expected: &Value) -> std::result::Result<(), String> {
    let facts = archive.facts();
    let mut entries = Vec::new();
    for entry in archive.entries() {
        let entry = entry.map_err(|error| error.to_string())?;
        let mut row = json!({
            "path": entry.path.as_str(), "kind": entry.kind.as_str(), "size": entry.size, "mode": entry.mode,
            "mtime": entry.mtime.seconds, "nanoseconds": entry.mtime.nanoseconds,
        });
        if entry.kind.has_content() {
            let content = archive.read(entry.path.as_str()).map_err(|error| error.to_string())?;
            row["sha256"] = json!(Digest::of(&content).to_string());
        }
        if let Some(target) = &entry.target {
            row["target"] = json!(target.as_str());
        }
        entries.push(row);
    }
    let mut streams = Vec::new();
    for info in archive.streams() {
        let stream = archive.stream(info.name()).unwrap();
        let mut hasher = Hasher::new();
        let mut records = stream.records(..).unwrap();
        let descriptor = stream.descriptor().map_err(|error| error.to_string())?;
        let mut told = Vec::new();
        while let Some(record) = records.next_record().map_err(|error| error.to_string())? {
            let mut framed = Vec::new();
            record::put_record(&mut framed, record);
            hasher.update(&framed);
            let text = record::decode(&descriptor, record, &Limits::default())
                .and_then(|message| record::to_json(&message, &JsonOptions::new()))
                .map_err(|error| error.to_string())?;
            told.push(serde_json::from_str::<Value>(&text).map_err(|error| error.to_string())?);
        }
        streams.push(json!({
            "name": info.name(), "type": info.type_name(), "records": told.len(),
            "sha256": hasher.finish().to_string(), "json": told,
        }));
    }
    let attributes: BTreeMap<_, _> = facts.manifest.attributes.iter().collect();
    for (what, found) in [
        ("root", json!(facts.root_digest.unwrap().to_string())),
        ("content", json!(facts.content_digest.unwrap().to_string())),
        ("streams", json!(streams)),
        ("attributes", json!(attributes)),
    ] {
        if !expected[what].is_null() && expected[what] != found {
            return Err(format!("{what}: expected {}, found {found}", expected[what]));
        }
    }
    let listed = expected["entries"].as_array().unwrap();
    for (expected, found) in listed.iter().zip(&entries) {
        for (key, value) in expected.as_object().unwrap() {
            if !value.is_null() && *value != found[key] {
                return Err(format!("{}: {key}: expected {value}, found {}", found["path"], found[key]));
            }
        }
    }
    if listed.len() != entries.len() {
        return Err(format!("expected {} entries, found {}", listed.len(), entries.len()));
    }
    extraction(archive, expected)
}

/// Extracts, where the vector says what comes of that.
fn extraction(archive: &Archive, expected: &Value) -> std::result::Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let outcome = archive.extract(folder.path().join("out"), &ExtractOptions::new());
    let expected_code = expected["extract"]["code"].as_str();
    match (outcome, expected_code) {
        (Ok(_), None) => Ok(()),
        // Not every host holds the longest paths and targets.
        (Err(error), None) if error.code() == "policy.name" => Ok(()),
        (Err(error), Some(code)) if error.code() == code => {
            let kept = archive.extract(folder.path().join("kept"), &ExtractOptions::new().links(Links::Keep));
            kept.map(drop).map_err(|error| format!("with links kept: {error}"))
        }
        (outcome, code) => Err(format!("extraction: expected {code:?}, found {outcome:?}")),
    }
}
