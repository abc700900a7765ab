//! What is packed changes while it is read, or cannot be read to its end.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::strace::can_trace;
use crate::support::{Dir, Ran};

const MIB: usize = 1 << 20;
const SIZE: usize = 24 * MIB;

/// What may befall a file while it is packed.
type Change = (&'static str, fn(&Path));

const CHANGES: &[Change] = &[
    ("grows", |path| {
        std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap();
    }),
    ("shrinks", |path| {
        std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(SIZE as u64 / 2).unwrap();
    }),
    ("is emptied", |path| drop(std::fs::File::create(path).unwrap())),
    ("is written to", |path| {
        let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.seek(SeekFrom::Start(SIZE as u64 / 2)).unwrap();
        file.write_all(b"changed").unwrap();
    }),
    ("vanishes", |path| std::fs::remove_file(path).unwrap()),
    ("is replaced", |path| {
        let other = path.with_extension("other");
        std::fs::write(&other, "another").unwrap();
        std::fs::rename(&other, path).unwrap();
    }),
    ("becomes a directory", |path| {
        std::fs::remove_file(path).unwrap();
        std::fs::create_dir(path).unwrap();
    }),
];

/// The archive has the file as it was, or as it became, and nothing in between; or else there is no archive.
#[test]
fn a_file_that_changes_while_it_is_packed() {
    let content: Vec<u8> = (0..SIZE as u32 / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let (mut refused, mut old, mut new) = (0, 0, 0);
    let mut whole = Duration::ZERO;
    for trial in 0..=42_u32 {
        let dir = Dir::new();
        // A small file before and after it, so that it is neither the first nor the last thing to be read.
        dir.write("t/a", "before");
        dir.write("t/b", &content);
        dir.write("t/c", "after");
        let path = dir.path("t/b");
        let (what, change) = CHANGES[trial as usize % CHANGES.len()];
        // The time of a change is only as exact as the kernel's clock.
        std::thread::sleep(Duration::from_millis(15));
        let args = ["pack", "-q", "--level", "1", "-o", "a.rtar", "t"];
        let start = Instant::now();
        let child = dir.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if trial == 0 {
            assert!(child.wait_with_output().unwrap().status.success());
            whole = start.elapsed();
            continue;
        }
        std::thread::sleep(whole.mul_f64(f64::from(trial) * 0.618_034 % 1.0));
        change(&path);
        let ran = Ran::of(child.wait_with_output().unwrap());
        if ran.code != 0 {
            let said = ["io.source-changed", "io.file", "usage.", "policy."].iter().any(|code| ran.err.contains(code));
            assert!(ran.code == 1 && said && ran.err.contains('b'), "{what}: {ran:?}");
            assert_eq!(dir.names(), ["t"], "{what}");
            refused += 1;
            continue;
        }
        assert_eq!(dir.names(), ["a.rtar", "t"], "{what}");
        dir.run(&["verify", "-q", "a.rtar"]).ok();
        let listed = dir.run(&["list", "--json", "a.rtar"]).ok();
        let Some(entry) = listed.json_lines().into_iter().find(|entry| entry["path"] == "t/b") else {
            // Gone before it was seen, or before there was a directory in its place.
            assert!(["vanishes", "becomes a directory"].contains(&what), "{what}");
            new += 1;
            continue;
        };
        if entry["kind"] == "directory" {
            assert_eq!(what, "becomes a directory");
            new += 1;
            continue;
        }
        let packed = dir.run(&["cat", "a.rtar", "t/b"]).ok().bytes;
        if packed == content {
            old += 1;
        } else {
            assert!(packed == std::fs::read(&path).unwrap(), "{what}: neither as it was nor as it became");
            new += 1;
        }
    }
    println!("refused {refused}, as it was {old}, as it became {new}");
    assert!(refused > 3);
}

/// The disk has a bad sector in the middle of a file.
#[test]
fn a_file_that_cannot_be_read_to_its_end() {
    if !can_trace("a_file_that_cannot_be_read_to_its_end") {
        return;
    }
    let dir = Dir::new();
    dir.write("t/a", "before");
    dir.write("t/b", vec![7; SIZE]);
    dir.write("t/c", "after");
    dir.write("old.rtar", "old");
    for threads in ["1", "2"] {
        for number in 1..6 {
            let mut command = Command::new("strace");
            command.args(["-f", "-qq", "-o", "/dev/null", "-P"]).arg(dir.path("t/b"));
            command.args(["-e", &format!("inject=read,pread64,readv,preadv:error=EIO:when={number}")]);
            command.arg(assert_cmd::cargo::cargo_bin!("rosettar"));
            command.args(["pack", "-q", "--threads", threads, "-o", "old.rtar", "t"]).current_dir(dir.path("."));
            let ran = Ran::of(command.stdin(Stdio::null()).output().unwrap());
            assert!(ran.code == 1 && ran.err.contains("t/b") && ran.err.contains("(os error 5)"), "{number}: {ran:?}");
            assert_eq!(dir.names(), ["old.rtar", "t"]);
            assert_eq!(std::fs::read(dir.path("old.rtar")).unwrap(), b"old");
        }
    }
}
