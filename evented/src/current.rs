//! Which reactor this thread is running.

mod pointer;

use std::rc::Rc;
use std::task::{Context, Waker};

use crate::contain::contain_and_discard;
use crate::engine::Engine;
use crate::name::Name;

pub(crate) use pointer::{enter, outside, with};

/// What is said where one is needed.
const NONE: &str = "no reactor is running on this thread: call this from inside `evented::block_on`, \
                    `Reactor::block_on` or a task, or use a `Handle`";

/// The reactor that runs on this thread.
///
/// # Panics
///
/// When none does.
#[track_caller]
pub(crate) fn engine() -> Rc<Engine> {
    try_engine().expect(NONE)
}

/// Gives `f` the reactor that runs on this thread.
///
/// # Panics
///
/// When none does.
#[inline]
#[track_caller]
pub(crate) fn with_engine<R>(f: impl FnOnce(&Engine) -> R) -> R {
    with(|engine| f(engine.expect(NONE)))
}

/// The reactor that runs on this thread, if any.
pub(crate) fn try_engine() -> Option<Rc<Engine>> {
    with(|engine| engine.map(Rc::clone))
}

/// Whether the reactor with this id is the one that runs on this thread.
pub(crate) fn is_running(id: u64) -> bool {
    with(|engine| engine.is_some_and(|engine| engine.id() == id))
}

/// Calls a waker, which may be foreign and may panic: no other wake-up is lost by that, and no drop
/// that wakes ends the process. Counts the panic, if a reactor is running.
pub(crate) fn wake_contained(waker: Waker) {
    with(|engine| match engine {
        Some(engine) => engine.wake_contained(waker),
        None => {
            contain_and_discard(|| waker.wake());
        }
    });
}

/// Charges one operation to the task being polled, see [`Engine::may_operate`]. Always true without a
/// reactor.
pub(crate) fn may_operate(cx: &Context<'_>) -> bool {
    with(|engine| engine.is_none_or(|engine| engine.may_operate(cx)))
}

/// The task that is being polled; none outside of one.
pub(crate) fn task() -> Option<Name> {
    with(|engine| engine?.running_task())
}

/// The same, if it matters: tasks of its reactor can be of different urgency.
pub(crate) fn task_with_urgency() -> Option<Name> {
    with(|engine| engine.filter(|engine| engine.inherits())?.running_task())
}

/// See [`Engine::is_yield_needed`]. Never without a reactor.
pub(crate) fn is_yield_needed() -> bool {
    with(|engine| engine.is_some_and(|engine| engine.is_yield_needed()))
}

/// Wakes a task of the current reactor. False if `name` belongs to another one.
#[inline]
pub(crate) fn wake(name: Name) -> bool {
    with(|engine| match engine {
        Some(engine) if engine.tasks.reactor() == name.reactor() => {
            engine.tasks.wake(name);
            true
        }
        _ => false,
    })
}
