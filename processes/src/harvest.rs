//! Where the results of a map come in: one place for all of its items.
//!
//! A single call has a [`Ticket`](crate::ticket::Ticket) of its own, with everything that a handle
//! can ask for. Items of a map have no handles; for them that would cost more than the call. They
//! have numbers, and what is known about some of them in a row is a [`Piece`].
//!
//! Lock order: the core's state, then a harvest. Nobody is woken while the state is locked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::arena::Keyed;
use crate::arena::freight::Freight;
use crate::error::JoinError;
use crate::scope::Keeper;
use crate::ticket::Outcome;

/// What became of some items in a row.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Each returned a value.
    Values(Values),
    /// One ended like this.
    One(u64, Box<Outcome>),
    /// All failed in the same way.
    Failed(Failed),
}

/// The results of some items in a row.
#[derive(Debug)]
pub(crate) struct Values {
    /// The number of the first one.
    pub(crate) first: u64,
    /// As many result frames, one after the other; see [`crate::frame`].
    pub(crate) records: Vec<u8>,
    /// How many there are.
    pub(crate) count: u16,
}

/// Items in a row that have no result for the same reason.
#[derive(Debug)]
pub(crate) struct Failed {
    /// The number of the first one.
    pub(crate) first: u64,
    /// How many there are.
    pub(crate) count: u16,
    /// Why.
    pub(crate) error: JoinError,
}

impl Piece {
    /// The number of its first item.
    pub(crate) fn first(&self) -> u64 {
        match self {
            Self::Values(values) => values.first,
            Self::One(number, _outcome) => *number,
            Self::Failed(failed) => failed.first,
        }
    }

    /// How many items it is about.
    pub(crate) fn count(&self) -> u16 {
        match self {
            Self::Values(values) => values.count,
            Self::One(..) => 1,
            Self::Failed(failed) => failed.count,
        }
    }
}

/// Which items somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Whichever comes.
    Any,
    /// The one with this number.
    Number(u64),
}

/// Nothing that was wanted came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeIsOver;

/// The time that items took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// How many items.
    pub(crate) count: u16,
    /// How long all of them took in their worker.
    pub(crate) taken_ns: u64,
}

/// What has come in and was not taken.
#[derive(Debug, Default)]
struct Store {
    /// In the order of their arrival.
    pieces: Vec<Piece>,
    /// What the owner of the map waits for, if it does.
    wanted: Option<Wanted>,
    /// The latest frame that was timed.
    timing: Option<Timing>,
    /// The task that waits, if it is one.
    waker: Option<Waker>,
}

/// The place where a map's results come in.
#[derive(Debug, Default)]
pub(crate) struct Harvest {
    /// What is there.
    store: Mutex<Store>,
    /// Signalled when something comes that somebody waits for.
    ready: Condvar,
    /// How many items have ended.
    ended: AtomicU64,
    /// True when nobody wants results any more.
    closed: AtomicBool,
}

impl Harvest {
    /// How many items have ended so far.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// True when nobody wants results any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// The map is gone; under the core's lock, without which what was not taken is to be dropped.
    #[must_use = "dropped under a lock, it may hold others up"]
    pub(crate) fn close(&self) -> Vec<Piece> {
        self.closed.store(true, Ordering::Relaxed);
        std::mem::take(&mut self.lock().pieces)
    }

    /// Takes a piece in. True when somebody waits for it, who is to be [woken](Self::wake) once
    /// no lock is held.
    ///
    /// # Errors
    /// The map is gone: the piece comes back, to be dropped once no lock is held.
    pub(crate) fn bring(&self, piece: Piece) -> Result<bool, Piece> {
        if self.is_closed() {
            return Err(piece);
        }
        let mut store = self.lock();
        let waited_for = match store.wanted {
            Some(Wanted::Any) => true,
            Some(Wanted::Number(number)) => piece.first() == number,
            None => false,
        };
        if waited_for {
            store.wanted = None;
        }
        self.ended.fetch_add(u64::from(piece.count()), Ordering::Relaxed);
        store.pieces.push(piece);
        Ok(waited_for)
    }

    /// Notes how long items took.
    pub(crate) fn note(&self, timing: Timing) {
        self.lock().timing = Some(timing);
    }

