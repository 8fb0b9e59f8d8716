//! Nodes whose workers cannot be started: calls go to others, and fail on none.

use std::time::Duration;

use processes::{Cluster, JoinError, ProcessBuilder, Queue};

use super::support::{Broker, LEASE, Marks, Node, connect};
use super::{marked, processes_sleep};
use super::{reversed, square};
use crate::faults::system::{Resource, ignore, kill_at_once, limit};
use crate::support::{BOUND, children, is_sanitized, soon, wait_until};

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

/// The signal when a file would be larger than it may be.
const SIGXFSZ: i32 = 25;

/// The program of a node that has a worker, and no memory for long arguments.
fn poor((url, ready): (String, Queue<u32>)) {
    // Too few addresses for an arena, and enough for the rest.
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let size_kb: u64 = size.split_whitespace().next().unwrap().parse().unwrap();
    limit(Resource::Addresses, size_kb * 1024 + (100 << 20));
    let _node = Cluster::new(url).lease(LEASE).node(1).unwrap();
    limit(Resource::Addresses, u64::MAX);
    wait_until("it has a worker", || !children().is_empty());
    // The worker is not to have this limit, so it has to be there.
    let pool = Cluster::new(std::env::var(BROKER).unwrap()).connect().unwrap();
    assert_eq!(pool.submit(square, 2).join_timeout(BOUND).expect("it ends").unwrap(), 4);
    drop(pool);
    ignore(SIGXFSZ);
    limit(Resource::FileSize, 0);
    ready.put(0).unwrap();
    processes_sleep(600_000);
}

/// Says to that one where its broker is.
const BROKER: &str = "TRIPTYCH_TEST_BROKER";

#[test]
fn a_node_without_memory_for_an_argument_leaves_the_call_to_others() {
    if is_sanitized("a limit of addresses") {
        return;
    }
    let Some(broker) = Broker::start() else { return };
    let ready = Queue::bounded(1).unwrap();
    let builder = ProcessBuilder::new().env(BROKER, broker.url());
    let node = Node::of(builder.spawn(poor, (broker.url(), ready.clone())).unwrap());
    soon(&ready);
    let hasty = connect(&broker.cluster().patience(Duration::from_secs(2)));
    let long = || vec![7; 3 << 20];
    let error = hasty.submit(reversed, long()).join_timeout(BOUND).expect("it ends");
    let error = error.map(|bytes| bytes.len()).unwrap_err();
    assert!(matches!(error, JoinError::NotServed { .. }), "{error}");
    assert!(error.to_string().contains("no shared memory for "), "{error}");
    let pool = connect(&broker.cluster().attempts(1).patience(Duration::from_mins(10)));
    let call = pool.submit(reversed, long());
    assert!(!call.wait_timeout(Duration::from_secs(2)), "nobody has memory");
    assert_eq!(pool.submit(square, 3).join_timeout(BOUND).expect("it serves").unwrap(), 9);
    let _rich = broker.node(1);
    assert!(call.join_timeout(BOUND).expect("it ends").unwrap() == long());
    assert_eq!((pool.stats().done, pool.stats().failed, pool.stats().lost), (2, 0, 0));
    assert!(!node.process().is_finished());
}
