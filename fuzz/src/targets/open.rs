//! Opening, listing, reading everything, verifying.

use rosettar::VerifyOptions;

use super::{MEMORY, archive, reading};
use crate::memory;

/// Runs the target.
pub fn run(data: &[u8]) {
    let bytes = archive(data);
    memory::within(MEMORY, || read(&bytes));
}

fn read(bytes: &[u8]) {
    let Ok(archive) = reading().open(bytes.to_vec()) else { return };
    let entries: Vec<_> = archive.all_entries().collect();
    let listed = entries.iter().all(Result::is_ok);
    let mut whole = listed;
    for entry in entries.into_iter().flatten() {
        let path = entry.path.as_str();
        if entry.kind.has_content() && !entry.kind.is_reserved() {
            match archive.read(path) {
                Ok(content) => assert_eq!(content.len() as u64, entry.size, "{path}"),
                Err(_) => whole = false,
            }
        }
        if listed && !entry.kind.is_reserved() {
            assert_eq!(archive.entry(path).ok().as_ref(), Some(&entry), "what is listed is found");
        }
    }
    for info in archive.streams() {
        let Ok(stream) = archive.stream(info.name()) else { continue };
        let mut records = stream.records(..).expect("all records there are");
        let mut count = 0;
        while let Ok(Some(_)) = records.next_record() {
            count += 1;
        }
        assert!(count <= stream.len());
        whole &= count == stream.len();
        if let Ok(messages) = stream.messages(..) {
            messages.take(100).for_each(drop);
        }
    }
    let report =
        archive.verify(&VerifyOptions::new()).expect("nothing was interrupted, and memory cannot fail to be read");
    assert!(whole || !report.is_sound(), "what verifies can be read");
}
