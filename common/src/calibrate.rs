//! How fast this machine computes: turns durations into numbers of steps, so that work is fixed and
//! time is measured.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use crate::{BlockingIo, blocking::drive, body::spin};

/// Steps timed at once.
const STEPS: u64 = 100_000;

/// Time of one [`spin`] step in nanoseconds: the fastest of the repetitions that fit into `budget`.
///
/// The fastest, because everything that disturbs makes it slower.
pub fn ns_per_iteration(budget: Duration) -> f64 {
    let io: BlockingIo = BlockingIo::default();
    let begin = Instant::now();
    let mut fastest = Duration::MAX;
    loop {
        let start = Instant::now();
        black_box(drive(spin(&io, black_box(1), STEPS)));
        fastest = fastest.min(start.elapsed());
        if begin.elapsed() >= budget {
            return fastest.as_nanos() as f64 / STEPS as f64;
        }
    }
}
