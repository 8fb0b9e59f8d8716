//! Nothing is left behind.

use processes::{Lock, Pool, Queue, spawn};

use crate::support::{children, descriptors, wait_until};

/// What the first `spawn` opens and keeps: the supervisor's epoll set and bell, the receiver's
/// doorbell, and the two ends of the lifeline.
const SPAWN_DESCRIPTORS: usize = 5;

/// What this process has: descriptors and children.
fn have() -> (usize, usize) {
    (descriptors(), children().len())
}

#[test]
fn a_pool_leaves_neither_descriptors_nor_children() {
    fn round() {
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
    }
    let rounds: fn(()) -> [(usize, usize); 2] = |()| {
        round();
        let before = have();
        (0..5).for_each(|_| round());
        [before, have()]
    };
    let [before, after] = spawn(rounds, ()).unwrap().join().unwrap();
    assert_eq!(before, after, "(descriptors, children)");
}

#[test]
fn a_spawned_process_leaves_nothing_either() {
    let rounds: fn(()) -> bool = |()| {
        // The threads that serve spawned processes stay, with their descriptors. Cleaning up goes
        // on after `join`, so the count is waited for, and it must be the same after every round.
        let base = descriptors();
        for _ in 0..6 {
            spawn(|x: u8| x, 1).unwrap().join().unwrap();
            wait_until("everything is given back", || have() == (base + SPAWN_DESCRIPTORS, 0));
        }
        true
    };
    assert!(spawn(rounds, ()).unwrap().join().unwrap());
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
