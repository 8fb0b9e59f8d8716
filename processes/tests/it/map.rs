//! Many calls of one function.

use std::cell::Cell;

use processes::{JoinError, Pool};

use crate::support::{gated, gates, soon};

#[test]
fn results_come_in_order() {
    let pool = Pool::new(2).unwrap();
    let results: Result<Vec<u64>, JoinError> = pool.map(|x| x * 3, 0..1_000_u64).collect();
    assert_eq!(results.unwrap(), (0..1_000).map(|x| x * 3).collect::<Vec<_>>());
}

#[test]
fn unordered_results_are_the_same_set() {
    let pool = Pool::new(2).unwrap();
    let mut results: Vec<u64> =
        pool.map_unordered(|x| x * 3, 0..1_000_u64).map(Result::unwrap).collect();
    results.sort_unstable();
    assert_eq!(results, (0..1_000).map(|x| x * 3).collect::<Vec<_>>());
}

#[test]
fn an_endless_input_is_taken_only_as_far_as_the_buffer() {
    let pool = Pool::new(2).unwrap();
    let taken = Cell::new(0);
    let items = std::iter::from_fn(|| {
        taken.set(taken.get() + 1);
        Some(taken.get())
    });
    let mut results = pool.map(|x: u64| x, items).buffer(5);
    assert_eq!(taken.get(), 0, "nothing is sent before the first `next`");
    assert_eq!(results.next().unwrap().unwrap(), 1);
    assert_eq!(taken.get(), 5);
    assert_eq!(results.next().unwrap().unwrap(), 2);
    assert_eq!(taken.get(), 6);
}

#[test]
fn dropping_it_early_cancels_what_has_not_started() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let first = pool.submit(gated, (entered.clone(), gate.clone()));
    soon(&entered);
    let items = (0..10).map(|_| (entered.clone(), gate.clone()));
    let mut results = pool.map(gated, items);
    gate.put(0).unwrap();
    gate.put(1).unwrap();
    assert_eq!(results.next().unwrap().unwrap(), 1);
    first.join().unwrap();
    // One more may be running by now, and waits at the gate.
    drop(results);
    gate.put(2).unwrap();
    let stats = pool.stats();
    pool.shutdown();
    assert!(stats.cancelled >= 8, "{stats:?}");
}

#[test]
fn one_bad_item_does_not_spoil_the_others() {
    let pool = Pool::new(2).unwrap();
    let results: Vec<_> = pool
        .map(
            |x: u32| {
                assert_ne!(x, 3, "three is not welcome");
                x
            },
            0..6,
        )
        .collect();
    assert_eq!(results.len(), 6);
    for (x, result) in (0..).zip(results) {
        match result {
            Ok(value) => assert_eq!(value, x),
            Err(error) => assert!(x == 3 && matches!(error, JoinError::Panicked { .. })),
        }
    }
}
