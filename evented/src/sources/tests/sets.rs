//! What the poll sets refuse.

use super::*;

/// The poll set knows a number from a descriptor that was closed, and whose open file lives on.
#[test]
fn what_a_closed_descriptor_has_left_is_replaced() {
    let (sources, mut driver) = (Sources::default(), Script::default());
    let urgent = Class::RT.strict_rank();
    driver.stale = vec![3];
    let id = sources.insert(&mut driver, 3, Direction::Read, NORMAL).unwrap();
    assert_eq!(driver.left, [(3, NORMAL)]);
    // The same in the set of another rank, to which it goes.
    driver.stale = vec![3];
    sources.would_block(&mut driver, id, Direction::Read, (Waker::noop(), urgent)).unwrap();
    assert_eq!(driver.left, [(3, NORMAL), (3, urgent), (3, NORMAL)]);
    assert_eq!(driver.ranks, [NORMAL, urgent]);
    // One that is watched is not to be taken out for the sake of another.
    driver.stale = vec![3];
    let error = sources.insert(&mut driver, 3, Direction::Read, NORMAL).unwrap_err();
    assert_eq!((error.kind(), driver.left.len()), (io::ErrorKind::AlreadyExists, 3));
    assert!(sources.remove(id, None).0.is_empty());
    sources.insert(&mut driver, 3, Direction::Read, NORMAL).unwrap();
}

/// Nobody fails because somebody urgent waits and there is no descriptor for another set.
#[test]
fn a_source_stays_where_it_is_when_there_is_no_set_for_it() {
    let (sources, mut driver) = (Sources::default(), Script::default());
    let urgent = Class::RT.strict_rank();
    let id = sources.insert(&mut driver, 3, Direction::Read, NORMAL).unwrap();
    let waits = |driver: &mut Script, direction| {
        sources.would_block(driver, id, direction, (Waker::noop(), urgent)).unwrap();
    };
    driver.has_no_set = Some(urgent);
    waits(&mut driver, Direction::Read);
    waits(&mut driver, Direction::Write);
    assert_eq!((&driver.ranks[..], driver.left.len()), (&[NORMAL, NORMAL][..], 0));
    // As soon as there is one, it goes there.
    driver.has_no_set = None;
    waits(&mut driver, Direction::Read);
    assert_eq!(
        (&driver.ranks[..], &driver.left[..]),
        (&[NORMAL, NORMAL, urgent][..], &[(3, NORMAL)][..])
    );
    // One that is new is registered where it can be.
    driver.has_no_set = Some(urgent);
    sources.insert(&mut driver, 4, Direction::Read, urgent).unwrap();
    assert_eq!(driver.ranks.last(), Some(&Class::IDLE.strict_rank()));
}
