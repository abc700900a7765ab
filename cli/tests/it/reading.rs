//! `info`, `list`, `cat`, `schema`.

use std::process::{Command, Stdio};

use crate::support::{Dir, have, names};

#[test]
fn info_at_a_glance() {
    let dir = Dir::with_archive();
    let out = dir.run(&["info", "a.rtar"]).ok().out;
    for line in [
        "format          Rosettar 1.0\n",
        "created         not stated\n",
        "files           2, 11 bytes\n",
        "directories     3\n",
        "records         3 in 1 stream\n",
        "  source  test\n",
        "demo.Row\n",
        "root digest     sha256:",
    ] {
        assert!(out.contains(line), "{line:?} is not in\n{out}");
    }
}

#[test]
fn list_like_ls() {
    let dir = Dir::with_archive();
    let out = dir.run(&["list", "a.rtar"]).ok().out;
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 6);
    assert!(lines[0].starts_with("drwx") && lines[0].ends_with("Z  t"), "{out}");
    assert!(lines[1].starts_with("-rw") && lines[1].contains("   6  ") && lines[1].ends_with("Z  t/a.txt"), "{out}");
    assert!(lines[4].starts_with("lrwxrwxrwx") && lines[4].ends_with("  t/sub/link -> ../a.txt"), "{out}");
    assert_eq!(dir.run(&["list", "a.rtar", "*.md"]).ok().out.lines().count(), 1);
    assert_eq!(dir.run(&["list", "a.rtar", "t/sub/", "/t/a.txt"]).ok().out.lines().count(), 4);
    let ran = dir.run(&["list", "a.rtar", "*.md", "*.nope"]).code(1);
    assert_eq!(ran.out.lines().count(), 1, "what matches is listed all the same");
    assert!(ran.err.contains("no entry matches \"*.nope\""), "{}", ran.err);
    assert!(ran.err.contains("hint: `rosettar list ARCHIVE` shows what there is"), "{}", ran.err);
    let all = dir.run(&["list", "--all", "a.rtar"]).ok().out;
    assert!(all.contains("  .rosettar/streams/rows/00000000.binpb\n"), "{all}");
    let streams = dir.run(&["list", "--streams", "a.rtar"]).ok().out;
    assert!(streams.starts_with("rows  3 records  ") && streams.ends_with("  demo.Row\n"), "{streams}");
    dir.run(&["list", "--streams", "a.rtar", "x"]).code(1);
}

/// No two names look alike for what a terminal cannot be given.
#[cfg(unix)]
#[test]
fn names_are_listed_without_ambiguity() {
    let dir = Dir::new();
    let names = ["\\u{202e}x", "\u{202e}x", "a\\b", "soft\u{ad}", "filler\u{3164}", "tag\u{e0041}"];
    names.iter().for_each(|name| dir.write(name, ""));
    std::os::unix::fs::symlink("a\\b", dir.path("link")).unwrap();
    dir.run(&["pack", "-q", "-o", "a.rtar", "."]).ok();
    let out = dir.run(&["list", "a.rtar"]).ok().out;
    let lines: Vec<_> = out.lines().collect();
    for shown in
        ["\\\\u{202e}x", "\\u{202e}x", "a\\\\b", "soft\\u{ad}", "filler\\u{3164}", "tag\\u{e0041}", "link -> a\\\\b"]
    {
        assert_eq!(lines.iter().filter(|line| line.ends_with(&format!("Z  {shown}"))).count(), 1, "{shown}: {out}");
    }
    let paths = dir.run(&["list", "--json", "a.rtar"]).ok().json_lines();
    assert!(names.iter().all(|name| paths.iter().any(|entry| entry["path"] == *name)), "JSON has them as they are");
}

#[test]
fn cat_is_unaltered() {
    let dir = Dir::new();
    let content: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    dir.write("x/raw", &content);
    dir.write("x/-dash", "d");
    dir.run(&["pack", "-q", "-o", "a.rtar", "--chunk-size", "4K", "x"]).ok();
    assert_eq!(dir.run(&["cat", "a.rtar", "x/raw", "x/-dash"]).ok().bytes, [&content[..], b"d"].concat());
    let ran = dir.run(&["cat", "a.rtar", "x/raw", "x/nope"]).code(1);
    assert!(ran.bytes.is_empty() && ran.err.contains("[usage.no-such-entry]"), "{}", ran.err);
    assert!(dir.run(&["cat", "a.rtar", "x"]).code(1).err.contains("[usage.not-a-file]"));
    let json = dir.run(&["cat", "--json", "a.rtar", "x/raw"]).ok().json();
    let text = json["content"].as_str().unwrap();
    use base64::Engine as _;
    assert_eq!(base64::prelude::BASE64_STANDARD.decode(text).unwrap(), content);
}

