//! `Task`: awaiting, cancelling, detaching; `RemoteTask` from other threads.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use evented::{JoinError, Reactor, block_on, join_all, sleep, spawn, timeout, yield_now};

use crate::support::{bounded, until};

mod elsewhere;

#[test]
fn cancel_waits_until_the_future_is_dropped() {
    block_on(async {
        let token = Rc::new(());
        let inside = Rc::clone(&token);
        let task = spawn(async move {
            std::future::pending::<()>().await;
            drop(inside);
        });
        yield_now().await;
        assert_eq!(Rc::strong_count(&token), 2);
        assert!(matches!(task.cancel().await, Err(JoinError::Cancelled)));
        assert_eq!(Rc::strong_count(&token), 1);
    });
}

#[test]
fn cancelling_a_finished_task_gives_its_result() {
    block_on(async {
        let task = spawn(async { 7 });
        until(|| task.is_finished()).await;
        assert_eq!(task.cancel().await.unwrap(), 7);
    });
}

#[test]
fn dropping_a_task_cancels_it_and_detaching_does_not() {
    block_on(async {
        let runs = Rc::new(Cell::new(0));
        let count = |runs: &Rc<Cell<i32>>| {
            let runs = Rc::clone(runs);
            async move {
                yield_now().await;
                runs.set(runs.get() + 1);
            }
        };
        drop(spawn(count(&runs)));
        spawn(count(&runs)).detach();
        until(|| evented::stats().tasks == 0).await;
        assert_eq!(runs.get(), 1);
    });
}

#[test]
fn a_task_may_drop_its_own_handle() {
    block_on(async {
        let slot = Rc::new(Cell::new(None));
        let own = Rc::clone(&slot);
        let dropped = Rc::new(());
        let inside = Rc::clone(&dropped);
        slot.set(Some(spawn(async move {
            drop(own.take());
            std::future::pending::<()>().await;
            drop(inside);
        })));
        until(|| evented::stats().tasks == 0).await;
        assert_eq!(Rc::strong_count(&dropped), 1);
    });
}

#[test]
fn join_all_keeps_the_order() {
    block_on(async {
        let tasks = (0..100).map(|n: u32| {
            spawn(async move {
                for _ in 0..(n * 7) % 13 {
                    yield_now().await;
                }
                n
            })
        });
        let results: Vec<u32> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(results, (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn a_timeout_around_a_task_cancels_it() {
    block_on(async {
        let dropped = Rc::new(());
        let inside = Rc::clone(&dropped);
        let task = spawn(async move {
            std::future::pending::<()>().await;
            drop(inside);
        });
        assert!(timeout(Duration::from_millis(1), task).await.is_err());
        until(|| Rc::strong_count(&dropped) == 1).await;
    });
}

#[test]
fn another_thread_spawns_joins_and_cancels() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let thread = std::thread::spawn(move || {
        // The future is not `Send`, only the closure that makes it is.
        let sum = handle.spawn(|| async {
            let local = Rc::new(20);
            yield_now().await;
            *local + 22
        });
        assert_eq!(sum.join().unwrap(), 42);
        let panics = handle.spawn(|| async { panic!("over there") });
        assert!(
            matches!(panics.join(), Err::<(), _>(JoinError::Panicked(p)) if p.message() == "over there")
        );
        drop(handle.spawn(std::future::pending::<()>));
        handle.spawn(|| sleep(Duration::from_millis(1))).detach();
        handle.shutdown().unwrap();
    });
    reactor.run();
    thread.join().unwrap();
    reactor.block_on(until(|| evented::stats().tasks == 0));
}

#[test]
fn calls_run_in_order_on_the_reactors_thread() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let here = std::thread::current().id();
    let (sender, mut receiver) = evented::sync::mpsc::bounded(1_000);
    let thread = std::thread::spawn(move || {
        for n in 0..1_000 {
            let sender = sender.clone();
            handle
                .call(move || {
                    assert_eq!(std::thread::current().id(), here);
                    sender.try_send(n).unwrap();
                })
                .unwrap();
        }
    });
    reactor.block_on(bounded(async {
        for n in 0..1_000 {
            assert_eq!(receiver.recv().await, Some(n));
        }
    }));
    thread.join().unwrap();
    assert_eq!(reactor.stats().panics, 0);
}

#[test]
fn a_task_from_elsewhere_is_known_by_where_it_was_spawned() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let line = line!() + 1;
    let task = handle.spawn(|| async { panic!("on purpose") });
    let error = reactor.block_on(task).unwrap_err();
    let JoinError::Panicked(panic) = error else { panic!("{error}") };
    assert_eq!((panic.spawned_at().file(), panic.spawned_at().line()), (file!(), line));
}

#[test]
fn joining_for_a_while_gives_the_task_back() {
    let (sender, handle) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let reactor = Reactor::new().unwrap();
        sender.send(reactor.handle()).unwrap();
        reactor.run();
    });
    let handle = handle.recv().unwrap();
    let (go_on, waits) = evented::sync::oneshot::channel::<u32>();
    let task = handle.spawn(move || async move { waits.await.unwrap() });
    let task = task.join_timeout(Duration::from_millis(5)).unwrap_err();
    go_on.send(7).unwrap();
    assert_eq!(task.join_timeout(crate::support::BOUND).unwrap().unwrap(), 7);
    let never = handle.spawn(std::future::pending::<()>);
    handle.shutdown().unwrap();
    let ended = never.join_timeout(crate::support::BOUND).unwrap();
    assert!(matches!(ended, Err(JoinError::Cancelled)), "{ended:?}");
    thread.join().unwrap();
    // On its own thread nobody would run it, however short the wait.
    let reactor = Reactor::new().unwrap();
    let task = reactor.handle().spawn(|| async {});
    let join = || task.join_timeout(Duration::ZERO).is_ok();
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(join)).is_err());
}
