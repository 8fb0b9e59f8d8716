//! The memory of a record, which one thread writes and all may read.
//!
//! # Protocol
//!
//! Everything is an atomic word, so no reader ever does harm, and none ever makes the writer wait. What
//! a reader has to find out is whether words belong together.
//!
//! *Events.* The writer of event `n` stores `n` in `HEAD` (it is there from the event before), issues a
//! release fence, stores the four words in place `n % events`, and stores `n + 1` in `HEAD`, with release.
//! A reader loads `HEAD` with acquire: `h1`; all events below are whole, unless they have been
//! overwritten. It copies the words, issues an acquire fence and loads `HEAD` again: `h2`. If one of the
//! words that it has copied was written for event `m`, then the fences make the store of `m` in `HEAD`,
//! before that event, visible to the second load: `h2 >= m`. So event `n` of the copy was not touched by
//! event `n + events`, or a later one, if `n + events > h2`.
//!
//! *Entries of tasks.* The writer fills in all other words and then stores the task's word, with release;
//! it stores 0 there when the slot is free. A reader loads the word, with acquire, copies the others,
//! issues an acquire fence and loads the word again: if it has not changed, the others are of that task.
//! (They may be of two moments: a number of polls with the time before the last of them. A wait is told
//! only if it did not change meanwhile.) A task's word comes back after 2^28 other tasks in that slot.
//!
//! *Names and texts* are written before what refers to them. A text stays; a name is written again only
//! after the entry that refers to it was freed, which the reader notices as above.
//!
//! *Regions* are listed before the count of regions says so, with release.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::clock::SharedClock;
use super::layout::{EVENT_WORDS, NAME_WORDS, TASK_WORDS, head};
use super::mapping::Mapping;

/// The first chunk has two to the power of this many elements, each further one twice as many as the
/// one before.
const FIRST_BITS: u32 = 10;
/// As many chunks as a reactor can have slots.
pub(super) const CHUNKS: usize = 15;

/// Header words that exist for sure.
const HEADER_WORDS: usize = 512;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Shared {
    /// What others than the writer know of the clock.
    clock: SharedClock,
    /// What is added to ticks, see [`set_back`](Self::set_back).
    shift: AtomicU64,
    /// Header, schema and texts.
    head: Mapping,
    /// The ring; the number of its events is a power of two.
    ring: Mapping,
    /// The task table, in chunks that grow.
    tasks: [OnceLock<Mapping>; CHUNKS],
    /// Names of tasks, likewise.
    names: [OnceLock<Mapping>; CHUNKS],
}

/// What the table says of a task.
pub(crate) type Entry = [AtomicU64; TASK_WORDS];

/// The chunk of an element, and its place there.
#[inline]
pub(super) fn locate(index: u32) -> (usize, usize) {
    let shifted = index + (1 << FIRST_BITS);
    // The lowest bit changes nothing, and tells the compiler that there is one.
    let chunk = (shifted | 1).ilog2() - FIRST_BITS;
    (chunk as usize, (shifted - (1 << (chunk + FIRST_BITS))) as usize)
}

/// How many elements a chunk has.
pub(super) fn size_of_chunk(chunk: usize) -> usize {
    1 << (FIRST_BITS as usize + chunk)
}

/// The number of the first element of a chunk.
pub(super) fn first_of_chunk(chunk: usize) -> usize {
    size_of_chunk(chunk) - (1 << FIRST_BITS)
}

impl Shared {
    pub(super) fn new(clock: SharedClock, head: Mapping, ring: Mapping) -> Self {
        Self {
            clock,
            shift: AtomicU64::new(0),
            head,
            ring,
            tasks: [const { OnceLock::new() }; CHUNKS],
            names: [const { OnceLock::new() }; CHUNKS],
        }
    }

