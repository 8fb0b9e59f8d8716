//! Waiting for a task on the thread of its reactor, but not in that reactor: a panic, never a hang.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use evented::{JoinError, Reactor, TaskGroup, block_on, spawn};

use crate::support::{bounded, poll_once, until};

/// The text with which `f` panics.
fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).err().expect("it panics");
    payload.downcast_ref::<String>().cloned().unwrap_or_else(|| {
        (*payload.downcast_ref::<&str>().expect("the payload is text")).to_owned()
    })
}

/// What one is told who joins where only awaiting can work.
const AWAIT_INSTEAD: &str = "`.await` the `RemoteTask` in that reactor instead of joining it";
/// What one is told who awaits a task in another reactor.
const OTHER_REACTOR: &str = "await it inside that reactor";

#[test]
fn joining_inside_the_tasks_reactor() {
    block_on(bounded(async {
        let task = evented::handle().spawn(|| async { 1 });
        let text = panic_of(|| task.join());
        assert!(text.contains(AWAIT_INSTEAD), "{text}");
        // Nothing was harmed: it is as if the handle had been dropped.
        until(|| evented::stats().tasks == 0).await;
        assert_eq!(evented::handle().spawn(|| async { 2 }).await.unwrap(), 2);
    }));
}

#[test]
fn joining_while_the_tasks_reactor_does_not_run() {
    let reactor = Reactor::new().unwrap();
    let task = reactor.handle().spawn(|| async { 1 });
    assert!(!task.is_finished());
    let text = panic_of(|| task.join());
    assert!(text.contains(AWAIT_INSTEAD), "{text}");
}

#[test]
fn joining_inside_a_reactor_inside_the_tasks_reactor() {
    block_on(bounded(async {
        let task = evented::handle().spawn(|| async { 1 });
        let text = panic_of(|| block_on(async { task.join() }));
        assert!(text.contains(AWAIT_INSTEAD), "{text}");
    }));
}

#[test]
fn joining_a_finished_task_works_anywhere() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let tasks = [handle.spawn(|| async { 1 }), handle.spawn(|| async { 2 })];
    reactor.block_on(bounded(until(|| tasks.iter().all(evented::RemoteTask::is_finished))));
    let [first, second] = tasks;
    assert_eq!(first.join().unwrap(), 1);
    assert_eq!(reactor.block_on(async { second.join().unwrap() }), 2);
    // One that never starts has no result, and that is known at once.
    let never = handle.spawn(|| async { 3 });
    drop(reactor);
    assert!(never.is_finished());
    assert!(matches!(never.join(), Err(JoinError::Cancelled)));
}

#[test]
fn joining_a_task_of_another_thread_blocks_this_reactor_only() {
    let (tell, told) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        let reactor = Reactor::new().unwrap();
        tell.send(reactor.handle()).unwrap();
        reactor.run();
    });
    let handle = told.recv().unwrap();
    let sum = block_on(async {
        let here = spawn(async { 1 });
        let there = handle.spawn(|| async { 2 }).join().unwrap();
        assert!(!here.is_finished(), "nothing runs here while this reactor is blocked");
        here.await.unwrap() + there
    });
    assert_eq!(sum, 3);
    handle.shutdown().unwrap();
    other.join().unwrap();
}

#[test]
fn awaiting_in_another_reactor() {
    let reactor = Reactor::new().unwrap();
    let (task, remote) = (reactor.spawn(async { 1 }), reactor.handle().spawn(|| async { 2 }));
    let text = panic_of(|| block_on(task));
    assert!(text.contains(OTHER_REACTOR), "{text}");
    let text = panic_of(|| block_on(remote));
    assert!(text.contains(OTHER_REACTOR), "{text}");
    let mut group = TaskGroup::new();
    reactor.block_on(async { group.spawn(std::future::pending::<()>()) });
    let text = panic_of(|| block_on(async { group.next().await }));
    assert!(text.contains(OTHER_REACTOR), "{text}");
    // The group is as good as before.
    group.cancel_all();
    assert!(reactor.block_on(bounded(async { group.next().await.unwrap() })).is_err());
}

#[test]
fn awaiting_in_a_reactor_inside_the_tasks_reactor() {
    block_on(bounded(async {
        let task = spawn(async { 1 });
        let text = panic_of(|| block_on(task));
        assert!(text.contains(OTHER_REACTOR), "{text}");
    }));
}

#[test]
fn awaiting_outside_any_reactor() {
    let reactor = Reactor::new().unwrap();
    let mut task = reactor.spawn(async { 1 });
    let text = panic_of(|| poll_once(&mut task));
    assert!(text.contains(OTHER_REACTOR), "{text}");
    let mut remote = reactor.handle().spawn(|| async { 2 });
    let text = panic_of(|| poll_once(&mut remote));
    assert!(text.contains(OTHER_REACTOR), "{text}");
    // Both go on where they belong, and a result that is there may be taken anywhere.
    reactor.block_on(bounded(until(|| task.is_finished() && remote.is_finished())));
    assert!(matches!(poll_once(&mut task), std::task::Poll::Ready(Ok(1))));
    assert!(matches!(poll_once(&mut remote), std::task::Poll::Ready(Ok(2))));
}

#[test]
fn awaiting_on_another_thread_works_under_any_executor() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let thread = std::thread::spawn(move || {
        let first = futures_lite::future::block_on(handle.spawn(|| async { 1 })).unwrap();
        let second = block_on(bounded(handle.spawn(|| async { 2 }))).unwrap();
        handle.shutdown().unwrap();
        first + second
    });
    reactor.run();
    assert_eq!(thread.join().unwrap(), 3);
}

#[test]
fn a_destructor_that_joins_while_the_reactor_is_dropped() {
    /// Joins when dropped, which cannot work here.
    struct Joins(Option<evented::RemoteTask<()>>, Rc<RefCell<Option<String>>>);
    impl Drop for Joins {
        fn drop(&mut self) {
            let task = self.0.take().unwrap();
            let text = (!task.is_finished()).then(|| panic_of(|| task.join()));
            *self.1.borrow_mut() = text;
        }
    }
    let reactor = Reactor::new().unwrap();
    let told = Rc::new(RefCell::new(None));
    let waits = reactor.handle().spawn(std::future::pending::<()>);
    reactor.block_on(evented::yield_now());
    let joins = Joins(Some(waits), Rc::clone(&told));
    reactor
        .spawn(async move {
            let _joins = joins;
            std::future::pending::<()>().await;
        })
        .detach();
    reactor.block_on(evented::yield_now());
    drop(reactor);
    let text = told.take().expect("its task is the newest, so the other one was alive");
    assert!(text.contains(AWAIT_INSTEAD), "{text}");
}

#[test]
fn a_task_that_awaits_itself() {
    block_on(bounded(async {
        let own = Rc::new(RefCell::new(None::<evented::Task<()>>));
        let inside = Rc::clone(&own);
        let (tell, told) = evented::sync::oneshot::channel();
        *own.borrow_mut() = Some(spawn(async move {
            let mut task = inside.take().unwrap();
            tell.send(panic_of(|| poll_once(&mut task))).unwrap();
        }));
        let text = told.await.unwrap();
        assert!(text.contains("awaits itself"), "{text}");
    }));
}
