//! Callbacks of handles.

use std::sync::mpsc;
use std::thread;

use processes::{JoinHandle, Outcome, Pool};

use crate::support::{BOUND, gated, gates, soon};

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
