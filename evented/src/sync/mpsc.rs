//! A bounded channel with many senders and one receiver. Both ends may be on any thread.
//!
//! Places are given to senders in the order in which they began to wait.
//!
//! Who waits makes those more urgent for whom it waits, as far as they are known: a sender that finds the
//! channel full the receiver, and the receiver of an empty channel the only sender. Known is the task that
//! has used its end last, since there have been two ranks, or has claimed it; before that, and for the
//! [task table](crate::record), the one that has last waited for a value, or woken who did.

mod errors;
mod state;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::waiters::{Ticket, wake};
use crate::contain::{contain_and_discard, discard, drop_each};
use crate::current;
use crate::inherit::Place;

pub use errors::{SendError, TryRecvError, TrySendError};
use state::{Shared, State};

/// A channel with room for `capacity` values.
///
/// ```
/// # evented::block_on(async {
/// let (sender, mut receiver) = evented::sync::mpsc::bounded(2);
/// let producer = evented::spawn(async move {
///     for n in 0..5 {
///         sender.send(n).await.expect("somebody receives");
///     }
/// });
/// let mut sum = 0;
/// while let Some(n) = receiver.recv().await {
///     sum += n;
/// }
/// assert_eq!(sum, 10);
/// producer.await.expect("it does not panic");
/// # });
/// ```
///
/// # Panics
///
/// When `capacity` is zero.
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a channel needs room for at least one value");
    let shared = Arc::new(Shared::new(capacity));
    (Sender { shared: Arc::clone(&shared), number: 0 }, Receiver { shared })
}

/// Sends values. Cloning it makes another sender of the same channel.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
    /// Tells it from other senders of the channel.
    number: u64,
}

impl<T> Sender<T> {
    /// Waits for room and sends. When the future is dropped early, the value has not been sent.
    ///
    /// # Errors
    ///
    /// [`SendError`] when the receiver is gone.
    pub fn send(&self, value: T) -> Send<'_, T> {
        Send {
            sender: self,
            value: Some(value),
            ticket: Ticket::default(),
            place: Place::default(),
        }
    }

    /// Sends if there is room.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] without room, or when others wait for it; [`TrySendError::Closed`] when
    /// the receiver is gone.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let mut state = self.shared.lock();
        if !state.receiver {
            return Err(TrySendError::Closed(value));
        }
        if !self.shared.has_room(&state) || !state.sending.is_empty() {
            return Err(TrySendError::Full(value));
        }
        state.values.push_back(value);
        let waker = state.end_receiving();
        state.note_producer(self.number, waker.is_some());
        drop(state);
        wake(waker);
        Ok(())
    }

    /// Whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        !self.shared.lock().receiver
    }

    /// Says that the calling task is the one that will send here, before it does for the first time:
    /// while this is the only sender, a receiver that waits makes that task as urgent as itself.
    pub fn claim(&self) {
        let mut state = self.shared.lock();
        state.producer = current::task().map(|task| (self.number, task));
        state.note_only_sender();
    }
}

/// Future of [`Sender::send`].
#[must_use = "futures do nothing unless awaited"]
pub struct Send<'a, T> {
    sender: &'a Sender<T>,
    /// None once it was sent.
    value: Option<T>,
    /// Its place among those who wait for room.
    ticket: Ticket,
    /// The same at the gate.
    place: Place,
}

impl<T> Unpin for Send<'_, T> {}

impl<T> Future for Send<'_, T> {
    type Output = Result<(), SendError<T>>;

    /// # Panics
    ///
    /// When polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A channel that another thread keeps from being full must not keep the loop.
        if !current::may_operate(cx) {
            return Poll::Pending;
        }
        let this = &mut *self;
        let shared = &this.sender.shared;
        let waker = cx.waker().clone();
        let mut state = shared.lock();
        let value = this.value.take().expect("not polled again after it was ready");
        if !state.receiver {
            drop(state);
            return Poll::Ready(Err(SendError(value)));
        }
        if !shared.has_room(&state) || !state.sending.is_first(&this.ticket) {
            this.value = Some(value);
            if !shared.has_room(&state) {
                let consumer = state.consumer;
                state.full.set_keeper(consumer);
            }
            state.full.wait(&mut this.place);
            let old = state.sending.wait(&mut this.ticket, waker);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        state.values.push_back(value);
        let own = state.sending.leave(&mut this.ticket);
        state.full.leave(&mut this.place);
        let receiver = state.end_receiving();
        state.note_producer(this.sender.number, receiver.is_some());
        let next = shared.next_sender(&mut state);
        drop(state);
        drop(own);
        wake(receiver);
        wake(next);
        Poll::Ready(Ok(()))
    }
}

