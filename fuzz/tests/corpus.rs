//! Every target, on the seeds and on the inputs in `corpus/`, which an archive for each holds.

use std::fs;
use std::path::Path;

use rosettar_fuzz::{seeds, targets};

/// What the corpus has for a target: an archive of inputs that fuzzing found.
fn found(target: &str) -> Vec<(String, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target).with_extension("rtar");
    let archive = rosettar::open_path(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let files = archive.entries().map(Result::unwrap).filter(|entry| entry.kind.has_content());
    files.map(|entry| (entry.path.to_string(), archive.read(entry.path.as_str()).unwrap())).collect()
}

/// One after the other: what is held at a time is counted for the whole process.
#[test]
fn every_target_on_its_corpus() {
    let seeds = seeds::all();
    for (target, run) in targets::ALL {
        let of_target = seeds.iter().filter(|(of, ..)| of == target);
        let inputs: Vec<_> =
            of_target.map(|(_, name, bytes)| (name.clone(), bytes.clone())).chain(found(target)).collect();
        assert!(inputs.len() > 200, "{target} has {} inputs", inputs.len());
        for (name, bytes) in &inputs {
            println!("{target}: {name}");
            run(bytes);
        }
    }
}

/// What was taken apart and put together again is as good as it was.
#[test]
fn sealing_gives_sound_archives() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/vectors");
    let mut sound = 0;
    for entry in fs::read_dir(vectors).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rtar") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let judge = |bytes: Vec<u8>| {
            let report = rosettar::open(bytes)?.verify(&rosettar::VerifyOptions::new())?;
            Ok::<_, rosettar::Error>(report.is_sound())
        };
        if judge(bytes.clone()).is_ok_and(|sound| sound) {
            let again = judge(rosettar_fuzz::forge::seal(&rosettar_fuzz::forge::unseal(&bytes)));
            assert!(again.is_ok_and(|sound| sound), "{}", path.display());
            sound += 1;
        }
    }
    assert!(sound >= 10, "only {sound} vectors are sound");
}

/// The same of C1Z files.
#[test]
fn sealing_gives_c1z_files_that_open() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/c1z/vectors");
    let mut opened = [0; 2];
    for entry in fs::read_dir(vectors).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "c1z") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        if rosettar::open(bytes.clone()).is_ok() {
            let parts = rosettar_fuzz::forge::c1z::unseal(&bytes);
            rosettar::open(rosettar_fuzz::forge::c1z::seal(&parts))
                .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            opened[usize::from(parts[0] != 0)] += 1;
        }
    }
    assert!(opened[1] >= 10, "{opened:?}: of those that open, most are taken apart");
}
