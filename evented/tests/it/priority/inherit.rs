//! Priority inheritance, in virtual time but for descriptors: an urgent task is never held up by tasks
//! for which it does not wait.

mod channels;
mod claims;
mod earlier;
mod ends;
mod root;
mod strangers;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use evented::sync::{Mutex, Semaphore};
use evented::{
    Class, ClassSpec, Order, Reactor, Spawn, Task, TaskGroup, advance, join_all, now, sleep, spawn,
    spawn_with, timeout, yield_now,
};

const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// How long the task of low rank has to work before the urgent one can go on, in polls of 100 us.
const WORK: u32 = 50;
/// Longer than the work of all low tasks of a test together, and much shorter than the hog's.
const BOUND: Duration = Duration::from_millis(30);
/// How long a task in the middle keeps the reactor busy.
const HOGGED: Duration = Duration::from_secs(1);

fn reactor() -> Reactor {
    Reactor::builder().virtual_time().build().unwrap()
}

fn of<T: 'static>(class: Class, future: impl Future<Output = T> + 'static) -> Task<T> {
    spawn_with(Spawn::new().class(class), future)
}

/// Works for so many polls.
async fn work(polls: u32) {
    for _ in 0..polls {
        advance(micros(100));
        yield_now().await;
    }
}

/// A task of the middle rank that is always ready.
fn hog() -> Task<()> {
    let end = now() + HOGGED;
    of(Class::NORMAL, async move {
        while now() < end {
            advance(micros(100));
            yield_now().await;
        }
    })
}

/// How long an urgent task waits for `low`, which has begun, beside the hog.
async fn urgent_wait(urgent: impl Future<Output = ()> + 'static) -> Duration {
    sleep(micros(1_000)).await;
    let start = now();
    let hog = hog();
    of(Class::RT, urgent).await.unwrap();
    let waited = now() - start;
    drop(hog);
    waited
}

/// `low` is spawned in the least urgent class, begins, and then has to do with what `urgent` waits for.
fn waited(
    scene: impl FnOnce() -> (Pin<Box<dyn Future<Output = ()>>>, Pin<Box<dyn Future<Output = ()>>>),
) -> Duration {
    let reactor = reactor();
    reactor.block_on(async {
        let (low, urgent) = scene();
        let low = of(Class::IDLE, low);
        let waited = urgent_wait(urgent).await;
        drop(low);
        waited
    })
}

#[track_caller]
fn assert_bounded(waited: Duration) {
    assert!(waited >= micros(1_000), "it did not have to wait at all: {waited:?}");
    assert!(waited <= BOUND, "it waited for the hog: {waited:?}");
}

/// What happened on Mars: a low task has the lock, an urgent one waits for it, one in between runs.
#[test]
fn pathfinder() {
    assert_bounded(waited(|| {
        let lock = Mutex::new(());
        let other = lock.clone();
        let low = Box::pin(async move {
            let _guard = lock.lock().await;
            work(WORK).await;
        });
        (low, Box::pin(async move { drop(other.lock().await) }))
    }));
}

/// Without a wait that is known, it does wait for the hog: the tests can fail.
#[test]
fn a_wait_of_which_nobody_knows_is_not_bounded() {
    let waited = waited(|| {
        let done = Rc::new(Cell::new(false));
        let seen = Rc::clone(&done);
        let low = Box::pin(async move {
            work(WORK).await;
            done.set(true);
        });
        let urgent = async move {
            while !seen.get() {
                sleep(micros(1_000)).await;
            }
        };
        (low, Box::pin(urgent))
    });
    assert!(waited >= HOGGED, "{waited:?}");
}

#[test]
fn joins() {
    reactor().block_on(async {
        let low = of(Class::IDLE, work(WORK));
        assert_bounded(urgent_wait(async move { low.await.unwrap() }).await);
        // All of them at once, by the three ways there are.
        let several = || (0..3).map(|_| of(Class::IDLE, work(WORK))).collect::<Vec<_>>();
        let tasks = several();
        assert_bounded(
            urgent_wait(async move {
                let all = join_all(tasks).await;
                assert!(all.into_iter().all(|result| result.is_ok()));
            })
            .await,
        );
        let mut group = TaskGroup::new();
        for _ in 0..3 {
            group.spawn_with(Spawn::new().class(Class::IDLE), work(WORK));
        }
        assert_bounded(
            urgent_wait(async move {
                let first = group.next().await.unwrap();
                first.unwrap();
                // One that comes later, too.
                group.spawn_with(Spawn::new().class(Class::IDLE), work(WORK));
                while let Some(result) = group.next().await {
                    result.unwrap();
                }
            })
            .await,
        );
    });
}

