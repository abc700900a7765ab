//! What all verbs share towards the person or program that runs them: progress, interruption, output, errors.

mod errors;
mod interrupt;
mod progress;
mod reader;
mod stdout;
mod watch;

use std::io::IsTerminal as _;
use std::thread::JoinHandle;

use rosettar::error::code;
use rosettar::{Error, Result};

pub use errors::{Advice, Role, error_value, exit_code, hint, json_error, report, text_error};
pub use interrupt::{Interrupt, MayWait};
pub use progress::Progress;
pub use reader::WaitingReader;
pub use stdout::{StandardOutput, Stdout, is_closed_pipe};
pub use watch::Watch;

/// The exit codes of the command.
pub mod exit {
    /// Done.
    pub const DONE: u8 = 0;
    /// Wrong usage, or the environment: an unknown option, no such file, a full disk; bad input to `pack` or `append`.
    pub const USAGE: u8 = 1;
    /// An archive that was read is not acceptable.
    pub const ARCHIVE: u8 = 2;
    /// Done, with a finding: something was skipped, lost or different.
    pub const FINDING: u8 = 3;
    /// Interrupted.
    pub const INTERRUPTED: u8 = 130;
}

/// Starts a thread.
///
/// # Errors
/// `io.resources` where the system gives none.
fn start_thread(work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let started = std::thread::Builder::new().spawn(work);
    started.map_err(|error| Error::io(code::IO_RESOURCES, "cannot start a thread", error))
}

/// A stream that text is printed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Whether `stream` may be coloured: it is a terminal that is not `dumb`, and `NO_COLOR` is not set to anything
/// (<https://no-color.org>).
pub fn colours(stream: Stream) -> bool {
    let terminal = match stream {
        Stream::Out => std::io::stdout().is_terminal(),
        Stream::Err => std::io::stderr().is_terminal(),
    };
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    may_colour(terminal, set("NO_COLOR").is_some(), set("TERM").is_some_and(|term| term == "dumb"))
}

fn may_colour(terminal: bool, no_color: bool, dumb: bool) -> bool {
    terminal && !no_color && !dumb
}

#[cfg(test)]
mod tests {
    #[test]
    fn colours_only_on_a_terminal_and_never_with_no_color() {
        assert!(super::may_colour(true, false, false));
        assert!(!super::may_colour(false, false, false));
        assert!(!super::may_colour(true, true, false));
        assert!(!super::may_colour(true, false, true));
    }
}
