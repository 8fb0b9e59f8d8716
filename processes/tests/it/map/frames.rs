//! Many short calls travel together; each is on its own nevertheless.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use processes::{CallOptions, JoinError, Pool, Queue, Side};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::support::{BOUND, is_sanitized, wait_until};

/// After so many short calls, frames hold thousands.
pub(super) const WARM: u64 = 30_000;

/// A limit that ends a call that would hang.
pub(super) fn bounded() -> CallOptions {
    CallOptions::new().timeout(BOUND)
}

#[test]
fn a_hundred_thousand_results_come_once_and_in_order() {
    let pool = Pool::new(2).unwrap();
    for (n, value) in (0..).zip(pool.map(|x: u64| x * 3, 0..100_000_u64)) {
        assert_eq!(value.unwrap(), n * 3);
    }
    let mut seen = vec![0_u8; 100_000];
    for value in pool.map_unordered(|x: usize| x, 0..seen.len()) {
        seen[value.unwrap()] += 1;
    }
    assert!(seen.iter().all(|&times| times == 1));
    assert_eq!(pool.stats().done, 200_000);
}

#[test]
fn a_panic_is_that_of_one_item() {
    let pool = Pool::new(2).unwrap();
    let picky: fn(u64) -> u64 = |x| {
        assert_ne!(x % 10_000, 9_999, "not this one");
        x
    };
    let mut panicked = Vec::new();
    for (x, result) in (0..).zip(pool.map(picky, 0..WARM + 10_000)) {
        match result {
            Ok(value) => assert_eq!(value, x),
            Err(JoinError::Panicked { message, .. }) => {
                assert!(message.contains("not this one"), "{message}");
                panicked.push(x);
            }
            Err(other) => panic!("{x}: {other}"),
        }
    }
    assert_eq!(panicked, [9_999, 19_999, 29_999, 39_999]);
    assert_eq!((pool.stats().panicked, pool.stats().lost), (4, 0));
}

/// A number that cannot be encoded when its rest by 1,000 is 500, in the parent for an argument and
/// in the worker for a result, nor decoded when it is 700.
#[derive(Debug)]
struct Fragile(u64);

impl Serialize for Fragile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 1_000 == 500 {
            return Err(serde::ser::Error::custom("500 does not go in"));
        }
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Fragile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        if number % 1_000 == 700 {
            return Err(serde::de::Error::custom("700 does not come out"));
        }
        Ok(Self(number))
    }
}

#[test]
fn what_cannot_be_coded_fails_alone_and_says_where() {
    let pool = Pool::new(2).unwrap();
    let items = (0..WARM).map(Fragile);
    for (x, result) in (0..).zip(pool.map(|x: Fragile| Fragile(x.0 + 100), items)) {
        match (x % 1_000, result) {
            (500, Err(JoinError::Encode { side: Side::Parent, .. }))
            | (700, Err(JoinError::Decode { side: Side::Worker, .. }))
            | (400, Err(JoinError::Encode { side: Side::Worker, .. }))
            | (600, Err(JoinError::Decode { side: Side::Parent, .. })) => {}
            (400..=700, Err(error)) if x % 100 == 0 => panic!("{x}: {error}"),
            (_, result) => assert_eq!(result.unwrap().0, x + 100),
        }
    }
    assert_eq!(pool.stats().lost, 0);
}

#[test]
fn the_death_of_a_worker_is_that_of_one_item() {
    let pool = Pool::new(2).unwrap();
    let fatal: fn(u64) -> u64 = |x| if x % 10_000 == 9_999 { std::process::exit(7) } else { x };
    let mut lost = Vec::new();
    for (x, result) in (0..).zip(pool.map(fatal, 0..WARM + 10_000)) {
        match result {
            Ok(value) => assert_eq!(value, x),
            Err(JoinError::WorkerLost { exit_code: Some(7), .. }) => lost.push(x),
            Err(other) => panic!("{x}: {other}"),
        }
    }
    assert_eq!(lost, [9_999, 19_999, 29_999, 39_999]);
    let stats = pool.stats();
    assert_eq!((stats.failed, stats.lost, stats.done), (4, 4, WARM + 9_996));
}

