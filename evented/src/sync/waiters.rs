//! Wakers in the order in which they came, each of which may leave early.

use std::collections::BTreeMap;
use std::task::Waker;

/// A FIFO of wakers. Part of some state under a lock; runs no user code.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// By ticket, which grows: the first entry came first.
    wakers: BTreeMap<u64, Waker>,
    next_ticket: u64,
}

/// The place of one waiter, kept by its future.
#[derive(Debug, Default)]
pub(crate) struct Ticket(Option<u64>);

impl Waiters {
    /// Waits at the end, or keeps its place with a new waker. Returns the old one, to be dropped
    /// outside the lock.
    pub(crate) fn wait(&mut self, ticket: &mut Ticket, waker: Waker) -> Option<Waker> {
        let number = *ticket.0.get_or_insert_with(|| {
            self.next_ticket += 1;
            self.next_ticket
        });
        self.wakers.insert(number, waker)
    }

    /// Whether nobody waits, or only `ticket` and those behind it: is it this one's turn?
    pub(crate) fn is_first(&self, ticket: &Ticket) -> bool {
        match (self.wakers.first_key_value(), ticket.0) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some((first, _)), Some(own)) => own <= *first,
        }
    }

    /// The waker of the one that waits longest; it keeps its place until it leaves.
    pub(crate) fn first(&self) -> Option<&Waker> {
        self.wakers.first_key_value().map(|(_, waker)| waker)
    }

    /// Takes the one that waits longest out, with the number of its ticket.
    pub(crate) fn pop_first(&mut self) -> Option<(u64, Waker)> {
        self.wakers.pop_first()
    }

    /// Gives a place up. Returns the waker if it was still waiting, to be dropped outside the lock.
    pub(crate) fn leave(&mut self, ticket: &mut Ticket) -> Option<Waker> {
        self.wakers.remove(&ticket.0.take()?)
    }

    /// Takes all out.
    pub(crate) fn take(&mut self) -> BTreeMap<u64, Waker> {
        std::mem::take(&mut self.wakers)
    }
}

impl Ticket {
    /// The number under which it waits or waited.
    pub(crate) fn number(&self) -> Option<u64> {
        self.0
    }

    /// Whether it has, or had, a place.
    pub(crate) fn is_taken(&self) -> bool {
        self.0.is_some()
    }
}
