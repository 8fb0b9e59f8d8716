//! Callbacks: timers that are moved, results that come later, and the end of a reactor from inside.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evented::{
    Class, JoinError, NotRunning, Reactor, Spawn, advance, block_on, call_at, call_later,
    call_soon, deferred, now, seconds, sleep, spawn, spawn_with, stop, yield_now,
};

use crate::support::{bounded, until};

/// Runs in virtual time, and gives the milliseconds at which `note` was called.
fn times<F: Future<Output = ()>>(
    body: impl FnOnce(Rc<dyn Fn(&'static str)>) -> F,
) -> Vec<(&'static str, u128)> {
    let reactor = Reactor::builder().virtual_time().build().unwrap();
    let log = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&log);
    reactor.block_on(async move {
        let start = now();
        body(Rc::new(move |what| noted.borrow_mut().push((what, (now() - start).as_millis()))))
            .await;
    });
    log.take()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn timers_are_reset_and_delayed() {
    let seen = times(|note| async move {
        let later = |delay, what| {
            let note = Rc::clone(&note);
            call_later(ms(delay), move || note(what))
        };
        let mut sooner = later(100, "sooner");
        let mut postponed = later(10, "postponed");
        let mut gone = later(5, "gone");
        assert!(sooner.reset(ms(20)));
        assert!(postponed.delay(ms(40)));
        assert_eq!(postponed.deadline(), now() + ms(50));
        sleep(ms(5)).await;
        yield_now().await;
        assert!(!gone.is_active() && !gone.reset(ms(1)) && !gone.delay(ms(1)));
        // Counted from now, not from the start.
        assert!(sooner.reset(ms(25)));
        sleep(ms(100)).await;
        assert!(!sooner.is_active() && !postponed.is_active());
    });
    assert_eq!(seen, [("gone", 5), ("sooner", 30), ("postponed", 50)]);
}

#[test]
fn a_timer_that_is_due_and_has_not_started_can_be_moved() {
    let seen = times(|note| async move {
        let second: Rc<RefCell<Option<evented::Timer>>> = Rc::default();
        let timer = Rc::clone(&second);
        let first = call_later(ms(10), move || {
            // Both are due; this one comes first, and moves the other.
            let mut timer = timer.borrow_mut();
            assert!(timer.as_mut().unwrap().is_active());
            assert!(timer.as_mut().unwrap().reset(ms(7)));
        });
        let noted = Rc::clone(&note);
        *second.borrow_mut() = Some(call_later(ms(10), move || noted("moved")));
        sleep(ms(50)).await;
        drop(first);
    });
    assert_eq!(seen, [("moved", 17)]);
}

#[test]
fn equal_deadlines_run_in_the_order_in_which_they_were_given() {
    let seen = times(|note| async move {
        let at = now() + ms(10);
        let timers: Vec<_> = ["a", "b", "c", "d"]
            .into_iter()
            .map(|what| {
                let note = Rc::clone(&note);
                call_at(at, move || note(what))
            })
            .collect();
        // One that is moved to the same moment comes last.
        let [mut first, second, third, fourth]: [_; 4] = timers.try_into().unwrap();
        assert!(first.reset_at(at));
        sleep(ms(20)).await;
        drop((first, second, third, fourth));
    });
    assert_eq!(seen, [("b", 10), ("c", 10), ("d", 10), ("a", 10)]);
}

#[test]
fn delays_that_are_no_time_are_rejected() {
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.5, 1e300] {
        let error = seconds(wrong).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{wrong}");
        assert!(error.to_string().contains("seconds"), "{error}");
    }
    assert_eq!(seconds(0.25).unwrap(), ms(250));
    assert_eq!(seconds(-0.0).unwrap(), Duration::ZERO);
}

#[test]
fn stopping_what_does_not_run_is_an_error() {
    assert_eq!(stop(), Err(NotRunning));
    let reactor = Reactor::new().unwrap();
    assert_eq!(reactor.stop(), Err(NotRunning));
    // Nothing was remembered of that: it runs until it is stopped.
    let ran = Rc::new(Cell::new(0));
    let count = Rc::clone(&ran);
    reactor
        .spawn(async move {
            for _ in 0..3 {
                sleep(ms(1)).await;
                count.set(count.get() + 1);
            }
            stop().unwrap();
            // That was noted, and the poll goes on.
            count.set(count.get() + 1);
            std::future::pending::<()>().await;
        })
        .detach();
    reactor.run();
    assert_eq!(ran.get(), 4);
    assert_eq!(reactor.stop(), Err(NotRunning));
}

#[test]
fn continuations_are_queued_and_come_in_order() {
    block_on(bounded(async {
        let log = Rc::new(RefCell::new(Vec::new()));
        let (deferred, promise) = deferred();
        let (one, two) = (Rc::clone(&log), Rc::clone(&log));
        let promise = promise
            .map(move |n: u32| {
                one.borrow_mut().push(n);
                n + 1
            })
            .then(move |n| async move {
                sleep(ms(1)).await;
                two.borrow_mut().push(n);
                n + 1
            });
        yield_now().await;
        let held = log.borrow_mut();
        // With a borrow alive: a continuation inside of this call would panic.
        deferred.fire(1).unwrap();
        drop(held);
        assert!(log.borrow().is_empty());
        assert_eq!(promise.await.unwrap(), 3);
        assert_eq!(*log.borrow(), [1, 2]);
        // Nobody keeps the promise, and the continuation runs all the same.
        let (deferred, promise) = evented::deferred();
        let last = Rc::clone(&log);
        drop(promise.map(move |n: u32| last.borrow_mut().push(n)));
        deferred.fire(7).unwrap();
        until(|| log.borrow().last() == Some(&7)).await;
        until(|| evented::stats().tasks == 0).await;
    }));
}

#[test]
fn errors_pass_by_continuations_and_panics_are_errors() {
    block_on(bounded(async {
        let (gone, promise) = deferred::<u32>();
        drop(gone);
        let promise = promise.map(|_| panic!("never called"));
        assert!(matches!(promise.await, Err::<u32, _>(JoinError::Cancelled)));
        let (failing, promise) = deferred::<u32>();
        failing.fail(JoinError::Cancelled);
        assert!(matches!(promise.await, Err(JoinError::Cancelled)));
        let (deferred, promise) = deferred::<u32>();
        let promise = promise.map(|_| panic!("on purpose")).map(|n: u32| n + 1);
        deferred.fire(1).unwrap();
        let Err(JoinError::Panicked(panic)) = promise.await else { panic!("it panicked") };
        assert_eq!(panic.message(), "on purpose");
        assert!(panic.spawned_at().file().ends_with("callbacks.rs"), "{panic}");
    }));
}

#[test]
fn cancelling_reaches_back_to_who_would_give_the_result() {
    struct Told(Rc<Cell<bool>>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    block_on(bounded(async {
        let (mut deferred, promise) = deferred::<u32>();
        let told = Rc::new(Cell::new(false));
        let inside = Told(Rc::clone(&told));
        let promise = promise.map(move |n| (n, inside)).map(|(n, _inside)| n);
        yield_now().await;
        assert!(!deferred.is_cancelled());
        promise.cancel();
        deferred.cancelled().await;
        assert!(deferred.is_cancelled() && told.get(), "the closures are gone");
        assert_eq!(deferred.fire(1), Err(1));
        until(|| evented::stats().tasks == 0).await;
        // A continuation that waits is dropped where it is.
        let (deferred, promise) = evented::deferred::<u32>();
        told.set(false);
        let inside = Told(Rc::clone(&told));
        let promise = promise.then(move |_| async move {
            let _inside = inside;
            std::future::pending::<()>().await;
        });
        deferred.fire(1).unwrap();
        for _ in 0..5 {
            yield_now().await;
        }
        assert!(!told.get());
        promise.cancel();
        until(|| told.get()).await;
    }));
}

/// Notes how many polls there were, and sends itself again.
fn again(handle: evented::Handle, log: &Arc<Mutex<Vec<u64>>>, left: u32) {
    log.lock().unwrap().push(evented::stats().polls);
    if left > 0 {
        let next = Arc::clone(log);
        handle.call(move || again(handle, &next, left - 1)).unwrap();
    }
}

#[test]
fn calls_of_other_threads_run_only_if_they_were_queued_before() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let log = Arc::new(Mutex::new(Vec::new()));
    let first = Arc::clone(&log);
    handle.call(move || again(handle, &first, 50)).unwrap();
    reactor.block_on(bounded(async {
        // This is always ready, and has its turn in between.
        for _ in 0..200 {
            yield_now().await;
        }
    }));
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 51);
    // One may run before a look outside and the next one right after it.
    let polls = log.last().unwrap() - log.first().unwrap();
    assert!(polls >= 20, "calls that send calls have kept the loop: {log:?}");
}