/// Numbers up to [`WARM`] are returned; the one after that ends the process when it is called for
/// the first time, the next one each time.
fn mortal((x, folder): (u64, PathBuf)) -> u64 {
    let mark = folder.join("tried");
    if x == WARM && !mark.exists() {
        std::fs::write(&mark, "").unwrap();
        std::process::exit(1);
    }
    if x == WARM + 1 {
        std::process::exit(2);
    }
    x
}

#[test]
fn only_what_was_lost_is_run_again_if_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::new(2).unwrap();
    let items = (0..WARM + 100).map(|x| (x, folder.path().to_owned()));
    let results = pool.map(mortal, items).options(CallOptions::new().retries(2));
    for (x, result) in (0..).zip(results) {
        match result {
            Ok(value) => assert_eq!(value, x),
            Err(JoinError::Poison { attempts: 3, .. }) if x == WARM + 1 => {}
            Err(other) => panic!("{x}: {other}"),
        }
    }
    let stats = pool.stats();
    assert_eq!((stats.retried, stats.lost, stats.failed), (3, 4, 1));
}

#[test]
fn a_time_limit_is_for_each_item() {
    let pool = Pool::new(2).unwrap();
    let lazy: fn(u64) -> u64 = |x| {
        if x == WARM || x == WARM + 50 {
            loop {
                std::thread::park();
            }
        }
        x
    };
    // All others end within it, on any machine.
    let limit = Duration::from_secs(3);
    let results = pool.map(lazy, 0..WARM + 100).options(CallOptions::new().timeout(limit));
    for (x, result) in (0..).zip(results) {
        match result {
            Ok(value) => assert_eq!(value, x),
            Err(JoinError::TimedOut { .. }) => assert!(x == WARM || x == WARM + 50, "{x}"),
            Err(other) => panic!("{x}: {other}"),
        }
    }
    assert_eq!((pool.stats().failed, pool.stats().lost), (2, 2));
}

/// Waits for a file, which must come.
pub(super) fn wait_for(file: &Path) {
    wait_until("the file exists", || file.exists());
}

/// The number of an item, and a file.
pub(super) type Meeting = (u64, PathBuf);

