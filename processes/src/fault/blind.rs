//! Workers that could not map the arena of their pool.

use std::fs::File;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::HIDE_ARENA;
use crate::{JoinError, JoinHandle, Pool, Queue, Side};

/// Anything that takes longer is taken for a hang.
const BOUND: Duration = Duration::from_secs(30);

/// A long argument, and two gates.
type Held = (String, Queue<u32>, Queue<u32>);

/// Says that it runs, then waits to be let through.
fn held((text, entered, gate): Held) -> usize {
    entered.put(1).unwrap();
    gate.get_timeout(BOUND).unwrap();
    text.len()
}

/// Its argument is long.
#[expect(clippy::needless_pass_by_value, reason = "what is called owns its argument")]
fn length(text: String) -> usize {
    text.len()
}

/// A text that lies in the arena.
fn long() -> String {
    "x".repeat(100_000)
}

/// Runs `f` in a process of its own.
#[track_caller]
fn alone(f: fn(()) -> bool) {
    let ended = crate::spawn(f, ()).unwrap().join_timeout(3 * BOUND);
    assert!(ended.expect("nothing hangs").unwrap());
}

/// The outcome, which must come.
#[track_caller]
fn ended(call: JoinHandle<usize>) -> Result<usize, JoinError> {
    call.join_timeout(BOUND).expect("each call resolves")
}

/// From now on workers that start get no arena.
fn hide() {
    HIDE_ARENA.store(true, Ordering::Relaxed);
}

/// How many descriptors this process has.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Waits until `condition` holds.
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < BOUND, "still waiting: {what}");
        std::thread::yield_now();
    }
}

