//! A value that changes, for many who want to know the latest. All ends may be on any thread.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use super::waiters::{Ticket, Waiters, wake};
use crate::current;
use crate::inherit::{Gate, Place};
use crate::record::{WaitsFor, waits_for};

/// A value with one end that changes it and others that are told. Only the latest value is kept: who is
/// slow misses those in between, and never the last one.
///
/// A receiver that waits makes the task that has used the sender last, or has
/// [claimed](Sender::claim) it, as urgent as itself.
///
/// ```
/// # evented::block_on(async {
/// let (sender, mut receiver) = evented::sync::watch::channel("starting");
/// let follower = evented::spawn(async move {
///     while let Ok(state) = receiver.changed().await {
///         if *state == "ready" {
///             break;
///         }
///     }
///     *receiver.peek()
/// });
/// sender.send("loading").expect("somebody follows");
/// sender.send("ready").expect("somebody follows");
/// assert_eq!(follower.await.expect("it does not panic"), "ready");
/// # });
/// ```
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let state = State {
        value: Arc::new(value),
        version: 0,
        sender: true,
        receivers: 1,
        waiting: Waiters::default(),
        gate: Gate::default(),
        closing: Waiters::default(),
    };
    let shared = Arc::new(Shared { state: Mutex::new(state) });
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared, seen: 0 })
}

/// No receiver is left. Holds the value that was not sent.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all receivers are gone")]
pub struct SendError<T>(pub T);

/// The sender is gone, and its last value was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sender is gone")]
pub struct RecvError;

/// What all ends share.
struct Shared<T> {
    /// Wakers and values are used and dropped outside the lock.
    state: Mutex<State<T>>,
}

struct State<T> {
    /// The latest value.
    value: Arc<T>,
    /// How many values came before.
    version: u64,
    /// The sender is alive.
    sender: bool,
    /// How many receivers are.
    receivers: usize,
    /// Receivers who wait for the next value.
    waiting: Waiters,
    /// Where the same wait. Its keeper is the sender's task.
    gate: Gate,
    /// Who waits for the last receiver to go.
    closing: Waiters,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No user code runs under the lock, so the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Changes the value.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Changes the value and wakes those who wait for that, in the order in which they began to.
    ///
    /// # Errors
    ///
    /// [`SendError`] when no receiver is left; the value is the old one then.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        // On another thread the last receiver may go right now; nobody can tell that from later.
        drop(self.replace(value));
        Ok(())
    }

    /// Changes the value, whether or not somebody receives, and returns the old one.
    pub fn replace(&self, value: T) -> Arc<T> {
        let value = Arc::new(value);
        let mut state = self.shared.lock();
        let old = std::mem::replace(&mut state.value, value);
        state.version += 1;
        state.gate.set_keeper(current::task());
        let woken = state.waiting.take();
        drop(state);
        for waker in woken {
            wake(Some(waker));
        }
        old
    }

    /// Says that the calling task is the one that will send, before it does for the first time.
    pub fn claim(&self) {
        self.shared.lock().gate.set_keeper(current::task());
    }

    /// The latest value.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.shared.lock().value)
    }

    /// Another receiver, which has seen the present value.
    pub fn subscribe(&self) -> Receiver<T> {
        let mut state = self.shared.lock();
        state.receivers += 1;
        Receiver { shared: Arc::clone(&self.shared), seen: state.version }
    }

    /// How many receivers are left.
    pub fn receivers(&self) -> usize {
        self.shared.lock().receivers
    }

    /// Whether none is.
    pub fn is_closed(&self) -> bool {
        self.receivers() == 0
    }

    /// Waits until no receiver is left. Ready at once if that is so, also when others come later.
    pub async fn closed(&self) {
        let mut place = pin!(Closing { shared: &self.shared, ticket: Ticket::default() });
        poll_fn(|cx| place.as_mut().poll(cx)).await;
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.sender = false;
        state.gate.set_keeper(None);
        let woken = state.waiting.take();
        drop(state);
        for waker in woken {
            wake(Some(waker));
        }
    }
}

/// Waits for the last receiver to go.
struct Closing<'a, T> {
    shared: &'a Shared<T>,
    ticket: Ticket,
}

impl<T> Future for Closing<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !current::may_operate(cx) {
            return Poll::Pending;
        }
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        if state.receivers == 0 {
            return Poll::Ready(());
        }
        let old = state.closing.wait(&mut self.ticket, waker);
        drop(state);
        drop(old);
        let chan = std::ptr::from_ref(self.shared).addr() as u64;
        waits_for(WaitsFor::Chan { chan, keeper: None });
        Poll::Pending
    }
}

