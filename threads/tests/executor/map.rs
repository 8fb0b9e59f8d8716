//! The two maps: order, look-ahead, early drop, panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use super::support::{Door, Gate, LIMIT, Opener, SHORT, count, door, in_time, pass, total};
use crate::executor::model::{Event, JoinError, Lock, Pool};

#[test]
fn results_come_in_the_order_of_the_inputs() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let results: Result<Vec<u64>, _> = pool.map(|x: u64| x * 3, 0..1_000).collect();
        assert!(results.unwrap().into_iter().eq((0..1_000).map(|x| x * 3)));
    });
}

#[test]
fn unordered_results_are_the_same_set() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let results = pool.map_unordered(|x: u64| x * 3, 0..1_000).map(Result::unwrap);
        let mut results: Vec<u64> = results.collect();
        results.sort_unstable();
        assert!(results.into_iter().eq((0..1_000).map(|x| x * 3)));
    });
}

#[test]
fn nothing_happens_before_the_first_next() {
    let pool = Pool::new(1).unwrap();
    let pulled = AtomicUsize::new(0);
    let inputs = (0..).inspect(|_| {
        pulled.fetch_add(1, SeqCst);
    });
    let mut map = pool.map(|x: u64| x, inputs).buffer(3);
    assert_eq!((pulled.load(SeqCst), pool.stats().queued), (0, 0));
    assert_eq!(map.next().unwrap().unwrap(), 0);
    assert_eq!(pulled.load(SeqCst), 3, "an endless input is pulled only as far as the buffer");
    assert_eq!(map.next().unwrap().unwrap(), 1);
    assert!(pulled.load(SeqCst) <= 4);
    assert!(map.map(Result::unwrap).take(100).eq(2..102));
    assert!(pulled.load(SeqCst) <= 104);
}

#[test]
fn nothing_gives_nothing() {
    let pool = Pool::new(1).unwrap();
    assert!(pool.map(|x: u64| x, []).next().is_none());
    assert!(pool.map_unordered(|x: u64| x, []).next().is_none());
    assert!(matches!(pool.map(|x: u64| x, []).next_timeout(SHORT), Ok(None)));
}

/// It comes out of `next`, where the input is asked for; what was there before is not lost.
#[test]
fn a_panic_of_the_input_is_the_callers() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let inputs = || (0..10).inspect(|x| assert!(*x != 3, "no more"));
        let mut map = pool.map(|x: u32| x, inputs()).buffer(1);
        assert!(map.by_ref().take(3).map(Result::unwrap).eq(0..3));
        let next = catch_unwind(AssertUnwindSafe(|| map.next().is_none()));
        assert!(next.is_err());
        drop(map);
        let mut map = pool.map_unordered(|x: u32| x, inputs()).buffer(1);
        assert!(map.by_ref().take(3).map(Result::unwrap).eq(0..3));
        assert!(catch_unwind(AssertUnwindSafe(|| map.next().is_none())).is_err());
        drop(map);
        assert_eq!(pool.submit(|x: u8| x, 1).join().unwrap(), 1);
    });
}

#[test]
fn a_buffer_of_zero_means_one() {
    let pool = Pool::new(1).unwrap();
    assert_eq!(pool.map(|x: u64| x, 0..5).buffer(0).filter_map(Result::ok).sum::<u64>(), 10);
    assert_eq!(pool.map_unordered(|x: u64| x, 0..5).buffer(0).filter_map(Result::ok).count(), 5);
}

#[test]
fn dropping_it_cancels_what_is_queued() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let (ran, opener) = (Lock::new(0).unwrap(), Opener(door()));
        let second_waits = |(x, ran, door): (u32, Lock<u64>, Door)| {
            count(ran);
            if x == 1 {
                pass(door);
            }
        };
        let inputs = (0..).map(|x| (x, ran.clone(), opener.0.clone()));
        let mut map = pool.map(second_waits, inputs).buffer(10);
        map.next().unwrap().unwrap();
        assert!(opener.0.0.wait_timeout(LIMIT), "the second job is running");
        drop(map);
        assert_eq!(pool.stats().cancelled, 8);
        drop(opener);
        pool.shutdown();
        assert_eq!(total(&ran), 2);
    });
}

#[test]
fn a_panic_is_an_item() {
    let pool = Pool::new(2).unwrap();
    let results: Vec<_> = pool.map(|x: u32| assert!(x != 2, "two"), 0..4).collect();
    for (x, result) in results.iter().enumerate() {
        assert_eq!(matches!(result, Err(JoinError::Panicked { .. })), x == 2);
    }
    let failed = pool.map_unordered(|x: u32| assert!(x != 2, "two"), 0..4).filter(Result::is_err);
    assert_eq!(failed.count(), 1);
}

#[test]
fn unordered_results_come_as_they_are_done() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let opener = Opener(door());
        let first_waits = |(x, door): (u32, Door)| {
            if x == 0 {
                pass(door);
            }
            x
        };
        let inputs = (0..3).map(|x| (x, opener.0.clone()));
        let mut map = pool.map_unordered(first_waits, inputs.collect::<Vec<_>>());
        let mut first = [map.next().unwrap().unwrap(), map.next().unwrap().unwrap()];
        first.sort_unstable();
        assert_eq!(first, [1, 2]);
        drop(opener);
        assert_eq!(map.next().unwrap().unwrap(), 0);
        assert!(map.next().is_none());
    });
}

#[test]
fn the_size_is_known_as_far_as_the_input_knows_it() {
    let pool = Pool::new(1).unwrap();
    let mut map = pool.map(|x: u64| x, 0..5);
    assert_eq!(map.size_hint(), (5, Some(5)));
    map.next();
    assert_eq!(map.size_hint(), (4, Some(4)));
    let mut map = pool.map_unordered(|x: u64| x, 0..5);
    map.next();
    assert_eq!(map.size_hint(), (4, Some(4)));
}

/// The results before the slow one come, then a time-out, and then the rest: nothing is lost.
#[test]
fn a_time_out_is_not_the_end() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let event = Event::new().unwrap();
        let third_waits = |(x, event): (u32, Event)| {
            assert!(x != 2 || event.wait_timeout(LIMIT));
            x
        };
        let inputs: Vec<_> = (0..5).map(|x| (x, event.clone())).collect();
        let mut map = pool.map(third_waits, inputs);
        assert_eq!(map.next_timeout(LIMIT).unwrap().unwrap().unwrap(), 0);
        assert_eq!(map.next_timeout(LIMIT).unwrap().unwrap().unwrap(), 1);
        let error = map.next_timeout(SHORT).unwrap_err();
        assert_eq!(error.limit, SHORT);
        assert!(map.next_timeout(SHORT).is_err());
        event.set();
        assert!(map.by_ref().map(Result::unwrap).eq(2..5));
        assert!(matches!(map.next_timeout(SHORT), Ok(None)));
    });
}

/// The one that was waited for, too.
#[test]
fn dropping_it_after_a_time_out_cancels_what_is_queued() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let ran = Lock::new(0).unwrap();
    let mut map = pool.map(count, [ran.clone(), ran.clone()]);
    assert!(map.next_timeout(Duration::ZERO).is_err());
    drop(map);
    let mut map = pool.map_unordered(count, [ran.clone(), ran.clone()]);
    assert!(map.next_timeout(Duration::ZERO).is_err());
    drop(map);
    assert_eq!(pool.stats().cancelled, 4);
    gate.open().join().unwrap();
    pool.shutdown();
    assert_eq!(total(&ran), 0);
}
