//! Files made to be misread, to cost too much, or to be taken for something else.

use std::io;
use std::sync::{Arc, Mutex};

use rosettar::convert::{ConvertOptions, Target};
use rosettar::io::ReadAt;
use rosettar::model::C1zEncoding;
use rosettar::{C1zOptions, Error, ExtractOptions, Limits, NewEntry, ReadOptions, VerifyOptions, WriteOptions};

use super::{files, manifest, open, write};
use crate::support;

/// Opens, verifies and extracts; the first error of these.
fn refused(bytes: &[u8]) -> Error {
    let archive = match open(bytes) {
        Err(error) => return error,
        Ok(archive) => archive,
    };
    let target = tempfile::tempdir().unwrap();
    let out = target.path().join("out");
    let mut report = archive.verify(&VerifyOptions::new().records(true)).unwrap();
    let extracted = archive.extract(&out, &ExtractOptions::new());
    if extracted.is_err() {
        assert!(std::fs::read_dir(target.path()).unwrap().next().is_none(), "something was left behind");
    }
    match (report.problems.is_empty(), extracted) {
        (false, _) => report.problems.remove(0),
        (true, Err(error)) => error,
        (true, Ok(_)) => panic!("accepted"),
    }
}

fn envelope(manifest: &[u8], payload: &[u8]) -> Vec<u8> {
    [b"C1Z3\0", &(manifest.len() as u32).to_be_bytes()[..], manifest, payload].concat()
}

fn minimal(encoding: u8) -> Vec<u8> {
    vec![0x0a, 1, b'e', 0x20, encoding]
}

