//! Batches of a stream whose content is read and proven before somebody asks for it.

use std::sync::{Arc, Mutex, PoisonError};

use super::batches::{Batch, BatchBuffer, Batches, MappedBatches};
use crate::error::Result;

/// The largest batch that is read whole; of a larger one the content is read by who takes it, piece by piece.
const MOST_WHOLE: u64 = 4 << 20;

/// Batches in order, each with its content where that was read. After an error it ends.
pub(super) struct Ahead {
    read: MappedBatches<Result<(Batch, Option<Vec<u8>>)>>,
    /// Buffers that were used and are used again.
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
    failed: bool,
}

impl Ahead {
    pub(super) fn new(batches: Batches, threads: usize) -> Self {
        let spare = Arc::new(Mutex::new(Vec::new()));
        let for_workers = Arc::clone(&spare);
        let read = batches.map_in_order(threads, move || {
            let (spare, mut buffer) = (Arc::clone(&for_workers), BatchBuffer::default());
            move |batch: Result<Batch>| {
                let batch = batch?;
                if batch.size() > MOST_WHOLE {
                    return Ok((batch, None));
                }
                let unused = spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let content = batch.read_into(unused.unwrap_or_default(), &mut buffer)?;
                Ok((batch, Some(content)))
            }
        });
        Self { read, spare, failed: false }
    }

    /// Takes back a content that nobody needs any more.
    pub(super) fn give_back(&self, content: Arc<Vec<u8>>) {
        if let Ok(content) = Arc::try_unwrap(content) {
            self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(content);
        }
    }
}

impl Iterator for Ahead {
    type Item = Result<(Batch, Option<Vec<u8>>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.read.next();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}
