//! Where a job runs: in a pool, or in a thread of its own.

use crate::deadline::lock;
use crate::shared::Shared;
use crate::worker;
use std::sync::{Arc, Mutex};
use std::thread;

/// Where a job runs.
pub(crate) enum Home {
    /// On a worker of this pool.
    Pool(Arc<Shared>),
    /// In a thread that was started for it. `None` before that, and after the
    /// thread was joined. Only ever locked for a moment.
    Thread(Mutex<Option<thread::JoinHandle<()>>>),
}

impl Home {
    /// The worker number of the calling thread, if it belongs to this home.
    pub(crate) fn here(&self) -> Option<usize> {
        match self {
            Self::Pool(shared) => worker::index_in(shared),
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

    /// The job begins on this worker.
    pub(crate) fn count_start(&self, worker: usize) {
        if let Self::Pool(shared) = self {
            shared.counters.started(worker);
        }
    }

    /// The job ended on this worker, by returning (true) or by a panic.
    pub(crate) fn count_end(&self, worker: usize, returned: bool) {
        if let Self::Pool(shared) = self {
            shared.counters.ended(worker, returned);
        }
    }

    /// The job was cancelled.
    pub(crate) fn count_cancel(&self) {
        if let Self::Pool(shared) = self {
            shared.counters.cancelled();
        }
    }
}
