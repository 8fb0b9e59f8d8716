//! Calls, clients and nodes that are refused.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use processes::{Cluster, JoinError, Lock};

use super::faults::held;
use super::nodes::deliveries;
use super::support::{Broker, Marks, Tethered, connect, mark, until_there};
use super::{locked, marked, square};
use crate::examples;
use crate::support::{BOUND, wait_until};

processes::task! {
    "examples.collatz" =>
    /// The example of a cluster has one of this name with other types.
    fn collatz(text: String) -> String {
        text
    }
}

processes::task! {
    /// Marks that it has begun, and waits for a file; its result is long, but not too long for a message.
    fn held_text((marks, gate): (String, String)) -> String {
        mark(&marks, 0);
        until_there(&gate);
        "x".repeat(400_000)
    }
}

#[test]
fn functions_without_a_name_and_handles_do_not_leave() {
    let Some(broker) = Broker::start() else { return };
    let pool = broker.connect();
    let unnamed = pool.submit(|x: u64| x, 1).join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(unnamed.to_string().contains("declare it with `task!`"), "{unnamed}");
    let unnamed: Vec<_> = pool.map(|x: u64| x, 0..3).collect();
    assert_eq!(unnamed.iter().filter(|result| result.is_err()).count(), 3);
    let handle = pool
        .submit(locked, Lock::new(1).unwrap())
        .join_timeout(BOUND)
        .expect("it ends")
        .unwrap_err();
    assert!(handle.to_string().contains("cannot go to another machine"), "{handle}");
    assert_eq!(pool.resize(3).unwrap_err().kind(), ErrorKind::Unsupported);
    let narrow = connect(&broker.cluster().max_payload(10));
    let large =
        narrow.submit(collatz, "x".repeat(11)).join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(matches!(large, JoinError::TooLarge { size: 12, limit: 10, .. }), "{large}");
}

#[test]
fn wrong_passwords_and_places_are_refused() {
    let login = "authorization { user: me, password: secret }";
    let Some(broker) = Broker::start_with(login, "me:secret@") else { return };
    broker.connect();
    let wrong = broker.url().replace("secret", "guess");
    let error = Cluster::new(&wrong).connect().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(!error.to_string().contains("guess"), "{error}");
    let error = Cluster::new(&wrong).node(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    let nobody = Cluster::new(broker.url().replace("me:secret@", "")).connect().unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::PermissionDenied, "{nobody}");
    let nowhere = Cluster::new("nats://127.0.0.1:1").connect().unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::NotConnected, "{nowhere}");
}

#[test]
fn a_node_of_another_program_refuses_what_it_does_not_know() {
    let Some(broker) = Broker::start() else { return };
    let arguments = [broker.url().into()];
    let other = Tethered::start(examples::path("processes_node"), &arguments, None);
    let pool = connect(&broker.cluster().patience(Duration::from_secs(5)));
    wait_until("it is there", || pool.workers() > 0);
    let begun = Instant::now();
    let unknown = pool.submit(square, 1);
    let misunderstood = pool.submit(collatz, "27".to_owned());
    let unknown = unknown.join_timeout(BOUND).expect("it ends").unwrap_err();
    let misunderstood = misunderstood.join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(matches!(unknown, JoinError::NotServed { .. }), "{unknown}");
    assert!(unknown.to_string().contains("square is not known"), "{unknown}");
    assert!(matches!(misunderstood, JoinError::NotServed { .. }), "{misunderstood}");
    assert!(misunderstood.to_string().contains("collatz has other types"), "{misunderstood}");

    // Each refusal gives others a second.
    let most = 2 * (begun.elapsed().as_secs() + 2);
    assert!((4..=most).contains(&deliveries(&broker)), "{} of {most}", deliveries(&broker));

    // A call that is refused at first is served once somebody knows its function, with its types.
    let patient = connect(&broker.cluster().patience(Duration::from_mins(10)));
    let waiting = patient.submit(square, 7);
    let understood = patient.submit(collatz, "27".to_owned());
    assert!(!waiting.wait_timeout(Duration::from_millis(500)));
    let _node = broker.node(1);
    assert_eq!(waiting.join_timeout(BOUND).expect("it ends").unwrap(), 49);
    assert_eq!(understood.join_timeout(BOUND).expect("it ends").unwrap(), "27");
    drop((other, pool, patient));
    wait_until("the stream is empty", || broker.messages("calls") == 0);
}

