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

#[test]
fn one_message_is_read() {
    let mut file = Vec::new();
    let mut writer = rosettar::WriteOptions::new().write_to(&mut file).unwrap();
    let id = writer.declare("events", support::event_type()).unwrap();
    for number in 0..3 {
        writer.append(id, &support::event(number)).unwrap();
    }
    writer.finish().unwrap();
    let archive = support::open(&file).unwrap();
    let events = archive.stream("events").unwrap();
    let message = events.message(2).unwrap();
    assert_eq!(message.get_field_by_name("name").unwrap().as_str(), Some("event 2"));
    assert_eq!(events.message(3).unwrap_err().code(), "usage.no-such-record");
    assert!(format!("{events:?} {:?} {:?}", archive.entries(), events.messages(..).unwrap()).contains("events"));
}
