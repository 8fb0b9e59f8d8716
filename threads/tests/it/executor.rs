//! The executor, by the tests that this crate shares with `processes`; see
//! `threads/tests/executor/mod.rs`.

use std::cell::Cell;

pub(crate) use threads as model;

#[path = "../executor/mod.rs"]
pub(crate) mod shared;

/// Has each worker fail when it starts.
pub(crate) fn failing(builder: threads::Builder, panics: bool) -> threads::Builder {
    builder.initializer(move |_worker| {
        assert!(!panics, "no luck");
        Err("no license")
    })
}

thread_local! {
    /// Set by the initializer.
    static MARK: Cell<bool> = const { Cell::new(false) };
}

/// Has each worker leave a mark when it starts.
pub(crate) fn marking(builder: threads::Builder) -> threads::Builder {
    builder.initializer(|_worker| {
        MARK.set(true);
        Ok::<_, String>(())
    })
}

/// Whether the caller's worker has left it.
pub(crate) fn is_marked() -> bool {
    MARK.get()
}
