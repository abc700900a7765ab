//! Writers used wrongly, failing sources and sinks, limits, and what is declared late.

use std::io::{self, Read, Write};

use rosettar::model::Annotation;
use rosettar::{ErrorKind, Limits, Monitor, NewEntry, ReadOptions, RecordType, Result, WriteOptions, Writer};

use crate::support::{self, Event, event, open, prove};

fn entry(path: &str) -> NewEntry {
    NewEntry::new(path).unwrap()
}

/// Writes an archive, and returns it where `fill` and all else succeed.
fn write(options: WriteOptions, fill: impl FnOnce(&mut Writer<'_>) -> Result<()>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = options.write_to(&mut bytes)?;
    fill(&mut writer)?;
    writer.finish()?;
    Ok(bytes)
}

fn limited(name: &str, value: u64) -> WriteOptions {
    let mut limits = Limits::default();
    limits.set(name, &value.to_string()).unwrap();
    WriteOptions::new().limits(limits)
}

#[test]
fn what_is_refused_leaves_the_writer_as_it_was() {
    let mut bytes = Vec::new();
    let mut writer = WriteOptions::new().write_to(&mut bytes).unwrap();
    let stream = writer.declare("events", support::event_type()).unwrap();
    writer.add_bytes(entry("file"), b"first").unwrap();
    writer.add_symlink(entry("link"), "file").unwrap();
    writer.add_directory(entry("folder")).unwrap();

    let refusals: [(&str, Result<()>); 24] = [
        ("path.duplicate", writer.add_bytes(entry("file"), b"second")),
        ("path.duplicate", writer.add_directory(entry("file"))),
        ("path.duplicate", writer.add_symlink(entry("folder"), "x")),
        ("path.parent", writer.add_bytes(entry("file/below"), b"")),
        ("path.parent", writer.add_bytes(entry("link/far/below"), b"")),
        ("path.reserved", writer.add_bytes(entry(".rosettar"), b"")),
        ("path.reserved", writer.add_bytes(entry(".rosettar/x"), b"")),
        ("path.reserved", writer.add_directory(entry(".ROSETTAR"))),
        ("path.reserved", writer.add_symlink(entry(".RoSettar/y"), "x")),
        ("path.invalid", writer.add_symlink(entry("empty"), "")),
        ("path.invalid", writer.add_symlink(entry("line"), "a\nb")),
        ("limit.path-bytes", writer.add_symlink(entry("long"), "x".repeat(4097))),
        ("usage.input", writer.append(stream, &Wrong {})),
        ("usage.input", writer.attribute("", "x")),
        ("usage.input", writer.require_feature("")),
        ("record.decode", writer.append_checked(stream, b"\x0a\x05abc")),
        ("record.decode", writer.append_checked(stream, b"\xff\xff\xff")),
        ("record.decode", writer.append_checked(stream, b"\x0a\x01\xff")),
        ("manifest.streams", writer.declare("EVENTS", support::event_type()).map(drop)),
        ("manifest.streams", writer.declare("", support::event_type()).map(drop)),
        ("manifest.streams", writer.declare("a/b", support::event_type()).map(drop)),
        ("manifest.streams", writer.declare(".dot", support::event_type()).map(drop)),
        ("manifest.streams", writer.declare(&"n".repeat(64), support::event_type()).map(drop)),
        ("schema.type", writer.declare("absent", RecordType::new("world.Absent", support::event_set())).map(drop)),
    ];
    for (number, (code, refusal)) in refusals.into_iter().enumerate() {
        let error = refusal.expect_err(code);
        assert_eq!(error.code(), code, "{number}: {error}");
        assert_ne!(error.kind(), ErrorKind::Io, "{number}");
    }

    // Near misses are legal.
    writer.add_bytes(entry("file2"), b"").unwrap();
    writer.add_bytes(entry("folder/.rosettar"), b"").unwrap();
    writer.add_bytes(entry(".rosettar2"), b"").unwrap();
    writer.add_bytes(entry("FILE"), b"").unwrap();
    let longest = "n".repeat(63);
    writer.declare(&longest, support::event_type()).unwrap();
    writer.append(stream, &event(5)).unwrap();
    let summary = writer.finish().unwrap();
    assert_eq!((summary.totals.files, summary.totals.directories, summary.totals.symlinks), (5, 1, 1));
    assert_eq!(summary.totals.records, 1);
    let archive = prove(&bytes);
    assert_eq!(archive.read("file").unwrap(), b"first");
    assert_eq!(archive.facts().content_digest, Some(summary.content_digest));
    assert_eq!(archive.facts().root_digest, Some(summary.root_digest));
    assert_eq!(archive.facts().size, summary.size);
    assert_eq!(archive.stream(&longest).unwrap().len(), 0);
}

#[derive(Clone, PartialEq, prost::Message)]
struct Wrong {}

impl prost::Name for Wrong {
    const NAME: &'static str = "Wrong";
    const PACKAGE: &'static str = "world";
}

/// Fails after some bytes.
struct Failing(usize);

impl Read for Failing {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = buf.len().min(self.0);
        self.0 -= len;
        if len == 0 { Err(io::Error::other("the source broke")) } else { Ok(len) }
    }
}

