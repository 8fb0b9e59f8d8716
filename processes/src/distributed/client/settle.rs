//! Outcomes that have come from nodes, on their way to those who wait for them.

use std::sync::Arc;
use std::time::Duration;

use crate::call::Call;
use crate::error::{JoinError, Side};
use crate::frame::{Kind, take_record, take_result};
use crate::harvest::{Failed, Harvest, Piece, Portion, Timing, Values};
use crate::scope;
use crate::target::Target;
use crate::ticket::{Encoded, Outcome, Payload, Ticket, Waiters};

use super::super::wire::{End, Part, Report};
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
    fn count<T>(&mut self, outcome: &Result<T, JoinError>, calls: u16) {
        *match outcome {
            Ok(_) => &mut self.done,
            Err(JoinError::Panicked { .. }) => &mut self.panicked,
            Err(JoinError::Cancelled) => &mut self.cancelled,
            Err(_) => &mut self.failed,
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
    /// How many calls these are.
    items: usize,
}

impl Settled {
    /// A whole call has ended like this.
    pub(super) fn call(&mut self, state: &mut State, call: Call, outcome: Outcome) {
        let count = call.items();
        state.counters.count(&outcome, count);
        match &call.target {
            Target::Ticket(ticket) => {
                let waiters = ticket.settle(outcome);
                self.calls.extend(waiters.map(|waiters| (Arc::clone(ticket), waiters)));
            }
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

    /// Brings results to a map.
    fn bring(&mut self, harvest: &Arc<Harvest>, piece: Piece) {
        if harvest.bring(piece) {
            self.maps.push(Arc::clone(harvest));
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
        drop(self.ended);
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
    pub(super) fn done(&self, from: From<'_>, report: Report, body: &[u8]) {
        let mut settled = Settled::default();
        let mut state = self.lock();
        let Some(flight) = state.land(from.number) else { return };
        let call = flight.call;
        let before = std::mem::take(&mut state.counters);
        let limit = self.cluster.max_payload;
        match (report, &call.target) {
            (Report::One(Ok(())), _) if body.len() > limit => {
                settled.call(&mut state, call, Err(too_large(body.len(), limit)));
            }
            (Report::One(Ok(())), _) if call.items() == 1 => {
                let payload = Payload::from(Encoded::Bytes(body.to_vec()));
                settled.call(&mut state, call, Ok(payload));
            }
            (Report::One(Err(error)), _) => settled.call(&mut state, call, Err(error)),
            (Report::Items { parts, timing }, Target::Items(portion)) => {
                match pieces(&parts, body, portion, call.items(), limit) {
                    Ok(pieces) => {
                        if let Some((count, taken_ns)) = timing {
                            portion.harvest.note(Timing { count, taken_ns });
                        }
                        for (part, piece) in parts.iter().zip(pieces) {
                            let end = match &piece {
                                Piece::One(_, outcome) => Result::as_ref(outcome).map(|_value| ()),
                                Piece::Failed(failed) => Err(&failed.error),
                                Piece::Values(_) => Ok(()),
                            };
                            state.counters.count(&end.map_err(Clone::clone), part.count);
                            settled.bring(&portion.harvest, piece);
                        }
                        settled.ended.push(call);
                    }
                    Err(message) => settled.call(&mut state, call, Err(garbled(message))),
                }
            }
            _ => settled.call(&mut state, call, Err(garbled("the report is of another call"))),
        }
        let here = std::mem::replace(&mut state.counters, before);
        state.counters += here;
        state.nodes.ended(from.node, here, from.busy);
        drop(state);
        settled.wake();
        self.work.notify_one();
    }
}

/// A result that is longer than this client accepts, whatever the nodes do.
pub(super) fn too_large(size: usize, limit: usize) -> JoinError {
    JoinError::TooLarge { side: Side::Worker, size, limit }
}

/// A node has sent what it cannot mean.
fn garbled(message: &str) -> JoinError {
    JoinError::Decode { side: Side::Parent, message: message.to_owned() }
}

/// What a map is given of a report, if that is about each of its items once, and the bytes are as many.
fn pieces(
    parts: &[Part],
    mut body: &[u8],
    portion: &Portion,
    items: u16,
    limit: usize,
) -> Result<Vec<Piece>, &'static str> {
    let mut seen = vec![false; usize::from(items)];
    let mut pieces = Vec::with_capacity(parts.len());
    for part in parts {
        let range = usize::from(part.first)..usize::from(part.first) + usize::from(part.count);
        let places = seen.get_mut(range).ok_or("a part is beyond the end")?;
        if part.count == 0 || places.iter().any(|seen| *seen) {
            return Err("an item has two results");
        }
        places.fill(true);
        let mut take = |length: u64| {
            let length = usize::try_from(length).ok();
            let (head, rest) = length.and_then(|n| body.split_at_checked(n)).ok_or("too short")?;
            body = rest;
            Ok::<_, &'static str>(head.to_vec())
        };
        let first = portion.first + u64::from(part.first);
        let count = part.count;
        pieces.push(match &part.end {
            End::Values(length) => {
                let records = take(*length)?;
                check_records(&records, count)?;
                Piece::Values(Values { first, records, count })
            }
            End::Value(_) if count != 1 => return Err("one value for several items"),
            End::Value(length) => {
                let value = take(*length)?;
                let outcome = match value.len() {
                    size if size > limit => Err(too_large(size, limit)),
                    _ => Ok(Payload::from(Encoded::Bytes(value))),
                };
                Piece::One(first, Box::new(outcome))
            }
            End::Failed(error) if count == 1 => Piece::One(first, Box::new(Err(error.clone()))),
            End::Failed(error) => Piece::Failed(Failed { first, count, error: error.clone() }),
        });
    }
    if !body.is_empty() || seen.contains(&false) {
        return Err("the report is not about all items");
    }
    Ok(pieces)
}

/// Refuses bytes that are not so many result frames with values.
fn check_records(mut records: &[u8], count: u16) -> Result<(), &'static str> {
    for _ in 0..count {
        let record = take_record(&mut records).and_then(take_result);
        if !matches!(record, Some((_, _, Kind::Value, _))) {
            return Err("a result frame is malformed");
        }
    }
    if records.is_empty() { Ok(()) } else { Err("there are too many result frames") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{finish_result, start_result};

    /// The result frames of so many values.
    fn records(count: u8) -> Vec<u8> {
        let (mut all, mut one) = (Vec::new(), Vec::new());
        for n in 0..count {
            start_result(&mut one, 0, 0, Kind::Value);
            one.push(n);
            finish_result(&mut one);
            all.extend_from_slice(&one);
        }
        all
    }

    #[test]
    fn a_report_is_about_each_item_once() {
        let portion = Portion::new(&Arc::default(), 100);
        let bytes = records(3);
        let values = End::Values(bytes.len() as u64);
        let part = |first, count, end: &End| Part { first, count, end: end.clone() };
        let failed = End::Failed(JoinError::Cancelled);
        let whole = [part(0, 3, &values), part(3, 2, &failed)];
        let good = pieces(&whole, &bytes, &portion, 5, 100).unwrap();
        assert_eq!(good.iter().map(Piece::first).collect::<Vec<_>>(), [100, 103]);
        for (parts, items, why) in [
            (vec![part(0, 3, &values)], 5, "all items"),
            (vec![part(0, 3, &values), part(2, 3, &failed)], 5, "two results"),
            (vec![part(0, 3, &values), part(3, 3, &failed)], 5, "beyond"),
            (vec![part(0, 2, &values), part(2, 3, &failed)], 5, "too many"),
            (vec![part(0, 4, &values), part(4, 1, &failed)], 5, "malformed"),
            (vec![part(0, 3, &End::Values(1 << 60)), part(3, 2, &failed)], 5, "too short"),
            (vec![part(0, 5, &failed)], 5, "all items"),
            (vec![part(0, 5, &End::Value(3))], 5, "several"),
        ] {
            let said = pieces(&parts, &bytes, &portion, items, 100).unwrap_err();
            assert!(said.contains(why), "{said} / {why}");
        }
    }
}
