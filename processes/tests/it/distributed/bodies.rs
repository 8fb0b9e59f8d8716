//! Long arguments and results, which lie in the store of the broker: that it forgets them, or loses them,
//! costs time only.

use std::time::{Duration, Instant};

use processes::{Cluster, JoinError, ProcessBuilder, Queue};

use super::support::{Broker, LEASE, Marks, connect, mark, until_there};
use super::{MARKS, bytes, processes_sleep, reversed};
use crate::support::{BOUND, Stopped, wait_until};

processes::task! {
    /// Marks that it has begun, and waits for a file; its result is long.
    fn held_long((marks, gate): (String, String)) -> Vec<u8> {
        mark(&marks, 0);
        until_there(&gate);
        vec![7; 700_000]
    }
}

#[test]
fn an_argument_outlives_the_age_of_the_store() {
    let Some(broker) = Broker::start() else { return };
    broker.make_store(4);
    let pool = broker.connect();
    let call = pool.submit(reversed, vec![1; 700_000]);
    wait_until("it is in the stream", || broker.messages_if_any("calls") == Some(1));
    let (_first, put) = broker.span_of_bodies();
    wait_until("it was put there again, and again", || broker.span_of_bodies().1 >= 3 * put);
    wait_until("the first ones are forgotten", || broker.span_of_bodies().0 > 2 * put);
    let _node = broker.node(1);
    let back = call.join_timeout(BOUND).expect("it ends").unwrap();
    assert_eq!(back, vec![1; 700_000]);
    drop(pool);
    wait_until("the bodies are gone", || broker.bytes_of_bodies() < MARKS);
}

#[test]
fn an_argument_that_the_broker_has_lost_is_put_there_again() {
    let Some(broker) = Broker::start() else { return };
    // It is looked for every 12 s, and is not old before the test ends.
    broker.make_store(100);
    let pool = broker.connect();
    let call = pool.submit(reversed, vec![1; 700_000]);
    wait_until("it is in the stream", || broker.messages_if_any("calls") == Some(1));
    broker.purge_bodies();
    wait_until("its parts are gone", || broker.bytes_of_bodies() < MARKS);
    let _node = broker.node(1);
    assert_eq!(call.join_timeout(BOUND).expect("it ends").unwrap().len(), 700_000);
}

/// The program of a client with a call whose result is long.
fn one_long((url, marks, gate, ended): (String, String, String, Queue<usize>)) {
    let pool = Cluster::new(url).lease(LEASE).connect().unwrap();
    let result = pool.submit(held_long, (marks, gate)).join().unwrap();
    ended.put(result.len()).unwrap();
}

#[test]
fn a_result_that_the_broker_has_lost_is_made_again() {
    let Some(broker) = Broker::start() else { return };
    let (marks, gate) = (Marks::new(broker.dir()), broker.dir().join("gate"));
    let _node = broker.node(1);
    let ended = Queue::bounded(1).unwrap();
    let gate_path = gate.to_str().unwrap().to_owned();
    let arguments = (broker.url(), marks.path(), gate_path, ended.clone());
    let client = ProcessBuilder::new().spawn(one_long, arguments).unwrap();
    wait_until("it runs", || marks.counts(1) == [1]);
    let stopped = Stopped::new(client.pid());
    std::fs::write(gate, "").unwrap();
    wait_until("its result is in the store", || broker.bytes_of_bodies() > 700_000);
    broker.purge_bodies();
    wait_until("it is gone", || broker.bytes_of_bodies() < MARKS);
    drop(stopped);
    assert_eq!(ended.get_timeout(2 * BOUND).unwrap(), 700_000);
    assert_eq!(marks.counts(1), [2]);
}

#[test]
fn a_result_that_is_too_long_for_a_client_is_not_fetched() {
    let Some(broker) = Broker::start() else { return };
    let _node = broker.node(1);
    let pool = connect(&broker.cluster().max_payload(600_000));
    let error = pool.submit(bytes, 3_000_000).join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(matches!(error, JoinError::TooLarge { limit: 600_000, .. }), "{error}");
    let fetched = broker.bytes_to_client();
    assert!(fetched < 1_000_000, "{fetched}");
    assert_eq!(pool.submit(bytes, 590_000).join_timeout(BOUND).expect("it ends").unwrap()[0], 1);
    let fetched = broker.bytes_to_client();
    assert!(fetched > 590_000, "the broker counts them: {fetched}");
}

#[test]
fn a_client_that_ends_has_removed_what_it_had_in_the_store() {
    let Some(broker) = Broker::start() else { return };
    let pool = connect(&broker.cluster().grace(Duration::ZERO));
    let calls: Vec<_> = (0..20).map(|n| pool.submit(reversed, vec![n; 600_000])).collect();
    wait_until("they are in the stream", || broker.messages_if_any("calls") == Some(20));
    assert!(broker.bytes_of_bodies() > 20 * 600_000);
    let _unrun = pool.into_pool().shutdown_now();
    // It has waited for the removals.
    let left = broker.bytes_of_bodies();
    assert!(left < MARKS, "{left}");
    for call in calls {
        let error = call.join_timeout(BOUND).expect("it ends").unwrap_err();
        assert!(matches!(error, JoinError::Cancelled), "no node had it: {error}");
    }
}

#[test]
fn a_long_argument_is_looked_for_after_each_connection() {
    let Some(mut broker) = Broker::start() else { return };
    let pool = connect(&broker.cluster().grace(Duration::from_secs(1)));
    let call = pool.submit(reversed, vec![3; 700_000]);
    wait_until("it is in the stream", || broker.messages_if_any("calls") == Some(1));
    broker.purge_bodies();
    wait_until("its parts are gone", || broker.bytes_of_bodies() < MARKS);
    broker.stop();
    broker.run();
    assert!(broker.is_up());
    wait_until("they are there again", || broker.bytes_of_bodies() > 700_000);
    let _node = broker.node(1);
    assert_eq!(call.join_timeout(BOUND).expect("it ends").unwrap().len(), 700_000);
}

processes::task! {
    /// Marks that it has begun, and takes so long that none is fetched ahead; its result has 4 MiB.
    fn marked_long((path, number): (String, u64)) -> Vec<u8> {
        mark(&path, number);
        processes_sleep(15);
        vec![7; 4 << 20]
    }
}

#[test]
fn a_node_takes_no_more_calls_while_its_results_do_not_get_into_the_store() {
    let Some(broker) = Broker::start() else { return };
    let (marks, _node) = (Marks::new(broker.dir()), broker.node(1));
    let pool = broker.connect();
    broker.remove_stream("OBJ_triptych-bodies");
    let calls: Vec<_> = (0..24).map(|n| pool.submit(marked_long, (marks.path(), n))).collect();
    let begun = || marks.counts(24).iter().sum::<usize>();
    // So many are 32 MiB, which a worker may have lying there.
    wait_until("there are as many as may be", || begun() >= 8);
    let since = Instant::now();
    wait_until("the others could be executed", || since.elapsed() > Duration::from_secs(3));
    // It had asked for one or two more.
    assert!(begun() <= 11, "{}", begun());
    broker.make_store(100);
    for call in calls {
        assert_eq!(call.join_timeout(2 * BOUND).expect("it ends").unwrap().len(), 4 << 20);
    }
    assert_eq!(marks.counts(24), vec![1; 24]);
    drop(pool);
    wait_until("the bodies are gone", || broker.bytes_of_bodies() < MARKS);
}