    /// Wakes the owner of the map.
    pub(crate) fn wake(&self) {
        self.ready.notify_one();
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// As [`take`](Self::take) of any, for a task.
    #[cfg_attr(not(feature = "distributed"), expect(dead_code, reason = "nodes wait as tasks"))]
    pub(crate) fn poll(
        &self,
        context: &mut Context<'_>,
        into: &mut Vec<Piece>,
    ) -> Poll<Option<Timing>> {
        // Wakers are cloned and dropped without the lock: that is not our code.
        let waker = context.waker().clone();
        let mut store = self.lock();
        if store.pieces.is_empty() {
            store.wanted = Some(Wanted::Any);
            let old = store.waker.replace(waker);
            drop(store);
            drop(old);
            return Poll::Pending;
        }
        into.append(&mut store.pieces);
        Poll::Ready(store.timing.take())
    }

    /// Takes what is there; if that is nothing, waits for what is wanted. What else came meanwhile
    /// is taken, too.
    ///
    /// # Errors
    /// It did not come before the deadline.
    pub(crate) fn take(
        &self,
        wanted: Wanted,
        deadline: Option<Instant>,
        into: &mut Vec<Piece>,
    ) -> Result<Option<Timing>, TimeIsOver> {
        let mut store = self.lock();
        if store.pieces.is_empty() {
            store.wanted = Some(wanted);
            // Reset by who brings it.
            while store.wanted.is_some() {
                store = match deadline {
                    None => self.ready.wait(store).unwrap_or_else(PoisonError::into_inner),
                    Some(deadline) => {
                        let left = deadline.saturating_duration_since(Instant::now());
                        if left.is_zero() {
                            store.wanted = None;
                            return Err(TimeIsOver);
                        }
                        let woken = self.ready.wait_timeout(store, left);
                        woken.unwrap_or_else(PoisonError::into_inner).0
                    }
                };
            }
        }
        into.append(&mut store.pieces);
        Ok(store.timing.take())
    }

    /// The store; no user code runs under this lock, so it cannot be left half-changed.
    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The results of a map that items of a call belong to.
#[derive(Clone, Debug)]
pub(crate) struct Portion {
    /// Where results go.
    pub(crate) harvest: Arc<Harvest>,
    /// The number of the call's first item.
    pub(crate) first: u64,
    /// What travels with the item, if it travels alone; until the call has ended.
    pub(crate) keepers: Option<Arc<Mutex<Vec<Keeper>>>>,
    /// The buffers that items bring which travel with others, each until its item has ended.
    pub(crate) freight: Option<Arc<Freight>>,
}

impl Portion {
    /// The one that begins with this item.
    pub(crate) fn new(harvest: &Arc<Harvest>, first: u64) -> Self {
        Self { harvest: Arc::clone(harvest), first, keepers: None, freight: None }
    }

    /// The one that begins so many items later.
    pub(crate) fn after(&self, count: u16) -> Self {
        Self { first: self.first + u64::from(count), ..self.clone() }
    }

    /// The buffers that so many items from the first one on have brought, which have ended.
    pub(crate) fn take_buffers(&self, count: u16, into: &mut Vec<Arc<Keyed>>) {
        if let Some(freight) = &self.freight {
            freight.take(self.first, count, into);
        }
    }

    /// What has travelled with the item, which has ended.
    pub(crate) fn take_keepers(&self) -> Vec<Keeper> {
        self.keepers.as_ref().map_or_else(Vec::new, |keepers| {
            std::mem::take(&mut *keepers.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A piece of one item.
    fn piece(first: u64) -> Piece {
        Piece::Failed(Failed { first, count: 1, error: JoinError::Cancelled })
    }

    #[test]
    fn who_waits_for_a_number_is_woken_for_that_one_and_gets_all() {
        let harvest = Arc::new(Harvest::default());
        let other = Arc::clone(&harvest);
        let waiter = std::thread::spawn(move || {
            let mut pieces = Vec::new();
            assert_eq!(other.take(Wanted::Number(3), None, &mut pieces), Ok(None));
            pieces.iter().map(Piece::first).collect::<Vec<_>>()
        });
        while harvest.lock().wanted.is_none() {
            std::thread::yield_now();
        }
        assert!(!harvest.bring(piece(4)).unwrap(), "nobody waits for this one");
        assert!(harvest.bring(piece(3)).unwrap());
        assert!(!harvest.bring(piece(5)).unwrap(), "it is being woken already");
        harvest.wake();
        assert!(waiter.join().unwrap().starts_with(&[4, 3]));
        assert_eq!(harvest.ended(), 3);
    }

    #[test]
    fn a_closed_one_takes_nothing() {
        let harvest = Harvest::default();
        assert!(!harvest.bring(piece(0)).unwrap(), "nobody waits");
        assert_eq!(harvest.close().len(), 1);
        assert_eq!(harvest.bring(piece(1)).unwrap_err().first(), 1, "it comes back");
        assert!(harvest.lock().pieces.is_empty());
    }
}
