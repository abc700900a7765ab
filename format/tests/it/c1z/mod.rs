//! C1Z: files that the reference code wrote, files made here, and hostile ones.

mod damage;
mod hostile;
mod samples;
#[cfg(feature = "sqlite")]
mod sqlite;
mod vectors;
mod writing;

use std::path::PathBuf;

use rosettar::model::{C1zEncoding, EntryKind};
use rosettar::{Archive, C1zOptions, NewEntry, ReadOptions};

use crate::support;

/// The folder of samples, which is beside the project and not part of it; `None`, and a line that says so, where it is not
/// there.
fn samples(test: &str) -> Option<PathBuf> {
    let folder = support::project().join("../shared/data/c1z");
    if !folder.is_dir() {
        support::skip(test, "shared-data");
        return None;
    }
    Some(folder)
}

fn open(bytes: &[u8]) -> rosettar::Result<Archive> {
    ReadOptions::new().threads(2).open(bytes.to_vec())
}

/// Kind, mode, size, digest and quoted name of each entry, sorted, as the samples' lists have them.
fn tree(archive: &Archive) -> Vec<String> {
    let mut lines: Vec<String> = archive
        .entries()
        .map(|entry| {
            let entry = entry.unwrap();
            let path = format!("{:?}", entry.path.as_str());
            match entry.kind {
                EntryKind::Directory => format!("d {:04o} 0 - {path}", entry.mode),
                _ => {
                    let content = archive.read(entry.path.as_str()).unwrap();
                    assert_eq!(rosettar::Digest::of(&content), entry.digest);
                    format!("f {:04o} {} {} {path}", entry.mode, content.len(), entry.digest)
                }
            }
        })
        .collect();
    lines.sort();
    lines
}

const ENCODINGS: [C1zEncoding; 3] = [C1zEncoding::IndexedZstd, C1zEncoding::TarZstd, C1zEncoding::Tar];

/// A manifest with a descriptor set, a sync run and a field that nobody knows.
fn manifest() -> Vec<u8> {
    let mut manifest = Vec::new();
    let mut field = |number: u32, bytes: &[u8]| {
        prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut manifest);
        prost::encoding::encode_varint(bytes.len() as u64, &mut manifest);
        manifest.extend_from_slice(bytes);
    };
    field(1, b"test");
    field(10, &support::event_set());
    field(40, b"\x0a\x05run 1\x10\x01\x32\x02\x28\x07");
    field(99, b"unknown");
    manifest
}

/// Some files, in the order of their paths.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("CURRENT", b"MANIFEST-000001\n".to_vec()),
        ("d/empty", Vec::new()),
        ("d/two.bin", support::noise(2000, 1)),
        ("text", b"some text, some text, some text, some text\n".repeat(20)),
        ("\u{e9}t\u{e9}", b"not ASCII".to_vec()),
    ]
}

/// A file of these contents.
fn write(encoding: C1zEncoding, files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = C1zOptions::with_manifest(encoding, manifest()).write_to(&mut bytes).unwrap();
    for (path, content) in files {
        writer.add_bytes(NewEntry::new(*path).unwrap(), content).unwrap();
    }
    writer.finish().unwrap();
    bytes
}
