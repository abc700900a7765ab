//! Files larger than any field of a tar header, from sparse sources.
#![cfg(unix)]

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use rosettar::write::tree::WalkOptions;
use rosettar::{ReadOptions, WriteOptions};

use crate::support;

/// Packs a sparse file of `size` bytes, proves the archive, and has tar list it.
fn sparse(test: &str, size: u64) {
    let source = tempfile::tempdir().unwrap();
    let path = source.path().join("sparse");
    let file = File::create(&path).unwrap();
    file.set_len(size).unwrap();
    // Something at either side of where 32 and 33 bits end, and at the end.
    let marks = [0, (1 << 32) - 3, (1 << 33) - 3, size - 6];
    for mark in marks.into_iter().filter(|mark| mark + 6 <= size) {
        file.write_all_at(b"marked", mark).unwrap();
    }

    let folder = tempfile::tempdir().unwrap();
    let archive_path = folder.path().join("a.rtar");
    let mut writer = WriteOptions::new().create(&archive_path).unwrap();
    let stream = writer.declare("events", support::event_type()).unwrap();
    writer.add_tree(source.path(), &WalkOptions::new()).unwrap();
    writer.append(stream, &support::event(1)).unwrap();
    let summary = writer.finish().unwrap();
    assert_eq!(summary.totals.file_bytes, size);

    // All defaults: what is packed is not beyond what a reader takes.
    let archive = ReadOptions::new().open_path(&archive_path).unwrap();
    support::prove_archive(&archive);
    assert_eq!(archive.entry("sparse").unwrap().size, size);
    assert_eq!(archive.stream("events").unwrap().len(), 1);
    read_marks(&archive, &marks, size);

    if support::have(test, &["tar", "zstd"]) {
        let listed = list(&["tar", "--numeric-owner", "-tvf"], &archive_path);
        let line = listed.lines().find(|line| line.ends_with(" sparse")).unwrap();
        assert!(line.split_whitespace().any(|word| word == size.to_string()), "{line}");
    }
    if support::have(test, &["bsdtar"]) {
        let listed = list(&["bsdtar", "--numeric-owner", "-tvf"], &archive_path);
        let line = listed.lines().find(|line| line.ends_with(" sparse")).unwrap();
        assert!(line.split_whitespace().any(|word| word == size.to_string()), "{line}");
    }
}

fn read_marks(archive: &rosettar::Archive, marks: &[u64], size: u64) {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut reader = archive.open_entry("sparse").unwrap();
    for mark in marks.iter().filter(|mark| **mark + 6 <= size) {
        let mut found = [0; 6];
        reader.seek(SeekFrom::Start(*mark)).unwrap();
        reader.read_exact(&mut found).unwrap();
        assert_eq!(&found, b"marked", "at {mark}");
    }
}

fn list(command: &[&str], path: &Path) -> String {
    let output = support::run(Command::new(command[0]).args(&command[1..]).arg(path));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "slow: run by make test-slow"]
fn a_file_of_5_gib() {
    sparse("a_file_of_5_gib", 5 << 30);
}

#[test]
#[ignore = "slow: run by make test-slow"]
fn a_file_of_9_gib() {
    sparse("a_file_of_9_gib", (9 << 30) + 1);
}
