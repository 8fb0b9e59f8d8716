//! The protocol of the queues (the very files of `src/queue`) under loom: no wake-up is
//! lost, and no value is lost or doubled, whichever waits time out.

#[path = "../../src/queue/batch.rs"]
mod batch;
#[path = "../../src/queue/core.rs"]
mod core;
#[path = "../../src/queue/primitives.rs"]
mod primitives;
#[path = "../../src/queue/storage.rs"]
mod storage;
#[path = "../../src/queue/tasks.rs"]
mod tasks;
#[path = "../../src/queue/waiter.rs"]
mod waiter;

use self::core::{Core, Refused, State};
use loom::{model::Builder, thread};
use primitives::Deadline;
use std::sync::Arc;
use storage::{Fifo, Lifo, Smallest, Storage};
use waiter::Waiter;

/// Preemptions per execution that loom explores: as many as show the planted defect.
const PREEMPTIONS: usize = 3;

/// A wait without a limit.
const FOR_EVER: Option<Deadline> = Some(Deadline::Never);
/// A wait whose time is over at any moment.
const BRIEFLY: Option<Deadline> = Some(Deadline::Over);

/// The queue under test.
type Queue = Arc<Core<Fifo<u32>>>;

/// Explores what these threads do with a queue of this capacity, and then `check`. A thread
/// that waits for ever is a failure.
fn explore(capacity: usize, threads: &'static [fn(&Queue) -> u32], check: fn(&Queue, u32)) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(move || {
        let queue = Arc::new(Core::new(capacity));
        let run = |body: &'static fn(&Queue) -> u32| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || body(&queue))
        };
        let threads: Vec<_> = threads.iter().map(run).collect();
        let results = threads.into_iter().map(|thread| thread.join().expect("it does not panic"));
        check(&queue, results.sum());
    });
}

/// Puts a value, or gives zero.
fn put(queue: &Queue, value: u32, deadline: Option<Deadline>) -> u32 {
    queue.put(value, deadline).map_or(0, |()| value)
}

/// Gets a value, or gives zero.
fn get(queue: &Queue, deadline: Option<Deadline>) -> u32 {
    queue.get(deadline, State::take).unwrap_or(0)
}

/// The same for two values that are put, and two that are got, at a time.
#[test]
fn batches_pass_the_word_on() {
    explore(
        2,
        &[
            |queue| get(queue, FOR_EVER),
            |queue| queue.get_many(2, FOR_EVER).map_or(0, |values| values.into_iter().sum()),
            |queue| {
                assert!(queue.put_many(vec![1, 2, 4], FOR_EVER).is_ok());
                queue.shut_down(false);
                0
            },
        ],
        |queue, got| assert_eq!(got + get(queue, None), 7),
    );
}

/// Which value is next makes no difference to the protocol: the other orders pass through it
/// once.
#[test]
fn every_order() {
    fn one<S: Storage<Item = u32>>() {
        let queue = Core::<S>::new(1);
        assert_eq!(queue.put(1, None), Ok(()));
        assert_eq!(queue.get(None, State::take), Ok(1));
    }
    loom::model(|| {
        one::<Lifo<u32>>();
        one::<Smallest<u32>>();
    });
}

/// Two values reach two getters that wait, of which only one is woken by a put.
#[test]
fn the_word_is_passed_to_the_second_getter() {
    explore(
        2,
        &[
            |queue| get(queue, FOR_EVER),
            |queue| get(queue, FOR_EVER),
            |queue| {
                assert_eq!(put(queue, 1, FOR_EVER) + put(queue, 2, FOR_EVER), 3);
                0
            },
        ],
        |_queue, got| assert_eq!(got, 3),
    );
}

/// A getter whose time is over in the moment when it is told: the other one is not forgotten.
#[test]
fn a_getter_that_times_out_gives_its_word_on() {
    explore(
        2,
        &[
            |queue| get(queue, FOR_EVER),
            |queue| {
                let got = get(queue, BRIEFLY);
                // So that there is a value for the patient one in any case.
                if got > 0 {
                    put(queue, got, FOR_EVER);
                }
                0
            },
            |queue| {
                assert_eq!(put(queue, 1, FOR_EVER), 1);
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
        1,
        &[
            |queue| {
                assert_eq!(put(queue, 1, FOR_EVER), 1);
                assert_eq!(put(queue, 2, FOR_EVER), 2);
                0
            },
            |queue| {
                assert_eq!(put(queue, 4, FOR_EVER), 4);
                0
            },
            |queue| (0..3).map(|_| get(queue, FOR_EVER)).sum(),
        ],
        |_queue, got| assert_eq!(got, 7),
    );
}

/// A put that times out has put its value or gives it back, and whoever waits behind it is
/// not forgotten.
#[test]
fn a_putter_that_times_out_gives_its_word_on() {
    explore(
        1,
        &[
            |queue| {
                let done = put(queue, 1, FOR_EVER) + put(queue, 2, BRIEFLY);
                100 * done
            },
            |queue| {
                assert_eq!(put(queue, 4, FOR_EVER), 4);
                0
            },
            |queue| get(queue, FOR_EVER) + get(queue, FOR_EVER),
        ],
        |queue, sum| {
            let left = get(queue, None);
            assert_eq!(sum / 100 + 4, sum % 100 + left, "put and got");
        },
    );
}

/// Who waits while the queue is shut down goes on, with the right answer.
#[test]
fn shutdown_reaches_everyone() {
    explore(
        1,
        &[
            |queue| {
                let put = [1, 2].map(|value| queue.put(value, FOR_EVER).map_or(0, |()| value));
                100 * put.iter().sum::<u32>()
            },
            |queue| get(queue, FOR_EVER),
            |queue| {
                assert!(queue.shut_down(false).is_none());
                0
            },
        ],
        |queue, sum| {
            let left = get(queue, None);
            assert_eq!(sum / 100, sum % 100 + left, "put and got");
            assert_eq!(queue.get(FOR_EVER, State::take), Err(Refused::ShutDown));
        },
    );
}

/// `join` returns when everything is dealt with, also if values are discarded instead.
#[test]
fn join_returns() {
    explore(
        2,
        &[
            |queue| {
                put(queue, 1, FOR_EVER);
                put(queue, 2, FOR_EVER);
                assert!(queue.join(Deadline::Never));
                0
            },
            |queue| {
                if get(queue, FOR_EVER) > 0 {
                    assert!(queue.task_done());
                }
                0
            },
            |queue| {
                if get(queue, BRIEFLY) > 0 {
                    assert!(queue.task_done());
                } else {
                    // The putter, and the getter that has got nothing, are let go.
                    queue.shut_down(true);
                }
                0
            },
        ],
        |_queue, _| {},
    );
}

/// That rule is needed: a getter that was told in the last moment and just leaves takes the
/// word with it.
#[test]
#[should_panic(expected = "deadlock")]
fn without_giving_the_word_on_a_wake_up_is_lost() {
    explore(
        2,
        &[
            |queue| get(queue, FOR_EVER),
            |queue| {
                let getter = Waiter::mine();
                queue.state.lock().getters.push(Arc::clone(&getter));
                getter.wait(Deadline::Over);
                queue.state.lock().getters.remove(&getter);
                0
            },
            |queue| {
                assert_eq!(put(queue, 1, FOR_EVER), 1);
                0
            },
        ],
        |_queue, got| assert_eq!(got, 1),
    );
}
