//! The way of results: a byte ring with one producer, in the segment of the worker's claim board.
//!
//! ```text
//! claim board | head, announced | tail | room | lends, holds | (a page further) bytes | (an arena)
//! ```
//!
//! `head` and `tail` count bytes for ever; the byte of a position is at the position modulo
//! [`RING_BYTES`]. The worker copies a whole record in and then publishes it by storing `head`, so
//! `head` is always the end of a record: whatever a worker was doing when it was killed, what is
//! before `head` is whole, and it outlives the worker. The receiver copies everything up to `head`
//! out, frees the place by storing `tail`, and looks at its copy only, which nobody can change
//! under its eyes.
//!
//! Publishing and *announcing* are two steps. Items of a map take less than a microsecond each, and
//! a receiver that were woken for each would take the processor from those who work. So a worker
//! announces what it has published, by storing the position in `announced` and ringing the
//! [doorbell](crate::doorbell), at the end of a call or frame, and within one when an item has ended
//! and the last announcement was [`QUIET_NS`] ago. The receiver looks at rings with something
//! announced, and then takes everything that is published.
//!
//! That leaves what was published shortly before a long item. Therefore the receiver, whenever it
//! has slept, takes what is published everywhere, announced or not, and its first sleep after it
//! was awake is a [`NAP`]. That is enough. A result is left unannounced only if it was published
//! before `last` + `QUIET_NS`, `last` being the time of the worker's last announcement (the clock is
//! read after publishing). That announcement found the receiver awake or woke it, so it went to sleep
//! later than `last`, at first for a nap. Either that nap ended after `last` + `NAP`, when the result
//! was there, or somebody ended it before, and the next sleep was a nap again.
//!
//! A worker that finds no room announces, sets `room`, looks again, and sleeps on that word; the receiver
//! stores `tail`, then reads the word, with a full fence between the two on both sides. A worker
//! whose parent is gone does not wait for ever: its watchdog ends the process.
//!
//! This is one of the crate's few files with unsafe code: it copies bytes in and out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::time::Duration;

use rustix::thread::futex::{self, Flags};

use crate::arena::holds::HOLDS;
use crate::arena::lend::LENDS;
use crate::board::BOARD_BYTES;
use crate::doorbell::Doorbell;
use crate::fault::{self, Step};
use crate::frame::MAX_FRAME;
use crate::segment::Segment;

/// Bytes of a ring; some records of the greatest length fit, and memory is used only as far as
/// the ring was ever filled.
const RING_BYTES: usize = 256 * 1024;

/// Where the bytes begin: at a page of their own.
const BYTES_AT: usize = 8192;

/// Within a frame, results are announced no more often.
pub(crate) const QUIET_NS: u64 = 100_000;

/// How long the receiver sleeps before it looks at what is published and not announced; longer than
/// [`QUIET_NS`], see the module's documentation.
pub(crate) const NAP: Duration = Duration::from_millis(1);

/// Bytes of a segment that holds a claim board and a ring.
pub(crate) const BOARD_AND_RING_BYTES: usize = BYTES_AT + RING_BYTES;

/// Index of the head, in words of 8 bytes; only the worker writes it.
const HEAD: usize = BOARD_BYTES / 8;
/// Index of the announced position; only the worker writes it.
const ANNOUNCED: usize = HEAD + 1;
/// Index of the tail, in a cache line of its own; only the receiver writes it.
const TAIL: usize = HEAD + 8;
/// Index of the futex word on which a worker waits for room, in words of 4 bytes.
const ROOM: usize = (HEAD + 16) * 2;

/// Index of the first word of [`crate::arena::lend`], in words of 8 bytes.
pub(crate) const LENDS_WORD: usize = HEAD + 64;

/// Index of the first word of [`crate::arena::holds`], in words of 8 bytes.
pub(crate) const HOLDS_WORD: usize = LENDS_WORD + LENDS;

/// Where the arena for long results begins, if the worker has one.
pub(crate) const RESULTS_AT: usize = BOARD_AND_RING_BYTES;

const _: () = assert!(ROOM < LENDS_WORD * 2, "the words of a ring come before others");
const _: () = assert!((HOLDS_WORD + HOLDS) * 8 <= BYTES_AT, "the words come before the bytes");
const _: () = assert!(RING_BYTES.is_power_of_two(), "positions may wrap around");
const _: () = assert!(2 * MAX_FRAME < RING_BYTES, "a record fits beside another");

