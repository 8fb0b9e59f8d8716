//! Waits that have begun when there was but one rank, and nothing was noted.

use evented::sync::{Mutex, mpsc};
use evented::{Class, Task, TaskGroup, now, spawn, yield_now};

use super::{WORK, assert_bounded, hog, of, reactor, urgent_wait, work};

/// The urgent one joins a task that waits for a lock, behind another one, of a task that waits for a
/// channel. And the first of those waits have begun when there was but one rank.
#[test]
fn chains_also_those_that_were_there_before_the_ranks() {
    let reactor = reactor();
    reactor.block_on(async {
        let lock = Mutex::new(());
        let (sender, mut values) = mpsc::bounded::<()>(1);
        let held = lock.clone();
        let first = spawn(async move {
            let guard = held.lock().await;
            values.recv().await.unwrap();
            work(WORK / 4).await;
            drop(guard);
            std::future::pending::<()>().await;
        });
        yield_now().await;
        let behind = |lock: &Mutex<()>| {
            let lock = lock.clone();
            spawn(async move {
                let _guard = lock.lock().await;
                work(WORK / 4).await;
            })
        };
        let (second, third) = (behind(&lock), behind(&lock));
        yield_now().await;
        let last = of(Class::IDLE, async move {
            sender.claim();
            work(WORK).await;
            sender.send(()).await.unwrap();
            std::future::pending::<()>().await;
        });
        // They keep what they have and wait for, as tasks of the least urgent class.
        for task in [&first, &second, &third] {
            task.set_class(Class::IDLE);
        }
        let wait = urgent_wait(async move { third.await.unwrap() }).await;
        assert_bounded(wait);
        drop((first, second, last));
    });
    assert!(reactor.class_stats(Class::RT).boosts >= 4, "{:?}", reactor.class_stats(Class::RT));
}

/// All of them have begun to wait when there was but one rank, and nothing was noted.
#[test]
fn waits_that_were_there_before_the_ranks() {
    let before_ranks = |begin: &dyn Fn() -> (Vec<Task<()>>, Task<()>)| {
        reactor().block_on(async {
            let (low, waiter) = begin();
            for _ in 0..5 {
                yield_now().await;
            }
            let (start, _hogs) = (now(), [(); 20].map(|()| hog()));
            for low in &low {
                low.set_class(Class::IDLE);
            }
            waiter.set_class(Class::RT);
            waiter.await.unwrap();
            assert_bounded(now() - start);
            drop(low);
        });
    };
    // A lock, of which the waiter becomes urgent.
    before_ranks(&|| {
        let lock = Mutex::new(());
        let other = lock.clone();
        let holder = spawn(async move {
            let guard = lock.lock().await;
            work(WORK).await;
            drop(guard);
            std::future::pending::<()>().await;
        });
        (vec![holder], spawn(async move { drop(other.lock().await) }))
    });
    // A group.
    before_ranks(&|| {
        let collector = spawn(async {
            let mut group = TaskGroup::new();
            for _ in 0..2 {
                group.spawn(async {
                    let nested = spawn(work(WORK));
                    nested.set_class(Class::IDLE);
                    nested.await.unwrap();
                });
            }
            while let Some(result) = group.next().await {
                result.unwrap();
            }
        });
        (Vec::new(), collector)
    });
    // An empty channel.
    before_ranks(&|| {
        let (sender, mut receiver) = mpsc::bounded(1);
        let producer = spawn(async move {
            sender.claim();
            work(WORK).await;
            sender.send(()).await.unwrap();
            std::future::pending::<()>().await;
        });
        (vec![producer], spawn(async move { receiver.recv().await.unwrap() }))
    });
}
