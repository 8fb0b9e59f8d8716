//! A call that is under way, and what its client does with what nodes say about it.
//!
//! | said | done |
//! |---|---|
//! | `Begin` | `Drop` if it is no flight any more, or `Poison`, if that was said of it; `Go` if this attempt was counted; `Wait` if another node has begun it and is there; `Drop` if nobody wants it; `Wait` if it would be its last attempt, and the node has another call with its last; else counted, and `Go` |
//! | `Refused` | nothing if a node has begun it and is there; else it is noted; when all nodes with workers have refused it (or many), and some for longer than the client's patience, the call is `NotServed` |
//! | `Again` | `Drop` if it is no flight any more, or `Poison`, if that was said of it; `Wait` if another node has begun it and is there; `Drop` if nobody wants it; `Poison` if it was begun too often; `Wait` as for `Begin`; else `Go` |
//! | `NotHere` | its node does not count as there any more; an attempt that it has not begun is not counted any more |
//! | `Runs` | `Drop` if it is no flight any more, or was killed; `Wait` if it is withdrawn, and nobody reads its results; else `Go` |
//! | `Done` | settled, and confirmed; what is no flight any more is only confirmed |
//!
//! A call that ends as `Cancelled` was never begun: no node has heard `Go`, or the one that did has said
//! that it has not. One that a node had begun which is heard of no more is `NodeLost`, also when it was
//! withdrawn: nobody knows whether it runs there.
//!
//! What a node has begun when it is lost counts as an attempt, also what waited there for a worker: nobody
//! knows any more which call has killed it. So that one that does it time and again does not take others
//! with it, a call begins for the last time only where no other does: of those, one at a time is on a node.
//! Others wait (`Wait`), and are offered again. With one attempt there is no such second chance.
//!
//! A node that is there, by what it says, keeps what it has begun, whatever brokers offer to others. When that
//! is in doubt it is asked, see [`doubt`](super::doubt).

use std::time::{Duration, Instant};

use crate::call::{Argument, Call};
use crate::error::JoinError;
use crate::target::Target;
use crate::ticket::Place;

use super::super::store::Full;
use super::super::task::Named;
use super::super::wire::{CallHead, CallId, Shout, VERSION, Verdict};
use super::begun::Begun;
use super::body::Body;
use super::refusals::Refusals;
use super::settle::Settled;
use super::{MAX_FLIGHT_BYTES, MAX_FLIGHTS, Remote, State};

/// A call that is under way.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub(super) struct Flight {
    /// The call, without its argument.
    pub(super) call: Call,
    /// The argument: it can be sent again.
    pub(super) body: Body,
    /// When that was put into the store last; none: it is not there, or not yet.
    pub(super) put: Option<Instant>,
    /// Since when there is no room for it there.
    pub(super) full: Full,
    /// Its function.
    named: Named,
    /// Where it is in the stream; none until the broker has said that.
    pub(super) sequence: Option<u64>,
    /// How often it was sent because the broker had lost it.
    pub(super) resent: u32,
    /// Which nodes have begun it.
    pub(super) begun: Begun,
    /// True when the broker has lost its message, and the last node is asked whether it has the call.
    pub(super) missing: bool,
    /// How often nodes were told since then that another one has it.
    pub(super) waits: u32,
    /// True when they were told that now, and it is time to ask that one.
    pub(super) in_doubt: bool,
    /// Since when nodes refuse it.
    pub(super) refusals: Refusals,
    /// True when nobody wants it to begin.
    pub(super) withdrawn: bool,
    /// True when nobody wants it to go on.
    pub(super) killed: bool,
    /// True while its result is fetched from the store.
    pub(super) fetching: bool,
    /// How often its result was looked for there, since it was there or the call was sent, in vain.
    pub(super) missed: u32,
}

