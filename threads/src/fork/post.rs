//! What others see of a thread that forks.

use super::task::Task;
use crate::primitives::{Mutex, Thread, current, lock};
use crossbeam_deque::{Stealer, Worker as Deque};

/// What others see of a context. Belongs to the pool, and is there as long as it is.
pub(crate) struct Post {
    /// The other end of the context's deque.
    pub(crate) stealer: Stealer<Task>,
    /// The thread that has the context at present. Only ever locked for a moment.
    thread: Mutex<Option<Thread>>,
}

impl Post {
    /// Of this deque, for no thread yet.
    pub(crate) fn new(deque: &Deque<Task>) -> Self {
        Self { stealer: deque.stealer(), thread: Mutex::new(None) }
    }

    /// The calling thread has the context from now on.
    pub(super) fn set_thread(&self) {
        *lock(&self.thread) = Some(current());
    }

    /// Unparks the context's thread.
    pub(crate) fn unpark(&self) {
        let thread = lock(&self.thread).clone();
        if let Some(thread) = thread {
            thread.unpark();
        }
    }
}
