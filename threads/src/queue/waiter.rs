//! A thread that waits for a queue, and how it is told to go on.
//!
//! A waiter is *told* under the mutex of its line, so that a thread whose time is over finds
//! out under the same mutex whether it was; and it is *woken* when the mutex has been unlocked.
//! No wake-up is missed: an unpark that comes before the park ends that park. One that comes
//! late, to a thread that saw that it was told and has gone on, makes some later park of the
//! thread return early, which every park must expect.

use super::primitives::{AtomicBool, Deadline, Thread};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// A thread that waits.
pub(super) struct Waiter {
    /// Whether it was told to go on. Set under the mutex of its line by whoever takes the
    /// waiter out of it; cleared by its own thread before it gets in line.
    told: AtomicBool,
    /// Whom to unpark.
    thread: Thread,
}

impl Waiter {
    /// A waiter for the calling thread.
    fn new() -> Self {
        Self { told: AtomicBool::new(false), thread: Thread::current() }
    }

    /// The calling thread's own waiter; or one more, if that one is in use: a comparison of a
    /// priority queue can wait for another queue.
    #[cfg(not(loom))]
    pub(super) fn mine() -> Arc<Self> {
        thread_local! {
            /// Saves an allocation with each wait.
            static MINE: Arc<Waiter> = Arc::new(Waiter::new());
        }
        // A thread that ends may have lost it already.
        let mine = MINE.try_with(Arc::clone).ok();
        // One reference is the thread's, one is `mine`; a line or a wait has another.
        mine.filter(|mine| Arc::strong_count(mine) <= 2).unwrap_or_else(|| Arc::new(Self::new()))
    }

    /// A waiter. (The threads of a model do not have the thread-locals of std.)
    #[cfg(loom)]
    pub(super) fn mine() -> Arc<Self> {
        Arc::new(Self::new())
    }

    /// Before its thread gets in line.
    pub(super) fn forget_told(&self) {
        self.told.store(false, Relaxed); // It is in no line: nobody else writes to it.
    }

    /// Blocks until told (true) or until `deadline` (false). In the latter case it can still
    /// be told until it has left its line. Runs nothing: nobody who was told is to be busy.
    pub(super) fn wait(&self, deadline: Deadline) -> bool {
        while !self.told.load(Acquire) {
            if !self.thread.park(deadline) {
                return false;
            }
        }
        true
    }

    /// Has its thread look whether it was told.
    pub(super) fn wake(&self) {
        self.thread.unpark();
    }
}

/// Threads that wait and were not told, in the order in which they go on.
#[derive(Default)]
pub(super) struct Line(VecDeque<Arc<Waiter>>);

impl Line {
    /// Adds a thread at the end.
    pub(super) fn push(&mut self, waiter: Arc<Waiter>) {
        self.0.push_back(waiter);
    }

    /// Adds a thread that goes on before all others.
    pub(super) fn push_first(&mut self, waiter: Arc<Waiter>) {
        self.0.push_front(waiter);
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the first thread out and tells it; it is to be woken.
    pub(super) fn tell_first(&mut self) -> Option<Arc<Waiter>> {
        let waiter = self.0.pop_front()?;
        waiter.told.store(true, Release);
        Some(waiter)
    }

    /// Takes all threads out and tells them; they are to be woken.
    pub(super) fn tell_all(&mut self) -> Vec<Arc<Waiter>> {
        std::iter::from_fn(|| self.tell_first()).collect()
    }

    /// Takes a thread out. False: it is not there, so it was told.
    pub(super) fn remove(&mut self, waiter: &Arc<Waiter>) -> bool {
        let place = self.0.iter().position(|other| Arc::ptr_eq(other, waiter));
        place.and_then(|place| self.0.remove(place)).is_some()
    }
}
