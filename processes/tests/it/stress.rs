//! Workers killed at random: every call resolves exactly once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use processes::{JoinError, Pool, spawn};

use crate::support::{BOUND, children, descriptors, kill, rounds, wait_until};

/// What happened to the calls.
type Counts = (usize, usize, u64);

/// Workers of a [`storm`].
const WORKERS: usize = 3;

/// So many kills in a row leave a pool standing: after five failed starts in a row it gives up,
/// as it should when its workers cannot live.
const BURST: u64 = 4;

/// Sets the flag when it is dropped, also by a panic: a scope waits for its threads.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Kills workers at random, in bursts, until it is over. Those that are starting are hit as well,
/// but between two bursts all of them are ready. Returns how many were killed.
#[expect(clippy::disallowed_methods, reason = "kills are spread over time")]
fn kill_at_random(pool: &Pool, seed: u64, over: &AtomicBool) -> u64 {
    let (mut random, mut kills) = (seed | 1, 0);
    while !over.load(Ordering::Relaxed) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        thread::sleep(Duration::from_micros(2_000 + random % 6_000));
        let pids = pool.pids();
        if !pids.is_empty() && (kills % BURST != 0 || pool.stats().ready == WORKERS) {
            kill(pids[usize::try_from(random % 1024).unwrap() % pids.len()]);
            kills += 1;
        }
    }
    kills
}

/// 2,000 calls on three workers, one of which is killed every few milliseconds.
fn storm(seed: u64) -> Result<Counts, String> {
    drop(Pool::new(1).map_err(|error| error.to_string())?);
    let (fds, kids) = (descriptors(), children().len());
    let pool = Pool::new(WORKERS).map_err(|error| error.to_string())?;
    wait_until("all workers are ready", || pool.stats().ready == WORKERS);
    let over = AtomicBool::new(false);
    let (mut done, mut lost) = (0, 0);
    let kills = thread::scope(|scope| {
        let killer = scope.spawn(|| kill_at_random(&pool, seed, &over));
        let end = Over(&over);
        let work: fn(u64) -> u64 = |x| {
            let mut value = x;
            for _ in 0..20_000 {
                value = std::hint::black_box(value.rotate_left(7) ^ x);
            }
            std::hint::black_box(value);
            x + 1
        };
        let handles: Vec<_> = (0..2_000).map(|x| pool.submit(work, x)).collect();
        for (x, handle) in (0..).zip(handles) {
            match handle.join_timeout(BOUND) {
                Ok(Ok(value)) if value == x + 1 => done += 1,
                Ok(Err(JoinError::WorkerLost { .. })) => lost += 1,
                other => panic!("call {x}: {other:?}"),
            }
        }
        drop(end);
        killer.join().unwrap()
    });
    let stats = pool.stats();
    pool.shutdown();
    if stats.done + stats.failed != 2_000 || stats.queued + stats.running != 0 {
        return Err(format!("the pool's own books differ: {stats:?}"));
    }
    let (fds_after, kids_after) = (descriptors(), children().len());
    if (fds, kids) != (fds_after, kids_after) {
        return Err(format!("{fds} descriptors became {fds_after}, {kids} children {kids_after}"));
    }
    Ok((done, lost, kills))
}

#[test]
fn two_thousand_calls_under_kills() {
    for round in 0..rounds(1, 50) {
        let seed = 0x5eed + 2 * u64::from(round);
        let (done, lost, kills) = spawn(storm, seed).unwrap().join().unwrap().unwrap();
        assert_eq!(done + lost, 2_000, "seed {seed:#x}");
        assert!(kills > 0 && lost as u64 <= kills, "seed {seed:#x}: {lost} lost by {kills} kills");
    }
}

#[test]
fn submits_from_many_threads_while_idle_and_busy() {
    let pool = Pool::new(2).unwrap();
    thread::scope(|scope| {
        for base in 0..4_u64 {
            let pool = &pool;
            scope.spawn(move || {
                for x in 0..500 {
                    let call = pool.submit(|x: u64| x + 1, base * 1_000 + x);
                    let result = call.join_timeout(BOUND).expect("no wake-up is lost");
                    assert_eq!(result.unwrap(), base * 1_000 + x + 1);
                }
            });
        }
    });
    wait_until("the books are even", || pool.stats().done == 2_000);
}

#[test]
fn nothing_is_stuck_behind_a_long_call() {
    let pool = Pool::new(2).unwrap();
    let (entered, gate) = crate::support::gates();
    // Whichever worker takes this one keeps it until the last of the others is done.
    let long = pool.submit(crate::support::gated, (entered.clone(), gate.clone()));
    let short: Vec<_> = (0..300_u32).map(|x| pool.submit(|x| x, x)).collect();
    for (x, call) in (0..).zip(short) {
        assert_eq!(call.join_timeout(BOUND).expect("it is not stuck").unwrap(), x);
    }
    gate.put(1).unwrap();
    assert_eq!(long.join().unwrap(), 1);
}
