//! Every bit flipped, and every length: nothing is accepted with another tree than it was written with.

use rosettar::model::C1zEncoding;
use rosettar::{ErrorKind, VerifyOptions};

use super::{ENCODINGS, files, open, tree, write};

/// Whether the file is accepted, and with which tree.
fn accepted(bytes: &[u8]) -> Option<Vec<String>> {
    let archive = open(bytes).ok()?;
    let report = archive.verify(&VerifyOptions::new()).ok()?;
    report.is_sound().then(|| tree(&archive))
}

/// A file without the manifest's descriptors, so that the sweep is short.
fn small(encoding: C1zEncoding) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = rosettar::C1zOptions::new(encoding, "e").schema_version(24).write_to(&mut bytes).unwrap();
    for (path, content) in files().iter().filter(|(path, _)| *path != "d/two.bin") {
        writer.add_bytes(rosettar::NewEntry::new(*path).unwrap(), content).unwrap();
    }
    writer.finish().unwrap();
    bytes
}

#[test]
fn no_flipped_bit_is_accepted_with_another_tree() {
    for encoding in ENCODINGS {
        let bytes = small(encoding);
        let intact = accepted(&bytes).unwrap();
        let (mut other, mut same) = (0, 0);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match accepted(&flipped) {
                Some(found) if found == intact => same += 1,
                Some(_) => other += 1,
                None => {}
            }
        }
        match encoding {
            // Nothing proves a tar, and `verify` says so.
            C1zEncoding::Tar => assert!(other > 0),
            // The unused bit of each frame's header decides nothing, nor do some in the heads of empty blocks.
            C1zEncoding::IndexedZstd => assert!(other == 0 && same < 12, "{other}, {same}"),
            // That, and what the manifest says without a hash.
            _ => {
                assert_eq!(other, 0, "{encoding}");
                assert!(same < 200, "{encoding}: {same}");
            }
        }
        let report = open(&bytes).unwrap().verify(&VerifyOptions::new()).unwrap();
        let says = |text: &str| report.unproven.iter().any(|found| found.contains(text));
        match encoding {
            C1zEncoding::Tar => assert!(says("no hash of any of them"), "{:?}", report.unproven),
            C1zEncoding::TarZstd => assert!(says("no hash of it"), "{:?}", report.unproven),
            _ => assert!(!says("no hash"), "{:?}", report.unproven),
        }
    }
}

#[test]
fn no_shorter_and_no_longer_file_is_accepted() {
    for encoding in ENCODINGS {
        let bytes = write(encoding, &files());
        for len in 0..bytes.len() {
            let error = match open(&bytes[..len]) {
                Err(error) => error,
                Ok(_) => panic!("{encoding}: {len} of {} bytes were accepted", bytes.len()),
            };
            assert!(
                matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Integrity),
                "{encoding}, {len} bytes: {error}"
            );
        }
        for more in [&b"\0"[..], b"x", &[0; 512], &[0; 1024], &bytes] {
            let longer = [&bytes[..], more].concat();
            let error = open(&longer).expect_err("something follows");
            assert!(["c1z.trailing", "envelope.truncated", "c1z.index"].contains(&error.code()), "{encoding}: {error}");
        }
    }
}

/// What verifying cannot find in a file that is damaged, opening does; and the other way round.
#[test]
fn damage_to_a_content_is_found_by_verify_and_hurts_no_other() {
    let bytes = write(C1zEncoding::IndexedZstd, &files());
    let archive = open(&bytes).unwrap();
    let first = bytes.windows(4).position(|found| found == [0x28, 0xB5, 0x2F, 0xFD]).unwrap();
    let mut damaged = bytes.clone();
    damaged[first + 8] ^= 0x10;
    let found = open(&damaged).unwrap();
    let report = found.verify(&VerifyOptions::new()).unwrap();
    assert_eq!((report.problems.len(), report.damaged.as_slice()), (1, &["CURRENT".to_owned()][..]));
    assert!(found.read("CURRENT").is_err());
    assert_eq!(found.read("text").unwrap(), archive.read("text").unwrap());
    let target = tempfile::tempdir().unwrap();
    let out = target.path().join("out");
    assert!(found.extract(&out, &rosettar::ExtractOptions::new()).is_err());
    assert!(!out.exists() && std::fs::read_dir(target.path()).unwrap().next().is_none());
}
