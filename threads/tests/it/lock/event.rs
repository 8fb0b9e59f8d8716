//! Events, latches and the re-entrant lock.

use crate::support::{in_time, until};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
use threads::{Event, Latch, ReentrantLock};

/// A limit that is meant to be exceeded.
const SHORT: Duration = Duration::from_millis(2);

#[test]
fn set_and_cleared() {
    let event = Event::new().unwrap();
    assert!(!event.is_set());
    assert!(!event.wait_timeout(SHORT));
    event.set();
    event.set();
    assert!(event.clone().is_set());
    event.wait();
    assert!(event.wait_timeout(Duration::ZERO));
    event.clear();
    assert!(!event.wait_timeout(Duration::ZERO));
}

/// bpo-13502: who waits when the event is set is released, even if it is cleared at once.
#[cfg(target_os = "linux")]
#[test]
fn cleared_before_the_released_run() {
    in_time(|| {
        for _ in 0..20 {
            let event = Event::new().unwrap();
            let wait = |_| {
                let event = event.clone();
                let builder = threads::ThreadBuilder::new().name("event-waits");
                builder.spawn(move || event.wait_timeout(Duration::MAX)).unwrap()
            };
            let waiting: Vec<_> = (0..3).map(wait).collect();
            until("they wait", || crate::leaks::sleeping("event-waits") == 3);
            event.set();
            event.clear();
            for thread in waiting {
                assert!(thread.join().unwrap());
            }
        }
    });
}

#[test]
fn a_latch_opens_once() {
    in_time(|| {
        let latch = Latch::new(3).unwrap();
        assert!(!latch.wait_timeout(SHORT));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| latch.wait());
            }
            assert!(!latch.count_down());
            assert!(!latch.count_down());
            assert_eq!(latch.count(), 1);
            assert!(latch.count_down());
        });
        assert!(!latch.count_down(), "it stays open");
        assert!(latch.wait_timeout(Duration::ZERO));
        Latch::new(0).unwrap().wait();
    });
}

#[test]
fn the_holder_locks_again() {
    in_time(|| {
        let lock = ReentrantLock::new(Cell::new(0)).unwrap();
        let outer = lock.lock();
        let inner = lock.try_lock().unwrap();
        let innermost = lock.lock_timeout(SHORT).unwrap();
        drop((outer, inner));
        let other = lock.clone();
        let refused = move |()| other.try_lock().is_none() && other.lock_timeout(SHORT).is_none();
        assert!(threads::spawn(refused, ()).unwrap().join().unwrap(), "one guard is left");
        innermost.set(1);
        drop(innermost);
        let other = lock.clone();
        assert_eq!(threads::spawn(move |()| other.lock().get(), ()).unwrap().join().unwrap(), 1);
    });
}

#[test]
fn everyone_who_waits_is_released_each_time() {
    in_time(|| {
        let event = Event::new().unwrap();
        for _ in 0..20 {
            let (begun, released) = (AtomicUsize::new(0), AtomicUsize::new(0));
            thread::scope(|scope| {
                for _ in 0..5 {
                    scope.spawn(|| {
                        begun.fetch_add(1, SeqCst);
                        event.wait();
                        event.wait(); // Nobody has to wait for what is so already.
                        released.fetch_add(1, SeqCst);
                    });
                }
                until("all have begun", || begun.load(SeqCst) == 5);
                assert_eq!(released.load(SeqCst), 0, "it is not set");
                event.set();
            });
            assert_eq!(released.load(SeqCst), 5);
            event.clear();
            event.clear();
        }
    });
}

#[test]
fn a_panic_under_the_reentrant_lock_only_unlocks_it() {
    in_time(|| {
        let lock = ReentrantLock::new(Cell::new(0)).unwrap();
        let outer = lock.lock();
        let fails = || {
            let inner = lock.lock();
            inner.set(1);
            panic!("under the lock");
        };
        assert!(catch_unwind(AssertUnwindSafe(fails)).is_err());
        let (busy, free) = (lock.clone(), lock.clone());
        assert!(threads::spawn(move |()| busy.try_lock().is_none(), ()).unwrap().join().unwrap());
        drop(outer);
        assert_eq!(threads::spawn(move |()| free.lock().get(), ()).unwrap().join().unwrap(), 1);
    });
}
