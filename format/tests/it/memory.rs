//! Memory is bounded by chunks and index, whatever the size of what is packed, verified or extracted.
#![cfg(target_os = "linux")]

use std::io::{self, Read};
use std::process::{ChildStdin, Command, Stdio};

use rosettar::{ExtractOptions, NewEntry, ReadOptions, Summary, VerifyOptions, WriteOptions, Writer};

use crate::support::{self, Noise};

/// Tells the child processes what to do, and where.
const VARIABLE: &str = "ROSETTAR_TEST_MEMORY";
const NAME: &str = "memory::work_of_the_child";

/// What each step may hold at its peak, the program itself included.
const MOST: u64 = 100 << 20;

/// `left` bytes, half of which compress.
struct Source {
    noise: Noise,
    left: u64,
}

impl Read for Source {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = buf.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let (noisy, plain) = buf[..len].split_at_mut(len / 2);
        self.noise.fill(noisy);
        plain.fill(b'.');
        self.left -= len as u64;
        Ok(len)
    }
}

/// Runs one step in a process of its own, and returns its peak resident set in bytes.
fn peak_of(step: &str, size: u64, folder: &std::path::Path) -> u64 {
    let output = support::run(
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture", "--test-threads=1"])
            .env(VARIABLE, format!("{step} {size} {}", folder.display())),
    );
    peak_in(&String::from_utf8(output.stdout).unwrap())
}

