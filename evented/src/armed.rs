//! How many waiters there are of each rank.

use std::cell::Cell;

use crate::class::{RANKS, Rank};

/// Tells whether somebody more urgent may become ready.
#[derive(Debug, Default)]
pub(crate) struct Armed {
    /// Waiters of each rank.
    waiters: [Cell<usize>; RANKS],
    /// Bit `r` is set when rank `r` has some.
    ranks: Cell<u8>,
}

impl Armed {
    /// One more waits.
    #[inline]
    pub(crate) fn add(&self, rank: Rank) {
        let waiters = &self.waiters[rank.index()];
        waiters.set(waiters.get() + 1);
        self.ranks.set(self.ranks.get() | rank.bit());
    }

    /// One of those that wait does so no more.
    #[inline]
    pub(crate) fn remove(&self, rank: Rank) {
        let waiters = &self.waiters[rank.index()];
        waiters.set(waiters.get() - 1);
        if waiters.get() == 0 {
            self.ranks.set(self.ranks.get() & !rank.bit());
        }
    }

    /// Nobody waits.
    pub(crate) fn clear(&self) {
        self.waiters.iter().for_each(|waiters| waiters.set(0));
        self.ranks.set(0);
    }

    /// The ranks of those that wait.
    #[inline]
    pub(crate) fn ranks(&self) -> u8 {
        self.ranks.get()
    }
}
