//! Calls that do not end, and workers that are stopped.

use std::time::Duration;

use processes::{JoinError, Pool, Queue};

use super::ended;
use crate::support::{
    BOUND, Stopped, children, descriptors, gated, gates, is_alive, soon, wait_until,
};

/// Never returns.
#[expect(clippy::needless_pass_by_value, reason = "a call takes its argument by value")]
fn hang(entered: Queue<u32>) -> u32 {
    entered.put(std::process::id()).unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn a_call_that_hangs_is_ended_by_its_limit() {
    let pool = Pool::new(1).unwrap();
    let (entered, _gate) = gates();
    let worker = ended(pool.submit(|()| std::process::id(), ())).unwrap();
    let limit = Duration::from_millis(50);
    let hangs = pool.submit_timeout(hang, entered, limit);
    let behind = pool.submit(|()| std::process::id(), ());
    let error = ended(hangs).unwrap_err();
    assert!(matches!(error, JoinError::TimedOut { limit: given, .. } if given == limit), "{error}");
    assert_ne!(ended(behind).unwrap(), worker, "it is replaced");
}

#[test]
fn a_call_without_a_limit_is_freed_from_a_stopped_worker() {
    let pool = Pool::new(1).unwrap();
    let worker = ended(pool.submit(|()| std::process::id(), ())).unwrap();
    let stopped = Stopped::new(worker);
    let calls: Vec<_> = (0..3_u8).map(|x| pool.submit(|x| (x, std::process::id()), x)).collect();
    for (x, call) in (0..).zip(calls) {
        // It takes 20 s before the worker is given up.
        let other = call.join_timeout(3 * BOUND).expect("another worker executes it").unwrap();
        assert!(other.0 == x && other.1 != worker);
    }
    drop(stopped);
    wait_until("the stopped one is gone", || !is_alive(worker));
}

#[test]
fn a_worker_that_is_stopped_in_a_call_runs_out_of_time() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    // It has to be stopped by then.
    let limit = Duration::from_secs(5);
    let call = pool.submit_timeout(gated, (entered.clone(), gate.clone()), limit);
    let stopped = Stopped::new(soon(&entered));
    gate.put(1).unwrap();
    let behind = pool.submit(|x: u8| x, 1);
    let error = ended(call).unwrap_err();
    assert!(matches!(error, JoinError::TimedOut { .. }), "{error}");
    assert_eq!(ended(behind).unwrap(), 1);
    drop(stopped);
}

#[test]
fn shutdown_is_bounded_by_the_grace_period() {
    let ends: fn(()) -> bool = |()| {
        drop(Pool::new(1).unwrap());
        let before = (descriptors(), children().len());
        let pool = Pool::builder().workers(3).grace(Duration::from_millis(50)).build().unwrap();
        let entered = Queue::bounded(8).unwrap();
        let hang: Vec<_> = (0..2).map(|_| pool.submit(hang, entered.clone())).collect();
        soon(&entered);
        // One hangs in a call, one hangs and is stopped, one has nothing to do.
        let stopped = Stopped::new(soon(&entered));
        assert_eq!(pool.shutdown_now().count(), 0);
        assert!(hang.into_iter().all(|call| is_lost(&ended(call).unwrap_err())));
        drop((stopped, entered));
        wait_until("nothing is left", || (descriptors(), children().len()) == before);
        true
    };
    let bounded = processes::spawn(ends, ()).unwrap();
    assert!(bounded.join_timeout(2 * BOUND).expect("shutdown does not hang").unwrap());
}

/// True for a worker that was killed.
fn is_lost(error: &JoinError) -> bool {
    matches!(error, JoinError::WorkerLost { signal: Some(9), .. })
}
