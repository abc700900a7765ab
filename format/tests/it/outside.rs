//! What the rest of the world makes of our archives: zstd, GNU tar, bsdtar, Python's tarfile, the crate tar, file and
//! protoc.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use prost::Message as _;
use rosettar::model::{EntryKind, Mtime};
use rosettar::{Archive, Digest, ExtractOptions, NewEntry, WriteOptions, Writer};

use crate::support::{self, have, run};
use crate::trees::{self, Node, Tree};

/// One archive, and a file that holds it.
struct Sample {
    name: &'static str,
    path: PathBuf,
    bytes: Vec<u8>,
    archive: Archive,
    /// Whether all that is in it can be on a disk.
    extractable: bool,
}

/// Puts a sample's entries and streams into a writer.
type Fill = fn(&mut Writer<'_>);

const BSDTAR_ALTERS: &str = "names-bsdtar-alters";

/// The archives that everyone must understand.
fn samples() -> &'static [Sample] {
    static SAMPLES: OnceLock<Vec<Sample>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("outside");
        std::fs::create_dir_all(&folder).unwrap();
        let all: [(&str, bool, Fill); 9] = [
            ("empty", true, |_| {}),
            ("names", true, names),
            (BSDTAR_ALTERS, true, names_bsdtar_alters),
            ("long", true, long),
            ("modes", true, modes),
            ("links", true, links),
            ("times", true, times),
            ("far-times", false, far_times),
            ("streams-and-large", true, streams_and_large),
        ];
        all.into_iter()
            .map(|(name, extractable, fill)| {
                let mut bytes = Vec::new();
                let mut writer = WriteOptions::new().chunk_size(64 << 10).write_to(&mut bytes).unwrap();
                fill(&mut writer);
                writer.finish().unwrap();
                (name, extractable, bytes)
            })
            .chain([("spliced", true, spliced())])
            .map(|(name, extractable, bytes)| {
                let path = folder.join(format!("{name}.rtar"));
                std::fs::write(&path, &bytes).unwrap();
                let archive = support::prove(&bytes);
                Sample { name, path, bytes, archive, extractable }
            })
            .collect()
    })
}

fn sample(name: &str) -> &'static Sample {
    samples().iter().find(|sample| sample.name == name).unwrap()
}

fn file(path: &str) -> NewEntry {
    NewEntry::new(path).unwrap().mtime(Mtime::from_seconds(1_700_000_000))
}

fn names(writer: &mut Writer<'_>) {
    let odd = [
        "-rf",
        "--checkpoint-action=exec=sh",
        " leading and trailing ",
        "  ",
        "it's \"quoted\"",
        "back\\slash",
        "back\\nslash",
        "colon:",
        "..a",
        "a..",
        "...",
        ".hidden",
        "trailing.",
        "trailing..",
        "*?[a]",
        "$HOME",
        "`id`",
        "%s%n",
        "#@!~^&()=+,;|<>",
        "tab is illegal, no-break\u{a0}space is not",
        "caf\u{e9}",
        "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
        "\u{202e}gnp.txt",
        "\u{1f9ff}\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "\u{10ffff}\u{feff}\u{fffd}",
        "\u{131}I\u{df}\u{17f}",
        "NUL",
        "con.txt",
        "PaxHeader",
        "././@LongLink",
        "x.rosettar",
    ];
    for (number, name) in odd.iter().enumerate() {
        if name.contains("/./") || name.starts_with("./") {
            assert!(NewEntry::new(*name).is_err());
            continue;
        }
        writer.add_bytes(file(name), format!("content {number}").as_bytes()).unwrap();
        writer.add_bytes(file(&format!("deep/{name}/{name}")), b"").unwrap();
    }
    writer.add_directory(file("empty directory\u{e9}")).unwrap();
    writer.add_directory(file("deep/.rosettar")).unwrap();
    for illegal in
        ["new\nline", "tab\t", "nul\0", "del\u{7f}", "c1\u{9b}", "", "/", "a//b", "a/", "/a", "../a", "a/../b", "."]
    {
        assert_eq!(NewEntry::new(illegal).unwrap_err().code(), "path.invalid", "{illegal:?}");
    }
}

