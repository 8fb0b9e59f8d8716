//! Time limits, turned once into the moment when they end.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// When a wait ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deadline {
    /// Never: the wait has no limit, or one that exceeds what the clock can
    /// represent.
    Never,
    /// At this moment.
    At(Instant),
}

impl Deadline {
    /// Whether it has come.
    #[cfg_attr(loom, expect(dead_code, reason = "the queues have a model of their own"))]
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::At(end) if end <= Instant::now())
    }

    /// The end of a wait of this length that begins now.
    pub(crate) fn after(limit: Duration) -> Self {
        Instant::now().checked_add(limit).map_or(Self::Never, Self::At)
    }
}

/// Locks a mutex under which no user code runs. A poisoned one is used as it is:
/// every critical section leaves a valid state at each point where it could
/// unwind.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
