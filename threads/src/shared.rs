//! What the workers of a pool share.

mod forks;

use crate::bound::{Bound, Room, WhenFull};
use crate::deadline::Deadline;
use crate::error::JoinError;
use crate::fork::board::Board;
use crate::fork::deep::Deep;
use crate::fork::forked::Fork;
use crate::fork::guests::Guests;
use crate::fork::mail::Mail;
use crate::fork::post::Post;
use crate::hook::{self, PanicOrigin};
use crate::job::JobRef;
use crate::nesting;
use crate::options::Priority;
use crate::pools;
use crate::primitives::{AtomicU8, AtomicUsize, fence, invisible};
use crate::seats::Seats;
use crate::settings::Settings;
use crate::sleep::Sleep;
use crate::stats::{Counters, Stats, Tally};
use crate::unwind::drop_and_report;
use crate::waiting;
use crate::worker::{self, Deques};
use crossbeam_deque::{Injector, Steal, Stealer};
use crossbeam_utils::CachePadded;
use std::any::Any;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::{Arc, OnceLock};

/// How a pool ends. Goes up only.
///
/// | value | workers | a job that is spawned |
/// |---|---|---|
/// | `Open` | wait for jobs | is queued |
/// | `Draining` | run what is queued, then end | (the pool is gone) |
/// | `Broken` | discard what is queued, then end | yields `Broken` |
/// | `Stopping` | cancel what is queued, then end | (the pool is gone) |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// The pool takes jobs.
    Open,
    /// `shutdown`, or the pool was dropped.
    Draining,
    /// An initializer failed.
    Broken,
    /// `shutdown_now`.
    Stopping,
}

/// What others see of a worker. Stays when its thread has ended, for the next
/// one with the same number.
pub(crate) struct Slot {
    /// The other end of the worker's deque.
    pub(crate) stealer: Stealer<JobRef>,
    /// What others see of the worker's forks.
    pub(crate) post: Arc<Post>,
    /// What only this worker is to run.
    pub(crate) mail: Mail,
    /// What the worker has done.
    pub(crate) tally: CachePadded<Tally>,
}

/// What the workers of a pool share.
pub(crate) struct Shared {
    /// Tells pools apart.
    pub(crate) number: u64,
    /// How the pool was set up.
    pub(crate) settings: Settings,
    /// Jobs that came from outside the pool or have a priority of their own, oldest
    /// first; by [`Priority`].
    injectors: [Injector<JobRef>; Priority::COUNT],
    /// The workers by number, up to the most there may be.
    slots: Box<[OnceLock<Arc<Slot>>]>,
    /// How many of `slots` are set.
    opened: AtomicUsize,
    /// Forked work that anybody may take.
    pub(crate) board: Board<Fork>,
    /// Threads with a deep stack that have left their work to workers.
    pub(crate) deep: Deep,
    /// Threads from outside that fork here.
    pub(crate) guests: Guests,
    /// Who sleeps.
    pub(crate) sleep: Sleep,
    /// Who executes jobs.
    pub(crate) seats: Seats,
    /// How many jobs may be queued, if there is a limit.
    pub(crate) bound: Option<Bound>,
    /// What has been done by others than workers.
    pub(crate) counters: Counters,
    /// A [`Phase`].
    phase: AtomicU8,
    /// Why the pool is broken; set before the phase.
    reason: OnceLock<Arc<str>>,
    /// Jobs that `shutdown_now` cancelled, counted by whoever came across them.
    unrun: AtomicUsize,
}

