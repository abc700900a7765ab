//! A small cache of what was decoded last.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Keeps the last few values, by number; shared by threads.
pub(super) struct Cache<T> {
    kept: Mutex<VecDeque<(usize, Arc<T>)>>,
    capacity: usize,
}

impl<T> Cache<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { kept: Mutex::new(VecDeque::with_capacity(capacity)), capacity }
    }

    /// The value with this number, where it is kept; otherwise the one that `make` makes, which is kept from now on. Two
    /// threads may make the same value at the same time.
    pub(super) fn get<E>(&self, number: usize, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some(kept) = self.find(number) {
            return Ok(kept);
        }
        let value = Arc::new(make()?);
        if let Ok(mut kept) = self.kept.lock() {
            if kept.len() == self.capacity {
                kept.pop_front();
            }
            kept.push_back((number, Arc::clone(&value)));
        }
        Ok(value)
    }

    fn find(&self, number: usize) -> Option<Arc<T>> {
        let mut kept = self.kept.lock().ok()?;
        let at = kept.iter().position(|(key, _)| *key == number)?;
        let found = kept.remove(at)?;
        let value = Arc::clone(&found.1);
        kept.push_back(found);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recent_goes_first() {
        let cache = Cache::new(2);
        let make = |number: usize| cache.get(number, || Ok::<_, ()>(number * 10)).unwrap();
        assert_eq!((*make(1), *make(2), *make(1), *make(3)), (10, 20, 10, 30));
        assert!(cache.find(2).is_none() && cache.find(1).is_some() && cache.find(3).is_some());
    }
}
