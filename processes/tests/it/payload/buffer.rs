//! Bytes that lie where all workers see them: one copy, whose memory comes back.

use std::sync::{Mutex, PoisonError};

use processes::{Broadcast, Buffer, JoinError, Pool, spawn};

use super::arena::nothing_left;
use crate::support::{BOUND, children, is_sanitized, kill, wait_until};

/// A table that is encoded.
type Table = Vec<(u32, String)>;

/// The sum of the bytes, whether they were shared, and the worker.
#[expect(clippy::needless_pass_by_value, reason = "what is called owns its argument")]
pub(super) fn sum(bytes: Buffer) -> (u64, bool, u32) {
    let sum = bytes.iter().map(|&byte| u64::from(byte)).sum();
    (sum, bytes.is_shared(), std::process::id())
}

/// A buffer that is filled with one byte.
pub(crate) fn filled(pool: &Pool, byte: u8, len: usize) -> Buffer {
    let mut bytes = pool.buffer(len).unwrap();
    assert!(bytes.is_shared() && bytes.len() == len);
    bytes.fill(byte);
    bytes.freeze()
}

#[test]
fn all_calls_of_all_workers_read_the_same_bytes() {
    let pool = Pool::new(2).unwrap();
    let bytes = filled(&pool, 3, 1 << 20);
    let calls: Vec<_> = (0..100).map(|_| pool.submit(sum, bytes.clone())).collect();
    let stats = pool.stats();
    assert_eq!((stats.arena_blocks, stats.arena_bytes), (1, 1 << 20), "there is one copy");
    for call in calls {
        let (sum, shared, pid) = call.join().unwrap();
        assert_eq!((sum, shared), (3 << 20, true));
        assert_ne!(pid, std::process::id());
    }
    for result in pool.map(sum, vec![bytes.clone(); 50]) {
        assert_eq!(result.unwrap().0, 3 << 20);
    }
    assert_eq!(pool.stats().arena_blocks, 1);
    assert_eq!(bytes.len(), 1 << 20);
    drop(bytes);
    nothing_left(&pool);
}

#[test]
fn a_call_keeps_the_buffer_that_it_brings() {
    let pool = Pool::new(1).unwrap();
    for n in 0..200_u8 {
        // Nobody but the call has it; what comes behind would be put in its place.
        let call = pool.submit(sum, filled(&pool, n, 50_000));
        let others = filled(&pool, 255, 50_000);
        assert_eq!(call.join().unwrap().0, u64::from(n) * 50_000);
        drop(others);
    }
    let each = (0..200_u8).map(|n| filled(&pool, n, 20_000));
    for (n, result) in (0..).zip(pool.map(sum, each)) {
        assert_eq!(result.unwrap().0, n * 20_000);
    }
    nothing_left(&pool);
}

/// What a worker keeps beyond its calls.
static KEPT: Mutex<Vec<Buffer>> = Mutex::new(Vec::new());

/// Keeps a buffer.
fn keep(bytes: Buffer) -> (u32, bool) {
    let shared = bytes.is_shared();
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    (std::process::id(), shared)
}

/// The sums of what was kept.
fn sums(_: u8) -> Vec<u64> {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.iter().map(|bytes| bytes.iter().map(|&byte| u64::from(byte)).sum()).collect()
}

