//! Waiting for a changing set of calls.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::thread::futex::{self, Flags};

use crate::error::JoinError;
use crate::handle::JoinHandle;

/// Where finished calls announce themselves.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    /// Internal numbers of finished calls, in order of completion.
    rung: Mutex<VecDeque<u64>>,
    /// Signalled at every ring.
    signal: Condvar,
    /// Counts rings for one who sleeps on this word and others (a [`Select`](crate::Select)).
    epoch: AtomicU32,
    /// Whether there is such a one: without, nobody is woken there, which is a system call.
    is_selected: bool,
}

impl Bell {
    /// One whose owner sleeps on its word.
    pub(crate) fn selected() -> Self {
        Self { is_selected: true, ..Self::default() }
    }

    /// The word.
    pub(crate) fn futex(&self) -> &AtomicU32 {
        &self.epoch
    }

    /// Announces a call.
    pub(crate) fn ring(&self, number: u64) {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).push_back(number);
        self.signal.notify_one();
        if self.is_selected {
            self.epoch.fetch_add(1, Ordering::Release);
            // It fails only for an address that is not mapped.
            let _woken = futex::wake(&self.epoch, Flags::empty(), 1);
        }
    }

    /// The next announcement; waits until `deadline`, or for ever without one.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Option<u64> {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(number) = rung.pop_front() {
                return Some(number);
            }
            rung = match deadline {
                None => self.signal.wait(rung).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    self.signal.wait_timeout(rung, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// A growing set of handles that gives back each when it is finished, in order of completion.
///
/// This is how a coordinator whose work brings new work waits: push a handle with a key of your
/// choice, take the next finished one, push what follows from it. Each step costs the same
/// however many handles are in the set. As an iterator it yields `(key, result)` until the set
/// is empty. Dropping it detaches the handles that are left.
#[derive(Debug)]
#[must_use = "dropping it detaches the calls that were pushed"]
pub struct AsCompleted<R> {
    /// The handles that were not yet given back, with the user's key, by internal number.
    waiting: HashMap<u64, (u64, JoinHandle<R>)>,
    /// Where they announce themselves.
    bell: Arc<Bell>,
    /// The next internal number; keys of the user may repeat.
    next: u64,
}

impl<R> AsCompleted<R> {
    /// An empty set.
    pub fn new() -> Self {
        Self { waiting: HashMap::new(), bell: Arc::new(Bell::default()), next: 0 }
    }

    /// Adds a handle. Keys need not be unique.
    pub fn push(&mut self, key: u64, handle: JoinHandle<R>) {
        let number = self.next;
        self.next += 1;
        handle.ticket().ring_when_finished(&self.bell, number);
        self.waiting.insert(number, (key, handle));
    }

    /// How many handles were pushed and not given back.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True when nothing is left to wait for.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Cancels what has not started; those handles are given back as cancelled.
    pub fn cancel(&self) {
        for (_key, handle) in self.waiting.values() {
            handle.cancel();
        }
    }
}

impl<R: serde::de::DeserializeOwned> AsCompleted<R> {
    /// As `next`, but waits no longer than `timeout`.
    ///
    /// `None` means that the time is over, or that the set is empty: ask
    /// [`is_empty`](Self::is_empty).
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<(u64, Result<R, JoinError>)> {
        self.next_until(Instant::now().checked_add(timeout))
    }

    /// The next finished call.
    fn next_until(&mut self, deadline: Option<Instant>) -> Option<(u64, Result<R, JoinError>)> {
        if self.waiting.is_empty() {
            return None;
        }
        let number = self.bell.next(deadline)?;
        let (key, handle) =
            self.waiting.remove(&number).expect("each pushed handle rings exactly once");
        Some((key, handle.join()))
    }
}

impl<R> Default for AsCompleted<R> {
    fn default() -> Self {
        Self::new()
    }
}

/// Blocks until one of the pushed handles is finished; `None` when none is left.
impl<R: serde::de::DeserializeOwned> Iterator for AsCompleted<R> {
    type Item = (u64, Result<R, JoinError>);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_until(None)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), None)
    }
}

/// Puts `handles` into a set; each one's key is its position.
pub fn as_completed<R>(handles: impl IntoIterator<Item = JoinHandle<R>>) -> AsCompleted<R> {
    let mut set = AsCompleted::new();
    for (key, handle) in (0..).zip(handles) {
        set.push(key, handle);
    }
    set
}
