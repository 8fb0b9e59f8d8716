//! What once went wrong.

use super::{idle_pool, join_apart};
use crate::support::{Bomb, Gate, LIMIT, in_time, until};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use threads::{
    CancelToken, Cancelled, Event, JoinHandle, Pool, Scope, WaitFor, broadcast, join, scope, wait,
};

/// Forks when it is dropped.
struct Forks<'a>(&'a AtomicUsize);

impl Drop for Forks<'_> {
    fn drop(&mut self) {
        join(|| self.0.fetch_add(1, SeqCst), || self.0.fetch_add(1, SeqCst));
        scope(|scope| {
            scope.spawn(|| {
                self.0.fetch_add(1, SeqCst);
            });
        });
    }
}

#[test]
fn a_destructor_that_forks_while_cancelled_work_unwinds() {
    let (token, ran) = (CancelToken::new(), AtomicUsize::new(0));
    let end = token.run(|| {
        let _forks = [Forks(&ran), Forks(&ran)];
        token.cancel();
        join(|| (), || ());
    });
    assert_eq!((end, ran.into_inner()), (Err(Cancelled), 6));
}

/// A closure that the caller runs while it waits may spawn more, which is for it, too.
#[test]
fn what_helped_work_spawns_is_run() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::occupy(&pool);
        let ran = AtomicBool::new(false);
        pool.scope(|scope| {
            thread::scope(|threads| {
                threads.spawn(|| scope.spawn(|| scope.spawn(|| ran.store(true, SeqCst))));
            });
        });
        assert!(ran.into_inner());
        gate.open().join().unwrap();
    });
}

#[test]
fn there_is_a_worker_for_each_broadcast() {
    in_time(|| {
        let pool = Arc::new(idle_pool(1));
        let over = Arc::new(AtomicBool::new(false));
        let (inner, stop) = (Arc::clone(&pool), Arc::clone(&over));
        let feeder = thread::spawn(move || {
            while !stop.load(SeqCst) {
                let job = inner.spawn(|| threads::blocking(thread::yield_now));
                job.join().unwrap();
            }
        });
        for _ in 0..crate::support::rounds(3_000, 100_000) {
            assert!(!pool.broadcast(|worker| worker).is_empty());
        }
        over.store(true, SeqCst);
        feeder.join().unwrap();
    });
}

/// A part of a broadcast that runs as its worker is about to block may have to block, too.
#[test]
fn a_part_of_a_broadcast_waits_for_a_job() {
    in_time(|| {
        let pool = Arc::new(idle_pool(1));
        let (release, begun) = (Event::new().unwrap(), Event::new().unwrap());
        let (wait, begins) = (release.clone(), begun.clone());
        let job = pool.spawn(move || {
            begins.set();
            wait.wait();
        });
        begun.wait();
        let inner = Arc::clone(&pool);
        let parts = pool.broadcast(|_| {
            let done = Event::new().unwrap();
            let sets = done.clone();
            let job = inner.spawn(move || sets.set());
            done.wait();
            job.join().is_ok()
        });
        assert!(parts.into_iter().all(|part| part));
        release.set();
        job.join().unwrap();
    });
}

#[test]
fn a_real_panic_counts_more_than_a_cancelled_sibling() {
    let pool = idle_pool(1);
    let (token, begun) = (CancelToken::new(), AtomicBool::new(false));
    let end = catch_unwind(AssertUnwindSafe(|| {
        pool.install(|| {
            token.run(|| {
                scope(|scope| {
                    scope.spawn(|| {
                        begun.store(true, SeqCst);
                        panic!("real");
                    });
                    until("the worker has begun", || begun.load(SeqCst));
                    token.cancel();
                    join(|| (), || ());
                });
            })
        })
    }));
    assert_eq!(*end.unwrap_err().downcast::<&str>().unwrap(), "real");
}

