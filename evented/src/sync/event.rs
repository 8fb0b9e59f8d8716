//! Something that has happened, or has not.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use super::waiters::{Ticket, Waiters, wake};
use crate::current;
use crate::inherit::{Gate, Place};

/// A flag that tasks wait for. Cloning it makes another handle of the same flag; it may be used from
/// any thread.
///
/// ```
/// # evented::block_on(async {
/// let go = evented::sync::Event::new();
/// let start = go.clone();
/// let runner = evented::spawn(async move {
///     start.wait().await;
///     "running"
/// });
/// go.set();
/// assert_eq!(runner.await.expect("it does not panic"), "running");
/// assert!(go.is_set()); // Until somebody clears it.
/// # });
/// ```
#[derive(Clone)]
pub struct Event {
    shared: Arc<Shared>,
}

/// What handles and waiters share.
struct Shared {
    /// Wakers are used and dropped outside the lock.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    set: bool,
    /// How often it was set while it was not.
    rounds: u64,
    /// Those who wait and have not been told.
    waiting: Waiters,
    /// Where the same wait. Its keeper is the task that has claimed the event, until it is set.
    gate: Gate,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under the lock, so the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Event {
    /// It is not set.
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::default() }) }
    }

    /// Sets it and wakes all who wait, in the order in which they began to. Each of them comes
    /// through, also when it is cleared before their turn. Does nothing if it is set.
    pub fn set(&self) {
        let mut state = self.shared.lock();
        if state.set {
            return;
        }
        state.set = true;
        state.rounds += 1;
        state.gate.set_keeper(None);
        let woken = state.waiting.take();
        drop(state);
        for waker in woken {
            wake(Some(waker));
        }
    }

    /// From here on tasks wait again.
    pub fn clear(&self) {
        self.shared.lock().set = false;
    }

    /// Says that the calling task is the one that will set it next: tasks that wait make that task as
    /// urgent as the most urgent of them.
    pub fn claim(&self) {
        let mut state = self.shared.lock();
        if !state.set {
            state.gate.set_keeper(current::task());
        }
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.shared.lock().set
    }

    /// Waits until it is set. Every [`set`](Self::set) from this call on counts.
    pub fn wait(&self) -> EventWait {
        let round = self.shared.lock().rounds;
        EventWait {
            shared: Arc::clone(&self.shared),
            round,
            ticket: Ticket::default(),
            place: Place::default(),
        }
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

/// Future of [`Event::wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct EventWait {
    shared: Arc<Shared>,
    /// `State::rounds` when it was made: a later value means that it was set meanwhile.
    round: u64,
    /// Its place among those who wait.
    ticket: Ticket,
    /// The same at the gate.
    place: Place,
}

impl Future for EventWait {
    type Output = ();

    /// Polled again after it was ready, it waits for the flag as it is then.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // An event that is set must not keep the loop.
        if !current::may_operate(cx) {
            return Poll::Pending;
        }
        let this = &mut *self;
        let waker = cx.waker().clone();
        let mut state = this.shared.lock();
        let is_told = state.set || state.rounds != this.round;
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

impl Drop for EventWait {
    fn drop(&mut self) {
        if self.ticket.is_taken() {
            let mut state = self.shared.lock();
            state.gate.leave(&mut self.place);
            let own = state.waiting.leave(&mut self.ticket);
            drop(state);
            drop(own);
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The lock is only tried: formatting never blocks.
        let set = self.shared.state.try_lock().ok().map(|state| state.set);
        f.debug_struct("Event").field("set", &set).finish_non_exhaustive()
    }
}

impl fmt::Debug for EventWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWait").field("waits", &self.ticket.is_taken()).finish_non_exhaustive()
    }
}
