//! Continuing archives: appending and removing.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message as _;
use rosettar::{Archive, Digest, EntryKind, NewEntry, Summary, WriteOptions, Writer};
use serde_json::Value;

use crate::support::{self, Event, event, event_type, noise, open, prove, small_type};

fn options() -> WriteOptions {
    WriteOptions::new().threads(2).chunk_size(64 << 10)
}

/// Continues `old` without the entries at `dropped`; `add` adds to it.
fn splice(old: &[u8], dropped: &[&str], add: impl FnOnce(&mut Writer<'_>)) -> (Vec<u8>, Summary) {
    let mut new = Vec::new();
    let archive = open(old).unwrap();
    let keep = |entry: &rosettar::Entry| Ok(!dropped.contains(&entry.path.as_str()));
    let mut writer = options().continue_from(&archive).keep(keep).write_to(&mut new).unwrap();
    add(&mut writer);
    let summary = writer.finish().unwrap();
    assert_eq!(summary.size, new.len() as u64);
    (new, summary)
}

/// The bytes of every frame of an archive, found by its seek table.
fn frames(archive: &[u8]) -> Vec<(&[u8], u32)> {
    let word = |at: usize| u32::from_le_bytes(archive[at..at + 4].try_into().unwrap());
    let rows = word(archive.len() - 9) as usize;
    let table = archive.len() - 17 - 8 * rows + 8;
    let mut at = 0;
    let row = |row: usize| {
        let (stored, decoded) = (word(table + 8 * row) as usize, word(table + 8 * row + 4));
        at += stored;
        (&archive[at - stored..at], decoded)
    };
    (0..rows).map(row).collect()
}

/// Payload frames but the one that ends the tar.
fn payload(archive: &[u8]) -> Vec<&[u8]> {
    let mut found: Vec<&[u8]> = frames(archive).into_iter().filter(|frame| frame.1 > 0).map(|frame| frame.0).collect();
    found.pop();
    found
}

/// An archive of everything: small files, large ones, an empty one, links, streams early and late, with and without
/// records.
fn rich() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = options().write_to(&mut bytes).unwrap();
    writer.attribute("early", "yes").unwrap();
    let events = writer.declare("events", event_type().schema_version(3)).unwrap();
    writer.declare("none", event_type()).unwrap();
    for number in 0..40 {
        let path = format!("small/{number:03}");
        let mtime = rosettar::Mtime { seconds: -number, nanoseconds: 7 };
        writer.add_bytes(NewEntry::new(path).unwrap().mtime(mtime), &noise(5000, number as u64)).unwrap();
    }
    for number in 0..9000 {
        writer.append(events, &event(number)).unwrap();
    }
    writer.add_directory(NewEntry::new("dir").unwrap()).unwrap();
    writer.add_bytes(NewEntry::new("dir/empty").unwrap().mode(0o600), b"").unwrap();
    writer.add_symlink(NewEntry::new("dir/link").unwrap(), "../small/001").unwrap();
    writer.add_bytes(NewEntry::new("large").unwrap(), &noise(300_001, 1)).unwrap();
    let late = writer.declare("late", small_type()).unwrap();
    writer.append_encoded(late, b"\x0a\x01x").unwrap();
    writer.attribute("late", "yes").unwrap();
    writer.add_bytes(NewEntry::new("large2").unwrap(), &vec![7; 200_000]).unwrap();
    writer.add_bytes(NewEntry::new("zz").unwrap(), b"last").unwrap();
    writer.finish().unwrap();
    bytes
}

