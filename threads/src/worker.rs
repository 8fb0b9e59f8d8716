//! A worker: a thread that executes jobs until its pool ends.
//!
//! It looks for the next job in this order: its own deque (oldest first), the
//! injector, the deques of the others. From the latter two it takes a batch: the
//! first job to run, the rest into its own deque, where others can steal it
//! back. Now and then it looks at the injector first, so that jobs which keep
//! spawning others cannot keep the outside waiting.

use crate::job::JobRef;
use crate::shared::{Phase, Shared};
use crate::unwind::drop_quietly;
use crossbeam_deque::{Steal, Worker as Deque};
use std::cell::{Cell, OnceCell};
use std::hint;
use std::sync::Arc;

/// After this many jobs the injector is looked at first. A prime, so that it
/// does not fall into step with batch sizes.
const INJECTOR_TURN: u32 = 61;

thread_local! {
    /// The worker that the current thread is, if it is one.
    static CURRENT: OnceCell<Worker> = const { OnceCell::new() };
}

/// One worker, owned by its thread.
struct Worker {
    /// Its pool.
    shared: Arc<Shared>,
    /// Its index in the pool.
    index: usize,
    /// Jobs spawned here and not yet begun, oldest first.
    deque: Deque<JobRef>,
    /// Jobs begun, for [`INJECTOR_TURN`].
    turns: Cell<u32>,
}

/// The body of a worker's thread: returns when the pool has ended.
pub(crate) fn main(shared: Arc<Shared>, index: usize, deque: Deque<JobRef>) {
    shared.sleep.register(index);
    let worker = Worker { shared, index, deque, turns: Cell::new(0) };
    CURRENT.with(|current| current.get_or_init(|| worker).work());
}

/// The index of the calling thread among the workers of this pool.
pub(crate) fn index_in(shared: &Arc<Shared>) -> Option<usize> {
    with_own(shared, |worker| worker.index)
}

/// Whether the calling thread is a worker of some pool.
pub(crate) fn is_current() -> bool {
    CURRENT.try_with(|current| current.get().is_some()).unwrap_or(false)
}

/// Puts a job on the calling worker's own deque; gives it back if the caller is
/// no worker of this pool.
pub(crate) fn push_own(shared: &Arc<Shared>, job: JobRef) -> Option<JobRef> {
    let mut job = Some(job);
    with_own(shared, |worker| job.take().map(|job| worker.deque.push(job)));
    job
}

/// Calls `f` if the calling thread is a worker of this pool (and its thread-local
/// values have not been destroyed yet).
fn with_own<R>(shared: &Arc<Shared>, f: impl FnOnce(&Worker) -> R) -> Option<R> {
    let own = |current: &OnceCell<Worker>| {
        current.get().filter(|worker| Arc::ptr_eq(&worker.shared, shared)).map(f)
    };
    CURRENT.try_with(own).ok().flatten()
}

impl Worker {
    /// Executes jobs until the pool has ended.
    fn work(&self) {
        while let Some(job) = self.take_own().or_else(|| self.search_or_sleep()) {
            if self.shared.phase() == Phase::Stopping {
                self.shared.discard(job);
            } else {
                job.run(self.index);
                drop_quietly(job); // With the result, if its handle is gone.
            }
        }
    }

    /// The next job without a search.
    fn take_own(&self) -> Option<JobRef> {
        let turn = self.turns.get().wrapping_add(1);
        self.turns.set(turn);
        if turn.is_multiple_of(INJECTOR_TURN)
            && let Steal::Success(job) = self.shared.injector.steal()
        {
            return Some(job);
        }
        self.deque.pop()
    }

    /// Looks everywhere, sleeps when there is nothing, and so on. `None` when the
    /// pool ends and nothing is left.
    ///
    /// No pause between an empty look and sleep: where workers and submitters share
    /// processors, spinning takes them from those who would publish something, and an
    /// idle pool is to cost nothing.
    fn search_or_sleep(&self) -> Option<JobRef> {
        let sleep = &self.shared.sleep;
        sleep.start_search();
        loop {
            let job = self.look();
            // The phase is read after the look: the pool takes no jobs any more,
            // so what was not there then will not come.
            if job.is_some() || self.shared.phase() != Phase::Open {
                let job = job.or_else(|| self.look());
                sleep.found(|| self.shared.has_jobs());
                return job;
            }
            sleep.park(self.index, || {
                let stay = self.shared.has_jobs() || self.shared.phase() != Phase::Open;
                if !stay {
                    self.shared.counters.parks(self.index);
                }
                stay
            });
        }
    }

    /// Looks at every source, and again if another thread was in the way.
    fn look(&self) -> Option<JobRef> {
        loop {
            match self.steal() {
                Steal::Success(job) => return Some(job),
                Steal::Empty => return None,
                Steal::Retry => hint::spin_loop(),
            }
        }
    }

    /// Looks once at every source.
    fn steal(&self) -> Steal<JobRef> {
        self.shared.injector.steal_batch_and_pop(&self.deque).or_else(|| {
            let (before, after) = self.shared.stealers.split_at(self.index);
            let others = after.iter().skip(1).chain(before);
            let stolen: Steal<JobRef> =
                others.map(|other| other.steal_batch_and_pop(&self.deque)).collect();
            if stolen.is_success() {
                self.shared.counters.stole(self.index);
            }
            stolen
        })
    }
}
