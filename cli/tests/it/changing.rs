//! `append` and `remove`.

use std::process::Stdio;

use rosettar::{Archive, open_path};

#[cfg(unix)]
use crate::support::signal;
use crate::support::{Dir, names};

fn paths(archive: &Archive) -> Vec<String> {
    archive.entries().map(|entry| entry.unwrap().path.to_string()).collect()
}

fn open(dir: &Dir, name: &str) -> Archive {
    let archive = open_path(dir.path(name)).unwrap();
    let report = archive.verify(&rosettar::VerifyOptions::new().records(true)).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    archive
}

#[test]
fn files_are_added_in_place_and_elsewhere() {
    let dir = Dir::with_archive();
    dir.write("new/one", "1");
    let old = std::fs::read(dir.path("a.rtar")).unwrap();
    let before = dir.names();
    let ran = dir.run(&["append", "a.rtar", "-o", "b.rtar", "new", "--attr", "more=yes"]).ok();
    assert!(ran.out.starts_with("b.rtar: ") && ran.out.contains(" copied as they were"), "{}", ran.out);
    assert_eq!(std::fs::read(dir.path("a.rtar")).unwrap(), old);
    let streamed = dir.run(&["append", "a.rtar", "-o", "-", "new", "--attr", "more=yes"]).code(0);
    assert_eq!(streamed.bytes, std::fs::read(dir.path("b.rtar")).unwrap());
    assert!(streamed.err.starts_with("standard output: "), "{}", streamed.err);
    dir.run(&["append", "-q", "a.rtar", "new", "--attr", "more=yes"]).ok();
    assert_eq!(std::fs::read(dir.path("a.rtar")).unwrap(), streamed.bytes);
    assert_eq!(
        dir.names(),
        [&before[..], &["b.rtar".to_owned()]]
            .concat()
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
    let archive = open(&dir, "a.rtar");
    assert_eq!(paths(&archive)[6..], ["new", "new/one"]);
    assert_eq!(archive.facts().manifest.attributes["more"], "yes");
    assert_eq!(archive.facts().manifest.attributes["source"], "test");
    // An archive takes in neither itself nor what it becomes.
    dir.run(&["append", "-q", "a.rtar", "-o", "c.rtar", ".", "--replace"]).ok();
    let found = paths(&open(&dir, "c.rtar"));
    assert!(found.contains(&"b.rtar".to_owned()) && !found.iter().any(|path| path == "a.rtar" || path == "c.rtar"));
    // A symbolic link stays one.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("a.rtar", dir.path("link")).unwrap();
        dir.run(&["append", "-q", "link", "rows.csv"]).ok();
        assert!(dir.path("link").symlink_metadata().unwrap().is_symlink());
        assert!(paths(&open(&dir, "a.rtar")).contains(&"rows.csv".to_owned()));
    }
}

#[test]
fn what_is_there_is_refused_or_replaced() {
    let dir = Dir::with_archive();
    dir.write("t/a.txt", "changed");
    let old = std::fs::read(dir.path("a.rtar")).unwrap();
    let ran = dir.run(&["append", "a.rtar", "t/a.txt"]).code(1);
    assert!(ran.err.contains("--replace") && ran.err.contains("\"t/a.txt\"") && ran.err.contains("path.duplicate"));
    assert_eq!(std::fs::read(dir.path("a.rtar")).unwrap(), old);
    dir.run(&["append", "-q", "a.rtar", "t/a.txt", "--replace"]).ok();
    let archive = open(&dir, "a.rtar");
    assert_eq!(archive.read("t/a.txt").unwrap(), b"changed");
    assert_eq!(paths(&archive).len(), 6);
    // A directory where a file is.
    dir.write("x/t/a.txt/below", "");
    let ran = dir.run(&["append", "a.rtar", "-C", "x", "t/a.txt/below", "--replace"]).code(1);
    assert!(ran.err.contains("path.parent"), "{}", ran.err);
    let ran = dir.run(&["append", "a.rtar", "nope"]).code(1);
    assert!(ran.err.contains("No such file"), "{}", ran.err);
    dir.run(&["append", "a.rtar"]).code(1);
    dir.run(&["append", "nope.rtar", "t"]).code(1);
    assert!(dir.run(&["append", "-", "t"]).code(1).err.contains("standard input"));
    assert!(names(&dir.path("")).iter().all(|name| !name.starts_with('.')));
}