#[test]
fn a_broker_that_takes_short_messages_only_is_refused() {
    let narrow = "max_payload: 100KB";
    let Some(broker) = Broker::start_with(narrow, "") else { return };
    for error in [broker.cluster().connect().unwrap_err(), broker.cluster().node(1).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
        assert!(error.to_string().contains("`max_payload: 1MB`"), "{error}");
        assert!(error.to_string().contains("at most 102400 bytes"), "{error}");
    }
}

#[test]
fn a_broker_that_comes_to_take_short_messages_only_is_none() {
    let Some(mut broker) = Broker::start() else { return };
    let pool = connect(&broker.cluster().offline_limit(Duration::from_secs(2)));
    let calls = [pool.submit(collatz, "x".to_owned()), pool.submit(collatz, "y".repeat(400_000))];
    wait_until("they are in the stream", || broker.messages_if_any("calls") == Some(2));
    broker.config = "max_payload: 100KB".to_owned();
    broker.stop();
    broker.run();
    assert!(broker.is_up());
    for call in calls {
        let error = call.join_timeout(BOUND).expect("it ends").unwrap_err();
        assert!(matches!(error, JoinError::NodeLost { .. }), "{error}");
        assert!(error.to_string().contains("`max_payload: 1MB`"), "{error}");
    }
    let error = pool.submit(square, 1).join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(error.to_string().contains("`max_payload: 1MB`"), "{error}");
    broker.config = String::new();
    broker.stop();
    broker.run();
    assert!(broker.is_up());
    let _node = broker.node(1);
    // As soon as it is seen that this one can be used, calls are taken again.
    wait_until("it serves", || {
        pool.submit(square, 4).join_timeout(BOUND).expect("it ends").is_ok_and(|x| x == 16)
    });
}

#[test]
fn a_node_takes_nothing_from_a_broker_that_comes_to_take_short_messages_only() {
    let Some(mut broker) = Broker::start() else { return };
    let (marks, gate) = (Marks::new(broker.dir()), broker.dir().join("gate"));
    let _node = broker.node(1);
    let pool = broker.connect();
    let first = pool.submit(held, (marks.path(), gate.to_str().unwrap().to_owned()));
    wait_until("it has begun", || marks.counts(1) == [1]);
    let calls: Vec<_> = (1..6).map(|n| pool.submit(marked, (marks.path(), n))).collect();
    wait_until("they are in the stream", || broker.messages_if_any("calls") == Some(6));
    broker.config = "max_payload: 100KB".to_owned();
    broker.stop();
    broker.run();
    assert!(broker.is_up());
    std::fs::write(gate, "").unwrap();
    first.join_timeout(BOUND).expect("it ends").unwrap();
    wait_until("the broker knows", || broker.messages_if_any("calls") == Some(5));
    let since = Instant::now();
    wait_until("it could have more", || since.elapsed() > Duration::from_secs(3));
    assert_eq!(marks.counts(6), [1, 0, 0, 0, 0, 0], "their results might not get through");
    broker.config = String::new();
    broker.stop();
    broker.run();
    assert!(broker.is_up());
    for (n, call) in (1..).zip(calls) {
        assert_eq!(call.join_timeout(2 * BOUND).expect("it ends").unwrap(), n + 1);
    }
    assert_eq!((marks.counts(6), pool.stats().retried), (vec![1; 6], 0));
}

#[test]
fn a_result_that_fits_into_no_message_any_more_goes_through_the_store() {
    let Some(mut broker) = Broker::start() else { return };
    let (marks, gate) = (Marks::new(broker.dir()), broker.dir().join("gate"));
    let _node = broker.node(1);
    let pool = broker.connect();
    let call = pool.submit(held_text, (marks.path(), gate.to_str().unwrap().to_owned()));
    wait_until("it has begun", || marks.counts(1) == [1]);
    broker.config = "max_payload: 200KB".to_owned();
    broker.stop();
    broker.run();
    assert!(broker.is_up());
    std::fs::write(gate, "").unwrap();
    assert_eq!(call.join_timeout(BOUND).expect("it ends").unwrap(), "x".repeat(400_000));
    assert_eq!(marks.counts(1), [1]);
}

#[test]
fn a_broker_without_room_for_calls_is_refused() {
    let Some(broker) = Broker::start_on("64M", "", "") else { return };
    let error = broker.cluster().connect().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
    assert!(error.to_string().contains("1073741824 bytes, see `Cluster::reserve`"), "{error}");
    let small = broker.cluster().reserve(16 << 20);
    let pool = connect(&small);
    let call = pool.submit(square, 5);
    wait_until("it is in the stream", || broker.messages("calls") == 1);
    assert!(!call.cancel());
}
