//! A result that comes later, and what is to be done with it then.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use crate::sync::oneshot;
use crate::task::{JoinError, Task, spawn};

/// A result that comes later: the [`Deferred`] is who gives it, the [`Promise`] who gets it.
///
/// Continuations never run inside of the call that makes them possible: they are tasks, queued like
/// any other. So [`Deferred::fire`] may be called with anything half done.
///
/// ```
/// # evented::block_on(async {
/// let (deferred, promise) = evented::deferred();
/// let length = promise.map(|text: &str| text.len()).then(|length| async move {
///     evented::yield_now().await;
///     length * 2
/// });
/// deferred.fire("four").expect("nobody has cancelled it");
/// assert_eq!(length.await.expect("nothing panics"), 8);
/// # });
/// ```
pub fn deferred<T>() -> (Deferred<T>, Promise<T>) {
    let (sender, receiver) = oneshot::channel();
    (Deferred { sender }, Promise { receiver: Some(receiver) })
}

/// Who gives the result of a [`Promise`], once. Dropping it instead cancels the promise.
#[must_use = "dropping a `Deferred` cancels its promise"]
pub struct Deferred<T> {
    sender: oneshot::Sender<Result<T, JoinError>>,
}

impl<T> Deferred<T> {
    /// Gives the result.
    ///
    /// # Errors
    ///
    /// Gives it back when the promise was [cancelled](Promise::cancel).
    pub fn fire(self, value: T) -> Result<(), T> {
        // What comes back is what was given.
        self.sender.send(Ok(value)).map_err(|back| back.unwrap_or_else(|_| unreachable!()))
    }

    /// Says that there will be none, and why.
    pub fn fail(self, error: JoinError) {
        // Nobody wants to know any more: dropped.
        drop(self.sender.send(Err(error)));
    }

    /// Whether the promise was cancelled: nobody wants the result.
    pub fn is_cancelled(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until the promise is cancelled, in order to stop what would have given the result.
    pub async fn cancelled(&mut self) {
        poll_fn(|cx| self.sender.poll_closed(cx)).await;
    }
}

impl<T> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").finish_non_exhaustive()
    }
}

/// Future of what a [`Deferred`] gives.
///
/// Dropping it changes nothing: continuations run, and nobody gets the last result. To stop them there
/// is [`cancel`](Self::cancel).
///
/// # Errors
///
/// [`JoinError::Cancelled`] when the `Deferred` was dropped or the reactor has ended;
/// [`JoinError::Panicked`] when a continuation panicked; what [`Deferred::fail`] was given. After an
/// error the continuations that follow do not run, and their promises have the same error.
pub struct Promise<T> {
    /// None once it was cancelled or dropped.
    receiver: Option<oneshot::Receiver<Result<T, JoinError>>>,
}

impl<T: 'static> Promise<T> {
    /// Calls `f` with the result, in a task of its own, in the class of the calling one.
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    #[track_caller]
    pub fn map<U: 'static>(self, f: impl FnOnce(T) -> U + 'static) -> Promise<U> {
        self.then(|value| std::future::ready(f(value)))
    }

    /// Calls `f` with the result, and waits for the future that it returns, in a task of its own, in the
    /// class of the calling one.
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    #[track_caller]
    pub fn then<U, F>(self, f: impl FnOnce(T) -> F + 'static) -> Promise<U>
    where
        U: 'static,
        F: Future<Output = U> + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let mut source = Source(self);
        let task = spawn(async move {
            let value = poll_fn(|cx| Pin::new(&mut source.0).poll(cx)).await?;
            Ok(f(value).await)
        });
        spawn(hand_over(task, sender)).detach();
        Promise { receiver: Some(receiver) }
    }
}

impl<T> Promise<T> {
    /// Cancels what leads to the result: continuations that have not run never do, those that wait are
    /// dropped, and the [`Deferred`] is told.
    pub fn cancel(mut self) {
        self.give_up();
    }

    /// The receiver's drop tells the sender.
    fn give_up(&mut self) {
        drop(self.receiver.take());
    }
}

impl<T> Future for Promise<T> {
    type Output = Result<T, JoinError>;

    /// Polled again after it was ready, it is cancelled.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(receiver) = &mut self.receiver else {
            return Poll::Ready(Err(JoinError::Cancelled));
        };
        Pin::new(receiver).poll(cx).map(|got| got.unwrap_or(Err(JoinError::Cancelled)))
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            receiver.detach();
        }
    }
}

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise").field("receiver", &self.receiver).finish()
    }
}

/// What a continuation waits for; cancelled with the continuation.
struct Source<T>(Promise<T>);

impl<T> Drop for Source<T> {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

/// Waits for a continuation and sends its result; cancels it as soon as nobody may get the result.
async fn hand_over<T: 'static>(
    task: Task<Result<T, JoinError>>,
    mut sender: oneshot::Sender<Result<T, JoinError>>,
) {
    let mut task = pin!(task);
    let result = poll_fn(|cx| {
        if sender.poll_closed(cx).is_ready() {
            return Poll::Ready(None);
        }
        task.as_mut().poll(cx).map(Some)
    });
    if let Some(result) = result.await {
        // Nobody waits any more: the result is dropped here.
        drop(sender.send(result.and_then(|result| result)));
    }
}
