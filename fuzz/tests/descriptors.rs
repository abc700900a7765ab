//! Random descriptor sets, through all that is done with one: never an abort, and always in bounded time and memory.

use std::time::{Duration, Instant};

use rosettar_fuzz::{descriptors, targets};

#[test]
fn thousands_of_random_sets() {
    judge(20_000);
}

#[test]
#[ignore = "slow: run by make test-slow"]
fn a_million_random_sets() {
    judge(1_000_000);
}

fn judge(count: u64) {
    let (mut accepted, mut worst) = (0_u64, Duration::ZERO);
    for seed in 0..count {
        let mut set = descriptors::set(seed);
        let start = Instant::now();
        accepted += u64::from(rosettar::schema::check(&set).is_ok());
        // The target takes a record from the end, as long as the last byte says.
        set.extend_from_slice(&[10, 2, 8, 1, 18, 0, 6]);
        targets::schema::run(&set);
        worst = worst.max(start.elapsed());
        assert!(start.elapsed() < Duration::from_secs(2), "seed {seed} took {:?}", start.elapsed());
    }
    println!("{accepted} of {count} sets were accepted; the slowest took {worst:?}");
    // Neither all nor none, or this would show little.
    assert!(accepted > count / 50 && accepted < count * 9 / 10, "{accepted} of {count} sets were accepted");
}
