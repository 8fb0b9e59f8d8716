//! Permits: at most so many at the same time.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::waiters::{Ticket, Waiters, wake};
use crate::current;
use crate::inherit::{Gate, Place};
use crate::name::Name;
use crate::waker::name_in;

/// How many tasks with a permit are named when somebody begins to wait. That is done anew each time, and has to
/// be undone, so it must not take longer the more permits there are.
const MOST_NAMED: usize = 64;

/// Hands out a number of permits and takes them back. Cloning it makes another handle of the same
/// permits; it may be used from any thread.
///
/// Fair: permits go to those who wait in the order in which they began to, and nobody overtakes them.
/// Tasks that have a permit run as urgently as the most urgent of those who wait for one: the tasks that
/// were being polled when their permits were made. Of more than 64 of them, those that have had theirs for the
/// shortest time.
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
    /// Where the same wait. Its keeper is the one whose turn it is, its holders have permits.
    gate: Gate,
    /// Tasks with a permit, by the number of that, as far as it matters.
    holders: BTreeMap<u64, Holder>,
    /// The next number.
    next_permit: u64,
    /// The task that has got the last permit, until it gives it back; for the task table.
    latest: Option<Name>,
}

/// A task with a permit.
struct Holder {
    task: Name,
    /// At the gate, if somebody waits.
    place: Place,
}

impl State {
    /// The next waiter to be told that there is a permit.
    fn next(&mut self) -> Option<Waker> {
        if self.available == 0 {
            return None;
        }
        let next = self.waiting.tell_first();
        if next.is_some() || self.waiting.is_empty() {
            self.gate.set_keeper(next.as_ref().and_then(name_in));
        }
        next
    }

    /// Takes a permit for the task that is being polled. Gives who has it, and its number.
    fn take(&mut self) -> (Option<Name>, Option<u64>) {
        self.available -= 1;
        self.latest = current::task();
        let Some(task) = current::task_with_urgency() else { return (self.latest, None) };
        let number = self.next_permit;
        self.next_permit += 1;
        let place = self.gate.add_holder(task);
        self.holders.insert(number, Holder { task, place });
        (self.latest, Some(number))
    }

    /// A permit is gone.
    fn forget(&mut self, (task, number): (Option<Name>, Option<u64>)) {
        if self.latest == task {
            self.latest = None;
        }
        let holder = number.and_then(|number| self.holders.remove(&number));
        if let Some(mut holder) = holder {
            holder.place.release();
        }
    }

    /// The task that is being polled waits.
    fn wait(&mut self, ticket: &Ticket, place: &mut Place) {
        let ahead = self.waiting.ahead(ticket).or(self.gate.keeper()).or(self.latest);
        if self.gate.wait_behind(place, ahead) {
            for holder in self.holders.values_mut().rev().take(MOST_NAMED) {
                holder.place = self.gate.add_holder(holder.task);
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under the lock, so the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds permits, the one of this holder among them.
    fn add(&self, permits: usize, holder: Option<(Option<Name>, Option<u64>)>) {
        let mut state = self.lock();
        if let Some(holder) = holder {
            state.forget(holder);
        }
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
        let state = State {
            available: permits,
            waiting: Waiters::default(),
            gate: Gate::of_lock(),
            holders: BTreeMap::new(),
            next_permit: 0,
            latest: None,
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state) }) }
    }

    /// Waits for a permit. The place in the line is taken when the future is first polled, or with the
    /// next poll when that one has used up its operations; dropping
    /// the future gives it up, and a permit that was meant for it goes to the next.
    pub fn acquire(&self) -> Acquire {
        Acquire {
            shared: Arc::clone(&self.shared),
            ticket: Ticket::default(),
            place: Place::default(),
        }
    }

    /// A permit, if there is one and nobody waits for it.
    pub fn try_acquire(&self) -> Option<Permit> {
        let mut state = self.shared.lock();
        if state.available == 0 || !state.waiting.is_empty() {
            return None;
        }
        let holder = state.take();
        drop(state);
        Some(Permit { shared: Some(Arc::clone(&self.shared)), holder })
    }

    /// Permits that nobody has.
    pub fn available(&self) -> usize {
        self.shared.lock().available
    }

    /// Adds permits, up to `usize::MAX`. [`Permit::forget`] takes one away for good.
    pub fn add_permits(&self, permits: usize) {
        self.shared.add(permits, None);
    }
}

/// Future of [`Semaphore::acquire`].
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire {
    shared: Arc<Shared>,
    /// Its place among those who wait.
    ticket: Ticket,
    /// The same at the gate.
    place: Place,
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
            state.wait(&this.ticket, &mut this.place);
            let old = state.waiting.wait(&mut this.ticket, waker);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        state.gate.leave(&mut this.place);
        let holder = state.take();
        let own = state.waiting.leave(&mut this.ticket);
        // Who is behind waits for those with permits, and not for this one's turn.
        state.gate.set_keeper(None);
        let next = state.next();
        drop(state);
        drop(own);
        wake(next);
        Poll::Ready(Permit { shared: Some(Arc::clone(&this.shared)), holder })
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if !self.ticket.is_taken() {
            return;
        }
        let mut state = self.shared.lock();
        let ahead = state.waiting.ahead(&self.ticket).or(state.gate.keeper()).or(state.latest);
        Gate::close_up(state.waiting.behind(&self.ticket), ahead);
        state.gate.leave(&mut self.place);
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
    /// Its task, and the number under which that is known as a holder, if it is.
    holder: (Option<Name>, Option<u64>),
}

impl Permit {
    /// Never gives the permit back: the semaphore has one less from here on.
    pub fn forget(mut self) {
        if let Some(shared) = self.shared.take() {
            shared.lock().forget(self.holder);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.add(1, Some(self.holder));
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
