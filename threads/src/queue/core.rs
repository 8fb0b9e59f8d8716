//! The protocol of the queues: a store for the values, and a gate for each side of it.
//!
//! A put and a get try the store, and that is all if there is a place or a value; then they
//! look whether the other side waits. The protocol of waiting, and why no wake-up is lost, is
//! in [`gate`](super::gate). Of user code, only the comparisons of a priority queue run under the
//! mutex of its store, and the drop of the value that is got when one panics.
//!
//! # Spinning
//!
//! To block a thread and to wake it costs some ten microseconds; if the other side is at
//! work, its turn comes sooner than that. So a thread first looks at the store a few times,
//! with pauses and then with other threads in between, before it gets in line. Nobody counts
//! on a thread that spins, and so it may be choosy: a putter waits for a half empty queue, and
//! then puts many values at once, instead of keeping in step with a getter. Before it gets in
//! line, it takes any place that is free.
//!
//! How it spins depends on the places; all of it was measured, on an idle machine and beside two
//! busy programs. With [`FEW`], each value needs a change of sides, and at full speed the other
//! side is through after some single pauses. With more, the thread looks seldom: so it does not
//! take the other side's cache lines away, and finds many values when it does; with many, even its
//! first pause is long. Up to [`SOME`], it lets others run before it gets in line, for the processor
//! may be what the other side waits for; with many places the wake-up is paid for by many values,
//! and a processor that is given up goes to other programs, so it gets in line at once.

use super::gate::Gate;
use super::primitives::{Deadline, Spins, spin};
use super::store::{Refused, Store};
use super::tasks::Tasks;
use crossbeam_utils::CachePadded;
use std::vec;

/// At most so many places are few.
const FEW: usize = 8;
/// More than so many places are many.
const SOME: usize = 128;
/// How often a thread that waits for one of few places looks after a single pause.
const SHORT_PAUSES: u32 = 16;
/// The powers of 2 between which it looks after that many pauses: all of them take some ten
/// microseconds, about what a wake-up does.
const LONG_PAUSES: (u32, u32) = (0, 8);
/// The same with many places: not before the other side has had the time for dozens of them.
const LONGER_PAUSES: (u32, u32) = (5, 8);
/// How often a thread that waits for one of not many places lets others run.
const YIELDS: u32 = 12;

/// What the handles of a queue share.
pub(super) struct Core<S: Store> {
    /// The values.
    pub(super) store: S,
    /// Where getters wait for a value.
    getters: CachePadded<Gate>,
    /// Where putters wait for a place.
    putters: CachePadded<Gate>,
    /// What was dealt with, and who waits for that.
    pub(super) tasks: Tasks,
    /// The most values at a time; at least 1.
    pub(super) capacity: usize,
}

/// Tells a gate, also when a step ends with a panic.
struct Notice<'a>(&'a Gate);

impl Drop for Notice<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.notify();
    }
}

