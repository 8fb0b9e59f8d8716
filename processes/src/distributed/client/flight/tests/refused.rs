//! What becomes of calls that nodes refuse.

use super::*;

#[test]
fn what_nodes_refuse_for_too_long_is_not_served() {
    let (mut remote, ticket, _orders) = one_under_way(3);
    let why = "no such function";
    remote.lock().flights.get_mut(&0).unwrap().sequence = Some(7);
    assert_eq!(remote.refused(0, "a", why, LEASE), None);
    assert!(ticket.place().is_some(), "others may know it");
    assert_eq!(remote.begin(0, "b", 1, LEASE), Verdict::Go);
    remote.cluster = remote.cluster.clone().patience(Duration::ZERO);
    assert_eq!(remote.refused(0, "c", why, LEASE), None);
    assert!(ticket.place().is_some(), "a node has it and speaks");
    assert_eq!(remote.refused(0, "c", why, OVER), Some(7), "it is to be taken out");
    let error = error(&ticket);
    assert!(error.to_string().contains("c: no such function; start a node"), "{error}");
}

#[test]
fn what_was_refused_before_an_attempt_is_offered_again_after_it() {
    let (remote, ticket, _orders) = one_under_way(3);
    let refused = |node| {
        remote.refused(0, node, "version", LEASE);
        let mut state = remote.lock();
        let flight = state.flights.get_mut(&0)?;
        flight.refusals.pass(Duration::from_mins(1));
        Some(())
    };
    assert!(refused("old").is_some());
    assert_eq!(remote.begin(0, "new", 1, LEASE), Verdict::Go);
    assert!(!remote.not_here(0, "new", None), "it drains");
    assert!(refused("old").is_some(), "it was refused long ago, and begun since then");
    assert_eq!(remote.begin(0, "new", 2, LEASE), Verdict::Go);
    assert!(!remote.not_here(0, "new", Some(2)), "its workers were busy");
    assert!(refused("old").is_some(), "others may have the time");
    assert_eq!(remote.begin(0, "short", 3, LEASE), Verdict::Go);
    assert!(!remote.not_here(0, "short", Some(3)));
    remote.lock().nodes.here("busy", 1);
    assert!(refused("short").is_some(), "that one has not refused it");
    remote.lock().nodes.here("busy", 0);
    assert!(refused("short").is_none(), "it has begun it to no purpose");
    assert!(matches!(error(&ticket), JoinError::NotServed { .. }));
}
