//! The calls that a node holds, and what it remembers of others.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::Message;
use tokio::sync::Notify;

use crate::harvest::Harvest;
use crate::ticket::Ticket;

use super::super::wire::CallId;
use super::share::Shares;

/// A client that could not be reached for so long is gone.
const GONE_AFTER: Duration = Duration::from_secs(30);

/// A client that has not answered is not waited for again for so long: others would wait with it.
const SLOW_FOR: Duration = Duration::from_secs(10);

/// The most clients that are remembered which have ended.
const MAX_LEFT: usize = 1024;

/// The most withdrawn calls that are remembered.
const MAX_WITHDRAWN: usize = 8192;

/// The work that is to lie here, at most: calls beyond the workers' are fetched ahead for so long.
const AHEAD: Duration = Duration::from_millis(10);

/// The most calls for each worker.
const MAX_AHEAD: usize = 16;

/// Where a call is in the pool.
#[derive(Clone, Debug)]
pub(super) enum Inside {
    /// A single one.
    One(Arc<Ticket>),
    /// Items.
    Items(Arc<Harvest>),
}

/// A call that this node holds, from its delivery until it is acknowledged.
#[derive(Debug)]
pub(super) struct Held {
    /// The message, as it was delivered last.
    pub(super) message: RefCell<Message>,
    /// Where it is in the pool, once it is.
    pub(super) inside: RefCell<Option<Inside>>,
    /// Told when the client has the result, or is gone.
    pub(super) confirmed: Notify,
    /// Told when nobody wants the items any more.
    pub(super) abandoned: Notify,
}

/// What a node knows.
#[derive(Debug)]
pub(super) struct Shelf {
    /// Calls that it holds.
    held: RefCell<HashMap<CallId, Rc<Held>>>,
    /// Clients that were not there, and since when.
    silent: RefCell<HashMap<u128, Instant>>,
    /// Clients that were there and have not answered in time, and when.
    slow: RefCell<HashMap<u128, Instant>>,
    /// Clients that have said that they end; what comes from them later was sent before.
    left: RefCell<VecDeque<u128>>,
    /// Calls that must not begin, and the order in which they came.
    withdrawn: RefCell<(HashSet<CallId>, VecDeque<CallId>)>,
    /// Calls that are being executed, or are about to be.
    pub(super) shares: Shares,
    /// Calls that were asked for and have not come.
    pub(super) requested: Cell<usize>,
    /// About how long a call takes, in nanoseconds; none: nobody knows.
    pace_ns: Cell<Option<u64>>,
}

impl Shelf {
    /// One of a node with so many workers.
    pub(super) fn new(slots: usize) -> Self {
        Self {
            held: RefCell::default(),
            silent: RefCell::default(),
            slow: RefCell::default(),
            left: RefCell::default(),
            withdrawn: RefCell::default(),
            shares: Shares::new(slots),
            requested: Cell::new(0),
            pace_ns: Cell::new(None),
        }
    }

    /// A call was delivered. None when it is here already, and only its message is new.
    pub(super) fn take(&self, id: CallId, message: Message) -> Option<Rc<Held>> {
        let mut held = self.held.borrow_mut();
        if let Some(known) = held.get(&id) {
            *known.message.borrow_mut() = message;
            return None;
        }
        let new = Rc::new(Held {
            message: RefCell::new(message),
            inside: RefCell::default(),
            confirmed: Notify::new(),
            abandoned: Notify::new(),
        });
        held.insert(id, Rc::clone(&new));
        Some(new)
    }

    /// A call is not here any more.
    pub(super) fn drop_call(&self, id: CallId) {
        self.held.borrow_mut().remove(&id);
    }

    /// A call that is here.
    pub(super) fn find(&self, id: CallId) -> Option<Rc<Held>> {
        self.held.borrow().get(&id).map(Rc::clone)
    }

    /// All calls that are here.
    pub(super) fn all(&self) -> Vec<Rc<Held>> {
        self.held.borrow().values().map(Rc::clone).collect()
    }

