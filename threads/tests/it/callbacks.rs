//! Callbacks of handles.

use crate::support::{Gate, LIMIT, in_time, until};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use threads::{CancelToken, JoinError, Outcome, PanicOrigin, Pool};

#[test]
fn callbacks_come_in_order_on_the_worker() {
    in_time(|| {
        let pool = Pool::builder().workers(1).name("calls").build().unwrap();
        let gate = Gate::occupy(&pool);
        let handle = pool.spawn(|| 7);
        let (send, calls) = mpsc::channel();
        for x in 0..10 {
            let send = send.clone();
            handle.on_done(move |outcome| {
                let name = thread::current().name().map(str::to_owned);
                send.send((x, outcome, name.unwrap())).unwrap();
            });
        }
        drop(send);
        assert!(calls.try_recv().is_err());
        gate.open().join().unwrap();
        let expected = (0..10).map(|x| (x, Outcome::Returned, "calls-0".to_owned()));
        assert!(calls.iter().eq(expected));
        assert_eq!(handle.join().unwrap(), 7, "the result is still there");
    });
}

#[test]
fn a_late_callback_is_called_at_once() {
    let pool = Pool::new(1).unwrap();
    let handle = pool.spawn(|| 7);
    until("it is finished", || handle.is_finished());
    let (send, calls) = mpsc::channel();
    let here = thread::current().id();
    handle.on_done(move |outcome| send.send((outcome, thread::current().id() == here)).unwrap());
    assert_eq!(calls.try_recv().unwrap(), (Outcome::Returned, true));
}

#[test]
fn each_end_has_its_outcome() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let outcome = |handle: threads::JoinHandle<u8>| {
            let (send, calls) = mpsc::channel();
            handle.on_done(move |outcome| send.send(outcome).unwrap());
            handle.cancel();
            calls.recv().unwrap()
        };
        let gate = Gate::occupy(&pool);
        assert_eq!(outcome(pool.spawn(|| 1)), Outcome::Cancelled);
        gate.open().join().unwrap();
        let panics = pool.spawn(|| panic!("on purpose"));
        until("it is finished", || panics.is_finished());
        assert_eq!(panics.outcome(), Some(Outcome::Panicked));
        assert_eq!(outcome(panics), Outcome::Panicked);
    });
}

#[test]
fn a_callback_can_have_the_result() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let (send, results) = mpsc::channel();
        for x in 0..100u64 {
            let send = send.clone();
            pool.submit(|x| x * x, x).on_result(move |result| send.send(result.unwrap()).unwrap());
        }
        drop(send);
        assert_eq!(results.iter().sum::<u64>(), 328_350);
        let (send, results) = mpsc::channel();
        pool.spawn(|| panic!("x")).on_result(move |r: Result<(), _>| send.send(r).unwrap());
        assert!(matches!(results.recv().unwrap(), Err(JoinError::Panicked { .. })));
    });
}

#[test]
fn a_panicking_callback_is_reported_and_the_next_is_called() {
    in_time(|| {
        let (send, reports) = mpsc::channel();
        let pool = Pool::builder().workers(1).name("isolated").on_panic(move |report| {
            let thread = report.thread.map(str::to_owned);
            send.send((report.origin, thread, report.message.to_owned())).unwrap();
            panic!("and the hook panics, too");
        });
        let pool = pool.build().unwrap();
        let gate = Gate::occupy(&pool);
        let handle = pool.spawn(|| panic!("job"));
        let (called, calls) = mpsc::channel();
        let again = called.clone();
        handle.on_done(move |_| called.send(1).unwrap());
        handle.on_done(|_| panic!("callback"));
        handle.on_done(move |_| again.send(2).unwrap());
        gate.open().join().unwrap();
        assert!(calls.iter().eq([1, 2]));
        let worker = Some("isolated-0".to_owned());
        assert_eq!(reports.recv().unwrap(), (PanicOrigin::Job, worker.clone(), "job".to_owned()));
        let second = (PanicOrigin::Callback, worker, "callback".to_owned());
        assert_eq!(reports.recv().unwrap(), second);
        assert!(matches!(handle.join(), Err::<(), _>(JoinError::Panicked { .. })));
        assert_eq!(pool.spawn(|| 1).join().unwrap(), 1, "the worker lives");
        // One that comes too late panics on the caller, who is spared.
        let handle = pool.spawn(|| 1);
        until("it is finished", || handle.is_finished());
        handle.on_done(|_| panic!("late"));
        assert_eq!(reports.recv().unwrap().2, "late");
    });
}

#[test]
fn callbacks_may_spawn_and_join() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let (send, results) = mpsc::channel();
        let inner = Arc::clone(&pool);
        pool.spawn(|| 1).on_result(move |first| {
            let first = first.unwrap();
            let second = inner.submit(|x| x + 1, first).join().unwrap();
            let again = Arc::clone(&inner);
            inner.submit(|x| x + 1, second).on_result(move |third| {
                send.send(third.unwrap()).unwrap();
                drop(again); // Perhaps the last owner of the pool, on its own worker.
            });
        });
        drop(pool);
        assert_eq!(results.recv().unwrap(), 3);
    });
}

