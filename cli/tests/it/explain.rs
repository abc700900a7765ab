//! `explain`: the map as people and programs get it.

use std::path::Path;

use crate::support::Dir;

fn vectors() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/vectors")
}

#[test]
fn a_sound_archive_from_a_file_and_from_a_pipe() {
    let dir = Dir::with_archive();
    let shown = dir.run(&["explain", "a.rtar"]).ok();
    for line in [
        "\n            0          9  frame 0, the empty frame: 28 B5 2F FD 20 00 01 00 00  [3.1]\n",
        "\n           25          1    major version: 1  [3.1]\n",
        "  section MANI",
        "    producer, field 2 (length-delimited): \"rosettar ",
        " header: file \"t/a.txt\", 6 bytes",
        "the seek table: ",
    ] {
        assert!(shown.out.contains(line) || shown.out.contains(line.trim_start()), "{line}: {}", shown.out);
    }
    assert!(shown.out.ends_with("\nverdict: sound, Rosettar 1.0\n"), "{}", shown.out);
    let piped = dir.run_with_input(&["explain", "-"], &std::fs::read(dir.path("a.rtar")).unwrap()).ok();
    assert_eq!(piped.out, shown.out);
    dir.run(&["explain", "nope.rtar"]).code(1);
}

#[test]
fn a_broken_one_is_mapped_and_judged() {
    let dir = Dir::with_archive();
    let mut bytes = std::fs::read(dir.path("a.rtar")).unwrap();
    bytes.truncate(bytes.len() - 30);
    bytes[27] = 1;
    dir.write("broken.rtar", &bytes);
    let out = dir.run(&["explain", "broken.rtar"]).code(2).out;
    assert!(out.contains("! envelope.reserved: reserved bytes of the header: expected 00 00, found [01, 00]"), "{out}");
    assert!(out.contains(" header: file \"t/a.txt\", 6 bytes"), "{out}");
    let last = out.lines().last().unwrap();
    assert!(last.starts_with("verdict: not sound: ") && last.ends_with(" [envelope.reserved]"), "{last}");
    let lines = dir.run(&["explain", "--json", "broken.rtar"]).code(2).json_lines();
    let mut end = 0;
    for line in lines.iter().filter(|line| line["level"] == 0) {
        assert_eq!(line["offset"], end);
        end += line["length"].as_u64().unwrap();
    }
    assert_eq!(end, bytes.len() as u64);
    let verdict = lines.last().unwrap();
    let problems = dir.run(&["verify", "--json", "broken.rtar"]).code(2).json()["problems"].clone();
    assert_eq!(verdict["problems"], problems);
}

#[test]
fn what_a_file_says_does_nothing_to_a_terminal() {
    let dir = Dir::new();
    let mut writer = rosettar::WriteOptions::new().producer("\u{1b}[2J\u{202e}").create(dir.path("a.rtar")).unwrap();
    writer.attribute("k\n", "v\r\u{9b}31m").unwrap();
    writer.finish().unwrap();
    let out = dir.run(&["explain", "--all", "a.rtar"]).ok().out;
    assert!(out.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{out:?}");
    assert!(out.contains("\\u{1b}[2J"), "{out}");
}

#[test]
fn a_range_is_what_is_asked_for() {
    let dir = Dir::new();
    let vector = vectors().join("file-and-record.rtar");
    let vector = vector.to_str().unwrap();
    let out = dir.run(&["explain", "--at", "0x3138", vector]).ok().out;
    let lines: Vec<_> = out.lines().skip(1).map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(lines, ["12485", "12533", "12569", "12600", "verdict:"], "{out}");
    assert!(dir.run(&["explain", "--at", "13148", vector]).code(1).err.contains("[usage.option]"));
    dir.run(&["explain", "--at", "9..8", vector]).code(1);
}

#[test]
fn who_leaves_early_was_promised_nothing() {
    use std::process::Stdio;
    let dir = Dir::with_archive();
    let mut child = dir.command(&["explain", "--all", "a.rtar"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn limits_and_c1z() {
    let dir = Dir::with_archive();
    let out = dir.run(&["explain", "--limit", "index-bytes=10", "a.rtar"]).code(2).out;
    assert!(out.contains("limit.index-bytes"), "{out}");
    let manifest = ["convert", "t", "-o", "a.c1z", "--to", "c1z3-indexed", "--engine", "e", "--lossy"];
    dir.run(&manifest).code(3);
    let out = dir.run(&["explain", "a.c1z"]).ok().out;
    for text in ["magic of C1Z, version 3", "engine, field 1", "frame: of \"a.txt\"", "footer", "verdict: sound, C1Z"] {
        assert!(out.contains(text), "{text}: {out}");
    }
}
