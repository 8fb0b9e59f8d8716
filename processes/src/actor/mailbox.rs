//! An actor's memory: its mailbox, who has references, and where replies are left.
//!
//! ```text
//! ring of messages | annex: holders of references | head | slots | bytes of the replies
//! ```
//!
//! A caller takes a *slot*, puts a message that names it into the ring, and sleeps on the slot's
//! word until a reply is there. All is changed under the ring's mutex, and each change commits by
//! one store. The word of a slot that says who has it, and in what state:
//!
//! | state | next | by |
//! |---|---|---|
//! | free | waiting | a caller, who adds 1 to the slot's *turn*, so that no late reply is taken for its own |
//! | waiting | replied; free | the actor; the caller, whose time is over, or another one, as this one is dead |
//! | replied | free | the caller, or another one, as this one is dead |
//!
//! # When the actor dies
//!
//! Its owner, the process that started it, is told, and notes down how many messages were taken so
//! far. A caller knows the number of its message: if that was taken and there is no reply, there
//! will be none. There is no moment in which a message is nobody's: the ring counts it as taken or
//! it is still there. Then all callers are woken. Nobody who waits can outlive the owner: references
//! go only to workers, and their workers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::thread::futex::{self, Flags};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock;
use crate::error::ActorError;
use crate::holders::Holders;
use crate::life::Life;
use crate::queue::{BYTES_PER_MESSAGE, MIN_BYTES};
use crate::ring::{Direction, Refusal, Ring};
use crate::robust::Owned;
use crate::scope;
use crate::segment::Segment;

/// How many callers can wait for replies at a time.
pub(super) const SLOTS: usize = 64;

/// How long a slot of a killed caller can go unnoticed by one who needs it.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A reply has room for at least this much, which is enough for every error.
const MIN_REPLY: usize = 4096;

/// As many sleepers as the kernel can be told to wake.
const EVERYBODY: u32 = i32::MAX.unsigned_abs();

/// What one finds first in the head of an actor's memory.
const TAG: u64 = 0x0061_6374_6f72_7301;
/// Index of the tag, in words of the annex: behind the table of holders.
const TAG_AT: usize = Holders::WORDS;
/// The largest encoded argument or result; constant.
const MAX_MESSAGE: usize = TAG_AT + 1;
/// How it stands: see [`Status`].
const STATUS: usize = TAG_AT + 2;
/// Messages below this number that have no reply will have none.
const LOST_BELOW: usize = TAG_AT + 3;
/// Changes when a slot becomes free and when the actor ends; a futex.
const CHANGES: usize = TAG_AT + 4;
/// Whether somebody sleeps on it.
const SLEEPERS: usize = TAG_AT + 5;
/// The process that serves; 0 before there is one.
const PID: usize = TAG_AT + 6;
/// When that process was started.
const STARTED: usize = TAG_AT + 7;
/// How many have begun to serve.
const STARTS: usize = TAG_AT + 8;
/// Length of the reason in bytes.
const REASON_LEN: usize = TAG_AT + 9;
/// Why the last one has ended.
const REASON: usize = TAG_AT + 10;
/// Most bytes of the reason.
const REASON_BYTES: usize = 1024;
/// The first slot.
const FIRST: usize = REASON + REASON_BYTES / 8;
/// Words of a slot.
const SLOT_WORDS: usize = 5;
/// In a slot: counts those who have had it.
const TURN: usize = 0;
/// In a slot: process and state.
const HOLDER: usize = 1;
/// In a slot: when that process was started.
const HOLDER_STARTED: usize = 2;
/// In a slot: length of the reply in bytes.
const LENGTH: usize = 3;
/// In a slot: changes when there is something to look at; a futex.
const NEWS: usize = 4;
/// The bytes of the first reply.
const REPLIES: usize = FIRST + SLOTS * SLOT_WORDS;

/// The state of a slot whose caller waits; larger ones are the kind of a reply, plus this.
const WAITING: u64 = 1;

/// How an actor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It serves, or will.
    Serves = 0,
    /// It has ended as it was to.
    Stopped,
    /// It has failed.
    Failed,
}

