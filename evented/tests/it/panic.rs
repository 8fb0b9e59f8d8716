//! A panic of the user's code is a value or a count; the loop goes on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use evented::{
    JoinError, Reactor, Spawn, block_on, blocking, call_later, call_soon, spawn, spawn_with,
    yield_now,
};

use crate::support::{bounded, until};

/// Panics when dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

/// A future that is ready and holds something until it is dropped.
struct Late(Bomb);

impl Future for Late {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// The loop still works.
async fn still_works() {
    assert_eq!(spawn(async { 1 }).await.unwrap(), 1);
}

#[test]
fn a_task_that_panics() {
    block_on(bounded(async {
        let options = Spawn::new().name("unlucky");
        let task = spawn_with(options, async { panic!("{}", String::from("boom")) });
        let error: JoinError = match task.await {
            Err::<(), _>(error) => error,
            Ok(()) => unreachable!("it panicked"),
        };
        let text = error.to_string();
        let JoinError::Panicked(panic) = error else { panic!("not a panic: {text}") };
        assert_eq!(panic.task(), Some("unlucky"));
        assert_eq!(panic.message(), "boom");
        assert!(panic.spawned_at().file().ends_with("panic.rs"));
        assert!(text.contains("unlucky") && text.contains("boom"), "{text}");
        assert_eq!(*panic.into_payload().downcast::<String>().unwrap(), "boom");
        spawn(async { panic!("nobody awaits this") }).detach();
        until(|| evented::stats().tasks == 0).await;
        assert_eq!(evented::stats().panics, 2);
        still_works().await;
    }));
}

#[test]
fn a_payload_that_panics_when_dropped() {
    block_on(bounded(async {
        spawn(async { std::panic::panic_any(Bomb) }).detach();
        until(|| evented::stats().tasks == 0).await;
        still_works().await;
    }));
}

#[test]
fn a_future_that_panics_when_dropped() {
    block_on(bounded(async {
        // When cancelled.
        let task = spawn(async {
            let _bomb = Bomb;
            std::future::pending::<()>().await;
        });
        yield_now().await;
        assert!(matches!(task.cancel().await, Err(JoinError::Panicked(_))));
        // When it returns: an async block drops its variables while it is polled.
        let task = spawn(async {
            let _bomb = Bomb;
        });
        assert!(matches!(task.await, Err(JoinError::Panicked(_))));
        // When it has returned: this one drops its field afterwards.
        assert!(matches!(spawn(Late(Bomb)).await, Err(JoinError::Panicked(_))));
        still_works().await;
    }));
}

#[test]
fn a_result_that_panics_when_dropped() {
    block_on(bounded(async {
        spawn(async { Bomb }).detach();
        until(|| evented::stats().tasks == 0).await;
        let task = spawn(async { Bomb });
        until(|| task.is_finished()).await;
        drop(task);
        assert_eq!(evented::stats().panics, 2);
        still_works().await;
    }));
}

#[test]
fn a_waker_that_panics() {
    block_on(bounded(async {
        let waker = Waker::from(Arc::new(Angry));
        let mut task = spawn(async { 5 });
        let poll = Pin::new(&mut task).poll(&mut Context::from_waker(&waker));
        assert!(poll.is_pending());
        let mut sleep = evented::sleep(Duration::from_micros(1));
        if Pin::new(&mut sleep).poll(&mut Context::from_waker(&waker)).is_pending() {
            until(|| evented::stats().panics == 2).await;
        }
        assert_eq!(task.await.unwrap(), 5);
        still_works().await;
    }));
}

/// Panics when it wakes.
struct Angry;

impl Wake for Angry {
    fn wake(self: Arc<Self>) {
        panic!("woken");
    }
}

#[test]
fn a_waker_that_panics_costs_no_other_task_its_wake() {
    block_on(bounded(async {
        let angry = Waker::from(Arc::new(Angry));
        let (sender, mut receiver) = evented::sync::mpsc::bounded(1);
        sender.try_send(0).unwrap();
        // The first who waits for room is angry.
        let mut first = sender.send(1);
        assert!(Pin::new(&mut first).poll(&mut Context::from_waker(&angry)).is_pending());
        let second = sender.clone();
        let second = spawn(async move { second.send(2).await });
        yield_now().await;
        assert_eq!(receiver.try_recv(), Ok(0));
        drop(receiver);
        assert!(second.await.unwrap().is_err());
        drop(first);
        still_works().await;
    }));
}

#[test]
fn a_waker_that_panics_while_a_task_unwinds() {
    block_on(bounded(async {
        let angry = Waker::from(Arc::new(Angry));
        let mut group = evented::TaskGroup::new();
        group.spawn(async { panic!("mine") });
        assert!(group.poll_next(&mut Context::from_waker(&angry)).is_pending());
        let (sender, receiver) = evented::sync::mpsc::bounded::<()>(1);
        let mut receiver = receiver;
        assert!(receiver.poll_recv(&mut Context::from_waker(&angry)).is_pending());
        let unlucky = spawn(async move {
            let _sender = sender;
            panic!("mine too");
        });
        let error = group.next().await.unwrap().map(|()| "returned").unwrap_err();
        assert!(error.to_string().ends_with("mine"), "{error}");
        assert!(unlucky.await.map(|()| "returned").unwrap_err().to_string().ends_with("mine too"));
        still_works().await;
    }));
}

/// Who wakes several wakes all of them, and keeps its own state whole.
#[test]
fn a_waker_that_panics_among_those_who_wait_for_the_same() {
    use evented::CancelToken;
    use evented::sync::{Event, Mutex, Semaphore, watch};
    block_on(bounded(async {
        let angry = Waker::from(Arc::new(Angry));
        let mut cx = Context::from_waker(&angry);
        let before = evented::stats().panics;
        // An event, a token, a watched value: the angry one is first, the task behind it is woken.
        let (event, token) = (Event::new(), CancelToken::new());
        let (sender, mut first) = watch::channel(0);
        let (mut set, mut cancelled) = (event.wait(), token.cancelled());
        let mut changed = first.changed();
        assert!(Pin::new(&mut set).poll(&mut cx).is_pending());
        assert!(Pin::new(&mut cancelled).poll(&mut cx).is_pending());
        assert!(Pin::new(&mut changed).poll(&mut cx).is_pending());
        let (behind, child, mut second) = (event.clone(), token.child(), sender.subscribe());
        let waits = spawn(async move {
            behind.wait().await;
            child.cancelled().await;
            *second.changed().await.unwrap()
        });
        yield_now().await;
        event.set();
        yield_now().await;
        token.cancel();
        yield_now().await;
        sender.send(7).unwrap();
        assert_eq!(waits.await.unwrap(), 7);
        assert_eq!(evented::stats().panics - before, 3);
        // A lock and a permit: it has its turn, and loses it when it gives up.
        let (lock, permits) = (Mutex::new(1), Semaphore::new(1));
        let held = (lock.lock().await, permits.acquire().await);
        let (mut waits, mut acquires) = (lock.lock(), permits.acquire());
        assert!(Pin::new(&mut waits).poll(&mut cx).is_pending());
        assert!(Pin::new(&mut acquires).poll(&mut cx).is_pending());
        drop(held);
        assert_eq!(evented::stats().panics - before, 5);
        assert!(lock.try_lock().is_none() && permits.try_acquire().is_none());
        drop((waits, acquires));
        assert!(lock.try_lock().is_some() && permits.try_acquire().is_some());
        still_works().await;
    }));
}

#[test]
fn callbacks_that_panic() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    reactor.block_on(bounded(async {
        call_soon(|| panic!("soon"));
        call_later(Duration::ZERO, || panic!("later"));
        handle.call(|| panic!("called")).unwrap();
        until(|| evented::stats().panics == 3).await;
        still_works().await;
    }));
}

