//! What is wrong with ipc-channel 0.23.1, and does not reach whoever uses a pool: one test for each
//! defect. That `IpcOneShotServer::accept` waits for ever for a child that has died is under test where
//! workers die as they start.

use processes::{JoinError, Pool, Queue, Side, spawn};
use serde::{Deserialize, Serialize, Serializer};

use crate::support::{BOUND, Stopped, descriptors, kill, signal, soon, wait_until};

/// What cannot be encoded.
#[derive(Debug, Deserialize)]
struct Bad;

impl Serialize for Bad {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("as it is to be"))
    }
}

/// A queue of its own.
fn queue() -> Queue<u32> {
    Queue::bounded(1).unwrap()
}

/// "A failed serialise leaks descriptors into the thread's next message."
#[test]
fn an_argument_that_fails_leaves_nothing_to_the_next() {
    let rounds: fn(()) -> (usize, usize) = |()| {
        let pool = Pool::new(1).unwrap();
        let round = || {
            let call = pool.submit(|(_, _): (Queue<u32>, Bad)| (), (queue(), Bad));
            let failed = call.join();
            assert!(matches!(failed, Err(JoinError::Encode { side: Side::Parent, .. })));
            assert_eq!(pool.submit(|x: u64| x, 5).join().unwrap(), 5);
        };
        round();
        let before = descriptors();
        (0..50).for_each(|_| round());
        (before, descriptors())
    };
    let (before, after) = spawn(rounds, ()).unwrap().join().unwrap();
    assert_eq!(before, after);
}

/// "Dropping an undecoded message leaks its descriptors."
#[test]
fn results_that_nobody_takes_leave_no_descriptors() {
    let rounds: fn(()) -> (usize, usize) = |()| {
        let pool = Pool::new(1).unwrap();
        let round = || {
            // A result of this size travels as a descriptor.
            drop(pool.submit(|size: usize| "x".repeat(size), 1 << 20));
            pool.submit(|()| (), ()).join().unwrap();
        };
        round();
        let before = descriptors();
        (0..50).for_each(|_| round());
        (before, descriptors())
    };
    let (before, after) = spawn(rounds, ()).unwrap().join().unwrap();
    assert_eq!(before, after);
}

/// "Over 64 descriptors panics."
#[test]
fn a_call_may_have_more_than_64_descriptors() {
    let pool = Pool::new(1).unwrap();
    let count: fn(Vec<Queue<u32>>) -> usize = |queues| {
        for queue in &queues {
            queue.put(1).unwrap();
        }
        queues.len()
    };
    let queues: Vec<_> = (0..150).map(|_| queue()).collect();
    let call = pool.submit(count, queues.clone());
    assert_eq!(call.join_timeout(BOUND).expect("it ends").unwrap(), 150);
    assert!(queues.iter().all(|queue| queue.len() == 1), "each came to where it belongs");
}

/// "`try_recv_timeout` does not cover fragmented messages", and "`send` blocks".
#[test]
fn a_stopped_worker_holds_up_neither_submit_nor_join_timeout() {
    let pool = Pool::new(1).unwrap();
    let worker = pool.submit(|()| std::process::id(), ()).join().unwrap();
    let stopped = Stopped::new(worker);
    let large = "x".repeat(1 << 20);
    let calls: Vec<_> = (0..50).map(|_| pool.submit(|text: String| text, large.clone())).collect();
    let small: Vec<_> = (0..2_000_u64).map(|x| pool.submit(|x| x, x)).collect();
    let short = std::time::Duration::from_millis(20);
    let calls: Vec<_> = calls
        .into_iter()
        .map(|call| call.join_timeout(short).expect_err("its worker is stopped"))
        .collect();
    drop(stopped);
    for call in calls {
        assert!(call.join_timeout(BOUND).expect("it goes on").unwrap() == large);
    }
    for (x, call) in (0..).zip(small) {
        assert_eq!(call.join_timeout(BOUND).expect("it goes on").unwrap(), x);
    }
}

/// "A sender killed inside a large message yields a false `Disconnected`."
#[test]
fn a_worker_killed_inside_a_large_result_harms_no_other() {
    let pool = Pool::new(2).unwrap();
    let large: fn((Queue<u32>, usize)) -> String = |(begun, size)| {
        begun.put(std::process::id()).unwrap();
        "x".repeat(size)
    };
    for round in 0..20_u32 {
        let begun = queue();
        let call = pool.submit(large, (begun.clone(), 8 << 20));
        let others: Vec<_> = (0..20).map(|x| pool.submit(|x: u32| x, x)).collect();
        let worker = soon(&begun);
        // At another point of the way each time.
        (0..round * 2_000).for_each(|x| _ = std::hint::black_box(x));
        kill(worker);
        match call.join_timeout(BOUND).expect("it is settled") {
            Ok(text) => assert_eq!(text.len(), 8 << 20),
            Err(error) => assert!(matches!(error, JoinError::WorkerLost { .. }), "{error}"),
        }
        for (x, other) in (0..).zip(others) {
            match other.join_timeout(BOUND).expect("it is settled") {
                Ok(value) => assert_eq!(value, x),
                // It may have been the one that was executed when the kill came.
                Err(error) => assert!(matches!(error, JoinError::WorkerLost { .. }), "{error}"),
            }
        }
        wait_until("both workers are there", || pool.stats().ready == 2);
    }
}

/// "EINTR surfaces": system calls of a process that is stopped and goes on are interrupted.
#[test]
fn a_parent_that_is_stopped_and_goes_on_loses_nothing() {
    let parent: fn(Queue<u32>) -> u32 = |begun| {
        let pool = Pool::new(2).unwrap();
        begun.put(std::process::id()).unwrap();
        let results = (0..5_000).map(|x| pool.submit(|x: u32| x, x).join().unwrap());
        results.zip(0..).map(|(found, x)| u32::from(found == x)).sum()
    };
    let begun = queue();
    let call = spawn(parent, begun.clone()).unwrap();
    let pid = soon(&begun);
    for _ in 0..20 {
        if !call.is_finished() {
            drop(Stopped::new(pid));
        }
    }
    signal(pid, "-CONT");
    assert_eq!(call.join_timeout(BOUND).expect("it ends").unwrap(), 5_000);
}

/// "A 3-byte message holds a 212 KB buffer", and "one `select()` can return 23,000 messages".
#[test]
fn results_that_wait_to_be_taken_are_as_large_as_they_are() {
    let keep: fn(()) -> (u64, u64) = |()| {
        let pool = Pool::new(1).unwrap();
        pool.submit(|x: u8| x, 1).join().unwrap();
        let before = mapped_kib();
        let calls: Vec<_> = (0..20_000).map(|x: u32| pool.submit(|x| x, x)).collect();
        wait_until("all are done", || calls.iter().all(processes::JoinHandle::is_finished));
        let after = mapped_kib();
        for (x, call) in (0..).zip(calls) {
            assert_eq!(call.join().unwrap(), x);
        }
        (before, after)
    };
    let (before, after) = spawn(keep, ()).unwrap().join().unwrap();
    // With such a buffer for each it would be four times as much.
    assert!(after < before + (1 << 20), "{before} KiB became {after} KiB");
}

/// The most that this process has had mapped, in KiB.
fn mapped_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
