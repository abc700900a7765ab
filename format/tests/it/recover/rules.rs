//! The rules one by one.

use std::ops::Range;

use rosettar::model::Annotation;
use rosettar::{RecoverOptions, RecoverReport, WriteOptions};

use super::oracle::{Intact, records_of};
use super::{entry, recover, sample};
use crate::support;

fn paths(archive: &rosettar::Archive) -> Vec<String> {
    archive.entries().map(|entry| entry.unwrap().path.to_string()).collect()
}

/// The frames of the intact sample by what they are: manifest, late Schema, entry tables, index.
struct Places {
    intact: Intact,
}

impl Places {
    fn new() -> Self {
        Self { intact: Intact::new(sample()) }
    }

    fn section(&self, kind: &[u8; 4]) -> Range<usize> {
        let found = self.intact.frames.iter().find(|frame| &self.intact.bytes[frame.stored.start + 8..][..4] == kind);
        found.unwrap().stored.clone()
    }

    /// The frames that hold the member at `path`.
    fn member(&self, path: &str) -> Vec<Range<usize>> {
        let member = self.intact.members.iter().find(|member| member.path == path).unwrap();
        let holds =
            |frame: &&super::oracle::Frame| frame.tar.start < member.whole.end && member.whole.start < frame.tar.end;
        self.intact.frames.iter().filter(holds).map(|frame| frame.stored.clone()).collect()
    }

    /// The bytes with the last one of each of these ranges changed.
    fn damaged(&self, ranges: &[Range<usize>]) -> Vec<u8> {
        let mut bytes = self.intact.bytes.clone();
        ranges.iter().filter(|range| !range.is_empty()).for_each(|range| bytes[range.end - 1] ^= 1);
        bytes
    }
}

#[test]
fn a_sound_archive_comes_back_with_its_content_digest() {
    let mut bytes = Vec::new();
    let made = rosettar::Mtime { seconds: 5, nanoseconds: 7 };
    let mut writer = WriteOptions::new().created(made).write_to(&mut bytes).unwrap();
    let defined = Annotation { type_url: "type.googleapis.com/world.Event".into(), value: Vec::new() };
    writer.attribute("k", "v").unwrap();
    writer.annotate_encoded(defined.clone(), &support::event_set()).unwrap();
    // A stream without records counts in the digest, too.
    writer.declare("none", support::event_type()).unwrap();
    writer.add_bytes(entry("recovered-records"), b"taken").unwrap();
    writer.annotate_encoded(defined, &support::event_set()).unwrap();
    writer.finish().unwrap();
    for bytes in [bytes, sample()] {
        let intact = support::prove(&bytes);
        let (archive, report) = recover(&bytes).unwrap();
        assert!(report.is_complete() && report.losses.damaged.is_empty(), "{report:?}");
        assert_eq!(archive.facts().content_digest, intact.facts().content_digest);
        assert_eq!(archive.facts().manifest.created, intact.facts().manifest.created);
        let times = |archive: &rosettar::Archive| archive.entries().map(|e| e.unwrap().mtime).collect::<Vec<_>>();
        assert_eq!(times(&archive), times(&intact));
        // What comes after an archive costs nothing, though it hides the index from the end.
        let longer = [&bytes[..], b"something that was appended"].concat();
        let (archive, report) = recover(&longer).unwrap();
        assert!(report.is_complete());
        assert_eq!(report.losses.damaged.items[0].length, 27);
        assert_eq!(archive.facts().content_digest, intact.facts().content_digest);
    }
}

