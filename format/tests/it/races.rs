//! Others at work in the same place: a process that wants extraction to write elsewhere, a second extraction, writers that
//! replace what is being read.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rosettar::io::Overwrite;
use rosettar::{Archive, ExtractOptions, NewEntry, ReadOptions, WriteOptions, open_path};

use crate::support::{Noise, names_in, prove_archive};
use crate::trees;

/// Directories in directories, with names that the test knows how to find.
fn sample(mark: u8) -> Archive {
    let mut bytes = Vec::new();
    let mut writer = WriteOptions::new().chunk_size(4096).threads(2).write_to(&mut bytes).unwrap();
    for directory in ["d", "d/e", "d/e/f", "g"] {
        for number in 0..12 {
            let entry = NewEntry::new(format!("{directory}/{number}")).unwrap();
            writer.add_bytes(entry, &vec![mark; 100 * number]).unwrap();
        }
    }
    writer.add_symlink(NewEntry::new("g/link").unwrap(), "0").unwrap();
    writer.finish().unwrap();
    let archive = ReadOptions::new().threads(2).open(bytes).unwrap();
    prove_archive(&archive);
    archive
}

#[test]
fn nobody_makes_extraction_write_elsewhere() {
    swap_for(Duration::from_secs(3));
}

#[test]
#[ignore = "slow: run by make test-slow"]
fn nobody_makes_extraction_write_elsewhere_for_a_minute() {
    swap_for(Duration::from_secs(60));
}

/// Extracts again and again, while another that knows the target and its staging directories swaps directories for
/// symbolic links that lead out.
fn swap_for(time: Duration) {
    let folder = tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" }).unwrap();
    let (top, outside) = (folder.path().join("top"), folder.path().join("outside"));
    fs::create_dir(&top).unwrap();
    // Outside is the same tree, so that a path that leads there finds something.
    for directory in ["d/e/f", "g", "tree/d/e/f"] {
        fs::create_dir_all(outside.join(directory)).unwrap();
        fs::write(outside.join(directory).join("0"), "not yours").unwrap();
    }
    let before = whole_tree(&outside);
    let archive = sample(b'x');
    let (stop, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut done, mut refused, mut codes) = (0, 0, BTreeMap::<&str, u32>::new());
    std::thread::scope(|scope| {
        // One alone: two would lead each other outside.
        scope.spawn(|| {
            let mut random = Noise::new(7);
            while !stop.load(Ordering::Relaxed) {
                swap_one(&top, &outside, &mut random, &swaps);
            }
        });
        let _stop = Stop(&stop);
        let start = Instant::now();
        for round in 0_u32.. {
            if start.elapsed() > time {
                break;
            }
            let out = top.join("out");
            let options = match round % 3 {
                0 => ExtractOptions::new(),
                1 => {
                    let _ = fs::create_dir(&out);
                    ExtractOptions::new()
                }
                _ => {
                    // Out of reach of the other, who would make this test write elsewhere.
                    let made = folder.path().join("made");
                    fs::create_dir_all(made.join("d/e")).unwrap();
                    fs::write(made.join("d/0"), "old").unwrap();
                    let moved = fs::rename(&made, &out);
                    assert!(moved.is_ok() || fs::remove_dir_all(&made).is_ok());
                    ExtractOptions::new().merge(Overwrite::Always)
                }
            };
            match archive.extract(&out, &options) {
                Ok(_) => done += 1,
                Err(error) => {
                    refused += 1;
                    *codes.entry(error.code()).or_default() += 1;
                }
            }
            // What the swapping has made of it, links included, is removed, and nothing that they lead to.
            for name in names_in(&top) {
                let path = top.join(name);
                let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
            }
        }
    });
    let swaps = swaps.into_inner();
    println!("{done} extractions done, {refused} refused ({codes:?}), {swaps} swaps");
    assert_eq!(whole_tree(&outside), before);
    assert!(done + refused > 20 && refused > 0 && swaps > 100, "{done} {refused} {swaps}");
    let known =
        ["io.file", "io.write", "usage.target", "policy.symlink", "policy.link", "policy.name", "policy.collision"];
    assert!(codes.keys().all(|code| known.contains(code)), "{codes:?}");
}

