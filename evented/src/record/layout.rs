//! How a record lies in memory and in its file; the text that says so to others is in [`SCHEMA`].
//!
//! A file is a header, texts, the ring, and then regions that were added as tasks came, in any order;
//! the header lists all of them. All is made of 64-bit words, each of which is written as a whole.

use crate::name::Name;

/// The first word. The last of its bytes is the version: with another one, words mean other things.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"EVENTED2");
/// The bits of it that are the same in all versions.
pub(super) const MAGIC_OF_ALL: u64 = u64::MAX >> 8;
/// Regions begin at a multiple of this, which is one of every page size in use.
pub(super) const GRAIN: usize = 1 << 16;
/// Bytes of the region that holds header, schema and texts.
pub(super) const HEAD_BYTES: usize = GRAIN;
/// Where the schema begins, in bytes.
pub(super) const SCHEMA_AT: usize = 4096;
/// Where the texts begin, in words.
pub(super) const TEXTS_AT: usize = 2048;
/// How many words the texts have.
pub(super) const TEXTS_WORDS: usize = HEAD_BYTES / 8 - TEXTS_AT;
/// Words of an event.
pub(super) const EVENT_WORDS: usize = 4;
/// Words of an entry of the task table: a cache line.
///
/// Fewer would be of no use. What an entry says has 443 bits if the slot and the reactor are left out of
/// each name of this reactor's; so seven words would do, with fields that lie across words and are not written
/// as a whole any more, and six only with fewer things that are told.
pub(super) const TASK_WORDS: usize = 8;
/// Words of a name.
pub(super) const NAME_WORDS: usize = 8;
/// Set in the number of a name that is the id of a text, and not of a cell.
pub(super) const NAME_IS_TEXT: u32 = 1 << 31;
/// Bytes of a name that are kept.
pub(super) const NAME_BYTES: usize = NAME_WORDS * 8 - 1;

/// The words of the header.
pub(super) mod head {
    pub(in super::super) const MAGIC: usize = 0;
    pub(in super::super) const SCHEMA_AT: usize = 1;
    pub(in super::super) const SCHEMA_BYTES: usize = 2;
    pub(in super::super) const PID: usize = 3;
    pub(in super::super) const STARTED: usize = 4;
    pub(in super::super) const REACTOR: usize = 5;
    pub(in super::super) const CLOCK: usize = 6;
    pub(in super::super) const BASE_TICKS: usize = 7;
    pub(in super::super) const NS_PER_TICK: usize = 8;
    pub(in super::super) const BASE_UNIX_NS: usize = 9;
    pub(in super::super) const TEXTS_AT: usize = 10;
    pub(in super::super) const EVENTS: usize = 11;
    pub(in super::super) const REGIONS: usize = 12;
    pub(in super::super) const UNSEEN: usize = 13;
    /// A cache line that every poll writes.
    pub(in super::super) const RUNNING: usize = 16;
    pub(in super::super) const NOW: usize = 17;
    pub(in super::super) const BEGUN: usize = 18;
    pub(in super::super) const HEAD: usize = 19;
    /// One word for each class.
    pub(in super::super) const CLASSES: usize = 32;
    /// Four words for each region.
    pub(in super::super) const REGION: usize = 128;
    /// How many regions there may be.
    pub(in super::super) const MAX_REGIONS: usize = 64;
}

/// The words of an entry of the task table.
pub(super) mod task {
    pub(in super::super) const TASK: usize = 0;
    pub(in super::super) const POLLS: usize = 1;
    pub(in super::super) const CPU: usize = 2;
    pub(in super::super) const ABOUT: usize = 3;
    pub(in super::super) const PARENT: usize = 4;
    pub(in super::super) const WAKER: usize = 5;
    pub(in super::super) const WAIT: usize = 6;
    pub(in super::super) const WAIT_TASK: usize = 7;
    /// The longest poll is counted in so many ticks (2 to the power of it).
    pub(in super::super) const LONGEST_SHIFT: u32 = 8;
    /// State of a task in `ABOUT`: its future is alive.
    pub(in super::super) const LIVE: u64 = 1;
    /// State of a task in `ABOUT`: it has a result that nobody has taken.
    pub(in super::super) const DONE: u64 = 2;
}

