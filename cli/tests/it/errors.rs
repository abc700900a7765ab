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
