//! Items that bring buffers travel together; each has its own, and lets go of them when it has ended.

use std::path::PathBuf;
use std::time::Duration;

use processes::{Broadcast, Buffer, BufferMut, CallOptions, JoinError, Pool};

use super::frames::{WARM, bounded, wait_for};
use crate::payload::{filled, nothing_left};
use crate::support::{kill, wait_until};

/// A number, and what an item brings besides.
type Item = (u64, Option<Buffer>, Vec<Buffer>);

/// The number, and the sum of the first and last bytes of all buffers; all of them are shared.
fn look((x, one, more): Item) -> (u64, u64) {
    let all = one.iter().chain(&more);
    let sum = all.map(|bytes| {
        assert!(bytes.is_shared(), "item {x} has a copy");
        bytes.first().copied().map_or(0, u64::from) + bytes.last().copied().map_or(0, u64::from)
    });
    (x, sum.sum())
}

/// A buffer that is filled with the lowest byte of a number.
fn numbered(pool: &Pool, x: u64, len: usize) -> Buffer {
    filled(pool, x.to_le_bytes()[0], len)
}

/// What [`look`] makes of so many buffers that were filled like that.
fn doubled(x: u64) -> u64 {
    2 * u64::from(x.to_le_bytes()[0])
}

#[test]
fn all_items_read_the_same_bytes_in_order() {
    let pool = Pool::new(2).unwrap();
    let bytes = filled(&pool, 3, 100_000);
    for (x, result) in
        (0..).zip(pool.map(look, (0..50_000).map(|x| (x, Some(bytes.clone()), Vec::new()))))
    {
        assert_eq!(result.unwrap(), (x, 6));
    }
    let stats = pool.stats();
    assert_eq!((stats.arena_blocks, stats.done, stats.lost), (1, 50_000, 0));
    let mut seen = vec![0_u8; 50_000];
    let items = (0..50_000).map(|x| (x, Some(bytes.clone()), Vec::new()));
    for result in pool.map_unordered(look, items) {
        seen[usize::try_from(result.unwrap().0).unwrap()] += 1;
    }
    assert!(seen.iter().all(|&times| times == 1));
    drop(bytes);
    nothing_left(&pool);
}

#[test]
fn each_item_reads_its_own_bytes() {
    let pool = Pool::new(2).unwrap();
    let items = (0..30_000).map(|x| (x, Some(numbered(&pool, x, 500)), Vec::new()));
    for (x, result) in (0..).zip(pool.map(look, items)) {
        assert_eq!(result.unwrap(), (x, doubled(x)));
    }
    nothing_left(&pool);
}

#[test]
fn items_bring_nothing_one_or_many_in_turn() {
    let pool = Pool::new(2).unwrap();
    let common = [filled(&pool, 1, 70_000), filled(&pool, 2, 10)];
    let long: Vec<_> = (0..800_u64).map(|n| numbered(&pool, n, 1)).collect();
    let item = |x: u64| -> (Item, u64) {
        let own = || numbered(&pool, x, 100);
        match x % 7 {
            0 => ((x, None, Vec::new()), 0),
            1 => ((x, Some(own()), common.to_vec()), doubled(x) + 6),
            2 => ((x, None, [common[0].clone(), common[0].clone()].into()), 4),
            3 => ((x, Some(common[1].clone()), vec![own(), own()]), 4 + 2 * doubled(x)),
            // Its list is longer than an item may be that travels with others.
            4 if x % 700 == 4 => ((x, None, long.clone()), (0..800).map(doubled).sum()),
            _ => ((x, Some(own()), Vec::new()), doubled(x)),
        }
    };
    let expected: Vec<_> = (0..20_000).map(|x| item(x).1).collect();
    let results = pool.map(copied_or_shared, (0..20_000).map(|x| item(x).0));
    for ((x, expected), result) in (0..).zip(expected).zip(results) {
        assert_eq!(result.unwrap(), (x, expected));
    }
    drop((common, long));
    nothing_left(&pool);
}

/// As [`look`], of more buffers than a worker can hold at a time.
fn copied_or_shared((x, one, more): Item) -> (u64, u64) {
    let all = one.iter().chain(&more);
    (x, all.map(|bytes| u64::from(bytes[0]) + u64::from(*bytes.last().unwrap())).sum())
}

/// A buffer with room in the arena, once there is some.
fn with_room(pool: &Pool, len: usize) -> Buffer {
    let mut got: Option<BufferMut> = None;
    wait_until("there is room", || {
        let bytes = pool.buffer(len).unwrap();
        let shared = bytes.is_shared();
        got = shared.then_some(bytes);
        shared
    });
    let mut bytes = got.unwrap();
    bytes.fill(1);
    bytes.freeze()
}

