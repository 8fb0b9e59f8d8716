//! Jobs that wait for each other, and would for ever.

use crate::job::JobRef;
use crate::primitives::{Mutex, lock};
use std::collections::BTreeMap;

/// Which workers of a pool block until a job of the same pool is finished,
/// without a time limit.
///
/// A job that blocks keeps all jobs on its worker's stack from finishing. So worker
/// A waits for worker B if the job that A waits for is running on B, and a circle
/// of such waits never ends. It is complete when its last wait begins: each wait is
/// entered here after a look along the chain from its job, under one lock, so the
/// last one sees all others.
///
/// Not seen: waits with a time limit (they end), for something other than one job
/// (sets of handles, channels, locks), and circles that run through several pools
/// or threads that are no workers.
pub(crate) struct Waits {
    /// By worker, the job it waits for. Locked seldom: a worker that is about to
    /// block has waited for a while already.
    jobs: Mutex<BTreeMap<usize, JobRef>>,
}

impl Waits {
    /// Nobody waits.
    pub(crate) fn new() -> Self {
        Self { jobs: Mutex::new(BTreeMap::new()) }
    }

    /// The worker waits for the job until the guard is dropped; `None` if that would
    /// complete a circle.
    pub(crate) fn enter(&self, worker: usize, job: &JobRef) -> Option<Waiting<'_>> {
        let mut jobs = lock(&self.jobs);
        let mut next = job.runner();
        while let Some(at) = next {
            if at == worker {
                return None;
            }
            next = jobs.get(&at).and_then(|job| job.runner());
        }
        jobs.insert(worker, JobRef::clone(job));
        Some(Waiting { waits: self, worker })
    }
}

/// From [`Waits::enter`].
pub(crate) struct Waiting<'a> {
    /// Where to leave.
    waits: &'a Waits,
    /// Who waits.
    worker: usize,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let job = lock(&self.waits.jobs).remove(&self.worker);
        drop(job); // Not the last reference: the waiting one has the handle.
    }
}
