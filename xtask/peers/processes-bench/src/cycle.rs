//! The whole life of a pool.

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{
    executor::{Executor, Streams, same},
    python,
};

/// The name of the metric.
const NAME: &str = "pool.cycle";

/// Calls in the life of a pool.
const CALLS: u64 = 1_000;

/// The most that it is to take, in nanoseconds.
const LIMIT: f64 = 6e6;

/// The metric.
pub(crate) fn metric(workers: usize) -> Metric {
    let python = |name| python::contender(NAME, name, workers).peer();
    Metric {
        name: NAME.into(),
        about: format!(
            "A pool that is started, makes {CALLS} calls which return their argument, and is \
             stopped. It is concurrent_imap of pyperformance: Python's pools are told to take ten \
             calls at a time, ours decides."
        ),
        unit: "pool",
        cost: Cost::Wall,
        amount: Amount::calibrated(2),
        named_only: false,
        baseline: None,
        ours: contender::<processes::Pool>(workers, |pool| {
            pool.map(same, 0..CALLS).map(|result| result.expect("no call fails")).collect()
        }),
        peers: vec![
            python("py-pool")
                .required(Goal::CostAtMost(2.0 * LIMIT))
                .stretch(Goal::CostAtMost(LIMIT)),
            python("py-executor"),
            python("loky"),
            python("pebble"),
            contender::<procspawn::Pool>(workers, all).peer(),
            contender::<Streams>(workers, all).peer(),
        ],
    }
}

/// The results of all calls.
fn all<P: Executor>(pool: &P) -> Tally {
    pool.batch(0..CALLS).into_iter().collect()
}

/// This pool, whose calls are made in this way.
fn contender<P: Executor + 'static>(workers: usize, calls: fn(&P) -> Tally) -> Contender {
    Contender::new(P::NAME, move |units| {
        let watch = Stopwatch::start();
        let right = (0..units).filter(|_| {
            let pool = P::start(workers);
            calls(&pool) == Tally::of_range(CALLS)
        });
        let found = Tally::of_count(right.count() as u64);
        Sample::new(units, watch.stop(), found, Tally::of_count(units))
    })
}
