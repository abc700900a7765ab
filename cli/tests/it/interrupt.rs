//! Ctrl-C.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Dir, Ran, names, send, signal};

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
    signal(child.id(), &["INT"]);
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
    signal(child.id(), &["INT"]);
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
    signal(child.id(), &["INT"]);
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

/// At whatever moment the signal comes, and one that nothing can be done about: what is there is old or new, what is left is
/// a staging directory, and running again completes.
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
        // What of the three: an absent target, an empty one, one in use; the signals.
        let (target, signals) =
            [("absent", ["TERM", "HUP"]), ("empty", ["HUP", "HUP"]), ("used", ["HUP", "TERM"])][step as usize % 3];
        let signals = match (step / 3) % 3 {
            0 => vec![signals[0]],
            1 => vec![signals[0], "KILL"],
            _ => signals.to_vec(),
        };
        let killed = signals.contains(&"KILL");
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
        signal(child.id(), &signals);
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
            assert!(killed && status.code().is_none(), "run {step}: what can clean up leaves nothing behind");
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
    let before = dir.names();
    for args in [
        &["list", "f"][..],
        &["verify", "f"],
        &["extract", "f", "-C", "out"],
        &["recover", "f", "-o", "new.rtar"],
        &["diff", "a.rtar", "f"],
        &["append", "a.rtar", "--records", "rows=csv:f"],
        // Nobody opens it for reading, either.
        &["pack", "-o", "f", "t"],
        &["append", "a.rtar", "-o", "f", "rows.csv"],
        &["remove", "a.rtar", "t", "-o", "f"],
        &["recover", "a.rtar", "-o", "f"],
        &["convert", "t", "-o", "f", "--to", "c1z3-tar", "--engine", "e", "--lossy"],
        &["schema", "a.rtar", "--descriptor-set", "-o", "f"],
        &["pack", "-o", "n.rtar", "--proto", "f", "--records", "r:demo.Row=rows.csv"],
        &["pack", "-o", "n.rtar", "--descriptor-set", "f", "--records", "r:demo.Row=rows.csv"],
        &["convert", "t", "-o", "n.c1z", "--to", "c1z3-tar", "--lossy", "--manifest", "f"],
    ] {
        let mut child = dir.command(args).stderr(Stdio::piped()).spawn().unwrap();
        // Whether the signal comes before it waits or while it does, it ends.
        std::thread::sleep(Duration::from_millis(150));
        signal(child.id(), &["INT"]);
        wait_for(&format!("the end of {args:?}"), || child.try_wait().unwrap().is_some());
        let ran = Ran::of(child.wait_with_output().unwrap());
        // Without a code it ended before it listened for signals.
        assert!(ran.code == -1 || (ran.code == 130 && ran.err.contains("[usage.interrupted]")), "{args:?}: {ran:?}");
        assert_eq!(dir.names(), before);
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
    signal(child.id(), &["INT"]);
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{error}");
    assert!(error.contains("a.rtar.partial") && error.contains("recover"), "{error}");
}

/// A pipe whose reader takes nothing holds the writer, but one signal ends that.
#[test]
fn a_pipe_that_nobody_reads_does_not_hold_anyone() {
    let dir = Dir::with_archive();
    dir.write("d/big", vec![b'x'; 1 << 20]);
    // What does not compress.
    dir.write("d/noise", std::fs::read(assert_cmd::cargo::cargo_bin!("rosettar")).unwrap());
    dir.run(&["pack", "-q", "-o", "b.rtar", "d"]).ok();
    let before = dir.names();
    for args in [
        &["pack", "-o", "-", "d"][..],
        &["append", "b.rtar", "-o", "-", "rows.csv"],
        &["recover", "b.rtar", "-o", "-"],
        &["cat", "b.rtar", "d/big"],
        &["cat", "--json", "b.rtar", "d/big"],
    ] {
        let mut child = dir.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        signal(child.id(), &["INT"]);
        wait_for(&format!("the end of {args:?}"), || child.try_wait().unwrap().is_some());
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert!(ran.code == -1 || (ran.code == 130 && ran.err.contains("interrupted")), "{args:?}: {}", ran.err);
        assert_eq!(dir.names(), before);
    }
    // A slow reader gets all of it, and what fails at the end fails.
    let mut child = dir.command(&["cat", "b.rtar", "d/big"]).stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let mut out = child.stdout.take().unwrap();
    assert_eq!(std::io::copy(&mut out, &mut std::io::sink()).unwrap(), 1 << 20);
    assert!(child.wait().unwrap().success());
}