#[test]
fn a_failing_source_ends_the_writer() {
    let large = 9 << 20;
    for (size, source, code) in [
        (Some(10), Box::new(Failing(5)) as Box<dyn Read>, "io.read"),
        (Some(10), Box::new(Failing(10)), "io.read"),
        (Some(large), Box::new(Failing(5 << 20)), "io.read"),
        (Some(10), Box::new(&b"short"[..]), "io.source-changed"),
        (Some(10), Box::new(&b"longer than ten"[..]), "io.source-changed"),
        (Some(0), Box::new(&b"x"[..]), "io.source-changed"),
        (Some(large), Box::new(io::repeat(1)), "io.source-changed"),
        (Some(large), Box::new(io::repeat(1).take(large - 1)), "io.source-changed"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.rtar");
        std::fs::write(&path, "the old file").unwrap();
        let mut writer = WriteOptions::new().create(&path).unwrap();
        let stream = writer.declare("events", support::event_type()).unwrap();
        let error = writer.add_reader(entry("file"), size, source).unwrap_err();
        assert_eq!((error.code(), error.entry()), (code, Some("file")), "{error}");
        for (what, after) in [
            ("add", writer.add_bytes(entry("other"), b"")),
            ("append", writer.append(stream, &event(1))),
            ("declare", writer.declare("other", support::event_type()).map(drop)),
        ] {
            assert_eq!(after.unwrap_err().code(), "usage.writer-failed", "{what}");
        }
        assert_eq!(writer.finish().unwrap_err().code(), "usage.writer-failed");
        assert_eq!(support::names_in(folder.path()), ["a.rtar"]);
        assert_eq!(std::fs::read(&path).unwrap(), b"the old file");
    }
}

#[test]
fn a_failing_source_of_unknown_size_ends_nothing() {
    let bytes = write(WriteOptions::new(), |writer| {
        let error = writer.add_reader(entry("file"), None, Failing(100)).unwrap_err();
        assert_eq!(error.code(), "io.read");
        writer.add_reader(entry("file"), None, &b"content"[..])
    });
    assert_eq!(prove(&bytes.unwrap()).read("file").unwrap(), b"content");
}

/// Fails at the call of this number, and at every later one.
struct FailingSink<'a> {
    calls: &'a mut usize,
    fail_at: usize,
}

impl FailingSink<'_> {
    fn call(&mut self) -> io::Result<()> {
        *self.calls += 1;
        if *self.calls > self.fail_at { Err(io::Error::other("the sink broke")) } else { Ok(()) }
    }
}

impl Write for FailingSink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.call()?;
        // A part at a time, so that a failure also comes within a frame.
        Ok(bytes.len().min(100))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.call()
    }
}

