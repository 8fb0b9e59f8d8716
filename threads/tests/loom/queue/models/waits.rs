//! The protocol of waiting, whole.

use super::super::core::Core;
use super::super::primitives::Deadline;
use super::super::store::{Refused, Store};
use super::counter::Counter;
use super::explore;

/// A wait without a limit.
const FOR_EVER: Option<Deadline> = Some(Deadline::Never);
/// A wait whose time is over at any moment.
const BRIEFLY: Option<Deadline> = Some(Deadline::Over);

/// The queue under test.
type Queue = Core<Counter>;

/// A queue with one place.
fn one() -> Queue {
    Core::new(1)
}

/// A queue with two places.
fn two() -> Queue {
    Core::new(2)
}

/// Puts a value: how many were put.
fn put(queue: &Queue, deadline: Option<Deadline>) -> u32 {
    u32::from(queue.put((), deadline).is_ok())
}

/// Gets a value: how many were got.
fn get(queue: &Queue, deadline: Option<Deadline>) -> u32 {
    u32::from(queue.get(deadline).is_ok())
}

/// Two values that are put, and two that are got, at a time.
#[test]
fn batches_pass_the_word_on() {
    explore(
        two,
        &[
            |queue| get(queue, FOR_EVER),
            |queue| queue.get_many(2, FOR_EVER).map_or(0, |values| values.len() as u32),
            |queue| {
                assert!(queue.put_many(vec![(), ()], FOR_EVER).is_ok());
                queue.shut_down();
                0
            },
        ],
        |queue, got| assert_eq!(got + get(queue, None) + get(queue, None), 2),
    );
}

/// Two values reach two getters that wait, of which only one is woken by a put.
#[test]
fn the_word_is_passed_to_the_second_getter() {
    explore(
        two,
        &[
            |queue| get(queue, FOR_EVER),
            |queue| get(queue, FOR_EVER),
            |queue| {
                assert_eq!(put(queue, FOR_EVER) + put(queue, FOR_EVER), 2);
                0
            },
        ],
        |_queue, got| assert_eq!(got, 2),
    );
}

/// A getter whose time is over in the moment when it is told: the other one is not forgotten.
#[test]
fn a_getter_that_times_out_gives_its_word_on() {
    explore(
        two,
        &[
            |queue| get(queue, FOR_EVER),
            |queue| {
                // Back again, so that there is a value for the patient one in any case.
                if get(queue, BRIEFLY) > 0 {
                    put(queue, FOR_EVER);
                }
                0
            },
            |queue| {
                assert_eq!(put(queue, FOR_EVER), 1);
                0
            },
        ],
        |_queue, got| assert_eq!(got, 1),
    );
}

/// Putters wait for the only place; both come back, and their values arrive.
#[test]
fn both_putters_return() {
    explore(
        one,
        &[
            |queue| {
                assert_eq!(put(queue, FOR_EVER), 1);
                0
            },
            |queue| {
                assert_eq!(put(queue, FOR_EVER), 1);
                0
            },
            |queue| (0..2).map(|_| get(queue, FOR_EVER)).sum(),
        ],
        |_queue, got| assert_eq!(got, 2),
    );
}

/// A put that times out has put its value or gives it back, and whoever waits behind it is
/// not forgotten.
#[test]
fn a_putter_that_times_out_gives_its_word_on() {
    explore(
        one,
        &[
            |queue| 100 * put(queue, BRIEFLY),
            |queue| {
                assert_eq!(put(queue, FOR_EVER), 1);
                0
            },
            |queue| get(queue, FOR_EVER),
        ],
        |queue, sum| {
            let left = get(queue, None);
            assert_eq!(sum / 100 + 1, sum % 100 + left, "put and got");
        },
    );
}

/// Who waits while the queue is shut down goes on, with the right answer.
#[test]
fn shutdown_reaches_everyone() {
    explore(
        one,
        &[
            |queue| 100 * (put(queue, FOR_EVER) + put(queue, FOR_EVER)),
            |queue| get(queue, FOR_EVER),
            |queue| {
                queue.shut_down();
                0
            },
        ],
        |queue, sum| {
            let left = get(queue, None);
            assert_eq!(sum / 100, sum % 100 + left, "put and got");
            assert_eq!(queue.get(FOR_EVER), Err(Refused::ShutDown));
        },
    );
}

/// `join` returns when everything is dealt with, by whom it may be.
#[test]
fn join_returns() {
    explore(
        two,
        &[
            |queue| {
                assert!(queue.put_many(vec![(), ()], FOR_EVER).is_ok());
                assert!(queue.join(Deadline::Never));
                assert_eq!(queue.unfinished(), 0);
                0
            },
            |queue| {
                assert_eq!(get(queue, FOR_EVER), 1);
                assert!(queue.task_done());
                0
            },
            |queue| {
                assert_eq!(get(queue, FOR_EVER), 1);
                assert!(queue.task_done());
                0
            },
        ],
        |queue, _| assert!(!queue.task_done(), "there are no more"),
    );
}

/// `join` returns when values are discarded instead.
#[test]
fn join_returns_after_a_discard() {
    explore(
        one,
        &[
            |queue| {
                put(queue, FOR_EVER);
                assert!(queue.join(Deadline::Never));
                0
            },
            |queue| {
                queue.discard();
                0
            },
        ],
        |queue, _| assert_eq!((queue.store.len(), queue.unfinished()), (0, 0)),
    );
}
