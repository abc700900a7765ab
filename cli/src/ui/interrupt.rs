//! Interruption.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rosettar::error::code;
use rosettar::{Error, Result};

use super::{Advice, exit, report, start_thread};

/// Signals that come within this time of the first have one cause: a terminal that closes sends several, and so does
/// what ends a session.
const ONE_CAUSE: Duration = Duration::from_secs(1);
/// How long a [wait](MayWait) goes on once the user asked to stop.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often it is looked at then.
const PERIOD: Duration = Duration::from_millis(50);

/// What a second signal may leave, and under which names.
const LEFT: &str = "interrupted a second time: temporary files may be left, as .NAME.rosettar-XXXXXXXX.tmp beside the file \
                    that was being written, or as a directory whose name has .rosettar-extract-XXXXXXXX in it, in or \
                    beside the one that was being extracted to";

/// A flag that the first Ctrl-C sets (SIGTERM and SIGHUP too), so that the work can stop and clean up after itself. One
/// that comes a second later or more ends the process at once, with exit code 130, and says that temporary files may stay
/// behind. Signals that were ignored when the process began, as `nohup` has it, stay ignored.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// The process's own, whose handler is installed by the first call. What ends the process is reported as one JSON
    /// object where `json` says so.
    ///
    /// # Errors
    /// `io.resources` when the operating system refuses, or somebody else installed a handler.
    pub fn global(json: bool) -> Result<Self> {
        static GLOBAL: Mutex<Option<Interrupt>> = Mutex::new(None);
        let mut global = GLOBAL.lock().unwrap_or_else(PoisonError::into_inner);
        JSON.store(json, SeqCst);
        if let Some(interrupt) = &*global {
            // An earlier command may have been interrupted; this one was not.
            interrupt.0.store(false, SeqCst);
            return Ok(interrupt.clone());
        }
        let interrupt = Self::default();
        let told = interrupt.clone();
        let mut first = Instant::now();
        let handler = move || {
            if !told.0.swap(true, SeqCst) {
                first = Instant::now();
                end_waits(told.clone());
            } else if first.elapsed() >= ONE_CAUSE {
                end(LEFT);
            }
        };
        listen(handler).map_err(|error| {
            Error::io(code::IO_RESOURCES, "cannot start the thread that waits for interruptions", error)
        })?;
        *global = Some(interrupt.clone());
        Ok(interrupt)
    }

    /// Whether the user asked to stop.
    pub fn is_set(&self) -> bool {
        self.0.load(SeqCst)
    }

    /// For the loops of the work.
    ///
    /// # Errors
    /// `usage.interrupted` once the user asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.is_set() { Err(Error::new(code::USAGE_INTERRUPTED, "interrupted")) } else { Ok(()) }
    }

    /// The flag itself, for what takes one.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }
}

/// Whether what ends the process is reported as JSON.
static JSON: AtomicBool = AtomicBool::new(false);
/// How many waits there are, and how many there have been.
static WAITS: AtomicUsize = AtomicUsize::new(0);
static WAITED: AtomicU64 = AtomicU64::new(0);

/// States, as long as it lives, that the process may have to wait for another one in a call that does not notice an
/// interruption: for the reader of a pipe, or somebody who opens a FIFO. Nothing that is to be cleaned up may be there
/// meanwhile, because an interruption then ends the process where the wait does not end by itself.
#[derive(Debug)]
pub struct MayWait(());

impl MayWait {
    /// Begins such a time.
    pub fn begin() -> Self {
        WAITED.fetch_add(1, SeqCst);
        WAITS.fetch_add(1, SeqCst);
        Self(())
    }
}

impl Drop for MayWait {
    fn drop(&mut self) {
        WAITS.fetch_sub(1, SeqCst);
    }
}

/// Ends the process once one and the same wait went on for a while although the user asked to stop.
fn end_waits(interrupt: Interrupt) {
    let look = move || {
        let mut since: Option<(u64, Instant)> = None;
        while interrupt.is_set() {
            let waited = WAITED.load(SeqCst);
            since = match since {
                _ if WAITS.load(SeqCst) == 0 => None,
                Some((wait, start)) if wait == waited => {
                    if start.elapsed() >= PATIENCE {
                        end("interrupted");
                    }
                    since
                }
                _ => Some((waited, Instant::now())),
            };
            std::thread::sleep(PERIOD);
        }
    };
    // Where there is no thread to be had, a second signal ends the wait.
    let _ = start_thread(look);
}

/// Ends the process at once.
fn end(message: &str) -> ! {
    let error = Error::new(code::USAGE_INTERRUPTED, message);
    let (told, done) = channel();
    // Nobody may be reading standard error, either.
    let reporting = start_thread(move || {
        report(&error, JSON.load(SeqCst), &Advice::default());
        let _ = told.send(());
    });
    if reporting.is_ok() {
        let _ = done.recv_timeout(PATIENCE);
    }
    std::process::exit(i32::from(exit::INTERRUPTED))
}

/// Has `handler` called, on a thread of its own, at each signal that asks the process to stop and is not ignored.
#[cfg(unix)]
fn listen(mut handler: impl FnMut() + Send + 'static) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let ignored = ignored();
    let heard = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let mut signals = signal_hook::iterator::Signals::new(heard)?;
    std::thread::Builder::new().spawn(move || signals.forever().for_each(|_| handler()))?;
    Ok(())
}

/// The signals that this process ignores, the lowest bit for signal 1. Only Linux tells without unsafe code; elsewhere
/// there are none.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

#[cfg(not(unix))]
fn listen(handler: impl FnMut() + Send + 'static) -> std::io::Result<()> {
    ctrlc::set_handler(handler).map_err(|error| match error {
        ctrlc::Error::System(error) => error,
        other => std::io::Error::other(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_fails_once_the_flag_is_set() {
        let interrupt = Interrupt::default();
        assert!(interrupt.check().is_ok());
        interrupt.flag().store(true, SeqCst);
        assert!(interrupt.clone().check().unwrap_err().is(code::USAGE_INTERRUPTED));
    }
}
