//! Ctrl-C.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Dir, names};

fn interrupt(process: u32) {
    assert!(signal(process, "INT", 1), "the process is there until it is waited for");
}

/// Sends a signal, more than once without a pause between.
fn signal(process: u32, name: &str, times: usize) -> bool {
    // The shell has a `kill` of its own.
    let script = vec![format!("kill -{name} {process}"); times].join("; ");
    Command::new("sh").arg("-c").arg(script).stderr(Stdio::null()).status().unwrap().success()
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
    let before = dir.names().len();
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("a temporary file", || dir.names().len() > before);
    let stdin = child.stdin.take();
    interrupt(child.id());
    wait_for("the end", || child.try_wait().unwrap().is_some());
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(dir.names().len(), before);
}

const STAGING: &str = ".rosettar-extract-";

/// The files below `root`, with their contents; names with the mark of staging directories are left out, and returned.
fn files(root: &Path) -> (BTreeMap<String, Vec<u8>>, Vec<String>) {
    let (mut files, mut stagings) = (BTreeMap::new(), Vec::new());
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for name in names(&folder) {
            let path = folder.join(&name);
            if name.contains(STAGING) {
                stagings.push(name);
            } else if path.is_dir() {
                folders.push(path);
            } else {
                let key = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                files.insert(key, std::fs::read(path).unwrap());
            }
        }
    }
    (files, stagings)
}

/// At whatever moment the signal comes, and a second one: what is there is old or new, what is left is a staging directory,
/// and running again completes.
#[test]
fn extracting_stops_with_each_entry_old_or_new() {
    let dir = Dir::new();
    for folder in 0..20 {
        for file in 0..100 {
            dir.write(&format!("t/{folder}/{file}"), format!("{folder} {file} ").repeat(1000));
        }
    }
    dir.run(&["pack", "-q", "-o", "a.rtar", "-C", "t", "."]).ok();
    let (all, _) = files(&dir.path("t"));
    let mut complete = all.clone();
    complete.insert("own".into(), b"mine".to_vec());
    let (mut stopped, mut left) = (0, 0);
    let start = Instant::now();
    dir.run(&["extract", "-q", "a.rtar"]).ok();
    let whole = start.elapsed();
    for step in 0..48_u32 {
        // What of the three: an absent target, an empty one, one in use; the signal; whether there are two.
        let (target, kind) = [("absent", "INT"), ("empty", "TERM"), ("used", "INT")][step as usize % 3];
        let times = 1 + (step as usize / 3) % 2;
        let top = dir.path(&format!("{step}"));
        let out = top.join(target);
        std::fs::create_dir(&top).unwrap();
        let mut old = BTreeMap::new();
        if target != "absent" {
            std::fs::create_dir(&out).unwrap();
        }
        if target == "used" {
            for (path, content) in [("own", "mine"), ("0/0", "old"), ("19/19", "old")] {
                dir.write(&format!("{step}/used/{path}"), content);
            }
            old = files(&out).0;
        }
        let shown = format!("{step}/{target}");
        let mut args = vec!["extract", "-q", "a.rtar", "-C", &shown];
        if target == "used" {
            args.extend(["--merge", "--overwrite", "always"]);
        }
        let mut child = dir.command(&args).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(whole * step / 44);
        signal(child.id(), kind, times);
        let status = child.wait().unwrap();

        let beside = names(&top);
        assert!(
            beside.iter().all(|name| name == target || name.starts_with(".absent.rosettar-extract-")),
            "{beside:?}"
        );
        let (found, stagings) = if out.exists() { files(&out) } else { Default::default() };
        let of_new = if target == "used" { &complete } else { &all };
        for (path, content) in &found {
            let whole = old.get(path) == Some(content) || of_new.get(path) == Some(content);
            assert!(whole, "run {step}: {path} is neither old nor new");
        }
        assert!(old.keys().all(|path| found.contains_key(path)), "run {step}: something that was there is gone");
        if target == "absent" {
            assert!(found.is_empty() || found == all, "run {step}: an absent target came into being in part");
        }
        match status.code() {
            Some(0) => assert!(found == *of_new && stagings.is_empty(), "run {step}"),
            // Without a code it ended before it listened for signals, and before it began.
            Some(130) | None => stopped += 1,
            other => panic!("run {step}: {other:?}"),
        }
        let staged = !stagings.is_empty() || beside.iter().any(|name| name.contains(STAGING));
        if staged {
            assert_eq!((times, status.code()), (2, Some(130)), "run {step}: one signal leaves nothing behind");
            left += 1;
        }

        if found != *of_new {
            let args: Vec<_> = args.into_iter().filter(|arg| *arg != "-q").collect();
            let again = dir.run(&args).code(0);
            let told = again.err.contains("an interrupted extraction left this; remove it");
            assert_eq!(told, beside.iter().any(|name| name.contains(STAGING)), "{}", again.err);
            let (found, stagings) = files(&out);
            assert!(found == *of_new && stagings.is_empty(), "run {step}, again");
        }
        std::fs::remove_dir_all(top).unwrap();
    }
    println!("of 48 runs, {stopped} were stopped, and {left} left a staging directory");
    assert!(stopped > 0);
}

/// Opening a FIFO waits for a writer, which may never come. One signal ends that, and what cannot be a FIFO does not wait.
#[test]
fn a_fifo_that_nobody_writes_to_does_not_hold_anyone() {
    let dir = Dir::with_archive();
    assert!(std::process::Command::new("mkfifo").arg(dir.path("f")).status().unwrap().success());
    for args in [
        &["list", "f"][..],
        &["verify", "f"],
        &["extract", "f", "-C", "out"],
        &["recover", "f", "-o", "new.rtar"],
        &["diff", "a.rtar", "f"],
        &["append", "a.rtar", "--records", "rows=f"],
    ] {
        let mut child = dir.command(args).stderr(Stdio::null()).spawn().unwrap();
        // Whether the signal comes before it waits or while it does, it ends.
        std::thread::sleep(Duration::from_millis(150));
        interrupt(child.id());
        wait_for("the end", || child.try_wait().unwrap().is_some());
    }
    for args in [&["append", "f", "t"][..], &["remove", "f", "x"]] {
        let ran = dir.run(args).code(1);
        assert!(ran.err.contains("regular file"), "{}", ran.err);
    }
}

/// What a stopped pack leaves when it was told to flush is named.
#[test]
fn a_flushing_pack_that_is_stopped_names_what_it_leaves() {
    use std::io::Write as _;
    let dir = Dir::with_files();
    let args =
        ["pack", "-o", "a.rtar", "--flush-every", "1K", "--proto", "rows.proto", "--records", "r:demo.Row=jsonl:-"];
    let mut command = dir.command(&args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for number in 0..20_000 {
        writeln!(stdin, "{{\"number\":{number}}}").unwrap();
    }
    stdin.flush().unwrap();
    while !dir.path("a.rtar.partial").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    interrupt(child.id());
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{error}");
    assert!(error.contains("a.rtar.partial") && error.contains("recover"), "{error}");
}
