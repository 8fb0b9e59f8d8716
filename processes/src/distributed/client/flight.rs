//! A call that is under way, and what its client does with what nodes say about it.
//!
//! | said | done |
//! |---|---|
//! | `Begin` | `Drop` if it is no flight any more; `Wait` if another node has begun it and is there; `Drop` if nobody wants it; else counted, and `Go` |
//! | `Refused` | the first time is noted; after the client's patience the call is `NotServed` |
//! | `Again` | `Drop` if it is no flight any more; `Wait` if another node has begun it and is there; `Drop` if nobody wants it; `Poison` if it was begun too often; else `Go` |
//! | `HasNot` | if it is the node that has begun it, that does not count as having it any more |
//! | `Done` | settled, and confirmed; what is no flight any more is only confirmed |
//!
//! A call that ends as `Cancelled` was never begun: no node has heard `Go`, or the one that did has said
//! that it has not. One that a node had begun which is heard of no more is `NodeLost`, also when it was
//! withdrawn: nobody knows whether it runs there.

use std::time::{Duration, Instant};

use crate::call::{Argument, Call};
use crate::error::JoinError;
use crate::ticket::Place;

use super::super::task::Named;
use super::super::wire::{CallHead, VERSION, Verdict};
use super::body::Body;
use super::settle::Settled;
use super::{MAX_FLIGHT_BYTES, MAX_FLIGHTS, Remote, State};

/// A call that is under way.
#[derive(Debug)]
pub(super) struct Flight {
    /// The call, without its argument.
    pub(super) call: Call,
    /// The argument: it can be sent again.
    pub(super) body: Body,
    /// When that was put into the store last; none: it is not there, or not yet.
    pub(super) put: Option<Instant>,
    /// Its function.
    named: Named,
    /// Where it is in the stream; none until the broker has said that.
    pub(super) sequence: Option<u64>,
    /// How often it was sent because the broker had lost it.
    pub(super) resent: u32,
    /// How many nodes have begun it.
    begun: u32,
    /// The last one of these.
    node: String,
    /// Whether that one has said that it has it no more.
    dropped: bool,
    /// The delivery with which that one has begun it.
    delivered: u64,
    /// For how many of these it is counted that the node was lost.
    lost: u32,
    /// How often nodes were told since then that another one has it.
    pub(super) waits: u32,
    /// Since when nodes refuse it.
    refused_since: Option<Instant>,
    /// True when nobody wants it to begin.
    pub(super) withdrawn: bool,
    /// True while its result is fetched from the store.
    pub(super) fetching: bool,
    /// How often its result was looked for there, since it was there or the call was sent, in vain.
    missed: u32,
}

/// What becomes of a call whose result is not in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// Nothing yet: its node says again that it is there.
    Wait,
    /// It is to be sent again.
    Send,
    /// It has ended.
    Ended,
}

/// Who reads that a call is not served, wants to know what would help.
const WHAT_TO_DO: &str =
    "start a node whose program has it by this name, with the same version and types (see `task!`)";

/// After so many times that a result was not in the store it is believed: a broker that has it may not know
/// of it yet.
const MISSES: u32 = 3;

impl Flight {
    /// Whether a node has it.
    pub(super) fn is_begun(&self) -> bool {
        self.begun > 0
    }

    /// Whether a node has it which has not said otherwise.
    pub(super) fn is_held(&self) -> bool {
        self.is_begun() && !self.dropped
    }

    /// The last node that has begun it; empty if none has.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// Whether a node that was heard of no more has begun it, and then another one.
    pub(super) fn may_have_run_before(&self) -> bool {
        self.begun > 1
    }

    /// What it ends with when nobody wants it, and no node is known to have it.
    fn withdrawn_end(&self) -> JoinError {
        if !self.is_begun() {
            return JoinError::Cancelled;
        }
        let reason = format!("it was withdrawn, and node {} has not said how it ended", self.node);
        JoinError::NodeLost { reason }
    }