/// The memory of an actor.
#[derive(Clone, Debug)]
pub(super) struct Mailbox {
    /// The ring, with the annex.
    ring: Ring,
}

/// A slot that a caller has.
#[derive(Debug)]
pub(super) struct Slot {
    /// Which.
    pub(super) number: usize,
    /// The caller's turn.
    pub(super) turn: u64,
}

/// What the actor has left in a slot.
#[derive(Debug)]
pub(super) struct Reply {
    /// What it is.
    pub(super) kind: u8,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
}

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Time is over.
    Over,
    /// The actor has failed after it had taken the message; why.
    Lost(String),
    /// The actor has ended before; why.
    Ended(String),
}

impl Mailbox {
    /// Memory for an actor that serves nobody so far.
    ///
    /// # Errors
    /// No descriptors or memory are left.
    pub(super) fn create(messages: usize, max_message: usize) -> io::Result<Self> {
        let longest = max_message.saturating_add(super::serve::HEADER);
        let bytes = messages.saturating_mul(BYTES_PER_MESSAGE).max(MIN_BYTES).max(longest);
        let annex = annex_bytes(max_message).ok_or(io::ErrorKind::OutOfMemory)?;
        let mailbox = Self { ring: Ring::create_with(messages, bytes, annex)? };
        mailbox.word(TAG_AT).store(TAG, Ordering::Relaxed);
        mailbox.word(MAX_MESSAGE).store(max_message as u64, Ordering::Relaxed);
        Ok(mailbox)
    }

    /// The one in a segment that came from elsewhere; none if it is something else.
    fn adopt(segment: Arc<Segment>) -> Option<Self> {
        let annex = |ring: &Ring| {
            let is_one = ring.annex_len() >= REPLIES * 8
                && ring.annex_word(TAG_AT).load(Ordering::Relaxed) == TAG;
            let bytes = is_one.then(|| ring.annex_word(MAX_MESSAGE).load(Ordering::Relaxed))?;
            annex_bytes(usize::try_from(bytes).ok()?)
        };
        Some(Self { ring: Ring::adopt_with(segment, annex)? })
    }

    /// The memory.
    pub(super) fn segment(&self) -> &Arc<Segment> {
        self.ring.segment()
    }

    /// Who has references.
    pub(super) fn holders(&self) -> Holders {
        Holders::new(&self.ring, 0)
    }

    /// The largest encoded argument or result.
    pub(super) fn max_message(&self) -> usize {
        to_usize(self.word(MAX_MESSAGE).load(Ordering::Relaxed))
    }

    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    /// The process that serves.
    pub(super) fn life(&self) -> Option<Life> {
        let held = self.ring.lock();
        let pid = u32::try_from(self.word(PID).load(Ordering::Relaxed)).ok()?;
        let started = self.word(STARTED).load(Ordering::Relaxed);
        drop(held);
        (pid != 0).then_some(Life { pid, started })
    }

    /// Whether nobody has it locked for longer than a moment.
    pub(super) fn is_free(&self) -> bool {
        self.ring.is_free()
    }

    /// How many have begun to serve.
    pub(super) fn starts(&self) -> u64 {
        self.word(STARTS).load(Ordering::Relaxed)
    }

    /// No more messages.
    pub(super) fn stop(&self) {
        self.ring.shut_down();
    }

    /// Whether there is anything left to do.
    pub(super) fn is_wanted(&self) -> bool {
        !self.ring.is_shut_down() || self.len() > 0
    }

    /// Stores a message, and says how many had been stored before.
    pub(super) fn put(&self, message: &[u8], deadline_ns: Option<u64>) -> Result<u64, Verdict> {
        loop {
            match self.ring.put(message) {
                Ok(number) => return Ok(number),
                Err(Refusal::ShutDown | Refusal::TooLong) => {
                    let held = self.ring.lock();
                    return Err(Verdict::Ended(self.reason(&held)));
                }
                Err(Refusal::Wait(epoch)) => {
                    if !self.ring.sleep(Direction::Room, epoch, deadline_ns) {
                        return Err(Verdict::Over);
                    }
                }
            }
        }
    }

