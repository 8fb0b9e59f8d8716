//! Nodes, brokers and clients that die: every call resolves once.

use std::time::{Duration, Instant};

use processes::{Cluster, JoinError, ProcessBuilder, Queue};

use super::raw::Raw;
use super::support::{Broker, Marks, connect, mark, until_there};
use super::{marked, processes_sleep, square};
use crate::support::{BOUND, Stopped, kill, soon, wait_until};

processes::task! {
    /// Marks that it has begun, and waits for a file.
    pub(crate) fn held((marks, gate): (String, String)) -> u32 {
        mark(&marks, 0);
        until_there(&gate);
        std::process::id()
    }
}

processes::task! {
    /// Kills the node that executes it.
    pub(crate) fn deadly(marks: String) {
        mark(&marks, 0);
        kill(std::os::unix::process::parent_id());
        processes_sleep(60_000);
    }
}

processes::task! {
    pub(crate) fn marked_slowly((path, number): (String, u64)) -> u64 {
        processes_sleep(1);
        mark(&path, number);
        number
    }
}

#[test]
fn a_call_whose_node_is_killed_is_executed_by_another() {
    let Some(broker) = Broker::start() else { return };
    let (marks, gate) = (Marks::new(broker.dir()), broker.dir().join("gate"));
    let first = broker.node(1);
    let pool = broker.connect();
    let call = pool.submit(held, (marks.path(), gate.to_str().unwrap().to_owned()));
    wait_until("it has begun", || marks.counts(1) == [1]);
    let _second = broker.node(1);
    first.kill();
    // The other one serves meanwhile.
    let others: Result<Vec<_>, _> = pool.map(square, 0..100).collect();
    assert_eq!(others.unwrap().len(), 100);
    wait_until("it has begun again", || marks.counts(1) == [2]);
    std::fs::write(gate, "").unwrap();
    call.join_timeout(BOUND).expect("it ends").unwrap();
    let stats = pool.stats();
    assert_eq!((stats.done, stats.retried, stats.lost), (101, 1, 1));
}

#[test]
fn a_call_that_may_be_begun_once_is_lost_with_its_node() {
    let Some(broker) = Broker::start() else { return };
    let (marks, gate) = (Marks::new(broker.dir()), broker.dir().join("gate"));
    let first = broker.node(1);
    let pool = connect(&broker.cluster().attempts(1));
    let call = pool.submit(held, (marks.path(), gate.to_str().unwrap().to_owned()));
    wait_until("it has begun", || marks.counts(1) == [1]);
    let _second = broker.node(1);
    first.kill();
    let error = call.join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(matches!(error, JoinError::NodeLost { .. }), "{error}");
    assert_eq!(marks.counts(1), [1]);
}

#[test]
fn a_call_that_kills_its_nodes_is_given_up() {
    let Some(broker) = Broker::start() else { return };
    let marks = Marks::new(broker.dir());
    let nodes = [broker.node(1), broker.node(1), broker.node(1), broker.node(1)];
    let pool = broker.connect();
    let call = pool.submit(deadly, marks.path());
    let error = call.join_timeout(BOUND).expect("it ends").unwrap_err();
    let JoinError::Poison { attempts, last, .. } = &error else { panic!("{error}") };
    assert_eq!((*attempts, marks.counts(1)), (3, vec![3]));
    assert!(matches!(**last, JoinError::NodeLost { .. }), "{last}");
    let alive = nodes.iter().filter(|node| !node.process().is_finished()).count();
    assert_eq!(alive, 1, "the fourth one has buried it");
    assert_eq!(pool.submit(square, 4).join_timeout(BOUND).expect("it ends").unwrap(), 16);
    wait_until("it is kept for people", || broker.messages("dead") == 1);
    drop(pool);
    wait_until("the stream is empty", || broker.messages("calls") == 0);
}

#[test]
fn a_call_that_kills_its_nodes_takes_no_other_with_it() {
    let Some(broker) = Broker::start() else { return };
    let marks = Marks::new(broker.dir());
    let _nodes = [(); 5].map(|()| broker.node(1));
    let pool = broker.connect();
    // Short calls are begun many at a time, one behind the other.
    let first: Vec<_> = (0..300).map(|x| pool.submit(square, x)).collect();
    assert!(first.into_iter().all(|call| call.join_timeout(BOUND).expect("it ends").is_ok()));
    let before: Vec<_> = (0..100).map(|x| pool.submit(square, x)).collect();
    let call = pool.submit(deadly, marks.path());
    let after: Vec<_> = (0..100).map(|x| pool.submit(square, x)).collect();
    let error = call.join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(matches!(error, JoinError::Poison { attempts: 3, .. }), "{error}");
    for other in before.into_iter().chain(after) {
        let result = other.join_timeout(BOUND).expect("it ends");
        assert!(result.is_ok(), "{result:?}");
    }
    assert_eq!((marks.counts(1), pool.stats().done), (vec![3], 500));
}

#[test]
fn a_broker_that_is_stopped_and_started_costs_time_only() {
    let Some(mut broker) = Broker::start() else { return };
    let _nodes = [broker.node(1), broker.node(1)];
    let (pool, marks) = (broker.connect(), Marks::new(broker.dir()));
    let path = marks.path();
    let results = pool.map(marked_slowly, (0..2_000).map(|n| (path.clone(), n)));
    let mut seen = 0_u64;
    for result in results {
        assert_eq!(result.unwrap(), seen);
        seen += 1;
        if seen == 300 {
            broker.stop();
            broker.run();
            assert!(broker.is_up());
        }
    }
    assert_eq!(seen, 2_000);
    assert!(marks.counts(2_000).iter().all(|&count| count >= 1));
    assert_eq!(pool.stats().done, 2_000);
}

