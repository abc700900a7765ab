//! `extract` and `verify`.

use crate::support::{Dir, Ran, names};

#[test]
fn extract_is_all_or_nothing() {
    let dir = Dir::with_archive();
    let ran = dir.run(&["extract", "a.rtar"]).ok();
    assert_eq!(
        ran.out,
        "extracted 2 files (11 B), 3 directories and 1 link to ./a\n\
         3 records are not extracted: `rosettar records` prints them, `--records` extracts them\n"
    );
    assert_eq!(std::fs::read(dir.path("a/t/sub/ü b.md")).unwrap(), b"beta\n");
    assert!(dir.run(&["extract", "a.rtar"]).code(1).err.contains("[usage.target]"));
    dir.run(&["extract", "-q", "a.rtar", "-C", "part", "*.md"]).ok();
    assert_eq!(names(&dir.path("part/t")), ["sub"]);
    assert!(dir.run(&["extract", "a.rtar", "-C", "none", "*.nope"]).code(1).err.contains("*.nope"));
    std::fs::copy(dir.path("a.rtar"), dir.path("plain")).unwrap();
    assert!(dir.run(&["extract", "plain"]).code(1).err.contains("name a directory with -C"));
    dir.run(&["extract", "plain", "-C", "out", "--sync", "--modes", "exact", "--threads", "2"]).ok();

    let mut bytes = std::fs::read(dir.path("a.rtar")).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    dir.write("bad.rtar", bytes);
    let before = dir.names();
    dir.run(&["extract", "bad.rtar"]).code(2);
    assert_eq!(dir.names(), before);
}

#[test]
fn records_become_files_all_or_nothing() {
    let dir = Dir::with_archive();
    for (format, records) in [("jsonl", "records"), ("csv", "records"), ("binpb", "records")] {
        let ran = dir.run(&["extract", "a.rtar", "-C", format, "--records", format, "*.md"]).ok();
        assert!(ran.out.ends_with(&format!("3 records to rows.{format}\n")), "{}", ran.out);
        assert_eq!(names(&dir.path(format)), [format!("rows.{format}").as_str(), "t"]);
        let printed = dir.run(&[records, "a.rtar", "rows", "--format", format]).ok().bytes;
        assert_eq!(std::fs::read(dir.path(&format!("{format}/rows.{format}"))).unwrap(), printed);
    }
    // The same time each time, so that a merge finds the same file.
    dir.run(&["extract", "a.rtar", "-C", "csv", "--records", "csv", "*.md", "--merge"]).ok();
    let with_clash = |dir: &Dir| {
        dir.write("rows.jsonl", "{\"number\":1}\n{\"number\":2}\n");
        let records = "rows:demo.Row=rows.jsonl";
        dir.run(&["pack", "-q", "-o", "b.rtar", "--proto", "rows.proto", "--records", records, "rows.jsonl"]).ok();
    };
    with_clash(&dir);
    let before = dir.names();
    let ran = dir.run(&["extract", "b.rtar", "--records", "jsonl"]).code(2);
    assert!(ran.err.contains("[policy.name]") && ran.err.contains("rows.jsonl"), "{}", ran.err);
    assert_eq!(dir.names(), before);
    dir.run(&["extract", "b.rtar", "--records", "csv"]).ok();
    assert_eq!(names(&dir.path("b")), ["rows.csv", "rows.jsonl"]);
    dir.run(&["extract", "b.rtar", "--records", "text"]).code(1);
}

/// An empty record may be long as a row: what is written of records is bounded as what is decoded is.
#[test]
fn files_of_records_are_bounded() {
    let dir = Dir::new();
    let name = "N".repeat(200);
    let fields: String = (1..=20).map(|n| format!("E f{n} = {n};")).collect();
    dir.write("e.proto", format!("syntax = \"proto3\"; enum E {{ {name} = 0; }} message T {{ {fields} }}"));
    dir.write("rows.jsonl", "{}\n".repeat(1000));
    dir.run(&["pack", "-q", "-o", "a.rtar", "--proto", "e.proto", "--records", "rows:T=rows.jsonl"]).ok();
    let before = dir.names();
    let refused = dir.run(&["extract", "a.rtar", "--records", "csv", "--limit", "decoded-bytes=1M"]).code(2);
    assert!(refused.err.contains("[limit.decoded-bytes]") && refused.err.contains("rows.csv"), "{}", refused.err);
    assert_eq!(dir.names(), before);
    dir.run(&["extract", "a.rtar", "--records", "csv", "--limit", "decoded-bytes=5M"]).ok();
}

