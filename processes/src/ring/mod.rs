//! The queue's memory: a byte ring of messages that survives the death of whoever is inside.
//!
//! ```text
//! mutex | counters | entries: start and length of each message | bytes | annex
//! ```
//!
//! All words are read and written under the robust mutex. What is in the queue is defined by two
//! counters, `put` and `got`: message `n` (`got <= n < put`) is described by entry
//! `n % capacity`. There are two copies of each counter, and an *epoch*, a futex word, says which
//! one holds: bit 1 of `put`'s epoch chooses the copy of `put`, likewise for `got`. A put writes
//! bytes, entry and the copy that does not hold, and then *commits* by adding 2 to the epoch; a
//! get copies the bytes out and commits in the same way. A process that is killed before its commit
//! has changed nothing that anybody looks at, so the queue recovers instead of being poisoned.
//!
//! Bit 0 of `put`'s epoch says that the queue was shut down.
//!
//! Any process that has the memory can write anything to it, if it goes wild. So sizes are noted in each
//! process's own memory when it gets the ring, and what the other words say is looked at once, and whether
//! it can be. If not, the ring is emptied and shut down: that is an error for the first one who comes, and
//! the end for those after it. What is *in* a message is for those to judge who decode it.
//!
//! The *annex* is for those who build more on a ring: words that nobody here touches, under the same
//! mutex. A queue has none.
//!
//! How one sleeps, and is woken whoever is killed: see [`epoch`].

mod annex;
mod bytes;
mod epoch;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::robust::{self, MUTEX_BYTES, Owned, Patience};
use crate::segment::Segment;

pub(crate) use epoch::Direction;
use epoch::{COMMIT, NUDGE, SHUT_DOWN};

/// Index of the first counter, in words of 8 bytes.
const WORDS: usize = MUTEX_BYTES / 8;
/// How many messages fit; read when a process gets the ring, and never again.
const CAPACITY: usize = WORDS + 4;
/// Size of the byte ring; likewise.
const BYTES: usize = WORDS + 5;
/// Index of the first 4-byte word after the counters.
const FLAGS: usize = (WORDS + 6) * 2;
/// Much longer than a process has the ring locked that goes on.
const A_MOMENT: Duration = Duration::from_millis(20);
/// Index of the first entry, in words of 8 bytes; each entry takes two.
const ENTRIES: usize = WORDS + 8;

const _: () = assert!(FLAGS + 4 <= ENTRIES * 2);

/// Why a step did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No room, or no message; with the epoch to sleep on.
    Wait(u32),
    /// Shut down (and, for a get, empty).
    ShutDown,
    /// The message is longer than the whole ring.
    TooLong,
    /// What the words said could not be. The ring is empty and shut down from now on.
    Spoiled,
}

/// Why a message is not there that was put into a ring.
pub(crate) const SPOILED: &str = "some process has overwritten the shared memory of the messages";

/// What is in a ring.
#[derive(Clone, Copy, Debug)]
struct Contents {
    /// How many messages were put so far.
    put: u64,
    /// How many were taken; not more, and by at most the capacity less.
    got: u64,
    /// Where the bytes of the next message begin.
    start: u64,
    /// How many bytes are in use; at most all.
    used: u64,
}

/// The ring in a segment.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    /// The memory.
    segment: Arc<Segment>,
    /// How many messages fit; at least one.
    capacity: usize,
    /// Size of the byte ring; at least one.
    bytes: usize,
}

impl Ring {
    /// A ring for `capacity` messages that together take up to `bytes` bytes.
    ///
    /// # Errors
    /// No descriptors or memory are left, or the sizes do not fit into an address space.
    pub(crate) fn create(capacity: usize, bytes: usize) -> io::Result<Self> {
        Self::create_with(capacity, bytes, 0)
    }

