//! Payloads that lie in memory that the pool and its workers share: where they go, and that nothing
//! of it is left.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use processes::{JoinError, JoinHandle, Pool, Queue};

use crate::support::{BOUND, gated, gates, kill, rounds, soon, wait_until};

/// Its argument is long.
#[expect(clippy::needless_pass_by_value, reason = "what is called owns its argument")]
fn length(text: String) -> usize {
    text.len()
}

/// A long argument, and two gates.
type Held = (String, Queue<u32>, Queue<u32>);

/// Says that it runs, then waits to be let through.
fn held((text, entered, gate): Held) -> usize {
    entered.put(1).unwrap();
    gate.get().unwrap();
    text.len()
}

/// Lets everybody through when it is dropped, also by a panic: the pool waits for its calls.
struct Open(Queue<u32>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.shutdown();
    }
}

/// Waits until nothing lies in the arena of a pool.
pub(crate) fn nothing_left(pool: &Pool) {
    wait_until("no payload is left", || {
        let stats = pool.stats();
        (stats.arena_blocks, stats.arena_bytes) == (0, 0)
    });
}

#[test]
fn a_long_argument_lies_in_the_arena_until_its_call_has_ended() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let _open = Open(gate.clone());
    let long = || ("x".repeat(100_000), entered.clone(), gate.clone());
    let running = pool.submit(held, long());
    soon(&entered);
    let queued = pool.submit(held, long());
    let cancelled = pool.submit(held, long());
    assert_eq!(pool.stats().arena_blocks, 3);
    assert!(pool.stats().arena_bytes >= 300_000);
    assert!(cancelled.cancel());
    wait_until("the cancelled one is gone", || pool.stats().arena_blocks == 2);
    gate.put(0).unwrap();
    assert_eq!(running.join().unwrap(), 100_000);
    wait_until("the first one is gone", || pool.stats().arena_blocks == 1);
    gate.put(0).unwrap();
    assert_eq!(queued.join().unwrap(), 100_000);
    nothing_left(&pool);
    assert!(pool.stats().arena_kept_bytes >= 300_000, "memory is kept for the next ones");
}

#[test]
fn short_arguments_do_not_use_the_arena() {
    let pool = Pool::new(1).unwrap();
    assert_eq!(pool.submit(length, "x".repeat(16_000)).join().unwrap(), 16_000);
    assert_eq!(pool.stats().arena_kept_bytes, 0);
    assert_eq!(pool.submit(length, "x".repeat(17_000)).join().unwrap(), 17_000);
    wait_until("memory is kept", || pool.stats().arena_kept_bytes >= 17_000);
}

#[test]
fn a_full_arena_holds_nobody_up() {
    for arena in [0, 1, 64 << 10, 300_000] {
        let pool = Pool::builder().workers(2).arena(arena).build().unwrap();
        let (entered, gate) = gates();
        let _open = Open(gate.clone());
        let running: Vec<_> =
            (0..2).map(|_| pool.submit(gated, (entered.clone(), gate.clone()))).collect();
        soon(&entered);
        soon(&entered);
        let sizes = [20_000, 70_000, 100_000, 300_000, 1 << 20];
        let calls: Vec<_> =
            sizes.iter().map(|&size| pool.submit(length, "x".repeat(size))).collect();
        assert!(pool.stats().arena_bytes <= arena.next_multiple_of(4096));
        gate.put(1).unwrap();
        gate.put(1).unwrap();
        for (size, call) in sizes.into_iter().zip(calls) {
            assert_eq!(call.join_timeout(BOUND).unwrap().unwrap(), size, "arena of {arena} bytes");
        }
        for call in running {
            assert_eq!(call.join().unwrap(), 1);
        }
        let all: Vec<_> = pool.map(length, sizes.map(|size| "y".repeat(size))).collect();
        assert_eq!(all.into_iter().map(Result::unwrap).collect::<Vec<_>>(), sizes);
        nothing_left(&pool);
    }
    let error = Pool::builder().arena(processes::MAX_ARENA + 1).build().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn beyond_what_is_kept_memory_goes_back_to_the_system() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let _open = Open(gate.clone());
    let running = pool.submit(gated, (entered.clone(), gate.clone()));
    soon(&entered);
    let calls: Vec<_> = (0..12).map(|_| pool.submit(length, "x".repeat(8 << 20))).collect();
    assert!(pool.stats().arena_bytes >= 12 * (8 << 20));
    gate.put(1).unwrap();
    running.join().unwrap();
    for call in calls {
        assert_eq!(call.join().unwrap(), 8 << 20);
    }
    nothing_left(&pool);
    let kept = pool.stats().arena_kept_bytes;
    assert!(kept <= 32 << 20, "{kept} bytes are kept");
}

