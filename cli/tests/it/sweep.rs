//! What is left when the command is killed at any of its system calls, or when one of them fails.
//!
//! Each [`Scenario`] is a run of the command in a folder of its own: how the folder is prepared, the arguments, and how a
//! change becomes visible. What the folder must hold afterwards needs no saying: a run without a fault shows it. To have a
//! verb swept that changes files, add a scenario to [`SCENARIOS`]:
//!
//! - what is published by one rename is [`Visible::AtOnce`];
//! - what is moved into a directory that is there is [`Visible::ByPiece`], with the function that tells what is moved as a
//!   whole: an entry at the top, or in a merge every file.
#![cfg(target_os = "linux")]

mod strace;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use strace::{Call, Fault, Run, Trial, calls, can_trace, each, names, run_with};

use crate::support::{CSV, PROTO};

struct Scenario {
    name: &'static str,
    /// Makes what the run finds in its empty folder.
    prepare: fn(&Path),
    /// The arguments; `@` in them stands for the folder.
    args: &'static str,
    /// The file in the folder that is its standard input; none where that is empty.
    input: &'static str,
    visible: Visible,
}

/// How what a run makes becomes visible.
#[derive(Clone, Copy)]
enum Visible {
    /// All of it in one step: the folder is in its old state or in the new one.
    AtOnce,
    /// Piece by piece, each in one step; running again completes. The function tells the piece that a path belongs to.
    ByPiece(fn(&str) -> &str),
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "pack to an absent path",
        prepare: sources,
        args: "pack -q --threads 1 -o @/a.rtar --proto @/rows.proto --records rows:demo.Row=@/rows.csv -C @ t",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "pack, flushing",
        prepare: sources,
        args: "pack -q --threads 1 --flush-every 10 -o @/a.rtar --proto @/rows.proto --records rows:demo.Row=@/rows.csv -C @ t",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "pack over an archive",
        prepare: |folder| {
            sources(folder);
            run(folder, "pack -q -o @/a.rtar -C @ rows.csv");
        },
        args: "pack -q --threads 2 -o @/a.rtar -C @ t",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "extract with records",
        prepare: archive,
        args: "extract -q --threads 1 --records jsonl @/a.rtar -C @/out",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "extract to an absent directory",
        prepare: archive,
        args: "extract -q --threads 1 @/a.rtar -C @/out",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "extract to an absent directory, synced",
        prepare: archive,
        args: "extract -q --threads 1 --sync --modes exact @/a.rtar -C @/out",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "extract on two threads",
        prepare: archive,
        args: "extract -q --threads 2 @/a.rtar -C @/out",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "extract from a pipe",
        prepare: archive,
        args: "extract -q --threads 1 - -C @/out",
        input: "a.rtar",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "extract to an empty directory",
        prepare: |folder| {
            archive(folder);
            std::fs::create_dir(folder.join("out")).unwrap();
        },
        args: "extract -q --threads 1 --sync @/a.rtar -C @/out",
        input: "",
        // Entries at the top of the target are moved into it one by one.
        visible: Visible::ByPiece(|path| path.split('/').nth(1).unwrap_or(path)),
    },
    Scenario {
        name: "merge into a directory",
        prepare: |folder| {
            archive(folder);
            std::fs::create_dir_all(folder.join("out/d")).unwrap();
            std::fs::write(folder.join("out/a"), "old").unwrap();
            std::fs::write(folder.join("out/d/mine"), "mine").unwrap();
        },
        args: "extract -q --threads 1 --merge --overwrite always @/a.rtar -C @/out",
        input: "",
        visible: Visible::ByPiece(|path| path),
    },
    Scenario {
        name: "append",
        prepare: |folder| {
            archive(folder);
            std::fs::write(folder.join("more"), "more\n").unwrap();
        },
        args: "append -q --threads 1 @/a.rtar --records rows=@/rows.csv -C @ more",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "remove",
        prepare: archive,
        args: "remove -q --threads 2 @/a.rtar d",
        input: "",
        visible: Visible::AtOnce,
    },
    Scenario {
        name: "recover",
        prepare: |folder| {
            archive(folder);
            std::fs::rename(folder.join("a.rtar"), folder.join("b.rtar")).unwrap();
        },
        args: "recover -q --threads 1 @/b.rtar -o @/a.rtar",
        input: "",
        visible: Visible::AtOnce,
    },
];

