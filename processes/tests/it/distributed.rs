//! Calls that go through a broker to nodes, all on this machine.

mod abandoned;
mod away;
mod bodies;
mod cuts;
mod faults;
mod full;
mod given_back;
mod interrupted;
mod machines;
mod nodes;
mod operator;
mod program;
mod raw;
mod refused;
mod security;
mod servers;
mod sick;
mod streams;
pub(crate) mod support;
mod three_brokers;
mod way;

use std::process::Stdio;
use std::time::Duration;

use processes::{JoinError, JoinHandle, Lock, Outcome, Pool, ProcessBuilder, WaitFor, wait};

use crate::support::{BOUND, wait_until};
use support::{Broker, Client, Marks, connect, mark};

processes::task! {
    /// The square of a number.
    pub(crate) fn square(x: u64) -> u64 {
        x * x
    }
}

processes::task! {
    pub(crate) fn marked((path, number): (String, u64)) -> u64 {
        mark(&path, number);
        number + 1
    }
}

processes::task! {
    fn fails(x: u64) -> u64 {
        assert!(x % 10 != 3, "no threes");
        x
    }
}

processes::task! {
    /// Panics at length after the first thousands, when many travel together.
    fn complains(x: u64) -> u64 {
        assert!(x < 20_000, "{}", "no ".repeat(5_000));
        x
    }
}

processes::task! {
    fn aborts(_x: ()) {
        std::process::abort();
    }
}

processes::task! {
    pub(crate) fn sleeps(ms: u64) -> u64 {
        processes_sleep(ms);
        ms
    }
}

processes::task! {
    fn reversed(bytes: Vec<u8>) -> Vec<u8> {
        bytes.into_iter().rev().collect()
    }
}

processes::task! {
    fn locked(_lock: Lock<u64>) {}
}