/// bsdtar strips what looks like a drive from a name, and normalizes names to NFC, so that the second of two may fall on
/// the first. These names are apart from the others, and not compared under it.
fn names_bsdtar_alters(writer: &mut Writer<'_>) {
    for name in ["C:\\x", "c:colon", "caf\u{e9} twice", "cafe\u{301} twice", "nfd-\u{1100}\u{1161}"] {
        writer.add_bytes(file(name), name.as_bytes()).unwrap();
        writer.add_bytes(file(&format!("deep/{name}/{name}")), b"").unwrap();
    }
}

fn long(writer: &mut Writer<'_>) {
    for len in [1, 98, 99, 100, 101, 155, 156, 254, 255] {
        writer.add_bytes(file(&"n".repeat(len)), format!("{len}").as_bytes()).unwrap();
        writer.add_directory(file(&"d".repeat(len))).unwrap();
    }
    // Over the border because of the folder, with the slash before, at and after byte 100.
    for len in [1, 50, 98, 99, 100] {
        writer.add_bytes(file(&format!("{}/{}", "f".repeat(len), "g".repeat(102 - len))), b"x").unwrap();
    }
    writer.add_bytes(file(&format!("{}\u{e9}", "u".repeat(98))), b"100 bytes with the border in a character").unwrap();
    writer.add_bytes(file(&format!("{}\u{e9}", "u".repeat(99))), b"cut through a character").unwrap();
    writer.add_bytes(file(&"\u{4e2d}".repeat(85)), b"255 bytes").unwrap();
    let mut path = format!("{}/", "p".repeat(249)).repeat(15);
    path.push_str(&"q".repeat(4000 - path.len()));
    assert_eq!(path.len(), 4000);
    writer.add_bytes(file(&path), b"at the end of a path of 4000 bytes").unwrap();
    writer.add_bytes(file(&format!("{}z", "\u{e9}/".repeat(63))), b"64 levels").unwrap();
}

fn modes(writer: &mut Writer<'_>) {
    for mode in 0..0o1000 {
        writer.add_bytes(file(&format!("{mode:03o}")).mode(mode), b"").unwrap();
    }
    for mode in [0, 0o100, 0o500, 0o444, 0o555, 0o700, 0o750, 0o777] {
        writer.add_directory(file(&format!("d{mode:03o}")).mode(mode)).unwrap();
        writer.add_directory(file(&format!("d{mode:03o}/inner")).mode(mode)).unwrap();
        writer.add_bytes(file(&format!("d{mode:03o}/inner/file")).mode(mode), b"in a directory").unwrap();
    }
}

fn links(writer: &mut Writer<'_>) {
    writer.add_bytes(file("target"), b"of links").unwrap();
    let long = "l".repeat(100);
    let longer = format!("{}/{}", "m".repeat(200), "\u{f6}".repeat(100));
    for (name, target) in [
        ("to-file", "target"),
        ("to-folder", "folder"),
        ("to-itself", "to-itself"),
        ("to-nothing", "absent"),
        ("dots", "./folder/./"),
        ("long", &*long),
        ("longer", &*longer),
        ("non-ascii-\u{e9}", "\u{1f9ff} \u{e9}"),
        ("odd", "-x 'y' \"z\" \\n $HOME"),
        ("slashes", "folder//"),
        (&*format!("{}-link", "k".repeat(120)), &*format!("{}t", "\u{e9}".repeat(60))),
    ] {
        writer.add_symlink(file(name), target).unwrap();
    }
    // GNU tar gives a directory its time when the members below it end.
    writer.add_directory(file("folder")).unwrap();
    for (name, target) in [("up", "../target"), ("up-to-top", ".."), ("deep/er/up", "../../../target")] {
        writer.add_symlink(file(&format!("folder/{name}")), target).unwrap();
    }
}

fn times(writer: &mut Writer<'_>) {
    // From before 1970, within 32 bits, to after 2242, where 33 bits end.
    for seconds in
        [-2_000_000_000, -86_400, -1, 0, 1, 0x7fff_ffff, 0x8000_0000, 8_589_934_591, 8_589_934_592, 10_413_792_000]
    {
        for nanoseconds in [0, 1, 999_999_999] {
            let time = Mtime { seconds, nanoseconds };
            writer.add_bytes(file(&format!("f {seconds} {nanoseconds}")).mtime(time), b"then").unwrap();
            writer.add_directory(file(&format!("d {seconds} {nanoseconds}")).mtime(time)).unwrap();
            writer.add_symlink(file(&format!("l {seconds} {nanoseconds}")).mtime(time), "anything").unwrap();
        }
    }
    // What is in it must not change the time of a directory.
    writer.add_directory(file("parent")).unwrap();
    writer.add_bytes(file("parent/inside"), b"later").unwrap();
}

