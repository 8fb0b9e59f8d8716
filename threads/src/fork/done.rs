//! The end of one forked closure, and the one thread that may wait for it.
//!
//! | state | left by | to |
//! |---|---|---|
//! | `RUNNING` | the waiting thread, before it parks | `AWAITED` |
//! | | the thread that ran the closure | `DONE` |
//! | `AWAITED` | the thread that ran the closure, which then unparks the other | `DONE` |
//! | `DONE` | nobody | |
//!
//! The flag lies in the frame of the waiting thread, which is gone as soon as that thread
//! has seen `DONE`. So [`Done::set`] is the last that the other one does with it, and whom
//! to unpark must be known before: threads are found through their pool, which is there
//! for longer.
//!
//! `tests/loom` explores this together with the board.

use crate::deadline::Deadline;
use crate::primitives::{AtomicU8, park_until};
use std::sync::atomic::Ordering::{AcqRel, Acquire};

/// Not finished, and nobody is parked.
const RUNNING: u8 = 0;
/// Not finished, and the waiting thread parks or is about to.
const AWAITED: u8 = 1;
/// Finished: what the closure wrote is visible to who has seen this.
const DONE: u8 = 2;

/// See the module's documentation.
pub(crate) struct Done(AtomicU8);

impl Done {
    /// Of a closure that has not finished.
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(RUNNING))
    }

    /// Whether the closure has finished.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Acquire) == DONE
    }

    /// The closure has finished. If this is true, the waiting thread has to be unparked.
    #[must_use]
    pub(crate) fn set(&self) -> bool {
        self.0.swap(DONE, AcqRel) == AWAITED
    }

    /// Parks until the closure has finished (true) or time is over (false). Only ever
    /// called by one thread, which is the one that is unparked.
    pub(crate) fn wait(&self, deadline: Deadline) -> bool {
        // Fails if it is done, or if this thread has waited before.
        self.0.compare_exchange(RUNNING, AWAITED, AcqRel, Acquire).unwrap_or_else(|state| state);
        loop {
            if self.is_set() {
                return true;
            }
            if !park_until(deadline) {
                return self.is_set();
            }
        }
    }
}
