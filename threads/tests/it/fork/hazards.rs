//! Programs that hang, overflow the stack or fail in pools that run anything while they wait.

use super::{asleep, idle_pool, join_apart};
use crate::support::{in_time, rounds, until};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use threads::{JoinHandle, Pool, Waiting, join, scope};

/// Something to do that others can help with.
fn work(depth: u32) -> u64 {
    if depth == 0 {
        return 1;
    }
    let (a, b) = join(|| work(depth - 1), || work(depth - 1));
    a + b
}

/// Waits until something has happened, or time is over.
fn soon(time: Duration, happened: impl Fn() -> bool) {
    let start = Instant::now();
    until("time is over", || happened() || start.elapsed() > time);
}

/// To be called in a job of `pool`: waits in a join for another worker, for long enough to look
/// for something to run; and there is something, namely this job.
fn wait_beside<R: Send + 'static>(
    pool: &Pool,
    job: impl FnOnce() -> R + Clone + Send + 'static,
) -> JoinHandle<R> {
    let long = || soon(Duration::from_micros(50), || false);
    join_apart(pool, || pool.spawn(job.clone()), long).0
}

/// rayon #592: a job that holds a lock waits in a join, and runs another job there that
/// needs the lock.
#[test]
fn a_mutex_held_across_a_join() {
    in_time(|| {
        let pool = Arc::new(idle_pool(2));
        let total = Arc::new(Mutex::new(0));
        let rounds = rounds(20, 500);
        for _ in 0..rounds {
            let (inner, total) = (Arc::clone(&pool), Arc::clone(&total));
            let job = pool.spawn(move || {
                let mut guard = total.lock().unwrap();
                *guard += 1;
                let total = Arc::clone(&total);
                wait_beside(&inner, move || *total.lock().unwrap() += 1)
            });
            job.join().unwrap().join().unwrap();
        }
        assert_eq!(*total.lock().unwrap(), 2 * rounds);
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
    thread_local!(static COUNT: RefCell<u32> = const { RefCell::new(0) });
    in_time(|| {
        let pool = Arc::new(idle_pool(2));
        for _ in 0..rounds(20, 500) {
            let inner = Arc::clone(&pool);
            let job = pool.spawn(move || {
                COUNT.with_borrow_mut(|count| {
                    *count += 1;
                    wait_beside(&inner, || COUNT.with_borrow_mut(|count| *count += 1))
                })
            });
            job.join().unwrap().join().unwrap();
        }
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
            for _ in 0..20 {
                let over = Arc::new(AtomicBool::new(false));
                let seen = Arc::clone(&over);
                drop(wait_beside(&inner, move || until("it is over", || seen.load(SeqCst))));
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
                                        scope.spawn(|| {
                                            leaves.fetch_add(1, SeqCst);
                                        });
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

/// Each task waits for a part of it that another worker has begun, and runs other tasks meanwhile.
#[test]
fn stealing_anything_is_possible_too() {
    in_time(|| {
        let pool = Pool::builder().workers(2).waiting(Waiting::StealAny).build().unwrap();
        asleep(&pool);
        for _ in 0..rounds(20, 500) {
            let leaves = AtomicUsize::new(0);
            pool.scope(|outer| {
                for _ in 0..20 {
                    outer.spawn(|| {
                        let begun = AtomicBool::new(false);
                        scope(|inner| {
                            inner.spawn(|| {
                                begun.store(true, SeqCst);
                                soon(Duration::from_micros(50), || false);
                                leaves.fetch_add(1, SeqCst);
                            });
                            soon(Duration::from_micros(100), || begun.load(SeqCst));
                        });
                        leaves.fetch_add(usize::try_from(work(6)).unwrap(), SeqCst);
                    });
                }
            });
            assert_eq!(leaves.into_inner(), 20 * 65);
        }
    });
}

/// What [`a_worker_that_waits_leaves_unrelated_jobs_alone`] does not see, and needs here.
#[test]
fn a_worker_that_steals_anything_runs_an_unrelated_job() {
    in_time(|| {
        let builder = Pool::builder().workers(2).spares(0).waiting(Waiting::StealAny);
        let pool = Arc::new(builder.build().unwrap());
        asleep(&pool);
        let inner = Arc::clone(&pool);
        let job = pool.spawn(move || {
            let here = std::thread::current().id();
            let ran = Arc::new(AtomicBool::new(false));
            join_apart(
                &inner,
                || {
                    let sets = Arc::clone(&ran);
                    drop(inner.spawn(move || sets.store(true, SeqCst)));
                },
                || {
                    if std::thread::current().id() != here {
                        until("the waiting worker has run it", || ran.load(SeqCst));
                    }
                },
            );
        });
        job.join().unwrap();
    });
}

/// Jobs that are run in waits lie on top of each other, but not without end.
#[test]
fn a_worker_that_steals_anything_spares_its_stack() {
    thread_local!(static DEPTH: Cell<u32> = const { Cell::new(0) });
    /// The one who waits runs the next job on top of this one, or leaves it to others.
    fn chain(pool: &Arc<Pool>, left: u32, most: &Arc<AtomicU32>) {
        most.fetch_max(DEPTH.get(), SeqCst);
        if left == 0 {
            most.fetch_add(END, SeqCst);
            return;
        }
        DEPTH.set(DEPTH.get() + 1);
        soon(Duration::from_micros(200), || false); // The other worker becomes idle.
        let begun = Arc::new(AtomicBool::new(false));
        let next = || {
            let (pool, most, begins) = (Arc::clone(pool), Arc::clone(most), Arc::clone(&begun));
            let inner = Arc::clone(&pool);
            drop(pool.spawn(move || {
                begins.store(true, SeqCst);
                chain(&inner, left - 1, &most);
            }));
        };
        join_apart(pool, next, || soon(Duration::from_millis(10), || begun.load(SeqCst)));
        DEPTH.set(DEPTH.get() - 1);
    }
    /// More than any depth.
    const END: u32 = 1_000;
    in_time(|| {
        let pool = Pool::builder().workers(2).waiting(Waiting::StealAny).build().unwrap();
        let (pool, most) = (Arc::new(pool), Arc::new(AtomicU32::new(0)));
        let (inner, seen) = (Arc::clone(&pool), Arc::clone(&most));
        drop(pool.spawn(move || chain(&inner, 200, &seen)));
        until("the last one has begun", || most.load(SeqCst) >= END);
        let most = most.load(SeqCst) - END;
        assert!((1..=130).contains(&most), "{most}");
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
