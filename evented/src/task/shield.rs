//! A task that goes on when nobody waits for it any more.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{JoinError, Spawn, Task};
use crate::current;

/// Spawns `future` as a task that goes on although who awaits it gives up: a `timeout` around this, a
/// cancelled task that awaits it. Its result is dropped then.
///
/// The task ends early only with its reactor.
///
/// ```
/// use std::time::Duration;
///
/// # evented::block_on(async {
/// let (sender, saved) = evented::sync::oneshot::channel();
/// let save = evented::shield(async move {
///     evented::sleep(Duration::from_millis(2)).await;
///     sender.send("saved").expect("somebody waits");
/// });
/// assert!(evented::timeout(Duration::ZERO, save).await.is_err());
/// assert_eq!(saved.await, Ok("saved"));
/// # });
/// ```
///
/// # Panics
///
/// As [`spawn`](fn@crate::spawn).
#[track_caller]
pub fn shield<F>(future: F) -> Shield<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Task::spawn_at(Location::caller(), current::engine(), Spawn::new(), future).shield()
}

/// A task that dropping this does not cancel; see [`shield`] and [`Task::shield`].
///
/// # Errors
///
/// As awaiting a [`Task`].
#[must_use = "await it for the result, or detach the task"]
pub struct Shield<T> {
    /// None once it was ready.
    task: Option<Task<T>>,
}

impl<T> Task<T> {
    /// Makes the task go on when what this returns is dropped.
    pub fn shield(self) -> Shield<T> {
        Shield { task: Some(self) }
    }
}

impl<T> Shield<T> {
    /// Takes the shield away: the task is cancelled when it is dropped. None after it was ready.
    pub fn into_task(mut self) -> Option<Task<T>> {
        self.task.take()
    }
}

impl<T: 'static> Future for Shield<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// As polling a [`Task`].
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let task = self.task.as_mut().expect("a `Shield` is not polled again after it was ready");
        let polled = Pin::new(task).poll(cx);
        if polled.is_ready() {
            self.task = None;
        }
        polled
    }
}

impl<T> Drop for Shield<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.detach();
        }
    }
}

impl<T> Unpin for Shield<T> {}

impl<T> fmt::Debug for Shield<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").field("task", &self.task).finish()
    }
}
