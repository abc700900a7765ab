//! Progress of long work, and a way to stop it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, Result, code};

/// Counts the bytes that long work has done, for another thread to look at, and stops the work when told to.
///
/// Clones share one count. The work counts bytes of content: of sources when writing, of decoded entries when reading.
///
/// ```
/// let monitor = rosettar::Monitor::new();
/// let mut archive = Vec::new();
/// let mut writer = rosettar::WriteOptions::new().monitor(monitor.clone()).write_to(&mut archive)?;
/// writer.add_bytes(rosettar::NewEntry::new("a")?, b"content")?;
/// writer.finish()?;
/// assert_eq!(monitor.bytes(), 7);
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Monitor(Arc<State>);

#[derive(Debug, Default)]
struct State {
    bytes: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
}

impl Monitor {
    /// A monitor that has counted nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes were done so far.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// How many bytes there are to do in all; 0 where that is not known.
    pub fn total(&self) -> u64 {
        self.0.total.load(Ordering::Relaxed)
    }

    /// States how many bytes there are to do in all.
    pub fn set_total(&self, bytes: u64) {
        self.0.total.store(bytes, Ordering::Relaxed);
    }

    /// Asks the work to stop; it ends with `usage.interrupted`, and leaves what any failure leaves.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }

    /// Counts `bytes` as done.
    ///
    /// # Errors
    /// `usage.interrupted` once [`stop`](Self::stop) was called.
    pub fn advance(&self, bytes: u64) -> Result<()> {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.0.stopped.load(Ordering::Relaxed) {
            return Err(Error::new(code::USAGE_INTERRUPTED, "interrupted"));
        }
        Ok(())
    }
}
