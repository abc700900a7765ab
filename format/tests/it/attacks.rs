//! One test for each attack that an archive, a tree to pack or a target can make, and the answer to it. Many are tried
//! more thoroughly elsewhere; here each has a name.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use rosettar::io::names::unportable;
use rosettar::io::{Links, Modes, Names, Overwrite, Sandbox};
use rosettar::write::tree::{NoteKind, WalkOptions, walk};
use rosettar::{
    Archive, EntryPath, Error, ExtractOptions, Limits, NewEntry, ReadOptions, Result, VerifyOptions, WriteOptions,
    Writer,
};

use crate::hostile::forge;
use crate::support;

fn entry(path: &str) -> NewEntry {
    NewEntry::new(path).unwrap()
}

fn bytes(fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = WriteOptions::new().chunk_size(4096).write_to(&mut bytes).unwrap();
    fill(&mut writer);
    writer.finish().unwrap();
    bytes
}

/// The bytes of a conformance vector, and the limits that it is to be read with.
fn vector(name: &str) -> (Vec<u8>, Limits) {
    let path = support::project().join("conformance/vectors").join(name).with_extension("rtar");
    let json: serde_json::Value = serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
    let mut limits = Limits::default();
    for (name, value) in json["limits"].as_object().into_iter().flatten() {
        limits.set(name, &value.to_string()).unwrap();
    }
    (fs::read(path).unwrap(), limits)
}

/// Extracts to each kind of target. An error leaves each as it was, and is the same for all.
fn extract(bytes: &[u8], limits: &Limits, options: &ExtractOptions) -> Result<()> {
    let archive = ReadOptions::new().limits(limits.clone()).threads(1).open(bytes.to_vec())?;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("empty")).unwrap();
    fs::create_dir(at("used")).unwrap();
    fs::write(at("used/own"), "mine").unwrap();
    let merging = options.clone().merge(Overwrite::Always);
    let outcomes = [("absent/deep", options), ("empty", options), ("used", &merging)]
        .map(|(name, options)| archive.extract(at(name), options).map(drop));
    assert_eq!(fs::read(at("used/own")).unwrap(), b"mine");
    let codes = outcomes.each_ref().map(|outcome| outcome.as_ref().err().map(Error::code));
    assert!(codes.iter().all(|code| *code == codes[0]), "{codes:?}");
    if outcomes[0].is_err() {
        assert_eq!(support::names_in(folder.path()), ["empty", "used"]);
        assert_eq!(support::names_in(&at("empty")), Vec::<String>::new());
        assert_eq!(support::names_in(&at("used")), ["own"]);
    }
    let [outcome, ..] = outcomes;
    outcome
}

/// What extraction says of a vector, and if that is nothing, what verification says.
fn verdict(name: &str) -> String {
    let (bytes, limits) = vector(name);
    let extracted = extract(&bytes, &limits, &ExtractOptions::new());
    let verified = ReadOptions::new().limits(limits).threads(1).open(bytes).and_then(|archive| {
        let report = archive.verify(&VerifyOptions::new().records(true))?;
        report.problems.into_iter().next().map_or(Ok(()), Err)
    });
    match (extracted, verified) {
        (Err(error), Err(_)) => error.code().to_owned(),
        (Ok(()), Err(error)) => format!("verify: {}", error.code()),
        (Err(error), Ok(())) => format!("extract: {}", error.code()),
        (Ok(()), Ok(())) => "accepted".to_owned(),
    }
}

#[track_caller]
fn refused(vectors: &[(&str, &str)]) {
    for (name, code) in vectors {
        assert_eq!(verdict(name), *code, "{name}");
    }
}

/// Whether verifying and extracting refuse these bytes, and nothing is left.
#[track_caller]
fn refused_bytes(bytes: &[u8], code: &str) {
    let error = extract(bytes, &Limits::default(), &ExtractOptions::new()).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
}

