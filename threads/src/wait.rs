//! Waiting for some or all of several jobs.

use crate::completed::Board;
use crate::deadline::Deadline;
use crate::error::Outcome;
use crate::handle::JoinHandle;
use crate::waiting;
use crate::waits::Target;
use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Duration;

/// What [`wait`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitFor {
    /// Until a job is finished, in whatever way.
    FirstCompleted,
    /// Until a job fails, or all are finished. A job that was cancelled has not
    /// failed.
    FirstException,
    /// Until all are finished.
    All,
}

/// Waits for some or all of these jobs, but not longer than `limit` (`None`: however
/// long it takes). Returns the handles of those that are finished, and of those
/// that are not, each in the order in which they came.
///
/// Takes handles, or references to handles: several threads may wait for the same
/// ones. A [`Thread`](crate::Thread) gives its own with
/// [`into_handle`](crate::Thread::into_handle). Nothing is taken from a handle, and nothing is lost when
/// time is over.
///
/// On a worker of the jobs' own pool, and without a limit, it runs jobs that are
/// still queued on the spot; see [`Pool`](crate::Pool#waiting-inside-a-job).
///
/// # Panics
///
/// Without a limit, or with one that the clock cannot represent, when it would wait for ever, as
/// the jobs wait for the calling one.
///
/// ```
/// use threads::{Pool, WaitFor, wait};
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
#[track_caller]
pub fn wait<R, H: Borrow<JoinHandle<R>>>(
    handles: impl IntoIterator<Item = H>,
    until: WaitFor,
    limit: impl Into<Option<Duration>>,
) -> (Vec<H>, Vec<H>) {
    let deadline = limit.into().map_or(Deadline::Never, Deadline::after);
    let handles: Vec<H> = handles.into_iter().collect();
    let all = || handles.iter().map(Borrow::borrow);
    let board = Arc::<Board>::default();
    let followed: Vec<_> = all()
        .map(|handle| {
            let board = Arc::clone(&board);
            handle.follow(Box::new(move |outcome: Outcome| board.report(kind(outcome))))
        })
        .collect();
    let mut left = handles.len();
    let mut is_enough = |report| {
        left -= 1;
        left == 0
            || match until {
                WaitFor::FirstCompleted => true,
                WaitFor::FirstException => report == FAILURE,
                WaitFor::All => false,
            }
    };
    let mut enough = handles.is_empty();
    if matches!(deadline, Deadline::Never) {
        for handle in all() {
            while !enough && let Some(report) = board.take() {
                enough = is_enough(report);
            }
            if enough {
                break;
            }
            handle.help();
        }
    }
    let is_all = matches!(until, WaitFor::All);
    let mut over = false;
    while !enough && !over {
        let left = || all().filter(|handle| is_all || !handle.is_finished());
        let target = || Some(Target::jobs(left().map(JoinHandle::job).collect(), is_all));
        let waited = waiting::aside_for(deadline, target, |deadline| {
            while let Some(report) = board.block(deadline) {
                enough = is_enough(report);
                // One job less, and so perhaps one on whose end nothing depends any more: that
                // is looked at anew. With all, it was clear from the beginning.
                if enough || !is_all {
                    return Some(());
                }
            }
            None
        });
        over = waited.is_none();
    }
    for (handle, number) in all().zip(followed) {
        if let Some(number) = number {
            handle.unfollow(number);
        }
    }
    handles.into_iter().partition(|handle| handle.borrow().is_finished())
}

/// The report of a job that failed; others report zero.
const FAILURE: u64 = 1;

/// What a job reports that ended like this.
fn kind(outcome: Outcome) -> u64 {
    if outcome.is_failure() { FAILURE } else { 0 }
}
