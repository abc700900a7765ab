//! Records are counted, and batches proven, as they are read.

use std::path::Path;

use rosettar::{Limits, ReadOptions, WriteOptions};

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

/// Records of a stream that are not messages: what they are is not asked. Between them, files.
fn many_batches(sizes: &[usize]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut file = Vec::new();
    let mut writer = WriteOptions::new().chunk_size(4096).write_to(&mut file).unwrap();
    let id = writer.declare("events", support::event_type()).unwrap();
    let records: Vec<_> = (0..).zip(sizes).map(|(seed, size)| support::noise(*size, seed)).collect();
    for (number, record) in records.iter().enumerate() {
        writer.append_encoded(id, record).unwrap();
        if number % 50 == 7 {
            writer.add_bytes(rosettar::NewEntry::new(format!("{number}")).unwrap(), record).unwrap();
        }
    }
    writer.finish().unwrap();
    (file, records)
}

/// Batches after the first are read ahead, large ones aside: the records are the same for any number of threads and any
/// range, however far somebody reads.
#[test]
fn records_of_many_batches() {
    // The last but one is more than is read whole.
    let sizes: Vec<_> = (0..600).map(|number| number % 97 * 5).chain([5 << 20, 3]).collect();
    let (file, records) = many_batches(&sizes);
    for threads in [1, 2, 5] {
        let archive = ReadOptions::new().threads(threads).open(file.clone()).unwrap();
        let stream = archive.stream("events").unwrap();
        assert!(stream.batches(..).unwrap().count() > 20);
        for range in [0..602, 0..1, 1..40, 39..41, 17..600, 550..602, 601..602, 5..5] {
            let found: rosettar::Result<Vec<_>> = stream.records(range.clone()).unwrap().collect();
            let (from, to) = (range.start as usize, range.end as usize);
            assert!(found.unwrap() == records[from..to], "{threads} threads, {range:?}");
        }
        let mut some = stream.records(..).unwrap();
        (0..300).for_each(|number| assert_eq!(some.next_record().unwrap().unwrap(), records[number]));
        assert_eq!(some.remaining(), 302);
    }
}

/// What is wrong with a batch shows in its place, and nothing comes after it.
#[test]
fn a_fault_in_a_later_batch() {
    let (file, records) = many_batches(&[500; 100]);
    let place = |archive: &rosettar::Archive, number: usize| {
        archive.stream("events").unwrap().batches(..).unwrap().nth(number).unwrap().unwrap().first() as usize
    };
    let whole = support::open(&file).unwrap();
    let mut stops = Vec::new();
    for offset in (0..file.len()).step_by(file.len() / 60) {
        let mut damaged = file.clone();
        damaged[offset] ^= 1;
        // Damage elsewhere shows when the archive is opened.
        if support::open(&damaged).is_err() {
            continue;
        }
        for threads in [1, 3] {
            let archive = ReadOptions::new().threads(threads).open(damaged.clone()).unwrap();
            let mut left = archive.stream("events").unwrap().records(..).unwrap();
            let found: Vec<_> = left.by_ref().map_while(Result::ok).collect();
            assert!(found[..] == records[..found.len()] && left.next().is_none());
            stops.push(found.len());
        }
    }
    assert!(stops.iter().any(|stop| *stop == place(&whole, 5)), "{stops:?}");
    assert!(stops.chunks(2).all(|pair| pair[0] == pair[1]), "{stops:?}");
}

/// A limit on records holds in batches that are read ahead.
#[test]
fn a_limit_in_a_later_batch() {
    let (file, _) = many_batches(&[[500; 40].as_slice(), &[501, 500]].concat());
    let mut limits = Limits::default();
    limits.record_bytes = 500;
    let archive = ReadOptions::new().limits(limits).open(file).unwrap();
    let mut records = archive.stream("events").unwrap().records(..).unwrap();
    assert_eq!(records.by_ref().take(40).filter(Result::is_ok).count(), 40);
    let error = records.next().unwrap().unwrap_err();
    assert_eq!(error.code(), "limit.record-bytes");
    assert!(error.entry().is_some_and(|path| Path::new(path).starts_with(".rosettar/streams/events")));
    assert!(records.next().is_none());
}