/// A member of a tar, as GNU tar would write it but for what `change` does to its header.
fn member(name: &str, kind: u8, content: &[u8], change: impl FnOnce(&mut [u8; 512])) -> Vec<u8> {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000644");
    header[108..115].copy_from_slice(b"0000000");
    header[116..123].copy_from_slice(b"0000000");
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[136..147].copy_from_slice(b"00000000000");
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    change(&mut header);
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut bytes = header.to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn tar(members: &[Vec<u8>]) -> Vec<u8> {
    [&members.concat()[..], &[0; 1024]].concat()
}

fn tar_file(members: &[Vec<u8>]) -> Vec<u8> {
    envelope(&minimal(2), &tar(members))
}

fn pax(records: &[u8]) -> Vec<u8> {
    member("PaxHeader", b'x', records, |_| {})
}

#[test]
fn tars_that_programs_read_in_different_ways() {
    let file = |name: &str| member(name, b'0', b"x", |_| {});
    let with = |change: fn(&mut [u8; 512])| tar_file(&[member("a", b'0', b"x", change)]);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a path that leaves", tar_file(&[file("../a")]), "path.invalid"),
        ("an absolute path", tar_file(&[file("/a")]), "path.invalid"),
        ("an alias", tar_file(&[file("a"), file("./a")]), "path.invalid"),
        ("an empty component", tar_file(&[file("a//b")]), "path.invalid"),
        ("a control character", tar_file(&[file("a\nb")]), "path.invalid"),
        ("a name twice", tar_file(&[file("a"), file("a")]), "path.duplicate"),
        ("a file as a parent", tar_file(&[file("a"), file("a/b")]), "path.parent"),
        ("a file as a parent, later", tar_file(&[file("a/b"), file("a")]), "path.parent"),
        ("a file whose name ends in a slash", tar_file(&[file("a/")]), "path.invalid"),
        ("a symbolic link", tar_file(&[member("l", b'2', b"", |h| h[157] = b'a')]), "c1z.tar-kind"),
        ("a hard link", tar_file(&[member("l", b'1', b"", |h| h[157] = b'a')]), "c1z.tar-kind"),
        ("a device", tar_file(&[member("d", b'3', b"", |_| {})]), "c1z.tar-kind"),
        ("a FIFO", tar_file(&[member("p", b'6', b"", |_| {})]), "c1z.tar-kind"),
        ("a sparse file", tar_file(&[member("s", b'S', b"x", |_| {})]), "c1z.tar-kind"),
        (
            "a long name of GNU tar",
            tar_file(&[member("././@LongLink", b'L', b"a\0", |_| {}), file("b")]),
            "c1z.tar-kind",
        ),
        ("a global header", tar_file(&[member("g", b'g', b"10 path=b\n", |_| {}), file("a")]), "c1z.tar-kind"),
        ("setuid", with(|h| h[100..107].copy_from_slice(b"0004755")), "c1z.tar"),
        ("a size in base 256", with(|h| h[124..136].copy_from_slice(b"\x80\0\0\0\0\0\0\0\0\0\0\x01")), "c1z.tar"),
        ("a negative size", with(|h| h[124..135].copy_from_slice(b"-0000000001")), "c1z.tar"),
        ("a size past the end", with(|h| h[124..135].copy_from_slice(b"77777777777")), "envelope.truncated"),
        ("GNU's magic", with(|h| h[257..265].copy_from_slice(b"ustar  \0")), "c1z.tar"),
        ("old tar", with(|h| h[257..265].fill(0)), "c1z.tar"),
        ("bytes after a name", with(|h| h[50] = b'x'), "c1z.tar"),
        ("a directory with content", tar_file(&[member("d", b'5', b"x", |_| {})]), "c1z.tar"),
        ("two values of a PAX key", tar_file(&[pax(b"10 path=b\n10 path=c\n"), file("a")]), "c1z.tar"),
        ("a PAX length that lies", tar_file(&[pax(b"99 path=b\n"), file("a")]), "c1z.tar"),
        ("a PAX length of zero", tar_file(&[pax(b"0 path=b\n"), file("a")]), "c1z.tar"),
        ("PAX for a sparse file", tar_file(&[pax(b"22 GNU.sparse.major=1\n"), file("a")]), "c1z.tar"),
        ("a PAX link target", tar_file(&[pax(b"14 linkpath=b\n"), file("a")]), "c1z.tar"),
        ("a zero byte in a PAX path", tar_file(&[pax(b"12 path=b\0c\n"), file("a")]), "c1z.tar"),
        ("two PAX headers", tar_file(&[pax(b"10 path=b\n"), pax(b"10 path=c\n"), file("a")]), "c1z.tar"),
        ("a PAX header alone", tar_file(&[pax(b"10 path=b\n")]), "c1z.tar"),
        ("a PAX path that leaves", tar_file(&[pax(b"13 path=../b\n"), file("a")]), "path.invalid"),
        ("no end", envelope(&minimal(2), &file("a")), "envelope.truncated"),
        ("half an end", envelope(&minimal(2), &[&file("a")[..], &[0; 512]].concat()), "envelope.truncated"),
        ("an end in the middle", tar_file(&[file("a"), vec![0; 512], file("b")]), "c1z.tar"),
        (
            "members after the end",
            envelope(&minimal(2), &[tar(&[file("a")]), tar(&[file("b")])].concat()),
            "c1z.trailing",
        ),
        ("no tar at all", envelope(&minimal(2), b""), "envelope.truncated"),
        ("no frame at all", envelope(&minimal(1), b""), "envelope.truncated"),
    ];
    for (what, bytes, code) in &cases {
        assert_eq!(refused(bytes).code(), *code, "{what}: {}", refused(bytes));
    }
    // The same, compressed: no other verdict.
    for (what, bytes, code) in cases.iter().filter(|(_, bytes, _)| bytes[13] == 2 && bytes.len() > 600) {
        let frame = zstd(&bytes[14..]);
        assert_eq!(refused(&envelope(&minimal(1), &frame)).code(), *code, "{what}, compressed");
    }
    let mut padded = tar(&[file("a")]);
    padded[513] = 1;
    assert_eq!(refused(&envelope(&minimal(2), &padded)).code(), "tar.padding");
    let mut summed = tar(&[file("a")]);
    summed[0] = b'b';
    assert_eq!(refused(&envelope(&minimal(2), &summed)).code(), "c1z.tar");
}

fn zstd(content: &[u8]) -> Vec<u8> {
    // The crate's own writer makes a frame of anything: a file of a payload with one content.
    let file = write(C1zEncoding::IndexedZstd, &[("f", content.to_vec())]);
    let manifest_len = u32::from_be_bytes(file[5..9].try_into().unwrap()) as usize;
    let footer = &file[file.len() - 28..];
    let index_at = u64::from_be_bytes(footer[..8].try_into().unwrap()) as usize;
    file[9 + manifest_len..index_at].to_vec()
}

