//! Permits for a limited number of holders at a time, in any process.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::clock::{self, Until};
use crate::monitor::{Kind, Monitor};
use crate::permits::{Holder, MAX_PERMITS, Permits};

/// More permits were released than were acquired; nothing was changed.
///
/// Release only what was acquired and, if its [`Permit`] still exists, forgotten: a permit
/// releases itself when it is dropped.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Serialize, Deserialize)]
#[error("more permits were released than were acquired; one that is dropped releases itself")]
pub struct OverReleaseError(());

/// The right to go on that a semaphore gave; dropping it releases it.
///
/// It can be moved to another thread and be dropped there, but not to another process. When its
/// process dies, however that happens, it is released.
#[must_use = "dropping the permit releases it at once"]
pub struct Permit {
    /// Where it goes back to, and whose it is; `None` if it is forgotten.
    permits: Option<(Permits, Holder)>,
}

impl Permit {
    /// Keeps the permit from being released, for a `release` by hand, by any process. It does
    /// not come back when this process dies: it belongs to nobody.
    pub fn forget(mut self) {
        if let Some((permits, holder)) = self.permits.take() {
            permits.forget(holder);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some((permits, holder)) = self.permits.take() {
            permits.give_back(holder);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit { .. }")
    }
}

/// Defines what both semaphores have.
macro_rules! semaphore {
    ($name:ident) => {
        impl $name {
            /// Waits for a permit.
            pub fn acquire(&self) -> Permit {
                let permit = self.acquire_until(Until::Forever);
                permit.expect("a wait without a limit ends with a permit")
            }

            /// Takes a permit if one is available.
            pub fn try_acquire(&self) -> Option<Permit> {
                self.acquire_until(Until::Now)
            }

            /// Waits for a permit, but not longer than `limit`.
            pub fn acquire_timeout(&self, limit: Duration) -> Option<Permit> {
                self.acquire_until(Until::Deadline(clock::after_ns(limit)))
            }

            /// How many permits are available at this moment.
            pub fn available(&self) -> usize {
                self.permits.available()
            }

            /// The one way to acquire.
            fn acquire_until(&self, until: Until) -> Option<Permit> {
                let holder = self.permits.acquire(until)?;
                Some(Permit { permits: Some((self.permits.clone(), holder)) })
            }
        }

        /// Works only inside the argument of a call; an error elsewhere.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.permits.monitor().serialize(serializer)
            }
        }

        /// Works only inside the argument of a call; an error elsewhere.
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let monitor = Monitor::deserialize(Kind::$name, deserializer)?;
                Ok(Self { permits: Permits::of(monitor) })
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // Counting would wait for whoever is acquiring.
                f.write_str(concat!(stringify!($name), " { .. }"))
            }
        }
    };
}

/// A number of permits that processes acquire and release; without one, they wait.
///
/// A clone is another handle of the same semaphore. A handle may be passed to a call, as the
/// argument or anywhere inside of it; serialising it elsewhere is an error. Processes that never
/// acquired may release, so it can also count events. Where that would be a mistake, use
/// [`BoundedSemaphore`].
///
/// ```
/// let produced = processes::Semaphore::new(0)?;
/// let call = processes::spawn(|produced: processes::Semaphore| produced.release(3), produced.clone())?;
/// for _ in 0..3 {
///     produced.acquire().forget();
/// }
/// call.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The permits of a process that dies come back. Whoever waits for one notices the death within
/// 0.1 s, everybody else when they find no permit left. A process that is killed while it waits
/// harms nobody.
///
/// **Not** guaranteed:
/// - Fairness: a process that does not wait may be served before one that does.
/// - That permits come back that were acquired while 4,096 other processes held some.
#[derive(Clone)]
pub struct Semaphore {
    /// The permits.
    permits: Permits,
}

semaphore!(Semaphore);

impl Semaphore {
    /// A semaphore with this many permits available.
    ///
    /// # Errors
    /// `InvalidInput` above [`MAX_PERMITS`]; otherwise no descriptors or memory are left.
    pub fn new(permits: usize) -> io::Result<Self> {
        Ok(Self { permits: Permits::create(Kind::Semaphore, permits, MAX_PERMITS)? })
    }

    /// Adds `n` permits and wakes those who wait.
    ///
    /// # Panics
    /// When there would be more than [`MAX_PERMITS`].
    pub fn release(&self, n: usize) {
        assert!(
            self.permits.release(n),
            "a semaphore cannot have more than {MAX_PERMITS} permits: release only what was \
             acquired"
        );
    }
}

/// A [`Semaphore`] that never has more permits than it began with: releasing one that was not
/// acquired is an error.
///
/// ```
/// let connections = processes::BoundedSemaphore::new(2)?;
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
    permits: Permits,
}

semaphore!(BoundedSemaphore);

impl BoundedSemaphore {
    /// A semaphore with this many permits, all of them available.
    ///
    /// # Errors
    /// `InvalidInput` when it is zero, for nobody could ever go on, or above [`MAX_PERMITS`];
    /// otherwise no descriptors or memory are left.
    pub fn new(permits: usize) -> io::Result<Self> {
        if permits == 0 {
            let text =
                "a bounded semaphore of 0 permits: ask for at least 1, or nobody could go on";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Self { permits: Permits::create(Kind::BoundedSemaphore, permits, permits)? })
    }

    /// Adds `n` permits that were acquired and forgotten, and wakes those who wait.
    ///
    /// # Errors
    /// [`OverReleaseError`] when there would be more than in the beginning; nothing is changed.
    pub fn release(&self, n: usize) -> Result<(), OverReleaseError> {
        if self.permits.release(n) { Ok(()) } else { Err(OverReleaseError(())) }
    }
}
