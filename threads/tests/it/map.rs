//! The two maps: order, look-ahead, early drop, panics.

use crate::support::{Gate, in_time};
use std::sync::Arc;
use std::time::Duration;
use threads::{Pool, WhenFull};

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
