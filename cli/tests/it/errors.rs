//! Errors and exit codes.

use crate::support::Dir;

#[test]
fn usage_errors_are_1_and_json_on_request() {
    let dir = Dir::with_archive();
    for args in [&["nope"][..], &["info"], &["info", "--nope", "x"], &["pack", "t"], &["records", "a.rtar"]] {
        let ran = dir.run(args).code(1);
        assert!(ran.err.starts_with("error: ") && ran.err.contains("Usage: rosettar"), "{args:?}: {}", ran.err);
        let error = dir.run(&[args, &["--json"]].concat()).code(1).json_error();
        assert_eq!((&error["code"], &error["kind"]), (&"usage.option".into(), &"usage".into()), "{args:?}");
        assert!(!error["message"].as_str().unwrap().contains('\n'));
    }
    let ran = dir.run(&[]).code(1);
    assert!(ran.err.contains("Usage: rosettar"), "{}", ran.err);
    let error = dir.run(&["--json"]).code(1).json_error();
    assert!(error["message"].as_str().unwrap().contains("no verb"), "{error}");
    let error = dir.run(&["info", "--json", "nope.rtar"]).code(1).json_error();
    assert_eq!((&error["code"], &error["kind"]), (&"io.file".into(), &"io".into()));
    let error = dir.run(&["--json", "cat", "a.rtar", "nope"]).code(1).json_error();
    assert_eq!(error["entry"], "nope");
}

#[test]
fn archives_that_are_not_acceptable_are_2() {
    let dir = Dir::with_archive();
    dir.write("text.rtar", "this is no archive, and long enough to say so");
    dir.write("empty.rtar", "");
    let mut newer = std::fs::read(dir.path("a.rtar")).unwrap();
    newer[25] = 0;
    for at in 0..64 {
        // The major version stands after the word.
        if newer[at..].starts_with(b"ROSETTAR") {
            newer[at + 8] = 9;
            break;
        }
    }
    dir.write("newer.rtar", newer);
    for (name, code) in [
        ("text.rtar", "envelope.unknown-magic"),
        ("empty.rtar", "envelope.truncated"),
        ("newer.rtar", "envelope.unsupported-version"),
    ] {
        for args in [
            &["info", name][..],
            &["list", name],
            &["cat", name, "x"],
            &["records", name, "x"],
            &["schema", name],
            &["extract", name],
        ] {
            let error = dir.run(&[args, &["--json"]].concat()).code(2).json_error();
            assert_eq!(error["code"], code, "{args:?}");
        }
    }
    let error = dir.run(&["list", "a.rtar", "--limit", "entries=1", "--json"]).code(2).json_error();
    assert_eq!(error["code"], "limit.entries");
    let ran = dir.run(&["list", "a.rtar", "--limit", "entries=1"]).code(2);
    assert!(
        ran.err.contains("hint: if the input is trustworthy, allow more with --limit entries=VALUE"),
        "{}",
        ran.err
    );
    dir.run(&["list", "a.rtar", "--limit", "entries=1x"]).code(1);
}

#[test]
fn nothing_is_coloured_in_a_pipe() {
    let dir = Dir::with_archive();
    for args in [&["--help"][..], &["pack", "--help"], &["nope"], &["info", "nope"], &["verify", "a.rtar"]] {
        let mut command = dir.command(args);
        let output = command.env("CLICOLOR_FORCE", "1").output().unwrap();
        assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b), "{args:?}");
    }
}

/// A shell's wildcard makes arguments of names of files, which may be anything.
#[test]
fn arguments_are_quoted_without_what_they_do_to_a_terminal() {
    let dir = Dir::new();
    let hostile = "b\u{1b}]0;pwned\u{7}\u{1b}[2J\nerror: \u{202e}x\u{e0041}.rtar";
    let (option, shown) =
        (format!("--{hostile}"), "b\\u{1b}]0;pwned\\u{7}\\u{1b}[2J\\nerror: \\u{202e}x\\u{e0041}.rtar");
    for args in [
        &["info", "a.rtar", hostile][..],
        &["verify", &option],
        &[hostile],
        &["convert", "a", "-o", "b", "--to", hostile],
        &["extract", "a", "--threads", hostile],
        &["pack", "-o", "b", "--chunk-size", hostile, "t"],
    ] {
        let ran = dir.run(args).code(1);
        assert!(ran.err.starts_with("error: ") && ran.err.contains(shown), "{args:?}: {}", ran.err);
        assert!(ran.err.contains("\n\nFor more information") || ran.err.contains("\n\nUsage"), "{args:?}: {}", ran.err);
        let raw = ran.err.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}' || c == '\u{e0041}');
        assert!(!raw && !ran.err.contains("\nerror: "), "{args:?}: {:?}", ran.err);
        let error = dir.run(&[&["--json"], args].concat()).code(1).json_error();
        assert!(error["message"].as_str().unwrap().contains("pwned"), "{error}");
    }
}