/// A chain of callbacks, each of which spawns the next job: no stack grows.
#[test]
fn a_long_chain_of_callbacks() {
    fn next(pool: &Arc<Pool>, left: u32, end: mpsc::Sender<u32>) {
        let inner = Arc::clone(pool);
        pool.spawn(move || left).on_result(move |left| match left.unwrap() {
            0 => end.send(0).unwrap(),
            left => next(&inner, left - 1, end),
        });
    }
    in_time(|| {
        let pool = Arc::new(Pool::new(2).unwrap());
        let (end, ended) = mpsc::channel();
        next(&pool, 20_000, end);
        assert_eq!(ended.recv().unwrap(), 0);
    });
}

#[test]
fn registering_races_with_finishing() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        for _ in 0..5_000 {
            let handle = pool.spawn(|| ());
            for _ in 0..3 {
                let calls = Arc::clone(&calls);
                handle.on_done(move |_| {
                    calls.fetch_add(1, SeqCst);
                });
            }
        }
        until("each was called once", || calls.load(SeqCst) == 15_000);
        pool.shutdown();
        assert_eq!(calls.load(SeqCst), 15_000);
    });
}

/// It may be run in the middle of any job, whose token has nothing to do with it.
#[test]
fn a_callback_does_not_inherit_a_token() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let own = Arc::clone(&pool);
        let outer = pool.spawn_with(&CancelToken::new(), move || {
            let (send, tokens) = mpsc::channel();
            for cancel in [false, true] {
                let inner = own.spawn(|| ());
                let send = send.clone();
                inner.on_done(move |_| send.send(CancelToken::current().is_some()).unwrap());
                if cancel {
                    assert!(inner.cancel());
                } else {
                    inner.join().unwrap();
                }
            }
            drop(send);
            (tokens.iter().collect::<Vec<_>>(), CancelToken::current().is_some())
        });
        assert_eq!(outer.join().unwrap(), (vec![false, false], true));
    });
}

#[test]
fn a_late_callback_learns_of_every_end() {
    let pool = Pool::new(1).unwrap();
    let (panics, cancelled) = (pool.spawn(|| panic!("on purpose")), {
        let gate = Gate::occupy(&pool);
        let handle = pool.spawn(|| ());
        assert!(handle.cancel());
        gate.open().join().unwrap();
        handle
    });
    assert!(panics.wait_timeout(LIMIT));
    for (handle, end) in [(panics, Outcome::Panicked), (cancelled, Outcome::Cancelled)] {
        let (send, calls) = mpsc::channel();
        let again = send.clone();
        handle.on_done(move |outcome| send.send((outcome, true)).unwrap());
        handle.on_result(move |result| again.send((end, result.is_err())).unwrap());
        assert_eq!(calls.try_iter().collect::<Vec<_>>(), [(end, true), (end, true)]);
    }
}

/// Cancelling at every moment: whoever is told learns once, and the same as the handle.
#[test]
fn each_end_is_told_once_and_rightly() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let (send, handles) = mpsc::channel::<threads::JoinHandle<u32>>();
        let rival = thread::spawn(move || {
            let cancelled = handles.iter().map(|handle| handle.cancel());
            cancelled.filter(|cancelled| *cancelled).count()
        });
        let (told, ends) = mpsc::channel();
        for x in 0..20_000 {
            let handle = pool.submit(|x| x, x);
            let told = told.clone();
            handle.on_done(move |outcome| told.send((x, outcome)).unwrap());
            send.send(handle).unwrap();
        }
        drop((send, told));
        let cancelled = rival.join().unwrap();
        let mut ends: Vec<_> = ends.iter().collect();
        ends.sort_by_key(|(x, _)| *x);
        assert!(ends.iter().map(|(x, _)| *x).eq(0..20_000));
        let told = ends.iter().filter(|(_, end)| *end == Outcome::Cancelled).count();
        assert_eq!(told, cancelled);
    });
}

/// On its worker, as a job may: it must not wait for room that only this worker could make.
#[test]
fn a_callback_may_spawn_into_a_full_pool() {
    in_time(|| {
        for when_full in [threads::WhenFull::Block, threads::WhenFull::CallerRuns] {
            let builder = Pool::builder().workers(1).spares(0).queue_bound(2, when_full);
            let pool = Arc::new(builder.build().unwrap());
            let gate = Gate::occupy(&pool);
            let (send, results) = mpsc::channel();
            for x in 0..2 {
                let (inner, send) = (Arc::clone(&pool), send.clone());
                pool.submit(|x| x, x).on_result(move |x| {
                    for y in 0..5 {
                        let send = send.clone();
                        let next = inner.submit(|x: u32| x, 10 * x.as_ref().unwrap() + y);
                        next.on_result(move |result| send.send(result.unwrap()).unwrap());
                    }
                });
            }
            drop(send);
            gate.open().join().unwrap();
            let mut results: Vec<_> = results.iter().collect();
            results.sort_unstable();
            assert_eq!(results, [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]);
        }
    });
}
