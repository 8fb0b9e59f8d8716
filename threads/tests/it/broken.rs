//! Initializers, and pools whose initializer failed.

use crate::support::{Counted, LIMIT, in_time, until};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use threads::{JoinError, Outcome, PanicOrigin, Pool, WhenFull};

thread_local! {
    /// Set by an initializer.
    static READY: Cell<bool> = const { Cell::new(false) };
}

#[test]
fn every_worker_is_initialized_before_its_first_job() {
    in_time(|| {
        let numbers = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&numbers);
        let pool = Pool::builder().workers(3).initializer(move |worker| {
            READY.set(true);
            seen.fetch_or(1 << worker, SeqCst);
            Ok::<_, String>(())
        });
        let pool = pool.build().unwrap();
        let meet = Arc::new(Barrier::new(3));
        let ready = |meet: Arc<Barrier>| {
            meet.wait();
            READY.get()
        };
        let jobs: Vec<_> = (0..3).map(|_| pool.submit(ready, Arc::clone(&meet))).collect();
        assert!(jobs.into_iter().all(|job| job.join().unwrap()));
        assert_eq!(numbers.load(SeqCst), 0b111);
    });
}

/// A pool whose workers fail when the sender is dropped; at most one is named.
fn doomed(panics: bool) -> (Pool, mpsc::Sender<()>) {
    let (fail, failing) = mpsc::channel::<()>();
    let failing = std::sync::Mutex::new(failing);
    let pool = Pool::builder().workers(2).name("doomed").initializer(move |_| {
        let _ = failing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
        assert!(!panics, "no luck");
        Err("no license")
    });
    (pool.build().unwrap(), fail)
}

#[test]
fn a_failed_initializer_breaks_the_pool() {
    in_time(|| {
        for panics in [false, true] {
            let (pool, fail) = doomed(panics);
            let drops = Arc::new(AtomicUsize::new(0));
            let queued: Vec<_> = (0..100)
                .map(|_| {
                    let counted = Counted(Arc::clone(&drops));
                    pool.spawn(move || drop(counted))
                })
                .collect();
            let (told, outcomes) = mpsc::channel();
            queued[0].on_done(move |outcome| told.send(outcome).unwrap());
            drop(fail);
            for job in queued {
                let error = job.join().unwrap_err();
                assert!(matches!(error, JoinError::Broken { .. }), "{error}");
                let reason = if panics { "panicked: no luck" } else { "failed: no license" };
                let text = error.to_string();
                assert!(text.contains("initializer of doomed-") && text.contains(reason), "{text}");
            }
            assert_eq!(outcomes.recv().unwrap(), Outcome::Broken);
            until("all closures are dropped", || drops.load(SeqCst) == 100);
            let late = pool.spawn(|| 1).join_timeout(LIMIT).expect("in time");
            assert!(matches!(late, Err(JoinError::Broken { .. })));
            assert!(pool.map(|x: u8| x, 0..10).all(|x| matches!(x, Err(JoinError::Broken { .. }))));
            assert_eq!(pool.stats().queued, 0);
            assert_eq!(pool.shutdown_now().count(), 0);
        }
    });
}

#[test]
fn a_broken_pool_lets_blocked_submitters_go() {
    in_time(|| {
        let (fail, failing) = mpsc::channel::<()>();
        let failing = std::sync::Mutex::new(failing);
        let pool = Pool::builder().workers(1).queue_bound(1, WhenFull::Block);
        let pool = pool.initializer(move |_| {
            let _ = failing.lock().unwrap().recv();
            Err("no")
        });
        let pool = pool.build().unwrap();
        let first = pool.spawn(|| 1);
        thread::scope(|scope| {
            let second = scope.spawn(|| pool.spawn(|| 2).join());
            drop(fail);
            assert!(matches!(second.join().unwrap(), Err(JoinError::Broken { .. })));
        });
        assert!(matches!(first.join(), Err(JoinError::Broken { .. })));
    });
}

/// Spawning at the very moment when the pool breaks: no handle is forgotten.
#[test]
fn spawning_while_the_pool_breaks() {
    in_time(|| {
        for _ in 0..200 {
            let (pool, fail) = doomed(false);
            thread::scope(|scope| {
                let submitter = scope.spawn(|| {
                    let all: Vec<_> = (0..50).map(|x| pool.submit(|x| x, x)).collect();
                    all.into_iter()
                        .map(threads::JoinHandle::join)
                        .all(|x: Result<i32, _>| x.is_err())
                });
                drop(fail);
                assert!(submitter.join().unwrap());
            });
        }
    });
}

#[test]
fn a_worker_that_starts_later_can_break_the_pool() {
    in_time(|| {
        let ok = Arc::new(AtomicBool::new(true));
        let still = Arc::clone(&ok);
        let pool = Pool::builder()
            .workers(1)
            .initializer(move |_| if still.load(SeqCst) { Ok(()) } else { Err("too late") });
        let pool = pool.build().unwrap();
        assert_eq!(pool.spawn(|| 1).join().unwrap(), 1);
        ok.store(false, SeqCst);
        pool.resize(2).unwrap();
        until("it is broken", || matches!(pool.spawn(|| 1).join(), Err(JoinError::Broken { .. })));
    });
}

#[test]
fn the_hook_sees_the_panic_of_an_initializer() {
    in_time(|| {
        let (send, reports) = mpsc::channel();
        let pool = Pool::builder().workers(1).name("hooked").initializer(|worker| {
            assert!(worker > 5, "worker {worker} is too small");
            Ok::<_, String>(())
        });
        let pool = pool.on_panic(move |report| {
            let thread = report.thread.map(str::to_owned);
            send.send((report.origin, thread, report.message.to_owned())).unwrap();
        });
        let pool = pool.build().unwrap();
        assert!(pool.spawn(|| 1).join().is_err());
        let expected = (
            PanicOrigin::Initializer,
            Some("hooked-0".to_owned()),
            "worker 0 is too small".to_owned(),
        );
        assert_eq!(reports.recv().unwrap(), expected);
    });
}
