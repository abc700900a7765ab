//! `conformance`: the kit that the command brings along is the one of this tree, and works where nothing else is.

use std::path::Path;
use std::process::Command;

use crate::support::{Dir, have, names};

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn the_kit_is_that_of_the_tree() {
    let dir = Dir::new();
    let listed = dir.run(&["conformance", "--list", "--json"]).ok().json_lines();
    let paths: Vec<&str> = listed.iter().map(|file| file["path"].as_str().unwrap()).collect();
    for (path, file) in paths.iter().zip(&listed) {
        if path.contains('/') {
            let content = std::fs::read(project().join(path)).unwrap();
            assert_eq!(file["digest"], format!("sha256:{}", rosettar::Digest::of(&content)), "{path}");
        }
    }
    if !have("git", "the_kit_is_that_of_the_tree") {
        return;
    }
    let git = Command::new("git").args(["ls-files", "spec", "conformance"]).current_dir(project()).output().unwrap();
    let known = String::from_utf8(git.stdout).unwrap();
    let mut known: Vec<&str> = known.lines().filter(|path| !path.contains("/.")).collect();
    if !git.status.success() || known.is_empty() {
        return crate::support::skip("the_kit_is_that_of_the_tree", "this is no git repository");
    }
    known.extend(["SHA256SUMS", "VERSION"]);
    known.sort_unstable();
    assert_eq!(paths, known);
    assert_eq!(dir.names(), Vec::<String>::new());
}

#[test]
fn every_form_has_the_same_files() {
    let dir = Dir::new();
    let rtar = dir.run(&["conformance", "--json"]).ok().json();
    let name = concat!("rosettar-conformance-", env!("CARGO_PKG_VERSION"), ".rtar");
    assert_eq!((&rtar["output"], dir.names()), (&name.into(), vec![name.to_owned()]));
    let tar = dir.run(&["conformance", "--json", "kit.tar"]).ok().json();
    let plain = dir.run(&["conformance", "--json", "--directory", "plain"]).ok().json();
    for made in [&tar, &plain] {
        assert_eq!(made["sha256sums"], rtar["sha256sums"]);
    }
    let verified = dir.run(&["verify", "--json", name]).ok().json();
    assert_eq!(verified["root_digest"], rtar["root_digest"]);
    let attributes = &dir.run(&["info", "--json", name]).ok().json()["attributes"];
    assert_eq!(*attributes, serde_json::json!({"format": "1.0-rc", "rosettar": env!("CARGO_PKG_VERSION")}));
    let bytes = std::fs::read(dir.path("kit.tar")).unwrap();
    assert_eq!(tar["root_digest"], format!("sha256:{}", rosettar::Digest::of(&bytes)));
    dir.run(&["extract", "-q", name, "-C", "extracted"]).ok();
    dir.run(&["diff", "-q", name, "plain", "--ignore-times"]).ok();
    let version = std::fs::read_to_string(dir.path("plain/VERSION")).unwrap();
    assert_eq!(version, concat!("rosettar ", env!("CARGO_PKG_VERSION"), "\nformat 1.0-rc\n"));
    assert_eq!(names(&dir.path("plain")), ["SHA256SUMS", "VERSION", "conformance", "spec"]);
    if have("sha256sum", "every_form_has_the_same_files") {
        for folder in ["plain", "extracted"] {
            let check = Command::new("sha256sum")
                .args(["--quiet", "--strict", "-c", "SHA256SUMS"])
                .current_dir(dir.path(folder))
                .status()
                .unwrap();
            assert!(check.success(), "{folder}");
        }
    }
}

#[test]
fn exports_are_equal_and_replace_nothing() {
    let dir = Dir::new();
    for (args, name) in
        [(&["conformance", "-q"][..], "kit.rtar"), (&["conformance", "-q", "--format", "tar"], "kit.bin")]
    {
        dir.run(&[args, &[name]].concat()).ok();
        let first = std::fs::read(dir.path(name)).unwrap();
        let again = dir.run(&[args, &[name]].concat()).code(1);
        assert!(again.err.contains("name another"), "{}", again.err);
        assert!(first == dir.run(&[args, &["-"]].concat()).ok().bytes, "{name}");
        assert!(first == std::fs::read(dir.path(name)).unwrap());
    }
    assert_eq!(dir.names(), ["kit.bin", "kit.rtar"]);
    dir.write("used/file", "x");
    assert!(dir.run(&["conformance", "--directory", "used"]).code(1).err.contains("[usage.target]"));
    assert_eq!(names(&dir.path("used")), ["file"]);
    dir.run(&["conformance", "--directory", "a", "b"]).code(1);
    dir.run(&["conformance", "--list", "--format", "tar"]).code(1);
}

