//! What is explored.

mod counter;
mod gates;
mod rings;
mod waits;

use loom::{model::Builder, thread};
use std::sync::Arc;

/// Preemptions per execution that loom explores; with three, the larger models take minutes.
const PREEMPTIONS: usize = 2;
/// The same for small models: as many as show each defect that is planted there.
const MORE_PREEMPTIONS: usize = 3;

/// Explores what these threads do with what `make` makes, and then `check`, which gets the sum
/// of what they return. A thread that waits for ever is a failure.
fn explore<Q: Send + Sync + 'static>(
    make: fn() -> Q,
    threads: &'static [fn(&Q) -> u32],
    check: fn(&Q, u32),
) {
    explore_with(PREEMPTIONS, make, threads, check);
}

/// [`explore`] for small models.
fn explore_deeper<Q: Send + Sync + 'static>(
    make: fn() -> Q,
    threads: &'static [fn(&Q) -> u32],
    check: fn(&Q, u32),
) {
    explore_with(MORE_PREEMPTIONS, make, threads, check);
}

/// [`explore`] with so many preemptions.
fn explore_with<Q: Send + Sync + 'static>(
    preemptions: usize,
    make: fn() -> Q,
    threads: &'static [fn(&Q) -> u32],
    check: fn(&Q, u32),
) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(move || {
        let queue = Arc::new(make());
        let run = |body: &'static fn(&Q) -> u32| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || body(&queue))
        };
        let threads: Vec<_> = threads.iter().map(run).collect();
        let results = threads.into_iter().map(|thread| thread.join().expect("it does not panic"));
        check(&queue, results.sum());
    });
}
