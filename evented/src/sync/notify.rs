//! Telling a waiter, or all of them, that something has changed.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::waiters::{Ticket, Waiters};
use crate::current;
use crate::inherit::{Gate, Place};

/// Wakes those who wait for a change. Carries no value: the change itself is somewhere else. Cloning it
/// makes another handle; it may be used from any thread.
///
/// It has no owner by itself: anybody may be the next to notify, and who did so last need not be. A task
/// that knows that it will be the one says so with [`claim`](Self::claim).
///
/// A change that comes between a look and the wait is not missed when the future is made first:
///
/// ```
/// # evented::block_on(async {
/// # use std::{cell::Cell, rc::Rc};
/// let (notify, ready) = (evented::sync::Notify::new(), Rc::new(Cell::new(false)));
/// let (changes, flag) = (notify.clone(), Rc::clone(&ready));
/// evented::call_soon(move || {
///     flag.set(true);
///     changes.notify_all();
/// });
/// loop {
///     let changed = notify.notified();
///     if ready.get() {
///         break;
///     }
///     changed.await;
/// }
/// # });
/// ```
#[derive(Clone)]
pub struct Notify {
    shared: Arc<Shared>,
}

/// What handles and waiters share.
struct Shared {
    /// Wakers are used and dropped outside the lock.
    state: Mutex<State>,
}

/// A notification for one is either *kept*, when nobody waits, or *given* to a waiter, which has it
/// until it is polled, and passes it on when it is dropped instead.
#[derive(Default)]
struct State {
    /// A notification for one that nobody waited for. Only while nobody waits.
    kept: bool,
    /// Those who wait and have not been told.
    waiting: Waiters,
    /// Tickets of those who were told by a notification for one and have not been polled since.
    given: BTreeSet<u64>,
    /// How many notifications for all there were.
    rounds: u64,
    /// Where those wait who have not been told. Its keeper is the task that has claimed it.
    gate: Gate,
}

impl State {
    /// Gives a notification to the one that waits longest, to be woken, or keeps it.
    fn notify_one(&mut self) -> Option<Waker> {
        let Some((number, waker)) = self.waiting.pop_first() else {
            self.kept = true;
            return None;
        };
        self.given.insert(number);
        waker
    }

    /// Whether a notification was given to this waiter. Takes it.
    fn take_given(&mut self, ticket: &Ticket) -> bool {
        ticket.number().is_some_and(|number| self.given.remove(&number))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under the lock, so the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notify {
    /// Nobody waits and nothing is kept.
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::default() }) }
    }

    /// Wakes the one that waits longest. If nobody waits, the notification is kept for the next one who
    /// does; one is kept at most.
    pub fn notify_one(&self) {
        let woken = self.shared.lock().notify_one();
        if let Some(waker) = woken {
            current::wake_contained(waker);
        }
    }

    /// Wakes everybody who has a [`Notified`], polled yet or not. Nothing is kept for later ones.
    pub fn notify_all(&self) {
        let mut state = self.shared.lock();
        state.rounds += 1;
        let woken = state.waiting.take();
        drop(state);
        for waker in woken {
            current::wake_contained(waker);
        }
    }

    /// Says that the calling task is the one that will notify, until another one says so: tasks that wait
    /// make that task as urgent as the most urgent of them, and are shown in [dumps](crate::record) with it.
    pub fn claim(&self) {
        self.shared.lock().gate.set_keeper(current::task());
    }

    /// Waits for a notification. Every [`notify_all`](Self::notify_all) from this call on counts; the
    /// place in the line for [`notify_one`](Self::notify_one) is taken when the future is first
    /// polled. A future that is dropped passes a notification it was given on to the next.
    pub fn notified(&self) -> Notified {
        let round = self.shared.lock().rounds;
        Notified {
            shared: Arc::clone(&self.shared),
            round,
            ticket: Ticket::default(),
            place: Place::default(),
        }
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

/// Future of [`Notify::notified`].
#[must_use = "futures do nothing unless awaited"]
pub struct Notified {
    shared: Arc<Shared>,
    /// `State::rounds` when it was made: a later value means that all were notified.
    round: u64,
    /// Its place among those who wait.
    ticket: Ticket,
    /// The same at the gate.
    place: Place,
}

impl Future for Notified {
    type Output = ();

    /// Polled again after it was ready, it waits for another notification.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // A loop of notifications must not keep the reactor.
        if !current::may_operate(cx) {
            return Poll::Pending;
        }
        let this = &mut *self;
        let waker = cx.waker().clone();
        let mut state = this.shared.lock();
        let is_told = state.take_given(&this.ticket)
            || state.rounds != this.round
            || (!this.ticket.is_taken() && std::mem::take(&mut state.kept));
        let old = if is_told {
            this.round = state.rounds;
            state.gate.leave(&mut this.place);
            state.waiting.leave(&mut this.ticket)
        } else {
            state.gate.wait(&mut this.place);
            state.waiting.wait(&mut this.ticket, waker)
        };
        drop(state);
        drop(old);
        if is_told { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Notified {
    fn drop(&mut self) {
        if !self.ticket.is_taken() {
            return;
        }
        let mut state = self.shared.lock();
        state.gate.leave(&mut self.place);
        let next = if state.take_given(&self.ticket) { state.notify_one() } else { None };
        let own = state.waiting.leave(&mut self.ticket);
        drop(state);
        if let Some(waker) = next {
            current::wake_contained(waker);
        }
        drop(own);
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The lock is only tried: formatting never blocks.
        let kept = self.shared.state.try_lock().ok().map(|state| state.kept);
        f.debug_struct("Notify").field("kept", &kept).finish_non_exhaustive()
    }
}

impl fmt::Debug for Notified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified").field("waits", &self.ticket.is_taken()).finish_non_exhaustive()
    }
}
