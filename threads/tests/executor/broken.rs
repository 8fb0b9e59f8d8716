//! Initializers, and pools whose initializer failed.

use std::sync::mpsc;
use std::thread;

use super::support::{LIMIT, in_time};
use crate::executor::model::{Barrier, JoinError, JoinHandle, Outcome, Pool};
use crate::executor::{failing, is_marked, marking};

#[test]
fn every_worker_is_initialized_before_its_first_job() {
    in_time(|| {
        let pool = marking(Pool::builder().workers(3)).build().unwrap();
        let meet = Barrier::new(3).unwrap();
        let marked = |meet: Barrier| {
            meet.wait_timeout(LIMIT).unwrap();
            is_marked()
        };
        let jobs: Vec<_> = (0..3).map(|_| pool.submit(marked, meet.clone())).collect();
        assert!(jobs.into_iter().all(|job| job.join().unwrap()));
        assert!(!is_marked(), "only the workers are");
    });
}

#[test]
fn a_failed_initializer_breaks_the_pool() {
    in_time(|| {
        for panics in [false, true] {
            let pool = failing(Pool::builder().workers(2).name("doomed"), panics).build().unwrap();
            let queued: Vec<_> = (0..100).map(|x| pool.submit(|x: u8| x, x)).collect();
            let (told, outcomes) = mpsc::channel();
            queued[0].on_done(move |outcome| told.send(outcome).unwrap());
            for job in queued {
                let error = job.join().unwrap_err();
                assert!(matches!(error, JoinError::Broken { .. }), "{error}");
                let reason = if panics { "panicked: no luck" } else { "failed: no license" };
                let text = error.to_string();
                assert!(text.contains("initializer") && text.contains(reason), "{text}");
            }
            assert_eq!(outcomes.recv().unwrap(), Outcome::Broken);
            let late = pool.submit(|x: u8| x, 1).join_timeout(LIMIT).expect("in time");
            assert!(matches!(late, Err(JoinError::Broken { .. })));
            assert!(pool.map(|x: u8| x, 0..10).all(|x| matches!(x, Err(JoinError::Broken { .. }))));
            assert_eq!(pool.stats().queued, 0);
            assert_eq!(pool.shutdown_now().count(), 0);
        }
    });
}

/// Submitting while the pool breaks: no handle is forgotten.
#[test]
fn submitting_while_the_pool_breaks() {
    in_time(|| {
        for _ in 0..5 {
            let pool = failing(Pool::builder().workers(2), false).build().unwrap();
            thread::scope(|scope| {
                let submitter = scope.spawn(|| {
                    let mut broken = 0;
                    while broken < 50 {
                        let jobs: Vec<_> = (0..50).map(|x| pool.submit(|x: u8| x, x)).collect();
                        assert!(jobs.iter().all(|job| job.wait_timeout(LIMIT)));
                        let results = jobs.into_iter().map(JoinHandle::join);
                        broken += results.filter(Result::is_err).count();
                    }
                    broken
                });
                assert_eq!(submitter.join().unwrap(), 50, "none ran");
            });
        }
    });
}
