//! Whole pools under shuttle, which runs them with random schedules of all their
//! threads:
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test -p threads --release --test shuttle
//! ```
//!
//! Every lock, atomic, park and thread of the executor is shuttle's; crossbeam's queues
//! are not, so a thread may be put off before and after it uses one, but not inside. A
//! thread that is never woken is reported as a deadlock.
#![cfg(shuttle)]

use shuttle::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use shuttle::{check_random, thread};
use std::sync::Arc;
use std::time::Duration;
use threads::{CancelToken, JoinError, Pool, WaitFor, WhenFull, blocking, wait};

/// Schedules of each test: a few seconds in all.
const SCHEDULES: usize = 2_000;

/// A pool of this many workers with few spares: the less there is, the more of it is
/// explored.
fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).max_workers(3).spares(2).build().expect("threads start")
}

#[test]
fn submit_and_join() {
    check_random(
        || {
            let pool = pool(2);
            let handles: Vec<_> = (0..3).map(|x| pool.submit(|x| x, x)).collect();
            assert!(handles.into_iter().map(|handle| handle.join().unwrap()).eq(0..3));
        },
        SCHEDULES,
    );
}

#[test]
fn cancel_races_with_running() {
    check_random(
        || {
            let pool = pool(2);
            let ran = Arc::new(AtomicUsize::new(0));
            let token = CancelToken::new();
            let jobs: Vec<_> = (0..3)
                .map(|_| {
                    let ran = Arc::clone(&ran);
                    pool.spawn_with(&token, move || ran.fetch_add(1, SeqCst))
                })
                .collect();
            let rival = thread::spawn(move || token.cancel());
            let one = jobs[0].cancel();
            rival.join().unwrap();
            let results: Vec<_> = jobs.into_iter().map(threads::JoinHandle::join).collect();
            assert!(!one || matches!(results[0], Err(JoinError::Cancelled)));
            assert_eq!(results.iter().filter(|result| result.is_ok()).count(), ran.load(SeqCst));
        },
        SCHEDULES,
    );
}

#[test]
fn shutdown_runs_and_shutdown_now_cancels() {
    for now in [false, true] {
        check_random(
            move || {
                let pool = pool(2);
                let ran = Arc::new(AtomicUsize::new(0));
                for _ in 0..3 {
                    let ran = Arc::clone(&ran);
                    drop(pool.spawn(move || ran.fetch_add(1, SeqCst)));
                }
                let unrun = if now {
                    pool.shutdown_now().count()
                } else {
                    pool.shutdown();
                    0
                };
                assert_eq!(ran.load(SeqCst) + unrun, 3);
            },
            SCHEDULES,
        );
    }
}

#[test]
fn resizing_loses_no_job() {
    check_random(
        || {
            let pool = Arc::new(pool(2));
            let other = Arc::clone(&pool);
            let resizer = thread::spawn(move || {
                for workers in [1, 3, 1] {
                    other.resize(workers).unwrap();
                }
            });
            let handles: Vec<_> = (0..4).map(|x| pool.submit(|x| x, x)).collect();
            assert!(handles.into_iter().map(|handle| handle.join().unwrap()).eq(0..4));
            resizer.join().unwrap();
        },
        SCHEDULES,
    );
}

/// The only worker waits for a job behind it: a spare takes its seat.
#[test]
fn blocking_lets_the_next_job_run() {
    check_random(
        || {
            let pool = Arc::new(pool(1));
            let inner = Arc::clone(&pool);
            let outer = pool.spawn(move || {
                let (send, receive) = shuttle::sync::mpsc::channel();
                drop(inner.spawn(move || send.send(5).unwrap()));
                let got = blocking(|| receive.recv().unwrap());
                drop(inner);
                got
            });
            assert_eq!(outer.join().unwrap(), 5);
        },
        SCHEDULES,
    );
}

/// A job joins one that runs elsewhere, and that one one behind it.
#[test]
fn joins_inside_of_jobs_step_aside() {
    check_random(
        || {
            let pool = Arc::new(pool(1));
            let (first, second) = (Arc::clone(&pool), Arc::clone(&pool));
            let inner = pool.spawn(move || second.spawn(|| 1).join().unwrap());
            let outer = first.spawn(move || inner.join().unwrap() + 1);
            drop(first);
            assert_eq!(outer.join().unwrap(), 2);
        },
        SCHEDULES,
    );
}

