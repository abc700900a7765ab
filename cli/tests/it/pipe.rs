//! Archives that come through a pipe.

use std::io::Write as _;
use std::process::{Output, Stdio};

use crate::support::Dir;

/// Runs the command with `input` on standard input.
fn fed(dir: &Dir, args: &[&str], input: &[u8]) -> Output {
    let mut command = dir.command(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || {
        // The command may stop reading.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_reading_verb_reads_standard_input_as_it_reads_a_file() {
    let dir = Dir::with_archive();
    let archive = std::fs::read(dir.path("a.rtar")).unwrap();
    for args in [
        &["list", "-"][..],
        &["list", "--json", "-"],
        &["list", "--streams", "-"],
        &["list", "-", "t/a.txt"],
        &["info", "-"],
        &["info", "--json", "-"],
        &["cat", "-", "t/a.txt"],
        &["records", "-", "rows"],
        &["records", "-", "rows", "--rows", "-1:"],
        &["records", "-", "rows", "--format", "csv"],
        &["schema", "-", "rows"],
        &["verify", "-"],
        &["verify", "--records", "--json", "-"],
    ] {
        let from_file: Vec<&str> = args.iter().map(|arg| if *arg == "-" { "a.rtar" } else { arg }).collect();
        let expected = dir.run(&from_file);
        let found = fed(&dir, args, &archive);
        assert_eq!(found.status.code(), Some(expected.code), "{args:?}: {}", text(&found.stderr));
        // Only its name differs.
        let shown =
            text(&found.stdout).replace("-: ", "a.rtar: ").replace("\"archive\":\"-\"", "\"archive\":\"a.rtar\"");
        assert_eq!(shown, expected.out, "{args:?}");
    }
}

#[test]
fn provisional_output_is_the_same_but_for_what_only_the_index_has() {
    let dir = Dir::with_archive();
    let archive = std::fs::read(dir.path("a.rtar")).unwrap();
    for args in [
        &["cat", "--provisional", "-", "t/a.txt"][..],
        &["records", "--provisional", "-", "rows"],
        &["records", "--provisional", "-", "rows", "--rows", "1:2", "--format", "csv"],
        &["records", "--provisional", "-", "rows", "--format", "binpb"],
        &["info", "--provisional", "--json", "-"],
        &["verify", "--provisional", "--records", "--json", "-"],
    ] {
        let plain: Vec<&str> = args
            .iter()
            .filter(|arg| **arg != "--provisional")
            .map(|arg| if *arg == "-" { "a.rtar" } else { arg })
            .collect();
        let expected = dir.run(&plain);
        assert_eq!(expected.code, 0, "{expected:?}");
        let found = fed(&dir, args, &archive);
        assert_eq!(found.status.code(), Some(0), "{args:?}: {}", text(&found.stderr));
        let shown = found.stdout;
        let expected = text_or_bytes(&expected.bytes, "a.rtar");
        assert_eq!(text_or_bytes(&shown, "-"), expected, "{args:?}");
        // A file is read in one pass, too.
        let from_file: Vec<&str> = args.iter().map(|arg| if *arg == "-" { "a.rtar" } else { arg }).collect();
        assert_eq!(text_or_bytes(&dir.run(&from_file).bytes, "a.rtar"), expected, "{args:?}");
    }
    let json = |args: &[&str]| -> Vec<serde_json::Value> {
        let lines = text(&fed(&dir, args, &archive).stdout);
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (listed, provisional) = (json(&["list", "--json", "-"]), json(&["list", "--provisional", "--json", "-"]));
    assert_eq!(listed.len(), provisional.len());
    for (mut listed, mut provisional) in listed.into_iter().zip(provisional) {
        assert_eq!((&listed["provisional"], &provisional["provisional"]), (&false.into(), &true.into()));
        for entry in [&mut listed, &mut provisional] {
            entry["provisional"].take();
            entry["mtime"]["nanoseconds"].take();
        }
        assert_eq!(listed, provisional);
    }
    let content = json(&["cat", "--provisional", "--json", "-", "t/a.txt"]);
    assert_eq!((&content[0]["content"], &content[0]["path"]), (&"YWxwaGEK".into(), &"t/a.txt".into()));
}

fn text_or_bytes(bytes: &[u8], name: &str) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.replace(&format!("\"archive\":\"{name}\""), "").into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}

/// What was printed may be out; that it is not confirmed shows in the exit code and on standard error.
#[test]
fn what_is_cut_off_or_damaged_ends_with_exit_code_2() {
    let dir = Dir::with_archive();
    let archive = std::fs::read(dir.path("a.rtar")).unwrap();
    let cut = &archive[..archive.len() - 10];
    let mut damaged = archive.clone();
    let at = damaged.len() - 300;
    damaged[at] ^= 1;
    for args in [
        &["list", "--provisional", "-"][..],
        &["cat", "--provisional", "-", "t/a.txt"],
        &["records", "--provisional", "-", "rows"],
        &["info", "--provisional", "-"],
        &["verify", "--provisional", "-"],
        &["list", "-"],
        &["verify", "-"],
    ] {
        for input in [cut, &damaged] {
            let found = fed(&dir, args, input);
            assert_eq!(found.status.code(), Some(2), "{args:?}: {}", text(&found.stderr));
        }
    }
    let found = fed(&dir, &["list", "--provisional", "-"], cut);
    assert!(text(&found.stdout).contains("t/a.txt"), "nothing came before the end");
    let error = text(&found.stderr);
    assert!(error.contains("envelope.truncated") && error.contains("rosettar recover"), "{error}");
}

#[test]
fn what_is_wrong_with_a_request_is_said_after_the_archive_is_confirmed() {
    let dir = Dir::with_archive();
    let archive = std::fs::read(dir.path("a.rtar")).unwrap();
    for (args, code, says) in [
        (&["cat", "--provisional", "-", "none"][..], 1, "usage.no-such-entry"),
        (&["cat", "--provisional", "-", "t"], 1, "usage.not-a-file"),
        (&["records", "--provisional", "-", "none"], 1, "rows"),
        (&["records", "--provisional", "-", "rows", "--rows", "-1"], 1, "--provisional"),
        (&["list", "--provisional", "-", "none*"], 1, "usage.no-such-entry"),
    ] {
        let found = fed(&dir, args, &archive);
        assert_eq!(found.status.code(), Some(code), "{args:?}");
        assert!(text(&found.stderr).contains(says), "{args:?}: {}", text(&found.stderr));
    }
}

/// What is no archive is refused at once, and not after all of it has come.
#[test]
fn an_endless_source_that_is_no_archive_is_refused_at_once() {
    let dir = Dir::new();
    for verb in [&["list", "-"][..], &["verify", "-"], &["info", "--provisional", "-"]] {
        let output = dir.command(verb).stdin(std::fs::File::open("/dev/zero").unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{verb:?}");
        assert!(
            text(&output.stdout).contains("envelope.unknown-magic")
                || text(&output.stderr).contains("envelope.unknown-magic")
        );
    }
}

/// `pack -o -` makes the bytes that it makes to a file, and they can go straight on.
#[test]
fn packing_to_a_pipe_gives_the_same_bytes() {
    let dir = Dir::with_files();
    dir.run(&["pack", "-o", "t.rtar", "t"]).ok();
    let mut pack = dir.command(&["pack", "-o", "-", "t"]);
    let mut packing = pack.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut verify = dir.command(&["verify", "-"]);
    let verified = verify.stdin(Stdio::from(packing.stdout.take().unwrap())).output().unwrap();
    assert!(packing.wait().unwrap().success() && verified.status.success(), "{}", text(&verified.stdout));
    let to_pipe = dir.run(&["pack", "-o", "-", "t"]).bytes;
    assert!(to_pipe == std::fs::read(dir.path("t.rtar")).unwrap());
}

/// A FIFO, or what a shell puts in place of `<(command)`, is a pipe under a name.
#[test]
fn a_fifo_is_read_like_standard_input() {
    let dir = Dir::with_archive();
    let fifo = dir.path("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    for args in [&["list", "fifo"][..], &["info", "--provisional", "fifo"]] {
        let archive = std::fs::read(dir.path("a.rtar")).unwrap();
        let to = fifo.clone();
        let feeder = std::thread::spawn(move || std::fs::write(to, archive).unwrap());
        assert_eq!(dir.run(args).code, 0, "{args:?}");
        feeder.join().unwrap();
    }
}

/// Everything that `find` and `stat` see of a tree.
fn tree(path: &std::path::Path) -> String {
    let script = "find . -printf '%P %y %m %s %T@ %l\\n' | sort; find . -type f | sort | xargs -d '\\n' cat";
    let output = std::process::Command::new("sh").arg("-c").arg(script).current_dir(path).output().unwrap();
    assert!(output.status.success());
    text(&output.stdout).lines().filter(|line| !line.starts_with(" d")).collect::<Vec<_>>().join("\n")
}

#[test]
fn extracting_from_a_pipe_gives_the_same_tree() {
    let dir = Dir::with_archive();
    let archive = std::fs::read(dir.path("a.rtar")).unwrap();
    dir.run(&["extract", "a.rtar", "-C", "one"]).ok();
    let found = fed(&dir, &["extract", "-", "-C", "two"], &archive);
    assert!(found.status.success(), "{}", text(&found.stderr));
    // Nanoseconds of files, directories and links are there, too.
    assert_eq!(tree(&dir.path("one")), tree(&dir.path("two")));
    let found = fed(&dir, &["extract", "-", "-C", "three", "--strip-components", "1", "t/sub"], &archive);
    assert!(found.status.success(), "{}", text(&found.stderr));
    dir.run(&["extract", "a.rtar", "-C", "four", "--strip-components", "1", "t/sub"]).ok();
    assert_eq!(tree(&dir.path("three")), tree(&dir.path("four")));
    assert_eq!(fed(&dir, &["extract", "-"], &archive).status.code(), Some(1));
}

/// However far the stream comes, and whatever is wrong with it, nothing appears.
#[test]
fn extracting_what_is_not_confirmed_leaves_nothing() {
    let dir = Dir::with_archive();
    let archive = std::fs::read(dir.path("a.rtar")).unwrap();
    let before = dir.names();
    std::fs::create_dir(dir.path("empty")).unwrap();
    let mut damaged = archive.clone();
    let at = damaged.len() - 300;
    damaged[at] ^= 1;
    let mut inputs: Vec<&[u8]> = (1..20).map(|part| &archive[..archive.len() * part / 20]).collect();
    inputs.push(&damaged);
    for input in inputs {
        for target in ["new", "empty"] {
            let found = fed(&dir, &["extract", "-", "-C", target], input);
            assert_eq!(found.status.code(), Some(2), "{}", text(&found.stderr));
            assert_eq!(std::fs::read_dir(dir.path("empty")).unwrap().count(), 0);
        }
    }
    std::fs::remove_dir(dir.path("empty")).unwrap();
    assert_eq!(dir.names(), before);
}
