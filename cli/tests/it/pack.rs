//! `pack`.

use crate::support::{Dir, PACK_ALL, names};

#[test]
fn paths_become_archive_paths() {
    let dir = Dir::with_files();
    let paths = |args: &[&str]| {
        dir.run(&[&["pack", "-q", "-o", "p.rtar"], args].concat()).ok();
        let list = dir.run(&["list", "--json", "p.rtar"]).ok().json_lines();
        list.iter().map(|entry| entry["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = ["t", "t/a.txt", "t/empty", "t/sub", "t/sub/link", "t/sub/ü b.md"];
    assert_eq!(paths(&["t"]), all);
    assert_eq!(paths(&["./t/", "t/a.txt", "t/./sub", "t"]), all, "what overlaps is taken once");
    assert_eq!(paths(&["t/sub", "t/a.txt"]), ["t/a.txt", "t/sub", "t/sub/link", "t/sub/ü b.md"]);
    assert_eq!(paths(&["-C", "t", "."]), ["a.txt", "empty", "sub", "sub/link", "sub/ü b.md"]);
    assert_eq!(paths(&["-C", "t", ".", "--exclude", "sub"]), ["a.txt", "empty"]);
    assert_eq!(paths(&["t", "--include", "*.md"]), ["t", "t/sub", "t/sub/ü b.md"]);
    assert_eq!(paths(&["t/sub", "--exclude", "t/sub/l*"]), ["t/sub", "t/sub/ü b.md"]);
    assert_eq!(paths(&["t/a.txt", "--exclude", "*.txt"]), [""; 0]);
}

#[test]
fn paths_that_are_refused() {
    let dir = Dir::with_files();
    let absolute = dir.path("t");
    for (path, what) in [
        (absolute.to_str().unwrap(), "it is absolute"),
        ("../x", "it has a `..`"),
        ("t/../rows.csv", "it has a `..`"),
        ("", "a value is required"),
        ("nope", "No such file"),
        ("t/nope/x", "No such file"),
        ("t/a.txt/x", "Not a directory"),
    ] {
        let ran = dir.run(&["pack", "-o", "p.rtar", path]).code(1);
        assert!(ran.err.contains(what), "{path:?}: {}", ran.err);
    }
    assert!(dir.run(&["pack", "-o", "p.rtar", "../x"]).err.contains("-C"));
    assert!(!dir.path("p.rtar").exists());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("t", dir.path("l")).unwrap();
        assert!(dir.run(&["pack", "-o", "p.rtar", "l/a.txt"]).code(1).err.contains("symbolic link"));
        dir.run(&["pack", "-o", "p.rtar", "l"]).ok();
    }
}

#[test]
fn an_archive_does_not_pack_itself() {
    let dir = Dir::with_files();
    dir.run(&["pack", "-o", "t/self.rtar", "t"]).ok();
    let first = dir.run(&["list", "t/self.rtar"]).ok().out;
    dir.run(&["pack", "-o", "t/self.rtar", "."]).ok();
    let second = dir.run(&["list", "t/self.rtar"]).ok().out;
    assert!(!first.contains("rtar") && !second.contains("rtar"), "{first}{second}");
    assert!(names(&dir.path("t")).iter().all(|name| !name.starts_with('.')));
}

#[test]
fn the_same_bytes_whatever_the_threads() {
    let dir = Dir::with_files();
    let text: String = (0..200_000).map(|n| format!("{} ", n * 7919 % 10_007)).collect();
    for n in 0..6 {
        dir.write(&format!("t/big{n}"), &text[n..]);
    }
    let mut archives = Vec::new();
    for threads in ["1", "2", "4"] {
        let args = [PACK_ALL, &["--threads", threads, "--chunk-size", "64K"]].concat();
        dir.run(&args).ok();
        archives.push(std::fs::read(dir.path("a.rtar")).unwrap());
    }
    assert!(archives.windows(2).all(|pair| pair[0] == pair[1]));
    let args = [PACK_ALL, &["-o", "-", "--chunk-size", "64K"]].concat();
    let args: Vec<_> = args.iter().enumerate().filter(|(n, _)| !(1..3).contains(n)).map(|(_, arg)| *arg).collect();
    let streamed = dir.run(&args).code(0);
    assert_eq!(streamed.bytes, archives[0]);
    assert!(streamed.err.contains("root digest sha256:"));
}

#[test]
fn an_empty_archive() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path("none")).unwrap();
    let ran = dir.run(&["pack", "-o", "e.rtar", "-C", "none", "."]).ok();
    assert!(ran.out.starts_with("e.rtar: ") && ran.out.contains("0 files (0 B), 0 directories"), "{}", ran.out);
    assert_eq!(dir.run(&["list", "e.rtar"]).ok().out, "");
    assert_eq!(dir.run(&["list", "--streams", "e.rtar"]).ok().out, "");
    assert_eq!(dir.run(&["schema", "e.rtar"]).ok().out, "");
    dir.run(&["info", "e.rtar"]).ok();
    dir.run(&["verify", "e.rtar"]).ok();
    dir.run(&["extract", "e.rtar"]).ok();
    assert_eq!(names(&dir.path("e")), [""; 0]);
}