/// As [`peak_of`], with what `feed` writes on standard input.
fn peak_of_fed<T>(step: &str, size: u64, feed: impl FnOnce(ChildStdin) -> T) -> (u64, T) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture", "--test-threads=1"])
        .env(VARIABLE, format!("{step} {size} -"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let fed = feed(child.stdin.take().unwrap());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    (peak_in(&String::from_utf8(output.stdout).unwrap()), fed)
}

fn peak_in(text: &str) -> u64 {
    let peak = text.lines().find_map(|line| line.split_once("peak ")).unwrap_or_else(|| panic!("no peak in {text}"));
    peak.1.trim().parse().unwrap()
}

/// Does nothing in an ordinary run.
#[test]
fn work_of_the_child() {
    let Ok(work) = std::env::var(VARIABLE) else { return };
    let mut words = work.splitn(3, ' ');
    let (step, size) = (words.next().unwrap(), words.next().unwrap().parse::<u64>().unwrap());
    let folder = std::path::PathBuf::from(words.next().unwrap());
    let path = folder.join("a.rtar");
    match step {
        "nothing" => {}
        "pack" => pack(&path, size),
        "verify" => {
            let report = ReadOptions::new()
                .threads(2)
                .open_path(&path)
                .unwrap()
                .verify(&VerifyOptions::new().records(true))
                .unwrap();
            assert!(report.is_sound() && report.decoded_bytes > size, "{report:?}");
        }
        "extract" => {
            let out = folder.join("out");
            let report =
                ReadOptions::new().threads(2).open_path(&path).unwrap().extract(&out, &ExtractOptions::new()).unwrap();
            assert!(report.bytes > size / 2);
            std::fs::remove_dir_all(out).unwrap();
        }
        "recover" => {
            // Without its end, there is no index, so that all must be found by the chain.
            let bytes = std::fs::File::options().write(true).open(&path).unwrap();
            bytes.set_len(bytes.metadata().unwrap().len() - 100_000).unwrap();
            let writer = WriteOptions::new().threads(2).create(folder.join("new.rtar")).unwrap();
            let report = rosettar::RecoverOptions::new().recover_path(&path, writer).unwrap();
            assert!(report.losses.file_bytes > size / 2 && report.losses.records > 0, "{report:?}");
            std::fs::remove_file(folder.join("new.rtar")).unwrap();
        }
        "records" => {
            let archive = ReadOptions::new().threads(2).open_path(&path).unwrap();
            let stream = archive.stream("events").unwrap();
            let mut records = stream.records(..).unwrap();
            let mut count = 0;
            while records.next_record().unwrap().is_some() {
                count += 1;
            }
            assert_eq!(count, stream.len());
        }
        "stream" => {
            let stream = ReadOptions::new().threads(2).stream(io::stdin()).unwrap();
            let (confirmed, _) = stream.verify(&VerifyOptions::new().records(true)).unwrap();
            assert!(confirmed.facts().totals.tar_bytes > size);
        }
        _ => panic!("{step}"),
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("\npeak {}", kib << 10);
}

/// A large file of a known and one of an unknown size, many small files, and a stream, a quarter each.
fn pack(path: &std::path::Path, size: u64) {
    fill(WriteOptions::new().threads(2).create(path).unwrap(), size);
}

fn fill(mut writer: Writer<'_>, size: u64) -> Summary {
    let quarter = size / 4;
    let entry = |path: String| NewEntry::new(path).unwrap();
    let source = |left| Source { noise: Noise::new(left), left };
    writer.add_reader(entry("large".into()), Some(quarter), source(quarter)).unwrap();
    writer.add_reader(entry("unknown".into()), None, source(quarter)).unwrap();
    for number in 0..quarter / 65_536 {
        writer.add_reader(entry(format!("small/{number}")), Some(65_536), source(65_536)).unwrap();
    }
    let stream = writer.declare("events", support::small_type()).unwrap();
    for number in 0..quarter / 4096 {
        let mut record = vec![0x0a, 0x80, 0x20];
        record.extend(support::noise(4096, number));
        writer.append_encoded(stream, &record).unwrap();
    }
    writer.finish().unwrap()
}

fn check(size: u64) {
    let folder = tempfile::tempdir().unwrap();
    for step in ["nothing", "pack", "verify", "extract", "records", "recover"] {
        let peak = peak_of(step, size, folder.path());
        println!("{step}: {} MiB", peak >> 20);
        assert!(peak < MOST, "{step} of {size} bytes took {peak} bytes of memory");
    }
}

#[test]
fn memory_does_not_grow_with_256_mebibytes() {
    check(256 << 20);
}

#[test]
#[ignore = "slow: run by make test-slow"]
fn memory_does_not_grow_with_a_gibibyte() {
    check(1 << 30);
}

/// A stream of very many entries takes, beside that, the index and 64 bytes an entry and a frame.
#[test]
fn memory_of_a_stream_grows_by_little_with_its_entries() {
    const ENTRIES: u64 = 400_000;
    let (peak, summary) = peak_of_fed("stream", 0, |stdin| {
        let mut writer = WriteOptions::new().level(1).threads(1).write_to(stdin).unwrap();
        for number in 0..ENTRIES {
            // Directories that are no entries, too.
            let path = format!("{}/{}/file-{number:06}", number / 4000, number / 40);
            writer.add_bytes(NewEntry::new(path).unwrap(), b"").unwrap();
        }
        writer.finish().unwrap()
    });
    let frames = summary.totals.tar_bytes / (4 << 20) + 100;
    // As decoded: a path, a digest and some numbers an entry.
    let index = ENTRIES * (20 + 32 + 20);
    let most = (64 << 20) + index + 64 * (ENTRIES + frames);
    println!("{} MiB of at most {} MiB", peak >> 20, most >> 20);
    assert!(peak < most, "{peak} bytes of memory: expected less than {most}");
}

/// Two gibibytes through a pipe take at most 64 MiB, the chunks in flight and the index included: a fixed bound, though
/// more would be allowed for more of those.
#[test]
fn memory_does_not_grow_with_two_gibibytes_from_a_pipe() {
    let size = 2 << 30;
    let (peak, summary) = peak_of_fed("stream", size, |stdin| {
        fill(WriteOptions::new().level(1).threads(1).write_to(stdin).unwrap(), size)
    });
    println!("{} MiB, {} entries", peak >> 20, summary.totals.entries());
    assert!(peak < 64 << 20, "{peak} bytes of memory: expected less than 64 MiB");
}
