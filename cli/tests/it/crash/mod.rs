//! What is left where a run of the command is disturbed: killed, refused by the system, out of space, cut off from power.
//!
//! Each [`Scenario`] is a run of the command in a folder of its own: how the folder is prepared, the arguments, and how a
//! change becomes visible. What the folder must hold afterwards needs no saying: a run that nothing happens to shows it.
//! The modules disturb all of them:
//!
//! | module | what happens |
//! |---|---|
//! | `sweep` | it is killed at any of its system calls, or one of them fails (`strace`) |
//! | `short` | writes and reads do a part of what they are asked, and are interrupted (a preloaded library) |
//! | `space` | the file system is full, or the process may write or hold no more (`ulimit`) |
//! | `power` | the file system is shut down at any moment, as by a power cut (ext4, xfs) |
//! | `sources` | what is packed changes, or cannot be read to its end |

mod folder;
mod power;
mod scenarios;
mod short;
mod sources;
mod space;
mod strace;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use folder::{Folder, State, forget_times};
use scenarios::SCENARIOS;

pub struct Scenario {
    pub name: &'static str,
    /// Makes what the run finds in its empty folder.
    pub prepare: fn(&Path),
    /// The arguments; `@` in them stands for the folder.
    pub args: &'static str,
    /// The file in the folder that is its standard input; none where that is empty.
    pub input: &'static str,
    pub visible: Visible,
}

/// How what a run makes becomes visible. What is published by one rename is [`AtOnce`](Self::AtOnce); what is moved into a
/// directory that is there is [`ByPiece`](Self::ByPiece).
#[derive(Clone, Copy)]
pub enum Visible {
    /// All of it in one step: the folder is in its old state or in the new one.
    AtOnce,
    /// Piece by piece, each in one step; running again completes. The function tells the piece that a path belongs
    /// to: an entry at the top, or in a merge every file.
    ByPiece(fn(&str) -> &str),
}

/// A run that something happened to: what that was, and how it ended.
#[derive(Debug)]
pub struct Ended {
    pub what: String,
    pub output: Output,
}

impl Ended {
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}

/// A scenario, and what it makes of its folder when nothing goes wrong.
struct Expected<'s> {
    scenario: &'s Scenario,
    /// The folder as it is prepared.
    prepared: Folder,
    /// The directories in it. When they were modified depends on the run.
    directories: BTreeSet<String>,
    old: State,
    new: State,
}

impl<'s> Expected<'s> {
    /// `run` is a run of the scenario in a folder, which must succeed.
    fn new(scenario: &'s Scenario, run: impl FnOnce(&Folder)) -> Self {
        let prepared = Folder::new();
        std::fs::create_dir(&prepared.path).unwrap();
        (scenario.prepare)(&prepared.path);
        let (mut old, _) = prepared.state();
        let folder = prepared.copy();
        run(&folder);
        let (mut new, leftovers) = folder.state();
        assert!(old != new && leftovers.is_empty(), "{}", scenario.name);
        let directories = old.iter().filter(|(_, node)| node.is_directory()).map(|(path, _)| path.clone()).collect();
        forget_times(&mut old, &directories);
        forget_times(&mut new, &directories);
        Self { scenario, prepared, directories, old, new }
    }

    /// As [`new`](Self::new), by an ordinary run.
    fn of(scenario: &'s Scenario) -> Self {
        Self::new(scenario, |folder| {
            let output = command_of(folder, scenario).output().unwrap();
            assert!(output.status.success(), "{}: {output:?}", scenario.name);
        })
    }

    fn folder(&self) -> Folder {
        self.prepared.copy()
    }

    fn state_of(&self, folder: &Folder) -> (State, Vec<String>) {
        let (mut state, leftovers) = folder.state();
        forget_times(&mut state, &self.directories);
        (state, leftovers)
    }

    /// It went as if nothing had happened.
    #[track_caller]
    fn check_undisturbed(&self, folder: &Folder, ended: &Ended) {
        let (state, leftovers) = self.state_of(folder);
        let silent = ended.output.stderr.is_empty() && ended.output.status.success();
        assert!(silent && state == self.new && leftovers.is_empty(), "{}", self.told(folder, ended));
    }

