//! A lock with the value it protects, a time limit, and poisoning.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LockResult, PoisonError, TryLockError, TryLockResult};
use std::thread;
use std::time::Duration;

/// A value that one thread at a time may use.
///
/// A handle: clones are the same lock. Like [`std::sync::Mutex`] it is *poisoned*
/// when a thread panics while holding it, since the value may then be half changed;
/// unlike it, waiting can have a time limit.
///
/// ```
/// let total = threads::Lock::new(0)?;
/// let pool = threads::Pool::new(2)?;
/// let work = |(total, x): (threads::Lock<u64>, u64)| {
///     *total.lock().expect("no job panics") += x;
/// };
/// let handles: Vec<_> = (1..=10).map(|x| pool.submit(work, (total.clone(), x))).collect();
/// for handle in handles {
///     handle.join()?;
/// }
/// assert_eq!(*total.lock().expect("no job panics"), 55);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A guard stays on its thread:
///
/// ```compile_fail,E0277
/// let lock = threads::Lock::new(1).unwrap();
/// let guard = lock.lock().unwrap();
/// std::thread::scope(|scope| scope.spawn(move || drop(guard)).join());
/// ```
///
/// # Not promised
///
/// Locking it twice in one thread waits for ever (with [`lock_timeout`](Lock::lock_timeout):
/// until the limit).
pub struct Lock<T: ?Sized> {
    /// The lock itself.
    inner: Arc<Inner<T>>,
}

/// What the handles of a lock share.
struct Inner<T: ?Sized> {
    /// A thread panicked while holding the lock. Written by the holder only, so
    /// the mutex orders it; reading it without the mutex is a hint.
    poisoned: AtomicBool,
    /// The value.
    mutex: parking_lot::Mutex<T>,
}

impl<T> Lock<T> {
    /// A lock around `value`.
    ///
    /// # Errors
    ///
    /// None here; the same call of the `processes` crate needs memory that it may
    /// not get.
    pub fn new(value: T) -> io::Result<Self> {
        let mutex = parking_lot::Mutex::new(value);
        Ok(Self { inner: Arc::new(Inner { poisoned: AtomicBool::new(false), mutex }) })
    }
}

impl<T: ?Sized> Lock<T> {
    /// Waits for the lock. Locks are held for moments: a worker of a [`Pool`](crate::Pool)
    /// does not step aside for one. Where it may take long, say so with
    /// [`blocking`](crate::blocking()).
    ///
    /// # Errors
    ///
    /// [`PoisonError`], with the guard in it, if a thread panicked while holding
    /// the lock.
    pub fn lock(&self) -> LockResult<Guard<'_, T>> {
        self.guard(self.inner.mutex.lock())
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    ///
    /// - [`TryLockError::WouldBlock`]: it is not free.
    /// - [`TryLockError::Poisoned`], with the guard in it, if a thread panicked
    ///   while holding the lock.
    pub fn try_lock(&self) -> TryLockResult<Guard<'_, T>> {
        self.try_guard(self.inner.mutex.try_lock())
    }

    /// Waits for the lock, but not longer than `limit`.
    ///
    /// # Errors
    ///
    /// - [`TryLockError::WouldBlock`]: time is over.
    /// - [`TryLockError::Poisoned`], with the guard in it, if a thread panicked
    ///   while holding the lock.
    pub fn lock_timeout(&self, limit: Duration) -> TryLockResult<Guard<'_, T>> {
        self.try_guard(self.inner.mutex.try_lock_for(limit))
    }

    /// Whether a thread panicked while holding the lock.
    pub fn is_poisoned(&self) -> bool {
        self.inner.poisoned.load(Relaxed)
    }

    /// Declares the value valid again.
    pub fn clear_poison(&self) {
        self.inner.poisoned.store(false, Relaxed);
    }

    /// The public guard around the inner one.
    fn guard<'a>(&'a self, value: parking_lot::MutexGuard<'a, T>) -> LockResult<Guard<'a, T>> {
        let poisoned = &self.inner.poisoned;
        let guard = Guard { value, poisoned, unwinding: thread::panicking() };
        if poisoned.load(Relaxed) { Err(PoisonError::new(guard)) } else { Ok(guard) }
    }

    /// [`Lock::guard`] of an attempt.
    fn try_guard<'a>(
        &'a self,
        value: Option<parking_lot::MutexGuard<'a, T>>,
    ) -> TryLockResult<Guard<'a, T>> {
        let value = value.ok_or(TryLockError::WouldBlock)?;
        Ok(self.guard(value)?)
    }
}

// Poisoning tells of a value that a panic has left half changed.
impl<T: ?Sized> UnwindSafe for Lock<T> {}
impl<T: ?Sized> RefUnwindSafe for Lock<T> {}
impl<T: ?Sized> UnwindSafe for Guard<'_, T> {}

impl<T: ?Sized> Clone for Lock<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Lock");
        match self.inner.mutex.try_lock() {
            Some(value) => text.field("value", &&*value),
            None => text.field("value", &format_args!("<locked>")),
        };
        text.field("poisoned", &self.is_poisoned()).finish()
    }
}

/// Access to the value of a [`Lock`], until it is dropped.
#[must_use = "dropping the guard unlocks at once"]
pub struct Guard<'a, T: ?Sized> {
    /// The mutex's own guard, dropped (and the mutex unlocked) after
    /// [`Guard::drop`] has run.
    value: parking_lot::MutexGuard<'a, T>,
    /// Set if a panic drops this guard.
    poisoned: &'a AtomicBool,
    /// The thread was unwinding already when it took the lock: no sign of a panic
    /// under it.
    unwinding: bool,
}

impl<'a, T: ?Sized> Guard<'a, T> {
    /// The mutex's own guard, for a condition to unlock and lock again.
    pub(crate) fn unlocked(&mut self) -> &mut parking_lot::MutexGuard<'a, T> {
        &mut self.value
    }

    /// This guard, as the lock would give it now.
    pub(crate) fn checked(self) -> LockResult<Self> {
        if self.poisoned.load(Relaxed) { Err(PoisonError::new(self)) } else { Ok(self) }
    }
}

impl<T: ?Sized> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        if !self.unwinding && thread::panicking() {
            self.poisoned.store(true, Relaxed);
        }
    }
}

impl<T: ?Sized> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
