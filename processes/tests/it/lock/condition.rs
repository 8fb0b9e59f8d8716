//! Conditions.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use processes::{Condition, JoinHandle, Lock, Queue, spawn};

use crate::support::{BOUND, Stopped, gates, kill, soon, state_of, wait_until};

const SHORT: Duration = Duration::from_millis(20);

/// A lock and its condition.
type Pair = (Lock<u64>, Condition);

/// What to wait with, where to say that it begins, and for which value.
type Goal = (Pair, Queue<u32>, u64);

fn pair() -> Pair {
    (Lock::new(0).unwrap(), Condition::new().unwrap())
}

/// A process that waits until the value is at least `goal`; an error if the lock is poisoned.
fn waiter(pair: &Pair, goal: u64) -> (u32, JoinHandle<Result<u64, String>>) {
    let (entered, _gate) = gates();
    let wait: fn(Goal) -> Result<u64, String> = |((lock, condition), entered, goal)| {
        let guard = lock.lock().map_err(|error| error.to_string())?;
        entered.put(std::process::id()).unwrap();
        let guard = condition.wait_for(guard, |value| *value >= goal);
        guard.map(|guard| *guard).map_err(|error| error.to_string())
    };
    let call = spawn(wait, (pair.clone(), entered.clone(), goal)).unwrap();
    let pid = soon(&entered);
    // It has the lock until it waits.
    drop(pair.0.lock_timeout(BOUND).unwrap());
    wait_until("it waits", || state_of(pid) == "S");
    (pid, call)
}

fn result<R: serde::de::DeserializeOwned>(call: JoinHandle<R>) -> R {
    call.join_timeout(BOUND).expect("it ends").unwrap()
}

#[test]
fn wait_for_looks_at_the_value() {
    let (lock, condition) = pair();
    let count: fn(Pair) = |(lock, condition)| {
        for _ in 0..100 {
            *lock.lock().unwrap() += 1;
            condition.notify_one();
        }
    };
    let call = spawn(count, (lock.clone(), condition.clone())).unwrap();
    let begin = Instant::now();
    for goal in 1..=100 {
        let guard = lock.lock().unwrap();
        let waited = condition.wait_for_timeout(guard, BOUND, |value| *value >= goal);
        assert!(waited.unwrap().1);
    }
    assert!(begin.elapsed() < Duration::from_secs(15), "it was notified, not looked for");
    result(call);
    let guard = lock.lock().unwrap();
    let (guard, holds) =
        condition.wait_for_timeout(guard, Duration::ZERO, |value| *value == 100).unwrap();
    assert!(holds, "no time is needed for what is so already");
    let (guard, holds) = condition.wait_for_timeout(guard, SHORT, |value| *value == 0).unwrap();
    assert_eq!((*guard, holds), (100, false));
    let (guard, holds) =
        condition.wait_for_timeout(guard, Duration::MAX, |value| *value == 100).unwrap();
    assert!(holds);
    assert!(condition.wait_for(guard, |value| *value == 100).is_ok());
}

#[test]
fn a_wait_says_whether_it_was_notified() {
    let (lock, condition) = pair();
    condition.notify_all(); // Nobody is there.
    let waited = condition.wait_timeout(lock.lock().unwrap(), SHORT).unwrap();
    assert!(!waited.1, "what came before the wait does not count");
    let guard = waited.0;
    let call = spawn(
        |(lock, condition): Pair| {
            // Not before the other one waits: it has the lock until then.
            *lock.lock().unwrap() = 1;
            condition.notify(0);
            condition.notify(1);
        },
        (lock.clone(), condition.clone()),
    );
    let waited = condition.wait_timeout(guard, BOUND).unwrap();
    assert!(waited.1);
    drop(waited);
    result(call.unwrap());
}

#[test]
fn waiting_unlocks_and_is_told_of_poison() {
    let (lock, condition) = pair();
    let fail: fn(Pair) = |(lock, condition)| {
        let mut guard = lock.lock().unwrap();
        *guard = 7;
        condition.notify_all();
        panic!("under the lock");
    };
    let guard = lock.lock().unwrap();
    let call = spawn(fail, (lock.clone(), condition.clone())).unwrap();
    let poisoned = condition.wait(guard).unwrap_err();
    assert_eq!(*poisoned.into_inner(), 7);
    call.join().unwrap_err();
    let guard = lock.lock().unwrap_err().into_inner();
    let (guard, notified) = condition.wait_timeout(guard, SHORT).unwrap_err().into_inner();
    assert_eq!((*guard, notified), (7, false));
}

