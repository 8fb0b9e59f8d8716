//! What a task has claimed makes it more urgent for as long as somebody waits, and no longer.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

use evented::sync::{Event, Notify, Semaphore, watch};
use evented::{Class, advance, sleep, timeout, yield_now};

use super::ends::goes_on;
use super::{hog, micros, of, reactor};

/// A task of the least urgent class claims, works, tells when it is to, and works on. Somebody urgent waits twice: in
/// vain, and until it is told.
fn check<W: Future<Output = ()>>(
    claim: impl FnOnce() + 'static,
    tell: impl FnOnce() + 'static,
    wait: impl Fn() -> W + 'static,
) {
    reactor().block_on(async {
        let (polls, tells) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let (count, is_to_tell) = (Rc::clone(&polls), Rc::clone(&tells));
        let low = of(Class::IDLE, async move {
            claim();
            let mut tell = Some(tell);
            loop {
                count.set(count.get() + 1);
                if is_to_tell.get()
                    && let Some(tell) = tell.take()
                {
                    tell();
                }
                advance(micros(100));
                yield_now().await;
            }
        });
        sleep(micros(1_000)).await;
        let _hog = hog();
        of(Class::RT, async move {
            assert!(!goes_on(&polls).await, "nobody has waited yet");
            let before = polls.get();
            assert!(timeout(micros(2_000), wait()).await.is_err());
            assert!(polls.get() - before >= 15, "it has run meanwhile");
            assert!(!goes_on(&polls).await, "the wait was given up");
            tells.set(true);
            wait().await;
            assert!(!goes_on(&polls).await, "the wait is over");
            drop::<evented::Task<()>>(low);
        })
        .await
        .unwrap();
    });
}

#[test]
fn an_event() {
    let event = Event::new();
    let (claims, tells) = (event.clone(), event.clone());
    check(move || claims.claim(), move || tells.set(), move || event.wait());
}

#[test]
fn a_notification() {
    let notify = Notify::new();
    let (claims, tells) = (notify.clone(), notify.clone());
    check(move || claims.claim(), move || tells.notify_one(), move || notify.notified());
}

#[test]
fn a_value_that_changes() {
    let (sender, receiver) = watch::channel(0);
    let sender = Rc::new(sender);
    let claims = Rc::clone(&sender);
    let wait = move || {
        let mut receiver = receiver.clone();
        async move { drop(receiver.changed().await.unwrap()) }
    };
    check(move || claims.claim(), move || drop(sender.replace(1)), wait);
}

/// A permit that is never given back: nobody waits for the task that has had it.
#[test]
fn a_permit_that_is_forgotten() {
    reactor().block_on(async {
        let (permits, polls) = (Semaphore::new(0), Rc::new(Cell::new(0)));
        let (own, count) = (permits.clone(), Rc::clone(&polls));
        let low = of(Class::IDLE, async move {
            own.acquire().await.forget();
            loop {
                count.set(count.get() + 1);
                advance(micros(100));
                yield_now().await;
            }
        });
        // It waits, and is told of one.
        sleep(micros(100)).await;
        permits.add_permits(1);
        sleep(micros(1_000)).await;
        assert!(polls.get() > 0);
        let _hog = hog();
        of(Class::RT, async move {
            let mut waits = permits.acquire();
            assert!(timeout(micros(300), &mut waits).await.is_err());
            assert!(!goes_on(&polls).await, "it has nothing to give");
            drop((waits, low));
        })
        .await
        .unwrap();
    });
}
