//! The end of an actor, or of one of its processes, and those who are told of it.
//!
//! Its owner, the process that started it, is told, and notes down how many messages were taken so
//! far. A caller knows the number of its message: if that was taken and there is no reply, there
//! will be none. There is no moment in which a message is nobody's: the ring counts it as taken or
//! it is still there. Then all callers are woken. Nobody who waits can outlive the owner: references
//! go only to workers, and their workers.

use std::sync::atomic::Ordering;

use rustix::thread::futex::{self, Flags};

use crate::clock;
use crate::error::ActorError;
use crate::robust::Owned;

use super::{
    CHANGES, EVERYBODY, LOST_BELOW, Mailbox, NEWS, PID, REASON, REASON_BYTES, REASON_LEN, SLEEPERS,
    SLOTS, STATUS, Status, slot_at,
};

impl Mailbox {
    /// The owner: the actor is gone; what it had taken is lost.
    pub(in crate::actor) fn bury(&self, reason: &str) {
        let held = self.ring.lock();
        self.note_end(&held, reason);
        drop(held);
        (0..SLOTS).for_each(|number| self.tell(number));
    }

    /// The owner: the actor is gone for good.
    pub(in crate::actor) fn end(&self, status: Status, reason: &str) {
        let held = self.ring.lock();
        self.note_end(&held, reason);
        // In the same step: whoever sees that it has ended sees what is lost, and why.
        self.word(STATUS).store(status as u64, Ordering::Relaxed);
        drop(held);
        self.ring.shut_down();
        (0..SLOTS).for_each(|number| self.tell(number));
        // Whoever gave a slot back before may have taken the mark of the sleepers away, and have been
        // killed before it has woken them: nobody comes after this, so they are woken in any case.
        let held = self.ring.lock();
        self.word(SLEEPERS).store(1, Ordering::Relaxed);
        self.tell_of_changes(held);
    }

    /// What was taken so far is lost, as the process is gone; and why.
    fn note_end(&self, held: &Owned, reason: &str) {
        self.word(LOST_BELOW).store(self.ring.taken(held), Ordering::Relaxed);
        self.word(PID).store(0, Ordering::Relaxed);
        let reason = &reason.as_bytes()[..reason.floor_char_boundary(REASON_BYTES)];
        // If there is no room for it, as the mutex has been overwritten, that is the reason: see `reason`.
        if self.ring.annex_write(held, REASON, reason) {
            self.word(REASON_LEN).store(reason.len() as u64, Ordering::Relaxed);
        }
    }

    /// Waits for the end, and says how it was; none when time is over.
    pub(in crate::actor) fn join(
        &self,
        deadline_ns: Option<u64>,
    ) -> Option<Result<(), ActorError>> {
        loop {
            let held = self.ring.lock();
            match self.status() {
                Status::Serves => {}
                Status::Stopped => return Some(Ok(())),
                Status::Failed => {
                    return Some(Err(ActorError::Ended { reason: self.reason(&held) }));
                }
            }
            if !self.sleep_on_changes(held, deadline_ns) {
                return None;
            }
        }
    }

    /// Sleeps until something has changed for those who wait for a slot or the end. False: time is
    /// over.
    pub(super) fn sleep_on_changes(&self, held: Owned, deadline_ns: Option<u64>) -> bool {
        let word = self.ring.annex_futex(CHANGES);
        let changes = word.load(Ordering::Relaxed);
        self.word(SLEEPERS).store(1, Ordering::Relaxed);
        drop(held);
        let left = deadline_ns.map(clock::left);
        let timeout = left.flatten().map(clock::timespec);
        if left != Some(None) {
            // Woken, interrupted, timed out, or changed already: the caller looks again.
            let _ended = futex::wait(word, Flags::empty(), changes, timeout.as_ref());
        }
        left != Some(None)
    }

    /// Wakes those who wait for a slot or the end.
    pub(super) fn tell_of_changes(&self, held: Owned) {
        let word = self.ring.annex_futex(CHANGES);
        word.fetch_add(1, Ordering::Relaxed);
        let anybody = self.word(SLEEPERS).swap(0, Ordering::Relaxed) != 0;
        drop(held);
        if anybody {
            // It fails only for an address that is not mapped.
            let _woken = futex::wake(word, Flags::empty(), EVERYBODY);
        }
    }

    /// Has the caller look that has this slot.
    pub(super) fn tell(&self, number: usize) {
        let word = self.ring.annex_futex(slot_at(number) + NEWS);
        word.fetch_add(1, Ordering::Release);
        // As above.
        let _woken = futex::wake(word, Flags::empty(), EVERYBODY);
    }
}
