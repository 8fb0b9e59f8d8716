//! Waiting for whichever of many jobs finishes first.

use crate::deadline::Deadline;
use crate::error::JoinError;
use crate::handle::JoinHandle;
use crate::primitives::{Condvar, Mutex, lock, wait};
use crate::waiting;
use crate::waits::{MOST, Target};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The results of these handles in order of completion, each with the position of
/// its handle. A [`Thread`](crate::Thread) gives its own with
/// [`into_handle`](crate::Thread::into_handle).
///
/// ```
/// let pool = threads::Pool::new(2)?;
/// let handles = [10, 20, 30].map(|x| pool.submit(|x| x + 1, x));
/// let mut sum = 0;
/// for (position, result) in threads::as_completed(handles) {
///     assert!(position < 3);
///     sum += result?;
/// }
/// assert_eq!(sum, 63);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn as_completed<R>(handles: impl IntoIterator<Item = JoinHandle<R>>) -> AsCompleted<R> {
    let mut all = AsCompleted::new();
    for (position, handle) in (0..).zip(handles) {
        all.push(position, handle);
    }
    all
}

/// A changing set of jobs, and their results in order of completion.
///
/// As an iterator it blocks until one of the pushed jobs is finished, and ends when
/// none is left; pushing another one makes it go on. Waiting costs the same for one
/// handle as for a million: each job reports its own end.
///
/// On a worker of the jobs' own pool, `next` runs one that is still queued on the
/// spot rather than block; see [`Pool`](crate::Pool#waiting-inside-a-job). It panics when
/// it would wait for ever, as all that are left wait for the calling job.
///
/// Dropping it detaches the jobs, as dropping their handles does.
#[must_use = "dropping it detaches the jobs that were pushed"]
pub struct AsCompleted<R> {
    /// Where jobs report their end.
    board: Arc<Board>,
    /// The jobs not yet returned with their keys, by ticket.
    pending: BTreeMap<u64, (u64, JoinHandle<R>)>,
    /// The ticket of the next job.
    next_ticket: u64,
    /// Jobs with a lower ticket have been tried by [`AsCompleted::help`].
    tried: u64,
}

/// Where jobs report their end.
#[derive(Default)]
pub(crate) struct Board {
    /// The reports.
    reports: Mutex<Reports>,
    /// Notified when a report comes in and the owner of the set waits.
    reported: Condvar,
}

/// What the mutex of a [`Board`] protects.
#[derive(Default)]
struct Reports {
    /// Tickets of finished jobs, first one first.
    finished: VecDeque<u64>,
    /// Whether the owner of the set is blocked. A notification costs a system
    /// call even when nobody waits.
    waiting: bool,
}

impl Board {
    /// A job has finished.
    pub(crate) fn report(&self, ticket: u64) {
        let mut reports = lock(&self.reports);
        reports.finished.push_back(ticket);
        let waiting = reports.waiting;
        drop(reports);
        if waiting {
            self.reported.notify_one();
        }
    }

    /// Blocks until there is a report or time is over.
    pub(crate) fn block(&self, deadline: Deadline) -> Option<u64> {
        let mut reports = lock(&self.reports);
        let mut over = false;
        loop {
            if let Some(ticket) = reports.finished.pop_front() {
                return Some(ticket);
            }
            if over {
                return None;
            }
            reports.waiting = true;
            (reports, over) = wait(&self.reported, &self.reports, reports, deadline);
            reports.waiting = false;
        }
    }

    /// The first report, if there is one.
    pub(crate) fn take(&self) -> Option<u64> {
        lock(&self.reports).finished.pop_front()
    }

    /// Whether there is a report.
    pub(crate) fn has_reports(&self) -> bool {
        !lock(&self.reports).finished.is_empty()
    }
}

impl<R> AsCompleted<R> {
    /// An empty set.
    pub fn new() -> Self {
        Self { board: Arc::default(), pending: BTreeMap::new(), next_ticket: 0, tried: 0 }
    }

    /// Adds a job. Its result comes with `key`, which need not be unique.
    pub fn push(&mut self, key: u64, handle: JoinHandle<R>) {
        let number = self.next_ticket;
        self.next_ticket += 1;
        let board = Arc::clone(&self.board);
        handle.follow(Box::new(move |_| board.report(number)));
        self.pending.insert(number, (key, handle));
    }

    /// How many pushed jobs have not been returned.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether every pushed job has been returned.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// The next finished job, but waits no longer than `limit`. `None` when time
    /// is over, and when no job is left: [`is_empty`](AsCompleted::is_empty) tells
    /// which.
    #[track_caller]
    pub fn next_timeout(&mut self, limit: Duration) -> Option<(u64, Result<R, JoinError>)> {
        self.next_before(Deadline::after(limit))
    }

    /// Whether `next` would return at once.
    pub(crate) fn has_finished(&self) -> bool {
        self.board.has_reports()
    }

    /// Cancels the jobs that are still queued; they are returned as such.
    pub fn cancel(&self) {
        for (_, handle) in self.pending.values() {
            handle.cancel();
        }
    }

    /// The next finished job, if one finishes in time.
    #[track_caller]
    pub(crate) fn next_before(
        &mut self,
        deadline: Deadline,
    ) -> Option<(u64, Result<R, JoinError>)> {
        if self.pending.is_empty() {
            return None;
        }
        if matches!(deadline, Deadline::Never) {
            self.help();
        }
        let jobs = || self.pending.values().map(|(_, handle)| handle.job()).collect();
        let target = || (self.len() <= MOST).then(|| Target::jobs(jobs(), false));
        let wait = |deadline| self.board.block(deadline);
        let ticket = waiting::aside_for(deadline, target, wait)?;
        let (key, handle) = self.pending.remove(&ticket).expect("a job reports its end once");
        Some((key, handle.take_before(deadline)))
    }

    /// On a worker of the jobs' pool: runs the oldest one that is still queued,
    /// unless another one is finished.
    fn help(&mut self) {
        if !waiting::can_help() || self.has_finished() {
            return;
        }
        for (&ticket, (_, handle)) in self.pending.range(self.tried..) {
            // Each is tried once: a job that could not be run here had been begun, belongs to another
            // pool, or would lie too deep on the stack.
            self.tried = ticket + 1;
            if handle.help() {
                return;
            }
        }
    }
}

impl<R> Iterator for AsCompleted<R> {
    type Item = (u64, Result<R, JoinError>);

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        self.next_before(Deadline::Never)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), None)
    }
}

impl<R> Default for AsCompleted<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> fmt::Debug for AsCompleted<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("pending", &self.pending).finish_non_exhaustive()
    }
}
