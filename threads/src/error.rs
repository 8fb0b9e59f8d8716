//! What a handle yields instead of a result.

use std::any::Any;
use std::fmt;
use std::sync::{Mutex, PoisonError};

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
    /// [`shutdown_now`], and will never run.
    ///
    /// [`cancel`]: crate::JoinHandle::cancel
    /// [`shutdown_now`]: crate::Pool::shutdown_now
    #[error("job was cancelled before it ran")]
    Cancelled,
}

impl JoinError {
    /// The error of a job that panicked with `payload`.
    pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Self {
        let message = if let Some(text) = payload.downcast_ref::<&'static str>() {
            (*text).to_owned()
        } else if let Some(text) = payload.downcast_ref::<String>() {
            text.clone()
        } else {
            "the payload is not a string".to_owned()
        };
        Self::Panicked { message, payload: Payload(Mutex::new(payload)) }
    }

    /// What the job panicked with, ready for [`std::panic::resume_unwind`].
    ///
    /// # Errors
    ///
    /// Gives the error back when the job did not panic.
    pub fn into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match self {
            Self::Panicked { payload, .. } => Ok(payload.into_inner()),
            other @ Self::Cancelled => Err(other),
        }
    }
}

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
