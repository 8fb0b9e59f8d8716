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
    crate::current::with(|engine| engine.map_or_else(Instant::now, |engine| engine.now()))
}

/// Lets time pass in [virtual time](crate::Builder::virtual_time), as if the task that calls this had
/// worked for so long. What becomes due meanwhile comes after the poll.
///
/// # Panics
///
/// Outside a reactor, in one whose time passes by itself, and when the clock does not reach that far.
#[track_caller]
pub fn advance(by: Duration) {
    let is_virtual = crate::current::engine().advance(by);
    assert!(is_virtual, "this reactor's time passes by itself: see `Builder::virtual_time`");
}

/// A duration given in seconds, as Twisted and asyncio have it.
///
/// ```
/// assert_eq!(evented::seconds(0.25).unwrap().as_millis(), 250);
/// assert!(evented::seconds(f64::NAN).is_err());
/// ```
///
/// # Errors
///
/// `InvalidInput` for what is no duration: not a number, infinite, negative, or longer than
/// [`Duration::MAX`].
pub fn seconds(seconds: f64) -> std::io::Result<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| {
        let text = format!("{seconds} seconds are no duration: {error}");
        std::io::Error::new(std::io::ErrorKind::InvalidInput, text)
    })
}

/// A deadline that is never reached: no reactor lives for a hundred years.
const FAR: Duration = Duration::from_hours(100 * 365 * 24);

/// The time `duration` after `start`, at most a hundred years; `start` itself where that is beyond what an
/// [`Instant`] can hold.
fn after(start: Instant, duration: Duration) -> Instant {
    start.checked_add(duration.min(FAR)).unwrap_or(start)
}
