//! Cuts at every place, and damages at random ones.

use std::collections::HashMap;

use rosettar::{Archive, ArchiveStream, EntryKind, ReadOptions};

use super::oracle::{Intact, records_of, same, whole_records};
use super::{recover, sample};
use crate::support::Noise;

/// Every prefix at a multiple of 97 bytes, and at each end of a frame and the byte before and after it: recovered is
/// exactly what is complete in it; read from a pipe, it is said to be cut off.
#[test]
fn every_prefix_gives_exactly_what_is_complete_in_it() {
    let intact = Intact::new(sample());
    let users = intact.members.iter().filter(|member| member.entry.is_some()).count();
    assert_eq!(users, 200);
    let mut cuts: Vec<usize> = (0..intact.bytes.len()).step_by(97).collect();
    cuts.extend(intact.frames.iter().flat_map(|frame| [frame.stored.end - 1, frame.stored.end, frame.stored.end + 1]));
    cuts.sort_unstable();
    cuts.dedup();
    println!("{} bytes, {} frames, {} cuts", intact.bytes.len(), intact.frames.len(), cuts.len());
    std::thread::scope(|scope| {
        for half in 0..2 {
            let (intact, cuts) = (&intact, &cuts);
            scope.spawn(move || cuts.iter().skip(half).step_by(2).for_each(|cut| check_prefix(intact, *cut)));
        }
    });
}

fn check_prefix(intact: &Intact, len: usize) {
    let prefix = &intact.bytes[..len];
    assert!(len < intact.bytes.len());
    let streamed = ReadOptions::new().threads(1).stream(prefix).and_then(ArchiveStream::confirm);
    assert_eq!(streamed.unwrap_err().code(), "envelope.truncated", "{len}");
    if len < 25 {
        let error = recover(prefix).unwrap_err();
        assert_eq!(error.code(), "envelope.truncated", "{len}");
        return;
    }
    let (archive, report) = recover(prefix).unwrap();
    let expected = intact.entries_in(len);
    let found: Vec<_> = archive.entries().map(|entry| entry.unwrap()).collect();
    assert_eq!(found.len(), expected.len(), "cut at {len}");
    // Entry tables are whole where the cut is after them.
    let tables = intact.frames.len() - 2;
    let has_tables = intact.frames[tables].stored.end <= len;
    for (found, expected) in found.iter().zip(expected) {
        assert!(same(found, expected), "cut at {len}: {found:?} instead of {expected:?}");
        assert_eq!(
            found.mtime.nanoseconds == expected.mtime.nanoseconds,
            has_tables || expected.mtime.nanoseconds == 0
        );
    }
    assert_eq!(records_of(&archive), intact.records_in(len), "cut at {len}");
    let manifest = intact.frames[2].stored.end <= len;
    assert_eq!(archive.facts().manifest.attributes.contains_key("title"), manifest, "cut at {len}");
    let index = intact.frames[intact.frames.len() - 1].stored.end <= len;
    assert_eq!(report.losses.by_index, index, "cut at {len}");
    assert_eq!(report.is_complete(), index, "cut at {len}: {report:?}");
    assert!(report.losses.kept_as_files.is_empty() && report.losses.lost_schemas.is_empty(), "cut at {len}");
}

/// What was recovered of damaged archives never has anything that the intact one has not, and has nearly all that is
/// whole.
#[test]
fn a_thousand_random_damages() {
    let intact = Intact::new(sample());
    let original = Original::new(&intact);
    let shares: Vec<(f64, f64)> = std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| {
            let (intact, original) = (&intact, &original);
            scope.spawn(move || {
                let seeds = (half..1000).step_by(2);
                seeds.map(|seed| check_damage(intact, original, seed, 0)).collect::<Vec<_>>()
            })
        });
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    let mean = |of: fn(&(f64, f64)) -> f64| shares.iter().map(of).sum::<f64>() / shares.len() as f64;
    let (entries, records) = (mean(|share| share.0), mean(|share| share.1));
    println!(
        "1000 damages: {:.2} % of the complete entries, {:.2} % of the complete records",
        100. * entries,
        100. * records
    );
    assert!(entries >= 0.9 && records >= 0.9);
}

/// Without an index, what is recovered ends with the first damage, and still has nothing that was never there.
#[test]
fn random_damages_and_cuts() {
    let intact = Intact::new(sample());
    let original = Original::new(&intact);
    let index = intact.bytes.len() - intact.frames.last().unwrap().stored.start;
    for seed in 1000..1200 {
        let (entries, records) = check_damage(&intact, &original, seed, index - 1 + seed as usize % 1000);
        assert!((0. ..=1.).contains(&entries) && (0. ..=1.).contains(&records));
    }
}

/// The intact content, for comparison.
struct Original {
    /// The records of each stream.
    records: HashMap<String, Vec<Vec<u8>>>,
}

