//! Any tree and any records come back, however they were written and however they are read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Seek as _, SeekFrom};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use prost::Message as _;
use rosettar::io::ReadAt;
use rosettar::model::{EntryKind, Mtime};
use rosettar::{Archive, Digest, NewEntry, ReadOptions, StreamId, WriteOptions, Writer};

use crate::support;

#[derive(Clone, Debug)]
enum What {
    File(Vec<u8>),
    Directory,
    Symlink(String),
}

#[derive(Clone, Debug)]
struct Item {
    path: String,
    mode: u32,
    mtime: Mtime,
    what: What,
}

/// Records of one stream, and whether it is declared after the first entry.
#[derive(Clone, Debug)]
struct StreamCase {
    late: bool,
    records: Vec<Vec<u8>>,
}

#[derive(Clone, Debug)]
struct Case {
    items: Vec<Item>,
    streams: Vec<StreamCase>,
    attributes: BTreeMap<String, String>,
}

/// How a case is written.
#[derive(Clone, Debug)]
struct How {
    chunk_size: usize,
    level: i32,
    threads: usize,
    /// Sorts the entries; equal numbers keep their order.
    order: Vec<u16>,
    /// How many records go before each entry.
    pace: usize,
}

const CHUNK: usize = 4096;

fn component() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-c]{1,2}",
        2 => "[^/\\p{Cc}]{1,20}",
        1 => select(vec![" ", "-x", "..a", "a..", "\\", "\u{e9}", "e\u{301}", "\u{1f600}", "a.b", "a-b", "\u{202e}x", "NUL"])
            .prop_map(str::to_owned),
        1 => (95usize..130).prop_map(|len| "n".repeat(len)),
        1 => (40usize..70).prop_map(|len| "\u{e9}".repeat(len)),
    ]
    .prop_filter("legal", |name| {
        name != "." && name != ".." && name.len() <= 255 && !name.eq_ignore_ascii_case(".rosettar")
    })
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let near = |size: usize| size.saturating_sub(514)..size + 514;
    prop_oneof![
        3 => 0usize..40,
        2 => near(512),
        2 => near(CHUNK),
        2 => near(2 * CHUNK),
        1 => 0usize..50_000,
    ]
    .prop_flat_map(|len| (Just(len), any::<u64>(), any::<bool>()))
    .prop_map(|(len, seed, noisy)| if noisy { support::noise(len, seed) } else { vec![seed as u8; len] })
}

fn mtime() -> impl Strategy<Value = Mtime> {
    let seconds = prop_oneof![
        Just(0),
        any::<i32>().prop_map(i64::from),
        any::<i64>(),
        select(vec![-1, 8_589_934_591, 8_589_934_592, i64::MIN, i64::MAX])
    ];
    (seconds, prop_oneof![Just(0), 0..1_000_000_000u32])
        .prop_map(|(seconds, nanoseconds)| Mtime { seconds, nanoseconds })
}

fn item() -> impl Strategy<Value = Item> {
    let what = prop_oneof![
        5 => content().prop_map(What::File),
        1 => Just(What::Directory),
        1 => "[^\\p{Cc}]{1,150}".prop_map(What::Symlink),
    ];
    (vec(component(), 1..5), 0u32..0o1000, mtime(), what).prop_map(|(path, mode, mtime, what)| Item {
        path: path.join("/"),
        mode,
        mtime,
        what,
    })
}

/// Entries of which none is in another's way.
fn items() -> impl Strategy<Value = Vec<Item>> {
    vec(item(), 0..40).prop_map(|mut items| {
        items.sort_by(|a, b| a.path.cmp(&b.path));
        items.dedup_by(|a, b| a.path == b.path);
        let solid: BTreeSet<String> =
            items.iter().filter(|item| !matches!(item.what, What::Directory)).map(|item| item.path.clone()).collect();
        items.retain(|item| !item.path.match_indices('/').any(|(at, _)| solid.contains(&item.path[..at])));
        items
    })
}

