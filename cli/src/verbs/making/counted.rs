//! What the progress bar of a verb that makes an archive shows.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rosettar::{Monitor, Result};

use crate::ui::Watch;
use crate::verbs::Context;

/// Counts what is done: what is copied of an old archive, then the bytes of record files as they are read, then those of
/// other files as the writer takes them.
pub(in crate::verbs) struct Counted {
    pub(in crate::verbs) monitor: Monitor,
    read: Arc<AtomicU64>,
    /// What the writer had counted when the records began, and when they ended. What it counts in between is records,
    /// which are counted as they are read; before and after it is what is copied, and files.
    records: Arc<(AtomicU64, AtomicU64)>,
}

impl Counted {
    pub(in crate::verbs) fn new() -> Self {
        let never = || AtomicU64::new(u64::MAX);
        Self { monitor: Monitor::new(), read: Arc::default(), records: Arc::new((never(), never())) }
    }

    /// Shows the progress of `what` out of `total` bytes, 0 where they are not known.
    ///
    /// # Errors
    /// `io.resources`.
    pub(in crate::verbs) fn watch(&self, context: &Context, what: &'static str, total: u64) -> Result<Watch> {
        let (monitor, read, records) = (self.monitor.clone(), Arc::clone(&self.read), Arc::clone(&self.records));
        let look = move || {
            let (all, from, to) = (monitor.bytes(), records.0.load(Relaxed), records.1.load(Relaxed));
            let of_records = all.min(to) - all.min(from).min(to);
            (read.load(Relaxed).saturating_add(all - of_records), total)
        };
        let monitor = self.monitor.clone();
        Watch::new(what, context.quiet, context.interrupt.clone(), look, move || monitor.stop())
    }

    pub(super) fn records_begin(&self) {
        self.records.0.store(self.monitor.bytes(), Relaxed);
    }

    pub(super) fn records_end(&self) {
        self.records.1.store(self.monitor.bytes(), Relaxed);
    }

    pub(super) fn reader<R: Read>(&self, reader: R) -> impl Read {
        CountingReader { reader, read: Arc::clone(&self.read) }
    }
}

struct CountingReader<R> {
    reader: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buf)?;
        self.read.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}
