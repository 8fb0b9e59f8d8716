//! What the workers of a pool and its handles share.

use crate::job::JobRef;
use crate::sleep::Sleep;
use crate::stats::Counters;
use crate::unwind::drop_quietly;
use crate::worker;
use crossbeam_deque::{Injector, Steal, Stealer};
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU8, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

/// How a pool ends. Goes up only.
///
/// | value | workers |
/// |---|---|
/// | `Open` | wait for jobs |
/// | `Draining` | run what is queued, then end |
/// | `Stopping` | cancel what is queued, then end |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// The pool takes jobs.
    Open,
    /// `shutdown`, or the pool was dropped.
    Draining,
    /// `shutdown_now`.
    Stopping,
}

/// What the workers of a pool and its handles share.
pub(crate) struct Shared {
    /// Jobs that came from outside the pool, oldest first.
    pub(crate) injector: Injector<JobRef>,
    /// The other end of each worker's deque.
    pub(crate) stealers: Box<[Stealer<JobRef>]>,
    /// Who sleeps.
    pub(crate) sleep: Sleep,
    /// What has been done.
    pub(crate) counters: Counters,
    /// A [`Phase`].
    phase: AtomicU8,
    /// Jobs that `shutdown_now` cancelled, counted by whoever came across them.
    unrun: AtomicUsize,
}

impl Shared {
    /// An open pool whose workers own the other ends of `stealers`.
    pub(crate) fn new(stealers: Box<[Stealer<JobRef>]>) -> Self {
        let workers = stealers.len();
        Self {
            injector: Injector::new(),
            stealers,
            sleep: Sleep::new(workers),
            counters: Counters::new(workers),
            phase: AtomicU8::new(Phase::Open as u8),
            unrun: AtomicUsize::new(0),
        }
    }

    /// Queues a job: on the own deque if a worker of this pool calls, else for
    /// all; visible to idle workers in both cases.
    pub(crate) fn push(self: &Arc<Self>, job: JobRef) {
        self.counters.submitted();
        if let Some(job) = worker::push_own(self, job) {
            self.injector.push(job);
        }
        self.sleep.publish();
    }

    /// Whether some source has a job. May be wrong about jobs that are on their
    /// way from one source to another; who moves them calls [`Sleep::found`]
    /// afterwards.
    pub(crate) fn has_jobs(&self) -> bool {
        !self.injector.is_empty() || self.stealers.iter().any(|deque| !deque.is_empty())
    }

    /// How far the pool is on its way to its end.
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Acquire) {
            0 => Phase::Open,
            1 => Phase::Draining,
            _ => Phase::Stopping,
        }
    }

    /// Enters a later phase, and has every worker notice.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Release);
        self.sleep.wake_all();
    }

    /// Cancels a job that `shutdown_now` keeps from running.
    pub(crate) fn discard(&self, job: JobRef) {
        if job.cancel() {
            self.unrun.fetch_add(1, Relaxed);
        }
        drop_quietly(job);
    }

    /// Cancels what is in any queue. Jobs on their way between two queues are
    /// cancelled by the worker that moves them.
    pub(crate) fn discard_queued(&self) {
        let sources = || {
            let injector = self.injector.steal();
            self.stealers.iter().fold(injector, |taken, deque| taken.or_else(|| deque.steal()))
        };
        loop {
            match sources() {
                Steal::Success(job) => self.discard(job),
                Steal::Retry => std::hint::spin_loop(),
                Steal::Empty => return,
            }
        }
    }

    /// How many jobs were discarded. Final when the workers have ended.
    pub(crate) fn unrun(&self) -> usize {
        self.unrun.load(Relaxed)
    }
}
