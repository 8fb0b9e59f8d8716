//! Connections that break in the midst of what a client and a node say to each other about a call: each message
//! of that is lost once, on either side of the broker. It costs time only, also where nothing may be done
//! twice.

use processes::Cluster;

use super::marked;
use super::support::{Broker, Client, Marks, Node, connect, node_at};
use super::way::Way;
use crate::support::{BOUND, wait_until};

/// From a node to a client, as the node says it, and as the client hears it: first `Begin`, then `Done`.
const NODE_SAYS: &str = "PUB triptych.client.";
const CLIENT_HEARS: &str = "MSG triptych.client.";

/// The other way: first that the call may begin, then that its result has come.
const CLIENT_SAYS: &str = "PUB triptych.node.";
const NODE_HEARS: &str = "MSG triptych.node.";

/// A client whose calls may be begun once.
fn careful(cluster: Cluster) -> Client {
    connect(&cluster.attempts(1))
}

/// Has a call executed while the way breaks there, by a node and a client of which one is connected by it.
fn breaks(mark: &'static str, nth: usize, by_way: impl FnOnce(&Broker, &Way) -> (Node, Client)) {
    let Some(broker) = Broker::start() else { return };
    Way::with(broker.ports[0], |way| {
        let (_node, pool) = by_way(&broker, way);
        let marks = Marks::new(broker.dir());
        way.break_before(mark, nth);
        let call = pool.submit(marked, (marks.path(), 0));
        let what = format!("{mark} {nth}");
        let result = call.join_timeout(BOUND).unwrap_or_else(|_| panic!("{what}: it ends"));
        assert_eq!(result.unwrap(), 1, "{what}");
        wait_until("it has broken there", || way.has_broken());
        wait_until("the stream is empty", || broker.messages("calls") == 0);
        let stats = pool.stats();
        let counts = (stats.done, stats.failed, stats.retried, stats.lost);
        assert_eq!((marks.counts(1), counts), (vec![1], (1, 0, 0, 0)), "{what}");
    });
}

/// The node is connected by the way.
fn node_by_way(broker: &Broker, way: &Way) -> (Node, Client) {
    (node_at(way.url(), 1), careful(broker.cluster()))
}

/// The client is.
fn client_by_way(broker: &Broker, way: &Way) -> (Node, Client) {
    (broker.node(1), careful(way.cluster()))
}

#[test]
fn a_question_that_is_lost_is_asked_again() {
    breaks(NODE_SAYS, 1, node_by_way);
    breaks(CLIENT_HEARS, 1, client_by_way);
}

#[test]
fn a_call_is_begun_once_though_the_answer_that_it_may_is_lost() {
    breaks(CLIENT_SAYS, 1, client_by_way);
    breaks(NODE_HEARS, 1, node_by_way);
}

#[test]
fn a_result_that_is_lost_is_sent_again() {
    breaks(NODE_SAYS, 2, node_by_way);
    breaks(CLIENT_HEARS, 2, client_by_way);
}

#[test]
fn a_result_counts_once_though_it_is_not_heard_that_it_has_come() {
    breaks(CLIENT_SAYS, 2, client_by_way);
    breaks(NODE_HEARS, 2, node_by_way);
    // What the broker is told at the end.
    breaks("+ACK\r\n", 1, node_by_way);
}

#[test]
fn a_call_whose_way_to_the_stream_breaks_is_sent_once() {
    breaks("HPUB triptych.call ", 1, client_by_way);
}

#[test]
fn a_way_that_breaks_again_and_again_costs_time_only() {
    let Some(broker) = Broker::start() else { return };
    Way::with(broker.ports[0], |to_client| {
        Way::with(broker.ports[0], |to_node| {
            let _nodes = [node_at(to_node.url(), 1), broker.node(1)];
            let (pool, marks) = (careful(to_client.cluster()), Marks::new(broker.dir()));
            wait_until("both are there", || pool.workers() == 2);
            let calls = 300;
            to_client.break_before(CLIENT_SAYS, 2);
            to_node.break_before(NODE_HEARS, 4);
            let handles: Vec<_> =
                (0..calls).map(|n| pool.submit(marked, (marks.path(), n))).collect();
            let mut breaks = 0;
            for (n, call) in (0..calls).zip(handles) {
                assert_eq!(call.join_timeout(2 * BOUND).expect("it ends").unwrap(), n + 1);
                if breaks < 3 && to_client.has_broken() {
                    breaks += 1;
                    to_client.break_before(CLIENT_HEARS, 2);
                }
            }
            wait_until("the stream is empty", || broker.messages("calls") == 0);
            assert!(breaks > 0, "it has broken");
            assert_eq!(marks.counts(300), vec![1; 300]);
            let stats = pool.stats();
            assert_eq!((stats.done, stats.failed, stats.retried), (calls, 0, 0));
        });
    });
}