/// Damage in head, manifest or seek table, or a section that something else repeats, costs what only it holds.
#[test]
fn with_an_index_damage_costs_what_it_hits() {
    let places = Places::new();
    let size = places.intact.bytes.len();
    let content = support::prove(&places.intact.bytes).facts().content_digest;
    for (what, range) in [
        ("empty frame", 0..9),
        ("header", 9..29),
        ("version", 9..26),
        ("late schema", places.section(b"SCHM")),
        ("seek table", size - 100..size - 20),
        ("footer", size - 9..size),
    ] {
        let (archive, report) = recover(&places.damaged(&[range])).unwrap();
        assert!(report.is_complete() && report.losses.damaged.len() == 1, "{what}: {report:?}");
        assert_eq!(archive.facts().content_digest, content, "{what}");
    }
    // The manifest's attributes are nowhere else; the late ones are in the index.
    let (archive, report) = recover(&places.damaged(&[places.section(b"MANI")])).unwrap();
    assert_eq!(report.losses.lost_facts.len(), 1, "{report:?}");
    assert_eq!(archive.facts().manifest.attributes.keys().collect::<Vec<_>>(), ["learned"]);
    assert_eq!(report.losses.entries, 200);
    assert_eq!(records_of(&archive), places.intact.records_in(size));
    // Without its page, an entry is taken from the tar, which has no nanoseconds.
    let (archive, report) = recover(&places.damaged(&[places.section(b"ENTR")])).unwrap();
    assert_eq!(report.losses.entries, 200);
    assert_eq!(report.losses.unknown_entries, Some(0));
    assert_eq!(report.losses.lost_facts.len(), 2, "{report:?}");
    assert_eq!(records_of(&archive), places.intact.records_in(size));
    // One file's frame.
    let frames = places.member("large42");
    assert!(frames.len() > 3);
    let (archive, report) = recover(&places.damaged(&frames[1..2])).unwrap();
    let lost = &report.losses.lost_entries.items;
    assert_eq!((lost.len(), lost[0].path.as_str(), lost[0].size), (1, "large42", 11_000));
    assert_eq!(paths(&archive).len(), 199);
    assert_eq!(report.losses.unknown_entries, Some(0));
    assert!(report.losses.lost_records.is_empty());
    let damaged = &report.losses.damaged.items;
    assert_eq!((damaged.len(), damaged[0].offset), (1, frames[1].start as u64));
    // A page and that file: its header says where the next member begins. Where that is hit, too, nothing does; records are
    // still counted.
    let page = places.section(b"ENTR");
    let (archive, report) = recover(&places.damaged(&[page.clone(), frames[1].clone()])).unwrap();
    assert_eq!((paths(&archive).len(), report.losses.unknown_entries), (199, Some(0)));
    assert_eq!(report.losses.lost_entries.items[0].path, "large42");
    let (archive, report) = recover(&places.damaged(&[page, frames[0].clone()])).unwrap();
    let position = paths(&support::prove(&places.intact.bytes)).iter().position(|path| path == "large42").unwrap();
    assert_eq!(paths(&archive).len(), position);
    assert_eq!(report.losses.unknown_entries, Some(200 - position as u64));
    let lost: u64 = report.losses.lost_records.items.iter().map(|lost| lost.count.unwrap()).sum();
    assert_eq!(lost + report.losses.records, support::prove(&places.intact.bytes).facts().totals.records);
}

/// A record of a batch is salvaged up to the first damaged frame, and its number is known.
#[test]
fn records_before_damage_in_a_batch_and_their_numbers() {
    let places = Places::new();
    let intact = support::prove(&places.intact.bytes);
    let (stream, batch) = ("big", places.intact.batches().filter(|(stream, _)| *stream == "big").last().unwrap().1);
    let frames = places.member(&batch.path);
    let (archive, report) = recover(&places.damaged(&frames[frames.len() - 1..])).unwrap();
    let lost = &report.losses.lost_records.items;
    assert_eq!(lost.len(), 1, "{report:?}");
    let all = intact.stream(stream).unwrap();
    let found = archive.stream(stream).unwrap();
    assert_eq!((lost[0].stream.as_str(), lost[0].first), (stream, found.len()));
    assert_eq!(lost[0].count, Some(all.len() - found.len()));
    // Its first batch: the records after it keep their order.
    let first = places.intact.batches().find(|(stream, _)| *stream == "small").unwrap().1;
    let (archive, report) = recover(&places.damaged(&places.member(&first.path)[..1])).unwrap();
    let (lost, count) = (
        &report.losses.lost_records.items[0],
        super::oracle::whole_records(&places.intact.tar[first.content.clone()]).0,
    );
    assert_eq!((lost.stream.as_str(), lost.first, lost.count), ("small", 0, Some(count)));
    let small = archive.stream("small").unwrap();
    assert_eq!(small.record(0).unwrap(), intact.stream("small").unwrap().record(count).unwrap());
}