/// What is to be done about a call that nobody wants any more.
#[derive(Debug)]
pub(super) struct Withdrawn {
    /// What nodes are told; none: its node goes on, because somebody reads what comes of it.
    pub(super) word: Option<Shout>,
    /// Whether it was withdrawn before.
    pub(super) again: bool,
}

/// Who reads that a call is not served, wants to know what would help.
const WHAT_TO_DO: &str = "start a node whose program has it by this name, with the same version and types \
                          (see `task!`), and that has memory for its argument";

/// So many calls that were begun too often are remembered.
const MAX_POISON: usize = 1024;

impl Flight {
    /// Whether a node has begun it.
    pub(super) fn is_begun(&self) -> bool {
        self.begun.times() > 0
    }

    /// The last node that has begun it; empty if none has.
    pub(super) fn node(&self) -> &str {
        self.begun.node()
    }

    /// The node that has begun it, unless that has said that it does not have it any more.
    pub(super) fn holder(&self) -> Option<&str> {
        self.begun.holder()
    }

    /// Whether a call that is begun is not to be told that it is withdrawn: a node would throw away the
    /// results of all its items, and somebody reads those.
    pub(super) fn is_read(&self) -> bool {
        let Target::Items(portion) = &self.call.target else { return false };
        self.is_begun() && !portion.harvest.is_closed()
    }

    /// Whether a node that was heard of no more has begun it, and then another one.
    pub(super) fn may_have_run_before(&self) -> bool {
        self.begun.times() > 1
    }

    /// What it ends with when nobody wants it, and no node is known to have it.
    pub(super) fn withdrawn_end(&self) -> JoinError {
        if !self.is_begun() {
            return JoinError::Cancelled;
        }
        let reason =
            format!("it was withdrawn, and node {} has not said how it ended", self.node());
        JoinError::NodeLost { reason }
    }

    /// The head of its message.
    pub(super) fn head(&self, id: CallId) -> CallHead {
        let items = matches!(self.call.argument, Argument::Items(_));
        CallHead {
            version: VERSION,
            id,
            name: self.named.name.to_owned(),
            schema: self.named.schema,
            limit: self.call.timeout,
            retry: self.call.retry,
            items: items.then(|| self.call.items()),
            stored: self.body.is_stored().then(|| self.body.len() as u64),
        }
    }
}

impl Remote {
    /// Takes calls from the queue, as many as may be under way; these are to be sent.
    pub(super) fn take_off(&self) -> Vec<u64> {
        let (mut numbers, mut settled) = (Vec::new(), Settled::default());
        let mut state = self.lock();
        while state.has_room()
            && let Some((mut call, named)) = state.queue.pop_front()
        {
            let number = state.next;
            let seat = usize::try_from(number).expect("an address has 64 bits");
            if call.target.is_queued() && call.target.sent(Place { seat, slot: 0, sequence: 0 }) {
                let flight = Flight {
                    body: Body::of(&mut call),
                    call,
                    put: None,
                    full: Full::default(),
                    named,
                    sequence: None,
                    resent: 0,
                    begun: Begun::default(),
                    missing: false,
                    waits: 0,
                    refusals: Refusals::default(),
                    in_doubt: false,
                    withdrawn: false,
                    killed: false,
                    fetching: false,
                    missed: 0,
                };
                state.next += 1;
                state.flight_bytes += flight.body.len();
                state.flights.insert(number, flight);
                numbers.push(number);
            } else {
                // It was cancelled, which has been counted.
                state.cancelled = state.cancelled.saturating_sub(1);
                settled.drop_later(call);
            }
        }
        drop(state);
        settled.wake();
        numbers
    }

