//! The verbs, one module each.

mod append;
mod c1z;
mod cat;
mod completions;
mod conformance;
mod convert;
mod diff;
mod explain;
mod extract;
mod info;
mod input;
mod json;
mod list;
mod making;
mod man;
mod pack;
mod provisional;
mod records;
mod recover;
mod remove;
mod schema;
mod verify;

use std::cell::Cell;
use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use rosettar::error::code;
use rosettar::io::{AtomicFile, LockedFile, uninterrupted};
use rosettar::{Error, Limits, Monitor, ReadOptions, Result};

use crate::args::{Cli, Global, Verb};
use crate::output::table::printable;
use crate::ui::{self, Advice, Interrupt, MayWait, Role, Stream, Watch, colours, exit};

/// How long a verb waits for another process before it says so.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs a verb, reports its error, and returns the exit code.
pub(crate) fn run(cli: Cli) -> u8 {
    let json = cli.global.json;
    // Which of both a verb does when it fails, where it does both, it says itself.
    let makes = matches!(cli.verb, Verb::Pack(_) | Verb::Append(_));
    let role = Rc::new(Cell::new(if makes { Role::Makes } else { Role::Reads }));
    let promises = cli.verb.promises();
    let recovers = matches!(cli.verb, Verb::Recover(_));
    let mut advice = Advice::default();
    let outcome = Context::new(cli.global, Rc::clone(&role)).and_then(|context| {
        context.recovery.set(!recovers);
        let outcome = match cli.verb {
            Verb::Pack(args) => pack::run(&context, &args),
            Verb::Append(args) => append::run(&context, &args),
            Verb::Remove(args) => remove::run(&context, &args),
            Verb::Info(args) => info::run(&context, &args),
            Verb::List(args) => list::run(&context, &args),
            Verb::Cat(args) => cat::run(&context, &args),
            Verb::Records(args) => records::run(&context, &args),
            Verb::Schema(args) => schema::run(&context, &args),
            Verb::Extract(args) => extract::run(&context, &args),
            Verb::Verify(args) => verify::run(&context, &args),
            Verb::Explain(args) => explain::run(&context, &args),
            Verb::Recover(args) => recover::run(&context, &args),
            Verb::Convert(args) => convert::run(&context, &args),
            Verb::Diff(args) => diff::run(&context, &args),
            Verb::Conformance(args) => conformance::run(&context, &args),
            Verb::Completions(args) => completions::run(&args),
            Verb::Man(args) => man::run(&context, &args),
        };
        advice = context.advice();
        outcome.map_err(|error| context.or_interrupted(error))
    });
    outcome.unwrap_or_else(|error| {
        ui::report(&error, json, &advice);
        match ui::is_closed_pipe(&error) && promises {
            true => exit::USAGE,
            false => ui::exit_code(&error, role.get()),
        }
    })
}

/// What every verb is told.
struct Context {
    json: bool,
    quiet: bool,
    limits: Limits,
    interrupt: Interrupt,
    /// What the verb is doing with archives.
    role: Rc<Cell<Role>>,
    /// Whether `rosettar recover` may help with what is wrong with an archive.
    recovery: Cell<bool>,
}

impl Context {
    fn new(global: Global, role: Rc<Cell<Role>>) -> Result<Self> {
        let mut limits = Limits::default();
        for limit in &global.limits {
            let (name, value) = limit.split_once('=').ok_or_else(|| {
                Error::new(code::USAGE_OPTION, format!("--limit {limit:?}: expected NAME=VALUE, such as entries=2M"))
            })?;
            limits.set(name, value)?;
        }
        Ok(Self {
            json: global.json,
            quiet: global.quiet,
            limits,
            interrupt: Interrupt::global(global.json)?,
            role,
            recovery: Cell::new(true),
        })
    }

    /// What hints about an error are to build on.
    fn advice(&self) -> Advice {
        Advice { limits: self.limits.clone(), recovery: self.recovery.get() }
    }

