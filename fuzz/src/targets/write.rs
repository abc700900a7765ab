//! The writer: whatever is asked of it, what it finishes is sound and has what it took, nothing else.

use std::collections::BTreeMap;

use rosettar::{NewEntry, RecordType, VerifyOptions, WriteOptions};

use super::input::Input;
use super::{MEMORY, kinds, reading};
use crate::memory;

/// Runs the target.
pub fn run(data: &[u8]) {
    memory::within(MEMORY, || write(Input(data)));
}

fn write(mut input: Input<'_>) {
    let (mut file, mut files, mut links, mut records) = (Vec::new(), BTreeMap::new(), BTreeMap::new(), Vec::new());
    let options = WriteOptions::new().threads(1).level(1).chunk_size(4096 << (input.byte() % 4));
    let mut writer = options.write_to(&mut file).expect("a writer to memory");
    let mut stream = None;
    while !input.is_empty() {
        match input.byte() % 8 {
            0 => {
                let (path, content) = (input.text(), input.bytes().repeat(1 + usize::from(input.byte())));
                let Ok(entry) = NewEntry::new(path.clone()) else { continue };
                if writer.add_bytes(entry.mode(u32::from(input.byte())), &content).is_ok() {
                    files.insert(path, content);
                }
            }
            1 => {
                let Ok(entry) = NewEntry::new(input.text()) else { continue };
                let _ = writer.add_directory(entry);
            }
            2 => {
                let (path, target) = (input.text(), input.text());
                let Ok(entry) = NewEntry::new(path.clone()) else { continue };
                if writer.add_symlink(entry, target.clone()).is_ok() {
                    links.insert(path, target);
                }
            }
            3 => stream = writer.declare(&input.text(), RecordType::new("t.All", kinds())).ok().or(stream),
            4 => {
                let record = input.bytes().repeat(1 + usize::from(input.byte() % 64));
                if let Some(stream) = stream
                    && writer.append_encoded(stream, &record).is_ok()
                {
                    records.push(record.len() as u64);
                }
            }
            5 => drop(writer.attribute(input.text(), input.text())),
            6 => drop(writer.flush()),
            _ => {
                let (path, content) = (input.text(), input.bytes());
                let Ok(entry) = NewEntry::new(path.clone()) else { continue };
                if writer.add_reader(entry, None, content).is_ok() {
                    files.insert(path, content.to_vec());
                }
            }
        }
    }
    let summary = writer.finish().expect("nothing failed, and what was refused left no trace");
    assert_eq!(summary.size, file.len() as u64);
    let archive = reading().open(file).expect("what was written opens");
    let report = archive.verify(&VerifyOptions::new()).expect("it is read");
    assert!(report.is_sound(), "{:?}", report.problems);
    let totals = archive.facts().totals;
    assert_eq!((totals.files, totals.symlinks), (files.len() as u64, links.len() as u64));
    assert_eq!(totals.records, records.len() as u64);
    for (path, content) in files {
        assert_eq!(archive.read(&path).expect("the file is there"), content, "{path}");
    }
    for (path, target) in links {
        let entry = archive.entry(&path).expect("the link is there");
        assert_eq!(entry.target.expect("a link has a target").as_str(), target, "{path}");
    }
}
