//! Workers that wait, and those that take their place.

use crate::support::{Gate, LIMIT, in_time, until};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;
use threads::{JoinHandle, Pool, WaitFor, as_completed, blocking, wait};

#[test]
fn a_pool_whose_workers_all_block_moves_on() {
    in_time(|| {
        for workers in [1, 2, 3] {
            let pool = Arc::new(Pool::new(workers).unwrap());
            let outer: Vec<_> = (0..20u32)
                .map(|x| {
                    let inner = Arc::clone(&pool);
                    pool.spawn(move || {
                        let (send, receive) = mpsc::channel();
                        drop(inner.spawn(move || send.send(x).unwrap()));
                        blocking(|| receive.recv().unwrap())
                    })
                })
                .collect();
            assert!(outer.into_iter().map(|job| job.join().unwrap()).eq(0..20));
        }
    });
}

/// Twenty jobs that each wait for all the others, on two workers.
#[test]
fn as_many_jobs_block_as_there_are_seats_and_spares() {
    in_time(|| {
        let pool = Pool::builder().workers(2).spares(18).build().unwrap();
        let meet = Arc::new(Barrier::new(20));
        let wait = |meet: Arc<Barrier>| blocking(|| meet.wait().is_leader());
        for _ in 0..20 {
            let jobs: Vec<_> = (0..20).map(|_| pool.submit(wait, Arc::clone(&meet))).collect();
            let leaders = jobs.into_iter().map(|job| job.join().unwrap());
            assert_eq!(leaders.filter(|is_leader| *is_leader).count(), 1);
        }
        until("all have come back", || pool.stats().aside == 0);
    });
}

#[test]
fn spares_are_bounded() {
    in_time(|| {
        let pool = Pool::builder().workers(1).spares(2).build().unwrap();
        let gates: Vec<_> = (0..3).map(|_| blocked(&pool)).collect();
        let behind = pool.spawn(|| 1);
        assert_eq!(pool.stats().aside, 3);
        assert!(!behind.wait_timeout(Duration::from_millis(20)), "nobody is left to run it");
        drop(gates);
        assert_eq!(behind.join().unwrap(), 1);
    });
}

/// A job that is inside of `blocking` until the sender is dropped.
fn blocked(pool: &Pool) -> (mpsc::Sender<()>, JoinHandle<()>) {
    let (open, gate) = mpsc::channel::<()>();
    let (inside, entered) = mpsc::channel();
    let job = pool.spawn(move || {
        blocking(|| {
            inside.send(()).unwrap();
            let _ = gate.recv(); // Ends when the gate is dropped.
        });
    });
    entered.recv_timeout(LIMIT).unwrap();
    (open, job)
}

#[test]
fn a_panic_inside_gives_the_seat_back() {
    in_time(|| {
        let pool = Pool::builder().workers(1).spares(1).build().unwrap();
        for _ in 0..20 {
            assert!(pool.spawn(|| blocking(|| panic!("inside"))).join().is_err());
        }
        until("nobody is aside", || pool.stats().aside == 0);
        assert_eq!(pool.spawn(|| blocking(|| blocking(|| 7))).join().unwrap(), 7);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_spare_retires_afterwards() {
    in_time(|| {
        let pool = Pool::builder().workers(2).name("spare-check").build().unwrap();
        let blocked: Vec<_> = (0..10).map(|_| blocked(&pool)).collect();
        assert_eq!(crate::leaks::count("spare-check-"), 12);
        for (open, job) in blocked {
            drop(open);
            job.join().unwrap();
        }
        until("only the workers are left", || crate::leaks::count("spare-check-") == 2);
        assert_eq!(pool.workers(), 2);
        pool.spawn(|| ()).join().unwrap();
    });
}

/// No more jobs at a time than seats, in spite of workers that come and go.
#[test]
fn no_more_jobs_run_than_there_are_seats() {
    in_time(|| {
        let pool = Pool::builder().workers(1).build().unwrap();
        for _ in 0..200 {
            let (open, job) = blocked(&pool);
            let second = Gate::occupy(&pool); // By the spare.
            let third = pool.spawn(|| ());
            assert!(!third.wait_timeout(Duration::ZERO), "both are taken");
            drop(open);
            job.join().unwrap();
            second.open().join().unwrap();
            third.join().unwrap();
        }
    });
}

#[test]
fn waiting_for_handles_steps_aside_by_itself() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        for kind in 0..5 {
            // The job that is waited for runs already, and waits for one behind it.
            let (open, gate) = mpsc::channel::<()>();
            let (started, running) = mpsc::channel();
            let slow = pool.spawn(move || {
                started.send(()).unwrap();
                blocking(|| gate.recv()).unwrap_err();
            });
            running.recv().unwrap();
            let waits = pool.spawn(move || match kind {
                0 => slow.join().unwrap(),
                1 => assert!(slow.wait_timeout(LIMIT)),
                2 => assert!(as_completed([slow]).next().is_some()),
                3 => assert_eq!(wait([slow], WaitFor::All, None).0.len(), 1),
                _ => assert_eq!(wait([slow], WaitFor::FirstCompleted, LIMIT).0.len(), 1),
            });
            until("it waits", || pool.stats().aside == 2);
            pool.spawn(move || drop(open)).join().unwrap();
            waits.join().unwrap();
        }
    });
}

