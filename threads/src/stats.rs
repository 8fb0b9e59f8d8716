//! What a pool has done so far.

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
    /// Workers of the pool.
    pub workers: usize,
    /// Jobs that wait for a worker.
    pub queued: u64,
    /// Jobs that a worker is executing; one that waits for another job is among
    /// them.
    pub running: u64,
    /// Jobs that returned.
    pub done: u64,
    /// Jobs that panicked.
    pub panicked: u64,
    /// Jobs that were cancelled before they ran.
    pub cancelled: u64,
    /// How often a worker took jobs from another worker's deque.
    pub steals: u64,
    /// How often a worker went to sleep.
    pub parks: u64,
}

/// The counters of one worker. Only that worker writes them.
#[derive(Debug, Default)]
struct Tally {
    /// Jobs that were begun.
    started: AtomicU64,
    /// Jobs that returned.
    done: AtomicU64,
    /// Jobs that panicked.
    panicked: AtomicU64,
    /// Successful steals from another worker.
    steals: AtomicU64,
    /// Times it went to sleep.
    parks: AtomicU64,
}

/// The counters behind [`Stats`].
#[derive(Debug)]
pub(crate) struct Counters {
    /// Jobs handed to the pool, counted before they become visible.
    submitted: CachePadded<AtomicU64>,
    /// Jobs cancelled while queued.
    cancelled: CachePadded<AtomicU64>,
    /// One per worker.
    tallies: Box<[CachePadded<Tally>]>,
}

/// Adds one to a counter that no other thread writes: no locked instruction.
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
}

impl Counters {
    /// All zero.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            submitted: CachePadded::default(),
            cancelled: CachePadded::default(),
            tallies: (0..workers).map(|_| CachePadded::default()).collect(),
        }
    }

    /// A job is about to be queued.
    pub(crate) fn submitted(&self) {
        self.submitted.fetch_add(1, Relaxed);
    }

    /// A queued job was cancelled.
    pub(crate) fn cancelled(&self) {
        self.cancelled.fetch_add(1, Relaxed);
    }

    /// The calling worker begins a job.
    pub(crate) fn started(&self, worker: usize) {
        bump(&self.tallies[worker].started);
    }

    /// The calling worker's job returned (true) or panicked.
    pub(crate) fn ended(&self, worker: usize, returned: bool) {
        let tally = &self.tallies[worker];
        bump(if returned { &tally.done } else { &tally.panicked });
    }

    /// The calling worker took jobs from another one.
    pub(crate) fn stole(&self, worker: usize) {
        bump(&self.tallies[worker].steals);
    }

    /// The calling worker goes to sleep.
    pub(crate) fn parks(&self, worker: usize) {
        bump(&self.tallies[worker].parks);
    }

    /// The public form. What ended is read before what began, and that before
    /// what was submitted, so that a difference is rarely cut off at zero.
    pub(crate) fn snapshot(&self) -> Stats {
        let sum = |field: fn(&Tally) -> &AtomicU64| -> u64 {
            self.tallies.iter().map(|tally| field(tally).load(Relaxed)).sum()
        };
        let (done, panicked) = (sum(|t| &t.done), sum(|t| &t.panicked));
        let (steals, parks) = (sum(|t| &t.steals), sum(|t| &t.parks));
        let started = sum(|t| &t.started);
        let cancelled = self.cancelled.load(Relaxed);
        let submitted = self.submitted.load(Relaxed);
        Stats {
            workers: self.tallies.len(),
            queued: submitted.saturating_sub(started + cancelled),
            running: started.saturating_sub(done + panicked),
            done,
            panicked,
            cancelled,
            steals,
            parks,
        }
    }
}
