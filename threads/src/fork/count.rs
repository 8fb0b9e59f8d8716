//! How many tasks of a scope have not ended, and the one thread that waits for them.
//!
//! Most tasks are spawned and run by the thread of the scope, its *owner*, which counts those
//! in a number of its own (`local`, no locked instruction); other threads count in a shared
//! one (`remote`). Only the sum means something: a task that the owner spawned and another
//! thread ran leaves +1 in one and -1 in the other. The sum is never zero while a task is
//! left: a spawn by another thread is counted there before the task that spawns is
//! counted as ended, by the same thread and in the same number. (A thread from outside of the
//! pool that spawns is one for which the scope's body, or a task, waits.)
//!
//! When the owner blocks, it moves its number into `remote` and marks that as *awaited*. So
//! the thread that then counts the last task sees that it is the last, and unparks the owner.
//!
//! The counts lie in the frame of the owner, which is gone as soon as that has seen zero. So
//! [`Count::ended`] is the last that another thread does with it. `tests/loom` explores this.

use crate::deadline::Deadline;
use crate::primitives::{AtomicIsize, park_until};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

/// In `remote`: the owner is parked, or about to.
const AWAITED: isize = 1;

/// In `remote`: one task.
const ONE: isize = 2;

/// Who counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The owner of the scope.
    Owner,
    /// Any other thread.
    Other,
}

/// See the module's documentation.
pub(crate) struct Count {
    /// Tasks that the owner has spawned minus those that it has run. Only the owner uses it.
    local: AtomicIsize,
    /// Tasks that others have spawned minus those that they have run, in units of [`ONE`];
    /// and [`AWAITED`].
    remote: AtomicIsize,
}

impl Count {
    /// No tasks.
    pub(crate) fn new() -> Self {
        Self { local: AtomicIsize::new(0), remote: AtomicIsize::new(0) }
    }

    /// A task is about to be visible.
    pub(crate) fn spawned(&self, by: By) {
        match by {
            By::Owner => self.add_local(1),
            By::Other => drop(self.remote.fetch_add(ONE, Relaxed)),
        }
    }

    /// A task has ended. If this is true, it was the last one, and the owner has to be
    /// unparked.
    #[must_use]
    pub(crate) fn ended(&self, by: By) -> bool {
        match by {
            By::Owner => {
                self.add_local(-1);
                false
            }
            By::Other => self.remote.fetch_sub(ONE, AcqRel) == ONE + AWAITED,
        }
    }

    /// Whether all tasks have ended; what they did is visible then. Only the owner asks.
    pub(crate) fn is_zero(&self) -> bool {
        self.remote.load(Acquire) / ONE + self.local.load(Relaxed) == 0
    }

    /// Parks the owner until all tasks have ended (true), or time is over or `give_up`, asked
    /// whenever the owner is unparked, says so (false).
    pub(crate) fn wait(&self, deadline: Deadline, give_up: impl Fn() -> bool) -> bool {
        let local = self.local.load(Relaxed);
        self.local.store(0, Relaxed);
        self.remote.fetch_add(local * ONE + AWAITED, AcqRel);
        let ended = loop {
            if self.remote.load(Acquire) == AWAITED {
                break true;
            }
            if give_up() || !park_until(deadline) {
                break false;
            }
        };
        // With a time limit, the last task may end just now, and its thread unpark in vain.
        self.remote.fetch_sub(AWAITED, AcqRel);
        ended || self.is_zero()
    }

    /// Adds to the owner's number: no other thread writes it.
    fn add_local(&self, tasks: isize) {
        self.local.store(self.local.load(Relaxed) + tasks, Relaxed);
    }
}
