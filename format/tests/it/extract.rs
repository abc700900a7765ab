//! Extraction: targets, links, patterns, modes and times, and what is left after a failure.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rosettar::io::{Links, Modes, Names, Overwrite};
use rosettar::model::Mtime;
use rosettar::write::tree::WalkOptions;
use rosettar::{Archive, ExtractOptions, Limits, NewEntry, ReadOptions, WriteOptions, Writer};

use crate::{support, trees};

fn entry(path: &str) -> NewEntry {
    NewEntry::new(path).unwrap()
}

fn archive(fill: impl FnOnce(&mut Writer<'_>)) -> Archive {
    support::prove(&bytes(fill))
}

fn bytes(fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = WriteOptions::new().chunk_size(4096).write_to(&mut bytes).unwrap();
    fill(&mut writer);
    writer.finish().unwrap();
    bytes
}

fn sample() -> Archive {
    archive(|writer| {
        writer.add_bytes(entry("a.txt"), b"a").unwrap();
        writer.add_bytes(entry("docs/b.txt"), b"bb").unwrap();
        writer.add_bytes(entry("docs/deep/c.md"), b"ccc").unwrap();
        writer.add_directory(entry("empty")).unwrap();
        writer.add_symlink(entry("link"), "docs/b.txt").unwrap();
    })
}

#[test]
fn targets() {
    let archive = sample();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let extract = |path: &Path| archive.extract(path, &ExtractOptions::new());

    // Absent, with parents that are absent; and an existing empty one, which stays the same directory.
    let report = extract(&at("x/y/out")).unwrap();
    assert_eq!((report.files, report.directories, report.symlinks, report.bytes), (3, 1, 1, 6));
    fs::create_dir(at("empty")).unwrap();
    let inode = fs::metadata(at("empty")).unwrap().ino();
    extract(&at("empty")).unwrap();
    assert_eq!(fs::metadata(at("empty")).unwrap().ino(), inode);
    assert_eq!(support::names_in(&at("empty")), ["a.txt", "docs", "empty", "link"]);
    let trees = [trees::on_disk(&at("x/y/out")), trees::on_disk(&at("empty"))];
    assert_eq!(trees[0].keys().collect::<Vec<_>>(), trees[1].keys().collect::<Vec<_>>());
    assert_eq!(trees::differences(&trees::expected(&archive, trees::umask()), &trees[1]), Vec::<String>::new());

    // Not empty, a file, a link to nowhere: refused, and untouched.
    fs::create_dir(at("full")).unwrap();
    fs::write(at("full/mine"), "mine").unwrap();
    fs::write(at("file"), "file").unwrap();
    std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
    for name in ["full", "file", "dangling", "x/y/out"] {
        let error = extract(&at(name)).unwrap_err();
        assert_eq!(error.code(), "usage.target", "{name}: {error}");
    }
    assert_eq!(support::names_in(&at("full")), ["mine"]);
    assert_eq!(fs::read(at("file")).unwrap(), b"file");
    assert_eq!(support::names_in(folder.path()), ["dangling", "empty", "file", "full", "x"]);

    // A file where a parent would be.
    let error = extract(&at("file/out")).unwrap_err();
    assert_eq!(error.kind(), rosettar::ErrorKind::Io, "{error}");
    assert_eq!(support::names_in(folder.path()), ["dangling", "empty", "file", "full", "x"]);
}

#[test]
fn links_that_lead_outside() {
    let outside = ["/etc/passwd", "..", "../x", "folder/../../x", "folder/..", "/", "./../x", "a/b/../../../x"];
    for target in outside {
        let archive = archive(|writer| {
            writer.add_bytes(entry("file"), b"x").unwrap();
            writer.add_symlink(entry("link"), target).unwrap();
        });
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let error = archive.extract(&out, &ExtractOptions::new()).unwrap_err();
        assert_eq!((error.code(), error.entry()), ("policy.link", Some("link")), "{target}");
        assert_eq!(support::names_in(folder.path()), Vec::<String>::new());

        let report = archive.extract(&out, &ExtractOptions::new().links(Links::Skip)).unwrap();
        assert_eq!((report.skipped, support::names_in(&out)), (vec!["link".to_owned()], vec!["file".to_owned()]));

        let kept = folder.path().join("kept");
        archive.extract(&kept, &ExtractOptions::new().links(Links::Keep)).unwrap();
        assert_eq!(fs::read_link(kept.join("link")).unwrap(), Path::new(target));

        // A pattern that leaves it out leaves nothing to refuse.
        archive.extract(folder.path().join("part"), &ExtractOptions::new().pattern("file")).unwrap();
    }
    for target in ["file", "./file", "a/b/c", "x//y", "..."] {
        let archive = archive(|writer| writer.add_symlink(entry("link"), target).unwrap());
        let folder = tempfile::tempdir().unwrap();
        archive.extract(folder.path().join("out"), &ExtractOptions::new()).unwrap();
        assert_eq!(fs::read_link(folder.path().join("out/link")).unwrap(), Path::new(target));
    }
}

#[test]
fn patterns() {
    let archive = sample();
    let got = |patterns: &[&str]| -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let options = patterns.iter().fold(ExtractOptions::new(), |options, pattern| options.pattern(*pattern));
        let outcome = archive.extract(&out, &options);
        if outcome.is_err() {
            assert_eq!(support::names_in(folder.path()), Vec::<String>::new());
        }
        outcome.map_err(|error| error.code().to_owned())?;
        Ok(trees::on_disk(&out).into_keys().collect())
    };
    let all = ["a.txt", "docs", "docs/b.txt", "docs/deep", "docs/deep/c.md", "empty", "link"];
    for (patterns, expected) in [
        (&["*.txt"][..], Some(&["a.txt", "docs", "docs/b.txt"][..])),
        (&["docs"], Some(&["docs", "docs/b.txt", "docs/deep", "docs/deep/c.md"])),
        (&["/a.txt", "link"], Some(&["a.txt", "link"])),
        (&["docs/*"], Some(&["docs", "docs/b.txt", "docs/deep", "docs/deep/c.md"])),
        (&["docs/*.md"], None),
        (&["docs/**/*.md", "empty/"], Some(&["docs", "docs/deep", "docs/deep/c.md", "empty"])),
        (&["**"], Some(&all)),
        (&[], Some(&all)),
        (&["a.txt", "absent"], None),
        (&[".rosettar"], None),
    ] {
        let found = got(patterns);
        match expected {
            Some(expected) => assert_eq!(found.unwrap(), expected, "{patterns:?}"),
            None => assert_eq!(found.unwrap_err(), "usage.no-such-entry", "{patterns:?}"),
        }
    }
    assert_eq!(got(&["[a"]).unwrap_err(), "usage.option");
}

