//! When futures, results and closures are dropped, and that each is dropped once.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evented::{Reactor, block_on, blocking, call_later, spawn, yield_now};

use crate::support::{bounded, poll_once, until};

/// Notes its name when dropped.
struct Note(&'static str, Rc<RefCell<Vec<&'static str>>>);

impl Drop for Note {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

#[test]
fn a_reactor_drops_its_tasks_newest_first() {
    let order = Rc::new(RefCell::new(Vec::new()));
    let reactor = Reactor::new().unwrap();
    // The first slot is free again when the last task is spawned: slots are not the order.
    let early = reactor.spawn(async {});
    for name in ["first", "second", "third"] {
        let note = Note(name, Rc::clone(&order));
        reactor
            .spawn(async move {
                std::future::pending::<()>().await;
                drop(note);
            })
            .detach();
    }
    reactor.block_on(early).unwrap();
    let note = Note("last", Rc::clone(&order));
    // Never polled.
    reactor.spawn(async move { drop(note) }).detach();
    drop(reactor);
    assert_eq!(*order.borrow(), ["last", "third", "second", "first"]);
}

#[test]
fn tasks_spawned_while_dropping_are_dropped_too() {
    struct Spawner(Rc<()>);
    impl Drop for Spawner {
        fn drop(&mut self) {
            let token = Rc::clone(&self.0);
            let task = spawn(async move {
                std::future::pending::<()>().await;
                drop(token);
            });
            assert!(task.is_finished(), "it was cancelled at birth");
            task.detach();
        }
    }
    let token = Rc::new(());
    let reactor = Reactor::new().unwrap();
    let spawner = Spawner(Rc::clone(&token));
    reactor
        .spawn(async move {
            std::future::pending::<()>().await;
            drop(spawner);
        })
        .detach();
    reactor.block_on(yield_now());
    drop(reactor);
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn results_nobody_wants_are_dropped() {
    block_on(bounded(async {
        let token = Rc::new(());
        let (a, b, c) = (Rc::clone(&token), Rc::clone(&token), Rc::clone(&token));
        spawn(async move { a }).detach();
        let finished = spawn(async move { b });
        until(|| finished.is_finished()).await;
        assert_eq!(Rc::strong_count(&token), 3, "the kept result, the spare and this one");
        drop(finished);
        drop(call_later(std::time::Duration::ZERO, move || drop(c)));
        until(|| Rc::strong_count(&token) == 1).await;
    }));
}

#[test]
fn an_awaited_call_drops_its_closure_on_every_path() {
    let token = Arc::new(AtomicUsize::new(0));
    let reactor = Reactor::builder().blocking_threads(1).blocking_queue(1).build().unwrap();
    reactor.block_on(bounded(async {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let mut running = blocking(move || wait.recv());
        assert!(poll_once(&mut running).is_pending());
        until(|| evented::stats().blocking_queued == 0).await;
        let touch = |token: &Arc<AtomicUsize>| {
            let token = Arc::clone(token);
            blocking(move || token.fetch_add(1, Ordering::SeqCst))
        };
        // One takes the only place, one finds the queue full, one was never polled.
        let mut queued = touch(&token);
        let mut outside = touch(&token);
        let never = touch(&token);
        assert!(poll_once(&mut queued).is_pending());
        assert!(poll_once(&mut outside).is_pending());
        assert_eq!(evented::stats().blocking_queued, 1);
        drop((queued, outside, never));
        go.send(()).unwrap();
        running.await.unwrap().unwrap();
        until(|| evented::stats().blocking_queued == 0).await;
    }));
    drop(reactor);
    assert_eq!(token.load(Ordering::SeqCst), 0, "none of them ran");
    assert_eq!(Arc::strong_count(&token), 1, "all of them were dropped");
}
