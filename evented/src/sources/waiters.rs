//! Who waits for one direction of a descriptor. Nothing in this file runs user code.

use std::task::Waker;

use crate::class::Rank;

/// A direction with this many waiters gets rid of those that went away (a timeout around an accept),
/// see [`Waiters::thin_out`].
pub(super) const CROWD: usize = 32;

/// Who is woken, with the rank of the task that waits.
pub(crate) type Waiter = (Waker, Rank);

/// As a rule one or nobody, which takes no memory of its own.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// Who came first. None: nobody waits.
    first: Option<Waiter>,
    /// Those who came after the first one. Kept for its memory.
    others: Option<Box<Crowd>>,
}

/// More than one.
#[derive(Debug)]
struct Crowd {
    /// All but the first one, in the order in which they came.
    waiters: Vec<Waiter>,
    /// With how many waiters in all the next look is due at those that went away.
    limit: usize,
}

impl Waiters {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.as_ref().map_or(0, |it| it.waiters.len())
    }

    /// All of them, in the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiter> {
        let others = self.others.iter().flat_map(|crowd| &crowd.waiters);
        self.first.iter().chain(others)
    }

    /// Adds the first waiter, if it is: nobody waits, or this one already. `Ok(Some)` gives it back in
    /// the second case, to be dropped; `Err` if another one is the first.
    #[inline]
    pub(super) fn wait_alone(&mut self, waiter: Waiter) -> Result<Option<Waiter>, Waiter> {
        match &self.first {
            None => {
                self.first = Some(waiter);
                Ok(None)
            }
            Some(known) if known.0.will_wake(&waiter.0) && known.1 == waiter.1 => Ok(Some(waiter)),
            Some(_) => Err(waiter),
        }
    }

    /// Puts a waiter in the place of the one with the same waker, which is given back. `Err` if there
    /// is none.
    pub(super) fn renew(&mut self, waiter: Waiter) -> Result<Waiter, Waiter> {
        let others = self.others.iter_mut().flat_map(|crowd| &mut crowd.waiters);
        let mut all = self.first.iter_mut().chain(others);
        match all.find(|known| known.0.will_wake(&waiter.0)) {
            Some(known) => Ok(std::mem::replace(known, waiter)),
            None => Err(waiter),
        }
    }

    /// Adds a waiter.
    pub(super) fn push(&mut self, waiter: Waiter) {
        if self.first.is_none() {
            self.first = Some(waiter);
            return;
        }
        let new = || Box::new(Crowd { waiters: Vec::new(), limit: CROWD });
        self.others.get_or_insert_with(new).waiters.push(waiter);
    }

    /// Takes out the waiters that may have gone away, to be woken: the tasks that `is_gone` knows to
    /// be, and every waker of another executor, of which nobody can tell; if it still cares, it comes
    /// back. Does so only when there are many, and next time when there are twice as many as those
    /// that may still care: a crowd of any size comes to rest, and its size costs a constant factor.
    pub(super) fn thin_out(&mut self, is_gone: impl Fn(&Waker) -> Option<bool>) -> Vec<Waiter> {
        let len = self.len();
        let Some(crowd) = self.others.as_mut().filter(|crowd| len >= crowd.limit) else {
            return Vec::new();
        };
        let mut all: Vec<Waiter> = self.first.take().into_iter().collect();
        all.append(&mut crowd.waiters);
        let known_gone = |waiter: &mut Waiter| is_gone(&waiter.0) == Some(true);
        let mut out: Vec<Waiter> = all.extract_if(.., known_gone).collect();
        crowd.limit = CROWD.max(2 * all.len());
        out.extend(all.extract_if(.., |waiter| is_gone(&waiter.0).is_none()));
        let mut stay = all.into_iter();
        self.first = stay.next();
        crowd.waiters.extend(stay);
        out
    }

    /// Takes all of them out: there was an event. Gives back the first one and moves the others.
    #[inline]
    pub(super) fn release(&mut self, others: &mut Vec<Waiter>) -> Option<Waiter> {
        if let Some(crowd) = &mut self.others {
            crowd.limit = CROWD;
            others.append(&mut crowd.waiters);
        }
        self.first.take()
    }

    /// Takes all of them out, for good.
    pub(super) fn take(&mut self) -> Vec<Waiter> {
        let first = self.first.take();
        let others = self.others.take().map_or(Vec::new(), |crowd| crowd.waiters);
        first.into_iter().chain(others).collect()
    }
}
