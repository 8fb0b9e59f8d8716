//! The token of what a thread runs at present.

use super::CancelToken;
use crate::error::Cancelled;
use crate::primitives::thread_local;
use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;
use std::thread;

thread_local! {
    /// The token of the job that this thread runs.
    static CURRENT: RefCell<Option<CancelToken>> = const { RefCell::new(None) };

    /// Whether there is one: for those who ask often.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The token of the job that this thread runs, if there is one.
#[inline]
pub(crate) fn current() -> Option<CancelToken> {
    if !is_inside() {
        return None;
    }
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Whether this thread runs a job with a token.
#[inline]
pub(crate) fn is_inside() -> bool {
    INSIDE.with(Cell::get)
}

/// The token for what is forked here. While the thread unwinds, there is none: a destructor that
/// forks does so to the end, as a second panic would end the program.
#[inline]
pub(crate) fn inherited() -> Option<CancelToken> {
    if is_inside() && !thread::panicking() { current() } else { None }
}

/// Unwinds with [`Cancelled`] if the current token is cancelled, and the thread does not unwind
/// already.
#[inline]
pub(crate) fn checkpoint() {
    if is_over() {
        unwind();
    }
}

/// Whether [`checkpoint`] would unwind.
#[inline]
pub(crate) fn is_over() -> bool {
    inherited().is_some_and(|token| token.is_cancelled())
}

/// Unwinds with [`Cancelled`], without a word from the panic hook.
pub(crate) fn unwind() -> ! {
    resume_unwind(Box::new(Cancelled))
}

/// The calling thread runs a job with this token until the guard is dropped.
pub(crate) fn enter(token: Option<CancelToken>) -> Inside {
    INSIDE.with(|inside| inside.set(token.is_some()));
    // There is none to restore while the thread ends.
    Inside { earlier: CURRENT.try_with(|current| current.replace(token)).unwrap_or(None) }
}

/// From [`enter`].
pub(crate) struct Inside {
    /// The token of the job that waits for this one on the same thread.
    earlier: Option<CancelToken>,
}

impl Drop for Inside {
    fn drop(&mut self) {
        let earlier = self.earlier.take();
        INSIDE.with(|inside| inside.set(earlier.is_some()));
        drop(CURRENT.try_with(|current| current.replace(earlier)));
    }
}