    /// After its death, or that of the machine: old or new, and running again completes. What is left is told by the next
    /// run, or cleared.
    #[track_caller]
    fn check_killed(&self, folder: &Folder, ended: &Ended) {
        let (state, leftovers) = self.state_of(folder);
        match self.scenario.visible {
            Visible::AtOnce => {
                assert!(state == self.old || state == self.new, "{}", self.told(folder, ended));
                if state == self.old && !leftovers.is_empty() {
                    self.check_told_of(folder, ended);
                }
            }
            Visible::ByPiece(piece) => {
                self.check_pieces(piece, folder, ended);
                // What was left says what it is, and running again completes and clears it.
                assert!(
                    state == self.old || state == self.new || !leftovers.is_empty(),
                    "{}",
                    self.told(folder, ended)
                );
                if state != self.new || !leftovers.is_empty() {
                    self.check_completes(folder, ended);
                }
            }
        }
    }

    /// Running again does the work, and names what was left, and how to be rid of it.
    #[track_caller]
    fn check_told_of(&self, folder: &Folder, ended: &Ended) {
        let (_, leftovers) = self.state_of(folder);
        let output =
            command_with(folder, self.scenario, &self.scenario.args.replacen(" -q ", " ", 1)).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        // Each says what to do: `recover` it, or remove it.
        let partial = leftovers.iter().find(|name| name.ends_with(".partial"));
        let told =
            leftovers.iter().all(|name| error.contains(name) || partial.is_some()) && error.contains("remove it");
        assert!(told, "running again: {output:?}\nbefore: {}", self.told(folder, ended));
        let (state, _) = self.state_of(folder);
        let done = output.status.success() && state == self.new;
        // A file that is called .partial is never taken away from whoever may still write it.
        let refused = partial.is_some() && output.status.code() == Some(1) && state == self.old;
        assert!(done || refused, "running again: {output:?}\nbefore: {}", self.told(folder, ended));
    }

    /// Each piece is wholly as it was or wholly as it is to be.
    #[track_caller]
    fn check_pieces(&self, piece: fn(&str) -> &str, folder: &Folder, ended: &Ended) {
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
            assert!(known, "piece {name:?}: {}", self.told(folder, ended));
        }
        let lost = old.keys().find(|name| !found.contains_key(*name) && new.contains_key(*name));
        assert_eq!(lost, None, "{}", self.told(folder, ended));
    }

    #[track_caller]
    fn check_completes(&self, folder: &Folder, ended: &Ended) {
        let before = self.told(folder, ended);
        let (before_state, _) = self.state_of(folder);
        let output = command_of(folder, self.scenario).output().unwrap();
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
            self.told(folder, ended)
        );
    }

    fn told(&self, folder: &Folder, ended: &Ended) -> String {
        let (state, leftovers) = self.state_of(folder);
        let which = match &state {
            state if *state == self.old => "the old state".to_owned(),
            state if *state == self.new => "the new state".to_owned(),
            state => format!("{:?}", state.keys()),
        };
        let status = ended.output.status;
        format!("{}: {}: {status}, {which}, left {leftovers:?}\n{}", self.scenario.name, ended.what, ended.stderr())
    }
}

/// The command, as a scenario has it run in `folder`.
fn command_of(folder: &Folder, scenario: &Scenario) -> Command {
    command_with(folder, scenario, scenario.args)
}

/// The same with other arguments.
fn command_with(folder: &Folder, scenario: &Scenario, line: &str) -> Command {
    let mut command = command(&folder.path, line);
    match scenario.input {
        "" => command.stdin(Stdio::null()),
        input => {
            let (reader, mut writer) = std::io::pipe().unwrap();
            // Small enough for the pipe to hold.
            writer.write_all(&std::fs::read(folder.path.join(input)).unwrap()).unwrap();
            command.stdin(reader)
        }
    };
    command
}

fn args(folder: &Path, args: &str) -> Vec<String> {
    args.split(' ').map(|arg| arg.replace('@', folder.to_str().unwrap())).collect()
}

fn command(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("rosettar"));
    command.args(args(folder, line)).current_dir("/").env_remove("SOURCE_DATE_EPOCH").env("RUST_BACKTRACE", "0");
    command
}

/// Runs the command, which must succeed.
fn run(folder: &Path, line: &str) {
    let output = command(folder, line).output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
}