    /// Now, in ticks; in virtual time, when the reactor last looked.
    pub(super) fn ticks(&self) -> u64 {
        let now = self.clock.ticks().map(|ticks| self.shifted(ticks));
        now.unwrap_or_else(|| self.header()[head::NOW].load(Ordering::Relaxed))
    }

    /// What these ticks of the clock are in this record.
    #[inline]
    pub(super) fn shifted(&self, ticks: u64) -> u64 {
        ticks.wrapping_add(self.shift.load(Ordering::Relaxed))
    }

    /// The clock has begun anew, so many ticks below where it was: the record goes on from there. Only for
    /// the one thread that writes.
    pub(super) fn set_back(&self, by: u64) {
        self.shift.store(self.shifted(by), Ordering::Relaxed);
    }

    /// The words of the header.
    #[inline]
    pub(super) fn header(&self) -> &[AtomicU64; HEADER_WORDS] {
        self.head.words().first_chunk().expect("a header has that many words")
    }

    /// Header, schema and texts.
    pub(super) fn head_words(&self) -> &[AtomicU64] {
        self.head.words()
    }

    /// The places of the ring.
    #[inline]
    pub(super) fn ring(&self) -> &[[AtomicU64; EVENT_WORDS]] {
        self.ring.words().as_chunks().0
    }

    /// Writes an event. Only for the one thread that writes.
    #[inline]
    pub(super) fn push(&self, event: [u64; EVENT_WORDS]) {
        let number = &self.header()[head::HEAD];
        let n = number.load(Ordering::Relaxed);
        let ring = self.ring();
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits count")]
        let place = n as usize & (ring.len() - 1);
        fence(Ordering::Release);
        for (word, value) in ring[place].iter().zip(event) {
            word.store(value, Ordering::Relaxed);
        }
        number.store(n + 1, Ordering::Release);
    }

    /// The entry of a task slot, if there is one.
    #[inline]
    pub(super) fn task(&self, index: u32) -> Option<&Entry> {
        let (chunk, place) = locate(index);
        self.tasks.get(chunk)?.get()?.words().as_chunks().0.get(place)
    }

    /// The cell of a name, if there is one.
    pub(super) fn name(&self, cell: u32) -> Option<&[AtomicU64; NAME_WORDS]> {
        let (chunk, place) = locate(cell);
        self.names.get(chunk)?.get()?.words().as_chunks().0.get(place)
    }

    /// The chunks of the task table.
    pub(super) fn tasks(&self) -> &[OnceLock<Mapping>; CHUNKS] {
        &self.tasks
    }

    /// The chunks of names.
    pub(super) fn names(&self) -> &[OnceLock<Mapping>; CHUNKS] {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn every_element_has_its_own_place() {
        let mut expected = (0, 0);
        for index in 0..100_000 {
            assert_eq!(locate(index), expected);
            assert_eq!(first_of_chunk(expected.0) + expected.1, index as usize);
            expected.1 += 1;
            if expected.1 == size_of_chunk(expected.0) {
                expected = (expected.0 + 1, 0);
            }
        }
        assert_eq!(locate(crate::chunks::CAPACITY - 1).0, CHUNKS - 1);
    }

    /// Each event says four times which one it is: one that was put together from two would not.
    #[test]
    fn no_reader_sees_half_an_event() {
        let map = |bytes| Mapping::anonymous(bytes).unwrap();
        let shared = Shared::new(SharedClock::Virtual, map(1 << 16), map(64 * 32));
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut seen = 0_u64;
                while !ended.load(Ordering::Acquire) || seen == 0 {
                    let copy = super::super::image::copy_ring(&shared);
                    for (n, event) in copy {
                        assert_eq!(event, [n; 4]);
                        seen += 1;
                    }
                    std::thread::yield_now();
                }
                seen
            });
            for n in 0..2_000_000 {
                shared.push([n; 4]);
            }
            ended.store(true, Ordering::Release);
            assert!(reader.join().unwrap() > 0);
        });
    }
}
