//! Workers that come and go although nothing is wrong with them.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::Mutex;
use std::time::Duration;

use processes::Pool;

use crate::support::{BOUND, gated, gates, is_alive, soon, wait_until};

/// The process that executes the call.
fn pid(_: u32) -> u32 {
    std::process::id()
}

#[test]
fn more_workers_work_at_the_same_time() {
    let pool = Pool::new(1).unwrap();
    pool.resize(3).unwrap();
    assert_eq!(pool.workers(), 3);
    let (entered, gate) = gates();
    let calls = [(); 3].map(|()| pool.submit(gated, (entered.clone(), gate.clone())));
    let pids: HashSet<_> = (0..3).map(|_| soon(&entered)).collect();
    assert_eq!(pids.len(), 3);
    (0..3).for_each(|_| gate.put(1).unwrap());
    for call in calls {
        assert_eq!(call.join().unwrap(), 1);
    }
}

#[test]
fn fewer_workers_lose_no_call() {
    let pool = Pool::new(3).unwrap();
    let (entered, gate) = gates();
    let running = [(); 3].map(|()| pool.submit(gated, (entered.clone(), gate.clone())));
    for _ in 0..3 {
        soon(&entered);
    }
    let queued: Vec<_> = (0..500_u32).map(|x| pool.submit(|x| x, x)).collect();
    pool.resize(1).unwrap();
    assert_eq!(pool.workers(), 1);
    (0..3).for_each(|_| gate.put(1).unwrap());
    for call in running {
        assert_eq!(call.join().unwrap(), 1);
    }
    for (x, call) in (0..).zip(queued) {
        assert_eq!(call.join_timeout(BOUND).unwrap().unwrap(), x);
    }
    wait_until("the others have left", || pool.pids().len() == 1);
    pool.resize(2).unwrap();
    assert_eq!(pool.submit(|x: u8| x, 1).join().unwrap(), 1);
    assert_eq!(pool.stats().lost, 0);
}

#[test]
fn up_and_down_while_calls_run() {
    let pool = Pool::new(2).unwrap();
    let calls: Vec<_> = (0..2_000_u32).map(|x| pool.submit(|x| x, x)).collect();
    for size in [1, 4, 2, 1, 3] {
        pool.resize(size).unwrap();
        assert_eq!(pool.workers(), size);
    }
    for (x, call) in (0..).zip(calls) {
        assert_eq!(call.join_timeout(BOUND).unwrap().unwrap(), x);
    }
    pool.shutdown();
}

#[test]
fn a_worker_is_replaced_after_so_many_calls() {
    for most in [1, 3] {
        let pool = Pool::builder().workers(2).max_calls_per_worker(most).build().unwrap();
        let calls: Vec<_> = (0..24).map(|x| pool.submit(pid, x)).collect();
        let mut times = std::collections::HashMap::<u32, u64>::new();
        for call in calls {
            *times.entry(call.join_timeout(BOUND).unwrap().unwrap()).or_default() += 1;
        }
        assert!(times.values().all(|&count| count <= most), "{times:?}");
        let stats = pool.stats();
        assert!(stats.recycled >= 24 / most - 2, "{stats:?}");
        assert_eq!((stats.lost, stats.workers), (0, 2));
        pool.shutdown();
        assert!(!times.into_keys().any(is_alive));
    }
    let none = Pool::builder().workers(1).max_calls_per_worker(0).build().unwrap_err();
    assert_eq!(none.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_worker_that_uses_too_much_memory_is_replaced() {
    let pool = Pool::builder().workers(1).recycle_above_rss(64 << 20).build().unwrap();
    let first = pool.submit(pid, 0).join().unwrap();
    assert_eq!(pool.submit(pid, 0).join().unwrap(), first, "it uses little");
    let hoard: fn(()) -> u32 = |()| {
        // Where LeakSanitizer sees it.
        static KEPT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
        *KEPT.lock().unwrap() = vec![1; 100 << 20];
        std::process::id()
    };
    assert_eq!(pool.submit(hoard, ()).join().unwrap(), first);
    wait_until("it is replaced", || pool.submit(pid, 0).join().unwrap() != first);
    wait_until("it has left", || !is_alive(first));
    assert_eq!((pool.stats().recycled, pool.stats().lost), (1, 0));
}

#[test]
fn idle_workers_end_and_come_back() {
    let limit = Duration::from_millis(30);
    let pool = Pool::builder().workers(2).idle_timeout(limit).build().unwrap();
    for round in 0..3 {
        let calls: Vec<_> = (0..20).map(|x| pool.submit(pid, x)).collect();
        for call in calls {
            let Ok(result) = call.join_timeout(BOUND) else {
                let unrun = pool.shutdown_now().count();
                panic!("nobody executes {unrun} calls in round {round}");
            };
            result.unwrap();
        }
        wait_until("all have left", || pool.pids().is_empty());
        assert_eq!(pool.workers(), 2);
    }
    assert_eq!(pool.stats().lost, 0);
    let (entered, gate) = gates();
    let calls = [(); 2].map(|()| pool.submit(gated, (entered.clone(), gate.clone())));
    assert_ne!(soon(&entered), soon(&entered), "both have come back");
    (0..2).for_each(|_| gate.put(1).unwrap());
    for call in calls {
        assert_eq!(call.join().unwrap(), 1);
    }
}
