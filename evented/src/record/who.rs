//! Who does things: tasks, and what wakes them.

use std::fmt;

use super::layout::Who;
use crate::name::Name;

/// Tells the tasks of a process apart. An id may come back after its task has ended and 2^28 others have
/// had its place.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskId(pub(crate) Name);

impl TaskId {
    /// As one number, for logs and maps.
    pub fn to_bits(self) -> u64 {
        self.0.bits()
    }

    /// The place of the task in its reactor; 0 is that of the future in `block_on`.
    pub fn slot(self) -> u32 {
        self.0.slot()
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0.reactor(), self.0.slot(), self.0.generation())
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({self})")
    }
}

/// Who woke, spawned or cancelled a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Nobody, or it is not known.
    #[default]
    Nobody,
    /// Another task, or the task itself.
    Task(TaskId),
    /// A descriptor was ready.
    Descriptor,
    /// A timer was due.
    Timer,
    /// Another thread, or this one while its reactor did not run.
    Thread,
    /// A closure that was sent with [`Handle::call`](crate::Handle::call).
    Call,
    /// The reactor itself, which shuts down.
    Reactor,
}

impl Cause {
    pub(super) fn of(who: Who) -> Self {
        match who {
            Who::DESCRIPTOR => Self::Descriptor,
            Who::TIMER => Self::Timer,
            Who::THREAD => Self::Thread,
            Who::CALL => Self::Call,
            Who::REACTOR => Self::Reactor,
            _ => who.name().map_or(Self::Nobody, |name| Self::Task(TaskId(name))),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("nobody"),
            Self::Task(task) => write!(f, "task {task}"),
            Self::Descriptor => f.write_str("a descriptor"),
            Self::Timer => f.write_str("a timer"),
            Self::Thread => f.write_str("another thread"),
            Self::Call => f.write_str("a call"),
            Self::Reactor => f.write_str("the reactor"),
        }
    }
}