/// The class of a callback is that of the task that has made it, and so is the rank of its timer: while
/// polls of others are all there is, the reactor looks at the clock seldom, unless for somebody urgent.
#[test]
fn a_timer_that_another_class_moves_is_as_urgent_as_before() {
    const POLL: Duration = Duration::from_micros(50);
    const TIMERS: u32 = 20;
    let reactor = Reactor::builder().virtual_time().build().unwrap();
    reactor.block_on(async {
        let ran = Rc::new(RefCell::new(Vec::new()));
        let result = Rc::clone(&ran);
        let urgent = spawn_with(Spawn::new().class(Class::RT), async move {
            let note = |_| {
                let result = Rc::clone(&result);
                call_later(Duration::from_hours(1), move || {
                    // What it spawns inherits its class.
                    result.borrow_mut().push((now(), spawn(async {}).class()));
                })
            };
            (0..TIMERS).map(note).collect::<Vec<_>>()
        });
        let timers = urgent.await.unwrap();
        // All moments of a turn are among them.
        let dues: Vec<_> = (1..=TIMERS).map(|n| now() + Duration::from_micros(1_030) * n).collect();
        let moved_to = dues.clone();
        let idle = spawn_with(Spawn::new().class(Class::IDLE), async move {
            let mut timers = timers;
            timers.iter_mut().zip(moved_to).all(|(timer, due)| timer.reset_at(due))
        });
        assert!(idle.await.unwrap());
        let hog = spawn(async {
            loop {
                advance(POLL);
                yield_now().await;
            }
        });
        while now() < dues[dues.len() - 1] + ms(10) {
            yield_now().await;
        }
        assert_eq!(ran.borrow().len(), dues.len());
        for (&(at, class), due) in ran.borrow().iter().zip(dues) {
            assert!(at >= due && at - due <= POLL, "{:?} late", at - due);
            assert_eq!(class, Class::RT);
        }
        drop(hog);
    });
}