    /// What broke because the user stopped it was stopped; but what was left behind, or done already, is to be told.
    fn or_interrupted(&self, error: Error) -> Error {
        let tells =
            [code::USAGE_INTERRUPTED, code::IO_FILE, code::IO_DURABILITY].into_iter().any(|code| error.is(code));
        match self.interrupt.check() {
            Err(interrupted) if !tells => interrupted,
            _ => error,
        }
    }

    /// How to read archives.
    fn reading(&self) -> ReadOptions {
        ReadOptions::new().limits(self.limits.clone())
    }

    /// Opens the archive at `path`, which is to be replaced by one made from it, once nobody else does the same.
    fn lock(&self, path: &Path) -> Result<LockedFile> {
        if path.as_os_str() == "-" {
            let message = "an archive on standard input cannot be changed: save it to a file first";
            return Err(Error::new(code::USAGE_OPTION, message));
        }
        let mut told = false;
        LockedFile::open(path, |waited| {
            if waited >= PATIENCE && !std::mem::replace(&mut told, true) {
                self.warn(&path.to_string_lossy(), "another process is changing it; waiting for that to end");
            }
            self.interrupt.check()
        })
    }

    /// States what the verb is doing with archives from now on.
    fn blame(&self, role: Role) {
        self.role.set(role);
    }

    /// Does some work in another role.
    fn blaming<T>(&self, role: Role, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = self.role.replace(role);
        let done = work()?;
        self.role.set(before);
        Ok(done)
    }

    /// Shows the progress of work that `monitor` counts, and stops it when the user asks for that, until it is dropped.
    fn watch(&self, what: &'static str, monitor: &Monitor) -> Result<Watch> {
        let (counting, stopping) = (monitor.clone(), monitor.clone());
        Watch::new(
            what,
            self.quiet,
            self.interrupt.clone(),
            move || (counting.bytes(), counting.total()),
            move || stopping.stop(),
        )
    }

    /// Warns of temporary files beside the file `path` that was made: runs that were killed left them there.
    fn warn_of_temporaries(&self, path: &Path) {
        if self.quiet || self.json {
            return;
        }
        // Where the directory cannot be listed, what was made is there all the same.
        for left in AtomicFile::temporaries_of(path).unwrap_or_default() {
            self.warn(&left.to_string_lossy(), "an interrupted run left this; remove it, unless that is still running");
        }
    }

    /// Prints a warning about `path` to standard error, unless it is to be quiet or prints JSON, where warnings are part
    /// of the output.
    fn warn(&self, path: &str, message: &str) {
        if self.quiet || self.json {
            return;
        }
        let (yellow, off) = if colours(Stream::Err) { ("\x1b[1;33m", "\x1b[0m") } else { ("", "") };
        let line = format!("{yellow}warning{off}: {}: {}\n", printable(path), printable(message));
        // Without standard error there is nobody to tell.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// Where something else than a regular file is at `path`, such as a FIFO, it is written in place and leaves nothing beside
/// it, and opening it and writing may wait for a reader.
///
/// # Errors
/// `io.file` where it cannot be looked at.
fn may_wait_for(path: &Path) -> Result<Option<MayWait>> {
    match uninterrupted(|| std::fs::metadata(path)) {
        Ok(metadata) => Ok((!metadata.is_file() && !metadata.is_dir()).then(MayWait::begin)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(code::IO_FILE, format_args!("cannot open {}", path.display()), error)),
    }
}

/// Prints a line to standard output or the like.
fn line(out: &mut impl Write, text: impl Display) -> Result<()> {
    writeln!(out, "{text}").map_err(unwritable)
}

/// Prints raw bytes to standard output or the like.
fn bytes(out: &mut impl Write, bytes: &[u8]) -> Result<()> {
    out.write_all(bytes).map_err(unwritable)
}

/// Ends an output.
fn done(out: &mut impl Write) -> Result<u8> {
    out.flush().map_err(unwritable)?;
    Ok(exit::DONE)
}

fn unwritable(error: std::io::Error) -> Error {
    Error::io(code::IO_WRITE, "writing to standard output", error)
}

/// `1 file`, `2 files`, `2 entries`.
fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", crate::output::human::count(number), if number == 1 { one } else { more })
}
