//! Files that are written here, and converted.

use std::io::Write as _;
use std::path::Path;

use rosettar::convert::{ConvertOptions, Target, convert_database, convert_directory};
use rosettar::model::C1zEncoding;
use rosettar::{Annotation, C1zOptions, NewEntry, VerifyOptions, WriteOptions};

use super::{ENCODINGS, files, manifest, open, tree, write};
use crate::support;

#[test]
fn what_is_written_is_read_and_is_the_same_whatever_the_threads() {
    for encoding in ENCODINGS {
        let bytes = write(encoding, &files());
        let archive = open(&bytes).unwrap_or_else(|e| panic!("{encoding}: {e}"));
        let report = archive.verify(&VerifyOptions::new()).unwrap();
        assert!(report.is_sound(), "{encoding}: {:?}", report.problems);
        for (path, content) in files() {
            assert!(archive.read(path).unwrap() == content, "{encoding}: {path}");
        }
        for threads in [1, 3] {
            let mut again = Vec::new();
            let options = C1zOptions::with_manifest(encoding, manifest()).threads(threads);
            let mut writer = options.write_to(&mut again).unwrap();
            for (path, content) in files() {
                writer.add_bytes(NewEntry::new(path).unwrap(), &content).unwrap();
            }
            writer.finish().unwrap();
            assert!(again == bytes, "{encoding}, {threads} threads");
        }
        let facts = archive.facts().c1z.as_deref().unwrap().manifest.clone().unwrap();
        assert_eq!((facts.engine.as_str(), facts.unknown_fields, facts.encoding), ("test", 1, encoding));
    }
}

#[test]
fn large_contents_take_another_way_and_give_the_same() {
    let large = support::noise((8 << 20) + 12_345, 3);
    for encoding in ENCODINGS {
        let bytes = write(encoding, &[("a", b"small".to_vec()), ("b/large", large.clone()), ("c", Vec::new())]);
        let archive = open(&bytes).unwrap();
        assert!(archive.read("b/large").unwrap() == large, "{encoding}");
        assert!(archive.verify(&VerifyOptions::new()).unwrap().is_sound());
        let target = tempfile::tempdir().unwrap();
        let report = archive.extract(target.path().join("out"), &rosettar::ExtractOptions::new()).unwrap();
        assert_eq!((report.files, report.bytes), (3, large.len() as u64 + 5));
    }
}

#[test]
fn what_a_writer_refuses() {
    let new = |path: &str| NewEntry::new(path).unwrap();
    for encoding in ENCODINGS {
        assert_eq!(C1zOptions::new(encoding, "").write_to(Vec::new()).unwrap_err().code(), "c1z.engine");
        let open_set = prost_types::FileDescriptorSet {
            file: vec![prost_types::FileDescriptorProto {
                name: Some("a.proto".into()),
                dependency: vec!["missing.proto".into()],
                ..Default::default()
            }],
        };
        let set = prost::Message::encode_to_vec(&open_set);
        let error = C1zOptions::new(encoding, "e").descriptors(set).write_to(Vec::new()).unwrap_err();
        assert_eq!(error.code(), "schema.closure");
        assert!(C1zOptions::new(encoding, "e").level(0).write_to(Vec::new()).is_err());

        let writer = || C1zOptions::new(encoding, "e").write_to(Vec::new()).unwrap();
        let mut twice = writer();
        twice.add_bytes(new("a"), b"1").unwrap();
        assert_eq!(twice.add_bytes(new("a"), b"2").unwrap_err().code(), "path.duplicate");
        assert_eq!(twice.add_bytes(new("b"), b"2").unwrap_err().code(), "usage.writer-failed");
        let mut below = writer();
        below.add_bytes(new("a"), b"1").unwrap();
        assert_eq!(below.add_bytes(new("a/b"), b"2").unwrap_err().code(), "path.parent");
        let mut size = writer();
        assert_eq!(size.add_reader(new("a"), 3, &b"four"[..]).unwrap_err().code(), "usage.input");
        assert_eq!(writer().add_reader(new("a"), 5, &b"four"[..]).unwrap_err().code(), "usage.input");
    }
    let mut indexed = C1zOptions::new(C1zEncoding::IndexedZstd, "e").write_to(Vec::new()).unwrap();
    indexed.add_bytes(new("b"), b"1").unwrap();
    assert_eq!(indexed.add_bytes(new("a"), b"2").unwrap_err().code(), "usage.input");
    let mut indexed = C1zOptions::new(C1zEncoding::IndexedZstd, "e").write_to(Vec::new()).unwrap();
    assert_eq!(indexed.add_directory(new("d")).unwrap_err().code(), "usage.input");
    let mut tar = C1zOptions::new(C1zEncoding::Tar, "e").write_to(Vec::new()).unwrap();
    tar.add_bytes(new("a/b"), b"1").unwrap();
    tar.add_bytes(new("a"), b"2").unwrap();
    assert_eq!(tar.finish().unwrap_err().code(), "path.parent");
}