#[test]
fn a_call_can_be_cancelled_until_it_starts() {
    let reactor = Reactor::new().unwrap();
    reactor.block_on(bounded(async {
        let (log, token) = (Rc::new(RefCell::new(Vec::new())), Rc::new(()));
        let note = |what| {
            let (log, inside) = (Rc::clone(&log), Rc::clone(&token));
            call_soon(move || {
                log.borrow_mut().push(what);
                drop(inside);
            })
        };
        // One that is cancelled, one that is kept, and one that nobody keeps.
        let (cancelled, kept) = (note("cancelled"), note("kept"));
        drop(note("alone"));
        assert!(cancelled.is_active() && kept.is_active() && cancelled.cancel());
        until(|| log.borrow().len() == 2).await;
        assert_eq!(*log.borrow(), ["kept", "alone"]);
        assert!(!kept.is_active() && !kept.cancel(), "it has run");
        until(|| Rc::strong_count(&token) == 1).await;
        // In its own call it has started.
        let own = Rc::new(RefCell::new(None::<evented::Soon>));
        let (soon, seen) = (Rc::clone(&own), Rc::new(Cell::new(None)));
        let result = Rc::clone(&seen);
        *own.borrow_mut() = Some(call_soon(move || {
            let soon = soon.take().unwrap();
            result.set(Some((soon.is_active(), soon.cancel())));
        }));
        until(|| seen.get().is_some()).await;
        assert_eq!(seen.get(), Some((false, false)));
        until(|| evented::stats().tasks == 0).await;
        // Nor does it once the reactor has ended.
        stop().unwrap();
        until(|| !call_soon(|| {}).is_active()).await;
    }));
    assert_eq!(reactor.stats().panics, 0);
}
