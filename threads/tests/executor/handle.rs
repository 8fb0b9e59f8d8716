//! Joining, time limits, cancelling, and handles as futures.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Barrier, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use super::support::{Gate, LIMIT, SHORT, block_on, count, in_time, total};
use crate::executor::model::{AsCompleted, JoinError, JoinHandle, Lock, Pool, as_completed};

#[test]
fn a_time_limit_gives_the_handle_back() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let handle = pool.submit(|x: u8| x, 7);
    assert!(!handle.wait_timeout(SHORT));
    assert!(!handle.is_finished());
    let handle = handle.join_timeout(SHORT).unwrap_err();
    let handle = handle.join_timeout(Duration::ZERO).unwrap_err();
    gate.open().join().unwrap();
    assert_eq!(handle.join_timeout(LIMIT).unwrap().unwrap(), 7);
}

#[test]
fn a_limit_beyond_the_clock_is_no_limit() {
    let pool = Pool::new(1).unwrap();
    let handle = pool.submit(|x: u8| x, 7);
    assert!(handle.wait_timeout(Duration::MAX));
    assert_eq!(handle.join_timeout(Duration::MAX).unwrap().unwrap(), 7);
}

#[test]
fn several_threads_wait_for_one_job() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let handle = pool.submit(|x: u8| x, 7);
    let waiting = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                waiting.wait();
                assert!(handle.wait_timeout(LIMIT));
            });
        }
        waiting.wait();
        gate.open().join().unwrap();
    });
    assert_eq!(handle.join().unwrap(), 7);
}

#[test]
fn a_queued_job_is_cancelled_and_never_runs() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let ran = Lock::new(0).unwrap();
    let handles = [(); 5].map(|()| pool.submit(count, ran.clone()));
    for handle in &handles {
        assert!(handle.cancel());
        assert!(!handle.cancel(), "only once");
        assert!(handle.is_finished());
    }
    assert_eq!((pool.stats().cancelled, pool.stats().queued), (5, 0));
    for handle in handles {
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    }
    gate.open().join().unwrap();
    pool.shutdown();
    assert_eq!(total(&ran), 0);
}

#[test]
fn a_running_or_finished_job_is_not_cancelled() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    assert!(!gate.job.cancel());
    let job = gate.open();
    assert!(job.wait_timeout(LIMIT));
    assert!(!job.cancel());
    job.join().unwrap();
}

#[test]
fn cancelling_wakes_a_thread_that_joins() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let handle = pool.submit(|x: u8| x, 1);
    thread::scope(|scope| {
        let waits = scope.spawn(|| handle.wait_timeout(LIMIT));
        assert!(handle.cancel());
        assert!(waits.join().unwrap());
    });
    gate.open().join().unwrap();
}

#[test]
fn each_job_runs_or_is_cancelled_exactly_once() {
    const JOBS: u64 = 10_000;
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let ran = Lock::new(0_u64).unwrap();
        let (send, handles) = mpsc::channel();
        let rival = thread::spawn(move || {
            let cancel = |handle: JoinHandle<u64>| (handle.cancel(), handle);
            handles.iter().map(cancel).collect::<Vec<_>>()
        });
        for _ in 0..JOBS {
            send.send(pool.submit(count, ran.clone())).unwrap();
        }
        drop(send);
        let (mut cancelled, mut numbers) = (0, Vec::new());
        for (was_cancelled, handle) in rival.join().unwrap() {
            match handle.join() {
                Ok(number) => numbers.push(number),
                Err(JoinError::Cancelled) => assert!(was_cancelled),
                Err(other) => panic!("{other}"),
            }
            cancelled += u64::from(was_cancelled);
        }
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..JOBS - cancelled), "each ran once");
        assert_eq!(total(&ran), JOBS - cancelled);
        let stats = pool.stats();
        assert_eq!((stats.cancelled, stats.done), (cancelled, JOBS - cancelled));
    });
}

#[test]
fn a_handle_is_a_future() {
    let pool = Pool::new(1).unwrap();
    for x in 0..1_000 {
        assert_eq!(block_on(pool.submit(|x: u32| x, x)).unwrap(), x);
    }
    let gate = Gate::occupy(&pool);
    let handle = pool.submit(|x: u8| x, 1);
    handle.cancel();
    assert!(matches!(block_on(handle), Err(JoinError::Cancelled)));
    let mut handle = pool.submit(|x: u8| assert!(x != 1, "polled"), 1);
    let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    gate.open().join().unwrap();
    assert!(matches!(block_on(handle), Err(JoinError::Panicked { .. })));
}

#[test]
fn a_result_is_given_once() {
    let pool = Pool::new(1).unwrap();
    let mut handle = pool.submit(|x: u8| x, 1);
    assert_eq!(block_on(&mut handle).unwrap(), 1);
    assert!(handle.is_finished());
    let again = catch_unwind(AssertUnwindSafe(|| block_on(&mut handle)));
    assert!(again.is_err(), "polling again panics");
    let again = catch_unwind(AssertUnwindSafe(move || handle.join()));
    let payload = again.unwrap_err();
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap();
    assert!(text.contains("already taken"), "{text}");
}

#[test]
fn a_late_poll_is_ready_at_once() {
    let pool = Pool::new(1).unwrap();
    let mut handle = pool.submit(|x: u8| x, 1);
    assert!(handle.wait_timeout(LIMIT));
    let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Ok(1))));
}

#[test]
fn completion_order_with_keys() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let Gate { opener, job } = Gate::occupy(&pool);
        let mut set = AsCompleted::new();
        set.push(10, job);
        set.push(11, pool.submit(|()| (), ()));
        assert_eq!((set.len(), set.size_hint()), (2, (2, None)));
        assert!(matches!(set.next(), Some((11, Ok(())))));
        assert!(set.next_timeout(SHORT).is_none());
        assert!(!set.is_empty());
        drop(opener);
        assert!(matches!(set.next_timeout(LIMIT), Some((10, Ok(())))));
        assert!(set.next().is_none());
        set.push(12, pool.submit(|()| panic!("twelve"), ()));
        assert!(matches!(set.next(), Some((12, Err(JoinError::Panicked { .. })))));
        assert!(set.is_empty() && set.next_timeout(LIMIT).is_none());
    });
}

#[test]
fn as_completed_takes_what_is_there() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let handles: Vec<_> = (0..20_u64).map(|x| pool.submit(|x| x * x, x)).collect();
        let set = as_completed(handles);
        let mut results: Vec<_> = set.map(|(key, result)| (key, result.unwrap())).collect();
        results.sort_unstable();
        assert!(results.into_iter().eq((0..20).map(|x| (x, x * x))));
    });
}

#[test]
fn a_set_cancels_what_is_queued() {
    in_time(|| {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::occupy(&pool);
        let set = as_completed([(); 3].map(|()| pool.submit(|()| (), ())));
        set.cancel();
        assert_eq!(set.filter(|(_, r)| matches!(r, Err(JoinError::Cancelled))).count(), 3);
        gate.open().join().unwrap();
    });
}

#[test]
fn whether_a_job_runs() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::occupy(&pool);
    let (behind, cancelled) = (pool.submit(|()| (), ()), pool.submit(|()| (), ()));
    let states = |job: &JoinHandle<()>| (job.is_running(), job.is_finished());
    cancelled.cancel();
    assert_eq!(states(&gate.job), (true, false));
    assert_eq!(states(&behind), (false, false));
    assert_eq!(states(&cancelled), (false, true));
    gate.open().join().unwrap();
    assert!(behind.wait_timeout(LIMIT));
    assert_eq!(states(&behind), (false, true));
}