#[test]
fn closures_on_the_pool_that_panic() {
    block_on(bounded(async {
        for _ in 0..100 {
            let result = blocking(|| -> u32 { panic!("on the pool") }).await;
            assert!(matches!(result, Err(JoinError::Panicked(p)) if p.message() == "on the pool"));
        }
        assert_eq!(blocking(|| 1).await.unwrap(), 1);
        // The result is dropped on the pool's thread.
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let mut call = blocking(move || wait.recv().map(|()| Bomb));
        assert!(crate::support::poll_once(&mut call).is_pending());
        until(|| evented::stats().blocking_queued == 0).await;
        drop(call);
        go.send(()).unwrap();
        assert_eq!(blocking(|| 2).await.unwrap(), 2);
    }));
}

#[test]
fn a_panic_of_block_on_goes_through_and_leaves_the_reactor_whole() {
    let reactor = Reactor::new().unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        reactor.block_on(async { panic!("mine") });
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "mine");
    assert_eq!(reactor.block_on(async { spawn(async { 3 }).await.unwrap() }), 3);
}

#[test]
fn drops_that_panic_while_the_reactor_is_dropped() {
    let reactor = Reactor::new().unwrap();
    for _ in 0..3 {
        reactor
            .spawn(async {
                let _bomb = Bomb;
                std::future::pending::<()>().await;
            })
            .detach();
    }
    reactor.block_on(yield_now());
    drop(reactor);
}
