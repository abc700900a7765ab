//! Interruption.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use rosettar::error::code;
use rosettar::{Error, Result};

use super::exit;

/// A flag that the first Ctrl-C sets (SIGTERM and SIGHUP too), so that the work can stop and clean up after itself. The
/// second one ends the process at once, with exit code 130; temporary files may then stay behind.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// The process's own, whose handler is installed by the first call.
    ///
    /// # Errors
    /// `io.resources` when the operating system refuses, or somebody else installed a handler.
    pub fn global() -> Result<Self> {
        static GLOBAL: Mutex<Option<Interrupt>> = Mutex::new(None);
        let mut global = GLOBAL.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(interrupt) = &*global {
            // An earlier command may have been interrupted; this one was not.
            interrupt.0.store(false, SeqCst);
            return Ok(interrupt.clone());
        }
        let interrupt = Self::default();
        let flag = interrupt.0.clone();
        let handler = move || {
            if flag.swap(true, SeqCst) {
                std::process::exit(i32::from(exit::INTERRUPTED));
            }
        };
        ctrlc::set_handler(handler).map_err(|error| {
            let error = match error {
                ctrlc::Error::System(error) => error,
                other => std::io::Error::other(other),
            };
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
