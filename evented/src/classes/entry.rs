//! One class: its queue of ready tasks and its accounts.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::chunks::Chunks;
use crate::class::{Class, ClassSpec, Order};
use crate::engine::count;
use crate::tasks::{NONE, Slot};

/// For how long a class that had nothing to do can use its reserve later, at most.
const RESERVE_WINDOW: Duration = Duration::from_millis(10);

/// What a nanosecond with one share adds to a pass; with more shares it is divided by them.
const PASS_OF_ONE_SHARE: u64 = 1 << 30;

/// The longest poll that is charged in full, in nanoseconds: 4 seconds.
const LONGEST_CHARGE: u64 = 1 << 32;

/// A ready task in a class that goes by deadlines: (deadline, number of arrival, slot).
type Due = Reverse<(u64, u64, u32)>;

/// One class.
pub(super) struct Entry {
    /// The class as users know it.
    pub(super) class: Class,
    /// Its policy.
    pub(super) spec: RefCell<ClassSpec>,
    /// Whether the queue is `due`, and not the list from `head` to `tail`.
    pub(super) by_deadline: bool,
    /// What a nanosecond adds to `pass`.
    stride: Cell<u64>,
    /// First slot of the list, or [`NONE`].
    head: Cell<u32>,
    /// Last slot of the list, if it has a first one.
    tail: Cell<u32>,
    /// The queue by deadlines.
    due: RefCell<BinaryHeap<Due>>,
    /// How many tasks have come into the queue.
    arrivals: Cell<u64>,
    /// How many of them were not polled: they have left it, or were cancelled or done by the time they were
    /// popped.
    withdrawn: Cell<u64>,
    /// Time used, by shares, see the module's text.
    pub(super) pass: Cell<u128>,
    /// The account of its reserve in nanoseconds, and when it last grew.
    reserve: Cell<(i64, Instant)>,
    /// Since when it is ready and was not picked.
    pub(super) waits_since: Cell<Instant>,
    /// See [`ClassStats::polls`]. A task counts as polled from the moment on when it is popped.
    pub(super) polls: Cell<u64>,
    /// See [`ClassStats::busy`], in nanoseconds.
    pub(super) busy_ns: Cell<u64>,
    /// See [`ClassStats::rescues`].
    pub(super) rescues: Cell<u64>,
    /// See [`ClassStats::missed_deadlines`].
    pub(super) missed: Cell<u64>,
    /// See [`ClassStats::boosts`].
    pub(super) boosts: Cell<u64>,
}

impl Entry {
    /// A class in which nothing is ready.
    pub(super) fn new(class: Class, spec: ClassSpec, now: Instant) -> Self {
        Self {
            class,
            by_deadline: spec.order == Order::Deadline,
            stride: Cell::new(PASS_OF_ONE_SHARE / u64::from(spec.shares)),
            spec: RefCell::new(spec),
            head: Cell::new(NONE),
            tail: Cell::new(NONE),
            due: RefCell::default(),
            arrivals: Cell::new(0),
            withdrawn: Cell::new(0),
            pass: Cell::new(0),
            reserve: Cell::new((0, now)),
            waits_since: Cell::new(now),
            polls: Cell::new(0),
            busy_ns: Cell::new(0),
            rescues: Cell::new(0),
            missed: Cell::new(0),
            boosts: Cell::new(0),
        }
    }

    /// Changes the policy; the account of the reserve begins anew. `is_timed`: since when it is ready was noted
    /// so far. If not, it counts as ready from now on.
    pub(super) fn change(&self, spec: ClassSpec, now: Instant, is_timed: bool) {
        self.stride.set(PASS_OF_ONE_SHARE / u64::from(spec.shares));
        self.reserve.set((0, now));
        if !is_timed {
            self.waits_since.set(now);
        }
        *self.spec.borrow_mut() = spec;
    }

    /// Adds the task in slot `index` at its place.
    #[inline]
    pub(super) fn push(&self, slots: &Chunks<Slot>, index: u32, slot: &Slot) {
        if self.by_deadline {
            let arrival = self.arrivals.get();
            self.arrivals.set(arrival + 1);
            self.due.borrow_mut().push(Reverse((slot.deadline.get(), arrival, index)));
        } else {
            self.append(slots, index, slot);
        }
    }

