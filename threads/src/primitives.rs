//! The atomics, locks and threads of the executor: those of std, or their models
//! when `tests/loom` or `tests/shuttle` explores the interleavings. What is
//! imported from here is all that the models see; crossbeam's queues are
//! invisible to them, so [`invisible`] marks their use.

use crate::deadline::Deadline;

#[cfg(loom)]
pub(crate) use loom::{
    sync::atomic::{AtomicBool, AtomicIsize, AtomicU8, AtomicU64, AtomicUsize, fence},
    sync::{Condvar, Mutex, MutexGuard},
    thread::{Thread, current, park},
};
#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::atomic::{AtomicBool, AtomicIsize, AtomicU8, AtomicU64, AtomicUsize, fence},
    sync::{Condvar, Mutex, MutexGuard},
    thread::{Builder, JoinHandle, Thread, current, park},
    thread_local,
};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicIsize, AtomicU8, AtomicU64, AtomicUsize, fence},
    sync::{Condvar, Mutex, MutexGuard},
    thread::{Builder, JoinHandle, Thread, current, park},
    thread_local,
};
#[cfg(loom)]
pub(crate) use std::{
    thread::{Builder, JoinHandle},
    thread_local,
};

/// Defines a static. In a model, each execution has one of its own.
#[cfg(not(shuttle))]
macro_rules! global {
    ($(#[$attribute:meta])* static $name:ident: $type:ty = $value:expr;) => {
        $(#[$attribute])*
        static $name: std::sync::LazyLock<$type> = std::sync::LazyLock::new(|| $value);
    };
}

/// Defines a static. In a model, each execution has one of its own.
#[cfg(shuttle)]
macro_rules! global {
    ($(#[$attribute:meta])* static $name:ident: $type:ty = $value:expr;) => {
        shuttle::lazy_static! {
            $(#[$attribute])*
            static ref $name: $type = $value;
        }
    };
}

pub(crate) use global;

/// Locks a mutex under which no user code runs. A poisoned one is used as it is:
/// every critical section leaves a valid state at each point where it could
/// unwind.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Gives up the lock until `condition` is notified, the thread is woken for no
/// reason, or time is over (true). What was seen under the lock before may no
/// longer hold in any of these cases: look again, also when time is over.
#[cfg(not(any(loom, shuttle)))]
pub(crate) fn wait<'a, T>(
    condition: &Condvar,
    _mutex: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    deadline: Deadline,
) -> (MutexGuard<'a, T>, bool) {
    use std::sync::PoisonError;
    match deadline {
        Deadline::Never => (condition.wait(guard).unwrap_or_else(PoisonError::into_inner), false),
        Deadline::At(end) => {
            let left = end.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return (guard, true);
            }
            let woken = condition.wait_timeout(guard, left);
            (woken.unwrap_or_else(PoisonError::into_inner).0, false)
        }
    }
}

/// The same in a model, where a time limit is as long as it takes the others to
/// do one step: time runs out at any point that the explorer chooses.
#[cfg(any(loom, shuttle))]
pub(crate) fn wait<'a, T>(
    condition: &Condvar,
    mutex: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    deadline: Deadline,
) -> (MutexGuard<'a, T>, bool) {
    match deadline {
        Deadline::Never => {
            let guard = condition.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner);
            (guard, false)
        }
        Deadline::At(_) => {
            drop(guard);
            invisible();
            (lock(mutex), true)
        }
    }
}

/// Parks the calling thread until it is unparked, woken for no reason, or time is over
/// (false).
#[cfg(not(any(loom, shuttle)))]
pub(crate) fn park_until(deadline: Deadline) -> bool {
    match deadline {
        Deadline::Never => park(),
        Deadline::At(end) => {
            let left = end.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return false;
            }
            std::thread::park_timeout(left);
        }
    }
    true
}

/// The same in a model, where a time limit is as long as it takes the others to do one step.
#[cfg(any(loom, shuttle))]
pub(crate) fn park_until(deadline: Deadline) -> bool {
    match deadline {
        Deadline::Never => {
            park();
            true
        }
        Deadline::At(_) => {
            invisible();
            false
        }
    }
}

/// Whether the thread has ended.
#[cfg(not(shuttle))]
pub(crate) fn has_ended(thread: &JoinHandle<()>) -> bool {
    thread.is_finished()
}

/// Shuttle does not tell: never.
#[cfg(shuttle)]
pub(crate) fn has_ended(_thread: &JoinHandle<()>) -> bool {
    false
}

/// Whether this is the calling thread.
pub(crate) fn is_here(thread: &JoinHandle<()>) -> bool {
    #[cfg(not(loom))]
    let here = current().id();
    #[cfg(loom)] // Whose models have the threads of std only where they start none.
    let here = std::thread::current().id();
    thread.thread().id() == here
}

/// Comes before and after a step that the models do not see: there, another
/// thread may go first. Nothing otherwise.
pub(crate) fn invisible() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(shuttle)]
    shuttle::thread::yield_now();
}