#[test]
fn streams_are_extended_by_their_own_type() {
    let dir = Dir::with_archive();
    let records = |stream: &str| dir.run(&["records", "a.rtar", stream]).ok().out;
    let before = records("rows");
    dir.write("more.jsonl", "{\"number\":4,\"name\":\"vier\"}\n");
    dir.run(&["append", "-q", "a.rtar", "--records", "rows=more.jsonl"]).ok();
    assert_eq!(records("rows"), format!("{before}{{\"number\":4,\"name\":\"vier\"}}\n"));
    dir.run_with_input(&["append", "-q", "a.rtar", "--records", "rows=jsonl:-"], b"{\"number\":5}").ok();
    let typed = ["append", "-q", "a.rtar", "--proto", "rows.proto", "--records"];
    dir.run(&[&typed[..], &["rows:demo.Row=more.jsonl", "--records", "fresh:demo.Inner=binpb:none"]].concat()).code(1);
    dir.write("none", "");
    dir.run(&[&typed[..], &["rows:demo.Row=more.jsonl", "--records", "fresh:demo.Inner=binpb:none"]].concat()).ok();
    assert_eq!(records("rows").lines().count(), 6);
    assert_eq!(open(&dir, "a.rtar").streams().len(), 2);
    let refused = |args: &[&str], what: &str| {
        let ran = dir.run(&[&["append", "a.rtar"], args].concat()).code(1);
        assert!(ran.err.contains(what), "{}", ran.err);
    };
    refused(&["--proto", "rows.proto", "--records", "rows:demo.Inner=more.jsonl"], "of type demo.Row, not demo.Inner");
    dir.write("other.proto", crate::support::PROTO.replace("int32 number", "int64 number"));
    refused(&["--proto", "other.proto", "--records", "rows:demo.Row=more.jsonl"], "defined differently");
    refused(&["--records", "nope=more.jsonl"], "nope:TYPE=FILE");
    refused(&["--records", "rows:demo.Row=more.jsonl"], "--proto");
    refused(&["--proto", "rows.proto", "--records", "rows=more.jsonl"], "of use only");
    refused(&["--null", "NA", "t"], "of use only");
    dir.write("bad.jsonl", "{\"numbre\":4}\n");
    refused(&["--records", "rows=bad.jsonl"], "has no field");
    assert_eq!(records("rows").lines().count(), 6);
}

#[test]
fn what_matches_is_removed() {
    let dir = Dir::with_archive();
    let old = std::fs::read(dir.path("a.rtar")).unwrap();
    let ran = dir.run(&["remove", "a.rtar", "--dry-run", "sub"]).ok();
    assert_eq!(ran.out, "t/sub\nt/sub/link\nt/sub/ü b.md\nwould remove 1 file (5 B), 1 directory and 1 link\n");
    let ran = dir.run(&["remove", "a.rtar", "sub", "*.nope"]).code(1);
    assert!(ran.err.contains("\"*.nope\""), "{}", ran.err);
    assert_eq!(std::fs::read(dir.path("a.rtar")).unwrap(), old);
    let ran = dir.run(&["remove", "a.rtar", "-o", "b.rtar", "sub"]).ok();
    assert!(ran.out.starts_with("removed 1 file (5 B), 1 directory and 1 link\nb.rtar: "), "{}", ran.out);
    assert_eq!(paths(&open(&dir, "b.rtar")), ["t", "t/a.txt", "t/empty"]);
    assert_eq!(std::fs::read(dir.path("a.rtar")).unwrap(), old);
    dir.run(&["remove", "-q", "a.rtar", "sub"]).ok();
    assert_eq!(std::fs::read(dir.path("a.rtar")).unwrap(), std::fs::read(dir.path("b.rtar")).unwrap());
    // As if it had been packed without.
    let digest = |name: &str| open(&dir, name).facts().content_digest;
    let mut args = crate::support::PACK_ALL.to_vec();
    args[2] = "c.rtar";
    dir.run(&[&args[..], &["--exclude", "sub"]].concat()).ok();
    assert_eq!(digest("a.rtar"), digest("c.rtar"));
    // Records stay, and nothing in `.rosettar` is an entry to be removed.
    dir.run(&["remove", "-q", "a.rtar", "t"]).ok();
    let left = open(&dir, "a.rtar");
    assert_eq!((paths(&left).len(), left.facts().totals.records), (0, 3));
    dir.run(&["remove", "a.rtar", ".rosettar"]).code(1);
}

