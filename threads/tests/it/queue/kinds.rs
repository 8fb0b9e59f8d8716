//! The orders of the queues, many values at a time, and `task_done` with `join` (after
//! CPython's `test_queue`).

use crate::support::{Counted, LIMIT, in_time, until};
use std::io::ErrorKind::InvalidInput;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
use threads::{GetError, LifoQueue, PriorityQueue, PutError, Queue};

/// A limit that is meant to be exceeded.
const SHORT: Duration = Duration::from_millis(2);

#[test]
fn each_order() {
    let (fifo, lifo) = (Queue::bounded(3).unwrap(), LifoQueue::bounded(3).unwrap());
    let smallest = PriorityQueue::bounded(3).unwrap();
    for x in [2, 1, 3] {
        fifo.put(x).unwrap();
        lifo.put(x).unwrap();
        smallest.put(x).unwrap();
    }
    assert_eq!(smallest.try_put(0), Err(PutError::Full(0)));
    assert!(smallest.is_full() && lifo.is_full());
    fifo.shutdown();
    lifo.shutdown();
    smallest.shutdown();
    assert_eq!(fifo.iter().collect::<Vec<_>>(), [2, 1, 3]);
    assert_eq!(lifo.iter().collect::<Vec<_>>(), [3, 1, 2]);
    assert_eq!(smallest.iter().collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(Queue::<u8>::bounded(0).unwrap_err().kind(), InvalidInput);
    assert_eq!(LifoQueue::<u8>::bounded(0).unwrap_err().kind(), InvalidInput);
    assert_eq!(PriorityQueue::<u8>::bounded(0).unwrap_err().kind(), InvalidInput);
}

/// Compares by its first field alone.
#[derive(Debug)]
struct Job(u8, &'static str);

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Job {}
impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Job {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        assert!(self.0 != 255 && other.0 != 255, "not comparable");
        self.0.cmp(&other.0)
    }
}

#[test]
fn equal_ones_leave_as_they_came() {
    let queue = PriorityQueue::unbounded().unwrap();
    for name in ["a", "b", "c", "d", "e"] {
        queue.put(Job(1, name)).unwrap();
    }
    queue.put(Job(0, "first")).unwrap();
    let names: Vec<_> = queue.get_many(9).unwrap().into_iter().map(|job| job.1).collect();
    assert_eq!(names, ["first", "a", "b", "c", "d", "e"]);
}

#[test]
fn a_comparison_that_panics_is_the_callers() {
    in_time(|| {
        let queue = PriorityQueue::unbounded().unwrap();
        queue.put(Job(1, "good")).unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| queue.put(Job(255, "bad")))).is_err());
        assert_eq!((queue.len(), queue.unfinished()), (2, 2), "it works on");
        assert_eq!(queue.shutdown_now(), 2);
        queue.join();
    });
}

#[test]
fn many_at_a_time() {
    let queue = Queue::bounded(4).unwrap();
    queue.put_many(vec![1, 2, 3]).unwrap();
    assert_eq!(queue.try_put_many(vec![4, 5, 6]).unwrap_err().into_inner(), [5, 6]);
    let error = queue.put_many_timeout(vec![5, 6], SHORT).unwrap_err();
    assert_eq!(error, PutError::TimedOut(vec![5, 6]));
    assert_eq!(queue.get_many(0), Ok(vec![]));
    assert_eq!(queue.get_many(3), Ok(vec![1, 2, 3]));
    assert_eq!(queue.get_many_timeout(3, LIMIT), Ok(vec![4]));
    assert_eq!(queue.try_get_many(3), Err(GetError::Empty));
    assert_eq!(queue.get_many_timeout(3, SHORT), Err(GetError::TimedOut));
    queue.put_many(vec![]).unwrap();
    queue.shutdown();
    assert_eq!(queue.put_many(vec![7, 8]), Err(PutError::ShutDown(vec![7, 8])));
    assert_eq!(queue.get_many(1), Err(GetError::ShutDown));
}

#[test]
fn batches_larger_than_the_queue_arrive_in_order() {
    in_time(|| {
        let queue = Queue::bounded(3).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for start in (0..3_000).step_by(100) {
                    queue.put_many((start..start + 100).collect()).unwrap();
                }
                queue.shutdown();
            });
            let mut next = 0;
            while let Ok(values) = queue.get_many(7) {
                for value in values {
                    assert_eq!(value, next);
                    next += 1;
                }
            }
            assert_eq!(next, 3_000);
        });
    });
}

