//! Records are counted, and batches proven, as they are read.

use crate::support;

/// Reads a vector whose batch says another number of records than it holds.
fn records(name: &str) -> (Vec<Vec<u8>>, Option<&'static str>) {
    let path = support::project().join(format!("conformance/vectors/{name}.rtar"));
    let archive = support::open(&std::fs::read(path).unwrap()).unwrap();
    let stream = archive.stream("a").unwrap();
    let (mut found, mut fault) = (Vec::new(), None);
    for record in stream.records(..).unwrap() {
        match record {
            Ok(record) => found.push(record),
            Err(error) => fault = Some(error.code()),
        }
    }
    (found, fault)
}

#[test]
fn a_batch_yields_no_more_than_it_counts() {
    // The only counted record is refused, as the batch goes on after it.
    assert_eq!(records("record-count-more"), (vec![], Some("record.count")));
    let (found, fault) = records("record-count");
    assert_eq!((found.len(), fault), (1, Some("record.count")));
}
