//! Joining, time limits, cancelling, killing.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use processes::{AsCompleted, JoinError, Pool, as_completed};

use crate::support::{BOUND, Stopped, gated, gates, is_alive, soon, wait_until};

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn killing_a_call_hits_no_other() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let running = pool.submit(gated, (entered.clone(), gate.clone()));
    let pid = soon(&entered);
    let behind = pool.submit(|x: u8| x + 1, 1);
    assert!(!behind.kill(), "it has not started");
    assert_eq!(running.pid(), Some(pid));
    assert!(running.kill());
    assert!(!running.kill(), "only once");
    let error = running.join().unwrap_err();
    assert!(
        matches!(error, JoinError::WorkerLost { pid: lost, signal: Some(9), .. } if lost == pid),
        "{error}"
    );
    assert_eq!(behind.join().unwrap(), 2);
}

#[test]
fn a_call_that_is_too_slow_is_ended() {
    let pool = Pool::builder().workers(1).call_timeout(SHORT).build().unwrap();
    let (entered, gate) = gates();
    let slow = pool.submit(gated, (entered.clone(), gate.clone()));
    let error = slow.join().unwrap_err();
    assert!(matches!(error, JoinError::TimedOut { limit, .. } if limit == SHORT), "{error}");
    gate.put(3).unwrap();
    let fast = pool.submit_timeout(gated, (entered, gate), BOUND);
    assert_eq!(fast.join().unwrap(), 3);
}

#[test]
fn waiting_for_a_worker_does_not_count() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let running = pool.submit(gated, (entered.clone(), gate.clone()));
    soon(&entered);
    let limited = pool.submit_timeout(|x: u8| x, 4, SHORT);
    assert!(!limited.wait_timeout(SHORT * 5), "it has not even started");
    gate.put(1).unwrap();
    running.join().unwrap();
    assert_eq!(limited.join().unwrap(), 4);
}

#[test]
fn a_limit_of_nothing_ends_the_call_once_it_has_started() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let limited = pool.submit_timeout(gated, (entered, gate), Duration::ZERO);
    let result = limited.join_timeout(BOUND).expect("the limit is kept");
    assert!(matches!(result, Err(JoinError::TimedOut { limit: Duration::ZERO, .. })), "{result:?}");
}

#[test]
fn a_limit_frees_a_call_from_a_stopped_worker() {
    // Another worker has as long.
    let limit = Duration::from_secs(2);
    let pool = Pool::builder().workers(1).call_timeout(limit).build().unwrap();
    let worker = pool.submit_timeout(|()| std::process::id(), (), BOUND).join().unwrap();
    let stopped = Stopped::new(worker);
    // More than fit into a frame, so that they must come back in their order.
    let calls: Vec<_> =
        (0..100_u32).map(|x| pool.submit_timeout(|x| (x, std::process::id()), x, BOUND)).collect();
    let first = pool.submit(|()| std::process::id(), ());
    let pid = first.join_timeout(BOUND).expect("it is given to another worker");
    assert_ne!(pid.unwrap(), worker);
    for (x, call) in (0..).zip(calls) {
        let (value, pid) = call.join_timeout(BOUND).expect("so are the others").unwrap();
        assert!(value == x && pid != worker);
    }
    drop(stopped);
    assert!(!is_alive(worker), "it was killed");
}

#[test]
fn a_limit_frees_nobody_from_a_busy_worker() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let running = pool.submit(gated, (entered.clone(), gate.clone()));
    let worker = soon(&entered);
    let limited = pool.submit_timeout(|()| std::process::id(), (), SHORT);
    assert!(!limited.wait_timeout(Duration::from_secs(2)), "longer than a worker may be silent");
    gate.put(1).unwrap();
    running.join().unwrap();
    assert_eq!(limited.join().unwrap(), worker);
}

#[test]
fn the_longest_limits_are_no_limits() {
    let pool = Pool::builder().workers(1).grace(Duration::MAX).build().unwrap();
    let call = pool.submit_timeout(|x: u8| x, 4, Duration::MAX);
    assert!(call.wait_timeout(Duration::MAX));
    assert_eq!(call.join_timeout(Duration::MAX).unwrap().unwrap(), 4);
    let mut set = as_completed([pool.submit(|x: u8| x, 5)]);
    assert!(matches!(set.next_timeout(Duration::MAX), Some((0, Ok(5)))));
    assert!(set.next_timeout(Duration::MAX).is_none(), "nothing is left to wait for");
    assert_eq!(pool.shutdown_now().count(), 0);
}

