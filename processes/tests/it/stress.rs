//! Workers killed at random: every call resolves exactly once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use processes::{JoinError, Pool, spawn};

use crate::support::{BOUND, children, descriptors, kill, rounds, wait_until};

/// What happened to the calls: returned, lost, and how many workers were killed.
type Counts = (u64, u64, u64);

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

/// Kills this many workers at random, in bursts, unless it is over before. Those that are starting are hit
/// as well, but between two bursts all of them are ready. Returns how many were killed.
#[expect(clippy::disallowed_methods, reason = "kills are spread over time")]
fn kill_at_random(pool: &Pool, seed: u64, most: u64, over: &AtomicBool) -> u64 {
    let (mut random, mut kills) = (seed | 1, 0);
    while kills < most && !over.load(Ordering::Relaxed) {
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

/// A call that takes some ten microseconds.
fn work(x: u64) -> u64 {
    let mut value = x;
    for _ in 0..20_000 {
        value = std::hint::black_box(value.rotate_left(7) ^ x);
    }
    std::hint::black_box(value);
    x + 1
}

/// Single calls and a map of as many, mixed: how many returned and how many were lost.
fn wave(pool: &Pool, calls: u64) -> (u64, u64) {
    let singles: Vec<_> = (0..calls / 2).map(|x| pool.submit(work, x)).collect();
    let mapped = pool.map(work, calls / 2..calls);
    let singles = singles.into_iter().map(|call| call.join_timeout(BOUND).expect("it resolves"));
    let (mut done, mut lost) = (0, 0);
    for (x, result) in (calls / 2..).zip(mapped) {
        count(x, result, &mut done, &mut lost);
    }
    for (x, result) in (0..).zip(singles) {
        count(x, result, &mut done, &mut lost);
    }
    (done, lost)
}

/// Counts the one result of the call with argument `x`.
fn count(x: u64, result: Result<u64, JoinError>, done: &mut u64, lost: &mut u64) {
    match result {
        Ok(value) if value == x + 1 => *done += 1,
        Err(JoinError::WorkerLost { .. }) => *lost += 1,
        other => panic!("call {x}: {other:?}"),
    }
}

/// At least so many calls on three workers, one of which is killed every few milliseconds, and
/// at least until so many kills have happened.
fn storm((seed, calls, kills): (u64, u64, u64)) -> Result<Counts, String> {
    drop(Pool::new(1).map_err(|error| error.to_string())?);
    let (fds, kids) = (descriptors(), children().len());
    let pool = Pool::new(WORKERS).map_err(|error| error.to_string())?;
    wait_until("all workers are ready", || pool.stats().ready == WORKERS);
    let over = AtomicBool::new(false);
    let (mut done, mut lost) = (0, 0);
    let kills = thread::scope(|scope| {
        let killer = scope.spawn(|| kill_at_random(&pool, seed, kills, &over));
        let end = Over(&over);
        while done + lost < calls || !killer.is_finished() {
            let (more, fewer) = wave(&pool, 500);
            done += more;
            lost += fewer;
        }
        drop(end);
        killer.join().unwrap()
    });
    let stats = pool.stats();
    pool.shutdown();
    if stats.done + stats.failed != done + lost || stats.queued + stats.running != 0 {
        return Err(format!("the pool's own books differ: {stats:?}"));
    }
    let (fds_after, kids_after) = (descriptors(), children().len());
    if (fds, kids) != (fds_after, kids_after) {
        return Err(format!("{fds} descriptors became {fds_after}, {kids} children {kids_after}"));
    }
    Ok((done, lost, kills))
}

#[test]
fn ten_thousand_calls_under_a_hundred_kills() {
    for round in 0..rounds(1, 50) {
        let seed = 0x5eed + 2 * u64::from(round);
        let storm = spawn(storm, (seed, 10_000, 100)).unwrap().join_timeout(4 * BOUND);
        let (done, lost, kills) = storm.expect("it ends").unwrap().unwrap();
        assert!(done + lost >= 10_000, "seed {seed:#x}");
        assert_eq!(kills, 100, "seed {seed:#x}");
        assert!(lost <= kills, "seed {seed:#x}: {lost} lost by {kills} kills");
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
