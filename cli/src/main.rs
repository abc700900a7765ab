//! The program `rosettar`.
#![forbid(unsafe_code)]

use std::process::ExitCode;
#[cfg(unix)]
use std::sync::{Arc, atomic::AtomicBool};

fn main() -> ExitCode {
    // Beyond a limit on the size of files (`ulimit -f`) a write then fails, and what was begun is removed, as on a full
    // disk; otherwise the process ends at once and leaves it. Python, which runs the same command, has done so already.
    #[cfg(unix)]
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false))) {
        eprintln!("warning: a limit on the size of files would end this process at once: {error}");
    }
    rosettar_cli::run(std::env::args_os()).into()
}
