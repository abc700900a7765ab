//! Extraction into a jail: whatever the archive is, nothing changes outside of it, and all that comes is bounded.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rosettar::ExtractOptions;

use super::{archive, limits, reading};

/// What stands somewhere: the target of a link, or a content.
type Found = BTreeMap<PathBuf, Vec<u8>>;

/// Runs the target.
pub fn run(data: &[u8]) {
    let bytes = archive(data);
    let Ok(archive) = reading().open(bytes) else { return };
    // In memory, where there is such a place: on a disk this would take milliseconds.
    let shared = Path::new("/dev/shm");
    let place = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
    let outside = tempfile::tempdir_in(place).expect("a directory for the jail");
    fs::write(outside.path().join("guarded"), "as it was").expect("a file beside it");
    let jail = outside.path().join("jail");
    let done = archive.extract(&jail, &ExtractOptions::new());
    let mut found = Found::new();
    walk(outside.path(), outside.path(), &mut found);
    assert_eq!(found.remove(Path::new("guarded")).as_deref(), Some(&b"as it was"[..]));
    assert!(found.keys().all(|path| path.starts_with("jail")), "{:?}", found.keys());
    match done {
        Err(_) => assert!(found.is_empty(), "after a refusal nothing is left: {:?}", found.keys()),
        Ok(report) => {
            let bytes: usize = found.values().map(Vec::len).sum();
            assert!(bytes as u64 <= limits().decoded_bytes.unwrap_or(u64::MAX), "{bytes} bytes");
            assert_eq!(report.files + report.symlinks, found.len() as u64);
        }
    }
}

fn walk(top: &Path, directory: &Path, found: &mut Found) {
    for entry in fs::read_dir(directory).expect("a directory that can be listed") {
        let entry = entry.expect("an entry of it");
        let (path, kind) = (entry.path(), entry.file_type().expect("its kind"));
        let inside = path.strip_prefix(top).expect("it is below the top").to_owned();
        if kind.is_dir() {
            walk(top, &path, found);
        } else if kind.is_symlink() {
            found.insert(inside, fs::read_link(&path).expect("its target").into_os_string().into_encoded_bytes());
        } else {
            assert!(kind.is_file(), "{}", path.display());
            found.insert(inside, fs::read(&path).unwrap_or_default());
        }
    }
}
