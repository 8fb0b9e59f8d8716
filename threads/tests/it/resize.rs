//! Changing the number of workers, beside what the executor's tests cover.

use crate::support::{Gate, in_time, until};
use std::io::ErrorKind;
use std::sync::{Arc, Barrier};
use threads::{MAX_WORKERS, Pool};

/// As many jobs run at once as the pool has workers.
fn all_work(pool: &Pool) {
    let meet = Arc::new(Barrier::new(pool.workers()));
    let wait = |meet: Arc<Barrier>| meet.wait().is_leader();
    let jobs: Vec<_> = (0..pool.workers()).map(|_| pool.submit(wait, Arc::clone(&meet))).collect();
    let leaders = jobs.into_iter().map(|job| job.join().unwrap());
    assert_eq!(leaders.filter(|is_leader| *is_leader).count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn threads_of_workers_that_go_end() {
    in_time(|| {
        let pool = Pool::builder().workers(4).name("shrink-check").build().unwrap();
        let gates = [0; 4].map(|_| Gate::occupy(&pool));
        pool.resize(1).unwrap();
        for gate in gates {
            gate.open().join().unwrap();
        }
        until("one thread is left", || crate::leaks::count("shrink-check-") == 1);
        pool.resize(3).unwrap();
        all_work(&pool);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_pool_shrinks_too() {
    in_time(|| {
        let pool = Pool::builder().workers(8).name("idle-shrink").build().unwrap();
        until("all sleep", || pool.stats().parks >= 8);
        pool.resize(2).unwrap();
        until("two threads are left", || crate::leaks::count("idle-shrink-") == 2);
        all_work(&pool);
    });
}

#[test]
fn jobs_of_a_worker_that_goes_are_run() {
    in_time(|| {
        for _ in 0..100 {
            let pool = Arc::new(Pool::new(4).unwrap());
            let inner = Arc::clone(&pool);
            let outer = pool.spawn(move || {
                let jobs: Vec<_> = (0..100u64).map(|x| inner.submit(|x| x, x)).collect();
                inner.resize(1).unwrap();
                jobs
            });
            let jobs = outer.join().unwrap();
            // Not joined on a worker, which would run them itself.
            assert!(jobs.into_iter().map(|job| job.join().unwrap()).eq(0..100));
        }
    });
}

#[test]
fn limits_of_the_builder_are_kept_with_advice() {
    let pool = Pool::builder().workers(1).max_workers(4).build().unwrap();
    for (workers, advice) in [(5, "`max_workers`"), (usize::MAX, "most is 4")] {
        let error = pool.resize(workers).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(advice), "{error}");
    }
    assert_eq!(pool.workers(), 1);
    pool.resize(4).unwrap();
    for builder in [
        Pool::builder().workers(3).max_workers(2),
        Pool::builder().workers(1).max_workers(MAX_WORKERS + 1),
        Pool::builder().workers(1).spares(usize::MAX),
        Pool::builder().workers(1).queue_bound(0, threads::WhenFull::Block),
    ] {
        assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

/// More stack than any system gives.
#[test]
fn a_thread_that_cannot_be_started_is_an_error() {
    let builder = Pool::builder().workers(2).stack_size(usize::MAX / 4);
    let error = builder.build().unwrap_err();
    assert!(error.to_string().contains("start thread worker-0"), "{error}");
}

#[test]
fn a_stack_as_large_as_asked_for() {
    fn deep(levels: usize) -> usize {
        let page = std::hint::black_box([1u8; 4096]);
        if levels == 0 { 0 } else { usize::from(page[levels]) + deep(levels - 1) }
    }
    let pool = Pool::builder().workers(1).stack_size(64 << 20).build().unwrap();
    assert_eq!(pool.spawn(|| deep(4_000)).join().unwrap(), 4_000);
}

/// Workers that were just sent away count neither as busy nor as spare.
#[test]
fn growing_soon_after_shrinking_starts_all() {
    in_time(|| {
        let pool = Pool::builder().workers(4).max_workers(8).spares(0).build().unwrap();
        pool.resize(1).unwrap();
        loop {
            let gate = Gate::occupy(&pool);
            let second = pool.spawn(|| ());
            let alone = !second.wait_timeout(std::time::Duration::from_millis(20));
            gate.open().join().unwrap();
            if alone {
                break; // The others have gone, but not for long enough to end.
            }
        }
        pool.resize(8).unwrap();
        all_work(&pool);
    });
}
