//! The queue: order, bounds, time limits, shutdown, contention.

mod aside;
mod ends;
mod kinds;
mod stores;

use crate::support::{LIMIT, in_time, rounds, until};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
use threads::{GetError, PutError, Queue};

/// A limit that is meant to be exceeded.
const SHORT: Duration = Duration::from_millis(2);

#[test]
fn first_in_first_out() {
    let queue = Queue::bounded(100).unwrap();
    assert!(queue.is_empty());
    for x in 0..100 {
        queue.put(x).unwrap();
    }
    assert_eq!((queue.len(), queue.capacity()), (100, 100));
    for x in 0..100 {
        assert_eq!(queue.clone().get(), Ok(x));
    }
}

#[test]
fn full_and_empty() {
    let queue = Queue::bounded(1).unwrap();
    assert_eq!(queue.try_get(), Err(GetError::Empty));
    assert_eq!(queue.get_timeout(SHORT), Err(GetError::TimedOut));
    queue.try_put("a").unwrap();
    assert_eq!(queue.try_put("b"), Err(PutError::Full("b")));
    let error = queue.put_timeout("b", SHORT).unwrap_err();
    assert_eq!(error, PutError::TimedOut("b"));
    assert_eq!(
        format!("{error:?}: {error}"),
        "TimedOut(..): queue stayed full until the time limit"
    );
    assert_eq!(error.into_inner(), "b");
    assert_eq!(queue.get_timeout(SHORT), Ok("a"));
    assert_eq!(queue.put_timeout("c", Duration::MAX), Ok(()));
}

#[test]
fn shutdown_refuses_puts_and_drains_gets() {
    let queue = Queue::bounded(2).unwrap();
    queue.put(1).unwrap();
    queue.shutdown();
    queue.shutdown();
    assert_eq!(queue.put(2), Err(PutError::ShutDown(2)));
    assert_eq!(queue.try_put(2), Err(PutError::ShutDown(2)));
    assert_eq!(queue.put_timeout(2, LIMIT), Err(PutError::ShutDown(2)));
    assert_eq!(queue.get(), Ok(1));
    assert_eq!(queue.get(), Err(GetError::ShutDown));
    assert_eq!(queue.try_get(), Err(GetError::ShutDown));
    assert_eq!(queue.get_timeout(LIMIT), Err(GetError::ShutDown));
}

#[test]
fn shutdown_wakes_everyone_who_waits() {
    in_time(|| {
        for _ in 0..200 {
            let empty = Queue::<u8>::bounded(1).unwrap();
            let full = Queue::bounded(1).unwrap();
            full.put(1).unwrap();
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| assert_eq!(empty.get(), Err(GetError::ShutDown)));
                    scope.spawn(|| assert_eq!(full.put(2), Err(PutError::ShutDown(2))));
                }
                empty.shutdown();
                full.shutdown();
            });
        }
    });
}

/// Puts `each` values from each of `putters` threads and gets them all in
/// `getters` threads; checks that each value arrives once.
fn exchange(capacity: usize, putters: u64, getters: u64, each: u64) {
    let queue = Queue::bounded(capacity).unwrap();
    let (sum, count) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for putter in 0..putters {
            let queue = &queue;
            scope.spawn(move || (0..each).for_each(|x| queue.put(putter * each + x).unwrap()));
        }
        for _ in 0..getters {
            scope.spawn(|| {
                while let Ok(x) = queue.get() {
                    sum.fetch_add(x, SeqCst);
                    if count.fetch_add(1, SeqCst) + 1 == putters * each {
                        queue.shutdown();
                    }
                }
            });
        }
    });
    let total = putters * each;
    assert_eq!((count.into_inner(), sum.into_inner()), (total, total * (total - 1) / 2));
}

#[test]
fn many_putters_and_getters() {
    in_time(|| {
        for (capacity, putters, getters) in
            [(1, 1, 1), (1, 4, 4), (2, 1, 4), (2, 4, 1), (64, 2, 2), (1_024, 4, 4), (1 << 20, 4, 4)]
        {
            exchange(capacity, putters, getters, rounds(1_000, 4_000).into());
        }
    });
}

/// Waiters whose time runs out at every moment, among others who wait on: no value
/// is lost or doubled, and nobody who waits without a limit is forgotten.
#[test]
fn time_outs_race_with_values() {
    const TINY: Duration = Duration::from_micros(20);
    in_time(|| {
        let values = u64::from(rounds(4_000, 20_000));
        let queue = Queue::bounded(1).unwrap();
        let sum = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        match queue.get_timeout(TINY) {
                            Ok(x) => drop(sum.fetch_add(x, SeqCst)),
                            Err(GetError::TimedOut) => {}
                            Err(_) => break,
                        }
                    }
                });
            }
            scope.spawn(|| {
                while let Ok(x) = queue.get() {
                    sum.fetch_add(x, SeqCst);
                }
            });
            let patient = scope.spawn(|| (0..values).for_each(|x| queue.put(x).unwrap()));
            let hasty = scope.spawn(|| {
                for mut x in values..2 * values {
                    while let Err(error) = queue.put_timeout(x, TINY) {
                        x = error.into_inner();
                    }
                }
            });
            patient.join().unwrap();
            hasty.join().unwrap();
            until("all values were taken", || queue.is_empty());
            queue.shutdown();
        });
        assert_eq!(sum.into_inner(), 2 * values * (2 * values - 1) / 2);
    });
}
