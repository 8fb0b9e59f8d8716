//! Keeping panics of user code away from workers.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f`; a panic comes back as its payload.
///
/// Nothing that `f` touches is looked at again after a panic, except through
/// types that are made for it (locks with poisoning, atomics), hence the
/// assertion.
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Calls `f` and swallows its panic, which the panic hook has reported.
pub(crate) fn quietly(f: impl FnOnce()) {
    if let Err(payload) = catch(f) {
        // The payload is a user value, and its own drop may panic, too. What
        // that second panic carries is leaked: somewhere the chain must end.
        if let Err(payload) = catch(|| drop(payload)) {
            mem::forget(payload);
        }
    }
}

/// Drops a user value; tells `report` if that panics.
pub(crate) fn drop_and_report<T>(value: T, report: impl FnOnce(&(dyn Any + Send))) {
    if let Err(payload) = catch(|| drop(value)) {
        report(&*payload);
        drop_quietly(payload);
    }
}

/// Drops a user value whose `Drop` may panic.
pub(crate) fn drop_quietly<T>(value: T) {
    quietly(|| drop(value));
}

/// Ends the process when it is dropped: for code in which frames that others use must not end.
/// Whoever comes to the end of that code forgets it. It is not reached as long as what is
/// called there keeps its promise not to unwind.
pub(crate) struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        std::process::abort();
    }
}
