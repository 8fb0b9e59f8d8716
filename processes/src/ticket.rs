//! The place where a call's outcome is put and waited for.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::arena::lend::Lent;
use crate::callbacks::{Callback, Desk, Followers};
use crate::completed::Bell;
use crate::error::{self, JoinError};
use crate::frame::RESULT_HEADER;
use crate::scope::{self, Keeper};
use crate::segment::{Sealed, Segment};
use crate::unwind;

/// The encoded result of a call.
#[derive(Debug)]
pub(crate) struct Payload {
    /// The bytes.
    encoded: Encoded,
    /// The shared objects of the argument: the result may name them, and the caller may have
    /// given its only handle away.
    handles: Vec<Arc<Segment>>,
}

/// Where the bytes of a result are.
#[derive(Debug)]
pub(crate) enum Encoded {
    /// It came in the result frame.
    Bytes(Vec<u8>),
    /// It came as a sealed memfd.
    Sealed(Sealed),
    /// It is in the arena of its worker.
    Lent(Lent),
}

impl From<Encoded> for Payload {
    fn from(encoded: Encoded) -> Self {
        Self { encoded, handles: Vec::new() }
    }
}

impl Payload {
    /// The body of the one result frame in `record`.
    pub(crate) fn of_record(mut record: Vec<u8>) -> Self {
        record.drain(..RESULT_HEADER.min(record.len()));
        Self::from(Encoded::Bytes(record))
    }

    /// What no other process can change any more.
    pub(crate) fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.encoded {
            Encoded::Bytes(bytes) => bytes.into(),
            Encoded::Sealed(sealed) => (&**sealed).into(),
            Encoded::Lent(lent) => lent.copy().into(),
        }
    }

    /// Keeps shared objects alive until the result has been decoded.
    pub(crate) fn keep(&mut self, handles: Vec<Arc<Segment>>) {
        self.handles = handles;
    }
}

/// How a call ended; the value is decoded by whoever joins.
pub(crate) type Outcome = Result<Payload, JoinError>;

/// Where a call is. Changed under the core's lock, except for the step to `Taken`.
///
/// | phase | next | by |
/// |---|---|---|
/// | `Queued` | `Sent`, `Finished` | dispatch; cancel or shutdown |
/// | `Sent` | `Queued`, `Finished` | revoked or worker died; result, death, cancel |
/// | `Finished` | `Taken` | join or poll |
#[derive(Debug)]
enum Phase {
    /// In the pool's queue.
    Queued,
    /// In a slot of a worker, running or not.
    Sent(Place),
    /// The outcome is here.
    Finished(Outcome),
    /// The outcome was taken; it was such a one.
    Taken(error::Outcome),
}

/// Where a sent call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Index of the seat.
    pub(crate) seat: usize,
    /// Slot on the claim board of the seat's worker.
    pub(crate) slot: u16,
    /// The call's sequence number in that slot.
    pub(crate) sequence: u32,
}

/// Phase and whoever waits for its end.
#[derive(Debug)]
struct State {
    /// Where the call is.
    phase: Phase,
    /// The task that polled the handle last.
    waker: Option<Waker>,
    /// Who waits for this call among others, and the number by which they know it.
    bells: Vec<(Arc<Bell>, u64)>,
    /// Callbacks.
    followers: Option<Box<Followers>>,
    /// What travels with the argument, until the call has ended.
    keepers: Vec<Keeper>,
    /// Threads that wait: without one nobody needs to be signalled, which is a system call.
    waiting: u32,
}

/// Shared by a handle and the pool.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// Phase and waiters.
    state: Mutex<State>,
    /// Signalled when the call is finished.
    finished: Condvar,
}

/// Who waits for a call that was just settled.
#[derive(Debug)]
pub(crate) struct Waiters {
    /// The task that polled the handle last.
    waker: Option<Waker>,
    /// Who waits for this call among others, and the number by which they know it.
    bells: Vec<(Arc<Bell>, u64)>,
    /// Callbacks.
    followers: Option<Box<Followers>>,
    /// True when threads wait.
    threads: bool,
    /// What has travelled with the argument: dropped before anybody is told of the end.
    keepers: Vec<Keeper>,
}

