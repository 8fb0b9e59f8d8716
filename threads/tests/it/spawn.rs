//! A thread of its own for one function.

mod builder;
mod timer;

use crate::support::{LIMIT, block_on, in_time, until};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use threads::Pool;

#[test]
fn it_runs_in_another_thread() {
    let id = threads::spawn(|()| thread::current().id(), ()).unwrap().join().unwrap();
    assert_ne!(id, thread::current().id());
}

#[test]
fn a_detached_one_still_runs() {
    let (send, receive) = mpsc::channel();
    drop(threads::spawn(move |x: u32| send.send(x).unwrap(), 3).unwrap());
    assert_eq!(receive.recv_timeout(LIMIT).unwrap(), 3);
}

#[test]
fn its_handle_works_like_that_of_a_job() {
    let (open, closed) = mpsc::channel::<()>();
    let body = |closed: mpsc::Receiver<()>| closed.recv().is_err();
    let handle = threads::spawn(body, closed).unwrap();
    let handle = handle.join_timeout(Duration::from_millis(5)).unwrap_err();
    drop(open);
    assert!(block_on(handle).unwrap());
}

/// Its callbacks are called by its thread, which ends after them; who joins it makes room for what they wait for.
#[test]
fn a_callback_waits_for_a_job_of_the_pool_whose_worker_joins() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner = Arc::clone(&pool);
        let job = pool.spawn(move || {
            let (open, closed) = mpsc::channel::<()>();
            let handle = threads::spawn(move |()| closed.recv().is_err(), ()).unwrap();
            let (says, said) = mpsc::channel();
            handle.on_done(move |_| {
                // So that who joins has seen the end, and the worker that took its seat meanwhile is gone again.
                let soon = Instant::now() + Duration::from_millis(50);
                until("the pool is as it was", || Instant::now() > soon);
                says.send(inner.spawn(|| 1).join().unwrap()).unwrap();
            });
            drop(open);
            assert!(handle.join().unwrap());
            said.recv().unwrap()
        });
        assert_eq!(job.join().unwrap(), 1);
    });
}
