//! Spawning: options, groups, `call_soon`, many tasks, slots that are used again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use evented::{
    Class, Reactor, Spawn, TaskGroup, block_on, call_soon, sleep, spawn, spawn_with, yield_now,
};

use crate::support::{bounded, until};

#[test]
fn a_spawned_task_starts_later_and_in_order() {
    block_on(async {
        let seen = Rc::new(RefCell::new(Vec::new()));
        for n in 0..5 {
            let seen = Rc::clone(&seen);
            spawn(async move { seen.borrow_mut().push(n) }).detach();
        }
        assert!(seen.borrow().is_empty(), "nothing runs inside `spawn`");
        yield_now().await;
        assert_eq!(*seen.borrow(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn tasks_spawned_before_the_reactor_runs() {
    let reactor = Reactor::new().unwrap();
    let task = reactor.spawn(async { 1 });
    let named = reactor.spawn_with(Spawn::new().name("second"), async { 2 });
    let sum = reactor.block_on(async { task.await.unwrap() + named.await.unwrap() });
    assert_eq!(sum, 3);
}

#[test]
fn a_result_outlives_its_reactor() {
    let reactor = Reactor::new().unwrap();
    let task = reactor.spawn(async { String::from("kept") });
    reactor.block_on(async { yield_now().await });
    drop(reactor);
    assert_eq!(block_on(task).unwrap(), "kept");
}

#[test]
fn classes_are_inherited() {
    block_on(async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let note = |what: &'static str| {
            let order = Rc::clone(&order);
            async move { order.borrow_mut().push(what) }
        };
        spawn(note("normal")).detach();
        let child = note("child of urgent");
        let parent = note("urgent");
        let options = Spawn::new().class(Class::RT);
        spawn_with(options, async move {
            spawn(child).detach();
            parent.await;
        })
        .detach();
        until(|| order.borrow().len() == 3).await;
        assert_eq!(*order.borrow(), ["urgent", "child of urgent", "normal"]);
    });
}

#[test]
fn a_group_gives_results_as_they_come() {
    block_on(bounded(async {
        let mut group = TaskGroup::new();
        for n in [3_u32, 1, 2] {
            group.spawn(async move {
                for _ in 0..n * 10 {
                    yield_now().await;
                }
                n
            });
        }
        assert_eq!(group.len(), 3);
        let mut order = Vec::new();
        while let Some(result) = group.next().await {
            order.push(result.unwrap());
        }
        assert_eq!(order, [1, 2, 3]);
        assert!(group.is_empty());
    }));
}

#[test]
fn a_dropped_group_cancels_and_a_cancelled_group_reports() {
    block_on(bounded(async {
        let token = Rc::new(());
        let hold = |token: &Rc<()>| {
            let token = Rc::clone(token);
            async move {
                std::future::pending::<()>().await;
                drop(token);
            }
        };
        let mut group = TaskGroup::new();
        group.spawn(hold(&token));
        group.spawn(hold(&token));
        yield_now().await;
        group.cancel_all();
        assert!(group.next().await.unwrap().is_err());
        assert!(group.next().await.unwrap().is_err());
        assert!(group.next().await.is_none());
        group.spawn(hold(&token));
        drop(group);
        until(|| Rc::strong_count(&token) == 1).await;
    }));
}

/// Notes its number when dropped.
struct Noted(u32, Rc<RefCell<Vec<u32>>>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

#[test]
fn a_group_ends_its_tasks_in_the_order_in_which_they_were_spawned() {
    const TASKS: u32 = 50;
    block_on(bounded(async {
        let log = Rc::new(RefCell::new(Vec::new()));
        let waiting_group = || {
            let mut group = TaskGroup::new();
            for n in 0..TASKS {
                let noted = Noted(n, Rc::clone(&log));
                group.spawn(async move {
                    let _noted = noted;
                    std::future::pending::<()>().await;
                });
            }
            group
        };
        let in_order = (0..TASKS).collect::<Vec<_>>();
        let mut cancelled = waiting_group();
        yield_now().await;
        cancelled.cancel_all();
        while let Some(result) = cancelled.next().await {
            assert!(result.is_err());
        }
        assert_eq!(log.take(), in_order, "cancelled");
        let dropped = waiting_group();
        yield_now().await;
        drop(dropped);
        until(|| log.borrow().len() == in_order.len()).await;
        assert_eq!(log.take(), in_order, "dropped");
    }));
}

#[test]
fn ten_thousand_tasks_and_their_slots_again() {
    block_on(bounded(async {
        for _ in 0..3 {
            let done = Rc::new(Cell::new(0));
            for _ in 0..10_000 {
                let done = Rc::clone(&done);
                spawn(async move {
                    yield_now().await;
                    done.set(done.get() + 1);
                })
                .detach();
            }
            assert_eq!(evented::stats().tasks, 10_000);
            until(|| evented::stats().tasks == 0).await;
            assert_eq!(done.get(), 10_000);
        }
    }));
}

#[test]
fn call_soon_in_a_loop_starves_nothing() {
    fn again(stop: Rc<Cell<bool>>) {
        if !stop.get() {
            call_soon(move || again(stop));
        }
    }
    block_on(bounded(async {
        let stop = Rc::new(Cell::new(false));
        again(Rc::clone(&stop));
        sleep(Duration::from_millis(2)).await;
        stop.set(true);
        until(|| evented::stats().tasks == 0).await;
    }));
}

#[test]
fn several_reactors_in_one_process() {
    let threads: Vec<_> = (0..4_u64)
        .map(|n| {
            std::thread::spawn(move || {
                block_on(async move {
                    let task = spawn(async move {
                        sleep(Duration::from_millis(1)).await;
                        n
                    });
                    task.await.unwrap()
                })
            })
        })
        .collect();
    let sum: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(sum, 6);
}

#[test]
fn a_reactor_inside_a_task_of_another() {
    block_on(bounded(async {
        let outer = spawn(async { 1 });
        let inner = block_on(async { spawn(async { 2 }).await.unwrap() });
        assert_eq!(outer.await.unwrap() + inner, 3);
    }));
}

#[test]
#[should_panic(expected = "this reactor is running already")]
fn a_reactor_inside_itself() {
    let reactor = Rc::new(Reactor::new().unwrap());
    let again = Rc::clone(&reactor);
    reactor.block_on(async move { again.block_on(async {}) });
}

#[test]
#[should_panic(expected = "no reactor is running on this thread")]
fn spawning_outside_a_reactor() {
    spawn(async {}).detach();
}

#[test]
fn wrong_options_are_errors() {
    for builder in [
        Reactor::builder().blocking_threads(0),
        Reactor::builder().blocking_threads(evented::MAX_BLOCKING_THREADS + 1),
        Reactor::builder().blocking_queue(0),
    ] {
        assert_eq!(builder.build().unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    }
}
