//! Wakers in the order in which they came, each of which may leave early.

use std::collections::BTreeMap;
use std::task::Waker;

use crate::current;
use crate::name::Name;
use crate::waker::name_in;

/// A FIFO of wakers. Part of some state under a lock; runs no user code, so wakers are moved only:
/// cloning or dropping one may run anything.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// By ticket, which grows: the first entry came first. None: it was told and has not come back yet.
    wakers: BTreeMap<u64, Option<Waker>>,
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
        self.wakers.insert(number, Some(waker)).flatten()
    }

    /// Whether nobody waits, or only `ticket` and those behind it: is it this one's turn?
    pub(crate) fn is_first(&self, ticket: &Ticket) -> bool {
        match (self.wakers.first_key_value(), ticket.0) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some((first, _)), Some(own)) => own <= *first,
        }
    }

    /// The task right in front of `ticket`, or of the end. None if there is nobody, or it is not known.
    pub(crate) fn ahead(&self, ticket: &Ticket) -> Option<Name> {
        let (_, ahead) = self.wakers.range(..ticket.0.unwrap_or(u64::MAX)).next_back()?;
        ahead.as_ref().and_then(name_in)
    }

    /// The task right behind `ticket`, likewise.
    pub(crate) fn behind(&self, ticket: &Ticket) -> Option<Name> {
        let (_, behind) = self.wakers.range(ticket.0? + 1..).next()?;
        behind.as_ref().and_then(name_in)
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    /// The waker of the one that waits longest, unless it was told already; it keeps its place until it
    /// leaves.
    pub(crate) fn tell_first(&mut self) -> Option<Waker> {
        self.wakers.first_entry()?.get_mut().take()
    }

    /// Takes the one that waits longest out, with the number of its ticket.
    pub(crate) fn pop_first(&mut self) -> Option<(u64, Option<Waker>)> {
        self.wakers.pop_first()
    }

    /// Gives a place up. Returns the waker if it was still waiting, to be dropped outside the lock.
    pub(crate) fn leave(&mut self, ticket: &mut Ticket) -> Option<Waker> {
        self.wakers.remove(&ticket.0.take()?).flatten()
    }

    /// Takes all out; the wakers of those who have not been told, in their order.
    pub(crate) fn take(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.wakers).into_values().flatten().collect()
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

/// Wakes somebody who was taken out, outside the lock: a waker may be foreign and may panic.
pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        current::wake_contained(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_once_and_keeps_its_place_until_it_leaves() {
        let waker = || Waker::noop().clone();
        let mut waiters = Waiters::default();
        let (mut first, mut second) = (Ticket::default(), Ticket::default());
        assert!(waiters.wait(&mut first, waker()).is_none());
        assert!(waiters.wait(&mut second, waker()).is_none());
        assert!(waiters.tell_first().is_some());
        assert!(waiters.tell_first().is_none(), "it was told and has not come back");
        assert!(waiters.is_first(&first) && !waiters.is_first(&second));
        // It comes back in vain, and waits in its old place.
        assert!(waiters.wait(&mut first, waker()).is_none());
        assert!(waiters.is_first(&first) && !waiters.is_first(&second));
        assert!(waiters.tell_first().is_some());
        assert!(waiters.leave(&mut first).is_none(), "its waker was used");
        assert!(waiters.is_first(&second));
        assert_eq!(waiters.take().len(), 1);
        assert!(waiters.is_empty());
    }
}
