//! What leaf futures ask for: timers and descriptors.

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::task::Waker;
use std::time::Instant;

use super::Engine;
use crate::class::Rank;
use crate::driver::Driver;
use crate::sources::{Direction, Source, SourceId, Waiter};
use crate::timers::TimerId;
use crate::waker;

impl Engine {
    /// The rank of the task being polled.
    pub(crate) fn running_rank(&self) -> Rank {
        self.tasks.classes.rank(self.running_class())
    }

    /// Starts a timer for the task being polled.
    pub(crate) fn start_timer(&self, deadline: Instant, waker: Waker) -> TimerId {
        self.timers.borrow_mut().insert(deadline, waker, self.running_rank())
    }

    /// Starts a timer for the task in this slot, with the rank of its class, whichever is being polled.
    pub(crate) fn start_timer_of(&self, slot: u32, deadline: Instant) -> TimerId {
        let task = self.tasks.slot(slot);
        let waker = waker::of(self.tasks.name_of(slot, task));
        let rank = self.tasks.classes.rank(task.class.get());
        self.timers.borrow_mut().insert(deadline, waker, rank)
    }

    /// Stops a timer; harmless if it has fired.
    pub(crate) fn stop_timer(&self, id: TimerId) {
        let waiter = self.timers.borrow_mut().remove(id);
        self.drop_contained(waiter);
    }

    /// Adds a descriptor to the poll set.
    pub(crate) fn add_source(&self, fd: RawFd, direction: Direction) -> io::Result<SourceId> {
        let rank = self.running_rank();
        self.with_driver(|driver| self.sources.insert(driver, fd, direction, rank))
    }

    /// Forgets a descriptor that is about to be closed.
    pub(crate) fn forget_source(&self, id: SourceId) {
        let (waiters, _) = self.sources.remove(id, None);
        for waiter in waiters {
            self.drop_contained(waiter);
        }
    }

    /// Takes a descriptor out of the poll set; it stays open.
    pub(crate) fn remove_source(&self, id: SourceId) -> io::Result<()> {
        let (waiters, removed) =
            self.with_driver(|driver| Ok(self.sources.remove(id, Some(driver))))?;
        for waiter in waiters {
            self.drop_contained(waiter);
        }
        removed
    }

    /// The task being polled waits for the next event of a source, where that is simple: its waker is one of
    /// this crate, all tasks have the same rank, the direction is watched, and nobody else waits. False:
    /// nothing was done.
    #[inline]
    pub(crate) fn wait_first(&self, source: &Source, direction: Direction, waker: &Waker) -> bool {
        match waker::name_in(waker) {
            Some(name) if !self.inherits() => {
                self.sources.wait_first(source, direction, waker::of(name))
            }
            _ => false,
        }
    }

    /// A call on the source would block: the task being polled waits for the next event.
    pub(crate) fn wait_for_source(
        &self,
        id: SourceId,
        direction: Direction,
        waker: Waker,
    ) -> io::Result<()> {
        let waiter: Waiter = (waker, self.running_rank());
        // Two steps: should the first fail, the waker is dropped with nothing changed.
        self.with_driver(|driver| {
            self.sources.would_block(driver, id, direction, (&waiter.0, waiter.1))
        })?;
        let (wake, others) = self.sources.wait(id, direction, waiter, |waker| self.is_gone(waker));
        for (waker, _) in others {
            if wake { self.wake_contained(waker) } else { self.drop_contained(waker) }
        }
        Ok(())
    }

    /// Whether the task behind a waker has ended. None if it is none of this reactor's.
    fn is_gone(&self, waker: &Waker) -> Option<bool> {
        let name = waker::name_in(waker)?;
        (name.reactor() == self.mailbox.index()).then(|| self.tasks.is_stale(name))
    }

    /// See [`Driver::descriptor`].
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.with_driver(|driver| driver.descriptor())
    }

    fn with_driver<R>(&self, f: impl FnOnce(&mut dyn Driver) -> io::Result<R>) -> io::Result<R> {
        match self.driver.borrow_mut().as_mut() {
            Some(driver) => f(&mut **driver),
            None => Err(io::Error::other("the reactor is gone")),
        }
    }
}