/// Panics when it is woken, with a payload that panics when it is dropped.
struct DoubleBomb;

impl Wake for DoubleBomb {
    fn wake(self: Arc<Self>) {
        std::panic::panic_any(BadDrop);
    }
}

struct BadDrop;

impl Drop for BadDrop {
    fn drop(&mut self) {
        panic!("the payload of a waker's panic is dropped");
    }
}

#[test]
fn a_panicking_payload_of_a_panicking_waker_harms_nobody() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let mut call = Box::pin(pool.submit(gated, (entered.clone(), gate.clone())));
    let waker = Waker::from(Arc::new(DoubleBomb));
    assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    gate.put(1).unwrap();
    let next = pool.submit(|x: u8| x, 3).join_timeout(BOUND).expect("the receiver lives");
    assert_eq!(next.unwrap(), 3);
}

/// A task that owns the pool it waits for.
struct Owner(std::sync::Mutex<Option<Pool>>, std::sync::mpsc::Sender<()>);

impl Wake for Owner {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock().unwrap().take());
        self.1.send(()).unwrap();
    }
}

#[test]
fn a_waker_may_be_the_last_owner_of_the_pool() {
    let pool = Pool::new(1).unwrap();
    let pids = pool.pids();
    let (entered, gate) = gates();
    let mut call = Box::pin(pool.submit(gated, (entered.clone(), gate.clone())));
    let behind = pool.submit(|x: u8| x, 3);
    let (dropped, woken) = std::sync::mpsc::channel();
    let waker = Waker::from(Arc::new(Owner(std::sync::Mutex::new(Some(pool)), dropped)));
    assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    gate.put(1).unwrap();
    woken.recv_timeout(BOUND).expect("dropping the pool does not wait for the waker itself");
    let behind = behind.join_timeout(BOUND).expect("what was queued runs").unwrap();
    assert_eq!(behind, 3);
    wait_until("the workers leave", || !pids.iter().any(|&pid| is_alive(pid)));
}

#[test]
fn completed_calls_come_as_they_finish_and_the_set_grows() {
    let pool = Pool::new(2).unwrap();
    let (entered, gate) = gates();
    let mut set = AsCompleted::new();
    assert!(set.next().is_none());
    set.push(1, pool.submit(gated, (entered.clone(), gate.clone())));
    set.push(2, pool.submit(|x: u32| x, 20));
    assert_eq!(set.len(), 2);
    assert!(matches!(set.next(), Some((2, Ok(20)))));
    assert!(set.next_timeout(SHORT).is_none());
    set.push(3, pool.submit(|x: u32| x, 30));
    assert!(matches!(set.next(), Some((3, Ok(30)))));
    gate.put(10).unwrap();
    assert!(matches!(set.next(), Some((1, Ok(10)))));
    assert!(set.is_empty());
}

#[test]
fn a_kill_that_comes_too_late_hits_nobody() {
    let pool = Pool::new(1).unwrap();
    let work: fn(u32) -> u32 = |rounds| (0..rounds).fold(0, |sum, x| std::hint::black_box(sum ^ x));
    let mut killed = 0;
    for round in 0..150 {
        // Mostly as long as a kill takes to come; now and then so long that it must hit.
        let length = if round % 10 == 0 { u32::MAX } else { 200 + round * 20 };
        let call = pool.submit(work, length);
        let behind: Vec<_> = (0..3).map(|_| pool.submit(work, 5_000)).collect();
        while !call.is_finished() && !call.kill() {}
        let result = call.join();
        killed += u32::from(result.is_err());
        assert!(matches!(result, Ok(_) | Err(JoinError::WorkerLost { .. })), "{result:?}");
        for other in behind {
            other.join().expect("only the killed call is lost");
        }
    }
    assert!(killed >= 15, "a kill of a long call came too late");
}
