//! Where a job runs: in a pool, or in a thread of its own.

use crate::deadline::{Deadline, lock};
use crate::error::Outcome;
use crate::hook::PanicOrigin;
use crate::pools;
use crate::registry::ThreadInfo;
use crate::shared::Shared;
use crate::stats::Tally;
use crate::waiting;
use std::any::Any;
use std::sync::{Arc, Mutex};
use std::thread;

/// Where a job runs.
pub(crate) enum Home {
    /// On a worker of the pool with this number. Not a reference: a count that all
    /// submitters and workers write to would cost more than the rest of a small
    /// job, and what needs the pool (cancelling, reporting) is rare.
    Pool(u64),
    /// In a thread that was started for it. Boxed, so that jobs of a pool stay small.
    Thread(Box<OwnThread>),
}

/// A thread that was started for one job.
pub(crate) struct OwnThread {
    /// The thread. `None` before it was started, and after it was joined. Only ever
    /// locked for a moment.
    handle: Mutex<Option<thread::JoinHandle<()>>>,
    /// Its place in the list of threads, which it leaves when it has done all but to end.
    info: ThreadInfo,
}

impl Home {
    /// Whether it is the pool with this number.
    pub(crate) fn is_pool(&self, number: u64) -> bool {
        matches!(self, Self::Pool(pool) if *pool == number)
    }

    /// In a thread that is about to be started, and is listed like this.
    pub(crate) fn thread(info: ThreadInfo) -> Self {
        Self::Thread(Box::new(OwnThread { handle: Mutex::new(None), info }))
    }

    /// Makes the thread of [`Home::Thread`] known.
    pub(crate) fn set_thread(&self, started: thread::JoinHandle<()>) {
        if let Self::Thread(own) = self {
            *lock(&own.handle) = Some(started);
        }
    }

    /// When the job is finished: waits for the end of its own thread, which has little
    /// left to do but its callbacks, which may wait for others. With a deadline, only until the thread
    /// has left the list: what comes after that, the drop of its thread-local values, cannot be waited for with
    /// a limit.
    pub(crate) fn reap(&self, deadline: Deadline) {
        let Self::Thread(own) = self else { return };
        let here = thread::current().id();
        // A thread cannot join itself.
        if lock(&own.handle).as_ref().is_none_or(|started| started.thread().id() == here) {
            return;
        }
        let left = |deadline| own.info.wait_until_left(deadline).then_some(());
        let has_left = waiting::aside(deadline, left).is_some();
        let started = if has_left && matches!(deadline, Deadline::Never) {
            lock(&own.handle).take()
        } else {
            None
        };
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
