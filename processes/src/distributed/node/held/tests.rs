//! What a node knows, without any broker.

use super::super::pace::MAX_AHEAD;
use super::*;

#[test]
fn short_calls_are_fetched_ahead_and_long_ones_are_not() {
    let (shelf, now) = (Shelf::new(3, GONE_AFTER), Instant::now());
    let room = || shelf.room_at(now);
    assert_eq!(room(), 3, "nobody knows");
    let learn = |took| {
        for _ in 0..200 {
            shelf.stage.pace.learn(took, now);
        }
    };
    learn(Duration::from_secs(2));
    assert_eq!(room(), 3);
    shelf.in_hand.set(2);
    assert_eq!(room(), 1);
    shelf.requested.set(1);
    assert_eq!(room(), 0);
    learn(Duration::from_micros(800));
    assert!((33..=36).contains(&room()), "{}", room());
    shelf.requested.set(20);
    assert_eq!(room(), 0, "it is not worth a request");
    shelf.in_hand.set(1);
    shelf.requested.set(1);
    assert!(room() > 33, "a worker has nothing to do");
    learn(Duration::ZERO);
    assert_eq!(room(), 3 * MAX_AHEAD - 2);
}

#[test]
fn results_that_nobody_confirms_leave_no_room_unless_their_client_is_not_there() {
    let shelf = Shelf::new(1, GONE_AFTER);
    for number in 0..KEPT as u64 {
        assert!(shelf.room() > 0, "{number}");
        shelf.take(CallId { client: 7, number }, "place".into());
    }
    assert_eq!(shelf.room(), 0);
    shelf.is_not_there(8);
    assert_eq!(shelf.room(), 0);
    assert!(is_told(&shelf.eased));
    shelf.is_not_there(7);
    assert!(shelf.room() == 1 && is_told(&shelf.eased), "whoever waits for room looks again");
    shelf.is_there(7);
    let fourth = CallId { client: 7, number: 3 };
    shelf.drop_call(fourth);
    assert_eq!(shelf.room(), 1);
    let long = shelf.take(fourth, "place".into()).unwrap();
    shelf.keep(&long, KEPT_BYTES);
    shelf.drop_call(CallId { client: 7, number: 4 });
    assert_eq!(shelf.room(), 0, "it is long");
    is_told(&shelf.eased);
    shelf.keep(&long, KEPT_BYTES / 2);
    assert!(shelf.room() == 1 && is_told(&shelf.eased), "the rest is in the store");
    shelf.keep(&long, KEPT_BYTES);
    assert_eq!(shelf.room(), 0);
    shelf.drop_call(fourth);
    assert_eq!((shelf.room(), shelf.kept_bytes.get()), (1, 0));
}

#[test]
fn only_so_many_withdrawn_calls_are_remembered() {
    let shelf = Shelf::new(1, GONE_AFTER);
    let id = |number| CallId { client: 1, number };
    for number in 0..2 * MAX_WITHDRAWN as u64 {
        shelf.withdraw(id(number));
    }
    assert!(!shelf.is_withdrawn(id(0)) && shelf.is_withdrawn(id(MAX_WITHDRAWN as u64 + 1)));
    assert_eq!(shelf.withdrawn.borrow().0.len(), MAX_WITHDRAWN);
}

/// Whether somebody was told since this was asked last.
fn is_told(notify: &Notify) -> bool {
    futures_lite::future::block_on(poll_once(notify.notified())).is_some()
}

/// Lets it be so much later for what is known of a client that is not there.
fn pass(shelf: &Shelf, client: u128, time: Duration) {
    let mut silent = shelf.silent.borrow_mut();
    let known = silent.get_mut(&client).unwrap();
    known.first = known.first.checked_sub(time).unwrap();
    known.since = known.since.checked_sub(time).unwrap();
    known.until = known.until.checked_sub(time).unwrap();
}

/// Has a client not be there, again and again, until it is gone.
fn let_go(shelf: &Shelf, client: u128) {
    shelf.is_not_there(client);
    for _ in 0..10 {
        assert!(!shelf.is_gone(client) && shelf.quiet_clients() == [client]);
        pass(shelf, client, GONE_AFTER / 10);
        shelf.is_not_there(client);
    }
    assert!(shelf.is_gone(client) && shelf.quiet_clients().is_empty());
}

#[test]
fn a_client_is_gone_after_a_while_only() {
    let shelf = Shelf::new(1, GONE_AFTER);
    assert!(!shelf.is_gone(7));
    let_go(&shelf, 7);
    assert!(!shelf.is_gone(8));
    shelf.is_there(7);
    assert!(!shelf.is_gone(7));
    shelf.has_not_answered(7);
    assert!(shelf.is_slow(7) && !shelf.is_slow(8) && !shelf.is_gone(7));
    shelf.is_there(7);
    assert!(!shelf.is_slow(7));
    shelf.has_not_answered(7);
    shelf.slow.borrow_mut().insert(7, Instant::now().checked_sub(SLOW_FOR).unwrap());
    assert!(!shelf.is_slow(7), "it may be asked again");
    shelf.is_leaving(9);
    shelf.is_there(9);
    assert!(shelf.is_gone(9), "it has said so");
}

