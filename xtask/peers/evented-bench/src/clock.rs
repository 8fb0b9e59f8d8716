//! The processor time of this thread, as a clock that stands still while others have the processor; and
//! a way to use up some of it.

use std::{cell::OnceCell, hint, time::Instant};

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of processor time that this thread has used so far.
pub(crate) fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

thread_local! {
    /// Steps of [`run_idle`] in a millisecond.
    static STEPS_IN_MS: OnceCell<u64> = const { OnceCell::new() };
}

/// Uses up about so many nanoseconds of processor time, with next to no memory.
pub(crate) fn spin(ns: u64) {
    let in_ms = STEPS_IN_MS.with(|steps| *steps.get_or_init(steps_in_ms));
    run_idle(in_ms * ns / 1_000_000);
}

/// So many steps, each of which waits for the one before.
#[inline(never)]
fn run_idle(steps: u64) {
    let mut value = 1_u64;
    for _ in 0..steps {
        value = hint::black_box(value.wrapping_mul(3));
    }
}

/// Steps in a millisecond, where nothing comes between: the most of many trials.
fn steps_in_ms() -> u64 {
    const STEPS: u64 = 10_000;
    let trial = |_| {
        let started = Instant::now();
        run_idle(STEPS);
        started.elapsed().as_nanos()
    };
    let ns = (0..2_000).map(trial).min().unwrap_or(1).max(1);
    u64::try_from(u128::from(STEPS) * 1_000_000 / ns).expect("it is a number of steps")
}