#[test]
fn a_sink_may_fail_at_every_write() {
    let attempt = |fail_at: usize, calls: &mut usize, threads: usize| -> Result<()> {
        let sink = FailingSink { calls, fail_at };
        let mut writer = WriteOptions::new().chunk_size(4096).threads(threads).write_to(sink)?;
        let outcome = fill(&mut writer);
        if let Err(error) = &outcome {
            assert_eq!(error.code(), "io.write", "{error}");
            let after = [writer.add_bytes(entry("after"), b""), writer.finish().map(drop)];
            assert!(after.into_iter().all(|after| after.unwrap_err().code() == "usage.writer-failed"));
            return outcome;
        }
        writer.finish().map(drop)
    };
    fn fill(writer: &mut Writer<'_>) -> Result<()> {
        let stream = writer.declare("events", support::event_type())?;
        for number in 0..5 {
            writer.add_bytes(entry(&format!("noise {number}")), &support::noise(3000, number))?;
            (0..20).try_for_each(|number| writer.append(stream, &event(number)))?;
        }
        writer.declare("late", support::small_type())?;
        writer.add_reader(entry("large"), Some(9000), &support::noise(9000, 7)[..])
    }
    for threads in [1, 3] {
        let mut all = 0;
        attempt(usize::MAX, &mut all, threads).unwrap();
        assert!(all > 200, "{all} calls");
        for fail_at in 0..all {
            let error = attempt(fail_at, &mut 0, threads).expect_err("a sink that fails");
            assert_eq!(error.code(), "io.write", "call {fail_at}: {error}");
        }
    }
}

#[test]
fn nothing_is_published_without_finish() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rtar");
    let mut writer = WriteOptions::new().create(&path).unwrap();
    writer.add_bytes(entry("file"), &support::noise(5 << 20, 1)).unwrap();
    assert!(!path.exists());
    drop(writer);
    assert_eq!(support::names_in(folder.path()), Vec::<String>::new());

    let writer = WriteOptions::new().create_new(&path).unwrap();
    writer.finish().unwrap();
    assert_eq!(support::names_in(folder.path()), ["a.rtar"]);
    let refused = WriteOptions::new().create_new(&path).and_then(Writer::finish).unwrap_err();
    assert_eq!(refused.code(), "io.file");
    assert_eq!(support::names_in(folder.path()), ["a.rtar"]);
    assert!(rosettar::open_path(&path).is_ok());
}

#[test]
fn a_writer_that_is_told_to_stop_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let monitor = Monitor::new();
    let mut writer = WriteOptions::new().monitor(monitor.clone()).create(folder.path().join("a.rtar")).unwrap();
    writer.add_bytes(entry("file"), b"x").unwrap();
    monitor.stop();
    assert_eq!(writer.add_bytes(entry("file2"), b"x").unwrap_err().code(), "usage.interrupted");
    drop(writer);
    assert_eq!(support::names_in(folder.path()), Vec::<String>::new());
}

#[test]
fn options_out_of_range_are_refused() {
    for options in [
        WriteOptions::new().chunk_size(0),
        WriteOptions::new().chunk_size(4095),
        WriteOptions::new().chunk_size(4096 + 1),
        WriteOptions::new().chunk_size((8 << 20) + 512),
        WriteOptions::new().level(0),
        WriteOptions::new().level(23),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let shown = format!("{options:?}");
        assert_eq!(options.clone().write_to(io::sink()).expect_err(&shown).code(), "usage.option");
        assert_eq!(options.create(folder.path().join("a")).expect_err(&shown).code(), "usage.option");
        assert_eq!(support::names_in(folder.path()), Vec::<String>::new());
    }
}

