//! Scopes: borrowing, counting, panics, nesting.

use super::idle_pool;
use crate::support::{Bomb, Counted, LIMIT, in_time, rounds, until};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use threads::{PanicOrigin, Pool, Scope, scope};

#[test]
fn everything_has_run_when_a_scope_ends() {
    for workers in [1, 2, 4] {
        let pool = idle_pool(workers);
        for count in [0, 1, 2, 10, 1_000] {
            let ran = AtomicUsize::new(0);
            let result = pool.scope(|scope| {
                for _ in 0..count {
                    scope.spawn(|| {
                        ran.fetch_add(1, SeqCst);
                    });
                }
                "result"
            });
            assert_eq!(result, "result");
            assert_eq!(ran.into_inner(), count);
        }
    }
}

/// Spawns two children per task, from whichever thread runs it.
fn grow<'scope>(scope: &'scope Scope<'scope, '_>, depth: u32, leaves: &'scope AtomicUsize) {
    if depth == 0 {
        leaves.fetch_add(1, SeqCst);
        return;
    }
    for _ in 0..2 {
        scope.spawn(move || grow(scope, depth - 1, leaves));
    }
}

#[test]
fn tasks_spawn_tasks() {
    in_time(|| {
        let pool = Arc::new(idle_pool(3));
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let pool = Arc::clone(&pool);
                std::thread::spawn(move || {
                    for _ in 0..rounds(30, 1_000) {
                        let leaves = AtomicUsize::new(0);
                        pool.scope(|scope| grow(scope, 10, &leaves));
                        assert_eq!(leaves.into_inner(), 1 << 10);
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.join().unwrap();
        }
    });
}

#[test]
fn closures_of_all_sizes() {
    let pool = idle_pool(2);
    let sum = AtomicUsize::new(0);
    pool.scope(|scope| {
        for x in 0..200usize {
            let (small, large) = ([x; 2], [x; 100]);
            let sum = &sum;
            scope.spawn(|| {
                sum.fetch_add(1, SeqCst);
            });
            scope.spawn(move || {
                sum.fetch_add(small[1], SeqCst);
            });
            scope.spawn(move || {
                sum.fetch_add(large[99], SeqCst);
            });
        }
    });
    assert_eq!(sum.into_inner(), 200 + 2 * 199 * 100);
}

/// A task is visible to an idle worker at once, so one may wait for another in a way that
/// the pool cannot see.
#[test]
fn a_task_that_waits_for_a_later_one() {
    in_time(|| {
        let pool = idle_pool(2);
        let (send, receive) = mpsc::channel();
        let answer = pool.scope(|scope| {
            scope.spawn(move || send.send(42).unwrap());
            receive.recv_timeout(LIMIT).unwrap() // Before the scope has run anything itself.
        });
        assert_eq!(answer, 42);
    });
}

/// What it spawns is for the workers at once, too.
#[test]
fn a_thread_from_outside_spawns() {
    in_time(|| {
        let pool = idle_pool(1);
        let ran = AtomicUsize::new(0);
        pool.scope(|scope| {
            std::thread::scope(|threads| {
                for _ in 0..4 {
                    threads.spawn(|| {
                        for _ in 0..50 {
                            scope.spawn(|| {
                                ran.fetch_add(1, SeqCst);
                            });
                        }
                    });
                }
            });
            until("the worker has run them", || ran.load(SeqCst) == 200);
        });
        assert_eq!(ran.into_inner(), 200);
    });
}

/// A task of an outer scope, spawned in an inner one, is not run while the inner one
/// is waited for, as it may need what the caller holds.
#[test]
fn tasks_of_an_outer_scope_wait_for_it() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner_pool = Arc::clone(&pool);
        // On the only worker, so that nobody else can run them either.
        let order = pool.spawn(move || {
            let order = Mutex::new(Vec::new());
            let held = Mutex::new(());
            inner_pool.scope(|outer| {
                let guard = held.lock().unwrap();
                scope(|inner| {
                    inner.spawn(|| order.lock().unwrap().push("inner"));
                    outer.spawn(|| {
                        let _guard = held.lock().unwrap();
                        order.lock().unwrap().push("outer");
                    });
                });
                order.lock().unwrap().push("between");
                drop(guard);
            });
            order.into_inner().unwrap()
        });
        assert_eq!(order.join().unwrap(), ["inner", "between", "outer"]);
    });
}

#[test]
fn the_first_panic_goes_on_and_drops_what_has_not_begun() {
    let pool = Pool::new(1).unwrap();
    let (drops, ran) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let end = catch_unwind(AssertUnwindSafe(|| {
        let worker_busy = crate::support::Gate::occupy(&pool);
        pool.scope(|scope| {
            for _ in 0..100 {
                let held = Counted(Arc::clone(&drops));
                let ran = &ran;
                scope.spawn(move || {
                    let _held = held;
                    ran.fetch_add(1, SeqCst);
                });
            }
            scope.spawn(|| panic!("last in, first out"));
        });
        drop(worker_busy);
    }));
    assert_eq!(*end.unwrap_err().downcast::<&str>().unwrap(), "last in, first out");
    assert_eq!(drops.load(SeqCst), 100);
    assert_eq!(ran.load(SeqCst), 0);
}