/// Keeps nothing any more.
fn let_go(_: u8) {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

#[test]
fn what_a_worker_keeps_stays_until_it_lets_go() {
    let pool = Pool::new(1).unwrap();
    assert!(pool.submit(keep, filled(&pool, 5, 40_000)).join().unwrap().1);
    for n in 0..20 {
        // Would be put in its place.
        assert_eq!(
            pool.submit(sum, filled(&pool, n, 40_000)).join().unwrap().0,
            40_000 * u64::from(n)
        );
        let text = "x".repeat(40_000);
        assert_eq!(pool.submit(|text: String| text.len(), text).join().unwrap(), 40_000);
    }
    assert_eq!(pool.submit(sums, 0).join().unwrap(), [200_000]);
    assert_eq!(pool.stats().arena_blocks, 1);
    pool.submit(let_go, 0).join().unwrap();
    nothing_left(&pool);
    // One buffer that is kept twice counts as long as one is there.
    let bytes = filled(&pool, 1, 30_000);
    pool.submit(keep, bytes.clone()).join().unwrap();
    pool.submit(keep, bytes.clone()).join().unwrap();
    drop(bytes);
    assert_eq!(pool.submit(sums, 0).join().unwrap(), [30_000, 30_000]);
    assert_eq!(pool.stats().arena_blocks, 1);
    pool.submit(let_go, 0).join().unwrap();
    nothing_left(&pool);
}

#[test]
fn what_a_dead_worker_has_kept_is_free() {
    let pool = Pool::new(1).unwrap();
    let (pid, _shared) = pool.submit(keep, filled(&pool, 5, 40_000)).join().unwrap();
    assert_eq!(pool.submit(sums, 0).join().unwrap(), [200_000]);
    assert_eq!(pool.stats().arena_blocks, 1);
    kill(pid);
    nothing_left(&pool);
    assert_eq!(pool.submit(sums, 0).join().unwrap(), [0; 0]);
}

#[test]
fn a_worker_that_keeps_many_gets_copies_of_the_others() {
    let pool = Pool::new(1).unwrap();
    let kept: Vec<_> =
        (0..300_u32).map(|n| pool.submit(keep, filled(&pool, n.to_le_bytes()[0], 1_000))).collect();
    let shared = kept.into_iter().map(|call| call.join().unwrap().1);
    assert_eq!(shared.filter(|shared| *shared).count(), 256);
    let expected: Vec<_> = (0..300_u32).map(|n| u64::from(n.to_le_bytes()[0]) * 1_000).collect();
    assert_eq!(pool.submit(sums, 0).join().unwrap(), expected);
    pool.submit(let_go, 0).join().unwrap();
    nothing_left(&pool);
}

#[test]
fn what_a_worker_reads_there_is_not_its_own_memory() {
    let pool = Pool::builder().workers(1).recycle_above_rss(60 << 20).build().unwrap();
    let bytes = filled(&pool, 1, 100 << 20);
    for _ in 0..3 {
        assert_eq!(pool.submit(sum, bytes.clone()).join().unwrap().0, 100 << 20);
        // The supervisor looks 20 ms after a call.
        let nap: fn(u64) = |ms| {
            let until = std::time::Instant::now() + std::time::Duration::from_millis(ms);
            while std::time::Instant::now() < until {
                std::thread::yield_now();
            }
        };
        pool.submit(nap, 60).join().unwrap();
    }
    assert_eq!(pool.stats().recycled, 0);
}

#[test]
fn elsewhere_it_is_bytes() {
    let (pool, other) = (Pool::new(1).unwrap(), Pool::new(1).unwrap());
    let bytes = filled(&pool, 2, 70_000);
    assert_eq!(other.submit(sum, bytes.clone()).join().unwrap().0, 140_000);
    assert!(!other.submit(sum, bytes.clone()).join().unwrap().1);
    assert_eq!(spawn(sum, bytes.clone()).unwrap().join().unwrap().0, 140_000);
    let back = pool.submit(|bytes: Buffer| bytes, bytes.clone()).join().unwrap();
    assert!(*back == *bytes && !back.is_shared());
    // A pool in a worker gets a copy.
    let nested: fn(Buffer) -> u64 = |bytes| {
        let pool = Pool::new(1).unwrap();
        pool.submit(sum, bytes).join().unwrap().0
    };
    assert_eq!(pool.submit(nested, bytes).join().unwrap(), 140_000);
}

#[test]
fn without_room_it_is_copied() {
    let pool = Pool::builder().workers(1).arena(100_000).build().unwrap();
    let none = pool.buffer(0).unwrap().freeze();
    assert_eq!(pool.submit(sum, none).join().unwrap().0, 0);
    let mut large = pool.buffer(200_000).unwrap();
    assert!(!large.is_shared());
    large.fill(1);
    assert_eq!(pool.submit(sum, large.freeze()).join().unwrap().0, 200_000);
    let mut short = pool.buffer(90_000).unwrap();
    short.fill(1);
    short.truncate(10);
    let short = short.freeze();
    assert_eq!(pool.stats().arena_bytes, 4_096, "pages behind the end are free");
    assert_eq!(pool.submit(sum, short).join().unwrap(), (10, true, pool.pids()[0]));
    assert!(format!("{:?}", pool.buffer(3)).contains("len: 3"));
}

#[test]
fn more_than_there_is_is_an_error() {
    let pool = Pool::new(1).unwrap();
    let least = if is_sanitized("all but the largest of buffers") { usize::MAX } else { 0 };
    let lens = [usize::MAX, isize::MAX.unsigned_abs(), 1 << 60];
    for len in lens.into_iter().filter(|&len| len >= least) {
        let error = pool.buffer(len).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::OutOfMemory);
        assert!(error.to_string().contains(&len.to_string()), "{error}");
    }
}

