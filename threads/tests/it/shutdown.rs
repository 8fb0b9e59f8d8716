//! The two ways to end a pool.

use crate::support::{Counted, Gate, LIMIT, in_time, until};
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use threads::{JoinError, Pool};

#[test]
fn shutdown_of_an_idle_pool_ends() {
    in_time(|| {
        for workers in [1, 2, 3, 70] {
            let pool = Pool::new(workers).unwrap();
            until("all sleep", || pool.stats().parks >= workers as u64);
            pool.shutdown();
            drop(Pool::new(workers).unwrap());
            assert_eq!(Pool::new(workers).unwrap().shutdown_now().count(), 0);
        }
    });
}

/// Opens a gate when it is dropped, and waits until another value has been dropped.
struct Pause {
    /// Dropped first: the gate's worker goes on.
    gate: Option<Gate>,
    /// Disconnected when the other value is dropped.
    other: mpsc::Receiver<()>,
}

impl Drop for Pause {
    fn drop(&mut self) {
        drop(self.gate.take());
        assert_eq!(self.other.recv_timeout(LIMIT), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}

#[test]
fn a_worker_cancels_what_it_finds_after_shutdown_now() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let (found, other) = mpsc::channel::<()>();
        let pause = Pause { gate: Some(Gate::occupy(&pool)), other };
        // The caller of `shutdown_now` cancels this one, and is held up by its drop until the
        // worker has dealt with the next one.
        let by_caller = pool.spawn(move || drop(pause));
        let by_worker = pool.spawn(move || drop(found));
        assert_eq!(pool.shutdown_now().count(), 2);
        assert!(matches!(by_caller.join(), Err(JoinError::Cancelled)));
        assert!(matches!(by_worker.join(), Err(JoinError::Cancelled)));
    });
}

#[test]
fn shutdown_now_while_workers_run_and_steal() {
    in_time(|| {
        for _ in 0..200 {
            let pool = Pool::new(3).unwrap();
            let ran = Arc::new(AtomicUsize::new(0));
            let count = |ran: Arc<AtomicUsize>| ran.fetch_add(1, SeqCst);
            let handles: Vec<_> = (0..300).map(|_| pool.submit(count, Arc::clone(&ran))).collect();
            let unrun = pool.shutdown_now().count();
            let cancelled = handles.into_iter().map(threads::JoinHandle::join);
            let cancelled = cancelled.filter(|r| matches!(r, Err(JoinError::Cancelled))).count();
            assert_eq!(cancelled, unrun);
            assert_eq!(ran.load(SeqCst) + unrun, 300);
        }
    });
}

#[test]
fn shutdown_waits_for_jobs_that_running_jobs_spawn() {
    in_time(|| {
        let ran = Arc::new(AtomicUsize::new(0));
        let pool = Arc::new(Pool::new(2).unwrap());
        for _ in 0..10 {
            let (inner, ran) = (Arc::clone(&pool), Arc::clone(&ran));
            drop(pool.spawn(move || {
                for _ in 0..10 {
                    let ran = Arc::clone(&ran);
                    drop(inner.spawn(move || ran.fetch_add(1, SeqCst)));
                }
            }));
        }
        drop(pool);
        until("every job has run", || ran.load(SeqCst) == 100);
    });
}

/// A value of a worker's thread owns the pool, and is dropped when that thread has all but ended:
/// it cannot be waited for there.
#[test]
fn the_last_owner_is_a_value_of_a_worker_that_ends() {
    thread_local!(static OWNER: RefCell<Option<Arc<Pool>>> = const { RefCell::new(None) });
    in_time(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let (counted, parcel) = (Counted(Arc::clone(&drops)), Arc::new(Mutex::new(None)));
        let left = Arc::clone(&parcel);
        let pool = Pool::builder().workers(1).initializer(move |worker| {
            let _goes_with_the_pool = &counted;
            if worker == 0 {
                return Ok(());
            }
            let pool: Arc<Pool> = left.lock().unwrap().take().unwrap();
            until("there is no other owner", || Arc::strong_count(&pool) == 1);
            OWNER.set(Some(pool));
            Err("ends at once")
        });
        let pool = Arc::new(pool.build().unwrap());
        *parcel.lock().unwrap() = Some(Arc::clone(&pool));
        pool.resize(2).unwrap();
        drop(pool);
        until("the pool is gone", || drops.load(SeqCst) == 1);
    });
}

/// How a pool is ended.
const ENDS: [fn(Pool); 3] =
    [drop, Pool::shutdown, |pool| assert!(pool.shutdown_now().count() < 100)];

