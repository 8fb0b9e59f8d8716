//! The ends of queues: the two ways to shut one down, in the middle of whatever goes on.

use crate::support::{LIMIT, in_time, until};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
use threads::{GetError, LifoQueue, PriorityQueue, PutError, Queue};

#[test]
fn an_end_may_become_an_immediate_one() {
    let queue = LifoQueue::unbounded().unwrap();
    queue.put_many(vec![1, 2, 3]).unwrap();
    assert!(!queue.is_shut_down());
    queue.shutdown();
    assert_eq!(queue.get(), Ok(3), "what is left can be got");
    assert_eq!(queue.shutdown_now(), 2);
    assert_eq!(queue.get(), Err(GetError::ShutDown));
    queue.shutdown(); // Which does not bring anything back.
    assert_eq!((queue.get(), queue.len()), (Err(GetError::ShutDown), 0));
    assert!(queue.is_shut_down() && !queue.join_timeout(Duration::ZERO));
    queue.task_done().unwrap();
    assert!(queue.join_timeout(Duration::ZERO));
}

#[test]
fn join_waits_for_what_is_left_after_the_end() {
    in_time(|| {
        let queue = Queue::bounded(2).unwrap();
        queue.put_many(vec!["a", "b"]).unwrap();
        let joined = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    queue.join();
                    joined.fetch_add(1, SeqCst);
                });
            }
            assert!(!queue.join_timeout(Duration::from_millis(20))); // The others wait by now.
            queue.shutdown();
            for value in ["a", "b"] {
                assert_eq!(queue.get(), Ok(value));
                assert!(!queue.join_timeout(Duration::from_millis(2)));
                assert_eq!(joined.load(SeqCst), 0);
                queue.task_done().unwrap();
            }
        });
        assert_eq!(joined.load(SeqCst), 2);
    });
}

/// The place that becomes free after the end is not for a put that has waited for it.
#[test]
fn a_put_that_waits_fails_with_the_end() {
    in_time(|| {
        for _ in 0..200 {
            let queue = Queue::bounded(1).unwrap();
            queue.put(1).unwrap();
            thread::scope(|scope| {
                let late = scope.spawn(|| queue.put(2));
                assert!(!queue.join_timeout(Duration::from_micros(200))); // Mostly, it waits by now.
                queue.shutdown();
                assert_eq!(queue.get(), Ok(1));
                assert_eq!(late.join().unwrap(), Err(PutError::ShutDown(2)));
            });
            assert_eq!((queue.get(), queue.unfinished()), (Err(GetError::ShutDown), 1));
        }
    });
}

/// Producers, consumers and joiners at work when the end comes: each value that was accepted is
/// got or discarded, once, and everybody goes home.
#[test]
fn in_the_middle_of_traffic() {
    in_time(|| {
        for round in 0..100 {
            let immediate = round % 2 == 0;
            let queue = PriorityQueue::bounded(1 + round % 5).unwrap();
            let (put, got) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let mut discarded = 0;
            thread::scope(|scope| {
                for putter in 0..3 {
                    let (queue, put) = (&queue, &put);
                    scope.spawn(move || {
                        let mut values = (putter..).step_by(3);
                        let end = loop {
                            match queue.put(values.next().unwrap()) {
                                Ok(()) => drop(put.fetch_add(1, SeqCst)),
                                Err(error) => break error,
                            }
                        };
                        assert!(matches!(end, PutError::ShutDown(_)));
                    });
                }
                for patient in [true, false, true] {
                    let (queue, got) = (&queue, &got);
                    scope.spawn(move || {
                        loop {
                            match if patient { queue.get() } else { queue.try_get() } {
                                Ok(_) => {
                                    got.fetch_add(1, SeqCst);
                                    queue.task_done().unwrap();
                                }
                                Err(GetError::ShutDown) => break,
                                Err(_) => thread::yield_now(),
                            }
                        }
                    });
                }
                scope.spawn(|| queue.join());
                until("there is traffic", || got.load(SeqCst) > 20);
                if immediate {
                    discarded = queue.shutdown_now();
                } else {
                    queue.shutdown();
                }
            });
            assert_eq!(put.into_inner(), got.into_inner() + discarded);
            assert_eq!((queue.len(), queue.unfinished()), (0, 0));
            assert!(queue.join_timeout(LIMIT));
        }
    });
}

/// Tells its queue that it is gone.
struct Farewell(u32, Queue<Farewell>);

impl Drop for Farewell {
    fn drop(&mut self) {
        if self.0 > 0 {
            // In vain if the queue is shut down: the value comes back, and is dropped.
            drop(self.1.put(Farewell(self.0 - 1, self.1.clone())));
        }
    }
}

/// Dropping a value is user code, which may use the very queue it was in.
#[test]
fn a_value_may_use_the_queue_when_it_is_dropped() {
    in_time(|| {
        let queue = Queue::unbounded().unwrap();
        queue.put(Farewell(3, queue.clone())).ok().unwrap();
        for left in (0..=3).rev() {
            let value = queue.get().ok().unwrap();
            assert_eq!((value.0, queue.len()), (left, 0));
        }
        assert!(queue.is_empty());
        queue.put_many(vec![Farewell(2, queue.clone()), Farewell(2, queue.clone())]).ok().unwrap();
        assert_eq!(queue.shutdown_now(), 2);
        assert!(queue.is_empty());
    });
}

/// Nothing is allocated for places that are never used.
#[test]
fn an_absurd_capacity_is_only_a_number() {
    let most = usize::MAX - 1;
    let queue = Queue::bounded(most).unwrap();
    queue.put(1).unwrap();
    assert_eq!((queue.capacity(), queue.len(), queue.is_full()), (most, 1, false));
    assert!(LifoQueue::<u8>::bounded(most).is_ok() && PriorityQueue::<u8>::bounded(most).is_ok());
}
