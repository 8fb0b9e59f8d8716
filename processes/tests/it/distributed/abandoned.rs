//! Items of maps that nobody wants any more, and that do not end by themselves.

use std::time::Duration;

use processes::Pool;

use super::faults::held;
use super::program::Program;
use super::raw::Raw;
use super::support::{Broker, Marks, connect};
use super::{marked, square};
use crate::support::{BOUND, wait_until};

/// Has the only item of a map begin, which waits for a file, and drops the map. Waits until nodes have heard
/// that nobody wants it.
fn drops_a_map(broker: &Broker, pool: &Pool, gate: &str) {
    let marks = Marks::new(broker.dir());
    let gate = broker.dir().join(gate).to_str().unwrap().to_owned();
    let mut map = pool.map(held, [(marks.path(), gate)]);
    assert!(
        map.next_timeout(Duration::from_millis(1)).is_err(),
        "it is asked for, and does not end"
    );
    wait_until("it runs", || marks.counts(1) == [1]);
    let mut raw = Raw::hearing(broker, &["triptych.nodes"]);
    drop(map);
    assert_eq!(raw.next().subject, "triptych.nodes");
    // They answer this one, who comes later.
    assert!(broker.connect().workers() > 0);
}

/// Has a call executed.
fn serves(pool: &Pool) {
    assert_eq!(pool.submit(square, 12).join_timeout(BOUND).expect("it ends").unwrap(), 144);
}

#[test]
fn a_pool_that_is_stopped_at_once_ends_the_items_that_run() {
    let Some(broker) = Broker::start() else { return };
    let _node = broker.node(1);
    let pool = connect(&broker.cluster().grace(Duration::from_millis(100)));
    drops_a_map(&broker, &pool, "nowhere");
    let _unrun = pool.into_pool().shutdown_now();
    // Its only worker is free.
    serves(&broker.connect());
    wait_until("the stream is empty", || broker.messages("calls") == 0);
}

#[test]
fn an_item_that_nobody_wants_has_its_worker_until_it_ends() {
    let Some(broker) = Broker::start() else { return };
    let first = broker.node(1);
    let pool = broker.connect();
    drops_a_map(&broker, &pool, "gate");
    let _second = broker.node(1);
    let dir = broker.dir().join("others");
    std::fs::create_dir(&dir).unwrap();
    let marks = Marks::new(&dir);
    // What comes meanwhile is for the other one.
    let calls: Vec<_> = (0..50).map(|n| pool.submit(marked, (marks.path(), n))).collect();
    for (n, call) in (0..).zip(calls) {
        assert_eq!(call.join_timeout(BOUND).expect("it ends").unwrap(), n + 1);
    }
    wait_until("only it is left", || broker.messages("calls") == 1 && pool.stats().running == 1);
    std::fs::write(broker.dir().join("gate"), "").unwrap();
    wait_until("it has ended", || broker.messages("calls") == 0 && pool.stats().running == 0);
    assert_eq!((pool.stats().done, marks.counts(50)), (51, vec![1; 50]));
    assert!(!first.process().is_finished());
}

#[test]
fn a_node_ends_in_time_though_an_item_runs_that_nobody_wants() {
    let Some(broker) = Broker::start() else { return };
    let node = Program::start(&broker, 1, &["--drain", "0"]);
    let pool = connect(&broker.cluster().grace(Duration::ZERO));
    drops_a_map(&broker, &pool, "nowhere");
    node.signal("-TERM");
    assert_eq!(node.end(), 3, "{}", node.said());
    let _unrun = pool.into_pool().shutdown_now();
}
