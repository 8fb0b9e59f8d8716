//! Waiting until something about a lock's value changes.

use crate::lock::Guard;
use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, LockResult};
use std::time::{Duration, Instant};

/// Has threads wait until another one has changed the value of a [`Lock`](crate::Lock).
///
/// A handle: clones are the same condition. Waiting takes the lock's guard, unlocks, blocks,
/// and locks again before it returns; nothing that is notified in between is missed. Notify
/// after the change; whether the lock is still held then makes no difference to correctness.
///
/// ```
/// let (lock, condition) = (threads::Lock::new(0)?, threads::Condition::new()?);
/// let count = |(lock, condition): (threads::Lock<u32>, threads::Condition)| {
///     *lock.lock().expect("nobody panics") += 1;
///     condition.notify_all();
/// };
/// for _ in 0..3 {
///     threads::spawn(count, (lock.clone(), condition.clone()))?;
/// }
/// let guard = lock.lock().expect("nobody panics");
/// let guard = condition.wait_for(guard, |count| *count == 3).expect("nobody panics");
/// assert_eq!(*guard, 3);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
///
/// Every wait panics if threads that hold the guard of *another* lock wait at that moment:
/// use one condition per lock.
///
/// # Not promised
///
/// That `wait` returns only after a notification; `wait_for` looks for itself.
#[derive(Clone)]
pub struct Condition {
    /// Where threads wait.
    inner: Arc<parking_lot::Condvar>,
}

impl Condition {
    /// A condition on which nobody waits.
    ///
    /// # Errors
    ///
    /// None here; the same call of the `processes` crate needs memory that it may not get.
    pub fn new() -> io::Result<Self> {
        Ok(Self { inner: Arc::new(parking_lot::Condvar::new()) })
    }

    /// Waits until notified.
    ///
    /// # Errors
    ///
    /// [`PoisonError`](std::sync::PoisonError), with the guard in it, if a thread panicked
    /// while holding the lock.
    pub fn wait<'a, T: ?Sized>(&self, mut guard: Guard<'a, T>) -> LockResult<Guard<'a, T>> {
        self.inner.wait(guard.unlocked());
        guard.checked()
    }

    /// Waits until notified (true), but not longer than `limit` (false).
    ///
    /// # Errors
    ///
    /// As [`wait`](Condition::wait), with the same pair in it.
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        mut guard: Guard<'a, T>,
        limit: Duration,
    ) -> LockResult<(Guard<'a, T>, bool)> {
        let Some(end) = Instant::now().checked_add(limit) else {
            return with(self.wait(guard), true);
        };
        let over = self.inner.wait_until(guard.unlocked(), end).timed_out();
        with(guard.checked(), !over)
    }

    /// Waits until `holds` is true of the value: looks first, and again whenever notified.
    ///
    /// # Errors
    ///
    /// As [`wait`](Condition::wait); whether `holds` is true then is not said.
    pub fn wait_for<'a, T: ?Sized>(
        &self,
        mut guard: Guard<'a, T>,
        mut holds: impl FnMut(&mut T) -> bool,
    ) -> LockResult<Guard<'a, T>> {
        while !holds(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// [`wait_for`](Condition::wait_for), but not longer than `limit`. With the guard comes
    /// what `holds` said last: false if time is over.
    ///
    /// # Errors
    ///
    /// As [`wait_for`](Condition::wait_for), with `false`.
    pub fn wait_for_timeout<'a, T: ?Sized>(
        &self,
        mut guard: Guard<'a, T>,
        limit: Duration,
        mut holds: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(Guard<'a, T>, bool)> {
        let Some(end) = Instant::now().checked_add(limit) else {
            return with(self.wait_for(guard, holds), true);
        };
        loop {
            if holds(&mut guard) {
                return Ok((guard, true));
            }
            if Instant::now() >= end {
                return Ok((guard, false));
            }
            self.inner.wait_until(guard.unlocked(), end);
            match guard.checked() {
                Ok(checked) => guard = checked,
                poisoned @ Err(_) => return with(poisoned, false),
            }
        }
    }

    /// Wakes one thread that waits, if one does.
    pub fn notify_one(&self) {
        self.inner.notify_one();
    }

    /// Wakes up to `n` threads that wait.
    pub fn notify(&self, n: usize) {
        let mut left = n;
        while left > 0 && self.inner.notify_one() {
            left -= 1;
        }
    }

    /// Wakes all threads that wait.
    pub fn notify_all(&self) {
        self.inner.notify_all();
    }
}

/// The result with another value in it.
fn with<T, U>(result: LockResult<T>, value: U) -> LockResult<(T, U)> {
    match result {
        Ok(guard) => Ok((guard, value)),
        Err(poisoned) => Err(std::sync::PoisonError::new((poisoned.into_inner(), value))),
    }
}

// After a panic, a condition is as good as before.
impl UnwindSafe for Condition {}
impl RefUnwindSafe for Condition {}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Condition { .. }")
    }
}
