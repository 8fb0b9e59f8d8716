//! A channel for one value. Both ends may be on any thread.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::current;
use crate::inherit::{Gate, Place};

/// A channel for one value.
///
/// ```
/// # evented::block_on(async {
/// let (sender, receiver) = evented::sync::oneshot::channel();
/// evented::call_soon(move || sender.send(42).expect("somebody waits"));
/// assert_eq!(receiver.await, Ok(42));
/// # });
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let state = State {
        value: None,
        sender: true,
        receiver: true,
        waits: None,
        gate: Gate::default(),
        place: Place::default(),
        watches: None,
    };
    let shared = Arc::new(Shared { state: Mutex::new(state), finished: Condvar::new() });
    (Sender { shared: Some(Arc::clone(&shared)) }, Receiver { shared, tells_sender: true })
}

/// The sender was dropped without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sender was dropped without sending a value")]
pub struct RecvError;

/// What both ends share.
struct Shared<T> {
    /// Wakers and values are taken out under the lock and used after it.
    state: Mutex<State<T>>,
    /// For `recv_blocking`.
    finished: Condvar,
}

struct State<T> {
    value: Option<T>,
    /// The sender has neither sent nor been dropped.
    sender: bool,
    /// The receiver has not been dropped.
    receiver: bool,
    /// The receiver's task.
    waits: Option<Waker>,
    /// Where it waits. Its keeper is the task that has claimed the sender.
    gate: Gate,
    /// Its place there.
    place: Place,
    /// The task in `poll_closed`.
    watches: Option<Waker>,
}

impl<T> State<T> {
    /// Takes the receiver out that waits.
    fn end_wait(&mut self) -> Option<Waker> {
        self.gate.leave(&mut self.place);
        self.waits.take()
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No user code runs under the lock, so the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the sender's side, with a value or without.
    fn finish(&self, value: Option<T>) -> Result<(), T> {
        let mut state = self.lock();
        state.sender = false;
        if let Some(value) = value {
            if !state.receiver {
                drop(state);
                return Err(value);
            }
            state.value = Some(value);
        }
        let waker = state.end_wait();
        let watches = state.watches.take();
        drop(state);
        self.finished.notify_all();
        if let Some(waker) = waker {
            current::wake_contained(waker);
        }
        drop(watches);
        Ok(())
    }
}

/// Sends the value. Dropping it tells the receiver that none will come.
pub struct Sender<T> {
    /// None once the value was sent.
    shared: Option<Arc<Shared<T>>>,
}

impl<T> Sender<T> {
    /// Sends the value.
    ///
    /// # Errors
    ///
    /// Gives the value back when the receiver is gone.
    pub fn send(mut self, value: T) -> Result<(), T> {
        match self.shared.take() {
            Some(shared) => shared.finish(Some(value)),
            None => Err(value),
        }
    }

    /// Whether the receiver is gone: sending would be in vain.
    pub fn is_closed(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| !shared.lock().receiver)
    }

    /// Says that the calling task is the one that will send: a task that waits for the value makes that
    /// task as urgent as itself.
    pub fn claim(&self) {
        if let Some(shared) = &self.shared {
            shared.lock().gate.set_keeper(current::task());
        }
    }

    /// Ready when the receiver is gone.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(shared) = &self.shared else { return Poll::Ready(()) };
        let waker = cx.waker().clone();
        let mut state = shared.lock();
        if !state.receiver {
            return Poll::Ready(());
        }
        let old = state.watches.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            // Without a value nothing can come back.
            drop(shared.finish(None));
        }
    }
}

/// Future of the value.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// Being dropped counts as being gone.
    tells_sender: bool,
}

impl<T> Receiver<T> {
    /// Blocks this thread until the value is there. Not for tasks: await the receiver there.
    ///
    /// A value that only a reactor of this thread will send, one that is not running, never comes.
    ///
    /// # Errors
    ///
    /// [`RecvError`] when the sender was dropped without a value.
    ///
    /// # Panics
    ///
    /// Inside a reactor, whether the value is there or not: the sender may be one of its tasks, which
    /// could not run.
    #[track_caller]
    pub fn recv_blocking(self) -> Result<T, RecvError> {
        assert!(
            current::try_engine().is_none(),
            "`recv_blocking` would stop the reactor that runs on this thread: `.await` the receiver \
             instead, or call this inside `blocking`"
        );
        self.wait()
    }

    /// As [`recv_blocking`](Self::recv_blocking), for callers who know that the sender is not here.
    pub(crate) fn wait(self) -> Result<T, RecvError> {
        let mut state = self.shared.lock();
        while state.sender {
            state = self.shared.finished.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let value = state.value.take();
        drop(state);
        value.ok_or(RecvError)
    }

    /// As polling it, for a future that tells by itself what it waits for, and of whom.
    pub(crate) fn poll_untold(&mut self, cx: &Context<'_>) -> Poll<Result<T, RecvError>> {
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        if state.sender {
            let old = state.waits.replace(waker);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        let value = state.value.take();
        drop(state);
        Poll::Ready(value.ok_or(RecvError))
    }

    /// Blocks this thread until the sender has sent or is gone, at most so long. False when time is over.
    pub(crate) fn wait_finished(&self, limit: Duration) -> bool {
        let state = self.shared.lock();
        let waited = self.shared.finished.wait_timeout_while(state, limit, |state| state.sender);
        !waited.unwrap_or_else(PoisonError::into_inner).0.sender
    }

    /// Whether the sender has sent or is gone.
    pub(crate) fn is_finished(&self) -> bool {
        !self.shared.lock().sender
    }

    /// Forgets about the value without the sender noticing.
    pub(crate) fn detach(mut self) {
        self.tells_sender = false;
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let poll = self.poll_untold(cx);
        if poll.is_pending() {
            let mut state = self.shared.lock();
            // Unless it has come meanwhile.
            if let State { sender: true, gate, place, .. } = &mut *state {
                gate.wait_polled(place, cx.waker());
            }
        }
        poll
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.receiver = !self.tells_sender;
        let (value, waits, watches) = (state.value.take(), state.end_wait(), state.watches.take());
        drop(state);
        drop((value, waits));
        if let Some(watches) = watches {
            // Polls again and finds out; a spurious poll after `detach`.
            current::wake_contained(watches);
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("sent", &self.shared.is_none()).finish()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The lock is only tried: formatting never blocks.
        let sender = self.shared.state.try_lock().ok().map(|state| state.sender);
        f.debug_struct("Receiver").field("sender_alive", &sender).finish_non_exhaustive()
    }
}