#[test]
fn task_done_too_often_is_an_error() {
    let queue = Queue::bounded(1).unwrap();
    queue.join(); // Nothing was put.
    assert!(queue.task_done().is_err());
    queue.put(1).unwrap();
    assert_eq!(queue.unfinished(), 1);
    assert!(!queue.join_timeout(SHORT));
    assert_eq!(queue.get(), Ok(1));
    assert!(!queue.join_timeout(SHORT), "got is not done");
    queue.task_done().unwrap();
    assert!(queue.join_timeout(Duration::ZERO));
    let error = queue.task_done().unwrap_err().to_string();
    assert!(error.contains("more often than values were put"), "{error}");
}

#[test]
fn join_waits_for_all_that_was_put() {
    in_time(|| {
        let queue = Queue::bounded(2).unwrap();
        let sum = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for x in queue.iter() {
                        sum.fetch_add(x, SeqCst);
                        queue.task_done().unwrap();
                    }
                });
            }
            for round in 1..=50 {
                queue.put_many((0..20).collect()).unwrap();
                queue.join();
                assert_eq!(sum.load(SeqCst), round * 190);
            }
            queue.shutdown();
        });
    });
}

#[test]
fn immediate_shutdown_discards_and_releases_join() {
    in_time(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let queue = Queue::bounded(3).unwrap();
        for _ in 0..3 {
            queue.put(Counted(Arc::clone(&drops))).unwrap();
        }
        thread::scope(|scope| {
            let joined = scope.spawn(|| queue.join());
            let refused = scope.spawn(|| queue.put(Counted(Arc::clone(&drops))));
            drop(queue.get().unwrap());
            until("the putter is in", || queue.len() == 3 || refused.is_finished());
            let discarded = queue.shutdown_now();
            assert_eq!((discarded, queue.len()), (3, 0));
            refused.join().unwrap().unwrap();
            assert_eq!(drops.load(SeqCst), 4);
            assert!(!joined.is_finished(), "one is in somebody's hands");
            queue.task_done().unwrap();
            joined.join().unwrap();
        });
        assert!(queue.is_shut_down());
        assert!(matches!(queue.try_get(), Err(GetError::ShutDown)));
        assert!(queue.task_done().is_err());
        assert_eq!(queue.shutdown_now(), 0);
    });
}

/// A putter that sleeps is served with the first free place, though it waited for more while
/// it spun.
#[cfg(target_os = "linux")]
#[test]
fn one_free_place_is_enough() {
    in_time(|| {
        let queue = Queue::bounded(64).unwrap();
        for round in 0..20 {
            while queue.try_put(round).is_ok() {}
            let put = queue.clone();
            let builder = threads::ThreadBuilder::new().name("one-place");
            let putter = builder.spawn(move || put.put(round)).unwrap();
            until("it sleeps", || crate::leaks::sleeping("one-place") == 1);
            queue.get().unwrap();
            putter.join().unwrap().unwrap();
            assert!(queue.is_full());
            assert_eq!(queue.get_many(usize::MAX).unwrap().len(), 64);
        }
    });
}

/// Comparing such values panics in threads that ask for it.
#[cfg(target_os = "linux")]
#[derive(Debug, PartialEq, Eq)]
struct Touchy(u32);

#[cfg(target_os = "linux")]
thread_local! {
    /// Whether to panic.
    static PANICS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

#[cfg(target_os = "linux")]
impl PartialOrd for Touchy {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(target_os = "linux")]
impl Ord for Touchy {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        assert!(!PANICS.get(), "a comparison in a thread that cannot");
        self.0.cmp(&other.0)
    }
}

/// A getter that panics while it takes a value sends the next one: there are more values.
#[cfg(target_os = "linux")]
#[test]
fn a_getter_that_panics_does_not_strand_the_next() {
    in_time(|| {
        let queue = PriorityQueue::unbounded().unwrap();
        let getter = |panics| {
            let queue = queue.clone();
            let body = move || {
                PANICS.set(panics);
                queue.get().map(|Touchy(value)| value)
            };
            threads::ThreadBuilder::new().name("touchy").spawn(body).unwrap()
        };
        let first = getter(true);
        until("it waits", || crate::leaks::sleeping("touchy") == 1);
        let second = getter(false);
        until("both wait", || crate::leaks::sleeping("touchy") == 2);
        queue.put_many((0..4).map(Touchy).collect()).unwrap();
        assert!(first.join().is_err());
        assert!(second.join().unwrap().is_ok());
        assert_eq!((queue.len(), queue.unfinished()), (2, 4), "one was lost with the panic");
    });
}
