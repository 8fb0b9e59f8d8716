//! The two ways to end a pool.

use std::thread;

use super::support::{Gate, count, in_time, total};
use crate::executor::model::{JoinError, JoinHandle, Lock, Pool};

#[test]
fn shutdown_runs_what_is_queued() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let handles: Vec<_> = (0..1_000).map(|x| pool.submit(|x: u32| x, x)).collect();
        pool.shutdown();
        assert!(handles.iter().all(JoinHandle::is_finished));
        assert!(handles.into_iter().map(|handle| handle.join().unwrap()).eq(0..1_000));
    });
}

#[test]
fn shutdown_of_an_idle_pool_ends() {
    in_time(|| {
        for workers in [1, 2, 3] {
            let pool = Pool::new(workers).unwrap();
            pool.submit(|()| (), ()).join().unwrap();
            pool.shutdown();
            drop(Pool::new(workers).unwrap());
            assert_eq!(Pool::new(workers).unwrap().shutdown_now().count(), 0);
        }
    });
}

#[test]
fn shutdown_now_cancels_what_is_queued() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let gates = [Gate::occupy(&pool), Gate::occupy(&pool)];
        let handles: Vec<_> = (0..500).map(|x| pool.submit(|x: u32| x, x)).collect();
        assert!(handles[0].cancel());
        let last = pool.submit(|x: u32| x, 0);
        let opener = thread::spawn(move || {
            // The workers are busy, so it is the caller who cancels.
            assert!(matches!(last.join(), Err(JoinError::Cancelled)));
            for gate in gates {
                gate.open().join().unwrap();
            }
        });
        assert_eq!(pool.shutdown_now().count(), 500, "one was cancelled before");
        opener.join().unwrap();
        for handle in handles {
            assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
        }
    });
}

#[test]
fn shutdown_now_while_workers_run() {
    in_time(|| {
        for _ in 0..20 {
            let pool = Pool::new(3).unwrap();
            let ran = Lock::new(0).unwrap();
            let handles: Vec<_> = (0..300).map(|_| pool.submit(count, ran.clone())).collect();
            let unrun = pool.shutdown_now().count();
            let cancelled = handles.into_iter().map(JoinHandle::join);
            let cancelled = cancelled.filter(|r| matches!(r, Err(JoinError::Cancelled))).count();
            assert_eq!(cancelled, unrun);
            assert_eq!(total(&ran) + unrun as u64, 300);
        }
    });
}

#[test]
fn cancelling_just_before_the_end() {
    in_time(|| {
        for x in 0..40 {
            let pool = Pool::new(1).unwrap();
            pool.submit(|()| (), ()).join().unwrap();
            let handle = pool.submit(|x: u32| x, x);
            let cancelled = handle.cancel();
            pool.shutdown();
            assert_eq!(handle.join().is_err(), cancelled);
        }
    });
}

#[test]
fn shutdown_also_runs_jobs_that_panic() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let gate = Gate::occupy(&pool);
        let odd = |x: u32| assert!(x.is_multiple_of(2), "{x} is odd");
        let handles: Vec<_> = (0..100).map(|x| pool.submit(odd, x)).collect();
        drop(gate.open());
        pool.shutdown();
        for (x, handle) in (0..100).zip(handles) {
            let panicked = matches!(handle.join(), Err(JoinError::Panicked { .. }));
            assert_eq!(panicked, x % 2 == 1);
        }
    });
}
