//! Keeping user panics away from the loop.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs user code and turns a panic into its payload.
///
/// The `AssertUnwindSafe` is justified by the callers: what a panicking closure was working on is
/// either dropped next or only reachable by code that sees the panic as an error.
pub(crate) fn contain<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Runs user code whose panic nobody waits for; true if it did panic.
pub(crate) fn contain_and_discard(f: impl FnOnce()) -> bool {
    contain(f).map_err(discard).is_err()
}

/// Drops a payload, whose own drop may panic. The payload of such a second panic is leaked: it is
/// the only way to be sure that there is no third.
pub(crate) fn discard(payload: Payload) {
    if let Err(second) = contain(|| drop(payload)) {
        std::mem::forget(second);
    }
}

/// The text of a panic, as the default hook would print it.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic whose payload is not text".to_owned()
    }
}
