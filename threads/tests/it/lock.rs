//! The lock: exclusion, time limits, poisoning; and what else threads wait with.

mod barrier;
mod condition;
mod event;
mod limits;
mod semaphore;

use crate::support::{LIMIT, in_time, until};
use std::sync::TryLockError;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use threads::{Lock, Pool, ReentrantLock};

#[test]
fn one_at_a_time() {
    in_time(|| {
        let total = Lock::new(0u64).unwrap();
        let pool = Pool::new(4).unwrap();
        let inputs = std::iter::repeat_n(total.clone(), 10_000);
        let add = |total: Lock<u64>| {
            let mut total = total.lock().unwrap();
            let seen = *total;
            *total = seen + 1;
        };
        assert!(pool.map(add, inputs).all(|result| result.is_ok()));
        assert_eq!(*total.lock().unwrap(), 10_000);
    });
}

#[test]
fn a_held_lock_makes_others_wait_no_longer_than_they_want() {
    let lock = Lock::new(1).unwrap();
    let guard = lock.lock().unwrap();
    let other = lock.clone();
    let (told, result) = mpsc::channel();
    let thread = threads::spawn(
        move |told: mpsc::Sender<()>| {
            assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
            let short = other.lock_timeout(Duration::from_millis(5));
            assert!(matches!(short, Err(TryLockError::WouldBlock)));
            told.send(()).unwrap();
            *other.lock_timeout(LIMIT).unwrap()
        },
        told,
    )
    .unwrap();
    result.recv_timeout(LIMIT).unwrap();
    drop(guard);
    assert_eq!(thread.join().unwrap(), 1);
    assert_eq!(*lock.try_lock().unwrap(), 1);
}

#[test]
fn a_panic_under_the_lock_poisons_it() {
    let lock = Lock::new(1).unwrap();
    let other = lock.clone();
    let body = |lock: Lock<i32>| {
        let mut guard = lock.lock().unwrap();
        *guard = 2;
        panic!("half way");
    };
    assert!(threads::spawn(body, other).unwrap().join().is_err());
    assert!(lock.is_poisoned());
    assert_eq!(*lock.lock().unwrap_err().into_inner(), 2, "the value can still be reached");
    assert!(matches!(lock.try_lock(), Err(TryLockError::Poisoned(_))));
    assert!(matches!(lock.lock_timeout(LIMIT), Err(TryLockError::Poisoned(_))));
    lock.clear_poison();
    assert_eq!(*lock.lock().unwrap(), 2);
}

#[test]
fn a_lock_taken_while_unwinding_is_not_poisoned() {
    struct LocksInDrop(Lock<u32>);
    impl Drop for LocksInDrop {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
        }
    }
    let lock = Lock::new(0).unwrap();
    let value = LocksInDrop(lock.clone());
    let body = |value: LocksInDrop| {
        let _held = value;
        panic!("elsewhere");
    };
    assert!(threads::spawn(body, value).unwrap().join().is_err());
    assert_eq!(*lock.lock().unwrap(), 1);
}

/// Has five threads call `lock` while it is held, and `unlock` it when they have begun.
fn contend<G>(lock: impl Fn() -> G + Sync, unlock: impl FnOnce()) {
    let (begun, locked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                begun.fetch_add(1, SeqCst);
                let _guard = lock();
                locked.fetch_add(1, SeqCst);
            });
        }
        until("all have begun", || begun.load(SeqCst) == 5);
        assert_eq!(locked.load(SeqCst), 0, "it is held");
        unlock();
    });
    assert_eq!(locked.load(SeqCst), 5);
}

#[test]
fn everyone_who_waits_gets_the_lock() {
    in_time(|| {
        let (lock, reentrant) = (Lock::new(()).unwrap(), ReentrantLock::new(()).unwrap());
        for _ in 0..50 {
            let guard = lock.lock().unwrap();
            contend(|| lock.lock().unwrap(), || drop(guard));
            let guards = (reentrant.lock(), reentrant.lock());
            contend(|| reentrant.lock(), || drop(guards));
        }
    });
}

#[test]
fn a_wait_in_vain_leaves_the_lock_as_it_was() {
    let lock = Lock::new(1).unwrap();
    let guard = lock.lock().unwrap();
    // Not even its holder can take it again.
    let again = lock.lock_timeout(Duration::from_millis(2));
    assert!(matches!(again, Err(TryLockError::WouldBlock)));
    assert!(matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
    drop(guard);
    assert_eq!(*lock.try_lock().unwrap(), 1);
}