#[test]
fn a_panic_of_the_body_waits_for_what_has_begun() {
    in_time(|| {
        let pool = idle_pool(2);
        let ended = AtomicBool::new(false);
        let begun = AtomicBool::new(false);
        let end = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|scope| {
                scope.spawn(|| {
                    begun.store(true, SeqCst);
                    until("the body has panicked", || scope.is_cancelled());
                    let start = Instant::now();
                    until("some time has passed", || start.elapsed() > Duration::from_millis(2));
                    ended.store(true, SeqCst);
                });
                until("a worker has begun", || begun.load(SeqCst));
                panic!("the body");
            });
        }));
        assert_eq!(*end.unwrap_err().downcast::<&str>().unwrap(), "the body");
        assert!(ended.load(SeqCst));
    });
}

#[test]
fn a_cancelled_scope_drops_what_has_not_begun() {
    let pool = Pool::inline();
    let ran = AtomicUsize::new(0);
    pool.scope(|scope| {
        scope.spawn(|| {
            ran.fetch_add(1, SeqCst);
        });
        scope.cancel();
        assert!(scope.is_cancelled());
        scope.spawn(|| {
            ran.fetch_add(1, SeqCst);
        });
    });
    assert_eq!(ran.into_inner(), 1);
}

#[test]
fn a_scope_without_a_pool_uses_the_global_one() {
    let mut parts = [0; 4];
    scope(|scope| {
        for part in &mut parts {
            scope.spawn(|| *part = 1);
        }
    });
    assert_eq!(parts, [1; 4]);
    assert!(Pool::global().workers() > 0);
}

#[test]
fn a_panic_leaves_the_pool_as_it_was() {
    let pool = idle_pool(2);
    for _ in 0..100 {
        let end = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|scope| {
                for x in 0..20 {
                    scope.spawn(move || assert_ne!(x, 10));
                }
            });
        }));
        assert!(end.is_err());
    }
    let ran = AtomicUsize::new(0);
    pool.scope(|scope| {
        (0..20).for_each(|_| {
            scope.spawn(|| {
                ran.fetch_add(1, SeqCst);
            });
        });
    });
    assert_eq!(ran.into_inner(), 20);
}

/// Nested scopes, each in a task of the one around it.
fn nest(depth: u32) -> u32 {
    let mut below = 0;
    if depth > 0 {
        scope(|scope| scope.spawn(|| below = nest(depth - 1)));
    }
    below + 1
}

/// Without another thread that could go on, it is a panic and no overflow of the stack.
#[test]
fn scopes_that_are_nested_too_deep_panic() {
    in_time(|| {
        // Enough for so many levels also where frames are larger than usual, under AddressSanitizer.
        const STACK: usize = 64 << 20;
        let pool = Pool::builder().workers(1).spares(0).stack_size(STACK).build().unwrap();
        assert_eq!(pool.spawn(|| nest(500)).join().unwrap(), 501);
        let error = pool.spawn(|| nest(100_000)).join().unwrap_err();
        assert!(error.to_string().contains("allow it more spares"), "{error}");
        assert_eq!(pool.spawn(|| nest(10)).join().unwrap(), 11, "and the pool goes on");
        let inline = std::thread::Builder::new()
            .stack_size(STACK)
            .spawn(|| Pool::inline().install(|| catch_unwind(|| nest(100_000)).is_err()));
        assert!(inline.unwrap().join().unwrap());
    });
}

/// Nobody has asked for the closure, but its panic is not lost.
#[test]
fn a_panic_in_the_drop_of_a_closure_that_was_not_run_is_reported() {
    in_time(|| {
        let (report, reports) = mpsc::channel();
        let pool = Pool::builder().workers(1).on_panic(move |panic| {
            report.send((panic.origin, panic.message.to_owned())).unwrap();
        });
        let pool = pool.build().unwrap();
        pool.scope(|scope| {
            scope.cancel();
            let bomb = Bomb;
            scope.spawn(move || drop(bomb));
        });
        assert_eq!(reports.recv().unwrap(), (PanicOrigin::Drop, "bomb".to_owned()));
        assert_eq!(pool.stats().stray_panics, 1);
        // The result of a scope in which a task has panicked.
        let ended = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|scope| {
                scope.spawn(|| panic!("of a task"));
                Bomb
            })
        }));
        assert_eq!(ended.err().unwrap().downcast_ref(), Some(&"of a task"));
        assert_eq!(reports.recv().unwrap(), (PanicOrigin::Drop, "bomb".to_owned()));
        assert_eq!(pool.stats().stray_panics, 2);
    });
}
