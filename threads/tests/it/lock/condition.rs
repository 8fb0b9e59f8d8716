//! Conditions (after CPython's `ConditionTests`).

use crate::support::{LIMIT, in_time, until};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
use threads::{Condition, Lock};

/// A limit that is meant to be exceeded.
const SHORT: Duration = Duration::from_millis(2);

/// A lock and its condition.
fn pair<T>(value: T) -> (Lock<T>, Condition) {
    (Lock::new(value).unwrap(), Condition::new().unwrap())
}

#[test]
fn notify_wakes_as_many_as_asked() {
    in_time(|| {
        let (lock, condition) = pair(0);
        let woken = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let mut waiting = lock.lock().unwrap();
                    *waiting += 1;
                    let _guard = condition.wait(waiting).unwrap();
                    woken.fetch_add(1, SeqCst);
                });
            }
            // They hold the lock until they wait.
            until("all wait", || *lock.lock().unwrap() == 6);
            for (n, total) in [(1, 1), (2, 3), (0, 3)] {
                condition.notify(n);
                until("they run", || woken.load(SeqCst) == total);
            }
            condition.notify_one();
            until("one more", || woken.load(SeqCst) == 4);
            condition.notify(100);
            until("the rest", || woken.load(SeqCst) == 6);
        });
        condition.notify_all(); // Nobody is there.
        let (_guard, notified) = condition.wait_timeout(lock.lock().unwrap(), SHORT).unwrap();
        assert!(!notified, "what came before the wait does not count");
    });
}

#[test]
fn wait_for_looks_at_the_value() {
    in_time(|| {
        let (lock, condition) = pair(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..4 {
                    *lock.lock().unwrap() += 1;
                    condition.notify_all();
                }
            });
            let guard = condition.wait_for(lock.lock().unwrap(), |value| *value == 4).unwrap();
            assert_eq!(*guard, 4);
            let (guard, holds) =
                condition.wait_for_timeout(guard, Duration::ZERO, |value| *value == 4).unwrap();
            assert!(holds, "no time is needed for what is so already");
            let (guard, holds) =
                condition.wait_for_timeout(guard, SHORT, |value| *value == 5).unwrap();
            assert_eq!((*guard, holds), (4, false));
            let (_guard, holds) =
                condition.wait_for_timeout(guard, Duration::MAX, |value| *value == 4).unwrap();
            assert!(holds);
        });
    });
}

#[test]
fn the_lock_is_free_while_a_thread_waits_and_poison_is_reported() {
    in_time(|| {
        let (lock, condition) = pair(false);
        let (other, bell) = (lock.clone(), condition.clone());
        let body = move |()| {
            let mut guard = other.lock().unwrap();
            *guard = true;
            bell.notify_all();
            panic!("under the lock");
        };
        let guard = lock.lock().unwrap();
        let thread = threads::spawn(body, ()).unwrap();
        let poisoned = condition.wait(guard).unwrap_err();
        assert!(*poisoned.into_inner());
        assert!(thread.join().is_err());
        let (guard, notified) = condition
            .wait_timeout(lock.lock().unwrap_err().into_inner(), SHORT)
            .unwrap_err()
            .into_inner();
        assert_eq!((*guard, notified), (true, false));
    });
}

#[test]
fn the_guard_of_another_lock_is_refused() {
    in_time(|| {
        let (lock, condition) = pair(false);
        let other = Lock::new(()).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let waiting = lock.lock().unwrap();
                drop(condition.wait_for(waiting, |free| {
                    *free || {
                        condition.notify_one();
                        false
                    }
                }));
            });
            until("it waits", || {
                let attempt = || drop(condition.wait_timeout(other.lock().unwrap(), SHORT));
                let refused = catch_unwind(AssertUnwindSafe(attempt)).is_err();
                other.clear_poison();
                refused
            });
            *lock.lock().unwrap() = true;
            condition.notify_all();
            until("it ends", || waiter.is_finished());
        });
        assert!(other.lock_timeout(LIMIT).is_ok(), "the guard of the refused wait is gone");
    });
}

/// `notify` wakes those who wait when it is called, not those again who wait again meanwhile.
#[test]
fn notify_of_many_wakes_each_once() {
    const WAITERS: usize = 64;
    in_time(|| {
        for _ in 0..20 {
            let (lock, condition) = pair(0);
            let (woken, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
            thread::scope(|scope| {
                for _ in 0..WAITERS {
                    scope.spawn(|| {
                        let mut guard = lock.lock().unwrap();
                        *guard += 1;
                        while !stop.load(SeqCst) {
                            guard = condition.wait(guard).unwrap();
                            woken.fetch_add(1, SeqCst);
                        }
                    });
                }
                until("all wait", || *lock.lock().unwrap() == WAITERS);
                condition.notify(usize::MAX);
                let total = || woken.load(SeqCst);
                until("all ran", || total() >= WAITERS);
                // Whoever ran unlocks when it waits again.
                let total = (lock.lock().unwrap(), total()).1;
                stop.store(true, SeqCst);
                condition.notify_all();
                assert_eq!(total, WAITERS);
            });
        }
    });
}

#[test]
fn a_wait_says_whether_it_was_notified() {
    in_time(|| {
        let (lock, condition) = pair(false);
        thread::scope(|scope| {
            let waits = scope.spawn(|| {
                let mut guard = lock.lock().unwrap();
                *guard = true;
                condition.wait_timeout(guard, LIMIT).unwrap().1
            });
            until("it waits", || *lock.lock().unwrap());
            condition.notify_one();
            assert!(waits.join().unwrap());
        });
    });
}

/// Each notification has the waiting thread look again, and none gives it more time.
#[test]
fn notifications_in_vain_do_not_prolong_the_limit() {
    in_time(|| {
        let (lock, condition) = pair(0_u64);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    *lock.lock().unwrap() += 1;
                    condition.notify_all();
                }
            });
            let guard = lock.lock().unwrap();
            let limit = Duration::from_millis(300); // Long beside the pauses of the other thread.
            let waited = condition.wait_for_timeout(guard, limit, |value| *value == u64::MAX);
            over.store(true, SeqCst);
            assert!(!waited.unwrap().1);
        });
    });
}