#[test]
fn modes_and_times() {
    let time = Mtime { seconds: 1_000_000_000, nanoseconds: 123_456_789 };
    let archive = archive(|writer| {
        for mode in [0o777, 0o666, 0o640, 0o000] {
            writer.add_bytes(entry(&format!("f{mode:03o}")).mode(mode).mtime(time), b"x").unwrap();
            let path = format!("d{mode:03o}");
            writer.add_directory(entry(&path).mode(mode).mtime(time)).unwrap();
            writer.add_bytes(entry(&format!("{path}/inside")).mtime(time), b"in a directory of any mode").unwrap();
        }
        writer.add_directory(entry("read-only").mode(0o555).mtime(time)).unwrap();
        writer.add_directory(entry("read-only/below").mode(0o500).mtime(time)).unwrap();
        writer.add_bytes(entry("read-only/below/file").mtime(time), b"x").unwrap();
        writer.add_symlink(entry("read-only/link").mtime(time), "below").unwrap();
    });
    let umask = trees::umask();
    for (options, mask) in [(Modes::Umask, umask), (Modes::Exact, 0)] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        archive.extract(&out, &ExtractOptions::new().modes(options)).unwrap();
        for path in ["f777", "d777", "f000", "read-only", "read-only/link"] {
            let metadata = fs::symlink_metadata(out.join(path)).unwrap();
            assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (time.seconds, 123_456_789), "{path}");
        }
        assert_eq!(fs::metadata(out.join("f777")).unwrap().permissions().mode() & 0o7777, 0o777 & !mask);
        let faults = trees::differences(&trees::expected(&archive, mask), &trees::on_disk(&out));
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

#[test]
fn a_damaged_archive_leaves_nothing() {
    let content = support::noise(20_000, 1);
    let sound = bytes(|writer| {
        writer.add_bytes(entry("before"), b"x").unwrap();
        writer.add_bytes(entry("deep/large"), &content).unwrap();
        writer.add_bytes(entry("last"), b"x").unwrap();
    });
    // Within the stored content, which does not compress.
    let at = sound.windows(64).position(|window| window == &content[15_000..15_064]).unwrap();
    let mut damaged = sound;
    damaged[at] ^= 1;
    let archive = support::open(&damaged).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let existing = folder.path().join("existing");
    fs::create_dir(&existing).unwrap();
    for threads in [1, 4] {
        for target in [folder.path().join("new/out"), existing.clone()] {
            let archive = ReadOptions::new().threads(threads).open(damaged.clone()).unwrap();
            let error = archive.extract(&target, &ExtractOptions::new()).unwrap_err();
            assert_eq!(error.code(), "frame.digest", "{error}");
            assert_eq!(support::names_in(folder.path()), ["existing"]);
            assert_eq!(support::names_in(&existing), Vec::<String>::new());
        }
    }
    // What is elsewhere is still to be had.
    archive.extract(&existing, &ExtractOptions::new().pattern("last").pattern("before")).unwrap();
    assert_eq!(support::names_in(&existing), ["before", "last"]);
    assert_eq!(archive.read("deep/large").unwrap_err().code(), "frame.digest");
    let report = archive.verify(&Default::default()).unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
}