#[test]
fn other_programs_read_the_tar() {
    let dir = Dir::new();
    dir.run(&["conformance", "-q", "kit.tar"]).ok();
    dir.run(&["conformance", "-q", "--directory", "plain"]).ok();
    if have("tar", "other_programs_read_the_tar") {
        std::fs::create_dir(dir.path("out")).unwrap();
        let tar = Command::new("tar").args(["xf", "../kit.tar"]).current_dir(dir.path("out")).output().unwrap();
        assert!(tar.status.success() && tar.stderr.is_empty(), "{}", String::from_utf8_lossy(&tar.stderr));
        let diff = Command::new("diff").args(["-r", "out", "plain"]).current_dir(dir.path("")).output().unwrap();
        assert!(diff.status.success(), "{}", String::from_utf8_lossy(&diff.stdout));
    }
    if have("python3", "other_programs_read_the_tar") {
        let script = "import hashlib, sys, tarfile\n\
                      tar = tarfile.open('kit.tar')\n\
                      sums = dict(reversed(line.split('  ')) for line in tar.extractfile('SHA256SUMS').read().decode().splitlines())\n\
                      names = tar.getnames()\n\
                      assert sorted(names) == names and set(names) == set(sums) | {'SHA256SUMS'}, names\n\
                      for name, digest in sums.items(): assert hashlib.sha256(tar.extractfile(name).read()).hexdigest() == digest, name\n\
                      assert tar.getmember('conformance/run').mode == 0o755\n";
        let python = Command::new("python3").args(["-c", script]).current_dir(dir.path("")).output().unwrap();
        assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    }
}

/// A driver over the command: what lists.
const DRIVER: &str = r#"
import json, os, subprocess, sys

def rosettar(*args, limits=()):
    args = [os.environ["ROSETTAR"], *args, "--json"]
    for limit in limits:
        args += ["--limit", limit]
    ran = subprocess.run(args, capture_output=True, text=True)
    if ran.returncode:
        print(json.dumps({"code": json.loads(ran.stderr)["code"]}))
        sys.exit(1)
    return [json.loads(line) for line in ran.stdout.splitlines()]

def entry(row):
    return {
        "path": row["path"], "kind": row["kind"], "size": row["size"], "mode": int(row["mode"], 8),
        "mtime": row["mtime"]["seconds"], "nanoseconds": row["mtime"]["nanoseconds"], "target": row["target"],
        "sha256": row["digest"] and row["digest"].removeprefix("sha256:"),
    }

action, args = sys.argv[1], sys.argv[2:]
if action == "about":
    print(json.dumps({"name": "rosettar", "version": "0", "levels": [0], "writer": False}))
elif action == "list":
    entries = [entry(row) for row in rosettar("list", args[0], limits=args[1:])]
    info = rosettar("info", args[0], limits=args[1:])[0]
    streams = [{key: stream[key] for key in ("name", "type", "records")} for stream in info["streams"]]
    root = info["root_digest"].removeprefix("sha256:")
    print(json.dumps({"entries": entries, "streams": streams, "attributes": info["attributes"], "root": root}))
else:
    sys.exit(2)
"#;

/// In a directory of its own, with the command itself as the implementation to test.
#[test]
fn the_kit_works_where_nothing_else_is() {
    if !have("python3", "the_kit_works_where_nothing_else_is") {
        return;
    }
    let dir = Dir::new();
    dir.run(&["conformance", "-q", "--directory", "kit"]).ok();
    dir.write("kit/mine.py", DRIVER);
    let run = Command::new("python3")
        .args(["-B", "conformance/run", "--only", "f*", "--levels", "0", "--no-skips", "python3", "mine.py"])
        .env("ROSETTAR", assert_cmd::cargo::cargo_bin!("rosettar"))
        .current_dir(dir.path("kit"))
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{out}\n{}", String::from_utf8_lossy(&run.stderr));
    let all = out.lines().find_map(|line| line.strip_prefix("all ")).unwrap_or_else(|| panic!("{out}"));
    let passed: usize = all.split_whitespace().next().unwrap().parse().unwrap();
    assert!(passed > 10, "{out}");
}