#[test]
fn a_closed_pipe_is_silent() {
    let dir = Dir::new();
    dir.write("rows.proto", crate::support::PROTO);
    let lines: String = (0..50_000).map(|n| format!("{{\"number\":{n}}}\n")).collect();
    dir.write("rows.jsonl", lines);
    for n in 0..2000 {
        dir.write(&format!("d/a-rather-long-name-that-fills-the-pipe-{n:060}"), "");
    }
    dir.write("d/big", vec![b'x'; 1 << 20]);
    let pack = ["pack", "-q", "-o", "a.rtar", "--proto", "rows.proto", "--records", "rows:demo.Row=rows.jsonl", "d"];
    dir.run(&pack).ok();
    for args in [
        &["list", "a.rtar"][..],
        &["list", "--json", "a.rtar"],
        &["cat", "a.rtar", "d/big"],
        &["cat", "--json", "a.rtar", "d/big"],
        &["records", "a.rtar", "rows"],
        &["records", "a.rtar", "rows", "--format", "binpb"],
    ] {
        let mut child = dir.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Nobody reads: the pipe is closed at once.
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
    // Nobody reads the verdict, but the exit code tells it.
    let mut broken = std::fs::read(dir.path("a.rtar")).unwrap();
    let middle = broken.len() / 2;
    broken[middle] ^= 1;
    dir.write("broken.rtar", broken);
    dir.run(&["remove", "-q", "a.rtar", "d/big", "-o", "b.rtar"]).ok();
    for (args, code) in [
        (&["verify", "a.rtar"][..], 0),
        (&["verify", "--json", "a.rtar"], 0),
        (&["verify", "broken.rtar"], 2),
        (&["verify", "broken.rtar", "a.rtar"], 2),
        // That the second one is sound is not known.
        (&["verify", "a.rtar", "b.rtar"], 1),
        (&["diff", "a.rtar", "a.rtar"], 0),
        (&["diff", "a.rtar", "b.rtar"], 3),
        (&["diff", "--json", "a.rtar", "b.rtar"], 3),
    ] {
        let mut child = dir.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
    // An archive that is cut off is no success.
    let mut child =
        dir.command(&["pack", "-o", "-", "d"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1));
}

#[test]
fn schemas_as_text_and_as_bytes() {
    let dir = Dir::with_archive();
    let text = dir.run(&["schema", "a.rtar", "rows"]).ok().out;
    assert!(text.starts_with("// rows.proto (Schema 1)\nsyntax = \"proto3\";\n\npackage demo;\n"), "{text}");
    assert!(!text.contains("google/protobuf/timestamp.proto (Schema"), "{text}");
    assert_eq!(dir.run(&["schema", "a.rtar"]).ok().out, text);
    let all = dir.run(&["schema", "--all", "a.rtar"]).ok().out;
    assert!(all.contains("// google/protobuf/timestamp.proto (Schema 1)\n"), "{all}");
    assert!(all.contains("package rosettar.v1;"), "{all}");
    assert!(dir.run(&["schema", "a.rtar", "nope"]).code(1).err.contains("[usage.no-such-stream]"));
    let set = dir.run(&["schema", "a.rtar", "rows", "--descriptor-set"]).ok().bytes;
    let stored = dir.run(&["cat", "a.rtar", ".rosettar/schemas/00000001.binpb"]).ok().bytes;
    assert_eq!(set, stored);
    dir.run(&["schema", "a.rtar", "rows", "--descriptor-set", "--json"]).code(1);
    dir.run(&["schema", "a.rtar", "--all", "--descriptor-set"]).code(1);
    assert_eq!(dir.run(&["schema", "a.rtar", "-o", "p"]).ok().out, "google/protobuf/timestamp.proto\nrows.proto\n");
    dir.run(&["schema", "a.rtar", "-o", "p"]).code(1);
    dir.run(&["schema", "--all", "a.rtar", "-o", "both"]).ok();
    assert_eq!(names(&dir.path("both")), ["00000000", "00000001"]);
    if have("protoc", "schemas_as_text_and_as_bytes") {
        let out = dir.path("set.binpb");
        let status = Command::new("protoc")
            .arg("-I")
            .arg(dir.path("p"))
            .arg("--descriptor_set_out")
            .arg(&out)
            .arg(dir.path("p/rows.proto"))
            .status()
            .unwrap();
        assert!(status.success());
        assert!(std::fs::metadata(out).unwrap().len() > 0);
    }
}

#[test]
fn nothing_on_standard_input_is_an_archive_cut_off() {
    let dir = Dir::new();
    for args in [&["info", "-"][..], &["list", "-"], &["cat", "-", "x"], &["extract", "-", "-C", "d"], &["verify", "-"]]
    {
        let ran = dir.run(args).code(2);
        assert!(format!("{}{}", ran.out, ran.err).contains("envelope.truncated"), "{args:?}: {}", ran.err);
    }
}
