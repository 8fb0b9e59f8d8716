//! Waiting for a condition of `parking_lot`, which does not make a system call to notify
//! nobody.

use crate::deadline::Deadline;
use parking_lot::{Condvar, MutexGuard};

/// Waits until notified (true) or until `deadline` (false).
pub(crate) fn wait<T: ?Sized>(
    condition: &Condvar,
    guard: &mut MutexGuard<'_, T>,
    deadline: Deadline,
) -> bool {
    match deadline {
        Deadline::Never => {
            condition.wait(guard);
            true
        }
        Deadline::At(end) => !condition.wait_until(guard, end).timed_out(),
    }
}

/// Waits until `holds` is true of the value (true) or until `deadline` (false).
pub(crate) fn wait_for<T>(
    condition: &Condvar,
    guard: &mut MutexGuard<'_, T>,
    deadline: Deadline,
    holds: impl Fn(&T) -> bool,
) -> bool {
    while !holds(guard) {
        if !wait(condition, guard, deadline) {
            return holds(guard);
        }
    }
    true
}