#[test]
fn an_iterator_may_wait_for_the_memory_of_items_before() {
    // Each item waits until the one behind it was made, for which there is room only when the one before
    // it has let go: that is executed, and in the same frame.
    let meet: fn((u64, Option<Buffer>, PathBuf)) -> u64 = |(x, bytes, file)| {
        if let Some(bytes) = bytes {
            assert!(bytes.is_shared());
            wait_for(&file.with_extension((x + 1).to_string()));
        }
        x
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("made");
    let pages = 2;
    let pool =
        Pool::builder().workers(1).arena(pages * rustix::param::page_size()).build().unwrap();
    let last = WARM + 12;
    let items = (0..=last).map(|x| {
        let bytes = (x >= WARM).then(|| with_room(&pool, 100));
        if x > WARM {
            std::fs::write(file.with_extension(x.to_string()), "").unwrap();
        }
        let bytes = bytes.filter(|_| x < last);
        (x, bytes, file.clone())
    });
    for (x, result) in (0..).zip(pool.map(meet, items).options(bounded())) {
        assert_eq!(result.unwrap(), x);
    }
    nothing_left(&pool);
}

#[test]
fn an_item_lets_go_while_one_behind_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("go");
    let slow: fn((u64, Buffer, PathBuf)) -> u64 = |(x, bytes, file)| {
        if x == WARM + 5 {
            wait_for(&file);
        }
        x + u64::from(bytes[0]) - 1
    };
    let pool = Pool::new(1).unwrap();
    let common = filled(&pool, 1, 1);
    // The slow one is in the middle of a frame, of which all items have been made.
    let items = (0..WARM + 10).map(|x| {
        let bytes = if x < WARM { common.clone() } else { filled(&pool, 1, 10) };
        (x, bytes, file.clone())
    });
    let mut results = pool.map(slow, items).options(bounded());
    for x in 0..WARM + 5 {
        assert_eq!(results.next().unwrap().unwrap(), x);
    }
    // Its own, those of the four behind it, and the one of all.
    wait_until("those before it have let go", || pool.stats().arena_blocks == 6);
    assert_eq!(pool.stats().running, 1);
    std::fs::write(&file, "").unwrap();
    assert_eq!(results.map(Result::unwrap).sum::<u64>(), (WARM + 5..WARM + 10).sum::<u64>());
    drop(common);
    nothing_left(&pool);
}

#[test]
fn what_fails_lets_go_like_what_returns() {
    let pool = Pool::new(2).unwrap();
    let picky: fn((u64, Buffer)) -> u64 = |(x, bytes)| {
        assert_ne!(x % 1_000, 999, "not this one");
        if x % 10_000 == 5_000 {
            std::process::exit(7);
        }
        x + u64::from(bytes[0]) - 1
    };
    let items = (0..WARM).map(|x| (x, filled(&pool, 1, 10)));
    let (mut panicked, mut lost) = (0, Vec::new());
    for (x, result) in (0..).zip(pool.map(picky, items)) {
        match result {
            Ok(value) => assert_eq!(value, x),
            Err(JoinError::Panicked { .. }) => panicked += 1,
            Err(JoinError::WorkerLost { exit_code: Some(7), .. }) => lost.push(x),
            Err(other) => panic!("{x}: {other}"),
        }
    }
    assert_eq!((panicked, lost), (30, vec![5_000, 15_000, 25_000]));
    nothing_left(&pool);
}

/// Ends its process when it is called for the first time with a number that a thousand divides.
fn mortal((x, bytes, file): (u64, Buffer, PathBuf)) -> u64 {
    if x % 1_000 == 0 && x >= WARM {
        let mark = file.with_extension(x.to_string());
        if !mark.exists() {
            std::fs::write(&mark, "").unwrap();
            std::process::exit(1);
        }
    }
    assert!(bytes.is_shared() && bytes.iter().all(|&byte| byte == x.to_le_bytes()[0]));
    x
}

#[test]
fn what_is_run_again_finds_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tried");
    let pool = Pool::new(2).unwrap();
    let items = (0..WARM + 5_000).map(|x| (x, numbered(&pool, x, 100), file.clone()));
    let results = pool.map(mortal, items).options(CallOptions::new().retries(2));
    for (x, result) in (0..).zip(results) {
        assert_eq!(result.unwrap(), x);
    }
    assert_eq!((pool.stats().retried, pool.stats().lost), (5, 5));
    nothing_left(&pool);
}

