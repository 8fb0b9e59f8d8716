//! Seats of a pool that ends: empty ones are filled again for what workers that have ended did not
//! see.
//!
//! A worker ends when it has looked everywhere after the pool had begun to end, and found
//! nothing. There may be something all the same, for which there has to be a worker, as there is
//! while the pool is open.
//!
//! # Jobs on their way
//!
//! A batch of jobs on its way from one deque to another is seen by nobody. If the first job of the
//! batch waits for another one of it, in a way that the pool cannot see, that one needs a worker.
//! So:
//!
//! - *Who ends* counts its seat as empty, fence, looks at every source once more, and fills a
//!   seat if there is a job ([`Seats::leave`]).
//! - *Who moves jobs* has put them into its deque, fence, looks for empty seats, and has one
//!   filled if there are ([`Seats::offer`]).
//!
//! The fences are totally ordered, so the second of the two sees what the other did before its
//! fence: the empty seat, or the jobs. Nobody spawns jobs in a pool that ends, as its owner is
//! gone, so every move is one of these. A worker that was started like that moves jobs in
//! turn, and offers what it does not run itself.
//!
//! # Forked work
//!
//! Jobs that run while the pool ends still fork, and tasks of a scope may wait for each other in
//! ways that the pool cannot see. So who makes such work visible does the same as who moves jobs
//! ([`Seats::offer_fork`]). But it may do so often, and each time a worker would be started that
//! soon ends again. So one is *coming* at a time: while it is, others leave their work to it. When it
//! has arrived ([`Seats::arrive`], under the mutex), it looks at every source, and so sees what was
//! left to it.
//!
//! A worker that comes, or that was started by one that ended, may be meant for several. So before
//! it runs the first that it finds, it has another one come for the rest ([`Seats::offer_rest`]).

use super::Seats;
use crate::pools;
use crate::primitives::{fence, lock};
use crate::shared::{Phase, Shared};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

impl Seats {
    /// The calling worker has moved jobs into its deque: if the pool ends, and a worker has
    /// ended that may not have seen them, another one takes its seat.
    pub(crate) fn offer(&self, shared: &Arc<Shared>) {
        fence(SeqCst);
        if self.empty.load(Relaxed) > 0 {
            self.fill_one(shared);
        }
    }

    /// Forked work has been made visible, and a fence came after that: the same for a worker that
    /// may not have seen it.
    #[inline]
    pub(crate) fn offer_fork(&self, shared: &Shared) {
        if self.empty.load(Relaxed) > 0 {
            self.send_for(shared);
        }
    }

    /// Has a worker come, unless one is coming already.
    #[cold]
    fn send_for(&self, shared: &Shared) {
        let Some(shared) = pools::find(shared.number) else { return };
        let mut roster = lock(&self.roster);
        let is_wanted = roster.coming.is_none()
            && roster.seated < roster.seats
            && shared.may_start_workers()
            && self.may_start(&roster, 0);
        if is_wanted {
            // Without a new thread, the pool goes on with one worker less.
            roster.coming = Self::start(&shared, &mut roster).ok();
            self.changed(&roster);
        }
        drop(roster);
    }

    /// The calling worker is about to look for the first time.
    pub(crate) fn arrive(&self, worker: usize) {
        let mut roster = lock(&self.roster);
        if roster.coming == Some(worker) {
            roster.coming = None;
        }
    }

    /// The calling worker is about to run the first that it has found: if it was started as the
    /// pool ends, and there is more, another one comes for that.
    pub(crate) fn offer_rest(&self, shared: &Shared) {
        if shared.phase() != Phase::Open && shared.has_jobs() {
            self.offer_fork(shared);
        }
    }

    /// Starts a worker if a seat is empty, as the pool ends. Without a new thread, it
    /// goes on with one worker less.
    pub(super) fn fill_one(&self, shared: &Arc<Shared>) {
        let mut roster = lock(&self.roster);
        let (seats, seated) = (roster.seats, roster.seated);
        roster.seats = seats.min(seated + 1);
        self.fill(shared, &mut roster).unwrap_or_default();
        roster.seats = seats;
        self.changed(&roster);
    }
}
