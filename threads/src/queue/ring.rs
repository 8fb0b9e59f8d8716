//! A store without a mutex, for values that leave in the order in which they came.
//!
//! An array of places that is used round after round (a *lap*), after Dmitry Vyukov's bounded
//! MPMC queue (1024cores.net). A thread claims the place at `tail` or at `head` by moving that
//! on, and then has the place for itself until it writes the place's next `turn`:
//!
//! | `turn` of a place, in lap *n* | what it is |
//! |---|---|
//! | 2*n* | free; in the hands of the putter that moved `tail` past it, if one did |
//! | 2*n* + 1 | holds a value; in the hands of the getter that moved `head` past it, if one did |
//! | 2(*n* + 1) | free, for the next lap |
//!
//! So putters meet each other at `tail` and getters meet each other at `head`, but the two
//! sides meet only in the places, and each looks at the other's end only when it finds a
//! place not ready: the store is full (empty), or its last user is not through with it.
//!
//! # Threads that are not through
//!
//! A thread that is interrupted between its claim and its turn lets everybody wait who needs
//! that place: this is no lock-free queue in the strict sense, and could not be one while it
//! is first in, first out. Others let some time pass ([`pause`]) and soon sleep a little: a
//! real-time thread that only spun could keep the interrupted one from ever running
//! (crossbeam #821, #997). Nothing but a copy of the value happens in between.
//!
//! # Order
//!
//! `tail` and `head` are moved and read in the single order of all sequentially consistent
//! operations, for [`Gate`](super::gate::Gate). The value itself goes from one thread to the
//! other by the release of `turn` and its acquisition.

use super::primitives::{AtomicU64, UnsafeCell, dekker, pause};
use super::store::{Refused, Store};
use crossbeam_utils::CachePadded;
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::vec;

/// The bit of `tail` that says that nothing can be put any more.
const CLOSED: u64 = 1;

/// The store.
pub(super) struct Ring<T> {
    /// Twice the position where the next value is put, and [`CLOSED`].
    tail: CachePadded<AtomicU64>,
    /// The position from which the next value is taken.
    head: CachePadded<AtomicU64>,
    /// As many as the capacity.
    places: Box<[Place<T>]>,
    /// The distance between the positions of a place in two successive laps: the capacity, or
    /// the next power of two, so that lap and index are bits of the position.
    lap: u64,
    /// How far to shift a position to get its lap.
    lap_bits: u32,
}

/// A place for a value.
struct Place<T> {
    /// What the place is good for: see the table.
    turn: AtomicU64,
    /// The value, if there is one.
    value: UnsafeCell<MaybeUninit<T>>,
}

/// A thread that waits until another one is through with a place.
#[derive(Default)]
struct Stuck {
    /// The position of the place.
    at: u64,
    /// How often it has paused for it.
    round: u32,
}

impl Stuck {
    /// Pauses, the longer the more often it did so for this position.
    #[cold]
    fn pause(&mut self, at: u64) {
        if self.at != at {
            *self = Self { at, round: 0 };
        }
        pause(self.round);
        self.round += 1;
    }
}

// SAFETY: values go from the thread that puts them to the one that takes them, which is what
// `Send` allows. Nobody gets a reference to a value in the ring.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: as above; a place is used by one thread at a time, by the protocol of `turn`.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    /// The memory that a place takes, in bytes.
    pub(super) const PLACE: usize = size_of::<Place<T>>();

    /// The place at a position, and the number of its lap.
    #[inline]
    fn place(&self, at: u64) -> (&Place<T>, u64) {
        let index = usize::try_from(at & (self.lap - 1)).expect("it is less than the capacity");
        (&self.places[index], at >> self.lap_bits)
    }

    /// The position after this one.
    #[inline]
    fn after(&self, at: u64) -> u64 {
        let next = at + 1;
        if next & (self.lap - 1) < self.places.len() as u64 {
            next
        } else {
            (at & !(self.lap - 1)) + self.lap
        }
    }

    /// How many positions come before this one.
    #[inline]
    fn count(&self, at: u64) -> u64 {
        (at >> self.lap_bits) * self.places.len() as u64 + (at & (self.lap - 1))
    }
}

impl<T> Store for Ring<T> {
    type Item = T;

    fn new(capacity: usize) -> Self {
        let place =
            |_| Place { turn: AtomicU64::new(0), value: UnsafeCell::new(MaybeUninit::uninit()) };
        let lap = capacity.next_power_of_two() as u64;
        Self {
            tail: CachePadded::new(AtomicU64::new(0)),
            head: CachePadded::new(AtomicU64::new(0)),
            places: (0..capacity).map(place).collect(),
            lap,
            lap_bits: lap.trailing_zeros(),
        }
    }

