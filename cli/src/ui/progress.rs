//! The progress bar.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work that takes less shows no bar.
const PATIENCE: Duration = Duration::from_millis(500);
/// The least time between two looks of the bar, in milliseconds.
const INTERVAL: u64 = 100;

/// A bar on standard error with bytes, rate and time left. It appears only where that is a terminal, the user did not ask
/// for quiet, and the work has taken half a second. It goes away when it is dropped.
///
/// [`inc`](Self::inc) is cheap, takes no lock but at most ten times a second, and may be called from many threads:
///
/// ```
/// let progress = rosettar_cli::ui::Progress::new("packing", true);
/// let callback = |bytes: u64| progress.inc(bytes);
/// callback(4096);
/// assert_eq!(progress.done(), 4096);
/// ```
#[derive(Debug)]
pub struct Progress {
    done: AtomicU64,
    bar: Option<Bar>,
}

#[derive(Debug)]
struct Bar {
    bar: ProgressBar,
    started: Instant,
    shown: AtomicBool,
    /// When the bar may be drawn next, in milliseconds from the start.
    next: AtomicU64,
}

impl Progress {
    /// A bar for the work called `what`, such as `packing`; with `quiet`, none.
    pub fn new(what: &'static str, quiet: bool) -> Self {
        let wanted = !quiet && std::io::stderr().is_terminal();
        Self { done: AtomicU64::new(0), bar: wanted.then(|| Bar::new(what)) }
    }

    /// States how many bytes there are to do, once that is known; without it the bar shows no share and no time left.
    pub fn set_total(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.bar.set_length(bytes);
            bar.bar.set_style(style(true));
        }
    }

    /// Counts `bytes` more as done.
    pub fn inc(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Relaxed).wrapping_add(bytes);
        if let Some(bar) = &self.bar {
            bar.look(done);
        }
    }

    /// The bytes counted so far.
    pub fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    /// Takes the bar away for as long as `print` prints to the terminal.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.bar.suspend(print),
            None => print(),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Bar {
    fn new(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(style(false));
        bar.set_prefix(what);
        let next = AtomicU64::new(millis(PATIENCE));
        Self { bar, started: Instant::now(), shown: AtomicBool::new(false), next }
    }

    fn look(&self, done: u64) {
        let now = millis(self.started.elapsed());
        let next = self.next.load(Relaxed);
        if now < next || self.next.compare_exchange(next, now + INTERVAL, Relaxed, Relaxed).is_err() {
            return;
        }
        if !self.shown.swap(true, Relaxed) {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(done);
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn style(total_known: bool) -> ProgressStyle {
    let template = if total_known {
        "{prefix} [{bar:30}] {percent}% {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left"
    } else {
        "{prefix} {binary_bytes} {binary_bytes_per_sec} {elapsed}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_valid() {
        for template in [true, false] {
            let bar = ProgressBar::hidden();
            bar.set_style(style(template));
        }
        assert!(ProgressStyle::with_template("{prefix} [{bar:30}] {percent}%").is_ok());
    }

    #[test]
    fn it_waits_before_it_shows_and_then_draws_seldom() {
        let bar = Bar::new("testing");
        bar.look(1);
        assert!(!bar.shown.load(Relaxed));
        bar.next.store(0, Relaxed);
        bar.look(2);
        assert!(bar.shown.load(Relaxed));
        assert_eq!(bar.bar.position(), 2);
        bar.look(3);
        assert_eq!(bar.bar.position(), 2, "drawn again at once");
    }

    #[test]
    fn quiet_still_counts_from_many_threads() {
        let progress = Progress::new("testing", true);
        progress.set_total(4000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| progress.inc(1)));
            }
        });
        assert_eq!(progress.done(), 4000);
        assert_eq!(progress.suspend(|| 7), 7);
    }
}
