//! How many instructions what is done most often takes.
//!
//! `cargo xtask bench evented --instructions` counts them, and fails when they have become more than a
//! tenth more than what is recorded here. A change that is worth its instructions records the new
//! number, and its message says why.

use sampler::Counted;

/// Where no system call decides what comes next: everything happens in the same order in every run.
pub(crate) const COUNTED: [Counted; 7] = [
    Counted::new("yield.100", 200_000, 213.2),
    Counted::new("yield.recorded", 200_000, 364.1),
    Counted::new("wake.switch", 200_000, 233.4),
    Counted::new("spawn.join", 100_000, 1_041.4),
    Counted::new("call.soon", 100_000, 974.6),
    Counted::new("timer.cancel", 50_000, 621.7),
    Counted::new("tree.none", 55_987, 1_453.5),
];
