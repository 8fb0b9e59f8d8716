//! Frames of items that are cut, as somebody has nothing to do.

use std::time::{Duration, Instant};

use processes::Pool;

use super::frames::{Meeting, WARM, bounded, wait_for};
use crate::support::wait_until;

#[test]
fn what_is_behind_a_slow_item_is_taken_from_it() {
    // Each of the two waits for what the item behind it does.
    let meet: fn(Meeting) -> u64 = |(x, file)| {
        match x.checked_sub(WARM) {
            Some(0) => wait_for(&file.with_extension("one")),
            Some(1) => std::fs::write(file.with_extension("one"), "").unwrap(),
            Some(300) => wait_for(&file.with_extension("two")),
            Some(301) => std::fs::write(file.with_extension("two"), "").unwrap(),
            _ => {}
        }
        x
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    // Two may wait at the same time, and somebody has to work.
    let pool = Pool::new(3).unwrap();
    let items = (0..WARM + 1_000).map(|x| (x, file.clone()));
    for (x, result) in (0..).zip(pool.map(meet, items).options(bounded())) {
        assert_eq!(result.unwrap(), x);
    }
    assert_eq!(pool.stats().lost, 0);
}

#[test]
fn what_is_behind_a_slow_item_is_taken_from_it_when_nothing_else_happens() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    // The first one waits until those behind it have left their files.
    let work: fn(Meeting) -> u64 = |(x, file)| {
        match x.checked_sub(WARM) {
            Some(0) => wait_for(&file.with_extension("go")),
            Some(number) => std::fs::write(file.with_extension(number.to_string()), "").unwrap(),
            None => {}
        }
        x
    };
    let pool = Pool::new(2).unwrap();
    let (mut x, mut taken_in_time) = (0, false);
    // Nobody knows where it ends, so the last ones travel with those that never come.
    let items = std::iter::from_fn(|| {
        if x == WARM {
            wait_until("both are idle", || pool.stats().done == WARM);
        }
        if x > WARM + 50 {
            // Long before the pool looks after its workers in any case, as it does after ten seconds.
            let begin = Instant::now();
            let is_there = |number: u64| file.with_extension(number.to_string()).exists();
            while !taken_in_time && begin.elapsed() < Duration::from_secs(8) {
                taken_in_time = (1..=50).all(is_there);
                std::thread::yield_now();
            }
            std::fs::write(file.with_extension("go"), "").unwrap();
            return None;
        }
        x += 1;
        Some((x - 1, file.clone()))
    });
    for (x, result) in (0..).zip(pool.map(work, items)) {
        assert_eq!(result.unwrap(), x);
    }
    assert!(taken_in_time, "they wait for the slow one");
}
