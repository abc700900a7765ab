//! Whatever single bit of an archive is wrong, and wherever it is cut off or goes on, it is refused.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rosettar::{ErrorKind, ExtractOptions, NewEntry, ReadOptions, Result, VerifyOptions, WriteOptions};

use crate::support;

/// One file, one record, one symbolic link.
fn small() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = WriteOptions::new().threads(1).level(19).write_to(&mut bytes).unwrap();
    let stream = writer.declare("r", support::small_type()).unwrap();
    writer.attribute("purpose", "flips").unwrap();
    writer.add_bytes(NewEntry::new("file.txt").unwrap().mode(0o640), b"content of a small file\n").unwrap();
    writer.add_symlink(NewEntry::new("link").unwrap(), "file.txt").unwrap();
    writer.append_checked(stream, b"\x0a\x03abc").unwrap();
    writer.attribute("late", "yes").unwrap();
    writer.finish().unwrap();
    assert!(bytes.len() < 8 << 10, "{} bytes", bytes.len());
    bytes
}

fn judge(bytes: Vec<u8>) -> Result<()> {
    let archive = ReadOptions::new().threads(1).open(bytes)?;
    let report = archive.verify(&VerifyOptions::new())?;
    report.problems.into_iter().next().map_or(Ok(()), Err)
}

/// What is wrong with how `bytes` are judged, where they are not refused as a bad archive is.
fn fault(bytes: Vec<u8>) -> Option<String> {
    match judge(bytes) {
        Ok(()) => Some("accepted".to_owned()),
        // Neither kind is the archive's fault, so the command would not exit with 2.
        Err(error) if matches!(error.kind(), ErrorKind::Io | ErrorKind::Usage) => Some(format!("{error:?}")),
        Err(_) => None,
    }
}

/// Runs `work` for every number below `count` on some threads; what it returns is wrong.
fn sweep(count: usize, work: impl Fn(usize) -> Option<String> + Sync) {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let next = AtomicUsize::new(0);
    let faults: Vec<String> = std::thread::scope(|scope| {
        let one = || {
            let mut faults = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return faults;
                }
                faults.extend(work(number).map(|fault| format!("{number}: {fault}")));
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults[..faults.len().min(20)].join("\n"));
}

#[test]
fn every_flipped_bit_is_refused() {
    let sound = small();
    judge(sound.clone()).unwrap();
    sweep(sound.len() * 8, |bit| {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fault(bytes)
    });
}

#[test]
fn every_truncation_is_refused() {
    let sound = small();
    sweep(sound.len(), |len| fault(sound[..len].to_vec()));
}

#[test]
fn what_goes_on_is_refused() {
    let sound = small();
    let tails: [&[u8]; 6] =
        [b"\0", b"\n", &[0; 512], b"\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00", b"\x5a\x2a\x4d\x18\0\0\0\0", &sound];
    for tail in tails {
        assert_eq!(fault([&sound, tail].concat()), None, "appended {} bytes", tail.len());
        assert_eq!(fault([tail, &sound[..]].concat()), None, "prefixed {} bytes", tail.len());
    }
    // The same end twice, so that a footer is where one must be.
    for tail in [9, 17, 40, 100, 1000] {
        assert_eq!(fault([&sound, &sound[sound.len() - tail..]].concat()), None, "last {tail} bytes again");
    }
}

#[test]
fn every_missing_or_doubled_byte_is_refused() {
    let sound = small();
    sweep(sound.len(), |at| fault([&sound[..at], &sound[at + 1..]].concat()));
    sweep(sound.len(), |at| fault([&sound[..at], &sound[at..=at], &sound[at..]].concat()));
}

/// What is wrong with extracting `bytes` below `folder`, where anything is.
fn extraction_fault(bytes: Vec<u8>, folder: &Path, number: usize) -> Option<String> {
    let inside = folder.join(number.to_string());
    std::fs::create_dir(&inside).unwrap();
    let outcome = ReadOptions::new()
        .threads(1)
        .open(bytes)
        .and_then(|archive| archive.extract(inside.join("above/out"), &ExtractOptions::new()));
    let left = support::names_in(&inside);
    let fault = match outcome {
        Err(error) if matches!(error.kind(), ErrorKind::Io | ErrorKind::Usage) => Some(format!("{error:?}")),
        Err(_) if !left.is_empty() => Some(format!("left {left:?}")),
        Err(_) => None,
        // Extraction proves what it extracts, and nothing else of the archive: the extracted must be right then.
        Ok(_) => {
            let out = inside.join("above/out");
            let same = support::names_in(&out) == ["file.txt", "link"]
                && std::fs::read(out.join("file.txt")).unwrap() == b"content of a small file\n"
                && std::fs::read_link(out.join("link")).unwrap() == Path::new("file.txt");
            (!same).then(|| "extracted something else".to_owned())
        }
    };
    std::fs::remove_dir_all(&inside).unwrap();
    fault
}

#[cfg(unix)]
#[test]
fn extracting_a_flipped_archive_gives_the_right_files_or_none() {
    let sound = small();
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(extraction_fault(sound.clone(), folder.path(), 0), None);
    // One bit of each byte; which one moves on.
    sweep(sound.len(), |at| {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        extraction_fault(bytes, folder.path(), at)
    });
    sweep(sound.len() / 16, |sixteenth| extraction_fault(sound[..sixteenth * 16].to_vec(), folder.path(), sixteenth));
}