/// A Schema survives in its section or in its member; with neither, its records are kept as files.
#[test]
fn schemas_survive_in_either_place() {
    let places = Places::new();
    let member = places.member(".rosettar/schemas/00000002.binpb");
    let section = places.section(b"SCHM");
    let late = |archive: &rosettar::Archive| records_of(archive).get("late").copied();
    let expected = late(&support::prove(&places.intact.bytes));
    assert!(expected.is_some());
    // Not a frame that a batch is in as well.
    assert_eq!(member.len(), 1);
    for damage in [vec![section.clone()], member.clone()] {
        let (archive, report) = recover(&places.damaged(&damage)).unwrap();
        assert!(report.losses.lost_schemas.is_empty());
        assert_eq!(late(&archive), expected);
    }
    let (archive, report) = recover(&places.damaged(&[section, member[0].clone()])).unwrap();
    assert_eq!(late(&archive), None);
    assert_eq!(report.losses.lost_schemas.items[0].number, 2);
    let mut content = Vec::new();
    let mut batches = places.intact.batches().filter(|(stream, _)| *stream == "late");
    for kept in &report.losses.kept_as_files.items {
        assert!(kept.path.starts_with("recovered-records/late/0000000"), "{}", kept.path);
        let batch = batches.next().unwrap().1;
        assert_eq!(archive.read(&kept.path).unwrap(), places.intact.tar[batch.content.clone()]);
        content.push(kept.records);
    }
    assert!(batches.next().is_none());
    assert_eq!(content.iter().sum::<u64>(), expected.unwrap().0);
}

/// Without an index: a damaged manifest is passed over where what follows proves its length, and nothing else is.
#[test]
fn without_an_index_the_chain_ends_at_the_first_damage() {
    let places = Places::new();
    let index = places.section(b"INDX");
    let manifest = places.section(b"MANI");
    let cut = |damage: &[Range<usize>]| places.damaged(damage)[..index.start + 100].to_vec();
    for damage in [5..5, 0..9, 9..29, manifest.clone()] {
        let (archive, report) = recover(&cut(std::slice::from_ref(&damage))).unwrap();
        assert_eq!(report.losses.entries, 200, "{damage:?}");
        assert_eq!(records_of(&archive), places.intact.records_in(places.intact.bytes.len()), "{damage:?}");
        assert_eq!(report.losses.unknown_entries, Some(0));
        assert!(!report.is_complete());
    }
    // Its kind.
    let kind = manifest.start + 8..manifest.start + 9;
    let (archive, report) = recover(&cut(std::slice::from_ref(&kind))).unwrap();
    assert_eq!((archive.facts().totals.user_entries(), report.losses.lost_facts.is_empty()), (200, false));
    // The length of the manifest.
    let length = manifest.start + 4..manifest.start + 5;
    let (archive, report) = recover(&cut(std::slice::from_ref(&length))).unwrap();
    assert_eq!((archive.facts().totals.user_entries(), report.losses.chain_end), (0, Some(29)));
    // And the head, too: nothing is to be recognised.
    assert_eq!(recover(&cut(&[length, 0..9])).unwrap_err().code(), "envelope.unknown-magic");
    // A frame in the middle.
    let frame = places.member("large82")[2].clone();
    let (archive, report) = recover(&cut(std::slice::from_ref(&frame))).unwrap();
    assert_eq!(report.losses.chain_end, Some(frame.start as u64));
    let expected: Vec<_> = places.intact.entries_in(frame.start).iter().map(|e| e.path.to_string()).collect();
    assert_eq!(paths(&archive), expected);
    assert_eq!(report.losses.lost_entries.items[0].path, "large82");
}

/// Streams that shared a Schema in the lost manifest share one again.
#[test]
fn schemas_are_shared_again() {
    let mut bytes = Vec::new();
    let mut writer = WriteOptions::new().level(1).threads(1).chunk_size(4096).write_to(&mut bytes).unwrap();
    let streams = (0..40).map(|number| writer.declare(&format!("s{number}"), support::event_type()).unwrap());
    for stream in streams.collect::<Vec<_>>() {
        (0..3).for_each(|number| writer.append(stream, &support::event(number)).unwrap());
    }
    writer.finish().unwrap();
    let intact = Intact::new(bytes);
    let manifest = intact.frames[2].stored.clone();
    let mut broken = intact.bytes.clone();
    broken[manifest.end - 1] ^= 1;
    let index = intact.frames.last().unwrap().stored.clone();
    for part in [&broken[..], &broken[..index.start]] {
        let (archive, report) = recover(part).unwrap();
        assert_eq!(records_of(&archive), intact.records_in(intact.bytes.len()));
        assert!(report.losses.lost_schemas.is_empty());
        // The format's own, that of the streams, that of the report.
        assert_eq!(archive.facts().schemas, 3);
    }
}

