//! What a client says when nodes ask, without any broker.

use std::sync::{Arc, Condvar, Mutex};

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::super::super::cluster::Cluster;
use super::super::super::task::Registry;
use super::super::super::wire::Report;
use super::super::Command;
use super::super::audit::Resend;
use super::super::missed::{MISSES, Missed};
use super::*;
use crate::arena::freight::Brings;
use crate::arena::places::Brought;
use crate::call::{Argument, Code};
use crate::engine::Engine;
use crate::harvest::{Harvest, Portion};
use crate::items::Items;
use crate::options::{CallOptions, Retry};
use crate::scope::{Keep, Keeper};
use crate::target::Target;
use crate::ticket::Ticket;
use crate::tray::Tray;

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
    remote.submit(call(&ticket));
    assert_eq!(remote.take_off(), [0]);
    (remote, ticket, orders)
}

/// A call with this ticket.
fn call(ticket: &Arc<Ticket>) -> Call {
    Call {
        target: Target::Ticket(Arc::clone(ticket)),
        code: Code::of(nothing).unwrap(),
        argument: Argument::Inline(Vec::new()),
        brought: Brought::Nothing,
        handles: Vec::new(),
        timeout: None,
        retry: Retry::default(),
        turned_away: 0,
    }
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
    assert_eq!(remote.again(0, "n", None, OVER), Verdict::Go, "nobody has begun it");
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go, "the answer was lost");
    assert_eq!(counts(&remote), (0, 0));
    assert_eq!(remote.again(0, "n", None, OVER), Verdict::Go);
    // The same node may get it again.
    assert_eq!(remote.begin(0, "a", 2, LEASE), Verdict::Go);
    assert_eq!(counts(&remote), (1, 1));
    assert_eq!(
        remote.begin(0, "b", 3, OVER),
        Verdict::Poison,
        "two nodes have asked at the same time"
    );
    assert_eq!(counts(&remote), (1, 1), "it goes on");
    assert_eq!(remote.again(0, "n", None, OVER), Verdict::Poison);
    let JoinError::Poison { attempts: 2, last } = error(&ticket) else { panic!("two attempts") };
    assert!(last.to_string().contains("node a had it"), "{last}");
    assert_eq!(
        (remote.begin(0, "b", 4, LEASE), remote.again(0, "n", None, OVER)),
        (Verdict::Poison, Verdict::Poison),
        "who was told so may not have heard it"
    );
    assert_eq!(remote.again(1, "n", None, OVER), Verdict::Drop);
}

#[test]
fn a_call_that_may_be_begun_once_is_not_begun_again() {
    let (remote, ticket, _orders) = one_under_way(1);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    assert_eq!(remote.begin(0, "a", 2, LEASE), Verdict::Poison);
    assert_eq!(remote.begin(0, "b", 2, OVER), Verdict::Poison);
    assert_eq!(remote.again(0, "n", None, OVER), Verdict::Poison);
    assert!(matches!(error(&ticket), JoinError::NodeLost { .. }));
}

#[test]
fn a_node_that_has_a_call_and_speaks_keeps_it() {
    let (remote, _ticket, _orders) = one_under_way(3);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    assert_eq!(remote.again(0, "b", None, LEASE), Verdict::Wait, "beginning a call is speaking");
    assert_eq!(remote.begin(0, "b", 2, LEASE), Verdict::Wait);
    assert_eq!(counts(&remote), (0, 0));
    remote.lock().nodes.here("a", 0);
    assert_eq!(remote.again(0, "b", None, LEASE), Verdict::Wait, "it takes no more calls");
    assert!(!remote.not_here(0, "a", None), "it has given this one back");
    assert_eq!(remote.again(0, "b", None, LEASE), Verdict::Go);
    assert_eq!(remote.begin(0, "b", 2, LEASE), Verdict::Go);
    assert_eq!(counts(&remote), (1, 1));
    for _ in 0..1_000 {
        assert_eq!(remote.again(0, "c", None, LEASE), Verdict::Wait, "as long as it speaks");
    }
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
    let error = error(&ticket);
    assert!(matches!(error, JoinError::NodeLost { .. }), "it may run there: {error}");
    assert!(remote.end_withdrawn(0, LEASE), "it has ended");
}