impl<T> Drop for Closing<'_, T> {
    fn drop(&mut self) {
        let own = self.shared.lock().closing.leave(&mut self.ticket);
        // Outside the lock.
        drop(own);
    }
}

/// Is told of changes. Cloning it makes another one, which has seen what this one has.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The version of the last value that it has seen.
    seen: u64,
}

impl<T> Receiver<T> {
    /// Waits for a value that this receiver has not seen, and returns it: the latest. It has seen the
    /// one with which the channel was made. When the future is dropped early, nothing has been seen.
    ///
    /// # Errors
    ///
    /// [`RecvError`] when the sender is gone and its last value was seen.
    pub fn changed(&mut self) -> Changed<'_, T> {
        Changed { receiver: self, ticket: Ticket::default(), place: Place::default() }
    }

    /// Waits until the latest value, the present one included, is one that `is_right` accepts, and
    /// returns it; it counts as seen.
    ///
    /// # Errors
    ///
    /// [`RecvError`] when the sender is gone and its last value is not accepted.
    pub async fn wait_for(
        &mut self,
        mut is_right: impl FnMut(&T) -> bool,
    ) -> Result<Arc<T>, RecvError> {
        let mut value = self.get();
        while !is_right(&value) {
            value = self.changed().await?;
        }
        Ok(value)
    }

    /// The latest value, which counts as seen from here on.
    pub fn get(&mut self) -> Arc<T> {
        let state = self.shared.lock();
        self.seen = state.version;
        Arc::clone(&state.value)
    }

    /// The latest value, which does not count as seen by that.
    pub fn peek(&self) -> Arc<T> {
        Arc::clone(&self.shared.lock().value)
    }

    /// Whether the latest value is one that this receiver has not seen.
    pub fn has_changed(&self) -> bool {
        self.shared.lock().version != self.seen
    }

    /// Whether the sender is gone.
    pub fn is_closed(&self) -> bool {
        !self.shared.lock().sender
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.lock().receivers += 1;
        Self { shared: Arc::clone(&self.shared), seen: self.seen }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.receivers -= 1;
        let woken = if state.receivers == 0 { state.closing.take() } else { Vec::new() };
        drop(state);
        for waker in woken {
            wake(Some(waker));
        }
    }
}

/// Future of [`Receiver::changed`].
#[must_use = "futures do nothing unless awaited"]
pub struct Changed<'a, T> {
    receiver: &'a mut Receiver<T>,
    /// Its place among those who wait.
    ticket: Ticket,
    /// The same at the gate.
    place: Place,
}

impl<T> Unpin for Changed<'_, T> {}

impl<T> Future for Changed<'_, T> {
    type Output = Result<Arc<T>, RecvError>;

    /// Polled again after it was ready, it waits for the next change.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A value that another thread changes all the time must not keep the loop.
        if !current::may_operate(cx) {
            return Poll::Pending;
        }
        let this = &mut *self;
        let waker = cx.waker().clone();
        let mut state = this.receiver.shared.lock();
        let result = if state.version != this.receiver.seen {
            this.receiver.seen = state.version;
            Some(Ok(Arc::clone(&state.value)))
        } else if state.sender {
            None
        } else {
            Some(Err(RecvError))
        };
        let old = if result.is_some() {
            state.gate.leave(&mut this.place);
            state.waiting.leave(&mut this.ticket)
        } else {
            state.gate.wait(&mut this.place);
            state.waiting.wait(&mut this.ticket, waker)
        };
        drop(state);
        drop(old);
        result.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> Drop for Changed<'_, T> {
    fn drop(&mut self) {
        let mut state = self.receiver.shared.lock();
        state.gate.leave(&mut self.place);
        let own = state.waiting.leave(&mut self.ticket);
        drop(state);
        drop(own);
    }
}

fn debug<T>(shared: &Shared<T>, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // The lock is only tried: formatting never blocks.
    let state = shared.state.try_lock().ok().map(|state| (state.version, state.receivers));
    f.debug_struct(name)
        .field("version", &state.map(|(version, _)| version))
        .field("receivers", &state.map(|(_, receivers)| receivers))
        .finish_non_exhaustive()
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(&self.shared, "Sender", f)
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(&self.shared, "Receiver", f)
    }
}

impl<T> fmt::Debug for Changed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(&self.receiver.shared, "Changed", f)
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}
