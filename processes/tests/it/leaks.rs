//! Nothing is left behind.

use processes::{Lock, Pool, Queue, spawn};

use crate::support::{BOUND, children, descriptors, wait_until};

/// Runs `round` several times in this process and compares what it has before and after.
fn repeat(round: fn()) -> Result<(), String> {
    round();
    let before = (descriptors(), children().len());
    for _ in 0..5 {
        round();
    }
    let after = (descriptors(), children().len());
    if before == after { Ok(()) } else { Err(format!("{before:?} became {after:?}")) }
}

#[test]
fn a_pool_leaves_neither_descriptors_nor_children() {
    let round = |()| {
        repeat(|| {
            let pool = Pool::new(2).unwrap();
            let queue = Queue::<u8>::bounded(2).unwrap();
            let lock = Lock::new(0_u8).unwrap();
            let both: fn((Queue<u8>, Lock<u8>)) = |(queue, lock)| {
                *lock.lock().unwrap() += 1;
                queue.put(1).unwrap();
            };
            pool.submit(both, (queue.clone(), lock.clone())).join().unwrap();
            pool.submit(|text: String| text, "x".repeat(1 << 17)).join().unwrap();
            pool.submit(|()| std::process::abort(), ()).join().unwrap_or(());
        })
    };
    spawn(round, ()).unwrap().join_timeout(BOUND).unwrap().unwrap().unwrap();
}

#[test]
fn a_spawned_process_leaves_nothing_either() {
    let round = |()| {
        repeat(|| {
            spawn(|x: u8| x, 1).unwrap().join().unwrap();
            wait_until("it is reaped", || children().is_empty());
        })
    };
    spawn(round, ()).unwrap().join_timeout(BOUND).unwrap().unwrap().unwrap();
}

#[test]
fn a_worker_forgets_what_the_parent_has_dropped() {
    let pool = Pool::new(1).unwrap();
    let use_it: fn(Queue<u8>) -> usize = |queue| {
        queue.put(1).unwrap();
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    };
    let counts: Vec<_> =
        (0..50).map(|_| pool.submit(use_it, Queue::bounded(1).unwrap()).join().unwrap()).collect();
    assert!(counts[49] <= counts[5] + 4, "{counts:?}");
}
