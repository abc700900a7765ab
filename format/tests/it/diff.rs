//! Differences between archives.

use rosettar::diff::{Aspect, Change, DiffOptions, Difference, SchemaElement};
use rosettar::model::{Annotation, Mtime};
use rosettar::{Archive, NewEntry, ReadOptions, RecordType, WriteOptions, Writer};

use crate::support;

fn archive(options: WriteOptions, fill: impl FnOnce(&mut Writer<'_>)) -> Archive {
    let mut bytes = Vec::new();
    let mut writer = options.write_to(&mut bytes).unwrap();
    fill(&mut writer);
    writer.finish().unwrap();
    support::prove(&bytes)
}

fn diff(old: &Archive, new: &Archive) -> Difference {
    old.diff(new, &DiffOptions::new()).unwrap()
}

fn at(path: &str, seconds: i64) -> NewEntry {
    NewEntry::new(path).unwrap().mtime(Mtime::from_seconds(seconds))
}

/// The entries, each with its change and aspects.
fn entries(difference: &Difference) -> Vec<(&str, Change, &[Aspect])> {
    difference.entries.iter().map(|entry| (entry.path(), entry.sides.change(), &entry.aspects[..])).collect()
}

#[test]
fn every_aspect_of_an_entry_is_named() {
    let old = archive(WriteOptions::new(), |writer| {
        // Not in the order of the paths.
        writer.add_bytes(at("z", 1), b"same").unwrap();
        writer.add_bytes(at("content", 1), b"old").unwrap();
        writer.add_bytes(at("size", 1), b"old").unwrap();
        writer.add_bytes(at("mode", 1).mode(0o600), b"").unwrap();
        writer.add_bytes(at("time", 1), b"").unwrap();
        writer.add_bytes(at("gone", 1), b"").unwrap();
        writer.add_bytes(at("kind", 1).mode(0o755), b"").unwrap();
        writer.add_symlink(at("target", 1), "z").unwrap();
    });
    let new = archive(WriteOptions::new(), |writer| {
        writer.add_directory(at("came", 1)).unwrap();
        writer.add_bytes(at("content", 1), b"new").unwrap();
        writer.add_bytes(at("size", 1), b"newer").unwrap();
        writer.add_bytes(at("mode", 1).mode(0o640), b"").unwrap();
        writer.add_bytes(at("time", 1).mtime(Mtime { seconds: 1, nanoseconds: 1 }), b"").unwrap();
        writer.add_directory(at("kind", 1)).unwrap();
        writer.add_symlink(at("target", 1), "y").unwrap();
        writer.add_bytes(at("z", 1), b"same").unwrap();
    });
    let found = diff(&old, &new);
    let expected: Vec<(&str, Change, &[Aspect])> = vec![
        ("came", Change::Added, &[]),
        ("content", Change::Changed, &[Aspect::Content]),
        ("gone", Change::Removed, &[]),
        ("kind", Change::Changed, &[Aspect::Kind]),
        ("mode", Change::Changed, &[Aspect::Mode]),
        ("size", Change::Changed, &[Aspect::Content, Aspect::Size]),
        ("target", Change::Changed, &[Aspect::Target]),
        ("time", Change::Changed, &[Aspect::Time]),
    ];
    assert_eq!(entries(&found), expected);
    let sides = &found.entries[4].sides;
    assert_eq!((sides.old.as_ref().unwrap().mode, sides.new.as_ref().unwrap().mode), (0o600, 0o640));

    let some = DiffOptions::new().times(false).include("[cgt]*").exclude("content");
    let some = old.diff(&new, &some).unwrap();
    assert_eq!(entries(&some).iter().map(|entry| entry.0).collect::<Vec<_>>(), ["came", "gone", "target"]);
    assert!(old.diff(&new, &DiffOptions::new().include("a[")).unwrap_err().code() == "usage.option");
}

#[test]
fn equal_digests_spare_the_reading() {
    let fill = |writer: &mut Writer<'_>, seconds| {
        let stream = writer.declare("events", support::event_type()).unwrap();
        writer.append(stream, &support::event(1)).unwrap();
        writer.add_bytes(at("a", seconds), &support::noise(10_000, 1)).unwrap();
    };
    let old = archive(WriteOptions::new().chunk_size(4096), |writer| fill(writer, 1));
    // Stored in another way, and otherwise the same.
    let stored = archive(WriteOptions::new().chunk_size(8192).level(9), |writer| fill(writer, 1));
    assert_ne!(old.facts().root_digest, stored.facts().root_digest);
    assert!(diff(&old, &stored).is_same());
    let later = archive(WriteOptions::new().producer("p").created(Mtime::from_seconds(5)), |writer| fill(writer, 2));
    let found = diff(&old, &later);
    assert_eq!(entries(&found), [("a", Change::Changed, &[Aspect::Time][..])]);
    assert_eq!(found.created.as_ref().unwrap().new, Some(Mtime::from_seconds(5)));
    assert_eq!(found.producer.as_ref().unwrap().new.as_deref(), Some("p"));
    assert!(found.streams.is_empty() && found.schemas.is_empty());
    let found = old.diff(&later, &DiffOptions::new().times(false)).unwrap();
    assert!(found.entries.is_empty() && found.created.is_none() && found.producer.is_some());

    // With the root digest equal, a broken entry table is not even looked at; with another time in it, it is.
    let mut bytes = Vec::new();
    let mut writer = WriteOptions::new().write_to(&mut bytes).unwrap();
    fill(&mut writer, 1);
    writer.finish().unwrap();
    let at = bytes.windows(4).rposition(|window| window == b"ENTR").unwrap() + 60;
    bytes[at] ^= 1;
    let broken = ReadOptions::new().open(bytes).unwrap();
    assert!(diff(&broken, &broken).is_same());
    assert_eq!(broken.diff(&later, &DiffOptions::new()).unwrap_err().code(), "frame.digest");
}