#[test]
fn envelopes_and_manifests() {
    let payload = tar(&[]);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("the magic alone", b"C1Z3\0".to_vec(), "envelope.truncated"),
        ("half a magic", b"C1Z".to_vec(), "envelope.truncated"),
        ("another version", b"C1Z4\0\0\0\0\0".to_vec(), "envelope.unknown-magic"),
        ("a manifest of 4 GiB", [b"C1Z3\0\xff\xff\xff\xff", &payload[..]].concat(), "limit.manifest-bytes"),
        ("a manifest past the end", [b"C1Z3\0\x00\x10\x00\x00", &payload[..]].concat(), "envelope.truncated"),
        ("an empty manifest", envelope(b"", &payload), "c1z.engine"),
        ("no engine", envelope(&[0x20, 2], &payload), "c1z.engine"),
        ("no encoding", envelope(&[0x0a, 1, b'e'], &payload), "c1z.encoding"),
        ("the encoding 3", envelope(&minimal(3), &payload), "c1z.encoding"),
        ("the encoding 4", envelope(&minimal(4), &payload), "c1z.encoding"),
        ("the encoding 6", envelope(&minimal(6), &payload), "c1z.encoding"),
        ("a field cut off", envelope(&[0x0a, 9, b'e'], &payload), "c1z.manifest"),
        ("an engine that is no text", envelope(&[0x0a, 1, 0xff, 0x20, 2], &payload), "c1z.manifest"),
        ("deep groups", envelope(&[&minimal(2)[..], &[0x9b, 0x06].repeat(50_000)].concat(), &payload), "c1z.manifest"),
        (
            "an import that is not there",
            envelope(&[&minimal(2)[..], b"\x52\x10\x0a\x0e\x0a\x05a.txt\x1a\x05b.txt"].concat(), &payload),
            "schema.closure",
        ),
        (
            "a file that imports itself",
            envelope(&[&minimal(2)[..], b"\x52\x10\x0a\x0e\x0a\x05a.txt\x1a\x05a.txt"].concat(), &payload),
            "schema.cycle",
        ),
    ];
    for (what, bytes, code) in &cases {
        assert_eq!(refused(bytes).code(), *code, "{what}: {}", refused(bytes));
    }
    // A million sync runs in two megabytes.
    let runs = [&minimal(2)[..], &[0xc2, 0x02, 0x00].repeat(1 << 20)].concat();
    assert_eq!(refused(&envelope(&runs, &payload)).code(), "limit.record-values");
}

/// An indexed file whose index was changed, with the right checksum.
fn with_index(change: impl FnOnce(&mut Vec<Entry>, &mut Totals)) -> Vec<u8> {
    let file = write(C1zEncoding::IndexedZstd, &files());
    let footer = &file[file.len() - 28..];
    let at = u64::from_be_bytes(footer[..8].try_into().unwrap()) as usize;
    let index: Index = prost::Message::decode(&file[at..file.len() - 28]).unwrap();
    let (mut entries, mut totals) = (
        index.entries,
        Totals { raw: index.total_raw_size, stored: index.total_compressed_size, manifest: index.manifest_xxh64 },
    );
    change(&mut entries, &mut totals);
    let index = Index {
        entries,
        total_raw_size: totals.raw,
        total_compressed_size: totals.stored,
        manifest_xxh64: totals.manifest,
    };
    let index = prost::Message::encode_to_vec(&index);
    let mut out = file[..at].to_vec();
    out.extend_from_slice(&index);
    out.extend_from_slice(&(at as u64).to_be_bytes());
    out.extend_from_slice(&(index.len() as u32).to_be_bytes());
    out.extend_from_slice(&twox_hash::XxHash64::oneshot(0, &index).to_be_bytes());
    out.extend_from_slice(b"C1ZIDX1\0");
    out
}

struct Totals {
    raw: i64,
    stored: i64,
    manifest: u64,
}

