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

/// Drops these one by one: a second panic while a collection is dropped would end the process. Gives the first.
pub(crate) fn drop_each<T>(values: impl IntoIterator<Item = T>) -> Option<Payload> {
    let mut first = None;
    for value in values {
        match contain(|| drop(value)) {
            Ok(()) => {}
            Err(payload) if first.is_none() => first = Some(payload),
            Err(payload) => discard(payload),
        }
    }
    first
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