/// Tells the other thread to end, also where this one panics.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Swaps one directory below `top` for a link to `outside` for a moment.
fn swap_one(top: &Path, outside: &Path, random: &mut Noise, swaps: &AtomicU64) {
    let mut directory = top.to_owned();
    // Down by a few steps, at random.
    for _ in 0..=random.next() % 5 {
        let Ok(entries) = fs::read_dir(&directory) else { break };
        let directories: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())))
            .map(|entry| entry.path())
            .collect();
        if directories.is_empty() {
            break;
        }
        directory = directories[random.next() as usize % directories.len()].clone();
    }
    // The target itself is the user's word: where that is a link, it is followed.
    if directory == top || directory == top.join("out") {
        return;
    }
    let aside = top.join(format!("aside-{}", random.next() % 4));
    if fs::rename(&directory, &aside).is_err() {
        return;
    }
    // To what is outside, or to what has the same name there.
    let target = match random.next() % 2 {
        0 => outside.to_owned(),
        _ => outside.join(directory.file_name().unwrap()),
    };
    if symlink(&target, &directory).is_ok() {
        swaps.fetch_add(1, Ordering::Relaxed);
        if random.next().is_multiple_of(2) {
            std::thread::sleep(Duration::from_micros(random.next() % 300));
        }
    }
    if !random.next().is_multiple_of(4) {
        let _ = fs::remove_file(&directory);
        let _ = fs::rename(&aside, &directory);
    }
}

/// Every path, with what it is, its content, and when its inode was last changed.
fn whole_tree(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, u32, i64, i64)> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            Vec::new()
        } else {
            fs::read(&path).unwrap()
        };
        found.insert(path, (content, metadata.mode(), metadata.ctime(), metadata.ctime_nsec()));
    }
    found
}

/// One of them does it, or both one after the other; the other one is told.
#[test]
fn two_extractions_into_one_target() {
    let archive = sample(b'x');
    let folder = tempfile::tempdir().unwrap();
    let (mut both, mut one) = (0, 0);
    for round in 0..60 {
        let out = folder.path().join(format!("{round}"));
        let options = match round % 3 {
            0 => ExtractOptions::new(),
            1 => {
                fs::create_dir(&out).unwrap();
                ExtractOptions::new()
            }
            _ => {
                fs::create_dir_all(out.join("d")).unwrap();
                fs::write(out.join("d/0"), "old").unwrap();
                ExtractOptions::new().merge(Overwrite::Always)
            }
        };
        let results = std::thread::scope(|scope| {
            let extract = || archive.extract(&out, &options);
            [scope.spawn(extract), scope.spawn(extract)].map(|thread| thread.join().unwrap())
        });
        let failed: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
        assert!(failed.len() < 2, "{round}: {failed:?}");
        assert!(failed.iter().all(|error| error.code() == "usage.target"), "{round}: {failed:?}");
        *(if failed.is_empty() { &mut both } else { &mut one }) += 1;
        let mut expected = trees::expected(&archive, trees::umask());
        let mut found = trees::on_disk(&out);
        if round % 3 == 2 {
            // That directory was there before.
            expected.remove("d");
            found.remove("d");
        }
        assert_eq!(trees::differences(&expected, &found), Vec::<String>::new(), "{round}");
        assert_eq!(names_in(folder.path()), [format!("{round}")]);
        fs::remove_dir_all(&out).unwrap();
    }
    println!("both ended well {both} times, one {one} times");
}

/// Whoever opens an archive while others replace it has one of them, whole, and keeps it.
#[test]
fn readers_while_archives_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rtar");
    let write = |mark: u8| {
        let mut writer = WriteOptions::new().threads(1).create(&path).unwrap();
        for number in 0..30 {
            writer.add_bytes(NewEntry::new(format!("{number}")).unwrap(), &[mark; 5000]).unwrap();
        }
        writer.finish().unwrap();
    };
    write(0);
    let stop = AtomicBool::new(false);
    let mut seen = [0_u32; 256];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for mark in (0..=255).cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                write(mark);
            }
        });
        let _stop = Stop(&stop);
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(2) {
            let archive = open_path(&path).unwrap();
            prove_archive(&archive);
            let content = archive.read("7").unwrap();
            seen[usize::from(content[0])] += 1;
            assert!(archive.entries().all(|entry| archive.read(entry.unwrap().path.as_str()).unwrap() == content));
        }
    });
    let archives = seen.iter().filter(|count| **count > 0).count();
    println!("{} archives were read, {archives} different ones", seen.iter().sum::<u32>());
    assert!(archives > 1);
    assert_eq!(names_in(folder.path()), ["a.rtar"]);
}
