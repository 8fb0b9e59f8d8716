//! What becomes of calls whose node may have given them up, or has never begun them.

use super::super::super::doubt::DOUBTED_EVERY;
use super::*;

/// Says that the broker has a call, here.
fn sent(remote: &Remote, sequence: u64) {
    remote.lock().flights.get_mut(&0).unwrap().sequence = Some(sequence);
}

#[test]
fn an_attempt_that_was_not_begun_is_not_counted() {
    let (remote, ticket, _orders) = one_under_way(1);
    // The answer did not come in time, twice, and the message is delivered to the same node again.
    for _ in 0..3 {
        assert_eq!(remote.begin(0, "a", 5, LEASE), Verdict::Go);
        assert!(remote.lock().is_held(0, LEASE));
        assert_eq!(remote.again(0, "a", Some(5), LEASE), Verdict::Go);
    }
    // The same, and it goes to another one.
    assert_eq!(remote.begin(0, "a", 5, LEASE), Verdict::Go);
    assert_eq!(remote.again(0, "b", Some(5), LEASE), Verdict::Wait, "that is another node's");
    assert!(!remote.not_here(0, "b", Some(5)) && remote.is_running(&ticket));
    assert!(!remote.not_here(0, "a", Some(5)), "it is in the stream");
    assert!(!remote.is_running(&ticket));
    assert_eq!(remote.again(0, "b", None, LEASE), Verdict::Go);
    assert_eq!(remote.begin(0, "b", 5, LEASE), Verdict::Go);
    assert!(!remote.not_here(0, "a", Some(5)), "it comes twice");
    assert_eq!(counts(&remote), (0, 0));
    assert_eq!(remote.again(0, "a", Some(5), OVER), Verdict::Poison);
    let lost = error(&ticket);
    assert!(lost.to_string().contains("node b had it"), "{lost}");
}

#[test]
fn an_attempt_that_was_not_begun_leaves_those_before_it() {
    let (remote, ticket, _orders) = one_under_way(2);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    assert_eq!(remote.again(0, "b", None, OVER), Verdict::Go);
    for first in [1, 2] {
        assert_eq!(remote.begin(0, "b", first, OVER), Verdict::Go);
        assert_eq!(counts(&remote), (1, 1));
        assert!(!remote.not_here(0, "b", Some(first)));
        assert_eq!(counts(&remote), (0, 1));
        assert_eq!(remote.again(0, "c", None, LEASE), Verdict::Go, "the first one is lost");
    }
    let state = remote.lock();
    let flight = &state.flights[&0];
    assert_eq!(
        (flight.begun.times(), flight.node(), flight.may_have_run_before()),
        (1, "a", false)
    );
    drop(state);
    assert_eq!(remote.begin(0, "c", 1, LEASE), Verdict::Go);
    assert_eq!(remote.again(0, "d", None, OVER), Verdict::Poison);
    let JoinError::Poison { attempts: 2, last } = error(&ticket) else { panic!("two attempts") };
    assert!(last.to_string().contains("node c had it"), "{last}");
}

#[test]
fn a_node_that_others_wait_for_is_asked_whether_it_has_the_call() {
    let (remote, _ticket, _orders) = one_under_way(2);
    assert_eq!(remote.doubted(0), None);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    let mut asked = 0;
    for _ in 0..10 * DOUBTED_EVERY {
        assert_eq!(remote.again(0, "b", None, LEASE), Verdict::Wait);
        asked += u32::from(remote.doubted(0).is_some_and(|node| node == "a"));
    }
    assert_eq!(asked, 10);
    // It has given it up, because the client was away.
    assert!(!remote.not_here(0, "a", None), "it is in the stream");
    assert_eq!(remote.again(0, "b", None, LEASE), Verdict::Go);
    assert_eq!(remote.begin(0, "b", 1, LEASE), Verdict::Go);
    assert_eq!(counts(&remote), (1, 1));
}

#[test]
fn a_call_that_the_broker_has_lost_and_a_node_has_is_not_sent_again() {
    let (remote, ticket, _orders) = one_under_way(1);
    sent(&remote, 7);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    for _ in 0..3 {
        assert_eq!(remote.resend(0, 7, LEASE), Resend::Ask("a".to_owned()));
    }
    assert_eq!(remote.resend(0, 8, LEASE), Resend::No, "that is no news");
    let from = super::super::super::settle::From { number: 0, node: "a", busy: Duration::ZERO };
    remote.done(from, Report::One(Ok(())), Vec::new());
    assert!(ticket.place().is_none() && remote.stats().done == 1);
    assert!(!remote.not_here(0, "a", None));
}

