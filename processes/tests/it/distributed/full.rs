//! Brokers that have no room for long arguments and results: such calls end with an error, and nothing is left of
//! what could not be stored.

use std::time::Duration;

use processes::{JoinError, Side};

use super::away::impatient_node;
use super::support::{Broker, connect};
use super::way::Way;
use super::{MARKS, bytes, reversed};
use crate::support::{BOUND, wait_until};

/// More bytes than there is room for.
const LONG: usize = 32 << 20;

/// So many have room.
const SHORT: usize = 4 << 20;

processes::task! {
    /// How many bytes these are.
    fn length(bytes: Vec<u8>) -> usize {
        bytes.len()
    }
}

/// Whether this is an error about want of room on that side.
fn finds_no_room(error: &JoinError, on: Side) -> bool {
    matches!(error, JoinError::Encode { side, message, .. }
        if *side == on && message.contains("no room"))
}

#[test]
fn a_result_that_the_store_has_no_room_for_is_an_error_and_leaves_nothing() {
    let Some(broker) = Broker::start() else { return };
    broker.make_store_of(1_000, 24 << 20);
    let pool = broker.connect();
    let _node = impatient_node(&broker.url());
    let error = pool.submit(bytes, LONG).join_timeout(2 * BOUND).expect("it ends").unwrap_err();
    assert!(finds_no_room(&error, Side::Worker), "{error}");
    let left = broker.bytes_of_bodies();
    assert!(left < MARKS, "{left}");
    let fits = pool.submit(bytes, SHORT).join_timeout(BOUND).expect("it ends").unwrap();
    assert_eq!((fits.len(), pool.stats().failed, pool.stats().done), (SHORT, 1, 1));
    drop(pool);
    wait_until("the bodies are gone", || broker.bytes_of_bodies() == 0);
}

#[test]
fn an_argument_that_the_store_has_no_room_for_ends_its_call_and_leaves_nothing() {
    let Some(broker) = Broker::start() else { return };
    broker.make_store_of(1_000, 24 << 20);
    let _node = broker.node(1);
    let pool = connect(&broker.cluster().gone_after(Duration::from_secs(2)));
    let call = pool.submit(reversed, vec![1; LONG]);
    let error = call.join_timeout(2 * BOUND).expect("it ends").unwrap_err();
    assert!(finds_no_room(&error, Side::Parent), "{error}");
    let left = broker.bytes_of_bodies();
    assert!(left < MARKS, "{left}");
    let fits = pool.submit(reversed, vec![1; SHORT]).join_timeout(BOUND).expect("it ends");
    assert_eq!(fits.unwrap().len(), SHORT);
    drop(pool);
    wait_until("the bodies are gone", || broker.bytes_of_bodies() == 0);
}

#[test]
fn a_result_that_a_broker_has_no_room_for_is_an_error_and_leaves_nothing() {
    let Some(broker) = Broker::start_on("24M", "", "") else { return };
    let pool = connect(&broker.cluster().reserve(8 << 20));
    let _node = impatient_node(&broker.url());
    let error = pool.submit(bytes, LONG).join_timeout(2 * BOUND).expect("it ends").unwrap_err();
    assert!(finds_no_room(&error, Side::Worker), "{error}");
    // This version of the broker counts the bytes nevertheless until it is started again.
    let left = broker.bytes_of_bodies();
    assert!(left < MARKS, "{left}");
}

#[test]
fn arguments_that_have_room_one_after_the_other_are_all_executed() {
    let Some(broker) = Broker::start() else { return };
    broker.make_store_of(1_000, 6 << 20);
    let _node = broker.node(1);
    let pool = broker.connect();
    let calls = [1; 6].map(|byte| pool.submit(length, vec![byte; SHORT]));
    for call in calls {
        assert_eq!(call.join_timeout(2 * BOUND).expect("it ends").unwrap(), SHORT);
    }
    drop(pool);
    wait_until("the bodies are gone", || broker.bytes_of_bodies() == 0);
}

#[test]
fn the_parts_that_were_stored_before_the_connection_was_lost_are_removed() {
    let Some(broker) = Broker::start() else { return };
    Way::with(broker.ports[0], |way| {
        let pool = connect(&way.cluster());
        way.break_before("$O.triptych-bodies.C.", 20);
        let call = pool.submit(reversed, vec![1; SHORT]);
        wait_until("it is in the stream", || broker.messages_if_any("calls") == Some(1));
        let there = broker.bytes_of_bodies();
        assert!((SHORT as u64..SHORT as u64 + MARKS).contains(&there), "{there}");
        assert!(!call.cancel(), "it has left");
        let error = call.join_timeout(BOUND).expect("it ends").unwrap_err();
        assert!(matches!(error, JoinError::Cancelled), "{error}");
        wait_until("the bodies are gone", || broker.bytes_of_bodies() == 0);
    });
}

#[test]
fn what_could_not_be_removed_is_removed_later() {
    let Some(broker) = Broker::start() else { return };
    // Its client looks after it every 5 s, and everything in it goes after the test only.
    broker.make_store(40);
    Way::with(broker.ports[0], |way| {
        let pool = connect(&way.cluster());
        let call = pool.submit(reversed, vec![1; SHORT]);
        wait_until("it is in the stream", || broker.messages_if_any("calls") == Some(1));
        way.break_before("STREAM.PURGE.OBJ_triptych-bodies", 1);
        assert!(!call.cancel(), "it has left");
        wait_until("the bodies are gone", || broker.bytes_of_bodies() == 0);
    });
}
