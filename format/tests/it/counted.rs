//! What reading costs, in bytes and calls of the source: opening two reads, one file or record its page of the entry
//! table and one payload frame.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

use rosettar::io::ReadAt;
use rosettar::{NewEntry, ReadOptions, WriteOptions};

use crate::support::{self, Noise};

/// Counts what is read of a source.
struct Counted<R> {
    source: R,
    /// Offset and length of every read.
    reads: Arc<Mutex<Vec<(u64, u64)>>>,
}

impl<R: ReadAt> ReadAt for Counted<R> {
    fn size(&self) -> io::Result<u64> {
        self.source.size()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.source.read_at(buf, offset)?;
        self.reads.lock().unwrap().push((offset, read as u64));
        Ok(read)
    }
}

/// A frame as the seek table at the end of an archive places it.
#[derive(Clone, Copy, Debug)]
struct Frame {
    offset: u64,
    stored: u64,
    /// Where what it decodes to stands in the tar.
    tar_offset: u64,
    decoded: u64,
}

/// The frames of an archive, by a reading of the seek table of its own.
fn frames(source: &dyn ReadAt) -> Vec<Frame> {
    let size = source.size().unwrap();
    let mut footer = [0; 9];
    source.read_exact_at(&mut footer, size - 9).unwrap();
    let count = u32::from_le_bytes(footer[..4].try_into().unwrap()) as usize;
    let mut rows = vec![0; count * 8];
    let rows_at = size - 9 - rows.len() as u64;
    source.read_exact_at(&mut rows, rows_at).unwrap();
    let (mut offset, mut tar_offset) = (0, 0);
    rows.chunks(8)
        .map(|row| {
            let stored = u64::from(u32::from_le_bytes(row[..4].try_into().unwrap()));
            let decoded = u64::from(u32::from_le_bytes(row[4..].try_into().unwrap()));
            let frame = Frame { offset, stored, tar_offset, decoded };
            offset += stored;
            tar_offset += decoded;
            frame
        })
        .collect()
}

/// The frame that holds this byte of the tar.
fn frame_of(frames: &[Frame], tar_offset: u64) -> (u64, u64) {
    let frame = frames.iter().find(|f| f.tar_offset <= tar_offset && tar_offset < f.tar_offset + f.decoded).unwrap();
    (frame.offset, frame.stored)
}

const FILES: usize = 10_000;
const RECORDS: i64 = 5_000;

/// Writes an archive of `FILES` files that do not compress, `total` bytes in all, and some records.
fn write(sink: impl io::Write + Send, total: usize) {
    let mut writer = WriteOptions::new().threads(2).write_to(sink).unwrap();
    let stream = writer.declare("events", support::event_type()).unwrap();
    let mut noise = Noise::new(1);
    let mut content = vec![0; total / FILES];
    for number in 0..FILES {
        noise.fill(&mut content);
        let entry = NewEntry::new(format!("folder {:02}/file {number:06}", number / 100)).unwrap();
        // Sizes differ, so that offsets are not a multiple of anything.
        writer.add_bytes(entry, &content[number % 500..]).unwrap();
    }
    (0..RECORDS).for_each(|number| writer.append(stream, &support::event(number)).unwrap());
    writer.finish().unwrap();
}