    /// A node wants to begin a call, with this attempt. That is counted before it does: a call that kills
    /// its node at once is counted, too.
    pub(super) fn begin(&self, number: u64, node: &str, first: u64, lease: Duration) -> Verdict {
        let mut state = self.lock();
        // A broker that was stopped may not know that it has delivered the call before.
        let is_elsewhere = state.is_elsewhere(number, node, lease);
        let Some(flight) = state.flights.get_mut(&number) else { return state.of_ended(number) };
        if flight.begun.is_known(node, first) {
            // It has not heard the answer.
            return Verdict::Go;
        }
        if is_elsewhere || flight.fetching {
            return Verdict::Wait;
        }
        if flight.withdrawn {
            let error = flight.withdrawn_end();
            self.end(state, number, error);
            return Verdict::Drop;
        }
        let (times, most) = (flight.begun.times(), self.cluster.attempts);
        if times >= most {
            // Another one has begun it since this one has asked what is to become of it.
            return Verdict::Poison;
        }
        if state.must_wait_there(number, node, most) {
            return Verdict::Wait;
        }
        let Some(flight) = state.flights.get_mut(&number) else { return Verdict::Drop };
        flight.begun.add(node, first);
        (flight.missing, flight.waits) = (false, 0);
        flight.refusals.begins();
        let is_again = flight.begun.times() > 1;
        state.counters.retried += u64::from(is_again);
        state.nodes.begins(node);
        Verdict::Go
    }

    /// A node has refused a call. That is nothing to one that another node has. When it has ended by that: its
    /// place in the stream, out of which it is to be taken, for no node would do that.
    pub(super) fn refused(
        &self,
        number: u64,
        node: &str,
        why: &str,
        lease: Duration,
    ) -> Option<u64> {
        let mut state = self.lock();
        if state.is_held(number, lease) {
            return None;
        }
        let State { flights, nodes, .. } = &mut *state;
        let flight = flights.get_mut(&number)?;
        if !flight.refusals.add(node, self.cluster.patience, nodes.with_workers()) {
            return None;
        }
        let (reason, place) = (format!("{node}: {why}; {WHAT_TO_DO}"), flight.sequence);
        self.end(state, number, JoinError::NotServed { reason });
        place
    }

    /// A call was delivered again, to this node, which has not begun this attempt: is it to be executed? A
    /// node that says nothing for a lease is gone.
    pub(super) fn again(
        &self,
        number: u64,
        node: &str,
        unbegun: Option<u64>,
        lease: Duration,
    ) -> Verdict {
        let mut state = self.lock();
        state.was_not_begun(number, node, unbegun);
        let is_elsewhere = state.is_elsewhere(number, node, lease);
        let Some(flight) = state.flights.get_mut(&number) else { return state.of_ended(number) };
        if is_elsewhere || flight.fetching {
            return Verdict::Wait;
        }
        if flight.withdrawn {
            let error = flight.withdrawn_end();
            self.end(state, number, error);
            return Verdict::Drop;
        }
        if !flight.is_begun() {
            return Verdict::Go;
        }
        match state.lose(number, self.cluster.attempts) {
            Some(error) => {
                state.poisoned(number);
                self.end(state, number, error);
                Verdict::Poison
            }
            // It would be told so when it wants to begin the call, after it has fetched the argument.
            None if state.must_wait_there(number, node, self.cluster.attempts) => Verdict::Wait,
            None => Verdict::Go,
        }
    }

    /// Withdraws a call, of which nodes are told with this word. None: it has ended.
    pub(super) fn withdraw(&self, number: u64, word: fn(CallId) -> Shout) -> Option<Withdrawn> {
        let mut state = self.lock();
        let flight = state.flights.get_mut(&number)?;
        let again = std::mem::replace(&mut flight.withdrawn, true);
        let word = word(self.call_id(number));
        flight.killed |= matches!(word, Shout::Kill(_));
        let is_kept = matches!(word, Shout::Withdraw(_)) && flight.is_read();
        Some(Withdrawn { word: (!is_kept).then_some(word), again })
    }

    /// Ends a withdrawn call if no node has it, or the one that had it has said nothing for a lease.
    /// False while a node has it, which is to say how it ends.
    pub(super) fn end_withdrawn(&self, number: u64, lease: Duration) -> bool {
        let state = self.lock();
        if state.is_held(number, lease) {
            return false;
        }
        let Some(flight) = state.flights.get(&number) else { return true };
        if flight.fetching {
            return false;
        }
        let error = flight.withdrawn_end();
        self.end(state, number, error);
        true
    }

