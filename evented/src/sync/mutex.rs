//! A value that one task at a time may use, for as long as it likes, also while it waits.
//!
//! The value travels: it is in the state while nobody has the lock, and in the guard of who has it.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::{Arc, MutexGuard as StdGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::waiters::{Ticket, Waiters, wake};
use crate::current;
use crate::inherit::{Gate, Place};
use crate::waker::name_in;

/// A value that one task at a time may use. The guard may be kept while its task waits for something
/// else. Cloning it makes another handle of the same value; it may be used from any thread.
///
/// Fair: the lock goes to those who wait in the order in which they began to, and nobody overtakes
/// them. It knows which task has it, the one that was being polled when the guard was made, and that task
/// runs as urgently as the most urgent of those who wait.
///
/// A task that waits for a lock of which it has the guard waits for ever. A panic with the guard gives
/// the lock back; the value is as the panic has left it. For a value that no task keeps while it waits,
/// a `Cell` or a `RefCell` is enough.
///
/// ```
/// # evented::block_on(async {
/// let total = evented::sync::Mutex::new(0);
/// let mut group = evented::TaskGroup::new();
/// for n in 1..=10 {
///     let total = total.clone();
///     group.spawn(async move {
///         let mut total = total.lock().await;
///         let before = *total;
///         evented::yield_now().await; // Nobody comes in between.
///         *total = before + n;
///     });
/// }
/// while let Some(result) = group.next().await {
///     result.expect("it does not panic");
/// }
/// assert_eq!(*total.lock().await, 55);
/// # });
/// ```
pub struct Mutex<T> {
    shared: Arc<Shared<T>>,
}

/// What handles and guards share.
struct Shared<T> {
    /// Wakers and values are used and dropped outside of this lock.
    state: std::sync::Mutex<State<T>>,
}

struct State<T> {
    /// The value, while nobody has the lock. In a box, so that to move it is to move a pointer.
    value: Option<Box<T>>,
    /// Where the same wait. Its keeper is the task that has the lock, or whose turn it is.
    gate: Gate,
    /// Those who wait. The first keeps its place until it has the lock or gives up.
    waiting: Waiters,
}

impl<T> Shared<T> {
    fn lock(&self) -> StdGuard<'_, State<T>> {
        // No user code runs under the lock, so the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// The lock is free: who is to be told. What is behind waits for that one from here on.
    fn next(&mut self) -> Option<Waker> {
        let next = self.waiting.tell_first();
        if next.is_some() || self.waiting.is_empty() {
            self.gate.set_keeper(next.as_ref().and_then(name_in));
        }
        next
    }

    /// Takes the value, for the task that is being polled.
    fn take(&mut self) -> Option<Box<T>> {
        let value = self.value.take()?;
        self.gate.set_keeper(current::task());
        Some(value)
    }
}

impl<T> Mutex<T> {
    /// Nobody has the lock.
    pub fn new(value: T) -> Self {
        let value = Some(Box::new(value));
        let state = State { value, gate: Gate::of_lock(), waiting: Waiters::default() };
        Self { shared: Arc::new(Shared { state: std::sync::Mutex::new(state) }) }
    }

    /// Waits for the lock. The place in the line is taken when the future is first polled, or with the
    /// next poll when that one has used up its operations; dropping the
    /// future gives it up, and if it was its turn, the turn goes to the next.
    pub fn lock(&self) -> Lock<T> {
        Lock {
            shared: Arc::clone(&self.shared),
            ticket: Ticket::default(),
            place: Place::default(),
        }
    }

    /// The lock, if nobody has it or waits for it.
    pub fn try_lock(&self) -> Option<MutexGuard<T>> {
        let mut state = self.shared.lock();
        if !state.waiting.is_empty() {
            return None;
        }
        let value = state.take()?;
        drop(state);
        Some(MutexGuard { value: Some(value), shared: Arc::clone(&self.shared) })
    }

    /// Whether somebody has the lock. It may be over by the time this returns, on another thread.
    pub fn is_locked(&self) -> bool {
        self.shared.lock().value.is_none()
    }
}

impl<T> Clone for Mutex<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// Future of [`Mutex::lock`].
#[must_use = "futures do nothing unless awaited"]
pub struct Lock<T> {
    shared: Arc<Shared<T>>,
    /// Its place among those who wait.
    ticket: Ticket,
    /// The same at the gate.
    place: Place,
}

impl<T> Future for Lock<T> {
    type Output = MutexGuard<T>;

    /// Polled again after it was ready, it waits for the lock once more.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<MutexGuard<T>> {
        // A lock that nobody else wants must not keep the loop.
        if !current::may_operate(cx) {
            return Poll::Pending;
        }
        let this = &mut *self;
        let waker = cx.waker().clone();
        let mut state = this.shared.lock();
        let value = if state.waiting.is_first(&this.ticket) { state.take() } else { None };
        let old = if value.is_some() {
            state.gate.leave(&mut this.place);
            state.waiting.leave(&mut this.ticket)
        } else {
            let ahead = state.waiting.ahead(&this.ticket);
            state.gate.wait_behind(&mut this.place, ahead);
            state.waiting.wait(&mut this.ticket, waker)
        };
        drop(state);
        drop(old);
        match value {
            Some(value) => {
                let shared = Arc::clone(&this.shared);
                Poll::Ready(MutexGuard { value: Some(value), shared })
            }
            None => Poll::Pending,
        }
    }
}

impl<T> Drop for Lock<T> {
    fn drop(&mut self) {
        if !self.ticket.is_taken() {
            return;
        }
        let mut state = self.shared.lock();
        let ahead = state.waiting.ahead(&self.ticket).or(state.gate.keeper());
        Gate::close_up(state.waiting.behind(&self.ticket), ahead);
        let own = state.waiting.leave(&mut self.ticket);
        state.gate.leave(&mut self.place);
        // It may have been told of a lock that it does not take.
        let next = if state.value.is_some() { state.next() } else { None };
        drop(state);
        wake(next);
        drop(own);
    }
}

/// The right to use the value of a [`Mutex`]. Dropping it gives the lock back.
#[must_use = "dropping a guard gives the lock back at once"]
pub struct MutexGuard<T> {
    /// None only while it is being dropped.
    value: Option<Box<T>>,
    /// Where the value goes back to.
    shared: Arc<Shared<T>>,
}

impl<T> Deref for MutexGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("only dropping the guard takes the value")
    }
}

impl<T> DerefMut for MutexGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("only dropping the guard takes the value")
    }
}

impl<T> Drop for MutexGuard<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.value = self.value.take();
        let next = state.next();
        drop(state);
        wake(next);
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The lock is only tried: formatting never blocks. The value is shown by its guard: formatting
        // it runs code of the user's.
        let is_locked = self.shared.state.try_lock().ok().map(|state| state.value.is_none());
        f.debug_struct("Mutex").field("is_locked", &is_locked).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("waits", &self.ticket.is_taken()).finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MutexGuard").field("value", &**self).finish_non_exhaustive()
    }
}

impl<T: fmt::Display> fmt::Display for MutexGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
