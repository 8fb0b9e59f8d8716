//! A limit to how many jobs are queued.

use crate::support::{Counted, Gate, in_time, until};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use threads::{CancelToken, JobOptions, JoinError, JoinHandle, Pool, PoolFull, Priority, WhenFull};

/// One worker, and room for two queued jobs.
fn pool(when_full: WhenFull) -> Pool {
    Pool::builder().workers(1).queue_bound(2, when_full).build().unwrap()
}

#[test]
fn refuse_is_an_error_of_the_handle() {
    let pool = pool(WhenFull::Refuse);
    let gate = Gate::occupy(&pool);
    let fit = [pool.spawn(|| 1), pool.spawn(|| 2)];
    let refused = pool.spawn(|| panic!("must not run"));
    assert!(refused.is_finished());
    assert!(matches!(refused.join(), Err::<(), _>(JoinError::Refused)));
    gate.open().join().unwrap();
    assert_eq!(fit.map(|handle| handle.join().unwrap()), [1, 2]);
    assert_eq!(pool.spawn(|| 3).join().unwrap(), 3, "there is room again");
    assert_eq!(pool.stats().queued, 0);
}

/// Nobody has a handle, but it is counted.
#[test]
fn what_is_refused_is_counted() {
    let pool = pool(WhenFull::Refuse);
    let gate = Gate::occupy(&pool);
    let fit = [pool.spawn(|| 1), pool.spawn(|| 2)];
    let drops = Arc::new(AtomicUsize::new(0));
    for _ in 0..3 {
        let counted = Counted(Arc::clone(&drops));
        pool.execute(move || panic!("must not run: {}", Arc::strong_count(&counted.0)));
    }
    drop(pool.spawn(|| panic!("must not run")));
    assert!(pool.try_spawn(|| ()).is_err(), "given back");
    assert_eq!(drops.load(SeqCst), 3);
    assert!(fit[0].cancel());
    let stats = pool.stats();
    assert_eq!((stats.refused, stats.cancelled, stats.queued), (4, 5, 1));
    gate.open().join().unwrap();
}

#[test]
fn try_spawn_gives_the_closure_back() {
    for when_full in [WhenFull::Block, WhenFull::CallerRuns, WhenFull::Refuse] {
        let pool = pool(when_full);
        let gate = Gate::occupy(&pool);
        let fit = [pool.try_spawn(|| 1).unwrap(), pool.try_spawn(|| 2).unwrap()];
        let text = String::from("kept");
        let PoolFull(f) = pool.try_spawn(move || text).unwrap_err();
        assert_eq!(f(), "kept");
        assert!(fit[0].cancel(), "which makes room at once");
        let third = pool.try_spawn(|| 3).unwrap();
        gate.open().join().unwrap();
        assert_eq!(third.join().unwrap(), 3);
    }
    let free = Pool::new(1).unwrap();
    assert_eq!(free.try_spawn(|| 1).unwrap().join().unwrap(), 1);
}

#[test]
fn caller_runs_on_the_calling_thread() {
    let pool = pool(WhenFull::CallerRuns);
    let gate = Gate::occupy(&pool);
    let fit = [pool.spawn(|| ()), pool.spawn(|| ())];
    let here = thread::current().id();
    let handle = pool.spawn(move || thread::current().id() == here);
    assert!(handle.is_finished() && handle.join().unwrap());
    let error = pool.spawn(|| panic!("in the caller")).join().unwrap_err();
    assert_eq!(error.to_string(), "job panicked: in the caller");
    let stats = pool.stats();
    assert_eq!((stats.done, stats.panicked, stats.queued, stats.running), (1, 1, 2, 1));
    gate.open().join().unwrap();
    for handle in fit {
        handle.join().unwrap();
    }
}

#[test]
fn block_waits_for_room() {
    in_time(|| {
        let pool = pool(WhenFull::Block);
        let gate = Gate::occupy(&pool);
        let fit = [pool.spawn(|| 1), pool.spawn(|| 2)];
        thread::scope(|scope| {
            let late = scope.spawn(|| pool.spawn(|| 3).join().unwrap());
            assert_eq!(pool.stats().queued, 2);
            assert!(!late.is_finished());
            gate.open().join().unwrap();
            assert_eq!(late.join().unwrap(), 3);
        });
        assert_eq!(fit.map(|handle| handle.join().unwrap()), [1, 2]);
    });
}

#[test]
fn many_submitters_share_little_room() {
    in_time(|| {
        let pool = pool(WhenFull::Block);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for x in 0..2_000 {
                        assert_eq!(pool.submit(|x| x, x).join().unwrap(), x);
                    }
                    let handles: Vec<_> = (0..500).map(|x| pool.submit(|x| x, x)).collect();
                    assert!(handles.into_iter().map(|handle| handle.join().unwrap()).eq(0..500));
                });
            }
        });
        assert_eq!(pool.stats().done, 10_000);
    });
}