#[test]
fn reproducible_archives() {
    let dir = Dir::with_files();
    let digest = |args: &[&str], epoch: &str| {
        let mut command = dir.command(&[&["pack", "--json", "-o", "r.rtar", "t"], args].concat());
        let output = command.env("SOURCE_DATE_EPOCH", epoch).output().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        json["root_digest"].as_str().unwrap().to_owned()
    };
    let first = digest(&["--reproducible"], "1000000000");
    let entries = dir.run(&["list", "--json", "r.rtar"]).ok().json_lines();
    assert!(entries.iter().all(|e| e["mtime"]["seconds"] == 1_000_000_000 && e["mtime"]["nanoseconds"] == 0));
    dir.write("t/a.txt", "alpha\n");
    assert_eq!(digest(&["--reproducible"], "1000000000"), first);
    assert_ne!(digest(&[], "1000000000"), first);
    digest(&["--reproducible", "--created", "now"], "77");
    assert_eq!(dir.run(&["info", "--json", "r.rtar"]).ok().json()["created"]["seconds"], 77);
    let ran = dir.run(&["pack", "-o", "r.rtar", "--reproducible", "--created", "now", "t"]).code(1);
    assert!(ran.err.contains("SOURCE_DATE_EPOCH"), "{}", ran.err);
    let mut command = dir.command(&["pack", "-o", "r.rtar", "--reproducible", "t"]);
    let output = command.env("SOURCE_DATE_EPOCH", "yesterday").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn records_of_every_format_and_from_standard_input() {
    let dir = Dir::with_archive();
    for format in ["jsonl", "csv", "binpb"] {
        let records = dir.run(&["records", "a.rtar", "rows", "--format", format]).ok().bytes;
        let spec = format!("rows:demo.Row={format}:-");
        let args = ["pack", "-q", "-o", "b.rtar", "--proto", "rows.proto", "--records", &spec];
        dir.run_with_input(&args, &records).ok();
        assert_eq!(
            dir.run(&["records", "b.rtar", "rows"]).ok().out,
            dir.run(&["records", "a.rtar", "rows"]).ok().out,
            "{format}"
        );
    }
    dir.run(&["schema", "a.rtar", "rows", "--descriptor-set", "-o", "set.binpb"]).ok();
    let args = ["pack", "-q", "-o", "b.rtar", "--descriptor-set", "set.binpb", "--records", "r:demo.Row=rows.csv"];
    let ran = dir.run(&[&args[..], &["--null", "NA"]].concat()).ok();
    assert_eq!(ran.out, "");
    assert!(dir.run(&["list", "--streams", "b.rtar"]).ok().out.starts_with("r  3 records  "));
}

#[test]
fn a_bad_cell_leaves_nothing() {
    let dir = Dir::with_files();
    dir.write("bad.csv", "number,name\n1,a\nx7,b\n");
    dir.write("bad.jsonl", "{\"number\":1}\n{\"numbre\":2}\n");
    dir.write("bad.binpb", b"\x02\x08");
    dir.write("old.rtar", "old");
    for (file, message) in [
        ("bad.csv", "bad.csv:3: column \"number\": expected int32, found \"x7\" [record.value]"),
        (
            "bad.jsonl",
            "bad.jsonl:2:9: demo.Row has no field \"numbre\"; its fields are number, name, color, when, inner [record.value]",
        ),
        (
            "bad.binpb",
            "bad.binpb: record 0 at byte 0: the length is 2 bytes, but the file ends after 1 [record.framing]",
        ),
    ] {
        let before = dir.names();
        for output in ["new.rtar", "old.rtar"] {
            let spec = format!("rows:demo.Row={file}");
            let ran = dir.run(&["pack", "-o", output, "--proto", "rows.proto", "--records", &spec, "t"]).code(1);
            assert_eq!(ran.err, format!("error: {message}\n"));
            assert_eq!(ran.out, "");
        }
        assert_eq!(dir.names(), before);
        assert_eq!(std::fs::read(dir.path("old.rtar")).unwrap(), b"old");
        let spec = format!("rows:demo.Row={file}");
        dir.run(&["pack", "-o", "-", "--proto", "rows.proto", "--records", &spec]).code(1);
    }
}

#[test]
fn null_text() {
    let dir = Dir::with_files();
    dir.write("n.csv", "number,name\nNA,NA\n");
    let args = ["pack", "-q", "-o", "n.rtar", "--proto", "rows.proto", "--records", "n:demo.Row=n.csv"];
    let ran = dir.run(&args).code(1);
    assert!(ran.err.contains("n.csv:2: column \"number\": expected int32, found \"NA\""), "{}", ran.err);
    dir.run(&[&args[..], &["--null", "NA"]].concat()).ok();
    assert_eq!(dir.run(&["records", "n.rtar", "n"]).ok().out, "{}\n");
    let csv = dir.run(&["records", "n.rtar", "n", "--format", "csv", "--fields", "name,number", "--null", "-"]).ok();
    assert_eq!(csv.out, "name,number\n-,0\n");
}

#[test]
fn options_that_do_not_go_together() {
    let dir = Dir::with_files();
    for (args, what) in [
        (&["--records", "r:demo.Row=rows.csv"][..], "give --proto"),
        (&["t", "--proto", "rows.proto"], "only with --records"),
        (&["t", "--null", "NA"], "only with --records"),
        (&["--proto", "rows.proto", "--records", "r=rows.csv"], "names no message type"),
        (&["--proto", "rows.proto", "--records", "r:demo.Nope=rows.csv"], "demo.Nope"),
        (&["--proto", "rows.proto", "--records", "r:demo.Row=nope.csv"], "nope.csv"),
        (
            &["--proto", "rows.proto", "--records", "a:demo.Row=csv:-", "--records", "b:demo.Row=csv:-"],
            "one stream only",
        ),
        (&["--proto", "nope.proto", "--records", "r:demo.Row=rows.csv"], "nope.proto"),
        (&["t", "--attr", "x"], "KEY=VALUE"),
        (&["t", "--attr", "x=1", "--attr", "x=2"], "set before"),
        (&["t", "--chunk-size", "5"], "4096"),
        (&["t", "--chunk-size", "x"], "64K"),
        (&["t", "--level", "99"], "level"),
        (&["t", "--threads", "0"], "1 to 1024"),
        (&["t", "--created", "soon"], "2013-01-01T05:00:00Z"),
        (&["t", "--exclude", "a[b"], "pattern \"a[b\""),
        (&["t", "--limit", "entries=2"], "limit.entries"),
        (&["t", "--limit", "entries"], "NAME=VALUE"),
        (&["t", "--limit", "nope=1"], "decoded-bytes"),
        (&[], "required"),
    ] {
        let ran = dir.run(&[&["pack", "-o", "p.rtar"], args].concat()).code(1);
        assert!(ran.err.contains(what), "{args:?}: {}", ran.err);
    }
    assert!(!dir.path("p.rtar").exists());
}

#[cfg(unix)]
#[test]
fn links_and_things_that_cannot_be_packed() {
    let dir = Dir::with_files();
    std::os::unix::fs::symlink("/etc/passwd", dir.path("t/out")).unwrap();
    assert!(dir.run(&["pack", "-o", "p.rtar", "t"]).code(1).err.contains("[policy.link]"));
    let ran = dir.run(&["pack", "-o", "p.rtar", "--links", "skip", "t"]).code(3);
    assert!(ran.err.starts_with("warning: t/out: is skipped: the link's target \"/etc/passwd\""), "{}", ran.err);
    assert_eq!(dir.run(&["pack", "-q", "-o", "p.rtar", "--links", "skip", "t"]).code(3).err, "");
    dir.run(&["pack", "-o", "p.rtar", "--links", "keep", "t"]).ok();
    assert!(dir.run(&["extract", "p.rtar"]).code(2).err.contains("[policy.link]"));
    assert!(!dir.path("p").exists());
    let ran = dir.run(&["extract", "--json", "p.rtar", "--links", "skip"]).code(3);
    assert_eq!(ran.json()["skipped"], serde_json::json!(["t/out"]));
    dir.run(&["extract", "p.rtar", "--links", "keep", "-C", "kept"]).ok();
    assert_eq!(std::fs::read_link(dir.path("kept/t/out")).unwrap(), std::path::Path::new("/etc/passwd"));

    std::fs::remove_file(dir.path("t/out")).unwrap();
    use std::os::unix::ffi::OsStrExt as _;
    std::fs::write(dir.path("t").join(std::ffi::OsStr::from_bytes(b"n\xff")), "").unwrap();
    assert!(dir.run(&["pack", "-o", "p.rtar", "t"]).code(1).err.contains("not UTF-8"));
    let ran = dir.run(&["pack", "--json", "-o", "p.rtar", "--skip-unsupported", "t"]).code(3);
    assert_eq!((ran.json()["notes"][0]["kind"].as_str(), ran.err.as_str()), (Some("skipped"), ""));
}
