//! What the report of a node means for a call.

use crate::error::{JoinError, Side};
use crate::frame::{Kind, take_record, take_result};
use crate::harvest::{Failed, Piece, Portion, Values as Records};
use crate::target::Target;
use crate::ticket::{Encoded, Outcome, Payload};

use super::super::wire::{End, Part, Report};
use super::flight::Flight;
use super::settle::Counters;

/// For whom a report is; what of a call has to be known to read it.
#[derive(Debug)]
pub(super) struct Addressee {
    /// How many results the call has.
    items: u16,
    /// The map, if its items are some of one.
    portion: Option<Portion>,
    /// Whether a node had begun it before and was heard of no more: nobody knows whether it ran there.
    may_have_run: bool,
}

/// How a call has ended.
#[derive(Debug)]
pub(super) struct Ending {
    /// What its items count as.
    pub(super) counters: Counters,
    /// The values, or why there are none.
    pub(super) values: Values,
}

/// What those get who wait for a call.
#[derive(Debug)]
pub(super) enum Values {
    /// All of it at once.
    Whole(Outcome),
    /// Items, and how many were timed, and how many nanoseconds they took together.
    Pieces(Vec<Piece>, Option<(u16, u64)>),
}

impl Addressee {
    /// That of the report about this call.
    pub(super) fn of(flight: &Flight) -> Self {
        let portion = match &flight.call.target {
            Target::Items(portion) => Some(portion.clone()),
            Target::Ticket(_) => None,
        };
        Self { items: flight.call.items(), portion, may_have_run: flight.may_have_run_before() }
    }

    /// What a report and its body mean, when each value may have so many bytes.
    pub(super) fn ending(&self, report: Report, body: Vec<u8>, limit: usize) -> Ending {
        let whole = |outcome: Outcome| {
            let mut counters = Counters::default();
            counters.count(&outcome, self.items);
            Ending { counters, values: Values::Whole(outcome) }
        };
        match (report, &self.portion) {
            (Report::One(Ok(())), _) if body.len() > limit => {
                whole(Err(too_large(body.len(), limit)))
            }
            (Report::One(Ok(())), _) if self.items == 1 => {
                whole(Ok(Payload::from(Encoded::Bytes(body))))
            }
            (Report::One(Err(error)), _) => whole(Err(self.told(error))),
            (Report::Items { parts, timing }, Some(portion)) => {
                match pieces(&parts, body, portion, self.items, limit) {
                    Ok(pieces) => self.divided(pieces, timing),
                    Err(message) => whole(Err(garbled(message))),
                }
            }
            _ => whole(Err(garbled("the report is of another call"))),
        }
    }

    /// What pieces count as.
    fn divided(&self, mut pieces: Vec<Piece>, timing: Option<(u16, u64)>) -> Ending {
        let mut counters = Counters::default();
        for piece in &mut pieces {
            match piece {
                Piece::Values(values) => counters.count(&Ok(()), values.count),
                Piece::Failed(Failed { count, error, .. }) => {
                    *error = self.told(std::mem::replace(error, JoinError::Cancelled));
                    counters.failed_like(error, *count);
                }
                Piece::One(_number, outcome) => {
                    if let Err(error) = &mut **outcome {
                        *error = self.told(std::mem::replace(error, JoinError::Cancelled));
                    }
                    counters.count(outcome, 1);
                }
            }
        }
        Ending { counters, values: Values::Pieces(pieces, timing) }
    }