/// System calls that concern files. Not `close`: the language has no safe way to learn how it ended.
const FILE_CALLS: &str = "access chmod copy_file_range creat faccessat faccessat2 fallocate fchmod fchmodat fdatasync \
    flock fstat fstatfs fsync ftruncate futimesat getdents getdents64 ioctl lchown link linkat lseek lstat mkdir mkdirat \
    newfstatat open openat openat2 pread64 preadv pwrite64 pwritev read readlink readlinkat readv rename renameat \
    renameat2 rmdir sendfile stat statfs statx symlink symlinkat sync_file_range syncfs truncate unlink unlinkat \
    utimensat write writev";

#[test]
fn killed_at_every_system_call() {
    if !can_trace("killed_at_every_system_call") {
        return;
    }
    for scenario in SCENARIOS {
        let sweep = Sweep::new(scenario);
        let calls: Vec<Call> = sweep.calls.iter().cloned().collect();
        let killed = AtomicUsize::new(0);
        each(&calls, |call| {
            let folder = sweep.folder();
            let trial = run_with(folder.run(scenario), call.clone(), Fault::Kill);
            if trial.output.status.code().is_none() {
                killed.fetch_add(1, Ordering::Relaxed);
                sweep.check_killed(&folder, &trial);
            } else {
                // Memory is not asked for in the same portions every time.
                sweep.check_undisturbed(&folder, &trial);
            }
        });
        let killed = killed.into_inner();
        assert!(killed * 10 > calls.len() * 9, "{}: killed at {killed} of {} calls", scenario.name, calls.len());
    }
}

#[test]
fn an_error_at_every_file_system_call() {
    if !can_trace("an_error_at_every_file_system_call") {
        return;
    }
    for scenario in SCENARIOS {
        let sweep = Sweep::new(scenario);
        let calls = sweep.calls.iter().filter(|call| FILE_CALLS.split_whitespace().any(|name| name == call.name));
        let trials: Vec<(Call, &str)> =
            calls.flat_map(|call| ["EIO", "ENOSPC", "EINTR"].map(|error| (call.clone(), error))).collect();
        let hit = AtomicUsize::new(0);
        each(&trials, |(call, error)| {
            let folder = sweep.folder();
            let trial = run_with(folder.run(scenario), call.clone(), Fault::Error(error));
            hit.fetch_add(usize::from(!trial.hit.is_empty()), Ordering::Relaxed);
            let concerns = trial.hit.iter().any(|line| names(line, &folder.path));
            if *error == "EINTR" || !concerns && trial.output.status.success() {
                // What fails outside of the folder (what /proc tells) has something to take its place.
                sweep.check_undisturbed(&folder, &trial);
            } else {
                sweep.check_failed(&folder, &trial);
            }
        });
        let hit = hit.into_inner();
        assert!(hit * 10 > trials.len() * 9, "{}: {hit} of {} faults came about", scenario.name, trials.len());
    }
}

/// A scenario, and what it makes of its folder when nothing goes wrong.
struct Sweep<'s> {
    scenario: &'s Scenario,
    /// The folder as it is prepared.
    prepared: Folder,
    /// The directories in it. When they were modified depends on the run.
    directories: BTreeSet<String>,
    calls: BTreeSet<Call>,
    old: State,
    new: State,
}

impl<'s> Sweep<'s> {
    fn new(scenario: &'s Scenario) -> Self {
        let prepared = Folder::new();
        std::fs::create_dir(&prepared.path).unwrap();
        (scenario.prepare)(&prepared.path);
        let (mut old, _) = prepared.state();
        let folder = prepared.copy();
        let calls = calls(folder.run(scenario));
        let (mut new, leftovers) = folder.state();
        assert!(old != new && leftovers.is_empty(), "{}", scenario.name);
        let directories = old.iter().filter(|(_, node)| node.is_directory()).map(|(path, _)| path.clone()).collect();
        forget_times(&mut old, &directories);
        forget_times(&mut new, &directories);
        Self { scenario, prepared, directories, calls, old, new }
    }

    fn folder(&self) -> Folder {
        self.prepared.copy()
    }

    fn state_of(&self, folder: &Folder) -> (State, Vec<String>) {
        let (mut state, leftovers) = folder.state();
        forget_times(&mut state, &self.directories);
        (state, leftovers)
    }

    #[track_caller]
    fn check_undisturbed(&self, folder: &Folder, trial: &Trial) {
        let (state, leftovers) = self.state_of(folder);
        let silent = trial.output.stderr.is_empty() && trial.output.status.success();
        assert!(silent && state == self.new && leftovers.is_empty(), "{}", self.told(folder, trial));
    }

