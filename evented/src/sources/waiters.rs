//! Who waits for one direction of a descriptor. Nothing in this file runs user code.

use std::cell::{Cell, RefCell};
use std::task::Waker;

use crate::class::Rank;

/// A direction with this many waiters gets rid of those that went away (a timeout around an accept),
/// see [`Waiters::thin_out`].
pub(super) const CROWD: usize = 32;

/// Who is woken, with the rank of the task that waits.
pub(crate) type Waiter = (Waker, Rank);

/// As a rule one or nobody, which takes no memory of its own.
#[derive(Default)]
pub(super) struct Waiters {
    /// Who came first. None: nobody waits.
    first: Cell<Option<Waiter>>,
    /// Those who came after the first one. Kept for its memory.
    others: RefCell<Option<Box<Crowd>>>,
}

/// More than one.
struct Crowd {
    /// All but the first one, in the order in which they came.
    waiters: Vec<Waiter>,
    /// With how many waiters in all the next look is due at those that went away.
    limit: usize,
}

impl Waiters {
    /// How many wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let first = self.first.take();
        let others = self.others.borrow().as_ref().map_or(0, |crowd| crowd.waiters.len());
        let len = usize::from(first.is_some()) + others;
        self.first.set(first);
        len
    }

    /// The most urgent rank of those who wait with another waker than this one, and of `rank`.
    pub(super) fn most_urgent(&self, except: &Waker, rank: Rank) -> Rank {
        let first = self.first.take();
        let others = self.others.borrow();
        let all = first.iter().chain(others.iter().flat_map(|crowd| &crowd.waiters));
        let counted = all.filter(|(waker, _)| !waker.will_wake(except));
        let most = counted.map(|waiter| waiter.1).fold(rank, Rank::min);
        self.first.set(first);
        most
    }

    /// Adds the first waiter. False if there is one already; then the waker is dropped, which must be one of
    /// this crate.
    #[inline]
    pub(super) fn wait_first(&self, waker: Waker, rank: Rank) -> bool {
        let first = self.first.take();
        let is_first = first.is_none();
        self.first.set(first.or(Some((waker, rank))));
        is_first
    }

    /// Puts a waiter in the place of the one with the same waker, which is given back. `Err` if there
    /// is none.
    pub(super) fn renew(&self, waiter: Waiter) -> Result<Waiter, Waiter> {
        let mut first = self.first.take();
        let mut others = self.others.borrow_mut();
        let others = others.iter_mut().flat_map(|crowd| &mut crowd.waiters);
        let mut all = first.iter_mut().chain(others);
        let renewed = match all.find(|known| known.0.will_wake(&waiter.0)) {
            Some(known) => Ok(std::mem::replace(known, waiter)),
            None => Err(waiter),
        };
        self.first.set(first);
        renewed
    }

    /// Adds a waiter.
    pub(super) fn push(&self, waiter: Waiter) {
        match self.first.take() {
            None => self.first.set(Some(waiter)),
            first => {
                self.first.set(first);
                let new = || Box::new(Crowd { waiters: Vec::new(), limit: CROWD });
                self.others.borrow_mut().get_or_insert_with(new).waiters.push(waiter);
            }
        }
    }

    /// Takes out the waiters that may have gone away, to be woken: the tasks that `is_gone` knows to
    /// be, and every waker of another executor, of which nobody can tell; if it still cares, it comes
    /// back. Does so only when there are many, and next time when there are twice as many as those
    /// that may still care: a crowd of any size comes to rest, and its size costs a constant factor.
    pub(super) fn thin_out(&self, is_gone: impl Fn(&Waker) -> Option<bool>) -> Vec<Waiter> {
        let mut others = self.others.borrow_mut();
        // There is a first one where there are others.
        let is_due = |crowd: &&mut Box<Crowd>| crowd.waiters.len() + 1 >= crowd.limit;
        let Some(crowd) = others.as_mut().filter(is_due) else { return Vec::new() };
        let mut all: Vec<Waiter> = self.first.take().into_iter().collect();
        all.append(&mut crowd.waiters);
        let known_gone = |waiter: &mut Waiter| is_gone(&waiter.0) == Some(true);
        let mut out: Vec<Waiter> = all.extract_if(.., known_gone).collect();
        crowd.limit = CROWD.max(2 * all.len());
        out.extend(all.extract_if(.., |waiter| is_gone(&waiter.0).is_none()));
        let mut stay = all.into_iter();
        self.first.set(stay.next());
        crowd.waiters.extend(stay);
        out
    }

    /// Takes all of them out, as there was an event, and gives them to `f` in the order in which they
    /// came. Who waits again meanwhile is not among them.
    #[inline]
    pub(super) fn release(&self, mut f: impl FnMut(Waiter)) {
        let Some(first) = self.first.take() else { return };
        let is_crowd = self.others.borrow().is_some();
        let others = if is_crowd { self.release_others() } else { Vec::new() };
        f(first);
        if is_crowd {
            others.into_iter().for_each(f);
        }
    }

    /// Takes all but the first one out.
    #[cold]
    fn release_others(&self) -> Vec<Waiter> {
        self.others.borrow_mut().as_mut().map_or_else(Vec::new, |crowd| {
            crowd.limit = CROWD;
            std::mem::take(&mut crowd.waiters)
        })
    }

    /// Takes all of them out, for good.
    pub(super) fn take(&self) -> Vec<Waiter> {
        let first = self.first.take();
        let others = self.others.take().map_or_else(Vec::new, |crowd| crowd.waiters);
        first.into_iter().chain(others).collect()
    }
}
