//! Permits for a limited number of threads at a time.

use crate::condvar::wait;
use crate::deadline::Deadline;
use crate::waiting;
use parking_lot::{Condvar, Mutex};
use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

/// The most permits that a semaphore can have.
pub const MAX_PERMITS: usize = u32::MAX as usize;

/// More permits were released than were acquired; nothing was changed.
///
/// Release only what was acquired and, if its [`Permit`] still exists, forgotten: a permit
/// releases itself when it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more permits were released than were acquired; one that is dropped releases itself")]
pub struct OverReleaseError(());

/// What the handles of a semaphore and its permits share.
struct Permits {
    /// How many are left.
    left: Mutex<usize>,
    /// Notified once for each permit that is released.
    released: Condvar,
    /// `left` never exceeds this.
    most: usize,
}

impl Permits {
    /// This many permits, if that can be.
    fn new(left: usize, most: usize) -> io::Result<Arc<Self>> {
        if left > MAX_PERMITS {
            let text = format!("make a semaphore of {left} permits: the most is {MAX_PERMITS}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Arc::new(Self { left: Mutex::new(left), released: Condvar::new(), most }))
    }

    /// Takes a permit before `deadline`, which `None` puts at once.
    fn acquire(self: &Arc<Self>, deadline: Option<Deadline>) -> Option<Permit> {
        self.take(None).or_else(|| waiting::aside(deadline?, |deadline| self.take(Some(deadline))))
    }

    /// [`acquire`](Permits::acquire) for a thread that waits as it is.
    ///
    /// No release is missed: a thread that waits looks at `left` under the mutex each time it
    /// is notified, and also when its time is over, before it gives up. A thread that does
    /// not wait may take the permit first; then it will also release it, and notify.
    fn take(self: &Arc<Self>, deadline: Option<Deadline>) -> Option<Permit> {
        let mut left = self.left.lock();
        while *left == 0 {
            if !wait(&self.released, &mut left, deadline?) && *left == 0 {
                return None;
            }
        }
        *left -= 1;
        drop(left);
        Some(Permit { permits: Some(Arc::clone(self)) })
    }

    /// Adds permits; false, and nothing is changed, if there would be too many.
    fn release(&self, n: usize) -> bool {
        let mut left = self.left.lock();
        if n > self.most - *left {
            return false;
        }
        *left += n;
        drop(left);
        let mut wakes = n;
        while wakes > 0 && self.released.notify_one() {
            wakes -= 1;
        }
        true
    }

    /// The text for `Debug`. Does not wait for the mutex.
    fn describe(&self, mut text: fmt::DebugStruct<'_, '_>) -> fmt::Result {
        if let Some(left) = self.left.try_lock() {
            text.field("available", &*left);
        }
        text.finish_non_exhaustive()
    }
}

/// The right to go on that a semaphore gave; dropping it releases it.
///
/// It can be moved to another thread and be dropped there.
#[must_use = "dropping the permit releases it at once"]
pub struct Permit {
    /// Where it goes back to; `None` if it is forgotten.
    permits: Option<Arc<Permits>>,
}

impl Permit {
    /// Keeps the permit from being released, for a `release` by hand, by any thread.
    pub fn forget(mut self) {
        self.permits = None;
    }
}

// After a panic, a permit is as good as before.
impl UnwindSafe for Permit {}
impl RefUnwindSafe for Permit {}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(permits) = &self.permits {
            // False after too many were released by hand: this one was among them.
            permits.release(1);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit { .. }")
    }
}

/// Defines the methods that both semaphores have.
macro_rules! acquiring {
    ($name:ident) => {
        impl $name {
            /// Waits for a permit.
            pub fn acquire(&self) -> Permit {
                let permit = self.permits.acquire(Some(Deadline::Never));
                permit.expect("a wait without a limit ends with a permit")
            }

            /// Takes a permit if one is available.
            pub fn try_acquire(&self) -> Option<Permit> {
                self.permits.acquire(None)
            }

            /// Waits for a permit, but not longer than `limit`.
            pub fn acquire_timeout(&self, limit: Duration) -> Option<Permit> {
                self.permits.acquire(Some(Deadline::after(limit)))
            }

            /// How many permits are available at this moment.
            pub fn available(&self) -> usize {
                *self.permits.left.lock()
            }
        }

        // After a panic, a semaphore is as good as before.
        impl UnwindSafe for $name {}
        impl RefUnwindSafe for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.permits.describe(f.debug_struct(stringify!($name)))
            }
        }
    };
}

/// A number of permits that threads acquire and release; without one, they wait.
///
/// A handle: clones are the same semaphore. Threads that never acquired may release, so it
/// can also count events. Where that would be a mistake, use [`BoundedSemaphore`].
///
/// ```
/// let produced = threads::Semaphore::new(0)?;
/// threads::spawn(|produced: threads::Semaphore| produced.release(3), produced.clone())?;
/// for _ in 0..3 {
///     produced.acquire().forget();
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Not promised
///
/// Fairness: a thread that does not wait may be served before one that does.
#[derive(Clone)]
pub struct Semaphore {
    /// The permits.
    permits: Arc<Permits>,
}

acquiring!(Semaphore);

impl Semaphore {
    /// A semaphore with this many permits available.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] above [`MAX_PERMITS`].
    pub fn new(permits: usize) -> io::Result<Self> {
        Ok(Self { permits: Permits::new(permits, MAX_PERMITS)? })
    }

    /// Adds `n` permits, and wakes up to `n` threads that wait.
    ///
    /// # Panics
    ///
    /// When there would be more than [`MAX_PERMITS`].
    #[track_caller]
    pub fn release(&self, n: usize) {
        assert!(
            self.permits.release(n),
            "a semaphore cannot have more than {MAX_PERMITS} permits: release only what was \
             acquired"
        );
    }
}

/// A [`Semaphore`] that never has more permits than it began with: releasing one that was
/// not acquired is an error.
///
/// ```
/// let connections = threads::BoundedSemaphore::new(2)?;
/// {
///     let _permit = connections.acquire();
///     assert_eq!(connections.available(), 1);
/// }
/// assert!(connections.release(1).is_err(), "the permit did that");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct BoundedSemaphore {
    /// The permits.
    permits: Arc<Permits>,
}

acquiring!(BoundedSemaphore);

impl BoundedSemaphore {
    /// A semaphore with this many permits, all of them available.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] when it is zero, for no thread could ever go on, or
    /// above [`MAX_PERMITS`].
    pub fn new(permits: usize) -> io::Result<Self> {
        if permits == 0 {
            let text =
                "make a bounded semaphore of 0 permits: ask for at least 1, or nobody could go on";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Self { permits: Permits::new(permits, permits)? })
    }

    /// Adds `n` permits that were acquired and forgotten, and wakes up to `n` threads that
    /// wait.
    ///
    /// # Errors
    ///
    /// [`OverReleaseError`] when there would be more than in the beginning; nothing is changed.
    pub fn release(&self, n: usize) -> Result<(), OverReleaseError> {
        if self.permits.release(n) { Ok(()) } else { Err(OverReleaseError(())) }
    }
}
