//! What happens at a mailbox, step by step.

use super::*;
use crate::clock;
use crate::error::ActorError;
use crate::queue::Queue;
use crate::segment::SegmentId;

/// Long after what is waited for.
fn soon() -> u64 {
    clock::after_ns(Duration::from_secs(30))
}

/// A mailbox whose actor serves.
fn serving() -> Mailbox {
    let mailbox = Mailbox::create(4, 100).unwrap();
    assert!(mailbox.holders().enter());
    mailbox.begin();
    mailbox
}

#[test]
fn a_late_reply_is_not_taken_for_that_of_the_next() {
    let mailbox = serving();
    let first = mailbox.take_slot(Some(soon())).unwrap();
    let number = mailbox.put(b"", Some(soon())).unwrap();
    let over = mailbox.wait(&first, number, Some(clock::now_ns()));
    assert!(matches!(over, Err(Verdict::Over)));
    let second = mailbox.take_slot(Some(soon())).unwrap();
    assert_eq!((second.number, second.turn), (first.number, first.turn + 1));
    mailbox.reply(&first, 3, b"late");
    mailbox.reply(&second, 1, b"right");
    mailbox.reply(&second, 2, b"twice");
    let reply =
        mailbox.wait(&second, mailbox.put(b"", Some(soon())).unwrap(), Some(soon())).unwrap();
    assert_eq!((reply.kind, &*reply.bytes), (1, &b"right"[..]));
}

#[test]
fn what_was_taken_is_lost_and_the_rest_is_not() {
    let mailbox = serving();
    let slots = [(); 3].map(|()| mailbox.take_slot(Some(soon())).unwrap());
    let numbers = [(); 3].map(|()| mailbox.put(b"x", Some(soon())).unwrap());
    mailbox.take().unwrap();
    mailbox.reply(&slots[0], 1, b"done");
    mailbox.take().unwrap();
    mailbox.bury("a test");
    assert!(mailbox.wait(&slots[0], numbers[0], Some(soon())).is_ok());
    let lost = mailbox.wait(&slots[1], numbers[1], Some(soon()));
    assert!(matches!(lost, Err(Verdict::Lost(reason)) if reason == "a test"));
    let waits = mailbox.wait(&slots[2], numbers[2], Some(clock::now_ns()));
    assert!(matches!(waits, Err(Verdict::Over)), "it is still there for the next one");
    assert_eq!(mailbox.len(), 1);
    mailbox.end(Status::Failed, "for good");
    assert!(
        matches!(mailbox.take_slot(Some(soon())), Err(Verdict::Ended(reason)) if reason == "for good")
    );
    assert!(mailbox.join(Some(soon())).unwrap().is_err());
}

#[test]
fn the_end_wakes_who_was_forgotten_by_one_who_was_killed() {
    let mailbox = serving();
    let (ended, end) = std::sync::mpsc::channel();
    let other = mailbox.clone();
    let waiting = std::thread::spawn(move || ended.send(other.join(None)));
    while mailbox.word(SLEEPERS).load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    // It sleeps, or is about to.
    assert!(end.recv_timeout(Duration::from_millis(50)).is_err());
    // One that gives a slot back is killed before it has woken anybody.
    let held = mailbox.lock();
    mailbox.ring.annex_futex(CHANGES).fetch_add(1, Ordering::Relaxed);
    mailbox.word(SLEEPERS).store(0, Ordering::Relaxed);
    drop(held);
    mailbox.end(Status::Stopped, "");
    let joined = end.recv_timeout(Duration::from_secs(30)).expect("it sleeps through the end");
    joined.unwrap().unwrap();
    waiting.join().unwrap().unwrap();
}

#[test]
fn what_was_taken_is_lost_whenever_one_looks() {
    for _ in 0..1_000 {
        let mailbox = serving();
        let looks = AtomicU64::new(0);
        let slot = mailbox.take_slot(Some(soon())).unwrap();
        let number = mailbox.put(b"x", Some(soon())).unwrap();
        mailbox.take().unwrap();
        std::thread::scope(|scope| {
            let looking = scope.spawn(|| {
                loop {
                    if let Some(outcome) = mailbox.outcome(&mailbox.lock(), &slot, number) {
                        return outcome;
                    }
                    looks.fetch_add(1, Ordering::Relaxed);
                }
            });
            while looks.load(Ordering::Relaxed) == 0 {
                std::thread::yield_now();
            }
            mailbox.end(Status::Failed, "why");
            let outcome = looking.join().unwrap();
            let lost = matches!(&outcome, Err(Verdict::Lost(reason)) if reason == "why");
            assert!(lost, "{outcome:?}");
        });
    }
}

#[test]
fn time_is_over_only_when_it_is_that_of_the_caller() {
    let mailbox = serving();
    let _slots: Vec<_> = (0..SLOTS).map(|_| mailbox.take_slot(Some(soon())).unwrap()).collect();
    let deadline_ns = clock::after_ns(Duration::from_millis(30));
    let over = crate::fault::hurried(|| mailbox.take_slot(Some(deadline_ns)));
    assert!(matches!(over, Err(Verdict::Over)));
    assert!(clock::now_ns() >= deadline_ns, "it has given up when it was to look again");
}