/// What lies in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The ring.
    Events = 1,
    /// A part of the task table.
    Tasks = 2,
    /// Names of tasks.
    Names = 3,
}

/// The kinds of events.
pub(super) mod kind {
    pub(in super::super) const POLL: u8 = 1;
    pub(in super::super) const WAKE: u8 = 2;
    pub(in super::super) const SPAWN: u8 = 4;
    pub(in super::super) const DONE: u8 = 5;
    pub(in super::super) const CANCEL: u8 = 6;
    pub(in super::super) const IO_WAIT: u8 = 7;
    pub(in super::super) const CALLS: u8 = 8;
    pub(in super::super) const OVERRUN: u8 = 9;
    pub(in super::super) const MISS: u8 = 10;
    pub(in super::super) const RESCUE: u8 = 11;
    pub(in super::super) const BOOST: u8 = 12;
    pub(in super::super) const MARK: u8 = 13;
}

/// What a task waits for.
pub(super) mod wait {
    pub(in super::super) const UNKNOWN: u64 = 0;
    pub(in super::super) const READY: u64 = 1;
    pub(in super::super) const READ: u64 = 2;
    pub(in super::super) const WRITE: u64 = 3;
    pub(in super::super) const TIMER: u64 = 4;
    pub(in super::super) const JOIN: u64 = 5;
    pub(in super::super) const LOCK: u64 = 6;
    pub(in super::super) const CHAN: u64 = 7;
    pub(in super::super) const BLOCKING: u64 = 8;
    pub(in super::super) const CHILD: u64 = 9;
    pub(in super::super) const SIGNAL: u64 = 10;
    /// The kind is in the bits from this one on.
    pub(in super::super) const KIND_SHIFT: u32 = 56;
    /// How many other things the task waits for, at most 255, is in the eight bits from this one on.
    pub(in super::super) const MORE_SHIFT: u32 = 48;
    /// The rest of the word.
    pub(in super::super) const VALUE: u64 = (1 << MORE_SHIFT) - 1;
}

/// A word that says who did something: a task, or one of the sources below.
///
/// For a task it is the complement of the bits of its name. The complements of small numbers would be
/// names of slots that no reactor has, so that small numbers are free for sources, and 0 for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Who(pub(super) u64);

impl Who {
    pub(super) const NOBODY: Self = Self(0);
    pub(super) const DESCRIPTOR: Self = Self(1);
    pub(super) const TIMER: Self = Self(2);
    pub(super) const THREAD: Self = Self(3);
    pub(super) const CALL: Self = Self(4);
    pub(super) const REACTOR: Self = Self(5);
    /// The least word of a task.
    const FIRST_TASK: u64 = 64;

    #[inline]
    pub(super) fn task(name: Name) -> Self {
        Self(!name.bits())
    }

    /// The task, if it is one.
    pub(super) fn name(self) -> Option<Name> {
        (self.0 >= Self::FIRST_TASK).then(|| Name::from_bits(!self.0))
    }
}