#[test]
fn permits() {
    assert_bounded(waited(|| {
        let (permits, begun) = (Semaphore::new(2), Rc::new(Cell::new(0)));
        let urgent = permits.clone();
        let low = Box::pin(async move {
            let both: Vec<_> = (0..2)
                .map(|_| {
                    let (permits, begun) = (permits.clone(), Rc::clone(&begun));
                    spawn(async move {
                        let permit = permits.acquire().await;
                        begun.set(begun.get() + 1);
                        work(WORK).await;
                        drop(permit);
                        std::future::pending::<()>().await;
                    })
                })
                .collect();
            join_all(both).await;
        });
        (low, Box::pin(async move { drop(urgent.acquire().await) }))
    }));
}

/// To begin a wait takes no longer the more permits there are: the newest are named.
#[test]
fn of_many_permits_the_newest() {
    let reactor = reactor();
    reactor.block_on(async {
        let permits = Semaphore::new(100);
        let holders: Vec<_> = (0..100)
            .map(|_| {
                let permits = permits.clone();
                of(Class::IDLE, async move {
                    let _permit = permits.acquire().await;
                    std::future::pending::<()>().await;
                })
            })
            .collect();
        sleep(micros(1_000)).await;
        let urgent = of(Class::RT, async move { drop(permits.acquire().await) });
        sleep(micros(1_000)).await;
        drop((holders, urgent));
    });
    assert_eq!(reactor.class_stats(Class::RT).boosts, 64);
}

/// In a class with deadlines the nearest one is inherited.
#[test]
fn deadlines_are_inherited() {
    let reactor = reactor();
    let class = reactor.add_class(ClassSpec::new("frames").order(Order::Deadline)).unwrap();
    let order = Rc::new(RefCell::new(Vec::new()));
    reactor.block_on(async {
        let run = |name: &'static str, deadline, before: Option<Task<()>>| {
            let order = Rc::clone(&order);
            spawn_with(Spawn::new().class(class).deadline(micros(deadline)), async move {
                if let Some(before) = before {
                    before.await.unwrap();
                }
                work(3).await;
                order.borrow_mut().push(name);
            })
        };
        let far = run("far", 90_000, None);
        let near = run("near", 10_000, Some(far));
        let middle = run("middle", 50_000, None);
        near.await.unwrap();
        middle.await.unwrap();
    });
    assert_eq!(*order.borrow(), ["far", "near", "middle"]);
}

/// A task that ends, panics or is cancelled with everything held is forgotten with all its waits.
#[test]
fn nothing_is_left_of_tasks_that_end_in_any_way() {
    reactor().block_on(async {
        for round in 0..30_u32 {
            let lock = Mutex::new(());
            let low = lock.clone();
            let low = of(Class::IDLE, async move {
                let _guard = low.lock().await;
                work(3).await;
                assert!(round % 3 != 0, "as planned");
                if round % 3 == 1 {
                    std::future::pending::<()>().await;
                }
            });
            sleep(micros(100)).await;
            let urgent = lock.clone();
            let urgent = of(Class::RT, async move { drop(urgent.lock().await) });
            if round % 3 == 1 {
                sleep(micros(1_000)).await;
                assert!(low.cancel().await.is_err());
            } else {
                assert_eq!(low.await.is_err(), round % 3 == 0);
            }
            urgent.await.unwrap();
        }
    });
}

/// A lock whose tasks live in two reactors, both with ranks; what one does is told to the other.
#[test]
fn a_lock_between_reactors() {
    let lock = Mutex::new(0_u64);
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let lock = lock.clone();
            std::thread::spawn(move || {
                evented::block_on(crate::support::bounded(async move {
                    let classes = [Class::RT, Class::NORMAL, Class::IDLE];
                    let tasks: Vec<_> = (0..30)
                        .map(|n| {
                            let lock = lock.clone();
                            of(classes[n % 3], async move {
                                for _ in 0..20 {
                                    let mut guard = lock.lock().await;
                                    yield_now().await;
                                    *guard += 1;
                                    drop(guard);
                                    drop(timeout(Duration::ZERO, lock.lock()).await);
                                }
                            })
                        })
                        .collect();
                    for result in join_all(tasks).await {
                        result.unwrap();
                    }
                }));
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(*lock.try_lock().unwrap(), 2 * 30 * 20);
}
