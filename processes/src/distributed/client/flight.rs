//! A call that is under way, and what its client does with what nodes say about it.
//!
//! | said | done |
//! |---|---|
//! | `Begin` | `Drop` if it is no flight any more, or nobody wants it; `Wait` if another node has begun it and is there; else counted, and `Go` |
//! | `Refused` | the first time is noted; after the client's patience the call is `NotServed` |
//! | `Again` | `Drop` if it is no flight any more, `Wait` if another node has begun it and is there, `Poison` if it was begun too often, else `Go` |
//! | `Done` | settled, and confirmed; what is no flight any more is only confirmed |

use std::time::{Duration, Instant};

use crate::call::{Argument, Call};
use crate::error::JoinError;
use crate::ticket::Place;

use super::super::task::Named;
use super::super::wire::{CallHead, MAX_INLINE, VERSION, Verdict};
use super::settle::Settled;
use super::{MAX_FLIGHT_BYTES, MAX_FLIGHTS, Remote, State};

/// A call that is under way.
#[derive(Debug)]
pub(super) struct Flight {
    /// The call: it can be sent again.
    pub(super) call: Call,
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
}

impl Flight {
    /// Whether a node has it.
    pub(super) fn is_begun(&self) -> bool {
        self.begun > 0
    }

    /// The last node that has begun it; empty if none has.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// Its encoded argument, or items.
    pub(super) fn body(&self) -> &[u8] {
        match &self.call.argument {
            Argument::Inline(bytes) => bytes,
            Argument::Items(items) => items.bytes(),
            Argument::Arena(_) | Argument::Sealed(..) | Argument::Waiting(_) => {
                unreachable!("refused by `submit`")
            }
        }
    }

    /// Whether that goes through the store.
    pub(super) fn is_stored(&self) -> bool {
        self.body().len() > MAX_INLINE
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
            stored: self.is_stored().then(|| self.body().len() as u64),
        }
    }
}

impl Remote {
    /// Takes calls from the queue, as many as may be under way; these are to be sent.
    pub(super) fn take_off(&self) -> Vec<u64> {
        let mut numbers = Vec::new();
        let mut state = self.lock();
        while state.has_room()
            && let Some((call, named)) = state.queue.pop_front()
        {
            let number = state.next;
            let seat = usize::try_from(number).expect("an address has 64 bits");
            // Otherwise it was cancelled, which has been counted.
            if call.target.is_queued() && call.target.sent(Place { seat, slot: 0, sequence: 0 }) {
                let flight = Flight {
                    call,
                    named,
                    sequence: None,
                    resent: 0,
                    begun: 0,
                    node: String::new(),
                    delivered: 0,
                    lost: 0,
                    waits: 0,
                    refused_since: None,
                    withdrawn: false,
                    fetching: false,
                };
                state.next += 1;
                state.flight_bytes += flight.body().len();
                state.flights.insert(number, flight);
                numbers.push(number);
            }
        }
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
        if flight.withdrawn {
            self.end(state, number, JoinError::Cancelled);
            return Verdict::Drop;
        }
        if is_elsewhere {
            return Verdict::Wait;
        }
        if flight.begun >= self.cluster.attempts {
            // Another one has begun it since this one has asked what is to become of it.
            return Verdict::Poison;
        }
        flight.begun += 1;
        flight.delivered = delivered;
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
            let reason = format!("{node}: {why}");
            self.end(state, number, JoinError::NotServed { reason });
        }
    }

    /// A call was delivered again, to this node: is it to be executed? A node that says nothing for a
    /// lease is gone.
    pub(super) fn again(&self, number: u64, node: &str, lease: Duration) -> Verdict {
        let mut state = self.lock();
        let is_elsewhere = state.is_elsewhere(number, node, lease);
        let Some(flight) = state.flights.get_mut(&number) else { return Verdict::Drop };
        if flight.withdrawn {
            self.end(state, number, JoinError::Cancelled);
            return Verdict::Drop;
        }
        if flight.begun == 0 {
            return Verdict::Go;
        }
        if is_elsewhere {
            return Verdict::Wait;
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

    /// Ends a withdrawn call if no node has it, or the one that had it has said nothing for a lease.
    /// False while a node has it, which is to say how it ends.
    pub(super) fn end_withdrawn(&self, number: u64, lease: Duration) -> bool {
        let state = self.lock();
        if state.is_held(number, lease) {
            return false;
        }
        self.end(state, number, JoinError::Cancelled);
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
            settled.call(&mut state, flight.call, Err(error));
        }
        drop(state);
        settled.wake();
        self.work.notify_one();
    }

    /// Ends all calls like this.
    pub(super) fn end_all(&self, error: &JoinError) {
        let mut settled = Settled::default();
        let mut state = self.lock();
        let queue = std::mem::take(&mut state.queue);
        let mut calls: Vec<_> = queue.into_iter().map(|(call, _named)| call).collect();
        calls.retain(|call| call.target.is_queued());
        let numbers: Vec<_> = state.flights.keys().copied().collect();
        for number in numbers {
            if let Some(flight) = state.land(number) {
                state.leave(number, &flight, error);
                calls.push(flight.call);
            }
        }
        for call in calls {
            settled.call(&mut state, call, Err(error.clone()));
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
        if flight.is_stored() && !matches!(error, JoinError::Poison { .. }) {
            self.leftovers.push(number);
        }
    }

    /// A call is under way no more.
    pub(super) fn land(&mut self, number: u64) -> Option<Flight> {
        let flight = self.flights.remove(&number)?;
        self.flight_bytes -= flight.body().len();
        Some(flight)
    }
}

#[cfg(test)]
mod tests;
