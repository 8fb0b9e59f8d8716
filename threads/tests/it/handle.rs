//! Joining, time limits, cancelling, and handles as futures.

use crate::support::{Counted, Gate, in_time, until};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use threads::{JoinError, Pool, WaitFor, as_completed, wait};

#[test]
fn a_queued_job_is_cancelled_and_never_runs() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let ran = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&ran);
    let handle = pool.spawn(move || ran.store(true, SeqCst));
    assert!(handle.cancel());
    assert_eq!(Arc::strong_count(&seen), 1, "the closure is dropped at once");
    assert!(!handle.cancel(), "only once");
    assert!(handle.is_finished());
    assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    assert_eq!((pool.stats().cancelled, pool.stats().queued), (1, 0));
    gate.open().join().unwrap();
    pool.shutdown();
    assert!(!seen.load(SeqCst));
}

#[test]
fn joining_inside_a_pool_of_one_worker_runs_the_job_on_the_spot() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner = Arc::clone(&pool);
        let depth = pool.spawn(move || {
            fn nested(pool: &Arc<Pool>, depth: u32) -> u32 {
                if depth == 0 {
                    return 0;
                }
                let inner = Arc::clone(pool);
                1 + pool.spawn(move || nested(&inner, depth - 1)).join().unwrap()
            }
            nested(&inner, 50)
        });
        assert_eq!(depth.join().unwrap(), 50);
    });
}

#[test]
fn joining_inside_a_worker_runs_no_other_job() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner = Arc::clone(&pool);
        let outer = pool.spawn(move || {
            let other = inner.spawn(|| thread::current().id());
            assert_eq!(inner.spawn(|| 5).join().unwrap(), 5);
            assert!(!other.is_finished(), "the older job was not touched");
            other
        });
        outer.join().unwrap().join().unwrap();
    });
}

#[test]
fn joining_inside_a_worker_waits_for_a_job_that_runs_elsewhere() {
    in_time(|| {
        let pool = Arc::new(Pool::new(2).unwrap());
        let gate = Gate::occupy(&pool);
        let (give, take) = mpsc::channel();
        let outer = pool.spawn(move || {
            let elsewhere: threads::JoinHandle<()> = take.recv().unwrap();
            elsewhere.join().unwrap();
        });
        until("both workers are busy", || pool.stats().running == 2);
        // The gate's job is running: the other worker can only block.
        let Gate { opener: open, job } = gate;
        give.send(job).unwrap();
        drop(open);
        outer.join().unwrap();
    });
}

#[test]
fn completion_inside_a_pool_of_one_worker() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner = Arc::clone(&pool);
        let sum = pool.spawn(move || {
            let handles = (0..10u64).map(|x| inner.submit(|x| x, x));
            as_completed(handles.collect::<Vec<_>>()).map(|(_, x)| x.unwrap()).sum::<u64>()
        });
        assert_eq!(sum.join().unwrap(), 45);
    });
}

/// A token ends the wait of a thread that has given its handle away to `join`.
#[test]
fn a_token_wakes_a_thread_that_joins() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::occupy(&pool);
        for _ in 0..200 {
            let token = threads::CancelToken::new();
            let behind = pool.spawn_with(&token, || ());
            thread::scope(|scope| {
                let joins = scope.spawn(|| behind.join());
                token.cancel();
                assert!(matches!(joins.join().unwrap(), Err(JoinError::Cancelled)));
            });
        }
        gate.open().join().unwrap();
    });
}

/// Locks when it is dropped.
struct Locks(Arc<Mutex<()>>);

impl Drop for Locks {
    fn drop(&mut self) {
        drop(self.0.lock());
    }
}

/// Also one that was run on the spot, and lies in its queue: the result would be dropped wherever somebody comes
/// across it, in the middle of another wait.
#[test]
fn the_result_goes_with_the_handle() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner = Arc::clone(&pool);
        let job = pool.spawn(move || {
            let dropped = Arc::new(AtomicUsize::new(0));
            for n in 1..=10 {
                let counted = Counted(Arc::clone(&dropped));
                drop(wait([inner.spawn(move || counted)], WaitFor::All, None));
                assert_eq!(dropped.load(SeqCst), n);
            }
            let mutex = Arc::new(Mutex::new(()));
            for _ in 0..100 {
                let locks = Locks(Arc::clone(&mutex));
                drop(wait([inner.spawn(move || locks)], WaitFor::All, None));
            }
            let _held = mutex.lock().unwrap();
            for _ in 0..100 {
                inner.spawn(|| ()).join().unwrap();
            }
        });
        job.join().unwrap();
    });
}
