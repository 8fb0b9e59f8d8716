//! What nodes do with calls on their own: limits, attempts, leases; and what is known of each node.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use processes::{CallOptions, Cluster, JoinError, NodeStats, Pool, ProcessBuilder, Queue};

use super::support::{Broker, Marks, Node, connect, mark, until_there};
use super::{fails, processes_sleep, sleeps, square};
use crate::support::{BOUND, soon, wait_until};

/// Says how many times slower than others a node is.
const SLOWNESS: &str = "TRIPTYCH_TEST_SLOWNESS";

processes::task! {
    /// Takes so many milliseconds, and on a slow node a multiple.
    fn paced(ms: u64) -> u64 {
        let slowness = std::env::var(SLOWNESS).map_or(1, |text| text.parse().unwrap());
        processes_sleep(ms * slowness);
        ms
    }
}

processes::task! {
    /// Kills its worker until so many attempts were made.
    fn dies_until((marks, good): (String, usize)) -> usize {
        mark(&marks, 0);
        let attempts = std::fs::read(&marks).unwrap().len() / 8;
        if attempts < good { std::process::abort() } else { attempts }
    }
}

processes::task! {
    /// Marks that it has begun, and waits for a file.
    pub(super) fn waits((marks, number, gate): (String, u64, String)) -> u64 {
        mark(&marks, number);
        until_there(&gate);
        number
    }
}

