use std::fs::File;
use std::io::Read as _;

use super::*;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

fn tree(files: &[&str]) -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    for file in files {
        let path = temp.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    temp
}

fn paths(tree: &Tree) -> Vec<&str> {
    tree.items.iter().map(|item| item.path.as_str()).collect()
}

fn found(temp: &tempfile::TempDir, options: WalkOptions) -> Vec<String> {
    paths(&walk(temp.path(), &options).unwrap()).into_iter().map(str::to_owned).collect()
}

#[test]
fn the_order_is_that_of_whole_paths() {
    let temp = tree(&["ab", "a/b", "a/c/d", "a-b", "a.b", "Z", "é", "a/b-c"]);
    let tree = walk(temp.path(), &WalkOptions::new()).unwrap();
    assert_eq!(paths(&tree), ["Z", "a-b", "a.b", "a", "a/b", "a/b-c", "a/c", "a/c/d", "ab", "é"]);
    assert_eq!(tree.total_size(), "ab".len() as u64 + 3 + 5 + 3 + 3 + 1 + 2 + 5);
    assert_eq!(tree.items[4].source, temp.path().join("a/b"));
    assert!(tree.notes.is_empty());
}

#[test]
fn patterns_choose() {
    let temp = tree(&["a.txt", "src/a.txt", "src/b.rs", "src/deep/c.rs", "out/src/d.rs", "out/e"]);
    let new = WalkOptions::new;
    assert_eq!(found(&temp, new().exclude("*.txt").exclude("out/")), ["src", "src/b.rs", "src/deep", "src/deep/c.rs"]);
    assert_eq!(found(&temp, new().include("/src").exclude("deep")), ["src", "src/a.txt", "src/b.rs"]);
    assert_eq!(found(&temp, new().include("src/*.rs")), ["src", "src/b.rs"]);
    assert_eq!(found(&temp, new().include("src/**/*.rs")), ["src", "src/b.rs", "src/deep", "src/deep/c.rs"]);
    assert_eq!(found(&temp, new().include("src")).len(), 8);
    assert_eq!(found(&temp, new().include("/*")).len(), 10);
    assert_eq!(found(&temp, new().include("/*.txt")), ["a.txt"]);
    assert_eq!(found(&temp, new().include("absent")), [""; 0]);
    for options in [new().include("["), new().exclude("{a")] {
        assert_eq!(walk(temp.path(), &options).unwrap_err().code(), "usage.option");
    }
}

#[test]
fn excluded_directories_are_not_even_opened() {
    let temp = tree(&["a", "closed/b"]);
    symlink("/outside", temp.path().join("closed/link")).unwrap();
    assert_eq!(walk(temp.path(), &WalkOptions::new()).unwrap_err().code(), "policy.link");
    assert_eq!(found(&temp, WalkOptions::new().exclude("closed")), ["a"]);
    // Nor is what no pattern includes a reason to refuse.
    assert_eq!(found(&temp, WalkOptions::new().include("a")), ["a"]);
}

#[test]
fn links_are_kept_as_links_and_judged() {
    let temp = tree(&["d/a"]);
    symlink("../d", temp.path().join("d/up")).unwrap();
    symlink("d/nowhere", temp.path().join("dangling")).unwrap();
    let inside = walk(temp.path(), &WalkOptions::new()).unwrap();
    assert_eq!(paths(&inside), ["d", "d/a", "d/up", "dangling"]);
    let TreeKind::Symlink(target) = &inside.items[2].kind else { panic!("not a link") };
    assert_eq!((target.as_str(), inside.items[2].mode, inside.items[2].size), ("../d", 0o777, 0));

    symlink("/etc", temp.path().join("d/z")).unwrap();
    let error = walk(temp.path(), &WalkOptions::new()).unwrap_err();
    assert_eq!((error.code(), error.entry()), ("policy.link", Some("d/z")));
    assert!(error.message().contains("`skip`") && error.message().contains("`keep`"), "{error}");
    let skipped = walk(temp.path(), &WalkOptions::new().links(Links::Skip)).unwrap();
    assert_eq!(paths(&skipped), paths(&inside));
    assert_eq!((skipped.notes[0].path.as_str(), skipped.notes[0].kind), ("d/z", NoteKind::Skipped));
    let kept = walk(temp.path(), &WalkOptions::new().links(Links::Keep)).unwrap();
    assert_eq!(kept.items.len(), inside.items.len() + 1);
}

#[test]
fn what_an_archive_cannot_hold_is_refused_or_reported() {
    let socket = tree(&["a"]);
    let _listener = std::os::unix::net::UnixListener::bind(socket.path().join("s")).unwrap();
    let bytes = tree(&["a"]);
    fs::write(bytes.path().join(OsStr::from_bytes(b"s\xff")), "").unwrap();
    let control = tree(&["a", "s\u{1b}[2J"]);
    let target = tree(&["a"]);
    symlink(OsStr::from_bytes(b"\xff"), target.path().join("s")).unwrap();
    let newline = tree(&["a"]);
    symlink("x\ny", newline.path().join("s")).unwrap();
    for (temp, code, word) in [
        (socket, "policy.file-type", "socket"),
        (bytes, "usage.input", "UTF-8"),
        (control, "usage.input", "control character"),
        (target, "usage.input", "target is not UTF-8"),
        (newline, "usage.input", "target has a control character"),
    ] {
        let error = walk(temp.path(), &WalkOptions::new()).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(word), "{error}");
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
        let tree = walk(temp.path(), &WalkOptions::new().unsupported(Unsupported::Skip)).unwrap();
        assert_eq!(paths(&tree), ["a"]);
        assert_eq!((tree.notes.len(), tree.notes[0].kind), (1, NoteKind::Skipped));
        assert!(tree.notes[0].message.contains(word), "{:?}", tree.notes);
    }
}

