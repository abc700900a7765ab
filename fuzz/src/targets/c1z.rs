//! C1Z files: opened, listed and read; what has a valid header opens as far as that.

use rosettar::VerifyOptions;

use super::{MEMORY, reading};
use crate::forge::c1z::seal;
use crate::memory;

/// Runs the target.
pub fn run(data: &[u8]) {
    let file = seal(data);
    memory::within(MEMORY, || read(&file));
}

fn read(data: &[u8]) {
    let header = reading().header(data.to_vec());
    let Ok(archive) = reading().open(data.to_vec()) else { return };
    header.expect("of what opens, the header does");
    let mut whole = true;
    for entry in archive.entries() {
        let Ok(entry) = entry else { break };
        if entry.kind.has_content() {
            whole &= archive.read(entry.path.as_str()).is_ok_and(|content| content.len() as u64 == entry.size);
        }
    }
    // The tables of a database.
    for info in archive.streams() {
        let Ok(stream) = archive.stream(info.name()) else { continue };
        if let Ok(messages) = stream.messages(..) {
            messages.take(100).for_each(drop);
        }
    }
    let report = archive.verify(&VerifyOptions::new()).expect("nothing was interrupted");
    assert!(whole || !report.is_sound(), "what verifies can be read");
}
