//! First in, first out: in a ring, or in a buffer that grows.

use super::locked::Locked;
use super::ring::Ring;
use super::storage::Fifo;
use super::store::{Refused, Store};
use std::vec;

/// The most memory that a ring takes, in bytes: all of it is allocated with the queue. A
/// larger capacity is kept behind a mutex, in a buffer that grows as it is needed.
const LARGEST_RING: usize = 256 * 1024;

/// The store of a [`Queue`](super::Queue).
#[expect(clippy::large_enum_variant, reason = "there is one of each queue, behind an `Arc`")]
pub(super) enum Places<T> {
    /// For a capacity with which that takes at most [`LARGEST_RING`].
    Ring(Ring<T>),
    /// For all others.
    Locked(Locked<Fifo<T>>),
}

/// Does the same with either store.
macro_rules! either {
    ($places:expr, $store:ident => $do:expr) => {
        match $places {
            Places::Ring($store) => $do,
            Places::Locked($store) => $do,
        }
    };
}

impl<T> Store for Places<T> {
    type Item = T;

    fn new(capacity: usize) -> Self {
        if capacity.saturating_mul(Ring::<T>::PLACE) <= LARGEST_RING {
            Self::Ring(Ring::new(capacity))
        } else {
            Self::Locked(Locked::new(capacity))
        }
    }

    #[inline]
    fn push(&self, value: T) -> Result<(), (T, Refused)> {
        either!(self, store => store.push(value))
    }

    fn push_many(&self, first: T, rest: &mut vec::IntoIter<T>) -> Result<(), (T, Refused)> {
        either!(self, store => store.push_many(first, rest))
    }

    #[inline]
    fn pop(&self) -> Result<T, Refused> {
        either!(self, store => store.pop())
    }

    fn pop_many(&self, most: usize) -> Result<Vec<T>, Refused> {
        either!(self, store => store.pop_many(most))
    }

    fn take_all(&self) -> Vec<T> {
        either!(self, store => store.take_all())
    }

    fn close(&self) {
        either!(self, store => store.close());
    }

    fn is_closed(&self) -> bool {
        either!(self, store => store.is_closed())
    }

    fn len(&self) -> usize {
        either!(self, store => store.len())
    }

    #[inline]
    fn hint(&self) -> usize {
        either!(self, store => store.hint())
    }

    fn puts(&self) -> u64 {
        either!(self, store => store.puts())
    }
}
