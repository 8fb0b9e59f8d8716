//! Barriers.

use std::io::ErrorKind::InvalidInput;
use std::time::Duration;

use processes::{Barrier, BarrierError, JoinHandle, Lock, MAX_PARTIES, Pool, Queue, spawn};

use crate::support::{BOUND, Stopped, gates, kill, soon, wait_until};

const SHORT: Duration = Duration::from_millis(20);

/// How a process got on at a barrier.
type Outcome = Result<usize, BarrierError>;

/// `N` processes that wait, with their numbers.
fn parties<const N: usize>(barrier: &Barrier) -> [(u32, JoinHandle<Outcome>); N] {
    let before = barrier.n_waiting();
    let (entered, _gate) = gates();
    let wait: fn((Barrier, Queue<u32>)) -> Outcome = |(barrier, entered)| {
        entered.put(std::process::id()).unwrap();
        barrier.wait()
    };
    let started = [(); N].map(|()| {
        let call = spawn(wait, (barrier.clone(), entered.clone())).unwrap();
        (soon(&entered), call)
    });
    wait_until("they wait", || barrier.n_waiting() == before + N);
    started
}

fn result<R: serde::de::DeserializeOwned>(call: JoinHandle<R>) -> R {
    call.join_timeout(BOUND).expect("it ends").unwrap()
}

#[test]
fn absurd_numbers_are_refused() {
    assert_eq!(Barrier::new(0).unwrap_err().kind(), InvalidInput);
    assert_eq!(Barrier::new(MAX_PARTIES + 1).unwrap_err().kind(), InvalidInput);
}

#[test]
fn one_party_never_waits() {
    let barrier = Barrier::new(1).unwrap();
    assert_eq!((barrier.wait(), barrier.wait_timeout(Duration::ZERO)), (Ok(0), Ok(0)));
    assert_eq!((barrier.parties(), barrier.n_waiting()), (1, 0));
}

#[test]
fn nobody_is_a_round_ahead() {
    const ROUNDS: u64 = 200;
    let pool = Pool::new(3).unwrap();
    let (barrier, come) = (Barrier::new(3).unwrap(), Lock::new(0_u64).unwrap());
    let meet: fn((Barrier, Lock<u64>)) -> u64 = |(barrier, come)| {
        let mut places = 0;
        for round in 1..=ROUNDS {
            *come.lock().unwrap() += 1;
            places += barrier.wait_timeout(BOUND).unwrap() as u64;
            let come = *come.lock().unwrap();
            assert!((3 * round..3 * round + 3).contains(&come), "{come} in round {round}");
        }
        places
    };
    let calls: Vec<_> =
        (0..3).map(|_| pool.submit(meet, (barrier.clone(), come.clone()))).collect();
    assert_eq!(calls.into_iter().map(result).sum::<u64>(), ROUNDS * 3);
}

#[test]
fn a_time_limit_breaks_it_for_all() {
    let barrier = Barrier::new(4).unwrap();
    let waiting = parties::<2>(&barrier);
    assert_eq!(barrier.wait_timeout(SHORT), Err(BarrierError::TimedOut));
    for (_pid, call) in waiting {
        assert_eq!(result(call), Err(BarrierError::Broken));
    }
    assert!(barrier.is_broken());
    assert_eq!(barrier.wait(), Err(BarrierError::Broken));
    assert_eq!(barrier.n_waiting(), 0);
    barrier.reset();
    assert!(!barrier.is_broken());
    let waiting = parties::<3>(&barrier);
    assert_eq!(barrier.wait_timeout(BOUND), Ok(3));
    let mut places = waiting.map(|(_pid, call)| result(call).unwrap());
    places.sort_unstable();
    assert_eq!(places, [0, 1, 2]);
}

#[test]
fn abort_and_reset() {
    let barrier = Barrier::new(2).unwrap();
    let [(_, call)] = parties::<1>(&barrier);
    barrier.abort();
    barrier.abort();
    assert_eq!(result(call), Err(BarrierError::Broken));
    assert_eq!(barrier.wait_timeout(BOUND), Err(BarrierError::Broken));
    barrier.reset();
    let [(_, call)] = parties::<1>(&barrier);
    barrier.reset();
    assert_eq!(result(call), Err(BarrierError::Broken));
    assert!(!barrier.is_broken(), "only that round was");
    let [(_, call)] = parties::<1>(&barrier);
    assert_eq!(barrier.wait(), Ok(1));
    assert_eq!(result(call), Ok(0));
}

#[test]
fn a_killed_waiter_has_come_and_a_stopped_one_learns_how_it_ended() {
    let barrier = Barrier::new(4).unwrap();
    let [(killed, first), (stopped, second)] = parties::<2>(&barrier);
    kill(killed);
    first.join().unwrap_err();
    let stop = Stopped::new(stopped);
    let [(_, third)] = parties::<1>(&barrier);
    assert_eq!(barrier.wait_timeout(BOUND), Ok(3));
    assert_eq!(result(third), Ok(2));
    barrier.abort();
    drop(stop);
    assert_eq!(result(second), Ok(1), "its own round was passed");
}

#[test]
fn it_survives_processes_that_are_killed_inside_of_it() {
    let barrier = Barrier::new(2).unwrap();
    let hammer: fn((Barrier, Queue<u32>)) = |(barrier, entered)| {
        entered.put(std::process::id()).unwrap();
        loop {
            if barrier.wait_timeout(Duration::from_micros(200)).is_err() {
                barrier.reset();
            }
        }
    };
    for _ in 0..20 {
        let (entered, _gate) = gates();
        let victims = [(); 3].map(|()| spawn(hammer, (barrier.clone(), entered.clone())).unwrap());
        for _ in &victims {
            soon(&entered);
        }
        for _ in 0..50 {
            barrier.wait_timeout(SHORT).ok();
        }
        for victim in victims {
            victim.kill();
            victim.join().unwrap_err();
        }
        barrier.reset();
        let [(_, call)] = parties::<1>(&barrier);
        assert_eq!(barrier.wait_timeout(BOUND), Ok(1));
        assert_eq!(result(call), Ok(0));
    }
}
