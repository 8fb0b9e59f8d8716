//! The wheel: where timers wait whose tick has not come.
//!
//! A tick is a number with digits of six bits. Level `l` has a list for each value of digit `l`. A
//! timer lies on the level of the highest digit in which its tick differs from the current one, in
//! the list of its own digit. Therefore
//!
//! - timers of a lower level are earlier than those of a higher one, and on a level the list with the
//!   smallest digit is the earliest; none lies at or before the current tick's own digit;
//! - time may pass up to the first tick that the earliest list stands for, and all timers lie where
//!   they should: until then no digit becomes equal to that of a timer;
//! - at that tick, its timers are put anew, which is on a lower level, or into the heap: a timer
//!   moves as often as there are levels, at most.
//!
//! Seven levels reach 2^42 ticks ahead, two years. What is later still lies in the list *far*, which
//! is gone through when the digits of all levels begin anew.

use super::{Entry, NONE, Place};

/// Bits of a digit.
const DIGIT_BITS: u32 = 6;
/// Levels.
const LEVELS: usize = 7;
/// Bits of the digits of all levels.
const ALL_BITS: u32 = 42;
/// Lists of a level.
const LISTS: usize = 1 << DIGIT_BITS;
/// The list *far*.
const FAR: List = List(448);

/// One of the lists: level and digit, or [`FAR`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct List(u16);

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Wheel {
    /// The current tick.
    now: u64,
    /// For each level, which of its lists have a timer.
    used: [u64; LEVELS],
    /// The first timer of each list; `NONE` where there is none.
    first: Box<[u32; LEVELS * LISTS + 1]>,
}

impl List {
    /// The list of the digit of this tick on a level.
    fn of(level: u32, tick: u64) -> Self {
        let digit = (tick >> (level * DIGIT_BITS)) % LISTS as u64;
        let place = u64::from(level) * LISTS as u64 + digit;
        Self(u16::try_from(place).expect("there are 448 lists"))
    }

    /// Its level and its bit in `used`; none for *far*.
    fn level(self) -> Option<(usize, u64)> {
        let place = usize::from(self.0);
        (self != FAR).then(|| (place / LISTS, 1 << (place % LISTS)))
    }

    fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl Wheel {
    /// Without timers, at tick 0.
    pub(super) fn new() -> Self {
        Self { now: 0, used: [0; LEVELS], first: Box::new([NONE; LEVELS * LISTS + 1]) }
    }

    /// The list for a timer of this tick; none if it has come.
    #[inline]
    pub(super) fn list_of(&self, tick: u64) -> Option<List> {
        if tick <= self.now {
            return None;
        }
        let highest = (tick ^ self.now).ilog2();
        Some(if highest < ALL_BITS { List::of(highest / DIGIT_BITS, tick) } else { FAR })
    }

    /// Adds a timer to a list.
    #[inline]
    pub(super) fn push(&mut self, entries: &mut [Entry], list: List, slot: u32) {
        let next = std::mem::replace(&mut self.first[list.index()], slot);
        if let Some(next) = entries.get_mut(next as usize) {
            next.previous = slot;
        }
        let entry = &mut entries[slot as usize];
        (entry.next, entry.previous, entry.place) = (next, NONE, Place::List(list));
        if let Some((level, bit)) = list.level() {
            self.used[level] |= bit;
        }
    }

    /// Removes a timer from the list in which it is.
    #[inline]
    pub(super) fn remove(&mut self, entries: &mut [Entry], list: List, slot: u32) {
        let Entry { next, previous, .. } = entries[slot as usize];
        if let Some(next) = entries.get_mut(next as usize) {
            next.previous = previous;
        }
        match entries.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => self.first[list.index()] = next,
        }
        if self.first[list.index()] == NONE
            && let Some((level, bit)) = list.level()
        {
            self.used[level] &= !bit;
        }
    }

    /// The first timer of a list.
    pub(super) fn first(&self, list: List) -> u32 {
        self.first[list.index()]
    }

    /// Empties a list and gives its first timer.
    pub(super) fn take(&mut self, list: List) -> u32 {
        if let Some((level, bit)) = list.level() {
            self.used[level] &= !bit;
        }
        std::mem::replace(&mut self.first[list.index()], NONE)
    }

    /// Forgets all timers.
    pub(super) fn clear(&mut self) {
        self.used = [0; LEVELS];
        self.first.fill(NONE);
    }

    /// The list with the earliest timers, and the first tick that it stands for.
    pub(super) fn next(&self) -> Option<(List, u64)> {
        let begin_of = |level: u32, digit: u64| {
            let above = (level + 1) * DIGIT_BITS;
            (self.now >> above << above) | (digit << (level * DIGIT_BITS))
        };
        for (level, used) in (0..).zip(self.used) {
            if used != 0 {
                let begin = begin_of(level, u64::from(used.trailing_zeros()));
                return Some((List::of(level, begin), begin));
            }
        }
        let begin = ((self.now >> ALL_BITS) + 1) << ALL_BITS;
        (self.first(FAR) != NONE).then_some((FAR, begin))
    }

    /// Lets time pass until this tick, but only until the first one that the earliest list stands
    /// for: that list is given then, and is to be emptied.
    pub(super) fn turn(&mut self, tick: u64) -> Option<List> {
        match self.next() {
            Some((list, begin)) if begin <= tick => {
                self.now = begin;
                Some(list)
            }
            _ => {
                self.pass(tick);
                None
            }
        }
    }

    /// Lets time pass until this tick; no timer is earlier.
    pub(super) fn pass(&mut self, tick: u64) {
        self.now = self.now.max(tick);
    }
}
