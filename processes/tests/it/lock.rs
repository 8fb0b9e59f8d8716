//! A lock between processes, and what else they wait with.

mod barrier;
mod condition;
mod event;
mod semaphore;

use std::sync::TryLockError;
use std::time::Duration;

use processes::{JoinError, Lock, Pool, Queue};

use crate::support::{BOUND, gates, kill, soon};

#[test]
fn it_excludes_other_processes() {
    let pool = Pool::new(2).unwrap();
    let total = Lock::new((0_u64, [0_u32; 4])).unwrap();
    let add: fn(Lock<(u64, [u32; 4])>) = |lock| {
        for _ in 0..1_000 {
            let mut value = lock.lock().unwrap();
            value.0 += 1;
            value.1[3] += 2;
        }
    };
    let calls: Vec<_> = (0..4).map(|_| pool.submit(add, total.clone())).collect();
    for call in calls {
        call.join().unwrap();
    }
    assert_eq!(*total.lock().unwrap(), (4_000, [0, 0, 0, 8_000]));
}

/// Takes the lock, says so, and waits at the gate.
fn hold((lock, entered, gate): (Lock<u64>, Queue<u32>, Queue<u32>)) {
    let mut value = lock.lock().unwrap();
    *value = 1;
    entered.put(std::process::id()).unwrap();
    gate.get().unwrap();
    *value = 2;
}

#[test]
fn trying_and_waiting_are_bounded() {
    let pool = Pool::new(1).unwrap();
    let lock = Lock::new(0_u64).unwrap();
    let (entered, gate) = gates();
    let call = pool.submit(hold, (lock.clone(), entered.clone(), gate.clone()));
    soon(&entered);
    assert!(matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
    let short = Duration::from_millis(20);
    assert!(matches!(lock.lock_timeout(short), Err(TryLockError::WouldBlock)));
    gate.put(0).unwrap();
    assert_eq!(*lock.lock_timeout(BOUND).unwrap(), 2);
    call.join().unwrap();
}

#[test]
fn a_holder_that_is_killed_leaves_it_poisoned_not_locked() {
    let pool = Pool::new(1).unwrap();
    let lock = Lock::new(0_u64).unwrap();
    let (entered, gate) = gates();
    let call = pool.submit(hold, (lock.clone(), entered.clone(), gate));
    kill(soon(&entered));
    assert!(matches!(call.join(), Err(JoinError::WorkerLost { .. })));
    let error = lock.lock().unwrap_err();
    assert_eq!(*error.into_inner(), 1, "the value is as the dead left it");
    assert!(lock.is_poisoned());
    let other = pool.submit(|lock: Lock<u64>| lock.lock().is_err(), lock.clone());
    assert!(other.join().unwrap(), "all processes see the poison");
    lock.clear_poison();
    assert_eq!(*lock.lock().unwrap(), 1);
}

#[test]
fn a_panic_poisons() {
    let pool = Pool::new(1).unwrap();
    let lock = Lock::new(5_u8).unwrap();
    let call = pool.submit(
        |lock: Lock<u8>| {
            let _guard = lock.lock().unwrap();
            panic!("with the lock in hand");
        },
        lock.clone(),
    );
    let result: Result<(), JoinError> = call.join();
    assert!(matches!(result, Err(JoinError::Panicked { .. })));
    assert!(matches!(lock.try_lock(), Err(TryLockError::Poisoned(_))));
}

#[test]
fn a_forgotten_guard_keeps_its_memory() {
    let lock = Lock::new(1_u8).unwrap();
    std::thread::spawn(move || {
        std::mem::forget(lock.lock().unwrap());
        drop(lock);
        // The robust list of this thread still refers to the forgotten mutex.
        let other = Lock::new(2_u8).unwrap();
        assert_eq!(*other.lock().unwrap(), 2);
    })
    .join()
    .unwrap();
}

#[test]
#[should_panic(expected = "already holds")]
fn locking_twice_in_one_thread_is_refused() {
    let lock = Lock::new(1_u8).unwrap();
    let _first = lock.lock().unwrap();
    drop(lock.lock());
}

/// Sends the lock of a number and receives that of another type.
struct Disguise(Lock<u8>);

impl serde::Serialize for Disguise {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Disguise {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let truth = <Lock<bool> as serde::Deserialize>::deserialize(deserializer)?;
        panic!("a number is read as the truth: {}", *truth.lock().unwrap());
    }
}

#[test]
fn a_lock_is_not_taken_for_one_of_another_type() {
    let pool = Pool::new(1).unwrap();
    let error = pool.submit(|_: Disguise| (), Disguise(Lock::new(2).unwrap())).join().unwrap_err();
    assert!(matches!(&error, JoinError::Decode { .. }), "{error}");
    assert!(error.to_string().contains("no lock of this type"), "{error}");
}

#[test]
fn the_longest_wait_does_not_overflow() {
    let lock = Lock::new(1_u8).unwrap();
    assert_eq!(*lock.lock_timeout(Duration::MAX).unwrap(), 1);
    let queue = Queue::<u8>::bounded(1).unwrap();
    queue.put_timeout(1, Duration::MAX).unwrap();
    let pool = Pool::new(1).unwrap();
    let put: fn(Queue<u8>) -> bool = |queue| queue.put_timeout(2, Duration::MAX).is_ok();
    let putter = pool.submit(put, queue.clone());
    assert_eq!(queue.get_timeout(Duration::MAX), Ok(1));
    assert_eq!(queue.get_timeout(Duration::MAX), Ok(2));
    assert!(putter.join().unwrap());
}
