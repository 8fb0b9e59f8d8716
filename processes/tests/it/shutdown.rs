//! Stopping a pool.

use std::time::Duration;

use processes::{JoinError, Pool};

use crate::support::{BOUND, gated, gates, is_alive, soon};

#[test]
fn shutdown_runs_what_was_queued() {
    let pool = Pool::new(2).unwrap();
    let handles: Vec<_> = (0..500_u32).map(|x| pool.submit(|x| x, x)).collect();
    let pids = pool.pids();
    pool.shutdown();
    assert!(handles.iter().all(processes::JoinHandle::is_finished));
    assert!(!pids.into_iter().any(is_alive));
    for (x, handle) in (0..).zip(handles) {
        assert_eq!(handle.join().unwrap(), x);
    }
}

#[test]
fn shutdown_now_cancels_the_queue_and_lets_the_running_call_end() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let running = pool.submit(gated, (entered.clone(), gate.clone()));
    soon(&entered);
    let waiting: Vec<_> = (0..10_u8).map(|x| pool.submit(|x| x, x)).collect();
    gate.put(6).unwrap();
    let unrun = pool.shutdown_now();
    assert_eq!(running.join().unwrap(), 6);
    let results: Vec<_> = waiting.into_iter().map(processes::JoinHandle::join).collect();
    let cancelled =
        results.iter().filter(|result| matches!(result, Err(JoinError::Cancelled))).count();
    assert_eq!(cancelled, unrun.count());
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(JoinError::Cancelled))));
}

#[test]
fn shutdown_now_while_somebody_cancels() {
    for _ in 0..20 {
        let pool = Pool::new(1).unwrap();
        let (entered, gate) = gates();
        let running = pool.submit(gated, (entered.clone(), gate.clone()));
        soon(&entered);
        let waiting: Vec<_> = (0..3_000_u32).map(|x| pool.submit(|x| x, x)).collect();
        let cancelled = std::thread::scope(|scope| {
            // From the far end, so that the two meet.
            let canceller =
                scope.spawn(|| waiting.iter().rev().filter(|call| call.cancel()).count());
            let unrun = {
                gate.put(6).unwrap();
                pool.shutdown_now().count()
            };
            canceller.join().unwrap() + unrun
        });
        assert_eq!(running.join().unwrap(), 6);
        let results = waiting.into_iter().map(processes::JoinHandle::join);
        let refused = results.filter(|result| matches!(result, Err(JoinError::Cancelled))).count();
        assert_eq!(cancelled, refused, "each call is cancelled once");
    }
}

#[test]
fn shutdown_now_kills_after_the_grace_period() {
    let pool = Pool::builder().workers(1).grace(Duration::from_millis(50)).build().unwrap();
    let (entered, gate) = gates();
    let running = pool.submit(gated, (entered.clone(), gate));
    soon(&entered);
    assert_eq!(pool.shutdown_now().count(), 0);
    assert!(matches!(running.join(), Err(JoinError::WorkerLost { signal: Some(9), .. })));
}

#[test]
fn a_worker_that_does_not_leave_is_killed() {
    let pool = Pool::builder().workers(1).grace(Duration::from_millis(50)).build().unwrap();
    let pid = pool
        .submit(
            |()| {
                extern "C" fn stay() {
                    loop {
                        std::thread::park();
                    }
                }
                unsafe extern "C" {
                    fn atexit(handler: extern "C" fn()) -> i32;
                }
                // SAFETY: the handler is a plain function that touches nothing.
                assert_eq!(unsafe { atexit(stay) }, 0);
                std::process::id()
            },
            (),
        )
        .join()
        .unwrap();
    pool.shutdown();
    assert!(!is_alive(pid));
}

#[test]
fn shutdown_runs_more_than_the_workers_may_execute() {
    let more: fn(()) -> bool = |()| {
        let pool = Pool::builder().workers(2).max_calls_per_worker(3).build().unwrap();
        let handles: Vec<_> = (0..50_u32).map(|x| pool.submit(|x| x, x)).collect();
        pool.shutdown();
        (0..).zip(handles).all(|(x, handle)| handle.join().unwrap() == x)
    };
    let ended = processes::spawn(more, ()).unwrap().join_timeout(BOUND);
    assert!(ended.expect("it does not hang").unwrap());
}