    #[track_caller]
    fn check_killed(&self, folder: &Folder, trial: &Trial) {
        let (state, leftovers) = self.state_of(folder);
        match self.scenario.visible {
            Visible::AtOnce => assert!(state == self.old || state == self.new, "{}", self.told(folder, trial)),
            Visible::ByPiece(piece) => {
                self.check_pieces(piece, folder, trial);
                // What was left says what it is, and running again completes and clears it.
                assert!(
                    state == self.old || state == self.new || !leftovers.is_empty(),
                    "{}",
                    self.told(folder, trial)
                );
                if state != self.new || !leftovers.is_empty() {
                    self.check_completes(folder, trial);
                }
            }
        }
    }

    /// After an error: it is told, and nothing was done, unless it says otherwise.
    #[track_caller]
    fn check_failed(&self, folder: &Folder, trial: &Trial) {
        let told = || self.told(folder, trial);
        let (state, leftovers) = self.state_of(folder);
        // Without a lock on the target all is as before, while nobody else is at work there.
        if trial.call.name == "flock" && trial.output.status.success() {
            return self.check_undisturbed(folder, trial);
        }
        assert_eq!(trial.output.status.code(), Some(1), "{}", told());
        // The calls of each thread are counted: what befell the first write of one befalls that of another, and so what is
        // told of it. The other scenarios are told of the same errors by one thread.
        if trial.hit.len() > 1 && trial.hit.iter().any(|line| line.contains(" write(2<")) {
            assert!(state == self.old && leftovers.is_empty(), "{}", told());
            return;
        }
        let error = trial.stderr();
        let number = if trial.fault == Fault::Error("EIO") { "(os error 5)" } else { "(os error 28)" };
        assert!(error.contains(number) && error.contains("[io."), "{}", told());
        let names_a_place =
            [folder.path.to_str().unwrap(), "(entry \"", "standard input"].iter().any(|place| error.contains(place));
        assert!(names_a_place, "{}", told());
        assert!(leftovers.iter().all(|leftover| error.contains(leftover)), "{}", told());
        let is_published = ["[io.durability]", "now that all is published"].iter().any(|text| error.contains(text));
        if is_published {
            assert!(state == self.new, "{}", told());
        } else if trial.call.name == "unlinkat" {
            // What could not be removed is named, as was found above.
            assert!(state == self.old || state == self.new, "{}", told());
        } else if error.contains("running again completes") {
            let Visible::ByPiece(piece) = self.scenario.visible else { panic!("{}", told()) };
            self.check_pieces(piece, folder, trial);
            self.check_completes(folder, trial);
        } else {
            assert!(state == self.old, "{}", told());
            // What was asked to stay is named, as was found above.
            assert!(leftovers.iter().all(|name| name.ends_with(".partial")), "{}", told());
        }
    }

    /// Each piece is wholly as it was or wholly as it is to be.
    #[track_caller]
    fn check_pieces(&self, piece: fn(&str) -> &str, folder: &Folder, trial: &Trial) {
        let pieces = |state: &State| {
            let mut pieces: BTreeMap<String, State> = BTreeMap::new();
            for (path, node) in state {
                let mut node = node.clone();
                // A directory that its owner may not write to is given its mode after the move.
                node.mode |= if node.is_directory() { 0o700 } else { 0 };
                pieces.entry(piece(path).to_owned()).or_default().insert(path.clone(), node);
            }
            pieces
        };
        let (old, new, found) = (pieces(&self.old), pieces(&self.new), pieces(&self.state_of(folder).0));
        for (name, found) in &found {
            let known = old.get(name) == Some(found) || new.get(name) == Some(found);
            assert!(known, "piece {name:?}: {}", self.told(folder, trial));
        }
        let lost = old.keys().find(|name| !found.contains_key(*name) && new.contains_key(*name));
        assert_eq!(lost, None, "{}", self.told(folder, trial));
    }

    #[track_caller]
    fn check_completes(&self, folder: &Folder, trial: &Trial) {
        let before = self.told(folder, trial);
        let (before_state, _) = self.state_of(folder);
        let output = command(&folder.path, self.scenario.args).output().unwrap();
        let (state, leftovers) = self.state_of(folder);
        // Complete already, and so a directory that is not empty; what was left is cleared.
        if before_state == self.new && output.status.code() == Some(1) {
            assert!(leftovers.is_empty(), "running again: {output:?}\nbefore: {before}");
            return;
        }
        assert!(output.status.success(), "running again: {output:?}\nbefore: {before}");
        assert!(
            state == self.new && leftovers.is_empty(),
            "running again: {}\nbefore: {before}",
            self.told(folder, trial)
        );
    }

