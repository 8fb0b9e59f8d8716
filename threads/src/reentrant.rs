//! A lock that its holder may take again.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

/// A lock that the thread which holds it may take again; it is free when every guard is gone.
///
/// A handle: clones are the same lock. As one thread can have several guards, they give
/// shared access only: put a [`Cell`](std::cell::Cell) or [`RefCell`](std::cell::RefCell) into
/// it for a value that changes. It is not poisoned by panics.
///
/// Mostly a [`Lock`](crate::Lock) is better: that a method needs the lock while it is held is
/// often a sign that the value is in the middle of a change.
///
/// ```
/// let lock = threads::ReentrantLock::new(std::cell::Cell::new(1))?;
/// let outer = lock.lock();
/// let inner = lock.lock();
/// inner.set(2);
/// assert_eq!(outer.get(), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A guard stays on its thread:
///
/// ```compile_fail,E0277
/// let lock = threads::ReentrantLock::new(1).unwrap();
/// let guard = lock.lock();
/// std::thread::scope(|scope| scope.spawn(move || drop(guard)).join());
/// ```
pub struct ReentrantLock<T: ?Sized> {
    /// The lock itself.
    inner: Arc<parking_lot::ReentrantMutex<T>>,
}

impl<T> ReentrantLock<T> {
    /// A lock around `value`.
    ///
    /// # Errors
    ///
    /// None here; the same call between processes needs memory that it may not get.
    pub fn new(value: T) -> io::Result<Self> {
        Ok(Self { inner: Arc::new(parking_lot::ReentrantMutex::new(value)) })
    }
}

impl<T: ?Sized> ReentrantLock<T> {
    /// Waits for the lock, unless the calling thread holds it. Like that of a
    /// [`Lock`](crate::Lock), the wait occupies a worker of a [`Pool`](crate::Pool).
    pub fn lock(&self) -> ReentrantGuard<'_, T> {
        ReentrantGuard { value: self.inner.lock() }
    }

    /// Takes the lock if no other thread holds it.
    pub fn try_lock(&self) -> Option<ReentrantGuard<'_, T>> {
        Some(ReentrantGuard { value: self.inner.try_lock()? })
    }

    /// Waits for the lock, unless the calling thread holds it, but not longer than `limit`.
    pub fn lock_timeout(&self, limit: Duration) -> Option<ReentrantGuard<'_, T>> {
        Some(ReentrantGuard { value: self.inner.try_lock_for(limit)? })
    }
}

// After a panic, the lock is as good as before, and the value as it is by itself.
impl<T: ?Sized + RefUnwindSafe> UnwindSafe for ReentrantLock<T> {}
impl<T: ?Sized + RefUnwindSafe> RefUnwindSafe for ReentrantLock<T> {}

impl<T: ?Sized> Clone for ReentrantLock<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("ReentrantLock");
        match self.inner.try_lock() {
            Some(value) => text.field("value", &&*value),
            None => text.field("value", &format_args!("<locked>")),
        };
        text.finish()
    }
}

/// Access to the value of a [`ReentrantLock`], until it is dropped.
#[must_use = "dropping the guard unlocks at once"]
pub struct ReentrantGuard<'a, T: ?Sized> {
    /// The lock's own guard.
    value: parking_lot::ReentrantMutexGuard<'a, T>,
}

impl<T: ?Sized> Deref for ReentrantGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