/// A closure that panicked although its work was cancelled has something to say.
#[test]
fn a_real_panic_of_the_second_closure_counts_more_than_a_cancelled_first_one() {
    in_time(|| {
        let pool = idle_pool(1);
        let here = thread::current().id();
        let end = catch_unwind(AssertUnwindSafe(|| {
            let cancelled = || -> () { resume_unwind(Box::new(Cancelled)) };
            join_apart(&pool, cancelled, || assert_eq!(thread::current().id(), here, "real"));
        }));
        assert!(end.unwrap_err().downcast::<String>().unwrap().contains("real"));
    });
}

#[test]
fn a_real_panic_of_a_task_counts_more_than_a_cancelled_earlier_one() {
    in_time(|| {
        let pool = idle_pool(1);
        let begun = AtomicBool::new(false);
        let end = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|scope| {
                scope.spawn(|| {
                    begun.store(true, SeqCst);
                    until("the other one has ended", || scope.is_cancelled());
                    thread::yield_now();
                    panic!("real");
                });
                until("the worker has begun", || begun.load(SeqCst));
                scope.spawn(|| resume_unwind(Box::new(Cancelled)));
            });
        }));
        assert_eq!(*end.unwrap_err().downcast::<&str>().unwrap(), "real");
    });
}

#[test]
fn a_destructor_that_forks_in_a_closure_that_is_dropped() {
    let (token, ran) = (CancelToken::new(), AtomicUsize::new(0));
    let end = token.run(|| {
        token.cancel();
        scope(|scope| {
            let forks = Forks(&ran);
            scope.spawn(move || drop(forks));
        });
    });
    assert_eq!((end, ran.into_inner()), (Err(Cancelled), 3));
}

/// The first closure has panicked, and its thread helps with the second one: what it runs there
/// should not find it unwinding.
#[test]
fn helped_work_sees_no_panic_of_the_helper() {
    in_time(|| {
        let pool = idle_pool(1);
        let (spawned, seen) = (AtomicBool::new(false), Mutex::new(None));
        let note = || *seen.lock().unwrap() = Some((thread::current().id(), thread::panicking()));
        let end = catch_unwind(AssertUnwindSafe(|| {
            let first = || {
                until("there is something to help with", || spawned.load(SeqCst));
                panic!("first");
            };
            // On the only worker. From a thread outside of the pool, so that all can take it.
            let second = || {
                *seen.lock().unwrap() = None;
                scope(|scope| {
                    thread::scope(|threads| {
                        threads.spawn(|| scope.spawn(note));
                    });
                    spawned.store(true, SeqCst);
                    until("somebody has helped", || seen.lock().unwrap().is_some());
                });
            };
            join_apart(&pool, first, second);
        }));
        assert_eq!(*end.unwrap_err().downcast::<&str>().unwrap(), "first");
        assert_eq!(*seen.lock().unwrap(), Some((thread::current().id(), false)));
    });
}

/// A worker that is about to wait for a job runs its part of a broadcast first, and does not
/// wait for that job meanwhile: that the other worker waits for the part makes no circle.
#[test]
fn a_part_of_a_broadcast_before_a_wait_for_a_job() {
    in_time(|| {
        let pool = Arc::new(Pool::builder().workers(2).spares(0).build().unwrap());
        let inner = Arc::clone(&pool);
        let job = pool.spawn(move || {
            let (running, seen) = mpsc::channel();
            let pool = Arc::clone(&inner);
            let broadcasts = inner.spawn(move || {
                let here = thread::current().id();
                running.send(()).unwrap();
                let job = OnceLock::new();
                pool.broadcast(|_| {
                    if thread::current().id() == here {
                        until("the other part", || job.get().is_some_and(JoinHandle::is_running));
                        drop(wait(job.get(), WaitFor::All, None));
                    } else {
                        let job = job.get_or_init(|| {
                            let outer = Arc::clone(&pool);
                            pool.spawn(move || {
                                until("this is waited for", || outer.stats().aside > 0);
                                let (_send, never) = mpsc::channel::<()>();
                                assert!(never.recv_timeout(Duration::from_millis(5)).is_err());
                            })
                        });
                        drop(wait([job], WaitFor::All, None)); // Runs it on the spot.
                    }
                })
                .len()
            });
            seen.recv_timeout(LIMIT).unwrap();
            broadcasts.join().unwrap()
        });
        assert_eq!(job.join().unwrap(), 2);
    });
}

