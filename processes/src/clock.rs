//! The monotonic clock as a plain number, which a parent and its workers can compare.
//!
//! `std::time::Instant` is opaque, so it cannot travel through shared memory.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::fault;

/// How long an operation may wait, or that it may not.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// Not at all.
    Now,
    /// Until this time of the monotonic clock.
    Deadline(u64),
    /// As long as it takes.
    Forever,
}

impl Until {
    /// When that is, which may be over; none when never.
    pub(crate) fn deadline_ns(self) -> Option<u64> {
        match self {
            Self::Now => Some(0),
            Self::Deadline(at_ns) => Some(at_ns),
            Self::Forever => None,
        }
    }
}

/// Nanoseconds of `CLOCK_MONOTONIC`: the same clock in every process of the machine.
pub(crate) fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).expect("the monotonic clock counts up from zero");
    let nanoseconds = u64::try_from(time.tv_nsec).expect("a timespec holds 0..1e9 nanoseconds");
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// The moment `duration` from now, saturating at the end of time.
pub(crate) fn after_ns(duration: Duration) -> u64 {
    now_ns().saturating_add(to_ns(duration))
}

/// A duration as nanoseconds, saturating at 584 years.
pub(crate) fn to_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What is left until `deadline_ns`, or `None` when it has passed.
pub(crate) fn left(deadline_ns: u64) -> Option<Duration> {
    deadline_ns.checked_sub(now_ns()).filter(|&left| left > 0).map(Duration::from_nanos)
}

/// Whether the time of one who waits is over; never, without a deadline.
pub(crate) fn is_over(deadline_ns: Option<u64>) -> bool {
    deadline_ns.is_some_and(|at_ns| left(at_ns).is_none())
}

/// When one who waits looks again, if nobody wakes it before. That may have come already when it goes to
/// sleep (its process was stopped in between), which is no reason to give up.
pub(crate) fn look_ns(pause: Duration) -> u64 {
    after_ns(if fault::hurries() { Duration::ZERO } else { pause })
}

/// A duration as the kernel's type; one that does not fit becomes 68 years.
pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX).min(i64::from(i32::MAX)),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
