//! `diff`.

use crate::support::{Dir, PACK_ALL};

#[test]
fn two_archives() {
    let dir = Dir::with_archive();
    std::fs::copy(dir.path("a.rtar"), dir.path("copy.rtar")).unwrap();
    assert_eq!(
        dir.run(&["diff", "a.rtar", "copy.rtar"]).ok().out,
        "same: both state the same root digest; `rosettar verify` shows that they keep to it\n"
    );
    let stored: Vec<&str> = PACK_ALL.iter().map(|arg| if *arg == "a.rtar" { "b.rtar" } else { arg }).collect();
    dir.run(&[&stored[..], &["--chunk-size", "4K", "--level", "9"]].concat()).ok();
    let out = dir.run(&["diff", "a.rtar", "b.rtar"]).ok().out;
    assert!(out.starts_with("same: ") && out.contains("byte for byte, the archives do"), "{out}");

    dir.write("t/new.txt", "new");
    std::fs::remove_file(dir.path("t/a.txt")).unwrap();
    dir.write("rows.csv", "number,name,color\n1,one,RED\n2,NA,NONE\n3,drei,RED\n4,x,RED\n");
    let proto = std::fs::read_to_string(dir.path("rows.proto")).unwrap();
    dir.write("rows.proto", proto.replace("int32 number = 1", "int64 number = 1"));
    dir.run(&[&stored[..], &["--attr", "more=yes", "--created", "@1"]].concat()).ok();
    let out = dir.run(&["diff", "--ignore-times", "a.rtar", "b.rtar"]).code(3).out;
    let expected = "- t/a.txt\n\
        + t/new.txt\n\
        ~ stream rows: records 3 -> 4, content; the first record that differs is number 0\n\
        ~ field demo.Row.number: int32 number = 1 -> int64 number = 1\n\
        + attribute more: \"yes\"\n\
        different: 1 entry added, 1 entry removed, 1 stream, 1 part of a schema, 1 attribute\n";
    assert_eq!(out, expected);
    let out = dir.run(&["diff", "a.rtar", "b.rtar"]).code(3).out;
    assert!(out.contains("+ created: 1970-01-01T00:00:01Z\n"), "{out}");
    assert_eq!(dir.run(&["diff", "--quiet", "a.rtar", "b.rtar"]).code(3).out, "");
    let out = dir.run(&["diff", "--ignore-times", "--include", "t/sub", "a.rtar", "b.rtar"]).code(3).out;
    assert!(!out.contains("t/new.txt") && out.contains("~ stream rows"), "{out}");

    assert!(dir.run(&["diff", "a.rtar", "none.rtar"]).code(1).err.contains("[io.file]"));
    dir.write("bad.rtar", "not an archive, but long enough to be looked at");
    assert!(dir.run(&["diff", "a.rtar", "bad.rtar"]).code(2).err.starts_with("error: bad.rtar: "));
    let bytes = std::fs::read(dir.path("a.rtar")).unwrap();
    assert!(dir.run_with_input(&["diff", "a.rtar", "-"], &bytes).ok().out.starts_with("same"));
    assert!(dir.run(&["diff", "-", "-"]).code(1).err.contains("[usage.option]"));
    assert!(dir.run(&["diff", "--include", "a[", "a.rtar", "b.rtar"]).code(1).err.contains("[usage.option]"));
}

