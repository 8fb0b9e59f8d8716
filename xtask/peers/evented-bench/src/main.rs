//! `evented` and its peers, one sample at a time, for `cargo xtask bench evented`.
//!
//! What the program is asked, and how a metric is added: see the documentation of `sampler`. Each
//! module of the first list makes one metric, or one family of them; those of the second list are
//! what contenders are made of.
//!
//! Everything but the peer `smol`, whose reactor has a thread of its own, runs on one thread: the
//! processor time of the process is that of the loop.

mod instructions;
mod memory;
mod priority;
mod round_trip;
mod spawning;
mod switching;
mod timers;
mod tree;

mod clock;
mod epoll;
mod loops;
mod sockets;

use std::process::ExitCode;

use sampler::Metric;

fn main() -> ExitCode {
    sampler::main("evented", metrics, &instructions::COUNTED)
}

/// All metrics, in the order in which they are shown.
fn metrics(_workers: usize) -> Vec<Metric> {
    let mut metrics = Vec::from(switching::metrics());
    metrics.extend(spawning::metrics());
    metrics.push(timers::metric());
    metrics.extend(tree::metrics());
    metrics.extend(round_trip::metrics());
    metrics.extend(memory::metrics());
    metrics.extend(priority::metrics());
    metrics
}
