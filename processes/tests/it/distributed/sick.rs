//! Nodes whose workers cannot be started: calls go to others, and fail on none.

use std::time::Duration;

use processes::{Cluster, ProcessBuilder, Queue};

use super::square;
use super::support::{Broker, LEASE, Marks, Node, connect};
use super::{marked, processes_sleep};
use crate::faults::system::{Resource, kill_at_once, limit};
use crate::support::{BOUND, children, soon, wait_until};

/// The program of a node that has lost its worker, and has no descriptors for another one, until it is
/// cured.
fn sick((url, says, cure): (String, Queue<u32>, Queue<u32>)) {
    let _node = Cluster::new(url).lease(LEASE).node(1).unwrap();
    wait_until("it has a worker", || !children().is_empty());
    let workers = children();
    // Those that are open stay open.
    limit(Resource::Descriptors, 3);
    workers.into_iter().for_each(kill_at_once);
    says.put(0).unwrap();
    cure.get().unwrap();
    limit(Resource::Descriptors, 1 << 16);
    says.put(1).unwrap();
    processes_sleep(600_000);
}

/// Such a node, and what cures it.
struct Sick {
    /// The node.
    node: Node,
    /// Says that it is sick, and that it is not any more.
    says: Queue<u32>,
    /// Cures it.
    cure: Queue<u32>,
}

impl Sick {
    /// Starts one.
    fn start(broker: &Broker) -> Self {
        let [says, cure] = [(); 2].map(|()| Queue::bounded(1).unwrap());
        let arguments = (broker.url(), says.clone(), cure.clone());
        let node = Node::of(ProcessBuilder::new().spawn(sick, arguments).unwrap());
        assert_eq!(soon(&says), 0);
        Self { node, says, cure }
    }

    /// Gives it descriptors.
    fn cure(&self) {
        self.cure.put(0).unwrap();
        assert_eq!(soon(&self.says), 1);
    }
}

#[test]
fn calls_that_come_to_a_node_without_workers_are_executed_by_another() {
    let Some(broker) = Broker::start() else { return };
    let (sick, marks) = (Sick::start(&broker), Marks::new(broker.dir()));
    // What was not begun counts as no attempt.
    let pool = connect(&broker.cluster().attempts(1));
    let first = pool.submit(marked, (marks.path(), 0));
    assert!(!first.wait_timeout(Duration::from_secs(3)), "it waits for a node with workers");
    wait_until("it counts no more", || pool.workers() == 0);
    let calls: Vec<_> = (1..200).map(|n| pool.submit(marked, (marks.path(), n))).collect();
    let _well = broker.node(1);
    for (n, call) in (0..).zip([first].into_iter().chain(calls)) {
        assert_eq!(call.join_timeout(BOUND).expect("it ends").unwrap(), n + 1);
    }
    let items: Result<Vec<_>, _> =
        pool.map(marked, (200..900).map(|n| (marks.path(), n))).collect();
    assert_eq!(items.unwrap(), (201..901).collect::<Vec<_>>());
    assert_eq!(marks.counts(900), vec![1; 900]);
    let stats = pool.stats();
    assert_eq!((stats.done, stats.failed, stats.retried, stats.lost), (900, 0, 0, 0));
    assert!(!sick.node.process().is_finished());
}

#[test]
fn a_node_serves_again_when_its_workers_can_be_started() {
    let Some(broker) = Broker::start() else { return };
    let (sick, pool) = (Sick::start(&broker), broker.connect());
    let call = pool.submit(square, 12);
    assert!(!call.wait_timeout(Duration::from_secs(3)), "it waits for a node with workers");
    sick.cure();
    assert_eq!(call.join_timeout(2 * BOUND).expect("it ends").unwrap(), 144);
    wait_until("it counts again", || pool.workers() == 1);
    let items: Result<Vec<_>, _> = pool.map(square, 0..100).collect();
    assert_eq!(items.unwrap().len(), 100);
    assert_eq!((pool.stats().done, pool.stats().failed), (101, 0));
}
