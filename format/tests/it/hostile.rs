//! Archives made to do harm, with every digest right: conformance/writer.py forges them.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use rosettar::{Archive, VerifyOptions};

use crate::support;

/// Builds the archive `a` that `script`, after `from writer import *`, assigns; `None` where there is no Python.
pub fn forge(test: &str, script: &str) -> Option<Vec<u8>> {
    if !support::have(test, &["python3"]) {
        return None;
    }
    let script = format!("import sys\nfrom writer import *\n{script}\nsys.stdout.buffer.write(a.build())\n");
    let writer = support::project().join("conformance");
    let output = support::run(Command::new("python3").args(["-B", "-c", &script]).env("PYTHONPATH", writer));
    Some(output.stdout)
}

fn records(archive: &Archive, stream: &str) -> rosettar::Result<Vec<Vec<u8>>> {
    archive.stream(stream)?.records(..)?.collect()
}

const GREETINGS: &str = r#"
a = Archive().schema(GREETING, ("greetings", "example.Greeting", 1))
"#;

#[test]
fn record_counts_whose_sum_overflows_are_refused() {
    let script = r#"
most = (1 << 64) - 1
a.batch("greetings", greeting("a")).batch("greetings", greeting("b"))
def columns(c):
    c["record_counts"] = [1, most]
def index(i):
    i["pages"][0]["record_counts"] = [most]
    i["streams"][0]["record_count"] = i["totals"]["records"] = most
a.on("columns", columns).on("index", index)
"#;
    let Some(bytes) = forge("record_counts_whose_sum_overflows_are_refused", &[GREETINGS, script].concat()) else {
        return;
    };
    let archive = support::open(&bytes).unwrap();
    let stream = archive.stream("greetings").unwrap();
    assert_eq!(stream.record(1).unwrap_err().code(), "index.pages");
    assert_eq!(stream.record(u64::MAX - 1).unwrap_err().code(), "index.pages");
    assert_eq!(archive.verify(&VerifyOptions::new()).unwrap().problems[0].code(), "index.pages");
}

/// The last record of a batch is not yielded before the batch was found to end with it and to have its digest.
#[test]
fn what_a_batch_holds_is_what_its_entry_says() {
    let test = "what_a_batch_holds_is_what_its_entry_says";
    let lies = [
        (r#"a.batch("greetings", greeting("a"), greeting("b"), count=1)"#, "record.count", 0),
        (r#"a.batch("greetings", greeting("a"), count=2)"#, "record.count", 1),
        (r#"a.batch("greetings", greeting("a"), greeting("b"), count=1).batch("greetings", b"")"#, "record.count", 0),
        (r#"a.batch("greetings", content=b"\x00\x05", count=1)"#, "record.count", 0),
        (
            "def columns(c):\n    c['digests'][-1] = bytes(32)\na.batch('greetings', b'', b'').on('columns', columns)",
            "entry.digest",
            1,
        ),
    ];
    for (lie, code, before) in lies {
        let Some(bytes) = forge(test, &[GREETINGS, lie].concat()) else { return };
        let archive = support::open(&bytes).unwrap();
        let mut records = archive.stream("greetings").unwrap().records(..).unwrap();
        for _ in 0..before {
            records.next_record().unwrap().unwrap();
        }
        assert_eq!(records.next_record().unwrap_err().code(), code, "{lie}");
        assert!(records.next_record().unwrap().is_none());
    }
    let good = r#"a.batch("greetings", greeting("a"), b"").batch("greetings", b"")"#;
    let archive = support::open(&forge(test, &[GREETINGS, good].concat()).unwrap()).unwrap();
    assert_eq!(records(&archive, "greetings").unwrap(), [&b"\x0a\x01a"[..], b"", b""]);
}

const VARIABLE: &str = "ROSETTAR_TEST_HOSTILE";

/// Does nothing in an ordinary run.
#[test]
fn work_of_the_child() {
    let Some(path) = std::env::var_os(VARIABLE) else { return };
    support::prove(&std::fs::read(Path::new(&path)).unwrap());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("\npeak {}", peak.trim().trim_end_matches(" kB"));
}

#[test]
fn streams_of_one_schema_share_what_was_built_of_it() {
    let script = r#"
messages = [(f"M{n}", [("a", 1, 9), ("b", 2, 3)]) for n in range(5000)]
a = Archive().schema(descriptor_set(file_descriptor("m.proto", "m", messages)), *[(f"s{n}", f"m.M{n}", 1) for n in range(150)])
for n in range(150):
    a.batch(f"s{n}", b"")
"#;
    let Some(bytes) = forge("streams_of_one_schema_share_what_was_built_of_it", script) else { return };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let output = support::run(
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "hostile::work_of_the_child", "--nocapture", "--test-threads=1"])
            .env(VARIABLE, file.path()),
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let peak = text.lines().find_map(|line| line.split_once("peak ")).unwrap_or_else(|| panic!("no peak in {text}"));
    let kib: u64 = peak.1.trim().parse().unwrap();
    assert!(kib < 150 << 10, "{kib} KiB");
}

/// Each type was looked for by a walk over the whole file.
#[test]
fn types_of_many_streams_in_one_large_file_cost_one_walk() {
    let script = r#"
messages = [(f"M{n}", [("a", 1, 9)]) for n in range(1000)]
large = field(1, "Large") + (varint(200 << 3) + b"\1") * 1_000_000
files = file_descriptor("m.proto", "m", messages) + repeated(4, [large])
a = Archive().schema(descriptor_set(files), *[(f"s{n}", f"m.M{n}", 1) for n in range(1000)])
"#;
    let Some(bytes) = forge("types_of_many_streams_in_one_large_file_cost_one_walk", script) else { return };
    let start = std::time::Instant::now();
    support::prove(&bytes);
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
}
