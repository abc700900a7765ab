//! What the reference code wrote is read as the reference code reads it.

use std::collections::BTreeSet;
use std::path::Path;

use rosettar::model::C1zEncoding;
use rosettar::{ExtractOptions, VerifyOptions};

use super::{open, samples, tree};

/// The lines of a sample's list; the directories above each entry are added for an encoding that stores none.
fn expected(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_trees_are_those_that_the_reference_extracts() {
    let Some(folder) = samples("the_trees_are_those_that_the_reference_extracts") else { return };
    let mut seen = 0;
    for name in ["empty_dir", "empty_file", "nested", "small300"] {
        for encoding in ["indexed", "tar", "tar_zstd"] {
            let bytes = std::fs::read(folder.join(format!("go/{name}.{encoding}.c1z"))).unwrap();
            let archive = open(&bytes).unwrap_or_else(|e| panic!("{name}.{encoding}: {e}"));
            let expected = expected(&folder.join(format!("go/{name}.{encoding}.tree")));
            let found: BTreeSet<String> = tree(&archive).into_iter().collect();
            let listed = expected.iter().filter(|line| encoding != "indexed" || line.starts_with('f'));
            assert!(found.iter().eq(listed), "{name}.{encoding}: {found:?}");
            let report = archive.verify(&VerifyOptions::new()).unwrap();
            assert!(report.is_sound(), "{name}.{encoding}: {:?}", report.problems);

            // What is extracted has the implied directories, too.
            let target = tempfile::tempdir().unwrap();
            let out = target.path().join("out");
            archive.extract(&out, &ExtractOptions::new()).unwrap();
            let mut lines = BTreeSet::new();
            walk(&out, "", &mut lines);
            assert_eq!(lines, expected, "{name}.{encoding}");
            seen += 1;
        }
    }
    assert_eq!(seen, 12);
}

#[cfg(unix)]
fn walk(folder: &Path, above: &str, lines: &mut BTreeSet<String>) {
    use std::os::unix::fs::MetadataExt as _;
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{above}{}", entry.file_name().to_str().unwrap());
        let metadata = entry.metadata().unwrap();
        let mode = metadata.mode() & 0o777;
        if metadata.is_dir() {
            lines.insert(format!("d {mode:04o} 0 - {path:?}"));
            walk(&entry.path(), &format!("{path}/"), lines);
        } else {
            let content = std::fs::read(entry.path()).unwrap();
            lines.insert(format!("f {mode:04o} {} {} {path:?}", content.len(), rosettar::Digest::of(&content)));
        }
    }
}

#[cfg(not(unix))]
fn walk(_: &Path, _: &str, _: &mut BTreeSet<String>) {}

#[test]
fn the_real_files_have_the_counts_of_their_description() {
    let Some(folder) = samples("the_real_files_have_the_counts_of_their_description") else { return };
    let archive = rosettar::open_path(folder.join("real/grants-66601.v3.c1z")).unwrap();
    let c1z = archive.facts().c1z.as_deref().unwrap();
    let manifest = c1z.manifest.as_ref().unwrap();
    assert_eq!((c1z.version, &*manifest.engine, manifest.engine_schema_version), (3, "pebble2", 24));
    assert_eq!(manifest.encoding, C1zEncoding::IndexedZstd);
    let [run] = &manifest.sync_runs[..] else { panic!("{:?}", manifest.sync_runs) };
    assert_eq!((run.kind_name().as_str(), run.ended_at.is_some()), ("full", true));
    let stats = run.stats.as_ref().unwrap();
    assert_eq!((stats.resource_types, stats.resources, stats.entitlements, stats.grants), (4, 35_217, 334, 66_601));
    assert_eq!(stats.resources_by_resource_type["user"], 35_000);
    assert!(archive.facts().totals.files > 0);
    assert!(archive.proto_files(0).unwrap().iter().any(|(path, _)| path == "c1/storage/v3/records.proto"));
    let report = archive.verify(&VerifyOptions::new()).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    assert!(report.unproven.iter().any(|text| text.contains("no record types")), "{:?}", report.unproven);

    let small = rosettar::open_path(folder.join("go/engine-small.c1z")).unwrap();
    let manifest = small.facts().c1z.as_deref().unwrap().manifest.clone().unwrap();
    assert_eq!((&*manifest.engine, manifest.pebble_id_index_format), ("pebble3", 2));
    assert_eq!(manifest.grant_digest_root.unwrap().count, 1000);

    for name in ["grants-2909.v1.c1z", "sync-in-progress.v1.c1z"] {
        let archive = rosettar::open_path(folder.join("real").join(name)).unwrap();
        assert_eq!((archive.facts().format.as_str(), archive.facts().totals.files), ("C1Z v1", 1));
        assert!(archive.read("database.sqlite").unwrap().starts_with(b"SQLite format 3\0"));
        assert!(archive.verify(&VerifyOptions::new()).unwrap().is_sound());
    }
}
