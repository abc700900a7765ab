//! Looking after long work from a thread of its own.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rosettar::Result;

use super::{Interrupt, Progress, start_thread};

/// How often a look is taken.
const PERIOD: Duration = Duration::from_millis(50);

/// Shows the progress of work, and stops it when the user asks for that, until it is dropped.
#[derive(Debug)]
pub struct Watch {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Watches work called `what`, such as `packing`: `look` tells how many bytes are done, and how many there are in
    /// all, or 0; `stop` is called once when the user interrupts. With `quiet` nothing is shown.
    ///
    /// # Errors
    /// `io.resources`.
    pub fn new(
        what: &'static str,
        quiet: bool,
        interrupt: Interrupt,
        look: impl Fn() -> (u64, u64) + Send + 'static,
        stop: impl FnOnce() + Send + 'static,
    ) -> Result<Self> {
        let (end, ended) = channel::<()>();
        let thread = start_thread(move || {
            let progress = Progress::new(what, quiet);
            let (mut stop, mut total) = (Some(stop), 0);
            while ended.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                if interrupt.is_set()
                    && let Some(stop) = stop.take()
                {
                    stop();
                }
                let (done, of) = look();
                if of != total {
                    total = of;
                    progress.set_total(total);
                }
                progress.inc(done.saturating_sub(progress.done()));
            }
        })?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // It only watches: should it have panicked, the work is none the worse.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    #[test]
    fn an_interruption_stops_the_work() {
        let (interrupt, stopped) = (Interrupt::default(), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&stopped);
        let watch =
            Watch::new("testing", true, interrupt.clone(), || (0, 0), move || told.store(true, SeqCst)).unwrap();
        interrupt.flag().store(true, SeqCst);
        while !stopped.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(watch);
    }
}