impl<T> Drop for Send<'_, T> {
    fn drop(&mut self) {
        if !self.ticket.is_taken() {
            return;
        }
        let mut state = self.sender.shared.lock();
        let own = state.sending.leave(&mut self.ticket);
        state.full.leave(&mut self.place);
        // It may have been told of room that it does not use.
        let next = self.sender.shared.next_sender(&mut state);
        drop(state);
        drop(own);
        wake(next);
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        let mut state = self.shared.lock();
        state.senders += 1;
        let number = state.next_sender;
        state.next_sender += 1;
        state.note_only_sender();
        Self { shared: Arc::clone(&self.shared), number }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.senders -= 1;
        state.producer = state.producer.filter(|&(number, _)| number != self.number);
        state.note_only_sender();
        let waker = if state.senders == 0 { state.end_receiving() } else { None };
        drop(state);
        wake(waker);
    }
}

/// Receives values in the order in which they were sent.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Receiver<T> {
    /// Waits for a value. None when all senders are gone and their values were taken. May be dropped
    /// and called again: no value is lost.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv), for futures written by hand.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        // A channel that is never empty must not keep the loop.
        if !current::may_operate(cx) {
            return Poll::Pending;
        }
        match self.try_recv() {
            Ok(value) => return Poll::Ready(Some(value)),
            Err(TryRecvError::Closed) => return Poll::Ready(None),
            Err(TryRecvError::Empty) => {}
        }
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        state.consumer = current::task();
        let State { empty, receiving, .. } = &mut *state;
        empty.wait_polled(receiving, &waker);
        let old = state.waits.replace(waker);
        // A value, or the end, may have come between the two looks.
        let again = !state.values.is_empty() || state.senders == 0;
        drop(state);
        drop(old);
        if again {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Takes a value if there is one.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let mut state = self.shared.lock();
        state.note_consumer();
        let Some(value) = state.values.pop_front() else {
            let end = state.senders == 0;
            return Err(if end { TryRecvError::Closed } else { TryRecvError::Empty });
        };
        let next = self.shared.next_sender(&mut state);
        drop(state);
        wake(next);
        Ok(value)
    }

    /// Says that the calling task is the one that will receive, before it does for the first time: a
    /// sender that finds the channel full makes that task as urgent as itself.
    pub fn claim(&mut self) {
        let mut state = self.shared.lock();
        state.consumer = current::task();
        if !self.shared.has_room(&state) {
            let consumer = state.consumer;
            state.full.set_keeper(consumer);
        }
    }

    /// How many values wait.
    pub fn len(&self) -> usize {
        self.shared.lock().values.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.receiver = false;
        let values = std::mem::take(&mut state.values);
        let (waits, sending) = (state.end_receiving(), state.sending.take());
        state.full.set_keeper(None);
        drop(state);
        for waker in sending {
            current::wake_contained(waker);
        }
        let panic = drop_each(values);
        contain_and_discard(|| drop(waits));
        match panic {
            // The caller's: it is his drop.
            Some(payload) if !std::thread::panicking() => std::panic::resume_unwind(payload),
            Some(payload) => discard(payload),
            None => {}
        }
    }
}

fn debug<T>(shared: &Shared<T>, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // The lock is only tried: formatting never blocks.
    let len = shared.state.try_lock().ok().map(|state| state.values.len());
    f.debug_struct(name).field("len", &len).field("capacity", &shared.capacity).finish()
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

impl<T> fmt::Debug for Send<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(&self.sender.shared, "Send", f)
    }
}