fn check(source: impl ReadAt + Clone + 'static) {
    let reads = Arc::new(Mutex::new(Vec::new()));
    let take = || std::mem::take(&mut *reads.lock().unwrap());
    let size = source.size().unwrap();
    let counted = Counted { source: source.clone(), reads: Arc::clone(&reads) };
    let archive = ReadOptions::new().open(counted).unwrap();
    assert_eq!(take(), [(0, 64 << 10), (size - (256 << 10), 256 << 10)], "opening reads head and tail, 320 KiB");
    assert_eq!(archive.facts().totals.files, FILES as u64);

    let frames = frames(&source);
    let pages = archive.facts().pages as usize;
    assert!(pages >= 3);
    // Before the index, which is the last that the seek table lists.
    let page = |number: usize| {
        let frame = frames[frames.len() - 1 - pages + number];
        (frame.offset, frame.stored)
    };
    // Where each entry's content begins in the tar: all headers are of one block here.
    let mut at = 0;
    let mut placed = Vec::new();
    for entry in archive.all_entries() {
        let entry = entry.unwrap();
        at += 512;
        placed.push((entry.path.to_string(), at, at + entry.size));
        at += entry.size.next_multiple_of(512);
    }
    take();

    let mut pages_read = BTreeSet::new();
    for number in [7777, 0, 9999] {
        let path = format!("folder {:02}/file {number:06}", number / 100);
        let archive = archive_anew(&source, &reads);
        take();
        let content = archive.read(&path).unwrap();
        let row = placed.iter().position(|(name, ..)| *name == path).unwrap();
        let (_, from, to) = placed[row];
        assert_eq!(content.len() as u64, to - from);
        let reads = take();
        let mut expected = vec![page(row / 4096), frame_of(&frames, from)];
        // A file may lie on the border of two chunks; then it is these two.
        expected.extend(Some(frame_of(&frames, to - 1)).filter(|frame| !expected.contains(frame)));
        assert_eq!(reads, expected, "{path}");
        assert!(expected.len() == 2, "a small file is in one frame");
        pages_read.insert(row / 4096);
    }
    assert_eq!(pages_read.len(), 3);

    // A second file from the same page and chunk costs nothing.
    archive.read("folder 50/file 005000").unwrap();
    take();
    archive.read("folder 50/file 005001").unwrap();
    assert_eq!(take(), []);

    let batch = placed.iter().find(|(name, ..)| name.ends_with("events/00000000.binpb")).unwrap();
    let row = placed.iter().position(|place| place.0 == batch.0).unwrap();
    for number in [0, 2500, RECORDS - 1] {
        let archive = archive_anew(&source, &reads);
        take();
        let stream = archive.stream("events").unwrap();
        assert_eq!(stream.len(), RECORDS as u64);
        assert_eq!(take(), [], "the number of records is known from opening");
        let record = stream.record(number as u64).unwrap();
        assert_eq!(record, prost::Message::encode_to_vec(&support::event(number)));
        assert_eq!(take(), [page(row / 4096), frame_of(&frames, batch.1)], "record {number}");
    }

    let archive = archive_anew(&source, &reads);
    take();
    assert_eq!(archive.descriptor_set(1).unwrap(), archive.stream("events").unwrap().descriptor_set().unwrap());
    assert_eq!(take(), [], "Schemas of the manifest are at hand");
    archive.entry("folder 99/file 009950 is absent").unwrap_err();
    assert_eq!(take(), [page(2)], "what is not there costs a page at most");
    archive.entry("zzz").unwrap_err();
    assert_eq!(take(), [], "what no page can hold costs nothing");
}

fn archive_anew<R: ReadAt + Clone + 'static>(source: &R, reads: &Arc<Mutex<Vec<(u64, u64)>>>) -> rosettar::Archive {
    ReadOptions::new().open(Counted { source: source.clone(), reads: Arc::clone(reads) }).unwrap()
}

#[test]
fn one_file_costs_its_page_and_one_frame() {
    let mut bytes = Vec::new();
    write(&mut bytes, 64 << 20);
    assert!(bytes.len() > 60 << 20);
    check(Arc::<[u8]>::from(bytes));
}

#[test]
#[ignore = "slow: run by make test-slow"]
fn one_file_of_a_gibibyte_costs_its_page_and_one_frame() {
    let file = tempfile::NamedTempFile::new().unwrap();
    write(std::fs::File::create(file.path()).unwrap(), (1 << 30) + (10 << 20));
    let source = std::fs::File::open(file.path()).unwrap();
    assert!(ReadAt::size(&source).unwrap() > 1 << 30);
    check(Arc::new(source));
}

/// An archive smaller than head and tail together is read as far as it goes, and no further.
#[test]
fn a_small_archive_is_read_within_its_bounds() {
    let mut bytes = Vec::new();
    WriteOptions::new().write_to(&mut bytes).unwrap().finish().unwrap();
    let size = bytes.len() as u64;
    let reads = Arc::new(Mutex::new(Vec::new()));
    ReadOptions::new().open(Counted { source: bytes, reads: Arc::clone(&reads) }).unwrap();
    assert_eq!(*reads.lock().unwrap(), [(0, size), (0, size)]);
}
