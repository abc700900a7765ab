//! Work spread over threads whose results come back in the order in which it was given.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// The most threads that a pool starts, whatever it is told: with more, the caller cannot keep up.
const MOST_THREADS: usize = 64;
/// How many small jobs may be under way beside each other one.
const SMALL_JOBS: usize = 8;

/// How many threads somebody wants: so many, or as many as there are cores. That is asked of the system only where it
/// matters, since it takes longer than opening an archive does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Threads(Option<NonZeroUsize>);

impl Threads {
    /// So many, and at least 1.
    pub(crate) fn exactly(threads: usize) -> Self {
        Self(Some(NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN)))
    }

    pub(crate) fn get(self) -> usize {
        self.0.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
    }
}

/// A bounded pool: the caller submits jobs and takes results in the same order. Threads are started as jobs come. With
/// one thread, or where the system gives none, the caller's own does the work, when it submits.
pub(crate) struct OrderedPool<J, R> {
    /// Of each job under way, where its result comes, and whether the job is a small one.
    results: VecDeque<(Receiver<R>, bool)>,
    /// How many of them are small.
    small: usize,
    threads: usize,
    worker: Box<dyn Fn() -> Work<J, R> + Send>,
    own: Option<Work<J, R>>,
    queue: Arc<Queue<J, R>>,
    handles: Vec<JoinHandle<()>>,
}

type Work<J, R> = Box<dyn FnMut(J) -> R + Send>;

struct Queue<J, R> {
    state: Mutex<QueueState<J, R>>,
    changed: Condvar,
}

struct QueueState<J, R> {
    jobs: VecDeque<(J, SyncSender<R>)>,
    /// Threads that wait for a job.
    idle: usize,
    closed: bool,
}

impl<J: Send + 'static, R: Send + 'static> OrderedPool<J, R> {
    /// A pool of up to `threads` threads, each of which works with what `worker` makes for it.
    pub(crate) fn new<W>(threads: usize, worker: impl Fn() -> W + Send + 'static) -> Self
    where
        W: FnMut(J) -> R + Send + 'static,
    {
        let state = Mutex::new(QueueState { jobs: VecDeque::new(), idle: 0, closed: false });
        Self {
            results: VecDeque::new(),
            small: 0,
            threads: threads.clamp(1, MOST_THREADS),
            worker: Box::new(move || Box::new(worker())),
            own: None,
            queue: Arc::new(Queue { state, changed: Condvar::new() }),
            handles: Vec::new(),
        }
    }

    /// How many jobs the pool takes before a result has to be taken: each thread has one at hand and one waiting, so that
    /// none idles while the caller is busy.
    pub(crate) fn capacity(&self) -> usize {
        if self.threads == 1 { 1 } else { 2 * self.threads }
    }

    /// Whether as many jobs are under way as the pool takes; the caller should take a result before it submits more.
    pub(crate) fn is_full(&self) -> bool {
        self.results.len() - self.small >= self.capacity() || self.small >= SMALL_JOBS * self.capacity()
    }

    /// Gives a job to the pool.
    pub(crate) fn submit(&mut self, job: J) {
        self.give(job, false);
    }

    /// Gives a job to the pool that takes hardly any time or memory, and so the place of no other.
    pub(crate) fn submit_small(&mut self, job: J) {
        self.give(job, true);
    }

    fn give(&mut self, job: J, is_small: bool) {
        let (sender, receiver) = sync_channel(1);
        self.results.push_back((receiver, is_small));
        self.small += usize::from(is_small);
        if self.threads > 1 && self.has_thread_for_a_job() {
            self.queue.state.lock().expect("no worker panics with the lock").jobs.push_back((job, sender));
            self.queue.changed.notify_one();
        } else {
            let work = self.own.get_or_insert_with(|| (self.worker)());
            sender.send(work(job)).expect("the receiver is at hand");
        }
    }

    /// Starts a thread if all are busy and there may be more; whether there is any.
    fn has_thread_for_a_job(&mut self) -> bool {
        let idle = {
            let state = self.queue.state.lock().expect("no worker panics with the lock");
            state.idle > state.jobs.len()
        };
        if !idle && self.handles.len() < self.threads {
            let (queue, mut work) = (Arc::clone(&self.queue), (self.worker)());
            let run = move || {
                while let Some((job, sender)) = queue.next() {
                    // The receiver is gone only when the pool is being dropped.
                    let _ = sender.send(work(job));
                }
            };
            // Where the system gives no more threads, those that there are do the work.
            self.handles.extend(std::thread::Builder::new().spawn(run));
        }
        !self.handles.is_empty()
    }

    /// The result of the oldest job whose result was not taken yet; waits for it. `None` when there is none.
    ///
    /// # Panics
    /// When the worker that did the job panicked.
    pub(crate) fn take(&mut self) -> Option<R> {
        let (receiver, is_small) = self.results.pop_front()?;
        self.small -= usize::from(is_small);
        Some(receiver.recv().expect("a worker thread panicked"))
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
            state.idle += 1;
            state = self.changed.wait(state).ok()?;
            state.idle -= 1;
        }
    }
}

impl<J, R> Drop for OrderedPool<J, R> {
    fn drop(&mut self) {
        if let Ok(mut state) = self.queue.state.lock() {
            state.closed = true;
            state.jobs.clear();
        }
        self.queue.changed.notify_all();
        for handle in self.handles.drain(..) {
            // A worker's panic was already passed on by `take`, or concerns a result that nobody waits for.
            let _ = handle.join();
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

    /// Small jobs take no place, but there is an end to them, too.
    #[test]
    fn small_jobs_come_on_top() {
        let mut pool = OrderedPool::new(2, || |job: usize| job);
        for job in 0..pool.capacity() {
            pool.submit_small(2 * job);
            assert!(!pool.is_full());
            pool.submit(2 * job + 1);
        }
        assert!(pool.is_full());
        let found: Vec<_> = std::iter::from_fn(|| pool.take()).collect();
        assert_eq!(found, (0..2 * pool.capacity()).collect::<Vec<_>>());
        (0..SMALL_JOBS * pool.capacity()).for_each(|job| pool.submit_small(job));
        assert!(pool.is_full());
    }

    #[test]
    fn dropping_with_work_under_way_ends() {
        let mut pool = OrderedPool::new(3, || |job: u64| job);
        (0..6).for_each(|job| pool.submit(job));
        drop(pool);
    }
}
