//! What a ring does alone; what it does between processes is tested with queues.

use super::*;
use crate::clock;

#[test]
fn messages_of_all_sizes_go_around_the_end() {
    let ring = Ring::create(3, 16).unwrap();
    for round in 0..100_u8 {
        let message = vec![round; usize::from(round % 17)];
        ring.put(&message).unwrap();
        assert_eq!(ring.get().unwrap(), message);
    }
}

#[test]
fn both_limits_hold() {
    let ring = Ring::create(2, 10).unwrap();
    ring.put(b"").unwrap();
    ring.put(b"").unwrap();
    assert!(matches!(ring.put(b""), Err(Refusal::Wait(_))), "two messages are the limit");
    ring.get().unwrap();
    ring.get().unwrap();
    ring.put(b"123456").unwrap();
    assert!(matches!(ring.put(b"78901"), Err(Refusal::Wait(_))), "ten bytes are the limit");
    assert_eq!(ring.put(b"12345678901"), Err(Refusal::TooLong));
    ring.put(b"7890").unwrap();
    assert_eq!(ring.get().unwrap(), b"123456");
    assert_eq!(ring.get().unwrap(), b"7890");
}

/// Whoever is killed before its commit has done nothing.
#[test]
fn what_was_prepared_does_not_hold() {
    let ring = Ring::create(2, 16).unwrap();
    for round in 0..10_u8 {
        let held = ring.lock();
        ring.copy_in(3, b"torn");
        ring.prepare(Direction::Message, 99);
        ring.prepare(Direction::Room, 98);
        drop(held);
        assert_eq!(ring.len(), 0);
        ring.put(&[round]).unwrap();
        assert_eq!((ring.len(), ring.get().unwrap()), (1, vec![round]));
    }
}

/// Sleeps, without a look at the ring in between, until the epoch has moved on.
fn sleep_through(ring: &Ring, direction: Direction, epoch: u32) {
    let limit = Some(clock::after_ns(Duration::from_secs(30)));
    while ring.half_word(direction.epoch()).load(Ordering::Acquire) == epoch {
        assert!(ring.sleep(direction, epoch, limit), "it was not woken");
    }
}

#[test]
fn one_commit_wakes_all_who_wait_for_it_and_a_shutdown_everybody() {
    let ring = Ring::create(1, 8).unwrap();
    for _ in 0..50 {
        let Err(Refusal::Wait(epoch)) = ring.get() else { panic!("it is empty") };
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| sleep_through(&ring, Direction::Message, epoch));
            }
            std::thread::yield_now();
            ring.put(b"x").unwrap();
        });
        ring.get().unwrap();
    }
    let Err(Refusal::Wait(message)) = ring.get() else { panic!("it is empty") };
    ring.put(b"x").unwrap();
    let Err(Refusal::Wait(room)) = ring.put(b"x") else { panic!("it is full") };
    ring.get().unwrap();
    let message = message + u32::from(COMMIT);
    let room = room + u32::from(COMMIT);
    std::thread::scope(|scope| {
        scope.spawn(|| sleep_through(&ring, Direction::Message, message));
        scope.spawn(|| sleep_through(&ring, Direction::Room, room));
        std::thread::yield_now();
        ring.shut_down();
    });
    assert_eq!(ring.get(), Err(Refusal::ShutDown));
    assert_eq!(ring.put(b"x"), Err(Refusal::ShutDown));
}

#[test]
fn only_a_ring_is_adopted() {
    let ring = Ring::create(2, 10).unwrap();
    assert!(Ring::adopt(Arc::clone(ring.segment())).is_some());
    assert!(Ring::adopt(Segment::create(4096).unwrap()).is_none());
    let more = Ring::create_with(2, 10, 64).unwrap();
    assert!(Ring::adopt(Arc::clone(more.segment())).is_none(), "it is more than a ring");
    assert!(Ring::adopt_with(Arc::clone(more.segment()), |_| Some(64)).is_some());
    assert!(Ring::adopt_with(Arc::clone(ring.segment()), |_| Some(64)).is_none());
}

#[test]
fn an_annex_is_left_alone() {
    let ring = Ring::create_with(2, 11, 16).unwrap();
    ring.annex_word(0).store(7, Ordering::Relaxed);
    ring.annex_word(1).store(8, Ordering::Relaxed);
    for _ in 0..5 {
        ring.put(&[0xff; 11]).unwrap();
        ring.get().unwrap();
    }
    let words = [0, 1].map(|index| ring.annex_word(index).load(Ordering::Relaxed));
    assert_eq!(words, [7, 8]);
}