/// Files that are archives themselves are never taken for the archive they are in.
#[test]
fn archives_in_archives_stay_files() {
    let inner = |name: &str| {
        let mut bytes = Vec::new();
        let mut writer = WriteOptions::new().level(1).chunk_size(4096).write_to(&mut bytes).unwrap();
        for number in 0..4 {
            writer.add_bytes(entry(&format!("{name}/{number}")), &support::noise(1500, number)).unwrap();
        }
        writer.finish().unwrap();
        bytes
    };
    let mut tar = ::tar::Builder::new(Vec::new());
    for number in 0..4 {
        let content = support::noise(1536, 100 + number);
        let mut header = ::tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("inner-tar/{number}"), &content[..]).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    let mut bytes = Vec::new();
    let mut writer = WriteOptions::new().level(1).threads(1).chunk_size(4096).write_to(&mut bytes).unwrap();
    for number in 0..6 {
        writer.add_bytes(entry(&format!("outer-{number}.rtar")), &inner("inner")).unwrap();
        writer.add_bytes(entry(&format!("outer-{number}.tar")), &tar).unwrap();
    }
    writer.finish().unwrap();
    let intact = Intact::new(bytes.clone());
    let check = |broken: &[u8], what: &str| match recover(broken) {
        Err(error) => assert_eq!(error.code(), "envelope.unknown-magic", "{what}"),
        Ok((archive, _)) => {
            for entry in archive.entries() {
                let entry = entry.unwrap();
                assert!(entry.path.as_str().starts_with("outer-"), "{what}: {}", entry.path);
                let member = intact.members.iter().find(|member| member.path == entry.path.as_str()).unwrap();
                assert_eq!(entry.digest, member.entry.as_ref().unwrap().digest, "{what}");
            }
        }
    };
    for (number, frame) in intact.frames.iter().enumerate() {
        let mut broken = bytes.clone();
        broken[frame.stored.clone()].fill(0);
        check(&broken, &format!("frame {number} of the whole"));
        broken.truncate(broken.len() - 50);
        check(&broken, &format!("frame {number} without an index"));
        // Without the beginning, a stored archive begins the file.
        check(&bytes[frame.stored.start..], &format!("from frame {number} on"));
        // Without one frame, another comes in its place.
        let removed = [&bytes[..frame.stored.start], &bytes[frame.stored.end..]].concat();
        check(&removed, &format!("without frame {number}"));
    }
}

#[test]
fn limits_and_interruption_are_errors_and_leave_nothing() {
    let bytes = sample();
    let folder = tempfile::tempdir().unwrap();
    let run = |part: &[u8], options: RecoverOptions| {
        let writer = WriteOptions::new().level(1).create(folder.path().join("new.rtar")).unwrap();
        let error = options.recover(part.to_vec(), writer).unwrap_err();
        assert!(support::names_in(folder.path()).is_empty());
        error.code()
    };
    for part in [&bytes[..], &bytes[..150_000]] {
        for (name, value) in [("decoded-bytes", "100K"), ("frames", "10"), ("manifest-bytes", "100")] {
            let mut limits = rosettar::Limits::default();
            limits.set(name, value).unwrap();
            assert_eq!(run(part, RecoverOptions::new().limits(limits)), format!("limit.{name}"));
        }
        let monitor = rosettar::Monitor::new();
        monitor.stop();
        assert_eq!(run(part, RecoverOptions::new().monitor(monitor)), "usage.interrupted");
    }
}

