//! What once went wrong.

use super::idle_pool;
use crate::support::{Gate, LIMIT, in_time, until};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use threads::{CancelToken, Cancelled, Event, Pool, broadcast, join, scope};

/// Forks when it is dropped.
struct Forks<'a>(&'a AtomicUsize);

impl Drop for Forks<'_> {
    fn drop(&mut self) {
        join(|| self.0.fetch_add(1, SeqCst), || self.0.fetch_add(1, SeqCst));
        scope(|scope| {
            scope.spawn(|| {
                self.0.fetch_add(1, SeqCst);
            });
        });
    }
}

#[test]
fn a_destructor_that_forks_while_cancelled_work_unwinds() {
    let (token, ran) = (CancelToken::new(), AtomicUsize::new(0));
    let end = token.run(|| {
        let _forks = [Forks(&ran), Forks(&ran)];
        token.cancel();
        join(|| (), || ());
    });
    assert_eq!((end, ran.into_inner()), (Err(Cancelled), 6));
}

/// A closure that the caller runs while it waits may spawn more, which is for it, too.
#[test]
fn what_helped_work_spawns_is_run() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::occupy(&pool);
        let ran = AtomicBool::new(false);
        pool.scope(|scope| {
            std::thread::scope(|threads| {
                threads.spawn(|| scope.spawn(|| scope.spawn(|| ran.store(true, SeqCst))));
            });
        });
        assert!(ran.into_inner());
        gate.open().join().unwrap();
    });
}

#[test]
fn there_is_a_worker_for_each_broadcast() {
    in_time(|| {
        let pool = Arc::new(idle_pool(1));
        let over = Arc::new(AtomicBool::new(false));
        let (inner, stop) = (Arc::clone(&pool), Arc::clone(&over));
        let feeder = std::thread::spawn(move || {
            while !stop.load(SeqCst) {
                let job = inner.spawn(|| threads::blocking(std::thread::yield_now));
                job.join().unwrap();
            }
        });
        for _ in 0..crate::support::rounds(3_000, 100_000) {
            assert!(!pool.broadcast(|worker| worker).is_empty());
        }
        over.store(true, SeqCst);
        feeder.join().unwrap();
    });
}

/// A part of a broadcast that runs as its worker is about to block may have to block, too.
#[test]
fn a_part_of_a_broadcast_waits_for_a_job() {
    in_time(|| {
        let pool = Arc::new(idle_pool(1));
        let (release, begun) = (Event::new().unwrap(), Event::new().unwrap());
        let (wait, begins) = (release.clone(), begun.clone());
        let job = pool.spawn(move || {
            begins.set();
            wait.wait();
        });
        begun.wait();
        let inner = Arc::clone(&pool);
        let parts = pool.broadcast(|_| {
            let done = Event::new().unwrap();
            let sets = done.clone();
            let job = inner.spawn(move || sets.set());
            done.wait();
            job.join().is_ok()
        });
        assert!(parts.into_iter().all(|part| part));
        release.set();
        job.join().unwrap();
    });
}

#[test]
fn a_real_panic_counts_more_than_a_cancelled_sibling() {
    let pool = idle_pool(1);
    let token = CancelToken::new();
    let end = catch_unwind(AssertUnwindSafe(|| {
        pool.install(|| {
            token.run(|| {
                scope(|scope| {
                    let begun = AtomicBool::new(false);
                    let begun: &AtomicBool = Box::leak(Box::new(begun));
                    scope.spawn(move || {
                        begun.store(true, SeqCst);
                        panic!("real");
                    });
                    until("the worker has begun", || begun.load(SeqCst));
                    token.cancel();
                    join(|| (), || ());
                });
            })
        })
    }));
    assert_eq!(*end.unwrap_err().downcast::<&str>().unwrap(), "real");
}

/// A job belongs to its own pool, also if it is run by a thread that is in another one.
#[test]
fn a_job_run_inside_of_another_pool_forks_in_its_own() {
    in_time(|| {
        let (a, b) = (Arc::new(idle_pool(1)), Arc::new(idle_pool(1)));
        let inner = Arc::clone(&a);
        let seen = a.spawn(move || {
            b.install(|| inner.spawn(|| broadcast(|_| std::thread::current().id())).join().unwrap())
        });
        let expected = a.broadcast(|_| std::thread::current().id());
        assert_eq!(seen.join().unwrap(), expected);
    });
}

#[test]
fn callbacks_of_a_cancelled_token_run_to_their_end() {
    let token = CancelToken::new();
    let (send, receive) = mpsc::channel();
    token.on_cancel(move || {
        let both = join(|| 1, || 2);
        send.send(both).unwrap();
    });
    let _ = token.run(|| token.cancel());
    assert_eq!(receive.recv_timeout(LIMIT).unwrap(), (1, 2));
}