    /// Ends a call that is under way, without a result.
    pub(super) fn end(
        &self,
        mut state: std::sync::MutexGuard<'_, State>,
        number: u64,
        error: JoinError,
    ) {
        let mut settled = Settled::default();
        if let Some(flight) = state.land(number) {
            state.leave(number, &flight, &error);
            settled.flight(&mut state, flight, Err(error));
        }
        drop(state);
        settled.wake();
        self.work.notify_one();
    }

    /// Ends all calls, each as this says: of one that is under way, or (none) in the queue.
    pub(super) fn end_all(&self, how: impl Fn(Option<&Flight>) -> JoinError) {
        let mut settled = Settled::default();
        let mut state = self.lock();
        for (call, _named) in state.take_queue() {
            if call.target.is_queued() {
                settled.call(&mut state, call, Err(how(None)));
            } else {
                settled.drop_later(call);
            }
        }
        let numbers: Vec<_> = state.flights.keys().copied().collect();
        for number in numbers {
            if let Some(flight) = state.land(number) {
                let error = how(Some(&flight));
                state.leave(number, &flight, &error);
                settled.flight(&mut state, flight, Err(error));
            }
        }
        drop(state);
        settled.wake();
    }
}

impl State {
    /// Whether one more may be under way.
    fn has_room(&self) -> bool {
        self.flights.len() < MAX_FLIGHTS && self.flight_bytes < MAX_FLIGHT_BYTES
    }

    /// Whether a call would be begun for the last time, and this node has another one of which that is so.
    fn must_wait_there(&self, number: u64, node: &str, attempts: u32) -> bool {
        let times = self.flights.get(&number).map_or(0, |flight| flight.begun.times());
        times > 0 && times + 1 == attempts && self.has_a_last_attempt(node, attempts)
    }

    /// Whether a node has begun a call that is not begun again when that node is lost, of those that others had
    /// begun before: each has so many attempts.
    fn has_a_last_attempt(&self, node: &str, attempts: u32) -> bool {
        let is_last = |flight: &Flight| flight.begun.times() >= attempts;
        self.flights.values().any(|flight| is_last(flight) && flight.holder() == Some(node))
    }

    /// A call has been begun too often, which a node is told.
    fn poisoned(&mut self, number: u64) {
        self.poison.push_back(number);
        if self.poison.len() > MAX_POISON {
            self.poison.pop_front();
        }
    }

    /// What a node is told of a call that has ended: when that is because it was begun too often, the node that
    /// was told so may not have heard it, and it is to be kept for people.
    fn of_ended(&self, number: u64) -> Verdict {
        if self.poison.contains(&number) { Verdict::Poison } else { Verdict::Drop }
    }

    /// A call is to be sent again, because the broker has lost it or its result.
    pub(super) fn send_again(&mut self, number: u64) {
        if let Some(flight) = self.flights.get_mut(&number) {
            (flight.sequence, flight.missing) = (None, false);
            flight.refusals.forget();
            // A broker that remembers the id, but has not the message, would drop it as a duplicate.
            flight.resent += 1;
        }
    }

    /// A call has ended like this, without a result: nobody fetches its argument any more. That of a
    /// poison call is kept with it, for people.
    fn leave(&mut self, number: u64, flight: &Flight, error: &JoinError) {
        if flight.body.is_stored() && !matches!(error, JoinError::Poison { .. }) {
            self.leftovers.push(number);
        }
    }

    /// A call is under way no more.
    pub(super) fn land(&mut self, number: u64) -> Option<Flight> {
        let flight = self.flights.remove(&number)?;
        self.flight_bytes -= flight.body.len();
        Some(flight)
    }
}

#[cfg(test)]
mod tests;
