//! What tasks wait at for each other: order, giving up, other threads. Here `Semaphore` and `Notify`.

mod event;
mod giving_up;
mod mutex;
mod watch;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use evented::sync::{Notify, Semaphore};
use evented::{TaskGroup, block_on, sleep, spawn, timeout, yield_now};

use crate::support::{bounded, poll_once, until};

#[test]
fn never_more_at_once_than_there_are_permits() {
    block_on(bounded(async {
        let limit = Semaphore::new(3);
        let (inside, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let mut group = TaskGroup::new();
        for n in 0..50 {
            let (limit, inside, most) = (limit.clone(), Rc::clone(&inside), Rc::clone(&most));
            group.spawn(async move {
                let _permit = limit.acquire().await;
                inside.set(inside.get() + 1);
                most.set(most.get().max(inside.get()));
                for _ in 0..n % 5 {
                    yield_now().await;
                }
                inside.set(inside.get() - 1);
            });
        }
        while let Some(result) = group.next().await {
            result.unwrap();
        }
        assert_eq!(most.get(), 3);
        assert_eq!(limit.available(), 3);
    }));
}

#[test]
fn permits_go_to_those_who_wait_longest() {
    let limit = Semaphore::new(1);
    let permit = limit.try_acquire().unwrap();
    let (mut first, mut second) = (limit.acquire(), limit.acquire());
    assert!(poll_once(&mut first).is_pending());
    assert!(poll_once(&mut second).is_pending());
    drop(permit);
    assert!(limit.try_acquire().is_none(), "nobody overtakes");
    assert!(poll_once(&mut second).is_pending(), "nor does the second");
    let Poll::Ready(permit) = poll_once(&mut first) else { panic!("it is the first's turn") };
    assert!(poll_once(&mut second).is_pending());
    drop(permit);
    assert!(poll_once(&mut second).is_ready());
}

#[test]
fn who_gives_up_hands_the_permit_on() {
    block_on(bounded(async {
        let limit = Semaphore::new(1);
        let permit = limit.acquire().await;
        // Gives up when it has been told, and another one before that.
        let mut told = limit.acquire();
        assert!(poll_once(&mut told).is_pending());
        let mut early = limit.acquire();
        assert!(poll_once(&mut early).is_pending());
        let waits = limit.clone();
        let waits = spawn(async move { drop(waits.acquire().await) });
        yield_now().await;
        drop(early);
        drop(permit);
        drop(told);
        waits.await.unwrap();
        assert!(timeout(Duration::ZERO, limit.acquire()).await.is_ok());
        assert_eq!(limit.available(), 1);
    }));
}

#[test]
fn permits_come_and_go() {
    block_on(bounded(async {
        let limit = Semaphore::new(0);
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let limit = limit.clone();
                spawn(async move { limit.acquire().await.forget() })
            })
            .collect();
        yield_now().await;
        limit.add_permits(4);
        for waiter in waiters {
            waiter.await.unwrap();
        }
        assert_eq!(limit.available(), 1);
        limit.add_permits(usize::MAX);
        assert_eq!(limit.available(), usize::MAX);
        assert!(format!("{limit:?}").contains("available"));
    }));
}

#[test]
fn permits_between_threads() {
    let limit = Semaphore::new(2);
    let (inside, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (limit, inside, done) = (limit.clone(), Arc::clone(&inside), Arc::clone(&done));
            std::thread::spawn(move || {
                block_on(bounded(async move {
                    for _ in 0..500 {
                        let permit = limit.acquire().await;
                        assert!(inside.fetch_add(1, Ordering::SeqCst) < 2);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                        // Gives up now and then, told or not.
                        drop(timeout(Duration::ZERO, limit.acquire()).await);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                }));
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!((done.load(Ordering::SeqCst), limit.available()), (2_000, 2));
}

#[test]
fn permits_that_are_never_short_starve_nothing() {
    block_on(bounded(async {
        let task = spawn(async {
            let limit = Semaphore::new(1);
            loop {
                drop(limit.acquire().await);
            }
        });
        sleep(Duration::from_millis(1)).await;
        assert!(task.cancel().await.is_err());
    }));
}

#[test]
fn one_is_told_in_order_and_one_notification_is_kept() {
    let notify = Notify::new();
    notify.notify_one();
    notify.notify_one();
    assert!(poll_once(&mut notify.notified()).is_ready(), "it was kept");
    let (mut first, mut second) = (notify.notified(), notify.notified());
    assert!(poll_once(&mut first).is_pending(), "one is kept at most");
    assert!(poll_once(&mut second).is_pending());
    notify.notify_one();
    assert!(poll_once(&mut second).is_pending());
    assert!(poll_once(&mut first).is_ready());
    notify.notify_one();
    assert!(poll_once(&mut second).is_ready());
}

#[test]
fn a_notification_that_is_not_taken_goes_to_the_next_or_is_kept() {
    let notify = Notify::new();
    let (mut first, mut second) = (notify.notified(), notify.notified());
    assert!(poll_once(&mut first).is_pending());
    assert!(poll_once(&mut second).is_pending());
    notify.notify_one();
    drop(first);
    assert!(poll_once(&mut second).is_ready(), "it was passed on");
    let mut third = notify.notified();
    assert!(poll_once(&mut third).is_pending());
    notify.notify_one();
    drop(third);
    assert!(poll_once(&mut notify.notified()).is_ready(), "it was kept");
    assert!(poll_once(&mut notify.notified()).is_pending(), "and taken");
    // One who gives up without having been told takes nothing along.
    let mut fourth = notify.notified();
    assert!(poll_once(&mut fourth).is_pending());
    drop(fourth);
    assert!(poll_once(&mut notify.notified()).is_pending());
}

#[test]
fn all_are_told_polled_or_not_and_nothing_is_kept() {
    block_on(bounded(async {
        let notify = Notify::new();
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..5)
            .map(|n| {
                let (notify, order) = (notify.clone(), Rc::clone(&order));
                spawn(async move {
                    notify.notified().await;
                    order.borrow_mut().push(n);
                })
            })
            .collect();
        yield_now().await;
        let mut not_polled = notify.notified();
        notify.notify_all();
        assert!(poll_once(&mut not_polled).is_ready());
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.borrow(), [0, 1, 2, 3, 4]);
        assert!(poll_once(&mut notify.notified()).is_pending());
    }));
}

#[test]
fn notifications_from_another_thread() {
    const ROUNDS: usize = 2_000;
    let (there, back) = (Notify::new(), Notify::new());
    let (to, from) = (there.clone(), back.clone());
    let other = std::thread::spawn(move || {
        block_on(bounded(async move {
            for _ in 0..ROUNDS {
                to.notified().await;
                from.notify_one();
            }
        }));
    });
    block_on(bounded(async {
        for _ in 0..ROUNDS {
            there.notify_one();
            back.notified().await;
        }
        until(|| other.is_finished()).await;
    }));
    other.join().unwrap();
}
