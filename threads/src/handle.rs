//! The handle of a job.

use crate::deadline::Deadline;
use crate::error::JoinError;
use crate::job::Unit;
use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The handle of a job: waits for its result, or cancels it.
///
/// Also a [`Future`] of the same result, for any executor. Polling it again after
/// it was ready, or joining it then, panics: the result was handed out.
///
/// Dropping a handle detaches the job, which still runs; its result is dropped on
/// the worker, where a panic of that drop does no harm. Dropping the handle of a
/// finished job drops the result with it.
#[must_use = "dropping a handle detaches its job; join it, or drop it explicitly"]
pub struct JoinHandle<R> {
    /// The job.
    unit: Arc<dyn Unit<R>>,
}

impl<R> JoinHandle<R> {
    /// The handle of this job.
    pub(crate) fn new(unit: Arc<dyn Unit<R>>) -> Self {
        Self { unit }
    }

    /// Waits for the result.
    ///
    /// On a worker of the job's own pool, a job that is still queued is run on
    /// the spot; see [`Pool`](crate::Pool#waiting-inside-a-job).
    ///
    /// # Errors
    ///
    /// - [`JoinError::Panicked`]: the job panicked.
    /// - [`JoinError::Cancelled`]: it was cancelled before it ran.
    ///
    /// # Panics
    ///
    /// When it can never return: the caller is the job itself, or a job which it
    /// waits for and runs on the spot. Also when the result was taken by polling.
    pub fn join(self) -> Result<R, JoinError> {
        if !self.unit.help() {
            assert!(
                !self.unit.is_below(),
                "a job cannot wait for itself: it, or a job it waits for, joined its handle"
            );
            self.unit.wait(Deadline::Never);
        }
        self.unit.take()
    }

    /// Waits for the result, but not longer than `limit`.
    ///
    /// # Errors
    ///
    /// Gives the handle back when time is over. The inner errors are those of
    /// [`join`](JoinHandle::join).
    ///
    /// # Panics
    ///
    /// When the result was taken by polling.
    pub fn join_timeout(self, limit: Duration) -> Result<Result<R, JoinError>, Self> {
        if self.wait_timeout(limit) { Ok(self.unit.take()) } else { Err(self) }
    }

    /// Waits until the job is finished (true), but not longer than `limit`
    /// (false). Takes nothing, so several threads can wait.
    ///
    /// Never runs the job on the spot, as [`join`](JoinHandle::join) does: that
    /// could take longer than the limit.
    pub fn wait_timeout(&self, limit: Duration) -> bool {
        self.unit.wait(Deadline::after(limit))
    }

    /// Whether the job returned, panicked or was cancelled.
    pub fn is_finished(&self) -> bool {
        self.unit.is_finished()
    }

    /// Cancels the job if it is still queued (true): it will never run, and its
    /// closure has been dropped. A job that is running or finished is left alone
    /// (false).
    pub fn cancel(&self) -> bool {
        self.unit.cancel()
    }

    /// Runs the job if it is still queued and the calling thread is a worker of
    /// its pool; true if so.
    pub(crate) fn help(&self) -> bool {
        self.unit.help()
    }

    /// Has `waker` called when the job finishes; false if it is finished already.
    pub(crate) fn watch(&self, waker: Waker) -> bool {
        self.unit.watch(waker)
    }
}

impl<R> Future for JoinHandle<R> {
    type Output = Result<R, JoinError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.unit.is_finished() && self.unit.watch(context.waker().clone()) {
            return Poll::Pending;
        }
        Poll::Ready(self.unit.take())
    }
}

// What a job panicked in the middle of is not reachable through its handle.
impl<R> UnwindSafe for JoinHandle<R> {}
impl<R> RefUnwindSafe for JoinHandle<R> {}

impl<R> fmt::Debug for JoinHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("job", &self.unit.stage_name()).finish()
    }
}
