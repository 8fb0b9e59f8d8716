//! The clock of a record.
//!
//! This is one of the crate's few files with unsafe code: it reads the processor's time-stamp counter,
//! in a third of the time that asking the system takes.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Counts ticks from some moment on.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// The time-stamp counter.
    Tsc,
    /// Nanoseconds of the system's monotonic clock.
    System(Instant),
    /// Nanoseconds of a reactor in virtual time.
    Virtual {
        /// Its first moment.
        start: Instant,
        /// The time that it is, set by the driver.
        now: Rc<Cell<Instant>>,
    },
}

impl Clock {
    /// The cheapest one that can be trusted.
    pub(crate) fn real() -> Self {
        if tsc::is_trusted() { Self::Tsc } else { Self::System(Instant::now()) }
    }

    /// That of a reactor in virtual time.
    pub(crate) fn virtual_time(now: Rc<Cell<Instant>>) -> Self {
        Self::Virtual { start: now.get(), now }
    }

    /// How the file calls it.
    pub(super) fn id(&self) -> u64 {
        match self {
            Self::Tsc => 1,
            Self::System(_) => 2,
            Self::Virtual { .. } => 3,
        }
    }

    /// Now.
    #[inline]
    pub(super) fn ticks(&self) -> u64 {
        match self {
            Self::Tsc => tsc::read(),
            Self::System(start) => nanos(start.elapsed()),
            Self::Virtual { start, now } => nanos(now.get().saturating_duration_since(*start)),
        }
    }

    /// Nanoseconds of a tick, as well as is known so far.
    pub(super) fn ns_per_tick(&self) -> f64 {
        match self {
            Self::Tsc => tsc::ns_per_tick(),
            Self::System(_) | Self::Virtual { .. } => 1.0,
        }
    }
}

/// A clock as other threads see it.
#[derive(Clone, Copy, Debug)]
pub(super) enum SharedClock {
    /// See [`Clock::Tsc`].
    Tsc,
    /// See [`Clock::System`].
    System(Instant),
    /// See [`Clock::Virtual`]: only the reactor's thread knows the time.
    Virtual,
}

impl SharedClock {
    pub(super) fn of(clock: &Clock) -> Self {
        match clock {
            Clock::Tsc => Self::Tsc,
            Clock::System(start) => Self::System(*start),
            Clock::Virtual { .. } => Self::Virtual,
        }
    }

    /// Now.
    pub(super) fn ticks(self) -> Option<u64> {
        match self {
            Self::Tsc => Some(tsc::read()),
            Self::System(start) => Some(nanos(start.elapsed())),
            Self::Virtual => None,
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    // 584 years.
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The first reading of counter and system clock in this process, from which the rate is taken: the
/// longer ago, the better.
static FIRST: OnceLock<(u64, Instant)> = OnceLock::new();
/// A rate from less time than this is off by more than a thousandth.
const SHORTEST: Duration = Duration::from_micros(100);

#[cfg(target_arch = "x86_64")]
mod tsc {
    use std::sync::OnceLock;
    use std::time::Instant;

    use super::{FIRST, SHORTEST};

    /// Whether the counter runs at one rate on all processors, whatever they do. The kernel tests that
    /// as long as it keeps time by it, and turns to another clock when it is not so.
    pub(super) fn is_trusted() -> bool {
        static TRUSTED: OnceLock<bool> = OnceLock::new();
        *TRUSTED.get_or_init(|| {
            const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
            let trusted = std::fs::read_to_string(SOURCE).is_ok_and(|text| text.trim() == "tsc");
            if trusted {
                FIRST.get_or_init(|| (read(), Instant::now()));
            }
            trusted
        })
    }

    #[inline]
    pub(super) fn read() -> u64 {
        // SAFETY: `_rdtsc` asks only that the processor has the instruction, and every x86-64 has. A
        // system may forbid it; then it would not be the kernel's clock, see `is_trusted`.
        unsafe { core::arch::x86_64::_rdtsc() }
    }

    pub(super) fn ns_per_tick() -> f64 {
        let &(first, then) = FIRST.get_or_init(|| (read(), Instant::now()));
        loop {
            let (ticks, elapsed) = (read().saturating_sub(first), then.elapsed());
            if elapsed >= SHORTEST && ticks > 0 {
                return elapsed.as_nanos() as f64 / ticks as f64;
            }
            std::hint::spin_loop();
        }
    }
}

/// Elsewhere the system's clock is asked: on aarch64 that is the counter, read without a system call.
#[cfg(not(target_arch = "x86_64"))]
mod tsc {
    pub(super) fn is_trusted() -> bool {
        false
    }

    pub(super) fn read() -> u64 {
        0
    }

    pub(super) fn ns_per_tick() -> f64 {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_nanoseconds_within_a_hundredth() {
        for clock in [Clock::real(), Clock::System(Instant::now())] {
            let (first, start) = (clock.ticks(), Instant::now());
            while start.elapsed() < Duration::from_millis(20) {
                std::hint::spin_loop();
            }
            let (last, took) = (clock.ticks(), start.elapsed().as_nanos() as f64);
            let counted = (last - first) as f64 * clock.ns_per_tick();
            // The system clock is read a little later than the counter, or much, on a busy machine.
            let again = start.elapsed().as_nanos() as f64;
            assert!(
                counted > took * 0.99 - 1e6 && counted < again * 1.01 + 1e6,
                "{counted} {took}"
            );
        }
    }
}
