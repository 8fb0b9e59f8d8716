//! Changing the number of workers.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use super::support::{Gate, LIMIT, SHORT, in_time};
use crate::executor::model::{Barrier, Pool};

/// As many jobs run at once as the pool has workers.
fn all_work(pool: &Pool) {
    let meet = Barrier::new(pool.workers()).unwrap();
    let wait = |meet: Barrier| meet.wait_timeout(LIMIT).unwrap();
    let jobs: Vec<_> = (0..pool.workers()).map(|_| pool.submit(wait, meet.clone())).collect();
    let mut places: Vec<_> = jobs.into_iter().map(|job| job.join().unwrap()).collect();
    places.sort_unstable();
    assert!(places.into_iter().eq(0..pool.workers()));
}

#[test]
fn a_pool_grows_at_once() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::occupy(&pool);
        let behind = pool.submit(|x: u8| x, 1);
        pool.resize(2).unwrap();
        assert_eq!(behind.join().unwrap(), 1, "although the first worker is busy");
        gate.open().join().unwrap();
        for workers in [2, 5] {
            pool.resize(workers).unwrap();
            assert_eq!((pool.workers(), pool.stats().workers), (workers, workers));
            all_work(&pool);
        }
    });
}

#[test]
fn a_pool_shrinks_as_workers_finish() {
    in_time(|| {
        let pool = Pool::new(3).unwrap();
        let gates = [0; 3].map(|_| Gate::occupy(&pool));
        let queued: Vec<_> = (0..300).map(|x| pool.submit(|x: u32| x, x)).collect();
        pool.resize(1).unwrap();
        assert_eq!((pool.workers(), pool.stats().running), (1, 3), "nothing is interrupted");
        for gate in gates {
            gate.open().join().unwrap();
        }
        assert!(queued.into_iter().map(|job| job.join().unwrap()).eq(0..300));
        let gate = Gate::occupy(&pool);
        let second = pool.submit(|()| (), ());
        assert!(!second.wait_timeout(SHORT), "one worker is left");
        gate.open().join().unwrap();
        second.join().unwrap();
        pool.resize(3).unwrap();
        all_work(&pool);
    });
}

#[test]
fn resizing_while_jobs_run() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for workers in [1, 2, 3].into_iter().cycle().take(60) {
                    pool.resize(workers).unwrap();
                    // The new ones are there before they are sent away.
                    pool.submit(|x: u8| x, 1).join().unwrap();
                    if stop.load(SeqCst) {
                        break;
                    }
                }
            });
            for x in 0..3_000_u64 {
                assert_eq!(pool.submit(|x| x, x).join().unwrap(), x);
            }
            let sum = pool.map(|x| x, 0..5_000_u64).map(Result::unwrap).sum::<u64>();
            assert_eq!(sum, 12_497_500);
            stop.store(true, SeqCst);
        });
        pool.resize(3).unwrap();
        all_work(&pool);
    });
}

#[test]
fn what_cannot_be_is_refused_with_advice() {
    let pool = Pool::new(1).unwrap();
    for (workers, advice) in [(0, "at least 1"), (usize::MAX, "the most is ")] {
        let error = pool.resize(workers).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(advice), "{error}");
    }
    assert_eq!(pool.workers(), 1);
    assert_eq!(pool.submit(|x: u8| x, 1).join().unwrap(), 1);
}
