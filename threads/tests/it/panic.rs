//! Panics wherever user code runs: none takes a worker down.

use crate::support::{Bomb, Gate, LIMIT, in_time};
use std::panic::panic_any;
use std::sync::{Arc, mpsc};
use threads::{JoinError, PanicOrigin, Pool};

/// The pool's one worker still works.
#[track_caller]
fn alive(pool: &Pool) {
    assert_eq!(pool.spawn(|| 1).join_timeout(LIMIT).expect("in time").unwrap(), 1);
}

#[test]
fn the_message_and_the_payload_are_kept() {
    let pool = Pool::new(1).unwrap();
    let error = pool.spawn(|| panic!("fixed")).join().unwrap_err();
    assert!(matches!(&error, JoinError::Panicked { message, .. } if message == "fixed"));
    let x = 3;
    let error = pool.spawn(move || panic!("x is {x}")).join().unwrap_err();
    assert_eq!(error.to_string(), "job panicked: x is 3");
    let error = pool.spawn(|| panic_any(17u8)).join().unwrap_err();
    assert_eq!(error.to_string(), "job panicked: the payload is not a string");
    assert_eq!(*error.into_panic().unwrap().downcast::<u8>().unwrap(), 17);
    let cancelled = JoinError::Cancelled.into_panic().unwrap_err();
    assert_eq!(cancelled.to_string(), "job was cancelled");
    alive(&pool);
}

#[test]
fn a_panicking_drop_of_a_result_nobody_took() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    drop(pool.spawn(|| Bomb));
    gate.open().join().unwrap();
    alive(&pool);
    assert_eq!(pool.stats().panicked, 0, "the job itself returned");
}

#[test]
fn a_panicking_drop_of_what_a_closure_owns() {
    let pool = Pool::new(1).unwrap();
    let bomb = Bomb;
    let error = pool.spawn(move || drop(bomb)).join().unwrap_err();
    assert_eq!(error.to_string(), "job panicked: bomb");
    let gate = Gate::occupy(&pool);
    let bomb = Bomb;
    let handle = pool.spawn(move || drop(bomb));
    assert!(handle.cancel(), "and the canceller is spared");
    gate.open().join().unwrap();
    alive(&pool);
}

#[test]
fn a_panicking_drop_of_a_payload_nobody_took() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    drop(pool.spawn(|| panic_any(Bomb)));
    gate.open().join().unwrap();
    alive(&pool);
    assert_eq!(pool.stats().panicked, 1);
}

#[test]
fn a_panicking_drop_during_shutdown_now() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let bomb = Bomb;
    let handle = pool.spawn(move || drop(bomb));
    let opener = threads::spawn(
        move |gate: Gate| {
            assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
            gate.open().join().unwrap();
        },
        gate,
    );
    assert_eq!(pool.shutdown_now().count(), 1);
    opener.unwrap().join().unwrap();
}

#[test]
fn a_panic_in_a_job_that_was_run_by_its_joiner() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner = Arc::clone(&pool);
        let outer = pool.spawn(move || inner.spawn(|| panic!("inner")).join().is_err());
        assert!(outer.join().unwrap());
        alive(&pool);
    });
}

#[test]
fn a_panic_in_a_thread_of_its_own() {
    let error = threads::spawn(|x: u8| panic!("got {x}"), 1).unwrap().join().unwrap_err();
    assert_eq!(error.to_string(), "job panicked: got 1");
    // The handle is dropped before there is a result, so the thread drops it.
    let (go, gone) = mpsc::channel::<()>();
    let (last, end) = mpsc::channel::<()>();
    let bomb = move |_: u8| {
        let _ = gone.recv(); // Ends when the sender is dropped.
        (Bomb, last)
    };
    drop(threads::spawn(bomb, 1).unwrap());
    drop(go);
    assert_eq!(end.recv_timeout(LIMIT), Err(mpsc::RecvTimeoutError::Disconnected));
}

/// Nobody is left who could get it, but it is told.
#[test]
fn panics_in_drops_are_reported() {
    in_time(|| {
        let (tell, told) = mpsc::channel();
        let builder = Pool::builder().workers(1).on_panic(move |panic| {
            tell.send((panic.origin, panic.message.to_owned())).unwrap();
        });
        let pool = builder.build().unwrap();
        let bomb = Bomb;
        let bombs: [Box<dyn FnOnce()>; 3] = [
            Box::new(|| drop(pool.spawn(|| Bomb))),
            Box::new(|| drop(pool.spawn(|| panic_any(Bomb)))),
            Box::new(|| assert!(pool.spawn(move || drop(bomb)).cancel())),
        ];
        for (at, spawn) in bombs.into_iter().enumerate() {
            let gate = Gate::occupy(&pool);
            spawn();
            gate.open().join().unwrap();
            if at == 1 {
                assert_eq!(told.recv().unwrap().0, PanicOrigin::Job);
            }
            assert_eq!(told.recv().unwrap(), (PanicOrigin::Drop, "bomb".to_owned()));
            alive(&pool);
            assert_eq!(pool.stats().stray_panics, at as u64 + 1);
        }
        assert_eq!(pool.stats().panicked, 1, "of the jobs");
    });
}
