//! Ctrl-C.

#![cfg(unix)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::Dir;

fn interrupt(process: u32) {
    // The shell has a `kill` of its own.
    let status = Command::new("sh").arg("-c").arg(format!("kill -INT {process}")).status().unwrap();
    assert!(status.success());
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn packing_stops_and_leaves_nothing() {
    let dir = Dir::new();
    // A sparse file takes long to read and compress, and no room.
    let file = std::fs::File::create(dir.path("huge")).unwrap();
    file.set_len(9 << 30).unwrap();
    dir.write("old.rtar", "old");
    let args = ["pack", "-o", "old.rtar", "--level", "9", "huge"];
    let child = dir.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("a temporary file", || dir.names().len() == 3);
    interrupt(child.id());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(dir.names(), ["huge", "old.rtar"]);
    assert_eq!(std::fs::read(dir.path("old.rtar")).unwrap(), b"old");
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"), "{output:?}");
}

#[test]
fn appending_stops_and_leaves_the_old_archive() {
    let dir = Dir::with_archive();
    let old = std::fs::read(dir.path("a.rtar")).unwrap();
    std::fs::File::create(dir.path("huge")).unwrap().set_len(9 << 30).unwrap();
    let before = dir.names();
    let args = ["append", "a.rtar", "--level", "9", "huge"];
    let child = dir.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("a temporary file", || dir.names().len() > before.len());
    interrupt(child.id());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(dir.names(), before);
    assert_eq!(std::fs::read(dir.path("a.rtar")).unwrap(), old);
    dir.run(&["remove", "-q", "a.rtar", "a.txt"]).ok();
}

#[test]
fn waiting_for_standard_input_stops() {
    let dir = Dir::with_files();
    let args = ["pack", "-o", "a.rtar", "--proto", "rows.proto", "--records", "r:demo.Row=csv:-"];
    let mut command = dir.command(&args);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let before = dir.names().len();
    wait_for("a temporary file", || dir.names().len() > before);
    let stdin = child.stdin.take();
    interrupt(child.id());
    wait_for("the end", || child.try_wait().unwrap().is_some());
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(dir.names().len(), before);
}
