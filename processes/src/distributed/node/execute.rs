//! From a message to a call of the pool, and from its outcome to a report.

use std::future::poll_fn;
use std::sync::Arc;

use crate::arena::places::Brought;
use crate::call::{Argument, Call};
use crate::engine::Engine;
use crate::error::JoinError;
use crate::frame::{MAX_INLINE, take_item};
use crate::harvest::{Harvest, Piece, Portion, Timing};
use crate::items::Items;
use crate::target::Target;
use crate::ticket::Ticket;

use super::super::task::Named;
use super::super::wire::{CallHead, End, Part, Report};
use super::held::Inside;

/// Why there is no call of the pool.
#[derive(Debug)]
pub(super) enum Unfit {
    /// The body is none of that head, or is too long: the call has failed.
    Call(JoinError),
    /// This node has no memory for it: others may.
    Node(String),
}

/// A call of the pool.
///
/// # Errors
/// See [`Unfit`].
pub(super) fn local_call(
    engine: &dyn Engine,
    head: &CallHead,
    named: Named,
    body: Vec<u8>,
) -> Result<(Call, Inside), Unfit> {
    let (argument, target, inside) = match head.items {
        None => {
            let argument = Argument::of(body, &Brought::Nothing, engine.ways());
            let argument = argument.map_err(|error| match error {
                // It is encoded already.
                JoinError::Encode { message, .. } => Unfit::Node(message),
                error => Unfit::Call(error),
            })?;
            let ticket = Ticket::new(Vec::new());
            (argument, Target::Ticket(Arc::clone(&ticket)), Inside::One(ticket))
        }
        Some(count) => {
            check_items(&body, count).map_err(Unfit::Call)?;
            let harvest = Arc::new(Harvest::default());
            let target = Target::Items(Portion::new(&harvest, 0));
            (Argument::Items(Items::new(body, count)), target, Inside::Items(harvest))
        }
    };
    let (timeout, retry) = (head.limit, head.retry);
    let (brought, handles) = (Brought::Nothing, Vec::new());
    let (code, turned_away) = (named.code, 0);
    let call = Call { target, code, argument, brought, handles, timeout, retry, turned_away };
    Ok((call, inside))
}

/// Refuses bytes that are not so many items, or more than a frame holds.
pub(in crate::distributed) fn check_items(mut body: &[u8], count: u16) -> Result<(), JoinError> {
    let whole = body.len() <= MAX_INLINE
        && count > 0
        && (0..count).all(|_| take_item(&mut body).is_some())
        && body.is_empty();
    let wrong = || crate::call::refused("the message does not hold its items".to_owned());
    if whole { Ok(()) } else { Err(wrong()) }
}

/// Waits for the outcome of a call of so many items; with the values, one after the other.
pub(super) async fn outcome(inside: &Inside, count: u16) -> (Report, Vec<u8>) {
    match inside {
        Inside::One(ticket) => match poll_fn(|context| ticket.poll(context)).await {
            Ok(payload) => (Report::One(Ok(())), payload.bytes().into_owned()),
            Err(error) => (Report::One(Err(error)), Vec::new()),
        },
        Inside::Items(harvest) => harvested(harvest, count).await,
    }
}

/// Waits for the outcomes of so many items.
async fn harvested(harvest: &Harvest, count: u16) -> (Report, Vec<u8>) {
    let (mut pieces, mut timing) = (Vec::new(), None);
    // What has ended may not be among what was taken yet.
    while pieces.iter().map(|piece: &Piece| u64::from(piece.count())).sum::<u64>()
        < u64::from(count)
    {
        let timed = poll_fn(|context| harvest.poll(context, &mut pieces)).await;
        timing = timed.or(timing);
    }
    let (mut parts, mut body) = (Vec::with_capacity(pieces.len()), Vec::new());
    for piece in pieces {
        let first = u16::try_from(piece.first()).expect("items of a frame have 16 bits");
        let (count, end) = match piece {
            Piece::Values(values) => {
                body.extend_from_slice(&values.records);
                (values.count, End::Values(values.records.len() as u64))
            }
            Piece::Failed(failed) => (failed.count, End::Failed(failed.error)),
            Piece::One(_number, outcome) => match *outcome {
                Ok(payload) => {
                    let value = payload.bytes();
                    body.extend_from_slice(&value);
                    (1, End::Value(value.len() as u64))
                }
                Err(error) => (1, End::Failed(error)),
            },
        };
        parts.push(Part { first, count, end });
    }
    let timing = timing.map(|Timing { count, taken_ns }| (count, taken_ns));
    let mut report = Report::Items { parts, timing };
    report.shorten();
    (report, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_counted_before_they_are_believed() {
        let body = b"\x02\0ab\0\0\x01\0c";
        assert!(check_items(body, 3).is_ok());
        for (body, count) in [(&body[..], 2), (body, 4), (&body[..8], 3), (b"", 0), (b"", 1)] {
            assert!(check_items(body, count).is_err(), "{body:?} {count}");
        }
        // What says that it brings buffers, in a frame of the same machine, is only too long here.
        assert!(check_items(b"\x02\x80ab", 1).is_err());
        assert!(!Items::new(body.to_vec(), 3).are_listed());
        let long: Vec<u8> = [0, 0].repeat(MAX_INLINE / 2 + 1);
        assert!(check_items(&long, u16::try_from(long.len() / 2).unwrap()).is_err());
    }
}
