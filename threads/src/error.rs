//! What a handle yields instead of a result.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Why a job has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The job panicked. Its worker lives on.
    #[error("job panicked: {message}")]
    #[non_exhaustive]
    Panicked {
        /// The panic message, or a sentence saying that there is none.
        message: String,
        /// What the job panicked with, see [`JoinError::into_panic`].
        payload: Payload,
    },
    /// The job was cancelled while it was queued, by [`cancel`] or by
    /// [`shutdown_now`], and will never run; or its token was cancelled while it was in the
    /// middle of forked work, which it has left (see [`CancelToken::run`]).
    ///
    /// [`CancelToken::run`]: crate::CancelToken::run
    /// [`cancel`]: crate::JoinHandle::cancel
    /// [`shutdown_now`]: crate::Pool::shutdown_now
    #[error("job was cancelled")]
    Cancelled,
    /// An initializer of the pool failed, see [`Builder::initializer`]; the job
    /// will never run.
    ///
    /// [`Builder::initializer`]: crate::Builder::initializer
    #[error("job cannot run, its pool is broken: {reason}")]
    #[non_exhaustive]
    Broken {
        /// What the initializer said, and on which worker.
        reason: Arc<str>,
    },
    /// The pool was full, and is one that refuses jobs then
    /// ([`WhenFull::Refuse`](crate::WhenFull::Refuse)); the job will never run.
    #[error("job was refused, as its pool is full")]
    Refused,
}

/// How a job ended, without its result; what [`JoinHandle::on_done`] tells.
///
/// [`JoinHandle::on_done`]: crate::JoinHandle::on_done
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It returned.
    Returned,
    /// It panicked.
    Panicked,
    /// It was cancelled while it was queued, or left forked work as its token was cancelled.
    Cancelled,
    /// It never ran, as an initializer of its pool failed.
    Broken,
    /// It never ran, as its pool was full.
    Refused,
}

impl Outcome {
    /// How the job of this result ended.
    pub(crate) fn of<R>(result: &Result<R, JoinError>) -> Self {
        result.as_ref().map_or_else(JoinError::outcome, |_| Self::Returned)
    }

    /// Whether the job could not do what it was to do, which nobody had asked for.
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Returned | Self::Cancelled)
    }
}

impl JoinError {
    /// The error of a job that panicked with `payload`, or was left by unwinding since its
    /// token was cancelled.
    pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Self {
        if payload.is::<Cancelled>() {
            return Self::Cancelled;
        }
        let message = message(&*payload).to_owned();
        Self::Panicked { message, payload: Payload(Mutex::new(payload)) }
    }

    /// How a job with this error ended.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Panicked { .. } => Outcome::Panicked,
            Self::Cancelled => Outcome::Cancelled,
            Self::Broken { .. } => Outcome::Broken,
            Self::Refused => Outcome::Refused,
        }
    }

    /// What the job panicked with, ready for [`std::panic::resume_unwind`].
    ///
    /// # Errors
    ///
    /// Gives the error back when the job did not panic.
    pub fn into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match self {
            Self::Panicked { payload, .. } => Ok(payload.into_inner()),
            other => Err(other),
        }
    }
}

/// The message of a panic.
pub(crate) fn message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "the payload is not a string"
    }
}

/// A token was cancelled; from [`CancelToken::check`](crate::CancelToken::check) and
/// [`CancelToken::run`](crate::CancelToken::run).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work was cancelled")]
pub struct Cancelled;

/// What a job panicked with, in a wrapper that can be shared between threads
/// (so that a [`JoinError`] fits into a `Box<dyn Error + Send + Sync>`).
pub struct Payload(
    /// Never locked: the mutex makes a value `Sync` that is only `Send`.
    Mutex<Box<dyn Any + Send>>,
);

impl Payload {
    /// The payload itself, ready for [`std::panic::resume_unwind`].
    pub fn into_inner(self) -> Box<dyn Any + Send> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payload(..)")
    }
}