#[test]
fn dot_dot_absolute_empty_and_dot_components() {
    refused(&[
        ("path-parent-component", "path.invalid"),
        ("path-absolute", "path.invalid"),
        ("path-dot", "path.invalid"),
        ("path-slash", "path.invalid"),
    ]);
    for path in ["../x", "a/../x", "a/..", "/x", "//x", "a//b", "a/", "./a", "a/./b", ".", "..", ""] {
        assert_eq!(EntryPath::new(path).unwrap_err().code(), "path.invalid", "{path:?}");
    }
    // Names that only look like it are plain ones.
    for path in ["a..b", "...", "..a", "a.."] {
        EntryPath::new(path).unwrap();
    }
    // Drives and UNC paths are for Windows to refuse.
    for name in ["C:", "C:\\x", "\\\\server\\share", "\\x"] {
        assert!(unportable(name).is_some(), "{name}");
    }
}

#[test]
fn control_characters() {
    refused(&[("path-control", "path.invalid"), ("target-control", "path.invalid")]);
    for character in (0..0x20).chain(0x7f..0xa0).map(|code| char::from_u32(code).unwrap()) {
        assert_eq!(EntryPath::new(format!("a{character}b")).unwrap_err().code(), "path.invalid", "{character:?}");
    }
    EntryPath::new("a\u{a0}b").unwrap();
}

#[test]
fn names_that_windows_cannot_hold() {
    let names = ["back\\slash", "a:b", "con", "AUX.txt", "com¹", "lpt³.x", "dot.", "space "];
    for name in names {
        assert!(unportable(name).is_some(), "{name}");
        let archive = bytes(|writer| writer.add_bytes(entry(name), b"x").unwrap());
        // Here they are plain characters.
        extract(&archive, &Limits::default(), &ExtractOptions::new()).unwrap();
        let portable = ExtractOptions::new().names(Names::Portable);
        let error = extract(&archive, &Limits::default(), &portable).unwrap_err();
        assert_eq!((error.code(), error.entry()), ("policy.name", Some(name)));

        let tree = tempfile::tempdir().unwrap();
        fs::write(tree.path().join(name), "x").unwrap();
        let notes = walk(tree.path(), &WalkOptions::new()).unwrap().notes;
        assert_eq!((notes.len(), notes[0].kind, notes[0].path.as_str()), (1, NoteKind::Unportable, name));
        let error = walk(tree.path(), &WalkOptions::new().names(Names::Portable)).unwrap_err();
        assert_eq!((error.code(), error.entry()), ("policy.name", Some(name)));
    }
}

#[test]
fn nul_no_utf8_too_long_and_too_deep() {
    refused(&[
        ("path-long", "limit.path-bytes"),
        ("path-component-long", "limit.component-bytes"),
        ("path-deep", "limit.path-depth"),
        ("target-long", "limit.path-bytes"),
    ]);
    assert_eq!(EntryPath::new("a\0b").unwrap_err().code(), "path.invalid");
    let test = "nul_no_utf8_too_long_and_too_deep";
    for (change, code) in [("b'a\\xffb'", "entries.protobuf"), ("b'a\\x00b'", "path.invalid")] {
        let script = format!(
            "a = Archive().file('axb', b'x')\ndef columns(c):\n    c['paths'][-1] = {change}\na.on('columns', columns)"
        );
        let Some(bytes) = forge(test, &script) else { return };
        refused_bytes(&bytes, code);
    }
}

#[test]
fn duplicate_paths_and_files_as_parents() {
    refused(&[
        ("path-duplicate", "path.duplicate"),
        ("path-duplicate-pages", "path.duplicate"),
        ("path-under-file", "path.parent"),
    ]);
    // Stripped, paths may become the same.
    for (one, other) in [("a/x", "b/x"), ("a/x", "b/x/y"), ("b/x/y", "c/x")] {
        let archive = bytes(|writer| {
            writer.add_bytes(entry(one), b"1").unwrap();
            writer.add_bytes(entry(other), b"2").unwrap();
        });
        extract(&archive, &Limits::default(), &ExtractOptions::new()).unwrap();
        let stripping = ExtractOptions::new().strip_components(1);
        let error = extract(&archive, &Limits::default(), &stripping).unwrap_err();
        assert_eq!((error.code(), error.entry()), ("policy.name", Some(other)));
        assert!(error.message().contains(&format!("{one:?}")), "{error}");
    }
}