/// The worker's end of a ring.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Board and ring.
    segment: Arc<Segment>,
    /// Wakes the receiver.
    doorbell: Doorbell,
    /// Where the next record begins.
    head: u64,
    /// How far the receiver had come when it was last looked at.
    tail: u64,
}

impl Writer {
    /// The only writer of the ring in `segment`, which is new.
    pub(crate) fn new(segment: Arc<Segment>, doorbell: Doorbell) -> Self {
        Self { segment, doorbell, head: 0, tail: 0 }
    }

    /// Publishes a record of at most [`MAX_FRAME`] bytes, once there is room.
    pub(crate) fn publish(&mut self, record: &[u8]) {
        self.wait_for_room(record.len());
        self.copy_in(record);
        fault::here(Step::Half);
        self.commit(record.len());
    }

    /// Announces what was published, and wakes the receiver if it sleeps.
    pub(crate) fn announce(&self) {
        fault::here(Step::Bell);
        self.segment.atomic_u64(ANNOUNCED).store(self.head, Ordering::Release);
        self.doorbell.announce();
    }

    /// Copies a record to where nobody looks yet.
    fn copy_in(&self, record: &[u8]) {
        let at = offset(self.head);
        let (first, second) = record.split_at(record.len().min(RING_BYTES - at));
        for (at, part) in [(at, first), (0, second)] {
            if part.is_empty() {
                continue;
            }
            let to = self.segment.span(BYTES_AT + at, part.len()).as_ptr();
            // SAFETY: the `part.len()` bytes are inside the mapping (`span` has looked), no reference to
            // them exists, and the receiver does not read them: they lie between
            // `head` and `tail + RING_BYTES`, and this is the only writer.
            unsafe { to.copy_from_nonoverlapping(part.as_ptr(), part.len()) };
        }
    }

    /// Makes the record before the new head part of the ring.
    fn commit(&mut self, length: usize) {
        self.head = self.head.wrapping_add(length as u64);
        self.segment.atomic_u64(HEAD).store(self.head, Ordering::Release);
    }

    /// Waits until `length` bytes are free.
    fn wait_for_room(&mut self, length: usize) {
        assert!(length <= MAX_FRAME, "a record is at most {MAX_FRAME} bytes");
        while !self.has_room(length) {
            self.announce();
            let room = room_of(&self.segment);
            room.store(1, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            self.tail = self.segment.atomic_u64(TAIL).load(Ordering::Acquire);
            if !self.has_room(length) {
                // Woken, interrupted, or freed before: it looks again.
                let (Ok(()) | Err(_)) = futex::wait(room, Flags::empty(), 1, None);
            }
        }
    }

    /// True when `length` bytes are known to be free.
    fn has_room(&self, length: usize) -> bool {
        let used = self.head.wrapping_sub(self.tail);
        used + length as u64 <= RING_BYTES as u64
    }
}

/// The receiver's end of a ring.
#[derive(Debug)]
pub(crate) struct Reader {
    /// Board and ring.
    segment: Arc<Segment>,
    /// Up to here everything was taken.
    tail: u64,
}

/// A worker published what cannot be: it has overwritten its own memory.
#[derive(Debug)]
pub(crate) struct Nonsense;

impl Reader {
    /// The only reader of the ring in `segment`, which is new.
    pub(crate) fn new(segment: Arc<Segment>) -> Self {
        Self { segment, tail: 0 }
    }

    /// Board, ring, and the arena of the worker.
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// True when something was announced and not taken. What is taken may be ahead of it.
    pub(crate) fn has_news(&self) -> bool {
        let announced = self.segment.atomic_u64(ANNOUNCED).load(Ordering::Acquire);
        announced.wrapping_sub(self.tail).cast_signed() > 0
    }

    /// Takes everything that was published, and frees its place. The old content of `out` is
    /// dropped.
    ///
    /// # Errors
    /// The head is where it cannot be; nothing was taken.
    pub(crate) fn take(&mut self, out: &mut Vec<u8>) -> Result<(), Nonsense> {
        let head = self.segment.atomic_u64(HEAD).load(Ordering::Acquire);
        let length = usize::try_from(head.wrapping_sub(self.tail)).map_err(|_| Nonsense)?;
        if length > RING_BYTES {
            return Err(Nonsense);
        }
        out.clear();
        if length == 0 {
            return Ok(());
        }
        self.copy_out(length, out);
        self.tail = head;
        self.segment.atomic_u64(TAIL).store(head, Ordering::Release);
        fence(Ordering::SeqCst);
        let room = room_of(&self.segment);
        if room.load(Ordering::Relaxed) != 0 {
            room.store(0, Ordering::Relaxed);
            // It fails only for an address that is not mapped.
            let _woken = futex::wake(room, Flags::empty(), 1);
        }
        Ok(())
    }

