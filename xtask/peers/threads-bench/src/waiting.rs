//! What it costs that a worker which waits in a join does nothing but what it waits for.
//!
//! It is measured beside a pool of ours whose workers do anything while they wait.

use std::hint::black_box;

use sampler::{Amount, Contender, Cost, Metric, Sample, Stopwatch, Tally};

use crate::{
    executor::{Executor, on_thread},
    external::warm_up,
};

/// How deep the recursion is on its left side; on its right one it is half as deep.
const DEPTH: u64 = 15;

/// Leaves of one recursion.
const LEAVES: u64 = 987;

/// Steps of the shortest leaf, some microseconds.
const STEPS: u64 = 4_000;

/// The metrics.
pub(crate) fn metrics() -> Vec<Metric> {
    let metric = |name: &str, about: &str, cost| Metric {
        name: name.into(),
        about: format!(
            "{about} of two workers for an uneven recursion with uneven leaves of 5 to 40 us."
        ),
        unit: "leaf",
        cost,
        amount: Amount::Calibrated { first: LEAVES, step: LEAVES },
        named_only: false,
        ours: ours(threads::Pool::NAME, threads::Pool::start),
        peers: peers(),
        baseline: None,
    };
    vec![
        metric(
            "waiting.time",
            "Time (half of what serial needs is all that two workers can give; what is missing \
             from that is waiting)",
            Cost::Wall,
        ),
        metric("waiting.cpu", "Processor time", Cost::Cpu),
    ]
}

/// What it is measured against: nothing that a goal speaks of.
fn peers() -> Vec<sampler::Peer> {
    vec![
        ours("steal-any", |workers| {
            let pool = threads::Pool::builder().workers(workers);
            pool.waiting(threads::Waiting::StealAny).build().expect("threads can be started")
        })
        .peer(),
        rayon().peer(),
        Contender::new("serial", |units| on_thread(move || sample(units, || serial(DEPTH, 1))))
            .peer(),
    ]
}

/// A pool of ours, set up in this way.
fn ours(name: &'static str, start: fn(usize) -> threads::Pool) -> Contender {
    Contender::new(name, move |units| {
        let pool = start(2);
        warm_up(&pool);
        pool.ask(|units| sample(units, || forked(DEPTH, 1)), units)
    })
}

/// Rayon, whose workers do anything while they wait.
fn rayon() -> Contender {
    Contender::new(rayon::ThreadPool::NAME, |units| {
        let pool = rayon::ThreadPool::start(2);
        warm_up(&pool);
        pool.ask(|units| sample(units, || with_rayon(DEPTH, 1)), units)
    })
}

/// The recursion without any joins.
fn serial(depth: u64, number: u64) -> Tally {
    if depth < 2 {
        return leaf(number);
    }
    serial(depth - 1, 2 * number).plus(serial(depth - 2, 2 * number + 1))
}

/// With ours.
fn forked(depth: u64, number: u64) -> Tally {
    if depth < 2 {
        return leaf(number);
    }
    let (a, b) =
        threads::join(|| forked(depth - 1, 2 * number), || forked(depth - 2, 2 * number + 1));
    a.plus(b)
}

/// With those of rayon.
fn with_rayon(depth: u64, number: u64) -> Tally {
    if depth < 2 {
        return leaf(number);
    }
    let (a, b) =
        rayon::join(|| with_rayon(depth - 1, 2 * number), || with_rayon(depth - 2, 2 * number + 1));
    a.plus(b)
}

/// Computes for a while, which depends on the number; it is the result.
fn leaf(number: u64) -> Tally {
    let length = 1 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 8;
    black_box((0..length * STEPS).fold(number, |x, step| (x ^ step).wrapping_mul(0x2545_f491)));
    Tally { count: 1, sum: number }
}

/// The numbers of all leaves.
fn leaves(depth: u64, number: u64) -> Tally {
    if depth < 2 {
        return Tally { count: 1, sum: number };
    }
    leaves(depth - 1, 2 * number).plus(leaves(depth - 2, 2 * number + 1))
}

/// So many leaves, recursion after recursion, after one to warm up.
fn sample(units: u64, run: impl Fn() -> Tally) -> Sample {
    let each = leaves(DEPTH, 1);
    run();
    let watch = Stopwatch::start();
    let (mut found, mut expected) = (Tally::default(), Tally::default());
    while expected.count < units {
        found = found.plus(run());
        expected = expected.plus(each);
    }
    Sample::new(units, watch.stop(), found, expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contender_visits_all_leaves() {
        assert_eq!(leaves(DEPTH, 1).count, LEAVES);
        for metric in metrics() {
            let peers = metric.peers.iter().map(|peer| &peer.contender);
            for contender in std::iter::once(&metric.ours).chain(peers) {
                let sample = contender.run(LEAVES);
                assert_eq!((sample.checked, sample.problem), (LEAVES, None), "{}", contender.name);
            }
        }
    }
}
