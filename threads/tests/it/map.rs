//! The two maps: order, look-ahead, early drop, panics.

use crate::support::{Gate, in_time, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use threads::{JoinError, Pool, WhenFull};

#[test]
fn results_come_in_the_order_of_the_inputs() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let results: Result<Vec<u64>, _> = pool.map(|x: u64| x * 3, 0..1_000).collect();
        assert!(results.unwrap().into_iter().eq((0..1_000).map(|x| x * 3)));
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
fn a_buffer_of_zero_means_one() {
    let pool = Pool::new(1).unwrap();
    assert_eq!(pool.map(|x: u64| x, 0..5).buffer(0).filter_map(Result::ok).sum::<u64>(), 10);
    assert_eq!(pool.map_unordered(|x: u64| x, 0..5).buffer(0).filter_map(Result::ok).count(), 5);
}

#[test]
fn dropping_it_cancels_what_is_queued() {
    let pool = Pool::new(2).unwrap();
    let gate = Gate::occupy(&pool);
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ran);
    let (open, closed) = std::sync::mpsc::channel::<()>();
    let closed = std::sync::Mutex::new(closed);
    let mut map = pool
        .map(
            move |x: u64| {
                counted.fetch_add(1, SeqCst);
                if x == 1 {
                    let _ = closed.lock().unwrap().recv(); // Ends when `open` is dropped.
                }
            },
            0..,
        )
        .buffer(10);
    map.next().unwrap().unwrap();
    until("the second job is running", || ran.load(SeqCst) == 2);
    drop(map);
    assert_eq!(pool.stats().cancelled, 8);
    drop(open);
    gate.open().join().unwrap();
    pool.shutdown();
    assert_eq!(ran.load(SeqCst), 2);
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
    let pool = Pool::new(2).unwrap();
    let (open, closed) = std::sync::mpsc::channel::<()>();
    let closed = std::sync::Mutex::new(closed);
    let slow_first = move |x: u32| {
        if x == 0 {
            let _ = closed.lock().unwrap().recv(); // Ends when `open` is dropped.
        }
        x
    };
    let mut map = pool.map_unordered(slow_first, 0..3);
    let mut first = [map.next().unwrap().unwrap(), map.next().unwrap().unwrap()];
    first.sort_unstable();
    assert_eq!(first, [1, 2]);
    drop(open);
    assert_eq!(map.next().unwrap().unwrap(), 0);
    assert!(map.next().is_none());
}

#[test]
fn a_map_inside_a_pool_of_one_worker() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner = Arc::clone(&pool);
        let sums = pool.spawn(move || {
            let ordered = inner.map(|x: u64| x, 0..100).map(Result::unwrap).sum::<u64>();
            let unordered = inner.map_unordered(|x: u64| x, 0..100).map(Result::unwrap).sum();
            (ordered, unordered)
        });
        assert_eq!(sums.join().unwrap(), (4_950, 4_950));
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

#[test]
fn a_map_waits_for_room_only_if_it_has_a_job() {
    in_time(|| {
        let pool = Pool::builder().workers(1).queue_bound(1, WhenFull::Block).build().unwrap();
        let gate = Gate::occupy(&pool);
        let behind = pool.spawn(|| ());
        assert!(pool.map(|x: u32| x, []).next().is_none());
        assert!(pool.map_unordered(|x: u32| x, []).next().is_none());
        gate.open().join().unwrap();
        behind.join().unwrap();
    });
}

#[test]
fn waiting_for_room_keeps_to_the_time_limit() {
    in_time(|| {
        let pool = Pool::builder().workers(1).queue_bound(1, WhenFull::Block).build().unwrap();
        let gate = Gate::occupy(&pool);
        let behind = pool.spawn(|| ());
        let limit = Duration::from_millis(5);
        let (mut map, mut unordered) = (pool.map(|x| x, 0..3), pool.map_unordered(|x| x, 0..3));
        for _ in 0..2 {
            assert!(map.next_timeout(limit).is_err());
            assert!(unordered.next_timeout(limit).is_err());
        }
        assert_eq!(map.size_hint(), (3, Some(3)), "nothing is lost");
        assert_eq!(unordered.size_hint(), (3, Some(3)));
        gate.open().join().unwrap();
        behind.join().unwrap();
        assert!(map.map(Result::unwrap).eq(0..3));
        assert_eq!(unordered.map(Result::unwrap).sum::<i32>(), 3);
    });
}

/// The results before the slow one come, then a time-out, and then the rest: nothing is lost.
#[test]
fn a_time_out_is_not_the_end() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let open = threads::Event::new().unwrap();
        let (gate, limit) = (open.clone(), Duration::from_millis(5));
        let third = move |x: u32| {
            if x == 2 {
                gate.wait();
            }
            x
        };
        let mut map = pool.map(third, 0..5);
        assert_eq!(map.next_timeout(crate::support::LIMIT).unwrap().unwrap().unwrap(), 0);
        assert_eq!(map.next_timeout(crate::support::LIMIT).unwrap().unwrap().unwrap(), 1);
        assert!(map.next_timeout(limit).is_err() && map.next_timeout(limit).is_err());
        open.set();
        assert!(map.map(Result::unwrap).eq(2..5));
    });
}

/// The one that was waited for, too.
#[test]
fn dropping_it_after_a_time_out_cancels_what_is_queued() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ran);
    let count = move |_: u32| counted.fetch_add(1, SeqCst);
    let mut map = pool.map(count, 0..2);
    assert!(map.next_timeout(Duration::ZERO).is_err());
    drop(map);
    assert_eq!(pool.stats().cancelled, 2);
    gate.open().join().unwrap();
    pool.shutdown();
    assert_eq!(ran.load(SeqCst), 0);
}
