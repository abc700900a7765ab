//! How to read.

use crate::limits::Limits;
use crate::monitor::Monitor;
use crate::parallel::Threads;

/// Options for opening an archive.
///
/// ```
/// # let mut archive = Vec::new();
/// # rosettar::WriteOptions::new().write_to(&mut archive)?.finish()?;
/// let mut limits = rosettar::Limits::default();
/// limits.set("decoded-bytes", "1G")?;
/// let archive = rosettar::ReadOptions::new().limits(limits).open(archive)?;
/// # Ok::<(), rosettar::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReadOptions {
    pub(crate) limits: Limits,
    pub(crate) threads: Threads,
    pub(crate) features: Vec<String>,
    pub(crate) monitor: Monitor,
}

impl ReadOptions {
    /// The defaults: default limits, as many threads as there are cores.
    pub fn new() -> Self {
        Self::default()
    }

    /// The limits to keep to.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many threads decode when a whole archive is read; the number of cores unless set, and at least 1.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Threads::exactly(threads);
        self
    }

    /// States that the caller knows the required feature `name`, which the format itself does not.
    #[must_use]
    pub fn feature(mut self, name: impl Into<String>) -> Self {
        self.features.push(name.into());
        self
    }

    /// Where to count the bytes of the tar that verifying and extracting have done.
    #[must_use]
    pub fn monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = monitor;
        self
    }
}