fn far_times(writer: &mut Writer<'_>) {
    for seconds in [i64::MIN, -1 << 40, -62_135_596_801, 253_402_300_800, 1 << 40, i64::MAX] {
        writer.add_bytes(file(&format!("{seconds}")).mtime(Mtime { seconds, nanoseconds: 5 }), b"").unwrap();
    }
}

fn streams_and_large(writer: &mut Writer<'_>) {
    let events = writer.declare("events", support::event_type()).unwrap();
    let small = writer.declare("Other.stream-2_", support::small_type().schema_version(7)).unwrap();
    writer.declare("without", support::event_type()).unwrap();
    writer.attribute("what", "streams").unwrap();
    for number in 0..3000 {
        writer.append(events, &support::event(number)).unwrap();
    }
    let chunk = 64 << 10;
    for len in [chunk - 1, chunk, chunk + 1, 10 * chunk + 77] {
        writer.add_bytes(file(&format!("noise {len}")), &support::noise(len, len as u64)).unwrap();
        writer.add_bytes(file(&format!("zeros {len}")), &vec![0; len]).unwrap();
    }
    // Content that looks like the archive itself, and like the end of a tar.
    writer.add_bytes(file("like-zstd"), b"\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00\x5a\x2a\x4d\x18").unwrap();
    writer.add_bytes(file("blocks-of-zeros"), &[0; 2048]).unwrap();
    writer.append_encoded(small, b"").unwrap();
    let late = writer.declare("late", support::event_type()).unwrap();
    for number in 0..5000 {
        writer.append(late, &support::event(-number)).unwrap();
        writer.append_encoded(small, b"\x0a\x01x").unwrap();
    }
    writer.add_bytes(file("after"), b"the batches").unwrap();
}

/// An archive that lost entries and got others, and more records, in two goes.
fn spliced() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = WriteOptions::new().chunk_size(64 << 10).write_to(&mut bytes).unwrap();
    streams_and_large(&mut writer);
    links(&mut writer);
    writer.finish().unwrap();
    for (round, gone) in ["zeros 65536", "after"].into_iter().enumerate() {
        let source = support::open(&bytes).unwrap();
        let mut next = Vec::new();
        let keep = |entry: &rosettar::Entry| Ok(entry.path.as_str() != gone);
        let options = WriteOptions::new().chunk_size(32 << 10);
        let mut writer = options.continue_from(&source).keep(keep).write_to(&mut next).unwrap();
        let events = writer.stream("events").unwrap();
        writer.append(events, &support::event(3000 + round as i64)).unwrap();
        let fresh = writer.declare(&format!("fresh-{round}"), support::small_type()).unwrap();
        writer.append_encoded(fresh, b"").unwrap();
        writer.add_bytes(file(&format!("added {round}")), &support::noise(100_000, 1)).unwrap();
        writer.finish().unwrap();
        bytes = next;
    }
    bytes
}

/// The tar, decoded by the crate zstd.
fn tar_of(sample: &Sample) -> Vec<u8> {
    zstd::stream::decode_all(&sample.bytes[..]).unwrap()
}

#[test]
fn zstd_tests_lists_and_decodes() {
    if !have("zstd_tests_lists_and_decodes", &["zstd"]) {
        return;
    }
    for sample in samples() {
        run(Command::new("zstd").arg("-t").arg(&sample.path));
        let listed = run(Command::new("zstd").arg("-lv").arg(&sample.path));
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let number = |name: &str| -> u64 {
            let line = text.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
            let (_, value) = line.split_once(':').unwrap();
            let value = value.rsplit_once('(').map_or(value, |(_, bytes)| bytes);
            value.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap()
        };
        let facts = sample.archive.facts();
        // The seek table is no frame of the index's.
        let skippable = number("# Skippable Frames");
        assert_eq!(number("# Zstandard Frames") + skippable, facts.frames + 1, "{text}");
        assert_eq!(number("Decompressed Size"), facts.totals.tar_bytes, "{text}");
        let decoded = run(Command::new("zstd").arg("-dc").arg(&sample.path)).stdout;
        assert_eq!(decoded.len() as u64, facts.totals.tar_bytes, "{}", sample.name);
        assert!(decoded == tar_of(sample), "{}", sample.name);
    }
}

