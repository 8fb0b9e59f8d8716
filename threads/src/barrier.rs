//! A place where threads wait for each other.
//!
//! Each round has an outcome of its own, which those who wait in it share:
//!
//! | outcome | left by | to |
//! |---|---|---|
//! | `Open` | the last party, after the action | `Passed` |
//! | | a time limit, `abort`, `reset`, a panic of the action | `Broken` |
//! | `Passed`, `Broken` | nobody | |
//!
//! So a party that wakes late still learns how its own round ended, however many rounds have
//! passed since. A broken round stays the barrier's current one, and refuses newcomers, until
//! `reset` begins another.

use crate::condvar::wait_for;
use crate::deadline::Deadline;
use crate::unwind::catch;
use crate::waiting;
use parking_lot::{Condvar, Mutex};
use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// The most threads that a barrier can be for.
pub const MAX_PARTIES: usize = 1 << 20;

/// The round is not over.
const OPEN: u8 = 0;
/// All parties have come.
const PASSED: u8 = 1;
/// The parties gave up.
const BROKEN: u8 = 2;

/// Why a thread did not pass a [`Barrier`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BarrierError {
    /// The caller's own time limit was over; this broke the barrier for all. (Not if the caller
    /// came while the action of another round ran, and that took longer: then it was in none.)
    #[error("not all parties came to the barrier before the time limit")]
    TimedOut,
    /// The barrier is broken, or was while the caller waited: by the time limit of another
    /// thread, by [`abort`](Barrier::abort), by [`reset`](Barrier::reset) or by a panic of the
    /// action.
    #[error("barrier is broken")]
    Broken,
}

/// Has threads wait until a number of them have come; then all go on, and the next round
/// begins.
///
/// A handle: clones are the same barrier. When one party gives up (its time limit is over, or
/// someone calls [`abort`](Barrier::abort)), the barrier is *broken*: everyone who waits gets an
/// error, as does everyone who comes later, until [`reset`](Barrier::reset).
///
/// ```
/// let barrier = threads::Barrier::new(3)?;
/// let meet = |barrier: threads::Barrier| barrier.wait();
/// let handles = [(); 3].map(|()| threads::spawn(meet, barrier.clone()));
/// let mut places = Vec::new();
/// for handle in handles {
///     places.push(handle?.join()??);
/// }
/// places.sort();
/// assert_eq!(places, [0, 1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A thread that waits twice where another one was to come is counted twice.
#[derive(Clone)]
pub struct Barrier {
    /// The barrier itself.
    inner: Arc<Inner>,
}

/// What the handles of a barrier share.
struct Inner {
    /// How many threads a round needs; at least 1.
    parties: usize,
    /// Called by the last party of a round before all go on.
    action: Option<Box<dyn Fn() + Send + Sync>>,
    /// The current round.
    state: Mutex<State>,
    /// Notified when a round ends.
    ended: Condvar,
}

/// What the mutex of a barrier protects.
struct State {
    /// How many have come to the current round.
    arrived: usize,
    /// The outcome of the current round. Written under the mutex.
    outcome: Arc<AtomicU8>,
    /// Who came last to the current round and runs the action.
    acting: Option<ThreadId>,
}

impl State {
    /// Ends the current round; with `PASSED`, the next one begins.
    fn end(&mut self, outcome: u8) {
        self.outcome.store(outcome, Relaxed);
        self.arrived = 0;
        self.acting = None;
        if outcome == PASSED {
            self.outcome = Arc::default();
        }
    }
}

impl Barrier {
    /// A barrier for this many threads.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] when it is zero or above [`MAX_PARTIES`].
    pub fn new(parties: usize) -> io::Result<Self> {
        Self::build(parties, None)
    }

    /// A barrier for this many threads; the last one that comes to a round calls `action`
    /// before all go on.
    ///
    /// The others wait for the end of the action, whatever their time limits: those are for
    /// waiting for each other. If it panics, as it does when it waits at this barrier itself,
    /// the barrier is broken, and the panic goes on in the thread that called it.
    ///
    /// # Errors
    ///
    /// As [`new`](Barrier::new).
    pub fn with_action(
        parties: usize,
        action: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::build(parties, Some(Box::new(action)))
    }

