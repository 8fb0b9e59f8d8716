//! Outcomes that have come from nodes, on their way to those who wait for them.

use std::sync::Arc;
use std::time::Duration;

use crate::call::Call;
use crate::error::JoinError;
use crate::harvest::{Failed, Harvest, Piece, Timing};
use crate::scope;
use crate::target::Target;
use crate::ticket::{Outcome, Ticket, Waiters};

use super::super::wire::Report;
use super::body::Body;
use super::flight::Flight;
use super::report::{Addressee, Values, too_large};
use super::{Remote, State};

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    /// Calls that returned a value.
    pub(super) done: u64,
    /// Calls that panicked.
    pub(super) panicked: u64,
    /// Calls that failed in another way.
    pub(super) failed: u64,
    /// Calls that were cancelled.
    pub(super) cancelled: u64,
    /// Calls, or frames, that another node has begun.
    pub(super) retried: u64,
    /// Times that a node was lost with a call.
    pub(super) lost: u64,
}

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, more: Self) {
        let Self { done, panicked, failed, cancelled, retried, lost } = more;
        self.done += done;
        self.panicked += panicked;
        self.failed += failed;
        self.cancelled += cancelled;
        self.retried += retried;
        self.lost += lost;
    }
}

impl Counters {
    /// So many calls have ended like this.
    pub(super) fn count<T>(&mut self, outcome: &Result<T, JoinError>, calls: u16) {
        match outcome {
            Ok(_) => self.done += u64::from(calls),
            Err(error) => self.failed_like(error, calls),
        }
    }

    /// So many calls have no result for this reason.
    pub(super) fn failed_like(&mut self, error: &JoinError, calls: u16) {
        *match error {
            JoinError::Panicked { .. } => &mut self.panicked,
            JoinError::Cancelled => &mut self.cancelled,
            _ => &mut self.failed,
        } += u64::from(calls);
    }
}

/// What was settled under the lock, and who is to be woken without.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Waiters of single calls.
    calls: Vec<(Arc<Ticket>, Waiters)>,
    /// Maps whose owners wait.
    maps: Vec<Arc<Harvest>>,
    /// What has ended: its argument may be long, and what travelled with it runs user code.
    ended: Vec<Call>,
    /// Their arguments.
    bodies: Vec<Body>,
    /// Results that nobody wants any more.
    unwanted: Vec<Piece>,
    /// Outcomes of calls that had one before.
    second: Vec<Outcome>,
    /// How many calls these are.
    items: usize,
}

impl Settled {
    /// A whole call has ended like this.
    pub(super) fn call(&mut self, state: &mut State, call: Call, outcome: Outcome) {
        state.counters.count(&outcome, call.items());
        self.put(call, outcome);
    }

    /// A call that was under way has ended like this.
    pub(super) fn flight(&mut self, state: &mut State, flight: Flight, outcome: Outcome) {
        self.bodies.push(flight.body);
        self.call(state, flight.call, outcome);
    }

    /// A whole call has ended like this, which is counted already.
    fn put(&mut self, call: Call, outcome: Outcome) {
        let count = call.items();
        match &call.target {
            Target::Ticket(ticket) => match ticket.settle(outcome) {
                Ok(waiters) => self.calls.push((Arc::clone(ticket), waiters)),
                Err(second) => self.second.push(second),
            },
            Target::Items(portion) => {
                let first = portion.first;
                let piece = match outcome {
                    Err(error) if count > 1 => Piece::Failed(Failed { first, count, error }),
                    outcome => Piece::One(first, Box::new(outcome)),
                };
                self.bring(&portion.harvest, piece);
            }
        }
        self.items += usize::from(count);
        self.ended.push(call);
    }

    /// A call that has ended before: it is only to be dropped without the lock.
    pub(super) fn drop_later(&mut self, call: Call) {
        self.ended.push(call);
    }

    /// Brings results to a map.
    fn bring(&mut self, harvest: &Arc<Harvest>, piece: Piece) {
        match harvest.bring(piece) {
            Ok(true) => self.maps.push(Arc::clone(harvest)),
            Ok(false) => {}
            Err(unwanted) => self.unwanted.push(unwanted),
        }
    }

    /// How many calls were settled.
    pub(super) fn items(&self) -> usize {
        self.items
    }

    /// Wakes everybody; no lock is held.
    pub(super) fn wake(self) {
        for call in &self.ended {
            if let Target::Items(portion) = &call.target {
                scope::release(portion.take_keepers());
            }
        }
        drop((self.ended, self.bodies, self.unwanted, self.second));
        for (ticket, waiters) in self.calls {
            waiters.wake(&ticket);
        }
        for map in self.maps {
            map.wake();
        }
    }
}

/// Where a call has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct From<'a> {
    /// Its number.
    pub(super) number: u64,
    /// The node.
    pub(super) node: &'a str,
    /// How long its workers were busy with it.
    pub(super) busy: Duration,
}

impl Remote {
    /// Refuses what is in the store and cannot be the results of a call within the limit for each, so that
    /// it is not fetched.
    pub(super) fn refuse_stored(&self, number: u64, length: u64) -> Option<JoinError> {
        let items = usize::from(self.lock().flights.get(&number)?.call.items());
        let most = self.cluster.max_payload.saturating_mul(items);
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        (size > most).then(|| too_large(size, self.cluster.max_payload))
    }

    /// A call has ended like this on a node; one that has ended before is not touched.
    ///
    /// Values may be long: they are looked at, divided and copied without the lock.
    pub(super) fn done(&self, from: From<'_>, report: Report, body: Vec<u8>) {
        let Some(addressee) = self.lock().flights.get(&from.number).map(Addressee::of) else {
            return;
        };
        let ending = addressee.ending(report, body, self.cluster.max_payload);
        let mut settled = Settled::default();
        let mut state = self.lock();
        let Some(flight) = state.land(from.number) else { return };
        state.counters += ending.counters;
        state.nodes.ended(from.node, ending.counters, from.busy);
        settled.bodies.push(flight.body);
        match (ending.values, &flight.call.target) {
            (Values::Whole(outcome), _) => settled.put(flight.call, outcome),
            (Values::Pieces(pieces, timing), Target::Items(portion)) => {
                if let Some((count, taken_ns)) = timing {
                    portion.harvest.note(Timing { count, taken_ns });
                }
                for piece in pieces {
                    settled.bring(&portion.harvest, piece);
                }
                settled.drop_later(flight.call);
            }
            (Values::Pieces(..), Target::Ticket(_)) => unreachable!("only items have pieces"),
        }
        drop(state);
        settled.wake();
        self.work.notify_one();
    }
}
