//! Memory runs out: an error for what needs more, and nothing else.

use processes::{JoinError, Pool, Side};

use super::ended;
use super::system::{Resource, limit};
use crate::support::{BOUND, gated, gates, is_sanitized, soon};

/// More than fits into a frame.
const LARGE: usize = 1 << 18;

/// More than fits into the memory that the pool has.
const HUGE: usize = 3 * LARGE;

/// Runs `f` in a process of its own, in which memory may run out.
#[track_caller]
fn alone(f: fn(()) -> bool) {
    let ended = processes::spawn(f, ()).unwrap().join_timeout(2 * BOUND);
    assert!(ended.expect("nothing hangs").unwrap());
}

#[test]
fn without_shared_memory_nothing_starts_and_what_runs_goes_on() {
    alone(|()| {
        let pool = Pool::builder().workers(2).arena(2 * LARGE).build().unwrap();
        let (entered, gate) = gates();
        let running = pool.submit(gated, (entered.clone(), gate.clone()));
        soon(&entered);
        limit(Resource::FileSize, 0);
        let error = Pool::new(1).expect_err("a pool needs shared memory");
        assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge, "{error}");
        assert!(processes::spawn(|x: u8| x, 1).is_err());
        let length: fn(Vec<u8>) -> usize = |bytes| bytes.len();
        // What the pool has can be used, and what is larger than that is an error.
        assert_eq!(ended(pool.submit(length, vec![1; LARGE])).unwrap(), LARGE);
        let error = ended(pool.submit(length, vec![1; HUGE])).unwrap_err();
        assert!(
            matches!(&error, JoinError::Encode { side: Side::Parent, message, .. }
                if message.contains("no shared memory")),
            "{error}"
        );
        assert_eq!(ended(pool.submit(length, vec![1; 9])).unwrap(), 9);
        limit(Resource::FileSize, u64::MAX);
        gate.put(6).unwrap();
        assert_eq!(ended(running).unwrap(), 6);
        assert_eq!(ended(pool.submit(length, vec![1; LARGE])).unwrap(), LARGE);
        ended(Pool::new(1).unwrap().submit(|x: u8| x, 1)).unwrap() == 1
    });
}

#[test]
fn without_addresses_nothing_starts_and_what_runs_goes_on() {
    if is_sanitized("a limit of addresses") {
        return;
    }
    alone(|()| {
        let pool = Pool::new(2).unwrap();
        let (entered, gate) = gates();
        let running = pool.submit(gated, (entered.clone(), gate.clone()));
        soon(&entered);
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmSize:")).unwrap();
        let size_kb: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        // Enough for what is allocated on the way, and not for the stack of a thread.
        limit(Resource::Addresses, size_kb * 1024 + (1 << 20));
        let refused = Pool::new(1).is_err();
        let goes_on = ended(pool.submit(|x: u8| x, 5)).is_ok_and(|value| value == 5);
        limit(Resource::Addresses, u64::MAX);
        gate.put(6).unwrap();
        assert_eq!(ended(running).unwrap(), 6);
        assert!(refused, "a pool was built without memory");
        assert!(goes_on);
        ended(Pool::new(1).unwrap().submit(|x: u8| x, 1)).unwrap() == 1
    });
}

#[test]
fn a_call_that_takes_all_memory_is_lost_alone() {
    if is_sanitized("a limit of addresses") {
        return;
    }
    let pool = Pool::new(1).unwrap();
    let greedy: fn(()) -> usize = |()| {
        limit(Resource::Addresses, 1 << 30);
        std::hint::black_box(vec![1_u8; 1 << 31]).len()
    };
    let greedy = pool.submit(greedy, ());
    let behind = pool.submit(|x: u8| x, 3);
    let error = ended(greedy).unwrap_err();
    assert!(matches!(error, JoinError::WorkerLost { signal: Some(6), .. }), "{error}");
    assert_eq!(ended(behind).unwrap(), 3);
}

#[test]
fn a_worker_without_shared_memory_returns_what_is_small() {
    let pool = Pool::new(1).unwrap();
    let starve: fn(()) = |()| limit(Resource::FileSize, 0);
    ended(pool.submit(starve, ())).unwrap();
    let make: fn(usize) -> Vec<u8> = |length| vec![1; length];
    // What it has can be used, and what is larger than that is an error.
    assert_eq!(ended(pool.submit(make, LARGE)).unwrap().len(), LARGE);
    let error = ended(pool.submit(make, 33 << 20)).unwrap_err();
    assert!(matches!(error, JoinError::Encode { side: Side::Worker, .. }), "{error}");
    assert_eq!(ended(pool.submit(make, 9)).unwrap(), [1; 9]);
}
