//! What is the same whether the places of a queue are allocated with it or as they are used.

use crate::support::{in_time, rounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use threads::{PutError, Queue};

/// Capacities of queues of words: three with all their places, and one with places as needed.
const CAPACITIES: [usize; 4] = [1, 3, 4, 1 << 20];

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// The values that are left are dropped with the queue, each once, wherever they lie.
#[test]
fn what_is_left_is_dropped_once() {
    for capacity in CAPACITIES {
        for moved in 0..5 {
            let drops = Arc::new(AtomicUsize::new(0));
            let queue = Queue::bounded(capacity).unwrap();
            for _ in 0..moved {
                queue.put(Counted(Arc::clone(&drops))).unwrap();
                drop(queue.get());
            }
            let left = capacity.min(3);
            (0..left).for_each(|_| queue.put(Counted(Arc::clone(&drops))).unwrap());
            assert_eq!(drops.load(Relaxed), moved);
            drop(queue);
            assert_eq!(drops.load(Relaxed), moved + left, "capacity {capacity}");
        }
    }
}

/// A value that is refused or discarded is dropped once, too.
#[test]
fn what_is_refused_is_dropped_once() {
    for capacity in CAPACITIES {
        let drops = Arc::new(AtomicUsize::new(0));
        let counted = || Counted(Arc::clone(&drops));
        let queue = Queue::bounded(capacity).unwrap();
        queue.put(counted()).unwrap();
        if capacity == 1 {
            assert!(matches!(queue.try_put(counted()), Err(PutError::Full(_))));
            assert_eq!(drops.load(Relaxed), 1);
        }
        assert_eq!(queue.shutdown_now(), 1);
        assert!(queue.put(counted()).is_err());
        assert_eq!(drops.load(Relaxed), if capacity == 1 { 3 } else { 2 });
    }
}

/// Order, length and bound hold over many rounds through the places.
#[test]
fn many_laps() {
    for capacity in CAPACITIES {
        let queue = Queue::bounded(capacity).unwrap();
        let fill = capacity.min(5);
        for lap in 0..7 {
            for value in 0..fill {
                queue.try_put((lap, value)).unwrap();
                assert_eq!((queue.len(), queue.unfinished()), (value + 1, lap * fill + value + 1));
            }
            assert_eq!(queue.is_full(), fill == capacity);
            assert_eq!(queue.try_put((9, 9)).is_err(), fill == capacity);
            (0..fill).for_each(|value| assert_eq!(queue.try_get().unwrap(), (lap, value)));
            if fill != capacity {
                assert_eq!(queue.try_get().unwrap(), (9, 9));
                queue.task_done().unwrap();
            }
            assert!(queue.is_empty() && queue.try_get().is_err());
        }
    }
}

/// Values without a size are counted like others.
#[test]
fn values_without_a_size() {
    in_time(|| {
        let queue = Queue::bounded(2).unwrap();
        let putter = {
            let queue = queue.clone();
            threads::spawn(move |()| (0..1_000).for_each(|_| queue.put(()).unwrap()), ()).unwrap()
        };
        (0..1_000).for_each(|_| queue.get().unwrap());
        putter.join().unwrap();
        assert!(queue.is_empty());
    });
}

/// Many at once are no more than could be there at once, however fast others put.
#[test]
fn many_are_at_most_the_capacity() {
    in_time(|| {
        let queue = Queue::bounded(2).unwrap();
        let putters: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                threads::spawn(move |()| while queue.put(1).is_ok() {}, ()).unwrap()
            })
            .collect();
        for _ in 0..rounds(4_000, 20_000) {
            assert!(queue.get_many(usize::MAX).unwrap().len() <= 2);
        }
        queue.shutdown_now();
        for putter in putters {
            putter.join().unwrap();
        }
    });
}

/// A capacity is a number: nothing is allocated for values that are large and not there.
#[test]
fn large_values_take_no_room_in_advance() {
    assert!(threads::LifoQueue::<[u8; 1 << 30]>::unbounded().unwrap().is_empty());
    assert!(Queue::<[u8; 1 << 30]>::unbounded().unwrap().is_empty());
}