#[test]
fn names_equal_after_nfc_and_full_case_folding() {
    for (one, other) in [("README", "readme"), ("Straße/x", "STRASSE/y"), ("d/é", "d/e\u{301}"), ("ﬁ", "FI")] {
        let archive = bytes(|writer| {
            writer.add_bytes(entry(one), b"1").unwrap();
            writer.add_bytes(entry(other), b"2").unwrap();
        });
        extract(&archive, &Limits::default(), &ExtractOptions::new()).unwrap();
        let portable = ExtractOptions::new().names(Names::Portable);
        let error = extract(&archive, &Limits::default(), &portable).unwrap_err();
        assert_eq!((error.code(), error.entry()), ("policy.name", Some(other)));
        let first = one.strip_suffix("/x").unwrap_or(one);
        assert!(error.message().contains(&format!("{first:?}")), "{error}");

        let tree = tempfile::tempdir().unwrap();
        for path in [one, other] {
            fs::create_dir_all(tree.path().join(path).parent().unwrap()).unwrap();
            fs::write(tree.path().join(path), "x").unwrap();
        }
        let error = walk(tree.path(), &WalkOptions::new().names(Names::Portable)).unwrap_err();
        assert_eq!(error.code(), "policy.name", "{error}");
    }
    // A file system that folds them answers the second creation with "exists", as it does for the same name; how the
    // other name is found is tested with the sandbox.
    let root = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::open(root.path(), Modes::Umask).unwrap();
    sandbox.create_file(&EntryPath::new("same").unwrap()).unwrap().write_all(b"first").unwrap();
    assert_eq!(sandbox.create_file(&EntryPath::new("same").unwrap()).unwrap_err().code(), "policy.name");
    assert_eq!(fs::read(root.path().join("same")).unwrap(), b"first");
}

#[test]
fn symlinks_that_lead_out_and_paths_through_symlinks() {
    refused(&[("path-under-symlink", "path.parent"), ("symlink-outside", "extract: policy.link")]);
    let options = ExtractOptions::new();
    for target in ["/etc/passwd", "..", "../x", "d/../../x"] {
        let archive = bytes(|writer| writer.add_symlink(entry("link"), target).unwrap());
        let error = extract(&archive, &Limits::default(), &options).unwrap_err();
        assert_eq!(error.code(), "policy.link");
        assert!(error.message().contains("links = skip") && error.message().contains("links = keep"), "{error}");
        extract(&archive, &Limits::default(), &options.clone().links(Links::Keep)).unwrap();
        extract(&archive, &Limits::default(), &options.clone().links(Links::Skip)).unwrap();
    }
    // Inside where it was, and no more so where stripping puts it.
    let archive = bytes(|writer| writer.add_symlink(entry("a/link"), "../b").unwrap());
    extract(&archive, &Limits::default(), &options).unwrap();
    let stripping = options.clone().strip_components(1);
    assert_eq!(extract(&archive, &Limits::default(), &stripping).unwrap_err().code(), "policy.link");
    extract(&archive, &Limits::default(), &stripping.links(Links::Keep)).unwrap();

    // A link that is in the target already leads nowhere either.
    let folder = tempfile::tempdir().unwrap();
    let (target, outside) = (folder.path().join("target"), folder.path().join("outside"));
    fs::create_dir(&target).unwrap();
    fs::create_dir(&outside).unwrap();
    symlink(&outside, target.join("d")).unwrap();
    let archive = support::open(&bytes(|writer| writer.add_bytes(entry("d/f"), b"x").unwrap())).unwrap();
    for overwrite in [Overwrite::Refuse, Overwrite::Never, Overwrite::Newer, Overwrite::Always] {
        let error = archive.extract(&target, &options.clone().merge(overwrite)).unwrap_err();
        assert_eq!((error.code(), error.entry()), ("usage.target", Some("d")));
    }
    assert_eq!((support::names_in(&outside), support::names_in(&target)), (vec![], vec!["d".to_owned()]));
    // Nor does one that comes into being while the sandbox is in use.
    let sandbox = Sandbox::open(&target, Modes::Umask).unwrap();
    assert!(sandbox.create_file(&EntryPath::new("d/f").unwrap()).is_err());
    assert!(sandbox.create_dir(&EntryPath::new("d/f").unwrap()).is_err());
    assert_eq!(support::names_in(&outside), Vec::<String>::new());
}

