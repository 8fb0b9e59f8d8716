//! A store that only counts: each step is one operation on one atomic.

use super::super::primitives::{AtomicU64, dekker};
use super::super::store::{Refused, Store};
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::vec;

/// The bit that says that nothing can be put any more.
const CLOSED: u64 = 1;
/// One value that is there.
const VALUE: u64 = 1 << 8;
/// One value that was ever put.
const PUT: u64 = 1 << 32;

/// The store.
pub(super) struct Counter {
    /// [`CLOSED`], the values that are there, and those that were ever put.
    word: AtomicU64,
    /// The most values at a time.
    capacity: usize,
}

/// The values that are there.
fn len(word: u64) -> usize {
    ((word % PUT) / VALUE) as usize
}

impl Counter {
    /// Changes the word, or gives the reason why not.
    fn change(&self, next: impl Fn(u64) -> Result<u64, Refused>) -> Result<(), Refused> {
        let mut word = self.word.load(Acquire);
        loop {
            let next = next(word);
            let Ok(next) = next else {
                return next.map(|_| ());
            };
            match self.word.compare_exchange(word, next, AcqRel, Acquire) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        dekker();
        Ok(())
    }
}

impl Store for Counter {
    type Item = ();

    fn new(capacity: usize) -> Self {
        Self { word: AtomicU64::new(0), capacity }
    }

    fn push(&self, (): ()) -> Result<(), ((), Refused)> {
        let put = |word| match (word & CLOSED, len(word) < self.capacity) {
            (CLOSED, _) => Err(Refused::ShutDown),
            (_, true) => Ok(word + VALUE + PUT),
            (_, false) => Err(Refused::NotNow),
        };
        self.change(put).map_err(|refused| ((), refused))
    }

    fn push_many(&self, (): (), rest: &mut vec::IntoIter<()>) -> Result<(), ((), Refused)> {
        self.push(())?;
        rest.try_for_each(|()| self.push(()))
    }

    fn pop(&self) -> Result<(), Refused> {
        self.change(|word| match len(word) {
            0 => Err(Refused::of_empty(word & CLOSED != 0)),
            _ => Ok(word - VALUE),
        })
    }

    fn pop_many(&self, most: usize) -> Result<Vec<()>, Refused> {
        self.pop()?;
        Ok((0..most).map_while(|more| (more == 0 || self.pop().is_ok()).then_some(())).collect())
    }

    fn take_all(&self) -> Vec<()> {
        std::iter::from_fn(|| self.pop().ok()).collect()
    }

    fn close(&self) {
        self.word.fetch_or(CLOSED, AcqRel);
        dekker();
    }

    fn is_closed(&self) -> bool {
        self.word.load(Acquire) & CLOSED != 0
    }

    fn len(&self) -> usize {
        len(self.word.load(Acquire))
    }

    fn hint(&self) -> usize {
        self.len()
    }

    fn puts(&self) -> u64 {
        self.word.load(Acquire) / PUT
    }
}