#[test]
fn what_is_before_a_slow_item_comes_while_that_runs() {
    // Every ten thousandth item waits for the result of the one before it to have come.
    let slow: fn(Meeting) -> u64 = |(x, file)| {
        if x % 10_000 == 9_999 {
            wait_for(&file.with_extension(x.to_string()));
        }
        x
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let pool = Pool::new(1).unwrap();
    let items = (0..WARM + 10_000).map(|x| (x, file.clone()));
    for (x, result) in (0..).zip(pool.map(slow, items).options(bounded())) {
        assert_eq!(result.unwrap(), x);
        if x % 10_000 == 9_998 {
            std::fs::write(file.with_extension((x + 1).to_string()), "").unwrap();
        }
    }
}

#[test]
fn an_iterator_may_wait_for_what_its_own_items_do() {
    let touch: fn(Meeting) -> u64 = |(x, file)| {
        if x >= WARM {
            std::fs::write(file.with_extension(x.to_string()), "").unwrap();
        }
        x
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let pool = Pool::new(2).unwrap();
    let items = (0..WARM + 10).map(|x| {
        if x > WARM {
            wait_for(&file.with_extension((x - 1).to_string()));
        }
        (x, file.clone())
    });
    for (x, result) in (0..).zip(pool.map(touch, items).options(bounded())) {
        assert_eq!(result.unwrap(), x);
    }
}

#[test]
fn an_iterator_that_panics_loses_nothing_but_that_item() {
    let pool = Pool::new(2).unwrap();
    let items = (0..WARM).inspect(|&x| assert_ne!(x, WARM - 2, "no such item"));
    let mut results = pool.map(|x: u64| x, items);
    let (mut got, mut panics) = (Vec::new(), 0);
    loop {
        let next = std::panic::AssertUnwindSafe(|| results.next());
        match std::panic::catch_unwind(next) {
            Ok(Some(result)) => got.push(result.unwrap()),
            Ok(None) => break,
            Err(_) => panics += 1,
        }
    }
    let expected: Vec<_> = (0..WARM).filter(|&x| x != WARM - 2).collect();
    assert!(got == expected && panics == 1, "{} results, {panics} panics", got.len());
}

#[test]
fn dropping_it_in_the_middle_of_a_frame_cancels_the_rest_of_that() {
    let pool = Pool::new(2).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("go");
    let slow: fn(Meeting) -> u64 = |(x, file)| {
        if x >= WARM {
            wait_for(&file);
        }
        x
    };
    let items = (0..10 * WARM).map(|x| (x, file.clone()));
    let mut results = pool.map(slow, items);
    for x in 0..WARM {
        assert_eq!(results.next().unwrap().unwrap(), x);
    }
    wait_until("both workers wait", || pool.stats().running == 2);
    drop(results);
    std::fs::write(&file, "").unwrap();
    wait_until("nothing is left", || pool.stats().queued + pool.stats().running == 0);
    let stats = pool.stats();
    assert!(stats.cancelled > 0, "{stats:?}");
    assert!(stats.done <= WARM + 2 + 16 * 2 + stats.cancelled, "{stats:?}");
    assert_eq!(pool.submit(|x: u8| x, 1).join().unwrap(), 1);
}

#[test]
fn a_forgotten_map_does_not_hold_up_the_shutdown() {
    if is_sanitized("a leak on purpose") {
        return;
    }
    let start = || {
        let pool = Pool::new(2).unwrap();
        let mut results = pool.map(|x: u64| x, 0..10 * WARM);
        for x in 0..WARM {
            assert_eq!(results.next().unwrap().unwrap(), x);
        }
        std::mem::forget(results);
        pool
    };
    let began = Instant::now();
    start().shutdown();
    let _unrun = start().shutdown_now();
    assert!(began.elapsed() < BOUND);
}

#[test]
fn long_items_go_among_short_ones() {
    let pool = Pool::new(2).unwrap();
    let sizes = [0, 1, 250, 16_370, 16_380, 16_390, 30_000, 65_500, 65_536, 300_000];
    let size_of = |n: usize| if n.is_multiple_of(97) { sizes[n / 97 % sizes.len()] } else { n % 5 };
    let items = (0..5_000).map(|n| vec![u8::try_from(n % 251).unwrap(); size_of(n)]);
    for (n, result) in (0..).zip(pool.map(|bytes: Vec<u8>| bytes, items)) {
        let bytes = result.unwrap();
        assert_eq!(bytes.len(), size_of(n), "{n}");
        assert!(bytes.iter().all(|&byte| usize::from(byte) == n % 251), "{n}");
    }
}

#[test]
fn shared_objects_go_among_short_items() {
    let pool = Pool::new(2).unwrap();
    let queue = Queue::bounded(100).unwrap();
    let items = (0..2_000_u64).map(|x| (x, (x % 100 == 99).then(|| queue.clone())));
    let put: fn((u64, Option<Queue<u64>>)) -> u64 = |(x, queue)| {
        if let Some(queue) = queue {
            queue.put(x).unwrap();
        }
        x
    };
    for (x, result) in (0..).zip(pool.map(put, items)) {
        assert_eq!(result.unwrap(), x);
    }
    assert_eq!(queue.len(), 20);
}

#[test]
fn maps_in_maps() {
    let pool = Pool::new(2).unwrap();
    let inner: fn(u64) -> u64 = |n| {
        let pool = Pool::new(1).unwrap();
        pool.map(|x: u64| x + 1, 0..n).map(Result::unwrap).sum()
    };
    let sums: Vec<u64> = pool.map(inner, [0, 10, 20_000]).map(Result::unwrap).collect();
    assert_eq!(sums, [0, 55, 200_010_000]);
}

#[test]
fn without_workers_all_items_say_why() {
    let init: fn(()) -> Result<(), String> = |()| Err("no such luck".to_owned());
    let pool = Pool::builder().workers(2).initializer(init, ()).build().unwrap();
    let results: Vec<_> = pool.map(|x: u64| x, 0..1_000).collect();
    assert_eq!(results.len(), 1_000);
    for result in results {
        let error = result.unwrap_err();
        assert!(error.to_string().contains("no such luck"), "{error}");
    }
}

#[test]
fn a_worker_executes_no_more_items_than_it_may() {
    let pool = Pool::builder().workers(2).max_calls_per_worker(7_000).build().unwrap();
    let mut executed = std::collections::HashMap::new();
    for pid in pool.map(|_: u64| std::process::id(), 0..WARM) {
        *executed.entry(pid.unwrap()).or_insert(0_u32) += 1;
    }
    assert!(executed.len() >= 5 && executed.values().all(|&items| items <= 7_000), "{executed:?}");
    assert_eq!(pool.stats().lost, 0);
}