/// The index as a message of the tests' own.
#[derive(Clone, PartialEq, prost::Message)]
struct Index {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Entry>,
    #[prost(int64, tag = "2")]
    total_raw_size: i64,
    #[prost(int64, tag = "3")]
    total_compressed_size: i64,
    #[prost(fixed64, tag = "4")]
    manifest_xxh64: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Entry {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "2")]
    frame_offset: i64,
    #[prost(int64, tag = "3")]
    compressed_size: i64,
    #[prost(int64, tag = "4")]
    raw_size: i64,
    #[prost(fixed64, tag = "5")]
    raw_xxh64: u64,
    #[prost(bytes = "vec", tag = "6")]
    raw_sha256: Vec<u8>,
}

#[test]
fn indexes_that_lie() {
    type Change = fn(&mut Vec<Entry>, &mut Totals);
    let cases: Vec<(&str, Change, &str)> = vec![
        ("a name twice", |e, _| e[1].name = e[0].name.clone(), "path.duplicate"),
        ("an alias", |e, _| e[1].name = "./CURRENT".into(), "path.invalid"),
        ("a path that leaves", |e, _| e[0].name = "../x".into(), "path.invalid"),
        ("an absolute path", |e, _| e[0].name = "/x".into(), "path.invalid"),
        ("no name", |e, _| e[0].name.clear(), "path.invalid"),
        ("a file as a parent", |e, _| e[1].name = "CURRENT/x".into(), "path.parent"),
        ("one frame for two", |e, _| e[1].frame_offset = e[0].frame_offset, "c1z.index"),
        ("an overlap", |e, _| e[1].frame_offset -= 1, "c1z.index"),
        ("a gap", |e, t| drop((e.remove(2), t.stored -= 0)), "c1z.index"),
        ("no stored bytes", |e, _| e[0].compressed_size = 0, "c1z.index"),
        ("stored bytes below 0", |e, _| e[0].compressed_size = -5, "c1z.index"),
        ("a size below 0", |e, _| e[0].raw_size = -1, "c1z.index"),
        ("an offset below 0", |e, _| e[0].frame_offset = i64::MIN, "c1z.index"),
        ("a range that overflows", |e, _| e[4].compressed_size = i64::MAX, "c1z.index"),
        ("no SHA-256", |e, _| e[0].raw_sha256.clear(), "c1z.index"),
        ("half a SHA-256", |e, _| e[0].raw_sha256.truncate(16), "c1z.index"),
        ("a wrong SHA-256", |e, _| e[0].raw_sha256[0] ^= 1, "entry.digest"),
        ("a wrong xxh64", |e, _| e[0].raw_xxh64 ^= 1, "c1z.content-checksum"),
        ("a total that is too small", |_, t| t.raw -= 1, "c1z.index"),
        ("stored bytes that do not add up", |_, t| t.stored += 1, "c1z.index"),
        ("another manifest", |_, t| t.manifest ^= 1, "c1z.manifest-checksum"),
        (
            "a size that is too large",
            |e, t| {
                e[2].raw_size += 1;
                t.raw += 1;
            },
            "frame.size",
        ),
        (
            "a size of 8 EiB",
            |e, t| {
                e[2].raw_size = i64::MAX - 100_000;
                t.raw = e.iter().map(|e| e.raw_size).sum();
            },
            "limit.decoded-bytes",
        ),
        (
            "a size that needs the other way",
            |e, t| {
                e[2].raw_size = 9 << 20;
                t.raw = e.iter().map(|e| e.raw_size).sum();
            },
            "frame.size",
        ),
    ];
    for (what, change, code) in cases {
        let error = refused(&with_index(change));
        assert_eq!(error.code(), code, "{what}: {error}");
    }
    // What real files do.
    let unrecorded = with_index(|_, totals| totals.manifest = 0);
    let report = open(&unrecorded).unwrap().verify(&VerifyOptions::new()).unwrap();
    assert!(report.is_sound());
    assert!(report.unproven.iter().any(|text| text.contains("no checksum of the manifest")), "{:?}", report.unproven);
    let none = with_index(|entries, totals| {
        (totals.raw, totals.stored) = (0, 0);
        entries.clear();
    });
    assert_eq!(refused(&none).code(), "c1z.index", "frames that no file has");
    open(&write(C1zEncoding::IndexedZstd, &[])).unwrap();
}