#[test]
fn a_broker_that_has_forgotten_everything_costs_time_only() {
    let Some(mut broker) = Broker::start() else { return };
    let pool = broker.connect();
    let calls: Vec<_> = (0..50).map(|x| pool.submit(square, x)).collect();
    wait_until("they are in the stream", || broker.messages("calls") == 50);
    broker.stop();
    std::fs::remove_dir_all(broker.dir().join("store")).unwrap();
    broker.run();
    assert!(broker.is_up());
    let _node = broker.node(2);
    for (x, call) in (0..).zip(calls) {
        assert_eq!(call.join_timeout(2 * BOUND).expect("it ends").unwrap(), x * x);
    }
    assert_eq!(pool.stats().done, 50);
}

#[test]
fn a_node_keeps_what_it_executes_when_the_broker_has_lost_it() {
    let Some(mut broker) = Broker::start() else { return };
    let (marks, gate) = (Marks::new(broker.dir()), broker.dir().join("gate"));
    // Long enough for all of them to find the broker again.
    let pool = connect(&broker.cluster().lease(Duration::from_secs(12)).attempts(1));
    let first = broker.node(1);
    let call = pool.submit(held, (marks.path(), gate.to_str().unwrap().to_owned()));
    wait_until("it has begun", || marks.counts(1) == [1]);
    let _second = broker.node(1);
    broker.purge_calls();
    broker.stop();
    broker.run();
    assert!(broker.is_up());
    let mut raw = Raw::hearing(&broker, &["triptych.nodes", "triptych.client.*"]);
    // The client looks for its call, and asks the node that has it, rather than send it again.
    let name = format!("/{}", first.process().pid());
    let asked = std::iter::repeat_with(|| raw.next());
    let mut asked = asked.filter(|message| message.text().contains(&name));
    let asked = asked.find(|message| message.subject == "triptych.nodes").unwrap();
    std::fs::write(gate, "").unwrap();
    call.join_timeout(BOUND).expect("it ends").unwrap();
    assert_eq!((marks.counts(1), broker.messages("calls")), (vec![1], 0));
    // Asked now, the node says that it does not have it.
    let _before = raw.heard();
    raw.say("triptych.nodes", &asked.payload);
    let answer = raw.next();
    assert!(answer.subject.starts_with("triptych.client.") && answer.text().contains(&name));
}

/// The program of a client that does not live long.
fn short_lived((url, path, ready): (String, String, Queue<u32>)) {
    let pool = Cluster::new(url).lease(Duration::from_secs(2)).connect().unwrap();
    let calls: Vec<_> = (0..200).map(|n| pool.submit(marked_slowly, (path.clone(), n))).collect();
    wait_until("some have ended", || calls.iter().filter(|call| call.is_finished()).count() > 20);
    ready.put(0).unwrap();
    processes_sleep(600_000);
}

/// The program of a client that submits calls and waits for them.
fn patient((url, path, ended): (String, String, Queue<u32>)) {
    let cluster = Cluster::new(url).lease(Duration::from_secs(2));
    // What a node asks for, and does not begin, because the answer comes late, is no attempt.
    let pool = cluster.attempts(1).connect().unwrap();
    let calls: Vec<_> = (0..50).map(|n| pool.submit(marked, (path.clone(), n))).collect();
    let good = calls.into_iter().filter_map(|call| call.join().ok()).count();
    ended.put(u32::try_from(good).unwrap()).unwrap();
}

#[test]
fn a_client_that_is_stopped_holds_up_nobody() {
    let Some(broker) = Broker::start() else { return };
    let (marks, ended) = (Marks::new(broker.dir()), Queue::bounded(1).unwrap());
    let arguments = (broker.url(), marks.path(), ended.clone());
    let client = ProcessBuilder::new().spawn(patient, arguments).unwrap();
    wait_until("its calls are in the stream", || broker.messages_if_any("calls") == Some(50));
    let stopped = Stopped::new(client.pid());
    // The node asks before it begins them, and has one worker.
    let _node = broker.node(1);
    let pool = broker.connect();
    for n in 0..20 {
        let call = pool.submit(square, n);
        assert_eq!(call.join_timeout(BOUND).expect("it ends").unwrap(), n * n);
    }
    assert_eq!(marks.counts(50), vec![0; 50], "nobody has said that they may begin");
    drop(stopped);
    assert_eq!(ended.get_timeout(2 * BOUND).unwrap(), 50);
    assert_eq!(marks.counts(50), vec![1; 50]);
}

#[test]
fn a_client_that_is_killed_holds_up_nobody() {
    let Some(broker) = Broker::start() else { return };
    let _nodes = [broker.node(1), broker.node(1)];
    let (old, new) = (broker.dir().join("old"), Marks::new(broker.dir()));
    std::fs::create_dir(&old).unwrap();
    let (old, ready) = (Marks::new(&old), Queue::bounded(1).unwrap());
    let arguments = (broker.url(), old.path(), ready.clone());
    let client = ProcessBuilder::new().spawn(short_lived, arguments).unwrap();
    soon(&ready);
    client.kill();
    let pool = broker.connect();
    let results = pool.map(marked, (0..1_000).map(|n| (new.path(), n)));
    assert_eq!(results.flatten().count(), 1_000);
    assert_eq!(new.counts(1_000), vec![1; 1_000]);
    assert!(old.counts(200).iter().all(|&count| count <= 1));
    // It might come back for 30 s.
    let begun = Instant::now();
    wait_until("a part of that has passed", || begun.elapsed() > Duration::from_secs(20));
    wait_until("what it had under way is dropped", || broker.messages("calls") == 0);
    assert!(old.counts(200).iter().all(|&count| count <= 1));
}
