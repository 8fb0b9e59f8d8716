//! The protocol by which other threads wake a reactor. Checked by the model in `tests/loom`.
//!
//! A remote wake of a task is three steps:
//!
//! 1. set the *notified* bit in the task's [`Word`]; stop here if it was set already, for then the
//!    name is in the inbox and nobody has taken it out yet: a storm of wakes stays one entry;
//! 2. push the name to the [`Inbox`];
//! 3. set *pending* in the inbox's state; if that finds *parked* and not yet pending, unpark.
//!
//! The reactor takes the names out, clears each notified bit *before* it polls the task (a wake from
//! here on is a new entry and a new poll), and before it parks sets *parked*, which fails if
//! *pending* is set. Both flags live in one atomic, so the two sides cannot miss each other: whichever
//! read-modify-write comes second in its modification order sees the other's flag. What was pushed is made
//! visible by the lock of the queue, and what a waker wrote before, by the word: each wake, also one that
//! finds the bit set, writes the word with release, and taking the name out reads it with acquire.

mod inbox;
mod word;

pub(crate) use inbox::{Drained, Inbox};
pub(crate) use word::Word;

/// The primitives under test: loom's when modelled, std's otherwise.
mod primitives {
    #[cfg(loom)]
    pub(super) use loom::sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    };
    #[cfg(not(loom))]
    pub(super) use std::sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    };
}