/// Exactly the limit passes, for writer and reader alike; one less fails under a code that names it.
fn exact(name: &str, least: u64, fill: impl Fn(&mut Writer<'_>) -> Result<()>) {
    let code = format!("limit.{name}");
    let bytes = write(limited(name, least), &fill).unwrap_or_else(|error| panic!("{name} {least}: {error}"));
    let error = write(limited(name, least - 1), &fill).expect_err(name);
    assert_eq!(error.code(), code);
    assert!(error.message().contains(name), "{error}");
    let read = |value: u64| -> Result<()> {
        let mut limits = Limits::default();
        limits.set(name, &value.to_string())?;
        let archive = ReadOptions::new().limits(limits).threads(1).open(bytes.clone())?;
        archive.all_entries().try_for_each(|entry| entry.map(drop))?;
        for info in archive.streams() {
            archive.stream(info.name())?.records(..)?.try_for_each(|record| record.map(drop))?;
        }
        archive.descriptor_set(archive.facts().schemas - 1)?;
        let report = archive.verify(&Default::default())?;
        report.problems.into_iter().next().map_or(Ok(()), Err)
    };
    read(least).unwrap_or_else(|error| panic!("reading with {name} {least}: {error}"));
    assert_eq!(read(least - 1).expect_err(name).code(), code);
}

#[test]
fn limits_are_exact() {
    let no_more = |_: &mut Writer<'_>| Ok(());
    // Schema 0 is an entry, too.
    exact("entries", 3, |writer| {
        writer.add_bytes(entry("a"), b"a")?;
        writer.add_bytes(entry("b"), b"b")
    });
    // Two opening frames, manifest, Schema 0, user's entry, end, one page, index.
    exact("frames", 8, |writer| writer.add_bytes(entry("a"), b"a"));
    exact("streams", 2, |writer| {
        writer.declare("a", support::event_type())?;
        writer.declare("b", support::event_type()).map(drop)
    });
    // One in the manifest, one late.
    exact("schemas", 3, |writer| {
        writer.declare("a", support::event_type())?;
        writer.add_bytes(entry("a"), b"a")?;
        writer.declare("b", support::event_type()).map(drop)
    });
    exact("record-bytes", 300, |writer| {
        let stream = writer.declare("a", support::small_type())?;
        writer.append_encoded(stream, &[0; 300])
    });
    let plain = write(WriteOptions::new(), no_more).unwrap();
    let facts = open(&plain).unwrap().facts().clone();
    exact("decoded-bytes", facts.totals.tar_bytes, no_more);

    // What has no round number of its own: found by trying.
    for name in ["manifest-bytes", "index-bytes"] {
        let fill = |writer: &mut Writer<'_>| {
            writer.add_bytes(entry("a"), b"a")?;
            writer.declare("b", support::event_type()).map(drop)
        };
        let (mut refused, mut passes) = (0, 1 << 20);
        while passes - refused > 1 {
            let middle = (refused + passes) / 2;
            match write(limited(name, middle), fill) {
                Ok(_) => passes = middle,
                Err(error) => {
                    assert_eq!(error.code(), format!("limit.{name}"));
                    refused = middle;
                }
            }
        }
        exact(name, passes, fill);
    }
}

#[test]
fn what_is_said_late_is_kept() {
    let early_note = event(1);
    let late_note = Annotation { type_url: "type.googleapis.com/small.R".into(), value: b"\x0a\x01z".to_vec() };
    let small = write(WriteOptions::new(), |writer| {
        let set = support::event_set();
        writer.attribute("early", "1")?;
        writer.annotate(&early_note, &set)?;
        let early = writer.declare("early", support::event_type())?;
        writer.append(early, &event(0))?;
        writer.attribute("late", "2")?;
        assert_eq!(writer.attribute("early", "3").unwrap_err().code(), "usage.input");
        let late = writer.declare("late", support::event_type().schema_version(9))?;
        writer.append(early, &event(1))?;
        writer.append(late, &event(2))?;
        let RecordTypeOf(small_set) = small_set();
        writer.annotate_encoded(late_note.clone(), &small_set)?;
        let last = writer.declare("last", support::small_type())?;
        writer.append_checked(last, b"\x0a\x01l")
    });
    let archive = prove(&small.unwrap());
    let facts = archive.facts();
    let attributes: Vec<_> = facts.manifest.attributes.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(attributes, [("early", "1"), ("late", "2")]);
    assert_eq!(facts.manifest.annotations.len(), 2);
    assert_eq!(facts.manifest.annotations[0].value, prost::Message::encode_to_vec(&early_note));
    assert_eq!(facts.manifest.annotations[1], late_note);
    for annotation in &facts.manifest.annotations {
        // Its type is in one of the Schemas.
        let found = (0..facts.schemas).any(|number| {
            let pool = rosettar::schema::build_pool(archive.descriptor_set(number).unwrap()).unwrap();
            rosettar::schema::message(&pool, annotation.type_name()).is_ok()
        });
        assert!(found, "{}", annotation.type_url);
    }
    let events = |name: &str| -> Vec<i64> {
        let stream = archive.stream(name).unwrap();
        stream.decode::<Event>(..).unwrap().map(|event| event.unwrap().number).collect()
    };
    assert_eq!((events("early"), events("late")), (vec![0, 1], vec![2]));
    assert_eq!(archive.stream("late").unwrap().info().declaration.schema_version, 9);
    assert_eq!(archive.stream("last").unwrap().record(0).unwrap(), b"\x0a\x01l");
    assert_eq!(archive.stream("last").unwrap().decode::<Event>(..).err().unwrap().code(), "schema.type");
}

