//! How a worker finds what to do next.
//!
//! It looks in this order: what only it is to run, its own forked tasks (newest first), the
//! queue of high priority, its own deque (oldest first); then what others have forked, the
//! injector, the deques of the others, the queue of low priority. From injector and others
//! it takes a batch: the first job to run, the rest into its own deque, where others can steal it
//! back. Now and then the order is another one, so that nothing starves: see [`OWN_TURN`] and the
//! like.

use crate::fork::forked::Fork;
use crate::job::JobRef;
use crate::options::Priority;
use crate::primitives::invisible;
use crate::shared::{Phase, Slot};
use crate::worker::Worker;
use crossbeam_deque::Steal;
use std::hint;

/// Every so many jobs, one of normal priority goes before those of high priority.
const OWN_TURN: u32 = 8;

/// Every so many jobs the injector is looked at before the own deque, so that jobs
/// which keep spawning others cannot keep the outside waiting. A prime, so that it
/// does not fall into step with batch sizes.
const INJECTOR_TURN: u32 = 59;

/// Every so many jobs, one of low priority goes before all others.
const LOW_TURN: u32 = 61;

/// Something for a worker to do.
pub(crate) enum Work {
    /// A job.
    Job(JobRef),
    /// Something that is for this worker only, or was forked by it.
    Fork(Fork),
    /// Something that another thread has forked.
    Stolen(Fork),
}

/// What a worker does next.
pub(crate) enum Next {
    /// Do this.
    Run(Work),
    /// See whether there are too many workers.
    Retire,
    /// End, as the pool does.
    End,
}

impl Worker {
    /// What to do next.
    pub(crate) fn next(&self) -> Next {
        let turn = self.turns.get().wrapping_add(1);
        self.turns.set(turn);
        let high_first = !turn.is_multiple_of(OWN_TURN);
        match self.take_soon(turn, high_first) {
            Some(work) => Next::Run(work),
            None => self.search_or_sleep(high_first),
        }
    }

    /// What to do next without a search. Tasks come first: what they belong to has begun.
    pub(crate) fn take_soon(&self, turn: u32, high_first: bool) -> Option<Work> {
        if let Some(fork) = self.slot.mail.take() {
            return Some(Work::Fork(fork));
        }
        if let Some(task) = self.context.take_task() {
            return Some(Work::Fork(task.into_fork()));
        }
        let special = if turn.is_multiple_of(LOW_TURN) {
            self.take(Priority::Low)
        } else if turn.is_multiple_of(INJECTOR_TURN) {
            self.take(Priority::Normal)
        } else {
            None
        };
        let high = || if high_first { self.take(Priority::High) } else { None };
        let job = special.or_else(high).or_else(|| {
            invisible();
            self.deque.pop()
        });
        job.map(Work::Job)
    }

    /// The oldest job of the queue of this priority.
    fn take(&self, priority: Priority) -> Option<JobRef> {
        let injector = self.shared.injector(priority);
        while !injector.is_empty() {
            invisible();
            match injector.steal() {
                Steal::Success(job) => return Some(job),
                Steal::Empty => return None,
                Steal::Retry => hint::spin_loop(),
            }
        }
        None
    }

    /// Looks everywhere, sleeps when there is nothing, and so on.
    ///
    /// No pause between an empty look and sleep: where workers and submitters share
    /// processors, spinning takes them from those who would publish something. On two
    /// processors, waiting awake for up to 10 us doubled the time from
    /// submitting a job to having its result, whatever made it adapt. And an idle pool is to cost
    /// nothing.
    fn search_or_sleep(&self, high_first: bool) -> Next {
        let (shared, sleep) = (&self.shared, &self.shared.sleep);
        sleep.start_search();
        loop {
            if shared.seats.has_surplus() {
                sleep.found(|| shared.has_jobs()); // What it was woken for is passed on.
                return Next::Retire;
            }
            // The phase is read before the look: when the pool takes no jobs any more,
            // what is not there then will not come. But it may be on its way from one
            // source to another: see `src/seats/ending.rs`.
            let ends = shared.phase() != Phase::Open;
            let work = self.look(high_first);
            if work.is_some() || ends {
                sleep.found(|| shared.has_jobs());
                if work.is_some() && !self.deque.is_empty() {
                    shared.seats.offer(shared); // What was moved here.
                }
                return work.map_or(Next::End, Next::Run);
            }
            sleep.park(self.index, || {
                let stay = shared.has_jobs()
                    || self.slot.mail.has_any()
                    || shared.phase() != Phase::Open
                    || shared.seats.has_surplus();
                if !stay {
                    self.slot.tally.parks();
                }
                stay
            });
        }
    }

    /// Looks at every source, and again if another thread was in the way. Forked work goes
    /// before jobs: what it belongs to has begun.
    pub(crate) fn look(&self, high_first: bool) -> Option<Work> {
        if let Some(fork) = self.slot.mail.take() {
            return Some(Work::Fork(fork));
        }
        self.hold_back();
        if let Some(fork) = self.shared.take_fork(self.index) {
            return Some(Work::Stolen(fork));
        }
        let early = if high_first { self.take(Priority::High) } else { None };
        let normal = || loop {
            invisible();
            match self.steal() {
                Steal::Success(job) => return Some(job),
                Steal::Empty => return None,
                Steal::Retry => hint::spin_loop(),
            }
        };
        let late = || if high_first { None } else { self.take(Priority::High) };
        let job = early.or_else(normal).or_else(late).or_else(|| self.take(Priority::Low));
        job.map(Work::Job)
    }

    /// Pauses for some hundred nanoseconds or more if what was stolen last was soon done: a
    /// thread that spawns tasks of that size is faster when nobody takes them away one by one.
    fn hold_back(&self) {
        let quick = self.quick.get();
        if quick > 0 {
            (0..1 << (quick + 2)).for_each(|_| hint::spin_loop());
        }
    }

    /// Looks once at the sources of normal priority.
    fn steal(&self) -> Steal<JobRef> {
        let injector = self.shared.injector(Priority::Normal);
        injector.steal_batch_and_pop(&self.deque).or_else(|| {
            let later = self.shared.slots().skip(self.index + 1);
            let others = later.chain(self.shared.slots().take(self.index));
            let stolen: Steal<JobRef> = others.map(|other| self.steal_from(other)).collect();
            if stolen.is_success() {
                self.slot.tally.stole();
            }
            stolen
        })
    }

    /// Takes jobs from another worker. A look whether there are any comes first: an attempt
    /// to take some pins the epoch of `crossbeam`, and one in 128 of those looks at every
    /// thread that ever did. In a pool of thousands, that took seconds.
    fn steal_from(&self, other: &Slot) -> Steal<JobRef> {
        invisible();
        if other.stealer.is_empty() {
            return Steal::Empty;
        }
        other.stealer.steal_batch_and_pop(&self.deque)
    }
}