#[test]
fn hard_links_devices_fifos_sockets_and_unknown_types() {
    refused(&[("kind-unknown", "entries.kind"), ("header-type", "tar.header")]);
    let test = "hard_links_devices_fifos_sockets_and_unknown_types";
    for kind in [b'1', b'3', b'4', b'6', b'7', b'S', b'x'] {
        let script = format!(
            r#"
a = Archive().file("f", b"")
def header(data):
    at = data.index(b"f\0")
    block = bytearray(data[at:at + 512])
    block[156] = {kind}
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return data[:at] + bytes(block) + data[at + 512:]
def parts(parts):
    for part in parts:
        if isinstance(part, Chunk) and b"f\0" in part.data:
            part.data = header(part.data)
a.on("parts", parts)
"#
        );
        let Some(bytes) = forge(test, &script) else { return };
        refused_bytes(&bytes, "tar.header");
    }
    // Packing refuses what no archive holds, and makes independent files of hard links.
    let tree = tempfile::tempdir().unwrap();
    let fifo = tree.path().join("fifo");
    support::run(Command::new("mkfifo").arg(&fifo));
    assert_eq!(walk(tree.path(), &WalkOptions::new()).unwrap_err().code(), "policy.file-type");
    fs::remove_file(fifo).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(tree.path().join("socket")).unwrap();
    assert_eq!(walk(tree.path(), &WalkOptions::new()).unwrap_err().code(), "policy.file-type");
    drop(socket);
    fs::remove_file(tree.path().join("socket")).unwrap();
    fs::write(tree.path().join("one"), "x").unwrap();
    fs::hard_link(tree.path().join("one"), tree.path().join("two")).unwrap();
    let archive = bytes(|writer| drop(writer.add_tree(tree.path(), &WalkOptions::new()).unwrap()));
    let out = tempfile::tempdir().unwrap();
    support::open(&archive).unwrap().extract(out.path(), &ExtractOptions::new()).unwrap();
    let inodes = ["one", "two"].map(|name| fs::metadata(out.path().join(name)).unwrap().ino());
    assert_ne!(inodes[0], inodes[1]);
}

