//! Callbacks of handles.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;

use super::support::{Gate, LIMIT, in_time, until};
use crate::executor::model::{JoinError, JoinHandle, Outcome, Pool};

#[test]
fn callbacks_come_in_order_on_one_thread() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::occupy(&pool);
        let handle = pool.submit(|x: u8| x, 7);
        let (send, calls) = mpsc::channel();
        for x in 0..10 {
            let send = send.clone();
            handle.on_done(move |outcome| send.send((x, outcome, thread::current().id())).unwrap());
        }
        drop(send);
        assert!(calls.try_recv().is_err());
        gate.open().join().unwrap();
        let calls: Vec<_> = calls.iter().collect();
        let there = calls[0].2;
        assert_ne!(there, thread::current().id());
        assert!(calls.into_iter().eq((0..10).map(|x| (x, Outcome::Returned, there))));
        assert_eq!(handle.join().unwrap(), 7, "the result is still there");
    });
}

#[test]
fn a_late_callback_is_called_at_once() {
    let pool = Pool::new(1).unwrap();
    let handle = pool.submit(|x: u8| x, 7);
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
        let outcome = |handle: JoinHandle<u8>| {
            let (send, calls) = mpsc::channel();
            handle.on_done(move |outcome| send.send(outcome).unwrap());
            handle.cancel();
            let told = calls.recv().unwrap();
            assert_eq!(handle.outcome(), Some(told));
            assert_eq!(handle.join().is_err(), told != Outcome::Returned);
            told
        };
        let gate = Gate::occupy(&pool);
        assert_eq!(outcome(pool.submit(|x| x, 1)), Outcome::Cancelled);
        gate.open().join().unwrap();
        let returns = pool.submit(|x| x, 1);
        until("it is finished", || returns.is_finished());
        assert_eq!(outcome(returns), Outcome::Returned);
        let panics = pool.submit(|_| panic!("on purpose"), 1_u8);
        until("it is finished", || panics.is_finished());
        assert_eq!(outcome(panics), Outcome::Panicked);
        let failures = [Outcome::Returned, Outcome::Cancelled, Outcome::Panicked, Outcome::Broken];
        assert_eq!(failures.map(Outcome::is_failure), [false, false, true, true]);
    });
}

#[test]
fn a_callback_can_have_the_result() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let (send, results) = mpsc::channel();
        for x in 0..100_u64 {
            let send = send.clone();
            pool.submit(|x| x * x, x).on_result(move |result| send.send(result.unwrap()).unwrap());
        }
        drop(send);
        assert_eq!(results.iter().sum::<u64>(), 328_350);
        let (send, results) = mpsc::channel();
        pool.submit(|()| panic!("x"), ()).on_result(move |r: Result<(), _>| send.send(r).unwrap());
        assert!(matches!(results.recv().unwrap(), Err(JoinError::Panicked { .. })));
    });
}

#[test]
fn a_panicking_callback_ends_alone() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::occupy(&pool);
        let handle = pool.submit(|()| panic!("job"), ());
        let (called, calls) = mpsc::channel();
        let again = called.clone();
        handle.on_done(move |_| called.send(1).unwrap());
        handle.on_done(|_| panic!("callback"));
        handle.on_done(move |_| again.send(2).unwrap());
        gate.open().join().unwrap();
        assert!(calls.iter().eq([1, 2]));
        assert!(matches!(handle.join(), Err::<(), _>(JoinError::Panicked { .. })));
        // One that comes too late panics on the caller, who is spared.
        let handle = pool.submit(|x: u8| x, 1);
        until("it is finished", || handle.is_finished());
        handle.on_done(|_| panic!("late"));
        let (send, results) = mpsc::channel();
        pool.submit(|x: u8| x, 1).on_result(move |result| send.send(result.unwrap()).unwrap());
        assert_eq!(results.recv().unwrap(), 1, "callbacks go on");
    });
}

#[test]
fn callbacks_may_submit_and_join() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let (send, results) = mpsc::channel();
        let inner = Arc::clone(&pool);
        pool.submit(|x: u8| x, 1).on_result(move |first| {
            let second = inner.submit(|x| x + 1, first.unwrap()).join().unwrap();
            let again = Arc::clone(&inner);
            inner.submit(|x| x + 1, second).on_result(move |third| {
                send.send(third.unwrap()).unwrap();
                drop(again); // Perhaps the last owner of the pool.
            });
        });
        drop(pool);
        assert_eq!(results.recv().unwrap(), 3);
    });
}

/// A chain of callbacks, each of which submits the next job: no stack grows.
#[test]
fn a_long_chain_of_callbacks() {
    fn next(pool: &Arc<Pool>, left: u32, end: mpsc::Sender<u32>) {
        let inner = Arc::clone(pool);
        pool.submit(|left| left, left).on_result(move |left| match left.unwrap() {
            0 => end.send(0).unwrap(),
            left => next(&inner, left - 1, end),
        });
    }
    in_time(|| {
        let pool = Arc::new(Pool::new(2).unwrap());
        let (end, ended) = mpsc::channel();
        next(&pool, 10_000, end);
        assert_eq!(ended.recv().unwrap(), 0);
    });
}

#[test]
fn registering_races_with_finishing() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        for _ in 0..5_000 {
            let handle = pool.submit(|()| (), ());
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

#[test]
fn a_late_callback_learns_of_every_end() {
    let pool = Pool::new(1).unwrap();
    let (panics, cancelled) = (pool.submit(|()| panic!("on purpose"), ()), {
        let gate = Gate::occupy(&pool);
        let handle = pool.submit(|()| (), ());
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
        let (send, handles) = mpsc::channel::<JoinHandle<u32>>();
        let rival = thread::spawn(move || {
            let cancelled = handles.iter().map(|handle| handle.cancel());
            cancelled.filter(|cancelled| *cancelled).count()
        });
        let (told, ends) = mpsc::channel();
        for x in 0..10_000 {
            let handle = pool.submit(|x| x, x);
            let told = told.clone();
            handle.on_done(move |outcome| told.send((x, outcome)).unwrap());
            send.send(handle).unwrap();
        }
        drop((send, told));
        let cancelled = rival.join().unwrap();
        let mut ends: Vec<_> = ends.iter().collect();
        ends.sort_by_key(|(x, _)| *x);
        assert!(ends.iter().map(|(x, _)| *x).eq(0..10_000));
        let told = ends.iter().filter(|(_, end)| *end == Outcome::Cancelled).count();
        assert_eq!(told, cancelled);
    });
}

#[test]
fn shutdown_waits_for_callbacks() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let (send, calls) = mpsc::channel();
        for x in 0..200_u32 {
            let send = send.clone();
            pool.submit(|x| x, x).on_done(move |_| send.send(x).unwrap());
        }
        pool.shutdown();
        assert_eq!(calls.try_iter().count(), 200);
    });
}