#[test]
fn nodes_are_not_lost_while_there_is_no_broker() {
    let (remote, ticket, _orders) = one_under_way(3);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    remote.lock().flights.get_mut(&0).unwrap().withdrawn = true;
    remote.lock().offline_since = Some(Instant::now());
    assert!(!remote.end_withdrawn(0, OVER) && ticket.place().is_some(), "nobody can hear them");
    remote.lock().offline_since = None;
    assert!(remote.end_withdrawn(0, OVER));
}

#[test]
fn a_withdrawn_call_that_runs_is_not_said_to_be_cancelled() {
    let (remote, ticket, _orders) = one_under_way(3);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    {
        let mut state = remote.lock();
        let flight = state.flights.get_mut(&0).unwrap();
        (flight.withdrawn, flight.sequence) = (true, Some(7));
    }
    // Its lease was missed, so the broker offers it to another one; but it speaks.
    assert_eq!(remote.again(0, "b", None, LEASE), Verdict::Wait);
    assert_eq!(remote.begin(0, "b", 2, LEASE), Verdict::Wait);
    assert_eq!(
        remote.resend(0, 7, OVER),
        Resend::No,
        "the broker has lost it, and nobody wants it"
    );
    assert!(ticket.place().is_some(), "it runs");
    // Now nobody knows.
    assert_eq!(remote.again(0, "b", None, OVER), Verdict::Drop);
    let lost = error(&ticket);
    assert!(matches!(lost, JoinError::NodeLost { .. }), "{lost}");

    let (remote, ticket, _orders) = one_under_way(3);
    remote.lock().flights.get_mut(&0).unwrap().withdrawn = true;
    remote.lock().flights.get_mut(&0).unwrap().sequence = Some(7);
    assert_eq!(remote.resend(0, 7, LEASE), Resend::No);
    assert!(matches!(error(&ticket), JoinError::Cancelled), "it was never begun");
}

#[test]
fn a_call_that_another_node_may_have_run_is_not_said_to_be_cancelled() {
    let (remote, ticket, _orders) = one_under_way(3);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    assert_eq!(remote.again(0, "b", None, OVER), Verdict::Go);
    assert_eq!(remote.begin(0, "b", 2, OVER), Verdict::Go);
    let from = super::super::settle::From { number: 0, node: "b", busy: Duration::ZERO };
    remote.done(from, Report::One(Err(JoinError::Cancelled)), Vec::new());
    let lost = error(&ticket);
    assert!(matches!(lost, JoinError::NodeLost { .. }), "{lost}");
    assert_eq!((remote.stats().cancelled, remote.stats().failed), (0, 1));
}

#[test]
fn calls_are_begun_for_the_last_time_one_by_one() {
    let (remote, _ticket, _orders) = one_under_way(3);
    let tickets = [(); 3].map(|()| Ticket::new(Vec::new()));
    for ticket in &tickets {
        remote.submit(call(ticket));
    }
    assert_eq!(remote.take_off(), [1, 2, 3]);
    // Two nodes are lost with all of them: one kills them, and nobody knows which.
    for (attempt, node) in [(1, "a"), (2, "b")] {
        for number in 0..4 {
            assert_eq!(remote.begin(number, node, attempt, OVER), Verdict::Go);
            assert_eq!(remote.again(number, "n", None, OVER), Verdict::Go);
        }
    }
    assert_eq!(remote.begin(0, "c", 3, OVER), Verdict::Go);
    assert_eq!(remote.begin(0, "c", 3, OVER), Verdict::Go, "it has not heard the answer");
    for number in 1..4 {
        assert_eq!(remote.begin(number, "c", 3, OVER), Verdict::Wait);
        assert_eq!(remote.again(number, "c", None, OVER), Verdict::Wait, "it fetches nothing");
        assert_eq!(remote.doubted(number), None, "that is not because another one has it");
        assert_eq!(remote.again(number, "d", None, OVER), Verdict::Go);
    }
    assert_eq!(remote.begin(1, "d", 3, OVER), Verdict::Go, "it is alone there");
    assert_eq!(remote.begin(2, "d", 3, OVER), Verdict::Wait);
    let done = |number, node| {
        let from = super::super::settle::From { number, node, busy: Duration::ZERO };
        remote.done(from, Report::One(Ok(())), Vec::new());
    };
    done(1, "d");
    assert_eq!(remote.begin(2, "d", 3, OVER), Verdict::Go);
    // That was the one.
    assert_eq!(remote.again(0, "n", None, OVER), Verdict::Poison);
    assert_eq!(remote.begin(3, "e", 3, OVER), Verdict::Go);
    done(2, "d");
    done(3, "e");
    assert_eq!(remote.stats().done, 3);
}

