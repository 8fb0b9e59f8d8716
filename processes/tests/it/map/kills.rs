//! Maps of many short calls whose workers are killed at random.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use processes::{Buffer, CallOptions, JoinError, Pool, spawn};

use crate::payload::{filled, nothing_left};
use crate::support::{BOUND, kill, rounds};

/// Workers of a pool.
const WORKERS: usize = 2;

/// Kills workers at random until there were `kills`; says so then.
#[expect(clippy::disallowed_methods, reason = "kills are spread over time")]
fn kill_at_random(pool: &Pool, seed: u64, kills: u32, over: &AtomicBool) {
    let mut random = seed | 1;
    for _ in 0..kills {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        thread::sleep(Duration::from_micros(3_000 + random % 8_000));
        // One that is starting may be hit too, but not so often that the pool gives up.
        if pool.stats().ready > 0 {
            let pids = pool.pids();
            let chosen = usize::try_from(random >> 32).unwrap() % pids.len().max(1);
            if let Some(&pid) = pids.get(chosen) {
                kill(pid);
            }
        }
    }
    over.store(true, Ordering::Relaxed);
}

/// Maps while workers are killed: how many items returned and how many were lost.
fn storm((seed, kills): (u64, u32)) -> (u64, u64) {
    let pool = Pool::new(WORKERS).unwrap();
    let (mut done, mut lost) = (0, 0);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| kill_at_random(&pool, seed, kills, &over));
        let mut base = 0;
        while !over.load(Ordering::Relaxed) {
            let items = base..base + 20_000;
            for (x, result) in items.clone().zip(pool.map(|x: u64| x + 1, items.clone())) {
                match result {
                    Ok(value) => {
                        assert_eq!(value, x + 1, "in order");
                        done += 1;
                    }
                    Err(JoinError::WorkerLost { .. }) => lost += 1,
                    Err(other) => panic!("{x}: {other}"),
                }
            }
            let mut values = HashSet::new();
            for result in pool.map_unordered(|x: u64| x + 1, items.clone()) {
                match result {
                    Ok(value) => assert!(values.insert(value), "{value} came twice"),
                    Err(JoinError::WorkerLost { .. }) => lost += 1,
                    Err(other) => panic!("{other}"),
                }
            }
            assert!(values.iter().all(|value| items.contains(&(value - 1))));
            done += u64::try_from(values.len()).unwrap();
            base += 20_000;
        }
    });
    let stats = pool.stats();
    assert_eq!((stats.done, stats.failed), (done, lost), "the pool's own books");
    assert_eq!(stats.queued + stats.running, 0);
    assert_eq!(done + lost, stats.done + stats.failed);
    assert!(lost <= stats.lost, "{lost} items for {} workers", stats.lost);
    pool.shutdown();
    (done, lost)
}

/// A number, the bytes of all, and some of its own.
type Laden = (u64, Buffer, Option<Buffer>);

/// The number, if the bytes are what they were.
fn checked((x, common, own): Laden) -> u64 {
    assert!(common.iter().all(|&byte| byte == 7), "bytes of all have changed");
    let right = |own: &Buffer| own.iter().all(|&byte| byte == x.to_le_bytes()[0]);
    assert!(own.as_ref().is_none_or(right), "bytes of one have changed");
    x + 1
}

/// As [`storm`], with items that bring buffers.
fn laden_storm((seed, kills): (u64, u32)) -> (u64, u64) {
    let pool = Pool::builder().workers(WORKERS).arena(1 << 20).build().unwrap();
    let common = filled(&pool, 7, 100);
    let (mut done, mut lost, mut base) = (0, 0, 0);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| kill_at_random(&pool, seed, kills, &over));
        while !over.load(Ordering::Relaxed) {
            let items = base..base + 5_000;
            let laden = |x: u64| {
                // When there is no room, it is a copy.
                let own = x.is_multiple_of(3).then(|| {
                    let mut own = pool.buffer(50).unwrap();
                    own.fill(x.to_le_bytes()[0]);
                    own.freeze()
                });
                (x, common.clone(), own)
            };
            let options = CallOptions::new().retries(u32::from(base % 10_000 == 0));
            let results = pool.map(checked, items.clone().map(laden)).options(options);
            for (x, result) in items.clone().zip(results) {
                match result {
                    Ok(value) => {
                        assert_eq!(value, x + 1, "in order");
                        done += 1;
                    }
                    Err(JoinError::WorkerLost { .. } | JoinError::Poison { .. }) => lost += 1,
                    Err(other) => panic!("{x}: {other}"),
                }
            }
            base += 5_000;
        }
    });
    let stats = pool.stats();
    assert_eq!((stats.done, stats.failed), (done, lost), "the pool's own books");
    drop(common);
    nothing_left(&pool);
    pool.shutdown();
    (done, lost)
}

#[test]
fn every_item_with_buffers_resolves_once_under_kills_and_they_are_free() {
    for round in 0..rounds(1, 20) {
        let seed = 0xb0f4 + 2 * u64::from(round);
        let storm = spawn(laden_storm, (seed, 60)).unwrap().join_timeout(4 * BOUND);
        let (done, lost) = storm.expect("it ends").unwrap();
        assert_eq!((done + lost) % 5_000, 0, "seed {seed:#x}");
    }
}

#[test]
fn every_item_resolves_once_under_kills() {
    for round in 0..rounds(1, 20) {
        let seed = 0xf4a3e + 2 * u64::from(round);
        let storm = spawn(storm, (seed, 60)).unwrap().join_timeout(4 * BOUND);
        let (done, lost) = storm.expect("it ends").unwrap();
        assert_eq!((done + lost) % 40_000, 0, "seed {seed:#x}");
    }
}
