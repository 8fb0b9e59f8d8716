//! How many instructions what is done most often takes.
//!
//! `cargo xtask bench threads --instructions` counts them, and fails when they have become more than a
//! tenth more than what is recorded here. A change that is worth its instructions records the new
//! number, and its message says why.

use sampler::Counted;

/// On one worker that has company in nothing: no steal, no wake-up, no noise.
pub(crate) const COUNTED: [Counted; 5] = [
    Counted::new("join.tree-1023.1", 1_023_000, 54.8),
    Counted::new("join.tree-65535.1", 1_310_700, 50.5),
    Counted::new("join.fib-20.1", 2_189_100, 20.9),
    Counted::new("scope.spawn.1", 400_000, 315.4),
    Counted::new("submit.busy", 40_000, 1_134.2),
];
