//! Calls that are run again, and those that are not.

use std::time::Duration;

use processes::{CallOptions, JoinError, Pool, Queue};

use crate::support::{BOUND, gated, gates, kill, soon, wait_until};

/// Says that it runs, and dies unless it is the attempt of this number.
fn dies_until((entered, good): (Queue<u32>, usize)) -> usize {
    entered.put(0).unwrap();
    if entered.len() < good { std::process::abort() } else { entered.len() }
}

#[test]
fn a_call_whose_worker_dies_is_run_again_if_it_asked_for_that() {
    let pool = Pool::new(2).unwrap();
    let attempts = Queue::bounded(64).unwrap();
    let options = CallOptions::new().retries(3);
    let call = pool.submit_with(options, dies_until, (attempts.clone(), 3));
    assert_eq!(call.join_timeout(BOUND).unwrap().unwrap(), 3);
    assert_eq!((pool.stats().retried, pool.stats().lost), (2, 2));
    let never = Queue::bounded(64).unwrap();
    let call = pool.submit(dies_until, (never.clone(), 3));
    assert!(matches!(call.join(), Err(JoinError::WorkerLost { .. })));
    assert_eq!(never.len(), 1, "it did not ask for that");
}

#[test]
fn a_call_that_loses_each_worker_is_poison() {
    let pool = Pool::new(1).unwrap();
    let attempts = Queue::bounded(64).unwrap();
    let call = pool.submit_with(CallOptions::new().retries(2), dies_until, (attempts.clone(), 99));
    let behind = pool.submit(|x: u8| x, 7);
    let error = call.join_timeout(BOUND).unwrap().unwrap_err();
    assert!(error.to_string().contains("3 workers were lost"), "{error}");
    assert!(error.to_string().contains("signal 6"), "{error}");
    assert!(matches!(error, JoinError::Poison { attempts: 3, .. }), "{error}");
    assert_eq!(attempts.len(), 3);
    assert_eq!(behind.join_timeout(BOUND).unwrap().unwrap(), 7);
}

#[test]
fn panics_and_limits_are_retried_only_if_asked() {
    let pool = Pool::new(1).unwrap();
    let panics: fn((Queue<u32>, usize)) -> usize = |(entered, good)| {
        entered.put(0).unwrap();
        assert!(entered.len() >= good, "too early");
        entered.len()
    };
    let attempts = Queue::bounded(64).unwrap();
    let options = CallOptions::new().retries(2);
    let call = pool.submit_with(options, panics, (attempts.clone(), 3));
    assert!(matches!(call.join(), Err(JoinError::Panicked { .. })));
    assert_eq!(attempts.len(), 1);
    let call = pool.submit_with(options.retry_panics(true), panics, (attempts.clone(), 3));
    assert_eq!(call.join().unwrap(), 3);
    let hangs: fn((Queue<u32>, usize)) -> usize = |(entered, good)| {
        entered.put(0).unwrap();
        while entered.len() < good {
            std::thread::park();
        }
        entered.len()
    };
    let slow = Queue::bounded(64).unwrap();
    // In which an attempt begins, and the last one ends.
    let options = options.timeout(Duration::from_secs(2));
    let call = pool.submit_with(options, hangs, (slow.clone(), 2));
    assert!(matches!(call.join_timeout(BOUND).unwrap(), Err(JoinError::TimedOut { .. })));
    let call = pool.submit_with(options.retry_timeouts(true), hangs, (slow.clone(), 3));
    assert_eq!(call.join_timeout(BOUND).unwrap().unwrap(), 3);
}

#[test]
fn a_call_that_was_killed_is_not_run_again() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let options = CallOptions::new().retries(5);
    let call = pool.submit_with(options, gated, (entered.clone(), gate.clone()));
    soon(&entered);
    assert!(call.kill());
    gate.put(1).unwrap(); // For an attempt that must not be.
    let error = call.join_timeout(BOUND).unwrap().unwrap_err();
    assert!(matches!(error, JoinError::WorkerLost { signal: Some(9), .. }), "{error}");
    assert_eq!((entered.len(), pool.stats().retried), (0, 0));
}

#[test]
fn a_retry_ends_with_the_pool() {
    let pool = Pool::builder().workers(1).grace(Duration::ZERO).build().unwrap();
    let (entered, gate) = gates();
    let call = pool.submit_with(CallOptions::new().retries(5), gated, (entered.clone(), gate));
    soon(&entered);
    assert_eq!(pool.shutdown_now().count(), 0);
    assert!(matches!(call.join(), Err(JoinError::WorkerLost { .. })));
}

#[test]
fn a_retry_wakes_a_worker_that_sleeps() {
    let retried: fn(()) -> u32 = |()| {
        let pool = Pool::builder().workers(1).max_calls_per_worker(1);
        let pool = pool.idle_timeout(Duration::from_millis(1)).build().unwrap();
        let (entered, gate) = gates();
        let once = CallOptions::new().retries(1);
        let call = pool.submit_with(once, gated, (entered.clone(), gate.clone()));
        let first = soon(&entered);
        // Its successor is there, has nothing to do, and goes to sleep.
        wait_until("only the worker with its last call is left", || pool.pids() == [first]);
        kill(first);
        soon(&entered);
        gate.put(5).unwrap();
        call.join().unwrap()
    };
    let ended = processes::spawn(retried, ()).unwrap().join_timeout(2 * BOUND);
    assert_eq!(ended.expect("somebody executes it").unwrap(), 5);
}