#[test]
fn the_limit_of_payloads_is_about_what_is_encoded() {
    let pool = Pool::builder().workers(1).max_payload(10_000).arena(100_000).build().unwrap();
    assert_eq!(pool.submit(sum, filled(&pool, 1, 50_000)).join().unwrap().0, 50_000);
    // There is no room for a second one.
    let (first, mut second) = (filled(&pool, 1, 60_000), pool.buffer(60_000).unwrap());
    second.fill(1);
    let copied = pool.submit(sum, second.freeze()).join();
    assert!(matches!(copied, Err(JoinError::TooLarge { limit: 10_000, .. })), "{copied:?}");
    drop(first);
}

#[test]
fn a_broadcast_is_encoded_once() {
    let pool = Pool::new(2).unwrap();
    let table: Table = (0..10_000).map(|n| (n, format!("number {n}"))).collect();
    let table = pool.broadcast(&table).unwrap();
    let find: fn((Broadcast<Table>, usize)) -> String =
        |(table, n)| table.get().unwrap()[n].1.clone();
    for (n, found) in pool.map(find, (0..50).map(|n| (table.clone(), n * 100))).enumerate() {
        assert_eq!(found.unwrap(), format!("number {}", n * 100));
    }
    assert_eq!(pool.stats().arena_blocks, 1);
    drop(table);
    nothing_left(&pool);
    let small = Pool::builder().workers(1).max_payload(100).build().unwrap();
    assert!(matches!(small.broadcast(&vec![1_u8; 200]), Err(JoinError::TooLarge { .. })));
}

#[test]
fn kills_leave_no_buffer_behind() {
    let pool = Pool::new(2).unwrap();
    for round in 0..25_u8 {
        let bytes = filled(&pool, round, 60_000);
        let calls: Vec<_> = (0..10)
            .map(|n| {
                let keeps: fn(Buffer) -> u64 = |bytes| {
                    let all = sum(bytes.clone()).0;
                    keep(bytes);
                    all
                };
                let forgets: fn(Buffer) -> u64 = |bytes| sum(bytes).0;
                pool.submit(if n % 2 == 0 { keeps } else { forgets }, bytes.clone())
            })
            .collect();
        drop(bytes);
        if let Some(&pid) = pool.pids().first() {
            kill(pid);
        }
        for call in calls {
            match call.join_timeout(BOUND).expect("it ends") {
                Ok(sum) => assert_eq!(sum, 60_000 * u64::from(round)),
                Err(error) => assert!(matches!(error, JoinError::WorkerLost { .. }), "{error}"),
            }
        }
    }
    let before = children();
    for pid in pool.pids() {
        kill(pid);
    }
    nothing_left(&pool);
    wait_until("others have come", || pool.stats().ready == 2 && children() != before);
}

/// Bytes of memory that this process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn a_buffer_for_which_the_arena_has_no_room_takes_memory_when_it_is_filled_and_once() {
    let lazy: fn(()) -> bool = |()| {
        let pool = Pool::builder().workers(1).arena(0).build().unwrap();
        let before = resident();
        let mut bytes = pool.buffer(256 << 20).unwrap();
        // A sanitizer notes something about each.
        assert!(resident().saturating_sub(before) < 64 << 20, "nothing was written");
        bytes[..5].fill(7);
        let at = bytes.as_ptr();
        let bytes = bytes.freeze();
        assert_eq!((bytes.as_ptr(), bytes.is_shared()), (at, false), "nothing is copied");
        bytes[..6] == [7, 7, 7, 7, 7, 0] && bytes[200 << 20] == 0
    };
    let ended = spawn(lazy, ()).unwrap().join_timeout(BOUND);
    assert!(ended.expect("it ends").unwrap());
}