/// Frames that are right and a content that is not: only the entry's own digest tells.
#[test]
fn a_wrong_digest_is_found_by_whoever_reads_to_the_end() {
    use std::io::Read as _;
    let path = support::project().join("conformance/vectors/entry-digest.rtar");
    let archive = rosettar::open_path(path).unwrap();
    let entry = archive.entries().map(|entry| entry.unwrap()).find(|entry| archive.read(entry.path.as_str()).is_err());
    let path = entry.expect("a content that is wrong").path;
    let mut reader = archive.open_entry(path.as_str()).unwrap();
    let mut all = Vec::new();
    assert!(reader.read_to_end(&mut all).is_err());
    // Who asks again must not take the end for a good one.
    assert!(reader.read(&mut [0; 10]).is_err(), "the end is reported after the digest was found wrong");
    let folder = tempfile::tempdir().unwrap();
    let error = archive.extract(folder.path().join("out"), &ExtractOptions::new()).unwrap_err();
    assert_eq!((error.code(), error.entry()), ("entry.digest", Some(path.as_str())));
    assert_eq!(support::names_in(folder.path()), Vec::<String>::new());
}

#[test]
fn the_limit_on_decoded_bytes_is_exact() {
    let file = bytes(|writer| writer.add_bytes(entry("zeros"), &vec![0; 1 << 20]).unwrap());
    let size = support::open(&file).unwrap().facts().totals.tar_bytes;
    let attempt = |limit: u64| {
        let mut limits = Limits::default();
        limits.set("decoded-bytes", &limit.to_string())?;
        let folder = tempfile::tempdir().unwrap();
        let archive = ReadOptions::new().limits(limits).open(file.clone())?;
        archive.extract(folder.path().join("out"), &ExtractOptions::new())
    };
    assert_eq!(attempt(size).unwrap().bytes, 1 << 20);
    let error = attempt(size - 1).unwrap_err();
    assert_eq!(error.code(), "limit.decoded-bytes");
    assert!(error.message().contains(&(size - 1).to_string()), "{error}");
}

