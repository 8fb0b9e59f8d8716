//! The handle of a job.

use crate::cell::Callback;
use crate::deadline::Deadline;
use crate::error::{JoinError, Outcome};
use crate::home::Home;
use crate::job::{JobRef, Unit};
use crate::waiting;
use crate::waits::{self, Target};
use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The handle of a job: waits for its result, or cancels it.
///
/// Also a [`Future`] of the same result, for any executor. Polling it again after
/// it was ready, or joining it then, panics: the result was handed out. A job that awaits its
/// own handle, with an executor on its own thread, hangs, where [`join`](JoinHandle::join) would
/// panic: whoever polls need not be the one who waits.
///
/// Dropping a handle detaches the job, which still runs; its result is dropped on
/// the worker, where a panic of that drop does no harm. Dropping the handle of a
/// finished job drops the result with it, there: a panic of that drop goes on in the caller.
#[must_use = "dropping a handle detaches its job; join it, or drop it explicitly"]
pub struct JoinHandle<R> {
    /// The job.
    unit: Arc<dyn Unit<R>>,
    /// Whether the result was taken, or is somebody else's to take.
    is_taken: bool,
}

impl<R> JoinHandle<R> {
    /// The handle of this job.
    pub(crate) fn new(unit: Arc<dyn Unit<R>>) -> Self {
        Self { unit, is_taken: false }
    }

    /// Waits for the result.
    ///
    /// On a worker of the job's own pool, a job that is still queued is run on
    /// the spot; see [`Pool`](crate::Pool#waiting-inside-a-job).
    ///
    /// # Errors
    ///
    /// - [`JoinError::Panicked`]: the job panicked.
    /// - [`JoinError::Cancelled`]: it was cancelled while it was queued, or while it forked.
    /// - [`JoinError::Broken`]: it never ran, as an initializer of its pool failed.
    /// - [`JoinError::Refused`]: it never ran, as its pool was full.
    ///
    /// # Panics
    ///
    /// When it can never return: the caller is the job itself, or a job which it
    /// waits for and runs on the spot, or a job which it waits for in turn, in
    /// whatever pools and threads; see [`Pool`](crate::Pool#waiting-inside-a-job) for
    /// what is not seen. Also when the result was taken by polling, and when more jobs wait
    /// for each other on one stack than can be good, in a pool that may have no
    /// more threads; see [`Builder::spares`](crate::Builder::spares).
    #[track_caller]
    pub fn join(self) -> Result<R, JoinError> {
        if !self.help() {
            let here = waits::known_thread();
            if here.is_some() && here == self.unit.runner() {
                self.panic_about_itself();
            }
            self.wait_before(Deadline::Never);
        }
        self.take_before(Deadline::Never)
    }

    /// The caller is what it would wait for.
    #[cold]
    #[track_caller]
    fn panic_about_itself(&self) -> ! {
        match self.unit.home() {
            Home::Pool(_) => {
                panic!("a job cannot wait for itself: it, or a job it waits for, joined its handle")
            }
            Home::Thread(_) => {
                panic!("a thread cannot wait for itself: it, or a job in it, joined its handle")
            }
        }
    }

    /// The result of a finished job.
    #[track_caller]
    fn take(&mut self) -> Result<R, JoinError> {
        self.is_taken = true;
        taken(self.unit.take())
    }

