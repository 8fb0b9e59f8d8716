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

mod end;
mod slots;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::holders::Holders;
use crate::life::Life;
use crate::queue::{BYTES_PER_MESSAGE, MIN_BYTES};
use crate::ring::{Direction, Refusal, Ring, SPOILED};
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
/// The largest encoded argument or result; read when a process gets the mailbox, and never again.
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
    /// The largest encoded argument or result.
    max_message: usize,
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
        let mailbox = Self { ring: Ring::create_with(messages, bytes, annex)?, max_message };
        mailbox.word(TAG_AT).store(TAG, Ordering::Relaxed);
        mailbox.word(MAX_MESSAGE).store(max_message as u64, Ordering::Relaxed);
        Ok(mailbox)
    }

    /// The one in a segment that came from elsewhere; none if it is something else.
    fn adopt(segment: Arc<Segment>) -> Option<Self> {
        let mut max_message = None;
        let annex = |ring: &Ring| {
            let is_one = ring.annex_len() >= REPLIES * 8
                && ring.annex_word(TAG_AT).load(Ordering::Relaxed) == TAG;
            let bytes = is_one.then(|| ring.annex_word(MAX_MESSAGE).load(Ordering::Relaxed))?;
            max_message = usize::try_from(bytes).ok();
            annex_bytes(max_message?)
        };
        let ring = Ring::adopt_with(segment, annex)?;
        Some(Self { ring, max_message: max_message? })
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
        self.max_message
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

    /// Locks it.
    #[cfg(test)]
    pub(super) fn lock(&self) -> Owned {
        self.ring.lock()
    }

    /// How many messages were taken so far.
    pub(super) fn taken(&self) -> u64 {
        self.ring.taken(&self.ring.lock())
    }

    /// The owner: waits until then, unless there is nothing left to do before; false in that case.
    pub(super) fn rest(&self, until_ns: u64) -> bool {
        loop {
            // Before the look, so that an end after it, which wakes everybody, is not slept through.
            let epoch = self.ring.futex(Direction::Message).load(Ordering::Acquire);
            if !self.is_wanted() {
                return false;
            }
            if !self.ring.sleep(Direction::Message, epoch, Some(until_ns)) {
                return true;
            }
        }
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
                Err(Refusal::Spoiled) => return Err(Verdict::Ended(SPOILED.to_owned())),
                Err(Refusal::Wait(epoch)) => {
                    if !self.ring.sleep(Direction::Room, epoch, deadline_ns) {
                        return Err(Verdict::Over);
                    }
                }
            }
        }
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
    ///
    /// # Panics
    /// If some process has overwritten the mailbox: that is a failure of the actor.
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        loop {
            match self.ring.get() {
                Ok(message) => return Some(message),
                Err(Refusal::ShutDown | Refusal::TooLong) => return None,
                Err(Refusal::Spoiled) => panic!("{SPOILED}"),
                Err(Refusal::Wait(epoch)) => {
                    self.holders().sleep(Direction::Message, epoch, None);
                }
            }
        }
    }

    /// How the actor stands; under the mutex.
    fn status(&self) -> Status {
        match self.word(STATUS).load(Ordering::Relaxed) {
            0 => Status::Serves,
            1 => Status::Stopped,
            _ => Status::Failed,
        }
    }

    /// Why the last one has ended. When the mutex has been overwritten, that is the reason.
    fn reason(&self, held: &Owned) -> String {
        let length = self.word(REASON_LEN).load(Ordering::Relaxed);
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(REASON_BYTES);
        match self.ring.annex_read(held, REASON, length) {
            None => SPOILED.to_owned(),
            Some(bytes) if bytes.is_empty() => "it was told to stop".to_owned(),
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
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