/// Each job joins the next. On one stack, they would overflow it.
#[test]
fn a_chain_of_joins_does_not_overflow_the_stack() {
    const JOBS: u32 = 20_000;
    fn next(pool: &Arc<Pool>, left: u32) -> u32 {
        if left == 0 {
            return 0;
        }
        let inner = Arc::clone(pool);
        1 + pool.spawn(move || next(&inner, left - 1)).join().unwrap()
    }
    in_time(|| {
        for workers in [1, 2] {
            let pool = Arc::new(Pool::new(workers).unwrap());
            let inner = Arc::clone(&pool);
            assert_eq!(pool.spawn(move || next(&inner, JOBS)).join().unwrap(), JOBS);
        }
    });
}

/// Without spares a chain that is too long is a panic, and no hang.
#[test]
fn a_chain_that_is_too_long_panics() {
    fn next(pool: &Arc<Pool>, left: u32) -> Result<u32, String> {
        if left == 0 {
            return Ok(0);
        }
        let inner = Arc::clone(pool);
        let below = pool.spawn(move || next(&inner, left - 1)).join();
        Ok(1 + below.map_err(|error| error.to_string())??)
    }
    in_time(|| {
        let pool = Arc::new(Pool::builder().workers(1).spares(0).build().unwrap());
        let run = |levels| {
            let inner = Arc::clone(&pool);
            pool.spawn(move || next(&inner, levels)).join().unwrap()
        };
        assert_eq!(run(400), Ok(400));
        assert!(run(2_000).unwrap_err().contains("more spares"));
        assert_eq!(run(10), Ok(10));
    });
}

#[test]
fn outside_of_a_pool_it_only_calls() {
    assert_eq!(blocking(|| 1), 1);
    assert_eq!(threads::spawn(|x| blocking(|| x), 2).unwrap().join().unwrap(), 2);
}

#[test]
fn a_wait_with_a_limit_never_runs_the_job() {
    in_time(|| {
        let pool = Arc::new(Pool::builder().workers(1).spares(0).build().unwrap());
        let own = Arc::clone(&pool);
        let outer = pool.spawn(move || {
            let inner = own.spawn(|| 1);
            let early = inner.wait_timeout(Duration::from_millis(5));
            (early, inner)
        });
        let (early, inner) = outer.join().unwrap();
        assert!(!early, "nobody was left to run it in time");
        assert_eq!(inner.join().unwrap(), 1);
    });
}

/// The levels below are as many as there can be, but there is nothing to wait for.
#[test]
fn a_finished_job_can_be_joined_at_any_depth() {
    fn descend(pool: &Arc<Pool>, levels: u32, finished: JoinHandle<u32>) -> u32 {
        if levels == 0 {
            return finished.join().unwrap();
        }
        let inner = Arc::clone(pool);
        pool.spawn(move || descend(&inner, levels - 1, finished)).join().unwrap()
    }
    in_time(|| {
        let pool = Pool::builder().workers(1).spares(0).stack_size(64 << 20).build().unwrap();
        let (pool, finished) = (Arc::new(pool), Pool::new(1).unwrap());
        let finished = [pool.spawn(|| 5), finished.spawn(|| 5)];
        for finished in finished {
            assert!(finished.wait_timeout(LIMIT));
            let own = Arc::clone(&pool);
            let outer = pool.spawn(move || descend(&own, 511, finished));
            assert_eq!(outer.join().unwrap(), 5);
        }
    });
}
