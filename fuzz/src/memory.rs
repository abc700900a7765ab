//! What a target holds at its peak is an oracle, and not a guess.

use peak_alloc::PeakAlloc;

/// Counts what Rust code allocates; C code (zstd) is not seen.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Does `work`, and panics where it holds more than `most` bytes at a time beside what was held before.
pub fn within<T>(most: usize, work: impl FnOnce() -> T) -> T {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let done = work();
    let held = ALLOCATOR.peak_usage().saturating_sub(before);
    assert!(held <= most, "{held} bytes were held at a time: expected at most {most}");
    done
}