#[test]
fn what_is_to_be_run_again_keeps_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::builder().workers(1).arena(64 << 12).build().unwrap();
    let second: fn((u64, Buffer, PathBuf)) -> u64 = |(x, bytes, file)| {
        let mark = file.with_extension("tried");
        if !mark.exists() {
            std::fs::write(&mark, "").unwrap();
            std::process::exit(1);
        }
        wait_for(&file);
        x + bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>()
    };
    let file = folder.path().join("go");
    let once = std::iter::once((7, filled(&pool, 1, 10), file.clone()));
    let mut results = pool.map(second, once).options(bounded().retries(1));
    assert!(results.next_timeout(Duration::ZERO).is_err());
    wait_until("the second attempt waits", || {
        let stats = pool.stats();
        (stats.retried, stats.running) == (1, 1)
    });
    assert_eq!(pool.stats().arena_blocks, 1);
    // Would be put in its place.
    let others: Vec<_> = (0..20).map(|_| filled(&pool, 255, 10)).collect();
    std::fs::write(&file, "").unwrap();
    assert_eq!(results.next().unwrap().unwrap(), 17);
    drop((others, results));
    nothing_left(&pool);
}

#[test]
fn dropping_it_lets_go_of_all_but_what_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("go");
    let slow: fn((u64, Buffer, PathBuf)) -> u64 = |(x, bytes, file)| {
        if x >= WARM {
            wait_for(&file);
        }
        x + u64::from(bytes[0])
    };
    let pool = Pool::new(1).unwrap();
    let items = (0..10 * WARM).map(|x| (x, filled(&pool, 1, 10), file.clone()));
    let mut results = pool.map(slow, items);
    for x in 0..WARM {
        assert_eq!(results.next().unwrap().unwrap(), x + 1);
    }
    wait_until("the worker waits", || pool.stats().running == 1);
    drop(results);
    wait_until("what runs has its own", || pool.stats().arena_blocks == 1);
    assert_eq!(pool.stats().running, 1);
    std::fs::write(&file, "").unwrap();
    nothing_left(&pool);
    assert!(pool.stats().cancelled > 0);
    assert_eq!(pool.submit(|x: u8| x, 1).join().unwrap(), 1);
}

#[test]
fn what_a_dead_worker_had_not_begun_keeps_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("never");
    let pool = Pool::new(1).unwrap();
    let slow: fn((u64, Buffer, PathBuf)) -> u64 = |(x, bytes, file)| {
        if x == WARM {
            wait_for(&file);
        }
        assert!(bytes.is_shared());
        x + u64::from(bytes[0]) - u64::from(x.to_le_bytes()[0])
    };
    let items = (0..WARM + 100).map(|x| (x, numbered(&pool, x, 10), file.clone()));
    let mut results = pool.map(slow, items);
    for x in 0..WARM {
        assert_eq!(results.next().unwrap().unwrap(), x);
    }
    wait_until("the worker waits", || pool.stats().running == 1);
    kill(pool.pids()[0]);
    assert!(matches!(results.next(), Some(Err(JoinError::WorkerLost { .. }))));
    for x in WARM + 1..WARM + 100 {
        assert_eq!(results.next().unwrap().unwrap(), x);
    }
    assert!(results.next().is_none());
    nothing_left(&pool);
}

#[test]
fn large_buffers_of_items_take_a_bounded_part_of_the_arena() {
    let pool = Pool::new(2).unwrap();
    let len = 512 << 10;
    let mut most = 0;
    let items = (0..300_u64).map(|x| {
        most = most.max(pool.stats().arena_bytes);
        (x, Some(numbered(&pool, x, len)), Vec::new())
    });
    for (x, result) in (0..).zip(pool.map(look, items)) {
        assert_eq!(result.unwrap(), (x, doubled(x)));
    }
    // Before the first one was weighed, so many are taken for each worker.
    let limit = (2 * 16 + 2) * len;
    assert!(most <= limit, "{most} bytes are under way");
    nothing_left(&pool);
}

/// Words that all items have in common.
type Words = Broadcast<Vec<String>>;

#[test]
fn a_broadcast_and_a_buffer_of_its_own_for_each() {
    let pool = Pool::new(2).unwrap();
    let words = pool.broadcast(&vec!["one".to_owned(), "three".to_owned()]).unwrap();
    let longer: fn((Words, Buffer, u64)) -> u64 = |(words, bytes, x)| {
        let words = words.get().unwrap();
        x * 100 + words[usize::from(bytes[0] % 2)].len() as u64
    };
    let items = (0..20_000).map(|x| (words.clone(), numbered(&pool, x, 8), x));
    for (x, result) in (0..).zip(pool.map(longer, items)) {
        assert_eq!(result.unwrap(), x * 100 + if x % 2 == 0 { 3 } else { 5 });
    }
    drop(words);
    nothing_left(&pool);
}