    /// The one way to make one.
    fn build(parties: usize, action: Option<Box<dyn Fn() + Send + Sync>>) -> io::Result<Self> {
        if parties == 0 || parties > MAX_PARTIES {
            let text = format!("make a barrier for {parties} threads: ask for 1 to {MAX_PARTIES}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let state = Mutex::new(State { arrived: 0, outcome: Arc::default(), acting: None });
        Ok(Self { inner: Arc::new(Inner { parties, action, state, ended: Condvar::new() }) })
    }

    /// Waits until all have come. Each gets a different place, from 0 for the first to come
    /// to one less than the number of parties: good for having one of them do something.
    ///
    /// # Errors
    ///
    /// [`BarrierError::Broken`].
    ///
    /// # Panics
    ///
    /// When the action panics and the caller came last; and in the action, for its round would
    /// never end.
    #[track_caller]
    pub fn wait(&self) -> Result<usize, BarrierError> {
        self.wait_before(Deadline::Never)
    }

    /// Waits until all have come, but not longer than `limit`; then it breaks the barrier.
    ///
    /// # Errors
    ///
    /// [`BarrierError::TimedOut`], [`BarrierError::Broken`].
    ///
    /// # Panics
    ///
    /// As [`wait`](Barrier::wait).
    #[track_caller]
    pub fn wait_timeout(&self, limit: Duration) -> Result<usize, BarrierError> {
        self.wait_before(Deadline::after(limit))
    }

    /// Breaks the barrier, for a party that cannot come: better than to leave the others
    /// waiting.
    pub fn abort(&self) {
        let mut state = self.inner.state.lock();
        state.end(BROKEN);
        drop(state);
        self.inner.ended.notify_all();
    }

    /// Begins a new round, with nobody in it. Those who wait get [`BarrierError::Broken`].
    pub fn reset(&self) {
        let mut state = self.inner.state.lock();
        state.end(BROKEN);
        state.outcome = Arc::default();
        drop(state);
        self.inner.ended.notify_all();
    }

    /// Whether the barrier is broken.
    pub fn is_broken(&self) -> bool {
        self.inner.state.lock().outcome.load(Relaxed) == BROKEN
    }

    /// How many threads a round needs.
    pub fn parties(&self) -> usize {
        self.inner.parties
    }

    /// How many threads wait at this moment.
    pub fn n_waiting(&self) -> usize {
        self.inner.state.lock().arrived
    }

    /// The one way to wait.
    #[track_caller]
    fn wait_before(&self, deadline: Deadline) -> Result<usize, BarrierError> {
        let inner = &*self.inner;
        let this = thread::current().id();
        // A newcomer while the action runs belongs to the next round.
        let mut state = inner.state.lock();
        let is_action = state.acting == Some(this);
        assert!(!is_action, "the action of a barrier cannot wait at it: its round would never end");
        while state.arrived == inner.parties {
            drop(state);
            if !inner.wait(deadline, |state| state.arrived < inner.parties) {
                return Err(BarrierError::TimedOut); // It has broken no round, for it was in none.
            }
            state = inner.state.lock();
        }
        let outcome = Arc::clone(&state.outcome);
        if outcome.load(Relaxed) == BROKEN {
            return Err(BarrierError::Broken);
        }
        let place = state.arrived;
        state.arrived += 1;
        if state.arrived == inner.parties {
            state.acting = Some(this);
            drop(state);
            return inner.pass(&outcome).map(|()| place);
        }
        drop(state);
        // With all there, only the action is left to wait for. Both cannot be undone for a
        // round that is open, so it makes no difference that the mutex is free in between.
        let over = |state: &State| outcome.load(Relaxed) != OPEN || state.arrived == inner.parties;
        if !inner.wait(deadline, over) {
            let mut state = inner.state.lock();
            if !over(&state) {
                state.end(BROKEN);
                drop(state);
                inner.ended.notify_all();
                return Err(BarrierError::TimedOut);
            }
        }
        inner.wait(Deadline::Never, |_| outcome.load(Relaxed) != OPEN);
        if outcome.load(Relaxed) == PASSED { Ok(place) } else { Err(BarrierError::Broken) }
    }
}

impl Inner {
    /// Waits until `holds` is true of the state (true) or until `deadline` (false).
    fn wait(&self, deadline: Deadline, holds: impl Fn(&State) -> bool) -> bool {
        let wait = |deadline| {
            wait_for(&self.ended, &mut self.state.lock(), deadline, &holds).then_some(())
        };
        waiting::aside(deadline, wait).is_some()
    }

    /// What the last party of a round does: the action, and the end of the round, unless that
    /// was broken meanwhile.
    fn pass(&self, outcome: &Arc<AtomicU8>) -> Result<(), BarrierError> {
        let acted = self.action.as_ref().map_or(Ok(()), catch);
        let mut state = self.state.lock();
        let open = outcome.load(Relaxed) == OPEN;
        if open {
            state.end(if acted.is_ok() { PASSED } else { BROKEN });
        }
        drop(state);
        self.ended.notify_all();
        match acted {
            Ok(()) if open => Ok(()),
            Ok(()) => Err(BarrierError::Broken),
            Err(payload) => resume_unwind(payload),
        }
    }
}

// After a panic, a barrier is as good as before.
impl UnwindSafe for Barrier {}
impl RefUnwindSafe for Barrier {}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Barrier");
        text.field("parties", &self.inner.parties);
        if let Some(state) = self.inner.state.try_lock() {
            text.field("n_waiting", &state.arrived);
            text.field("broken", &(state.outcome.load(Relaxed) == BROKEN));
        }
        text.finish_non_exhaustive()
    }
}