#[test]
fn a_call_that_broker_and_node_have_lost_is_sent_again_or_ends() {
    let (remote, _ticket, _orders) = one_under_way(2);
    sent(&remote, 7);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    assert_eq!(remote.resend(0, 7, LEASE), Resend::Ask("a".to_owned()));
    assert!(!remote.not_here(0, "b", None), "who is that?");
    assert!(remote.not_here(0, "a", None), "it is to be sent again");
    assert!(!remote.not_here(0, "a", None), "once");
    assert_eq!(remote.lock().flights[&0].resent, 1);
    sent(&remote, 8);
    assert_eq!(remote.begin(0, "a", 2, LEASE), Verdict::Go, "another attempt of the same node");
    assert_eq!(counts(&remote), (1, 1));
    assert_eq!(remote.resend(0, 8, OVER), Resend::Now, "it is silent");

    // It may be begun once only, or nobody wants it.
    for withdrawn in [false, true] {
        let (remote, ticket, _orders) = one_under_way(if withdrawn { 2 } else { 1 });
        sent(&remote, 7);
        assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
        remote.lock().flights.get_mut(&0).unwrap().withdrawn = withdrawn;
        assert_eq!(remote.resend(0, 7, LEASE), Resend::Ask("a".to_owned()));
        assert!(!remote.not_here(0, "a", None));
        let lost = error(&ticket);
        assert!(matches!(lost, JoinError::NodeLost { .. }), "{lost}");
    }

    // It was never begun.
    let (remote, ticket, _orders) = one_under_way(1);
    sent(&remote, 7);
    assert_eq!(remote.begin(0, "a", 1, LEASE), Verdict::Go);
    assert_eq!(remote.resend(0, 7, LEASE), Resend::Ask("a".to_owned()));
    assert!(remote.not_here(0, "a", Some(1)) && ticket.place().is_some());
    assert_eq!(counts(&remote), (0, 0));
}

#[test]
fn items_that_a_node_has_begun_go_on_there_while_somebody_reads_their_results() {
    let (remote, _ticket, _orders) = one_under_way(3);
    let map = Arc::new(Harvest::default());
    for first in [0, 3] {
        remote.submit(items(&map, first, 3));
    }
    assert_eq!(remote.take_off(), [1, 2]);
    for number in [0, 1] {
        assert_eq!(remote.begin(number, "a", 1, LEASE), Verdict::Go);
    }
    let is_told = |number| {
        let withdrawn = remote.withdraw(number, Shout::Withdraw).unwrap();
        withdrawn.word.is_some()
    };
    assert!(is_told(0), "a single one that runs is not touched by it");
    assert!(!is_told(1), "some of them may have results");
    assert!(is_told(2), "nobody has begun them");
    let wanted = |number| remote.is_wanted(number);
    assert_eq!(
        [0, 1, 2, 3].map(wanted),
        [Verdict::Wait, Verdict::Go, Verdict::Wait, Verdict::Drop]
    );
    assert!(remote.withdraw(0, Shout::Kill).unwrap().again);
    assert_eq!(wanted(0), Verdict::Drop, "it is to be killed");
    assert_eq!(remote.begin(2, "a", 2, LEASE), Verdict::Drop);
    assert_eq!(remote.begin(1, "a", 1, LEASE), Verdict::Go, "it has not heard the answer");
    assert_eq!(remote.again(1, "b", None, OVER), Verdict::Drop, "it does not begin elsewhere");
    drop(map.close());
    assert_eq!(wanted(1), Verdict::Drop, "it has ended");
    remote.submit(items(&map, 6, 1));
    assert!(remote.withdraw(1, Shout::Withdraw).is_none(), "it has ended");

    let (remote, _ticket, _orders) = one_under_way(3);
    let map = Arc::new(Harvest::default());
    remote.submit(items(&map, 0, 3));
    assert_eq!(remote.take_off(), [1]);
    assert_eq!(remote.begin(1, "a", 1, LEASE), Verdict::Go);
    let killed = remote.withdraw(1, Shout::Kill).unwrap();
    assert!(killed.word.is_some() && !killed.again);
    drop(map.close());
    let gone = remote.withdraw(1, Shout::Withdraw).unwrap();
    assert!(gone.word.is_some() && gone.again, "nobody reads them any more");
}
