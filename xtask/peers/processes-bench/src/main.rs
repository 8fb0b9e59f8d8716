//! `processes` and its peers, one sample at a time, for `cargo xtask bench processes`.
//!
//! What the program is asked, and how a metric is added: see the documentation of `sampler`. Each
//! module of the first list makes one metric, or one family of them; those of the second list are
//! what the peers are made of. The program is also its own helper: a worker that a peer starts is
//! this program with [`helper::FLAG`] as its first argument.

mod batch;
mod buffers;
mod cluster_calls;
mod cluster_costs;
mod cluster_growth;
mod cycle;
mod idle;
mod kill;
mod map;
mod orphans;
mod payload;
mod queue;
mod round_trip;
mod start;

mod clustered;
mod executor;
mod helper;
mod ipc;
mod jetstream;
mod python;
mod sizing;
mod stream;

use std::{env, process::ExitCode};

use sampler::{Metric, Offer};

fn main() -> ExitCode {
    procspawn::init();
    processes::init();
    if let Some(end) = cluster::run(processes::node::main_with).or_else(helper::run) {
        return end;
    }
    sampler::main("processes", offer, &[])
}

/// All metrics, in the order in which they are shown, and which peers there are not.
fn offer(workers: usize) -> Offer {
    // Only a listing needs to know what is installed; a sample names its contender.
    let is_listing = env::args_os().nth(1).is_some_and(|word| word == "--list");
    let absent = if is_listing { python::absent() } else { Vec::new() };
    let has_broker = !is_listing || cluster::is_installed();
    let mut metrics = vec![round_trip::metric(workers), batch::metric(workers)];
    metrics.extend(map::metrics(workers));
    metrics.extend(buffers::metrics(workers));
    metrics.push(payload::metric(workers));
    metrics.extend(start::metrics(workers));
    metrics.push(cycle::metric(workers));
    metrics.extend(queue::metrics(workers));
    metrics.extend(kill::metrics(workers));
    metrics.push(orphans::metric());
    metrics.push(idle::metric(workers));
    if has_broker {
        metrics.extend(cluster_calls::metrics(workers));
        metrics.extend(cluster_costs::metrics(workers));
        metrics.extend(cluster_growth::metrics());
    }
    let gone = |name: &str| absent.iter().any(|(absent, _)| absent.contains(&name));
    let here = |metric: Metric| {
        let peers = metric.peers.into_iter().filter(|peer| !gone(peer.contender.name));
        Metric { peers: peers.collect(), ..metric }
    };
    let mut absent: Vec<_> = absent.iter().map(|(_, why)| why.clone()).collect();
    if !has_broker {
        absent.push(format!("{}; calls to other machines are not measured", cluster::HINT));
    }
    let metrics = metrics.into_iter().map(here).collect();
    Offer { metrics, absent, conclusion: Some(sizing::conclusion) }
}
