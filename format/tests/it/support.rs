//! What the tests share.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use rosettar::{Archive, ReadOptions, RecordType, VerifyOptions};

/// The root of the project.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Compares the file at `path` with `expected`; with `ROSETTAR_BLESS=1` in the environment writes it instead.
pub fn assert_file_is(path: &Path, expected: &[u8]) {
    if std::env::var_os("ROSETTAR_BLESS").is_some() {
        std::fs::write(path, expected).unwrap();
    }
    let found = std::fs::read(path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is not what its source yields; run the tests once with ROSETTAR_BLESS=1 to write it anew",
        path.display()
    );
}

/// Whether all of `programs` are installed; where one is not, says so on the real standard error, so that
/// `grep '^skipped:'` finds every test that proved nothing.
pub fn have(test: &str, programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing = programs.iter().find(|program| !std::env::split_paths(&path).any(|dir| dir.join(program).is_file()));
    if let Some(program) = missing {
        skip(test, &format!("{program} not found"));
    }
    missing.is_none()
}

/// Says that a test proves nothing here, and why.
pub fn skip(test: &str, why: &str) {
    // The macros' output is captured and, as the test passes, dropped; a direct write is not.
    std::io::stderr().write_all(format!("skipped: {test}: {why}\n").as_bytes()).unwrap();
}

/// Runs a command that must succeed.
pub fn run(command: &mut Command) -> Output {
    let output = command
        .env("LC_ALL", "C.UTF-8")
        .env("PYTHONUTF8", "1")
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    output
}

/// Bytes that do not compress, the same for the same seed.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut noise = Noise::new(seed);
    let mut bytes = vec![0; len];
    noise.fill(&mut bytes);
    bytes
}

/// A source of bytes that do not compress (xorshift64*).
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            piece.copy_from_slice(&word[..piece.len()]);
        }
    }
}

/// Compiles `.proto` texts, each with the path that imports name it by, to one descriptor set.
pub fn compile(files: &[(&str, &str)]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = files.iter().map(|(path, _)| folder.path().join(path)).collect();
    for (path, (_, text)) in paths.iter().zip(files) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    rosettar::schema::compile(&paths, &[folder.path()]).unwrap()
}

const EVENT_PROTO: &str = r#"
syntax = "proto3";
package world;
import "google/protobuf/timestamp.proto";

// Something that happened.
message Event {
  enum Kind {
    KIND_UNSPECIFIED = 0;
    KIND_ARRIVAL = 1;
  }
  string name = 1;
  sint64 number = 2;
  repeated double values = 3;
  Kind kind = 4;
  map<string, uint32> counts = 5;
  google.protobuf.Timestamp at = 6;
  oneof place {
    string city = 7;
    bytes code = 8;
  }
}
"#;

/// The descriptor set of `world.Event`.
pub fn event_set() -> Vec<u8> {
    static SET: OnceLock<Vec<u8>> = OnceLock::new();
    SET.get_or_init(|| compile(&[("world/event.proto", EVENT_PROTO)])).clone()
}

/// The record type `world.Event`.
pub fn event_type() -> RecordType {
    RecordType::new("world.Event", event_set())
}

/// `world.Event` as far as the tests use it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Event {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(sint64, tag = "2")]
    pub number: i64,
    #[prost(double, repeated, tag = "3")]
    pub values: Vec<f64>,
    #[prost(int32, tag = "4")]
    pub kind: i32,
}

impl prost::Name for Event {
    const NAME: &'static str = "Event";
    const PACKAGE: &'static str = "world";
}

/// An event that looks like number `number`.
pub fn event(number: i64) -> Event {
    Event { name: format!("event {number}"), number, values: vec![number as f64 / 3.0], kind: (number % 2) as i32 }
}

/// A set that defines the record type `small.R`, as short as can be.
pub fn small_type() -> RecordType {
    static SET: OnceLock<Vec<u8>> = OnceLock::new();
    let set =
        SET.get_or_init(|| compile(&[("r.proto", "syntax=\"proto3\"; package small; message R { bytes b = 1; }")]));
    RecordType::new("small.R", set.clone())
}

/// Opens bytes on one thread.
pub fn open(bytes: &[u8]) -> rosettar::Result<Archive> {
    ReadOptions::new().threads(1).open(bytes.to_vec())
}

/// Opens and verifies, records included; fails with the first thing that is wrong.
pub fn prove(bytes: &[u8]) -> Archive {
    let archive = open(bytes).unwrap();
    prove_archive(&archive);
    archive
}

/// Verifies, records included; panics with the first thing that is wrong.
pub fn prove_archive(archive: &Archive) {
    let report = archive.verify(&VerifyOptions::new().records(true)).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
}

/// The names in a directory.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
