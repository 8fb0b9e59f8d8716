//! Who pays for a call that is a message: the processor time of the client, of the broker, and of the
//! nodes, from which follows how many calls each of them can take.

use cluster::{Cluster, cpu_ns};
use processes::Pool;
use sampler::{Contender, Cost, Metric, Peer, Sample};

use crate::{
    cluster_calls::{CALLS, batch, here, two_nodes},
    clustered::{NAME, once_each, sampled},
    jetstream,
};

/// Whose time is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payer {
    /// The program that submits calls.
    Client,
    /// The broker.
    Broker,
    /// The programs of the nodes, without their workers.
    Nodes,
}

/// A metric for each payer.
pub(crate) fn metrics(workers: usize) -> [Metric; 3] {
    let jetstream = |payer| {
        Contender::new(jetstream::NAME, move |units| jetstream::queue_paid_by(payer, units)).peer()
    };
    [
        metric(Payer::Client, workers, vec![here(batch, workers).peer(), jetstream(Payer::Client)]),
        metric(Payer::Broker, workers, vec![jetstream(Payer::Broker)]),
        metric(Payer::Nodes, workers, vec![jetstream(Payer::Nodes)]),
    ]
}

/// The metric of a payer.
fn metric(payer: Payer, workers: usize, peers: Vec<Peer>) -> Metric {
    let (name, who) = match payer {
        Payer::Client => ("cluster.cpu.client", "the program that submits calls"),
        Payer::Broker => ("cluster.cpu.broker", "the broker"),
        Payer::Nodes => ("cluster.cpu.nodes", "two nodes, without their workers,"),
    };
    Metric {
        name: name.into(),
        about: format!(
            "The processor time of {who} for each of 10,000 calls, each submitted by itself, so each a \
             message."
        ),
        unit: "call",
        cost: Cost::Cpu,
        amount: CALLS,
        named_only: false,
        baseline: None,
        ours: ours(payer, workers),
        peers,
    }
}

/// The pool of a cluster.
fn ours(payer: Payer, workers: usize) -> Contender {
    Contender::new(NAME, move |units| {
        sampled(&two_nodes(workers), |pool: &Pool, cluster: &Cluster| {
            let meter = Meter::start(payer, cluster);
            let sample = batch(pool, units);
            once_each(meter.stop(sample), cluster)
        })
    })
}

/// Measures the processor time of one payer.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Its processes; none: this one, which a sample measures by itself.
    pids: Vec<u32>,
    /// What they had used at the start.
    before_ns: u64,
}

impl Meter {
    /// Starts.
    pub(crate) fn start(payer: Payer, cluster: &Cluster) -> Self {
        Self::start_beside(payer, cluster, cluster.node_pids())
    }

    /// The same, where these processes do what nodes do.
    pub(crate) fn start_beside(
        payer: Payer,
        cluster: &Cluster,
        nodes: impl Iterator<Item = u32>,
    ) -> Self {
        let pids = match payer {
            Payer::Client => Vec::new(),
            Payer::Broker => vec![cluster.broker_pid()],
            Payer::Nodes => nodes.collect(),
        };
        Self { before_ns: used_ns(&pids), pids }
    }

    /// The sample with what was used since the start.
    pub(crate) fn stop(self, sample: Sample) -> Sample {
        if self.pids.is_empty() {
            return sample;
        }
        Sample { cpu_ns: used_ns(&self.pids).saturating_sub(self.before_ns), ..sample }
    }
}

/// The processor time that these processes have used so far.
fn used_ns(pids: &[u32]) -> u64 {
    let used = |pid: &u32| cpu_ns(*pid).expect("this kernel tells (CONFIG_SCHED_INFO)");
    pids.iter().map(used).sum()
}
