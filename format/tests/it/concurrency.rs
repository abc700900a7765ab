//! Several writers and readers of one archive at the same time.

use std::path::Path;
use std::time::Duration;

use rosettar::io::LockedFile;
use rosettar::{Monitor, NewEntry, WriteOptions, open_path};

use crate::support::{self, event, event_type, names_in, noise, prove_archive};

fn make(path: &Path) {
    let mut writer = WriteOptions::new().threads(1).create(path).unwrap();
    let events = writer.declare("events", event_type()).unwrap();
    writer.append(events, &event(0)).unwrap();
    writer.add_bytes(NewEntry::new("first").unwrap(), &noise(100_000, 1)).unwrap();
    writer.finish().unwrap();
}

fn append(path: &Path, name: &str) -> rosettar::Result<()> {
    let mut writer = WriteOptions::new().threads(1).append_to(path)?;
    writer.add_bytes(NewEntry::new(name)?, name.as_bytes())?;
    let events = writer.stream("events")?;
    writer.append(events, &event(1))?;
    writer.finish().map(drop)
}

#[test]
fn all_that_many_writers_append_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rtar");
    make(&path);
    let before = open_path(&path).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let path = &path;
            scope.spawn(move || {
                for round in 0..5 {
                    append(path, &format!("{thread}-{round}")).unwrap();
                }
            });
        }
        // Whoever opens it meanwhile has a whole archive, old or new, and keeps it.
        for _ in 0..20 {
            let archive = open_path(&path).unwrap();
            std::thread::sleep(Duration::from_millis(5));
            prove_archive(&archive);
        }
    });
    let archive = open_path(&path).unwrap();
    prove_archive(&archive);
    assert_eq!((archive.facts().totals.files, archive.facts().totals.records), (31, 31));
    prove_archive(&before);
    assert_eq!(before.facts().totals.files, 1);
    assert_eq!(names_in(folder.path()), ["a.rtar"]);
}

#[test]
fn two_packs_to_one_path_leave_one_of_them_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rtar");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for round in 0..5 {
                    let mut writer = WriteOptions::new().threads(1).create(path).unwrap();
                    for number in 0..3 {
                        let name = format!("{thread}-{round}/{number}");
                        writer.add_bytes(NewEntry::new(name).unwrap(), b"x").unwrap();
                    }
                    writer.finish().unwrap();
                }
            });
        }
    });
    let archive = open_path(&path).unwrap();
    prove_archive(&archive);
    let names: Vec<String> = archive.entries().map(|entry| entry.unwrap().path.to_string()).collect();
    assert!(names.len() == 3 && names.iter().all(|name| name.starts_with(&names[0][..4])), "{names:?}");
    assert_eq!(names_in(folder.path()), ["a.rtar"]);
}

/// What somebody does to the archive while it is being continued is never lost: nothing is published then.
#[test]
fn a_source_that_changes_is_not_replaced() {
    use std::fs;
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("a.rtar"), folder.path().join("other.rtar"));
    let touch = |path: &Path| {
        let times = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
        fs::File::options().write(true).open(path).unwrap().set_times(times).unwrap();
    };
    let meddle: [(&str, &dyn Fn()); 4] = [
        ("replaced", &|| {
            // What packs takes no lock.
            let mut writer = WriteOptions::new().create(&path).unwrap();
            writer.add_bytes(NewEntry::new("packed").unwrap(), b"meanwhile").unwrap();
            writer.finish().unwrap();
        }),
        ("modified", &|| touch(&path)),
        ("longer", &|| {
            std::io::Write::write_all(&mut fs::File::options().append(true).open(&path).unwrap(), b"x").unwrap()
        }),
        ("gone", &|| fs::remove_file(&path).unwrap()),
    ];
    for (what, meddle) in meddle {
        for elsewhere in [false, true] {
            make(&path);
            let file = LockedFile::open(&path, |_| Ok(())).unwrap();
            let archive = rosettar::open(file.clone()).unwrap();
            let continuation = WriteOptions::new().threads(1).continue_from(&archive).source_file(&file);
            let mut writer = continuation.create(if elsewhere { &other } else { &path }).unwrap();
            writer.add_bytes(NewEntry::new("mine").unwrap(), b"x").unwrap();
            meddle();
            let after = fs::read(&path).ok();
            assert_eq!(writer.finish().unwrap_err().code(), "io.source-changed", "{what}");
            assert!(fs::read(&path).ok() == after, "{what}");
            let left: Vec<String> = names_in(folder.path());
            assert_eq!(left, if what == "gone" { &[][..] } else { &["a.rtar"] }, "{what}");
        }
    }
    // To anything but a file, the error comes before the index is written: what came out is no archive.
    make(&path);
    let file = LockedFile::open(&path, |_| Ok(())).unwrap();
    let archive = rosettar::open(file.clone()).unwrap();
    let mut bytes = Vec::new();
    let writer = WriteOptions::new().continue_from(&archive).source_file(&file).write_to(&mut bytes).unwrap();
    touch(&path);
    assert_eq!(writer.finish().unwrap_err().code(), "io.source-changed");
    assert!(support::open(&bytes).is_err());
}

#[cfg(unix)]
#[test]
fn a_wait_ends_with_the_other_or_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rtar");
    make(&path);
    let writer = WriteOptions::new().threads(1).append_to(&path).unwrap();
    let monitor = Monitor::new();
    monitor.stop();
    let waiting = WriteOptions::new().monitor(monitor).append_to(&path);
    assert_eq!(waiting.unwrap_err().code(), "usage.interrupted");
    // A writer that is dropped keeps nobody waiting.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| append(&path, "second"));
        std::thread::sleep(Duration::from_millis(20));
        drop(writer);
        waiting.join().unwrap().unwrap();
    });
    assert_eq!(open_path(&path).unwrap().read("second").unwrap(), b"second");
    assert_eq!(names_in(folder.path()), ["a.rtar"]);
    assert_eq!(WriteOptions::new().append_to(folder.path().join("none")).unwrap_err().code(), "io.file");
}