/// How many deliveries of calls a broker has made, each call as often as it was offered.
pub(super) fn deliveries(broker: &Broker) -> u64 {
    let url = broker.url();
    let mut connection = TcpStream::connect(url.strip_prefix("nats://").unwrap()).unwrap();
    connection.set_read_timeout(Some(BOUND)).unwrap();
    let subject = "$JS.API.CONSUMER.INFO.triptych-calls.nodes";
    let request = format!("CONNECT {{}}\r\nSUB answer 1\r\nPUB {subject} answer 0\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let (mut said, mut part) = (String::new(), [0; 4096]);
    let number = loop {
        let length = connection.read(&mut part).unwrap();
        assert!(length > 0, "the broker has hung up: {said}");
        said.push_str(std::str::from_utf8(&part[..length]).unwrap());
        let number = said.split_once(r#""delivered":{"consumer_seq":"#);
        if let Some((number, _)) = number.and_then(|(_, rest)| rest.split_once(',')) {
            break number;
        }
    };
    number.parse().unwrap()
}

/// A lease that no test waits for.
const LONG_LEASE: Duration = Duration::from_hours(1);

/// What is known of a node.
fn stats_of(all: &[NodeStats], node: &Node) -> NodeStats {
    let part = format!("/{}/", node.process().pid());
    all.iter().find(|stats| stats.name.contains(&part)).expect("it has spoken").clone()
}

#[test]
fn a_slow_node_gets_fewer_calls() {
    let Some(broker) = Broker::start() else { return };
    let fast = broker.node(1);
    let slow = broker.node_with(1, ProcessBuilder::new().env(SLOWNESS, "20"));
    let pool = broker.connect();
    wait_until("both are there", || pool.workers() == 2);
    let begun = Instant::now();
    let calls: Vec<_> = (0..200).map(|_| pool.submit(paced, 20)).collect();
    for call in calls {
        assert_eq!(call.join_timeout(BOUND).expect("it ends").unwrap(), 20);
    }
    let took = begun.elapsed();
    let nodes = pool.nodes();
    let (fast, slow) = (stats_of(&nodes, &fast), stats_of(&nodes, &slow));
    assert_eq!((nodes.len(), fast.done + slow.done), (2, 200), "{nodes:?}");
    assert!(slow.done > 0 && 2 * slow.done < fast.done, "{nodes:?}");
    for (stats, each_ms) in [(&fast, 20), (&slow, 400)] {
        let least = Duration::from_millis(each_ms * stats.done);
        assert!(stats.busy >= least && stats.busy <= took, "{stats:?} {took:?}");
        assert_eq!((stats.slots, stats.running, stats.lost), (1, 0, 0), "{stats:?}");
    }
}

#[test]
fn calls_that_a_node_cannot_begin_are_left_to_others() {
    let Some(broker) = Broker::start() else { return };
    let (marks, gate) = (Marks::new(broker.dir()), broker.dir().join("gate"));
    let first = broker.node(1);
    let pool = broker.connect();
    let long = pool.submit(waits, (marks.path(), 0, gate.to_str().unwrap().to_owned()));
    wait_until("it runs", || marks.counts(1) == [1]);
    let calls: Vec<_> = (0..5).map(|_| pool.submit(sleeps, 0)).collect();
    wait_until("they are in the stream", || broker.messages("calls") == 6);
    let second = broker.node(1);
    for call in calls {
        assert_eq!(call.join_timeout(BOUND).expect("it does not wait").unwrap(), 0);
    }
    std::fs::write(gate, "").unwrap();
    long.join_timeout(BOUND).expect("it ends").unwrap();
    let nodes = pool.nodes();
    assert_eq!((stats_of(&nodes, &first).done, stats_of(&nodes, &second).done), (1, 5));
    assert_eq!(deliveries(&broker), 6);
}

/// Has a pool, and its nodes, believe that calls are short.
fn warm_up(pool: &Pool) {
    let calls: Vec<_> = (0..500).map(|x| pool.submit(square, x)).collect();
    assert!(calls.into_iter().all(|call| call.join_timeout(BOUND).expect("it ends").is_ok()));
}

processes::task! {
    /// Takes a while, and says which node has executed it.
    fn node_after(ms: u64) -> u32 {
        processes_sleep(ms);
        std::os::unix::process::parent_id()
    }
}

#[test]
fn calls_that_wait_behind_a_long_one_go_to_another_node() {
    let Some(broker) = Broker::start() else { return };
    let (marks, gate) = (Marks::new(broker.dir()), broker.dir().join("gate"));
    let first = broker.node(1);
    // What is given back was not begun.
    let pool = connect(&broker.cluster().attempts(1));
    warm_up(&pool);
    let long = pool.submit(waits, (marks.path(), 0, gate.to_str().unwrap().to_owned()));
    let calls: Vec<_> = (0..50).map(|_| pool.submit(node_after, 0)).collect();
    wait_until("it runs", || marks.counts(1) == [1]);
    let second = broker.node(1);
    for call in calls {
        let by = call.join_timeout(BOUND).expect("it does not wait").unwrap();
        assert!(by == second.process().pid() || by == first.process().pid());
    }
    assert!(!long.is_finished());
    std::fs::write(gate, "").unwrap();
    assert_eq!(long.join_timeout(BOUND).expect("it ends").unwrap(), 0);
    let stats = pool.stats();
    assert_eq!((stats.done, stats.failed, stats.retried), (500 + 51, 0, 0));
}

#[test]
fn the_outcomes_of_each_node_are_counted() {
    let Some(broker) = Broker::start() else { return };
    let (marks, gate) = (Marks::new(broker.dir()), broker.dir().join("gate"));
    let first = broker.node(1);
    let pool = broker.connect();
    assert_eq!(pool.map(fails, 0..100).flatten().count(), 90);
    let limit = Duration::from_millis(20);
    let late = pool.submit_timeout(sleeps, 60_000, limit).join_timeout(BOUND).expect("it ends");
    assert!(matches!(late.unwrap_err(), JoinError::TimedOut { .. }));
    let call = pool.submit(waits, (marks.path(), 0, gate.to_str().unwrap().to_owned()));
    wait_until("it runs", || pool.nodes()[0].running == 1 && marks.counts(1) == [1]);
    let second = broker.node(1);
    first.kill();
    wait_until("another one has it", || marks.counts(1) == [2]);
    std::fs::write(gate, "").unwrap();
    call.join_timeout(BOUND).expect("it ends").unwrap();
    let (nodes, all) = (pool.nodes(), pool.stats());
    let (first, second) = (stats_of(&nodes, &first), stats_of(&nodes, &second));
    let counts = |s: &NodeStats| (s.done, s.panicked, s.failed, s.cancelled, s.lost, s.running);
    assert_eq!(counts(&first), (90, 10, 1, 0, 1, 0), "{nodes:?}");
    assert_eq!(counts(&second), (1, 0, 0, 0, 0, 0), "{nodes:?}");
    assert_eq!((all.done, all.panicked, all.failed, all.lost), (91, 10, 1, 1));
    wait_until("the first one is not counted any more", || {
        pool.workers() == 1 && pool.nodes().iter().filter(|node| node.slots == 1).count() == 1
    });
}

#[test]
fn a_limit_counts_from_the_actual_start() {
    let Some(broker) = Broker::start() else { return };
    let _node = broker.node(1);
    let (pool, marks, gate) =
        (broker.connect(), Marks::new(broker.dir()), broker.dir().join("gate"));
    let first = pool.submit(waits, (marks.path(), 0, gate.to_str().unwrap().to_owned()));
    wait_until("it runs", || marks.counts(1) == [1]);
    // It waits longer than its limit, first in the broker or on the node.
    let limit = Duration::from_millis(1_500);
    let second = pool.submit_timeout(sleeps, 0, limit);
    assert!(!second.wait_timeout(limit + Duration::from_millis(500)), "it has not waited");
    std::fs::write(gate, "").unwrap();
    assert_eq!(second.join_timeout(BOUND).expect("it ends").unwrap(), 0);
    assert_eq!(first.join_timeout(BOUND).expect("it ends").unwrap(), 0);
}

#[test]
fn attempts_are_made_on_the_node() {
    let Some(broker) = Broker::start() else { return };
    let _node = broker.node(1);
    let (pool, marks) = (broker.connect(), Marks::new(broker.dir()));
    let options = CallOptions::new().retries(3);
    let call = pool.submit_with(options, dies_until, (marks.path(), 3));
    assert_eq!(call.join_timeout(BOUND).expect("it ends").unwrap(), 3);
    let call = pool.submit_with(options, dies_until, (marks.path(), 99));
    let error = call.join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(matches!(error, JoinError::Poison { attempts: 4, .. }), "{error}");
    assert_eq!((marks.counts(1), pool.stats().retried), (vec![3 + 4], 0), "by one node");
}

#[test]
fn a_call_that_takes_many_leases_is_executed_once() {
    let Some(broker) = Broker::start() else { return };
    let (marks, gate) = (Marks::new(broker.dir()), broker.dir().join("gate"));
    let gate_path = gate.to_str().unwrap().to_owned();
    let _nodes = [broker.node(1), broker.node(1), broker.node(1)];
    let pool = broker.connect();
    let begun = Instant::now();
    // One node has nothing to do, and would take what the others say nothing of.
    let calls = [0, 1].map(|n| pool.submit(waits, (marks.path(), n, gate_path.clone())));
    wait_until("four leases have passed", || begun.elapsed() > 4 * super::support::LEASE);
    std::fs::write(gate, "").unwrap();
    for (n, call) in (0..).zip(calls) {
        assert_eq!(call.join_timeout(BOUND).expect("it ends").unwrap(), n);
    }
    assert_eq!((marks.counts(2), pool.stats().retried), (vec![1; 2], 0));
    // Otherwise the client has told the third node to wait.
    assert_eq!(deliveries(&broker), 2, "their leases were renewed");
}

/// The program of a node that gives back what it has not executed soon after it is told to end.
fn hasty((url, ready, leave): (String, Queue<u32>, Queue<u32>)) {
    let cluster = Cluster::new(url).lease(LONG_LEASE).drain(Duration::from_millis(100));
    let node = cluster.node(2).unwrap();
    ready.put(0).unwrap();
    leave.get().unwrap();
    node.stop().unwrap();
}

#[test]
fn what_a_node_gives_back_does_not_come_back_to_it() {
    let Some(broker) = Broker::start() else { return };
    let (marks, gate) = (Marks::new(broker.dir()), broker.dir().join("gate"));
    let [ready, leave] = [(); 2].map(|()| Queue::bounded(1).unwrap());
    let arguments = (broker.url(), ready.clone(), leave.clone());
    let first = Node::of(ProcessBuilder::new().spawn(hasty, arguments).unwrap());
    soon(&ready);
    let pool = connect(&broker.cluster().lease(LONG_LEASE));
    let call = pool.submit(waits, (marks.path(), 0, gate.to_str().unwrap().to_owned()));
    wait_until("it runs", || marks.counts(1) == [1]);
    let _second = broker.node(1);
    wait_until("both are there", || pool.workers() == 3);
    // It has a worker that has nothing to do, and has asked for a call.
    leave.put(0).unwrap();
    wait_until("the first one has ended", || first.process().is_finished());
    wait_until("it has begun again", || marks.counts(1) == [2]);
    std::fs::write(&gate, "").unwrap();
    assert_eq!(call.join_timeout(BOUND).expect("it ends").unwrap(), 0);
}
