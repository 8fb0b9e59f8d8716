//! `threads` and its peers, one sample at a time, for `cargo xtask bench threads`.
//!
//! What the program is asked, and how a metric is added: see the documentation of `sampler`. Each
//! module makes one metric, or one family of them.

mod batch;
mod busy;
mod executor;
mod external;
mod fib;
mod fifo;
mod idle;
mod install;
mod instructions;
mod join;
mod light;
mod map;
mod pools;
mod queue;
mod reduce;
mod round_trip;
mod scope;
mod sort;
mod tree;
mod waiting;

use std::process::ExitCode;

use sampler::Metric;

fn main() -> ExitCode {
    sampler::main("threads", metrics, &instructions::COUNTED)
}

/// All metrics, in the order in which they are shown.
fn metrics(workers: usize) -> Vec<Metric> {
    let mut metrics = external::metrics(workers);
    metrics.push(round_trip::metric(workers));
    metrics.push(batch::metric(workers));
    metrics.push(busy::metric());
    metrics.extend(join::metrics());
    metrics.extend(scope::metrics());
    metrics.push(install::metric(workers));
    metrics.push(reduce::metric(workers));
    metrics.push(map::metric(workers));
    metrics.extend(sort::metrics(workers));
    metrics.extend(waiting::metrics());
    metrics.extend(queue::metrics());
    metrics.push(idle::metric(workers));
    metrics.push(light::metric(workers));
    metrics
}
