//! Many calls of one function.

mod frames;
mod kills;

use std::cell::Cell;

use processes::Pool;

use crate::support::{gated, gates, soon};

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
