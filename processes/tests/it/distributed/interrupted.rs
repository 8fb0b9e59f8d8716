//! Ctrl-C, in a client that maps: the second one stops it while nodes have some of its items.

use std::time::Duration;

use processes::{Cluster, JoinError, ProcessBuilder, Queue};

use super::nodes::waits;
use super::square;
use super::support::{Broker, LEASE, Marks, Node};
use crate::support::{BOUND, signal, soon, wait_until};

/// Items of the map: more than can be under way.
const ITEMS: usize = 5_000;

/// How an item has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With its value.
    Good,
    /// It was never begun.
    Cancelled,
    /// Nobody knows whether it runs.
    Lost,
}

/// What a client is told: where the broker, the marks and the gate are, and how long calls may go on that
/// run; and where it says that it closes, and how each item has ended.
type Arguments = (String, String, String, Duration, Queue<u32>, Queue<Vec<u8>>);

/// The program of the client.
fn maps((url, marks, gate, grace, closes, ends): Arguments) {
    let pool = Cluster::new(url).lease(LEASE).grace(grace).connect().unwrap();
    pool.close_on_interrupt().unwrap();
    let say = || {
        wait_until("it closes", || pool.is_closing());
        closes.put(0).unwrap();
    };
    let end = |(n, result): (u64, Result<u64, JoinError>)| match result {
        Ok(value) => u8::from(value == n) * b'g',
        Err(JoinError::Cancelled) => b'c',
        Err(JoinError::NodeLost { .. }) => b'l',
        Err(_other) => 0,
    };
    std::thread::scope(|scope| {
        scope.spawn(say);
        let items = (0..ITEMS as u64).map(|n| (marks.clone(), n, gate.clone()));
        ends.put((0..).zip(pool.map(waits, items)).map(end).collect()).unwrap();
    });
}

/// A client of whose map two nodes have items, and which Ctrl-C has reached twice.
struct Interrupted {
    /// Its broker.
    broker: Broker,
    /// Its process.
    client: Node,
    /// What its items leave.
    marks: Marks,
    /// Brings their ends.
    ends: Queue<Vec<u8>>,
}

impl Interrupted {
    /// One whose calls may go on for so long; the nodes are there.
    fn twice(broker: Broker, grace: Duration) -> Self {
        let (marks, gate) = (Marks::new(broker.dir()), gate(&broker));
        let (closes, ends) = (Queue::bounded(1).unwrap(), Queue::bounded(1).unwrap());
        let arguments = (broker.url(), marks.path(), gate, grace, closes.clone(), ends.clone());
        let client = Node::of(ProcessBuilder::new().spawn(maps, arguments).unwrap());
        wait_until("both nodes have some", || marks.counts(ITEMS).iter().sum::<usize>() == 2);
        signal(client.process().pid(), "-INT");
        soon(&closes);
        signal(client.process().pid(), "-INT");
        Self { broker, client, marks, ends }
    }

    /// How each item has ended, and how often it was begun.
    fn ends(&self) -> Vec<(End, usize)> {
        let ends = self.ends.get_timeout(BOUND).unwrap();
        assert_eq!(ends.len(), ITEMS, "each ends once");
        let end = |end: u8| match end {
            b'g' => End::Good,
            b'c' => End::Cancelled,
            b'l' => End::Lost,
            _ => panic!("another value, or another error"),
        };
        wait_until("it ends by itself", || self.client.process().is_finished());
        wait_until("the stream is empty", || self.broker.messages("calls") == 0);
        ends.into_iter().map(end).zip(self.marks.counts(ITEMS)).collect()
    }
}

/// The file for which items wait.
fn gate(broker: &Broker) -> String {
    broker.dir().join("gate").to_str().unwrap().to_owned()
}

/// How many have ended like this.
fn count(ends: &[(End, usize)], like: End) -> usize {
    ends.iter().filter(|(end, _begun)| *end == like).count()
}

#[test]
fn what_nodes_have_begun_of_a_map_ends_with_its_results() {
    let Some(broker) = Broker::start() else { return };
    let _nodes = [broker.node(1), broker.node(1)];
    let client = Interrupted::twice(broker, 4 * BOUND);
    wait_until("what no node has is withdrawn", || client.broker.messages("calls") == 2);
    std::fs::write(gate(&client.broker), "").unwrap();
    let ends = client.ends();
    let (good, lost) = (count(&ends, End::Good), count(&ends, End::Lost));
    assert!((2..ITEMS).contains(&good) && lost == 0, "{good} {lost}");
    // Those that travelled with them were begun, too; no other was.
    assert!(ends.iter().all(|&(end, begun)| begun == usize::from(end == End::Good)));
}

#[test]
fn what_nodes_have_begun_of_a_map_and_does_not_end_is_ended() {
    let Some(broker) = Broker::start() else { return };
    let _nodes = [broker.node(1), broker.node(1)];
    let client = Interrupted::twice(broker, Duration::from_millis(500));
    let ends = client.ends();
    let (good, lost) = (count(&ends, End::Good), count(&ends, End::Lost));
    assert!(good == 0 && (2..ITEMS).contains(&lost), "{good} {lost}");
    let begun = ends.iter().filter(|(_end, begun)| *begun > 0);
    assert!(begun.clone().all(|&(end, begun)| (end, begun) == (End::Lost, 1)));
    assert_eq!(begun.count(), 2);
    // The workers are free again.
    let pool = client.broker.connect();
    for x in 0..10 {
        assert_eq!(pool.submit(square, x).join_timeout(BOUND).expect("it ends").unwrap(), x * x);
    }
    assert_eq!(pool.nodes().iter().map(|node| node.slots).sum::<usize>(), 2);
}
