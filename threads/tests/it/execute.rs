//! Jobs without a handle.

use crate::support::{Bomb, Counted, Gate, LIMIT, in_time, until};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use threads::{CancelToken, PanicOrigin, Pool, WhenFull};

#[test]
fn each_runs_once() {
    let pool = Pool::new(2).unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..1_000 {
        let ran = Arc::clone(&ran);
        pool.execute(move || {
            ran.fetch_add(1, SeqCst);
        });
    }
    pool.shutdown();
    assert_eq!(ran.load(SeqCst), 1_000);
}

#[test]
fn panics_are_reported_and_counted() {
    let origins = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&origins);
    let hook = move |report: &threads::PanicReport<'_>| seen.lock().unwrap().push(report.origin);
    let pool = Pool::builder().workers(1).on_panic(hook).build().unwrap();
    pool.execute(|| panic!("on purpose"));
    until("it is counted", || pool.stats().panicked == 1);
    assert_eq!(pool.spawn(|| 1).join().unwrap(), 1, "the worker lives on");
    assert_eq!(*origins.lock().unwrap(), [PanicOrigin::Job]);
}

#[test]
fn what_does_not_run_is_dropped() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::occupy(&pool);
        let drops = Arc::new(AtomicUsize::new(0));
        for _ in 0..10 {
            let held = Counted(Arc::clone(&drops));
            pool.execute(move || drop(held));
        }
        let bomb = Bomb;
        pool.execute(move || drop(bomb));
        assert_eq!(pool.stats().queued, 11);
        let opener = std::thread::spawn(move || gate.open());
        let unrun = pool.shutdown_now().count();
        opener.join().unwrap().join().unwrap();
        assert!(unrun <= 11);
        assert_eq!(drops.load(SeqCst), 10);
    });
}

#[test]
fn it_keeps_to_the_bound_and_has_the_token() {
    in_time(|| {
        let pool = Pool::builder().workers(1).queue_bound(1, WhenFull::Refuse).build().unwrap();
        let gate = Gate::occupy(&pool);
        pool.execute(|| ());
        pool.execute(|| ()); // Refused, and dropped.
        assert_eq!((pool.stats().queued, pool.stats().cancelled), (1, 1));
        gate.open().join().unwrap();
        let pool = Arc::new(Pool::new(1).unwrap());
        let (inner, token) = (Arc::clone(&pool), CancelToken::new());
        let (send, receive) = mpsc::channel();
        let job = pool.spawn_with(&token, move || {
            inner.execute(move || send.send(CancelToken::current().is_some()).unwrap());
        });
        job.join().unwrap();
        assert!(receive.recv_timeout(LIMIT).unwrap());
    });
}
