//! Waiting for some or all of several calls.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::completed::Bell;
use crate::error::Outcome;
use crate::handle::JoinHandle;

/// What [`wait`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitFor {
    /// Until a call is finished, in whatever way.
    FirstCompleted,
    /// Until a call fails, or all are finished. A call that was cancelled has not failed.
    FirstException,
    /// Until all are finished.
    All,
}

/// Waits for some or all of these calls, but not longer than `limit` (`None`: however long it
/// takes). Returns the handles of those that are finished, and of those that are not, each in the
/// order in which they came.
///
/// Takes handles, or references to handles: several threads may wait for the same ones. Nothing
/// is taken from a handle, and nothing is lost when time is over.
///
/// ```
/// use processes::{Pool, WaitFor, wait};
///
/// let pool = Pool::new(2)?;
/// let handles = [1, 2, 3].map(|x| pool.submit(|x| x, x));
/// let (done, not_done) = wait(&handles, WaitFor::FirstCompleted, None);
/// assert!(!done.is_empty() && done.len() + not_done.len() == 3);
/// let (done, _) = wait(handles, WaitFor::All, None);
/// let sum: Result<i32, _> = done.into_iter().map(|handle| handle.join()).sum();
/// assert_eq!(sum?, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait<R, H: Borrow<JoinHandle<R>>>(
    handles: impl IntoIterator<Item = H>,
    until: WaitFor,
    limit: impl Into<Option<Duration>>,
) -> (Vec<H>, Vec<H>) {
    let deadline = limit.into().and_then(|limit| Instant::now().checked_add(limit).map(Some));
    let deadline = deadline.flatten();
    let handles: Vec<H> = handles.into_iter().collect();
    let bell = Arc::new(Bell::default());
    for (number, handle) in (0..).zip(&handles) {
        handle.borrow().ticket().ring_when_finished(&bell, number);
    }
    let mut left = handles.len();
    while left > 0
        && let Some(number) = bell.next(deadline)
    {
        left -= 1;
        let handle = usize::try_from(number).ok().and_then(|number| handles.get(number));
        let outcome = handle.and_then(|handle| handle.borrow().outcome());
        let enough = match until {
            WaitFor::FirstCompleted => true,
            WaitFor::FirstException => outcome.is_some_and(Outcome::is_failure),
            WaitFor::All => false,
        };
        if enough {
            break;
        }
    }
    for handle in &handles {
        handle.borrow().ticket().ring_no_more(&bell);
    }
    handles.into_iter().partition(|handle| handle.borrow().is_finished())
}
