//! Two closures: results, borrows, panics.

use super::{idle_pool, join_apart};
use crate::support::{Counted, in_time, rounds};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use threads::{Pool, join};

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

#[test]
fn many_joins_under_steals() {
    let pool = Arc::new(idle_pool(3));
    let callers: Vec<_> = (0..3)
        .map(|_| {
            let pool = Arc::clone(&pool);
            std::thread::spawn(move || {
                for _ in 0..rounds(100, 5_000) {
                    assert_eq!(pool.install(|| sum(0, 3_000)), 3_000 * 2_999 / 2);
                }
            })
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
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
fn an_inline_pool_joins_on_the_caller() {
    let pool = Pool::inline();
    let here = std::thread::current().id();
    let seen = pool.join(|| std::thread::current().id(), || std::thread::current().id());
    assert_eq!(seen, (here, here));
    assert_eq!(pool.install(|| sum(0, 1_000)), 1_000 * 999 / 2);
}

#[test]
fn closures_borrow_and_the_first_may_stay_on_its_thread() {
    let text = String::from("borrowed");
    let local = Cell::new(0); // Not `Sync`, so that only the first closure can use it.
    let (_, length) = join(|| local.set(1), || text.len());
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
        join(|| explode(depth - 1, at, drops), || explode(depth - 1, at.wrapping_add(100), drops));
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
    let pool = idle_pool(2);
    for _ in 0..50 {
        let end = catch_unwind(AssertUnwindSafe(|| {
            pool.join(|| panic!("first"), || panic!("second"));
        }));
        assert_eq!(*end.unwrap_err().downcast::<&str>().unwrap(), "first");
    }
}

#[test]
fn panics_on_another_thread() {
    in_time(|| {
        let pool = idle_pool(2);
        let end = catch_unwind(AssertUnwindSafe(|| {
            join_apart(&pool, || (), || -> () { panic!("over there") });
        }));
        assert_eq!(*end.unwrap_err().downcast::<&str>().unwrap(), "over there");
        // The frame of a first closure that panics outlives the second one.
        for _ in 0..20 {
            let end = catch_unwind(AssertUnwindSafe(|| {
                let held = [7u8; 64];
                join_apart(&pool, || panic!("here"), || assert_eq!(held, [7u8; 64]));
            }));
            assert_eq!(*end.unwrap_err().downcast::<&str>().unwrap(), "here");
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

/// More branches on the stack than fit: a list, joined element by element.
#[test]
fn long_chains() {
    fn chain(left: u32) -> u32 {
        if left == 0 {
            return 0;
        }
        let (rest, one) = join(|| chain(left - 1), || 1);
        rest + one
    }
    let pool = idle_pool(2);
    for _ in 0..20 {
        assert_eq!(pool.install(|| chain(2_000)), 2_000);
    }
}

#[test]
fn values_of_threads_are_those_of_the_caller_in_the_first_closure() {
    thread_local!(static VALUE: RefCell<u32> = const { RefCell::new(0) });
    VALUE.with(|value| *value.borrow_mut() = 7);
    let (value, _) = join(|| VALUE.with(|value| *value.borrow()), || ());
    assert_eq!(value, 7);
}