    fn told(&self, folder: &Folder, trial: &Trial) -> String {
        let (state, leftovers) = self.state_of(folder);
        let which = match &state {
            state if *state == self.old => "the old state".to_owned(),
            state if *state == self.new => "the new state".to_owned(),
            state => format!("{:?}", state.keys()),
        };
        let status = trial.output.status;
        format!(
            "{}: {:?} at {:?}, hit {:?}: {status}, {which}, left {leftovers:?}\n{}",
            self.scenario.name,
            trial.fault,
            trial.call,
            trial.hit,
            trial.stderr()
        )
    }
}

/// A folder for one run, in memory where there is such a place.
struct Folder {
    path: PathBuf,
    _above: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let above = match memory.is_dir() {
            true => tempfile::tempdir_in(memory).unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        Self { path: above.path().join("folder"), _above: above }
    }

    /// The same again, times of links included.
    fn copy(&self) -> Self {
        let copy = Self::new();
        let status = std::process::Command::new("cp").arg("-a").args([&self.path, &copy.path]).status().unwrap();
        assert!(status.success());
        copy
    }

    fn run(&self, scenario: &Scenario) -> Run<'_> {
        let input = (!scenario.input.is_empty()).then(|| self.path.join(scenario.input));
        Run { folder: &self.path, args: args(&self.path, scenario.args), input }
    }

    /// What is there, and apart from that what says by its name that it was left by a run that broke off.
    fn state(&self) -> (State, Vec<String>) {
        let mut state = State::new();
        let mut leftovers = Vec::new();
        look(&self.path, "", &mut state, &mut leftovers);
        (state, leftovers)
    }
}

type State = BTreeMap<String, Node>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    mode: u32,
    /// `None` at the top of the folder, where an archive and the target of an extraction have the time of their making, and
    /// for a directory that was there before.
    mtime: Option<(i64, i64)>,
    content: Vec<u8>,
}

impl Node {
    fn is_directory(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
}

fn forget_times(state: &mut State, directories: &BTreeSet<String>) {
    for (path, node) in state {
        if directories.contains(path) {
            node.mtime = None;
        }
    }
}

fn look(folder: &Path, prefix: &str, state: &mut State, leftovers: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if is_leftover(&name) {
            leftovers.push(name);
            continue;
        }
        let metadata = entry.metadata().unwrap();
        let path = format!("{prefix}{name}");
        let content = if metadata.is_dir() {
            look(&entry.path(), &format!("{path}/"), state, leftovers);
            Vec::new()
        } else if metadata.is_symlink() {
            std::fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes()
        } else {
            std::fs::read(entry.path()).unwrap()
        };
        let mtime = (!prefix.is_empty()).then(|| (metadata.mtime(), metadata.mtime_nsec()));
        state.insert(path, Node { mode: metadata.mode(), mtime, content });
    }
}

/// `.NAME.rosettar-XXXXXXXX.tmp`, `.NAME.rosettar-extract-XXXXXXXX`, the same without a NAME, and what is left on purpose.
fn is_leftover(name: &str) -> bool {
    name.starts_with('.') && name.contains(".rosettar-") || name.ends_with(".partial")
}

fn args(folder: &Path, args: &str) -> Vec<String> {
    args.split(' ').map(|arg| arg.replace('@', folder.to_str().unwrap())).collect()
}

fn command(folder: &Path, line: &str) -> std::process::Command {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("rosettar"));
    command.args(args(folder, line)).current_dir("/");
    command
}

/// Runs the command, which must succeed.
fn run(folder: &Path, line: &str) {
    let output = command(folder, line).output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
}

/// A tree `t`, `rows.proto` and `rows.csv`.
fn sources(folder: &Path) {
    std::fs::create_dir_all(folder.join("t/d")).unwrap();
    for (name, content) in [("t/a", "alpha\n"), ("t/d/b", "beta\n"), ("rows.proto", PROTO), ("rows.csv", CSV)] {
        std::fs::write(folder.join(name), content.replace("2,NA,NONE", "2,,NONE")).unwrap();
    }
    std::fs::set_permissions(folder.join("t/a"), std::fs::Permissions::from_mode(0o600)).unwrap();
    // What its owner may not write to takes more steps to move.
    std::fs::set_permissions(folder.join("t/d"), std::fs::Permissions::from_mode(0o555)).unwrap();
    std::os::unix::fs::symlink("a", folder.join("t/l")).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(1_500_000_000_123_456_789);
    for name in ["t/a", "t/d/b", "t/d", "t"] {
        std::fs::File::open(folder.join(name)).unwrap().set_modified(time).unwrap();
    }
}

/// `a.rtar`, of two files, two directories, a link and records.
fn archive(folder: &Path) {
    sources(folder);
    run(folder, "pack -q -o @/a.rtar --proto @/rows.proto --records rows:demo.Row=@/rows.csv -C @/t .");
    std::fs::remove_dir_all(folder.join("t")).unwrap();
}
