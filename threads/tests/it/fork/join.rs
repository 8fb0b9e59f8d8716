//! Two closures: results, borrows, panics.

use super::{idle_pool, join_apart};
use crate::support::{Counted, in_time, rounds, until};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};
use threads::{Pool, blocking, join};

/// The numbers from `low` to below `high`, added up by halves.
fn sum(low: u64, high: u64) -> u64 {
    if high - low == 1 {
        return low;
    }
    let middle = low.midpoint(high);
    let (a, b) = join(|| sum(low, middle), || sum(middle, high));
    a + b
}

#[test]
fn results_come_in_order() {
    assert_eq!(join(|| 1, || "two"), (1, "two"));
    for workers in [1, 2, 4] {
        let pool = Pool::new(workers).unwrap();
        assert_eq!(pool.join(|| 1, || "two"), (1, "two"));
        assert_eq!(pool.install(|| sum(0, 10_000)), 10_000 * 9_999 / 2);
    }
}

/// Each first closure lets others have all branches there are.
#[test]
fn many_joins_under_steals() {
    fn grow(depth: u32, leaves: &AtomicU32) {
        if depth == 0 {
            leaves.fetch_add(1, SeqCst);
            return;
        }
        let first = || {
            blocking(|| ());
            grow(depth - 1, leaves);
        };
        join(first, || grow(depth - 1, leaves));
    }
    in_time(|| {
        let pool = idle_pool(3);
        let mut left = rounds(10, 500);
        // On a busy machine it can take more of them until a worker is there to help.
        while left > 0 || pool.stats().forks == 0 {
            left = left.saturating_sub(1);
            let count = || {
                let leaves = AtomicU32::new(0);
                grow(7, &leaves);
                leaves.into_inner()
            };
            let jobs: Vec<_> = (0..3).map(|_| pool.spawn(count)).collect();
            assert!(jobs.into_iter().all(|job| job.join().unwrap() == 1 << 7));
        }
    });
}

#[test]
fn joins_in_jobs() {
    let pool = Pool::new(2).unwrap();
    let jobs: Vec<_> = (0..50).map(|_| pool.spawn(|| sum(0, 2_000))).collect();
    for job in jobs {
        assert_eq!(job.join().unwrap(), 2_000 * 1_999 / 2);
    }
}

#[test]
fn an_inline_pool_joins_on_the_caller_in_order() {
    fn visit(low: u32, high: u32, seen: &Mutex<Vec<(u32, ThreadId)>>) {
        if high - low == 1 {
            return seen.lock().unwrap().push((low, thread::current().id()));
        }
        let middle = low.midpoint(high);
        join(|| visit(low, middle, seen), || visit(middle, high, seen));
    }
    let seen = Mutex::new(Vec::new());
    Pool::inline().install(|| visit(0, 100, &seen));
    let here = thread::current().id();
    assert!(seen.into_inner().unwrap().into_iter().eq((0..100).map(|leaf| (leaf, here))));
}

#[test]
fn closures_borrow_and_the_first_may_stay_on_its_thread() {
    let text = String::from("borrowed");
    let local = Cell::new(0); // Not `Sync`, so that only the first closure can use it.
    let ((), length) = join(|| local.set(1), || text.len());
    assert_eq!((local.get(), length), (1, 8));
}

/// What is `Send` but not `Copy` is moved once, whoever runs it.
#[test]
fn closures_and_results_are_dropped_once() {
    let pool = idle_pool(2);
    let drops = Arc::new(AtomicUsize::new(0));
    let mut expected = 0;
    for _ in 0..200 {
        let (a, b) = (Counted(Arc::clone(&drops)), Counted(Arc::clone(&drops)));
        let results = pool.join(move || a, move || b);
        assert_eq!(drops.load(SeqCst), expected);
        drop(results);
        expected += 2;
        assert_eq!(drops.load(SeqCst), expected);
    }
}

