//! The executor, by the tests that this crate shares with `threads`; see
//! `threads/tests/executor/mod.rs`.

use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use processes as model;

#[path = "../../../threads/tests/executor/mod.rs"]
mod shared;

/// Has each worker fail when it starts.
pub(crate) fn failing(builder: processes::Builder, panics: bool) -> processes::Builder {
    let fail = |panics: bool| {
        assert!(!panics, "no luck");
        Err("no license")
    };
    builder.initializer(fail, panics)
}

/// Set by the initializer.
static MARK: AtomicBool = AtomicBool::new(false);

/// Has each worker leave a mark when it starts.
pub(crate) fn marking(builder: processes::Builder) -> processes::Builder {
    let mark = |()| {
        MARK.store(true, Ordering::Relaxed);
        Ok::<_, String>(())
    };
    builder.initializer(mark, ())
}

/// Whether the caller's worker has left it.
pub(crate) fn is_marked() -> bool {
    MARK.load(Ordering::Relaxed)
}
