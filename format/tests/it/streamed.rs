//! Archives that arrive through a pipe: the same verdicts, entries and records as from a file, in bounded memory.

use std::collections::BTreeMap;
use std::io::{self, Read};

use rosettar::model::{Entry, EntryKind};
use rosettar::read::{Confirmed, Provisional};
use rosettar::{Digest, ErrorKind, NewEntry, ReadOptions, Result, VerifyOptions, WriteOptions};

use crate::support::{self, Noise};
use crate::vectors;

/// A source that gives at most `most` bytes at once.
struct Trickle<'a> {
    bytes: &'a [u8],
    most: usize,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = buf.len().min(self.most);
        self.bytes.read(&mut buf[..len])
    }
}

/// Path, kind, mode, seconds, size, digest of the content, target.
type Row = (String, EntryKind, u16, i64, u64, Digest, Option<String>);

/// What a stream delivered before it was confirmed.
#[derive(Debug, Default, PartialEq)]
struct Delivered {
    entries: Vec<Row>,
    records: BTreeMap<String, Vec<Vec<u8>>>,
}

/// Reads everything, then confirms it.
fn read_all(source: impl Read, options: ReadOptions) -> Result<(Delivered, Confirmed)> {
    let mut stream = options.stream(source)?;
    let mut delivered = Delivered::default();
    while let Some(item) = stream.next_item()? {
        match item {
            Provisional::Entry(mut entry) => {
                let mut content = Vec::new();
                // A part through `Read`, the rest in pieces.
                (&mut entry)
                    .take(100)
                    .read_to_end(&mut content)
                    .map_err(|e| *e.into_inner().unwrap().downcast().unwrap())?;
                entry.read_all(|piece| {
                    content.extend_from_slice(piece);
                    Ok(())
                })?;
                let digest = if entry.kind().has_content() { Digest::of(&content) } else { Digest::ZERO };
                assert_eq!(entry.found_digest()?, digest);
                let target = entry.target().map(|target| target.as_str().to_owned());
                let path = entry.path().to_string();
                delivered.entries.push((
                    path,
                    entry.kind(),
                    entry.mode(),
                    entry.mtime_seconds(),
                    entry.size(),
                    digest,
                    target,
                ));
            }
            Provisional::Batch(mut batch) => {
                let name = batch.stream().name.to_string();
                while let Some(record) = batch.next_record()? {
                    delivered.records.entry(name.clone()).or_default().push(record.to_vec());
                }
            }
            _ => unreachable!(),
        }
    }
    Ok((delivered, stream.confirm()?))
}

fn by_index(bytes: &[u8]) -> Delivered {
    let archive = support::prove(bytes);
    let mut delivered = Delivered::default();
    for entry in archive.entries() {
        let Entry { path, kind, mode, mtime, size, digest, target, .. } = entry.unwrap();
        let target = target.map(|target| target.as_str().to_owned());
        delivered.entries.push((path.to_string(), kind, mode, mtime.seconds, size, digest, target));
    }
    for info in archive.streams().iter().filter(|info| info.records > 0) {
        let records = archive.stream(info.name()).unwrap().records(..).unwrap();
        delivered.records.insert(info.name().to_owned(), records.map(Result::unwrap).collect());
    }
    delivered
}

/// Files of many sizes, a directory, links, and three streams, of which one is declared late; every kind of frame.
fn sample() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = WriteOptions::new().threads(1).level(1).chunk_size(8192).write_to(&mut bytes).unwrap();
    let events = writer.declare("events", support::event_type()).unwrap();
    let small = writer.declare("small", support::small_type()).unwrap();
    writer.attribute("purpose", "streams").unwrap();
    for number in 0..40u32 {
        let entry = NewEntry::new(format!("dir/file-{number:03}"))
            .unwrap()
            .mtime(rosettar::Mtime { seconds: 7, nanoseconds: number });
        writer.add_bytes(entry, &support::noise(number as usize * 37 % 1500, number.into())).unwrap();
        writer.append(events, &support::event(number.into())).unwrap();
        let mut record = vec![0x0a, 0xf4, 0x03];
        record.extend(support::noise(500, number.into()));
        writer.append_checked(small, &record).unwrap();
    }
    writer.add_directory(NewEntry::new("empty").unwrap()).unwrap();
    writer.add_bytes(NewEntry::new("large").unwrap(), &support::noise(30_000, 9)).unwrap();
    let late = writer.declare("late", support::event_type()).unwrap();
    writer.append(late, &support::event(1)).unwrap();
    writer.add_symlink(NewEntry::new("link").unwrap(), "dir/file-001").unwrap();
    writer.add_bytes(NewEntry::new("é/".repeat(60) + "long").unwrap(), b"x").unwrap();
    writer.attribute("late", "yes").unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn a_stream_delivers_what_the_index_lists_and_confirms_it() {
    let bytes = sample();
    let expected = by_index(&bytes);
    assert_eq!(expected.records["small"].len(), 40);
    let facts = support::open(&bytes).unwrap().facts().clone();
    for (most, threads) in [(usize::MAX, 1), (usize::MAX, 3), (1, 1), (777, 2)] {
        let source = Trickle { bytes: &bytes, most };
        let (delivered, confirmed) = read_all(source, ReadOptions::new().threads(threads)).unwrap();
        assert_eq!(delivered, expected, "{most} bytes at once");
        assert_eq!(*confirmed.facts(), facts);
        let entries: Vec<Entry> = confirmed.entries().map(Result::unwrap).collect();
        let listed: Vec<Entry> = support::open(&bytes).unwrap().entries().map(Result::unwrap).collect();
        assert_eq!(entries, listed);
        assert!(entries.iter().any(|entry| entry.mtime.nanoseconds == 39));
        assert_eq!(confirmed.descriptor_set(1), Some(support::open(&bytes).unwrap().descriptor_set(1).unwrap()));
    }
}