    #[inline]
    fn push(&self, value: T) -> Result<(), (T, Refused)> {
        let mut stuck = Stuck::default();
        loop {
            let tail = self.tail.load(SeqCst);
            if tail & CLOSED != 0 {
                return Err((value, Refused::ShutDown));
            }
            let at = tail / 2;
            let (place, lap) = self.place(at);
            let turn = place.turn.load(Acquire);
            if turn == 2 * lap {
                let next = 2 * self.after(at);
                if self.tail.compare_exchange_weak(tail, next, SeqCst, Relaxed).is_err() {
                    continue;
                }
                place.value.with_mut(|slot| {
                    // SAFETY: the place is free in this lap, as its turn says, and this thread
                    // is the one that moved `tail` past it: it alone uses it until the next turn.
                    unsafe { &mut *slot }.write(value);
                });
                place.turn.store(turn + 1, Release);
                dekker();
                return Ok(());
            }
            // The value of the last lap is here if nobody has claimed it, and then there has
            // been no other putter since `tail` was read.
            if turn < 2 * lap {
                dekker();
                if self.head.load(SeqCst) + self.lap == at {
                    return Err((value, Refused::NotNow));
                }
                stuck.pause(at);
            }
        }
    }

    #[inline]
    fn pop(&self) -> Result<T, Refused> {
        let mut stuck = Stuck::default();
        loop {
            let at = self.head.load(SeqCst);
            let (place, lap) = self.place(at);
            let turn = place.turn.load(Acquire);
            if turn == 2 * lap + 1 {
                if self.head.compare_exchange_weak(at, self.after(at), SeqCst, Relaxed).is_err() {
                    continue;
                }
                let value = place.value.with_mut(|slot| {
                    // SAFETY: this thread is the one that moved `head` past the place: it alone
                    // uses it until the next turn.
                    let slot = unsafe { &*slot };
                    // SAFETY: the place holds a value in this lap, as its turn says, which was
                    // written before that turn was released; nobody reads it again.
                    unsafe { slot.assume_init_read() }
                });
                place.turn.store(turn + 1, Release);
                dekker();
                return Ok(value);
            }
            if turn <= 2 * lap {
                dekker();
                let tail = self.tail.load(SeqCst);
                if tail / 2 == at {
                    return Err(Refused::of_empty(tail & CLOSED != 0));
                }
                stuck.pause(at);
            }
        }
    }

    fn push_many(&self, first: T, rest: &mut vec::IntoIter<T>) -> Result<(), (T, Refused)> {
        // One at a time: a claim of several places would let everybody wait for the copies of
        // all of them.
        self.push(first)?;
        rest.try_for_each(|value| self.push(value))
    }

    fn pop_many(&self, most: usize) -> Result<Vec<T>, Refused> {
        let first = self.pop()?;
        // No more than could be there at once, or putters at full speed would keep it here.
        let most = most.min(self.places.len());
        let mut values = Vec::with_capacity(most.min(self.hint().saturating_add(1)));
        values.push(first);
        while values.len() < most
            && let Ok(value) = self.pop()
        {
            values.push(value);
        }
        Ok(values)
    }

    fn take_all(&self) -> Vec<T> {
        std::iter::from_fn(|| self.pop().ok()).collect()
    }

    fn close(&self) {
        self.tail.fetch_or(CLOSED, SeqCst);
    }

    fn is_closed(&self) -> bool {
        self.tail.load(SeqCst) & CLOSED != 0
    }

    fn len(&self) -> usize {
        loop {
            let tail = self.tail.load(SeqCst);
            let head = self.head.load(SeqCst);
            // If `tail` is where it was, both were so at the moment when `head` was read.
            if self.tail.load(SeqCst) == tail {
                let len = self.count(tail / 2) - self.count(head);
                return usize::try_from(len).expect("there are at most as many as places");
            }
        }
    }

    #[inline]
    fn hint(&self) -> usize {
        // The head first: it never overtakes the tail. But others may go on in between.
        let head = self.count(self.head.load(Relaxed));
        let tail = self.count(self.tail.load(Relaxed) / 2);
        usize::try_from(tail.saturating_sub(head))
            .map_or(self.places.len(), |len| len.min(self.places.len()))
    }

    fn puts(&self) -> u64 {
        self.count(self.tail.load(SeqCst) / 2)
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        drop(self.take_all());
    }
}