    /// Adds a task at the end of the list of a class that does not go by deadlines.
    #[inline]
    pub(super) fn append(&self, slots: &Chunks<Slot>, index: u32, slot: &Slot) {
        count(&self.arrivals);
        let last = self.tail.replace(index);
        slot.next.set(NONE);
        // Void if there is none: nobody looks at it while this is the first slot.
        slot.previous.set(last);
        match slots.find(last) {
            Some(last) if self.head.get() != NONE => last.next.set(index),
            _ => self.head.set(index),
        }
    }

    /// Takes the task that is next; there is one.
    pub(super) fn pop<'a>(&self, slots: &'a Chunks<Slot>) -> (u32, &'a Slot) {
        let popped = if self.by_deadline {
            count(&self.polls);
            let due = self.due.borrow_mut().pop();
            due.map(|Reverse((_, _, index))| (index, slots.get(index)))
        } else {
            self.pop_first(slots)
        };
        popped.expect("a ready class has a task")
    }

    /// Takes the first task, if there is one, of a class that does not go by deadlines. What the next slot
    /// has as its previous one is void from here on: nobody looks at it while that is the first one.
    #[inline]
    pub(super) fn pop_first<'a>(&self, slots: &'a Chunks<Slot>) -> Option<(u32, &'a Slot)> {
        let index = self.head.get();
        // No slot has been made that is called `NONE`.
        let slot = slots.find(index)?;
        self.head.set(slot.next.get());
        count(&self.polls);
        Some((index, slot))
    }

    /// The task that was popped last is not polled.
    pub(super) fn pass_over(&self) {
        self.polls.set(self.polls.get() - 1);
        count(&self.withdrawn);
    }

    /// Whether no task is ready.
    pub(super) fn is_empty(&self) -> bool {
        if self.by_deadline { self.due.borrow().is_empty() } else { self.head.get() == NONE }
    }

    /// How many tasks are ready.
    pub(super) fn ready(&self) -> usize {
        let ready = self.arrivals.get() - self.polls.get() - self.withdrawn.get();
        usize::try_from(ready).expect("there are no more than slots")
    }

    /// Takes a task out that is in the queue.
    pub(super) fn remove(&self, slots: &Chunks<Slot>, index: u32) {
        count(&self.withdrawn);
        if self.by_deadline {
            self.due.borrow_mut().retain(|due| due.0.2 != index);
        } else {
            self.unlink(slots, index);
        }
    }

    /// Takes a slot out of the list.
    fn unlink(&self, slots: &Chunks<Slot>, index: u32) {
        let slot = slots.get(index);
        if self.head.get() == index {
            self.head.set(slot.next.get());
            return;
        }
        let (previous, next) = (slot.previous.get(), slot.next.get());
        slots.get(previous).next.set(next);
        if next == NONE { &self.tail } else { &slots.get(next).previous }.set(previous);
    }

    /// Whether one of its guarantees is due at this moment; it is ready.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let spec = self.spec.borrow();
        let has_starved =
            spec.max_starve.is_some_and(|limit| now.duration_since(self.waits_since.get()) > limit);
        has_starved || (spec.reserve > 0 && self.grow_reserve(spec.reserve, now) > 0)
    }

    /// Lets the account of the reserve grow until now, and tells what is on it.
    fn grow_reserve(&self, thousandths: u32, now: Instant) -> i64 {
        let (account, grown) = self.reserve.get();
        let part = i64::from(thousandths);
        let window = as_nanos(RESERVE_WINDOW);
        // What a long time adds is beyond the bound anyway.
        let passed = as_nanos(now.duration_since(grown)).min(2_000 * window);
        let account = (account + passed * part / 1_000).min(window * part / 1_000);
        // The time of which less than a nanosecond was added counts later.
        if passed * part >= 1_000 {
            self.reserve.set((account, now));
        }
        account
    }

    /// Charges a poll to it.
    pub(super) fn charge(&self, cost: Duration) {
        let nanos = u64::try_from(cost.as_nanos()).unwrap_or(LONGEST_CHARGE).min(LONGEST_CHARGE);
        self.busy_ns.set(self.busy_ns.get() + nanos);
        self.pass.set(self.pass.get() + u128::from(nanos * self.stride.get()));
        let (account, grown) = self.reserve.get();
        let part = i64::from(self.spec.borrow().reserve);
        if part > 0 {
            // What it used beyond its reserve is not to be made up for later.
            let least = -(as_nanos(RESERVE_WINDOW) * part / 1_000);
            self.reserve.set(((account - nanos.cast_signed()).max(least), grown));
        }
    }
}

/// Nanoseconds, as many as fit.
fn as_nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