    /// Waits for the result, but not longer than `limit`. For a job in a thread of its
    /// own, the limit also holds for the end of that thread, which may then still go on.
    ///
    /// # Errors
    ///
    /// Gives the handle back when time is over. The inner errors are those of
    /// [`join`](JoinHandle::join).
    ///
    /// # Panics
    ///
    /// When the result was taken by polling. A limit that the clock cannot represent, such as
    /// [`Duration::MAX`], is none: then also when it can never return, as [`join`](JoinHandle::join).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = threads::Pool::new(1)?;
    /// let mut handle = pool.spawn(|| 42);
    /// let answer = loop {
    ///     match handle.join_timeout(Duration::from_millis(1)) {
    ///         Ok(result) => break result?,
    ///         Err(later) => handle = later, // Time was over; tell somebody, and go on.
    ///     }
    /// };
    /// assert_eq!(answer, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn join_timeout(self, limit: Duration) -> Result<Result<R, JoinError>, Self> {
        self.join_before(Deadline::after(limit))
    }

    /// The result, or the handle when time is over.
    #[track_caller]
    pub(crate) fn join_before(self, deadline: Deadline) -> Result<Result<R, JoinError>, Self> {
        if self.wait_before(deadline) { Ok(self.take_before(deadline)) } else { Err(self) }
    }

    /// The result of a finished job, and the end of a thread that was started for it
    /// alone, as far as that is there in time.
    #[track_caller]
    pub(crate) fn take_before(mut self, deadline: Deadline) -> Result<R, JoinError> {
        let result = self.take();
        self.unit.home().reap(deadline);
        result
    }

    /// Waits until the job is finished (true), but not longer than `limit`
    /// (false). Takes nothing, so several threads can wait.
    ///
    /// Never runs the job on the spot, as [`join`](JoinHandle::join) does: that
    /// could take longer than the limit. What may is the calling worker's part of a
    /// [`broadcast`](crate::broadcast), which comes first.
    ///
    /// # Panics
    ///
    /// With a limit that is none, see [`join_timeout`](JoinHandle::join_timeout).
    #[track_caller]
    pub fn wait_timeout(&self, limit: Duration) -> bool {
        self.wait_before(Deadline::after(limit))
    }

    /// Blocks until the job is finished (true) or time is over (false).
    #[track_caller]
    fn wait_before(&self, deadline: Deadline) -> bool {
        if self.is_finished() {
            return true;
        }
        let target = || Some(Target::job(self.job()));
        let wait = |deadline| self.unit.wait(deadline).then_some(());
        waiting::aside_for(deadline, target, wait).is_some()
    }

    /// The job without its result.
    pub(crate) fn job(&self) -> JobRef {
        Arc::clone(&self.unit) as JobRef
    }

    /// Whether the job returned, panicked or was cancelled.
    pub fn is_finished(&self) -> bool {
        self.unit.outcome().is_some()
    }

    /// Whether the job has begun and not ended. False while it is queued.
    pub fn is_running(&self) -> bool {
        // In this order: what is no longer queued never is again.
        !self.unit.is_queued() && !self.is_finished()
    }

    /// How the job ended, if it has. Takes nothing: the result is still there.
    pub fn outcome(&self) -> Option<Outcome> {
        self.unit.outcome()
    }

    /// Has `f` called once when the job is finished: on the worker that ran it, or
    /// on the thread that cancelled it; at once, on the calling thread, if it is
    /// finished already.
    ///
    /// Callbacks are called in the order in which they were registered, after those
    /// that wait for the handle have been woken. They may spawn jobs. One that
    /// panics is reported to [`Builder::on_panic`](crate::Builder::on_panic) (and to
    /// the panic hook), and the later ones are still called. It is part of the
    /// worker's time: what takes long belongs into a job.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use threads::{Outcome, Pool};
    ///
    /// let pool = Pool::new(1)?;
    /// let (send, receive) = mpsc::channel();
    /// let handle = pool.spawn(|| 6 * 7);
    /// handle.on_done(move |outcome| send.send(outcome).unwrap());
    /// assert_eq!(receive.recv()?, Outcome::Returned);
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_done(&self, f: impl FnOnce(Outcome) + Send + 'static) {
        self.unit.follow(Box::new(f));
    }

    /// Like [`on_done`](JoinHandle::on_done), with the result itself in place of the
    /// handle.
    pub fn on_result(mut self, f: impl FnOnce(Result<R, JoinError>) + Send + 'static)
    where
        R: 'static,
    {
        self.is_taken = true; // By the callback.
        let unit = Arc::clone(&self.unit);
        // A circle of references until the callback is called or forgotten, at the
        // latest when the job is discarded.
        self.unit.follow(Box::new(move |_| f(taken(unit.take()))));
    }

    /// Cancels the job if it is still queued (true): it will never run, and its
    /// closure has been dropped. A job that is running or finished is left alone
    /// (false).
    pub fn cancel(&self) -> bool {
        self.unit.discard(JoinError::Cancelled)
    }

    /// Runs the job if it is still queued and the calling thread is a worker of
    /// its pool; true if so.
    pub(crate) fn help(&self) -> bool {
        waiting::help(&*self.unit)
    }

    /// See [`Unit::follow`].
    pub(crate) fn follow(&self, callback: Callback) -> Option<u64> {
        self.unit.follow(callback)
    }

    /// See [`Unit::unfollow`].
    pub(crate) fn unfollow(&self, number: u64) {
        self.unit.unfollow(number);
    }
}

/// The result that was taken from a finished job, if it was there.
#[track_caller]
fn taken<R>(result: Option<Result<R, JoinError>>) -> Result<R, JoinError> {
    match result {
        Some(result) => result,
        None => panic!("the result of this job was already taken, by polling its handle"),
    }
}

impl<R> Future for JoinHandle<R> {
    type Output = Result<R, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.unit.outcome().is_none() && self.unit.watch(context.waker().clone()) {
            return Poll::Pending;
        }
        Poll::Ready(self.take())
    }
}

impl<R> Drop for JoinHandle<R> {
    fn drop(&mut self) {
        // Usually nobody else refers to a finished job. But one that was run on the spot is still in its queue,
        // and its result must not wait there for whoever comes across it.
        if !self.is_taken && Arc::strong_count(&self.unit) > 1 {
            drop(self.unit.take());
        }
    }
}

// What a job panicked in the middle of is not reachable through its handle.
impl<R> UnwindSafe for JoinHandle<R> {}
impl<R> RefUnwindSafe for JoinHandle<R> {}

impl<R> fmt::Debug for JoinHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("job", &self.unit.stage_name()).finish_non_exhaustive()
    }
}