/// What a hint proposes is possible, and helps.
#[test]
fn hints_fit_the_case() {
    let dir = Dir::with_archive();
    let ran = dir.run(&["schema", "a.rtar", "-o", "t"]).code(1);
    assert!(ran.err.contains("`-o`") && !ran.err.contains("merge") && !ran.err.contains("-C"), "{}", ran.err);
    let ran = dir.run(&["schema", "a.rtar", "-o", "a.rtar"]).code(1);
    assert!(ran.err.contains("`-o`") && !ran.err.contains("hint"), "{}", ran.err);
    let deep = ["d"; 70].join("/");
    std::fs::create_dir_all(dir.path(&deep)).unwrap();
    let ran = dir.run(&["pack", "-o", "b.rtar", "d"]).code(1);
    assert!(ran.err.contains("--limit path-depth=VALUE, such as 128\n"), "{}", ran.err);
    dir.run(&["pack", "-q", "-o", "b.rtar", "--limit", "path-depth=128", "d"]).ok();
    let ran = dir.run(&["list", "b.rtar", "--limit", "index-bytes=10"]).code(2);
    assert!(ran.err.contains("--limit index-bytes=VALUE, such as 32\n"), "{}", ran.err);

    // What recovery does not take, and recovery itself.
    let to = ["--to", "c1z3-tar", "--engine", "e", "--lossy"];
    dir.run(&[&["convert", "-q", "t", "-o", "x.c1z"], &to[..]].concat()).code(3);
    let bytes = std::fs::read(dir.path("x.c1z")).unwrap();
    dir.write("cut.c1z", &bytes[..bytes.len() / 2]);
    for args in [&["list", "cut.c1z"][..], &["extract", "cut.c1z"], &["diff", "a.rtar", "cut.c1z"]] {
        let ran = dir.run(args).code(2);
        assert!(ran.err.contains("hint") && !ran.err.contains("recover"), "{}", ran.err);
    }
    let ran = dir.run_with_input(&["list", "-"], &bytes[..bytes.len() / 2]).code(2);
    assert!(ran.err.contains("hint") && !ran.err.contains("recover"), "{}", ran.err);
    for content in ["", "no archive, but long enough for the header of one"] {
        dir.write("broken", content);
        let ran = dir.run(&["recover", "broken", "-o", "new.rtar"]).code(2);
        assert!(!ran.err.contains("`rosettar recover`"), "{}", ran.err);
    }
    let archive = std::fs::read(dir.path("a.rtar")).unwrap();
    dir.write("cut.rtar", &archive[..archive.len() / 2]);
    assert!(dir.run(&["list", "cut.rtar"]).code(2).err.contains("`rosettar recover`"));
}

/// Sources of schemas, and manifests, are read to a bound.
#[cfg(unix)]
#[test]
fn what_is_read_whole_is_bounded() {
    let dir = Dir::with_files();
    std::fs::File::create(dir.path("huge.proto")).unwrap().set_len(20 << 30).unwrap();
    dir.write("imports.proto", "syntax = \"proto3\";\nimport \"huge.proto\";\n");
    let records = ["--records", "r:demo.Row=rows.csv"];
    for (option, file) in [
        ("--proto", "huge.proto"),
        ("--proto", "imports.proto"),
        ("--proto", "/dev/zero"),
        ("--descriptor-set", "huge.proto"),
        ("--descriptor-set", "/dev/zero"),
    ] {
        let args = [&["--json", "pack", "-o", "a.rtar", option, file], &records[..]].concat();
        let error = dir.run(&args).code(1).json_error();
        assert_eq!(error["code"], "schema.too-large", "{file}: {error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("16777216") && (message.contains(file) || file == "imports.proto"), "{message}");
    }
    for file in ["huge.proto", "/dev/zero"] {
        let args = ["--json", "convert", "t", "-o", "a.c1z", "--to", "c1z3-tar", "--lossy", "--manifest", file];
        let error = dir.run(&args).code(1).json_error();
        assert_eq!(error["code"], "usage.input", "{file}: {error}");
    }
    assert!(!dir.path("a.rtar").exists() && !dir.path("a.c1z").exists());
    // What a shell makes of `<(command)` is as good as a file.
    let script = format!(
        "exec {} pack -q -o a.rtar --proto <(cat rows.proto) --null NA --records r:demo.Row=rows.csv",
        assert_cmd::cargo::cargo_bin!("rosettar").display()
    );
    if std::path::Path::new("/bin/bash").exists() {
        let output =
            std::process::Command::new("bash").args(["-c", &script]).current_dir(dir.path("")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
