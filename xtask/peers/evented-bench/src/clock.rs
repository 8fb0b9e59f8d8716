//! The processor time of this thread, as a clock that stands still while others have the processor.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of processor time that this thread has used so far.
pub(crate) fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}
