//! What a certain worker is to run, and no other: its part of a broadcast.
//!
//! A worker's mailbox is open while it has a seat, or is about to get or to leave one (see
//! `src/seats.rs`). It runs what is in it
//! between two jobs, and when it is about to block: whoever waits for a broadcast could be
//! the one that the worker is about to wait for. Who gives up its seat closes its mailbox then, so
//! that nothing gets there which nobody would run. What is found in it is run first, with the seat, as
//! that may have to wait in its turn.

use super::forked::Fork;
use crate::primitives::{AtomicBool, Mutex, lock};
use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Acquire, Release};

/// A worker's mailbox.
pub(crate) struct Mail {
    /// What is in it.
    state: Mutex<State>,
    /// Whether something is, for looking without the lock; written under it.
    any: AtomicBool,
}

/// What the mutex of a [`Mail`] protects.
struct State {
    /// Whether more may come.
    open: bool,
    /// What the worker is to run, oldest first.
    forks: VecDeque<Fork>,
}

impl Mail {
    /// A closed and empty mailbox.
    pub(crate) fn new() -> Self {
        let state = State { open: false, forks: VecDeque::new() };
        Self { state: Mutex::new(state), any: AtomicBool::new(false) }
    }

    /// Whether there is something to run.
    pub(crate) fn has_any(&self) -> bool {
        self.any.load(Acquire)
    }

    /// More may come.
    pub(crate) fn open(&self) {
        lock(&self.state).open = true;
    }

    /// No more may come, if there is nothing to run; else what is to be run first.
    pub(crate) fn close(&self) -> Option<Fork> {
        let mut state = lock(&self.state);
        let first = self.pop(&mut state);
        state.open = first.is_some();
        first
    }

    /// The oldest.
    pub(crate) fn take(&self) -> Option<Fork> {
        if self.has_any() { self.pop(&mut lock(&self.state)) } else { None }
    }

    /// Adds what `make` makes, if the mailbox is open; whether it is. The caller wakes the
    /// worker.
    pub(crate) fn put(&self, make: impl FnOnce() -> Fork) -> bool {
        let mut state = lock(&self.state);
        if state.open {
            state.forks.push_back(make());
            self.any.store(true, Release);
        }
        state.open
    }

    /// Takes the oldest.
    fn pop(&self, state: &mut State) -> Option<Fork> {
        let first = state.forks.pop_front();
        self.any.store(!state.forks.is_empty(), Release);
        first
    }
}
