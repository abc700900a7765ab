//! Native objects that one thread works with at a time, and what must not happen meanwhile.
//!
//! Work that was begun from Python may call Python again: to read a file object, to write to one, to have the next batch
//! of a table. What is called there must not use the object that it is called for, which would wait for itself.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::sync::MutexExt as _;
use rosettar::error::code;

use crate::{errors, gil};

thread_local! {
    /// What this thread is at work with, the innermost last.
    static AT_WORK: RefCell<Vec<Id>> = const { RefCell::new(Vec::new()) };
}

/// Stands for an object, and for the process that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    number: u64,
    process: u32,
}

impl Id {
    /// One that no other object has.
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { number: NEXT.fetch_add(1, Ordering::Relaxed), process: std::process::id() }
    }

    /// Marks this thread as working with the object, until what is returned is dropped.
    pub fn enter(self) -> AtWork {
        AT_WORK.with_borrow_mut(|at_work| at_work.push(self));
        AtWork(self)
    }

    /// Whether this thread works with the object already.
    pub fn is_at_work(self) -> bool {
        AT_WORK.with_borrow(|at_work| at_work.contains(&self))
    }

    /// Whether this is another process than that which made the object: threads and locks of it are not here.
    pub fn is_forked(self) -> bool {
        std::process::id() != self.process
    }

    /// Refuses to work with the object where that cannot go well; `what` is what users call it.
    ///
    /// # Errors
    /// `usage.forked` in another process, `usage.reentered` where this thread works with it already.
    pub fn check(self, py: Python<'_>, what: &str) -> PyResult<()> {
        if self.is_forked() {
            let message = format!(
                "{what} is of the process that this one was forked from: open it again here, or start processes with \
                 `spawn` or `forkserver`"
            );
            return Err(errors::usage(py, code::USAGE_FORKED, message));
        }
        if self.is_at_work() {
            let message = format!(
                "{what} is at work, and what it called must not use it: a file object that it reads or writes, the \
                 batches of a table, or the handler of a signal"
            );
            return Err(errors::usage(py, code::USAGE_REENTERED, message));
        }
        Ok(())
    }
}

/// Until it is dropped, this thread works with an object.
pub struct AtWork(Id);

impl Drop for AtWork {
    fn drop(&mut self) {
        AT_WORK.with_borrow_mut(|at_work| {
            if let Some(at) = at_work.iter().rposition(|id| *id == self.0) {
                at_work.remove(at);
            }
        });
    }
}

/// A value that one thread works with at a time. It is dropped without the GIL, for which threads of its own may wait; in
/// another process not at all, where these threads are not.
pub struct Turn<T: Send> {
    /// `None` only while it is dropped.
    value: Option<Mutex<T>>,
    id: Id,
    what: &'static str,
}

impl<T: Send> Turn<T> {
    /// `what` is what users call it, such as "this iterator".
    pub fn new(what: &'static str, value: T) -> Self {
        Self { value: Some(Mutex::new(value)), id: Id::new(), what }
    }

    fn value(&self) -> &Mutex<T> {
        self.value.as_ref().expect("the value is there until it is dropped")
    }

    /// What stands for the value.
    pub fn id(&self) -> Id {
        self.id
    }

    /// As [`Id::check`].
    pub fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.id.check(py, self.what)
    }

    /// The value, once no other thread works with it; the GIL is released while that is waited for.
    ///
    /// # Errors
    /// As [`Id::check`].
    pub fn lock(&self, py: Python<'_>) -> PyResult<Held<'_, T>> {
        self.check(py)?;
        let value = self.value().lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        Ok(Held { value, _at_work: self.id.enter() })
    }

    /// The same where the GIL is not held, and [`check`](Self::check) was asked by whoever waits for this.
    pub fn lock_detached(&self) -> Held<'_, T> {
        let value = self.value().lock().unwrap_or_else(PoisonError::into_inner);
        Held { value, _at_work: self.id.enter() }
    }
}

impl<T: Send> Drop for Turn<T> {
    fn drop(&mut self) {
        let value = self.value.take();
        if self.id.is_forked() {
            std::mem::forget(value);
        } else {
            drop_detached(value);
        }
    }
}

/// Drops `value` without the GIL.
pub fn drop_detached<T: Send>(value: T) {
    let mut value = Some(value);
    if gil::attached(|py| py.detach(|| drop(value.take()))).is_none() {
        drop(value.take());
    }
}

/// A value that this thread has to itself.
pub struct Held<'t, T: Send> {
    value: MutexGuard<'t, T>,
    _at_work: AtWork,
}

impl<T: Send> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Send> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
