//! What a pool has done so far.

use crate::error::Outcome;
use crate::seats::Seats;
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a pool has done so far, see [`Pool::stats`](crate::Pool::stats).
///
/// The numbers are read one after the other while the pool works: they fit
/// together exactly only when it is idle. A job whose handle is finished is
/// always counted as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Workers that are to execute jobs: what the pool was built with, or
    /// resized to.
    pub workers: usize,
    /// Workers that have stepped aside while they wait; others execute jobs in
    /// their place. See [`blocking`](crate::blocking).
    pub aside: usize,
    /// Jobs that wait for a worker.
    pub queued: u64,
    /// Jobs that a worker is executing; one that waits for another job is among
    /// them.
    pub running: u64,
    /// Jobs that returned.
    pub done: u64,
    /// Jobs that panicked.
    pub panicked: u64,
    /// Panics that were caught outside of a job: in callbacks, in initializers, and in
    /// drops; see [`PanicOrigin`](crate::PanicOrigin).
    pub stray_panics: u64,
    /// Jobs that were cancelled before they ran, or were left in the middle of forked work
    /// as their token was cancelled, or could not run as the pool is broken or was full.
    pub cancelled: u64,
    /// Those of the cancelled that the pool has refused, as it was full
    /// ([`WhenFull::Refuse`](crate::WhenFull::Refuse)). What [`Pool::try_spawn`](crate::Pool::try_spawn)
    /// gave back does not count.
    pub refused: u64,
    /// How often a worker took jobs from another worker's deque.
    pub steals: u64,
    /// How often a thread ran something that another one had forked: the second closure of a
    /// [`join`](crate::join), a closure of a [`scope`](crate::scope()), a part of an operation on
    /// slices, or of a [`broadcast`](crate::broadcast) another worker's part.
    pub forks: u64,
    /// How often a worker went to sleep.
    pub parks: u64,
}

/// What [`Pool::shutdown_now`](crate::Pool::shutdown_now) kept from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unrun {
    /// See [`Unrun::count`].
    count: usize,
}

impl Unrun {
    /// This many jobs.
    pub(crate) fn new(count: usize) -> Self {
        Self { count }
    }

    /// How many jobs will never run.
    pub fn count(self) -> usize {
        self.count
    }
}

/// What one worker has done, or all callers that are none together.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Jobs that were queued.
    submitted: AtomicU64,
    /// Jobs that were begun.
    started: AtomicU64,
    /// Jobs that returned.
    done: AtomicU64,
    /// Jobs that panicked.
    panicked: AtomicU64,
    /// Jobs that were left as their token was cancelled.
    left: AtomicU64,
    /// Successful steals from another worker.
    steals: AtomicU64,
    /// Times it went to sleep.
    parks: AtomicU64,
}

/// Adds one to a counter that no other thread writes: no locked instruction.
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
}

impl Tally {
    /// Where a job is counted that ended like this.
    fn end(&self, outcome: Outcome) -> &AtomicU64 {
        match outcome {
            Outcome::Returned => &self.done,
            Outcome::Panicked => &self.panicked,
            _ => &self.left,
        }
    }
}

/// Only the worker itself calls these.
impl Tally {
    /// A job is about to be queued.
    pub(crate) fn submitted(&self) {
        bump(&self.submitted);
    }

    /// A job begins.
    pub(crate) fn started(&self) {
        bump(&self.started);
    }

    /// A job ended like this.
    pub(crate) fn ended(&self, outcome: Outcome) {
        bump(self.end(outcome));
    }

    /// Jobs were taken from another worker.
    pub(crate) fn stole(&self) {
        bump(&self.steals);
    }

    /// The worker goes to sleep.
    pub(crate) fn parks(&self) {
        bump(&self.parks);
    }
}

/// What was done by others than the workers.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Jobs handed to the pool from outside, counted before they become visible.
    submitted: CachePadded<AtomicU64>,
    /// Jobs discarded while queued.
    discarded: AtomicU64,
    /// Those of the discarded that were refused, as the pool was full.
    refused: AtomicU64,
    /// What others ran than those who had forked it.
    forks: CachePadded<AtomicU64>,
    /// Panics outside of jobs.
    stray_panics: AtomicU64,
    /// What callers did that ran jobs themselves.
    callers: Tally,
}

/// Any thread calls these.
impl Counters {
    /// A job is about to be queued.
    pub(crate) fn submitted(&self) {
        self.submitted.fetch_add(1, Relaxed);
    }

    /// A queued job was discarded.
    pub(crate) fn discarded(&self) {
        self.discarded.fetch_add(1, Relaxed);
    }

    /// A job is about to be discarded, as the pool is full.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// A panic was caught outside of a job.
    pub(crate) fn stray_panic(&self) {
        self.stray_panics.fetch_add(1, Relaxed);
    }

    /// The caller begins a job.
    pub(crate) fn started(&self) {
        self.callers.started.fetch_add(1, Relaxed);
    }

    /// The caller's job ended like this.
    pub(crate) fn ended(&self, outcome: Outcome) {
        self.callers.end(outcome).fetch_add(1, Relaxed);
    }

    /// Some thread ran what another one had forked.
    pub(crate) fn forked(&self) {
        self.forks.fetch_add(1, Relaxed);
    }

    /// The public form, with what these workers did. What ended is read before what
    /// began, and that before what was submitted, so that a difference is rarely
    /// cut off at zero.
    pub(crate) fn snapshot<'a>(
        &'a self,
        seats: &Seats,
        workers: impl Iterator<Item = &'a Tally> + Clone,
    ) -> Stats {
        let all = workers.chain([&self.callers]);
        let sum = |field: fn(&Tally) -> &AtomicU64| -> u64 {
            all.clone().map(|tally| field(tally).load(Relaxed)).sum()
        };
        let (done, panicked) = (sum(|t| &t.done), sum(|t| &t.panicked));
        let left = sum(|t| &t.left);
        let (steals, parks) = (sum(|t| &t.steals), sum(|t| &t.parks));
        let started = sum(|t| &t.started);
        let discarded = self.discarded.load(Relaxed);
        let submitted = self.submitted.load(Relaxed) + sum(|t| &t.submitted);
        Stats {
            workers: seats.count(),
            aside: seats.aside(),
            queued: submitted.saturating_sub(started + discarded),
            running: started.saturating_sub(done + panicked + left),
            done,
            panicked,
            stray_panics: self.stray_panics.load(Relaxed),
            cancelled: discarded + left,
            refused: self.refused.load(Relaxed),
            steals,
            parks,
            forks: self.forks.load(Relaxed),
        }
    }
}
