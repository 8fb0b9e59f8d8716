//! A store behind a mutex: for orders that move values around, and for capacities whose
//! places are not worth allocating before they are needed.
//!
//! The mutex orders a thread that announces itself and then finds no value (no place) before
//! whoever puts (takes) one afterwards: so that one sees the announcement.

use super::primitives::{AtomicUsize, Mutex};
use super::storage::Storage;
use super::store::{Refused, Store};
use std::sync::atomic::Ordering::Relaxed;
use std::vec;

/// The store.
pub(super) struct Locked<S> {
    /// The values.
    inside: Mutex<Inside<S>>,
    /// How many values there were lately.
    hint: AtomicUsize,
    /// The most values at a time.
    capacity: usize,
}

/// What the mutex protects.
struct Inside<S> {
    /// The values; at most as many as the capacity.
    values: S,
    /// Values that were ever put. Counted before the value is added: that can panic, in the
    /// comparison of a priority queue.
    puts: u64,
    /// Whether nothing can be put any more.
    closed: bool,
}

impl<S: Storage> Inside<S> {
    /// Puts a value in, or gives it back.
    fn push(&mut self, value: S::Item, capacity: usize) -> Result<(), (S::Item, Refused)> {
        if self.closed {
            return Err((value, Refused::ShutDown));
        }
        if self.values.len() >= capacity {
            return Err((value, Refused::NotNow));
        }
        self.puts += 1;
        self.values.push(value);
        Ok(())
    }

    /// Takes a value.
    fn pop(&mut self) -> Result<S::Item, Refused> {
        self.values.pop().ok_or(Refused::of_empty(self.closed))
    }
}

impl<S: Storage> Locked<S> {
    /// Does something under the mutex.
    fn change<R>(&self, change: impl FnOnce(&mut Inside<S>) -> R) -> R {
        let mut inside = self.inside.lock();
        let done = change(&mut inside);
        self.hint.store(inside.values.len(), Relaxed);
        done
    }
}

impl<S: Storage> Store for Locked<S> {
    type Item = S::Item;

    fn new(capacity: usize) -> Self {
        let inside = Inside { values: S::new(capacity), puts: 0, closed: false };
        Self { inside: Mutex::new(inside), hint: AtomicUsize::new(0), capacity }
    }

    fn push(&self, value: S::Item) -> Result<(), (S::Item, Refused)> {
        self.change(|inside| inside.push(value, self.capacity))
    }

    fn push_many(
        &self,
        first: S::Item,
        rest: &mut vec::IntoIter<S::Item>,
    ) -> Result<(), (S::Item, Refused)> {
        self.change(|inside| {
            inside.push(first, self.capacity)?;
            rest.try_for_each(|value| inside.push(value, self.capacity))
        })
    }

    fn pop(&self) -> Result<S::Item, Refused> {
        self.change(Inside::pop)
    }

    fn pop_many(&self, most: usize) -> Result<Vec<S::Item>, Refused> {
        // Out here: when a comparison panics, they are dropped with the mutex unlocked.
        let mut values = Vec::new();
        self.change(|inside| {
            values.reserve(most.min(inside.values.len()));
            values.push(inside.pop()?);
            while values.len() < most
                && let Some(value) = inside.values.pop()
            {
                values.push(value);
            }
            Ok(())
        })?;
        Ok(values)
    }

    fn take_all(&self) -> Vec<S::Item> {
        self.change(|inside| inside.values.take_all())
    }

    fn close(&self) {
        self.inside.lock().closed = true;
    }

    fn is_closed(&self) -> bool {
        self.inside.lock().closed
    }

    fn len(&self) -> usize {
        self.inside.lock().values.len()
    }

    fn hint(&self) -> usize {
        self.hint.load(Relaxed)
    }

    fn puts(&self) -> u64 {
        self.inside.lock().puts
    }
}