#[test]
fn a_job_never_blocks_on_its_own_full_pool() {
    in_time(|| {
        for when_full in [WhenFull::Block, WhenFull::CallerRuns] {
            let pool = Arc::new(pool(when_full));
            let inner = Arc::clone(&pool);
            let outer = pool.spawn(move || {
                let handles: Vec<_> = (0..10).map(|x| inner.submit(|x| x, x)).collect();
                let mapped = inner.map(|x: u32| x, 0..20).map(Result::unwrap).sum::<u32>();
                handles.into_iter().map(|handle| handle.join().unwrap()).sum::<u32>() + mapped
            });
            assert_eq!(outer.join().unwrap(), 45 + 190);
        }
    });
}

#[test]
fn a_map_submits_only_what_fits() {
    in_time(|| {
        for when_full in [WhenFull::Block, WhenFull::CallerRuns, WhenFull::Refuse] {
            let pool = pool(when_full);
            let ordered = pool.map(|x: u64| x, 0..500);
            assert!(ordered.map(Result::unwrap).eq(0..500));
            let unordered = pool.map_unordered(|x: u64| x, 0..500);
            assert_eq!(unordered.map(Result::unwrap).sum::<u64>(), 124_750);
            let gate = Gate::occupy(&pool);
            let mut map = pool.map(|x: u64| x, 0..500);
            assert!(map.next_timeout(std::time::Duration::ZERO).is_err());
            assert_eq!(pool.stats().queued, 2);
            gate.open().join().unwrap();
            assert!(map.map(Result::unwrap).eq(0..500));
        }
    });
}

#[test]
fn cancelled_jobs_make_room_for_one_that_blocks() {
    in_time(|| {
        let pool = pool(WhenFull::Block);
        let gate = Gate::occupy(&pool);
        let token = CancelToken::new();
        let fit = [pool.spawn_with(&token, || ()), pool.spawn_with(&token, || ())];
        thread::scope(|scope| {
            let late = scope.spawn(|| pool.spawn(|| 3));
            token.cancel();
            let late = late.join().unwrap(); // Although the worker is busy.
            gate.open().join().unwrap();
            assert_eq!(late.join().unwrap(), 3);
        });
        for handle in fit {
            assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
        }
        until("the count is right", || pool.stats().queued == 0);
        assert!(pool.try_spawn(|| ()).is_ok() && pool.try_spawn(|| ()).is_ok());
    });
}

/// Each job of a chain would run on top of the one that spawned it.
#[test]
fn long_chains_in_a_full_pool_do_not_overflow_the_stack() {
    fn link(pool: &Arc<Pool>, left: u32, end: mpsc::Sender<()>) {
        let inner = Arc::clone(pool);
        if left == 0 {
            end.send(()).unwrap();
        } else {
            drop(pool.spawn(move || link(&inner, left - 1, end)));
        }
    }
    in_time(|| {
        for when_full in [WhenFull::Block, WhenFull::CallerRuns] {
            let pool = Arc::new(pool(when_full));
            let (end, ended) = mpsc::channel();
            let inner = Arc::clone(&pool);
            let first = pool.spawn(move || {
                let full = [(); 2].map(|()| inner.spawn_with(Priority::Low, || ()));
                link(&inner, 100_000, end);
                full
            });
            for behind in first.join().unwrap() {
                behind.join().unwrap();
            }
            ended.recv().unwrap();
        }
    });
}

/// From outside of the pool, too. The chain goes on when a worker is free.
#[test]
fn long_chains_on_a_calling_thread_do_not_overflow_the_stack() {
    fn link(pool: &Arc<Pool>, left: u32, end: mpsc::Sender<()>) {
        let inner = Arc::clone(pool);
        if left == 0 {
            end.send(()).unwrap();
        } else {
            drop(pool.spawn(move || link(&inner, left - 1, end)));
        }
    }
    in_time(|| {
        let pool = Arc::new(pool(WhenFull::CallerRuns));
        let gate = Gate::occupy(&pool);
        let behind = [(); 2].map(|()| pool.spawn(|| ()));
        let (end, ended) = mpsc::channel();
        link(&pool, 100_000, end);
        assert_eq!(pool.stats().queued, 3, "one is beyond the bound");
        gate.open().join().unwrap();
        ended.recv().unwrap();
        for behind in behind {
            behind.join().unwrap();
        }
    });
}

