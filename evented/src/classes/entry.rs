//! One class: its queue of ready tasks and its accounts.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::chunks::Chunks;
use crate::class::{Class, ClassSpec, Order};
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
    /// First slot of the list.
    head: Cell<u32>,
    /// Last slot of the list.
    tail: Cell<u32>,
    /// The queue by deadlines.
    due: RefCell<BinaryHeap<Due>>,
    /// The number of the next arrival in `due`.
    arrivals: Cell<u64>,
    /// How many tasks are ready.
    pub(super) ready: Cell<usize>,
    /// Time used, by shares, see the module's text.
    pub(super) pass: Cell<u128>,
    /// The account of its reserve in nanoseconds, and when it last grew.
    reserve: Cell<(i64, Instant)>,
    /// Since when it is ready and was not picked.
    pub(super) waits_since: Cell<Instant>,
    /// See [`ClassStats::polls`].
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
            ready: Cell::new(0),
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

    /// Changes the policy; the account of the reserve begins anew.
    pub(super) fn change(&self, spec: ClassSpec, now: Instant) {
        self.stride.set(PASS_OF_ONE_SHARE / u64::from(spec.shares));
        self.reserve.set((0, now));
        *self.spec.borrow_mut() = spec;
    }

    /// Adds the task in slot `index` at its place.
    #[inline]
    pub(super) fn push(&self, slots: &Chunks<Slot>, index: u32, slot: &Slot) {
        self.ready.set(self.ready.get() + 1);
        if self.by_deadline {
            let arrival = self.arrivals.get();
            self.arrivals.set(arrival + 1);
            self.due.borrow_mut().push(Reverse((slot.deadline.get(), arrival, index)));
            return;
        }
        slot.next.set(NONE);
        let tail = self.tail.replace(index);
        slot.previous.set(tail);
        if tail == NONE { &self.head } else { &slots.get(tail).next }.set(index);
    }

    /// Takes the task that is next; there is one.
    #[inline]
    pub(super) fn pop<'a>(&self, slots: &'a Chunks<Slot>) -> (u32, &'a Slot) {
        self.ready.set(self.ready.get() - 1);
        if self.by_deadline {
            let due = self.due.borrow_mut().pop();
            let index = due.expect("a ready class has a task").0.2;
            return (index, slots.get(index));
        }
        let index = self.head.get();
        let slot = slots.get(index);
        self.behead(slot);
        (index, slot)
    }

    /// Takes a task out that is in the queue.
    pub(super) fn remove(&self, slots: &Chunks<Slot>, index: u32) {
        self.ready.set(self.ready.get() - 1);
        if self.by_deadline {
            self.due.borrow_mut().retain(|due| due.0.2 != index);
        } else {
            self.unlink(slots, index);
        }
    }

    /// Takes the first slot out of the list. What the next one has as its previous one is void from
    /// here on: nobody looks at it while that is the first one.
    #[inline]
    fn behead(&self, slot: &Slot) {
        let next = slot.next.get();
        self.head.set(next);
        if next == NONE {
            self.tail.set(NONE);
        }
    }

    /// Takes a slot out of the list.
    fn unlink(&self, slots: &Chunks<Slot>, index: u32) {
        let slot = slots.get(index);
        if self.head.get() == index {
            self.behead(slot);
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