/// A decoder of zstd that shares nothing with libzstd, on every archive that is accepted: samples and vectors.
#[test]
fn ruzstd_decodes_the_same() {
    let decode = |name: &str, bytes: &[u8]| {
        let expected = zstd::stream::decode_all(bytes).unwrap();
        let mut found = vec![0; expected.len() + 1];
        let len = ruzstd::decoding::FrameDecoder::new().decode_all(bytes, &mut found);
        assert_eq!(len.unwrap_or_else(|error| panic!("{name}: {error}")), expected.len(), "{name}");
        assert!(found[..expected.len()] == expected, "{name}");
    };
    samples().iter().for_each(|sample| decode(sample.name, &sample.bytes));
    let mut vectors = 0;
    for entry in fs::read_dir(support::project().join("conformance/vectors")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        if path.extension().is_some_and(|suffix| suffix == "rtar") && support::open(&bytes).is_ok() {
            // What opens may hold a frame that nothing has looked at yet.
            if zstd::stream::decode_all(&bytes[..]).is_ok() {
                decode(&path.display().to_string(), &bytes);
                vectors += 1;
            }
        }
    }
    assert!(vectors > 50, "{vectors} vectors");
}

/// The seekable format, by its description: every frame where the table says, and nothing else.
#[test]
fn the_seek_table_is_one_of_the_zstd_seekable_format() {
    for sample in samples() {
        let bytes = &sample.bytes;
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let end = bytes.len();
        assert_eq!(word(end - 4), 0x8F92_EAB1);
        assert_eq!(bytes[end - 5] & 0b0111_1100, 0, "reserved bits");
        let has_checksums = bytes[end - 5] & 0x80 != 0;
        assert!(!has_checksums);
        let frames = word(end - 9) as usize;
        let table = end - 9 - 8 * frames - 8;
        assert_eq!((word(table), word(table + 4) as usize), (0x184D_2A5E, 8 * frames + 9));
        let (mut at, mut tar) = (0, Vec::new());
        for frame in 0..frames {
            let row = table + 8 + 8 * frame;
            let (stored, decoded) = (word(row) as usize, word(row + 4) as usize);
            let chunk = zstd::stream::decode_all(&bytes[at..at + stored]).unwrap();
            assert_eq!(chunk.len(), decoded, "{}: frame {frame}", sample.name);
            tar.extend(chunk);
            at += stored;
        }
        assert_eq!(at, table);
        assert!(tar == tar_of(sample), "{}", sample.name);
    }
}

#[test]
fn file_says_zstandard() {
    if !have("file_says_zstandard", &["file"]) {
        return;
    }
    for sample in samples() {
        let said = run(Command::new("file").arg("-b").arg(&sample.path)).stdout;
        assert!(said.starts_with(b"Zstandard compressed data"), "{}", String::from_utf8_lossy(&said));
    }
}

/// Has `extract` extract every sample to a directory, and compares what is there.
fn compare(test: &str, links_have_times: bool, masked: bool, extract: impl Fn(&Sample, &Path)) {
    let umask = trees::umask();
    let scratch = tempfile::tempdir().unwrap();
    let far = i64::from(u32::MAX) * 2;
    let keeps_times = keeps(scratch.path(), far) && keeps(scratch.path(), -2_000_000_000);
    for sample in samples().iter().filter(|sample| sample.extractable) {
        if sample.name == BSDTAR_ALTERS && test.starts_with("bsdtar") {
            continue;
        }
        if sample.name == "times" && !keeps_times {
            support::skip(test, "the file system does not keep such times");
            continue;
        }
        let out = scratch.path().join(sample.name);
        std::fs::create_dir(&out).unwrap();
        extract(sample, &out);
        let mut found = trees::on_disk(&out);
        let mut expected = trees::expected(&sample.archive, umask);
        if !masked {
            // It gives modes as they are.
            found.values_mut().for_each(|node| mask(node, umask));
        }
        if !links_have_times {
            forget_link_times(&mut found);
            forget_link_times(&mut expected);
        }
        let faults = trees::differences(&expected, &found);
        assert!(faults.is_empty(), "{}: {} differ:\n{}", sample.name, faults.len(), faults.join("\n"));
    }
}

