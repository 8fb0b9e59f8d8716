//! Time: sleeping, timeouts, intervals and callbacks at a later time.

mod interval;
mod later;
mod sleep;
mod timeout;

pub use interval::{Interval, MissedTick, interval, interval_at};
pub use later::{Timer, call_at, call_later};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};

use std::time::{Duration, Instant};

/// A deadline that is never reached: no reactor lives for a hundred years.
const FAR: Duration = Duration::from_hours(100 * 365 * 24);

/// The time `duration` after `start`; a hundred years if the clock does not reach that far.
fn after(start: Instant, duration: Duration) -> Instant {
    start + duration.min(FAR)
}
