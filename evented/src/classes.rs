//! Which class is next: the ready queues of all classes, and the accounts by which one is picked.
//!
//! After each poll, in this order, all of it independent of the number of tasks (but that a class with deadlines has a
//! heap; to take a task out of the middle of that, when its urgency changes, takes time for each ready one):
//!
//! 1. a class whose guarantee ([`reserve`](ClassSpec::reserve), [`max_starve`](ClassSpec::max_starve))
//!    is due; nothing is looked at unless a class with one is ready;
//! 2. the most urgent rank with a ready class;
//! 3. in it the class with the smallest *pass*: the time it has used, divided by its shares. A class
//!    that becomes ready begins at least where the last one picked in this way was: sleepers save nothing up.
//!
//! Time is taken only where it decides something ([`Classes::is_metered`]).
//!
//! A reserve is an account in nanoseconds that grows with the clock, up to what the class gets in
//! ten milliseconds, and shrinks by what its polls take. While it is positive, the class is due.

mod entry;
mod pick;
mod policy;
mod stats;

use std::cell::{Cell, OnceCell};
use std::time::{Duration, Instant};

use crate::class::{Class, ClassSpec, MAX_CLASSES, RANKS, Rank};
use crate::inherit::Urgency;

use entry::Entry;
use pick::NO_CLASS;

pub use stats::ClassStats;

/// The deadline of a task without one.
pub(crate) const NO_DEADLINE: u64 = u64::MAX;

/// All classes of a reactor.
pub(crate) struct Classes {
    /// The classes by their ids.
    entries: [OnceCell<Box<Entry>>; MAX_CLASSES],
    /// How many there are.
    len: Cell<usize>,
    /// The id of the class that goes on without a look at any other, or [`NO_CLASS`]; see [`pick`].
    hot: Cell<u8>,
    /// Bit `r` is set when a class of rank `r` is ready; the hot class is said to be, see [`pick`].
    ready_ranks: Cell<u8>,
    /// For each rank, the ready classes, likewise.
    ready: [Cell<u64>; RANKS],
    /// For each rank, the pass of the class that was picked last by its shares.
    pass: [Cell<u128>; RANKS],
    /// Classes that have had a task.
    populated: Cell<u64>,
    /// Their ranks.
    populated_ranks: Cell<u8>,
    /// Of those, the ones with a guarantee.
    guaranteed: Cell<u64>,
    /// Their ranks.
    guaranteed_ranks: Cell<u8>,
    /// See [`Classes::is_metered`].
    metered: Cell<bool>,
    /// See [`Classes::needs_time`].
    timed: Cell<bool>,
    /// See [`Classes::inherits`].
    inherits: Cell<bool>,
    /// See [`Classes::has_slices`].
    has_slices: Cell<bool>,
    /// The latency of classes that do not ask for another one.
    default_latency: Duration,
    /// For each rank, the smallest latency of its classes that have had a task.
    latency: [Cell<Duration>; RANKS],
    /// The class that was picked last went before a more urgent rank.
    rescued: Cell<bool>,
    /// When time was last taken.
    clock: Cell<Instant>,
    /// Deadlines of tasks are counted in nanoseconds from here on.
    epoch: Instant,
}

impl Classes {
    /// Those that every reactor has.
    pub(crate) fn new(default_latency: Duration, now: Instant) -> Self {
        let classes = Self {
            entries: [const { OnceCell::new() }; MAX_CLASSES],
            len: Cell::new(0),
            hot: Cell::new(NO_CLASS),
            ready_ranks: Cell::new(0),
            ready: [const { Cell::new(0) }; RANKS],
            pass: [const { Cell::new(0) }; RANKS],
            populated: Cell::new(0),
            populated_ranks: Cell::new(0),
            guaranteed: Cell::new(0),
            guaranteed_ranks: Cell::new(0),
            metered: Cell::new(false),
            timed: Cell::new(false),
            inherits: Cell::new(false),
            has_slices: Cell::new(false),
            default_latency,
            latency: [const { Cell::new(Duration::MAX) }; RANKS],
            rescued: Cell::new(false),
            clock: Cell::new(now),
            epoch: now,
        };
        for spec in Class::defaults() {
            classes.insert(spec, 0);
        }
        classes
    }