#[test]
fn a_call_whose_result_is_fetched_is_not_begun_again() {
    let (remote, ticket, _orders) = one_under_way(1);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    {
        let mut state = remote.lock();
        let flight = state.flights.get_mut(&0).unwrap();
        (flight.fetching, flight.sequence) = (true, Some(7));
    }
    // Its node has put it into the store, and is gone.
    assert_eq!(remote.again(0, "b", None, OVER), Verdict::Wait);
    assert_eq!(remote.begin(0, "b", 1, OVER), Verdict::Wait);
    assert_eq!(remote.resend(0, 7, OVER), Resend::No);
    assert!(!remote.end_withdrawn(0, OVER) && ticket.place().is_some());
    assert_eq!(remote.missed(0, "a", false), Missed::Wait);
    assert_eq!(remote.again(0, "b", None, OVER), Verdict::Poison);
    assert!(matches!(error(&ticket), JoinError::NodeLost { .. }));
}

#[test]
fn what_another_node_had_put_into_the_store_says_nothing_about_this_one() {
    let (remote, _ticket, _orders) = one_under_way(2);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    assert_eq!(remote.again(0, "b", None, OVER), Verdict::Go);
    assert_eq!(remote.begin(0, "b", 1, OVER), Verdict::Go);
    for _ in 0..2 * MISSES {
        assert_eq!(remote.missed(0, "a", true), Missed::Ended, "it may forget it");
    }
    assert_eq!(remote.missed(0, "b", true), Missed::Wait);
}

#[test]
fn a_result_that_the_broker_has_lost_is_made_again() {
    let (remote, ticket, _orders) = one_under_way(2);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    assert_eq!(remote.missed(0, "a", false), Missed::Wait);
    for _ in 1..MISSES {
        assert_eq!(remote.missed(0, "a", true), Missed::Wait, "perhaps it is on its way");
    }
    assert_eq!(remote.missed(0, "a", true), Missed::Send);
    assert_eq!(remote.begin(0, "b", 1, LEASE), Verdict::Go, "the first one has ended it");
    for _ in 1..MISSES {
        assert_eq!(remote.missed(0, "b", true), Missed::Wait);
    }
    assert_eq!(remote.missed(0, "b", true), Missed::Ended, "it may be begun twice");
    let lost = error(&ticket);
    assert!(lost.to_string().contains("the broker has lost its result"), "{lost}");
    assert_eq!(remote.missed(0, "b", true), Missed::Ended);
}

/// Some calls of a map, with items of no bytes.
fn items(harvest: &Arc<Harvest>, first: u64, count: u16) -> Call {
    Call {
        target: Target::Items(Portion::new(harvest, first)),
        code: Code::of(nothing).unwrap(),
        argument: Argument::Items(Items::new(vec![0; 2 * usize::from(count)], count)),
        brought: Brought::Nothing,
        handles: Vec::new(),
        timeout: None,
        retry: Retry::default(),
        turned_away: 0,
    }
}

