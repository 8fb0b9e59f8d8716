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
//! The *annex* is for those who build more on a ring: words that nobody here touches, under the same
//! mutex. A queue has none.
//!
//! # Sleeping
//!
//! Who waits for a message sleeps on `put`'s epoch, who waits for room on `got`'s. A sleeper sets
//! the flag that somebody sleeps and reads the epoch under the mutex, unlocks, and has the kernel
//! put it to sleep if the epoch is still the same. A commit that finds the flag set wakes *all*
//! sleepers of that direction: were it only one, and that one killed, the others would sleep on a
//! message.
//!
//! Nobody may be killed between a commit and its wake-up: the sleepers would sleep on, and nobody
//! else need ever come. So the *kernel* makes the change and wakes them in one system call
//! (`FUTEX_WAKE_OP`), in the middle of which a process is not killed. Only then the flag is
//! cleared; a flag that stays set, also that of a sleeper that was killed or timed out, costs one
//! futile wake-up and mends itself.
//!
//! A shutdown has to wake both directions, and that call changes one word. So it first adds 4 to
//! `got`'s epoch, which means nothing, but whoever is about to sleep there looks again, and then
//! waits for the mutex; the call then sets the bit in `put`'s epoch and wakes who sleeps on either.
//!
//! This is one of the crate's few files with unsafe code: it copies bytes in and out.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rustix::thread::futex::{self, Flags, WakeOp, WakeOpCmp};

use crate::clock;
use crate::robust::{self, MUTEX_BYTES, Owned, Patience};
use crate::segment::Segment;

/// Index of the first counter, in words of 8 bytes.
const WORDS: usize = MUTEX_BYTES / 8;
/// How many messages fit; constant.
const CAPACITY: usize = WORDS + 4;
/// Size of the byte ring; constant.
const BYTES: usize = WORDS + 5;
/// Index of the first 4-byte word after the counters.
const FLAGS: usize = (WORDS + 6) * 2;
/// What a commit adds to an epoch: it changes the bit that chooses the copy.
const COMMIT: u16 = 2;
/// What can be added to an epoch and means nothing.
const NUDGE: u32 = 4;
/// The bit of `put`'s epoch that says that the queue was shut down.
const SHUT_DOWN: u16 = 1;
/// As many sleepers as the kernel can be told to wake.
const EVERYBODY: u32 = i32::MAX.unsigned_abs();
/// Much longer than a process has the ring locked that goes on.
const A_MOMENT: Duration = Duration::from_millis(20);
/// Index of the first entry, in words of 8 bytes; each entry takes two.
const ENTRIES: usize = WORDS + 8;

const _: () = assert!(FLAGS + 4 <= ENTRIES * 2);

/// What one waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    /// A message (or the shutdown): the next put.
    Message,
    /// Room (or the shutdown): the next get.
    Room,
}

impl Direction {
    /// The first copy of the counter; the second one follows.
    fn counter(self) -> usize {
        match self {
            Self::Message => WORDS,
            Self::Room => WORDS + 2,
        }
    }

    /// The futex word.
    fn epoch(self) -> usize {
        match self {
            Self::Message => FLAGS,
            Self::Room => FLAGS + 1,
        }
    }

    /// The flag that somebody sleeps on it.
    fn sleepers(self) -> usize {
        match self {
            Self::Message => FLAGS + 2,
            Self::Room => FLAGS + 3,
        }
    }
}

/// Why a step did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No room, or no message; with the epoch to sleep on.
    Wait(u32),
    /// Shut down (and, for a get, empty).
    ShutDown,
    /// The message is longer than the whole ring.
    TooLong,
}