    /// As [`create`](Self::create), with an annex of so many bytes.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub(crate) fn create_with(capacity: usize, bytes: usize, annex: usize) -> io::Result<Self> {
        let len = length(capacity, bytes, annex)
            .filter(|&len| isize::try_from(len).is_ok())
            .ok_or(io::ErrorKind::OutOfMemory)?;
        let segment = Segment::create(len)?;
        robust::create(&segment)?;
        segment.atomic_u64(CAPACITY).store(capacity as u64, Ordering::Relaxed);
        segment.atomic_u64(BYTES).store(bytes as u64, Ordering::Relaxed);
        Ok(Self { segment, capacity, bytes })
    }

    /// The ring in a segment that came from elsewhere; none if it is no ring.
    pub(crate) fn adopt(segment: Arc<Segment>) -> Option<Self> {
        Self::adopt_with(segment, |_annex| Some(0))
    }

    /// As [`adopt`](Self::adopt), one with an annex; `annex` is told where it is and says how many
    /// bytes it has, if it is the right one.
    pub(crate) fn adopt_with(
        segment: Arc<Segment>,
        annex: impl FnOnce(&Self) -> Option<usize>,
    ) -> Option<Self> {
        if segment.len() < ENTRIES * 8 {
            return None;
        }
        let size = |word| {
            let size = usize::try_from(segment.atomic_u64(word).load(Ordering::Relaxed));
            size.ok().filter(|&size| size > 0)
        };
        let (capacity, bytes) = (size(CAPACITY)?, size(BYTES)?);
        length(capacity, bytes, 0).filter(|&len| len <= segment.len())?;
        let ring = Self { segment, capacity, bytes };
        let annex = annex(&ring)?;
        let expected = length(capacity, bytes, annex)?;
        (expected == ring.segment.len()).then_some(ring)
    }

    /// How many messages were taken so far.
    pub(crate) fn taken(&self, _held: &Owned) -> u64 {
        self.count(Direction::Room)
    }

    /// The memory.
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// How many messages fit.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many messages are in it.
    pub(crate) fn len(&self) -> usize {
        let held = self.lock();
        let len = self.count(Direction::Message).saturating_sub(self.count(Direction::Room));
        drop(held);
        usize::try_from(len).unwrap_or(usize::MAX).min(self.capacity)
    }

    /// Whether a message could be taken.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) fn peek(&self) -> Result<(), Refusal> {
        let held = self.lock();
        let refusal = if held.is_broken() {
            self.give_up(&held)
        } else if self.count(Direction::Message) != self.count(Direction::Room) {
            return Ok(());
        } else if self.is_shut_down() {
            Refusal::ShutDown
        } else {
            self.wait(Direction::Message)
        };
        drop(held);
        Err(refusal)
    }

    /// Stores a message, and says how many had been stored before.
    ///
    /// # Errors
    /// Full, shut down, never possible, or spoiled.
    pub(crate) fn put(&self, message: &[u8]) -> Result<u64, Refusal> {
        if message.len() > self.bytes {
            return Err(Refusal::TooLong);
        }
        let held = self.lock();
        if self.is_shut_down() {
            return Err(Refusal::ShutDown);
        }
        if held.is_broken() {
            return Err(self.give_up(&held));
        }
        let length = message.len() as u64;
        let contents = self.contents();
        let next = contents.and_then(|contents| {
            let both = (contents.put.checked_add(1)?, contents.start.checked_add(length)?);
            Some((contents, both))
        });
        let Some((Contents { put, got, start, used }, (next, end))) = next else {
            return Err(self.condemn(&held));
        };
        if put - got == self.capacity as u64 || used + length > self.bytes as u64 {
            return Err(self.wait(Direction::Room));
        }
        self.copy_in(start, message);
        self.set_entry(put, start, end);
        self.prepare(Direction::Message, next);
        self.commit(Direction::Message);
        drop(held);
        Ok(put)
    }

    /// Takes the oldest message.
    ///
    /// # Errors
    /// Empty, empty and shut down, or spoiled.
    pub(crate) fn get(&self) -> Result<Vec<u8>, Refusal> {
        let held = self.lock();
        if held.is_broken() {
            return Err(self.give_up(&held));
        }
        let Some(Contents { put, got, .. }) = self.contents() else {
            return Err(self.condemn(&held));
        };
        if put == got {
            let refusal =
                if self.is_shut_down() { Refusal::ShutDown } else { self.wait(Direction::Message) };
            return Err(refusal);
        }
        let (start, end) = self.entry(got);
        let length = end.checked_sub(start).and_then(|length| usize::try_from(length).ok());
        let Some(length) = length.filter(|&length| length <= self.bytes) else {
            return Err(self.condemn(&held));
        };
        let message = self.copy_out(start, length);
        self.prepare(Direction::Room, got + 1);
        self.commit(Direction::Room);
        drop(held);
        Ok(message)
    }

    /// From now on puts fail, and gets fail once the ring is empty. Wakes everybody.
    pub(crate) fn shut_down(&self) {
        let held = self.lock();
        self.end(&held);
        drop(held);
    }

    /// As [`shut_down`](Self::shut_down), under the mutex.
    pub(crate) fn end(&self, _held: &Owned) {
        if !self.is_shut_down() {
            self.half_word(Direction::Room.epoch()).fetch_add(NUDGE, Ordering::Relaxed);
            self.change(Direction::Message, SHUT_DOWN, Direction::Room);
        }
    }

    /// What is in it; none when the words say what cannot be. Each word is read once.
    fn contents(&self) -> Option<Contents> {
        let (put, got) = (self.count(Direction::Message), self.count(Direction::Room));
        let length = put.checked_sub(got).filter(|&length| length <= self.capacity as u64)?;
        let start = put.checked_sub(1).map_or(0, |last| self.entry(last).1);
        let oldest = if length == 0 { start } else { self.entry(got).0 };
        let used = start.checked_sub(oldest).filter(|&used| used <= self.bytes as u64)?;
        Some(Contents { put, got, start, used })
    }

    /// The mutex has been overwritten: that is as when the words say what cannot be, for the first one.
    fn give_up(&self, held: &Owned) -> Refusal {
        if self.is_shut_down() { Refusal::ShutDown } else { self.condemn(held) }
    }

    /// The words said what cannot be: empties the ring and shuts it down.
    fn condemn(&self, held: &Owned) -> Refusal {
        for direction in [Direction::Message, Direction::Room] {
            for epoch in [0, u32::from(COMMIT)] {
                self.copy(direction, epoch).store(0, Ordering::Relaxed);
            }
        }
        self.end(held);
        Refusal::Spoiled
    }

    /// Locks the ring. What a dead owner left needs no repair (see the module's documentation).
    /// Everybody looks again all the same, should the kernel lack the call that wakes in one step.
    pub(crate) fn lock(&self) -> Owned {
        self.lock_with(Patience::Forever).expect("waiting for ever ends with the lock")
    }

    /// As [`lock`](Self::lock), for one who waits for nobody who has it locked for longer than a moment.
    pub(crate) fn lock_soon(&self) -> Option<Owned> {
        self.lock_with(Patience::For(A_MOMENT))
    }

    /// As [`lock`](Self::lock), for one who may not wait that long.
    pub(crate) fn lock_with(&self, patience: Patience) -> Option<Owned> {
        let held = robust::lock_words(&self.segment, patience)?;
        if held.owner_died {
            self.wake(Direction::Message);
            self.wake(Direction::Room);
        }
        Some(held)
    }

    /// True once the queue was shut down.
    pub(crate) fn is_shut_down(&self) -> bool {
        let epoch = self.half_word(Direction::Message.epoch()).load(Ordering::Relaxed);
        epoch & u32::from(SHUT_DOWN) != 0
    }

    /// A counter.
    fn count(&self, direction: Direction) -> u64 {
        let epoch = self.half_word(direction.epoch()).load(Ordering::Acquire);
        self.copy(direction, epoch).load(Ordering::Relaxed)
    }

    /// The copy of a counter that holds at this epoch.
    fn copy(&self, direction: Direction, epoch: u32) -> &AtomicU64 {
        let second = epoch & u32::from(COMMIT) != 0;
        self.word(direction.counter() + usize::from(second))
    }

    /// Start and end of a message, as positions in an endless ring.
    fn entry(&self, number: u64) -> (u64, u64) {
        let index = self.entry_at(number);
        let start = self.word(index).load(Ordering::Relaxed);
        (start, self.word(index + 1).load(Ordering::Relaxed))
    }

    /// Describes a message.
    fn set_entry(&self, number: u64, start: u64, end: u64) {
        let index = self.entry_at(number);
        self.word(index).store(start, Ordering::Relaxed);
        self.word(index + 1).store(end, Ordering::Relaxed);
    }

    /// Where a message is described, in words.
    fn entry_at(&self, number: u64) -> usize {
        let index = usize::try_from(number % self.capacity as u64);
        ENTRIES + index.expect("less than the capacity") * 2
    }

    /// Where the bytes begin in the segment.
    fn base(&self) -> usize {
        (ENTRIES + self.capacity * 2) * 8
    }

    /// The 8-byte word at `index`.
    fn word(&self, index: usize) -> &AtomicU64 {
        self.segment.atomic_u64(index)
    }

    /// The 4-byte word at `index`.
    fn half_word(&self, index: usize) -> &AtomicU32 {
        self.segment.atomic_u32(index)
    }
}

/// The size of a segment for a ring; none if it does not fit into an address space.
fn length(capacity: usize, bytes: usize, annex: usize) -> Option<usize> {
    let head = capacity.checked_mul(16)?.checked_add(ENTRIES * 8)?;
    let ring = head.checked_add(bytes)?;
    if annex == 0 { Some(ring) } else { ring.checked_next_multiple_of(8)?.checked_add(annex) }
}
