//! What a client says when nodes ask, without any broker.

use std::sync::{Arc, Condvar, Mutex};

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::super::super::cluster::Cluster;
use super::super::super::task::Registry;
use super::super::Command;
use super::*;
use crate::arena::places::Brought;
use crate::call::Code;
use crate::engine::Engine;
use crate::options::Retry;
use crate::target::Target;
use crate::ticket::Ticket;

/// For so long a node counts that was heard of.
const LEASE: Duration = Duration::from_mins(1);

/// With this one, no other node counts.
const OVER: Duration = Duration::ZERO;

crate::task! {
    fn nothing(_x: ()) {}
}

/// A client whose calls are begun by so many nodes at most, with one call under way, of number 0.
fn one_under_way(attempts: u32) -> (Remote, Arc<Ticket>, UnboundedReceiver<Command>) {
    let (commands, orders) = unbounded_channel();
    let remote = Remote {
        cluster: Cluster::new("nats://127.0.0.1").attempts(attempts),
        id: 7,
        state: Mutex::default(),
        changed: Condvar::new(),
        commands,
        work: Notify::new(),
        desk: Arc::default(),
        registry: Registry::get().unwrap(),
    };
    let ticket = Ticket::new(Vec::new());
    remote.submit(Call {
        target: Target::Ticket(Arc::clone(&ticket)),
        code: Code::of(nothing).unwrap(),
        argument: Argument::Inline(Vec::new()),
        brought: Brought::Nothing,
        handles: Vec::new(),
        timeout: None,
        retry: Retry::default(),
    });
    assert_eq!(remote.take_off(), [0]);
    (remote, ticket, orders)
}

/// The error that a call has ended with.
fn error(ticket: &Arc<Ticket>) -> JoinError {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match ticket.poll(&mut context) {
        std::task::Poll::Ready(Err(error)) => error,
        _ => panic!("it has not failed"),
    }
}

/// Calls that were begun again, and nodes that were lost.
fn counts(remote: &Remote) -> (u64, u64) {
    let counters = remote.lock().counters;
    (counters.retried, counters.lost)
}

#[test]
fn each_beginning_is_counted_once_and_before_it() {
    let (remote, ticket, _orders) = one_under_way(2);
    assert_eq!(remote.again(0, "n", OVER), Verdict::Go, "nobody has begun it");
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go, "the answer was lost");
    assert_eq!(counts(&remote), (0, 0));
    assert_eq!(remote.again(0, "n", OVER), Verdict::Go);
    // The same node may get it again.
    assert_eq!(remote.begin(0, "a", 2, LEASE), Verdict::Go);
    assert_eq!(counts(&remote), (1, 1));
    assert_eq!(
        remote.begin(0, "b", 3, OVER),
        Verdict::Poison,
        "two nodes have asked at the same time"
    );
    assert_eq!(counts(&remote), (1, 1), "it goes on");
    assert_eq!(remote.again(0, "n", OVER), Verdict::Poison);
    let JoinError::Poison { attempts: 2, last } = error(&ticket) else { panic!("two attempts") };
    assert!(last.to_string().contains("node a had it"), "{last}");
    assert_eq!(
        (remote.begin(0, "b", 4, LEASE), remote.again(0, "n", OVER)),
        (Verdict::Drop, Verdict::Drop)
    );
}

#[test]
fn a_call_that_may_be_begun_once_is_not_begun_again() {
    let (remote, ticket, _orders) = one_under_way(1);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    assert_eq!(remote.begin(0, "a", 2, LEASE), Verdict::Poison);
    assert_eq!(remote.begin(0, "b", 2, OVER), Verdict::Poison);
    assert_eq!(remote.again(0, "n", OVER), Verdict::Poison);
    assert!(matches!(error(&ticket), JoinError::NodeLost { .. }));
}

#[test]
fn a_node_that_has_a_call_and_speaks_keeps_it() {
    let (remote, _ticket, _orders) = one_under_way(3);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    assert_eq!(remote.again(0, "b", LEASE), Verdict::Wait, "beginning a call is speaking");
    assert_eq!(remote.begin(0, "b", 2, LEASE), Verdict::Wait);
    assert_eq!(counts(&remote), (0, 0));
    remote.lock().nodes.here("a", 0);
    assert_eq!(remote.again(0, "b", LEASE), Verdict::Go, "it has left");
    assert_eq!(remote.begin(0, "b", 2, LEASE), Verdict::Go);
    assert_eq!(counts(&remote), (1, 1));
    let waits = std::iter::repeat_with(|| remote.again(0, "c", LEASE));
    let waits = waits.take(1_000).take_while(|verdict| *verdict == Verdict::Wait).count();
    assert!(
        (1..1_000).contains(&waits),
        "a name that another node has is not believed for ever: {waits}"
    );
}

#[test]
fn a_call_that_nobody_wants_does_not_begin() {
    let (remote, ticket, _orders) = one_under_way(3);
    remote.lock().flights.get_mut(&0).unwrap().withdrawn = true;
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Drop);
    assert!(matches!(error(&ticket), JoinError::Cancelled));
}

#[test]
fn a_withdrawn_call_that_a_node_has_ends_when_that_is_silent() {
    let (remote, ticket, _orders) = one_under_way(3);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    remote.lock().flights.get_mut(&0).unwrap().withdrawn = true;
    assert!(!remote.end_withdrawn(0, LEASE) && ticket.place().is_some(), "it runs");
    assert!(remote.end_withdrawn(0, OVER));
    assert!(matches!(error(&ticket), JoinError::Cancelled));
    assert!(remote.end_withdrawn(0, LEASE), "it has ended");
}

#[test]
fn what_nodes_refuse_for_too_long_is_not_served() {
    let (mut remote, ticket, _orders) = one_under_way(3);
    remote.refused(0, "a", "no such function");
    assert!(ticket.place().is_some(), "others may know it");
    assert_eq!(remote.begin(0, "b", 1, LEASE), Verdict::Go);
    remote.cluster = remote.cluster.clone().patience(Duration::ZERO);
    remote.refused(0, "c", "no such function");
    let error = error(&ticket);
    assert!(error.to_string().contains("c: no such function"), "{error}");
}