#[test]
fn the_closure_is_sorted_by_path() {
    let set = support::compile(&[
        ("z.proto", "syntax=\"proto3\"; message Z {}"),
        ("a.proto", "syntax=\"proto3\"; import \"z.proto\"; message A { Z z = 1; }"),
    ]);
    let mut bytes = Vec::new();
    C1zOptions::new(C1zEncoding::Tar, "e").descriptors(set).write_to(&mut bytes).unwrap().finish().unwrap();
    let at = |name: &[u8]| bytes.windows(name.len()).position(|found| found == name).unwrap();
    assert!(at(b"\x0a\x07a.proto") < at(b"\x0a\x07z.proto"));
    open(&bytes).unwrap();
}

#[test]
fn a_failed_save_leaves_the_old_file_and_can_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.c1z");
    std::fs::write(&path, "old").unwrap();
    let options = || C1zOptions::new(C1zEncoding::IndexedZstd, "e");
    let mut writer = options().create(&path).unwrap();
    assert!(writer.add_reader(NewEntry::new("a").unwrap(), 9, &b"short"[..]).is_err());
    drop(writer);
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(support::names_in(folder.path()), ["a.c1z"]);
    let mut writer = options().create(&path).unwrap();
    writer.add_bytes(NewEntry::new("a").unwrap(), b"whole").unwrap();
    writer.finish().unwrap();
    assert_eq!(rosettar::open_path(&path).unwrap().read("a").unwrap(), b"whole");
    assert_eq!(support::names_in(folder.path()), ["a.c1z"]);
}

#[test]
fn unchanged_frames_are_copied_once_they_are_proven() {
    let old_bytes = write(C1zEncoding::IndexedZstd, &files());
    let old = open(&old_bytes).unwrap();
    let rewrite = |previous: &rosettar::Archive, change: &str| {
        let mut bytes = Vec::new();
        // Another level gives other frames, so that a copied one shows.
        let options = C1zOptions::with_manifest(C1zEncoding::IndexedZstd, manifest()).level(19).previous(previous);
        let mut writer = options.write_to(&mut bytes).unwrap();
        for (path, mut content) in files() {
            if path == change {
                content[0] ^= 1;
            }
            writer.add_bytes(NewEntry::new(path).unwrap(), &content).unwrap();
        }
        (writer.finish().unwrap(), bytes)
    };
    let (same, bytes) = rewrite(&old, "");
    assert!(bytes == old_bytes && same.copied_bytes > 0);
    let (changed, bytes) = rewrite(&old, "d/two.bin");
    assert!(changed.copied_bytes < same.copied_bytes);
    let archive = open(&bytes).unwrap();
    assert!(archive.verify(&VerifyOptions::new()).unwrap().is_sound());
    assert_ne!(archive.read("d/two.bin").unwrap(), old.read("d/two.bin").unwrap());

    // A damaged source is not copied into a file that would be damaged, too. The magic of the first frame is hit.
    let mut damaged = old_bytes.clone();
    let first = damaged.windows(4).position(|found| found == [0x28, 0xB5, 0x2F, 0xFD]).unwrap();
    damaged[first] ^= 1;
    let (_, bytes) = rewrite(&open(&damaged).unwrap(), "");
    let archive = open(&bytes).unwrap();
    assert!(archive.verify(&VerifyOptions::new()).unwrap().is_sound());
    assert_eq!(tree(&archive), tree(&old));
}