#[expect(clippy::disallowed_methods, reason = "a call that takes a while")]
pub(crate) fn processes_sleep(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

#[test]
fn results_errors_and_panics_come_back() {
    let Some(broker) = Broker::start() else { return };
    let _node = broker.node(2);
    let pool = Client::from(Pool::connect(&broker.url()).unwrap());
    assert_eq!(pool.workers(), 2);
    assert_eq!(pool.submit(square, 12).join_timeout(BOUND).expect("it ends").unwrap(), 144);

    let panicked = pool.submit(fails, 3).join_timeout(BOUND).expect("it ends").unwrap_err();
    let JoinError::Panicked { message, location, .. } = panicked else { panic!("{panicked}") };
    assert!(message.contains("no threes") && location.unwrap().contains("distributed.rs"));

    let lost = pool.submit(aborts, ()).join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(matches!(lost, JoinError::WorkerLost { signal: Some(6), .. }), "{lost}");

    let limit = Duration::from_millis(50);
    let late = pool
        .submit_timeout(sleeps, 60_000, limit)
        .join_timeout(BOUND)
        .expect("it ends")
        .unwrap_err();
    assert!(matches!(late, JoinError::TimedOut { limit: found, .. } if found == limit), "{late}");

    let handles = [1, 2, 3].map(|x| pool.submit(square, x));
    let (done, left) = wait(&handles, WaitFor::All, BOUND);
    assert_eq!((done.len(), left.len()), (3, 0));
    assert_eq!(handles[2].outcome(), Some(Outcome::Returned));

    let some: Vec<_> = pool.map(fails, 0..100).collect();
    let good = some.iter().filter(|result| result.is_ok()).count();
    assert_eq!((some.len(), good), (100, 90));
    let stats = pool.stats();
    assert_eq!((stats.done, stats.panicked, stats.failed), (1 + 3 + 90, 1 + 10, 2));
    drop(pool);
    wait_until("the stream is empty", || broker.messages("calls") == 0);
}

#[test]
fn ten_thousand_calls_are_executed_once_each() {
    let Some(broker) = Broker::start() else { return };
    let _nodes = [broker.node(1), broker.node(1)];
    let (pool, marks) = (broker.connect(), Marks::new(broker.dir()));
    let path = marks.path();
    let results = pool.map(marked, (0..10_000).map(|n| (path.clone(), n)));
    for (n, result) in (0_u64..).zip(results) {
        assert_eq!(result.unwrap(), n + 1);
    }
    assert_eq!(marks.counts(10_000), vec![1; 10_000]);
    assert_eq!((pool.stats().done, pool.stats().retried), (10_000, 0));
}

#[test]
fn a_map_that_is_dropped_leaves_nothing() {
    let Some(broker) = Broker::start() else { return };
    let _node = broker.node(1);
    let pool = broker.connect();
    let mut endless = pool.map_unordered(square, 0..);
    assert_eq!(endless.by_ref().take(500).flatten().count(), 500);
    drop(endless);
    // What is withdrawn does not hold up what comes after, and the pool ends.
    assert_eq!(pool.submit(square, 3).join_timeout(BOUND).expect("it ends").unwrap(), 9);
    drop(pool);
    wait_until("the stream is empty", || broker.messages("calls") == 0);
    let next = broker.connect();
    assert_eq!(next.submit(square, 4).join_timeout(BOUND).expect("it ends").unwrap(), 16);
}

#[test]
fn large_values_go_through_the_store() {
    let Some(broker) = Broker::start() else { return };
    let _node = broker.node(1);
    let pool = broker.connect();
    let mut bytes = vec![7; 64 << 20];
    bytes[0] = 1;
    let back = pool.submit(reversed, bytes).join_timeout(BOUND).expect("it ends").unwrap();
    assert_eq!((back.len(), back[0], back[(64 << 20) - 1]), (64 << 20, 7, 1));
    let many: Vec<_> = pool.map(reversed, (0..5).map(|n| vec![n; 700_000])).collect();
    for (n, result) in (0..).zip(many) {
        assert_eq!(result.unwrap(), vec![n; 700_000]);
    }
    drop(pool);
    wait_until("the calls are gone", || broker.messages("calls") == 0);
    wait_until("the bodies are gone", || broker.bytes_of_bodies() < MARKS);
}

processes::task! {
    /// So many bytes.
    fn bytes(length: usize) -> Vec<u8> {
        vec![1; length]
    }
}

#[test]
fn a_client_takes_no_longer_results_than_it_accepts() {
    let Some(broker) = Broker::start() else { return };
    let _node = broker.node(1);
    let pool = connect(&broker.cluster().max_payload(600_000));
    let too_large = |result| {
        let Err(JoinError::TooLarge { size, limit: 600_000, .. }) = result else {
            panic!("it is too large: {result:?}")
        };
        size
    };
    // In a message, and in the store.
    for length in [610_000, 3_000_000] {
        let result = pool.submit(bytes, length).join_timeout(BOUND).expect("it ends");
        assert!(too_large(result.map(|bytes| bytes.len())) > length);
        let results = pool.map(bytes, [5, length, 500_000]);
        let results: Vec<_> = results.map(|result| result.map(|bytes| bytes.len())).collect();
        let [Ok(5), Err(_), Ok(500_000)] = &results[..] else { panic!("{results:?}") };
    }
    assert_eq!((pool.stats().failed, pool.stats().done), (4, 4));
    drop(pool);
    wait_until("the bodies are gone", || broker.bytes_of_bodies() < MARKS);
}

/// More than what says of some objects which their parts are, and less than a body.
const MARKS: u64 = 100_000;

#[test]
fn arguments_of_calls_without_a_result_do_not_stay_in_the_store() {
    let Some(broker) = Broker::start() else { return };
    let pool = broker.connect();
    let calls: Vec<_> = (0..3).map(|n| pool.submit(reversed, vec![n; 700_000])).collect();
    wait_until("they are in the stream", || broker.messages("calls") == 3);
    assert!(broker.bytes_of_bodies() > 3 * 700_000);
    for call in calls {
        assert!(!call.cancel(), "it has left");
        let error = call.join_timeout(BOUND).expect("it ends").unwrap_err();
        assert!(matches!(error, JoinError::Cancelled), "{error}");
    }
    wait_until("the bodies are gone", || broker.bytes_of_bodies() < MARKS);
    // The pool is stopped, with calls under way.
    let _call = pool.submit(reversed, vec![0; 700_000]);
    wait_until("it is in the stream", || broker.messages("calls") == 1);
    let _unrun = pool.into_pool().shutdown_now();
    wait_until("the bodies are gone", || broker.bytes_of_bodies() < MARKS);
}

/// Submits a call that does not end by itself, and waits until it runs. (Its handle says so somewhat
/// earlier: from when the node may begin it.)
fn submit_endless(broker: &Broker, pool: &Pool) -> JoinHandle<u32> {
    let marks = Marks::new(broker.dir());
    let nowhere = broker.dir().join("nowhere").to_str().unwrap().to_owned();
    let call = pool.submit(faults::held, (marks.path(), nowhere));
    wait_until("it runs", || call.is_running() && marks.counts(1) == [1]);
    call
}

#[test]
fn what_was_not_begun_can_be_cancelled() {
    let Some(broker) = Broker::start() else { return };
    let pool = broker.connect();
    // Nobody is there: the calls lie in the stream.
    let (kept, gone) = (pool.submit(square, 5), pool.submit(square, 6));
    wait_until("they are in the stream", || broker.messages("calls") == 2);
    assert!(!gone.cancel(), "it has left");
    assert!(matches!(
        gone.join_timeout(BOUND).expect("it ends").unwrap_err(),
        JoinError::Cancelled
    ));
    let _node = broker.node(1);
    assert_eq!(kept.join_timeout(BOUND).expect("it ends").unwrap(), 25);
    let running = submit_endless(&broker, &pool);
    assert!(running.kill());
    let error = running.join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(matches!(error, JoinError::WorkerLost { .. } | JoinError::Cancelled), "{error}");
    let stats = pool.stats();
    assert_eq!(stats.done, 1, "{stats:?}");
}

#[test]
fn a_call_that_waits_is_ended_by_a_kill_and_one_that_runs_not_by_a_cancel() {
    let Some(broker) = Broker::start() else { return };
    let _node = broker.node(1);
    let pool = broker.connect();
    let running = submit_endless(&broker, &pool);
    let waiting = pool.submit(square, 2);
    wait_until("both are in the stream", || broker.messages("calls") == 2);
    assert!(!running.cancel() && waiting.kill());
    let error = waiting.join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(matches!(error, JoinError::Cancelled), "{error}");
    // The broker may not have said yet that it has this one.
    let at_once = pool.submit(square, 3);
    wait_until("it has left", || at_once.kill());
    let error = at_once.join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(matches!(error, JoinError::Cancelled), "{error}");
    wait_until("the others are gone", || broker.messages("calls") < 2);
    assert_eq!(broker.messages("calls"), 1, "the one that runs is not taken for lost");
    assert!(running.is_running() && running.kill());
    let error = running.join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(matches!(error, JoinError::WorkerLost { .. }), "{error}");
}

#[test]
fn long_errors_of_many_items_come_back() {
    let Some(broker) = Broker::start() else { return };
    let _node = broker.node_with(1, ProcessBuilder::new().stderr(Stdio::null()));
    let pool = broker.connect();
    let mut map = pool.map(complains, 0..22_000).buffer(22_000);
    let (mut good, mut bad) = (0, 0);
    while let Some(result) = map.next_timeout(BOUND).unwrap() {
        match result {
            Ok(_) => good += 1,
            Err(JoinError::Panicked { message, .. }) if message.starts_with("no no") => bad += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((good, bad), (20_000, 2_000));
}

#[test]
fn a_body_of_which_nothing_comes_holds_up_nobody() {
    let Some(broker) = Broker::start() else { return };
    let pool = broker.connect();
    let long = pool.submit(reversed, vec![1; 700_000]);
    wait_until("it is in the stream", || broker.messages("calls") == 1);
    broker.purge_bodies();
    wait_until("its parts are gone", || broker.bytes_of_bodies() < MARKS);
    // It comes first, and there is one worker.
    let other = pool.submit(square, 3);
    let _node = broker.node(1);
    assert_eq!(other.join_timeout(BOUND).expect("it ends").unwrap(), 9);
    assert!(!long.cancel(), "it has left");
    let error = long.join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(matches!(error, JoinError::Cancelled), "{error}");
}

#[test]
fn shutting_down_at_once_is_bounded() {
    let Some(broker) = Broker::start() else { return };
    let _node = broker.node(1);
    let pool = connect(&broker.cluster().grace(Duration::from_millis(100)));
    let running = submit_endless(&broker, &pool);
    let _unrun = pool.into_pool().shutdown_now();
    let error = running.join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(matches!(error, JoinError::NodeLost { .. } | JoinError::WorkerLost { .. }), "{error}");
    wait_until("the stream is empty", || broker.messages("calls") == 0);
}

#[test]
fn those_who_come_first_may_come_at_the_same_time() {
    for _ in 0..5 {
        let Some(broker) = Broker::start() else { return };
        let (cluster, start) = (broker.cluster(), std::sync::Barrier::new(8));
        let connects = || {
            start.wait();
            drop(connect(&cluster));
        };
        std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(connects))));
    }
}

#[test]
fn who_comes_while_somebody_makes_the_stream_waits_for_it() {
    let Some(broker) = Broker::start() else { return };
    // What a broker says then, it also says while another stream takes the calls.
    broker.make_stream("other", "triptych.call");
    let before = broker.refusals();
    std::thread::scope(|scope| {
        let connecting = scope.spawn(|| broker.connect());
        // There is none of that name, and there can be none: twice.
        wait_until("it has tried twice", || {
            broker.refusals() >= before + 4 || connecting.is_finished()
        });
        broker.remove_stream("other");
        let pool = connecting.join().unwrap();
        let _call = pool.submit(square, 3);
        wait_until("it is in the stream", || broker.messages_if_any("calls") == Some(1));
        let _unrun = pool.into_pool().shutdown_now();
    });
}