/// With `pthread_cond` the last notification would not return.
#[test]
fn killed_and_stopped_waiters_hold_up_neither_notifiers_nor_others() {
    let pair = pair();
    let (lock, condition) = &pair;
    let killed = [(); 3].map(|()| waiter(&pair, 1));
    let (stopped, first) = waiter(&pair, 1);
    let (_, second) = waiter(&pair, 1);
    for (pid, call) in killed {
        kill(pid);
        call.join().unwrap_err();
    }
    let stop = Stopped::new(stopped);
    *lock.lock_timeout(BOUND).unwrap() = 1;
    let notify: fn(Condition) = |condition| (0..1_000).for_each(|_| condition.notify_one());
    result(spawn(notify, condition.clone()).unwrap());
    assert_eq!(result(second), Ok(1));
    drop(stop);
    assert_eq!(result(first), Ok(1));
}

#[test]
fn a_notifier_that_is_killed_before_it_notifies_is_noticed() {
    let pair = pair();
    let (_, waiting) = waiter(&pair, 5);
    let (entered, gate) = gates();
    let change: fn((Pair, Queue<u32>, Queue<u32>)) = |((lock, condition), entered, gate)| {
        *lock.lock().unwrap() = 5;
        entered.put(std::process::id()).unwrap();
        gate.get().unwrap();
        condition.notify_all();
    };
    let call = spawn(change, (pair.clone(), entered.clone(), gate)).unwrap();
    kill(soon(&entered));
    call.join().unwrap_err();
    assert_eq!(result(waiting), Ok(5));
}

#[test]
fn a_holder_that_is_killed_wakes_those_who_wait_with_the_poison() {
    let pair = pair();
    let (_, waiting) = waiter(&pair, 5);
    let (entered, gate) = gates();
    let hold: fn((Pair, Queue<u32>, Queue<u32>)) = |((lock, _), entered, gate)| {
        let _guard = lock.lock().unwrap();
        entered.put(std::process::id()).unwrap();
        gate.get().unwrap();
    };
    let call = spawn(hold, (pair.clone(), entered.clone(), gate)).unwrap();
    kill(soon(&entered));
    call.join().unwrap_err();
    assert!(result(waiting).unwrap_err().contains("poisoned"));
}

#[test]
fn it_survives_processes_that_are_killed_inside_of_it() {
    let pair = pair();
    let hammer: fn((Pair, Queue<u32>)) = |((lock, condition), entered)| {
        entered.put(std::process::id()).unwrap();
        loop {
            // Whoever is killed with the lock in its hand leaves it poisoned.
            let mut guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
            *guard += 1;
            condition.notify_one();
            let waited = condition.wait_timeout(guard, Duration::from_micros(100));
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    };
    for _ in 0..20 {
        let (entered, _gate) = gates();
        let victims = [(); 3].map(|()| spawn(hammer, (pair.clone(), entered.clone())).unwrap());
        for _ in &victims {
            soon(&entered);
        }
        let mut guard = pair.0.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..20 {
            let waited = pair.1.wait_timeout(guard, BOUND).unwrap_or_else(PoisonError::into_inner);
            guard = waited.0;
        }
        drop(guard);
        for victim in victims {
            victim.kill();
            victim.join().unwrap_err();
        }
        drop(pair.0.lock_timeout(BOUND));
        pair.0.clear_poison();
        *pair.0.lock().unwrap() = 0;
        let (_, call) = waiter(&pair, 1);
        *pair.0.lock().unwrap() = 1;
        pair.1.notify_all();
        assert_eq!(result(call), Ok(1));
    }
}

/// Each notification has the waiting process look again, and none gives it more time.
#[test]
fn notifications_in_vain_do_not_prolong_the_limit() {
    let (lock, condition) = pair();
    let notify: fn((Pair, Queue<u32>)) = |((lock, condition), end)| {
        while end.try_get().is_err() {
            *lock.lock().unwrap() += 1;
            condition.notify_all();
        }
    };
    let end = Queue::bounded(1).unwrap();
    let call = spawn(notify, ((lock.clone(), condition.clone()), end.clone())).unwrap();
    let waited =
        condition.wait_for_timeout(lock.lock().unwrap(), Duration::from_millis(300), |value| {
            *value == u64::MAX
        });
    let (guard, holds) = waited.unwrap();
    assert!(!holds);
    drop(guard);
    end.put(0).unwrap();
    result(call);
}
