//! Tasks of another reactor, and others that only have the place of somebody.

use evented::sync::{Mutex, oneshot};
use evented::{Class, spawn, timeout};

use super::ends::{counted, goes_on};
use super::{WORK, assert_bounded, hog, micros, of, reactor, urgent_wait, work};
use evented::sleep;

/// A lock makes tasks of one reactor more urgent at a time: of the next one as soon as nobody waits in the first.
#[test]
fn a_lock_serves_the_next_reactor_when_nobody_waits_in_the_first() {
    let lock = Mutex::new(());
    let (first, second) = (reactor(), reactor());
    let wait = |gives_up: bool| {
        let (low, urgent) = (lock.clone(), lock.clone());
        async move {
            let low = of(Class::IDLE, async move {
                let _guard = low.lock().await;
                work(WORK).await;
            });
            let wait = urgent_wait(async move {
                if gives_up {
                    assert!(timeout(micros(300), urgent.lock()).await.is_err());
                } else {
                    drop(urgent.lock().await);
                }
            });
            let waited = wait.await;
            low.await.unwrap();
            waited
        }
    };
    first.block_on(wait(true));
    assert_bounded(first.block_on(wait(false)));
    assert_bounded(second.block_on(wait(false)));
    assert_bounded(first.block_on(wait(false)));
}

/// Who has said that it will send has ended, and another task has its place.
#[test]
fn a_task_in_the_place_of_another_is_not_taken_for_it() {
    reactor().block_on(async {
        let (sender, receiver) = oneshot::channel::<()>();
        let claims = of(Class::IDLE, async move {
            sender.claim();
            sender
        });
        let _sender = claims.await.unwrap();
        let (low, polls) = counted(Class::IDLE);
        let _hog = hog();
        of(Class::RT, async move {
            let waits = spawn(receiver);
            sleep(micros(300)).await;
            assert!(!goes_on(&polls).await, "nobody waits for it");
            drop((waits, low));
        })
        .await
        .unwrap();
    });
}
