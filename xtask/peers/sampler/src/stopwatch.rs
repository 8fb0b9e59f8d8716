//! Two clocks at once.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// Measures wall-clock time, and the processor time of the process with all its threads.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    /// The processor time when it was started, in nanoseconds.
    cpu_ns: u64,
    /// When it was started.
    started: Instant,
}

/// What a [`Stopwatch`] shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Wall-clock time in nanoseconds.
    pub wall_ns: u64,
    /// Processor time of the process in nanoseconds, that of threads which have ended included.
    pub cpu_ns: u64,
}

impl Stopwatch {
    /// Starts.
    pub fn start() -> Self {
        // The wall clock last here and first below: reading the other one costs a system call.
        Self { cpu_ns: process_cpu_ns(), started: Instant::now() }
    }

    /// The times since the start.
    pub fn stop(self) -> Times {
        let wall = self.started.elapsed();
        Times {
            wall_ns: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX),
            cpu_ns: process_cpu_ns().saturating_sub(self.cpu_ns),
        }
    }
}

/// The processor time of this process so far, in nanoseconds.
fn process_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_on_both_clocks() {
        let watch = Stopwatch::start();
        let shown = loop {
            let shown = watch.stop();
            if shown.cpu_ns > 1_000_000 {
                break shown;
            }
        };
        assert!(shown.wall_ns > 0, "{shown:?}");
    }
}