    /// True when there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.held.borrow().is_empty()
    }

    /// A client was not there. True when that has been so for a while: it is gone.
    pub(super) fn is_silent(&self, client: u128) -> bool {
        if self.is_gone(client) {
            return true;
        }
        let mut silent = self.silent.borrow_mut();
        silent.retain(|_client, since| since.elapsed() < 100 * GONE_AFTER);
        silent.entry(client).or_insert_with(Instant::now).elapsed() >= GONE_AFTER
    }

    /// Whether a client is gone, as far as anybody knows.
    pub(super) fn is_gone(&self, client: u128) -> bool {
        self.left.borrow().contains(&client)
            || self.silent.borrow().get(&client).is_some_and(|since| since.elapsed() >= GONE_AFTER)
    }

    /// Whether nobody has heard of a client since it was not there.
    pub(super) fn is_quiet(&self, client: u128) -> bool {
        self.silent.borrow().contains_key(&client)
    }

    /// A client has spoken.
    pub(super) fn is_there(&self, client: u128) {
        self.silent.borrow_mut().remove(&client);
        self.slow.borrow_mut().remove(&client);
    }

    /// A client has not answered in time.
    pub(super) fn has_not_answered(&self, client: u128) {
        let mut slow = self.slow.borrow_mut();
        slow.retain(|_client, since| since.elapsed() < SLOW_FOR);
        slow.insert(client, Instant::now());
    }

    /// Whether it is not worth while to wait for a client now.
    pub(super) fn is_slow(&self, client: u128) -> bool {
        self.slow.borrow().get(&client).is_some_and(|since| since.elapsed() < SLOW_FOR)
    }

    /// A client has said that it ends.
    pub(super) fn is_leaving(&self, client: u128) {
        let mut left = self.left.borrow_mut();
        left.push_back(client);
        if left.len() > MAX_LEFT {
            left.pop_front();
        }
        drop(left);
        self.give_up(client);
    }

    /// The results of a client's calls need not be kept any more.
    pub(super) fn give_up(&self, client: u128) {
        for (id, held) in self.held.borrow().iter() {
            if id.client == client {
                held.confirmed.notify_one();
            }
        }
    }

    /// A call must not begin.
    pub(super) fn withdraw(&self, id: CallId) {
        let (known, order) = &mut *self.withdrawn.borrow_mut();
        if known.insert(id) {
            order.push_back(id);
        }
        if order.len() > MAX_WITHDRAWN
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
    }

    /// Whether a call must not begin.
    pub(super) fn is_withdrawn(&self, id: CallId) -> bool {
        self.withdrawn.borrow().0.contains(&id)
    }

    /// A call has taken a worker so long.
    pub(super) fn learn(&self, took: Duration) {
        let latest = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let pace = self.pace_ns.get().map_or(latest, |known| (7 * (known / 8)) + latest / 8);
        self.pace_ns.set(Some(pace));
    }

    /// How many calls more are to be asked for.
    pub(super) fn room(&self) -> usize {
        let (slots, busy) = (self.shares.slots(), self.shares.busy());
        let ahead_ns = u64::try_from(AHEAD.as_nanos()).unwrap_or(u64::MAX);
        let ahead = self.pace_ns.get().map_or(1, |pace_ns| ahead_ns / pace_ns.max(1));
        let each = usize::try_from(ahead).unwrap_or(MAX_AHEAD).clamp(1, MAX_AHEAD);
        let wanted = (slots * each).saturating_sub(busy + self.requested.get());
        // Results that clients have not confirmed take memory. Those of clients that are not there get
        // no more, and must not hold up others.
        let held = self.held.borrow();
        let kept = held.keys().filter(|id| !self.is_quiet(id.client)).count();
        let kept = kept.saturating_sub(busy);
        wanted.min((4 * slots * MAX_AHEAD).saturating_sub(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_calls_are_fetched_ahead_and_long_ones_are_not() {
        let shelf = Shelf::new(3);
        assert_eq!(shelf.room(), 3, "nobody knows");
        for _ in 0..50 {
            shelf.learn(Duration::from_secs(2));
        }
        assert_eq!(shelf.room(), 3);
        let _two = [shelf.shares.begin(), shelf.shares.begin()];
        assert_eq!(shelf.room(), 1);
        shelf.requested.set(1);
        assert_eq!(shelf.room(), 0);
        for _ in 0..200 {
            shelf.learn(Duration::from_micros(800));
        }
        assert!((20..=33).contains(&shelf.room()), "{}", shelf.room());
        for _ in 0..200 {
            shelf.learn(Duration::ZERO);
        }
        assert_eq!(shelf.room(), 3 * MAX_AHEAD - 3);
    }

    #[test]
    fn only_so_many_withdrawn_calls_are_remembered() {
        let shelf = Shelf::new(1);
        let id = |number| CallId { client: 1, number };
        for number in 0..2 * MAX_WITHDRAWN as u64 {
            shelf.withdraw(id(number));
        }
        assert!(!shelf.is_withdrawn(id(0)) && shelf.is_withdrawn(id(MAX_WITHDRAWN as u64 + 1)));
        assert_eq!(shelf.withdrawn.borrow().0.len(), MAX_WITHDRAWN);
    }

    #[test]
    fn a_client_is_gone_after_a_while_only() {
        let shelf = Shelf::new(1);
        assert!(!shelf.is_silent(7) && !shelf.is_gone(7));
        let before = Instant::now().checked_sub(2 * GONE_AFTER).unwrap();
        shelf.silent.borrow_mut().insert(7, before);
        assert!(shelf.is_silent(7) && shelf.is_gone(7) && !shelf.is_gone(8));
        shelf.is_there(7);
        assert!(!shelf.is_gone(7));
        shelf.has_not_answered(7);
        assert!(shelf.is_slow(7) && !shelf.is_slow(8) && !shelf.is_gone(7));
        shelf.is_there(7);
        assert!(!shelf.is_slow(7));
        shelf.has_not_answered(7);
        shelf.slow.borrow_mut().insert(7, Instant::now().checked_sub(SLOW_FOR).unwrap());
        assert!(!shelf.is_slow(7), "it may be asked again");
        shelf.is_leaving(9);
        shelf.is_there(9);
        assert!(shelf.is_gone(9) && shelf.is_silent(9), "it has said so");
    }
}
