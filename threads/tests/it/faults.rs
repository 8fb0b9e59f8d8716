//! Wrong use: a documented panic, never a hang.

use crate::support::in_time;
use std::sync::{Arc, mpsc};
use threads::{JoinError, JoinHandle, Pool, as_completed};

#[test]
fn a_job_that_joins_itself_panics() {
    in_time(|| {
        for workers in [1, 2] {
            let pool = Pool::new(workers).unwrap();
            let (give, take) = mpsc::channel::<JoinHandle<()>>();
            let (told, result) = mpsc::channel();
            let handle = pool.spawn(move || {
                let own = take.recv().unwrap();
                let joined = std::panic::catch_unwind(move || own.join());
                told.send(*joined.unwrap_err().downcast::<&str>().unwrap()).unwrap();
            });
            give.send(handle).unwrap();
            assert!(result.recv().unwrap().contains("cannot wait for itself"));
        }
    });
}

#[test]
fn a_job_run_by_its_joiner_that_joins_the_joiner_panics() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner = Arc::clone(&pool);
        let (give, take) = mpsc::channel::<JoinHandle<bool>>();
        let (told, result) = mpsc::channel();
        let outer = pool.spawn(move || {
            let outer = take.recv().unwrap();
            let below = inner.spawn(move || outer.join().is_ok()).join();
            told.send(matches!(below, Err(JoinError::Panicked { .. }))).unwrap();
            true
        });
        give.send(outer).unwrap();
        assert!(result.recv().unwrap());
    });
}

#[test]
fn a_thread_that_joins_itself_panics() {
    in_time(|| {
        let (give, take) = mpsc::channel::<JoinHandle<()>>();
        let (told, result) = mpsc::channel();
        let body = move |take: mpsc::Receiver<JoinHandle<()>>| {
            let own = take.recv().unwrap();
            let joined = std::panic::catch_unwind(move || own.join());
            told.send(joined.is_err()).unwrap();
        };
        give.send(threads::spawn(body, take).unwrap()).unwrap();
        assert!(result.recv().unwrap());
    });
}

#[test]
fn a_job_in_its_own_set_still_sees_the_others() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let (give, take) = mpsc::channel::<Vec<JoinHandle<u64>>>();
        let (told, result) = mpsc::channel();
        let own = pool.spawn(move || {
            let first = as_completed(take.recv().unwrap()).next();
            told.send(matches!(first, Some((1, Ok(7))))).unwrap();
            0
        });
        let other = pool.spawn(|| 7);
        give.send(vec![own, other]).unwrap();
        assert!(result.recv().unwrap());
    });
}

/// Two jobs on two workers that join each other.
#[test]
fn jobs_that_join_each_other_panic() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let (give, take): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel()).unzip();
        let jobs: Vec<_> = take
            .into_iter()
            .map(|take: mpsc::Receiver<JoinHandle<bool>>| {
                pool.spawn(move || take.recv().unwrap().join().is_ok())
            })
            .collect();
        let (told, ends) = mpsc::channel();
        for (job, give) in jobs.into_iter().zip(give.into_iter().rev()) {
            let told = told.clone();
            job.on_done(move |outcome| told.send(outcome).unwrap());
            give.send(job).unwrap();
        }
        let mut ends = [ends.recv().unwrap(), ends.recv().unwrap()];
        ends.sort_by_key(|end| *end != threads::Outcome::Returned);
        assert_eq!(ends, [threads::Outcome::Returned, threads::Outcome::Panicked]);
    });
}

#[test]
fn use_after_the_pool_has_ended() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let local = pool.worker_local(|| 1);
        let handle = pool.spawn(|| 2);
        pool.shutdown();
        assert_eq!(local.with(|x| *x), 1);
        assert!(!handle.cancel());
        assert_eq!(handle.join().unwrap(), 2);
    });
}
