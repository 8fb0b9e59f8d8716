//! The slots of callers: taken, waited at, replied to, given back.

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::thread::futex::{self, Flags};

use crate::clock;
use crate::life::Life;
use crate::ring::SPOILED;
use crate::robust::Owned;

use super::{
    HOLDER, HOLDER_STARTED, LENGTH, LOOK_AGAIN, LOST_BELOW, Mailbox, NEWS, REPLIES, Reply, SLOTS,
    Slot, Status, TURN, Verdict, WAITING, reply_bytes, slot_at,
};

impl Mailbox {
    /// Takes a slot, waiting for one.
    pub(in crate::actor) fn take_slot(&self, deadline_ns: Option<u64>) -> Result<Slot, Verdict> {
        loop {
            let held = self.ring.lock();
            if held.is_broken() || self.status() != Status::Serves {
                return Err(Verdict::Ended(self.reason(&held)));
            }
            if let Some(number) = self.free_slot(&held) {
                let turn = self.slot(number, TURN).load(Ordering::Relaxed).wrapping_add(1);
                self.slot(number, HOLDER_STARTED).store(Life::own().started, Ordering::Relaxed);
                self.slot(number, TURN).store(turn, Ordering::Relaxed);
                let holder = u64::from(Life::own().pid) << 32 | WAITING;
                self.slot(number, HOLDER).store(holder, Ordering::Relaxed);
                return Ok(Slot { number, turn });
            }
            let look_ns = clock::look_ns(LOOK_AGAIN).min(deadline_ns.unwrap_or(u64::MAX));
            if !self.sleep_on_changes(held, Some(look_ns)) && clock::is_over(deadline_ns) {
                return Err(Verdict::Over);
            }
        }
    }

    /// A slot that nobody has, or only a dead caller.
    pub(super) fn free_slot(&self, _held: &Owned) -> Option<usize> {
        let holder = |number| self.slot(number, HOLDER).load(Ordering::Relaxed);
        let free = (0..SLOTS).find(|&number| holder(number) == 0);
        let life = |number| Life {
            pid: u32::try_from(holder(number) >> 32).expect("the upper half of 64 bits"),
            started: self.slot(number, HOLDER_STARTED).load(Ordering::Relaxed),
        };
        free.or_else(|| (0..SLOTS).find(|&number| life(number).is_over()))
    }

    /// Waits for the reply to message `number`; the slot is free afterwards.
    pub(in crate::actor) fn wait(
        &self,
        slot: &Slot,
        number: u64,
        deadline_ns: Option<u64>,
    ) -> Result<Reply, Verdict> {
        let word = self.ring.annex_futex(slot_at(slot.number) + NEWS);
        loop {
            // Before the look, so that what comes after it is not slept through.
            let news = word.load(Ordering::Acquire);
            let held = self.ring.lock();
            if let Some(outcome) = self.outcome(&held, slot, number) {
                self.release(held, slot.number);
                return outcome;
            }
            let left = deadline_ns.map(clock::left);
            if left == Some(None) {
                self.release(held, slot.number);
                return Err(Verdict::Over);
            }
            drop(held);
            let timeout = left.flatten().map(clock::timespec);
            // Woken, interrupted, timed out, or there was news already: look again.
            let _ended = futex::wait(word, Flags::empty(), news, timeout.as_ref());
        }
    }

    /// The reply, or why there will be none; none as long as neither is known. When the mutex has been
    /// overwritten nobody can tell what is a reply, nor whether the message was taken.
    pub(super) fn outcome(
        &self,
        held: &Owned,
        slot: &Slot,
        number: u64,
    ) -> Option<Result<Reply, Verdict>> {
        let lost = || Some(Err(Verdict::Lost(SPOILED.to_owned())));
        if held.is_broken() {
            return lost();
        }
        let state = self.slot(slot.number, HOLDER).load(Ordering::Relaxed) & u64::from(u32::MAX);
        if state > WAITING {
            let length = self.slot(slot.number, LENGTH).load(Ordering::Relaxed);
            let room = reply_bytes(self.max_message());
            let Some(length) = usize::try_from(length).ok().filter(|&length| length <= room) else {
                // Somebody has overwritten it: this is no kind of reply.
                return Some(Ok(Reply { kind: u8::MAX, bytes: Vec::new() }));
            };
            let bytes = self.ring.annex_read(held, self.reply_at(slot.number), length);
            let Some(bytes) = bytes else { return lost() };
            let kind = u8::try_from(state - WAITING).unwrap_or(u8::MAX);
            return Some(Ok(Reply { kind, bytes }));
        }
        if number < self.word(LOST_BELOW).load(Ordering::Relaxed) {
            return Some(Err(Verdict::Lost(self.reason(held))));
        }
        let ended = self.status() != Status::Serves;
        ended.then(|| Err(Verdict::Ended(self.reason(held))))
    }

    /// Gives a slot back that is not waited for.
    pub(in crate::actor) fn free(&self, slot: &Slot) {
        self.release(self.ring.lock(), slot.number);
    }

    /// Gives a slot back.
    pub(super) fn release(&self, held: Owned, number: usize) {
        self.slot(number, HOLDER).store(0, Ordering::Relaxed);
        self.tell_of_changes(held);
    }

    /// The actor: leaves a reply, unless nobody waits for it any more, or the mutex has been overwritten:
    /// that is what the caller finds then, too.
    pub(in crate::actor) fn reply(&self, slot: &Slot, kind: u8, bytes: &[u8]) {
        if slot.number >= SLOTS || bytes.len() > reply_bytes(self.max_message()) {
            return; // No message says so.
        }
        let held = self.ring.lock();
        let holder = self.slot(slot.number, HOLDER).load(Ordering::Relaxed);
        let is_wanted = self.slot(slot.number, TURN).load(Ordering::Relaxed) == slot.turn
            && holder & u64::from(u32::MAX) == WAITING;
        if is_wanted && self.ring.annex_write(&held, self.reply_at(slot.number), bytes) {
            self.slot(slot.number, LENGTH).store(bytes.len() as u64, Ordering::Relaxed);
            self.slot(slot.number, HOLDER).store(holder + u64::from(kind), Ordering::Relaxed);
        }
        drop(held);
        // Whoever dies before this has its owner wake the caller.
        self.tell(slot.number);
    }

    /// Where the bytes of a reply begin.
    pub(super) fn reply_at(&self, number: usize) -> usize {
        REPLIES + number * (reply_bytes(self.max_message()) / 8)
    }

    /// A word of a slot.
    pub(super) fn slot(&self, number: usize, field: usize) -> &AtomicU64 {
        self.word(slot_at(number) + field)
    }
}
