//! The same on each worker.

use super::idle_pool;
use crate::support::{Gate, LIMIT, in_time, until};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;
use threads::{Pool, broadcast};

#[test]
fn each_worker_once() {
    for workers in [1, 2, 5] {
        let pool = Pool::new(workers).unwrap(); // Perhaps before the workers have started.
        for _ in 0..20 {
            let seen = pool.broadcast(|worker| (worker, thread::current().id()));
            assert!(seen.iter().map(|(worker, _)| *worker).eq(0..workers));
            let threads: HashSet<_> = seen.iter().map(|(_, thread)| *thread).collect();
            assert_eq!(threads.len(), workers);
            assert!(!threads.contains(&thread::current().id()));
        }
    }
}

#[test]
fn busy_workers_do_their_part_when_their_job_has_ended() {
    in_time(|| {
        let pool = Arc::new(idle_pool(2));
        let gate = Gate::occupy(&pool);
        let (begun, seen) = mpsc::channel();
        let caller = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                pool.broadcast(|worker| {
                    begun.send(()).unwrap();
                    worker
                })
            })
        };
        seen.recv_timeout(LIMIT).unwrap(); // The other one's part, which has come at once.
        assert!(seen.recv_timeout(Duration::from_millis(5)).is_err());
        gate.open().join().unwrap();
        assert_eq!(caller.join().unwrap(), [0, 1]);
    });
}

/// Each waits for the others' workers, which are in the same position.
#[test]
fn broadcasts_of_jobs_at_the_same_time() {
    in_time(|| {
        let pool = Arc::new(idle_pool(3));
        for _ in 0..50 {
            let jobs: Vec<_> = (0..6).map(|_| pool.spawn(|| broadcast(|_| 1).len())).collect();
            for job in jobs {
                // Those that wait may have been replaced by spare ones.
                assert!((1..=9).contains(&job.join().unwrap()));
            }
        }
    });
}

/// A worker that is about to block does its part first, as what it waits for may wait for
/// that.
#[test]
fn a_broadcast_in_a_job_that_others_wait_for() {
    in_time(|| {
        for _ in 0..200 {
            let pool = Arc::new(Pool::new(2).unwrap());
            let inner = Arc::clone(&pool);
            let outer = pool.spawn(move || {
                let callers: Vec<_> =
                    (0..2).map(|_| inner.spawn(|| broadcast(|worker| worker).len())).collect();
                callers.into_iter().map(|caller| caller.join().unwrap()).max()
            });
            assert!(outer.join().unwrap() >= Some(1));
        }
    });
}

#[test]
fn a_panic_on_a_worker() {
    let pool = idle_pool(3);
    let end = catch_unwind(AssertUnwindSafe(|| {
        pool.broadcast(|worker| assert_ne!(worker, 1));
    }));
    assert!(end.is_err());
    assert_eq!(pool.broadcast(|worker| worker), [0, 1, 2]);
}

/// Its part is for nobody then, and the broadcast ends without it.
#[test]
fn a_worker_whose_initializer_fails_does_no_part() {
    in_time(|| {
        let (fail, failing) = mpsc::channel::<()>();
        let failing = Mutex::new(failing);
        let pool = Pool::builder().workers(1).initializer(move |worker| {
            if worker == 0 {
                return Ok(());
            }
            let _ = failing.lock().unwrap().recv(); // Ends when the sender is dropped.
            Err("no license")
        });
        let pool = Arc::new(pool.build().unwrap());
        pool.resize(2).unwrap();
        let (begun, seen) = mpsc::channel();
        let inner = Arc::clone(&pool);
        let caller = thread::spawn(move || {
            inner.broadcast(|worker| {
                begun.send(worker).unwrap();
                worker
            })
        });
        assert_eq!(seen.recv_timeout(LIMIT), Ok(0));
        drop(fail);
        assert_eq!(caller.join().unwrap(), [0]);
        until("nobody is left", || pool.broadcast(|worker| worker).is_empty());
    });
}

#[test]
fn an_inline_pool_has_the_caller() {
    assert_eq!(Pool::inline().broadcast(|worker| worker), [0]);
}

#[test]
fn after_a_resize() {
    let pool = idle_pool(1);
    pool.resize(3).unwrap();
    assert_eq!(pool.broadcast(|worker| worker), [0, 1, 2]);
}
