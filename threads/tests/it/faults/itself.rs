//! A job that waits for its own handle.

use super::with_own_handle;
use crate::support::{block_on, in_time};
use std::panic::catch_unwind;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::time::Duration;
use threads::{JoinHandle, Pool, WaitFor, wait};

#[test]
fn a_job_that_joins_itself_panics() {
    in_time(|| {
        for workers in [1, 2] {
            let pool = Pool::new(workers).unwrap();
            let (give, take) = mpsc::channel::<JoinHandle<()>>();
            let (told, result) = mpsc::channel();
            let handle = pool.spawn(move || {
                let own = take.recv().unwrap();
                let joined = catch_unwind(move || own.join());
                told.send(*joined.unwrap_err().downcast::<&str>().unwrap()).unwrap();
            });
            give.send(handle).unwrap();
            assert!(result.recv().unwrap().contains("cannot wait for itself"));
        }
    });
}

#[test]
fn a_thread_that_joins_itself_panics() {
    in_time(|| {
        let (give, take) = mpsc::channel::<JoinHandle<()>>();
        let (told, result) = mpsc::channel();
        let body = move |take: mpsc::Receiver<JoinHandle<()>>| {
            let own = take.recv().unwrap();
            let joined = catch_unwind(move || own.join());
            told.send(joined.is_err()).unwrap();
        };
        give.send(threads::spawn(body, take).unwrap()).unwrap();
        assert!(result.recv().unwrap());
    });
}

#[test]
fn what_a_job_does_to_itself_with_a_limit_ends() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let message = with_own_handle(Some(&pool), |own| {
            let limit = Duration::from_millis(2);
            assert!(!own.cancel() && !own.wait_timeout(limit) && own.is_running());
            assert!(wait([&own], WaitFor::All, limit).0.is_empty());
            assert!(own.join_timeout(limit).is_err());
        });
        assert_eq!(message.recv().unwrap(), "");
    });
}

/// To poll is not to wait: the thread may be in the middle of an executor that runs what belongs
/// to others, and who waits may go on elsewhere.
#[test]
fn a_job_may_poll_its_own_handle() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let (give, take) = mpsc::channel::<JoinHandle<u32>>();
        let (back, seen) = mpsc::channel();
        let job = pool.spawn(move || {
            let mut own = take.recv().unwrap();
            let end = Pin::new(&mut own).poll(&mut Context::from_waker(Waker::noop()));
            back.send((own, end.is_pending())).unwrap();
            1
        });
        give.send(job).unwrap();
        let (job, pending) = seen.recv().unwrap();
        assert!(pending);
        assert_eq!(block_on(job).unwrap(), 1);
    });
}
