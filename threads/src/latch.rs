//! A count that threads wait for to become zero.

use crate::condvar::wait_for;
use crate::deadline::Deadline;
use crate::waiting;
use parking_lot::{Condvar, Mutex};
use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

/// Opens once, when it has been counted down to zero; threads wait for that.
///
/// A handle: clones are the same latch. Unlike a [`Barrier`](crate::Barrier), those who count
/// need not wait, one thread may count several times, and it stays open.
///
/// ```
/// let ready = threads::Latch::new(3)?;
/// for _ in 0..3 {
///     threads::spawn(|ready: threads::Latch| ready.count_down(), ready.clone())?;
/// }
/// ready.wait();
/// assert_eq!(ready.count(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Latch {
    /// The latch itself.
    inner: Arc<Inner>,
}

/// What the handles of a latch share.
struct Inner {
    /// How often it must still be counted down.
    count: Mutex<usize>,
    /// Notified when the count becomes zero.
    open: Condvar,
}

impl Latch {
    /// A latch that must be counted down `count` times. With zero, it is open.
    ///
    /// # Errors
    ///
    /// None here; the same call between processes needs memory that it may not get.
    pub fn new(count: usize) -> io::Result<Self> {
        let inner = Inner { count: Mutex::new(count), open: Condvar::new() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Counts down by one, and says whether that opened the latch. An open one stays open.
    pub fn count_down(&self) -> bool {
        let mut count = self.inner.count.lock();
        let opens = *count == 1;
        *count = count.saturating_sub(1);
        drop(count);
        if opens {
            self.inner.open.notify_all();
        }
        opens
    }

    /// How often it must still be counted down at this moment.
    pub fn count(&self) -> usize {
        *self.inner.count.lock()
    }

    /// Waits until the latch is open.
    pub fn wait(&self) {
        self.wait_before(Deadline::Never);
    }

    /// Waits until the latch is open (true), but not longer than `limit` (false).
    pub fn wait_timeout(&self, limit: Duration) -> bool {
        self.wait_before(Deadline::after(limit))
    }

    /// The one way to wait.
    fn wait_before(&self, deadline: Deadline) -> bool {
        let wait = |deadline| {
            let mut count = self.inner.count.lock();
            wait_for(&self.inner.open, &mut count, deadline, |count| *count == 0).then_some(())
        };
        self.count() == 0 || waiting::aside(deadline, wait).is_some()
    }
}

// After a panic, a latch is as good as before.
impl UnwindSafe for Latch {}
impl RefUnwindSafe for Latch {}

impl fmt::Debug for Latch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Latch");
        if let Some(count) = self.inner.count.try_lock() {
            text.field("count", &*count);
        }
        text.finish_non_exhaustive()
    }
}