#[test]
fn time_limits_and_sets_lose_nothing() {
    check_random(
        || {
            let pool = pool(2);
            let handles = [1, 2].map(|x| pool.submit(|x| x, x));
            let (done, not_done) = wait(&handles, WaitFor::FirstCompleted, Duration::ZERO);
            assert_eq!(done.len() + not_done.len(), 2);
            let (done, _) = wait(handles, WaitFor::All, None);
            assert_eq!(done.into_iter().map(|handle| handle.join().unwrap()).sum::<i32>(), 3);
        },
        SCHEDULES,
    );
}

#[test]
fn a_bound_blocks_and_lets_go() {
    check_random(
        || {
            let pool = Pool::builder().workers(1).spares(0).queue_bound(1, WhenFull::Block);
            let pool = pool.build().unwrap();
            let handles: Vec<_> = (0..4).map(|x| pool.submit(|x| x, x)).collect();
            assert!(handles.into_iter().map(|handle| handle.join().unwrap()).eq(0..4));
        },
        SCHEDULES,
    );
}

#[test]
fn a_pool_that_breaks_finishes_every_handle() {
    check_random(
        || {
            let pool = Pool::builder().workers(2).spares(0).initializer(|_| Err("no"));
            let pool = pool.build().unwrap();
            let handles: Vec<_> = (0..3).map(|x| pool.submit(|x| x, x)).collect();
            for handle in handles {
                assert!(matches!(handle.join(), Err(JoinError::Broken { .. })));
            }
        },
        SCHEDULES,
    );
}

/// A job waits, unseen, for one that was moved together with it, while a worker ends that
/// has found nothing.
#[test]
fn a_pool_that_drains_has_a_worker_for_each_job() {
    check_random(
        || {
            let pool = Pool::builder().workers(4).max_workers(4).spares(0).build().unwrap();
            let pool = Arc::new(pool);
            let last = Arc::clone(&pool);
            let ran = Arc::new(AtomicUsize::new(0));
            let meet = Arc::new(shuttle::sync::Barrier::new(4));
            let spawner = pool.spawn(move || {
                let job = |meet: Arc<shuttle::sync::Barrier>| meet.wait().is_leader();
                let jobs = [(); 3].map(|()| last.submit(job, Arc::clone(&meet)));
                while Arc::strong_count(&last) > 1 {
                    thread::yield_now();
                }
                drop(last); // The pool drains.
                meet.wait();
                jobs
            });
            drop(pool);
            for job in spawner.join().unwrap() {
                job.join().unwrap();
                ran.fetch_add(1, SeqCst);
            }
            assert_eq!(ran.load(SeqCst), 3);
        },
        10 * SCHEDULES, // Without a worker for it, one in some thousands hangs.
    );
}

/// A tree of joins; each leaf counts.
fn tree(depth: u32) -> u32 {
    if depth == 0 {
        return 1;
    }
    let (a, b) = threads::join(|| tree(depth - 1), || tree(depth - 1));
    a + b
}

#[test]
fn joins_of_a_guest_and_of_a_job() {
    check_random(
        || {
            let pool = pool(2);
            let job = pool.spawn(|| tree(3));
            assert_eq!(pool.install(|| tree(3)), 8);
            assert_eq!(job.join().unwrap(), 8);
        },
        SCHEDULES,
    );
}

#[test]
fn a_second_closure_that_panics() {
    check_random(
        || {
            let pool = pool(1);
            let joined = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                pool.join(|| tree(1), || std::panic::resume_unwind(Box::new("second")));
            }));
            assert!(joined.is_err());
            assert_eq!(pool.install(|| tree(1)), 2);
        },
        SCHEDULES,
    );
}

#[test]
fn scopes_of_several_threads() {
    check_random(
        || {
            let pool = pool(2);
            let ran = AtomicUsize::new(0);
            pool.scope(|outer| {
                for _ in 0..2 {
                    outer.spawn(|| {
                        threads::scope(|inner| {
                            inner.spawn(|| drop(ran.fetch_add(1, SeqCst)));
                            outer.spawn(|| drop(ran.fetch_add(1, SeqCst)));
                        });
                    });
                }
            });
            assert_eq!(ran.load(SeqCst), 4);
        },
        SCHEDULES,
    );
}

#[test]
fn broadcasts_that_cross() {
    check_random(
        || {
            let pool = Arc::new(pool(2));
            let jobs: Vec<_> =
                (0..2).map(|_| pool.spawn(|| threads::broadcast(|worker| worker).len())).collect();
            for job in jobs {
                assert!(job.join().unwrap() >= 1);
            }
        },
        SCHEDULES,
    );
}
