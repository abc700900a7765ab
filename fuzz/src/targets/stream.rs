//! The same archive read from a pipe and at any offset: both accept it, and agree on what it is, or neither does.

use rosettar::VerifyOptions;
use rosettar::read::Provisional;

use super::{MEMORY, archive, reading};
use crate::memory;

/// Runs the target.
pub fn run(data: &[u8]) {
    let bytes = archive(data);
    memory::within(MEMORY, || compare(&bytes));
}

fn compare(bytes: &[u8]) {
    let indexed = reading().open(bytes.to_vec()).and_then(|archive| {
        let report = archive.verify(&VerifyOptions::new())?;
        Ok((report.is_sound(), report.problems.first().map(|problem| problem.code()), archive.facts().clone()))
    });
    let streamed = reading().stream(bytes).and_then(|stream| stream.verify(&VerifyOptions::new()));
    // Who takes the items one by one sees the same, and whatever it is, ends.
    if let Ok(mut stream) = reading().stream(bytes) {
        while let Ok(Some(item)) = stream.next_item() {
            match item {
                Provisional::Entry(mut entry) if entry.kind().has_content() => drop(entry.read_all(|_| Ok(()))),
                Provisional::Batch(mut batch) => while let Ok(Some(_)) = batch.next_record() {},
                _ => {}
            }
        }
    }
    match (indexed, streamed) {
        (Ok((true, _, facts)), Ok((confirmed, _))) => {
            assert_eq!(facts.content_digest, confirmed.facts().content_digest);
            assert_eq!(facts.totals, confirmed.facts().totals);
        }
        (Ok((true, ..)), Err(error)) => {
            assert!(matches!(error.kind(), rosettar::ErrorKind::Limit), "only from a pipe it is refused: {error}");
        }
        (Ok((false, code, _)), Ok(_)) => panic!("only at any offset it is refused: {code:?}"),
        (Err(error), Ok(_)) => {
            assert!(matches!(error.kind(), rosettar::ErrorKind::Limit), "only at any offset it is refused: {error}");
        }
        _ => {}
    }
}