#[test]
fn results_come_through_the_memory_of_their_worker() {
    let pool = Pool::new(2).unwrap();
    let make: fn(usize) -> Vec<u8> = |length| (0..length).map(|at| at.to_le_bytes()[0]).collect();
    let right = |bytes: Vec<u8>, length: usize| {
        assert_eq!(bytes.len(), length);
        assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == at.to_le_bytes()[0]));
    };
    // As many as are held at a time, and more; and more than there is room for.
    for (length, count) in [(17_000, 200), (100_000, 150), (9 << 20, 6), (33 << 20, 2)] {
        let calls: Vec<_> = (0..count).map(|_| pool.submit(make, length)).collect();
        wait_until("they are executed", || calls.iter().all(JoinHandle::is_finished));
        for call in calls.into_iter().rev() {
            right(call.join().unwrap(), length);
        }
    }
    for result in pool.map(make, [17_000; 300]) {
        right(result.unwrap(), 17_000);
    }
}

#[test]
fn a_result_outlives_its_worker_and_its_pool() {
    let pool = Pool::new(1).unwrap();
    let call = pool.submit(|length: usize| "z".repeat(length), 300_000);
    wait_until("it is executed", || call.is_finished());
    let dies: fn(()) = |()| std::process::abort();
    assert!(pool.submit(dies, ()).join().is_err());
    pool.shutdown();
    assert_eq!(call.join().unwrap(), "z".repeat(300_000));
}

/// Sets the flag when it is dropped, also by a panic: a scope waits for its threads.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The bytes of call `n`, and the sum of them.
fn bytes(n: u64) -> (Vec<u8>, u64) {
    let length = usize::try_from(17_000 + n * 7_919 % 300_000).unwrap();
    let bytes: Vec<u8> = (0..length).map(|at| (at as u64 ^ n).to_le_bytes()[0]).collect();
    let sum = bytes.iter().map(|&byte| u64::from(byte)).sum();
    (bytes, sum)
}

/// The sum of some bytes, and the bytes changed by a number.
fn echo((mut bytes, n): (Vec<u8>, u64)) -> (u64, Vec<u8>) {
    let sum = bytes.iter().map(|&byte| u64::from(byte)).sum();
    for byte in &mut bytes {
        *byte ^= n.to_le_bytes()[0];
    }
    (sum, bytes)
}

/// Kills this many workers at random, in bursts of four, between which all are ready.
#[expect(clippy::disallowed_methods, reason = "kills are spread over time")]
fn kill_at_random(pool: &Pool, seed: u64, most: u64, over: &AtomicBool) -> u64 {
    let (mut random, mut kills) = (seed | 1, 0);
    while kills < most && !over.load(Ordering::Relaxed) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        thread::sleep(Duration::from_micros(1_000 + random % 5_000));
        let pids = pool.pids();
        if !pids.is_empty() && (kills % 4 != 0 || pool.stats().ready == pool.workers()) {
            kill(pids[usize::try_from(random % 1024).unwrap() % pids.len()]);
            kills += 1;
        }
    }
    kills
}

#[test]
fn after_a_hundred_kills_nothing_is_left_in_the_arena() {
    for round in 0..u64::from(rounds(1, 20)) {
        let pool = Pool::builder().workers(3).arena(4 << 20).build().unwrap();
        wait_until("all workers are ready", || pool.stats().ready == 3);
        let over = AtomicBool::new(false);
        let (mut done, mut lost, mut n) = (0_u64, 0_u64, 0_u64);
        let kills = thread::scope(|scope| {
            let killer = scope.spawn(|| kill_at_random(&pool, 0xa7e4a + 2 * round, 100, &over));
            let end = Over(&over);
            while !killer.is_finished() {
                let first = n;
                let calls: Vec<_> = (0..30)
                    .map(|_| {
                        n += 1;
                        pool.submit(echo, (bytes(n).0, n))
                    })
                    .collect();
                for (n, call) in (first + 1..).zip(calls) {
                    match call.join_timeout(BOUND).expect("it resolves") {
                        Ok((sum, back)) => {
                            let (sent, expected) = bytes(n);
                            assert_eq!(sum, expected, "call {n} got the bytes of another one");
                            let mask = n.to_le_bytes()[0];
                            assert!(
                                back.iter().zip(&sent).all(|(back, sent)| *back == sent ^ mask)
                            );
                            done += 1;
                        }
                        Err(JoinError::WorkerLost { .. }) => lost += 1,
                        Err(error) => panic!("call {n}: {error}"),
                    }
                }
            }
            drop(end);
            killer.join().unwrap()
        });
        assert!(
            kills == 100 && lost <= kills && done > 0,
            "{done} done, {lost} lost, {kills} kills"
        );
        nothing_left(&pool);
        assert!(pool.stats().arena_kept_bytes <= 4 << 20);
    }
}
