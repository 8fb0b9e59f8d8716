//! Nothing is left behind.

use std::sync::atomic::{AtomicU64, Ordering};

use processes::{
    ActorRef, JoinError, Lock, Pool, Queue, Sender, SharedAtomics, channel, spawn, spawn_actor,
};

use crate::support::{
    BOUND, children, descriptors, gated, gates, is_alive, kill, signal, soon, state_of, wait_until,
};

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
fn channels_and_actors_leave_nothing_either() {
    fn use_both((send, actor): (Sender<u64>, ActorRef<u64>)) {
        send.send(actor.call(|n, x: u64| *n + x, 1).unwrap()).unwrap();
    }
    let rounds: fn(()) -> bool = |()| {
        let pool = Pool::new(1).unwrap();
        let round = || {
            let (send, receive) = channel(2).unwrap();
            let actor = spawn_actor(|n: u64| n, 6).unwrap();
            pool.submit(use_both, (send, actor.clone())).join().unwrap();
            assert_eq!(receive.iter().map(Result::unwrap).collect::<Vec<_>>(), [7]);
            let crash = actor.call(|_, ()| -> u64 { std::process::abort() }, ());
            assert!(crash.is_err() && actor.is_finished());
        };
        round();
        wait_until("the first actor's process is gone", || children().len() == 1);
        let before = have();
        (0..5).for_each(|_| round());
        wait_until("everything is given back", || have() == before);
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

/// What [`fill_a_ring`] shares with the test: how many calls were executed, by whom, and a gate.
type Shared = (SharedAtomics<AtomicU64>, Queue<u32>, Queue<u32>);

/// A parent whose worker has more results than there is room for.
#[expect(clippy::needless_pass_by_value, reason = "what is called owns its argument")]
fn fill_a_ring(shared: Shared) {
    let pool = Pool::new(1).unwrap();
    let long: fn((Shared, bool)) -> String = |((executed, entered, gate), first)| {
        if first {
            entered.put(std::process::id()).unwrap();
            gate.get().unwrap();
        }
        executed[0].fetch_add(1, Ordering::Relaxed);
        "x".repeat(16_000)
    };
    let calls: Vec<_> = (0..40).map(|n| pool.submit(long, (shared.clone(), n == 0))).collect();
    for call in calls {
        call.join().unwrap();
    }
}

#[test]
fn a_worker_that_waits_for_room_goes_with_its_parent() {
    let executed = SharedAtomics::<AtomicU64>::new(1).unwrap();
    let (entered, gate) = gates();
    let parent = spawn(fill_a_ring, (executed.clone(), entered.clone(), gate.clone())).unwrap();
    let (parent_pid, worker) = (parent.pid().unwrap(), soon(&entered));
    // A parent that is stopped takes no results out.
    signal(parent_pid, "-STOP");
    wait_until("the parent is stopped", || state_of(parent_pid) == "T");
    gate.put(0).unwrap();
    // Sixteen results fill the ring; the next one waits for room.
    wait_until("the ring is full", || {
        executed[0].load(Ordering::Relaxed) == 17 && state_of(worker) == "S"
    });
    assert!(is_alive(worker));
    kill(parent_pid);
    let error = parent.join_timeout(BOUND).unwrap().unwrap_err();
    assert!(matches!(error, JoinError::WorkerLost { signal: Some(9), .. }), "{error}");
    wait_until("the worker is gone", || !is_alive(worker));
    assert_eq!(executed[0].load(Ordering::Relaxed), 17);
}

/// What this process has: threads and descriptors.
fn threads_and_descriptors() -> (usize, usize) {
    (std::fs::read_dir("/proc/self/task").unwrap().count(), descriptors())
}

#[test]
fn a_pool_has_as_many_threads_and_descriptors_as_is_promised() {
    let counted: fn(()) -> bool = |()| {
        // The first one opens more: ipc-channel keeps two.
        Pool::new(1).unwrap().submit(|x: u8| x, 1).join().unwrap();
        let (entered, gate) = gates();
        for (workers, stderr_bytes, each) in [(1, 0, 4), (3, 0, 4), (2, 1_000, 5)] {
            let before = threads_and_descriptors();
            let has = |what: &str, threads, descriptors| {
                let expected = (before.0 + threads, before.1 + descriptors);
                wait_until(what, || threads_and_descriptors() == expected);
            };
            let builder = Pool::builder().workers(workers).capture_stderr(stderr_bytes);
            let pool = builder.build().unwrap();
            wait_until("they are ready", || pool.stats().ready == workers);
            has("an idle one", 2, 6 + each * workers);
            let calls: Vec<_> =
                (0..100).map(|_| pool.submit(gated, (entered.clone(), gate.clone()))).collect();
            soon(&entered);
            has("one with many calls", 2, 6 + each * workers);
            gate.put(1).unwrap();
            for _ in 1..calls.len() {
                soon(&entered);
                gate.put(1).unwrap();
            }
            let last = calls.into_iter().map(|call| call.join().unwrap()).last();
            let call = pool.submit(|x: u32| x, last.unwrap());
            call.on_done(|_outcome| ());
            assert_eq!(call.join().unwrap(), 1);
            has("one with a callback", 3, 6 + each * workers);
            pool.shutdown();
            has("none", 0, 0);
        }
        true
    };
    let counted = spawn(counted, ()).unwrap().join_timeout(5 * BOUND);
    assert!(counted.expect("it ends").unwrap());
}

#[test]
fn what_a_call_has_started_is_killed_with_its_worker() {
    let pool = Pool::new(1).unwrap();
    let started = Queue::bounded(1).unwrap();
    let starts: fn(Queue<u32>) = |started| {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        started.put(child.id()).unwrap();
        child.wait().unwrap();
    };
    let call = pool.submit(starts, started.clone());
    let child = soon(&started);
    assert!(is_alive(child));
    assert!(call.kill());
    call.join_timeout(BOUND).expect("it ends").unwrap_err();
    wait_until("its child is gone", || !is_alive(child));
}
