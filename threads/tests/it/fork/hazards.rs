//! Programs that hang, overflow the stack or fail in pools that run anything while they wait.

use super::{asleep, idle_pool, join_apart};
use crate::support::{in_time, rounds, until};
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use threads::{Pool, Waiting, join, scope};

/// Something to do that others can help with.
fn work(depth: u32) -> u64 {
    if depth == 0 {
        return 1;
    }
    let (a, b) = join(|| work(depth - 1), || work(depth - 1));
    a + b
}

/// rayon #592: a job that holds a lock waits in a join, and runs another job there that
/// needs the lock.
#[test]
fn a_mutex_held_across_a_join() {
    in_time(|| {
        let pool = Arc::new(idle_pool(2));
        let total = Arc::new(Mutex::new(0));
        let jobs: Vec<_> = (0..rounds(200, 5_000))
            .map(|_| {
                let total = Arc::clone(&total);
                pool.spawn(move || {
                    let mut total = total.lock().unwrap();
                    *total += work(8);
                })
            })
            .collect();
        let count = jobs.len() as u64;
        jobs.into_iter().for_each(|job| job.join().unwrap());
        assert_eq!(*total.lock().unwrap(), count * (1 << 8));
    });
}

/// rayon #1251: a value that is made by a parallel loop, and used in another one.
#[test]
fn a_once_lock_made_by_forked_work() {
    in_time(|| {
        for _ in 0..rounds(50, 1_000) {
            let pool = idle_pool(2);
            let value = OnceLock::new();
            pool.scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| assert_eq!(*value.get_or_init(|| work(8)), 1 << 8));
                }
            });
        }
    });
}

/// A borrow of a thread-local value is held across a join, and other jobs of the same thread
/// borrow it, too.
#[test]
fn a_ref_cell_of_the_thread_borrowed_across_a_join() {
    thread_local!(static BUFFER: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) });
    in_time(|| {
        let pool = Arc::new(idle_pool(2));
        let jobs: Vec<_> = (0..rounds(200, 5_000))
            .map(|_| {
                pool.spawn(|| {
                    BUFFER.with_borrow_mut(|buffer| {
                        buffer.clear();
                        buffer.push(work(8));
                        buffer[0]
                    })
                })
            })
            .collect();
        assert!(jobs.into_iter().all(|job| job.join().unwrap() == 1 << 8));
    });
}

/// rayon #957: while a short piece of work is waited for, the caller begins a long one. Here
/// nobody but the waiting worker could run the long job.
#[test]
fn a_worker_that_waits_leaves_unrelated_jobs_alone() {
    in_time(|| {
        let pool = Arc::new(Pool::builder().workers(2).spares(0).build().unwrap());
        asleep(&pool);
        let inner = Arc::clone(&pool);
        let job = pool.spawn(move || {
            let over = Arc::new(AtomicBool::new(false));
            for _ in 0..20 {
                let seen = Arc::clone(&over);
                join_apart(
                    &inner,
                    || {
                        let seen = Arc::clone(&seen);
                        drop(inner.spawn(move || until("it is over", || seen.load(SeqCst))));
                    },
                    || {
                        // Long enough for the other side to look for something to run.
                        let start = std::time::Instant::now();
                        while start.elapsed() < Duration::from_micros(50) {
                            std::hint::spin_loop();
                        }
                    },
                );
                over.store(true, SeqCst);
            }
        });
        job.join().unwrap();
    });
}

/// rayon #751, #854: each level of nesting runs on top of whatever was stolen.
#[test]
fn scopes_nested_ten_thousand_deep() {
    fn nest(pool: &Pool, left: u32, reached: &AtomicUsize) {
        reached.fetch_add(1, SeqCst);
        if left > 0 {
            pool.scope(|scope| scope.spawn(|| nest(pool, left - 1, reached)));
        }
    }
    in_time(|| {
        let pool = idle_pool(2);
        let reached = AtomicUsize::new(0);
        pool.scope(|scope| scope.spawn(|| nest(&pool, 10_000, &reached)));
        assert_eq!(reached.into_inner(), 10_001);
    });
}

#[test]
fn pools_inside_pools() {
    fn through(a: &Pool, b: &Pool, depth: u32) -> u64 {
        if depth == 0 {
            return 1;
        }
        let (x, y) = a.join(|| through(b, a, depth - 1), || through(b, a, depth - 1));
        x + y
    }
    in_time(|| {
        let (a, b) = (idle_pool(2), idle_pool(1));
        for _ in 0..rounds(20, 500) {
            assert_eq!(through(&a, &b, 8), 1 << 8);
            let leaves = AtomicUsize::new(0);
            a.scope(|outer| {
                for _ in 0..4 {
                    outer.spawn(|| {
                        b.scope(|inner| {
                            for _ in 0..4 {
                                inner.spawn(|| {
                                    a.scope(|scope| {
                                        scope.spawn(|| drop(leaves.fetch_add(1, SeqCst)));
                                    });
                                });
                            }
                        });
                    });
                }
            });
            assert_eq!(leaves.into_inner(), 16);
        }
    });
}

#[test]
fn twice_as_many_workers_as_processors() {
    in_time(|| {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let pool = idle_pool(2 * processors);
        for _ in 0..rounds(50, 1_000) {
            assert_eq!(pool.install(|| work(12)), 1 << 12);
        }
    });
}

/// A chain in which each closure waits for the next one on another thread, if there is one.
#[test]
fn waits_that_lie_behind_each_other() {
    fn deep(pool: &Pool, left: u32) -> u32 {
        if left == 0 {
            return 0;
        }
        let (a, b) = pool.join(|| std::hint::black_box(1), || deep(pool, left - 1));
        a + b
    }
    in_time(|| {
        let pool = idle_pool(2);
        for _ in 0..rounds(100, 2_000) {
            assert_eq!(deep(&pool, 200), 200);
        }
    });
}

#[test]
fn stealing_anything_is_possible_too() {
    in_time(|| {
        let pool = Pool::builder().workers(2).waiting(Waiting::StealAny).build().unwrap();
        for _ in 0..rounds(20, 500) {
            let leaves = AtomicUsize::new(0);
            pool.scope(|outer| {
                for _ in 0..20 {
                    outer.spawn(|| {
                        leaves.fetch_add(usize::try_from(work(6)).unwrap(), SeqCst);
                        scope(|inner| inner.spawn(|| drop(leaves.fetch_add(1, SeqCst))));
                    });
                }
            });
            assert_eq!(leaves.into_inner(), 20 * 65);
        }
    });
}

/// The pool ends while jobs fork.
#[test]
fn a_pool_that_ends_in_the_middle() {
    in_time(|| {
        for _ in 0..rounds(50, 1_000) {
            let pool = Pool::new(3).unwrap();
            let jobs: Vec<_> = (0..6)
                .map(|_| {
                    pool.spawn(|| {
                        let leaves = AtomicUsize::new(0);
                        scope(|scope| {
                            for _ in 0..20 {
                                scope.spawn(|| {
                                    let more = usize::try_from(work(5)).unwrap();
                                    leaves.fetch_add(more, SeqCst);
                                });
                            }
                        });
                        leaves.into_inner()
                    })
                })
                .collect();
            pool.shutdown();
            assert!(jobs.into_iter().all(|job| job.join().unwrap() == 20 * 32));
        }
    });
}