/// A job belongs to its own pool, also if it is run by a thread that is in another one.
#[test]
fn a_job_run_inside_of_another_pool_forks_in_its_own() {
    in_time(|| {
        let (a, b) = (Arc::new(idle_pool(1)), Arc::new(idle_pool(1)));
        // The job does not end `b`: for that wait, its worker would step aside.
        let (inner, other) = (Arc::clone(&a), Arc::clone(&b));
        let seen = a.spawn(move || {
            other.install(|| inner.spawn(|| broadcast(|_| thread::current().id())).join().unwrap())
        });
        let expected = a.broadcast(|_| thread::current().id());
        assert_eq!(seen.join().unwrap(), expected);
    });
}

#[test]
fn callbacks_of_a_cancelled_token_run_to_their_end() {
    let token = CancelToken::new();
    let (send, receive) = mpsc::channel();
    token.on_cancel(move || {
        let both = join(|| 1, || 2);
        send.send(both).unwrap();
    });
    let _ = token.run(|| token.cancel());
    assert_eq!(receive.recv_timeout(LIMIT).unwrap(), (1, 2));
}

/// The panic of its drop would be a second one while the scope unwinds, which ends the program;
/// and what it forks there is not cut off.
#[test]
fn the_result_of_a_cancelled_scope_is_dropped_before_it_unwinds() {
    let (pool, token) = (idle_pool(1), CancelToken::new());
    let bomb = || {
        token.cancel();
        Bomb
    };
    let end = token.run(|| pool.scope(|_| bomb()));
    assert!(matches!(end, Err(Cancelled)));
    assert_eq!(pool.stats().stray_panics, 1);
    let ran = AtomicUsize::new(0);
    let end = token.run(|| pool.scope(|_| Forks(&ran)).0.load(SeqCst));
    assert_eq!((end, ran.load(SeqCst)), (Err(Cancelled), 3));
    // The same beside the panic of a closure.
    let end = catch_unwind(AssertUnwindSafe(|| {
        CancelToken::new().run(|| {
            let scope = pool.scope(|scope| {
                scope.spawn(|| panic!("real"));
                CancelToken::current().unwrap().cancel();
                Forks(&ran)
            });
            scope.0.load(SeqCst)
        })
    }));
    assert!(end.is_err() || end.is_ok_and(|end| end == Err(Cancelled)), "it had begun, or not");
    assert_eq!(ran.load(SeqCst), 6);
}

/// A worker that goes has no seat, and so none to give up, while it still runs what is for it only.
#[test]
fn a_part_of_a_broadcast_waits_while_its_worker_goes() {
    in_time(|| {
        let pool = Pool::builder().workers(2).spares(0).build().unwrap();
        let (first, second, release) =
            (Gate::occupy(&pool), mpsc::channel(), Event::new().unwrap());
        let (begins, begun) = mpsc::channel();
        let never = Event::new().unwrap();
        let waits = pool.spawn(move || {
            begins.send(()).unwrap();
            let _closed: Result<(), _> = second.1.recv();
            never.wait_timeout(Duration::from_millis(10))
        });
        begun.recv().unwrap();
        let parts = AtomicUsize::new(0);
        thread::scope(|scope| {
            let broadcast = scope.spawn(|| {
                pool.broadcast(|_| {
                    // The other part is run by the worker whose job waits, before that.
                    if parts.fetch_add(1, SeqCst) == 0 {
                        release.wait();
                    }
                })
            });
            // Nobody can see that the parts are there. If they are not yet, this shows nothing.
            let soon = Instant::now() + Duration::from_millis(50);
            until("the parts are there", || Instant::now() > soon);
            pool.resize(1).unwrap();
            let first = first.open();
            let soon = Instant::now() + Duration::from_millis(500);
            until("the first runs", || parts.load(SeqCst) > 0 || Instant::now() > soon);
            drop(second.0); // The job of the other worker, which has the only seat, waits.
            let job = in_a_moment(waits);
            release.set();
            broadcast.join().unwrap();
            assert!(matches!(job, Ok(false)), "{job:?}");
            first.join().unwrap();
        });
        assert_eq!(pool.stats().workers, 1);
        assert_eq!(pool.spawn(|| 7).join().unwrap(), 7);
    });
}

