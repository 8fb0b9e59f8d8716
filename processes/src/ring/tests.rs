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

#[test]
fn sizes_are_known_without_the_shared_memory() {
    for size in [0, 1, 2, 1 << 20, 1 << 60, u64::MAX - 7, u64::MAX] {
        let ring = Ring::create_with(3, 16, 16).unwrap();
        ring.put(b"early").unwrap();
        for word in [CAPACITY, BYTES] {
            ring.word(word).store(size, Ordering::Relaxed);
        }
        ring.annex_word(1).store(7, Ordering::Relaxed);
        for round in 0..20_u8 {
            ring.put(&[round; 7]).unwrap();
            ring.get().unwrap();
        }
        assert_eq!((ring.get().unwrap(), ring.capacity(), ring.len()), (vec![19; 7], 3, 0));
        assert_eq!(ring.annex_word(1).load(Ordering::Relaxed), 7);
        assert!(Ring::adopt_with(Arc::clone(&ring.segment), |_| Some(16)).is_none());
    }
}

#[test]
fn words_that_cannot_be_are_an_error_and_then_the_end() {
    let (put, got) = (Direction::Message, Direction::Room);
    let spoilers: [&dyn Fn(&Ring); 10] = [
        &|ring| ring.prepare_and_commit(put, 5),
        &|ring| ring.prepare_and_commit(put, u64::MAX),
        &|ring| ring.prepare_and_commit(put, 0),
        &|ring| ring.prepare_and_commit(got, 3),
        &|ring| ring.prepare_and_commit(got, u64::MAX),
        &|ring| ring.set_entry(1, 0, u64::MAX),
        &|ring| ring.set_entry(1, 5, 4),
        &|ring| ring.set_entry(1, 5, 22),
        &|ring| ring.set_entry(1, u64::MAX, 5),
        &|ring| {
            ring.set_entry(0, u64::MAX - 8, u64::MAX - 4);
            ring.set_entry(1, u64::MAX - 4, u64::MAX);
        },
    ];
    for (number, spoil) in spoilers.into_iter().enumerate() {
        for putting in [false, true] {
            let ring = Ring::create(3, 16).unwrap();
            ring.put(b"gone").unwrap();
            ring.put(b"text").unwrap();
            ring.get().unwrap();
            spoil(&ring);
            assert!(ring.len() <= 3, "{number}");
            // The last one only cannot take more, and gives what is there.
            let said = if putting { ring.put(b"more").map(drop) } else { ring.get().map(drop) };
            if number == 9 && !putting {
                assert_eq!(said, Ok(()));
                continue;
            }
            assert_eq!(said, Err(Refusal::Spoiled), "{number} {putting}");
            assert_eq!(ring.get(), Err(Refusal::ShutDown), "{number} {putting}");
            assert_eq!(ring.put(b"x"), Err(Refusal::ShutDown), "{number} {putting}");
            assert_eq!(ring.len(), 0);
        }
    }
}

impl Ring {
    /// As a process that writes where it should not.
    fn prepare_and_commit(&self, direction: Direction, count: u64) {
        let held = self.lock();
        self.prepare(direction, count);
        self.commit(direction);
        drop(held);
    }
}
