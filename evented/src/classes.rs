//! Which class is next: the ready queues of all classes, and the accounts by which one is picked.
//!
//! After each poll, in this order, all of it independent of the number of tasks:
//!
//! 1. a class whose guarantee ([`reserve`](ClassSpec::reserve), [`max_starve`](ClassSpec::max_starve))
//!    is due; nothing is looked at unless a class with one is ready;
//! 2. the most urgent rank with a ready class;
//! 3. in it the class with the smallest *pass*: the time it has used, divided by its shares. A class
//!    that becomes ready begins at least where the last one picked was: sleepers save nothing up.
//!
//! Time is taken only where it decides something ([`Classes::is_metered`]).
//!
//! A reserve is an account in nanoseconds that grows with the clock, up to what the class gets in
//! ten milliseconds, and shrinks by what its polls take. While it is positive, the class is due.

mod entry;

use std::cell::{Cell, OnceCell};
use std::io;
use std::time::{Duration, Instant};

use crate::chunks::Chunks;
use crate::class::{Class, ClassSpec, MAX_CLASSES, MOST_RESERVED, Order, RANKS, Rank};
use crate::inherit::Urgency;
use crate::tasks::Slot;

use entry::Entry;

/// Why a class is refused that is right by itself.
const RESERVED: &str = "all classes together reserve at most 0.9 of the processor's time";

/// The deadline of a task without one.
pub(crate) const NO_DEADLINE: u64 = u64::MAX;

/// What a class of a reactor has to do and has done; see
/// [`Reactor::class_stats`](crate::Reactor::class_stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassStats {
    /// Tasks that are ready now.
    pub ready: usize,
    /// Polls so far.
    pub polls: u64,
    /// Time that its polls took, as far as it was taken: from the moment on when two classes of a
    /// rank, or one with a guarantee or with deadlines, have had a task.
    pub busy: Duration,
    /// How often it went before a more urgent rank, by its reserve or because it had starved.
    pub rescues: u64,
    /// Tasks that finished, or set a new deadline, after their deadline.
    pub missed_deadlines: u64,
    /// How often a task of a less urgent rank was put into it, because a task of it waited for that one.
    /// Polls of such tasks count here.
    pub boosts: u64,
}

/// All classes of a reactor.
pub(crate) struct Classes {
    /// The classes by their ids.
    entries: [OnceCell<Box<Entry>>; MAX_CLASSES],
    /// How many there are.
    len: Cell<usize>,
    /// Bit `r` is set when a class of rank `r` is ready.
    ready_ranks: Cell<u8>,
    /// For each rank, the ready classes.
    ready: [Cell<u64>; RANKS],
    /// For each rank, the pass of the class that was picked last.
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

    /// Makes a class for the reactor with this number.
    pub(crate) fn add(&self, spec: ClassSpec, reactor: u64) -> io::Result<Class> {
        let invalid = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if let Some(fault) = spec.fault() {
            return invalid(format!("class {}: a class {fault}", spec.name));
        }
        if self.all().any(|entry| entry.class.name() == spec.name) {
            return invalid(format!("class {}: there is one of this name", spec.name));
        }
        if !self.can_reserve(&spec) {
            return invalid(format!("class {}: {RESERVED}", spec.name));
        }
        if self.len.get() == MAX_CLASSES {
            return invalid(format!("class {}: a reactor has at most {MAX_CLASSES}", spec.name));
        }
        Ok(self.insert(spec, reactor))
    }

    /// Whether this and the reserves of all other classes can be kept.
    fn can_reserve(&self, spec: &ClassSpec) -> bool {
        let others = self.all().filter(|entry| entry.class.name() != spec.name);
        let reserved: u32 = others.map(|entry| entry.spec.borrow().reserve).sum();
        spec.reserve + reserved <= MOST_RESERVED
    }

    /// Adds a class that is valid.
    fn insert(&self, spec: ClassSpec, reactor: u64) -> Class {
        let place = self.len.get();
        let id = u8::try_from(place).expect("there are fewer than 256 classes");
        let class = Class::new(&spec, reactor, id);
        let entry = Box::new(Entry::new(class, spec, self.clock.get()));
        assert!(self.entries[place].set(entry).is_ok(), "no class is added twice");
        self.len.set(place + 1);
        class
    }

