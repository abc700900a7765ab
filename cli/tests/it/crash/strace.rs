//! Running the command under strace, which counts its system calls or makes one of them go wrong.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use assert_cmd::cargo::cargo_bin;

use super::Ended;
use crate::support;

/// One system call of a run: its name, and how many of that name its thread had made when it was made, itself included.
/// That is how strace counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub name: String,
    pub number: usize,
}

/// A run of the command.
#[derive(Debug)]
pub struct Run<'f> {
    /// What is of interest.
    pub folder: &'f Path,
    pub args: Vec<String>,
    /// What its standard input comes from, through a pipe.
    pub input: Option<PathBuf>,
}

/// What is done to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed before the call is made.
    Kill,
    /// The call is not made, and fails with this error.
    Error(&'static str),
}

/// A run with a fault.
#[derive(Debug)]
pub struct Trial {
    pub call: Call,
    pub fault: Fault,
    /// The calls that the fault hit, as strace prints them; none where the run took another course. Threads count each
    /// for itself, so that there may be more than one.
    pub hit: Vec<String>,
    pub ended: Ended,
}

/// Whether processes can be traced here; if not, says that `test` is skipped.
pub fn can_trace(test: &str) -> bool {
    static WHY_NOT: OnceLock<Option<String>> = OnceLock::new();
    let why_not = WHY_NOT.get_or_init(|| {
        let mut tried = Command::new("strace");
        tried.args(["-f", "-qq", "-o", "/dev/null", "-e", "inject=getppid:error=EIO", "true"]);
        match tried.stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => None,
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr);
                Some(format!("strace cannot trace here: {}", why.lines().next().unwrap_or_default()))
            }
            Err(error) => Some(format!("strace: {error}")),
        }
    });
    if let Some(why) = why_not {
        support::skip(test, &format!("ptrace: {why}"));
    }
    why_not.is_none()
}

/// The calls that a run makes from the first on that names something below `folder`: what comes before is the business of
/// the loader, the runtime and the parsing of arguments. For that, it runs with `/` as its directory. A call of a second
/// thread whose name and number the first one had used up before is left out: the fault would befall that one.
pub fn calls(run: Run<'_>) -> BTreeSet<Call> {
    let folder = run.folder;
    let log = log_path(folder);
    let output = run.under_strace(&log, &[]);
    assert!(output.status.success(), "{run:?}: {output:?}");
    let text = std::fs::read_to_string(&log).unwrap();
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    let mut begun = false;
    let (mut before, mut found) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        let Some((thread, name)) = thread_and_name(line) else { continue };
        begun |= name != "execve" && names(line, folder);
        let count = counts.entry((thread, name)).or_default();
        *count += 1;
        let call = Call { name: name.to_owned(), number: *count };
        if begun {
            found.insert(call)
        } else {
            before.insert(call)
        };
    }
    assert!(begun, "no call names {}: {text}", folder.display());
    found.difference(&before).cloned().collect()
}

/// A run in which `fault` befalls `call`.
pub fn run_with(run: Run<'_>, call: Call, fault: Fault) -> Trial {
    let log = log_path(run.folder);
    let what = match fault {
        Fault::Kill => "signal=KILL".to_owned(),
        Fault::Error(error) => format!("error={error}"),
    };
    let inject = format!("inject={}:{what}:when={}", call.name, call.number);
    let output = run.under_strace(&log, &["-e", &format!("trace={}", call.name), "-e", &inject]);
    let text = std::fs::read_to_string(&log).unwrap();
    let hit = match fault {
        Fault::Kill => text.lines().filter(|line| line.contains("killed by SIGKILL")).map(str::to_owned).collect(),
        Fault::Error(_) => injected(&text),
    };
    let what = format!("{fault:?} at {call:?}, hit {hit:?}");
    Trial { call, fault, hit, ended: Ended { what, output } }
}

/// Does `work` to every item, on as many threads as there are cores.
pub fn each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<Box<dyn std::any::Any + Send>>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // All failures are shown, each with its own message.
                    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(item)));
                    if let Err(panic) = outcome {
                        failed.lock().unwrap().get_or_insert(panic);
                    }
                }
            });
        }
    });
    if let Some(panic) = failed.into_inner().unwrap() {
        std::panic::resume_unwind(panic);
    }
}

/// Whether a line of strace is about something in `folder`: by a path, or by a descriptor, which it prints with its path.
pub fn names(line: &str, folder: &Path) -> bool {
    line.contains(folder.to_str().unwrap())
}

impl Run<'_> {
    fn under_strace(&self, log: &Path, options: &[&str]) -> Output {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-y", "-s", "8", "-o"]).arg(log).args(options).arg(cargo_bin!("rosettar"));
        command.args(&self.args).current_dir("/").env_remove("SOURCE_DATE_EPOCH").env("RUST_BACKTRACE", "0");
        let Some(input) = &self.input else {
            return command.stdin(Stdio::null()).output().unwrap();
        };
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // Small enough for the pipe to hold; it may be gone before it reads.
        let _ = std::io::Write::write_all(&mut pipe, &std::fs::read(input).unwrap());
        drop(pipe);
        child.wait_with_output().unwrap()
    }
}

/// Beside the folder, so that it is no part of it.
fn log_path(folder: &Path) -> PathBuf {
    folder.with_extension("strace")
}

/// `25125 openat(…` is a call that begins; `25125 <... openat resumed>` is none.
fn thread_and_name(line: &str) -> Option<(&str, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    let name = rest.trim_start().split_once('(')?.0;
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_').then_some((thread, name))
}

/// The calls that were made to fail. Where another thread came between, a call's arguments stand on an earlier line than
/// its outcome.
fn injected(log: &str) -> Vec<String> {
    let mut begun: HashMap<&str, &str> = HashMap::new();
    let mut found = Vec::new();
    for line in log.lines() {
        let thread = line.split_once(' ').map_or("", |(thread, _)| thread);
        if thread_and_name(line).is_some() {
            begun.insert(thread, line);
        }
        if line.ends_with("(INJECTED)") {
            let call = begun.get(thread).copied().unwrap_or_default();
            found.push(if call == line { line.to_owned() } else { format!("{call} {line}") });
        }
    }
    found
}
