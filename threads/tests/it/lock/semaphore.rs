//! Semaphores (after CPython's `BaseSemaphoreTests` and `BoundedSemaphoreTests`).

use crate::support::{LIMIT, in_time, until};
use std::io::ErrorKind::InvalidInput;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
use threads::{BoundedSemaphore, MAX_PERMITS, Semaphore};

#[test]
fn absurd_numbers_are_refused() {
    assert_eq!(Semaphore::new(MAX_PERMITS + 1).unwrap_err().kind(), InvalidInput);
    assert_eq!(BoundedSemaphore::new(0).unwrap_err().kind(), InvalidInput);
    assert_eq!(BoundedSemaphore::new(usize::MAX).unwrap_err().kind(), InvalidInput);
    let semaphore = Semaphore::new(MAX_PERMITS).unwrap();
    assert!(catch_unwind(|| semaphore.release(1)).is_err());
    assert_eq!(semaphore.available(), MAX_PERMITS, "nothing was changed");
}

#[test]
fn permits_come_back_unless_forgotten() {
    let semaphore = Semaphore::new(2).unwrap();
    let first = semaphore.acquire();
    let second = semaphore.try_acquire().unwrap();
    assert!(semaphore.clone().try_acquire().is_none());
    assert!(semaphore.acquire_timeout(Duration::from_millis(2)).is_none());
    drop(first);
    assert_eq!(semaphore.available(), 1);
    second.forget();
    assert_eq!(semaphore.available(), 1);
    semaphore.release(3);
    assert_eq!(semaphore.available(), 4);
    // One that is dropped in another thread.
    let permit = semaphore.acquire_timeout(Duration::MAX).unwrap();
    threads::spawn(drop, permit).unwrap().join().unwrap();
    assert_eq!(semaphore.available(), 4);
}

#[test]
fn over_release_is_an_error() {
    let semaphore = BoundedSemaphore::new(2).unwrap();
    assert!(semaphore.release(1).is_err());
    semaphore.acquire().forget();
    assert!(semaphore.release(2).is_err());
    assert_eq!(semaphore.available(), 1, "nothing was changed");
    assert!(semaphore.release(usize::MAX).is_err());
    assert_eq!(semaphore.release(1), Ok(()));
    // The release by hand was one too many; the permit's own has no effect.
    let permit = semaphore.acquire();
    semaphore.release(1).unwrap();
    drop(permit);
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn releasing_many_wakes_as_many() {
    in_time(|| {
        let semaphore = Semaphore::new(0).unwrap();
        let woken = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| {
                    semaphore.acquire().forget();
                    woken.fetch_add(1, SeqCst);
                });
            }
            for (n, total) in [(1, 1), (3, 4), (0, 4), (1, 5)] {
                semaphore.release(n);
                until("they run", || woken.load(SeqCst) == total);
                assert_eq!(semaphore.available(), 0);
            }
        });
    });
}

#[test]
fn never_more_than_permits_and_time_outs_lose_none() {
    in_time(|| {
        let semaphore = BoundedSemaphore::new(2).unwrap();
        let (inside, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for thread in 0..4 {
                let (semaphore, inside, done) = (&semaphore, &inside, &done);
                scope.spawn(move || {
                    let limit = if thread % 2 == 0 { LIMIT } else { Duration::from_micros(5) };
                    for _ in 0..2_000 {
                        let Some(_permit) = semaphore.acquire_timeout(limit) else { continue };
                        assert!(inside.fetch_add(1, SeqCst) < 2);
                        done.fetch_add(1, SeqCst);
                        inside.fetch_sub(1, SeqCst);
                    }
                });
            }
        });
        assert!(done.into_inner() >= 4_000, "who waits long enough is served");
        assert_eq!(semaphore.available(), 2);
    });
}

#[test]
fn as_many_attempts_succeed_as_there_are_permits() {
    for _ in 0..200 {
        let (semaphore, bounded) = (Semaphore::new(3).unwrap(), BoundedSemaphore::new(3).unwrap());
        let taken = AtomicUsize::new(0);
        let count = |permit: Option<threads::Permit>| {
            if let Some(permit) = permit {
                permit.forget();
                taken.fetch_add(1, SeqCst);
            }
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2 {
                        count(semaphore.try_acquire());
                        count(bounded.try_acquire());
                    }
                });
            }
        });
        assert_eq!(taken.into_inner(), 6);
        assert_eq!((semaphore.available(), bounded.available()), (0, 0));
    }
}

#[test]
fn a_panic_releases_the_permit() {
    let semaphore = BoundedSemaphore::new(2).unwrap();
    let fails = || {
        let _permits = (semaphore.acquire(), semaphore.acquire());
        assert!(semaphore.try_acquire().is_some(), "there were only two");
    };
    assert!(catch_unwind(AssertUnwindSafe(fails)).is_err());
    assert_eq!(semaphore.available(), 2);
}