impl Shared {
    /// An open pool without workers.
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        let most = settings.max_workers + settings.spares;
        let shared = Arc::new(Self {
            number: pools::number(),
            injectors: std::array::from_fn(|_| Injector::new()),
            slots: (0..most).map(|_| OnceLock::new()).collect(),
            opened: AtomicUsize::new(0),
            board: Board::new(),
            deep: Deep::new(),
            guests: Guests::new(),
            sleep: Sleep::new(most),
            seats: Seats::new(settings.spares),
            bound: settings.bound.map(|(limit, when_full)| Bound::new(limit, when_full)),
            counters: Counters::default(),
            phase: AtomicU8::new(Phase::Open as u8),
            reason: OnceLock::new(),
            unrun: AtomicUsize::new(0),
            settings,
        });
        pools::add(&shared);
        shared
    }

    /// Makes a worker's deques known to the others.
    pub(crate) fn open_slot(&self, index: usize, deques: &Deques) {
        let post = Arc::new(Post::new(&deques.tasks));
        let (stealer, mail) = (deques.jobs.stealer(), Mail::new());
        let slot = Slot { stealer, post, mail, tally: CachePadded::default() };
        let is_new = self.slots[index].set(Arc::new(slot)).is_ok();
        assert!(is_new, "each number is opened once");
        self.opened.store(index + 1, Release);
    }

    /// The workers there are or have been.
    pub(crate) fn slots(&self) -> impl DoubleEndedIterator<Item = &Arc<Slot>> + Clone {
        self.slots[..self.opened.load(Acquire)].iter().filter_map(OnceLock::get)
    }

    /// The most workers there may ever be, with spare ones.
    pub(crate) fn most_workers(&self) -> usize {
        self.slots.len()
    }

    /// The queue of a priority.
    pub(crate) fn injector(&self, priority: Priority) -> &Injector<JobRef> {
        &self.injectors[priority as usize]
    }

    /// Takes a job that was spawned: queues it, or does what the bound says.
    pub(crate) fn submit(self: &Arc<Self>, job: JobRef, priority: Priority) {
        let Some(bound) = &self.bound else { return self.push(job, priority) };
        let waits = bound.when_full == WhenFull::Block;
        if let Some(room) = self.room(waits.then_some(Deadline::Never)) {
            room.used();
            return self.push(job, priority);
        }
        bound.enter_beyond();
        if bound.when_full == WhenFull::Refuse {
            self.counters.submitted();
            self.counters.refused();
            job.discard(JoinError::Refused);
            self.drop_job(job);
        } else if nesting::is_deep() {
            self.push(job, priority);
        } else {
            self.run_here(job);
        }
    }

    /// Takes room for a job that is about to be pushed: waits for it if there is a
    /// deadline. A worker of this pool takes it beyond the bound when all workers wait.
    pub(crate) fn room(&self, needed: Option<Deadline>) -> Option<Room<'_>> {
        let Some(bound) = &self.bound else { return Some(Room::taken(None)) };
        if !bound.try_enter() {
            let inside = worker::index_in(self.number).is_some();
            let stuck = || inside && !self.seats.any_seated();
            waiting::aside(needed?, |deadline| bound.enter(deadline, stuck).then_some(()))?;
        }
        Some(Room::taken(Some(bound)))
    }

    /// Queues a job for which there is room: on the own deque if a worker of this
    /// pool calls, else for all; visible to idle workers in both cases. In an
    /// inline pool, the caller runs it.
    pub(crate) fn push(self: &Arc<Self>, job: JobRef, priority: Priority) {
        if self.settings.inline {
            self.counters.submitted();
            return nesting::run_or_put_off(self, job);
        }
        invisible();
        let job = match priority {
            Priority::Normal => worker::push_own(self, job),
            _ => Some(job),
        };
        if let Some(job) = job {
            self.counters.submitted();
            let _order = self.bound.as_ref().and_then(|bound| bound.keep_order(priority));
            self.injector(priority).push(job);
        }
        invisible();
        self.sleep.publish();
        self.sweep_now_and_then();
        // After the fence in `publish`, see `break_with`.
        if self.phase() >= Phase::Broken {
            self.discard_queued();
        }
    }

    /// The caller, worker or not, runs a job that was not queued.
    fn run_here(self: &Arc<Self>, job: JobRef) {
        self.counters.submitted();
        if worker::run_own(self, &job) {
            self.drop_job(job);
        } else {
            nesting::run(self, job);
        }
    }

    /// All workers may wait now, of which some may wait for one that makes room.
    pub(crate) fn seats_left(&self, seated: usize) {
        if seated == 0 {
            self.deep.unpark();
            self.bound.iter().for_each(Bound::look_again);
        }
    }

    /// A job is no longer queued.
    pub(crate) fn leave_queue(&self) {
        if let Some(bound) = &self.bound {
            bound.leave();
        }
    }

    /// A queued job was discarded.
    pub(crate) fn count_discard(&self) {
        self.counters.discarded();
        self.leave_queue();
    }

    /// Counts a panic on the calling thread, and tells the pool's hook about it.
    pub(crate) fn report(&self, origin: PanicOrigin, payload: &(dyn Any + Send)) {
        if origin != PanicOrigin::Job {
            self.counters.stray_panic();
        }
        if let Some(hook) = &self.settings.on_panic {
            hook::report(hook, origin, payload);
        }
    }

    /// Drops the pool's reference to a job, with what it holds if it is the last one.
    pub(crate) fn drop_job(&self, job: JobRef) {
        drop_and_report(job, |payload| self.report(PanicOrigin::Drop, payload));
    }

    /// Whether some source has a job. May be wrong about jobs that are on their
    /// way from one source to another; who moves them calls [`Sleep::found`]
    /// afterwards.
    pub(crate) fn has_jobs(&self) -> bool {
        self.injectors.iter().any(|injector| !injector.is_empty())
            || self.slots().any(|slot| !slot.stealer.is_empty())
            || self.has_forks()
    }

    /// How far the pool is on its way to its end.
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Acquire) {
            0 => Phase::Open,
            1 => Phase::Draining,
            2 => Phase::Broken,
            _ => Phase::Stopping,
        }
    }

    /// Whether workers may start: also while the pool ends, as jobs that run may fork. Not when an
    /// initializer has failed: that of another one would, too.
    pub(crate) fn may_start_workers(&self) -> bool {
        match self.phase() {
            Phase::Open | Phase::Draining => true,
            Phase::Broken => false,
            Phase::Stopping => self.reason.get().is_none(),
        }
    }

    /// Enters a later phase, and has every worker notice.
    pub(crate) fn enter(&self, phase: Phase) {
        self.seats.close(); // Before the phase, see `src/seats.rs`.
        self.phase.fetch_max(phase as u8, Release);
        self.sleep.wake_all();
    }

    /// An initializer failed: no job runs any more.
    ///
    /// A job that is pushed at the same time is not forgotten: the phase is set,
    /// fence, the queues are emptied; the pusher puts it there, fence, looks at the
    /// phase. One of them sees the other.
    pub(crate) fn break_with(&self, reason: &str) {
        self.reason.get_or_init(|| reason.into());
        self.enter(Phase::Broken);
        fence(SeqCst);
        self.discard_queued();
    }

    /// Discards a job that the phase keeps from running.
    pub(crate) fn discard(&self, job: JobRef) {
        let stopping = self.phase() == Phase::Stopping;
        let error = match self.reason.get() {
            Some(reason) if !stopping => JoinError::Broken { reason: Arc::clone(reason) },
            _ => JoinError::Cancelled,
        };
        if job.discard(error) && stopping {
            self.unrun.fetch_add(1, Relaxed);
        }
        self.drop_job(job);
    }

    /// Discards what is in any queue. Jobs on their way between two queues are
    /// discarded by the worker that moves them.
    pub(crate) fn discard_queued(&self) {
        let sources = || {
            let injected = self.injectors.iter().map(Injector::steal);
            injected.chain(self.slots().map(|slot| slot.stealer.steal())).collect()
        };
        loop {
            invisible();
            match sources() {
                Steal::Success(job) => self.discard(job),
                Steal::Retry => std::hint::spin_loop(),
                Steal::Empty => return,
            }
        }
    }

    /// How many jobs were cancelled by `shutdown_now`. Final when the workers have
    /// ended.
    pub(crate) fn unrun(&self) -> usize {
        self.unrun.load(Relaxed)
    }

    /// What has been done so far.
    pub(crate) fn stats(&self) -> Stats {
        self.counters.snapshot(&self.seats, self.slots().map(|slot| &*slot.tally))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        pools::remove(self.number);
    }
}