fn stream() -> impl Strategy<Value = StreamCase> {
    let record = prop_oneof![
        4 => vec(any::<u8>(), 0..30),
        1 => (CHUNK - 20..CHUNK + 20).prop_map(|len| support::noise(len, 3)),
        1 => (0..3 * CHUNK).prop_map(|len| vec![7; len]),
    ]
    .prop_map(|b| Small { b }.encode_to_vec());
    (any::<bool>(), vec(record, 0..60)).prop_map(|(late, records)| StreamCase { late, records })
}

#[derive(Clone, PartialEq, prost::Message)]
struct Small {
    #[prost(bytes = "vec", tag = "1")]
    b: Vec<u8>,
}

impl prost::Name for Small {
    const NAME: &'static str = "R";
    const PACKAGE: &'static str = "small";
}

fn case() -> impl Strategy<Value = Case> {
    let attributes = proptest::collection::btree_map("[a-z]{1,5}", ".{0,20}", 0..4);
    (items(), vec(stream(), 0..4), attributes).prop_map(|(items, streams, attributes)| Case {
        items,
        streams,
        attributes,
    })
}

fn how() -> impl Strategy<Value = How> {
    let chunk_size = select(vec![CHUNK, CHUNK + 512, 2 * CHUNK, 64 << 10, 4 << 20, 8 << 20]);
    let level = select(vec![-7, 1, 3, 9]);
    (chunk_size, level, 1usize..6, vec(any::<u16>(), 40), 0usize..20)
        .prop_map(|(chunk_size, level, threads, order, pace)| How { chunk_size, level, threads, order, pace })
}

/// Writes a case; the bytes, and the content digest that the writer states.
fn write(case: &Case, how: &How) -> (Vec<u8>, Digest) {
    let mut bytes = Vec::new();
    let options = WriteOptions::new().chunk_size(how.chunk_size).level(how.level).threads(how.threads);
    let mut writer = options.write_to(&mut bytes).unwrap();
    for (key, value) in &case.attributes {
        writer.attribute(key, value).unwrap();
    }
    let mut ids: Vec<Option<StreamId>> = vec![None; case.streams.len()];
    let declare = |writer: &mut Writer<'_>, ids: &mut [Option<StreamId>], late: bool| {
        for number in (0..ids.len()).filter(|number| case.streams[*number].late == late) {
            ids[number] = Some(writer.declare(&format!("stream{number}"), support::small_type()).unwrap());
        }
    };
    declare(&mut writer, &mut ids, false);
    let mut order: Vec<usize> = (0..case.items.len()).collect();
    order.sort_by_key(|number| how.order[*number % how.order.len()]);
    let mut left: Vec<_> = case.streams.iter().map(|stream| stream.records.iter()).collect();
    let mut turn = 0;
    let mut started = false;
    for number in order {
        for _ in 0..how.pace * left.len() {
            let stream = turn % left.len();
            turn += 1;
            if let Some(id) = ids[stream]
                && let Some(record) = left[stream].next()
            {
                writer.append_encoded(id, record).unwrap();
            }
        }
        let item = &case.items[number];
        let entry = NewEntry::new(&item.path).unwrap().mode(item.mode).mtime(item.mtime);
        match &item.what {
            What::File(content) if number % 3 == 0 => writer.add_reader(entry, None, &content[..]).unwrap(),
            What::File(content) if number % 3 == 1 => {
                writer.add_reader(entry, Some(content.len() as u64), &content[..]).unwrap();
            }
            What::File(content) => writer.add_bytes(entry, content).unwrap(),
            What::Directory => writer.add_directory(entry).unwrap(),
            What::Symlink(target) => writer.add_symlink(entry, target).unwrap(),
        }
        if !std::mem::replace(&mut started, true) {
            declare(&mut writer, &mut ids, true);
        }
    }
    if !started {
        declare(&mut writer, &mut ids, true);
    }
    for (stream, records) in left.into_iter().enumerate() {
        records.for_each(|record| writer.append_encoded(ids[stream].unwrap(), record).unwrap());
    }
    let summary = writer.finish().unwrap();
    (bytes, summary.content_digest)
}

