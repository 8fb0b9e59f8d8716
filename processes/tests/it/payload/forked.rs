//! What a child drops that user code has forked is still there for its parent.
//!
//! This file has unsafe code: it forks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use processes::{Buffer, Lock, Pool, Semaphore, channel};
use rustix::process::{Pid, WaitOptions, waitpid};

use super::buffer::filled;
use crate::faults::ended;
use crate::support::{BOUND, gated, gates, soon};

/// Runs `f` in a child that is forked, to which what it drops is no loss for this process. True when that
/// has ended well.
fn in_child(f: &mut dyn FnMut()) -> bool {
    // SAFETY: the child drops some values, for which it allocates at most (the allocator is ready for
    // that), locks nothing that a thread could have locked that the child does not have, and ends.
    let forked = unsafe { libc::fork() };
    if forked == 0 {
        // SAFETY: it ends this process, should it hang.
        unsafe { libc::alarm(25) };
        let well = catch_unwind(AssertUnwindSafe(f)).is_ok();
        // SAFETY: `_exit` has no preconditions.
        unsafe { libc::_exit(i32::from(!well)) };
    }
    let child = Pid::from_raw(forked).expect("it was forked");
    let (_pid, status) = waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap();
    status.exit_status() == Some(0)
}

/// Runs `f` in a process of its own, that may fork.
#[track_caller]
fn alone(f: fn(()) -> bool) {
    let ended = processes::spawn(f, ()).unwrap().join_timeout(2 * BOUND);
    assert!(ended.expect("nothing hangs").unwrap());
}

/// What a worker keeps.
static KEPT: Mutex<Vec<Buffer>> = Mutex::new(Vec::new());

/// Keeps a buffer, which a child drops; true when that has ended well.
fn keep_beside_child(bytes: Buffer) -> bool {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.push(bytes);
    in_child(&mut || kept.clear())
}

/// What is in what was kept.
fn first_byte(_: u8) -> u8 {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)[0][0]
}

#[test]
fn what_a_worker_holds_is_not_let_go_by_its_child() {
    let pool = Pool::new(1).unwrap();
    assert!(ended(pool.submit(keep_beside_child, filled(&pool, 5, 40_000))).unwrap());
    let others: Vec<_> = (6..16).map(|byte| filled(&pool, byte, 40_000)).collect();
    assert_eq!(ended(pool.submit(first_byte, 0)).unwrap(), 5);
    assert_eq!(pool.stats().arena_blocks, 11);
    drop(others);
}

#[test]
fn a_buffer_is_not_given_back_by_a_child() {
    alone(|()| {
        // So large that its memory would go back to the system.
        let pool = Pool::new(1).unwrap();
        let mut bytes = Some(filled(&pool, 5, 40 << 20));
        let mut filling = Some(pool.buffer(40 << 20).unwrap());
        filling.as_mut().unwrap().fill(6);
        let well = in_child(&mut || drop((bytes.take(), filling.take())));
        let sum: fn(Buffer) -> u64 = |bytes| bytes.iter().map(|&byte| u64::from(byte)).sum();
        let sums = [bytes.unwrap(), filling.unwrap().freeze()]
            .map(|bytes| ended(pool.submit(sum, bytes)).unwrap());
        well && sums == [5 * (40 << 20), 6 * (40 << 20)]
    });
}

#[test]
fn a_result_is_not_given_back_by_a_child() {
    alone(|()| {
        let pool = Pool::new(1).unwrap();
        let make: fn(u8) -> Vec<u8> = |byte| vec![byte; 100_000];
        let call = pool.submit(make, 1);
        assert!(call.wait_timeout(BOUND));
        let mut call = Some(call);
        let well = in_child(&mut || drop(call.take()));
        // Would be put in its place.
        let others: Vec<_> = (2..12).map(|byte| pool.submit(make, byte)).collect();
        let others = others.into_iter().map(|call| ended(call).unwrap()[99_999]);
        let others: Vec<_> = others.collect();
        let first = ended(call.unwrap()).unwrap();
        well && others == (2..12).collect::<Vec<_>>() && first == vec![1; 100_000]
    });
}

#[test]
fn the_ends_and_permits_of_a_process_are_not_given_back_by_a_child() {
    alone(|()| {
        let (send, receive) = channel::<u8>(4).unwrap();
        let semaphore = Semaphore::new(2).unwrap();
        let (mut ends, mut permit) = (Some((send, receive)), Some(semaphore.acquire()));
        let well = in_child(&mut || drop((ends.take(), permit.take())));
        let (send, receive) = ends.unwrap();
        assert_eq!(semaphore.available(), 1);
        drop(permit);
        send.send(7).unwrap();
        well && receive.recv_timeout(BOUND) == Ok(7) && semaphore.available() == 2
    });
}

#[test]
fn a_pool_does_not_end_in_a_child() {
    alone(|()| {
        let pool = Pool::new(1).unwrap();
        let worker = ended(pool.submit(|()| std::process::id(), ())).unwrap();
        let mut pool = Some(pool);
        let well = in_child(&mut || drop(pool.take()));
        let pool = pool.unwrap();
        well && ended(pool.submit(|()| std::process::id(), ())).unwrap() == worker
    });
}

#[test]
fn a_map_is_not_cancelled_by_a_child() {
    alone(|()| {
        let pool = Pool::new(1).unwrap();
        let (entered, gate) = gates();
        let items = (0..6).map(|_| (entered.clone(), gate.clone()));
        let mut map = Some(pool.map(gated, items));
        assert!(map.as_mut().unwrap().next_timeout(Duration::ZERO).is_err());
        // One item is executed, the next one is with the worker, the others are in the queue.
        soon(&entered);
        let well = in_child(&mut || drop(map.take()));
        (0..6).for_each(|number| gate.put(number).unwrap());
        let results: Vec<_> = map.unwrap().map(Result::unwrap).collect();
        well && results == [0, 1, 2, 3, 4, 5] && pool.stats().cancelled == 0
    });
}

#[test]
fn a_lock_is_not_unlocked_by_a_child() {
    alone(|()| {
        let lock = Lock::new(1_u32).unwrap();
        let mut guard = Some(lock.lock().unwrap());
        let well = in_child(&mut || drop(guard.take()));
        let still_locked = std::thread::scope(|scope| {
            let other = scope.spawn(|| lock.try_lock().is_err());
            other.join().unwrap()
        });
        drop(guard);
        well && still_locked && *lock.lock().unwrap() == 1
    });
}

#[test]
fn a_lock_is_not_poisoned_by_a_child_that_panics() {
    alone(|()| {
        let lock = Lock::new(1_u32).unwrap();
        let mut guard = Some(lock.lock().unwrap());
        let well = in_child(&mut || {
            let _guard = guard.take();
            panic!("with a copy of a guard in its hand");
        });
        drop(guard);
        !well && !lock.is_poisoned() && *lock.lock().unwrap() == 1
    });
}
