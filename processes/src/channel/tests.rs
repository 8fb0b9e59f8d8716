//! What ends do that have travelled, while somebody has the channel locked.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::error::RecvError;
use crate::scope;
use crate::{JoinError, Pool, Queue};

/// Anything that takes longer is taken for a hang.
const BOUND: Duration = Duration::from_secs(30);

/// Says who executes it, and goes on for ever.
fn holds((_send, entered): (Sender<u8>, Queue<u32>)) {
    entered.put(std::process::id()).unwrap();
    loop {
        std::thread::park();
    }
}

/// As when a worker is stopped in the middle of a `send` while another one dies that has an end of the
/// same channel, which has travelled with a call or with an item of a map.
#[test]
fn a_pool_whose_worker_dies_does_not_wait_for_a_channel() {
    for is_item in [false, true] {
        let pool = Pool::new(1).unwrap();
        let (send, receive) = channel::<u8>(1).unwrap();
        let ring = send.end.ring.clone();
        let entered = Queue::bounded(1).unwrap();
        let argument = (send, entered.clone());
        std::thread::scope(|scope| {
            let pool = &pool;
            let item = |argument| pool.map(holds, [argument]).next().unwrap();
            let call = scope.spawn(move || {
                if is_item { item(argument) } else { pool.submit(holds, argument).join() }
            });
            let worker = i32::try_from(entered.get_timeout(BOUND).unwrap()).unwrap();
            let held = ring.lock();
            let worker = rustix::process::Pid::from_raw(worker).unwrap();
            rustix::process::kill_process(worker, rustix::process::Signal::KILL).unwrap();
            let other = pool.submit(|x: u8| x, 3).join_timeout(BOUND);
            // Otherwise nothing here ends.
            drop(held);
            assert_eq!(other.expect("the pool goes on").unwrap(), 3, "an item: {is_item}");
            let lost = call.join().unwrap();
            assert!(matches!(lost, Err(JoinError::WorkerLost { .. })), "{lost:?}");
        });
        assert_eq!(receive.recv_timeout(BOUND), Err(RecvError::Disconnected));
    }
}

/// As when a worker is stopped in the middle of a `send` while the call of another one ends.
#[test]
fn what_travels_with_a_call_holds_nobody_up() {
    let (send, receive) = channel::<u8>(1).unwrap();
    let ring = send.end.ring.clone();
    let held = ring.lock();
    std::thread::scope(|scope| {
        let ends = scope.spawn(|| scope::release(vec![Box::new(send.end)]));
        let limit = std::time::Instant::now() + Duration::from_secs(30);
        while !ends.is_finished() {
            assert!(std::time::Instant::now() < limit, "it waits for the lock");
            std::thread::yield_now();
        }
        drop(held);
    });
    assert_eq!(receive.recv_timeout(Duration::from_secs(30)), Err(RecvError::Disconnected));
}

/// As when a process locks the channel and is stopped, the moment after the pool has looked.
#[test]
fn what_was_let_go_waits_for_nobody_when_it_is_dropped() {
    let (send, receive) = channel::<u8>(1).unwrap();
    let (mut first, mut second) = (send.end.again(), send.end.again());
    drop(send);
    let ring = first.ring.clone();
    assert!(scope::Keep::let_go(&mut first));
    let held = ring.lock();
    std::thread::scope(|scope| {
        let (told, tells) = std::sync::mpsc::channel();
        scope.spawn(move || {
            drop(first);
            let locked = !scope::Keep::let_go(&mut second);
            told.send(locked).unwrap();
            second
        });
        let locked = tells.recv_timeout(BOUND);
        drop(held);
        assert!(locked.expect("it waits for the lock"), "nothing was done");
    });
    assert_eq!(receive.recv_timeout(BOUND), Err(RecvError::Disconnected));
}

/// Overwrites the mutex of a channel, as a process does that goes wild.
fn spoil(send: Sender<u8>) {
    for word in 0..8 {
        send.end.ring.segment().atomic_u64(word).store(u64::MAX, Ordering::Relaxed);
    }
    drop(send);
}

#[test]
fn a_mutex_that_was_overwritten_is_the_end_of_the_channel_and_of_nothing_else() {
    for is_item in [false, true] {
        let pool = Pool::new(1).unwrap();
        let (send, receive) = channel::<u8>(4).unwrap();
        send.send(5).unwrap();
        if is_item {
            pool.map(spoil, [send.clone()]).for_each(Result::unwrap);
        } else {
            pool.submit(spoil, send.clone()).join_timeout(BOUND).expect("it ends").unwrap();
        }
        for x in 0..3 {
            let other = pool.submit(|x: u8| x, x).join_timeout(BOUND);
            assert_eq!(other.expect("the pool goes on").unwrap(), x);
        }
        assert!(matches!(receive.recv(), Err(RecvError::Decode(_))));
        assert_eq!(receive.recv(), Err(RecvError::Disconnected));
        assert!(send.send(6).is_err());
        assert_eq!((receive.len(), receive.iter().count()), (0, 0));
        pool.shutdown();
    }
}

/// As in a child that was forked, when as many processes as there may be have an end.
#[test]
fn an_end_for_which_there_is_no_room_does_not_count() {
    let (send, receive) = channel::<u8>(2).unwrap();
    let ring = &send.end.ring;
    // Process 1 lives as long as the machine (or the container).
    (0..MAX_HOLDERS).for_each(|slot| {
        ring.annex_word(1 + 2 * slot).store(1 << 32 | 1, Ordering::Relaxed);
        ring.annex_word(2 + 2 * slot).store(0, Ordering::Relaxed);
    });
    ring.annex_word(0).store(MAX_HOLDERS as u64, Ordering::Relaxed);
    assert!(End::open(ring.clone(), Side::Sending).is_none());
    let again = send.clone();
    again.send(5).unwrap();
    drop((again, send));
    assert_eq!(receive.recv_timeout(BOUND).unwrap(), 5);
    assert!(matches!(receive.try_recv(), Err(RecvError::Empty)), "process 1 has ends");
}
