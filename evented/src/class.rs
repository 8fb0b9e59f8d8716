//! Classes: which tasks go first.

use std::fmt;

/// How many strict ranks the scheduler knows. Queues, counters and masks are sized by it.
pub(crate) const RANKS: usize = 2;

/// A set of tasks with one scheduling policy.
///
/// Ranks are strict: a task of a lower class runs only while no task of a higher class is ready.
/// While a task of a higher class waits for a descriptor or a timer, the reactor looks at both
/// between the polls of lower classes, at the latest [`Builder::latency`](crate::Builder::latency)
/// plus one poll after the last look.
///
/// A spawned task inherits the class of the task that spawns it.
///
/// Not guaranteed: a lower class may starve for as long as a higher one keeps the reactor busy, and
/// a single poll is never interrupted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class {
    /// 0 is the most urgent.
    rank: u8,
}

impl Class {
    /// Goes before everything else: urgent readers, heartbeats, control connections.
    pub const RT: Self = Self { rank: 0 };
    /// The class of tasks that do not ask for another one.
    pub const NORMAL: Self = Self { rank: 1 };

    /// The strict rank, 0 is the most urgent.
    pub fn rank(self) -> u8 {
        self.rank
    }

    /// The name as it appears in reports.
    pub fn name(self) -> &'static str {
        match self.rank {
            0 => "RT",
            _ => "NORMAL",
        }
    }

    /// The rank as an index into the arrays sized by [`RANKS`].
    pub(crate) fn index(self) -> usize {
        usize::from(self.rank)
    }
}

impl Default for Class {
    fn default() -> Self {
        Self::NORMAL
    }
}

impl fmt::Debug for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
