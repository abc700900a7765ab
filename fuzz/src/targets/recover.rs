//! What is recovered is a sound archive, and has nothing that the input has not.

use rosettar::{RecoverOptions, VerifyOptions, WriteOptions};

use super::{MEMORY, archive, limits, reading};
use crate::memory;

/// Runs the target.
pub fn run(data: &[u8]) {
    let bytes = archive(data);
    memory::within(MEMORY, || recover(&bytes));
}

fn recover(bytes: &[u8]) {
    let mut out = Vec::new();
    let writer = WriteOptions::new().threads(1).level(1).write_to(&mut out).expect("a writer to memory");
    if RecoverOptions::new().limits(limits()).recover(bytes.to_vec(), writer).is_err() {
        return;
    }
    let found = reading().open(out).expect("what is recovered opens");
    let report = found.verify(&VerifyOptions::new()).expect("what is recovered is read");
    assert!(report.is_sound(), "what is recovered is sound: {:?}", report.problems);
    let Ok(original) = reading().open(bytes.to_vec()) else { return };
    for entry in found.entries() {
        let entry = entry.expect("it was verified");
        if let Ok(content) = original.read(entry.path.as_str()) {
            assert_eq!(found.read(entry.path.as_str()).ok(), Some(content), "{}", entry.path.as_str());
        }
    }
    if original.verify(&VerifyOptions::new()).is_ok_and(|report| report.is_sound()) {
        assert_eq!(
            found.facts().content_digest,
            original.facts().content_digest,
            "of a sound archive all is recovered"
        );
    }
}
