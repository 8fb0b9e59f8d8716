//! Waiting until something about a lock's value changes.

use crate::condvar::wait;
use crate::deadline::Deadline;
use crate::lock::Guard;
use crate::waiting::Patience;
use parking_lot::{Condvar, MutexGuard};
use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LockResult, PoisonError};
use std::time::Duration;

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
/// Every wait panics if threads that came with the guard of *another* lock wait at that moment:
/// use one condition per lock. Like any panic under a lock, it poisons that of the caller.
///
/// # Not promised
///
/// That `wait` returns only after a notification; `wait_for` looks for itself.
#[derive(Clone)]
pub struct Condition {
    /// The condition itself.
    inner: Arc<Inner>,
}

/// What the handles of a condition share.
#[derive(Default)]
struct Inner {
    /// Where threads wait.
    changed: Condvar,
    /// How many wait, or were woken and do not have their lock again. Goes up while its thread
    /// holds the lock, so that a notifier which saw that lock's value sees it, too.
    waiting: AtomicUsize,
}

impl Condition {
    /// A condition on which nobody waits.
    ///
    /// # Errors
    ///
    /// None here; the same call of the `processes` crate needs memory that it may not get.
    pub fn new() -> io::Result<Self> {
        Ok(Self { inner: Arc::default() })
    }

    /// Waits until notified.
    ///
    /// A worker of a [`Pool`](crate::Pool) does not step aside here, as it would miss what is
    /// notified meanwhile: use [`wait_for`](Condition::wait_for), which does, or
    /// [`blocking`](crate::blocking()).
    ///
    /// # Errors
    ///
    /// [`PoisonError`], with the guard in it, if a thread panicked
    /// while holding the lock.
    pub fn wait<'a, T: ?Sized>(&self, mut guard: Guard<'a, T>) -> LockResult<Guard<'a, T>> {
        self.inner.wait(&mut guard, Deadline::Never);
        guard.checked()
    }

    /// Waits until notified (true), but not longer than `limit` (false). As
    /// [`wait`](Condition::wait), it occupies a worker of a pool.
    ///
    /// # Errors
    ///
    /// As [`wait`](Condition::wait), with the same pair in it.
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        mut guard: Guard<'a, T>,
        limit: Duration,
    ) -> LockResult<(Guard<'a, T>, bool)> {
        let notified = self.inner.wait(&mut guard, Deadline::after(limit));
        with(guard.checked(), notified)
    }

    /// Waits until `holds` is true of the value: looks first, and again whenever notified.
    ///
    /// # Errors
    ///
    /// As [`wait`](Condition::wait); whether `holds` is true then is not said.
    pub fn wait_for<'a, T: ?Sized>(
        &self,
        guard: Guard<'a, T>,
        holds: impl FnMut(&mut T) -> bool,
    ) -> LockResult<Guard<'a, T>> {
        match self.wait_before(guard, Deadline::Never, holds) {
            Ok((guard, _)) => Ok(guard),
            Err(poisoned) => Err(PoisonError::new(poisoned.into_inner().0)),
        }
    }

    /// [`wait_for`](Condition::wait_for), but not longer than `limit`. With the guard comes
    /// what `holds` said last: false if time is over.
    ///
    /// # Errors
    ///
    /// As [`wait_for`](Condition::wait_for), with `false`.
    pub fn wait_for_timeout<'a, T: ?Sized>(
        &self,
        guard: Guard<'a, T>,
        limit: Duration,
        holds: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(Guard<'a, T>, bool)> {
        self.wait_before(guard, Deadline::after(limit), holds)
    }

    /// The one way to wait until `holds` is true. As it is looked at again, a worker can
    /// step aside in between, with the lock free; what is notified then is seen.
    fn wait_before<'a, T: ?Sized>(
        &self,
        mut guard: Guard<'a, T>,
        deadline: Deadline,
        mut holds: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(Guard<'a, T>, bool)> {
        let mut patience: Option<Patience> = None;
        loop {
            if holds(&mut guard) {
                return Ok((guard, true));
            }
            let patience = patience.get_or_insert_with(|| Patience::new(deadline));
            if patience.is_over() {
                return Ok((guard, false));
            }
            if patience.is_due() {
                MutexGuard::unlocked(guard.unlocked(), || patience.step_aside());
            } else if !self.inner.wait(&mut guard, patience.next()) {
                patience.time_is_over();
            }
            match guard.checked() {
                Ok(checked) => guard = checked,
                poisoned @ Err(_) => return with(poisoned, false),
            }
        }
    }

    /// Wakes one thread that waits, if one does.
    pub fn notify_one(&self) {
        self.inner.changed.notify_one();
    }

    /// Wakes up to `n` threads that wait.
    pub fn notify(&self, n: usize) {
        // Without the second bound, it could go on with those who wait again meanwhile.
        let mut left = n.min(self.inner.waiting.load(Relaxed));
        while left > 0 && self.inner.changed.notify_one() {
            left -= 1;
        }
    }

    /// Wakes all threads that wait.
    pub fn notify_all(&self) {
        self.inner.changed.notify_all();
    }
}

impl Inner {
    /// Waits until notified (true) or until `deadline` (false).
    fn wait<T: ?Sized>(&self, guard: &mut Guard<'_, T>, deadline: Deadline) -> bool {
        /// Counts its thread until it is dropped, also by a panic.
        struct Counted<'a>(&'a AtomicUsize);
        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Relaxed);
            }
        }
        self.waiting.fetch_add(1, Relaxed);
        let _counted = Counted(&self.waiting);
        wait(&self.changed, guard.unlocked(), deadline)
    }
}

/// The result with another value in it.
fn with<T, U>(result: LockResult<T>, value: U) -> LockResult<(T, U)> {
    match result {
        Ok(guard) => Ok((guard, value)),
        Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), value))),
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