#[test]
fn conversions_lose_nothing_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for encoding in ENCODINGS {
        let source = open(&write(encoding, &files())).unwrap();
        source.convert(at("a.rtar"), &ConvertOptions::new(Target::Rosettar)).unwrap();
        let rtar = rosettar::open_path(at("a.rtar")).unwrap();
        assert!(rtar.verify(&VerifyOptions::new().records(true)).unwrap().is_sound());
        assert_eq!(tree(&rtar), tree(&source), "{encoding}");
        // The annotation decodes by the archive's own Schema.
        let pool = rosettar::schema::build_pool(rtar.descriptor_set(1).unwrap()).unwrap();
        let message = rosettar::schema::message(&pool, "c1.c1z.v3.C1ZManifestV3").unwrap();
        let annotation = &rtar.facts().manifest.annotations[0];
        assert_eq!(annotation.type_name(), "c1.c1z.v3.C1ZManifestV3");
        rosettar::record::decode(&message, &annotation.value, &rosettar::Limits::default()).unwrap();

        let report = rtar.convert(at("b.c1z"), &ConvertOptions::new(Target::C1z3(encoding))).unwrap();
        assert!(report.losses.is_empty());
        let back = rosettar::open_path(at("b.c1z")).unwrap();
        assert_eq!(tree(&back), tree(&source));
        let bytes = |archive: &rosettar::Archive| {
            archive.facts().c1z.as_deref().unwrap().manifest.as_ref().unwrap().bytes.clone()
        };
        assert_eq!(bytes(&back), bytes(&source), "{encoding}: the manifest, unknown fields included");
        for other in ENCODINGS {
            let report = back.convert(at("c.c1z"), &ConvertOptions::new(Target::C1z3(other))).unwrap();
            assert!(report.losses.is_empty(), "{encoding} to {other}: {:?}", report.losses);
            assert_eq!(
                report.copied_bytes > 0,
                (encoding, other) == (C1zEncoding::IndexedZstd, C1zEncoding::IndexedZstd)
            );
            let found = rosettar::open_path(at("c.c1z")).unwrap();
            let manifest = found.facts().c1z.as_deref().unwrap().manifest.clone().unwrap();
            assert_eq!((manifest.encoding, manifest.unknown_fields), (other, 1));
            assert_eq!(tree(&found), tree(&source), "{encoding} to {other}");
        }
    }
}

#[test]
fn what_would_be_lost_is_refused_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.c1z");
    let mut bytes = Vec::new();
    let mut writer = WriteOptions::new().write_to(&mut bytes).unwrap();
    writer.attribute("k", "v").unwrap();
    let stream = writer.declare("events", support::event_type()).unwrap();
    writer.append(stream, &support::event(1)).unwrap();
    let set = support::event_set();
    writer.annotate_encoded(Annotation { type_url: "x/world.Event".into(), value: Vec::new() }, &set).unwrap();
    let time = rosettar::Mtime { seconds: 5, nanoseconds: 7 };
    writer.add_directory(NewEntry::new("empty").unwrap()).unwrap();
    writer.add_bytes(NewEntry::new("f").unwrap().mode(0o755).mtime(time), b"x").unwrap();
    writer.add_symlink(NewEntry::new("l").unwrap(), "f").unwrap();
    writer.finish().unwrap();
    let archive = open(&bytes).unwrap();
    let expected = [
        (
            C1zEncoding::IndexedZstd,
            &["empty directories", "modes of files", "times of modification", "symbolic links"][..],
        ),
        (C1zEncoding::Tar, &["modes of files", "nanoseconds of times of modification", "symbolic links"]),
    ];
    for (encoding, entries) in expected {
        let options = ConvertOptions::new(Target::C1z3(encoding)).engine("e", 1);
        let error = archive.convert(&path, &options).unwrap_err();
        assert_eq!((error.code(), support::names_in(folder.path())), ("policy.lossy", vec![]));
        let report = archive.convert(&path, &options.lossy(true)).unwrap();
        let what: Vec<&str> = report.losses.iter().map(|loss| loss.what).collect();
        assert_eq!(what, [entries, &["streams of records", "attributes", "annotations"]].concat());
        assert_eq!(report.losses.iter().map(|loss| loss.count).sum::<u64>(), what.len() as u64);
        assert_eq!(rosettar::open_path(&path).unwrap().read("f").unwrap(), b"x");
        std::fs::remove_file(&path).unwrap();
    }
    let options = ConvertOptions::new(Target::C1z3(C1zEncoding::Tar)).lossy(true);
    assert_eq!(archive.convert(&path, &options).unwrap_err().code(), "usage.option", "no engine");
    let error = archive.convert(&path, &ConvertOptions::new(Target::C1z1)).unwrap_err();
    assert_eq!(error.code(), "usage.format");
    assert_eq!(archive.convert(&path, &ConvertOptions::new(Target::Rosettar)).unwrap_err().code(), "usage.format");
}

