//! Where the reactor is that this thread runs.
//!
//! This is one of the crate's few files with unsafe code: each wake looks here, so that must cost a load
//! and no more. A `RefCell` would be two stores more, and a variable with a destructor one more look.

use std::cell::Cell;
use std::ptr;
use std::rc::Rc;

use crate::engine::Engine;

thread_local! {
    /// What was given to the innermost [`enter`] of this thread that has not returned; null without one.
    static CURRENT: Cell<*const Rc<Engine>> = const { Cell::new(ptr::null()) };
}

/// Runs `f` with this reactor as the current one, also where another one is: it is again afterwards.
pub(crate) fn enter<R>(engine: &Rc<Engine>, f: impl FnOnce() -> R) -> R {
    enter_at(engine, f)
}

/// The same with a pointer, which comes from such a reference or is null.
fn enter_at<R>(engine: *const Rc<Engine>, f: impl FnOnce() -> R) -> R {
    struct Restore(*const Rc<Engine>);

    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }

    // Also when `f` panics.
    let _outer = Restore(CURRENT.replace(engine));
    f()
}

/// Runs `f` as if no reactor ran on this thread.
pub(crate) fn outside<R>(f: impl FnOnce() -> R) -> R {
    enter_at(ptr::null(), f)
}

/// Gives `f` the current reactor, if there is one.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(Option<&Rc<Engine>>) -> R) -> R {
    // SAFETY: the pointer is null, or comes from a reference that a call of `enter` on this thread has got
    // and that is valid until that call returns: all calls of `enter` are on the stack below this one, and
    // those that have returned have put the pointer back to what it was before. `f` gets the reference for
    // any lifetime, so it cannot keep it; and whatever it does, also further calls of `enter`, happens
    // before the calls below can return. It is shared, and so is the one that `enter` has got.
    f(unsafe { CURRENT.get().as_ref() })
}

#[cfg(test)]
mod tests;
