//! Work spread over threads whose results come back in the order in which it was given.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// A bounded pool: the caller submits jobs and takes results in the same order. With one thread the caller's own does
/// the work, when it submits.
pub(crate) struct OrderedPool<J, R> {
    results: VecDeque<Receiver<R>>,
    workers: Workers<J, R>,
    capacity: usize,
}

enum Workers<J, R> {
    Inline(Box<dyn FnMut(J) -> R + Send>),
    Threads { queue: Arc<Queue<J, R>>, handles: Vec<JoinHandle<()>> },
}

struct Queue<J, R> {
    state: Mutex<QueueState<J, R>>,
    changed: Condvar,
}

struct QueueState<J, R> {
    jobs: VecDeque<(J, SyncSender<R>)>,
    closed: bool,
}

impl<J: Send + 'static, R: Send + 'static> OrderedPool<J, R> {
    /// A pool of `threads` threads, each of which works with what `worker` makes for it.
    pub(crate) fn new<W>(threads: usize, worker: impl Fn() -> W) -> Self
    where
        W: FnMut(J) -> R + Send + 'static,
    {
        let workers = if threads <= 1 {
            Workers::Inline(Box::new(worker()))
        } else {
            let state = Mutex::new(QueueState { jobs: VecDeque::new(), closed: false });
            let queue = Arc::new(Queue { state, changed: Condvar::new() });
            let spawn = |_| {
                let (queue, mut work) = (Arc::clone(&queue), worker());
                std::thread::spawn(move || {
                    while let Some((job, sender)) = queue.next() {
                        // The receiver is gone only when the pool is being dropped.
                        let _ = sender.send(work(job));
                    }
                })
            };
            let handles = (0..threads).map(spawn).collect();
            Workers::Threads { queue, handles }
        };
        // Each thread has one job at hand and one waiting, so that none idles while the caller is busy.
        Self { results: VecDeque::new(), workers, capacity: if threads <= 1 { 1 } else { 2 * threads } }
    }

    /// Whether as many jobs are under way as the pool takes; the caller should take a result before it submits more.
    pub(crate) fn is_full(&self) -> bool {
        self.results.len() >= self.capacity
    }

    /// Gives a job to the pool.
    pub(crate) fn submit(&mut self, job: J) {
        let (sender, receiver) = sync_channel(1);
        match &mut self.workers {
            Workers::Inline(work) => sender.send(work(job)).expect("the receiver is at hand"),
            Workers::Threads { queue, .. } => {
                queue.state.lock().expect("no worker panics with the lock").jobs.push_back((job, sender));
                queue.changed.notify_one();
            }
        }
        self.results.push_back(receiver);
    }

    /// The result of the oldest job whose result was not taken yet; waits for it. `None` when there is none.
    ///
    /// # Panics
    /// When the worker that did the job panicked.
    pub(crate) fn take(&mut self) -> Option<R> {
        self.results.pop_front().map(|receiver| receiver.recv().expect("a worker thread panicked"))
    }
}

impl<J, R> Queue<J, R> {
    fn next(&self) -> Option<(J, SyncSender<R>)> {
        let mut state = self.state.lock().ok()?;
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            state = self.changed.wait(state).ok()?;
        }
    }
}

impl<J, R> Drop for OrderedPool<J, R> {
    fn drop(&mut self) {
        if let Workers::Threads { queue, handles } = &mut self.workers {
            if let Ok(mut state) = queue.state.lock() {
                state.closed = true;
                state.jobs.clear();
            }
            queue.changed.notify_all();
            for handle in handles.drain(..) {
                // A worker's panic was already passed on by `take`, or concerns a result that nobody waits for.
                let _ = handle.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order() {
        for threads in [1, 2, 5] {
            let mut pool = OrderedPool::new(threads, || {
                |job: u64| {
                    std::thread::sleep(std::time::Duration::from_micros(job * 37 % 211));
                    job * job
                }
            });
            let mut found = Vec::new();
            for job in 0..200 {
                while pool.is_full() {
                    found.extend(pool.take());
                }
                pool.submit(job);
            }
            found.extend(std::iter::from_fn(|| pool.take()));
            assert_eq!(found, (0..200).map(|job| job * job).collect::<Vec<_>>(), "{threads} threads");
        }
    }

    #[test]
    fn dropping_with_work_under_way_ends() {
        let mut pool = OrderedPool::new(3, || |job: u64| job);
        (0..6).for_each(|job| pool.submit(job));
        drop(pool);
    }
}