#[test]
fn setuid_setgid_sticky_and_other_modes() {
    refused(&[("columns-mode-bits", "entries.columns"), ("header-mode", "tar.header")]);
    let test = "setuid_setgid_sticky_and_other_modes";
    for mode in ["0o4755", "0o2755", "0o1777", "0o10644", "0o177777"] {
        let Some(bytes) = forge(test, &format!("a = Archive().file('f', b'x', mode={mode})")) else { return };
        refused_bytes(&bytes, "entries.columns");
    }
    let tree = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("f"), "x").unwrap();
    fs::set_permissions(tree.path().join("f"), fs::Permissions::from_mode(0o6755)).unwrap();
    let mut notes = Vec::new();
    let archive = bytes(|writer| notes = writer.add_tree(tree.path(), &WalkOptions::new()).unwrap().notes);
    assert_eq!((notes.len(), notes[0].kind), (1, NoteKind::ModeBits));
    let out = tempfile::tempdir().unwrap();
    let exact = ExtractOptions::new().modes(Modes::Exact);
    support::open(&archive).unwrap().extract(out.path(), &exact).unwrap();
    assert_eq!(fs::metadata(out.path().join("f")).unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn tar_headers_that_differ_and_bytes_that_no_entry_covers() {
    refused(&[
        ("header-checksum", "tar.header"),
        ("header-name", "tar.header"),
        ("header-owner", "tar.header"),
        ("header-field-form", "tar.header"),
        ("pax-name", "tar.header"),
        ("padding", "tar.padding"),
        ("tar-end", "tar.end"),
        ("tar-end-shared", "index.frames"),
        ("tar-stray-block", "index.pages"),
    ]);
}

#[test]
fn frames_that_overlap_leave_gaps_or_run_past_the_file() {
    refused(&[
        ("frame-gap", "index.frame-gap"),
        ("frames-columns", "index.frames"),
        ("frames-empty-frame", "index.frames"),
        ("frame-stored-size", "index.frames"),
        ("frame-cut", "frame.decode"),
    ]);
    let test = "frames_that_overlap_leave_gaps_or_run_past_the_file";
    for change in ["= (1 << 64) - 1", "+= 1", "-= 1", "= 1 << 62"] {
        let script = format!(
            "a = Archive().file('f', b'x')\ndef index(i):\n    i['frames']['stored_sizes'][3] {change}\na.on('index', index)"
        );
        let Some(bytes) = forge(test, &script) else { return };
        let error = support::open(&bytes).unwrap_err();
        assert!(error.code().starts_with("index."), "{change}: {error}");
    }
}

#[test]
fn trailing_data_prefixes_and_concatenated_archives() {
    let sound = bytes(|writer| writer.add_bytes(entry("f"), b"x").unwrap());
    let join = |parts: &[&[u8]]| parts.concat();
    for hostile in [
        join(&[&sound, b"\0"]),
        join(&[&sound, &[0; 512]]),
        join(&[&sound, &sound]),
        join(&[b"\0", &sound]),
        join(&[b"#!/bin/sh\n", &sound]),
        join(&[&sound, &sound[24..]]),
        // An empty zstd frame, and a skippable one, which other programs pass over.
        join(&[&sound, &sound[..9]]),
        join(&[&sound, b"\x50\x2a\x4d\x18\0\0\0\0"]),
    ] {
        let error = extract(&hostile, &Limits::default(), &ExtractOptions::new()).unwrap_err();
        assert_eq!(error.kind(), rosettar::ErrorKind::Malformed, "{error}");
    }
}

#[test]
fn sizes_that_disagree_and_empty_frames_by_the_million() {
    refused(&[
        ("frame-size", "frame.size"),
        ("frame-short", "frame.decode"),
        ("seek-table-size", "seek-table.footer"),
        ("seek-table-row", "seek-table.mismatch"),
        ("limit-frames", "limit.frames"),
    ]);
}

#[test]
fn a_decompression_bomb() {
    let bomb = bytes(|writer| writer.add_bytes(entry("zeros"), &vec![0; 32 << 20]).unwrap());
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let mut limits = Limits::default();
    limits.set("decoded-bytes", "1M").unwrap();
    let error = extract(&bomb, &limits, &ExtractOptions::new()).unwrap_err();
    assert_eq!(error.code(), "limit.decoded-bytes");
    let archive = ReadOptions::new().limits(limits).open(bomb);
    // Whether opening or reading finds it: nothing beyond the limit comes out.
    if let Ok(archive) = archive {
        assert_eq!(archive.read("zeros").unwrap_err().code(), "limit.decoded-bytes");
    }
}

#[test]
fn deep_or_huge_protobuf_and_self_referencing_descriptors() {
    refused(&[("schema-cycle", "verify: schema.cycle")]);
    let test = "deep_or_huge_protobuf_and_self_referencing_descriptors";
    // A file that imports itself; a message in itself, nested in a record 100 000 deep.
    let itself = "a = Archive().schema(descriptor_set(file_descriptor('a.proto', 'p', [('M', [('s', 1, 9)])], ['a.proto'])), ('s', 'p.M', 1)).batch('s', b'')";
    let Some(bytes) = forge(test, itself) else { return };
    let report = support::open(&bytes).unwrap().verify(&VerifyOptions::new().records(true)).unwrap();
    assert_eq!(report.problems[0].kind(), rosettar::ErrorKind::Schema, "{:?}", report.problems);
    let set = support::compile(&[("n.proto", "syntax=\"proto3\"; package n; message M { M m = 1; }")]);
    let mut deep = Vec::new();
    for _ in 0..2000 {
        let mut outer = vec![0x0a];
        let mut len = deep.len();
        while len > 0x7f {
            outer.push(len as u8 & 0x7f | 0x80);
            len >>= 7;
        }
        outer.push(len as u8);
        outer.append(&mut deep);
        deep = outer;
    }
    let pool = rosettar::schema::build_pool(&set).unwrap();
    let message = rosettar::schema::message(&pool, "n.M").unwrap();
    let error = rosettar::record::check(&message, &deep, &Limits::default()).unwrap_err();
    assert!(error.code().starts_with("record.") || error.code().starts_with("limit."), "{error}");
}

#[test]
fn digests_that_are_wrong() {
    refused(&[
        ("frame-digest", "frame.digest"),
        ("frames-digests", "index.frames"),
        ("entry-digest", "entry.digest"),
        ("section-digest", "verify: section.digest"),
        ("index-digest", "index.digest"),
    ]);
    // Nothing of a frame with a wrong digest is released, to a reader or to a disk.
    let content = support::noise(20_000, 7);
    let mut damaged = bytes(|writer| writer.add_bytes(entry("f"), &content).unwrap());
    let at = damaged.windows(64).position(|window| window == &content[15_000..15_064]).unwrap();
    damaged[at] ^= 1;
    refused_bytes(&damaged, "frame.digest");
    let archive = support::open(&damaged).unwrap();
    let mut reader = archive.open_entry("f").unwrap();
    let mut released = Vec::new();
    assert!(std::io::Read::read_to_end(&mut reader, &mut released).is_err());
    assert!(released.len() < 15_000 && content.starts_with(&released), "{}", released.len());
}

#[test]
fn a_source_that_changes_while_it_is_packed() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let output = folder.path().join("a.rtar");
    for change in [
        &|path: &Path| fs::write(path, "longer than it was").unwrap(),
        &|path: &Path| {
            fs::remove_file(path).unwrap();
            fs::write(path, "first").unwrap();
        },
        &|path: &Path| fs::remove_file(path).unwrap(),
        &|path: &Path| {
            fs::remove_file(path).unwrap();
            symlink("/etc/passwd", path).unwrap();
        },
    ] as [&dyn Fn(&Path); 4]
    {
        let path = tree.join("f");
        let _ = fs::remove_file(&path);
        fs::write(&path, "first").unwrap();
        let walked = walk(&tree, &WalkOptions::new()).unwrap();
        change(&path);
        let mut writer = WriteOptions::new().create(&output).unwrap();
        let error = walked.items.iter().try_for_each(|item| writer.add_item(item)).unwrap_err();
        assert_eq!((error.code(), error.entry()), ("io.source-changed", Some("f")));
        drop(writer);
        assert_eq!(support::names_in(folder.path()), ["tree"]);
    }
}

