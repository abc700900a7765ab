//! The program `rosettar`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Beyond a limit on the size of files (`ulimit -f`) a write then fails, and what was begun is removed, as on a full
    // disk; otherwise the process ends at once and leaves it. Python, which runs the same command, has done so already.
    #[cfg(unix)]
    // Safety: to ignore a signal installs no code.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
    rosettar_cli::run(std::env::args_os()).into()
}