#[test]
fn what_is_not_read_is_passed_over_and_confirmed_all_the_same() {
    let bytes = sample();
    let mut stream = ReadOptions::new().stream(&bytes[..]).unwrap();
    let mut items = 0;
    while let Some(item) = stream.next_item().unwrap() {
        items += 1;
        if let Provisional::Batch(mut batch) = item {
            // One record, and on.
            batch.next_record().unwrap().unwrap();
        }
    }
    assert_eq!(stream.descriptor("late").unwrap().full_name(), "world.Event");
    assert_eq!(stream.descriptor("none").unwrap_err().code(), "usage.no-such-stream");
    assert_eq!(stream.confirm().unwrap().facts().totals.user_entries(), 44);
    assert!(items > 44);
    ReadOptions::new().stream(&bytes[..]).unwrap().confirm().unwrap();
}

/// Of each vector, the streamed verdict is the one that it states, or else that of a file.
#[test]
fn every_vector_is_judged_from_a_pipe_as_it_says() {
    vectors::each(|path, expected| {
        let bytes = std::fs::read(path).unwrap();
        let options = ReadOptions::new().limits(vectors::limits(expected)).threads(1);
        let records = VerifyOptions::new().records(true);
        let verified = options.clone().stream(&bytes[..]).and_then(|stream| stream.verify(&records));
        let outcome = verified.and_then(|_| read_all(&bytes[..], options));
        let stated = if expected["streamed"].is_null() { expected } else { &expected["streamed"] };
        match (&outcome, stated["expect"].as_str().unwrap()) {
            (Ok((delivered, confirmed)), "accept") => {
                let same = *delivered == by_index(&bytes)
                    && expected["root"] == confirmed.facts().root_digest.unwrap().to_string();
                (!same).then(|| "other content than from a file".to_owned())
            }
            (Err(error), verdict) if verdict != "accept" => {
                let code = &stated["code"];
                let right =
                    *code == error.code() || code.as_array().is_some_and(|all| all.contains(&error.code().into()));
                (!right).then(|| format!("{error}, though {code}"))
            }
            (Ok(_), _) => Some(format!("accepted, though {}", stated["code"])),
            (Err(error), _) => Some(format!("{error}, though to be accepted")),
        }
    });
}

/// Streamed reading of any prefix says that it is cut off.
#[test]
fn every_prefix_is_truncated() {
    let bytes = sample();
    let archive = support::open(&bytes).unwrap();
    let frames = archive.facts().frames;
    assert!(frames > 30, "{frames}");
    let step = 97;
    for len in (0..bytes.len()).step_by(step).chain(bytes.len() - 300..bytes.len()) {
        let error = read_all(&bytes[..len], ReadOptions::new().threads(1)).unwrap_err();
        assert_eq!(error.code(), "envelope.truncated", "{len} of {} bytes: {error}", bytes.len());
    }
}