/// What hostile archives give is an error or an archive that verifies.
#[test]
fn hostile_vectors_and_their_halves() {
    let folder = support::project().join("conformance/vectors");
    let (mut recovered, mut refused) = (0, 0);
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rtar") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for part in [&bytes[..], &bytes[..bytes.len() / 2], &bytes[..bytes.len() * 3 / 4]] {
            let mut salvaged = Vec::new();
            let writer = WriteOptions::new().level(1).threads(1).write_to(&mut salvaged).unwrap();
            match RecoverOptions::new().recover(part.to_vec(), writer) {
                Err(_) => refused += 1,
                Ok(found) => {
                    // What was sound is all there, annotations of unknown types included.
                    let sound = support::open(part)
                        .is_ok_and(|archive| archive.verify(&rosettar::VerifyOptions::new()).unwrap().is_sound());
                    if sound {
                        let intact = support::open(part).unwrap().facts().content_digest;
                        assert!(
                            found.is_complete() && Some(found.summary.content_digest) == intact,
                            "{}",
                            path.display()
                        );
                    }
                    let archive = support::open(&salvaged).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                    let report = archive.verify(&rosettar::VerifyOptions::new()).unwrap();
                    assert!(report.is_sound(), "{}: {:?}", path.display(), report.problems);
                    recovered += 1;
                }
            }
        }
    }
    println!("{recovered} recovered, {refused} refused");
    assert!(recovered > 100 && refused > 5);
}

/// The account of a recovery survives another one, and the type it is of can be looked up.
#[test]
fn the_account_is_an_annotation() {
    let bytes = sample();
    let mut salvaged = Vec::new();
    let writer = WriteOptions::new().level(1).write_to(&mut salvaged).unwrap();
    let report: RecoverReport = RecoverOptions::new().recover(bytes[..100_000].to_vec(), writer).unwrap();
    let archive = support::prove(&salvaged);
    let annotation = &archive.facts().manifest.annotations[0];
    let sets = (0..archive.facts().schemas).map(|number| archive.descriptor_set(number).unwrap());
    let mut described = sets.filter_map(|set| {
        let pool = rosettar::schema::build_pool(set).unwrap();
        rosettar::schema::message(&pool, annotation.type_name()).ok()
    });
    let described = described.next_back().expect("a Schema that defines the type");
    let message = prost_reflect::DynamicMessage::decode(described, &annotation.value[..]).unwrap();
    let field = |name: &str| message.get_field_by_name(name).unwrap().as_u64().unwrap();
    assert_eq!(field("source_size"), 100_000);
    assert_eq!(field("entries"), report.losses.entries);
    let mut again = Vec::new();
    let writer = WriteOptions::new().level(1).write_to(&mut again).unwrap();
    let report = RecoverOptions::new().recover(salvaged, writer).unwrap();
    assert!(report.is_complete());
    assert_eq!(support::prove(&again).facts().content_digest, archive.facts().content_digest);
}

const CHILD: &str = "recover::rules::work_of_the_child";
const VARIABLE: &str = "ROSETTAR_RECOVER_CHILD";

/// Appends and flushes until it is killed. Does nothing in an ordinary run.
#[test]
fn work_of_the_child() {
    let Ok(path) = std::env::var(VARIABLE) else { return };
    let mut writer = WriteOptions::new().threads(2).flush_every(10_000).create(path).unwrap();
    let stream = writer.declare("events", support::event_type()).unwrap();
    for number in 0.. {
        writer.append(stream, &support::event(number)).unwrap();
        if number % 1000 == 0 {
            writer.flush().unwrap();
            println!("\nflushed {number}");
        }
    }
}

/// A process that is killed loses nothing that it flushed.
#[cfg(unix)]
#[test]
fn a_killed_writer_loses_at_most_what_it_did_not_flush() {
    use std::io::BufRead as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.rtar");
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture", "--test-threads=1"])
        .env(VARIABLE, &path)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let flushed = lines.filter_map(|line| line.unwrap().strip_prefix("flushed ").map(|n| n.parse::<u64>().unwrap()));
    let flushed = flushed.take(5).last().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(support::names_in(folder.path()), ["log.rtar.partial"]);
    let writer = WriteOptions::new().create(&path).unwrap();
    let report = RecoverOptions::new().recover_path(folder.path().join("log.rtar.partial"), writer).unwrap();
    let archive = rosettar::open_path(&path).unwrap();
    support::prove_archive(&archive);
    let events = archive.stream("events").unwrap();
    assert!(events.len() > flushed && events.len() == report.losses.records, "{} of {flushed}", events.len());
    for (number, event) in events.decode::<support::Event>(..).unwrap().enumerate() {
        assert_eq!(event.unwrap(), support::event(number as i64));
    }
}