    /// Copies `length` bytes from the tail on.
    fn copy_out(&self, length: usize, out: &mut Vec<u8>) {
        out.resize(length, 0);
        let at = offset(self.tail);
        let (first, second) = out.split_at_mut(length.min(RING_BYTES - at));
        for (at, part) in [(at, first), (0, second)] {
            if part.is_empty() {
                continue;
            }
            let from = self.segment.span(BYTES_AT + at, part.len()).as_ptr();
            // SAFETY: the `part.len()` bytes are inside the mapping (`span` has looked) and no reference to
            // them exists. They lie before `head`, where the worker writes nothing until `tail` has passed
            // them. If it does nevertheless, because it is out of its mind, we get bytes that mean nothing,
            // in memory of our own.
            unsafe { part.as_mut_ptr().copy_from_nonoverlapping(from, part.len()) };
        }
    }
}

/// Where the byte of a position is.
fn offset(position: u64) -> usize {
    usize::try_from(position % RING_BYTES as u64).expect("less than the size of the ring")
}

/// The futex word on which a worker waits for room.
fn room_of(segment: &Segment) -> &AtomicU32 {
    segment.atomic_u32(ROOM)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> (Writer, Reader) {
        let segment = Segment::create(BOARD_AND_RING_BYTES).unwrap();
        let writer = Writer::new(Arc::clone(&segment), Doorbell::create().unwrap());
        (writer, Reader::new(segment))
    }

    #[test]
    fn records_of_all_sizes_go_around_the_end() {
        let (mut writer, mut reader) = ring();
        let mut out = Vec::new();
        for round in 0..200_usize {
            let record = vec![u8::try_from(round).unwrap(); round * 331 % MAX_FRAME];
            writer.publish(&record);
            writer.publish(b"and one more");
            assert!(!reader.has_news());
            writer.announce();
            assert!(reader.has_news());
            reader.take(&mut out).unwrap();
            assert_eq!(out, [record.as_slice(), b"and one more"].concat(), "round {round}");
        }
        assert!(!reader.has_news());
    }

    #[test]
    fn what_is_not_committed_does_not_exist() {
        let (mut writer, mut reader) = ring();
        let mut out = Vec::new();
        writer.publish(b"whole");
        writer.copy_in(b"half of anoth");
        reader.take(&mut out).unwrap();
        assert_eq!(out, b"whole");
        reader.take(&mut out).unwrap();
        assert_eq!(out, b"");
    }

    #[test]
    fn nothing_is_published_before_it_is_there() {
        let (mut writer, mut reader) = ring();
        let mut out = Vec::new();
        // Each lap of the ring begins elsewhere, and every fourth record goes around the end.
        for round in 0..30_u8 {
            let record = vec![round; MAX_FRAME - 100];
            let length = record.len();
            std::thread::scope(|scope| {
                let writer = &mut writer;
                scope.spawn(move || {
                    // Pauses between the copy and the commit, unless another test does instead.
                    fault::arm_pause(Step::Half);
                    writer.publish(&record);
                });
                let mut got = Vec::new();
                while got.len() < length {
                    reader.take(&mut out).unwrap();
                    got.append(&mut out);
                    std::thread::yield_now();
                }
                assert!(got.iter().all(|&byte| byte == round), "round {round}");
            });
        }
    }

    #[test]
    fn a_writer_waits_for_room_and_is_woken() {
        const ROUNDS: usize = 2_000;
        let (mut writer, mut reader) = ring();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    writer.publish(&vec![u8::try_from(round % 256).unwrap(); MAX_FRAME / 2 + 7]);
                }
            });
            let (mut seen, mut out) = (0, Vec::new());
            while seen < ROUNDS {
                reader.take(&mut out).unwrap();
                for record in out.chunks(MAX_FRAME / 2 + 7) {
                    assert_eq!(record.len(), MAX_FRAME / 2 + 7, "only whole records come");
                    assert!(record.iter().all(|&byte| usize::from(byte) == seen % 256));
                    seen += 1;
                }
            }
        });
    }

    #[test]
    fn an_impossible_head_is_noticed() {
        let (writer, mut reader) = ring();
        for head in [RING_BYTES as u64 + 1, u64::MAX, 1 << 63] {
            writer.segment.atomic_u64(HEAD).store(head, Ordering::Relaxed);
            assert!(reader.take(&mut Vec::new()).is_err());
        }
    }
}
