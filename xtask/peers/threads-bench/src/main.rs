//! `threads` and its peers, one sample at a time, for `cargo xtask bench threads`.
//!
//! What the program is asked, and how a metric is added: see the documentation of `sampler`. Each
//! module makes one metric, or one family of them.

mod batch;
mod executor;
mod external;
mod fifo;
mod idle;
mod light;
mod pools;
mod queue;
mod round_trip;

use std::process::ExitCode;

use sampler::Metric;

fn main() -> ExitCode {
    sampler::main("threads", metrics)
}

/// All metrics, in the order in which they are shown.
fn metrics(workers: usize) -> Vec<Metric> {
    let mut metrics = external::metrics(workers);
    metrics.push(round_trip::metric(workers));
    metrics.push(batch::metric(workers));
    metrics.extend(queue::metrics());
    metrics.push(idle::metric(workers));
    metrics.push(light::metric(workers));
    metrics
}