impl Waiters {
    /// Wakes everybody who waits for `ticket`.
    pub(crate) fn wake(self, ticket: &Ticket) {
        scope::release(self.keepers);
        if self.threads {
            ticket.finished.notify_all();
        }
        for (bell, key) in self.bells {
            bell.ring(key);
        }
        if let Some(waker) = self.waker {
            // A waker is user code. Its panic must not take down the thread that resolves; the
            // panic hook has already reported it.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                unwind::discard(payload);
            }
        }
        if let (Some(followers), Some(outcome)) = (self.followers, ticket.outcome()) {
            followers.tell(outcome);
        }
    }
}

impl State {
    /// Nobody waits so far.
    fn new(phase: Phase) -> Self {
        let (bells, keepers) = (Vec::new(), Vec::new());
        Self { phase, waker: None, bells, followers: None, keepers, waiting: 0 }
    }
}

impl Phase {
    /// How the call ended, if it has.
    fn outcome(&self) -> Option<error::Outcome> {
        match self {
            Self::Queued | Self::Sent(_) => None,
            Self::Finished(outcome) => Some(error::Outcome::of(outcome)),
            Self::Taken(outcome) => Some(*outcome),
        }
    }

    /// Takes the outcome, if it is there.
    fn take(&mut self) -> Option<Outcome> {
        let taken = Self::Taken(self.outcome()?);
        match std::mem::replace(self, taken) {
            Self::Finished(outcome) => Some(outcome),
            Self::Queued | Self::Sent(_) | Self::Taken(_) => None,
        }
    }
}

impl Ticket {
    /// A ticket for a call that is in the queue, and what travels with it.
    pub(crate) fn new(keepers: Vec<Keeper>) -> Arc<Self> {
        let state = State { keepers, ..State::new(Phase::Queued) };
        Arc::new(Self { state: Mutex::new(state), finished: Condvar::new() })
    }

    /// A ticket that is finished from the start.
    pub(crate) fn finished(outcome: Outcome) -> Arc<Self> {
        let state = State::new(Phase::Finished(outcome));
        Arc::new(Self { state: Mutex::new(state), finished: Condvar::new() })
    }

    /// Records where the call went. False when it is already finished (cancelled).
    pub(crate) fn sent(&self, place: Place) -> bool {
        self.move_to(Phase::Sent(place))
    }

    /// Records that the call is back in the queue. False when it is already finished.
    pub(crate) fn requeued(&self) -> bool {
        self.move_to(Phase::Queued)
    }

    /// Changes the phase of an unfinished call.
    fn move_to(&self, phase: Phase) -> bool {
        let mut state = self.lock();
        let open = matches!(state.phase, Phase::Queued | Phase::Sent(_));
        if open {
            state.phase = phase;
        }
        open
    }

    /// Where the call is, if it was sent and is not finished.
    pub(crate) fn place(&self) -> Option<Place> {
        match self.lock().phase {
            Phase::Sent(place) => Some(place),
            Phase::Queued | Phase::Finished(_) | Phase::Taken(_) => None,
        }
    }

    /// True while the call is in the pool's queue.
    pub(crate) fn is_queued(&self) -> bool {
        matches!(self.lock().phase, Phase::Queued)
    }

    /// True when the outcome is there or was taken.
    pub(crate) fn is_finished(&self) -> bool {
        self.outcome().is_some()
    }

    /// How the call ended, if it has.
    pub(crate) fn outcome(&self) -> Option<error::Outcome> {
        self.lock().phase.outcome()
    }

    /// Ends the call; the first outcome wins. Nobody is woken: the caller wakes the waiters once
    /// it has released the core's lock.
    ///
    /// # Errors
    /// The call was finished before: this outcome, which may be long, is to be dropped then, too.
    pub(crate) fn settle(&self, outcome: Outcome) -> Result<Waiters, Outcome> {
        let mut state = self.lock();
        if state.phase.outcome().is_some() {
            drop(state);
            return Err(outcome);
        }
        state.phase = Phase::Finished(outcome);
        let bells = std::mem::take(&mut state.bells);
        let threads = state.waiting > 0;
        let (waker, followers) = (state.waker.take(), state.followers.take());
        let keepers = std::mem::take(&mut state.keepers);
        Ok(Waiters { waker, bells, followers, threads, keepers })
    }