fn mask(node: &mut Node, umask: u32) {
    if let Node::File { mode, .. } | Node::Directory { mode, .. } = node {
        *mode &= !umask;
    }
}

fn forget_link_times(tree: &mut Tree) {
    for node in tree.values_mut() {
        if let Node::Symlink { mtime, .. } = node {
            *mtime = 0;
        }
    }
}

/// Whether the file system of `folder` keeps this time.
fn keeps(folder: &Path, seconds: i64) -> bool {
    let file = std::fs::File::create(folder.join("time")).unwrap();
    let time = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: 0 };
    let set = rustix::fs::futimens(&file, &rustix::fs::Timestamps { last_access: time, last_modification: time });
    set.is_ok() && rustix::fs::fstat(&file).unwrap().st_mtime == seconds
}

#[test]
fn our_own_extraction_gives_what_the_table_says() {
    compare("our_own_extraction_gives_what_the_table_says", true, true, |sample, out| {
        sample.archive.extract(out, &ExtractOptions::new()).unwrap();
    });
}

#[test]
fn gnu_tar_extracts_the_same() {
    if !have("gnu_tar_extracts_the_same", &["tar", "zstd"]) {
        return;
    }
    compare("gnu_tar_extracts_the_same", true, true, |sample, out| {
        let flags = ["--no-same-permissions", "--no-same-owner", "-x"];
        run(Command::new("tar").args(flags).arg("-f").arg(&sample.path).arg("-C").arg(out));
    });
}

#[test]
fn gnu_tar_extracts_the_same_from_a_pipe() {
    if !have("gnu_tar_extracts_the_same_from_a_pipe", &["tar", "zstd"]) {
        return;
    }
    compare("gnu_tar_extracts_the_same_from_a_pipe", true, true, |sample, out| {
        let script = "zstd -dc \"$1\" | tar --no-same-permissions --no-same-owner -x -C \"$2\"";
        run(Command::new("sh").args(["-ec", script, "sh"]).arg(&sample.path).arg(out));
    });
}

#[test]
fn bsdtar_extracts_the_same() {
    if !have("bsdtar_extracts_the_same", &["bsdtar"]) {
        return;
    }
    compare("bsdtar_extracts_the_same", true, true, |sample, out| {
        let flags = ["--no-same-permissions", "--no-same-owner", "-x"];
        run(Command::new("bsdtar").args(flags).arg("-f").arg(&sample.path).arg("-C").arg(out));
    });
}

#[test]
fn python_tarfile_extracts_the_same() {
    if !have("python_tarfile_extracts_the_same", &["python3", "zstd"]) {
        return;
    }
    let script = "
import subprocess, sys, tarfile
tar = subprocess.run(['zstd', '-dcq', sys.argv[1]], check=True, capture_output=True).stdout
import io
with tarfile.open(fileobj=io.BytesIO(tar), mode='r:') as archive:
    trusted = {'filter': 'fully_trusted'} if hasattr(tarfile, 'fully_trusted_filter') else {}
    archive.extractall('.', **trusted)
";
    compare("python_tarfile_extracts_the_same", false, false, |sample, out| {
        run(Command::new("python3").args(["-c", script]).arg(&sample.path).current_dir(out));
    });
}

/// Every sample, the times that no file system keeps too, as tarfile lists it.
#[test]
fn python_tarfile_lists_the_same() {
    if !have("python_tarfile_lists_the_same", &["python3", "zstd"]) {
        return;
    }
    let script = "
import io, json, subprocess, sys, tarfile
tar = subprocess.run(['zstd', '-dcq', sys.argv[1]], check=True, capture_output=True).stdout
with tarfile.open(fileobj=io.BytesIO(tar), mode='r:') as archive:
    for m in archive:
        kind = 'file' if m.isreg() else 'directory' if m.isdir() else 'symlink' if m.issym() else 'other'
        mtime = m.pax_headers.get('mtime', str(int(m.mtime)))
        print(json.dumps([m.name, kind, m.mode, m.size, mtime, m.linkname, m.uid, m.gid, m.uname, m.gname]))
";
    for sample in samples() {
        let output = run(Command::new("python3").args(["-c", script]).arg(&sample.path)).stdout;
        let text = String::from_utf8(output).unwrap();
        let mut lines = text.lines();
        for entry in sample.archive.all_entries() {
            let entry = entry.unwrap();
            let kind = if entry.kind.is_reserved() { "file" } else { entry.kind.as_str() };
            let target = entry.target.as_ref().map_or("", |target| target.as_str());
            let expected = serde_json::json!([
                entry.path.as_str(),
                kind,
                entry.mode,
                entry.size,
                entry.mtime.seconds.to_string(),
                target,
                0,
                0,
                "",
                ""
            ]);
            let found: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
            assert_eq!(found, expected, "{}", sample.name);
        }
        assert_eq!(lines.next(), None);
    }
}

