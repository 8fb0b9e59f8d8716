//! The calls that a node holds, and what it remembers of others.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::Subject;
use futures_lite::future::poll_once;
use tokio::sync::Notify;

use crate::harvest::Harvest;
use crate::ticket::Ticket;

use super::super::wire::CallId;
use super::share::Shares;
use super::stage::Stage;

/// A client that could not be reached for so long is gone, unless tests say otherwise.
pub(in super::super) const GONE_AFTER: Duration = Duration::from_secs(30);

/// After so many times as long as until it is gone, nobody waits any more for what runs.
const FORSAKEN: u32 = 20;

/// When nobody has said for so long that a client is not there, it may have been there meanwhile. Nodes ask
/// more often than that.
const UNSEEN: Duration = Duration::from_secs(10);

/// What is known of clients that are not there is forgotten after so many times as long as it takes
/// until they are gone.
const REMEMBERED: u32 = 100;

/// A client that has not answered is not waited for again for so long: others would wait with it.
const SLOW_FOR: Duration = Duration::from_secs(10);

/// The most clients that are remembered which have ended.
const MAX_LEFT: usize = 1024;

/// The most withdrawn calls that are remembered.
const MAX_WITHDRAWN: usize = 8192;

/// The most results for each worker that lie here until clients have confirmed them; when there are so
/// many, no calls are asked for.
const KEPT: usize = 256;

/// The most bytes of these. Of what is asked for until then, more may come.
const KEPT_BYTES: usize = 32 << 20;

/// Results of calls that take less than this are sent together with the next ones.
const SHORT: Duration = Duration::from_micros(200);

/// Where a call is in the pool.
#[derive(Clone, Debug)]
pub(super) enum Inside {
    /// A single one.
    One(Arc<Ticket>),
    /// Items.
    Items(Arc<Harvest>),
}

/// A client that was not there when something was said to it, and from which nobody has heard since.
#[derive(Clone, Copy, Debug)]
struct Silence {
    /// Since when, as far as anybody knows.
    first: Instant,
    /// From when on it is counted until it is gone: the same, or when a call of it has ended here last.
    since: Instant,
    /// When it was not there last, with no long time in between of which nobody knows.
    until: Instant,
}

/// The first thing to do about a call that was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// Nobody wants it.
    Drop,
    /// Its client does not answer at present: the call is to be offered again, later.
    Later,
    /// Its client has to be asked what is to become of it.
    Ask,
    /// It can be begun, for which its client is asked.
    Begin,
}

/// A call that this node holds, from its delivery until it is acknowledged.
#[derive(Debug)]
pub(super) struct Held {
    /// Where the broker is answered about its message, as that was delivered last.
    pub(super) place: RefCell<Subject>,
    /// The attempt that its client was asked for, until it begins.
    pub(super) asked: Cell<Option<u64>>,
    /// Where it is in the pool, while it is.
    pub(super) inside: RefCell<Option<Inside>>,
    /// How many bytes of its result lie here.
    pub(super) kept: Cell<usize>,
    /// Told when the client has the result, or is gone. Before there is a result, it means nothing.
    pub(super) confirmed: Notify,
}

/// What a node knows.
#[derive(Debug)]
pub(super) struct Shelf {
    /// Calls that it holds.
    held: RefCell<HashMap<CallId, Rc<Held>>>,
    /// After how long a client is gone.
    gone_after: Duration,
    /// Clients that were not there.
    silent: RefCell<HashMap<u128, Silence>>,
    /// Clients that were there and have not answered in time, and when.
    slow: RefCell<HashMap<u128, Instant>>,
    /// Clients that have said that they end; what comes from them later was sent before.
    left: RefCell<VecDeque<u128>>,
    /// Calls that must not begin, and the order in which they came.
    withdrawn: RefCell<(HashSet<CallId>, VecDeque<CallId>)>,
    /// How long the results are, all together, that lie here.
    kept_bytes: Cell<usize>,
    /// Messages that have come and are looked at, and calls that are executed, or are about to be.
    pub(super) in_hand: Cell<usize>,
    /// Calls that workers have.
    pub(super) shares: Shares,
    /// Calls that are begun, or about to be.
    pub(super) stage: Stage,
    /// Told when there may be room for calls, or fewer are here.
    pub(super) eased: Notify,
    /// Calls that were asked for and have not come.
    pub(super) requested: Cell<usize>,
}

