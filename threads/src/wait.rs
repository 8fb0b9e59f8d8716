//! Waiting for some or all of several jobs.

use crate::completed::Board;
use crate::deadline::Deadline;
use crate::error::Outcome;
use crate::handle::JoinHandle;
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
/// ones. Nothing is taken from a handle, and nothing is lost when time is over.
///
/// On a worker of the jobs' own pool, and without a limit, it runs jobs that are
/// still queued on the spot; see [`Pool`](crate::Pool#waiting-inside-a-job).
///
/// # Panics
///
/// Without a limit, when it could never return, because the caller is one of these jobs, or
/// is run on the spot by one.
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
    let mut goal = Goal { until, left: handles.len() };
    let mut reached = handles.is_empty();
    let mut own = 0;
    if matches!(deadline, Deadline::Never) {
        for handle in all() {
            while !reached && let Some(report) = board.take() {
                reached = goal.reached(report);
            }
            if reached {
                break;
            }
            if !handle.help() {
                own += usize::from(handle.is_below());
            }
        }
    }
    let mut out_of_reach = false;
    while !reached {
        let report = board.take();
        out_of_reach = report.is_none() && goal.is_out_of_reach(own);
        if out_of_reach {
            break;
        }
        let Some(report) = report.or_else(|| board.wait(deadline)) else { break };
        reached = goal.reached(report);
    }
    for (handle, number) in all().zip(followed) {
        if let Some(number) = number {
            handle.unfollow(number);
        }
    }
    assert!(
        !out_of_reach,
        "a job cannot wait for itself: it, or a job it waits for, is among the handles"
    );
    handles.into_iter().partition(|handle| handle.borrow().is_finished())
}

/// What is still to happen.
struct Goal {
    /// What is waited for.
    until: WaitFor,
    /// How many jobs have not reported.
    left: usize,
}

impl Goal {
    /// A job has reported; whether the wait is over.
    fn reached(&mut self, report: u64) -> bool {
        self.left -= 1;
        self.left == 0
            || match self.until {
                WaitFor::FirstCompleted => true,
                WaitFor::FirstException => report == FAILURE,
                WaitFor::All => false,
            }
    }

    /// Whether it can never happen, if so many jobs cannot end before the wait does.
    fn is_out_of_reach(&self, own: usize) -> bool {
        match self.until {
            WaitFor::All => own > 0,
            WaitFor::FirstCompleted | WaitFor::FirstException => own == self.left,
        }
    }
}

/// The report of a job that failed; others report zero.
const FAILURE: u64 = 1;

/// What a job reports that ended like this.
fn kind(outcome: Outcome) -> u64 {
    if outcome.is_failure() { FAILURE } else { 0 }
}