/// What the file says about itself, so that a program of any language and any later day can read it.
pub(super) const SCHEMA: &str = "\
# A record of an event loop, version 2. Lines that do not begin with # are for programs.
# Everything is a 64-bit word in the byte order of the machine; each is written as a whole.
# One thread writes. What others read is as follows.
# Events: event number n is in place n mod (number of events) of the ring. Read `head` (events so
# far), then events, then `head` again: event n is whole if n + (number of events) > the second head.
# Tasks: entry of slot s is the one with that index; an entry whose first word is 0 is free. Read the
# first word again after the others: if it has changed, the entry was given to another task.
# Who: 0 nobody, other small numbers as below, else a task: the complement of its name, which is
# reactor << 52 | generation << 24 | slot.
# Times are ticks; nanoseconds since the start are (ticks - base_ticks) * ns_per_tick, a 64-bit float.
# Texts: at word (texts_at + id) is the length in bytes, then the bytes; id 0 is no text.
# Names: the first byte of a cell is the length, then the bytes; long ones are cut off. Name 0 is
# none; with bit 31, the rest is the id of a text.
# Fields: name, word, lowest bit, number of bits.
header magic 0 0 64
header schema_at_bytes 1 0 64
header schema_bytes 2 0 64
header pid 3 0 64
header process_started 4 0 64
header reactor 5 0 64
header clock 6 0 64
header base_ticks 7 0 64
header ns_per_tick 8 0 64
header base_unix_ns 9 0 64
header texts_at 10 0 64
header events 11 0 64
header regions 12 0 64
header regions_not_in_the_file 13 0 64
header running 16 0 64
header now 17 0 64
header polls_begun 18 0 64
header head 19 0 64
# Classes: word (classes + id), 0 if there is none.
table classes 32 64
class text 0 0 16
class rank 0 16 8
class exists 0 24 1
# Regions: four words each.
table region 128 64
region kind 0 0 64
region at_bytes 1 0 64
region bytes 2 0 64
region first_index 3 0 64
region_kind 1 events 4
region_kind 2 tasks 8
region_kind 3 names 8
event time 0 0 64
event who 1 0 64
event value 2 0 64
event kind 3 0 8
event class 3 8 8
event detail 3 16 16
event text 3 32 32
# A poll: time is its start, value how long it took; detail 0 pending, 1 ready, 2 panicked, 3 pending and
# the task has woken itself meanwhile, of which no wake tells.
event_kind 1 poll
# A wake: value is who did it.
event_kind 2 wake
# value is the parent, text the place in the source.
event_kind 4 spawn
# detail 0 returned, 1 panicked, 2 cancelled.
event_kind 5 done
# value is who asked for it.
event_kind 6 cancel
# time is its start, value how long it took; detail 1 slept, 0 only looked; text: number of events.
event_kind 7 io_wait
# Closures that other threads sent: time is the start, value how long they took, text how many.
event_kind 8 calls
# A long poll: value is how long it took.
event_kind 9 overrun
# value is how late it was, in nanoseconds.
event_kind 10 deadline_miss
# The class went before a more urgent one.
event_kind 11 rescue
# value is who acted when the task got the place of this class; mostly who waits for it.
event_kind 12 boost
# value is the user's.
event_kind 13 mark
task task 0 0 64
task polls 1 0 32
# In 256 ticks.
task longest 1 32 32
task cpu_ticks 2 0 64
task text 3 0 16
task class 3 16 8
# 1 alive, 2 done and not yet awaited.
task state 3 24 8
task name 3 32 32
task parent 4 0 64
task last_waker 5 0 64
task wait_value 6 0 48
task wait_more 6 48 8
task wait_kind 6 56 8
task wait_task 7 0 64
wait 0 unknown
wait 1 ready
# value is the descriptor.
wait 2 read
wait 3 write
wait 4 timer
# wait_task is the task.
wait 5 join
# value is the lock, wait_task who has it, or who waits for it in front of this one.
wait 6 lock
# value is the channel, wait_task who is to end the wait.
wait 7 chan
wait 8 blocking
# value is the process id.
wait 9 child
# value is the signal.
wait 10 signal
who 0 nobody
who 1 descriptor
who 2 timer
who 3 other_thread
who 4 call
who 5 reactor
clock 1 tsc
clock 2 system
clock 3 virtual
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fixed_fits() {
        assert!(SCHEMA_AT + SCHEMA.len() <= TEXTS_AT * 8, "the schema reaches into the texts");
        const { assert!(head::REGION + 4 * head::MAX_REGIONS <= SCHEMA_AT / 8) }
        assert!(u16::try_from(TEXTS_WORDS).is_ok(), "ids of texts have 16 bits");
    }

    #[test]
    fn every_name_is_told_from_every_source() {
        for bits in [Name::new(0, 0, 0), Name::new(4095, crate::name::GENERATION_MASK, 16_777_151)]
        {
            assert_eq!(Who::task(bits).name(), Some(bits));
        }
        for source in 0..Who::FIRST_TASK {
            assert_eq!(Who(source).name(), None);
        }
    }
}
