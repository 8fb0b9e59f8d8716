//! When futures, results and closures are dropped, and that each is dropped once.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use evented::{JoinError, Reactor, TaskGroup, block_on, blocking, call_later, spawn, yield_now};

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

type Group = Rc<RefCell<TaskGroup<u32>>>;

/// Looks for results of its group when it is dropped, and finds none.
struct Asks {
    group: Group,
    waker: Option<Waker>,
}

impl Drop for Asks {
    fn drop(&mut self) {
        let mut group = self.group.borrow_mut();
        match &self.waker {
            None => assert!(group.try_next().is_none(), "a task that has not ended has a result"),
            Some(waker) => {
                let next = group.poll_next(&mut Context::from_waker(waker));
                assert!(next.is_pending(), "a task that has not ended has a result");
            }
        }
    }
}

/// A task tells its group that it ends before it has ended, so that code of the user's may ask in between.
#[test]
fn a_group_that_is_asked_while_a_future_is_dropped_loses_no_result() {
    struct Counts(AtomicUsize);
    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let group = Group::default();
    let next = async || {
        let next = poll_fn(|cx| group.borrow_mut().poll_next(cx)).await;
        next.expect("the result was lost")
    };
    block_on(bounded(async {
        for is_polled in [false, true] {
            let woken = Arc::new(Counts(AtomicUsize::new(0)));
            for waker in [None, Some(Waker::from(Arc::clone(&woken)))] {
                let has_waker = waker.is_some();
                let asks = Asks { group: Rc::clone(&group), waker };
                group.borrow_mut().spawn(async move {
                    std::future::pending::<()>().await;
                    drop(asks);
                    1
                });
                if is_polled {
                    yield_now().await;
                }
                group.borrow_mut().cancel_all();
                if has_waker {
                    // It takes the place of who waits.
                    yield_now().await;
                    assert_eq!(
                        woken.0.load(Ordering::SeqCst),
                        1,
                        "who waits is told, and told once"
                    );
                }
                assert!(matches!(next().await, Err(JoinError::Cancelled)));
                assert!(group.borrow().is_empty());
            }
        }
        // Nobody fails who does not ask for it.
        assert_eq!(evented::stats().panics, 0);
    }));
}

thread_local! {
    /// Where the waker below finds the group: wakers may go to other threads, groups may not.
    static GROUP: Group = Group::default();
}

/// The same for a waker that is not the reactor's: it asks on the spot.
#[test]
fn a_group_that_is_asked_by_the_waker_that_it_wakes_loses_no_result() {
    struct AsksAtOnce(AtomicUsize);
    impl Wake for AsksAtOnce {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
            assert!(GROUP.with(|group| group.borrow_mut().try_next().is_none()));
        }
    }
    let group = GROUP.with(Rc::clone);
    block_on(bounded(async {
        for is_cancelled in [false, true] {
            let asks = Arc::new(AsksAtOnce(AtomicUsize::new(0)));
            let waker = Waker::from(Arc::clone(&asks));
            group.borrow_mut().spawn(async { 1 });
            let next = group.borrow_mut().poll_next(&mut Context::from_waker(&waker));
            assert!(next.is_pending());
            if is_cancelled {
                group.borrow_mut().cancel_all();
            }
            yield_now().await;
            assert_eq!(asks.0.load(Ordering::SeqCst), 1);
            let result = group.borrow_mut().try_next().expect("the result was lost");
            assert_eq!(result.ok(), (!is_cancelled).then_some(1));
        }
        assert_eq!(evented::stats().panics, 0);
    }));
}