impl<S: Store> Core<S> {
    /// An empty queue.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            store: S::new(capacity),
            getters: CachePadded::default(),
            putters: CachePadded::default(),
            tasks: Tasks::default(),
            capacity,
        }
    }

    /// Puts a value; waits for a place if there is a deadline.
    #[inline]
    pub(super) fn put(
        &self,
        value: S::Item,
        deadline: Option<Deadline>,
    ) -> Result<(), (S::Item, Refused)> {
        match (self.push(value), deadline) {
            (Err((value, Refused::NotNow)), Some(deadline)) => self.put_later(value, deadline),
            (done, _) => done,
        }
    }

    /// Puts a value if there is a place.
    #[inline]
    fn push(&self, value: S::Item) -> Result<(), (S::Item, Refused)> {
        let _notice = Notice(&self.getters);
        self.store.push(value)
    }

    /// Puts this value and the rest, in order, while there are places; gives the value back
    /// for which there is none.
    pub(super) fn push_many(
        &self,
        first: S::Item,
        rest: &mut vec::IntoIter<S::Item>,
    ) -> Result<(), (S::Item, Refused)> {
        let _notice = Notice(&self.getters);
        self.store.push_many(first, rest)
    }

    /// Puts a value into a queue that was full.
    #[cold]
    pub(super) fn put_later(
        &self,
        value: S::Item,
        deadline: Deadline,
    ) -> Result<(), (S::Item, Refused)> {
        let mut unsent = Some(value);
        let mut attempt = || match self.push(unsent.take()?) {
            Err((value, Refused::NotNow)) => {
                unsent = Some(value);
                None
            }
            done => Some(done),
        };
        let is_ready = || {
            let enough = self.capacity / 2;
            enough == 0 || self.store.hint() <= enough || self.store.is_closed()
        };
        if let Some(done) = self.spin(deadline, is_ready, &mut attempt) {
            return done;
        }
        let has_place = || self.store.len() < self.capacity;
        let done = self.putters.wait(deadline, attempt, has_place);
        done.unwrap_or_else(|| {
            Err((unsent.expect("it was not put, so it came back"), Refused::NotNow))
        })
    }

    /// Gets a value; waits for it if there is a deadline.
    #[inline]
    pub(super) fn get(&self, deadline: Option<Deadline>) -> Result<S::Item, Refused> {
        self.get_with(deadline, || self.pop())
    }

    /// Takes a value if there is one.
    #[inline]
    fn pop(&self) -> Result<S::Item, Refused> {
        let _notice = Notice(&self.putters);
        self.store.pop()
    }

    /// Takes at most so many values if there are any.
    pub(super) fn pop_many(&self, most: usize) -> Result<Vec<S::Item>, Refused> {
        let _notice = Notice(&self.putters);
        self.store.pop_many(most)
    }

    /// Gets what `take` takes; waits for it if there is a deadline.
    #[inline]
    pub(super) fn get_with<R>(
        &self,
        deadline: Option<Deadline>,
        mut take: impl FnMut() -> Result<R, Refused>,
    ) -> Result<R, Refused> {
        match (take(), deadline) {
            (Err(Refused::NotNow), Some(deadline)) => self.get_later(deadline, take),
            (done, _) => done,
        }
    }

    /// Gets something from a queue that was empty.
    #[cold]
    fn get_later<R>(
        &self,
        deadline: Deadline,
        mut take: impl FnMut() -> Result<R, Refused>,
    ) -> Result<R, Refused> {
        let mut attempt = || match take() {
            Err(Refused::NotNow) => None,
            done => Some(done),
        };
        if let Some(done) = self.spin(deadline, || true, &mut attempt) {
            return done;
        }
        let has_value = || self.store.len() > 0;
        self.getters.wait(deadline, attempt, has_value).unwrap_or(Err(Refused::NotNow))
    }

    /// Ends the queue.
    pub(super) fn shut_down(&self) {
        self.store.close();
        self.getters.open();
        self.putters.open();
    }

    /// Ends the queue and takes out what is in it, which counts as dealt with.
    pub(super) fn discard(&self) -> Vec<S::Item> {
        self.shut_down();
        let values = self.store.take_all();
        self.tasks.done_many(values.len() as u64, &self.store);
        values
    }

    /// Waits a little, and tries whenever `is_ready` likes it.
    fn spin<R>(
        &self,
        deadline: Deadline,
        is_ready: impl Fn() -> bool,
        mut attempt: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        let spins = Spins {
            short_pauses: if self.capacity <= FEW { SHORT_PAUSES } else { 0 },
            long_pauses: if self.capacity <= SOME { LONG_PAUSES } else { LONGER_PAUSES },
            yields: if self.capacity <= SOME { YIELDS } else { 0 },
        };
        let mut round = 0;
        while spin(round, spins, deadline) {
            round += 1;
            if is_ready()
                && let Some(done) = attempt()
            {
                return Some(done);
            }
        }
        None
    }
}
