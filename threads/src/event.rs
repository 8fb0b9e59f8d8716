//! A flag that threads wait for.

use crate::condvar::wait_for;
use crate::deadline::Deadline;
use crate::waiting;
use parking_lot::{Condvar, Mutex};
use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};
use std::time::Duration;

/// A flag that is set and cleared, and that threads wait for.
///
/// A handle: clones are the same event. [`set`](Event::set) releases every thread that waits
/// at that moment, even if the event is cleared before they run.
///
/// ```
/// let stop = threads::Event::new()?;
/// let worker = threads::spawn(
///     |stop: threads::Event| {
///         let mut rounds = 0_u64;
///         while !stop.is_set() {
///             rounds += 1;
///         }
///         rounds
///     },
///     stop.clone(),
/// )?;
/// stop.set();
/// worker.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Event {
    /// The event itself.
    inner: Arc<Inner>,
}

/// What the handles of an event share.
struct Inner {
    /// The flag. Written under the mutex; read without it by those who do not wait.
    set: AtomicBool,
    /// How often the event was set when it was not. Who waits notes it first, and is released
    /// when it has changed. Looking at the flag would not do: it may be cleared again.
    epoch: Mutex<u64>,
    /// Notified when `epoch` changes.
    changed: Condvar,
}

impl Event {
    /// An event that is not set.
    ///
    /// # Errors
    ///
    /// None here; the same call of the `processes` crate needs memory that it may not get.
    pub fn new() -> io::Result<Self> {
        let inner =
            Inner { set: AtomicBool::new(false), epoch: Mutex::new(0), changed: Condvar::new() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Sets the flag and releases everyone who waits.
    pub fn set(&self) {
        let mut epoch = self.inner.epoch.lock();
        if self.is_set() {
            return; // Nobody waits.
        }
        self.inner.set.store(true, Release);
        *epoch += 1;
        drop(epoch);
        self.inner.changed.notify_all();
    }

    /// Clears the flag: later waits block. Those released before are not held up.
    pub fn clear(&self) {
        let _epoch = self.inner.epoch.lock();
        self.inner.set.store(false, Release);
    }

    /// Whether the flag is set.
    pub fn is_set(&self) -> bool {
        self.inner.set.load(Acquire)
    }

    /// Waits until the flag is set; returns at once if it is.
    pub fn wait(&self) {
        self.wait_before(Deadline::Never);
    }

    /// Waits until the flag is set (true), but not longer than `limit` (false).
    pub fn wait_timeout(&self, limit: Duration) -> bool {
        self.wait_before(Deadline::after(limit))
    }

    /// The one way to wait.
    fn wait_before(&self, deadline: Deadline) -> bool {
        if self.is_set() {
            return true;
        }
        let epoch = self.inner.epoch.lock();
        let before = *epoch;
        // Looked at under the mutex: it may have been set in between.
        if self.is_set() {
            return true;
        }
        drop(epoch);
        let wait = |deadline| {
            let mut epoch = self.inner.epoch.lock();
            let changed = |epoch: &u64| *epoch != before;
            wait_for(&self.inner.changed, &mut epoch, deadline, changed).then_some(())
        };
        waiting::aside(deadline, wait).is_some()
    }
}

// After a panic, an event is as good as before.
impl UnwindSafe for Event {}
impl RefUnwindSafe for Event {}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("set", &self.is_set()).finish()
    }
}