    /// Takes a slot, waiting for one.
    pub(super) fn take_slot(&self, deadline_ns: Option<u64>) -> Result<Slot, Verdict> {
        loop {
            let held = self.ring.lock();
            if self.status() != Status::Serves {
                return Err(Verdict::Ended(self.reason(&held)));
            }
            if let Some(number) = self.free_slot(&held) {
                let turn = self.slot(number, TURN).load(Ordering::Relaxed) + 1;
                self.slot(number, HOLDER_STARTED).store(Life::own().started, Ordering::Relaxed);
                self.slot(number, TURN).store(turn, Ordering::Relaxed);
                let holder = u64::from(Life::own().pid) << 32 | WAITING;
                self.slot(number, HOLDER).store(holder, Ordering::Relaxed);
                return Ok(Slot { number, turn });
            }
            let look_ns = clock::after_ns(LOOK_AGAIN).min(deadline_ns.unwrap_or(u64::MAX));
            if !self.sleep_on_changes(held, Some(look_ns)) {
                return Err(Verdict::Over);
            }
        }
    }

    /// A slot that nobody has, or only a dead caller.
    fn free_slot(&self, _held: &Owned) -> Option<usize> {
        let holder = |number| self.slot(number, HOLDER).load(Ordering::Relaxed);
        let free = (0..SLOTS).find(|&number| holder(number) == 0);
        let life = |number| Life {
            pid: u32::try_from(holder(number) >> 32).expect("the upper half of 64 bits"),
            started: self.slot(number, HOLDER_STARTED).load(Ordering::Relaxed),
        };
        free.or_else(|| (0..SLOTS).find(|&number| life(number).is_over()))
    }