/// The result of a job that ends by itself, before others are released.
fn in_a_moment<R>(job: JoinHandle<R>) -> Result<R, threads::JoinError> {
    job.join_timeout(LIMIT).unwrap_or_else(|_| panic!("it does not end"))
}

/// A chain of tasks is as long as it likes, as in a pool with workers.
#[test]
fn a_long_chain_of_tasks_in_an_inline_pool() {
    fn step<'scope>(scope: &'scope Scope<'scope, '_>, left: u32, ran: &'scope AtomicUsize) {
        ran.fetch_add(1, SeqCst);
        if left > 0 {
            scope.spawn(move || step(scope, left - 1, ran));
        }
    }
    for pool in [Pool::inline(), idle_pool(1)] {
        let ran = AtomicUsize::new(0);
        pool.scope(|scope| step(scope, 2_000, &ran));
        assert_eq!(ran.load(SeqCst), 2_001);
        // Tasks of a scope that were put off while one inside of it was open.
        let ran = AtomicUsize::new(0);
        pool.scope(|outer| {
            let ran = &ran;
            pool.scope(|inner| {
                for _ in 0..3 {
                    inner.spawn(move || step(outer, 500, ran));
                }
            });
        });
        assert_eq!(ran.load(SeqCst), 3 * 501);
    }
}

/// A worker that goes runs what comes for it only while it runs something else of that kind.
#[test]
fn broadcasts_in_parts_of_broadcasts_while_workers_go() {
    in_time(|| {
        for _ in 0..20 {
            let pool = Pool::builder().workers(3).build().unwrap();
            let gates = [(); 3].map(|()| Gate::occupy(&pool));
            let (pool, parts) = (&pool, &AtomicUsize::new(0));
            thread::scope(|scope| {
                let broadcast = scope.spawn(move || {
                    pool.broadcast(|_| {
                        // So that the others have begun with theirs.
                        let soon = Instant::now() + Duration::from_micros(300);
                        while Instant::now() < soon {}
                        pool.broadcast(|_| parts.fetch_add(1, SeqCst)).len()
                    })
                });
                let soon = Instant::now() + Duration::from_millis(1);
                until("the parts are there", || Instant::now() > soon);
                pool.resize(1).unwrap();
                let jobs = gates.map(Gate::open);
                let ran: usize = broadcast.join().unwrap().into_iter().sum();
                assert_eq!(parts.load(SeqCst), ran);
                for job in jobs {
                    job.join().unwrap();
                }
            });
        }
    });
}

/// The task is that of another thread's scope, so that one has to find it.
#[test]
fn a_task_for_the_scope_of_another_thread_is_not_put_off_out_of_its_sight() {
    fn deep<'scope>(scope: &'scope Scope<'scope, '_>, left: u32, end: &'scope (dyn Fn() + Sync)) {
        if left == 0 {
            return end();
        }
        scope.spawn(move || deep(scope, left - 1, end));
    }
    in_time(|| {
        for depth in [1, 127, 128, 129, 200] {
            let (pool, ran) = (Pool::inline(), AtomicUsize::new(0));
            pool.scope(|outer| {
                let (pool, ran) = (&pool, &ran);
                let spawns = &|| {
                    outer.spawn(|| {
                        ran.fetch_add(1, SeqCst);
                    });
                };
                thread::scope(|threads| {
                    threads.spawn(move || pool.scope(|inner| deep(inner, depth, spawns)));
                });
            });
            assert_eq!(ran.load(SeqCst), 1, "{depth} deep");
        }
    });
}
