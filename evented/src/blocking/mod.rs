//! Work that blocks, on threads of its own.

mod threads;

pub(crate) use threads::{Running, Threads};

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::contain::contain;
use crate::current;
use crate::record::{WaitsFor, waits_for};
use crate::sync::oneshot;
use crate::task::JoinError;
use threads::{Job, Place};

/// Runs a closure that blocks (a file read, a name look-up, a long computation) on a thread of the
/// reactor's pool.
///
/// The closure is handed over when the future is first polled, and waits for a place if the pool's
/// queue is full, see [`Builder::blocking_queue`](crate::Builder::blocking_queue). When the future is
/// dropped, a closure that is queued never runs: the thread that comes to it drops it, and it keeps its
/// place until then. One that is running goes on, and its result is dropped.
///
/// ```no_run
/// # evented::block_on(async {
/// let text = evented::blocking(|| std::fs::read_to_string("/etc/hostname")).await;
/// println!("{:?}", text.expect("it does not panic"));
/// # });
/// ```
#[track_caller]
pub fn blocking<T, F>(f: F) -> Blocking<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let location = Location::caller();
    let (sender, receiver) = oneshot::channel();
    let run = Box::new(move || {
        if sender.is_closed() {
            return;
        }
        let result = contain(f).map_err(|payload| JoinError::panicked(None, location, payload));
        // Nobody waits any more: the result is dropped here.
        drop(sender.send(result));
    });
    Blocking { job: Some(Job { run, at: location }), place: None, receiver }
}

/// Future of [`blocking`].
///
/// # Errors
///
/// [`JoinError::Panicked`] when the closure panicked, [`JoinError::Cancelled`] when the reactor shut
/// down first, [`JoinError::NoThread`] when the system refuses the first thread.
#[must_use = "the closure does not run unless the future is awaited"]
pub struct Blocking<T> {
    /// The closure, until the pool has taken it.
    job: Option<Job>,
    /// Where it waits for room in the queue, if it does.
    place: Option<Place>,
    receiver: oneshot::Receiver<Result<T, JoinError>>,
}

impl<T> Future for Blocking<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// Outside a reactor.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(job) = self.job.take() {
            match current::engine().threads.submit(job, cx.waker(), &mut self.place) {
                Ok(None) => {}
                Ok(Some(job)) => {
                    self.job = Some(job);
                    waits_for(WaitsFor::Blocking);
                    return Poll::Pending;
                }
                Err(error) => return Poll::Ready(Err(JoinError::NoThread(error))),
            }
        }
        let polled = self.receiver.poll_untold(cx);
        if polled.is_pending() {
            waits_for(WaitsFor::Blocking);
        }
        polled.map(|got| got.unwrap_or(Err(JoinError::Cancelled)))
    }
}

impl<T> fmt::Debug for Blocking<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").field("submitted", &self.job.is_none()).finish_non_exhaustive()
    }
}