/// The ring in a segment.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    /// The memory.
    segment: Arc<Segment>,
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
        Ok(Self { segment })
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
        let ring = Self { segment };
        length(ring.capacity(), ring.bytes(), 0).filter(|&len| len <= ring.segment.len())?;
        let annex = annex(&ring)?;
        let expected = length(ring.capacity(), ring.bytes(), annex)?;
        (expected == ring.segment.len()).then_some(ring)
    }

    /// The `index`th 8-byte word of the annex.
    ///
    /// # Panics
    /// If it is outside.
    pub(crate) fn annex_word(&self, index: usize) -> &AtomicU64 {
        self.word(self.annex() + index)
    }

    /// The size of the annex in bytes, as far as the segment tells.
    pub(crate) fn annex_len(&self) -> usize {
        self.segment.len().saturating_sub(self.annex() * 8)
    }

    /// The lower half of that word: one that can be slept on.
    ///
    /// # Panics
    /// If it is outside.
    pub(crate) fn annex_futex(&self, index: usize) -> &AtomicU32 {
        self.half_word((self.annex() + index) * 2)
    }

    /// Copies bytes into the annex, from its `index`th word on.
    ///
    /// # Panics
    /// If they are outside.
    pub(crate) fn annex_write(&self, _held: &Owned, index: usize, bytes: &[u8]) {
        self.copy_to((self.annex() + index) * 8, bytes);
    }

    /// Copies bytes out of the annex, from its `index`th word on.
    ///
    /// # Panics
    /// If they are outside.
    pub(crate) fn annex_read(&self, _held: &Owned, index: usize, bytes: &mut [u8]) {
        self.copy_from((self.annex() + index) * 8, bytes);
    }

    /// How many messages were taken so far.
    pub(crate) fn taken(&self, _held: &Owned) -> u64 {
        self.count(Direction::Room)
    }

    /// Where the annex begins, in words.
    fn annex(&self) -> usize {
        (self.base() + self.bytes()).div_ceil(8)
    }

    /// The memory.
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// How many messages fit.
    pub(crate) fn capacity(&self) -> usize {
        to_usize(self.word(CAPACITY).load(Ordering::Relaxed))
    }

    /// How many messages are in it.
    pub(crate) fn len(&self) -> usize {
        let held = self.lock();
        let len = self.count(Direction::Message) - self.count(Direction::Room);
        drop(held);
        to_usize(len)
    }

    /// Whether a message could be taken.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) fn peek(&self) -> Result<(), Refusal> {
        let held = self.lock();
        let refusal = if self.count(Direction::Message) != self.count(Direction::Room) {
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
    /// Full, shut down, or never possible.
    pub(crate) fn put(&self, message: &[u8]) -> Result<u64, Refusal> {
        if message.len() > self.bytes() {
            return Err(Refusal::TooLong);
        }
        let held = self.lock();
        if self.is_shut_down() {
            return Err(Refusal::ShutDown);
        }
        let (put, got) = (self.count(Direction::Message), self.count(Direction::Room));
        let start = if put == 0 { 0 } else { self.entry(put - 1).1 };
        let oldest = if put == got { start } else { self.entry(got).0 };
        let end = start + message.len() as u64;
        if put - got == self.capacity() as u64 || end - oldest > self.bytes() as u64 {
            return Err(self.wait(Direction::Room));
        }
        self.copy_in(start, message);
        self.set_entry(put, start, end);
        self.prepare(Direction::Message, put + 1);
        self.commit(Direction::Message);
        drop(held);
        Ok(put)
    }

    /// Takes the oldest message.
    ///
    /// # Errors
    /// Empty, or empty and shut down.
    pub(crate) fn get(&self) -> Result<Vec<u8>, Refusal> {
        let held = self.lock();
        let (put, got) = (self.count(Direction::Message), self.count(Direction::Room));
        if put == got {
            let refusal =
                if self.is_shut_down() { Refusal::ShutDown } else { self.wait(Direction::Message) };
            return Err(refusal);
        }
        let (start, end) = self.entry(got);
        let message = self.copy_out(start, to_usize(end - start));
        self.prepare(Direction::Room, got + 1);
        self.commit(Direction::Room);
        drop(held);
        Ok(message)
    }

    /// From now on puts fail, and gets fail once the ring is empty. Wakes everybody.
    pub(crate) fn shut_down(&self) {
        let held = self.lock();
        if !self.is_shut_down() {
            self.half_word(Direction::Room.epoch()).fetch_add(NUDGE, Ordering::Relaxed);
            self.change(Direction::Message, SHUT_DOWN, Direction::Room);
        }
        drop(held);
    }

    /// Sleeps until `direction` has moved on from `epoch`, or the deadline. False: it is over.
    pub(crate) fn sleep(&self, direction: Direction, epoch: u32, deadline_ns: Option<u64>) -> bool {
        let timeout = match deadline_ns.map(clock::left) {
            None => None,
            Some(None) => return false,
            Some(Some(left)) => Some(left.min(Duration::from_secs(u64::from(u32::MAX)))),
        };
        let timeout = timeout.map(clock::timespec);
        let word = self.half_word(direction.epoch());
        // Woken, interrupted, timed out, or the epoch had moved already: the caller looks again.
        match futex::wait(word, Flags::empty(), epoch, timeout.as_ref()) {
            Ok(()) | Err(_) => true,
        }
    }

    /// Locks the ring. What a dead owner left needs no repair (see the module's documentation).
    /// Everybody looks again all the same, should the kernel lack the call that wakes in one step.
    pub(crate) fn lock(&self) -> Owned {
        self.lock_with(Patience::Forever).expect("waiting for ever ends with the lock")
    }

    /// As [`lock`](Self::lock), for one who may not wait that long.
    fn lock_with(&self, patience: Patience) -> Option<Owned> {
        let held = robust::lock(&self.segment, patience)?;
        if held.owner_died {
            self.wake(Direction::Message);
            self.wake(Direction::Room);
        }
        Some(held)
    }

    /// Whether nobody has it locked for longer than a moment.
    pub(crate) fn is_free(&self) -> bool {
        self.lock_with(Patience::For(A_MOMENT)).is_some()
    }

    /// Registers a sleeper; under the mutex.
    fn wait(&self, direction: Direction) -> Refusal {
        self.half_word(direction.sleepers()).store(1, Ordering::Relaxed);
        Refusal::Wait(self.half_word(direction.epoch()).load(Ordering::Relaxed))
    }

    /// Writes the copy of a counter that does not hold; under the mutex.
    fn prepare(&self, direction: Direction, count: u64) {
        let epoch = self.half_word(direction.epoch()).load(Ordering::Relaxed);
        self.copy(direction, epoch.wrapping_add(COMMIT.into())).store(count, Ordering::Relaxed);
    }

    /// Makes what was prepared hold, and wakes the sleepers if there are any; under the mutex.
    fn commit(&self, direction: Direction) {
        let flag = self.half_word(direction.sleepers());
        if flag.load(Ordering::Relaxed) == 0 {
            self.half_word(direction.epoch()).fetch_add(COMMIT.into(), Ordering::Release);
        } else {
            self.change(direction, COMMIT, direction);
            flag.store(0, Ordering::Relaxed);
        }
    }

    /// Adds `step` to the epoch of a direction and wakes all sleepers of both, which may be the
    /// same, all or nothing; under the mutex.
    fn change(&self, direction: Direction, step: u16, other: Direction) {
        let word = self.half_word(direction.epoch());
        // The comparison is to be true: nobody else changes the word under the mutex.
        let not = if word.load(Ordering::Relaxed) == 1 { 2 } else { 1 };
        let changed = futex::wake_op(
            self.half_word(other.epoch()),
            Flags::empty(),
            EVERYBODY,
            EVERYBODY,
            word,
            WakeOp::Add,
            WakeOpCmp::Ne,
            step,
            not,
        );
        if changed.is_err() {
            // The addresses are mapped and the step is small, so this kernel has no such call: it
            // is an imitation that lacks it, or a filter forbids it. Then it takes two steps.
            word.fetch_add(step.into(), Ordering::Release);
            self.wake(direction);
            self.wake(other);
        }
    }

    /// What one sleeps on who waits for this.
    pub(crate) fn futex(&self, direction: Direction) -> &AtomicU32 {
        self.half_word(direction.epoch())
    }

    /// Has everybody who sleeps look again; under the mutex.
    pub(crate) fn nudge(&self, _held: &Owned) {
        self.wake(Direction::Message);
        self.wake(Direction::Room);
    }

    /// Moves the epoch on, which means nothing, and wakes all sleepers; under the mutex.
    fn wake(&self, direction: Direction) {
        let word = self.half_word(direction.epoch());
        word.fetch_add(NUDGE, Ordering::Relaxed);
        // It fails only for an address that is not mapped.
        let _woken = futex::wake(word, Flags::empty(), EVERYBODY);
    }

    /// True once the queue was shut down.
    pub(crate) fn is_shut_down(&self) -> bool {
        let epoch = self.half_word(Direction::Message.epoch()).load(Ordering::Relaxed);
        epoch & u32::from(SHUT_DOWN) != 0
    }

    /// Size of the byte ring.
    fn bytes(&self) -> usize {
        to_usize(self.word(BYTES).load(Ordering::Relaxed))
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
        let index = ENTRIES + to_usize(number % self.capacity() as u64) * 2;
        let start = self.word(index).load(Ordering::Relaxed);
        (start, self.word(index + 1).load(Ordering::Relaxed))
    }

    /// Describes a message.
    fn set_entry(&self, number: u64, start: u64, end: u64) {
        let index = ENTRIES + to_usize(number % self.capacity() as u64) * 2;
        self.word(index).store(start, Ordering::Relaxed);
        self.word(index + 1).store(end, Ordering::Relaxed);
    }

    /// Copies a message into the ring, around its end if need be.
    fn copy_in(&self, start: u64, message: &[u8]) {
        let (at, first) = self.span(start, message.len());
        let (head, tail) = message.split_at(first);
        self.copy_to(at, head);
        self.copy_to(self.base(), tail);
    }

    /// Copies bytes to `offset`; under the mutex.
    fn copy_to(&self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let to = self.segment.at(offset + bytes.len() - 1).as_ptr();
        let to = to.wrapping_sub(bytes.len() - 1);
        // SAFETY: the `bytes.len()` bytes at `offset` are inside the mapping (the last one was
        // checked), no reference to them exists, and the mutex keeps other processes away from
        // them.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Copies a message out of the ring.
    fn copy_out(&self, start: u64, length: usize) -> Vec<u8> {
        let mut message = vec![0; length];
        let (at, first) = self.span(start, length);
        let (head, tail) = message.split_at_mut(first);
        self.copy_from(at, head);
        self.copy_from(self.base(), tail);
        message
    }

    /// Copies bytes from `offset`; under the mutex.
    fn copy_from(&self, offset: usize, bytes: &mut [u8]) {
        if bytes.is_empty() {
            return;
        }
        let from = self.segment.at(offset + bytes.len() - 1).as_ptr();
        let from = from.wrapping_sub(bytes.len() - 1);
        // SAFETY: as in `copy_to`, in the other direction.
        unsafe { bytes.as_mut_ptr().copy_from_nonoverlapping(from, bytes.len()) };
    }

    /// Where a message begins in the segment, and how many of its bytes come before the end.
    fn span(&self, start: u64, length: usize) -> (usize, usize) {
        let offset = to_usize(start % self.bytes() as u64);
        (self.base() + offset, length.min(self.bytes() - offset))
    }

    /// Where the bytes begin in the segment.
    fn base(&self) -> usize {
        (ENTRIES + self.capacity() * 2) * 8
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

/// A number that was stored from a `usize` of the same machine.
fn to_usize(value: u64) -> usize {
    usize::try_from(value).expect("sizes in shared memory come from a `usize`")
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