impl Shelf {
    /// One of a node with so many workers, for which a client is gone after this time.
    pub(super) fn new(slots: usize, gone_after: Duration) -> Self {
        Self {
            held: RefCell::default(),
            gone_after,
            silent: RefCell::default(),
            slow: RefCell::default(),
            left: RefCell::default(),
            withdrawn: RefCell::default(),
            kept_bytes: Cell::new(0),
            in_hand: Cell::new(0),
            shares: Shares::new(slots),
            stage: Stage::new(slots),
            eased: Notify::new(),
            requested: Cell::new(0),
        }
    }

    /// A call was delivered. None when it is here already, and only its message is new.
    pub(super) fn take(&self, id: CallId, place: Subject) -> Option<Rc<Held>> {
        let mut held = self.held.borrow_mut();
        if let Some(known) = held.get(&id) {
            *known.place.borrow_mut() = place;
            return None;
        }
        let new = Rc::new(Held {
            place: RefCell::new(place),
            asked: Cell::new(None),
            inside: RefCell::default(),
            kept: Cell::new(0),
            confirmed: Notify::new(),
        });
        held.insert(id, Rc::clone(&new));
        Some(new)
    }

    /// A call is not here any more.
    pub(super) fn drop_call(&self, id: CallId) {
        if let Some(held) = self.held.borrow_mut().remove(&id) {
            self.keep(&held, 0);
        }
        self.eased.notify_one();
    }

    /// A call has ended, and so many bytes of its result lie here until it is confirmed, or its client is gone: one
    /// that is not there has as long from now on as any other, as its node may have asked in vain about the call
    /// for long. Not one for which nobody waits any more.
    pub(super) async fn ends(&self, id: CallId, held: &Held, bytes: usize) {
        self.keep(held, bytes);
        // What was said before is not about this result: the client was gone for a while, or has
        // confirmed the result of an earlier time. One that has left does not say so again.
        if !self.has_left(id.client) {
            let _not_about_this = poll_once(held.confirmed.notified()).await;
        }
        if !self.is_forsaken(id.client)
            && let Some(known) = self.silent.borrow_mut().get_mut(&id.client)
        {
            known.since = Instant::now();
        }
    }

    /// So many bytes of the result of a call lie here now.
    pub(super) fn keep(&self, held: &Held, bytes: usize) {
        let before = held.kept.replace(bytes);
        self.kept_bytes.set(self.kept_bytes.get() - before + bytes);
        if bytes < before {
            self.eased.notify_one();
        }
    }

    /// A call that is here.
    pub(super) fn find(&self, id: CallId) -> Option<Rc<Held>> {
        self.held.borrow().get(&id).map(Rc::clone)
    }

    /// Whether the pool has any of these calls.
    pub(super) fn has_any_inside(&self) -> bool {
        self.held.borrow().values().any(|held| held.inside.borrow().is_some())
    }

    /// All calls that are here.
    pub(super) fn all(&self) -> Vec<(CallId, Rc<Held>)> {
        self.held.borrow().iter().map(|(id, held)| (*id, Rc::clone(held))).collect()
    }