struct RecordTypeOf(Vec<u8>);

fn small_set() -> RecordTypeOf {
    RecordTypeOf(support::compile(&[("r.proto", "syntax=\"proto3\"; package small; message R { bytes b = 1; }")]))
}

#[test]
fn required_features_are_refused_unless_known() {
    let bytes = write(WriteOptions::new(), |writer| {
        writer.require_feature("vendor.early")?;
        writer.add_bytes(entry("a"), b"")?;
        writer.require_feature("vendor.early")?;
        writer.require_feature("vendor.a-late")
    })
    .unwrap();
    let try_with = |features: &[&str]| {
        let options = features.iter().fold(ReadOptions::new(), |options, feature| options.feature(*feature));
        options.open(bytes.clone())
    };
    for (known, named) in
        [(vec![], "vendor."), (vec!["vendor.early"], "vendor.a-late"), (vec!["vendor.a-late"], "vendor.early")]
    {
        let error = try_with(&known).unwrap_err();
        assert_eq!((error.code(), error.kind()), ("feature.unknown", ErrorKind::Unsupported));
        assert!(error.message().contains(named), "{error}");
    }
    let archive = try_with(&["vendor.early", "vendor.a-late"]).unwrap();
    support::prove_archive(&archive);
    let mut features = archive.facts().manifest.required_features.clone();
    features.sort();
    assert_eq!(features, ["vendor.a-late", "vendor.early"]);
}

#[test]
fn schemas_merge_only_where_they_agree() {
    let common = |comment: &str| ("common.proto", format!("syntax=\"proto3\"; package c; message C {{ {comment} }}"));
    let set = |name: &str, comment: &str| {
        let (path, text) = common(comment);
        let own = format!("syntax=\"proto3\"; package {name}; import \"common.proto\"; message M {{ c.C c = 1; }}");
        support::compile(&[(path, &text), (&format!("{name}.proto"), &own)])
    };
    let bytes = write(WriteOptions::new(), |writer| {
        writer.declare("a", RecordType::new("a.M", set("a", "")))?;
        writer.declare("b", RecordType::new("b.M", set("b", "int32 x = 1;")))?;
        writer.declare("c", RecordType::new("d.M", set("d", "")))?;
        let again = writer.declare("d", RecordType::new("a.M", set("a", "int32 x = 1;")))?;
        writer.append_checked(again, b"\x0a\x02\x08\x05")
    });
    let archive = prove(&bytes.unwrap());
    let numbers: Vec<(&str, u32)> = archive.streams().iter().map(|s| (s.name(), s.declaration.schema)).collect();
    // Streams are numbered through the Schemas.
    assert_eq!(numbers, [("a", 1), ("c", 1), ("b", 2), ("d", 2)]);
    assert_eq!(archive.facts().schemas, 3);
    for (stream, fields) in [("a", 0), ("c", 0), ("b", 1), ("d", 1)] {
        let descriptor = archive.stream(stream).unwrap().descriptor().unwrap();
        let common = descriptor.parent_pool().get_message_by_name("c.C").unwrap();
        assert_eq!(common.fields().count(), fields, "{stream}");
    }
}

#[test]
fn records_of_every_size() {
    let large = support::noise(20 << 20, 1);
    let bytes = write(WriteOptions::new().level(-5), |writer| {
        writer.declare("without", support::small_type())?;
        let stream = writer.declare("sizes", support::small_type())?;
        for record in [&b""[..], b"x", &large, b"", &large[..1 << 20]] {
            writer.append_encoded(stream, record)?;
        }
        Ok(())
    })
    .unwrap();
    let archive = open(&bytes).unwrap();
    // They are no messages, and verify says so only where it is asked.
    assert!(archive.verify(&Default::default()).unwrap().is_sound());
    let asked = archive.verify(&rosettar::VerifyOptions::new().records(true)).unwrap();
    assert_eq!(asked.problems[0].code(), "record.decode");

    let stream = archive.stream("sizes").unwrap();
    assert_eq!(stream.len(), 5);
    assert!(stream.record(2).unwrap() == large);
    assert!(stream.record(4).unwrap() == large[..1 << 20]);
    assert_eq!(stream.record(3).unwrap(), b"");
    assert_eq!(stream.record(5).unwrap_err().code(), "usage.no-such-record");
    let without = archive.stream("without").unwrap();
    assert!(without.is_empty() && without.records(..).unwrap().next().is_none());
    assert_eq!(without.record(0).unwrap_err().code(), "usage.no-such-record");
    assert_eq!(without.info().batches, 0);
}

