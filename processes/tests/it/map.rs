//! Many calls of one function.

mod buffers;
mod cuts;
mod frames;
mod kills;

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use processes::Pool;

use crate::support::{BOUND, gated, gates, soon};

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

/// How many calls this worker has executed before.
fn executed_before((): ()) -> u64 {
    static EXECUTED: AtomicU64 = AtomicU64::new(0);
    EXECUTED.fetch_add(1, Ordering::Relaxed)
}

/// As many items without bytes as frames hold, one by one; in a process of its own: a pool whose worker
/// does not come to an end would hold up the test for ever.
fn count_items_without_bytes((): ()) {
    let pool = Pool::new(1).unwrap();
    // After some ten thousand, frames hold thousands.
    let count = 90_000;
    let items = || std::iter::repeat_n((), usize::try_from(count).unwrap());
    let mut results = pool.map(executed_before, items());
    for expected in 0..count {
        let result = results.next_timeout(BOUND).expect("each item is executed").unwrap();
        assert_eq!(result.unwrap(), expected, "and once");
    }
    assert!(results.next().is_none());
    let (mut ordered, mut unordered) =
        (pool.map(|()| (), items()), pool.map_unordered(|()| (), items()));
    for _ in 0..count {
        assert!(matches!(ordered.next_timeout(BOUND), Ok(Some(Ok(())))));
        assert!(matches!(unordered.next_timeout(BOUND), Ok(Some(Ok(())))));
    }
    assert!(ordered.next().is_none() && unordered.next().is_none());
    let again = pool.submit(executed_before, ()).join().unwrap();
    assert_eq!(again, count);
}

#[test]
fn items_and_results_without_bytes_are_counted() {
    let counted = processes::spawn(count_items_without_bytes, ()).unwrap();
    counted.join_timeout(4 * BOUND).expect("it ends").unwrap();
}
