//! Reaching a reactor from other threads.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::current;
use crate::engine::Engine;
use crate::mailbox::Mailbox;
use crate::record::{Blocked, Dump, Record};
use crate::sync::oneshot;
use crate::task::{JoinError, STANDS_STILL, Spawn, Task};

/// Reaches a reactor from any thread. Copying it costs nothing, and it does not keep the reactor alive.
#[derive(Clone, Copy)]
pub struct Handle {
    /// Where the reactor takes things in.
    mailbox: &'static Mailbox,
    /// Which reactor: the mailbox may have another one by now.
    id: u64,
}

/// The reactor is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reactor is gone")]
pub struct Closed;

impl Handle {
    pub(crate) fn new(engine: &Engine) -> Self {
        Self { mailbox: engine.mailbox(), id: engine.id() }
    }

    pub(crate) fn id(self) -> u64 {
        self.id
    }

    /// Runs a closure on the reactor's thread, between two polls. Closures run in the order in which
    /// they were sent. If the reactor is not running, they wait until it is.
    ///
    /// The queue has no bound: pace yourself when you send in a loop. A panic of `f` is kept from the
    /// loop and counted in [`Stats::panics`](crate::Stats::panics).
    ///
    /// # Errors
    ///
    /// [`Closed`] when the reactor is gone; `f` has been dropped then.
    pub fn call(&self, f: impl FnOnce() + Send + 'static) -> Result<(), Closed> {
        self.mailbox.call(self.id, Box::new(f)).map_err(|_call| Closed)
    }

    /// Makes a future on the reactor's thread and spawns it there. The closure must be `Send`, the
    /// future need not be. If the reactor is not running, the closure waits until it is; when it was
    /// shut down or is gone, the task is cancelled.
    ///
    /// ```
    /// let reactor = evented::Reactor::new()?;
    /// let handle = reactor.handle();
    /// let thread = std::thread::spawn(move || handle.spawn(|| async { 6 * 7 }));
    /// let task = thread.join().expect("it does not panic");
    /// assert_eq!(reactor.block_on(task).expect("nor does the task"), 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<M, F>(&self, make: M) -> RemoteTask<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let location = Location::caller();
        let (sender, receiver) = oneshot::channel();
        // A closure that is dropped instead of run drops the sender: the task counts as cancelled.
        let sent = self.call(move || {
            let reporting = async move {
                let engine = current::engine();
                let future = async move { make().await };
                let task = Task::spawn_at(location, engine, Spawn::new(), future);
                report(task, sender).await;
            };
            Task::spawn_at(location, current::engine(), Spawn::new(), reporting).detach();
        });
        let may_run = sent.is_ok() && !self.mailbox.inbox().is_shut_down();
        RemoteTask { reactor: *self, receiver: may_run.then_some(receiver) }
    }

    /// Ends the reactor: cancels all tasks, refuses new ones, and makes [`Reactor::run`] return. A
    /// future in `block_on` goes on and decides itself when to return.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the reactor is gone.
    ///
    /// [`Reactor::run`]: crate::Reactor::run
    pub fn shutdown(&self) -> Result<(), Closed> {
        self.call(|| {
            if let Some(engine) = current::try_engine() {
                engine.shutdown_requested.set(true);
            }
        })
    }

    /// The tasks of the reactor, and what each of them waits for. It is looked up in the record, so it
    /// comes at once, also while a task keeps the reactor, and nothing is polled for it. Without a recorder
    /// it is empty.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the reactor is gone.
    pub fn dump(&self) -> Result<Dump, Closed> {
        self.record().map(|record| record.dump().clone())
    }

    /// All that is recorded of the reactor: the last events, and the tasks. As [`dump`](Self::dump)
    /// otherwise.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the reactor is gone.
    pub fn record(&self) -> Result<Record, Closed> {
        let shared = self.mailbox.record(self.id)?;
        Ok(shared.map_or_else(Record::empty, |shared| Record::of(&shared)))
    }

    /// The task or call that the reactor is in, if it is known.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the reactor is gone, or ends.
    pub(crate) fn kept_by(&self) -> Result<Option<Blocked>, Closed> {
        let shared = self.mailbox.record(self.id)?;
        Ok(shared.and_then(|shared| Blocked::now(self.id, &shared)))
    }

    /// Whether the reactor is gone.
    pub fn is_closed(&self) -> bool {
        !self.mailbox.inbox().is_read_by(self.id)
    }

    /// Whether the reactor is alive and belongs to this thread, running or not: it does nothing while
    /// this thread blocks.
    fn is_here(self) -> bool {
        self.mailbox.is_read_here(self.id)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("reactor", &self.id).finish_non_exhaustive()
    }
}

