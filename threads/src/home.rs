//! Where a job runs: in a pool, or in a thread of its own.

use crate::deadline::lock;
use crate::error::Outcome;
use crate::hook::PanicOrigin;
use crate::pools;
use crate::shared::Shared;
use crate::stats::Tally;
use crate::worker;
use std::any::Any;
use std::sync::{Arc, Mutex};
use std::thread;

/// Where a job runs.
pub(crate) enum Home {
    /// On a worker of the pool with this number. Not a reference: a count that all
    /// submitters and workers write to would cost more than the rest of a small
    /// job, and what needs the pool (cancelling, reporting) is rare.
    Pool(u64),
    /// In a thread that was started for it. `None` before that, and after the
    /// thread was joined. Only ever locked for a moment. Boxed, so that jobs of a
    /// pool stay small.
    Thread(Box<Mutex<Option<thread::JoinHandle<()>>>>),
}

impl Home {
    /// On a worker of the job's own pool, and for its own thread: its number.
    pub(crate) fn here(&self) -> Option<usize> {
        match self {
            Self::Pool(pool) => worker::index_in(*pool),
            Self::Thread(thread) => {
                let id = lock(thread).as_ref()?.thread().id();
                (id == thread::current().id()).then_some(0)
            }
        }
    }

    /// Makes the thread of [`Home::Thread`] known.
    pub(crate) fn set_thread(&self, started: thread::JoinHandle<()>) {
        if let Self::Thread(thread) = self {
            *lock(thread) = Some(started);
        }
    }

    /// Waits for the end of the job's own thread, which has nothing left to do
    /// but to end.
    pub(crate) fn reap(&self) {
        let Self::Thread(thread) = self else { return };
        if self.here().is_some() {
            return; // A thread cannot join itself.
        }
        let started = lock(thread).take();
        if let Some(started) = started {
            started.join().expect("a job's panic is caught before it reaches the thread");
        }
    }

    /// Something that belongs to a job panicked on the calling thread.
    pub(crate) fn report(&self, origin: PanicOrigin, payload: &(dyn Any + Send)) {
        if let Some(shared) = self.pool() {
            shared.report(origin, payload);
        }
    }

    /// The job's pool, if it has one that is still there.
    pub(crate) fn pool(&self) -> Option<Arc<Shared>> {
        match self {
            Self::Pool(pool) => pools::find(*pool),
            Self::Thread(_) => None,
        }
    }
}

/// Where a job is run at the moment.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The pool it belongs to, if it does.
    pub(crate) shared: Option<&'a Arc<Shared>>,
    /// The worker that the calling thread is, with what it has done. `None` for a
    /// thread of the job's own, and for a caller that runs the job itself.
    pub(crate) worker: Option<(usize, &'a Tally)>,
    /// Whether another job may wait for it further down on the stack.
    pub(crate) is_nested: bool,
}

impl Place<'_> {
    /// A thread that was started for the job.
    pub(crate) const THREAD: Self = Self { shared: None, worker: None, is_nested: false };

    /// The worker's number. A thread of its own has number zero, as its job may
    /// be found to wait for itself, too.
    pub(crate) fn worker_index(&self) -> Option<usize> {
        match self.worker {
            Some((index, _)) => Some(index),
            None if self.shared.is_none() => Some(0),
            None => None,
        }
    }

    /// The job begins.
    pub(crate) fn count_start(&self) {
        let Some(shared) = self.shared else { return };
        shared.leave_queue();
        match self.worker {
            Some((_, tally)) => tally.started(),
            None => shared.counters.started(),
        }
    }

    /// The job ended like this.
    pub(crate) fn count_end(&self, outcome: Outcome) {
        let Some(shared) = self.shared else { return };
        match self.worker {
            Some((_, tally)) => tally.ended(outcome),
            None => shared.counters.ended(outcome),
        }
    }

    /// The job panicked with this.
    pub(crate) fn report(&self, origin: PanicOrigin, payload: &(dyn Any + Send)) {
        if let Some(shared) = self.shared {
            shared.report(origin, payload);
        }
    }
}