/// Holds everything that can be read of `archive` against the case.
fn compare(case: &Case, archive: &Archive, places: &[Index]) {
    let mut expected: BTreeMap<&str, &Item> = case.items.iter().map(|item| (item.path.as_str(), item)).collect();
    for entry in archive.entries() {
        let entry = entry.unwrap();
        let item = expected.remove(entry.path.as_str()).expect("an entry that was written, once");
        assert_eq!(entry.mtime, item.mtime);
        assert_eq!(archive.entry(&item.path).unwrap(), entry);
        match &item.what {
            What::Directory => assert_eq!((entry.kind, u32::from(entry.mode)), (EntryKind::Directory, item.mode)),
            What::Symlink(target) => {
                assert_eq!((entry.kind, entry.mode), (EntryKind::Symlink, 0o777));
                assert_eq!(entry.target.unwrap().as_str(), target);
            }
            What::File(content) => {
                assert_eq!((entry.kind, u32::from(entry.mode)), (EntryKind::File, item.mode));
                assert_eq!((entry.size, entry.digest), (content.len() as u64, Digest::of(content)));
                assert!(archive.read(&item.path).unwrap() == *content);
                let mut reader = archive.open_entry(&item.path).unwrap();
                for place in places {
                    let from = place.index(content.len() + 1);
                    let len = place.index(CHUNK + 7).min(content.len() - from);
                    reader.seek(SeekFrom::Start(from as u64)).unwrap();
                    let mut piece = vec![0; len];
                    reader.read_exact(&mut piece).unwrap();
                    assert!(piece == content[from..from + len]);
                }
                reader.seek(SeekFrom::End(0)).unwrap();
                assert_eq!(reader.read(&mut [0; 9]).unwrap(), 0);
                reader.rewind().unwrap();
                let mut all = Vec::new();
                reader.read_to_end(&mut all).unwrap();
                assert!(all == *content);
            }
        }
    }
    assert!(expected.is_empty(), "not found: {:?}", expected.keys());

    assert_eq!(archive.streams().len(), case.streams.len());
    for (number, written) in case.streams.iter().enumerate() {
        let stream = archive.stream(&format!("stream{number}")).unwrap();
        let records = &written.records;
        assert_eq!(stream.len(), records.len() as u64);
        let all: Vec<Vec<u8>> = stream.records(..).unwrap().map(Result::unwrap).collect();
        assert!(all == *records);
        let decoded: Vec<Small> = stream.decode::<Small>(..).unwrap().map(Result::unwrap).collect();
        assert!(decoded.iter().map(Small::encode_to_vec).eq(records.iter().cloned()));
        for place in places {
            let from = place.index(records.len() + 1);
            let to = from + place.index(records.len() - from + 1);
            let range: Vec<Vec<u8>> = stream.records(from as u64..to as u64).unwrap().map(Result::unwrap).collect();
            assert!(range == records[from..to], "{from}..{to}");
            match records.get(from) {
                Some(record) => assert!(stream.record(from as u64).unwrap() == *record),
                None => assert_eq!(stream.record(from as u64).unwrap_err().code(), "usage.no-such-record"),
            }
        }
    }
    assert_eq!(archive.facts().manifest.attributes, case.attributes);
    support::prove_archive(archive);
}

/// Gives one byte at a time.
struct OneByte(Vec<u8>);

impl ReadAt for OneByte {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = buf.len().min(1);
        self.0.read_at(&mut buf[..len], offset)
    }
}

