//! How many waiters there are of each rank.

use crate::class::{RANKS, Rank};

/// Tells whether somebody more urgent may become ready.
#[derive(Debug, Default)]
pub(crate) struct Armed {
    /// Waiters of each rank.
    waiters: [usize; RANKS],
    /// Bit `r` is set when rank `r` has some.
    ranks: u8,
}

impl Armed {
    /// One more waits.
    pub(crate) fn add(&mut self, rank: Rank) {
        self.waiters[rank.index()] += 1;
        self.ranks |= rank.bit();
    }

    /// One of those that wait does so no more.
    pub(crate) fn remove(&mut self, rank: Rank) {
        let waiters = &mut self.waiters[rank.index()];
        *waiters -= 1;
        if *waiters == 0 {
            self.ranks &= !rank.bit();
        }
    }

    /// The ranks of those that wait.
    #[inline]
    pub(crate) fn ranks(&self) -> u8 {
        self.ranks
    }
}
