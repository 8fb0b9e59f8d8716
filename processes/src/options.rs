//! What a single call may ask for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::JoinError;

/// What a single call may ask for; for [`Pool::submit_with`](crate::Pool::submit_with).
///
/// ```
/// use std::time::Duration;
///
/// use processes::{CallOptions, Pool};
///
/// let pool = Pool::new(1)?;
/// let options = CallOptions::new().timeout(Duration::from_secs(60)).retries(2);
/// assert_eq!(pool.submit_with(options, |x: u64| x + 1, 1).join()?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "options do nothing until a call is made with them"]
pub struct CallOptions {
    /// How long it may run; none: as the pool says.
    pub(crate) timeout: Option<Duration>,
    /// Whether it is run again.
    pub(crate) retry: Retry,
}

impl CallOptions {
    /// As for [`Pool::submit`](crate::Pool::submit).
    pub fn new() -> Self {
        Self::default()
    }

    /// A time limit for each attempt, counted from the moment a worker starts it.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// How often the call is run again after its worker was lost while it executed it. The
    /// default is never: a call that has had an effect before its worker died would have it twice.
    ///
    /// A call that loses its worker each time is [`JoinError::Poison`]. One that was killed by its
    /// handle is not run again.
    pub fn retries(mut self, times: u32) -> Self {
        self.retry.left = times;
        self
    }

    /// Whether [`retries`](Self::retries) are for panics, too.
    pub fn retry_panics(mut self, yes: bool) -> Self {
        self.retry.panics = yes;
        self
    }

    /// Whether [`retries`](Self::retries) are for attempts that ran out of time, too.
    pub fn retry_timeouts(mut self, yes: bool) -> Self {
        self.retry.timeouts = yes;
        self
    }
}

/// Whether a call is run again.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Retry {
    /// How often it still may be.
    pub(crate) left: u32,
    /// After a panic, too.
    panics: bool,
    /// After a time limit, too.
    timeouts: bool,
    /// Workers that died while they executed it.
    lost: u32,
}

impl Retry {
    /// An attempt has failed: true when there is to be another one.
    pub(crate) fn after(&mut self, error: &JoinError) -> bool {
        let counts = match error {
            JoinError::WorkerLost { .. } => {
                self.lost = self.lost.saturating_add(1);
                true
            }
            JoinError::Panicked { .. } => self.panics,
            JoinError::TimedOut { .. } => self.timeouts,
            _ => false,
        };
        let again = counts && self.left > 0;
        self.left -= u32::from(again);
        again
    }

    /// Whether there may be another attempt.
    #[cfg(feature = "distributed")]
    pub(crate) fn is_any(&self) -> bool {
        self.left > 0
    }

    /// The user wants the call to end, not to be run again.
    pub(crate) fn forgo(&mut self) {
        *self = Self::default();
    }

    /// What the call resolves to when its last attempt ended like this.
    pub(crate) fn verdict(&self, last: JoinError) -> JoinError {
        match last {
            JoinError::WorkerLost { .. } if self.lost > 1 => {
                JoinError::Poison { attempts: self.lost, last: Box::new(last) }
            }
            other => other,
        }
    }
}
