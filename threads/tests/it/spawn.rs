//! A thread of its own for one function.

mod builder;
mod timer;

use crate::support::{LIMIT, block_on};
use std::sync::mpsc;
use std::thread;

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
    let handle = handle.join_timeout(std::time::Duration::from_millis(5)).unwrap_err();
    drop(open);
    assert!(block_on(handle).unwrap());
}
