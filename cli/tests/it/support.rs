//! What the tests share: a directory of their own, and a short way to run the command in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

pub const PROTO: &str = r#"syntax = "proto3";
package demo;
import "google/protobuf/timestamp.proto";
enum Color { NONE = 0; RED = 1; }
message Inner { int32 n = 1; }
message Row {
  int32 number = 1; optional string name = 2; Color color = 3; google.protobuf.Timestamp when = 4; Inner inner = 5;
}
"#;

pub const CSV: &str = "number,name,color,when,inner.n\n1,one,RED,2013-01-01T05:00:00Z,7\n2,NA,NONE,,\n3,drei,RED,,9\n";

/// A directory, and the command run in it.
pub struct Dir(tempfile::TempDir);

/// What a run of the command left: its exit code and what it printed.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
    pub bytes: Vec<u8>,
}

impl Dir {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a small tree `t`, `rows.proto` and `rows.csv`.
    pub fn with_files() -> Self {
        let dir = Self::new();
        dir.write("t/a.txt", "alpha\n");
        dir.write("t/sub/ü b.md", "beta\n");
        dir.write("rows.proto", PROTO);
        dir.write("rows.csv", CSV);
        std::fs::create_dir(dir.path("t/empty")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("../a.txt", dir.path("t/sub/link")).unwrap();
        dir
    }

    /// As [`with_files`](Self::with_files), with `a.rtar` made of it all.
    pub fn with_archive() -> Self {
        let dir = Self::with_files();
        dir.run(PACK_ALL).ok();
        dir
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// The names in the directory itself, sorted.
    pub fn names(&self) -> Vec<String> {
        names(self.0.path())
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(cargo_bin!("rosettar"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command.env_remove("SOURCE_DATE_EPOCH").env_remove("NO_COLOR").env_remove("BATON_DECODER_MAX_DECODED_SIZE_MB");
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// As [`run`](Self::run), with these variables in the environment.
    pub fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        Ran::of(self.command(args).envs(variables.iter().copied()).output().unwrap())
    }

    pub fn run_with_input(&self, args: &[&str], input: &[u8]) -> Ran {
        use std::io::Write as _;
        let mut command = self.command(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It may refuse its arguments and leave before it reads.
        let _ = child.stdin.take().unwrap().write_all(input);
        Ran::of(child.wait_with_output().unwrap())
    }
}

pub const PACK_ALL: &[&str] = &[
    "pack",
    "-o",
    "a.rtar",
    "--proto",
    "rows.proto",
    "--null",
    "NA",
    "--records",
    "rows:demo.Row=rows.csv",
    "--attr",
    "source=test",
    "--reproducible",
    "t",
];

impl Ran {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            bytes: output.stdout,
        }
    }

    /// Makes sure that it ended with this exit code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Makes sure that it is done and had nothing to say on standard error.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.err, "");
        self.code(0)
    }

    /// The lines of standard output as JSON.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The one line of standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let mut lines = self.json_lines();
        assert_eq!(lines.len(), 1, "{}", self.out);
        lines.remove(0)
    }

    /// The one line of standard error as a JSON error object.
    #[track_caller]
    pub fn json_error(&self) -> Value {
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        serde_json::from_str(&self.err).unwrap()
    }
}

pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Whether `program` can be run; if not, says that `test` is skipped.
pub fn have(program: &str, test: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        skip(test, &format!("{program} not found"));
    }
    found
}

/// Says that a test proves nothing here, and why.
pub fn skip(test: &str, why: &str) {
    use std::io::Write as _;
    // The macros' output is captured and, as the test passes, dropped; a direct write is not.
    std::io::stderr().write_all(format!("skipped: {test}: {why}\n").as_bytes()).unwrap();
}

/// Sends signals to a process, without a pause between. In the place of those that this process ignores, and so what it
/// starts, as in the background of a script or under `nohup`, comes SIGTERM.
#[cfg(unix)]
pub fn signal(process: u32, names: &[&str]) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = mask.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap());
    let is_ignored = |name| (name == "HUP" && ignored & 1 != 0) || (name == "INT" && ignored & 2 != 0);
    let heard: Vec<_> = names.iter().map(|&name| if is_ignored(name) { "TERM" } else { name }).collect();
    send(process, &heard);
}

/// Sends these very signals.
#[cfg(unix)]
pub fn send(process: u32, names: &[&str]) {
    // The shell has a `kill` of its own. Where the first signal has ended the process, the others have none to go to.
    let script = names.iter().map(|name| format!("kill -{name} {process}")).collect::<Vec<_>>().join("; ");
    Command::new("sh").arg("-c").arg(script).stderr(Stdio::null()).status().unwrap();
}
