//! A file system that is full, and limits on what a process may write or hold.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::folder::Folder;
use super::strace::each;
use super::{Ended, Expected, SCENARIOS, Scenario, args, command_of};
use crate::support;

/// The pages of memory that a small tmpfs has. Every file takes whole ones.
const PAGES: u64 = 600;
const PAGE: u64 = 4096;

#[test]
fn no_space_left() {
    let test = "no_space_left";
    let Some(disk) = Tmpfs::new(test) else { return };
    for scenario in SCENARIOS {
        let expected = Expected::of(scenario);
        let (mut refused, mut done) = (0, 0);
        // At first nothing is left, then more and more, until the work can be done three times in a row.
        for left in 0.. {
            let folder = expected.prepared.copy_to(Folder::inside(&disk.0));
            let filler = fill(&disk.0, left);
            let output = command_of(&folder, scenario).output().unwrap();
            std::fs::remove_file(&filler).unwrap();
            let ended = Ended { what: format!("{left} pages left"), output };
            if ended.output.status.success() {
                expected.check_undisturbed(&folder, &ended);
                done += 1;
                if done == 3 {
                    break;
                }
            } else {
                assert_eq!(done, 0, "{}", expected.told(&folder, &ended));
                expected.check_refused(&folder, &ended, "(os error 28)");
                refused += 1;
            }
            assert!(left < PAGES, "{}: {}", scenario.name, ended.what);
        }
        println!("{}: refused {refused} times", scenario.name);
        // A run that is not given what it needs has been seen.
        assert!(refused > 0, "{}", scenario.name);
    }
}

#[test]
fn a_limit_on_the_size_of_files() {
    for scenario in SCENARIOS {
        let expected = Expected::of(scenario);
        // In blocks of 512 or 1 024 bytes, whichever the shell has.
        for blocks in [0, 1, 2, 3, 5, 8, 13, 2000] {
            let (folder, ended) = limited(&expected, &format!("ulimit -f {blocks}"));
            match ended.output.status.success() {
                true => expected.check_undisturbed(&folder, &ended),
                false => expected.check_refused(&folder, &ended, "(os error 27)"),
            }
            assert_eq!(ended.output.status.success(), blocks == 2000 || ended.output.status.success());
        }
    }
}

/// Where there is no memory the process may die, since the language leaves it no choice. What it was at is old or new then.
#[test]
fn a_limit_on_memory() {
    // In KiB. The loader and the runtime take most of what is too little.
    let steps: Vec<u64> = (20..100).map(|step| step * 512).collect();
    for scenario in SCENARIOS {
        let expected = Expected::of(scenario);
        let ended_well = std::sync::atomic::AtomicU32::new(0);
        each(&steps, |kib| {
            let (folder, ended) = limited(&expected, &format!("ulimit -v {kib}"));
            let output = &ended.output;
            if output.status.success() {
                expected.check_undisturbed(&folder, &ended);
                ended_well.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            } else {
                let error = ended.stderr();
                // The loader and the runtime, before the program begins, have no memory for words.
                let unsaid = matches!(output.status.code(), Some(127 | 139)) && *kib < 20 << 10;
                let reason = ["memory", "os error 11", "os error 12"];
                let told = unsaid || reason.iter().any(|reason| error.contains(reason));
                // The standard library panics where a thread that has begun gets no second stack.
                let panicked = error.contains("panicked") && !error.contains("an alternative stack");
                assert!(told && !panicked, "{}", expected.told(&folder, &ended));
                expected.check_killed(&folder, &ended);
            }
        });
        let ended_well = ended_well.into_inner() as usize;
        println!("{}: {ended_well} of {} runs had enough memory", scenario.name, steps.len());
        assert!(ended_well > 3 && ended_well < steps.len(), "{}", scenario.name);
    }
}

/// Where the process may open few files, it says so, and leaves nothing.
#[test]
fn a_limit_on_open_files() {
    let steps: Vec<u64> = (4..30).collect();
    for scenario in SCENARIOS {
        let expected = Expected::of(scenario);
        let ended_well = std::sync::atomic::AtomicU32::new(0);
        each(&steps, |files| {
            let (folder, ended) = limited(&expected, &format!("ulimit -n {files}"));
            match ended.output.status.code() {
                Some(0) => {
                    expected.check_undisturbed(&folder, &ended);
                    ended_well.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
                // The loader, before the program begins.
                Some(127) => assert!(*files < 8, "{}", expected.told(&folder, &ended)),
                _ => expected.check_refused(&folder, &ended, "(os error 24)"),
            }
        });
        let ended_well = ended_well.into_inner() as usize;
        assert!(ended_well > 3 && ended_well < steps.len(), "{}: {ended_well} ended well", scenario.name);
    }
}

impl Expected<'_> {
    /// Told, and nothing done.
    #[track_caller]
    fn check_refused(&self, folder: &Folder, ended: &Ended, number: &str) {
        let (state, leftovers) = self.state_of(folder);
        let error = ended.stderr();
        let told = ended.output.status.code() == Some(1) && error.contains(number) && error.contains("[io.");
        assert!(told, "{}", self.told(folder, ended));
        let kept = leftovers.iter().all(|name| name.ends_with(".partial") && error.contains(name));
        assert!(state == self.old && kept, "{}", self.told(folder, ended));
    }
}

/// A run of the scenario in a shell that was told to `limit` itself.
fn limited(expected: &Expected<'_>, limit: &str) -> (Folder, Ended) {
    let folder = expected.folder();
    let Scenario { args: line, input, .. } = expected.scenario;
    let input = if input.is_empty() { PathBuf::from("/dev/null") } else { folder.path.join(input) };
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("cat \"$1\" | {{ shift; {limit}; exec \"$@\"; }}")).arg("sh").arg(input);
    shell.arg(assert_cmd::cargo::cargo_bin!("rosettar")).args(args(&folder.path, line)).current_dir("/");
    let output = shell.env_remove("SOURCE_DATE_EPOCH").env("RUST_BACKTRACE", "0").output().unwrap();
    (folder, Ended { what: limit.to_owned(), output })
}

/// A file that leaves so many pages.
fn fill(directory: &Path, pages: u64) -> PathBuf {
    use std::io::Write as _;
    let path = directory.join("filler");
    let mut filler = std::fs::File::create(&path).unwrap();
    while filler.write_all(&[1; PAGE as usize]).is_ok() {}
    let size = filler.metadata().unwrap().len();
    filler.set_len(size.saturating_sub(pages * PAGE)).unwrap();
    path
}

/// A small file system in memory, unmounted on drop.
struct Tmpfs(PathBuf, #[allow(dead_code, reason = "keeps the directory")] tempfile::TempDir);

impl Tmpfs {
    fn new(test: &str) -> Option<Self> {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("disk");
        std::fs::create_dir(&path).unwrap();
        let options = format!("size={}", PAGES * PAGE);
        let mut mount = Command::new("mount");
        match mount.args(["-t", "tmpfs", "-o", &options, "none"]).arg(&path).output() {
            Ok(output) if output.status.success() => Some(Self(path, above)),
            Ok(output) => {
                support::skip(test, &format!("loop-mount: {}", String::from_utf8_lossy(&output.stderr).trim()));
                None
            }
            Err(error) => {
                support::skip(test, &format!("loop-mount: mount: {error}"));
                None
            }
        }
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
