//! One function called with many numbers.

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{
    executor::{Executor as _, Streams, same, started},
    python,
};

/// A metric for a short map and one for a long one, of which the goal speaks: there, the time until
/// the first result is next to nothing.
pub(crate) fn metrics(workers: usize) -> [Metric; 2] {
    let long = metric(workers, 100_000, |peer| {
        peer.required(Goal::CostAtMost(300.0)).stretch(Goal::CostAtMost(150.0))
    });
    [metric(workers, 1_000, |peer| peer), long]
}

/// The metric of maps with so many numbers, and what is expected against Python's pool.
fn metric(workers: usize, calls: u64, goals: fn(sampler::Peer) -> sampler::Peer) -> Metric {
    let name = format!("map.{calls}");
    let python = |contender| python::contender(&name, contender, workers).peer();
    Metric {
        about: format!(
            "A map of {calls} calls that return their argument, and all of its results, one map \
             after the other. How many calls go into a message is up to the pool; executors of \
             Python are told what its pool would choose."
        ),
        unit: "call",
        cost: Cost::Wall,
        amount: Amount::Calibrated { first: calls, step: calls },
        named_only: false,
        baseline: None,
        ours: contender(workers, calls),
        peers: vec![
            goals(python("py-pool")),
            python("py-executor"),
            python("loky"),
            python("pebble"),
            one_by_one(workers, calls).peer(),
        ],
        name,
    }
}

/// This pool.
fn contender(workers: usize, calls: u64) -> Contender {
    Contender::new(processes::Pool::NAME, move |units| {
        let pool = started::<processes::Pool>(workers);
        sample(units, calls, |numbers| {
            pool.map(same, numbers).map(|result| result.expect("no call fails")).collect()
        })
    })
}

/// A worker written by hand, a message for each call.
fn one_by_one(workers: usize, calls: u64) -> Contender {
    Contender::new(Streams::NAME, move |units| {
        let pool = started::<Streams>(workers);
        sample(units, calls, |numbers| pool.batch(numbers).into_iter().collect())
    })
}

/// So many calls in maps.
fn sample(units: u64, calls: u64, map: impl Fn(std::ops::Range<u64>) -> Tally) -> Sample {
    let watch = Stopwatch::start();
    let (mut found, mut begun) = (Tally::default(), 0);
    while begun < units {
        let end = units.min(begun + calls);
        found = found.plus(map(begun..end));
        begun = end;
    }
    Sample::new(units, watch.stop(), found, Tally::of_range(units))
}
