//! A thread that waits for a queue, and how it is told to go on.
//!
//! A waiter is *told* under the queue's mutex, so that a thread whose time is over finds out
//! under the same mutex whether it was; and it is *woken* when the mutex has been unlocked.
//! No wake-up is missed: an unpark that comes before the park ends that park. One that comes
//! late, to a thread that saw that it was told and has gone on, makes some later park of the
//! thread return early, which every park must expect.

use super::primitives::{AtomicBool, Deadline, Thread, aside, current, park};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Release};

/// A thread that waits. Each thread has one, for it waits for one thing at a time.
pub(super) struct Waiter {
    /// Whether it was told to go on. Set under the queue's mutex by whoever takes the waiter
    /// out of its line; cleared by its own thread before it gets in line.
    told: AtomicBool,
    /// Whom to unpark.
    thread: Thread,
}

impl Waiter {
    /// A waiter for the calling thread.
    fn new() -> Self {
        Self { told: AtomicBool::new(false), thread: current() }
    }

    /// The calling thread's own waiter, which has not been told.
    #[cfg(not(loom))]
    pub(super) fn mine() -> Arc<Self> {
        use std::sync::atomic::Ordering::Relaxed;
        thread_local! {
            /// Saves an allocation with each wait.
            static MINE: Arc<Waiter> = Arc::new(Waiter::new());
        }
        // A thread that ends may have lost it already.
        let mine = MINE.try_with(Arc::clone).unwrap_or_else(|_| Arc::new(Self::new()));
        mine.told.store(false, Relaxed); // It is in no line: nobody else writes to it.
        mine
    }

    /// The calling thread's own waiter, which has not been told. (The threads of a model do
    /// not have the thread-locals of std.)
    #[cfg(loom)]
    pub(super) fn mine() -> Arc<Self> {
        Arc::new(Self::new())
    }

    /// Blocks until told (true) or until `deadline` (false). In the latter case it can still
    /// be told until it has left its line.
    pub(super) fn wait(&self, deadline: Deadline) -> bool {
        aside(deadline, |deadline| self.wait_here(deadline).then_some(())).is_some()
    }

    /// [`wait`](Waiter::wait) for a thread that stays what it is.
    fn wait_here(&self, deadline: Deadline) -> bool {
        while !self.told.load(Acquire) {
            if !park(deadline) {
                return false;
            }
        }
        true
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

    /// Takes the first thread out and tells it; it is to be woken.
    pub(super) fn tell_first(&mut self) -> Option<Arc<Waiter>> {
        let waiter = self.0.pop_front()?;
        waiter.told.store(true, Release);
        Some(waiter)
    }

    /// Takes all threads out and tells them.
    pub(super) fn tell_all(&mut self, wakes: &mut Wakes) {
        while let Some(waiter) = self.tell_first() {
            wakes.more.push(waiter);
        }
    }

    /// Takes a thread out. False: it is not there, so it was told.
    pub(super) fn remove(&mut self, waiter: &Arc<Waiter>) -> bool {
        let place = self.0.iter().position(|other| Arc::ptr_eq(other, waiter));
        place.and_then(|place| self.0.remove(place)).is_some()
    }
}

/// Threads to wake when this is dropped. Made before the mutex is locked, so that it is
/// dropped after the mutex was unlocked, also by a panic.
#[derive(Default)]
pub(super) struct Wakes {
    /// A putter that was told.
    pub(super) putter: Option<Arc<Waiter>>,
    /// A getter that was told.
    pub(super) getter: Option<Arc<Waiter>>,
    /// Others that were told.
    more: Vec<Arc<Waiter>>,
}

impl Wakes {
    /// Tells a thread that stays in its line.
    pub(super) fn tell(&mut self, waiter: &Arc<Waiter>) {
        waiter.told.store(true, Release);
        self.more.push(Arc::clone(waiter));
    }
}

impl Drop for Wakes {
    #[inline]
    fn drop(&mut self) {
        if let Some(putter) = &self.putter {
            putter.thread.unpark();
        }
        if let Some(getter) = &self.getter {
            getter.thread.unpark();
        }
        for waiter in &self.more {
            waiter.thread.unpark();
        }
    }
}
