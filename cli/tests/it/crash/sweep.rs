//! Killed at any of its system calls, or one of them fails.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::folder::Folder;
use super::strace::{Call, Fault, Trial, calls, can_trace, each, names, run_with};
use super::{Expected, SCENARIOS, Scenario, Visible};

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
            if trial.ended.output.status.code().is_none() {
                killed.fetch_add(1, Ordering::Relaxed);
                sweep.check_killed(&folder, &trial.ended);
            } else {
                // Memory is not asked for in the same portions every time.
                sweep.check_undisturbed(&folder, &trial.ended);
            }
        });
        let killed = killed.into_inner();
        println!("{}: killed at {killed} of {} calls", scenario.name, calls.len());
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
            if *error == "EINTR" || !concerns && trial.ended.output.status.success() {
                // What fails outside of the folder (what /proc tells) has something to take its place.
                sweep.check_undisturbed(&folder, &trial.ended);
            } else {
                sweep.check_failed(&folder, &trial);
            }
        });
        let hit = hit.into_inner();
        println!("{}: {hit} of {} faults came about", scenario.name, trials.len());
        assert!(hit * 10 > trials.len() * 9, "{}: {hit} of {} faults came about", scenario.name, trials.len());
    }
}

/// A scenario, and the calls that it makes.
struct Sweep<'s> {
    expected: Expected<'s>,
    calls: BTreeSet<Call>,
}

impl<'s> Deref for Sweep<'s> {
    type Target = Expected<'s>;

    fn deref(&self) -> &Expected<'s> {
        &self.expected
    }
}

impl<'s> Sweep<'s> {
    fn new(scenario: &'s Scenario) -> Self {
        let mut found = BTreeSet::new();
        let expected = Expected::new(scenario, |folder| found = calls(folder.run(scenario)));
        Self { expected, calls: found }
    }

    /// After an error: it is told, and nothing was done, unless it says otherwise.
    #[track_caller]
    fn check_failed(&self, folder: &Folder, trial: &Trial) {
        let told = || self.told(folder, &trial.ended);
        let (state, leftovers) = self.state_of(folder);
        // Without a lock on the target all is as before, while nobody else is at work there.
        if trial.call.name == "flock" && trial.ended.output.status.success() {
            return self.check_undisturbed(folder, &trial.ended);
        }
        assert_eq!(trial.ended.output.status.code(), Some(1), "{}", told());
        // The calls of each thread are counted: what befell the first write of one befalls that of another, and so what is
        // told of it. The other scenarios are told of the same errors by one thread.
        if trial.hit.len() > 1 && trial.hit.iter().any(|line| line.contains(" write(2<")) {
            assert!(state == self.old && leftovers.is_empty(), "{}", told());
            return;
        }
        let error = trial.ended.stderr();
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
            self.check_pieces(piece, folder, &trial.ended);
            self.check_completes(folder, &trial.ended);
        } else {
            assert!(state == self.old, "{}", told());
            // What was asked to stay is named, as was found above.
            assert!(leftovers.iter().all(|name| name.ends_with(".partial")), "{}", told());
        }
    }
}