    /// The head of its message.
    pub(super) fn head(&self, id: super::CallId) -> CallHead {
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
                    named,
                    sequence: None,
                    resent: 0,
                    begun: 0,
                    node: String::new(),
                    dropped: false,
                    delivered: 0,
                    lost: 0,
                    waits: 0,
                    refused_since: None,
                    withdrawn: false,
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

    /// A node wants to begin a call. That is counted before it does: a call that kills its node at once
    /// is counted, too.
    pub(super) fn begin(
        &self,
        number: u64,
        node: &str,
        delivered: u64,
        lease: Duration,
    ) -> Verdict {
        let mut state = self.lock();
        // A broker that was stopped may not know that it has delivered the call before.
        let is_elsewhere = state.is_elsewhere(number, node, lease);
        let Some(flight) = state.flights.get_mut(&number) else { return Verdict::Drop };
        if flight.is_begun() && flight.node == node && flight.delivered == delivered {
            // It has not heard the answer.
            return Verdict::Go;
        }
        if is_elsewhere {
            return Verdict::Wait;
        }
        if flight.withdrawn {
            let error = flight.withdrawn_end();
            self.end(state, number, error);
            return Verdict::Drop;
        }
        if flight.begun >= self.cluster.attempts {
            // Another one has begun it since this one has asked what is to become of it.
            return Verdict::Poison;
        }
        flight.begun += 1;
        flight.delivered = delivered;
        flight.dropped = false;
        flight.waits = 0;
        node.clone_into(&mut flight.node);
        flight.refused_since = None;
        let is_again = flight.begun > 1;
        state.counters.retried += u64::from(is_again);
        state.nodes.begins(node);
        Verdict::Go
    }

    /// A node has refused a call.
    pub(super) fn refused(&self, number: u64, node: &str, why: &str) {
        let mut state = self.lock();
        let Some(flight) = state.flights.get_mut(&number) else { return };
        let since = *flight.refused_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.cluster.patience {
            let reason = format!("{node}: {why}; {WHAT_TO_DO}");
            self.end(state, number, JoinError::NotServed { reason });
        }
    }

    /// A call was delivered again, to this node: is it to be executed? A node that says nothing for a
    /// lease is gone.
    pub(super) fn again(&self, number: u64, node: &str, lease: Duration) -> Verdict {
        let mut state = self.lock();
        let is_elsewhere = state.is_elsewhere(number, node, lease);
        let Some(flight) = state.flights.get_mut(&number) else { return Verdict::Drop };
        if is_elsewhere {
            return Verdict::Wait;
        }
        if flight.withdrawn {
            let error = flight.withdrawn_end();
            self.end(state, number, error);
            return Verdict::Drop;
        }
        if flight.begun == 0 {
            return Verdict::Go;
        }
        let (attempts, node) = (flight.begun, flight.node.clone());
        // Nodes ask again when they have not heard the answer.
        let is_news = std::mem::replace(&mut flight.lost, attempts) < attempts;
        let reason = format!("node {node} had it and was heard of no more");
        let lost = JoinError::NodeLost { reason };
        if is_news {
            state.nodes.lost(&node);
            state.counters.lost += 1;
        }
        if attempts < self.cluster.attempts {
            return Verdict::Go;
        }
        let error = match attempts {
            1 => lost,
            _ => JoinError::Poison { attempts, last: Box::new(lost) },
        };
        self.end(state, number, error);
        Verdict::Poison
    }

    /// A node has not a call, for which it was asked. True: it was the one that had begun it. It has dropped
    /// the call, because this client was away for long; what is to become of it is said when it is delivered
    /// again.
    pub(super) fn has_not(&self, number: u64, node: &str) -> bool {
        let mut state = self.lock();
        let flight = state.flights.get_mut(&number);
        let Some(flight) = flight.filter(|flight| flight.is_held() && flight.node == node) else {
            return false;
        };
        flight.dropped = true;
        true
    }

    /// Ends a withdrawn call if no node has it, or the one that had it has said nothing for a lease.
    /// False while a node has it, which is to say how it ends.
    pub(super) fn end_withdrawn(&self, number: u64, lease: Duration) -> bool {
        let state = self.lock();
        if state.is_held(number, lease) {
            return false;
        }
        let Some(flight) = state.flights.get(&number) else { return true };
        let error = flight.withdrawn_end();
        self.end(state, number, error);
        true
    }

    /// The result of a call is not in the store, where its node has put it. It is looked for again when the
    /// node says again that it is there, some times; then the broker has lost it, and the call is begun
    /// again, unless that was done too often.
    pub(super) fn missed(&self, number: u64, is_missing: bool) -> Missed {
        let mut state = self.lock();
        let Some(flight) = state.flights.get_mut(&number) else { return Missed::Ended };
        flight.fetching = false;
        flight.missed += u32::from(is_missing);
        if flight.missed < MISSES {
            return Missed::Wait;
        }
        if flight.withdrawn || flight.begun >= self.cluster.attempts {
            let reason = format!("the broker has lost its result, which node {} had", flight.node);
            self.end(state, number, JoinError::NodeLost { reason });
            return Missed::Ended;
        }
        // Its node has ended it, and nobody has to wait for that one.
        flight.node.clear();
        (flight.missed, flight.sequence) = (0, None);
        flight.resent += 1;
        Missed::Send
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