    /// True when there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.held.borrow().is_empty()
    }

    /// The broker says that a client is not there. What it has not confirmed does not hold up others from
    /// now on; when it has not been there for a while, it is gone, and its results are kept no longer.
    pub(super) fn is_not_there(&self, client: u128) {
        let was_gone = self.is_gone(client);
        let now = Instant::now();
        let mut silent = self.silent.borrow_mut();
        silent.retain(|_client, known| known.since.elapsed() < REMEMBERED * self.gone_after);
        let known = silent.entry(client).or_insert(Silence { first: now, since: now, until: now });
        if !was_gone && known.until.elapsed() >= UNSEEN {
            // This side may have had no connection, and nothing is known of the client meanwhile.
            (known.first, known.since) = (now, now);
        }
        known.until = now;
        drop(silent);
        if self.is_gone(client) {
            self.give_up(client);
        }
        self.eased.notify_one();
    }

    /// Whether a client is gone, as far as anybody knows. It may come back.
    pub(super) fn is_gone(&self, client: u128) -> bool {
        let silent = self.silent.borrow();
        let is_gone =
            |known: &Silence| known.until.saturating_duration_since(known.since) >= self.gone_after;
        self.has_left(client) || silent.get(&client).is_some_and(is_gone)
    }

    /// Whether a client has said that it ends, or has been away for so long that nobody is to wait any more for
    /// what workers execute.
    pub(super) fn is_forsaken(&self, client: u128) -> bool {
        let silent = self.silent.borrow();
        let is_over = |known: &Silence| {
            known.until.saturating_duration_since(known.first) >= FORSAKEN * self.gone_after
        };
        self.has_left(client) || silent.get(&client).is_some_and(is_over)
    }

    /// Whether a client has said that it ends.
    fn has_left(&self, client: u128) -> bool {
        self.left.borrow().contains(&client)
    }

    /// Clients that were not there and are not gone yet.
    pub(super) fn quiet_clients(&self) -> Vec<u128> {
        let quiet: Vec<_> = self.silent.borrow().keys().copied().collect();
        quiet.into_iter().filter(|client| !self.is_gone(*client)).collect()
    }

    /// The first thing to do about a call that was delivered so often. One that comes from a client that is
    /// gone is asked about: it may have come back, and has sent again what nodes have dropped meanwhile.
    pub(super) fn first(&self, id: CallId, delivered: u64) -> First {
        if self.is_withdrawn(id) || self.has_left(id.client) {
            First::Drop
        } else if self.is_slow(id.client) {
            First::Later
        } else if delivered > 1 || self.is_gone(id.client) {
            First::Ask
        } else if self.is_quiet(id.client) {
            // When it is delivered again, the client is asked.
            First::Later
        } else {
            First::Begin
        }
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
    fn give_up(&self, client: u128) {
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

    /// Whether a result is to wait for others: workers have more calls, and those are short.
    pub(super) fn more_results_come(&self) -> bool {
        self.in_hand.get() > 0 && self.stage.pace.is_below(SHORT)
    }

    /// How many more calls are to be asked for at once; none while they are so few that they are not worth a
    /// request.
    pub(super) fn room(&self) -> usize {
        self.room_at(Instant::now())
    }

    /// The same, at this time.
    fn room_at(&self, now: Instant) -> usize {
        let pace = &self.stage.pace;
        let coming = self.in_hand.get() + self.requested.get();
        let room = pace.limit(now).saturating_sub(coming).min(self.room_for_results());
        // As long as workers have something to do, half of what may lie here is asked for at a time.
        if room >= pace.worth(now) || coming < self.shares.slots() { room } else { 0 }
    }

    /// How many results more may lie here. Those that clients have not confirmed take memory; those of clients
    /// that are not there get no more, and must not hold up others.
    fn room_for_results(&self) -> usize {
        let held = self.held.borrow();
        let (kept, bytes) = if self.silent.borrow().is_empty() {
            (held.len(), self.kept_bytes.get())
        } else {
            let there = held.iter().filter(|(id, _)| !self.is_quiet(id.client));
            there.fold((0, 0), |(kept, bytes), (_, held)| (kept + 1, bytes + held.kept.get()))
        };
        let slots = self.shares.slots();
        if bytes >= KEPT_BYTES * slots {
            return 0;
        }
        (KEPT * slots).saturating_sub(kept.saturating_sub(self.in_hand.get()))
    }
}

#[cfg(test)]
mod tests;