#[test]
fn lost_mode_bits_and_unportable_names_are_noted() {
    let temp = tree(&["d/aux.txt", "plain", "suid"]);
    fs::set_permissions(temp.path().join("suid"), fs::Permissions::from_mode(0o6755)).unwrap();
    fs::set_permissions(temp.path().join("d"), fs::Permissions::from_mode(0o1777)).unwrap();
    let tree = walk(temp.path(), &WalkOptions::new()).unwrap();
    let notes: Vec<_> = tree.notes.iter().map(|note| (note.path.as_str(), note.kind)).collect();
    let expected = [("d", NoteKind::ModeBits), ("d/aux.txt", NoteKind::Unportable), ("suid", NoteKind::ModeBits)];
    assert_eq!(notes, expected);
    assert!(tree.notes[2].message.contains("setuid and setgid"), "{:?}", tree.notes);
    assert_eq!((tree.items[0].mode, tree.items[3].mode), (0o777, 0o755));
}

#[test]
fn the_reserved_name_and_the_limits_are_errors() {
    let temp = tree(&["x/.rosettar/a", ".Rosettar/a"]);
    let error = walk(temp.path(), &WalkOptions::new()).unwrap_err();
    assert_eq!((error.code(), error.entry()), ("usage.input", Some(".Rosettar")));
    let found = found(&temp, WalkOptions::new().exclude("/.Rosettar"));
    assert_eq!(found, ["x", "x/.rosettar", "x/.rosettar/a"]);
    for (limit, value, code) in [
        ("entries", "2", "limit.entries"),
        ("path-depth", "2", "limit.path-depth"),
        ("component-bytes", "8", "limit.component-bytes"),
        ("path-bytes", "12", "limit.path-bytes"),
    ] {
        let mut limits = Limits::default();
        limits.set(limit, value).unwrap();
        let options = WalkOptions::new().exclude("/.Rosettar").limits(limits);
        assert_eq!(walk(temp.path(), &options).unwrap_err().code(), code);
    }
    assert_eq!(walk(temp.path().join("x/.rosettar/a"), &WalkOptions::new()).unwrap_err().code(), "usage.input");
    assert_eq!(walk(temp.path().join("absent"), &WalkOptions::new()).unwrap_err().code(), "io.file");
}

#[test]
fn times_before_1970_are_rounded_down_and_sparse_sizes_are_whole() {
    let temp = tree(&["a", "b"]);
    let half_before = std::time::UNIX_EPOCH - std::time::Duration::from_millis(1500);
    let file = File::options().write(true).open(temp.path().join("a")).unwrap();
    file.set_len(1 << 40).unwrap();
    file.set_modified(half_before).unwrap();
    fs::hard_link(temp.path().join("b"), temp.path().join("c")).unwrap();
    let tree = walk(temp.path(), &WalkOptions::new()).unwrap();
    assert_eq!((tree.items[0].mtime, tree.items[0].size), ((-2, 500_000_000), 1 << 40));
    assert_eq!((&tree.items[1].kind, tree.items[1].size), (&tree.items[2].kind, tree.items[2].size));
}

#[test]
fn a_change_between_walk_and_end_of_reading_is_noticed() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 6] = [
        ("grown", |path| {
            use std::io::Write as _;
            File::options().append(true).open(path).unwrap().write_all(b"more").unwrap();
        }),
        ("same size", |path| fs::write(path, "A").unwrap()),
        ("mode", |path| fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap()),
        ("time set back", |path| {
            let file = File::options().write(true).open(path).unwrap();
            let before = file.metadata().unwrap().modified().unwrap();
            fs::write(path, "B").unwrap();
            file.set_modified(before).unwrap();
        }),
        ("replaced", |path| {
            fs::write(path.with_extension("new"), "a").unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        }),
        ("removed", |path| fs::remove_file(path).unwrap()),
    ];
    for (name, change) in changes {
        let temp = tree(&["a"]);
        let items = walk(temp.path(), &WalkOptions::new()).unwrap().items;
        let mut file = SourceFile::open(&items[0]).unwrap();
        let mut content = String::new();
        file.read_to_string(&mut content).unwrap();
        file.check_unchanged().unwrap();
        assert_eq!(content, "a");
        // Times of change come from the kernel's clock tick.
        std::thread::sleep(std::time::Duration::from_millis(20));
        change(&items[0].source);
        assert_eq!(file.check_unchanged().unwrap_err().code(), "io.source-changed", "{name}");
        let error = SourceFile::open(&items[0]).unwrap_err();
        assert_eq!((error.code(), error.entry()), ("io.source-changed", Some("a")), "{name}");
    }
}

#[test]
fn what_takes_a_files_place_is_not_opened() {
    let temp = tree(&["a", "d/b"]);
    let items = walk(temp.path(), &WalkOptions::new()).unwrap().items;
    fs::rename(temp.path().join("a"), temp.path().join("real")).unwrap();
    // The link leads to the very file that was seen.
    symlink("real", temp.path().join("a")).unwrap();
    assert_eq!(SourceFile::open(&items[0]).unwrap_err().code(), "io.source-changed");
    assert_eq!(SourceFile::open(&items[1]).unwrap_err().code(), "usage.not-a-file");
    fs::rename(temp.path().join("d"), temp.path().join("e")).unwrap();
    fs::write(temp.path().join("d"), "").unwrap();
    assert_eq!(SourceFile::open(&items[2]).unwrap_err().code(), "io.source-changed");
}
