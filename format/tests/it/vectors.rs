//! The conformance vectors, under this crate (conformance/README.md).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rosettar::digest::Hasher;
use rosettar::io::Links;
use rosettar::{Archive, Digest, Error, ExtractOptions, ReadOptions, Result, VerifyOptions};
use serde_json::{Value, json};

use crate::support;

pub fn vectors() -> Vec<PathBuf> {
    let folder = support::project().join("conformance/vectors");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut found: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ext| ext == "rtar")).collect();
    found.sort();
    assert!(found.len() >= 40, "only {} vectors", found.len());
    found
}

/// Opens and verifies; the first thing that is wrong is the verdict.
fn judge(path: &Path, expected: &Value) -> Result<Archive> {
    let mut limits = rosettar::Limits::default();
    for (name, value) in expected["limits"].as_object().into_iter().flatten() {
        limits.set(name, &value.to_string())?;
    }
    let archive = ReadOptions::new().limits(limits).threads(1).open_path(path)?;
    let report = archive.verify(&VerifyOptions::new())?;
    report.problems.into_iter().next().map_or(Ok(archive), Err)
}

#[test]
fn every_vector_is_judged_as_it_says() {
    let mut wrong = Vec::new();
    for path in vectors() {
        let expected: Value = serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
        let outcome = judge(&path, &expected);
        let fault = match (&outcome, expected["expect"].as_str().unwrap()) {
            (Ok(archive), "accept") => differences(archive, &expected).err(),
            (Err(error), "reject") if matches(error, &expected) => None,
            (Ok(_), _) => Some(format!("accepted, though {}", expected["code"])),
            (Err(error), _) => Some(format!("{error}, though {} {}", expected["expect"], expected["code"])),
        };
        wrong.extend(fault.map(|fault| format!("{}: {fault}", path.file_stem().unwrap().display())));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn matches(error: &Error, expected: &Value) -> bool {
    expected["code"] == error.code() && expected["kind"] == error.kind().as_str()
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
        let mut count = 0;
        while let Some(record) = records.next_record().map_err(|error| error.to_string())? {
            let mut framed = Vec::new();
            rosettar::record::put_record(&mut framed, record);
            hasher.update(&framed);
            count += 1;
        }
        streams.push(json!({
            "name": info.name(), "type": info.type_name(), "records": count, "sha256": hasher.finish().to_string(),
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
    let expected_code = expected["extract"]["code"].as_str().or(expected["extract"].as_str());
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
