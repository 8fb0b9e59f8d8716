//! Calls that a node gives back before it has begun them.

use std::time::Duration;

use processes::{Cluster, ProcessBuilder, Queue};

use super::marked;
use super::program::Program;
use super::raw::Raw;
use super::support::{Broker, LEASE, Marks};
use crate::support::{BOUND, Stopped, wait_until};

/// Calls of the client.
const CALLS: u64 = 20;

/// The program of a client that submits calls which may be begun once. Brings how many have returned.
fn careful((url, path, ended): (String, String, Queue<u32>)) {
    let pool = Cluster::new(url).lease(LEASE).attempts(1).connect().unwrap();
    let calls: Vec<_> = (0..CALLS).map(|n| pool.submit(marked, (path.clone(), n))).collect();
    let good = calls.into_iter().filter_map(|call| call.join().ok()).count();
    ended.put(u32::try_from(good).unwrap()).unwrap();
}

#[test]
fn a_call_whose_client_answers_when_it_was_given_back_is_not_counted_as_begun() {
    let Some(broker) = Broker::start() else { return };
    let (marks, ended) = (Marks::new(broker.dir()), Queue::bounded(1).unwrap());
    let arguments = (broker.url(), marks.path(), ended.clone());
    let client = ProcessBuilder::new().spawn(careful, arguments).unwrap();
    wait_until("its calls are in the stream", || broker.messages_if_any("calls") == Some(CALLS));
    let stopped = Stopped::new(client.pid());
    let mut raw = Raw::hearing(&broker, &["triptych.client.*"]);
    let first = Program::start(&broker, 1, &["--drain", "0"]);
    let question = raw.next();
    assert!(question.text().contains(&format!("/{}/", first.pid())), "{question:?}");
    // Nobody has answered whether a call may begin.
    first.signal("-TERM");
    assert_eq!(first.end(), 3, "{}", first.said());
    drop(stopped);
    let second = Program::start(&broker, 1, &[]);
    assert_eq!(ended.get_timeout(2 * BOUND).unwrap(), 20, "{}", second.said());
    let calls = usize::try_from(CALLS).unwrap();
    assert_eq!(marks.counts(calls), vec![1; calls]);
    assert!(client.wait_timeout(BOUND + Duration::from_secs(1)));
}