    /// Changes the policy of a class; its name, rank and order stay.
    pub(crate) fn change(&self, id: u8, spec: ClassSpec) -> io::Result<()> {
        let entry = self.entry(id);
        let invalid = |text| {
            let text = format!("class {}: {text}", entry.class.name());
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        };
        if let Some(fault) = spec.fault() {
            return invalid(format!("a class {fault}"));
        }
        let old = entry.spec.borrow().clone();
        if (old.name, old.rank, old.order) != (spec.name, spec.rank, spec.order) {
            return invalid("its name, rank and order stay as they are".to_owned());
        }
        if !self.can_reserve(&spec) {
            return invalid(RESERVED.to_owned());
        }
        entry.change(spec, self.clock.get());
        self.account();
        Ok(())
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

    /// What a class has to do and has done.
    pub(crate) fn stats(&self, id: u8) -> ClassStats {
        let entry = self.entry(id);
        ClassStats {
            ready: entry.ready.get(),
            polls: entry.polls.get(),
            busy: Duration::from_nanos(entry.busy_ns.get()),
            rescues: entry.rescues.get(),
            missed_deadlines: entry.missed.get(),
            boosts: entry.boosts.get(),
        }
    }

    /// A class is about to have a task.
    #[inline]
    pub(crate) fn populate(&self, id: u8) {
        if self.populated.get() & (1 << id) == 0 {
            self.populated.set(self.populated.get() | (1 << id));
            self.account();
        }
    }

    /// Finds out what has to be looked at, when classes or their policies have changed.
    #[cold]
    fn account(&self) {
        let (mut guaranteed, mut guaranteed_ranks, mut metered) = (0, 0, false);
        self.latency.iter().for_each(|latency| latency.set(Duration::MAX));
        let (mut ranks, mut deadlines, mut has_slices) = (0_u8, false, false);
        for (id, entry) in self.all().enumerate() {
            if self.populated.get() & (1 << id) == 0 {
                continue;
            }
            let spec = entry.spec.borrow();
            if spec.reserve > 0 || spec.max_starve.is_some() {
                guaranteed |= 1 << id;
                guaranteed_ranks |= entry.class.strict_rank().bit();
            }
            deadlines |= spec.order == Order::Deadline;
            has_slices |= spec.slice.is_some();
            let rank = entry.class.strict_rank();
            metered |= ranks & rank.bit() != 0;
            ranks |= rank.bit();
            let latency = &self.latency[rank.index()];
            latency.set(latency.get().min(spec.latency.unwrap_or(self.default_latency)));
        }
        self.populated_ranks.set(ranks);
        self.guaranteed.set(guaranteed);
        self.guaranteed_ranks.set(guaranteed_ranks);
        self.metered.set(metered || deadlines || guaranteed != 0);
        self.timed.set(self.metered.get() || !ranks.is_power_of_two());
        self.has_slices.set(has_slices);
        self.inherits.set(deadlines || ranks.count_ones() > 1);
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

    /// Whether a task of one of these ranks is ready.
    #[inline]
    pub(crate) fn is_any_ready(&self, ranks: u8) -> bool {
        self.ready_ranks.get() & ranks != 0
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

    /// Puts a task into the queue of its class.
    #[inline]
    pub(crate) fn push(&self, slots: &Chunks<Slot>, index: u32, slot: &Slot) {
        let id = slot.class.get();
        let entry = self.entry(id);
        if entry.ready.get() == 0 {
            let rank = entry.class.strict_rank();
            let ready = &self.ready[rank.index()];
            ready.set(ready.get() | (1 << id));
            self.ready_ranks.set(self.ready_ranks.get() | rank.bit());
            if self.metered.get() {
                entry.pass.set(entry.pass.get().max(self.pass[rank.index()].get()));
                entry.waits_since.set(self.clock.get());
            }
        }
        entry.push(slots, index, slot);
    }

    /// Takes the next task to run.
    #[inline]
    pub(crate) fn pop<'a>(&self, slots: &'a Chunks<Slot>) -> Option<(u32, &'a Slot)> {
        let id = self.pick()?;
        let entry = self.entry(id);
        let popped = entry.pop(slots);
        self.note_empty(id, entry);
        entry.polls.set(entry.polls.get() + 1);
        if self.metered.get() {
            let pass = &self.pass[entry.class.strict_rank().index()];
            pass.set(pass.get().max(entry.pass.get()));
            entry.waits_since.set(self.clock.get());
        }
        Some(popped)
    }

    /// Takes a task out that is in the queue of its class.
    pub(crate) fn remove(&self, slots: &Chunks<Slot>, index: u32) {
        let id = slots.get(index).class.get();
        let entry = self.entry(id);
        entry.remove(slots, index);
        self.note_empty(id, entry);
    }

    /// A task of this class was done, or went on to the next thing, after its deadline.
    pub(crate) fn miss(&self, id: u8) {
        let missed = &self.entry(id).missed;
        missed.set(missed.get() + 1);
    }

    /// Whether a task is ready.
    #[inline]
    pub(crate) fn any_ready(&self) -> bool {
        self.ready_ranks.get() != 0
    }

    /// The ranks whose descriptors are to be looked at: those that are not less urgent than what is
    /// ready, and those with a guarantee.
    pub(crate) fn due_ranks(&self) -> u8 {
        match self.ready_ranks.get() {
            0 => u8::MAX,
            ready => (ready ^ (ready - 1)) | self.guaranteed_ranks.get(),
        }
    }

    /// A moment as a deadline of a task.
    pub(crate) fn deadline_at(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(since).map_or(NO_DEADLINE - 1, |nanos| nanos.min(NO_DEADLINE - 1))
    }

    /// The class to run next.
    #[inline]
    fn pick(&self) -> Option<u8> {
        let ranks = self.ready_ranks.get();
        if ranks == 0 {
            return None;
        }
        if self.guaranteed.get() != 0
            && let Some(id) = self.rescue(ranks)
        {
            return Some(id);
        }
        let ready = self.ready[ranks.trailing_zeros() as usize].get();
        if ready.is_power_of_two() {
            return Some(lowest(ready));
        }
        ids(ready).min_by_key(|&id| self.entry(id).pass.get())
    }

    /// The first class whose guarantee is due.
    fn rescue(&self, ranks: u8) -> Option<u8> {
        let ready = self.ready.iter().fold(0, |all, ready| all | ready.get());
        let now = self.clock.get();
        let id = ids(ready & self.guaranteed.get()).find(|&id| self.entry(id).is_due(now))?;
        let entry = self.entry(id);
        if ranks & entry.class.strict_rank().above() != 0 {
            entry.rescues.set(entry.rescues.get() + 1);
            self.rescued.set(true);
        }
        Some(id)
    }

    /// Whether the class that was picked last went before a more urgent rank; said once.
    #[inline]
    pub(crate) fn take_rescue(&self) -> bool {
        self.guaranteed.get() != 0 && self.rescued.take()
    }

    /// Notes that a class has no ready task, if so.
    #[inline]
    fn note_empty(&self, id: u8, entry: &Entry) {
        if entry.ready.get() > 0 {
            return;
        }
        let rank = entry.class.strict_rank();
        let ready = &self.ready[rank.index()];
        ready.set(ready.get() & !(1 << id));
        if ready.get() == 0 {
            self.ready_ranks.set(self.ready_ranks.get() & !rank.bit());
        }
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

/// The lowest id in a mask that has one.
#[inline]
fn lowest(mask: u64) -> u8 {
    #[expect(clippy::cast_possible_truncation, reason = "a mask of 64 bits has none above 63")]
    let id = mask.trailing_zeros() as u8;
    id
}

/// The ids in a mask.
fn ids(mut mask: u64) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let id = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        u8::try_from(id).ok().filter(|&id| u32::from(id) < u64::BITS)
    })
}

#[cfg(test)]
mod tests;
