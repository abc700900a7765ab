//! The inputs that fuzzing begins with: every vector, sealed and as it is, and a few bytes of every kind.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{forge, targets};

/// An input: its target, a name, and its bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// All of them. The project's directory is where the vectors are.
pub fn all() -> Vec<Seed> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seeds = Vec::new();
    for (name, bytes) in files(&project.join("conformance/vectors"), "rtar") {
        let sealed = [&[0][..], &forge::unseal(&bytes)].concat();
        for target in ["open", "stream", "recover", "extract"] {
            seeds.push((target, name.clone(), sealed.clone()));
        }
        seeds.push(("open", format!("{name}.raw"), [&[1][..], &bytes].concat()));
        if let Ok(archive) = rosettar::open(bytes) {
            for number in 0..archive.facts().schemas {
                if let Ok(set) = archive.descriptor_set(number) {
                    seeds.push(("schema", format!("{name}.{number}"), [set, &[0][..]].concat()));
                }
            }
        }
    }
    for (name, bytes) in files(&project.join("conformance/c1z/vectors"), "c1z") {
        seeds.push(("c1z", format!("{name}.raw"), [&[0][..], &bytes].concat()));
        seeds.push(("c1z", name, forge::c1z::unseal(&bytes)));
    }
    seeds.extend(headers());
    seeds.push(("write", "calls".to_owned(), CALLS.to_vec()));
    seeds.extend(fields());
    seeds
}

/// One call of each kind.
const CALLS: &[u8] = b"\x01\x00\x03a/b\x03abc\x02\x40\x01\x03dir\x02\x01l\x03a/b\x03\x01s\x04\x03\x08\x96\x01\x01\x05\x01k\x01v\x06\x07\x02zz\x05hello";

/// Records of one field, with every number that the types have and every wire type but groups.
fn fields() -> impl Iterator<Item = Seed> {
    let wires: [(u16, &[u8]); 4] = [(0, &[0x96, 1]), (1, &[1; 8]), (2, &[4, 8, 1, 16, 2]), (5, &[2; 4])];
    (1u16..=40).flat_map(move |number| {
        wires.into_iter().map(move |(wire, value)| {
            let key = number << 3 | wire;
            let key = if key < 0x80 { vec![key as u8] } else { vec![key as u8 | 0x80, (key >> 7) as u8] };
            let record = [&key, value].concat();
            // Between two of no bytes.
            let bytes = [&[(number % 2) as u8, 0, record.len() as u8][..], &record, &[0]].concat();
            ("record", format!("field-{number}-{wire}"), bytes)
        })
    })
}

/// Headers with and without PAX records, and what they were made of.
fn headers() -> Vec<Seed> {
    let long = "d/".repeat(60);
    [(0, "a", ""), (1, "d", ""), (2, "l", "../a"), (0, long.as_str(), ""), (2, "\u{fc}", "\u{e9}")]
        .into_iter()
        .enumerate()
        .flat_map(|(number, (kind, path, target))| {
            let numbers: [[u8; 8]; 3] = [0o640u64, 1 << 33, 1 << 40].map(u64::to_le_bytes);
            let path = path.trim_end_matches('/');
            let made = [
                &[1, kind][..],
                &numbers.concat(),
                &[path.len() as u8],
                path.as_bytes(),
                &[target.len() as u8],
                target.as_bytes(),
            ]
            .concat();
            let blocks = [&[0][..], &targets::header::blocks(&made)].concat();
            [("header", format!("made-{number}"), made), ("header", format!("blocks-{number}"), blocks)]
        })
        .collect()
}

/// The files in a directory that are short enough to be mutated.
fn files(directory: &Path, extension: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(directory).expect("a directory of vectors");
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry of it").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    found.sort();
    let named = found.into_iter().map(|path| {
        let name = path.file_stem().expect("a vector has a name").to_string_lossy().into_owned();
        (name, fs::read(path).expect("a vector"))
    });
    named.filter(|(_, bytes)| bytes.len() <= 64 << 10).collect()
}