#[test]
fn a_client_that_was_away_twice_was_there_in_between_as_far_as_anybody_knows() {
    let shelf = Shelf::new(1, GONE_AFTER);
    shelf.is_not_there(7);
    pass(&shelf, 7, 2 * GONE_AFTER);
    assert!(!shelf.is_gone(7), "nobody has looked for it since");
    shelf.is_not_there(7);
    assert!(!shelf.is_gone(7));
    let_go(&shelf, 7);
    pass(&shelf, 7, 2 * GONE_AFTER);
    shelf.is_not_there(7);
    assert!(shelf.is_gone(7), "it was gone, and has not come back");
    assert!(!shelf.is_forsaken(7) && !shelf.is_forsaken(8));
    shelf.silent.borrow_mut().get_mut(&7).unwrap().until += FORSAKEN * GONE_AFTER;
    assert!(shelf.is_forsaken(7));
    shelf.is_there(7);
    assert!(!shelf.is_forsaken(7));
    shelf.is_leaving(7);
    assert!(shelf.is_forsaken(7), "it does not come back");
}

#[test]
fn a_client_that_comes_back_is_asked() {
    let shelf = Shelf::new(1, GONE_AFTER);
    let id = CallId { client: 7, number: 1 };
    assert_eq!((shelf.first(id, 1), shelf.first(id, 2)), (First::Begin, First::Ask));
    shelf.is_not_there(7);
    assert_eq!((shelf.first(id, 1), shelf.first(id, 2)), (First::Later, First::Ask));
    shelf.is_there(7);
    let_go(&shelf, 7);
    assert_eq!((shelf.first(id, 1), shelf.first(id, 2)), (First::Ask, First::Ask));
    shelf.has_not_answered(7);
    assert_eq!(shelf.first(id, 2), First::Later);
    shelf.is_there(7);
    assert_eq!(shelf.first(id, 1), First::Begin);
    shelf.withdraw(id);
    assert_eq!(shelf.first(id, 2), First::Drop);
    shelf.is_leaving(7);
    assert_eq!(shelf.first(CallId { client: 7, number: 2 }, 2), First::Drop);
}

#[test]
fn what_was_said_before_a_call_has_ended_confirms_no_result() {
    let shelf = Shelf::new(1, GONE_AFTER);
    let id = CallId { client: 7, number: 1 };
    let held = shelf.take(id, "place".into()).unwrap();
    let_go(&shelf, 7);
    shelf.is_there(7);
    let ends = || futures_lite::future::block_on(shelf.ends(id, &held, 10));
    ends();
    assert!(!is_told(&held.confirmed) && held.kept.get() == 10);
    let_go(&shelf, 7);
    assert!(is_told(&held.confirmed), "it is gone again");
    shelf.is_leaving(7);
    ends();
    assert!(is_told(&held.confirmed), "it does not say that again");
}

#[test]
fn a_result_is_kept_from_its_end_on_also_when_its_client_was_not_there_before() {
    let shelf = Shelf::new(1, GONE_AFTER);
    let id = CallId { client: 7, number: 1 };
    let held = shelf.take(id, "place".into()).unwrap();
    let ends = || futures_lite::future::block_on(shelf.ends(id, &held, 10));
    // Its node has asked about it meanwhile.
    let_go(&shelf, 7);
    ends();
    assert!(!shelf.is_gone(7) && shelf.quiet_clients() == [7]);
    for _ in 0..9 {
        pass(&shelf, 7, GONE_AFTER / 10);
        shelf.is_not_there(7);
        assert!(!is_told(&held.confirmed), "it may come back");
    }
    pass(&shelf, 7, GONE_AFTER / 10);
    shelf.is_not_there(7);
    assert!(shelf.is_gone(7) && is_told(&held.confirmed));
    // That does not put off when nobody waits any more for what runs.
    for _ in 0..2 * FORSAKEN {
        ends();
        pass(&shelf, 7, GONE_AFTER / 2);
        shelf.silent.borrow_mut().get_mut(&7).unwrap().until += GONE_AFTER / 2;
    }
    assert!(shelf.is_forsaken(7));
    shelf.silent.borrow_mut().get_mut(&7).unwrap().until += GONE_AFTER;
    assert!(shelf.is_gone(7));
    ends();
    assert!(shelf.is_gone(7), "it is not kept");
}
