//! Which reactor this thread is running.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::contain::contain_and_discard;
use crate::engine::{Engine, count};
use crate::name::Name;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Engine>>> = const { RefCell::new(None) };
}

/// Makes `engine` the current one until the guard is dropped, which restores the previous one.
///
/// At the end of a thread the variable may be gone already when a reactor is dropped that another
/// variable of the thread kept. Then none is current, and what looks for it takes the way of other
/// threads.
pub(crate) fn enter(engine: Rc<Engine>) -> Entered {
    Entered { previous: exchange(Some(engine)) }
}

fn exchange(engine: Option<Rc<Engine>>) -> Option<Rc<Engine>> {
    CURRENT.try_with(|current| current.replace(engine)).ok().flatten()
}

/// See [`enter`].
pub(crate) struct Entered {
    /// What was current before: another reactor if one runs inside a task of another.
    previous: Option<Rc<Engine>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        // The engine is dropped outside the borrow: it may be the last reference.
        drop(exchange(self.previous.take()));
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

/// Whether the reactor with this id is the one that runs on this thread.
pub(crate) fn is_running(id: u64) -> bool {
    CURRENT
        .try_with(|current| current.borrow().as_ref().is_some_and(|engine| engine.id() == id))
        .unwrap_or(false)
}

/// Calls a waker, which may be foreign and may panic: no other wake-up is lost by that, and no drop
/// that wakes ends the process. Counts the panic, if a reactor is running.
pub(crate) fn wake_contained(waker: Waker) {
    if contain_and_discard(|| waker.wake())
        && let Some(engine) = try_engine()
    {
        count(&engine.counters.panics);
    }
}

/// Charges one operation to the task being polled, see [`Engine::may_operate`]. Always true without a
/// reactor.
pub(crate) fn may_operate(cx: &Context<'_>) -> bool {
    try_engine().is_none_or(|engine| engine.may_operate(cx))
}

/// The task that is being polled; none outside of one.
pub(crate) fn task() -> Option<Name> {
    let task = |current: &RefCell<Option<Rc<Engine>>>| current.borrow().as_ref()?.running_task();
    CURRENT.try_with(task).ok().flatten()
}

/// The same, if it matters: tasks of its reactor can be of different urgency.
pub(crate) fn task_with_urgency() -> Option<Name> {
    let task = |current: &RefCell<Option<Rc<Engine>>>| {
        let current = current.borrow();
        current.as_ref().filter(|engine| engine.inherits())?.running_task()
    };
    CURRENT.try_with(task).ok().flatten()
}

/// See [`Engine::is_yield_needed`]. Never without a reactor.
pub(crate) fn is_yield_needed() -> bool {
    // Nothing in there runs user code, so nothing can ask for the `RefCell` meanwhile.
    let ask = |current: &RefCell<Option<Rc<Engine>>>| {
        current.borrow().as_ref().is_some_and(|engine| engine.is_yield_needed())
    };
    CURRENT.try_with(ask).unwrap_or(false)
}

/// Wakes a task of the current reactor. False if `name` belongs to another one.
pub(crate) fn wake(name: Name) -> bool {
    CURRENT
        .try_with(|current| match &*current.borrow() {
            // `wake` runs no user code, so nothing can ask for the `RefCell` meanwhile.
            Some(engine) if engine.tasks.reactor() == name.reactor() => {
                engine.tasks.wake(name);
                true
            }
            _ => false,
        })
        // The thread is being torn down: go through the mailbox.
        .unwrap_or(false)
}