/// The job that waits is the only one of its pool, and what it waits for needs that pool.
#[test]
fn a_job_that_ends_another_pool_steps_aside() {
    in_time(|| {
        for end in ENDS {
            let outer = Arc::new(Pool::new(1).unwrap());
            let (inner, other) = (Arc::clone(&outer), Pool::new(1).unwrap());
            let (running, seen) = mpsc::channel();
            let needs = other.spawn(move || {
                running.send(()).unwrap();
                inner.spawn(|| 5).join().unwrap()
            });
            seen.recv().unwrap();
            let ended = outer.spawn(move || {
                end(other);
                assert!(needs.is_finished(), "it was waited for");
                needs.join().unwrap()
            });
            assert_eq!(ended.join().unwrap(), 5);
        }
    });
}

/// Two pools whose jobs are the last owners of each other's: the last one that would wait does
/// not, as in a pool that its own job ends.
#[test]
fn pools_that_end_each_other_end() {
    in_time(|| {
        for end in ENDS {
            for detached in [false, true] {
                let ended = Arc::new(AtomicUsize::new(0));
                let (both, meet) = (Arc::new(std::sync::Barrier::new(2)), mpsc::channel());
                let pools = [0, 1].map(|_| Arc::new(Pool::new(1).unwrap()));
                for (pool, other) in [(0, 1), (1, 0)] {
                    let (both, counted) = (Arc::clone(&both), Counted(Arc::clone(&ended)));
                    let (other, told) = (Arc::clone(&pools[other]), meet.0.clone());
                    let job = move || {
                        both.wait();
                        until("there is no other owner", || Arc::strong_count(&other) == 1);
                        end(Arc::into_inner(other).unwrap());
                        drop(counted);
                        told.send(()).unwrap();
                    };
                    if detached {
                        pools[pool].execute(job);
                    } else {
                        drop(pools[pool].spawn(job));
                    }
                }
                drop(pools);
                assert!((0..2).all(|_| meet.1.recv_timeout(LIMIT).is_ok()));
                assert_eq!(ended.load(SeqCst), 2);
            }
        }
    });
}

/// The job of one pool ends the other one, of which a job waits for it.
#[test]
fn a_circle_of_an_end_and_a_join_ends() {
    in_time(|| {
        for end in ENDS {
            let (first, second) = (Pool::new(1).unwrap(), Pool::new(1).unwrap());
            let (give, take) = mpsc::channel::<threads::JoinHandle<bool>>();
            let (running, seen) = mpsc::channel();
            let joins = second.spawn(move || {
                running.send(()).unwrap();
                take.recv().unwrap().join().is_ok()
            });
            seen.recv().unwrap();
            let ends = first.spawn(move || {
                end(second);
                true
            });
            give.send(ends).unwrap();
            // Whoever comes last learns of it: the job that joins panics, or the other one does
            // not wait.
            match joins.join() {
                Ok(ended) => assert!(ended),
                Err(error) => assert!(error.to_string().contains("circle"), "{error}"),
            }
        }
    });
}

/// Closures of a scope that wait for each other, in a way that the pool cannot see, need workers
/// also when those that had nothing to do have ended.
#[cfg(target_os = "linux")]
#[test]
fn what_a_job_forks_while_the_pool_ends_has_workers() {
    in_time(|| {
        for end in
            [Pool::shutdown, |pool| assert_eq!(pool.shutdown_now().count(), 0)] as [fn(Pool); 2]
        {
            let pool = Pool::builder().workers(3).name("ending-pool").build().unwrap();
            let gate = Gate::occupy(&pool);
            let (go, gone) = mpsc::channel::<()>();
            let (begun, begins) = mpsc::channel();
            let job = pool.spawn(move || {
                begun.send(()).unwrap();
                let _ = gone.recv(); // Ends when the others have.
                let meet = std::sync::Barrier::new(3);
                for _ in 0..20 {
                    threads::scope(|scope| {
                        for _ in 0..3 {
                            scope.spawn(|| {
                                meet.wait();
                            });
                        }
                    });
                }
            });
            begins.recv_timeout(LIMIT).unwrap();
            gate.open().join().unwrap();
            until("the others sleep", || crate::leaks::sleeping("ending-pool-") == 3);
            let ends = thread::spawn(move || end(pool));
            until("the others have ended", || crate::leaks::count("ending-pool-") == 1);
            drop(go);
            job.join().unwrap();
            ends.join().unwrap();
        }
    });
}