#[test]
fn a_damaged_archive_is_the_archives_fault() {
    let dir = Dir::with_archive();
    let mut bytes = std::fs::read(dir.path("a.rtar")).unwrap();
    let rows = bytes.len() - 9;
    let count = u32::from_le_bytes(bytes[rows..rows + 4].try_into().unwrap()) as usize;
    // A byte of the first payload frame, which follows the manifest.
    let table = bytes.len() - 9 - 8 * count;
    let at: u32 = (0..3).map(|row| u32::from_le_bytes(bytes[table + 8 * row..][..4].try_into().unwrap())).sum();
    bytes[at as usize + 40] ^= 1;
    dir.write("bad.rtar", &bytes);
    let before = dir.names();
    for args in [&["append", "bad.rtar", "rows.csv"][..], &["remove", "bad.rtar", "a.txt"]] {
        let ran = dir.run(args).code(2);
        assert!(ran.err.contains("frame.digest"), "{}", ran.err);
    }
    assert_eq!(std::fs::read(dir.path("bad.rtar")).unwrap(), bytes);
    assert_eq!(dir.names(), before);
    dir.write("cut.rtar", &bytes[..bytes.len() - 5]);
    dir.run(&["append", "cut.rtar", "rows.csv"]).code(2);
}

/// However many append to one archive at the same time, all of it ends up there.
#[test]
fn many_at_once() {
    let dir = Dir::with_archive();
    let many = 12;
    for number in 0..many {
        dir.write(&format!("n/{number}"), vec![b'x'; 1000 * number]);
        dir.write(&format!("n{number}.jsonl"), format!("{{\"number\":{}}}\n", 100 + number));
    }
    let start = |number: usize| {
        let (path, records) = (format!("n/{number}"), format!("rows=n{number}.jsonl"));
        let args = ["append", "-q", "a.rtar", &path, "--records", &records];
        dir.command(&args).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = (0..many).map(start).collect();
    // What was open before stays what it was.
    let before = open_path(dir.path("a.rtar")).unwrap();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{err}");
    }
    let report = before.verify(&rosettar::VerifyOptions::new()).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    let archive = open(&dir, "a.rtar");
    assert_eq!(archive.facts().totals.records, 3 + many as u64);
    let found = paths(&archive);
    assert!((0..many).all(|number| found.contains(&format!("n/{number}"))), "{found:?}");
    let leftover: Vec<_> = dir.names().into_iter().filter(|name| name.starts_with('.')).collect();
    assert_eq!(leftover, [""; 0]);
}

/// One who appends while another packs to the same path: the one is there and the other says so, or both in order.
#[test]
fn packing_is_never_lost_to_appending() {
    let dir = Dir::with_archive();
    let start = |args: &[&str]| dir.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    for round in 0..20 {
        dir.write(&format!("p/{round}"), "packed");
        dir.write(&format!("q/{round}"), "appended");
        let (packed, appended) = (format!("p/{round}"), format!("q/{round}"));
        let appending = start(&["append", "-q", "a.rtar", &appended]);
        let packing = start(&["pack", "-q", "-o", "a.rtar", &packed]);
        let (packing, appending) = (packing.wait_with_output().unwrap(), appending.wait_with_output().unwrap());
        assert!(packing.status.success());
        let found = paths(&open(&dir, "a.rtar"));
        let err = String::from_utf8_lossy(&appending.stderr);
        assert!(found.contains(&packed), "{found:?} {err}");
        match appending.status.code() {
            // Before it was packed, or after.
            Some(0) => assert!(found.len() <= 2, "{found:?}"),
            code => assert!(code == Some(1) && err.contains("io.source-changed"), "{err}"),
        }
    }
}

#[cfg(unix)]
#[test]
fn waiting_is_announced_and_ends_with_ctrl_c() {
    let dir = Dir::with_archive();
    let held = rosettar::io::LockedFile::open(dir.path("a.rtar"), |_| Ok(())).unwrap();
    let mut child = dir.command(&["append", "a.rtar", "rows.csv"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut err = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut err, &mut line).unwrap();
    assert!(line.contains("another process is changing it"), "{line}");
    signal(child.id(), &["INT"]);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(held);
    dir.run(&["append", "-q", "a.rtar", "rows.csv"]).ok();
}

#[test]
fn portable_names_are_compared_with_those_that_are_there() {
    let dir = Dir::new();
    dir.write("f", "small");
    dir.write("F", "large");
    dir.run(&["pack", "-q", "--names", "portable", "-o", "a.rtar", "f"]).ok();
    let before = std::fs::read(dir.path("a.rtar")).unwrap();
    let ran = dir.run(&["append", "--names", "portable", "a.rtar", "F"]).code(1);
    assert!(ran.err.contains("policy.name") && ran.err.contains("\"f\"") && ran.err.contains("\"F\""), "{}", ran.err);
    assert_eq!(std::fs::read(dir.path("a.rtar")).unwrap(), before);
    assert_eq!(dir.names(), ["F", "a.rtar", "f"]);
    dir.write("f", "new");
    dir.run(&["append", "-q", "--names", "portable", "--replace", "a.rtar", "f"]).ok();
    dir.run(&["append", "-q", "a.rtar", "F"]).ok();
    assert_eq!(paths(&open(&dir, "a.rtar")), ["f", "F"]);
}
