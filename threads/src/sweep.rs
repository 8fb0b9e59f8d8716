//! Sweeping out what jobs leave in queues that did not run from there.
//!
//! # Cancelled jobs, in a pool with a bound
//!
//! A job that is cancelled while it is queued makes room at once, but an empty shell of it
//! stays in its queue until a worker comes across it. While all workers are busy, jobs
//! that are spawned and cancelled again would pile up there. So now and then (see
//! [`Bound::is_look_due`]) whoever pushes a job counts what is in the queues, and when
//! there is more than the bound explains, takes everything out and puts back what is
//! still queued.
//!
//! The work is that of a few steps with each job, as so many jobs have been pushed since
//! the last time. What is in the queues never exceeds three times the bound (or 64, if
//! that is more), and one for each thread that pushes at the same time.
//!
//! A job that has been taken out is seen by nobody until it is back. Workers that looked
//! meanwhile are told as of a new job. The pool cannot be draining, as somebody spawns.

//!
//! # Jobs that were run on the spot by those who join them
//!
//! A job that spawns and joins for long, while its worker never comes to its deque, would leave a
//! shell there for each. So a worker counts what it has run on the spot, and sweeps its own
//! deque when that is as much as what is in it, or [`FEW`] if that is more. Shells are empty by then, or their
//! handles are there and have the results: nothing of the user's is dropped in a sweep.

use crate::bound::Bound;
use crate::job::JobRef;
use crate::options::Priority;
use crate::primitives::invisible;
use crate::shared::{Phase, Shared};
use crate::worker::Worker;
use crossbeam_deque::Steal;
use std::hint;

/// So many shells do no harm.
const FEW: usize = 64;

impl Worker {
    /// A job was run on the spot.
    pub(crate) fn count_shell(&self) {
        let shells = self.shells.get() + 1;
        self.shells.set(shells);
        if shells >= FEW.max(self.deque.len() / 2) {
            self.shells.set(0);
            self.sweep();
        }
    }

    /// Takes everything out of the own deque, and puts back what is still queued.
    fn sweep(&self) {
        let mut shells = Vec::new();
        let mut live = Vec::new();
        for _ in 0..self.deque.len() {
            invisible();
            let Some(job) = self.deque.pop() else { break };
            if job.is_queued() { live.push(job) } else { shells.push(job) }
        }
        if !live.is_empty() {
            for job in live {
                self.deque.push(job);
            }
            self.shared.sleep.publish();
            self.shared.seats.offer(&self.shared);
            if self.shared.phase() >= Phase::Broken {
                self.shared.discard_queued();
            }
        }
        for job in shells {
            self.shared.drop_job(job);
        }
    }
}

impl Shared {
    /// A job was pushed: sweeps if it is time for that, and if there is enough.
    pub(crate) fn sweep_now_and_then(&self) {
        let Some(bound) = self.bound.as_ref().filter(|bound| bound.is_look_due()) else { return };
        let injected: usize = ALL.iter().map(|priority| self.injector(*priority).len()).sum();
        let in_deques: usize = self.slots().map(|slot| slot.stealer.len()).sum();
        if injected + in_deques > bound.most_expected() {
            self.sweep(bound);
        }
    }

    /// Takes everything out, and puts back what is still queued.
    fn sweep(&self, bound: &Bound) {
        let mut shells = Vec::new();
        for slot in self.slots() {
            let live = take_all(slot.stealer.len(), || slot.stealer.steal(), &mut shells);
            for job in live {
                self.injector(Priority::Normal).push(job);
            }
        }
        for priority in ALL {
            let _order = bound.keep_order(priority);
            let injector = self.injector(priority);
            let live = take_all(injector.len(), || injector.steal(), &mut shells);
            for job in live {
                injector.push(job);
            }
        }
        invisible();
        self.sleep.publish();
        // Whoever discards what is queued may have looked meanwhile.
        if self.phase() >= Phase::Broken {
            self.discard_queued();
        }
        for job in shells {
            self.drop_job(job);
        }
    }
}

/// All queues that are not those of workers.
const ALL: [Priority; Priority::COUNT] = [Priority::Low, Priority::Normal, Priority::High];

/// Takes at most this many jobs. Those that are still queued come back, others go to
/// `shells`.
fn take_all(
    most: usize,
    steal: impl Fn() -> Steal<JobRef>,
    shells: &mut Vec<JobRef>,
) -> Vec<JobRef> {
    let mut live = Vec::new();
    let mut left = most;
    while left > 0 {
        match steal() {
            Steal::Success(job) => {
                left -= 1;
                if job.is_queued() { live.push(job) } else { shells.push(job) }
            }
            Steal::Retry => hint::spin_loop(),
            Steal::Empty => break,
        }
    }
    live
}
