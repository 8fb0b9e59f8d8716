//! How capacity grows with nodes: calls that need no processor, so that all nodes can be on this machine.

use processes::Pool;
use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::{
    cluster_calls::HERE,
    clustered::{NAME, WAIT, sampled, waits, warm_up},
};

/// Workers of each node.
pub(crate) const SLOTS: usize = 4;

/// The numbers of nodes.
pub(crate) const NODES: [usize; 3] = [1, 2, 4];

/// How long a call waits, in seconds.
pub(crate) const SECONDS: f64 = WAIT.as_millis() as f64 / 1e3;

/// Calls that each worker executes in a sample.
const CALLS: usize = 30;

/// A metric for each number of nodes.
pub(crate) fn metrics() -> impl Iterator<Item = Metric> {
    NODES.into_iter().map(metric)
}

/// The name of the metric of so many nodes.
pub(crate) fn name(nodes: usize) -> String {
    format!("cluster.nodes.{nodes}")
}

/// The metric of so many nodes.
fn metric(nodes: usize) -> Metric {
    let workers = nodes * SLOTS;
    let units = (workers * CALLS) as u64;
    let here = Contender::new(HERE, move |units| {
        let pool = Pool::new(workers).expect("processes can be started");
        warm_up(&pool);
        sample(&pool, units)
    });
    let ours = Contender::new(NAME, move |units| {
        sampled(&vec![SLOTS; nodes], |pool, _| sample(pool, units))
    });
    Metric {
        name: name(nodes),
        about: format!(
            "{units} calls that wait for {} ms, submitted at once, with {nodes} nodes of {SLOTS} workers; \
             one-machine is a pool of as many.",
            WAIT.as_millis()
        ),
        unit: "call",
        cost: Cost::Wall,
        amount: Amount::Fixed { units, smoke: workers as u64 },
        named_only: false,
        baseline: None,
        ours,
        peers: vec![here.peer().required(Goal::RatioAtMost(1.5)).stretch(Goal::RatioAtMost(1.15))],
    }
}

/// So many calls, each submitted by itself.
fn sample(pool: &Pool, units: u64) -> Sample {
    let watch = Stopwatch::start();
    let calls: Vec<_> = (0..units).map(|x| pool.submit(waits, x)).collect();
    let found: Tally = calls.into_iter().map(|call| call.join().expect("no call fails")).collect();
    Sample::new(units, watch.stop(), found, Tally::of_range(units))
}