#[test]
fn streams_and_the_first_record_that_differs() {
    let with = |numbers: &[i64], version, other: &str| {
        archive(WriteOptions::new().chunk_size(4096), |writer| {
            let events = writer.declare("events", support::event_type().schema_version(version)).unwrap();
            numbers.iter().for_each(|number| writer.append(events, &support::event(*number)).unwrap());
            writer.declare(other, support::small_type()).unwrap();
        })
    };
    let many: Vec<i64> = (0..1000).collect();
    let mut changed = many.clone();
    changed[700] = 7;
    let old = with(&many, 1, "old");
    for (new, version, aspects, first) in [
        (&changed[..], 1, &[Aspect::Content][..], Some(700)),
        (&many[..999], 1, &[Aspect::Records, Aspect::Content], Some(999)),
        (&[], 1, &[Aspect::Records, Aspect::Content], Some(0)),
        (&many[..], 2, &[Aspect::SchemaVersion], None),
    ] {
        let found = diff(&old, &with(new, version, "new"));
        assert_eq!(found.streams.iter().map(|stream| stream.name()).collect::<Vec<_>>(), ["events", "new", "old"]);
        assert_eq!((&found.streams[0].aspects[..], found.streams[0].first_record), (aspects, first));
        assert_eq!(found.streams[1].sides.change(), Change::Added);
        assert_eq!(found.streams[2].sides.change(), Change::Removed);
        assert_eq!(found.schemas, []);
    }
}

