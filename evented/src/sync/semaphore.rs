//! Permits: at most so many at the same time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::waiters::{Ticket, Waiters, wake};
use crate::current;

/// Hands out a number of permits and takes them back. Cloning it makes another handle of the same
/// permits; it may be used from any thread.
///
/// Fair: permits go to those who wait in the order in which they began to, and nobody overtakes them.
///
/// At most two of ten tasks at once:
///
/// ```
/// # evented::block_on(async {
/// let limit = evented::sync::Semaphore::new(2);
/// let mut group = evented::TaskGroup::new();
/// for n in 0..10 {
///     let limit = limit.clone();
///     group.spawn(async move {
///         let _permit = limit.acquire().await;
///         evented::sleep(std::time::Duration::from_micros(10)).await;
///         n
///     });
/// }
/// while let Some(result) = group.next().await {
///     result.expect("it does not panic");
/// }
/// assert_eq!(limit.available(), 2);
/// # });
/// ```
#[derive(Clone)]
pub struct Semaphore {
    shared: Arc<Shared>,
}

/// What handles and permits share.
struct Shared {
    /// Wakers are used and dropped outside the lock.
    state: Mutex<State>,
}

struct State {
    /// Permits nobody has.
    available: usize,
    /// Those who wait for one. The first keeps its place until it has its permit or gives up.
    waiting: Waiters,
}

impl State {
    /// The next waiter to be told that there is a permit.
    fn next(&mut self) -> Option<Waker> {
        if self.available > 0 { self.waiting.tell_first() } else { None }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under the lock, so the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, permits: usize) {
        let mut state = self.lock();
        state.available = state.available.saturating_add(permits);
        let next = state.next();
        drop(state);
        wake(next);
    }
}

impl Semaphore {
    /// A semaphore with so many permits. With none, everybody waits until some are
    /// [added](Self::add_permits).
    pub fn new(permits: usize) -> Self {
        let state = State { available: permits, waiting: Waiters::default() };
        Self { shared: Arc::new(Shared { state: Mutex::new(state) }) }
    }

    /// Waits for a permit. The place in the line is taken when the future is first polled; dropping
    /// the future gives it up, and a permit that was meant for it goes to the next.
    pub fn acquire(&self) -> Acquire {
        Acquire { shared: Arc::clone(&self.shared), ticket: Ticket::default() }
    }

    /// A permit, if there is one and nobody waits for it.
    pub fn try_acquire(&self) -> Option<Permit> {
        let mut state = self.shared.lock();
        if state.available == 0 || !state.waiting.is_empty() {
            return None;
        }
        state.available -= 1;
        drop(state);
        Some(Permit { shared: Some(Arc::clone(&self.shared)) })
    }

    /// Permits that nobody has.
    pub fn available(&self) -> usize {
        self.shared.lock().available
    }

    /// Adds permits, up to `usize::MAX`. [`Permit::forget`] takes one away for good.
    pub fn add_permits(&self, permits: usize) {
        self.shared.add(permits);
    }
}

/// Future of [`Semaphore::acquire`].
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire {
    shared: Arc<Shared>,
    /// Its place among those who wait.
    ticket: Ticket,
}

impl Future for Acquire {
    type Output = Permit;

    /// Polled again after it was ready, it waits for another permit.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        // Permits that are never short must not keep the loop.
        if !current::may_operate(cx) {
            return Poll::Pending;
        }
        let this = &mut *self;
        let waker = cx.waker().clone();
        let mut state = this.shared.lock();
        if state.available == 0 || !state.waiting.is_first(&this.ticket) {
            let old = state.waiting.wait(&mut this.ticket, waker);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        state.available -= 1;
        let own = state.waiting.leave(&mut this.ticket);
        let next = state.next();
        drop(state);
        drop(own);
        wake(next);
        Poll::Ready(Permit { shared: Some(Arc::clone(&this.shared)) })
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if !self.ticket.is_taken() {
            return;
        }
        let mut state = self.shared.lock();
        let own = state.waiting.leave(&mut self.ticket);
        // It may have been told of a permit that it does not take.
        let next = state.next();
        drop(state);
        wake(next);
        drop(own);
    }
}

/// The right to be one of so many. Dropping it gives the permit back.
#[must_use = "dropping a permit gives it back at once"]
pub struct Permit {
    /// Where it goes back to; none once it was forgotten.
    shared: Option<Arc<Shared>>,
}

impl Permit {
    /// Never gives the permit back: the semaphore has one less from here on.
    pub fn forget(mut self) {
        self.shared = None;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.add(1);
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The lock is only tried: formatting never blocks.
        let available = self.shared.state.try_lock().ok().map(|state| state.available);
        f.debug_struct("Semaphore").field("available", &available).finish_non_exhaustive()
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("waits", &self.ticket.is_taken()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}
