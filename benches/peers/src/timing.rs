//! How long something takes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Result;

/// What is quick is repeated for about this long.
const ENOUGH: Duration = Duration::from_millis(250);
const MOST_RUNS: usize = 5;

/// Does `work` once unmeasured, then again at least once, and returns the median with what the last run returned.
pub fn measure<T>(mut work: impl FnMut() -> Result<T>) -> Result<(f64, T)> {
    work()?;
    let begin = Instant::now();
    let mut times = Vec::new();
    loop {
        let start = Instant::now();
        let result = work()?;
        times.push(start.elapsed().as_secs_f64());
        if begin.elapsed() > ENOUGH || times.len() == MOST_RUNS {
            times.sort_by(f64::total_cmp);
            return Ok((times[times.len() / 2], result));
        }
    }
}

/// What was done with records: equal for all who did the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub records: u64,
    pub bytes: u64,
    pub sum: u64,
}

impl Seen {
    /// Looks at a record, as little as proves that it was there.
    pub fn see(&mut self, record: &[u8]) {
        self.records += 1;
        self.bytes += record.len() as u64;
        let ends =
            record.first().zip(record.last()).map_or(0, |(first, last)| u64::from(*first) << 8 | u64::from(*last));
        self.sum = self.sum.wrapping_add(ends.wrapping_mul(record.len() as u64 | 1));
    }

    pub fn add(&mut self, other: Seen) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// The result of a subject, for the harness.
    pub fn report(&self, seconds: f64) -> Value {
        json!({"seconds": seconds, "work": {"records": self.records, "bytes": self.bytes, "sum": self.sum}})
    }
}