#[test]
fn extract_merges_as_told() {
    let dir = Dir::with_archive();
    dir.write("out/t/a.txt", "mine");
    dir.write("out/own", "mine");
    let extract = |more: &[&str]| dir.run(&[&["extract", "a.rtar", "-C", "out"], more].concat());
    assert!(extract(&[]).code(1).err.contains("--merge"));
    let ran = extract(&["--merge"]).code(1);
    assert!(ran.err.contains("t/a.txt") && ran.err.contains("--overwrite always"), "{}", ran.err);
    assert_eq!(
        (names(&dir.path("out")), names(&dir.path("out/t"))),
        (vec!["own".into(), "t".into()], vec!["a.txt".into()])
    );
    extract(&["--overwrite", "always"]).code(1);
    let ran = extract(&["--merge", "--overwrite", "never"]).code(3);
    assert!(ran.err.contains("t/a.txt: is kept as it was"), "{}", ran.err);
    assert!(ran.out.contains("of these, 0 replaced what was there, and 1 gave way to it\n"), "{}", ran.out);
    assert_eq!(std::fs::read(dir.path("out/t/a.txt")).unwrap(), b"mine");
    assert_eq!(names(&dir.path("out/t")), ["a.txt", "empty", "sub"]);
    // It was written just now, after the tree was packed.
    extract(&["--merge", "--overwrite", "newer"]).code(3);
    let ran = extract(&["--merge", "--overwrite", "always"]).ok();
    assert!(ran.out.contains("of these, 1 replaced what was there, and 0 gave way to it\n"), "{}", ran.out);
    assert_eq!(std::fs::read(dir.path("out/t/a.txt")).unwrap(), b"alpha\n");
    extract(&["--merge"]).ok();
    assert_eq!(names(&dir.path("out")), ["own", "t"]);
}

#[test]
fn components_are_stripped_and_names_portable() {
    let dir = Dir::with_archive();
    let ran = dir.run(&["extract", "a.rtar", "-C", "one", "--strip-components", "1"]).ok();
    assert!(ran.out.starts_with("extracted 2 files (11 B), 2 directories"), "{}", ran.out);
    assert_eq!(names(&dir.path("one")), ["a.txt", "empty", "sub"]);
    // The link in t/sub now leads out, and the file above it has nothing left of its path.
    let two = ["extract", "a.rtar", "-C", "two", "--strip-components", "2"];
    assert!(dir.run(&two).code(2).err.contains("[policy.link]"));
    let ran = dir.run(&[&two[..], &["--links", "keep"]].concat()).code(3);
    assert!(ran.err.contains("1 file or link is left out"), "{}", ran.err);
    assert_eq!(names(&dir.path("two")), ["link", "ü b.md"]);

    dir.write("n/Ä", "1");
    dir.write("n/a\u{308}", "2");
    dir.run(&["pack", "-q", "-o", "n.rtar", "n"]).ok();
    let ran = dir.run(&["extract", "n.rtar", "--names", "portable"]).code(2);
    assert!(ran.err.contains("n/Ä") && ran.err.contains("n/a\\u{308}"), "{}", ran.err);
    let ran = dir.run(&["pack", "-q", "-o", "p.rtar", "--names", "portable", "n"]).code(1);
    assert!(ran.err.contains("[policy.name]") && !dir.names().contains(&"p.rtar".to_owned()), "{}", ran.err);
    dir.write("w/aux.txt", "");
    dir.run(&["pack", "-q", "-o", "p.rtar", "--names", "portable", "w"]).code(1);
    dir.run(&["pack", "-q", "-o", "p.rtar", "--names", "portable", "t"]).ok();
    dir.run(&["extract", "p.rtar", "--names", "portable"]).ok();
}

#[test]
fn verify_says_what_is_proven_and_what_is_wrong() {
    let dir = Dir::with_archive();
    let ran = dir.run(&["verify", "a.rtar"]).ok();
    assert!(ran.out.starts_with("a.rtar: sound\n  proven: every byte"), "{}", ran.out);
    assert!(ran.out.contains("not proven: whether each record decodes"), "{}", ran.out);
    assert_eq!(dir.run(&["verify", "--quiet", "a.rtar"]).ok().out, "");
    assert!(dir.run(&["verify", "--records", "a.rtar"]).ok().out.contains("decodes by its schema"));

    let bytes = std::fs::read(dir.path("a.rtar")).unwrap();
    dir.write("cut.rtar", &bytes[..bytes.len() - 1]);
    let mut flipped = bytes.clone();
    let at = flipped.len() / 2;
    flipped[at] ^= 1;
    dir.write("flipped.rtar", flipped);
    dir.write("text.rtar", "this is no archive, and long enough to say so");
    for name in ["cut.rtar", "flipped.rtar", "text.rtar"] {
        let ran = dir.run(&["verify", name]).code(2);
        assert!(ran.out.starts_with(&format!("{name}: not sound, ")) && ran.out.contains("  problem: "), "{}", ran.out);
        assert_eq!(ran.err, "");
        dir.run(&["verify", "--quiet", name]).code(2);
    }
    let ran = dir.run(&["verify", "nope.rtar", "a.rtar"]).code(1);
    assert!(ran.err.contains("cannot open nope.rtar") && ran.out.starts_with("a.rtar: sound"), "{ran:?}");
    let ran = dir.run(&["verify", "cut.rtar", "nope.rtar", "a.rtar"]).code(2);
    assert!(ran.out.contains("a.rtar: sound"), "{ran:?}");
}

