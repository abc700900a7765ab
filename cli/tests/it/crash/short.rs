//! Writes and reads that do a part of what they are asked, and interruptions: nothing of that is to be seen.

use std::path::PathBuf;
use std::process::Command;

use super::strace::each;
use super::{Ended, Expected, SCENARIOS, command_of};
use crate::support;

const SEEDS: u64 = 12;

#[test]
fn short_writes_and_reads() {
    let folder = tempfile::tempdir().unwrap();
    let Some(library) = preloaded("short_writes_and_reads", folder.path().join("short.so")) else { return };
    for scenario in SCENARIOS {
        let expected = Expected::of(scenario);
        each(&(0..SEEDS).collect::<Vec<_>>(), |seed| {
            let folder = expected.folder();
            let mut command = command_of(&folder, scenario);
            let output = command.env("LD_PRELOAD", &library).env("SHORT_SEED", seed.to_string()).output().unwrap();
            expected.check_undisturbed(&folder, &Ended { what: format!("short calls, seed {seed}"), output });
        });
    }
}

/// Compiles `short.c`, and makes sure that it does what it is for.
fn preloaded(test: &str, library: PathBuf) -> Option<PathBuf> {
    if !support::have("cc", test) {
        return None;
    }
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/crash/short.c");
    let compiled =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    // `dd` says how many blocks it read whole, and how many in part.
    let mut dd = Command::new("dd");
    let output = dd.args(["if=/dev/zero", "of=/dev/null", "bs=1000", "count=20"]).env("LC_ALL", "C");
    let output = output.env("LD_PRELOAD", &library).env("SHORT_SEED", "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let blocks = text.lines().find_map(|line| line.strip_suffix(" records in"));
    let whole = blocks.and_then(|blocks| blocks.split('+').next()?.parse::<u32>().ok());
    assert!(whole.is_some_and(|whole| whole < 5), "{text}");
    Some(library)
}
