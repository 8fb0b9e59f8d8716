//! Callbacks that come soon.

use super::{Task, spawn};

/// Runs a closure on the current reactor soon, as a task of its own, in the class of the calling task.
///
/// Closures of the same class run in the order in which they were given.
///
/// ```
/// # evented::block_on(async {
/// evented::call_soon(|| println!("soon"));
/// let never = evented::call_soon(|| unreachable!("it was cancelled"));
/// assert!(never.cancel());
/// # });
/// ```
///
/// # Panics
///
/// Outside a reactor. A panic of `f` is kept from the loop and counted in
/// [`Stats::panics`](crate::Stats::panics).
#[track_caller]
#[inline]
pub fn call_soon(f: impl FnOnce() + 'static) -> Soon {
    Soon { task: spawn(async move { f() }) }
}

/// A closure that waits for its turn. Dropping this does not cancel it.
#[derive(Debug)]
pub struct Soon {
    /// The task that runs the closure.
    task: Task<()>,
}

impl Soon {
    /// Cancels the closure. True if it had not started and never will.
    ///
    /// The closure itself is dropped when the task's turn comes.
    pub fn cancel(self) -> bool {
        let is_active = self.is_active();
        self.task.request_cancel();
        is_active
    }

    /// Whether the closure is still to run. Not while it does.
    pub fn is_active(&self) -> bool {
        self.task.is_waiting()
    }
}

impl Drop for Soon {
    #[inline]
    fn drop(&mut self) {
        self.task.let_go();
    }
}
