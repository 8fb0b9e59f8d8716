//! Why a queue did not take or give a value.

use std::fmt;

/// Why a value was not put into a [`Queue`](crate::Queue). Gives it back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PutError<T> {
    /// The queue is full, and the call does not wait.
    #[error("queue is full")]
    Full(T),
    /// The queue was full until time was over.
    #[error("queue stayed full until the time limit")]
    TimedOut(T),
    /// The queue was shut down and takes nothing any more.
    #[error("queue is shut down")]
    ShutDown(T),
}

impl<T> PutError<T> {
    /// The value that was not put.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::TimedOut(value) | Self::ShutDown(value) => value,
        }
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::TimedOut(_) => "TimedOut(..)",
            Self::ShutDown(_) => "ShutDown(..)",
        })
    }
}

/// Why a [`Queue`](crate::Queue) gave no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// The queue is empty, and the call does not wait.
    #[error("queue is empty")]
    Empty,
    /// The queue was empty until time was over.
    #[error("queue stayed empty until the time limit")]
    TimedOut,
    /// The queue was shut down, and what was in it has been taken.
    #[error("queue is shut down and empty")]
    ShutDown,
}

/// [`task_done`](crate::Queue::task_done) was called more often than values were put.
///
/// Call it once for each value that was got, after it has been dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("task_done was called more often than values were put: call it once for each one got")]
pub struct TaskDoneError(());

impl TaskDoneError {
    /// The error.
    pub(super) fn new() -> Self {
        Self(())
    }
}
