//! Calls that go through a broker to two nodes: one at a time, many, and a map.

use cluster::Cluster;
use processes::Pool;
use sampler::{Amount, Contender, Cost, Goal, Metric, Peer, Sample, Stopwatch, Tally};

use crate::{
    clustered::{NAME, noted, once_each, sampled, warm_up},
    jetstream,
};

/// The calls of a sample, where there are many.
pub(crate) const CALLS: Amount = Amount::Fixed { units: 10_000, smoke: 1_000 };

/// What a call of a map is to cost at the most, in nanoseconds.
const LIMIT: f64 = 25e3;

/// What the pool is called whose workers are those of its own process.
pub(crate) const HERE: &str = "one-machine";

/// How a sample is taken.
type Take = fn(&Pool, u64) -> Sample;

/// The metrics.
pub(crate) fn metrics(workers: usize) -> [Metric; 3] {
    let here = |take| here(take, workers).peer();
    [
        metric(
            "cluster.round-trip",
            "One call that goes through a broker to one of two nodes, and the wait for its result, one \
             after the other. nats-request is a message of the broker and its answer, without a pool.",
            Amount::calibrated(100),
            ours(round_trips, workers),
            vec![Contender::new("nats-request", jetstream::requests).peer(), here(round_trips)],
        ),
        metric(
            "cluster.batch",
            "10,000 calls, each submitted by itself, so each a message, to two nodes, and all of their \
             results. nats-jetstream is a work queue of the broker with two who work at it, without a pool.",
            CALLS,
            ours(batch, workers),
            vec![Contender::new(jetstream::NAME, jetstream::queue).peer(), here(batch)],
        ),
        metric(
            "cluster.map",
            "A map of 10,000 calls to two nodes, end to end, of which it is verified that each is executed \
             once: it leaves a note in a file, which is part of the cost.",
            CALLS,
            ours(map, workers),
            vec![
                here(map).required(Goal::CostAtMost(LIMIT)).stretch(Goal::CostAtMost(LIMIT / 5.0)),
            ],
        ),
    ]
}

/// A metric of the time of a call.
fn metric(name: &str, about: &str, amount: Amount, ours: Contender, peers: Vec<Peer>) -> Metric {
    Metric {
        name: name.into(),
        about: about.into(),
        unit: "call",
        cost: Cost::Wall,
        amount,
        named_only: false,
        baseline: None,
        ours,
        peers,
    }
}

/// Two nodes that have so many workers together; one each at least.
pub(crate) fn two_nodes(workers: usize) -> [usize; 2] {
    [workers.div_ceil(2), (workers / 2).max(1)]
}

/// The pool of a cluster, each of whose calls is executed once.
fn ours(take: Take, workers: usize) -> Contender {
    Contender::new(NAME, move |units| {
        let sample = |pool: &Pool, cluster: &Cluster| once_each(take(pool, units), cluster);
        sampled(&two_nodes(workers), sample)
    })
}

/// A pool of this process.
pub(crate) fn here(take: Take, workers: usize) -> Contender {
    Contender::new(HERE, move |units| {
        let pool = Pool::new(workers).expect("processes can be started");
        warm_up(&pool);
        take(&pool, units)
    })
}

/// So many calls, one after the other.
fn round_trips(pool: &Pool, units: u64) -> Sample {
    let watch = Stopwatch::start();
    let ask = |x| pool.submit(noted, x).join().expect("the call does not fail");
    let found: Tally = (0..units).map(ask).collect();
    Sample::new(units, watch.stop(), found, Tally::of_range(units))
}

/// So many calls, each submitted by itself.
pub(crate) fn batch(pool: &Pool, units: u64) -> Sample {
    let watch = Stopwatch::start();
    let calls: Vec<_> = (0..units).map(|x| pool.submit(noted, x)).collect();
    let found: Tally = calls.into_iter().map(|call| call.join().expect("no call fails")).collect();
    Sample::new(units, watch.stop(), found, Tally::of_range(units))
}

/// A map of so many calls.
fn map(pool: &Pool, units: u64) -> Sample {
    let watch = Stopwatch::start();
    let results = pool.map(noted, 0..units).map(|result| result.expect("no call fails"));
    let found: Tally = results.collect();
    Sample::new(units, watch.stop(), found, Tally::of_range(units))
}