#[test]
fn what_is_left_of_a_map_that_is_gone_is_cancelled_and_counted() {
    let (remote, _ticket, mut orders) = one_under_way(1);
    let remote = Arc::new(remote);
    let (gone, other) = (Arc::new(Harvest::default()), Arc::new(Harvest::default()));
    remote.submit(items(&gone, 0, 3));
    assert_eq!(remote.take_off(), [1]);
    let (send, locked) = std::sync::mpsc::channel();
    let mut queued = items(&gone, 3, 5);
    if let Target::Items(portion) = &mut queued.target {
        let probe: Keeper = Box::new(Probe(Arc::downgrade(&remote), send));
        portion.keepers = Some(Arc::new(Mutex::new(vec![probe])));
    }
    remote.submit(queued);
    remote.submit(items(&other, 0, 7));
    assert_eq!(remote.stats().queued, 1 + 3 + 5 + 7);
    remote.abandon(&gone);
    let stats = remote.stats();
    assert_eq!((stats.cancelled, stats.queued), (5, 1 + 3 + 7), "what has left is withdrawn");
    assert!(matches!(orders.try_recv(), Ok(Command::Withdraw(1))));
    assert_eq!(remote.lock().queue.len(), 1, "it takes no memory");
    assert_eq!(locked.try_recv(), Ok(false), "what travels with it is dropped without the lock");
    // What a tray had of it comes later.
    remote.submit(items(&gone, 8, 2));
    assert_eq!((remote.stats().cancelled, remote.lock().queue.len()), (7, 1));
}

#[test]
fn calls_that_were_cancelled_do_not_stay_in_the_queue() {
    let (remote, _ticket, _orders) = one_under_way(1);
    let cancelled = 10_000;
    for _ in 0..cancelled {
        let ticket = Ticket::new(Vec::new());
        remote.submit(call(&ticket));
        assert!(remote.cancel(&ticket));
    }
    let counted = remote.stats().cancelled;
    let queued = remote.lock().queue.len();
    assert!(queued <= 100 && counted == cancelled, "{queued} {counted}");
    let last = Ticket::new(Vec::new());
    remote.submit(call(&last));
    assert_eq!((remote.take_off(), remote.lock().cancelled), (vec![1], 0));
}

/// Says whether a client is locked when it is dropped.
#[derive(Debug)]
struct Probe(std::sync::Weak<Remote>, std::sync::mpsc::Sender<bool>);

impl Drop for Probe {
    fn drop(&mut self) {
        if let Some(remote) = self.0.upgrade() {
            self.1.send(remote.state.try_lock().is_err()).unwrap();
        }
    }
}

impl Keep for Probe {
    fn let_go(&mut self) -> bool {
        true
    }
}

#[test]
fn a_client_that_has_failed_resolves_everything_and_says_so() {
    let (remote, ticket, _orders) = one_under_way(3);
    let (remote, map) = (Arc::new(remote), Arc::new(Harvest::default()));
    remote.submit(items(&map, 0, 3));
    let planted = super::super::watch::watched(Arc::clone(&remote), "a task", async {
        panic!("planted {}", 7);
    });
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(planted);
    let lost = error(&ticket);
    assert!(lost.to_string().contains("a task has panicked: planted 7"), "{lost}");
    assert_eq!((map.ended(), remote.stats().failed), (3, 4));
    assert!(remote.is_closing() && !remote.lock().ended);
    let late = Ticket::new(Vec::new());
    remote.submit(call(&late));
    assert!(error(&late).to_string().contains("planted 7"));

    // Items that wait in a tray have nobody to wait for, either.
    let tray = Tray::new(Arc::clone(&map), Code::of(nothing).unwrap(), CallOptions::new());
    let put = |number| {
        let mut contents = tray.lock();
        let ((), _luggage) = contents.encoder.try_item(|_bytes| ((), ()));
        contents.keep(number, true, Brings::Nothing)
    };
    assert!(put(3), "it is announced");
    remote.attend(&tray);
    assert_eq!(map.ended(), 3);
    remote.finish();
    remote.wait_until_ended();
    assert_eq!(map.ended(), 4);
    assert!(put(4), "it is announced again");
    remote.attend(&tray);
    assert_eq!(map.ended(), 5);
}

mod doubts;
mod refused;