#[test]
fn frames_that_cost_too_much() {
    // One block of 128 KiB of zeros, again and again.
    let bomb = |blocks: usize, header: &[u8]| {
        let mut frame = [&[0x28, 0xB5, 0x2F, 0xFD][..], header].concat();
        for number in 0..blocks {
            let last = u32::from(number + 1 == blocks);
            frame.extend_from_slice(&((128u32 << 10) << 3 | 1 << 1 | last).to_le_bytes()[..3]);
            frame.push(0);
        }
        frame
    };
    let limited = |bytes: Vec<u8>, limit: u64| {
        let mut limits = Limits::default();
        limits.decoded_bytes = Some(limit);
        ReadOptions::new().limits(limits).open(bytes).unwrap_err()
    };
    for magic in [envelope(&minimal(1), b""), b"C1ZF\0".to_vec()] {
        let file = |frame: Vec<u8>| [&magic[..], &frame].concat();
        // A window of 2 GiB, and a frame that says it decodes to more.
        assert_eq!(refused(&file(bomb(1, &[0x00, 0xA8]))).code(), "c1z.window");
        let huge = bomb(1, &[0xE0, 0, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(refused(&file(huge)).code(), "c1z.window");
        let error = limited(file(bomb(100, &[0x00, 0x58])), (100 << 17) - 1);
        assert_eq!(error.code(), "limit.decoded-bytes");
        // Exactly the limit passes it, and is no tar and no database.
        let error = limited(file(bomb(100, &[0x00, 0x58])), 100 << 17);
        assert!(["c1z.trailing", "c1z.database"].contains(&error.code()), "{error}");
        assert_eq!(refused(&file(bomb(3, &[0x01, 0x58, 7]))).code(), "frame.header", "a dictionary");
        assert_eq!(refused(&file([bomb(1, &[0x00, 0x58]), bomb(1, &[0x00, 0x58])].concat())).code(), "c1z.trailing");
        let skippable = [&b"\x50\x2A\x4D\x18\x04\0\0\0abcd"[..], &bomb(1, &[0x00, 0x58])].concat();
        assert_eq!(refused(&file(skippable)).code(), "frame.header");
        let mut cut = bomb(3, &[0x00, 0x58]);
        cut.truncate(cut.len() - 2);
        assert_eq!(refused(&file(cut)).code(), "envelope.truncated");
    }
    let many = write(C1zEncoding::IndexedZstd, &files());
    assert_eq!(limited(many.clone(), 10).code(), "limit.decoded-bytes", "summed before anything is decoded");
    let mut limits = Limits::default();
    limits.entries = 4;
    assert_eq!(ReadOptions::new().limits(limits.clone()).open(many).unwrap_err().code(), "limit.entries");
    for encoding in [C1zEncoding::Tar, C1zEncoding::TarZstd] {
        let error = ReadOptions::new().limits(limits.clone()).open(write(encoding, &files())).unwrap_err();
        assert_eq!(error.code(), "limit.entries");
    }
}

/// Remembers what was read.
struct Counted(Vec<u8>, Arc<Mutex<Vec<(u64, u64)>>>);

impl ReadAt for Counted {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.0.read_at(buf, offset)?;
        self.1.lock().unwrap().push((offset, read as u64));
        Ok(read)
    }
}

#[test]
fn a_header_takes_neither_the_payload_nor_the_descriptors() {
    for encoding in super::ENCODINGS {
        // Descriptors larger than anything that is read ahead.
        let set = crate::support::compile(&[(
            "large.proto",
            &format!("syntax=\"proto3\"; {}", (0..2000).map(|n| format!("message M{n} {{}}\n")).collect::<String>()),
        )]);
        let mut bytes = manifest();
        let field_10 = [&[0x52][..], &varint(set.len()), &set].concat();
        bytes.extend_from_slice(&field_10);
        bytes.extend_from_slice(b"\xd0\x02\x02");
        let mut file = Vec::new();
        let mut writer = rosettar::C1zOptions::with_manifest(encoding, bytes).write_to(&mut file).unwrap();
        writer.add_bytes(rosettar::NewEntry::new("f").unwrap(), &crate::support::noise(100_000, 1)).unwrap();
        writer.finish().unwrap();
        let payload_at = 9 + u64::from(u32::from_be_bytes(file[5..9].try_into().unwrap()));
        let whole = open(&file).unwrap();
        let reads = Arc::new(Mutex::new(Vec::new()));
        let facts = ReadOptions::new().header(Counted(file, Arc::clone(&reads))).unwrap();
        let found = facts.c1z.as_deref().unwrap().manifest.as_ref().unwrap();
        let expected = whole.facts().c1z.as_deref().unwrap().manifest.as_ref().unwrap();
        assert_eq!((&found.engine, &found.sync_runs), (&expected.engine, &expected.sync_runs));
        assert_eq!((found.pebble_id_index_format, found.unknown_fields), (2, 1));
        let reads = reads.lock().unwrap();
        assert!(reads.iter().all(|(at, len)| at + len <= payload_at), "{reads:?}");
        let read: u64 = reads.iter().map(|(_, len)| len).sum();
        assert!(read < 2100, "{read} bytes were read: {reads:?}");
    }
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[test]
fn what_only_rosettar_can_do_says_so() {
    let bytes = write(C1zEncoding::Tar, &files());
    let archive = open(&bytes).unwrap();
    let continued = rosettar::WriteOptions::new().continue_from(&archive).write_to(Vec::new());
    assert_eq!(continued.unwrap_err().code(), "usage.format");
    let recovered = rosettar::RecoverOptions::new()
        .recover(bytes.clone(), rosettar::WriteOptions::new().write_to(Vec::new()).unwrap());
    assert_eq!(recovered.unwrap_err().code(), "usage.format");
    assert_eq!(ReadOptions::new().stream(&bytes[..]).unwrap_err().code(), "usage.format");
    let same = archive.diff(&open(&bytes).unwrap(), &rosettar::DiffOptions::new()).unwrap();
    assert!(same.is_same());
    let other = open(&write(C1zEncoding::Tar, &files()[1..])).unwrap();
    assert_eq!(archive.diff(&other, &rosettar::DiffOptions::new()).unwrap().entries[0].path(), "CURRENT");
}

/// A small file may have a great many long paths, all of which are held.
#[test]
fn paths_together_are_bounded() {
    let tar = [member("a/bc", b'0', b"", |_| ()), member("d", b'0', b"x", |_| ()), vec![0; 1024]].concat();
    let file = envelope(&minimal(2), &tar);
    let with = |index_bytes| {
        let mut limits = Limits::default();
        limits.index_bytes = index_bytes;
        ReadOptions::new().limits(limits).open(file.clone())
    };
    with(5).unwrap();
    assert_eq!(with(4).unwrap_err().code(), "limit.index-bytes");

    // What is read is also what is written.
    let folder = ["d"; 15].map(|name| name.repeat(250)).join("/");
    let mut archive = Vec::new();
    let mut rtar = WriteOptions::new().level(1).write_to(&mut archive).unwrap();
    let mut c1z = C1zOptions::new(C1zEncoding::Tar, "e").write_to(io::sink()).unwrap();
    let mut refused = None;
    for number in 0..17_900 {
        let entry = || NewEntry::new(format!("{folder}/{number}")).unwrap();
        rtar.add_bytes(entry(), b"").unwrap();
        if refused.is_none() {
            refused = c1z.add_bytes(entry(), b"").err();
        }
    }
    assert_eq!(refused.unwrap().code(), "limit.index-bytes");
    rtar.finish().unwrap();
    let archive = open(&archive).unwrap();
    let target = tempfile::tempdir().unwrap();
    for encoding in super::ENCODINGS {
        let options = ConvertOptions::new(Target::C1z3(encoding)).engine("e", 1).lossy(true);
        let error = archive.convert(target.path().join("x"), &options).unwrap_err();
        assert_eq!((error.code(), support::names_in(target.path())), ("limit.index-bytes", vec![]), "{encoding}");
    }
}
