//! C1Z: files that the reference code wrote, files made here, and hostile ones.

mod samples;

use std::path::PathBuf;

use rosettar::model::EntryKind;
use rosettar::{Archive, ReadOptions};

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