/// Panics of both closures, in all combinations and at all depths.
fn explode(depth: u32, at: u32, drops: &Arc<AtomicUsize>) {
    let held = Counted(Arc::clone(drops));
    assert_ne!(depth, at, "exploded");
    if depth > 0 {
        let carried = Counted(Arc::clone(drops));
        let second = move || {
            let _carried = carried;
            explode(depth - 1, at.wrapping_add(100), drops);
        };
        join(|| explode(depth - 1, at, drops), second);
    }
    drop(held);
}

#[test]
fn a_panic_in_the_first_closure() {
    let pool = idle_pool(2);
    let run = AtomicUsize::new(0);
    let end = catch_unwind(AssertUnwindSafe(|| {
        pool.join(|| panic!("first"), || run.fetch_add(1, SeqCst));
    }));
    assert_eq!(*end.unwrap_err().downcast::<&str>().unwrap(), "first");
    assert!(run.load(SeqCst) <= 1);
    assert_eq!(pool.join(|| 1, || 2), (1, 2));
}

#[test]
fn a_panic_in_the_second_closure_comes_after_the_first_has_ended() {
    let pool = idle_pool(2);
    let ended = Cell::new(false);
    let end = catch_unwind(AssertUnwindSafe(|| {
        pool.join(|| ended.set(true), || panic!("second"));
    }));
    assert!(ended.get());
    assert_eq!(*end.unwrap_err().downcast::<&str>().unwrap(), "second");
    assert_eq!(pool.join(|| 1, || 2), (1, 2));
}

#[test]
fn of_two_panics_the_first_closures_counts() {
    in_time(|| {
        let pool = idle_pool(2);
        let here = thread::current().id();
        for _ in 0..20 {
            let end = catch_unwind(AssertUnwindSafe(|| {
                join_apart(
                    &pool,
                    || panic!("first"),
                    || assert_eq!(thread::current().id(), here, "second"),
                );
            }));
            assert_eq!(*end.unwrap_err().downcast::<&str>().unwrap(), "first");
        }
    });
}

#[test]
fn panics_on_another_thread() {
    in_time(|| {
        let pool = idle_pool(2);
        let end = catch_unwind(AssertUnwindSafe(|| {
            join_apart(&pool, || (), || -> () { panic!("over there") });
        }));
        assert_eq!(*end.unwrap_err().downcast::<&str>().unwrap(), "over there");
        // A first closure's panic goes on when the second one has ended.
        for _ in 0..20 {
            let ended = AtomicU32::new(0);
            let end = catch_unwind(AssertUnwindSafe(|| {
                let second = || {
                    let start = Instant::now();
                    until("some time has passed", || start.elapsed() > Duration::from_millis(1));
                    ended.store(1, SeqCst);
                };
                join_apart(&pool, || panic!("here"), second);
            }));
            assert_eq!(*end.unwrap_err().downcast::<&str>().unwrap(), "here");
            assert_eq!(ended.load(SeqCst), 1);
        }
        assert_eq!(pool.join(|| 1, || 2), (1, 2));
    });
}

#[test]
fn panics_at_every_depth_drop_everything_once() {
    let pool = idle_pool(2);
    for depth in 0..12 {
        let drops = Arc::new(AtomicUsize::new(0));
        let end = catch_unwind(AssertUnwindSafe(|| {
            pool.install(|| explode(12, depth, &drops));
        }));
        assert!(end.is_err());
        assert_eq!(Arc::strong_count(&drops), 1, "nothing was leaked");
    }
}

/// More branches on the stack than fit: each is given away before the next one comes, so that
/// none is a direct call.
#[test]
fn long_chains() {
    fn chain(left: u32) -> u32 {
        if left == 0 {
            return 0;
        }
        let first = || {
            blocking(|| ());
            chain(left - 1)
        };
        let (rest, one) = join(first, || 1);
        rest + one
    }
    in_time(|| {
        let pool = idle_pool(2);
        for _ in 0..3 {
            assert_eq!(pool.spawn(|| chain(400)).join().unwrap(), 400);
            assert_eq!(pool.install(|| chain(2_000)), 2_000);
        }
    });
}
