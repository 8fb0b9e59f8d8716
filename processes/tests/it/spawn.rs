//! A process of its own.

mod builder;

use processes::{JoinError, Queue, spawn};

use crate::support::{children, gated, gates, is_alive, soon, wait_until};

#[test]
fn it_runs_and_ends() {
    let call = spawn(|x: u64| (x + 1, std::process::id()), 1).unwrap();
    let (value, pid) = call.join().unwrap();
    assert_eq!(value, 2);
    wait_until("the process ended with its call", || !is_alive(pid));
}

#[test]
fn it_can_be_killed() {
    let (entered, gate) = gates();
    let call = spawn(gated, (entered.clone(), gate)).unwrap();
    assert_eq!(Some(soon(&entered)), call.pid());
    assert!(call.kill());
    assert!(matches!(call.join(), Err(JoinError::WorkerLost { signal: Some(9), .. })));
}

#[test]
fn it_can_be_killed_before_it_has_started() {
    let (entered, gate) = gates();
    let call = spawn(gated, (entered, gate)).unwrap();
    assert!(call.kill());
    assert!(matches!(call.join(), Err(JoinError::WorkerLost { .. })));
}

#[test]
fn many_at_once() {
    let queue = Queue::<u32>::bounded(64).unwrap();
    let calls: Vec<_> = (0..16)
        .map(|x| spawn(|(queue, x): (Queue<u32>, u32)| queue.put(x).unwrap(), (queue.clone(), x)))
        .collect::<Result<_, _>>()
        .unwrap();
    for call in calls {
        call.join().unwrap();
    }
    let mut seen: Vec<_> = (0..16).map(|_| queue.try_get().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..16).collect::<Vec<_>>());
}

#[test]
fn one_that_is_cancelled_before_it_begins_ends_too() {
    let rounds: fn(()) -> u32 = |()| {
        let mut cancelled = 0;
        for _ in 0..40 {
            let call = spawn(|x: u8| x, 1).unwrap();
            // A call can be cancelled between its arrival and its start: a short moment.
            while !call.is_finished() {
                if call.cancel() {
                    cancelled += 1;
                }
            }
        }
        wait_until("all processes are gone", || children().is_empty());
        cancelled
    };
    spawn(rounds, ()).unwrap().join().unwrap();
}
