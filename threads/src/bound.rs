//! A limit to how many jobs are queued.

use crate::deadline::Deadline;
use crate::options::Priority;
use crate::primitives::{AtomicUsize, Condvar, Mutex, MutexGuard, lock, wait};
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

/// The fewest jobs to push before the queues are looked at again.
const LEAST_LOOK: usize = 64;

/// What [`Pool::spawn`](crate::Pool::spawn) does when as many jobs are queued as
/// [`Builder::queue_bound`](crate::Builder::queue_bound) allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// Waits until a worker has begun a job. Called by a job of the pool itself, its
    /// worker steps aside meanwhile, so that another one makes room; if nobody is left
    /// who could, as all workers wait and there are no more
    /// [spares](crate::Builder::spares), the new job is queued beyond the bound.
    ///
    /// It is a wait, and the usual care is due: while the caller holds a lock that many
    /// queued jobs need, these occupy the workers, and none makes room. The same holds
    /// for two full pools whose jobs spawn into each other.
    Block,
    /// Runs the job on the calling thread before it returns, which also slows down
    /// who submits too fast. When 128 jobs lie on top of each other like
    /// that on a thread, the next one is queued beyond the bound, to spare the stack. A
    /// lock that the caller holds must not be needed by the job. What it forks may be taken by the
    /// pool's workers, as that of any job.
    CallerRuns,
    /// Finishes the handle with [`JoinError::Refused`](crate::JoinError::Refused).
    /// See also [`Pool::try_spawn`](crate::Pool::try_spawn), which gives the
    /// closure back. A job of [`Pool::execute`](crate::Pool::execute) has no handle: its closure
    /// is dropped, and only [`Stats::refused`](crate::Stats::refused) tells.
    Refuse,
}

/// The pool was full; gives the closure back. From
/// [`Pool::try_spawn`](crate::Pool::try_spawn).
#[derive(Clone, Copy, thiserror::Error)]
#[error("spawn a job: as many are queued as the pool allows")]
pub struct PoolFull<F>(
    /// The closure.
    pub F,
);

impl<F> fmt::Debug for PoolFull<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PoolFull(..)")
    }
}

/// A limit to how many jobs are queued, and how many are.
pub(crate) struct Bound {
    /// The most that may be queued.
    limit: usize,
    /// What happens beyond.
    pub(crate) when_full: WhenFull,
    /// The count.
    state: Mutex<State>,
    /// Notified when there is room and somebody waits for it.
    room: Condvar,
    /// Jobs that were pushed since the queues were last looked at, see `src/sweep.rs`.
    pushed: AtomicUsize,
    /// Held while a job is pushed whose order counts, and while such jobs are swept.
    order: Mutex<()>,
}

/// What the mutex of a [`Bound`] protects.
struct State {
    /// Jobs that are queued, or will be in a moment.
    queued: usize,
    /// Threads that wait for room.
    waiting: usize,
}

impl Bound {
    /// Room for this many.
    pub(crate) fn new(limit: usize, when_full: WhenFull) -> Self {
        let state = Mutex::new(State { queued: 0, waiting: 0 });
        let (pushed, order) = (AtomicUsize::new(0), Mutex::new(()));
        Self { limit, when_full, state, room: Condvar::new(), pushed, order }
    }

    /// A job was pushed; whether it is time to look what is in the queues.
    pub(crate) fn is_look_due(&self) -> bool {
        let due = self.pushed.fetch_add(1, Relaxed) + 1 >= self.limit.max(LEAST_LOOK);
        if due {
            self.pushed.store(0, Relaxed);
        }
        due
    }

    /// As many entries in the queues are no reason to sweep them.
    pub(crate) fn most_expected(&self) -> usize {
        self.limit.max(LEAST_LOOK).saturating_mul(2)
    }

    /// While the guard is there, no other thread pushes a job of this priority, unless
    /// their order does not count.
    pub(crate) fn keep_order(&self, priority: Priority) -> Option<MutexGuard<'_, ()>> {
        (priority != Priority::Normal).then(|| lock(&self.order))
    }

    /// Takes room for a job, if there is some in time; beyond the limit when `stuck`
    /// says that nobody makes room any more. Who makes that true calls
    /// [`Bound::look_again`] afterwards.
    pub(crate) fn enter(&self, deadline: Deadline, stuck: impl Fn() -> bool) -> bool {
        let mut state = lock(&self.state);
        let mut over = false;
        loop {
            if state.queued < self.limit || stuck() {
                state.queued += 1;
                return true;
            }
            if over {
                return false;
            }
            state.waiting += 1;
            (state, over) = wait(&self.room, &self.state, state, deadline);
            state.waiting -= 1;
        }
    }

    /// Takes room for a job, if there is some now.
    pub(crate) fn try_enter(&self) -> bool {
        let mut state = lock(&self.state);
        let room = state.queued < self.limit;
        state.queued += usize::from(room);
        room
    }

    /// Counts a job although there is no room, as it must not wait for any.
    pub(crate) fn enter_beyond(&self) {
        lock(&self.state).queued += 1;
    }

    /// Has those who wait for room see whether anybody still makes some. Under the lock,
    /// so it comes before their look or when they wait already.
    pub(crate) fn look_again(&self) {
        let waiting = lock(&self.state).waiting;
        if waiting > 0 {
            self.room.notify_all();
        }
    }

    /// A job is no longer queued.
    pub(crate) fn leave(&self) {
        let mut state = lock(&self.state);
        state.queued -= 1;
        let waiting = state.waiting;
        drop(state);
        if waiting > 0 {
            self.room.notify_one();
        }
    }
}

/// Room for one job that is about to be queued; given back when this is dropped.
pub(crate) struct Room<'a> {
    /// Where, if there is a limit at all.
    bound: Option<&'a Bound>,
}

impl<'a> Room<'a> {
    /// Room that was taken from this bound.
    pub(crate) fn taken(bound: Option<&'a Bound>) -> Self {
        Self { bound }
    }

    /// The job is queued: whoever takes it gives the room back.
    pub(crate) fn used(mut self) {
        self.bound = None;
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if let Some(bound) = self.bound {
            bound.leave();
        }
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("limit", &self.limit)
            .field("when_full", &self.when_full)
            .finish_non_exhaustive()
    }
}