/// The new jobs need a lock that the job which spawns them holds.
#[test]
fn block_never_runs_a_job_under_the_one_that_spawns_it() {
    in_time(|| {
        for workers in [1, 2] {
            let pool = Pool::builder().workers(workers).queue_bound(1, WhenFull::Block);
            let pool = Arc::new(pool.build().unwrap());
            let (inner, lock) = (Arc::clone(&pool), Arc::new(Mutex::new(0)));
            let outer = pool.spawn(move || {
                let held = lock.lock().unwrap();
                let add = |lock: Arc<Mutex<u32>>| *lock.lock().unwrap() += 1;
                let jobs = [(); 2].map(|()| inner.submit(add, Arc::clone(&lock)));
                drop(held);
                for job in jobs {
                    job.join().unwrap();
                }
                *lock.lock().unwrap()
            });
            assert_eq!(outer.join().unwrap(), 2);
        }
    });
}

#[test]
fn block_keeps_to_the_bound_while_others_make_room() {
    in_time(|| {
        let pool = Arc::new(pool(WhenFull::Block));
        let inner = Arc::clone(&pool);
        let outer = pool.spawn(move || {
            let spawn = |x| (inner.submit(|x| x, x), inner.stats().queued);
            (0..200u32).map(spawn).map(|(job, queued)| (job.join().unwrap(), queued)).unzip()
        });
        let (results, queued): (Vec<u32>, Vec<u64>) = outer.join().unwrap();
        assert!(results.into_iter().eq(0..200));
        assert!(queued.iter().all(|queued| *queued <= 2), "{queued:?}");
    });
}

/// Without spares, the workers that wait for room are all there are.
#[test]
fn block_goes_beyond_the_bound_when_nobody_is_left_to_make_room() {
    in_time(|| {
        for workers in [1, 2, 3] {
            let pool = Pool::builder().workers(workers).spares(0);
            let pool = Arc::new(pool.queue_bound(1, WhenFull::Block).build().unwrap());
            let outer: Vec<_> = (0..workers)
                .map(|_| {
                    let inner = Arc::clone(&pool);
                    pool.spawn(move || {
                        let here = thread::current().id();
                        let spawning = Arc::new(AtomicBool::new(true));
                        let jobs = [(); 20].map(|()| {
                            let spawning = Arc::clone(&spawning);
                            inner.spawn(move || {
                                assert!(thread::current().id() != here || !spawning.load(SeqCst));
                            })
                        });
                        spawning.store(false, SeqCst);
                        for job in jobs {
                            job.join().unwrap();
                        }
                    })
                })
                .collect();
            for outer in outer {
                outer.join().unwrap();
            }
        }
    });
}

/// The last worker that could make room begins to wait for the job that needs it.
#[test]
fn a_wait_for_room_ends_when_the_last_other_worker_waits() {
    in_time(|| {
        let pool = Pool::builder().workers(2).spares(0).queue_bound(1, WhenFull::Block);
        let pool = Arc::new(pool.build().unwrap());
        let (give, take) = mpsc::channel::<JoinHandle<()>>();
        let joins = pool.spawn(move || take.recv().unwrap().join().unwrap());
        until("it runs", || pool.stats().running == 1);
        let inner = Arc::clone(&pool);
        let spawns = pool.spawn(move || {
            for job in [(); 3].map(|()| inner.spawn(|| ())) {
                job.join().unwrap();
            }
        });
        until("it waits for room", || pool.stats().aside == 1);
        give.send(spawns).unwrap();
        joins.join().unwrap();
    });
}

/// What was cancelled is not kept for as long as the workers are busy.
#[test]
fn cancelled_jobs_do_not_pile_up() {
    const JOBS: usize = 20_000;
    in_time(|| {
        for priority in [Priority::Low, Priority::Normal, Priority::High] {
            let pool = pool(WhenFull::Refuse);
            let gate = Gate::occupy(&pool);
            let kept = pool.spawn_with(priority, || 2);
            let drops = Arc::new(AtomicUsize::new(0));
            for _ in 0..JOBS {
                // What is left of a job holds its token, and that its callback.
                let token = CancelToken::new();
                let counted = Counted(Arc::clone(&drops));
                token.on_cancel(move || drop(counted));
                let options = JobOptions::new().priority(priority).token(&token);
                assert!(pool.spawn_with(options, || ()).cancel());
            }
            let left = JOBS - drops.load(SeqCst);
            assert!(left < 1_000, "{left} are left");
            gate.open().join().unwrap();
            assert_eq!(kept.join().unwrap(), 2);
        }
    });
}

#[test]
fn a_job_that_its_caller_runs_forks_in_its_own_pool() {
    in_time(|| {
        let builder = Pool::builder().workers(1).name("own").queue_bound(1, WhenFull::CallerRuns);
        let pool = builder.build().unwrap();
        let gate = Gate::occupy(&pool);
        let queued = pool.spawn(|| ());
        let names = pool.spawn(move || {
            drop(gate); // So that the worker has time for its part.
            threads::broadcast(|_| thread::current().name().map(str::to_owned))
        });
        assert!(names.is_finished(), "it was run here");
        assert_eq!(names.join().unwrap(), [Some("own-0".to_owned())]);
        queued.join().unwrap();
    });
}
