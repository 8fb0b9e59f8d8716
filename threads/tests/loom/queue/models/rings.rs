//! The ring: each value is taken once, by a thread that sees it written, and in order.

use super::super::ring::Ring;
use super::super::store::{Refused, Store};
use super::explore;

/// Puts a value: the value, or zero.
fn put(ring: &Ring<u32>, value: u32) -> u32 {
    match ring.push(value) {
        Ok(()) => value,
        Err((back, refused)) => {
            assert_eq!((back, refused), (value, Refused::NotNow));
            0
        }
    }
}

/// Takes a value: the value, or zero.
fn get(ring: &Ring<u32>) -> u32 {
    ring.pop().unwrap_or_else(|refused| {
        assert_eq!(refused, Refused::NotNow);
        0
    })
}

/// Two putters and the only place. (Putters report in hundreds.)
#[test]
fn two_putters_and_a_getter() {
    explore(
        || Ring::new(1),
        &[|ring| 100 * put(ring, 1), |ring| 100 * put(ring, 2), |ring| get(ring) + get(ring)],
        |ring, sum| {
            assert_eq!(sum / 100, sum % 100 + get(ring), "put and got");
            assert_eq!(ring.len(), 0);
        },
    );
}

/// A putter that comes round.
#[test]
fn the_places_are_used_again() {
    explore(
        || Ring::new(1),
        &[|ring| 100 * (put(ring, 1) + put(ring, 2)), |ring| get(ring) + get(ring)],
        |ring, sum| {
            let left = get(ring);
            assert_eq!(sum / 100, sum % 100 + left, "put and got");
            assert!(left != 1 || sum == 100, "the older one went first");
            assert_eq!(ring.len(), 0);
        },
    );
}

/// What is put while the ring is closed is refused or can be taken, and nothing comes after.
#[test]
fn closing() {
    explore(
        || Ring::new(2),
        &[
            |ring: &Ring<u32>| 100 * u32::from(ring.push(7).is_ok()),
            |ring| {
                ring.close();
                ring.take_all().len() as u32
            },
        ],
        |ring, sum| {
            assert_eq!(sum / 100, sum % 100, "put and taken");
            assert_eq!(
                (ring.push(1), ring.pop()),
                (Err((1, Refused::ShutDown)), Err(Refused::ShutDown))
            );
        },
    );
}

/// A thread that alone puts finds a place when a value was got, and one that alone gets finds
/// a value when it was put: nobody is refused because another is not through.
#[test]
fn nobody_is_refused_for_the_slowness_of_another() {
    explore(
        || {
            let ring: Ring<u32> = Ring::new(2);
            assert_eq!((ring.push(1), ring.push(2)), (Ok(()), Ok(())));
            ring
        },
        &[
            |ring| {
                let got = get(ring);
                // This one or the other getter has made a place.
                assert_eq!(ring.push(4), Ok(()));
                got
            },
            |ring| {
                let got = get(ring);
                assert!(got > 0, "there was a value at any moment");
                got
            },
        ],
        |ring, sum| assert_eq!(sum + get(ring), 7),
    );
}

/// The places of a ring whose capacity is no power of two, many laps.
#[test]
fn three_places() {
    loom::model(|| {
        let ring = Ring::new(3);
        for lap in 0..5 {
            for value in 0..3 {
                assert_eq!((ring.push(value), ring.len() as u32), (Ok(()), value + 1));
            }
            assert_eq!(ring.push(9), Err((9, Refused::NotNow)));
            assert_eq!((ring.puts(), ring.hint()), (3 * (lap + 1), 3));
            (0..3).for_each(|value| assert_eq!(ring.pop(), Ok(value)));
            assert_eq!(ring.pop(), Err(Refused::NotNow));
        }
    });
}