#[cfg(unix)]
#[test]
fn an_archive_and_the_directory_it_was_made_of() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::time::{Duration, SystemTime};

    let dir = Dir::new();
    for (name, content) in [("time", "t"), ("mode", "m"), ("content", "abc"), ("size", "s"), ("gone", ""), ("d/f", "f")]
    {
        dir.write(&format!("tree/{name}"), content);
    }
    dir.write("tree/a\u{202e}b", "");
    symlink("time", dir.path("tree/target")).unwrap();
    // Wherever a link leads: it is not followed.
    symlink("/nowhere", dir.path("tree/out")).unwrap();
    // The archive stands in the tree, and is no part of it.
    dir.run(&["pack", "-q", "--links", "keep", "-o", "tree/a.rtar", "-C", "tree", "."]).ok();
    let same = "same: the directory holds what the archive states\n";
    assert_eq!(dir.run(&["diff", "tree/a.rtar", "tree"]).ok().out, same);
    dir.run(&["extract", "-q", "--modes", "exact", "--links", "keep", "tree/a.rtar", "-C", "out"]).ok();
    assert_eq!(dir.run(&["diff", "tree/a.rtar", "out"]).ok().out, same);

    let file = |name: &str| std::fs::File::options().write(true).open(dir.path(&format!("out/{name}"))).unwrap();
    let time = |name: &str| file(name).metadata().unwrap().modified().unwrap();
    file("time").set_modified(SystemTime::UNIX_EPOCH + Duration::new(5, 7)).unwrap();
    std::fs::set_permissions(dir.path("out/mode"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let before = time("content");
    dir.write("out/content", "xyz");
    file("content").set_modified(before).unwrap();
    let before = time("size");
    dir.write("out/size", "longer");
    file("size").set_modified(before).unwrap();
    std::fs::remove_file(dir.path("out/gone")).unwrap();
    dir.write("out/came", "");
    std::fs::remove_file(dir.path("out/target")).unwrap();
    symlink("mode", dir.path("out/target")).unwrap();
    std::fs::remove_file(dir.path("out/d/f")).unwrap();
    std::fs::create_dir(dir.path("out/d/f")).unwrap();
    let lines = |options: &[&str]| {
        let ran = dir.run(&[&["diff"], options, &["tree/a.rtar", "out"]].concat()).code(3);
        ran.out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = [
        "+ came",
        "~ content: content",
        "~ d/f: kind file -> directory, mode 0644 -> 0755",
        "- gone",
        "~ mode: mode 0644 -> 0600",
        "~ size: content, size 1 -> 6",
        "~ target: target \"time\" -> \"mode\"",
        "different: 1 entry added, 1 entry removed, 5 entries changed",
    ];
    assert_eq!(lines(&["--ignore-times"]), expected);
    let timed = lines(&[]);
    let line = timed.iter().find(|line| line.starts_with("~ time: time ")).unwrap();
    assert!(line.ends_with(" -> 1970-01-01T00:00:05.000000007Z"), "{line}");
    assert!(lines(&["--exclude", "content"]).iter().all(|line| !line.starts_with("~ content")));
    assert_eq!(lines(&["--ignore-times", "--include", "gone"])[0], "- gone");
    // A name that would turn the text around is written as everywhere.
    std::fs::remove_file(dir.path("out/a\u{202e}b")).unwrap();
    assert_eq!(lines(&["--ignore-times"])[0], "- a\\u{202e}b");

    assert!(dir.run(&["diff", "tree/a.rtar", "tree/d/f"]).code(2).err.contains("[envelope."));
}

#[cfg(unix)]
#[test]
fn what_only_one_side_can_have() {
    let dir = Dir::with_files();
    dir.run(&["pack", "-q", "-o", "a.rtar", "t"]).ok();
    // Directories above what is packed are implied, where the archive does not list them.
    dir.run(&["pack", "-q", "-o", "sub.rtar", "t/sub/link"]).ok();
    let out = dir.run(&["diff", "sub.rtar", ".", "--include", "t/sub/link"]).ok().out;
    assert!(out.starts_with("same"), "{out}");
    let out = dir.run(&["diff", "sub.rtar", ".", "--include", "t", "--exclude", "*.md"]).code(3).out;
    assert_eq!(out, "+ t/a.txt\n+ t/empty\ndifferent: 2 entries added\n");
    // What no archive can hold is said, and is not there.
    let made = std::process::Command::new("mkfifo").arg(dir.path("t/pipe")).status().unwrap();
    assert!(made.success());
    let ran = dir.run(&["diff", "--ignore-times", "--include", "t", "a.rtar", "."]).code(0);
    assert!(ran.err.contains("t/pipe: is skipped"), "{}", ran.err);
    // Streams and attributes are the archive's alone.
    std::fs::remove_file(dir.path("t/pipe")).unwrap();
    dir.run(PACK_ALL).ok();
    let out = dir.run(&["diff", "--ignore-times", "--include", "t", "--quiet", "a.rtar", "."]).code(0).out;
    assert_eq!(out, "");
    let out = dir.run(&["diff", "--ignore-times", "--include", "t", "a.rtar", "."]).code(0).out;
    assert!(out.contains("not compared: 1 stream of the archive") && out.contains("1 attribute"), "{out}");
}

#[cfg(unix)]
#[test]
fn a_directory_that_is_at_fault_is_no_archive() {
    let dir = Dir::with_files();
    dir.run(&["pack", "-q", "-o", "a.rtar", "t"]).ok();
    std::fs::create_dir_all(dir.path(&format!("t/{}", ["d"; 70].join("/")))).unwrap();
    let error = dir.run(&["--json", "diff", "a.rtar", ".", "--include", "t"]).code(1).json_error();
    assert_eq!(error["code"], "limit.path-depth");
    // The archive comes first.
    let args = ["--json", "diff", "a.rtar", ".", "--include", "t", "--limit", "path-depth=1"];
    assert_eq!(dir.run(&args).code(2).json_error()["code"], "limit.path-depth");
}

/// Plain tar extracts the format's own members, too.
#[test]
fn a_directory_that_tar_made_is_compared() {
    if !crate::support::have("tar", "a_directory_that_tar_made_is_compared")
        || !crate::support::have("zstd", "a_directory_that_tar_made_is_compared")
    {
        return;
    }
    let dir = Dir::with_archive();
    std::fs::create_dir(dir.path("out")).unwrap();
    let mut tar = std::process::Command::new("tar");
    assert!(tar.arg("-xpf").arg(dir.path("a.rtar")).arg("-C").arg(dir.path("out")).status().unwrap().success());
    assert!(dir.path("out/.rosettar").is_dir());
    let ran = dir.run(&["diff", "--ignore-times", "a.rtar", "out"]).code(0);
    assert!(ran.err.starts_with("warning: .rosettar: is left out"), "{}", ran.err);
    assert_eq!(dir.run(&["--json", "diff", "--ignore-times", "a.rtar", "out"]).ok().json()["skipped"][0], ".rosettar");
    dir.write("out/new", "");
    assert!(dir.run(&["diff", "--ignore-times", "a.rtar", "out"]).code(3).out.starts_with("+ new\n"));
}
