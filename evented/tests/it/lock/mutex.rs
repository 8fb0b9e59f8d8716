//! `Mutex`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use evented::sync::Mutex;
use evented::{TaskGroup, block_on, sleep, spawn, timeout, yield_now};

use crate::support::{bounded, poll_once};

#[test]
fn one_at_a_time_in_the_order_in_which_they_came() {
    block_on(bounded(async {
        let lock = Mutex::new(Vec::new());
        let inside = Rc::new(Cell::new(false));
        let mut group = TaskGroup::new();
        for n in 0..50_usize {
            let (lock, inside) = (lock.clone(), Rc::clone(&inside));
            group.spawn(async move {
                let mut guard = lock.lock().await;
                assert!(!inside.replace(true), "somebody else has the lock");
                for _ in 0..n % 4 {
                    yield_now().await;
                }
                guard.push(n);
                inside.set(false);
            });
        }
        while let Some(result) = group.next().await {
            result.unwrap();
        }
        assert_eq!(*lock.lock().await, (0..50).collect::<Vec<_>>());
        assert!(!lock.is_locked());
    }));
}

#[test]
fn nobody_overtakes_and_who_gives_up_hands_its_turn_on() {
    let lock = Mutex::new(0);
    let guard = lock.try_lock().unwrap();
    assert!(lock.is_locked() && lock.try_lock().is_none());
    let (mut first, mut second, mut third) = (lock.lock(), lock.lock(), lock.lock());
    for waits in [&mut first, &mut second, &mut third] {
        assert!(poll_once(waits).is_pending());
    }
    drop(guard);
    assert!(lock.try_lock().is_none(), "nobody overtakes");
    assert!(poll_once(&mut second).is_pending(), "nor does the second");
    drop(first); // It was told.
    let Poll::Ready(mut guard) = poll_once(&mut second) else { panic!("it is the second's turn") };
    *guard += 1;
    assert!(poll_once(&mut third).is_pending());
    drop(guard);
    assert_eq!(poll_once(&mut third).map(|guard| *guard), Poll::Ready(1));
    drop(third);
    assert_eq!(*lock.try_lock().unwrap(), 1);
}

#[test]
fn a_turn_that_is_given_up_wakes_the_next() {
    block_on(bounded(async {
        let lock = Mutex::new(());
        let guard = lock.lock().await;
        let mut told = lock.lock();
        assert!(poll_once(&mut told).is_pending());
        let waits = lock.clone();
        let waits = spawn(async move { drop(waits.lock().await) });
        yield_now().await;
        drop(guard);
        drop(told);
        waits.await.unwrap();
        // One whose time is over leaves the line.
        let guard = lock.lock().await;
        assert!(timeout(Duration::ZERO, lock.lock()).await.is_err());
        drop(guard);
        assert!(lock.try_lock().is_some());
    }));
}

#[test]
fn a_panic_or_a_cancelled_task_gives_the_lock_back() {
    block_on(bounded(async {
        let lock = Mutex::new(1);
        let other = lock.clone();
        let unlucky = spawn(async move {
            *other.lock().await = 2;
            let _guard = other.lock().await;
            panic!("with the guard");
        });
        assert!(unlucky.await.is_err());
        assert_eq!(*lock.lock().await, 2);
        let other = lock.clone();
        let stuck = spawn(async move {
            let _guard = other.lock().await;
            std::future::pending::<()>().await;
        });
        yield_now().await;
        assert!(lock.is_locked());
        assert!(stuck.cancel().await.is_err());
        assert!(lock.try_lock().is_some());
    }));
}

#[test]
fn a_guard_may_be_handed_to_another_task() {
    block_on(bounded(async {
        let lock = Mutex::new(1);
        let mut guard = lock.lock().await;
        spawn(async move { *guard += 1 }).await.unwrap();
        assert_eq!(*lock.lock().await, 2);
        assert!(format!("{lock:?} {:?}", lock.lock()).contains("is_locked"));
    }));
}

#[test]
fn a_lock_between_threads() {
    const ROUNDS: u64 = 500;
    let lock = Mutex::new((0_u64, 0_u64));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let lock = lock.clone();
            std::thread::spawn(move || {
                block_on(bounded(async move {
                    for _ in 0..ROUNDS {
                        let mut guard = lock.lock().await;
                        guard.0 += 1;
                        yield_now().await;
                        guard.1 += 1;
                        assert_eq!(guard.0, guard.1, "half of a change is seen");
                        drop(guard);
                        // Gives up now and then, told or not.
                        drop(timeout(Duration::ZERO, lock.lock()).await);
                    }
                }));
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(*lock.try_lock().unwrap(), (4 * ROUNDS, 4 * ROUNDS));
}

#[test]
fn a_lock_that_nobody_else_wants_starves_nothing() {
    block_on(bounded(async {
        let task = spawn(async {
            let lock = Mutex::new(());
            loop {
                drop(lock.lock().await);
            }
        });
        sleep(Duration::from_millis(1)).await;
        assert!(task.cancel().await.is_err());
    }));
}

/// Notes whether the lock could be asked for while the value is dropped.
struct Asks(Rc<RefCell<Option<Mutex<Option<Asks>>>>>);

impl Drop for Asks {
    fn drop(&mut self) {
        if let Some(lock) = self.0.borrow_mut().take() {
            assert!(lock.is_locked());
        }
    }
}

#[test]
fn a_value_is_dropped_outside_of_the_lock() {
    let place = Rc::new(RefCell::new(None));
    let lock = Mutex::new(Some(Asks(Rc::clone(&place))));
    *place.borrow_mut() = Some(lock.clone());
    *lock.try_lock().unwrap() = None;
    assert!(place.borrow().is_none(), "it was dropped, and its drop has asked the lock");
}