/// Opens files until none can be opened, of 128.
fn hoard() -> Vec<File> {
    let limit = Rlimit { current: Some(128), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).unwrap();
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// Says of a buffer and of a value that was encoded once what is in them, and whether they are copies.
fn described((bytes, text): (crate::Buffer, crate::Broadcast<String>)) -> (usize, String, bool) {
    let sum = bytes.iter().map(|&byte| usize::from(byte)).sum();
    (sum, text.get().unwrap(), bytes.is_shared())
}

/// What calls say of buffers that they bring, in all ways: with little else, with much, and as
/// items of a map.
fn described_by(pool: &Pool) -> Vec<(usize, String, bool)> {
    let mut bytes = pool.buffer(10_000).unwrap();
    bytes.fill(2);
    let bytes = bytes.freeze();
    let both = (bytes.clone(), pool.broadcast(&"once".to_owned()).unwrap());
    let twice = (both.clone(), bytes);
    let mut said = vec![pool.submit(described, both.clone()).join().unwrap()];
    let long: fn((Vec<u8>, _)) -> _ = |(_long, both)| described(both);
    let with_long = [100, 300_000].map(|long| (vec![7; long], both.clone()));
    said.extend(with_long.map(|with| pool.submit(long, with).join().unwrap()));
    said.extend(pool.map(described, [both.clone(), both]).map(Result::unwrap));
    said.push(pool.submit(|(both, _again)| described(both), twice).join().unwrap());
    said
}

/// In a process of its own: a pool whose first worker sees the arena and whose second does not.
fn half_blind(long: usize) -> (usize, usize, usize) {
    let pool = Pool::new(1).unwrap();
    let first = pool.submit(length, "x".repeat(long)).join().unwrap();
    assert_eq!(described_by(&pool), vec![(20_000, "once".to_owned(), true); 6]);
    hide();
    let dies: fn(()) = |()| std::process::abort();
    assert!(pool.submit(dies, ()).join().is_err());
    let second = pool.submit(length, "x".repeat(long)).join().unwrap();
    assert_eq!(described_by(&pool), vec![(20_000, "once".to_owned(), false); 6]);
    let blocks = pool.stats().arena_blocks;
    (first, second, blocks)
}

#[test]
fn a_worker_that_does_not_see_the_arena_gets_its_arguments_all_the_same() {
    let ended = crate::spawn(half_blind, 200_000).unwrap().join_timeout(BOUND);
    assert_eq!(ended.expect("it ends").unwrap(), (200_000, 200_000, 0));
}

/// A number, and what an item brings: mostly a buffer.
type Laden = (u64, Option<crate::Buffer>);

/// The number and the sum of the bytes, and whether they are copies.
fn weighed((x, bytes): Laden) -> (u64, bool) {
    let Some(bytes) = bytes else { return (x, false) };
    (x + bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>(), !bytes.is_shared())
}

/// Maps many items of which most bring buffers, as the first one's worker has seen to that they travel
/// together; how many of those came as copies. No more descriptors than for a few are open at a time.
fn mapped(pool: &Pool) -> u64 {
    let mut common = pool.buffer(10).unwrap();
    common.fill(1);
    let common = common.freeze();
    let before = descriptors();
    let (mut copies, mut most) = (0, 0);
    let items = (0..6_000).map(|x| {
        let bytes = match x % 4 {
            0 => None,
            1 => {
                let mut own = pool.buffer(5).unwrap();
                own.fill(2);
                Some(own.freeze())
            }
            _ => Some(common.clone()),
        };
        (x, bytes)
    });
    for (x, result) in (0..).zip(pool.map(weighed, items)) {
        let (found, is_copy) = result.unwrap();
        assert_eq!(found, x + if x % 4 == 0 { 0 } else { 10 });
        copies += u64::from(is_copy);
        most = most.max(descriptors());
    }
    // Some are sent, and some have ended and are about to be dropped.
    assert!(most <= before + 32, "{before} became {most}");
    drop(common);
    wait_until("nothing is left", || pool.stats().arena_blocks == 0);
    copies
}

#[test]
fn items_that_travel_together_go_one_by_one_to_a_worker_that_does_not_see_the_arena() {
    alone(|()| {
        let pool = Pool::new(1).unwrap();
        assert_eq!(mapped(&pool), 0);
        hide();
        pool.resize(2).unwrap();
        wait_until("the second one is ready", || pool.stats().ready == 2);
        let half = mapped(&pool);
        assert!((1..4_500).contains(&half), "{half} copies");
        let dies: fn(()) = |()| std::process::abort();
        while mapped(&pool) < 4_500 {
            // In the end it hits the one that sees it; others do not come.
            assert!(pool.submit(dies, ()).join().is_err());
        }
        pool.stats().failed < 40
    });
}

#[test]
fn a_worker_that_does_not_see_the_arena_is_sent_a_bounded_number_of_descriptors() {
    alone(|()| {
        hide();
        let pool = Pool::new(1).unwrap();
        let [entered, gate] = [(); 2].map(|()| Queue::bounded(64).unwrap());
        let gated =
            [(); 2].map(|()| pool.submit(held, (String::new(), entered.clone(), gate.clone())));
        entered.get_timeout(BOUND).unwrap();
        let calls: Vec<_> = (0..40).map(|_| pool.submit(length, long())).collect();
        let before = descriptors();
        gate.put(1).unwrap();
        entered.get_timeout(BOUND).unwrap();
        // Behind the second one, its worker gets its share of the others.
        wait_until("it is sent some", || descriptors() >= before + 8);
        // Whoever sends has the lock that this needs.
        assert_eq!(pool.stats().running, 1);
        let most = descriptors() - before;
        gate.put(1).unwrap();
        assert!(calls.into_iter().all(|call| ended(call).unwrap() == 100_000));
        assert!(gated.into_iter().all(|call| ended(call).unwrap() == 0));
        assert_eq!(most, 8);
        true
    });
}

#[test]
fn a_call_for_a_worker_that_does_not_see_the_arena_waits_for_a_descriptor() {
    alone(|()| {
        hide();
        let pool = Pool::new(1).unwrap();
        let [entered, gate] = [(); 2].map(|()| Queue::bounded(64).unwrap());
        let running = pool.submit(held, (long(), entered.clone(), gate.clone()));
        entered.get_timeout(BOUND).unwrap();
        let hoarded = hoard();
        let calls: Vec<_> = (0..3).map(|_| pool.submit(length, long())).collect();
        gate.put(1).unwrap();
        // The only descriptor that there is for them is that of the first one.
        assert!(calls.into_iter().all(|call| ended(call).unwrap() == 100_000));
        assert_eq!(ended(running).unwrap(), 100_000);
        // Somebody else takes it.
        let last = std::iter::from_fn(|| File::open("/dev/null").ok()).collect::<Vec<_>>();
        let error = ended(pool.submit(length, long())).unwrap_err();
        drop((hoarded, last));
        let told = matches!(&error, JoinError::Encode { side: Side::Parent, message, .. }
            if message.contains("no shared memory") && message.contains("ulimit -n"));
        assert!(told, "{error}");
        ended(pool.submit(length, long())).unwrap() == 100_000
    });
}

#[test]
fn what_needs_no_descriptor_elsewhere_waits_for_who_sees_the_arena() {
    alone(|()| {
        let pool = Pool::new(1).unwrap();
        let [entered, gate] = [(); 2].map(|()| Queue::bounded(64).unwrap());
        let running = pool.submit(held, (long(), entered.clone(), gate.clone()));
        entered.get_timeout(BOUND).unwrap();
        hide();
        pool.resize(2).unwrap();
        wait_until("the second one is ready", || pool.stats().ready == 2);
        let hoarded = hoard();
        let waits = pool.submit(length, long());
        let short: fn(u8) -> usize = usize::from;
        assert_eq!(ended(pool.submit(short, 5)).unwrap(), 5, "it passes by what waits");
        assert!(!waits.is_finished());
        gate.put(1).unwrap();
        assert_eq!(ended(waits).unwrap(), 100_000);
        drop(hoarded);
        ended(running).unwrap() == 100_000
    });
}