/// A C1Z file is what its bytes are, and what is in it is not believed before that (more of it in `c1z`).
#[test]
fn hostile_sqlite_inside_c1z() {
    for (magic, code) in [(&b"C1ZF\0"[..], "frame.header"), (b"C1Z3\0", "c1z.engine")] {
        let file = [magic, &[0; 200]].concat();
        assert_eq!(support::open(&file).unwrap_err().code(), code);
    }
}

/// What the Python package rests on (its own tests are bindings/python/tests): an archive owns its bytes, or borrows none, and may be shared between threads.
#[test]
fn mutable_buffers_and_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Archive>();
    shared::<Error>();
    let mut buffer = bytes(|writer| writer.add_bytes(entry("f"), b"content").unwrap());
    let archive = support::open(&buffer).unwrap();
    buffer.fill(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(archive.read("f").unwrap(), b"content"));
        }
    });
}

/// An archive may hold what looks like the remains of an interrupted extraction. A later extraction to the same directory
/// must not believe the list of moves in them: what it names there is the user's.
#[test]
fn remains_of_an_extraction_that_an_archive_brought() {
    let temp = tempfile::tempdir().unwrap();
    let (out, own) = (temp.path().join("out"), temp.path().join("own"));
    fs::write(&own, "mine").unwrap();
    // Inode numbers can be guessed, or all be listed.
    let list = format!("{} own\n", fs::metadata(&own).unwrap().ino());
    let evil = bytes(|writer| {
        for name in ["", "/tree"] {
            let name = format!(".rosettar-extract-00000000{name}");
            writer.add_directory(entry(&name).mode(0o700)).unwrap();
        }
        writer.add_bytes(entry(".rosettar-extract-00000000/moves"), list.as_bytes()).unwrap();
    });
    support::open(&evil).unwrap().extract(&out, &ExtractOptions::new()).unwrap();
    fs::rename(&own, out.join("own")).unwrap();
    let next = support::open(&bytes(|writer| writer.add_bytes(entry("a"), b"x").unwrap())).unwrap();
    assert_eq!(next.extract(&out, &ExtractOptions::new()).unwrap_err().code(), "usage.target");
    next.extract(&out, &ExtractOptions::new().merge(Overwrite::Always)).unwrap();
    assert_eq!(support::names_in(&out), [".rosettar-extract-00000000", "a", "own"]);
    assert_eq!(fs::read(out.join("own")).unwrap(), b"mine");
}