#[test]
fn other_tools_see_the_same_files() {
    if !crate::support::have("tar", "other_tools_see_the_same_files")
        || !crate::support::have("zstd", "other_tools_see_the_same_files")
    {
        return;
    }
    let dir = Dir::with_archive();
    std::fs::create_dir(dir.path("tar")).unwrap();
    let status =
        std::process::Command::new("tar").arg("xf").arg(dir.path("a.rtar")).arg("-C").arg(dir.path("tar")).status();
    assert!(status.unwrap().success());
    dir.run(&["extract", "a.rtar"]).ok();
    assert_eq!(names(&dir.path("tar/t/sub")), names(&dir.path("a/t/sub")));
    assert_eq!(std::fs::read(dir.path("tar/t/a.txt")).unwrap(), std::fs::read(dir.path("a/t/a.txt")).unwrap());
}

#[test]
fn what_is_excluded_is_left_out() {
    let dir = Dir::with_archive();
    dir.run(&["extract", "a.rtar", "-C", "some", "--exclude", "sub", "t"]).ok();
    assert!(dir.path("some/t/a.txt").exists() && !dir.path("some/t/sub").exists());
    // A name that a file of records wants can be left to it.
    dir.run(&[
        "pack",
        "-o",
        "b.rtar",
        "--proto",
        "rows.proto",
        "--records",
        "rows:demo.Row=rows.csv",
        "--null",
        "NA",
        "rows.csv",
    ])
    .ok();
    let refused = dir.run(&["extract", "b.rtar", "-C", "two", "--records", "csv"]).code(2);
    assert!(refused.err.contains("--exclude"), "{}", refused.err);
    dir.run(&["extract", "b.rtar", "-C", "two", "--records", "csv", "--exclude", "rows.csv"]).ok();
    assert_eq!(names(&dir.path("two")), ["rows.csv"]);
}

/// Of `...rtar`, the directory above would be left.
#[test]
fn a_name_that_leaves_dots_is_no_target() {
    let dir = Dir::with_archive();
    std::fs::create_dir(dir.path("here")).unwrap();
    for name in ["..rtar", "...rtar"] {
        std::fs::copy(dir.path("a.rtar"), dir.path("here").join(name)).unwrap();
    }
    let before = (dir.names(), names(&dir.path("here")));
    for name in ["..rtar", "...rtar", "./..rtar", "./...rtar"] {
        for more in [&[][..], &["--merge"]] {
            let mut command = dir.command(&[&["extract", "--json", name], more].concat());
            let ran = Ran::of(command.current_dir(dir.path("here")).output().unwrap()).code(1);
            assert_eq!(ran.json_error()["code"], "usage.target", "{name}");
        }
    }
    assert_eq!((dir.names(), names(&dir.path("here"))), before);
}

/// A variable that is not set makes an empty pattern, which is not to stand for everything.
#[test]
fn an_empty_pattern_is_refused() {
    let dir = Dir::with_archive();
    let bytes = std::fs::read(dir.path("a.rtar")).unwrap();
    let before = dir.names();
    for pattern in ["", "/", "//"] {
        for args in [
            &["remove", "a.rtar", pattern][..],
            &["remove", "a.rtar", "t", pattern],
            &["remove", "-n", "a.rtar", pattern],
            &["extract", "a.rtar", pattern, "-C", "out"],
            &["extract", "a.rtar", "--exclude", pattern, "-C", "out"],
            &["list", "a.rtar", pattern],
            &["list", "--provisional", "a.rtar", pattern],
            &["pack", "-o", "b.rtar", "--exclude", pattern, "t"],
            &["pack", "-o", "b.rtar", "--include", pattern, "t"],
            &["append", "a.rtar", "--exclude", pattern, "rows.csv"],
            &["diff", "a.rtar", "a.rtar", "--include", pattern],
            &["diff", "a.rtar", ".", "--exclude", pattern],
        ] {
            let error = dir.run(&[&["--json"], args].concat()).code(1).json_error();
            assert_eq!(error["code"], "usage.option", "{args:?}");
            assert!(error["message"].as_str().unwrap().contains("an empty pattern"), "{error}");
        }
    }
    // What is no pattern is not there.
    dir.run(&["cat", "a.rtar", ""]).code(1);
    dir.run(&["records", "a.rtar", ""]).code(1);
    dir.run(&["pack", "-o", "b.rtar", ""]).code(1);
    assert_eq!(dir.names(), before);
    assert_eq!(std::fs::read(dir.path("a.rtar")).unwrap(), bytes);
}
