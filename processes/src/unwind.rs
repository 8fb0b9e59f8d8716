//! Getting rid of the payload of a panic in user code.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Drops the payload of a panic that was caught and reported.
///
/// It is a user value, and its own drop may panic too. What that second panic carries is leaked:
/// somewhere the chain must end.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(payload);
    }
}