/// Packed by a walk and extracted by us and by tar, a tree is what it was; directories stand before exactly what is in
/// them, or tar would give them the wrong time.
#[test]
fn a_packed_tree_comes_back() {
    let source = tempfile::tempdir().unwrap();
    let at = |name: &str| source.path().join(name);
    for folder in ["a", "a-b", "a/b", "ro/x"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    for (name, content) in [("a.txt", "1"), ("a/x", "2"), ("a-b/y", "3"), ("a b", "4"), ("a/b/z", "5"), ("ro/x/f", "6")]
    {
        fs::write(at(name), content).unwrap();
    }
    fs::write(at("ro-sibling"), "7").unwrap();
    fs::write(at("ro/x-sibling"), "8").unwrap();
    std::os::unix::fs::symlink("a/x", at("link")).unwrap();
    for folder in ["ro/x", "ro"] {
        fs::set_permissions(at(folder), fs::Permissions::from_mode(0o555)).unwrap();
    }
    for (number, folder) in ["a/b", "a", "a-b", "ro/x", "ro"].into_iter().enumerate() {
        let time = rustix::fs::Timespec { tv_sec: 1_000_000_000 + number as i64, tv_nsec: 5 };
        let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(rustix::fs::CWD, at(folder), &times, rustix::fs::AtFlags::empty()).unwrap();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = WriteOptions::new().write_to(file.as_file()).unwrap();
    writer.add_tree(source.path(), &WalkOptions::new()).unwrap();
    writer.finish().unwrap();
    let expected = trees::on_disk(source.path());

    let archive = rosettar::open_path(file.path()).unwrap();
    support::prove_archive(&archive);
    let out = tempfile::tempdir().unwrap();
    archive.extract(out.path(), &ExtractOptions::new().modes(Modes::Exact)).unwrap();
    assert_eq!(trees::differences(&expected, &trees::on_disk(out.path())), Vec::<String>::new());

    if !support::have("a_packed_tree_comes_back", &["tar", "zstd"]) {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let mut tar = std::process::Command::new("tar");
    support::run(tar.args(["--no-same-owner", "-p", "-x", "-f"]).arg(file.path()).arg("-C").arg(out.path()));
    assert_eq!(trees::differences(&expected, &trees::on_disk(out.path())), Vec::<String>::new());
}

/// All options at once, into a directory that is in use.
#[test]
fn options_hold_together() {
    let time = Mtime { seconds: 1_000_000_000, nanoseconds: 123_456_789 };
    let archive = archive(|writer| {
        writer.add_directory(entry("top/ro").mode(0o555).mtime(time)).unwrap();
        writer.add_bytes(entry("top/ro/f").mode(0o666).mtime(time), b"new").unwrap();
        writer.add_bytes(entry("top/there/f").mode(0o600).mtime(time), b"new").unwrap();
        writer.add_directory(entry("top/there").mode(0o700).mtime(time)).unwrap();
        writer.add_symlink(entry("top/there/out"), "../../f").unwrap();
        writer.add_symlink(entry("top/there/in").mtime(time), "../ro/f").unwrap();
        writer.add_bytes(entry("other/g"), b"not chosen").unwrap();
        writer.add_bytes(entry("top.txt").mtime(time), b"nothing is left of its path").unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    fs::create_dir_all(out.join("there")).unwrap();
    fs::set_permissions(out.join("there"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::write(out.join("there/f"), "old").unwrap();
    let options = ExtractOptions::new()
        .pattern("top*")
        .strip_components(1)
        .names(Names::Portable)
        .links(Links::Skip)
        .modes(Modes::Exact)
        .sync(true)
        .merge(Overwrite::Always);
    let report = archive.extract(&out, &options).unwrap();
    assert_eq!((report.files, report.directories, report.symlinks), (2, 2, 1));
    assert_eq!((report.skipped, report.stripped, report.replaced), (vec!["top/there/out".to_owned()], 1, 1));
    assert_eq!(support::names_in(&out), ["ro", "there"]);
    assert_eq!(support::names_in(&out.join("there")), ["f", "in"]);
    let stat = |path: &str| {
        let metadata = fs::symlink_metadata(out.join(path)).unwrap();
        (metadata.mode() & 0o7777, (metadata.mtime() == time.seconds, metadata.mtime_nsec() == 123_456_789))
    };
    assert_eq!(stat("ro"), (0o555, (true, true)));
    assert_eq!(stat("ro/f"), (0o666, (true, true)));
    assert_eq!(stat("there/f"), (0o600, (true, true)));
    assert_eq!(stat("there/in").1, (true, true));
    // A directory that was there keeps its mode.
    assert_eq!(stat("there").0, 0o750);
    // Once more, nothing is to do; and stripped of two, the paths of different directories meet.
    let again = archive.extract(&out, &options.clone().merge(Overwrite::Refuse)).unwrap();
    assert_eq!((again.replaced, again.kept), (0, vec![]));
    let error = archive.extract(folder.path().join("two"), &options.strip_components(2)).unwrap_err();
    assert_eq!((error.code(), error.entry()), ("policy.name", Some("top/there/f")), "{error}");
    fs::set_permissions(out.join("ro"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn files_beside_the_entries_are_published_with_them_or_not_at_all() {
    use std::io::Write as _;
    let archive = sample();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let name = rosettar::EntryPath::new("records.csv").unwrap();
    let add = |sandbox: &rosettar::io::Sandbox| {
        let mut file = sandbox.create_file(&name)?;
        file.write_all(b"a,b\n").unwrap();
        file.finish(0o644, (5, 0))
    };
    let options = ExtractOptions::new().beside(name.clone());
    let fail = |_: &rosettar::io::Sandbox| Err(rosettar::Error::new(rosettar::error::code::USAGE_INPUT, "no"));
    assert_eq!(archive.extract_with(&out, &options, fail).unwrap_err().code(), "usage.input");
    assert_eq!(support::names_in(folder.path()), Vec::<String>::new());
    archive.extract_with(&out, &options, add).unwrap();
    assert_eq!(support::names_in(&out), ["a.txt", "docs", "empty", "link", "records.csv"]);
    // A name that is an entry's, or that of the directory above one, is refused before anything is made.
    for (taken, entry, names) in
        [("a.txt", "a.txt", Names::Any), ("docs", "docs/b.txt", Names::Any), ("DOCS", "docs/b.txt", Names::Portable)]
    {
        let options = ExtractOptions::new().names(names).beside(rosettar::EntryPath::new(taken).unwrap());
        let error = archive.extract_with(folder.path().join("new"), &options, |_| panic!("not called")).unwrap_err();
        assert_eq!((error.code(), error.entry()), ("policy.name", Some(entry)));
    }
    let unportable = ExtractOptions::new().names(Names::Portable).beside(rosettar::EntryPath::new("aux.csv").unwrap());
    assert_eq!(archive.extract(folder.path().join("new"), &unportable).unwrap_err().code(), "policy.name");
    assert_eq!(support::names_in(folder.path()), ["out"]);
}
