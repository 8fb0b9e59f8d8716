//! Which connections there are, and how they are asked to end.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::contain::{Payload, message};
use crate::sync::Event;

/// Tells a connection that the server wants to end: finish what you are doing, and begin nothing new.
/// Cloning it makes another handle.
#[derive(Clone)]
pub struct Stop {
    requested: Event,
}

impl Stop {
    /// Waits until the server wants to end; at once if it already does.
    pub async fn requested(&self) {
        self.requested.wait().await;
    }

    /// Whether the server wants to end.
    pub fn is_requested(&self) -> bool {
        self.requested.is_set()
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("is_requested", &self.is_requested()).finish()
    }
}

/// The connections of all loops. Shared by all threads.
pub(super) struct Live {
    /// Per loop: those that it has, and those that are on their way to it.
    loads: Box<[AtomicUsize]>,
    /// The sum, for who waits until it is zero.
    total: Mutex<usize>,
    /// The sum has become zero.
    emptied: Condvar,
    stop: Stop,
    /// How many of them a panic has ended, and the text of the first one.
    panics: Mutex<(usize, Option<String>)>,
}

impl Live {
    pub(super) fn new(loops: usize) -> Self {
        Self {
            loads: std::iter::repeat_with(AtomicUsize::default).take(loops).collect(),
            total: Mutex::new(0),
            emptied: Condvar::new(),
            stop: Stop { requested: Event::new() },
            panics: Mutex::default(),
        }
    }

    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Asks all connections to end.
    pub(super) fn request_stop(&self) {
        self.stop.requested.set();
    }

    /// The loop with the fewest connections; of several the first.
    pub(super) fn least_loaded(&self) -> usize {
        // One thread adds; that others take away meanwhile costs a little evenness.
        let loads = self.loads.iter().map(|load| load.load(Ordering::Relaxed));
        let least = loads.enumerate().min_by_key(|&(_, load)| load);
        least.map_or(0, |(index, _)| index)
    }

    /// A panic ends a connection.
    pub(super) fn note_panic(&self, payload: &Payload) {
        // A text of the user's own: made outside of the lock.
        let text = message(&**payload);
        let mut panics = self.panics.lock().unwrap_or_else(PoisonError::into_inner);
        panics.0 += 1;
        panics.1.get_or_insert(text);
    }

    /// How many have ended by a panic, and the text of the first.
    pub(super) fn panics(&self) -> (usize, Option<String>) {
        self.panics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many connections each loop has.
    pub(super) fn loads(&self) -> Vec<usize> {
        self.loads.iter().map(|load| load.load(Ordering::Relaxed)).collect()
    }

    /// Counts a connection of a loop, until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>, index: usize) -> Counted {
        self.loads[index].fetch_add(1, Ordering::Relaxed);
        *self.total() += 1;
        Counted { live: Arc::clone(self), index }
    }

    /// Waits until there are none, at most so long. Returns how many are left.
    pub(super) fn wait_empty(&self, limit: Duration) -> usize {
        let total = self.total();
        let waited = self.emptied.wait_timeout_while(total, limit, |total| *total > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn total(&self) -> std::sync::MutexGuard<'_, usize> {
        // Nothing under the lock can panic, so the number is right.
        self.total.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Live::begin`].
pub(super) struct Counted {
    pub(super) live: Arc<Live>,
    index: usize,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.live.loads[self.index].fetch_sub(1, Ordering::Relaxed);
        let mut total = self.live.total();
        *total -= 1;
        if *total == 0 {
            self.live.emptied.notify_all();
        }
    }
}