#[test]
fn schemas_are_compared_field_by_field() {
    let with = |text: &str| {
        let set = support::compile(&[("a.proto", &format!("syntax = \"proto3\"; package p; {text}"))]);
        archive(WriteOptions::new(), |writer| {
            writer.declare("s", RecordType::new("p.Row", set)).unwrap();
        })
    };
    let old = with(
        "enum Color { NONE = 0; RED = 1; BLUE = 2; } enum Gone { G = 0; } message Inner { int32 n = 1; } message Unused {}
         message Row {
           int32 a = 1; string b = 2; int32 moved = 3; Inner inner = 4; repeated int32 list = 5; Color color = 6;
           map<string, int32> map = 7; oneof o { string x = 8; string y = 9; } Gone gone = 10; int32 kept = 11;
         }",
    );
    let new = with(
        "enum Color { NONE = 0; RED = 5; GREEN = 2; ROSE = 6; } message Inner { int32 n = 1; New deep = 2; }
         message New { Row row = 1; }
         message Row {
           int64 a = 1; string bb = 2; int32 moved = 33; Inner inner = 4; optional int32 list = 5; Color color = 6;
           map<string, Inner> map = 7; oneof o { string x = 8; } string y = 9; int32 kept = 11;
         }",
    );
    let found = diff(&old, &new);
    let rows: Vec<String> = found
        .schemas
        .iter()
        .map(|schema| {
            let aspects: Vec<_> = schema.aspects.iter().map(|aspect| aspect.as_str()).collect();
            let side = |side: &Option<String>| side.clone().unwrap_or_default();
            let sides = format!("{} | {}", side(&schema.sides.old), side(&schema.sides.new));
            format!("{} {} {} | {sides}", schema.element.as_str(), schema.name, aspects.join(","))
        })
        .collect();
    let expected = [
        "enum-value p.Color.BLUE name | BLUE = 2 | GREEN = 2",
        "enum-value p.Color.RED number | RED = 1 | RED = 5",
        "enum-value p.Color.ROSE  |  | ROSE = 6",
        "enum p.Gone  | p.Gone | ",
        "field p.Inner.deep  |  | p.New deep = 2",
        "message p.New  |  | p.New",
        "field p.Row.a type | int32 a = 1 | int64 a = 1",
        "field p.Row.b name | string b = 2 | string bb = 2",
        "field p.Row.gone  | p.Gone gone = 10 | ",
        "field p.Row.list label | repeated int32 list = 5 | optional int32 list = 5",
        "field p.Row.map type | map<string, int32> map = 7 | map<string, p.Inner> map = 7",
        "field p.Row.moved number | int32 moved = 3 | int32 moved = 33",
        "field p.Row.y oneof | oneof o { string y = 9 } | string y = 9",
    ];
    assert_eq!(rows, expected);
    assert!(!found.is_same() && found.streams.is_empty());

    // Nothing that the stream needs differs, and yet the bytes do.
    let (plain, more) = (with("message Row { int32 a = 1; }"), with("message Row { int32 a = 1; } message Other {}"));
    let found = diff(&plain, &more).schemas;
    assert_eq!((found.len(), found[0].element, found[0].name.as_str()), (1, SchemaElement::DescriptorSet, "s"));
}

#[test]
fn attributes_annotations_and_features() {
    let with = |attributes: &[(&str, &str)], annotations: &[&[u8]], feature: &str| {
        let mut bytes = Vec::new();
        let mut writer = WriteOptions::new().write_to(&mut bytes).unwrap();
        writer.require_feature(feature).unwrap();
        attributes.iter().for_each(|(key, value)| writer.attribute(*key, *value).unwrap());
        for value in annotations {
            let annotation = Annotation { type_url: "x/world.Event".to_owned(), value: value.to_vec() };
            writer.annotate_encoded(annotation, &support::event_set()).unwrap();
        }
        writer.finish().unwrap();
        ReadOptions::new().feature("f").feature("g").open(bytes).unwrap()
    };
    let old = with(&[("a", "1"), ("b", "2"), ("c", "3")], &[b"", b"\x10\x02"], "f");
    let found = diff(&old, &with(&[("a", "1"), ("b", "x"), ("d", "4")], &[b"", b"\x10\x04", b"\x10\x06"], "g"));
    let changes: Vec<_> = found.attributes.iter().map(|found| (found.key.as_str(), found.sides.change())).collect();
    assert_eq!(changes, [("b", Change::Changed), ("c", Change::Removed), ("d", Change::Added)]);
    let changes: Vec<_> = found.annotations.iter().map(|found| found.sides.change()).collect();
    assert_eq!(changes, [Change::Changed, Change::Added]);
    assert_eq!(found.required_features.unwrap().new.unwrap(), ["g"]);
    let found = diff(&old, &with(&[("a", "1"), ("b", "2"), ("c", "3")], &[b"\x10\x02", b""], "f"));
    assert!(found.annotations_reordered && !found.is_same() && found.attributes.is_empty());
}
