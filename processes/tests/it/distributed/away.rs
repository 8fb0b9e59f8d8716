//! A client that is away for longer than nodes wait for it, and comes back.

use std::time::Duration;

use processes::{Cluster, JoinError, ProcessBuilder, Queue};

use super::faults::held;
use super::raw::Raw;
use super::support::{Broker, LEASE, Marks, Node, connect};
use super::way::Way;
use super::{processes_sleep, square};
use crate::support::{BOUND, soon, wait_until};

/// The program of a node for which clients are gone after so many milliseconds.
fn impatient((url, gone_ms, ready): (String, u64, Queue<u32>)) {
    let cluster = Cluster::new(url).lease(LEASE).gone_after(Duration::from_millis(gone_ms));
    let _node = cluster.node(1).unwrap();
    ready.put(0).unwrap();
    processes_sleep(600_000);
}

/// Starts that for a broker there, and waits until it serves.
fn node_that_waits(url: &str, gone_ms: u64) -> Node {
    let ready = Queue::bounded(1).unwrap();
    let arguments = (url.to_owned(), gone_ms, ready.clone());
    let process = ProcessBuilder::new().spawn(impatient, arguments).unwrap();
    soon(&ready);
    Node::of(process)
}

/// One that drops the results of a client after two seconds.
pub(crate) fn impatient_node(url: &str) -> Node {
    node_that_waits(url, 2_000)
}

/// One that ends what runs for a client after two seconds.
fn hasty_node(url: &str) -> Node {
    node_that_waits(url, 100)
}

#[test]
fn a_call_that_is_killed_while_its_node_is_away_is_ended() {
    let Some(broker) = Broker::start() else { return };
    let (marks, nowhere) = (Marks::new(broker.dir()), broker.dir().join("nowhere"));
    Way::with(broker.ports[0], |way| {
        let _node = impatient_node(&way.url());
        let pool = broker.connect();
        let running = pool.submit(held, (marks.path(), nowhere.to_str().unwrap().to_owned()));
        wait_until("it has begun", || marks.counts(1) == [1]);
        let mut raw = Raw::hearing(&broker, &["triptych.nodes"]);
        way.cut();
        assert!(running.kill());
        assert_eq!(raw.next().subject, "triptych.nodes", "it is said now");
        way.mend();
        let error = running.join_timeout(2 * BOUND).expect("it ends").unwrap_err();
        let is_ended = matches!(error, JoinError::WorkerLost { .. } | JoinError::NodeLost { .. });
        assert!(is_ended, "{error}");
        // The only worker is free again.
        let next = pool.submit(square, 12).join_timeout(2 * BOUND).expect("it ends");
        assert_eq!((next.unwrap(), marks.counts(1)), (144, vec![1]));
    });
}

/// The program of a client of whose call nobody hears any more.
fn brief((url, marks, gate): (String, String, String)) {
    let pool = Cluster::new(url).lease(LEASE).connect().unwrap();
    let (Ok(_) | Err(_)) = pool.submit(held, (marks, gate)).join();
}

#[test]
fn a_call_that_runs_for_a_client_that_is_killed_is_ended() {
    let Some(broker) = Broker::start() else { return };
    let (marks, nowhere) = (Marks::new(broker.dir()), broker.dir().join("nowhere"));
    let _node = hasty_node(&broker.url());
    let arguments = (broker.url(), marks.path(), nowhere.to_str().unwrap().to_owned());
    let client = ProcessBuilder::new().spawn(brief, arguments).unwrap();
    wait_until("it has begun", || marks.counts(1) == [1]);
    client.kill();
    let pool = broker.connect();
    let next = pool.submit(square, 12).join_timeout(2 * BOUND).expect("its only worker is free");
    assert_eq!(next.unwrap(), 144);
    wait_until("the stream is empty", || broker.messages("calls") == 0);
    assert_eq!(marks.counts(1), [1]);
}

#[test]
fn what_nodes_have_dropped_meanwhile_is_executed() {
    let Some(broker) = Broker::start() else { return };
    let (marks, gate) = (Marks::new(broker.dir()), broker.dir().join("gate"));
    let _node = impatient_node(&broker.url());
    Way::with(broker.ports[0], |way| {
        let pool = connect(&way.cluster());
        let running = pool.submit(held, (marks.path(), gate.to_str().unwrap().to_owned()));
        wait_until("it has begun", || marks.counts(1) == [1]);
        let others: Vec<_> = (1..20).map(|x| pool.submit(square, x)).collect();
        wait_until("they are in the stream", || broker.messages("calls") == 20);
        way.cut();
        std::fs::write(&gate, "").unwrap();
        wait_until("all is dropped", || broker.messages("calls") == 0);
        way.mend();
        running.join_timeout(2 * BOUND).expect("it ends").unwrap();
        for (x, call) in (1..).zip(others) {
            assert_eq!(call.join_timeout(2 * BOUND).expect("it ends").unwrap(), x * x);
        }
        assert_eq!(marks.counts(1), [2], "its result was dropped, too");
    });
}

#[test]
fn a_call_that_may_be_begun_once_is_lost_when_its_result_is_dropped() {
    let Some(broker) = Broker::start() else { return };
    let (marks, gate) = (Marks::new(broker.dir()), broker.dir().join("gate"));
    let _node = impatient_node(&broker.url());
    Way::with(broker.ports[0], |way| {
        let pool = connect(&way.cluster().attempts(1));
        let running = pool.submit(held, (marks.path(), gate.to_str().unwrap().to_owned()));
        wait_until("it has begun", || marks.counts(1) == [1]);
        way.cut();
        std::fs::write(&gate, "").unwrap();
        wait_until("its result is dropped", || broker.messages("calls") == 0);
        way.mend();
        let error = running.join_timeout(2 * BOUND).expect("it ends").unwrap_err();
        assert!(matches!(error, JoinError::NodeLost { .. }), "{error}");
        assert_eq!(marks.counts(1), [1]);
    });
}
