//! No wake-up is lost.

use super::support::{LIMIT, in_time, rounds};
use crate::executor::model::{Barrier, Pool};

#[test]
fn external_submits_each_waited_for() {
    for workers in [1, 2] {
        let pool = Pool::new(workers).unwrap();
        for x in 0..rounds(10_000, 500_000) {
            let result = pool.submit(|x| x, x).join_timeout(LIMIT);
            assert_eq!(result.expect("the worker was woken").unwrap(), x);
        }
    }
}

/// Every worker can be reached: each of these jobs needs all the others to run.
#[test]
fn as_many_jobs_run_at_once_as_there_are_workers() {
    in_time(|| {
        for workers in [2, 3] {
            let pool = Pool::new(workers).unwrap();
            for _ in 0..50 {
                let meet = Barrier::new(workers).unwrap();
                let wait = |meet: Barrier| meet.wait_timeout(LIMIT).is_ok();
                let jobs: Vec<_> = (0..workers).map(|_| pool.submit(wait, meet.clone())).collect();
                assert!(jobs.into_iter().all(|job| job.join().unwrap()));
            }
        }
    });
}