#[test]
fn the_crate_tar_lists_the_same() {
    for sample in samples() {
        let tar = tar_of(sample);
        let mut archive = tar::Archive::new(&tar[..]);
        let mut members = archive.entries().unwrap();
        for entry in sample.archive.all_entries() {
            let entry = entry.unwrap();
            let mut member = members.next().unwrap().unwrap();
            let pax_mtime = member.pax_extensions().unwrap().and_then(|mut records| {
                let record = records.find_map(|record| record.ok().filter(|record| record.key() == Ok("mtime")))?;
                record.value().unwrap().parse::<i64>().ok()
            });
            let header = member.header();
            let kind = match header.entry_type() {
                tar::EntryType::Regular => EntryKind::File,
                tar::EntryType::Directory => EntryKind::Directory,
                tar::EntryType::Symlink => EntryKind::Symlink,
                other => panic!("{other:?}"),
            };
            let expected_kind = if entry.kind.is_reserved() { EntryKind::File } else { entry.kind };
            assert_eq!(kind, expected_kind, "{}", entry.path);
            let mtime = pax_mtime.unwrap_or(header.mtime().unwrap() as i64);
            assert_eq!((header.mode().unwrap(), mtime), (u32::from(entry.mode), entry.mtime.seconds), "{}", entry.path);
            let path = member.path_bytes().into_owned();
            let path = path.strip_suffix(b"/").unwrap_or(&path);
            assert_eq!(path, entry.path.as_str().as_bytes());
            let target = member.link_name_bytes().map(|target| target.into_owned());
            assert_eq!(
                target.as_deref(),
                entry.target.as_ref().map(|target| target.as_str().as_bytes()),
                "{}",
                entry.path
            );
            let mut content = Vec::new();
            member.read_to_end(&mut content).unwrap();
            assert_eq!(content.len() as u64, entry.size, "{}", entry.path);
            let digest = if entry.kind.has_content() { Digest::of(&content) } else { Digest::ZERO };
            assert_eq!(digest, entry.digest, "{}", entry.path);
        }
        assert!(members.next().is_none());
    }
}

/// Records are decoded by protoc from what plain tar extracts, as FORMAT.md and stream.txt tell; nothing of ours is used.
#[test]
fn protoc_decodes_what_plain_tar_extracts() {
    if !have("protoc_decodes_what_plain_tar_extracts", &["protoc", "tar", "zstd"]) {
        return;
    }
    let sample = sample("streams-and-large");
    let out = tempfile::tempdir().unwrap();
    run(Command::new("tar").arg("-xf").arg(&sample.path).arg("-C").arg(out.path()));
    let reserved = out.path().join(".rosettar");
    let streams = support::names_in(&reserved.join("streams"));
    assert_eq!(streams, ["Other.stream-2_", "events", "late", "without"]);
    for stream in streams {
        let folder = reserved.join("streams").join(&stream);
        let description = std::fs::read_to_string(folder.join("stream.txt")).unwrap();
        let fact = |name: &str| {
            let line = description.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("no {name} in {description}"))
        };
        let set = reserved.join("schemas").join(format!("{}.binpb", fact("schema")));
        let mut count = 0;
        for name in support::names_in(&folder) {
            if name == "stream.txt" {
                continue;
            }
            let batch = std::fs::read(folder.join(name)).unwrap();
            let mut rest = &batch[..];
            while !rest.is_empty() {
                let len = prost::decode_length_delimiter(&mut rest).unwrap();
                let (record, after) = rest.split_at(len);
                rest = after;
                // The first of each batch and one more: starting protoc takes a while.
                if rest.len() + len + 2 > batch.len() - 2 || count == 1234 {
                    let text = decode_with_protoc(&set, fact("type"), record);
                    match stream.as_str() {
                        "events" => assert!(text.contains(&format!("name: \"event {count}\"")), "{text}"),
                        "late" => assert!(text.contains(&format!("name: \"event {}\"", -count)), "{text}"),
                        _ => assert_eq!(text, if count == 0 { "" } else { "b: \"x\"\n" }),
                    }
                }
                count += 1;
            }
        }
        assert_eq!(count as u64, sample.archive.stream(&stream).unwrap().len(), "{stream}");
    }
    // The manifest, too, by the description of itself that it carries.
    let at = 29;
    let len = u32::from_le_bytes(sample.bytes[at + 4..at + 8].try_into().unwrap()) as usize;
    let body = &sample.bytes[at + 48..at + 8 + len];
    let text = decode_with_protoc(&reserved.join("schemas/00000000.binpb"), "rosettar.v1.Manifest", body);
    assert!(text.contains("key: \"what\""), "{text}");
}