    /// Waits for the reply to message `number`; the slot is free afterwards.
    pub(super) fn wait(
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

    /// The reply, or why there will be none; none as long as neither is known.
    fn outcome(&self, held: &Owned, slot: &Slot, number: u64) -> Option<Result<Reply, Verdict>> {
        let state = self.slot(slot.number, HOLDER).load(Ordering::Relaxed) & u64::from(u32::MAX);
        if state > WAITING {
            let length = to_usize(self.slot(slot.number, LENGTH).load(Ordering::Relaxed));
            let mut bytes = vec![0; length];
            self.ring.annex_read(held, self.reply_at(slot.number), &mut bytes);
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
    pub(super) fn free(&self, slot: &Slot) {
        self.release(self.ring.lock(), slot.number);
    }

    /// Gives a slot back.
    fn release(&self, held: Owned, number: usize) {
        self.slot(number, HOLDER).store(0, Ordering::Relaxed);
        self.tell_of_changes(held);
    }

    /// The actor: begins to serve.
    pub(super) fn begin(&self) {
        let held = self.ring.lock();
        self.word(STARTED).store(Life::own().started, Ordering::Relaxed);
        self.word(PID).store(Life::own().pid.into(), Ordering::Relaxed);
        self.word(STARTS).fetch_add(1, Ordering::Relaxed);
        drop(held);
    }

    /// The actor: takes the oldest message, waiting for one; none when there will be no more.
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        loop {
            match self.ring.get() {
                Ok(message) => return Some(message),
                Err(Refusal::ShutDown | Refusal::TooLong) => return None,
                Err(Refusal::Wait(epoch)) => {
                    self.holders().sleep(Direction::Message, epoch, None);
                }
            }
        }
    }

    /// The actor: leaves a reply, unless nobody waits for it any more.
    pub(super) fn reply(&self, slot: &Slot, kind: u8, bytes: &[u8]) {
        if slot.number >= SLOTS || bytes.len() > reply_bytes(self.max_message()) {
            return; // No message says so.
        }
        let held = self.ring.lock();
        let holder = self.slot(slot.number, HOLDER).load(Ordering::Relaxed);
        let is_wanted = self.slot(slot.number, TURN).load(Ordering::Relaxed) == slot.turn
            && holder & u64::from(u32::MAX) == WAITING;
        if is_wanted {
            self.ring.annex_write(&held, self.reply_at(slot.number), bytes);
            self.slot(slot.number, LENGTH).store(bytes.len() as u64, Ordering::Relaxed);
            self.slot(slot.number, HOLDER).store(holder + u64::from(kind), Ordering::Relaxed);
        }
        drop(held);
        // Whoever dies before this has its owner wake the caller.
        self.tell(slot.number);
    }

    /// The owner: the actor is gone; what it had taken is lost.
    pub(super) fn bury(&self, reason: &str) {
        let held = self.ring.lock();
        self.word(LOST_BELOW).store(self.ring.taken(&held), Ordering::Relaxed);
        self.word(PID).store(0, Ordering::Relaxed);
        let reason = &reason.as_bytes()[..reason.floor_char_boundary(REASON_BYTES)];
        self.ring.annex_write(&held, REASON, reason);
        self.word(REASON_LEN).store(reason.len() as u64, Ordering::Relaxed);
        drop(held);
        (0..SLOTS).for_each(|number| self.tell(number));
    }

    /// The owner: the actor is gone for good.
    pub(super) fn end(&self, status: Status, reason: &str) {
        let held = self.ring.lock();
        self.word(STATUS).store(status as u64, Ordering::Relaxed);
        drop(held);
        self.ring.shut_down();
        self.bury(reason);
        self.tell_of_changes(self.ring.lock());
    }

    /// Waits for the end, and says how it was; none when time is over.
    pub(super) fn join(&self, deadline_ns: Option<u64>) -> Option<Result<(), ActorError>> {
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
    fn sleep_on_changes(&self, held: Owned, deadline_ns: Option<u64>) -> bool {
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
    fn tell_of_changes(&self, held: Owned) {
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
    fn tell(&self, number: usize) {
        let word = self.ring.annex_futex(slot_at(number) + NEWS);
        word.fetch_add(1, Ordering::Release);
        // As above.
        let _woken = futex::wake(word, Flags::empty(), EVERYBODY);
    }

    /// How the actor stands; under the mutex.
    fn status(&self) -> Status {
        match self.word(STATUS).load(Ordering::Relaxed) {
            0 => Status::Serves,
            1 => Status::Stopped,
            _ => Status::Failed,
        }
    }

    /// Why the last one has ended.
    fn reason(&self, held: &Owned) -> String {
        let length = to_usize(self.word(REASON_LEN).load(Ordering::Relaxed)).min(REASON_BYTES);
        if length == 0 {
            return "it was told to stop".to_owned();
        }
        let mut bytes = vec![0; length];
        self.ring.annex_read(held, REASON, &mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Where the bytes of a reply begin.
    fn reply_at(&self, number: usize) -> usize {
        REPLIES + number * (reply_bytes(self.max_message()) / 8)
    }

    /// A word of a slot.
    fn slot(&self, number: usize, field: usize) -> &AtomicU64 {
        self.word(slot_at(number) + field)
    }

    /// A word of the annex.
    fn word(&self, index: usize) -> &AtomicU64 {
        self.ring.annex_word(index)
    }
}

/// Where a slot begins.
fn slot_at(number: usize) -> usize {
    FIRST + number * SLOT_WORDS
}

/// How many bytes a reply has room for.
fn reply_bytes(max_message: usize) -> usize {
    max_message.max(MIN_REPLY).next_multiple_of(8)
}

/// The size of the annex.
fn annex_bytes(max_message: usize) -> Option<usize> {
    let reply = max_message.max(MIN_REPLY).checked_next_multiple_of(8)?;
    reply.checked_mul(SLOTS)?.checked_add(REPLIES * 8)
}

/// A number that was stored from a `usize` of the same machine.
fn to_usize(value: u64) -> usize {
    usize::try_from(value).expect("sizes in shared memory come from a `usize`")
}

/// Works only inside the argument of a call; an error elsewhere. Not counted as a reference.
impl Serialize for Mailbox {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let id = scope::send(self.segment()).map_err(serde::ser::Error::custom)?;
        serializer.serialize_u128(id)
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl<'de> Deserialize<'de> for Mailbox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let error = <D::Error as serde::de::Error>::custom::<&str>;
        let segment = scope::receive(u128::deserialize(deserializer)?).map_err(error)?;
        Self::adopt(segment).ok_or_else(|| error("the shared memory is no actor"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
