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

/// The time of the current reactor, which deadlines are compared with; of the system, outside of one.
/// They are the same unless the reactor is in [virtual time](crate::Builder::virtual_time).
pub fn now() -> Instant {
    crate::current::try_engine().map_or_else(Instant::now, |engine| engine.now())
}

/// Lets time pass in [virtual time](crate::Builder::virtual_time), as if the task that calls this had
/// worked for so long. What becomes due meanwhile comes after the poll.
///
/// # Panics
///
/// Outside a reactor, and in one whose time passes by itself.
#[track_caller]
pub fn advance(by: Duration) {
    let is_virtual = crate::current::engine().advance(by);
    assert!(is_virtual, "this reactor's time passes by itself: see `Builder::virtual_time`");
}

/// A deadline that is never reached: no reactor lives for a hundred years.
const FAR: Duration = Duration::from_hours(100 * 365 * 24);

/// The time `duration` after `start`; a hundred years if the clock does not reach that far.
fn after(start: Instant, duration: Duration) -> Instant {
    start + duration.min(FAR)
}
