//! The caller's end of a call.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::callbacks::{self, Callback, Desk};
use crate::codec;
use crate::engine::{Engine, Nowhere};
use crate::error::{self, JoinError, Side};
use crate::scope;
use crate::ticket::{Outcome, Ticket};

/// A call that was made and whose result can be waited for.
///
/// It is also a `Future` with the same output as [`join`](Self::join); it needs no particular
/// executor. Dropping a handle detaches the call: it still runs, its result is thrown away.
#[must_use = "the result is lost with the handle; call `join`, or drop it on purpose"]
pub struct JoinHandle<R> {
    /// Where the outcome appears.
    ticket: Arc<Ticket>,
    /// The pool that executes the call; gone when the pool is.
    engine: Weak<dyn Engine>,
    /// The result is decoded from bytes by whoever joins: no `R` is stored.
    result: PhantomData<fn() -> R>,
}

impl<R> JoinHandle<R> {
    /// The handle of a call given to `engine`.
    pub(crate) fn new(ticket: Arc<Ticket>, engine: Weak<dyn Engine>) -> Self {
        Self { ticket, engine, result: PhantomData }
    }

    /// The handle of a call that failed before it reached a pool.
    pub(crate) fn failed(error: JoinError) -> Self {
        Self::new(Ticket::finished(Err(error)), Weak::<Nowhere>::new())
    }

    /// Where the outcome appears.
    pub(crate) fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// True when the outcome is there: `join` will not block.
    pub fn is_finished(&self) -> bool {
        self.ticket.is_finished()
    }

    /// Whether a worker executes the call. False while it is queued, also in a worker.
    pub fn is_running(&self) -> bool {
        self.engine.upgrade().is_some_and(|engine| engine.is_running(&self.ticket))
    }

    /// How the call ended, if it has. Takes nothing: the result is still there.
    pub fn outcome(&self) -> Option<error::Outcome> {
        self.ticket.outcome()
    }

    /// Has `f` called once when the call is finished: on a thread of the pool that does nothing
    /// else, or at once, on the calling thread, if it is finished already.
    ///
    /// Callbacks of one call are called in the order in which they were registered, those of
    /// different calls in the order in which the calls ended, all on one thread; those that wait
    /// for the handle have been woken before. A callback may make calls and wait for them; it keeps
    /// other callbacks waiting meanwhile. One that panics is reported by the panic hook, and the
    /// later ones are still called. Shutting the pool down waits for them all.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// use processes::{Outcome, Pool};
    ///
    /// let pool = Pool::new(1)?;
    /// let (send, receive) = mpsc::channel();
    /// let handle = pool.submit(|x| x * 7, 6);
    /// handle.on_done(move |outcome| send.send(outcome).unwrap());
    /// assert_eq!(receive.recv()?, Outcome::Returned);
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_done(&self, f: impl FnOnce(error::Outcome) + Send + 'static) {
        follow(&self.ticket, &self.engine, Box::new(f));
    }

    /// Like [`on_done`](Self::on_done), with the result itself in place of the handle.
    pub fn on_result(self, f: impl FnOnce(Result<R, JoinError>) + Send + 'static)
    where
        R: DeserializeOwned + 'static,
    {
        let (ticket, engine) = (Arc::clone(&self.ticket), Weak::clone(&self.engine));
        // A circle of references until the call ends, which each one does.
        follow(&ticket, &engine, Box::new(move |_outcome| f(self.join())));
    }

    /// Waits at most `timeout`; true when the call is finished. It takes nothing, so several
    /// threads may wait for one call.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.ticket.wait(Some(timeout))
    }

    /// Withdraws a call that no worker has started. True means that it will never run and that
    /// `join` returns [`JoinError::Cancelled`]; false that it runs, ran, or was cancelled before.
    ///
    /// A running call is ended by [`kill`](Self::kill).
    ///
    /// In a pool of a cluster (feature `distributed`) it is true only while the call has not left this
    /// process. False then also says that it was withdrawn: if no node has begun it, `join` returns
    /// `Cancelled` after some seconds at most, and it never ran; if one has, it goes on, and its result
    /// comes. When that node is heard of no more, `join` returns [`JoinError::NodeLost`]: nobody knows whether
    /// it ran, or runs.
    pub fn cancel(&self) -> bool {
        self.engine.upgrade().is_some_and(|engine| engine.cancel(&self.ticket))
    }

    /// Kills the worker that executes this call. True means that `join` returns
    /// [`JoinError::WorkerLost`]; false that the call has not started or is finished.
    ///
    /// Only this call is affected: calls that wait in the same worker go to another one, and a
    /// replacement is started.
    ///
    /// In a pool of a cluster (feature `distributed`) it is true when the request was sent to the nodes,
    /// which may be lost on the way, and false while the call has not left this process. A call that no node
    /// has begun ends as [`JoinError::Cancelled`], one whose node is heard of no more as
    /// [`JoinError::NodeLost`]; one that has returned before the request came has its result.
    pub fn kill(&self) -> bool {
        self.engine.upgrade().is_some_and(|engine| engine.kill(&self.ticket))
    }

    /// The process id of the worker that has this call; none while it is queued or when it is
    /// finished. A worker may hold calls that it has not started.
    pub fn pid(&self) -> Option<u32> {
        self.engine.upgrade().and_then(|engine| engine.pid_of(&self.ticket))
    }
}

impl<R: DeserializeOwned> JoinHandle<R> {
    /// Waits for the call and returns what the function returned.
    ///
    /// # Errors
    /// Every way a call can fail, see [`JoinError`].
    ///
    /// # Panics
    /// If the result's own `Deserialize` panics, or if the handle was polled to completion as a
    /// future before.
    pub fn join(self) -> Result<R, JoinError> {
        self.ticket.wait(None);
        decode(
            self.ticket
                .take()
                .expect("the result of the call was already taken: a handle gives it once"),
        )
    }

    /// As [`join`](Self::join), but gives the handle back when the time is over.
    ///
    /// # Errors
    /// The handle itself, when the call is not finished in time.
    ///
    /// # Panics
    /// As [`join`](Self::join).
    pub fn join_timeout(self, timeout: Duration) -> Result<Result<R, JoinError>, Self> {
        if self.ticket.wait(Some(timeout)) { Ok(self.join()) } else { Err(self) }
    }
}

/// Has a callback called at the end of a call, at once if that was before.
fn follow(ticket: &Ticket, engine: &Weak<dyn Engine>, callback: Callback) {
    let desk = engine.upgrade().map_or_else(Arc::<Desk>::default, |engine| engine.desk());
    if let Err((callback, outcome)) = ticket.follow(&desk, callback) {
        callbacks::call(callback, outcome);
    }
}

/// The value in an outcome.
pub(crate) fn decode<R: DeserializeOwned>(outcome: Outcome) -> Result<R, JoinError> {
    let payload = outcome?;
    decode_bytes(&payload.bytes())
}

/// The value that a worker encoded.
pub(crate) fn decode_bytes<R: DeserializeOwned>(bytes: &[u8]) -> Result<R, JoinError> {
    scope::decoding(|| codec::decode(bytes))
        .map_err(|message| JoinError::Decode { side: Side::Parent, message })
}

/// # Panics
/// When polled again after it was ready, and as [`JoinHandle::join`].
impl<R: DeserializeOwned> Future for JoinHandle<R> {
    type Output = Result<R, JoinError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.ticket.poll(context).map(decode)
    }
}

impl<R> fmt::Debug for JoinHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("result", &std::any::type_name::<R>())
            .field("phase", &self.ticket.describe())
            .finish_non_exhaustive()
    }
}
