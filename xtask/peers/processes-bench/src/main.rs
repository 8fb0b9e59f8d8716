//! `processes` and its peers, one sample at a time, for `cargo xtask bench processes`.
//!
//! What the program is asked, and how a metric is added: see the documentation of `sampler`. Each
//! module of the first list makes one metric, or one family of them; those of the second list are
//! what the peers are made of. The program is also its own helper: a worker that a peer starts is
//! this program with [`helper::FLAG`] as its first argument.

mod batch;
mod cycle;
mod idle;
mod kill;
mod map;
mod orphans;
mod payload;
mod queue;
mod round_trip;
mod start;

mod executor;
mod helper;
mod ipc;
mod python;
mod stream;

use std::{env, process::ExitCode};

use sampler::{Metric, Offer};

fn main() -> ExitCode {
    procspawn::init();
    processes::init();
    if let Some(end) = helper::run() {
        return end;
    }
    sampler::main("processes", offer, &[])
}

/// All metrics, in the order in which they are shown, and which peers there are not.
fn offer(workers: usize) -> Offer {
    // Only a listing needs to know what is installed; a sample names its contender.
    let is_listing = env::args_os().nth(1).is_some_and(|word| word == "--list");
    let absent = if is_listing { python::absent() } else { Vec::new() };
    let mut metrics = vec![round_trip::metric(workers), batch::metric(workers)];
    metrics.extend(map::metrics(workers));
    metrics.push(payload::metric(workers));
    metrics.extend(start::metrics(workers));
    metrics.push(cycle::metric(workers));
    metrics.extend(queue::metrics(workers));
    metrics.extend(kill::metrics(workers));
    metrics.push(orphans::metric());
    metrics.push(idle::metric(workers));
    let gone = |name: &str| absent.iter().any(|(absent, _)| absent.contains(&name));
    let here = |metric: Metric| {
        let peers = metric.peers.into_iter().filter(|peer| !gone(peer.contender.name));
        Metric { peers: peers.collect(), ..metric }
    };
    let absent = absent.iter().map(|(_, why)| why.clone()).collect();
    Offer { metrics: metrics.into_iter().map(here).collect(), absent }
}