/// The vectors of this verdict, each with what it says of itself.
fn vectors(verdict: &str) -> Vec<(PathBuf, Value)> {
    let folder = support::project().join("conformance/vectors");
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let expected: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            if expected["expect"] == verdict && expected["limits"].is_null() {
                found.push((path.with_extension("rtar"), expected));
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(found.len() >= 15, "only {} vectors", found.len());
    found
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

#[test]
fn every_valid_vector_can_be_continued() {
    for (path, _) in vectors("accept") {
        let old = std::fs::read(&path).unwrap();
        let before = open(&old).unwrap();
        let (new, _) = splice(&old, &[], |_| ());
        let after = prove(&new);
        assert_eq!(after.facts().content_digest, before.facts().content_digest, "{}", name(&path));
        assert_eq!(after.facts().manifest, before.facts().manifest, "{}", name(&path));
        assert_eq!(after.streams(), before.streams(), "{}", name(&path));
        let list = |archive: &Archive| archive.entries().map(|entry| entry.unwrap()).collect::<Vec<_>>();
        assert_eq!(list(&after), list(&before), "{}", name(&path));
        // Done twice, nothing changes any more.
        let (again, _) = splice(&new, &[], |_| ());
        assert!(again == new, "{}", name(&path));

        let (new, _) = splice(&old, &[], |writer| {
            writer.add_bytes(NewEntry::new("added by the test").unwrap(), b"more").unwrap();
            let stream = writer.declare("added-by-the-test", small_type()).unwrap();
            writer.append_encoded(stream, b"\x0a\x01x").unwrap();
            writer.attribute("added by the test", "yes").unwrap();
        });
        let after = prove(&new);
        assert_eq!(after.read("added by the test").unwrap(), b"more");
        assert_eq!(after.stream("added-by-the-test").unwrap().record(0).unwrap(), b"\x0a\x01x");
        assert_eq!(after.facts().totals.user_entries(), before.facts().totals.user_entries() + 1);
        assert_eq!(after.facts().schemas, before.facts().schemas + 1);
        // Every entry gone.
        let all: Vec<String> = before.entries().map(|entry| entry.unwrap().path.to_string()).collect();
        let (new, _) = splice(&old, &all.iter().map(String::as_str).collect::<Vec<_>>(), |_| ());
        assert_eq!(prove(&new).facts().totals.user_entries(), 0, "{}", name(&path));
    }
}

/// However a source divides its tar into frames, one entry can go without harm to another.
#[test]
fn one_entry_of_any_valid_vector_can_go() {
    for (path, _) in vectors("accept") {
        let old = std::fs::read(&path).unwrap();
        let before = open(&old).unwrap();
        let entries: Vec<rosettar::Entry> = before.entries().map(|entry| entry.unwrap()).collect();
        // The first, the last, and some between.
        for gone in (0..entries.len()).step_by(1 + entries.len() / 6).chain(entries.len().checked_sub(1)) {
            let (new, _) = splice(&old, &[entries[gone].path.as_str()], |_| ());
            let after = prove(&new);
            let mut expected = entries.clone();
            expected.remove(gone);
            let found: Vec<rosettar::Entry> = after.entries().map(|entry| entry.unwrap()).collect();
            assert_eq!(found, expected, "{}: {gone}", name(&path));
            assert_eq!(after.streams(), before.streams());
        }
    }
}

/// What is wrong with a source is refused, or as wrong afterwards.
#[test]
fn no_fault_is_covered_up() {
    let mut continued = 0;
    for (path, expected) in vectors("reject") {
        let Ok(archive) = open(&std::fs::read(&path).unwrap()) else { continue };
        let mut new = Vec::new();
        let writer = options().continue_from(&archive).write_to(&mut new);
        if writer.and_then(Writer::finish).is_err() {
            continue;
        }
        continued += 1;
        let options = rosettar::VerifyOptions::new().records(true);
        let found = open(&new).and_then(|archive| archive.verify(&options));
        let code = match &found {
            Ok(report) => report.problems.first().map(|problem| problem.code()),
            Err(error) => Some(error.code()),
        };
        // What is computed from the whole is computed again.
        let anew = expected["code"] == "content.digest";
        assert!(anew || code.is_some_and(|code| expected["code"] == code), "{}: {code:?}", name(&path));
    }
    assert!(continued > 5, "{continued}");
}

#[test]
fn ancillary_sections_and_the_minor_version_are_kept() {
    let folder = support::project().join("conformance/vectors");
    for vector in ["ancillary", "minor-version", "late-schemas"] {
        let old = std::fs::read(folder.join(vector).with_extension("rtar")).unwrap();
        let (new, _) = splice(&old, &[], |writer| writer.add_bytes(NewEntry::new("n").unwrap(), b"x").unwrap());
        let kind = |frame: &[u8]| frame.get(8..12).map(<[u8]>::to_vec).unwrap_or_default();
        let sections = |archive: &[u8]| {
            let found = frames(archive)
                .into_iter()
                .filter(|(frame, decoded)| *decoded == 0 && !matches!(&kind(frame)[..], b"ENTR" | b"INDX"));
            found.map(|(frame, _)| frame.to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(sections(&old), sections(&new), "{vector}");
        assert_eq!(open(&old).unwrap().facts().format, open(&new).unwrap().facts().format);
    }
}

#[test]
fn old_frames_are_found_bit_by_bit() {
    let old = rich();
    let before = prove(&old);
    let (new, summary) = splice(&old, &[], |writer| {
        writer.add_bytes(NewEntry::new("one").unwrap(), &noise(1024, 5)).unwrap();
    });
    let after = prove(&new);
    let (old_frames, new_frames) = (payload(&old), payload(&new));
    assert!(old_frames.len() > 20);
    assert_eq!(new_frames[..old_frames.len()], old_frames[..]);
    assert_eq!(new_frames.len(), old_frames.len() + 1);
    // Not only payload: all that stands before the end blocks is the beginning of the new archive.
    let end = frames(&old).iter().rposition(|frame| frame.1 > 0).unwrap();
    let prefix: usize = frames(&old)[..end].iter().map(|frame| frame.0.len()).sum();
    assert!(new[..prefix] == old[..prefix]);
    assert_eq!(summary.copied_bytes, prefix as u64);
    assert_eq!(after.streams(), before.streams());
    assert_eq!(after.facts().manifest, before.facts().manifest);
    let entries = |archive: &Archive| archive.all_entries().map(|entry| entry.unwrap()).collect::<Vec<_>>();
    let (mut found, expected) = (entries(&after), entries(&before));
    assert_eq!(found.pop().unwrap().path.as_str(), "one");
    assert_eq!(found, expected);
}

#[test]
fn what_is_removed_is_gone_and_the_rest_is_as_if_packed_without() {
    let old = rich();
    let before = open(&old).unwrap();
    // With each, how many frames hold a part of it.
    for (dropped, touched) in [
        (&["small/000"][..], 1),
        (&["small/003", "small/004", "small/017", "zz"], 3),
        (&["large", "dir/empty"], 7),
        (&["large2"], 5),
        (&["dir", "dir/link", "large", "large2"], 12),
    ] {
        let (new, summary) = splice(&old, dropped, |_| ());
        let after = prove(&new);
        // The same, packed.
        let mut packed = Vec::new();
        let mut writer = options().write_to(&mut packed).unwrap();
        writer.attribute("early", "yes").unwrap();
        writer.attribute("late", "yes").unwrap();
        for info in before.streams() {
            let stream = before.stream(info.name()).unwrap();
            let record_type = rosettar::RecordType::new(info.type_name(), stream.descriptor_set().unwrap());
            let id = writer.declare(info.name(), record_type).unwrap();
            for record in stream.records(..).unwrap() {
                writer.append_encoded(id, &record.unwrap()).unwrap();
            }
        }
        for entry in before.entries().map(|entry| entry.unwrap()) {
            if dropped.contains(&entry.path.as_str()) {
                continue;
            }
            let new = NewEntry::at(entry.path.clone()).mode(entry.mode.into()).mtime(entry.mtime);
            match entry.kind {
                EntryKind::Directory => writer.add_directory(new).unwrap(),
                EntryKind::Symlink => writer.add_symlink(new, entry.target.unwrap().as_str()).unwrap(),
                _ => writer.add_bytes(new, &before.read(entry.path.as_str()).unwrap()).unwrap(),
            }
        }
        assert_eq!(writer.finish().unwrap().content_digest, summary.content_digest, "{dropped:?}");
        // What was not touched is copied, and large contents are not decoded to get rid of their neighbours.
        let old_frames: HashSet<&[u8]> = payload(&old).into_iter().collect();
        let same = payload(&new).into_iter().filter(|frame| old_frames.contains(frame)).count();
        assert_eq!(same, payload(&old).len() - touched, "{dropped:?}");
        let times = |archive: &Archive| {
            let entries = archive.entries().map(|entry| entry.unwrap());
            entries.map(|entry| (entry.path.to_string(), entry.mtime)).collect::<BTreeMap<_, _>>()
        };
        let mut expected = times(&before);
        expected.retain(|path, _| !dropped.contains(&path.as_str()));
        assert_eq!(times(&after), expected);
    }
}

#[test]
fn streams_are_extended() {
    let old = rich();
    let (new, _) = splice(&old, &[], |writer| {
        let events = writer.declare("events", event_type()).unwrap();
        writer.append(events, &event(9000)).unwrap();
        // By name alone, and by another toolchain's descriptors.
        let none = writer.stream("none").unwrap();
        writer.append(none, &event(0)).unwrap();
        let late = writer.declare("late", small_type()).unwrap();
        writer.append_checked(late, b"\x0a\x01y").unwrap();
        assert_eq!(writer.append_checked(late, b"\x0b").unwrap_err().code(), "record.decode");
        let fresh = writer.declare("fresh", small_type()).unwrap();
        writer.append_encoded(fresh, b"").unwrap();
    });
    let after = prove(&new);
    let count = |name: &str| after.stream(name).unwrap().len();
    assert_eq!((count("events"), count("none"), count("late"), count("fresh")), (9001, 1, 2, 1));
    let events: Vec<Event> = after.stream("events").unwrap().decode(..).unwrap().map(|event| event.unwrap()).collect();
    assert!(events.into_iter().eq((0..=9000).map(event)));
    assert_eq!(after.stream("events").unwrap().info().declaration.schema_version, 3);
    // As if all had been packed at once.
    let mut packed = Vec::new();
    let mut writer = options().write_to(&mut packed).unwrap();
    let stream = writer.declare("events", event_type()).unwrap();
    (0..=9000).for_each(|number| writer.append(stream, &event(number)).unwrap());
    let summary = writer.finish().unwrap();
    assert_eq!(summary.streams[0].digest, after.stream("events").unwrap().info().digest);
    let old_frames = payload(&old);
    assert_eq!(payload(&new)[..old_frames.len()], old_frames[..]);
}

#[test]
fn another_type_under_the_same_name_is_refused() {
    let old = rich();
    let archive = open(&old).unwrap();
    let mut new = Vec::new();
    let mut writer = options().continue_from(&archive).write_to(&mut new).unwrap();
    let mut refused = |name: &str, record_type| {
        let error = writer.declare(name, record_type).unwrap_err();
        assert_eq!(error.code(), "manifest.streams", "{name}");
        error.message().to_owned()
    };
    assert!(refused("events", small_type()).contains("of type world.Event, not small.R"));
    assert!(refused("EVENTS", event_type()).contains("case ignored"));
    assert!(refused("events", event_type().schema_version(4)).contains("schema version 3, not 4"));
    let set = support::compile(&[("r.proto", "syntax=\"proto3\"; package small; message R { string b = 1; }")]);
    assert!(refused("late", rosettar::RecordType::new("small.R", set)).contains("defined differently"));
    assert_eq!(writer.stream("nope").unwrap_err().code(), "usage.no-such-stream");
    let late = writer.declare("late", small_type().schema_version(0)).unwrap();
    writer.append_encoded(late, b"").unwrap();
    writer.finish().unwrap();
    prove(&new);
}

#[test]
fn paths_and_facts_that_are_taken_are_refused() {
    let old = rich();
    let (new, _) = splice(&old, &["small/002"], |writer| {
        let code = |path: &str, writer: &mut Writer<'_>| {
            writer.add_bytes(NewEntry::new(path).unwrap(), b"new").map_err(|error| error.code())
        };
        assert_eq!(code("small/001", writer), Err("path.duplicate"));
        assert_eq!(code("small/001/x", writer), Err("path.parent"));
        assert_eq!(code("dir", writer), Err("path.duplicate"));
        assert_eq!(code("small", writer), Err("path.parent"));
        assert_eq!(code("small/002", writer), Ok(()));
        for key in ["early", "late"] {
            assert_eq!(writer.attribute(key, "again").unwrap_err().code(), "usage.input");
        }
        writer.attribute("later", "yes").unwrap();
    });
    let after = prove(&new);
    assert_eq!(after.read("small/002").unwrap(), b"new");
    assert_eq!(after.facts().manifest.attributes.len(), 3);
}

#[test]
fn what_keep_says_ends_the_work() {
    let old = rich();
    let archive = open(&old).unwrap();
    let mut asked = 0;
    let keep = |_: &rosettar::Entry| {
        asked += 1;
        Err(rosettar::Error::new(rosettar::error::code::PATH_DUPLICATE, "enough"))
    };
    let error = options().continue_from(&archive).keep(keep).write_to(Vec::new()).unwrap_err();
    assert_eq!((error.code(), asked), ("path.duplicate", 1));
}

#[test]
fn limits_are_those_of_the_result() {
    let old = rich();
    let archive = open(&old).unwrap();
    for (name, value) in [
        ("entries", "20"),
        ("frames", "9"),
        ("streams", "2"),
        ("schemas", "2"),
        ("path-bytes", "6"),
        ("manifest-bytes", "1000"),
        ("decoded-bytes", "100K"),
        ("index-bytes", "1K"),
    ] {
        let mut limits = rosettar::Limits::default();
        limits.set(name, value).unwrap();
        let writer = options().limits(limits).continue_from(&archive).write_to(Vec::new());
        let error = writer.and_then(Writer::finish).unwrap_err();
        assert_eq!(error.code(), format!("limit.{name}"));
    }
}

/// Any bit of any payload frame that is copied, or decoded to be written anew.
#[test]
fn damage_is_found_and_nothing_published() {
    let folder = tempfile::tempdir().unwrap();
    let old = rich();
    let mut at = 0;
    let count = frames(&old).len();
    for (number, (frame, decoded)) in frames(&old).into_iter().enumerate() {
        at += frame.len();
        // The end blocks are decoded; the pages and the index are met first.
        let mut bad = old.clone();
        bad[at - frame.len() / 2 - 1] ^= 0x10;
        let Ok(archive) = open(&bad) else {
            assert!(number <= 2 || number + 1 == count, "frame {number}");
            continue;
        };
        let path = folder.path().join("new.rtar");
        for dropped in ["nothing", "small/005"] {
            let keep = |entry: &rosettar::Entry| Ok(entry.path.as_str() != dropped);
            let writer = options().continue_from(&archive).keep(keep).create(&path);
            let error = writer.and_then(Writer::finish).unwrap_err();
            assert_eq!(error.code(), "frame.digest", "frame {number} of {decoded}");
            assert_eq!(support::names_in(folder.path()), [""; 0]);
        }
    }
}

/// An archive whose index and pages hold fields of a later version: they are dropped, and counted.
#[test]
fn fields_that_are_not_known_are_reported() {
    let old = rich();
    let (stored, _) = *frames(&old).last().unwrap();
    let table_len = 8 * frames(&old).len() + 17;
    let index_at = old.len() - table_len - stored.len();
    let mut body = stored[48..].to_vec();
    body.extend([0xF8, 0x07, 0x01, 0x82, 0x08, 0x02, 0x08, 0x01]);
    let mut changed = old[..index_at].to_vec();
    changed.extend(&stored[..4]);
    changed.extend((body.len() as u32 + 40).to_le_bytes());
    changed.extend(&stored[8..16]);
    changed.extend(Digest::of(&body).0);
    changed.extend(&body);
    let mut table = old[old.len() - table_len..].to_vec();
    let row = table.len() - 17;
    table[row..row + 4].copy_from_slice(&(body.len() as u32 + 48).to_le_bytes());
    changed.extend(table);
    prove(&changed);
    let (new, summary) = splice(&changed, &[], |_| ());
    assert_eq!(summary.dropped_fields, 2);
    assert_eq!(splice(&new, &[], |_| ()).1.dropped_fields, 0);
}

/// The record type of [`small_type`].
#[derive(Clone, PartialEq, prost::Message)]
struct Small {
    #[prost(bytes = "vec", tag = "1")]
    b: Vec<u8>,
}

/// One change to an archive.
#[derive(Clone, Debug)]
enum Change {
    /// Adds files, each in the place of one that is there, and records to streams.
    Append { files: Vec<(u8, usize)>, records: Vec<(u8, usize)> },
    /// Removes those whose number has one of these remainders.
    Remove { divisor: u8, remainder: u8 },
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let size = prop_oneof![4 => 0usize..600, 2 => 3500usize..4700, 1 => 8000usize..20_000];
    let append = (vec((0u8..60, size), 0..30), vec((0u8..4, 0usize..3000), 0..12))
        .prop_map(|(files, records)| Change::Append { files, records });
    let remove = (1u8..8, 0u8..8).prop_map(|(divisor, remainder)| Change::Remove { divisor, remainder });
    vec(prop_oneof![2 => append, 1 => remove], 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is added and removed in whatever order: what is there is what should be, and as if packed at once.
    #[test]
    fn any_sequence_of_changes(changes in changes(), chunk in select(vec![4096usize, 8192, 4 << 20])) {
        let options = || WriteOptions::new().threads(1).chunk_size(chunk);
        let mut archive = Vec::new();
        options().write_to(&mut archive).unwrap().finish().unwrap();
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut streams: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for (round, change) in changes.into_iter().enumerate() {
            let source = open(&archive).unwrap();
            let mut next = Vec::new();
            match change {
                Change::Append { files: new, records } => {
                    let new: BTreeMap<String, Vec<u8>> = new
                        .into_iter()
                        .map(|(number, size)| (format!("f/{number:02}"), noise(size, round as u64)))
                        .collect();
                    let keep = |entry: &rosettar::Entry| Ok(!new.contains_key(entry.path.as_str()));
                    let mut writer = options().continue_from(&source).keep(keep).write_to(&mut next).unwrap();
                    let mut ids = BTreeMap::new();
                    for (number, size) in records {
                        let name = format!("s{number}");
                        let id = *ids
                            .entry(number)
                            .or_insert_with(|| writer.declare(&name, small_type()).unwrap());
                        let record = Small { b: noise(size, 9) }.encode_to_vec();
                        writer.append_encoded(id, &record).unwrap();
                        streams.entry(name).or_default().push(record);
                    }
                    for (path, content) in new {
                        writer.add_bytes(NewEntry::new(&path).unwrap(), &content).unwrap();
                        files.insert(path, content);
                    }
                    writer.finish().unwrap();
                }
                Change::Remove { divisor, remainder } => {
                    let goes = |path: &str| path[2..].parse::<u8>().unwrap() % divisor == remainder;
                    let keep = |entry: &rosettar::Entry| Ok(!goes(entry.path.as_str()));
                    options().continue_from(&source).keep(keep).write_to(&mut next).unwrap().finish().unwrap();
                    files.retain(|path, _| !goes(path));
                }
            }
            archive = next;
        }
        let found = prove(&archive);
        let entries: Vec<String> = found.entries().map(|entry| entry.unwrap().path.to_string()).collect();
        prop_assert_eq!(entries.len(), files.len());
        for (path, content) in &files {
            prop_assert!(found.read(path).unwrap() == *content);
        }
        prop_assert_eq!(found.streams().len(), streams.len());
        for (name, records) in &streams {
            let all: Vec<Vec<u8>> = found.stream(name).unwrap().records(..).unwrap().map(Result::unwrap).collect();
            prop_assert!(all == *records);
        }
        let mut packed = Vec::new();
        let mut writer = options().write_to(&mut packed).unwrap();
        for (name, records) in &streams {
            let id = writer.declare(name, small_type()).unwrap();
            records.iter().for_each(|record| writer.append_encoded(id, record).unwrap());
        }
        for (path, content) in &files {
            writer.add_bytes(NewEntry::new(path).unwrap(), content).unwrap();
        }
        prop_assert_eq!(Some(writer.finish().unwrap().content_digest), found.facts().content_digest);
    }
}
