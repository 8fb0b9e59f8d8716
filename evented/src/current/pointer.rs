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
mod tests {
    use super::*;
    use crate::Reactor;

    /// The number of the current reactor.
    fn current() -> Option<u64> {
        with(|engine| engine.map(|engine| engine.id()))
    }

    #[test]
    fn the_one_before_is_current_again_also_after_a_panic() {
        let id = || current().expect("one runs");
        assert_eq!(current(), None);
        Reactor::new().unwrap().block_on(async {
            let outer = id();
            let inner = Reactor::new().unwrap();
            assert_ne!(inner.block_on(async { id() }), outer);
            assert_eq!(id(), outer);
            let blocked =
                std::panic::AssertUnwindSafe(|| inner.block_on(async { panic!("as asked") }));
            std::panic::catch_unwind(blocked).unwrap_err();
            assert_eq!(id(), outer);
        });
        assert_eq!(current(), None);
    }

    /// A destructor of the thread's own variables finds no reactor, and drops one that it has.
    #[test]
    fn a_reactor_in_a_variable_of_a_thread_is_dropped_at_its_end() {
        struct Last(std::sync::mpsc::Sender<Option<u64>>, Reactor);
        impl Drop for Last {
            fn drop(&mut self) {
                assert_eq!(self.1.block_on(async { current() }).map(|_| ()), Some(()));
                self.0.send(current()).unwrap();
            }
        }
        thread_local! {
            static KEPT: std::cell::RefCell<Option<Last>> = const { std::cell::RefCell::new(None) };
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            KEPT.with_borrow_mut(|kept| *kept = Some(Last(sender, Reactor::new().unwrap())));
        });
        assert_eq!(receiver.recv(), Ok(None));
        thread.join().unwrap();
    }
}