    /// The error that the caller is told of. `Cancelled` says that a call never ran, of which a node knows
    /// only for itself.
    fn told(&self, error: JoinError) -> JoinError {
        match error {
            JoinError::Cancelled if self.may_have_run => {
                let reason = "it was withdrawn after a node was lost that had begun it".to_owned();
                JoinError::NodeLost { reason }
            }
            error => error,
        }
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

/// The bytes of a report, of which parts are taken one after the other.
struct Body {
    /// All of them, until a part takes them all.
    bytes: Vec<u8>,
    /// Where the next part begins.
    at: usize,
    /// Where the last one has to end.
    end: usize,
}

impl Body {
    /// Takes so many.
    fn take(&mut self, length: u64) -> Result<Vec<u8>, &'static str> {
        let length = usize::try_from(length).ok().filter(|&n| n <= self.end - self.at);
        let (from, length) = (self.at, length.ok_or("too short")?);
        self.at += length;
        Ok(match length {
            // What one part has alone is not copied.
            all if all == self.end => std::mem::take(&mut self.bytes),
            0 => Vec::new(),
            _ => self.bytes[from..self.at].to_vec(),
        })
    }
}

/// What a map is given of a report, if that is about each of its items once, and the bytes are as many.
fn pieces(
    parts: &[Part],
    body: Vec<u8>,
    portion: &Portion,
    items: u16,
    limit: usize,
) -> Result<Vec<Piece>, &'static str> {
    let mut body = Body { at: 0, end: body.len(), bytes: body };
    let mut seen = vec![false; usize::from(items)];
    let mut pieces = Vec::with_capacity(parts.len());
    for part in parts {
        let range = usize::from(part.first)..usize::from(part.first) + usize::from(part.count);
        let places = seen.get_mut(range).ok_or("a part is beyond the end")?;
        if part.count == 0 || places.iter().any(|seen| *seen) {
            return Err("an item has two results");
        }
        places.fill(true);
        let first = portion.first + u64::from(part.first);
        let count = part.count;
        pieces.push(match &part.end {
            End::Values(length) => {
                let records = body.take(*length)?;
                check_records(&records, count)?;
                Piece::Values(Records { first, records, count })
            }
            End::Value(_) if count != 1 => return Err("one value for several items"),
            End::Value(length) => {
                let value = body.take(*length)?;
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
    if body.at != body.end || seen.contains(&false) {
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
impl Addressee {
    /// That of three items.
    pub(super) fn of_three_items() -> Self {
        let portion = Portion::new(&std::sync::Arc::default(), 7);
        Self { items: 3, portion: Some(portion), may_have_run: true }
    }

    /// What a report means, in words.
    pub(super) fn read(&self, report: Report, body: &[u8]) -> String {
        match self.ending(report, body.to_vec(), 100).values {
            Values::Whole(Ok(_)) => "one value".to_owned(),
            Values::Whole(Err(error)) => error.to_string(),
            Values::Pieces(pieces, _timing) => format!("{} pieces", "many ".repeat(pieces.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
        let good = pieces(&whole, bytes.clone(), &portion, 5, 100).unwrap();
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
            let said = pieces(&parts, bytes.clone(), &portion, items, 100).unwrap_err();
            assert!(said.contains(why), "{said} / {why}");
        }
    }

    /// Where the result of a single call goes.
    fn single(may_have_run: bool) -> Addressee {
        Addressee { items: 1, portion: None, may_have_run }
    }

    /// The error of a whole call, or of its first part.
    fn error(ending: Ending) -> JoinError {
        match ending.values {
            Values::Whole(outcome) => outcome.unwrap_err(),
            Values::Pieces(pieces, _timing) => match pieces.into_iter().next().unwrap() {
                Piece::Failed(failed) => failed.error,
                Piece::One(_number, outcome) => outcome.unwrap_err(),
                Piece::Values(_) => panic!("they are values"),
            },
        }
    }

    #[test]
    fn outcomes_are_counted_by_how_they_are() {
        let portion = Portion::new(&Arc::default(), 0);
        let addressee = Addressee { items: 5, portion: Some(portion), may_have_run: false };
        let values = records(3);
        let parts = vec![
            Part { first: 0, count: 3, end: End::Values(values.len() as u64) },
            Part { first: 3, count: 2, end: End::Failed(JoinError::Cancelled) },
        ];
        let ending = addressee.ending(Report::Items { parts, timing: None }, values, 100);
        assert_eq!((ending.counters.done, ending.counters.cancelled), (3, 2));
        let ending = single(false).ending(Report::One(Ok(())), vec![0; 101], 100);
        assert_eq!((ending.counters.done, ending.counters.failed), (0, 1));
        assert!(matches!(error(ending), JoinError::TooLarge { size: 101, limit: 100, .. }));
        let ending = single(false).ending(Report::Items { parts: vec![], timing: None }, vec![], 9);
        assert!(matches!(error(ending), JoinError::Decode { .. }), "it is of another call");
        let ending = addressee.ending(Report::One(Ok(())), vec![], 100);
        assert_eq!(ending.counters.failed, 5, "one value for five items");
    }

    #[test]
    fn what_a_lost_node_may_have_run_is_not_cancelled() {
        let cancelled = || Report::One(Err(JoinError::Cancelled));
        let ending = single(false).ending(cancelled(), Vec::new(), 100);
        assert!(matches!(error(ending), JoinError::Cancelled));
        let ending = single(true).ending(cancelled(), Vec::new(), 100);
        assert_eq!((ending.counters.cancelled, ending.counters.failed), (0, 1));
        assert!(matches!(error(ending), JoinError::NodeLost { .. }));
        let portion = Portion::new(&Arc::default(), 0);
        let addressee = Addressee { items: 2, portion: Some(portion), may_have_run: true };
        let part = Part { first: 0, count: 2, end: End::Failed(JoinError::Cancelled) };
        let report = Report::Items { parts: vec![part], timing: None };
        assert!(matches!(error(addressee.ending(report, vec![], 9)), JoinError::NodeLost { .. }));
    }
}
