//! Recovery: exactly what is whole, held against an oracle that knows the intact file.

mod damage;
mod hostile;
mod oracle;
mod rules;

use rosettar::{Archive, NewEntry, RecordType, RecoverOptions, RecoverReport, Result, WriteOptions};

use crate::support;

/// Recovers into memory; the new archive was verified, records included, and its totals are those of the report.
fn recover(broken: &[u8]) -> Result<(Archive, RecoverReport)> {
    let mut salvaged = Vec::new();
    let writer = WriteOptions::new().level(1).threads(1).write_to(&mut salvaged)?;
    let report = RecoverOptions::new().recover(broken.to_vec(), writer)?;
    let archive = support::prove(&salvaged);
    let kept = report.losses.kept_as_files.len();
    assert_eq!(archive.facts().totals.user_entries(), report.losses.entries + kept);
    assert_eq!(archive.facts().totals.records, report.losses.records);
    let carries = archive.facts().manifest.annotations.iter().any(|a| a.type_name() == "rosettar.v1.RecoveryReport");
    assert_eq!(carries, !report.is_complete(), "{report:?}");
    Ok((archive, report))
}

fn entry(path: &str) -> NewEntry {
    NewEntry::new(path).unwrap()
}

/// Two hundred entries of all kinds and three streams in many small frames: one stream of big records in batches of
/// several frames, one of small ones, one declared late.
fn sample() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = WriteOptions::new().level(1).threads(1).chunk_size(4096).write_to(&mut bytes).unwrap();
    writer.attribute("title", "recovery").unwrap();
    let small = writer.declare("small", support::event_type()).unwrap();
    let big = writer.declare("big", support::small_type()).unwrap();
    let blob = |len: usize, seed: u64| {
        let mut record = vec![0x0a];
        let mut n = len;
        while n >= 0x80 {
            record.push(n as u8 | 0x80);
            n >>= 7;
        }
        record.push(n as u8);
        record.extend(support::noise(len, seed));
        record
    };
    let mut late = None;
    for number in 0..200u64 {
        let time = rosettar::Mtime { seconds: 1_700_000_000 + number as i64, nanoseconds: number as u32 };
        match number % 20 {
            0 => writer.add_directory(entry(&format!("d{number:03}")).mode(0o750).mtime(time)).unwrap(),
            1 => writer.add_symlink(entry(&format!("l{number:03}")).mtime(time), "../ünside").unwrap(),
            2 if number % 40 == 2 => {
                writer
                    .add_bytes(entry(&format!("large{number}")).mtime(time), &support::noise(11_000, number))
                    .unwrap();
            }
            3 => writer.add_bytes(entry(&format!("{}é{number}", "long/".repeat(21))).mtime(time), b"x").unwrap(),
            other => {
                let content = support::noise((number * 7 % 900) as usize, number);
                let path = format!("d{:03}/f{number:03}", number - other);
                writer.add_bytes(entry(&path).mode(0o600 + other as u32).mtime(time), &content).unwrap();
            }
        }
        for event in 0..4 {
            writer.append(small, &support::event((number * 4 + event) as i64)).unwrap();
        }
        if number % 9 == 0 {
            writer.append_encoded(big, &blob(700 + number as usize * 10, number)).unwrap();
        }
        if number == 150 {
            writer.append_encoded(big, &blob(15_000, 1)).unwrap();
            let set =
                support::compile(&[("late.proto", "syntax=\"proto3\"; package late; message L { bytes b = 1; }")]);
            late = Some(writer.declare("late", RecordType::new("late.L", set)).unwrap());
        }
        if let Some(late) = late {
            writer.append_encoded(late, &blob(300, number)).unwrap();
        }
    }
    writer.attribute("learned", "late").unwrap();
    writer.finish().unwrap();
    bytes
}