fn decode_with_protoc(set: &Path, type_name: &str, message: &[u8]) -> String {
    let mut child = Command::new("protoc")
        .arg(format!("--decode={type_name}"))
        .arg(format!("--descriptor_set_in={}", set.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), message).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn protoc_compiles_printed_schemas_to_equal_descriptors() {
    if !have("protoc_compiles_printed_schemas_to_equal_descriptors", &["protoc"]) {
        return;
    }
    let archive = &sample("streams-and-large").archive;
    assert_eq!(archive.facts().schemas, 3);
    for number in 0..archive.facts().schemas {
        let folder = tempfile::tempdir().unwrap();
        let files = archive.proto_files(number).unwrap();
        for (path, text) in &files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let set = folder.path().join("set.binpb");
        let mut command = Command::new("protoc");
        command
            .arg("-I")
            .arg(folder.path())
            .arg("--include_imports")
            .arg(format!("--descriptor_set_out={}", set.display()));
        run(command.args(files.iter().map(|(path, _)| path)));
        let by_path = |bytes: &[u8]| {
            let mut set = prost_types::FileDescriptorSet::decode(bytes).unwrap();
            set.file.sort_by(|a, b| a.name().cmp(b.name()));
            set.file.iter_mut().for_each(|file| file.source_code_info = None);
            set
        };
        let compiled = by_path(&std::fs::read(&set).unwrap());
        assert_eq!(compiled, by_path(archive.descriptor_set(number).unwrap()), "Schema {number}");
    }
}

/// The reader in pure Python, which was written from the specification alone, proves what we wrote.
#[test]
fn the_python_reader_agrees() {
    const NAME: &str = "the_python_reader_agrees";
    if !have(NAME, &["python3"]) {
        return;
    }
    let zstd = "try:\n import compression.zstd\nexcept ImportError:\n import backports.zstd";
    if !Command::new("python3").args(["-c", zstd]).output().is_ok_and(|output| output.status.success()) {
        return support::skip(NAME, "the Python package backports.zstd not found; `make test` installs it");
    }
    let reader = support::project().join("conformance/reader/rosettar_reader.py");
    for sample in samples() {
        let output = run(Command::new("python3").arg(&reader).args(["verify", "--json"]).arg(&sample.path));
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let facts = sample.archive.facts();
        assert_eq!(found["root"], facts.root_digest.unwrap().to_string(), "{}", sample.name);
        assert_eq!(found["content"], facts.content_digest.unwrap().to_string(), "{}", sample.name);
        let paths: Vec<String> =
            sample.archive.entries().map(|entry| entry.unwrap().path.as_str().to_owned()).collect();
        let listed: Vec<&str> =
            found["entries"].as_array().unwrap().iter().map(|e| e["path"].as_str().unwrap()).collect();
        assert_eq!(listed, paths, "{}", sample.name);
        let records: Vec<u64> = sample.archive.streams().iter().map(|stream| stream.records).collect();
        let counted: Vec<u64> =
            found["streams"].as_array().unwrap().iter().map(|s| s["records"].as_u64().unwrap()).collect();
        assert_eq!(counted, records, "{}", sample.name);
    }
}