    /// The policy of a class.
    pub(crate) fn spec(&self, id: u8) -> ClassSpec {
        self.entry(id).spec.borrow().clone()
    }

    /// The class itself.
    #[inline]
    pub(crate) fn class(&self, id: u8) -> Class {
        self.entry(id).class
    }

    /// The rank of a class.
    #[inline]
    pub(crate) fn rank(&self, id: u8) -> Rank {
        self.entry(id).class.strict_rank()
    }

    /// Whether a class has had a task.
    #[inline]
    pub(crate) fn is_populated(&self, id: u8) -> bool {
        self.populated.get() & (1 << id) != 0
    }

    /// A class is about to have a task.
    #[inline]
    pub(crate) fn populate(&self, id: u8) {
        if self.populated.get() & (1 << id) == 0 {
            self.populated.set(self.populated.get() | (1 << id));
            self.account();
        }
    }

    /// Whether time decides something, so that it has to be taken after each poll: two classes of
    /// a rank have had tasks, or one with a guarantee or with deadlines has.
    #[inline]
    pub(crate) fn is_metered(&self) -> bool {
        self.metered.get()
    }

    /// The ranks that are more urgent than that of class `id` and have had a task: nobody waits for
    /// anything with another one.
    #[inline]
    pub(crate) fn urgent_ranks(&self, id: u8) -> u8 {
        self.rank(id).above() & self.populated_ranks.get()
    }

    /// Whether a class that has had a task asks for a slice.
    #[inline]
    pub(crate) fn has_slices(&self) -> bool {
        self.has_slices.get()
    }

    /// The slice that a class asks for.
    pub(crate) fn slice(&self, id: u8) -> Option<Duration> {
        self.entry(id).spec.borrow().slice
    }

    /// Whether tasks can be of different urgency: two ranks, or a class with deadlines, have had a task.
    #[inline]
    pub(crate) fn inherits(&self) -> bool {
        self.inherits.get()
    }

    /// How urgent a task is by itself, with this class and deadline.
    pub(crate) fn urgency(&self, class: u8, deadline: u64) -> Urgency {
        let entry = self.entry(class);
        let deadline = entry.by_deadline.then_some(deadline);
        Urgency { rank: entry.class.strict_rank(), class, deadline }
    }

    /// A task was put into this class because a task of it waits for that.
    pub(crate) fn note_boost(&self, id: u8) {
        let boosts = &self.entry(id).boosts;
        boosts.set(boosts.get() + 1);
    }

    /// Whether time may decide something after a poll: it is metered, or tasks have had different
    /// ranks, so that a more urgent one may wait.
    #[inline]
    pub(crate) fn needs_time(&self) -> bool {
        self.timed.get()
    }

    /// The smallest latency that is asked for in one of these ranks.
    pub(crate) fn latency(&self, ranks: u8) -> Duration {
        let asked = (0..RANKS).filter(|rank| ranks & (1 << rank) != 0);
        asked.map(|rank| self.latency[rank].get()).min().unwrap_or(Duration::MAX)
    }

    /// Time was taken: what comes from here on is the next poll's.
    #[inline]
    pub(crate) fn set_clock(&self, now: Instant) {
        self.clock.set(now);
    }

    /// A poll of this class has ended now: charges the time since the clock was set.
    pub(crate) fn charge(&self, id: u8, now: Instant) {
        self.entry(id).charge(now.duration_since(self.clock.replace(now)));
    }

    /// A task of this class was done, or went on to the next thing, after its deadline.
    pub(crate) fn miss(&self, id: u8) {
        let missed = &self.entry(id).missed;
        missed.set(missed.get() + 1);
    }

    /// A moment as a deadline of a task.
    pub(crate) fn deadline_at(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(since).map_or(NO_DEADLINE - 1, |nanos| nanos.min(NO_DEADLINE - 1))
    }

    #[inline]
    fn entry(&self, id: u8) -> &Entry {
        self.entries[usize::from(id)].get().expect("a class that was made is in the table")
    }

    /// All classes, by their ids.
    pub(crate) fn each(&self) -> impl Iterator<Item = Class> {
        self.all().map(|entry| entry.class)
    }

    fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map_while(|entry| entry.get().map(|entry| &**entry))
    }
}

#[cfg(test)]
mod tests;