/// Waits for `task` and sends its result; drops it as soon as nobody waits for the result.
async fn report<T: Send + 'static>(
    task: Task<T>,
    mut sender: oneshot::Sender<Result<T, JoinError>>,
) {
    sender.claim();
    let mut task = pin!(task);
    let result = poll_fn(|cx| {
        if sender.poll_closed(cx).is_ready() {
            return Poll::Ready(None);
        }
        task.as_mut().poll(cx).map(Some)
    });
    if let Some(result) = result.await {
        // Nobody waits any more: the result is dropped here.
        drop(sender.send(result));
    }
}

/// A task spawned through a [`Handle`]. Dropping it cancels the task.
///
/// On other threads it may be awaited under any executor, or joined. On the thread of the task's
/// reactor it must be awaited, and in that reactor.
#[derive(Debug)]
#[must_use = "dropping a `RemoteTask` cancels it: await it, join it or call `detach`"]
pub struct RemoteTask<T> {
    /// Who runs the task.
    reactor: Handle,
    /// Where the result comes. Dropped to cancel; taken by `detach`. None: it was cancelled.
    receiver: Option<oneshot::Receiver<Result<T, JoinError>>>,
}

impl<T> RemoteTask<T> {
    /// [`join`](Self::join), but not longer than `limit`.
    ///
    /// # Errors
    ///
    /// Gives the task back when time is over. The inner errors are those of `join`.
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join).
    #[track_caller]
    pub fn join_timeout(self, limit: Duration) -> Result<Result<T, JoinError>, Self> {
        self.assert_may_block();
        let is_finished = self.receiver.as_ref().is_none_or(|task| task.wait_finished(limit));
        if is_finished { Ok(self.join()) } else { Err(self) }
    }

    /// Blocks this thread until the task has finished.
    ///
    /// Inside another reactor this is allowed, and stops that one meanwhile with all its tasks; to
    /// await the task is better there. Two reactors that stop to join a task of each other wait for
    /// ever.
    ///
    /// # Errors
    ///
    /// As awaiting a [`Task`](crate::Task).
    ///
    /// # Panics
    ///
    /// On the thread of the task's reactor, unless the task has finished: nobody would run it.
    #[track_caller]
    pub fn join(mut self) -> Result<T, JoinError> {
        self.assert_may_block();
        match self.receiver.take() {
            Some(receiver) => receiver.wait().unwrap_or(Err(JoinError::Cancelled)),
            None => Err(JoinError::Cancelled),
        }
    }

    /// The result if it comes within `limit`, for callers who know that the task is not this thread's, or
    /// who do not wait. A task without a result by then is cancelled.
    pub(crate) fn finish_within(mut self, limit: Duration) -> Option<Result<T, JoinError>> {
        let receiver = self.receiver.take()?;
        receiver.wait_finished(limit).then(|| receiver.wait().unwrap_or(Err(JoinError::Cancelled)))
    }

    /// # Panics
    ///
    /// When this thread would wait for itself.
    #[track_caller]
    fn assert_may_block(&self) {
        assert!(
            self.is_finished() || !self.reactor.is_here(),
            "the task's reactor belongs to this thread and cannot run while it is blocked: `.await` \
             the `RemoteTask` in that reactor instead of joining it"
        );
    }

    /// Whether the result is there, or it is certain that none will come.
    pub fn is_finished(&self) -> bool {
        self.receiver.as_ref().is_none_or(oneshot::Receiver::is_finished)
    }

    /// Lets the task run without a handle. Its result is dropped.
    pub fn detach(mut self) {
        if let Some(receiver) = self.receiver.take() {
            receiver.detach();
        }
    }
}

impl<T> Future for RemoteTask<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// On the thread of the task's reactor while that does not run, unless the task has finished: it
    /// would never be ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(receiver) = &mut self.receiver else {
            return Poll::Ready(Err(JoinError::Cancelled));
        };
        if let Poll::Ready(got) = Pin::new(receiver).poll(cx) {
            return Poll::Ready(got.unwrap_or(Err(JoinError::Cancelled)));
        }
        assert!(current::is_running(self.reactor.id) || !self.reactor.is_here(), "{STANDS_STILL}");
        Poll::Pending
    }
}
