//! Ending a reactor, by handle and by drop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evented::{Closed, JoinError, Reactor, blocking, spawn, yield_now};

use crate::support::{BOUND, bounded, poll_once, until};

#[test]
fn run_returns_after_shutdown_and_tasks_are_cancelled() {
    let reactor = Reactor::new().unwrap();
    let task = reactor.spawn(std::future::pending::<()>());
    let handle = reactor.handle();
    let thread = std::thread::spawn(move || handle.shutdown());
    reactor.run();
    thread.join().unwrap().unwrap();
    assert!(task.is_finished());
    assert!(matches!(reactor.block_on(task), Err(JoinError::Cancelled)));
    // New tasks are cancelled at birth, and running again returns at once.
    let late = reactor.spawn(async { 1 });
    assert!(matches!(reactor.block_on(late), Err(JoinError::Cancelled)));
    reactor.run();
}

#[test]
fn shutdown_before_run_is_kept() {
    let reactor = Reactor::new().unwrap();
    reactor.handle().shutdown().unwrap();
    reactor.run();
}

#[test]
fn what_is_spawned_from_afar_after_a_shutdown_is_cancelled_at_once() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    // Comes after the shutdown, but before the reactor has seen that.
    handle.shutdown().unwrap();
    let queued = handle.spawn(|| async { 1 });
    reactor.run();
    assert!(queued.is_finished());
    // The reactor is alive and will never run again: nobody must wait for it.
    let late = std::thread::spawn(move || handle.spawn(|| async { 2 }));
    let late = late.join().unwrap();
    assert!(late.is_finished());
    assert!(matches!(queued.join(), Err(JoinError::Cancelled)));
    assert!(matches!(late.join(), Err(JoinError::Cancelled)));
    // Plain calls are another matter: they may be what its sockets and timers need at their end.
    let called = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&called);
    reactor.handle().call(move || flag.store(true, Ordering::SeqCst)).unwrap();
    reactor.run();
    reactor.block_on(yield_now());
    assert!(called.load(Ordering::SeqCst));
    // The next reactor, most likely with the same mailbox, spawns as usual.
    drop(reactor);
    let next = Reactor::new().unwrap();
    assert_eq!(next.block_on(bounded(next.handle().spawn(|| async { 3 }))).unwrap(), 3);
}

#[test]
fn every_task_spawned_while_a_reactor_shuts_down_ends() {
    for _ in 0..crate::support::rounds(200, 20_000) {
        let reactor = Reactor::new().unwrap();
        let handle = reactor.handle();
        let start = Arc::new(std::sync::Barrier::new(3));
        let spawns = {
            let start = Arc::clone(&start);
            std::thread::spawn(move || {
                start.wait();
                [(); 20].map(|()| handle.spawn(|| async {}))
            })
        };
        let ends = {
            let start = Arc::clone(&start);
            std::thread::spawn(move || {
                start.wait();
                handle.shutdown()
            })
        };
        start.wait();
        reactor.run();
        ends.join().unwrap().unwrap();
        // The reactor is alive, and never runs again.
        let tasks = spawns.join().unwrap();
        assert!(tasks.iter().all(evented::RemoteTask::is_finished), "{tasks:?}");
    }
}

#[test]
fn the_future_of_block_on_goes_on_after_shutdown() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let answer = reactor.block_on(bounded(async move {
        let task = spawn(std::future::pending::<()>());
        handle.shutdown().unwrap();
        assert!(matches!(task.await, Err(JoinError::Cancelled)));
        yield_now().await;
        42
    }));
    assert_eq!(answer, 42);
}

#[test]
fn a_handle_outlives_its_reactor() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    assert!(!handle.is_closed());
    let token = Arc::new(());
    let inside = Arc::clone(&token);
    handle.call(move || drop(inside)).unwrap();
    drop(reactor);
    assert_eq!(Arc::strong_count(&token), 1, "the call was dropped");
    // The next reactor uses the same mailbox; the old handle must not reach it.
    let next = Reactor::new().unwrap();
    assert!(handle.is_closed());
    assert_eq!(handle.call(|| ()), Err(Closed));
    assert_eq!(handle.shutdown(), Err(Closed));
    assert!(matches!(handle.spawn(|| async {}).join(), Err(JoinError::Cancelled)));
    assert!(!next.handle().is_closed());
}

#[test]
fn dropping_waits_for_a_running_call_and_cancels_queued_ones() {
    let finished = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&finished);
    let reactor = Reactor::builder().blocking_threads(1).build().unwrap();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (mut running, mut queued) = (
        blocking(move || {
            // Returns when the sender is dropped, with the other closure. That one would run if it came to this.
            let _ = wait.recv_timeout(BOUND);
            flag.store(true, Ordering::SeqCst);
        }),
        blocking(move || drop(go)),
    );
    reactor.block_on(bounded(async {
        assert!(poll_once(&mut running).is_pending());
        until(|| evented::stats().blocking_queued == 0).await;
        assert!(poll_once(&mut queued).is_pending());
    }));
    drop(reactor);
    assert!(finished.load(Ordering::SeqCst));
    // Their futures are still there, and polled elsewhere they know the end.
    assert!(evented::block_on(running).is_ok());
    assert!(matches!(evented::block_on(queued), Err(JoinError::Cancelled)));
}

#[test]
fn a_reactor_that_a_thread_keeps_goes_with_the_thread() {
    use std::cell::RefCell;
    use std::sync::Arc;

    thread_local! {
        static KEPT: RefCell<Option<Reactor>> = const { RefCell::new(None) };
    }
    let token = Arc::new(());
    let inside = Arc::clone(&token);
    std::thread::spawn(move || {
        KEPT.with(|kept| {
            // Before the crate uses its own variables of the thread, which go first therefore.
            let mut kept = kept.borrow_mut();
            let reactor = kept.insert(Reactor::new().unwrap());
            reactor
                .spawn(async move {
                    evented::sleep(std::time::Duration::from_hours(1)).await;
                    drop(inside);
                })
                .detach();
            reactor.block_on(yield_now());
        });
    })
    .join()
    .unwrap();
    assert_eq!(Arc::strong_count(&token), 1, "its task was dropped");
}
