//! The clock of a record.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::rate::{Moment, Rate};
#[cfg(target_arch = "x86_64")]
use super::tsc;

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
        if !tsc::is_trusted() {
            return Self::System(Instant::now());
        }
        // The first reading, from which the rate is taken: the longer ago, the better.
        lock(&RATE).get_or_insert_with(|| Rate::new(Moment::now(tsc::read)));
        Self::Tsc
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
        self.counter().unwrap_or_else(|| self.nanos())
    }

    /// Now, if it is a counter of the processor.
    #[inline]
    pub(super) fn counter(&self) -> Option<u64> {
        matches!(self, Self::Tsc).then(tsc::read)
    }

    /// The same of a clock that counts nanoseconds.
    #[inline(never)]
    fn nanos(&self) -> u64 {
        match self {
            Self::Tsc => 0,
            Self::System(start) => nanos(start.elapsed()),
            Self::Virtual { start, now } => nanos(now.get().saturating_duration_since(*start)),
        }
    }

    /// Nanoseconds of a tick, as well as is known so far.
    pub(super) fn ns_per_tick(&self) -> f64 {
        match self {
            Self::Tsc => ns_per_tick(),
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

/// What is known of the rate of the time-stamp counter.
static RATE: Mutex<Option<Rate>> = Mutex::new(None);

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing under the lock can panic, so the rate is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nanoseconds of a tick of that counter. The first time in a process this takes up to 100 microseconds.
fn ns_per_tick() -> f64 {
    let mut rate = lock(&RATE);
    loop {
        // Read under the lock, so that no reading is older than the one before.
        let now = Moment::now(tsc::read);
        if let Some(known) = rate.get_or_insert_with(|| Rate::new(now)).take(now) {
            return known;
        }
        std::hint::spin_loop();
    }
}

fn nanos(duration: Duration) -> u64 {
    // 584 years.
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
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