    /// Rings `bell` with `key` when the call is finished, at once if it already is.
    pub(crate) fn ring_when_finished(&self, bell: &Arc<Bell>, key: u64) {
        let mut state = self.lock();
        if state.phase.outcome().is_some() {
            drop(state);
            bell.ring(key);
        } else {
            state.bells.push((Arc::clone(bell), key));
        }
    }

    /// Forgets a bell that has not been rung.
    pub(crate) fn ring_no_more(&self, bell: &Arc<Bell>) {
        self.lock().bells.retain(|(known, _key)| !Arc::ptr_eq(known, bell));
    }

    /// Has `callback` called when the call is finished, after those that came before. Gives it
    /// back when the call is finished already.
    pub(crate) fn follow(
        &self,
        desk: &Arc<Desk>,
        callback: Callback,
    ) -> Result<(), (Callback, error::Outcome)> {
        let mut state = self.lock();
        if let Some(outcome) = state.phase.outcome() {
            drop(state);
            return Err((callback, outcome));
        }
        let new = || Box::new(Followers::new(Arc::clone(desk)));
        state.followers.get_or_insert_with(new).push(callback);
        Ok(())
    }

    /// Waits for the end, at most `timeout` if one is given. True when finished.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        // A deadline past the end of the clock is no deadline.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.lock();
        while matches!(state.phase, Phase::Queued | Phase::Sent(_)) {
            state.waiting += 1;
            state = match deadline {
                None => self.finished.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        state.waiting -= 1;
                        return false;
                    }
                    self.finished
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
            state.waiting -= 1;
        }
        true
    }

    /// The outcome, if it is there and was not taken before.
    pub(crate) fn take(&self) -> Option<Outcome> {
        self.lock().phase.take()
    }

    /// The outcome for a future; registers the task's waker if there is none yet.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Outcome> {
        // Cloning and dropping a waker is user code: outside of the lock.
        let waker = context.waker().clone();
        let mut state = self.lock();
        if let Some(outcome) = state.phase.take() {
            drop(state);
            return Poll::Ready(outcome);
        }
        if matches!(state.phase, Phase::Taken(_)) {
            drop(state);
            panic!("a JoinHandle was polled again after it had given its result");
        }
        let old = state.waker.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// One word about the phase, for `Debug`; never blocks.
    pub(crate) fn describe(&self) -> &'static str {
        match self.state.try_lock() {
            Ok(state) => match state.phase {
                Phase::Queued => "queued",
                Phase::Sent(_) => "sent",
                Phase::Finished(Ok(_)) => "finished",
                Phase::Finished(Err(_)) => "failed",
                Phase::Taken(_) => "taken",
            },
            Err(_) => "changing",
        }
    }

    /// The state; no user code runs under this lock, so it cannot be left half-changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_outcome_comes_back() {
        let ticket = Ticket::new(Vec::new());
        assert!(ticket.settle(Err(JoinError::Cancelled)).is_ok());
        let second = ticket.settle(Ok(Payload::of_record(vec![7; 100]))).unwrap_err();
        assert_eq!(second.unwrap().bytes().len(), 100 - RESULT_HEADER);
    }

    #[test]
    fn a_bell_that_is_not_wanted_any_more_is_forgotten() {
        let (ticket, bell, other) = (Ticket::new(Vec::new()), Arc::default(), Arc::default());
        ticket.ring_when_finished(&bell, 1);
        ticket.ring_when_finished(&other, 2);
        ticket.ring_when_finished(&bell, 3);
        ticket.ring_no_more(&bell);
        assert_eq!((Arc::strong_count(&bell), Arc::strong_count(&other)), (1, 2));
    }
}