fn config() -> ProptestConfig {
    // The seeds of failures are worth a test of their own, not a file beside the tests.
    ProptestConfig { cases: 48, failure_persistence: None, max_shrink_iters: 2000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn everything_comes_back(case in case(), how in how(), places in vec(any::<Index>(), 3)) {
        let (bytes, digest) = write(&case, &how);
        let archive = ReadOptions::new().threads(how.threads).open(bytes).unwrap();
        assert_eq!(archive.facts().content_digest, Some(digest));
        compare(&case, &archive, &places);
    }

    #[test]
    fn the_content_digest_is_of_the_content_alone(case in case(), ways in vec(how(), 3)) {
        let digests: BTreeSet<String> = ways.iter().map(|how| write(&case, how).1.to_string()).collect();
        assert_eq!(digests.len(), 1);
        // And of all of it.
        let mut other = case.clone();
        other.attributes.insert("ATTRIBUTE".into(), String::new());
        assert_ne!(write(&other, &ways[0]).1.to_string(), *digests.first().unwrap());
    }

    #[test]
    fn threads_do_not_change_a_byte(case in case(), how in how()) {
        let one = write(&case, &How { threads: 1, ..how.clone() }).0;
        for threads in [2, 5] {
            assert!(write(&case, &How { threads, ..how.clone() }).0 == one, "{threads} threads");
        }
    }

    #[test]
    fn one_byte_at_a_time_gives_the_same(case in case(), how in how(), places in vec(any::<Index>(), 1)) {
        let (bytes, _) = write(&case, &how);
        let archive = ReadOptions::new().threads(how.threads).open(OneByte(bytes)).unwrap();
        compare(&case, &archive, &places);
    }

    #[test]
    fn extraction_gives_any_part(items in items(), how in how(), wanted in subsequence((0..40).collect::<Vec<usize>>(), 1..5)) {
        let case = Case { items, streams: Vec::new(), attributes: BTreeMap::new() };
        extract(&case, &how, &wanted);
    }
}

/// Extracts all of it, or some entries by their paths, and compares what is there.
#[cfg(unix)]
fn extract(case: &Case, how: &How, wanted: &[usize]) {
    use crate::trees;
    use rosettar::ExtractOptions;
    use rosettar::io::{Links, Modes};

    let mut case = case.clone();
    // Not every file system keeps every time, nor takes every target.
    for item in &mut case.items {
        item.mtime.seconds = item.mtime.seconds.rem_euclid(1 << 31);
        if let What::Symlink(target) = &mut item.what {
            *target = format!("to {target}");
        }
    }
    let archive = support::open(&write(&case, how).0).unwrap();
    let expected = trees::expected(&archive, 0);
    let folder = tempfile::tempdir().unwrap();
    let options = ExtractOptions::new().links(Links::Keep).modes(Modes::Exact);
    let out = folder.path().join("all");
    archive.extract(&out, &options).unwrap();
    assert_eq!(trees::differences(&expected, &trees::on_disk(&out)), Vec::<String>::new());

    let chosen: Vec<&str> = wanted.iter().filter_map(|number| Some(case.items.get(*number)?.path.as_str())).collect();
    if chosen.is_empty() {
        return;
    }
    let literal = |path: &str| {
        let escaped: String =
            path.chars().map(|c| if "\\*?[]{}!".contains(c) { format!("\\{c}") } else { c.to_string() }).collect();
        format!("/{escaped}")
    };
    let options = chosen.iter().fold(options, |options, path| options.pattern(literal(path)));
    let out = folder.path().join("some");
    archive.extract(&out, &options).unwrap();
    let below =
        |path: &str, above: &str| path == above || path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'));
    let mut part = expected;
    part.retain(|path, _| chosen.iter().any(|chosen| below(path, chosen)));
    assert_eq!(trees::differences(&part, &trees::on_disk(&out)), Vec::<String>::new());
}

#[cfg(not(unix))]
fn extract(_: &Case, _: &How, _: &[usize]) {}