#[test]
fn from_a_directory_and_from_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let tree_at = folder.path().join("tree");
    std::fs::create_dir_all(tree_at.join("a")).unwrap();
    std::fs::write(tree_at.join("a/x"), "content").unwrap();
    std::fs::write(tree_at.join("a-b"), "other").unwrap();
    let path = folder.path().join("a.c1z");
    for encoding in ENCODINGS {
        let options = ConvertOptions::new(Target::C1z3(encoding)).engine("pebble", 24).lossy(true);
        convert_directory(&tree_at, &path, &options).unwrap();
        let archive = rosettar::open_path(&path).unwrap();
        assert_eq!(archive.read("a/x").unwrap(), b"content");
        assert_eq!(archive.read("a-b").unwrap(), b"other");
    }
    let database = folder.path().join("db");
    std::fs::write(&database, "no database, but long enough to be one").unwrap();
    let options = ConvertOptions::new(Target::C1z1);
    assert_eq!(convert_database(&database, &path, &options).unwrap_err().code(), "c1z.database");
}

/// A database that Python makes becomes a file of version 1, which zstd and Python read back.
#[test]
fn other_programs_read_version_1() {
    if !support::have("other_programs_read_version_1", &["zstd", "python3"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [made, path, payload, back] =
        ["made.db", "a.c1z", "payload.zst", "back.db"].map(|name| folder.path().join(name));
    let python = |script: &str, path: &Path| {
        let output = support::run(std::process::Command::new("python3").args(["-c", script]).arg(path));
        String::from_utf8(output.stdout).unwrap()
    };
    let make = "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1])\nd.execute('create table v1_things (id integer primary key, \
                data blob)')\nd.executemany('insert into v1_things (data) values (?)', [(bytes([n % 251]) * n,) for n in \
                range(3000)])\nd.commit()";
    python(make, &made);
    let report = convert_database(&made, &path, &ConvertOptions::new(Target::C1z1)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!((report.size, &bytes[..5]), (bytes.len() as u64, &b"C1ZF\0"[..]));
    std::fs::write(&payload, &bytes[5..]).unwrap();
    support::run(std::process::Command::new("zstd").args(["-d", "-q", "-o"]).arg(&back).arg(&payload));
    assert!(std::fs::read(&back).unwrap() == std::fs::read(&made).unwrap());
    let count = "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1])\nprint(*d.execute('pragma integrity_check').fetchone(), \
                 *d.execute('select count(*), sum(length(data)) from v1_things').fetchone())";
    assert_eq!(python(count, &back).trim(), "ok 3000 4498500");
}

/// What zstd and tar make of a payload.
#[test]
fn other_programs_read_the_payloads() {
    if !support::have("other_programs_read_the_payloads", &["zstd", "tar"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let payload = |encoding| {
        let bytes = write(encoding, &files());
        let len = u32::from_be_bytes(bytes[5..9].try_into().unwrap()) as usize;
        bytes[9 + len..].to_vec()
    };
    let run = |program: &str, args: &[&str], path: &Path, content: &[u8]| {
        std::fs::File::create(path).unwrap().write_all(content).unwrap();
        support::run(std::process::Command::new(program).args(args).arg(path)).stdout
    };
    let tar = payload(C1zEncoding::Tar);
    let decoded = run("zstd", &["-dc"], &folder.path().join("p.zst"), &payload(C1zEncoding::TarZstd));
    assert!(decoded == tar);
    let names = run("tar", &["tf"], &folder.path().join("p.tar"), &tar);
    let names: Vec<String> = String::from_utf8(names).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(names.len(), files().len());
    assert!(names.iter().any(|name| name == "d/two.bin"), "{names:?}");
}