#[test]
fn the_slots_of_the_dead_are_used_again() {
    let mailbox = serving();
    let slots: Vec<_> = (0..SLOTS).map(|_| mailbox.take_slot(Some(soon())).unwrap()).collect();
    let none = mailbox.take_slot(Some(clock::now_ns()));
    assert!(matches!(none, Err(Verdict::Over)));
    mailbox.slot(7, HOLDER_STARTED).store(u64::MAX, Ordering::Relaxed);
    mailbox.slot(7, HOLDER).store(1 << 32 | WAITING, Ordering::Relaxed);
    assert_eq!(mailbox.take_slot(Some(soon())).unwrap().number, 7);
    mailbox.free(&slots[9]);
    assert_eq!(mailbox.take_slot(Some(soon())).unwrap().number, 9);
}

#[test]
fn only_a_mailbox_is_adopted() {
    let mailbox = serving();
    assert!(Mailbox::adopt(Arc::clone(mailbox.segment())).is_some());
    let ring = Ring::create_with(4, 100, annex_bytes(100).unwrap()).unwrap();
    assert!(Mailbox::adopt(Arc::clone(ring.segment())).is_none());
    assert!(Mailbox::adopt(Segment::create(1 << 20).unwrap()).is_none());
}

#[test]
fn words_that_cannot_be_reach_nothing() {
    let mailbox = serving();
    for size in [0, 99, 1 << 40, u64::MAX] {
        mailbox.word(MAX_MESSAGE).store(size, Ordering::Relaxed);
        let slot = mailbox.take_slot(Some(soon())).unwrap();
        let number = mailbox.put(b"x", Some(soon())).unwrap();
        mailbox.take().unwrap();
        mailbox.reply(&slot, 1, &[7; 100]);
        let reply = mailbox.wait(&slot, number, Some(soon())).unwrap();
        assert_eq!((reply.kind, reply.bytes, mailbox.max_message()), (1, vec![7; 100], 100));
        // The length of a reply.
        let slot = mailbox.take_slot(Some(soon())).unwrap();
        mailbox.reply(&slot, 1, b"short");
        mailbox.slot(slot.number, LENGTH).store(size.max(1 << 30), Ordering::Relaxed);
        let reply = mailbox.wait(&slot, number, Some(soon())).unwrap();
        assert_eq!((reply.kind, reply.bytes), (u8::MAX, Vec::new()));
        mailbox.word(REASON_LEN).store(size, Ordering::Relaxed);
        assert!(mailbox.reason(&mailbox.lock()).len() <= 3 * REASON_BYTES);
    }
}

/// Overwrites the mutex of a mailbox, as a process does that goes wild.
fn spoil(segment: &Segment) {
    (0..8).for_each(|word| segment.atomic_u64(word).store(u64::MAX, Ordering::Relaxed));
}

#[test]
fn a_reply_under_a_mutex_that_was_overwritten_is_none() {
    // Before the actor leaves it, and before the caller has seen it.
    for replies_first in [false, true] {
        let mailbox = serving();
        let slot = mailbox.take_slot(Some(soon())).unwrap();
        let number = mailbox.put(b"x", Some(soon())).unwrap();
        mailbox.take().unwrap();
        if replies_first {
            mailbox.reply(&slot, 1, &[5]);
        }
        spoil(mailbox.segment());
        if !replies_first {
            mailbox.reply(&slot, 1, &[5]);
        }
        let lost = mailbox.wait(&slot, number, Some(soon()));
        assert!(matches!(&lost, Err(Verdict::Lost(reason)) if reason == SPOILED), "{lost:?}");
        let none = mailbox.take_slot(Some(soon()));
        assert!(matches!(&none, Err(Verdict::Ended(reason)) if reason == SPOILED), "{none:?}");
        mailbox.end(Status::Failed, "a test");
        let ended = mailbox.join(Some(soon())).expect("it has ended").unwrap_err();
        assert!(matches!(&ended, ActorError::Ended { reason } if reason == SPOILED), "{ended}");
    }
}

#[test]
fn an_actor_that_overwrites_its_mailbox_has_ended_for_that_reason() {
    let said = Queue::bounded(1).unwrap();
    let actor = crate::spawn_actor(|said: Queue<bool>| said, said.clone()).unwrap();
    let wild: fn(&mut Queue<bool>, SegmentId) = |said, id| {
        let segment = Segment::find(id);
        if let Some(segment) = &segment {
            spoil(segment);
        }
        said.put(segment.is_some()).unwrap();
    };
    actor.cast(wild, actor.mailbox.segment().id()).unwrap();
    // Nobody has it locked meanwhile: glibc would follow the pointers in it.
    assert!(said.get_timeout(Duration::from_secs(30)).unwrap(), "its process has the mailbox");
    let said = actor.call(|_, ()| 5_u8, ()).unwrap_err();
    assert!(said.to_string().contains(SPOILED), "{said}");
    let ended = actor.join_timeout(Duration::from_secs(30)).expect("it ends").unwrap_err();
    assert!(ended.to_string().contains(SPOILED), "{ended}");
}