impl Original {
    fn new(intact: &Intact) -> Self {
        let mut records: HashMap<String, Vec<Vec<u8>>> = HashMap::new();
        for (stream, member) in intact.batches() {
            let mut content = &intact.tar[member.content.clone()];
            while !content.is_empty() {
                let (_, len) = first_record(content);
                records.entry(stream.to_owned()).or_default().push(content[..len].to_vec());
                content = &content[len..];
            }
        }
        Self { records }
    }
}

fn first_record(content: &[u8]) -> (u64, usize) {
    let len = (1..=content.len()).find(|len| whole_records(&content[..*len]).0 == 1).unwrap();
    (1, len)
}

/// Damages the archive, recovers it without its last `cut` bytes, and returns the shares of what is complete in the whole
/// that were recovered.
fn check_damage(intact: &Intact, original: &Original, seed: u64, cut: usize) -> (f64, f64) {
    let mut noise = Noise::new(seed + 1);
    let mut bytes = intact.bytes.clone();
    let blocks = bytes.len() / 4096;
    for _ in 0..1 + noise.next() % 3 {
        let block = |noise: &mut Noise| (noise.next() as usize % blocks) * 4096;
        match seed % 3 {
            0 => {
                let bit = noise.next() as usize % (8 * bytes.len());
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            1 => {
                let at = block(&mut noise);
                bytes[at..at + 4096].fill(0);
            }
            _ => {
                let (a, b) = (block(&mut noise), block(&mut noise));
                let first = bytes[a..a + 4096].to_vec();
                bytes.copy_within(b..b + 4096, a);
                bytes[b..b + 4096].copy_from_slice(&first);
            }
        }
    }
    let whole = intact.whole_frames(&bytes);
    let (entries, records) = complete(intact, &whole);
    let archive = match recover(&bytes[..bytes.len() - cut]) {
        Ok((archive, _)) => archive,
        // Head, manifest and index are all damaged.
        Err(error) if error.code() == "envelope.unknown-magic" => {
            assert!(!whole[0] || !whole[1]);
            return (0., 0.);
        }
        Err(error) if error.code() == "envelope.unsupported-version" => return (0., 0.),
        Err(error) => panic!("seed {seed}: {error}"),
    };
    let (mut found, mut kept) = (0, 0);
    for entry in archive.entries() {
        let entry = entry.unwrap();
        let path = entry.path.as_str();
        if let Some(rest) = path.strip_prefix("recovered-records/") {
            let stream = rest.split('/').next().unwrap();
            let content = archive.read(path).unwrap();
            let all: Vec<u8> = original.records[stream].concat();
            assert!(all.windows(content.len()).any(|part| part == content), "seed {seed}: {path}");
            kept += whole_records(&content).0;
            continue;
        }
        let member = intact.members.iter().find(|member| member.path == path);
        let member = member.unwrap_or_else(|| panic!("seed {seed}: an entry {path} that was never there"));
        assert!(same(&entry, member.entry.as_ref().unwrap()), "seed {seed}: {entry:?}");
        if entry.kind == EntryKind::File {
            assert!(archive.read(path).unwrap() == intact.tar[member.content.clone()], "seed {seed}: {path}");
        }
        found += 1;
    }
    let salvaged: u64 = check_records(&archive, original, seed);
    assert!(found <= entries && salvaged + kept <= records, "seed {seed}");
    (found as f64 / entries as f64, (salvaged + kept) as f64 / records as f64)
}

/// How many entries and records are complete where these frames are whole.
fn complete(intact: &Intact, whole: &[bool]) -> (usize, u64) {
    let users = intact.members.iter().filter(|member| member.entry.is_some());
    let entries = users.filter(|member| intact.is_whole(whole, &member.whole)).count();
    let mut records = 0;
    for (_, member) in intact.batches() {
        if !intact.is_whole(whole, &(member.whole.start..member.content.start)) {
            continue;
        }
        let broken = intact.frames.iter().zip(whole).filter(|(frame, whole)| {
            !**whole && frame.tar.start < member.content.end && frame.tar.end > member.content.start
        });
        let until = broken.map(|(frame, _)| frame.tar.start).min().unwrap_or(member.content.end);
        let until = until.clamp(member.content.start, member.content.end);
        records += whole_records(&intact.tar[member.content.start..until]).0;
    }
    (entries, records)
}

/// Checks that the records are some of the original ones, in their order; how many there are.
fn check_records(archive: &Archive, original: &Original, seed: u64) -> u64 {
    let mut count = 0;
    for info in archive.streams() {
        let mut left = original.records[info.name()].iter();
        let mut records = archive.stream(info.name()).unwrap().records(..).unwrap();
        while let Some(record) = records.next_record().unwrap() {
            let mut framed = Vec::new();
            rosettar::record::put_record(&mut framed, record);
            let name = info.name();
            assert!(left.any(|original| *original == framed), "seed {seed}: a record of {name} that was never there");
            count += 1;
        }
    }
    count
}