#[test]
fn files_at_the_borders_of_chunks() {
    // A file just below the chunk size after one just below: two would be more than a frame may hold.
    for chunk in [4096, 8 << 20] {
        let bytes = write(WriteOptions::new().chunk_size(chunk).level(-7), |writer| {
            for (number, len) in
                [chunk - 1, chunk - 1, chunk - 512, chunk, chunk + 1, 2 * chunk, 0, 1].into_iter().enumerate()
            {
                writer.add_bytes(entry(&format!("{number}")), &support::noise(len, number as u64))?;
            }
            Ok(())
        });
        let archive = prove(&bytes.unwrap());
        assert!(archive.read("4").unwrap() == support::noise(chunk + 1, 4));
    }
}

/// A stream of one writer means nothing to another, even where it has as many.
#[test]
fn a_stream_of_another_writer_is_refused() {
    let (mut one, mut two) = (Vec::new(), Vec::new());
    let mut first = WriteOptions::new().write_to(&mut one).unwrap();
    let mut second = WriteOptions::new().write_to(&mut two).unwrap();
    let stream = first.declare("a", support::small_type()).unwrap();
    second.declare("a", support::small_type()).unwrap();
    assert_eq!(second.append_encoded(stream, b"").unwrap_err().code(), "usage.input");
    first.append_encoded(stream, b"").unwrap();
    first.finish().unwrap();
}

/// A tree that the archive is written into is packed without the archive, old or new.
#[test]
fn a_tree_is_packed_without_the_archive_in_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "alpha").unwrap();
    let path = folder.path().join("x.rtar");
    for _ in 0..2 {
        let mut writer = WriteOptions::new().create(&path).unwrap();
        writer.add_tree(folder.path(), &rosettar::write::tree::WalkOptions::new()).unwrap();
        assert_eq!(writer.finish().unwrap().totals.files, 1);
    }
}

/// What the format cannot hold is refused when it is added, whatever the limits.
#[test]
fn values_that_no_archive_holds_are_refused_early() {
    let mut limits = rosettar::Limits::default();
    for name in ["path-bytes", "component-bytes", "path-depth"] {
        limits.set(name, "1G").unwrap();
    }
    let mut sink = Vec::new();
    let mut writer = WriteOptions::new().limits(limits.clone()).write_to(&mut sink).unwrap();
    let huge = rosettar::EntryPath::with_limits("x".repeat(9 << 20), &limits).unwrap();
    assert_eq!(writer.add_bytes(NewEntry::at(huge.clone()), b"").unwrap_err().code(), "limit.path-bytes");
    let late = rosettar::Mtime { seconds: 0, nanoseconds: 2_000_000_000 };
    assert_eq!(writer.add_bytes(NewEntry::new("a").unwrap().mtime(late), b"").unwrap_err().code(), "usage.input");
    writer.add_bytes(NewEntry::new("a").unwrap(), b"").unwrap();
    writer.finish().unwrap();
    let mut writer = WriteOptions::new().write_to(std::io::sink()).unwrap();
    assert_eq!(writer.add_bytes(NewEntry::at(huge), b"").unwrap_err().code(), "limit.path-bytes");
}

/// Records without bytes have lengths, which count for what all streams together may hold.
#[test]
fn empty_records_of_many_streams_are_written_out() {
    let mut writer = WriteOptions::new().chunk_size(8 << 20).write_to(std::io::sink()).unwrap();
    let ids: Vec<_> = (0..12).map(|n| writer.declare(&format!("s{n}"), support::small_type()).unwrap()).collect();
    for _ in 0..6 << 20 {
        for id in &ids {
            writer.append_encoded(*id, b"").unwrap();
        }
    }
    let summary = writer.finish().unwrap();
    // Each stream has less than a chunk, all have more than is held back.
    assert!(summary.streams.iter().any(|stream| stream.batches > 1), "{:?}", summary.streams[0]);
}
