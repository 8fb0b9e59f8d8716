//! Which reactor this thread is running.

use std::cell::RefCell;
use std::rc::Rc;

use crate::engine::Engine;
use crate::name::Name;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Engine>>> = const { RefCell::new(None) };
}

/// Makes `engine` the current one until the guard is dropped, which restores the previous one.
pub(crate) fn enter(engine: Rc<Engine>) -> Entered {
    Entered { previous: CURRENT.replace(Some(engine)) }
}

/// See [`enter`].
pub(crate) struct Entered {
    /// What was current before: another reactor if one runs inside a task of another.
    previous: Option<Rc<Engine>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        // The engine is dropped outside the borrow: it may be the last reference.
        drop(CURRENT.replace(self.previous.take()));
    }
}

/// The reactor that runs on this thread.
///
/// # Panics
///
/// When none does.
#[track_caller]
pub(crate) fn engine() -> Rc<Engine> {
    try_engine().expect(
        "no reactor is running on this thread: call this from inside `evented::block_on`, \
         `Reactor::block_on` or a task, or use a `Handle`",
    )
}

/// The reactor that runs on this thread, if any.
pub(crate) fn try_engine() -> Option<Rc<Engine>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Wakes a task of the current reactor. False if `name` belongs to another one.
pub(crate) fn wake(name: Name) -> bool {
    CURRENT
        .try_with(|current| match &*current.borrow() {
            // `wake` runs no user code, so nothing can ask for the `RefCell` meanwhile.
            Some(engine) if engine.mailbox().index() == name.reactor() => {
                engine.tasks.wake(name);
                true
            }
            _ => false,
        })
        // The thread is being torn down: go through the mailbox.
        .unwrap_or(false)
}
