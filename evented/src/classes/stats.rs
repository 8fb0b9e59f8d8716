//! What users are told of a class.

use std::time::Duration;

use super::Classes;

/// What a class of a reactor has to do and has done; see
/// [`Reactor::class_stats`](crate::Reactor::class_stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassStats {
    /// Tasks that are ready now.
    pub ready: usize,
    /// Polls of its tasks so far.
    pub polls: u64,
    /// Time that its polls took, as far as it was taken: from the moment on when two classes of a
    /// rank, or one with a guarantee or with deadlines, have had a task.
    pub busy: Duration,
    /// How often it went before a more urgent rank, by its reserve or because it had starved.
    pub rescues: u64,
    /// Tasks that finished, or set a new deadline, after their deadline.
    pub missed_deadlines: u64,
    /// How often a task of a less urgent rank was put into it, because a task of it waited for that one.
    /// Polls of such tasks count here.
    pub boosts: u64,
}

impl Classes {
    /// What a class has to do and has done.
    pub(crate) fn stats(&self, id: u8) -> ClassStats {
        let entry = self.entry(id);
        ClassStats {
            ready: entry.ready(),
            polls: entry.polls.get(),
            busy: Duration::from_nanos(entry.busy_ns.get()),
            rescues: entry.rescues.get(),
            missed_deadlines: entry.missed.get(),
            boosts: entry.boosts.get(),
        }
    }
}
