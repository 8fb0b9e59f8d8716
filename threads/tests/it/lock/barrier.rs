//! Barriers (after CPython's `BarrierTests`).

use crate::support::{LIMIT, in_time, until};
use std::io::ErrorKind::InvalidInput;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;
use threads::{Barrier, BarrierError, MAX_PARTIES};

/// Has `n` threads wait, runs `then` when they do, and gives their results.
fn outcomes(barrier: &Barrier, n: usize, then: impl FnOnce()) -> Vec<Result<usize, BarrierError>> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..n).map(|_| scope.spawn(|| barrier.wait())).collect();
        until("they wait", || barrier.n_waiting() == n);
        then();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn absurd_numbers_are_refused() {
    assert_eq!(Barrier::new(0).unwrap_err().kind(), InvalidInput);
    assert_eq!(Barrier::new(MAX_PARTIES + 1).unwrap_err().kind(), InvalidInput);
    assert_eq!(Barrier::with_action(0, || ()).unwrap_err().kind(), InvalidInput);
}

#[test]
fn one_party_never_waits() {
    let barrier = Barrier::new(1).unwrap();
    assert_eq!((barrier.wait(), barrier.wait_timeout(Duration::ZERO)), (Ok(0), Ok(0)));
    assert_eq!((barrier.parties(), barrier.n_waiting()), (1, 0));
}

#[test]
fn many_rounds_each_with_its_action() {
    const PARTIES: usize = 4;
    const ROUNDS: usize = 300;
    in_time(|| {
        let actions = Arc::new(AtomicUsize::new(0));
        let places = AtomicUsize::new(0);
        let count = Arc::clone(&actions);
        let barrier = Barrier::with_action(PARTIES, move || {
            count.fetch_add(1, SeqCst);
        });
        let barrier = barrier.unwrap();
        thread::scope(|scope| {
            for _ in 0..PARTIES {
                scope.spawn(|| {
                    for round in 0..ROUNDS {
                        let place = barrier.wait_timeout(LIMIT).unwrap();
                        assert!(actions.load(SeqCst) > round, "the action comes first");
                        assert!(actions.load(SeqCst) <= round + 2, "nobody is a round ahead");
                        places.fetch_add(place, SeqCst);
                    }
                });
            }
        });
        assert_eq!(actions.load(SeqCst), ROUNDS);
        assert_eq!(places.into_inner(), ROUNDS * (PARTIES * (PARTIES - 1) / 2));
    });
}

#[test]
fn a_time_limit_breaks_it_for_all() {
    in_time(|| {
        let barrier = Barrier::new(4).unwrap();
        let results = outcomes(&barrier, 2, || {
            let late = barrier.wait_timeout(Duration::from_millis(2));
            assert_eq!(late, Err(BarrierError::TimedOut));
        });
        assert_eq!(results, [Err(BarrierError::Broken); 2]);
        assert!(barrier.is_broken());
        assert_eq!(barrier.wait(), Err(BarrierError::Broken));
        assert_eq!(barrier.n_waiting(), 0);
        barrier.reset();
        assert!(!barrier.is_broken());
        let last = || assert_eq!(barrier.wait(), Ok(3));
        assert_eq!(outcomes(&barrier, 3, last).iter().filter(|result| result.is_ok()).count(), 3);
    });
}

#[test]
fn abort_and_reset() {
    in_time(|| {
        let barrier = Barrier::new(3).unwrap();
        assert_eq!(outcomes(&barrier, 2, || barrier.abort()), [Err(BarrierError::Broken); 2]);
        assert_eq!(barrier.wait_timeout(LIMIT), Err(BarrierError::Broken));
        barrier.reset();
        assert_eq!(outcomes(&barrier, 2, || barrier.reset()), [Err(BarrierError::Broken); 2]);
        assert!(!barrier.is_broken(), "only that round was");
        let last = || assert_eq!(barrier.wait(), Ok(2));
        assert!(outcomes(&barrier, 2, last).iter().all(Result::is_ok));
    });
}

#[test]
fn a_panic_of_the_action_breaks_it() {
    in_time(|| {
        let barrier = Barrier::with_action(2, || panic!("action")).unwrap();
        let results = outcomes(&barrier, 1, || {
            assert!(catch_unwind(AssertUnwindSafe(|| barrier.wait())).is_err());
        });
        assert_eq!(results, [Err(BarrierError::Broken)]);
        assert!(barrier.is_broken());
    });
}

/// While the action runs: nobody's time is over, newcomers belong to the next round, and an
/// abort breaks the round.
#[test]
fn while_the_action_runs() {
    in_time(|| {
        let (begun, seen) = mpsc::channel();
        let (open, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let barrier = Barrier::with_action(2, move || {
            begun.send(()).unwrap();
            gate.lock().unwrap().recv().unwrap();
        });
        let barrier = barrier.unwrap();
        for broken in [false, true] {
            thread::scope(|scope| {
                let first = scope.spawn(|| barrier.wait_timeout(LIMIT));
                until("it waits", || barrier.n_waiting() == 1);
                let last = scope.spawn(|| barrier.wait());
                seen.recv_timeout(LIMIT).unwrap();
                if broken {
                    barrier.abort();
                } else {
                    let newcomer = barrier.wait_timeout(Duration::from_millis(2));
                    assert_eq!(newcomer, Err(BarrierError::TimedOut));
                }
                open.send(()).unwrap();
                for thread in [first, last] {
                    assert_eq!(thread.join().unwrap().is_err(), broken);
                }
            });
        }
    });
}

/// The action would wait for its own end.
#[test]
fn the_action_cannot_wait_at_its_own_barrier() {
    in_time(|| {
        let this = Arc::new(Mutex::new(None::<Barrier>));
        let own = Arc::clone(&this);
        // Taken out: a barrier that is kept in its own action is never freed.
        let barrier = Barrier::with_action(1, move || {
            let barrier = own.lock().unwrap().take();
            barrier.unwrap().wait().unwrap();
        });
        let barrier = barrier.unwrap();
        *this.lock().unwrap() = Some(barrier.clone());
        assert!(catch_unwind(AssertUnwindSafe(|| barrier.wait())).is_err());
        assert!(barrier.is_broken());
    });
}