/// `nohup` has SIGHUP ignored, and a script SIGINT by what runs in its background.
#[cfg(target_os = "linux")]
#[test]
fn signals_that_were_ignored_stay_ignored() {
    let dir = Dir::with_files();
    let program = assert_cmd::cargo::cargo_bin!("rosettar").display().to_string();
    let args = "pack -q -o a.rtar --proto rows.proto --null NA --records r:demo.Row=csv:-";
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("trap '' HUP INT; exec {program} {args}")).current_dir(dir.path(""));
    let before = dir.names().len();
    let mut child = shell.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("a temporary file", || dir.names().len() > before);
    send(child.id(), &["HUP", "INT", "HUP"]);
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none());
    let csv = std::fs::read(dir.path("rows.csv")).unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &csv).unwrap();
    Ran::of(child.wait_with_output().unwrap()).ok();
    assert!(dir.path("a.rtar").exists());

    // One that is not ignored is still heard.
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("trap '' HUP INT; exec {program} {args}")).current_dir(dir.path(""));
    let before = dir.names().len();
    let mut child = shell.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take();
    wait_for("a temporary file", || dir.names().len() > before);
    signal(child.id(), &["TERM"]);
    wait_for("the end", || child.try_wait().unwrap().is_some());
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(dir.names().len(), before);
}

/// A terminal that closes sends several signals; they leave no more behind than one.
#[test]
fn signals_that_come_together_are_one() {
    let dir = Dir::new();
    std::fs::File::create(dir.path("huge")).unwrap().set_len(9 << 30).unwrap();
    for signals in [&["HUP", "HUP"][..], &["TERM", "HUP"], &["HUP", "CONT", "TERM", "HUP"]] {
        let child =
            dir.command(&["pack", "-o", "a.rtar", "--level", "9", "huge"]).stderr(Stdio::piped()).spawn().unwrap();
        wait_for("a temporary file", || dir.names().len() == 2);
        signal(child.id(), signals);
        let ran = Ran::of(child.wait_with_output().unwrap()).code(130);
        assert!(ran.err.starts_with("error: interrupted ["), "{}", ran.err);
        assert_eq!(dir.names(), ["huge"]);
    }
}

/// A second signal a while after the first ends the work at once, and says what that may leave.
#[test]
fn a_later_signal_ends_the_process_and_says_what_it_may_leave() {
    let dir = Dir::new();
    // What is slow to compress: the chunks under way are compressed to their end.
    let mut state = 1_u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'a' + (state >> 29) as u8
    };
    dir.write("slow", (0..64 << 20).map(|_| letter()).collect::<Vec<u8>>());
    let args = ["pack", "--json", "-o", "a.rtar", "--level", "22", "--chunk-size", "8M", "--threads", "8", "slow"];
    let child = dir.command(&args).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("a temporary file", || dir.names().len() == 2);
    std::thread::sleep(Duration::from_millis(500));
    signal(child.id(), &["TERM"]);
    std::thread::sleep(Duration::from_millis(1200));
    signal(child.id(), &["TERM"]);
    let ran = Ran::of(child.wait_with_output().unwrap()).code(130);
    let error = ran.json_error();
    assert_eq!(error["code"], "usage.interrupted");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains(".NAME.rosettar-XXXXXXXX.tmp") && message.contains(".rosettar-extract-XXXXXXXX"),
        "{message}"
    );
}