/// Verifying in one pass reports what verifying a file does.
#[test]
fn verifying_a_stream_reports_as_verifying_a_file_does() {
    let bytes = sample();
    for records in [false, true] {
        let options = VerifyOptions::new().records(records);
        let (_, streamed) = ReadOptions::new().stream(&bytes[..]).unwrap().verify(&options).unwrap();
        let indexed = support::open(&bytes).unwrap().verify(&options).unwrap();
        assert_eq!(
            (streamed.entries, streamed.records, streamed.records_decoded),
            (indexed.entries, indexed.records, indexed.records_decoded)
        );
        assert_eq!((streamed.proven, streamed.unproven), (indexed.proven, indexed.unproven));
        assert_eq!((streamed.stored_bytes, streamed.decoded_bytes), (indexed.stored_bytes, indexed.decoded_bytes));
    }
    let mut bytes = Vec::new();
    let mut writer = WriteOptions::new().write_to(&mut bytes).unwrap();
    let stream = writer.declare("events", support::event_type()).unwrap();
    writer.append_encoded(stream, b"\xff").unwrap();
    writer.finish().unwrap();
    let verify = |options: &VerifyOptions| ReadOptions::new().stream(&bytes[..]).unwrap().verify(options);
    assert_eq!(verify(&VerifyOptions::new().records(true)).unwrap_err().code(), "record.decode");
    verify(&VerifyOptions::new()).unwrap();
}

#[test]
fn every_flipped_byte_is_refused() {
    let bytes = sample();
    for at in (0..bytes.len()).step_by(7).chain(bytes.len() - 900..bytes.len()) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        match read_all(&damaged[..], ReadOptions::new().threads(1)) {
            Ok(_) => panic!("byte {at}: accepted"),
            Err(error) => assert!(!matches!(error.kind(), ErrorKind::Io | ErrorKind::Usage), "byte {at}: {error}"),
        }
    }
}

#[test]
fn what_goes_on_is_refused() {
    let bytes = sample();
    for tail in [&b"\0"[..], &bytes] {
        let error = read_all(&[&bytes, tail].concat()[..], ReadOptions::new()).unwrap_err();
        assert_eq!(error.code(), "seek-table.footer");
    }
}

/// More than the limit is never delivered, and a source that never ends does no harm.
#[test]
fn limits_hold_while_it_arrives() {
    let mut bytes = Vec::new();
    let mut writer = WriteOptions::new().write_to(&mut bytes).unwrap();
    writer.add_reader(NewEntry::new("zeros").unwrap(), Some(1 << 26), io::repeat(0).take(1 << 26)).unwrap();
    writer.finish().unwrap();
    let mut limits = rosettar::Limits::default();
    limits.set("decoded-bytes", "40M").unwrap();
    let mut stream = ReadOptions::new().limits(limits).stream(&bytes[..]).unwrap();
    let Some(Provisional::Entry(mut entry)) = stream.next_item().unwrap() else { panic!() };
    let mut delivered = 0;
    let error = entry.read_all(|piece| {
        delivered += piece.len();
        Ok(())
    });
    assert_eq!(error.unwrap_err().code(), "limit.decoded-bytes");
    assert!(delivered <= 40 << 20, "{delivered}");
    assert!(stream.next_item().is_err(), "after an error nothing comes");
    let endless = bytes[..bytes.len() / 2].chain(Endless(Noise::new(1)));
    assert!(read_all(endless, ReadOptions::new()).is_err());
}

struct Endless(Noise);

impl Read for Endless {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.fill(buf);
        Ok(buf.len())
    }
}

/// An error of the source comes through as it is.
#[test]
fn a_failing_source_is_an_error_of_reading() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the line is dead"))
        }
    }
    let bytes = sample();
    let error = read_all(bytes[..5000].chain(Broken), ReadOptions::new()).unwrap_err();
    assert_eq!(error.code(), "io.read");
    assert!(error.to_string().contains("the line is dead"), "{error}");
    assert_eq!(ReadOptions::new().stream(&b"PK\x03\x04 no archive"[..]).unwrap_err().code(), "envelope.unknown-magic");
    assert_eq!(ReadOptions::new().stream(io::empty()).unwrap_err().code(), "envelope.truncated");
}

/// Of each content's digest less than all is kept until the table comes; every byte of the table's is held against it.
#[cfg(target_os = "linux")]
#[test]
fn every_byte_of_a_digest_in_the_entry_table_counts() {
    let test = "every_byte_of_a_digest_in_the_entry_table_counts";
    for (entry, byte) in [(-1, 31), (-1, 16), (-2, 24), (-2, 0)] {
        let script = format!(
            r#"
a = Archive().schema(GREETING, ("greetings", "example.Greeting", 1)).file("a", b"x")
a.batch("greetings", greeting("a"))
def columns(c):
    digest = bytearray(c["digests"][{entry}])
    digest[{byte}] ^= 1
    c["digests"][{entry}] = bytes(digest)
a.on("columns", columns)
"#
        );
        let Some(bytes) = crate::hostile::forge(test, &script) else { return };
        let error = ReadOptions::new().stream(&bytes[..]).unwrap().confirm().unwrap_err();
        // What the index says of all contents was made of the true digests.
        assert_eq!(error.code(), "entry.digest", "entry {entry}, byte {byte}");
    }
}
