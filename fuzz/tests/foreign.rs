//! Tar files of others in our envelope: refused, or what other readers see in them; never anything else.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rosettar::{EntryKind, ReadOptions, RecoverOptions, VerifyOptions, WriteOptions};
use rosettar_fuzz::forge;

#[test]
fn tar_files_that_other_readers_are_tested_with() {
    let folder = corpus();
    let Some(folder) = folder else {
        eprintln!("skipped: tar_files_that_other_readers_are_tested_with: cargo cannot fetch them");
        return;
    };
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|suffix| suffix == "tar") {
            judge(&path.display().to_string(), &std::fs::read(&path).unwrap());
            count += 1;
        }
    }
    assert!(count > 10, "{count} files");
}

/// What GNU tar, bsdtar and Python write, in all of their formats.
#[test]
fn tar_files_that_other_writers_make() {
    let temp = tempfile::tempdir().unwrap();
    let tree = temp.path().join("tree");
    std::fs::create_dir_all(tree.join("d/e")).unwrap();
    std::fs::write(tree.join("a"), "alpha").unwrap();
    std::fs::write(tree.join("d/e/big"), vec![7; 100_000]).unwrap();
    std::fs::write(tree.join("d").join("n".repeat(120)), "long").unwrap();
    std::fs::write(tree.join("d/\u{fc}"), "composed").unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("a", tree.join("link")).unwrap();
        std::fs::hard_link(tree.join("a"), tree.join("hard")).unwrap();
        let sparse = std::fs::File::create(tree.join("sparse")).unwrap();
        sparse.set_len(1 << 20).unwrap();
    }
    let python = "import sys, tarfile\n\
        with tarfile.open(sys.argv[2], 'w', format=getattr(tarfile, sys.argv[1])) as t: t.add('tree')";
    let mut commands: Vec<Vec<&str>> = Vec::new();
    for format in ["v7", "oldgnu", "gnu", "ustar", "posix"] {
        commands.push(vec!["tar", "--format", format, "-cf", "OUT", "tree"]);
    }
    for format in ["oldgnu", "gnu", "posix"] {
        commands.push(vec!["tar", "-S", "--format", format, "-cf", "OUT", "tree"]);
    }
    for format in ["ustar", "pax", "gnutar", "v7"] {
        commands.push(vec!["bsdtar", "--format", format, "-cf", "OUT", "tree"]);
    }
    for format in ["USTAR_FORMAT", "GNU_FORMAT", "PAX_FORMAT"] {
        commands.push(vec!["python3", "-c", python, format, "OUT"]);
    }
    for (number, command) in commands.iter().enumerate() {
        let out = temp.path().join(format!("{number}.tar"));
        let args = command[1..].iter().map(|arg| if *arg == "OUT" { out.clone() } else { PathBuf::from(arg) });
        let ran = Command::new(command[0]).args(args).current_dir(temp.path()).env("LC_ALL", "C.UTF-8").output();
        match ran {
            // Some formats cannot hold everything, and say so.
            Ok(_) if out.exists() => judge(&command.join(" "), &std::fs::read(out).unwrap()),
            Ok(output) => panic!("{command:?}: {output:?}"),
            Err(_) => eprintln!("skipped: tar_files_that_other_writers_make: {} not found", command[0]),
        }
    }
}

fn corpus() -> Option<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tar-corpus/Cargo.toml");
    let mut cargo = Command::new(env!("CARGO"));
    let output =
        cargo.args(["metadata", "--format-version", "1", "--locked", "--manifest-path"]).arg(manifest).output();
    let output = output.ok().filter(|output| output.status.success())?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "astral-tokio-tar").unwrap();
    Some(Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().join("tests/archives"))
}

/// What the crate `tar` sees under each path, as often as it is there: a file's content, or a link's target.
fn theirs(tar: &[u8]) -> BTreeMap<Vec<u8>, Vec<(tar::EntryType, Vec<u8>)>> {
    let mut found: BTreeMap<Vec<u8>, Vec<_>> = BTreeMap::new();
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().into_iter().flatten() {
        // What it cannot read it does not show.
        let Ok(mut entry) = entry else { break };
        let path = entry.path_bytes().strip_suffix(b"/").map_or_else(|| entry.path_bytes().to_vec(), <[u8]>::to_vec);
        let kind = entry.header().entry_type();
        let mut content = entry.link_name_bytes().map_or_else(Vec::new, |target| target.to_vec());
        if kind.is_file() {
            content.clear();
            if entry.read_to_end(&mut content).is_err() {
                break;
            }
        }
        found.entry(path).or_default().push((kind, content));
    }
    found
}

/// Alone, and after members in our form.
fn judge(name: &str, tar: &[u8]) {
    let vector = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/vectors/file-and-record.rtar");
    let ours = zstd::stream::decode_all(&std::fs::read(vector).unwrap()[..]).unwrap();
    let ours = ours.strip_suffix(&[0; 1024]).unwrap();
    println!("{name}: {} in our form, {} after others", judge_one(name, tar), judge_one(name, &[ours, tar].concat()));
    assert!(judge_one(name, &[ours, tar].concat()) > 0, "{name}: of our own members some are in our form");
}

/// How many entries were in our form.
fn judge_one(name: &str, tar: &[u8]) -> u64 {
    let empty = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/vectors/empty.rtar");
    let forged = forge::around(&std::fs::read(empty).unwrap(), tar);
    // The entry table of an archive without entries, so whatever the tar holds is one too many.
    let verdict = rosettar::open(forged.clone()).and_then(|archive| archive.verify(&VerifyOptions::new()));
    let is_empty = tar == [0; 1024];
    assert!(is_empty || !verdict.is_ok_and(|report| report.is_sound()), "{name}: it cannot be sound");
    let streamed =
        rosettar::ReadOptions::new().stream(&forged[..]).and_then(|stream| stream.verify(&VerifyOptions::new()));
    assert!(is_empty || !streamed.is_ok_and(|(_, report)| report.is_sound()), "{name}: nor from a pipe");
    // Without an index the headers are all that there is: each is understood as everybody does, or not at all.
    let at =
        forged.windows(4).rposition(|window| window == b"ENTR" || window == b"INDX").map_or(forged.len(), |at| at - 8);
    let theirs = theirs(tar);
    let mut ours = 0;
    for broken in [forged[..at].to_vec(), forged.clone()] {
        let mut out = Vec::new();
        let writer = WriteOptions::new().threads(1).write_to(&mut out).unwrap();
        if RecoverOptions::new().recover(broken, writer).is_err() {
            continue;
        }
        let archive = ReadOptions::new().open(out).unwrap();
        for entry in archive.entries() {
            let entry = entry.unwrap();
            let (kind, content) = match entry.kind {
                EntryKind::File => (tar::EntryType::Regular, archive.read(entry.path.as_str()).unwrap()),
                EntryKind::Directory => (tar::EntryType::Directory, Vec::new()),
                EntryKind::Symlink => {
                    (tar::EntryType::Symlink, entry.target.as_ref().unwrap().as_str().as_bytes().to_vec())
                }
                other => panic!("{name}: {other:?}"),
            };
            let seen = theirs.get(entry.path.as_str().as_bytes());
            let agrees = seen.is_some_and(|seen| seen.contains(&(kind, content)));
            assert!(agrees, "{name}: {:?} is something else for the crate tar: {:?}", entry.path, seen.map(Vec::len));
        }
        ours += archive.entries().count() as u64;
    }
    ours
}
