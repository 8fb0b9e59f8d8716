//! When a boost ends, and what belongs to a boosted task itself.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use evented::sync::Mutex;
use evented::{
    Class, JoinError, Spawn, Task, advance, sleep, spawn, spawn_with, timeout, yield_now,
};

use super::{WORK, hog, micros, of, reactor, urgent_wait, work};

/// Whether a task comes any further beside the hog.
pub(super) async fn goes_on(polls: &Rc<Cell<u32>>) -> bool {
    // What is on its way may still come.
    sleep(micros(300)).await;
    let before = polls.get();
    sleep(micros(5_000)).await;
    polls.get() > before + 1
}

/// A task that is always ready, and how often it was polled.
pub(super) fn counted(class: Class) -> (Task<()>, Rc<Cell<u32>>) {
    let polls = Rc::new(Cell::new(0));
    let count = Rc::clone(&polls);
    let task = of(class, async move {
        loop {
            count.set(count.get() + 1);
            advance(micros(100));
            yield_now().await;
        }
    });
    (task, polls)
}

#[test]
fn a_boost_ends_with_the_wait() {
    reactor().block_on(async {
        let _hog = hog();
        of(Class::RT, async {
            let (mut low, polls) = counted(Class::IDLE);
            assert!(!goes_on(&polls).await);
            // The handle stays when time is over.
            assert!(timeout(micros(2_000), &mut low).await.is_err());
            let worked = polls.get();
            assert!(worked >= 15, "it ran meanwhile: {worked}");
            assert!(!goes_on(&polls).await, "it runs on although nobody waits");
            assert_eq!(low.class(), Class::IDLE);
        })
        .await
        .unwrap();
    });
}

#[test]
fn a_lock_that_is_given_up_ends_the_boost_and_so_does_a_cancelled_waiter() {
    reactor().block_on(async {
        let lock = Mutex::new(());
        let polls = Rc::new(Cell::new(0));
        let (holder, count) = (lock.clone(), Rc::clone(&polls));
        let _holder = of(Class::IDLE, async move {
            let _guard = holder.lock().await;
            loop {
                count.set(count.get() + 1);
                work(1).await;
            }
        });
        sleep(micros(1_000)).await;
        let _hog = hog();
        of(Class::RT, async move {
            assert!(!goes_on(&polls).await);
            let mut waits = lock.lock();
            assert!(timeout(micros(1_000), &mut waits).await.is_err());
            assert!(goes_on(&polls).await, "it has its place in the line still");
            drop(waits);
            assert!(!goes_on(&polls).await, "nobody waits any more");
            let other = lock.clone();
            let waiter = spawn(async move { drop(other.lock().await) });
            assert!(goes_on(&polls).await);
            assert!(matches!(waiter.cancel().await, Err(JoinError::Cancelled)));
            assert!(!goes_on(&polls).await);
        })
        .await
        .unwrap();
    });
}

#[test]
fn the_class_of_a_task_changes_while_it_is_boosted() {
    reactor().block_on(async {
        let (mut low, polls) = counted(Class::IDLE);
        let _hog = hog();
        of(Class::RT, async move {
            // It joins, and changes the class in the same poll.
            poll_fn(|cx| {
                assert!(Pin::new(&mut low).poll(cx).is_pending());
                low.set_class(Class::BATCH);
                assert_eq!(low.class(), Class::BATCH);
                low.set_class(Class::IDLE);
                Poll::Ready(())
            })
            .await;
            assert!(timeout(micros(2_000), &mut low).await.is_err());
            let worked = polls.get();
            assert!(worked >= 15, "it is boosted all the same: {worked}");
            assert!(!goes_on(&polls).await, "its own class is the last one that was set");
            poll_fn(|cx| {
                assert!(Pin::new(&mut low).poll(cx).is_pending());
                low.set_class(Class::NORMAL);
                Poll::Ready(())
            })
            .await;
            assert!(goes_on(&polls).await, "it goes on beside the hog");
        })
        .await
        .unwrap();
    });
}

#[test]
fn a_waiter_that_changes_takes_the_boost_along() {
    reactor().block_on(async {
        let (low, polls) = counted(Class::IDLE);
        let waiter = of(Class::IDLE, async move { low.await.unwrap() });
        sleep(micros(1_000)).await;
        let _hog = hog();
        of(Class::RT, async move {
            assert!(!goes_on(&polls).await);
            waiter.set_class(Class::RT);
            assert!(goes_on(&polls).await);
            waiter.set_class(Class::IDLE);
            assert!(!goes_on(&polls).await);
        })
        .await
        .unwrap();
    });
}

/// What a boosted task spawns is of its own class, and its deadline is judged as its own.
#[test]
fn children_and_deadlines_are_those_of_the_task_itself() {
    let reactor = reactor();
    reactor.block_on(async {
        let options = Spawn::new().class(Class::IDLE).deadline(micros(2_000));
        let low = spawn_with(options, async {
            work(WORK).await;
            let child = spawn(async {});
            let class = child.class();
            child.detach();
            class
        });
        let class = Rc::new(Cell::new(None));
        let found = Rc::clone(&class);
        urgent_wait(async move { found.set(Some(low.await.unwrap())) }).await;
        assert_eq!(class.get(), Some(Class::IDLE));
    });
    assert_eq!(reactor.class_stats(Class::IDLE).missed_deadlines, 1);
    assert_eq!(reactor.class_stats(Class::RT).missed_deadlines, 0);
}
