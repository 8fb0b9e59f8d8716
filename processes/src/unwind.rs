//! Getting rid of the payload of a panic in user code.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Drops the payload of a panic that was caught and reported.
///
/// It is a user value, and its own drop may panic too. What that second panic carries is dropped
/// only if it is text, as that of `panic!` is; anything else is leaked: somewhere the chain must
/// end.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
        && !second.is::<&'static str>()
        && !second.is::<String>()
    {
        mem::forget(second);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    /// Panics when it is dropped, with one more of its kind. It has no size, so what is leaked of
    /// it takes no memory.
    struct Endless;

    impl Drop for Endless {
        fn drop(&mut self) {
            panic_any(Endless);
        }
    }

    /// Panics with a text when it is dropped; AddressSanitizer would see that text leak.
    struct Loud;

    impl Drop for Loud {
        fn drop(&mut self) {
            panic!("a payload panics {}", "on purpose");
        }
    }

    #[test]
    fn no_payload_brings_a_panic_here() {
        discard(Box::new(17));
        discard(Box::new(Loud));
        discard(Box::new(Endless));
    }
}
