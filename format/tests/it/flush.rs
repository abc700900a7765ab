//! Flushing: what an abrupt end leaves of an archive being written.

use std::fs;

use rosettar::{NewEntry, WriteOptions};

use crate::support;

fn entry(path: &str) -> NewEntry {
    NewEntry::new(path).unwrap()
}

/// The bytes depend on what was flushed when, not on threads; and flushing leaves a sound archive.
#[test]
fn threads_do_not_show() {
    let write = |threads: usize, every: Option<u64>| {
        let mut bytes = Vec::new();
        let mut options = WriteOptions::new().threads(threads).chunk_size(4096);
        if let Some(every) = every {
            options = options.flush_every(every);
        }
        let mut writer = options.write_to(&mut bytes).unwrap();
        let stream = writer.declare("events", support::event_type()).unwrap();
        for number in 0..300 {
            writer.append(stream, &support::event(number)).unwrap();
            if number % 10 == 0 {
                writer.add_bytes(entry(&format!("f/{number:03}")), &support::noise(number as usize, 1)).unwrap();
            }
        }
        writer.finish().unwrap();
        bytes
    };
    let flushed = write(1, Some(1000));
    assert!(flushed == write(3, Some(1000)));
    let whole = write(1, None);
    assert!(flushed.len() > whole.len());
    assert_eq!(
        support::prove(&flushed).facts().content_digest,
        support::prove(&whole).facts().content_digest,
        "flushing changed the content"
    );
}

#[test]
fn a_partial_file_is_there_until_the_end_and_after_an_early_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rtar");
    let partial = folder.path().join("a.rtar.partial");
    let options = WriteOptions::new().threads(1).flush_every(100);
    let mut writer = options.clone().create(&path).unwrap();
    writer.add_bytes(entry("a"), &[1; 50]).unwrap();
    let before = fs::metadata(&partial).unwrap().len();
    writer.add_bytes(entry("b"), &[2; 50]).unwrap();
    let flushed = fs::metadata(&partial).unwrap().len();
    assert!(flushed > before + 50);
    writer.add_bytes(entry("c"), &[3; 5]).unwrap();
    writer.flush().unwrap();
    assert!(fs::metadata(&partial).unwrap().len() > flushed);
    writer.finish().unwrap();
    assert_eq!(support::names_in(folder.path()), ["a.rtar"]);
    let before = fs::read(&path).unwrap();
    support::prove(&before);

    // Dropped after something was written: it stays, and the next writer says so.
    let mut writer = options.clone().create(&path).unwrap();
    writer.add_bytes(entry("a"), &[1; 100]).unwrap();
    drop(writer);
    assert_eq!(support::names_in(folder.path()), ["a.rtar", "a.rtar.partial"]);
    let error = options.clone().create(&path).unwrap_err();
    assert_eq!(error.code(), "io.file");
    assert!(error.message().contains("a.rtar.partial") && error.message().contains("rosettar recover"), "{error}");
    assert!(fs::read(&path).unwrap() == before);
    fs::remove_file(&partial).unwrap();

    // Nothing was written: there is nothing to keep.
    drop(options.clone().create(&path).unwrap());
    assert_eq!(support::names_in(folder.path()), ["a.rtar"]);
    assert_eq!(options.clone().create_new(&path).unwrap_err().code(), "io.file");

    // Nor is it lost where only the name is taken by then.
    let other = folder.path().join("b.rtar");
    let mut writer = options.clone().create_new(&other).unwrap();
    writer.add_bytes(entry("a"), &[1; 10]).unwrap();
    fs::write(&other, "taken").unwrap();
    let error = writer.finish().unwrap_err();
    assert!(error.code() == "io.file" && error.message().contains("b.rtar.partial"), "{error}");
    let kept = fs::read(folder.path().join("b.rtar.partial")).unwrap();
    support::prove(&kept);
    assert_eq!(fs::read(&other).unwrap(), b"taken");

    // A failure says where the rest is.
    let mut writer = options.create(&path).unwrap();
    writer.add_bytes(entry("a"), &[1; 100]).unwrap();
    let error = writer.add_reader(entry("b"), Some(10), &b"short"[..]).unwrap_err();
    assert_eq!(error.code(), "io.source-changed");
    assert!(error.message().contains("a.rtar.partial") && error.message().contains("rosettar recover"), "{error}");
    drop(writer);
    assert!(partial.exists());
}
