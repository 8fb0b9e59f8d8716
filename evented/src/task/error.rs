//! Why a task, or a closure on the blocking pool, has no result.

use std::fmt;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};

use crate::contain::{Payload, message};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The future or closure panicked, or its drop did.
    #[error(transparent)]
    Panicked(Panic),
    /// It was cancelled before it had a result, or its reactor shut down.
    #[error("the task was cancelled")]
    Cancelled,
    /// No thread could be started for [`blocking`](fn@crate::blocking).
    #[error("no thread could be started for a blocking call: {0}")]
    NoThread(std::io::Error),
}

/// A panic that was kept from the loop.
pub struct Panic {
    /// In a box because errors travel through every result.
    inner: Box<Inner>,
}

/// What is known of a panic.
struct Inner {
    task: Option<Box<str>>,
    spawned_at: &'static Location<'static>,
    message: String,
    /// `Send` but not `Sync`; the mutex makes it both.
    payload: Mutex<Payload>,
}

impl JoinError {
    pub(crate) fn panicked(
        task: Option<&str>,
        spawned_at: &'static Location<'static>,
        payload: Payload,
    ) -> Self {
        let message = message(&*payload);
        let (task, payload) = (task.map(Into::into), Mutex::new(payload));
        Self::Panicked(Panic { inner: Box::new(Inner { task, spawned_at, message, payload }) })
    }
}

impl Panic {
    /// The name of the task, if it was given one.
    pub fn task(&self) -> Option<&str> {
        self.inner.task.as_deref()
    }

    /// Where the task was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.inner.spawned_at
    }

    /// The text of the panic.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// What the panic carried, as from [`std::panic::catch_unwind`].
    pub fn into_payload(self) -> Box<dyn std::any::Any + Send> {
        self.inner.payload.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on panicking, here.
    pub fn resume(self) -> ! {
        std::panic::resume_unwind(self.into_payload())
    }
}

impl std::error::Error for Panic {}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.task() {
            Some(task) => write!(f, "task \"{task}\"")?,
            None => write!(f, "the task")?,
        }
        write!(f, " spawned at {} panicked: {}", self.spawned_at(), self.message())
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panic")
            .field("task", &self.task())
            .field("spawned_at", &format_args!("{}", self.spawned_at()))
            .field("message", &self.message())
            .finish_non_exhaustive()
    }
}
