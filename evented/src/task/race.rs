//! The first of several tasks.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use super::{JoinError, Task};

/// Waits for the first of several tasks that finishes, with a result or an error, and tells which one of
/// them it was. The others are cancelled, and their futures have been dropped when this returns; what
/// they return or how they fail meanwhile is dropped. When several have finished by the time the waiting
/// task runs again, the first of them in the order given wins. None when there are no tasks.
///
/// When the future is dropped, all of them are cancelled.
///
/// ```
/// use std::time::Duration;
/// use evented::{race, sleep, spawn};
///
/// # evented::block_on(async {
/// let after = |millis| {
///     spawn(async move {
///         sleep(Duration::from_millis(millis)).await;
///         millis
///     })
/// };
/// let (winner, result) = race([after(3_000), after(1), after(2_000)]).await.expect("there are three");
/// assert_eq!((winner, result.expect("it returns")), (1, 1));
/// # });
/// ```
///
/// # Panics
///
/// As awaiting a [`Task`].
pub async fn race<T: 'static>(
    tasks: impl IntoIterator<Item = Task<T>>,
) -> Option<(usize, Result<T, JoinError>)> {
    let mut tasks: Vec<Task<T>> = tasks.into_iter().collect();
    if tasks.is_empty() {
        return None;
    }
    let first = poll_fn(|cx| {
        let polls = tasks.iter_mut().map(|task| Pin::new(task).poll(cx)).enumerate();
        // Each is polled, so that each wakes; a task that is ready is polled once, for it is the last.
        for (place, polled) in polls {
            if let Poll::Ready(result) = polled {
                return Poll::Ready((place, result));
            }
        }
        Poll::Pending
    });
    let (place, result) = first.await;
    drop(tasks.remove(place));
    for task in &tasks {
        task.request_cancel();
    }
    for task in tasks {
        let engine = std::rc::Rc::clone(task.engine());
        let result = task.await;
        // A drop that panics is not the winner's fault.
        engine.drop_contained(result);
    }
    Some((place, result))
}
