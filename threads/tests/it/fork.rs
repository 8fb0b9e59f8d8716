//! Fork-join: two closures, scopes, broadcasts.

mod broadcast;
mod cancel;
mod hazards;
mod join;
mod mended;
mod scope;

use crate::support::{LIMIT, until};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;
use threads::Pool;

/// A pool whose workers are all asleep.
fn idle_pool(workers: usize) -> Pool {
    let pool = Pool::new(workers).unwrap();
    asleep(&pool);
    pool
}

/// Waits until all workers of a new pool sleep.
fn asleep(pool: &Pool) {
    let workers = pool.workers() as u64;
    until("the workers sleep", || pool.stats().parks >= workers);
}

/// A join in which another thread runs `b`: the first closure waits for the second to begin,
/// and tries anew should it not have been given away.
fn join_apart<RA, RB: Send>(
    pool: &Pool,
    a: impl Fn() -> RA,
    b: impl Fn() -> RB + Sync,
) -> (RA, RB) {
    for _ in 0..1_000 {
        let (begun, seen) = mpsc::channel();
        let apart = std::cell::Cell::new(false);
        let (left, right) = pool.join(
            || {
                apart.set(seen.recv_timeout(Duration::from_millis(20)).is_ok());
                apart.get().then(&a)
            },
            || {
                let _ = begun.send(()); // The other side may have given up.
                b()
            },
        );
        if let Some(left) = left {
            return (left, right);
        }
    }
    panic!("no worker took the second closure within {LIMIT:?}");
}

#[test]
fn other_threads_take_second_closures() {
    let pool = idle_pool(2);
    let here = std::thread::current().id();
    let (a, b) = join_apart(&pool, || std::thread::current().id(), || std::thread::current().id());
    assert_eq!(a, here);
    assert_ne!(b, here);
    assert!(pool.stats().forks > 0);
}

#[test]
fn the_innermost_pool_counts() {
    let (a, b) = (Pool::new(3).unwrap(), Pool::new(1).unwrap());
    let size = || threads::broadcast(|_| ()).len();
    a.install(|| {
        let sizes = [size(), b.install(size), b.install(|| a.install(size)), size()];
        assert_eq!(sizes, [3, 1, 3, 3]);
        let end = catch_unwind(AssertUnwindSafe(|| b.install(|| panic!("inside"))));
        assert!(end.is_err());
        assert_eq!(size(), 3);
    });
}
