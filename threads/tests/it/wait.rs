//! Waiting for several handles.

use crate::support::{Gate, in_time};
use std::sync::Arc;
use std::time::Duration;
use threads::{AsCompleted, Outcome, Pool, WaitFor, WhenFull, wait};

#[test]
fn on_the_only_worker_of_the_pool() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        for until in [WaitFor::FirstCompleted, WaitFor::FirstException, WaitFor::All] {
            let inner = Arc::clone(&pool);
            let outer = pool.spawn(move || {
                let handles: Vec<_> = (0..10).map(|x| inner.submit(|x| x, x)).collect();
                wait(handles, until, None).0.len()
            });
            let done = outer.join().unwrap();
            assert!(if until == WaitFor::FirstCompleted { done >= 1 } else { done == 10 });
        }
    });
}

/// Nobody asked for that, as for a cancellation.
#[test]
fn a_job_that_could_not_run_has_failed() {
    in_time(|| {
        let full = Pool::builder().workers(1).queue_bound(1, WhenFull::Refuse).build().unwrap();
        let gate = Gate::occupy(&full);
        let handles = [full.spawn(|| ()), full.spawn(|| ())];
        let (done, not_done) = wait(&handles, WaitFor::FirstException, None);
        assert_eq!((done.len(), not_done.len()), (1, 1));
        assert_eq!(done[0].outcome(), Some(Outcome::Refused));
        gate.open().join().unwrap();
        wait(&handles, WaitFor::All, None); // So that there is room, here and below.
        let broken = Pool::builder().workers(1).initializer(|_| Err("broken")).build().unwrap();
        let handles = [full.spawn(|| ()), broken.spawn(|| ())];
        let (done, _) = wait(&handles[1..], WaitFor::FirstException, None);
        assert_eq!(done[0].outcome(), Some(Outcome::Broken));
        wait(&handles, WaitFor::All, None);
        let gate = Gate::occupy(&full);
        let handles = [full.spawn(|| ()), broken.spawn(|| ())];
        assert_eq!(wait(&handles, WaitFor::FirstException, None).0.len(), 1);
        gate.open().join().unwrap();
    });
}

/// More handles than are looked at to see a circle, and nobody left who could run their jobs.
#[test]
fn next_without_a_limit_runs_one_of_very_many_jobs() {
    in_time(|| {
        let pool = Arc::new(Pool::builder().workers(1).spares(0).build().unwrap());
        let inner = Arc::clone(&pool);
        let job = pool.spawn(move || {
            let mut set = AsCompleted::new();
            for key in 0..2_000 {
                set.push(key, inner.submit(|x| x, key));
            }
            let mut sum = 0;
            while let Some((key, result)) = set.next_timeout(Duration::MAX) {
                assert_eq!(key, result.unwrap());
                sum += key;
            }
            sum
        });
        assert_eq!(job.join().unwrap(), (0..2_000).sum());
    });
}
