//! Callbacks of handles.

use std::sync::{Arc, mpsc};
use std::thread;

use processes::{JoinError, JoinHandle, Outcome, Pool};

use crate::support::{BOUND, gated, gates, soon, wait_until};

#[test]
fn callbacks_come_in_order_on_one_thread() {
    let pool = Pool::builder().workers(1).name("calls").build().unwrap();
    let (entered, gate) = gates();
    let handle = pool.submit(gated, (entered.clone(), gate.clone()));
    soon(&entered);
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
    gate.put(7).unwrap();
    let expected = (0..10).map(|x| (x, Outcome::Returned, "calls-callbacks".to_owned()));
    assert!(calls.iter().eq(expected));
    assert_eq!(handle.join().unwrap(), 7, "the result is still there");
}

#[test]
fn a_late_callback_is_called_at_once() {
    let pool = Pool::new(1).unwrap();
    let handle = pool.submit(|x: u8| x, 7);
    wait_until("it is finished", || handle.is_finished());
    let (send, calls) = mpsc::channel();
    let here = thread::current().id();
    handle.on_done(move |outcome| send.send((outcome, thread::current().id() == here)).unwrap());
    assert_eq!(calls.try_recv().unwrap(), (Outcome::Returned, true));
}

#[test]
fn each_end_has_its_outcome() {
    let pool = Pool::new(1).unwrap();
    let outcome = |handle: JoinHandle<u8>| {
        let (send, calls) = mpsc::channel();
        handle.on_done(move |outcome| send.send(outcome).unwrap());
        let told = calls.recv_timeout(BOUND).unwrap();
        assert_eq!(handle.outcome(), Some(told));
        drop(handle.join());
        told
    };
    assert_eq!(outcome(pool.submit(|x| x, 1)), Outcome::Returned);
    assert_eq!(outcome(pool.submit(|_: u8| panic!("on purpose"), 1)), Outcome::Panicked);
    assert_eq!(outcome(pool.submit(|_: u8| std::process::abort(), 1)), Outcome::WorkerLost);
    let (entered, gate) = gates();
    let running = pool.submit(gated, (entered.clone(), gate.clone()));
    soon(&entered);
    let waiting = pool.submit(|x| x, 1);
    waiting.cancel();
    assert_eq!(outcome(waiting), Outcome::Cancelled);
    gate.put(1).unwrap();
    running.join().unwrap();
}

#[test]
fn a_callback_can_have_the_result() {
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
}

#[test]
fn a_panicking_callback_ends_alone() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let handle = pool.submit(gated, (entered.clone(), gate.clone()));
    soon(&entered);
    let (called, calls) = mpsc::channel();
    let again = called.clone();
    handle.on_done(move |_| called.send(1).unwrap());
    handle.on_done(|_| panic!("callback"));
    handle.on_done(move |_| again.send(2).unwrap());
    gate.put(1).unwrap();
    assert!(calls.iter().eq([1, 2]));
    handle.join().unwrap();
    let handle = pool.submit(|x: u8| x, 1);
    wait_until("it is finished", || handle.is_finished());
    handle.on_done(|_| panic!("late"));
    let (send, results) = mpsc::channel();
    pool.submit(|x: u8| x, 1).on_result(move |result| send.send(result.unwrap()).unwrap());
    assert_eq!(results.recv_timeout(BOUND).unwrap(), 1, "callbacks go on");
}

#[test]
fn callbacks_may_call_and_join() {
    let pool = Arc::new(Pool::new(1).unwrap());
    let (send, results) = mpsc::channel();
    let inner = Arc::clone(&pool);
    pool.submit(|x: u8| x, 1).on_result(move |first| {
        let second = inner.submit(|x| x + 1, first.unwrap()).join().unwrap();
        let again = Arc::clone(&inner);
        inner.submit(|x| x + 1, second).on_result(move |third| {
            send.send(third.unwrap()).unwrap();
            drop(again); // Perhaps the last owner of the pool, on its own thread.
        });
    });
    drop(pool);
    assert_eq!(results.recv_timeout(BOUND).unwrap(), 3);
}

#[test]
fn shutdown_waits_for_callbacks() {
    let pool = Pool::new(2).unwrap();
    let (send, calls) = mpsc::channel();
    for x in 0..200_u32 {
        let send = send.clone();
        pool.submit(|x| x, x).on_done(move |_| send.send(x).unwrap());
    }
    pool.shutdown();
    assert_eq!(calls.try_iter().count(), 200);
}
