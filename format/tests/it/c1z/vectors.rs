//! The C1Z vectors (conformance/c1z), under this crate, and what this crate writes, under the reader that judges them.

use std::process::Command;

use rosettar::{Digest, Error, ExtractOptions, VerifyOptions};
use serde_json::{Value, json};

use super::{ENCODINGS, files, open, write};
use crate::support;

/// Opens, verifies and extracts; the first thing that is wrong.
fn judge(bytes: &[u8]) -> Result<rosettar::Archive, Error> {
    let archive = open(bytes)?;
    let report = archive.verify(&VerifyOptions::new())?;
    // A vector's database is a header and nothing else.
    let problems = report.problems.into_iter().filter(|problem| problem.code() != "c1z.database");
    if let Some(problem) = problems.into_iter().next() {
        return Err(problem);
    }
    let target = tempfile::tempdir().unwrap();
    archive.extract(target.path().join("out"), &ExtractOptions::new())?;
    Ok(archive)
}

fn entries(archive: &rosettar::Archive) -> Value {
    archive
        .entries()
        .map(|entry| {
            let entry = entry.unwrap();
            let digest = entry.kind.has_content().then(|| {
                Digest::of(&archive.read(entry.path.as_str()).unwrap()).to_string()
            });
            json!({
                "path": entry.path.as_str(), "kind": entry.kind.as_str(), "mode": entry.mode, "mtime": entry.mtime.seconds,
                "size": entry.size, "sha256": digest,
            })
        })
        .collect()
}

#[test]
fn every_vector_is_judged_as_it_says() {
    let folder = support::project().join("conformance/c1z/vectors");
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "c1z") {
            continue;
        }
        count += 1;
        let expected: Value = serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
        let fault = match (judge(&std::fs::read(&path).unwrap()), expected["expect"].as_str().unwrap()) {
            (Err(error), "reject") => {
                let same = expected["code"] == error.code() && expected["kind"] == error.kind().as_str();
                (!same).then(|| format!("{error}, though {}", expected["code"]))
            }
            (Err(error), _) => Some(format!("{error}, though it is sound")),
            (Ok(_), "reject") => Some(format!("accepted, though {}", expected["code"])),
            (Ok(archive), _) => {
                let c1z = archive.facts().c1z.as_deref().unwrap();
                let manifest = c1z.manifest.as_ref().map(|manifest| {
                    let runs: Vec<&str> = manifest.sync_runs.iter().map(|run| run.sync_id.as_str()).collect();
                    json!({
                        "engine": manifest.engine, "schema_version": manifest.engine_schema_version,
                        "encoding": manifest.encoding.as_str(), "sync_runs": runs,
                    })
                });
                let found = (json!(c1z.version), json!(manifest), entries(&archive));
                let expected = (expected["version"].clone(), expected["manifest"].clone(), expected["entries"].clone());
                (found != expected).then(|| format!("expected {expected:?}, found {found:?}"))
            }
        };
        wrong.extend(fault.map(|fault| format!("{}: {fault}", path.file_stem().unwrap().display())));
    }
    assert!(count >= 80, "only {count} vectors");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The reader in Python knows spec/C1Z.md and nothing of this crate.
#[test]
fn what_is_written_is_read_by_the_independent_reader() {
    let test = "what_is_written_is_read_by_the_independent_reader";
    if !support::have(test, &["python3"]) {
        return;
    }
    let import = "try:\n import compression.zstd\nexcept ImportError:\n import backports.zstd";
    let can = Command::new("python3").args(["-c", import]).output().unwrap();
    if !can.status.success() {
        support::skip(test, "backports.zstd not found");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for encoding in ENCODINGS {
        let bytes = write(encoding, &files());
        let path = folder.path().join("a.c1z");
        std::fs::write(&path, &bytes).unwrap();
        let reader = support::project().join("conformance/c1z/test_c1z.py");
        let output = support::run(Command::new("python3").arg(reader).arg(&path));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["entries"], entries(&open(&bytes).unwrap()), "{encoding}");
        assert_eq!(found["manifest"]["sync_runs"], json!(["run 1"]));
    }
}
