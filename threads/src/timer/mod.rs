//! Calls at a later time, once or again and again.

mod clock;

use crate::condvar::wait_for;
use crate::deadline::Deadline;
use crate::waiting;
use clock::{Entry, Status};
use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A call of a closure at a later time, which can be cancelled until then.
///
/// All timers share one thread, `threads-timer`, which is started when it is needed and ends
/// soon after it is not. So a call should be short: while it runs, others are late; hand long
/// work to a [`Pool`](crate::Pool). The thread does not keep the process alive.
///
/// Dropping the timer cancels it; [`detach`](Timer::detach) lets it go on without.
///
/// ```
/// use std::time::Duration;
///
/// let event = threads::Event::new()?;
/// let set = event.clone();
/// let timer = threads::Timer::after(Duration::from_millis(1), move || set.set())?;
/// event.wait();
/// timer.wait();
/// assert!(!timer.cancel(), "too late");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A call that panics harms no other timer, and is not made again.
///
/// # Not promised
///
/// That the call is made in time: it is made after its time has come, as soon as the thread
/// gets to it.
#[must_use = "dropping the timer cancels it; detach it, or keep it"]
pub struct Timer {
    /// What the timer's thread has, too.
    entry: Arc<Entry>,
    /// Dropping it leaves the entry alone.
    detached: bool,
}

impl Timer {
    /// Calls `f` once, when this time has passed.
    ///
    /// # Errors
    ///
    /// Whatever the system says when it cannot start the thread. `f` has been dropped then.
    pub fn after(delay: Duration, f: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let mut once = Some(f);
        let call = move || {
            if let Some(f) = once.take() {
                f();
            }
        };
        Self::start(delay, None, Box::new(call))
    }

    /// Calls `f` each time this period has passed, until the timer is cancelled or `f`
    /// panics.
    ///
    /// The calls keep to the times that are whole periods after the beginning; one whose time
    /// has passed before the one before it has ended is left out.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::InvalidInput`] when `period` is zero.
    /// - Whatever the system says when it cannot start the thread. `f` has been dropped then.
    pub fn every(period: Duration, f: impl FnMut() + Send + 'static) -> io::Result<Self> {
        if period.is_zero() {
            let text = "make a timer with a period of zero: ask for more";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Self::start(period, Some(period), Box::new(f))
    }

    /// The one way to make one.
    fn start(
        delay: Duration,
        period: Option<Duration>,
        call: Box<dyn FnMut() + Send>,
    ) -> io::Result<Self> {
        let entry = Arc::new(Entry::new(call, period));
        // A time that the clock cannot represent never comes.
        if let Some(at) = Instant::now().checked_add(delay) {
            clock::schedule(at, &entry)?;
        }
        Ok(Self { entry, detached: false })
    }

    /// Cancels the timer. True: it was still going to make a call, and will not. False: it was
    /// over, or its last call is being made at this moment.
    pub fn cancel(&self) -> bool {
        self.entry.cancel()
    }

    /// Whether no call is made any more: all were, or it was cancelled, or one has panicked.
    pub fn is_finished(&self) -> bool {
        *self.entry.status.lock() == Status::Over
    }

    /// Waits until no call is made any more, and the closure is dropped.
    ///
    /// In the call of another timer it keeps all timers waiting.
    ///
    /// # Panics
    ///
    /// In the call of this very timer, or the drop of its closure: it would wait for ever.
    #[track_caller]
    pub fn wait(&self) {
        assert!(!self.entry.is_above(), "a timer's own call cannot wait for the timer's end");
        self.wait_before(Deadline::Never);
    }

    /// [`wait`](Timer::wait) (true), but not longer than `limit` (false). Does not panic.
    pub fn wait_timeout(&self, limit: Duration) -> bool {
        self.wait_before(Deadline::after(limit))
    }

    /// Lets the timer go on without its handle. One that calls again and again then does so
    /// until the process ends.
    pub fn detach(mut self) {
        self.detached = true;
    }

    /// The one way to wait.
    fn wait_before(&self, deadline: Deadline) -> bool {
        let wait = |deadline| {
            let mut status = self.entry.status.lock();
            let is_over = |status: &Status| *status == Status::Over;
            wait_for(&self.entry.over, &mut status, deadline, is_over).then_some(())
        };
        waiting::aside(deadline, wait).is_some()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if !self.detached {
            self.cancel();
        }
    }
}

// After a panic, a timer is as good as before.
impl UnwindSafe for Timer {}
impl RefUnwindSafe for Timer {}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Timer");
        if let Some(status) = self.entry.status.try_lock() {
            text.field("status", &*status);
        }
        text.finish_non_exhaustive()
    }
}
