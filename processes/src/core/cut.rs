//! Frames of items that are cut: because others have nothing to do, or because their map is gone.
//!
//! A frame is meant to take half a millisecond, but nobody knows how long an item takes before it
//! has ended. When a worker has nothing to do, the queue is empty, and another worker has been busy
//! with a frame for [`CUT_AFTER`], then what that one has not claimed comes back, is divided by the
//! number of workers and sent anew: so one slow item holds up no other one for long. A frame that
//! is younger, or that was sent and is not begun, is looked at again in time.

use std::sync::Arc;
use std::time::Duration;

use crate::board::Claim;
use crate::call::Call;
use crate::clock;
use crate::error::JoinError;
use crate::harvest::{Harvest, Timing};
use crate::target::Target;
use crate::ticket::Place;

use super::flight::InFlight;
#[cfg(feature = "distributed")]
use super::process::Doom;
use super::seat::Seat;
use super::settle::Settled;
use super::{Core, State};

/// A frame that was begun so long ago may be cut.
const CUT_AFTER: Duration = Duration::from_millis(1);

/// A frame that has been begun and is not near its end.
#[derive(Clone, Copy, Debug)]
struct Begun {
    /// Index of the seat.
    seat: usize,
    /// Its slot on the board.
    slot: u16,
    /// When it was begun.
    at_ns: u64,
    /// How many of its items were claimed.
    claimed: u16,
    /// How many were not.
    left: u16,
}

impl Core {
    /// A worker has nothing to do, and nothing is queued: it gets a part of the longest frame.
    pub(super) fn cut_for(&self, state: &mut State, idle: usize, settled: &mut Settled) {
        let others = || {
            let other = |&index: &usize| index != idle && !state.seats[index].one_shot;
            (0..state.seats.len()).filter(other)
        };
        let now_ns = clock::now_ns();
        let begun = others().filter_map(|index| state.seats[index].begun(index));
        let Some(longest) = begun.max_by_key(|begun| begun.left) else {
            // One that was sent may be begun any moment, and take long. If it is not, because its worker
            // is stopped, it is looked for later and later.
            let sent = others().filter_map(|index| state.seats[index].sent_ns()).max();
            if let Some(sent_ns) = sent {
                let age_ns = now_ns.saturating_sub(sent_ns).max(clock::to_ns(CUT_AFTER));
                self.check_at(state, now_ns.saturating_add(age_ns));
            }
            return;
        };
        let due_ns = longest.at_ns.saturating_add(clock::to_ns(CUT_AFTER));
        if now_ns < due_ns {
            return self.check_at(state, due_ns);
        }
        if state.cut(longest, now_ns) {
            for index in 0..state.seats.len() {
                if state.seats[index].is_open() && state.seats[index].load() < 2 {
                    self.send_share(state, index, settled);
                }
            }
        }
    }

    /// A frame of so many items was sent to a worker: if another one has nothing to do, that is looked after,
    /// as there may be no answer before the frame is at its end.
    pub(super) fn watch_frame(&self, state: &mut State, index: usize, items: u16) {
        let is_idle =
            |(other, seat): (usize, &Seat)| other != index && seat.is_open() && seat.load() == 0;
        if items > 1 && state.seats.iter().enumerate().any(is_idle) {
            self.check_at(state, clock::after_ns(CUT_AFTER));
        }
    }

    /// A map is gone: what is left of it is cancelled.
    pub(crate) fn abandon(&self, harvest: &Arc<Harvest>) {
        let mut state = self.lock();
        let pieces = harvest.close();
        state.remains.pieces.extend(pieces);
        let cancelled = state.take_of(harvest);
        self.deliver(state, cancelled);
    }

    /// What workers have not claimed of a map is cancelled. What they execute ends as it does, or, if it is
    /// to be killed, with its worker; its results come in.
    #[cfg(feature = "distributed")]
    pub(crate) fn withdraw(&self, harvest: &Arc<Harvest>, kill: bool) {
        let mut state = self.lock();
        let cancelled = state.take_of(harvest);
        if kill {
            for (index, seat) in state.seats.iter_mut().enumerate() {
                seat.kill_item_of(index, harvest);
            }
        }
        self.deliver(state, cancelled);
    }
}

impl State {
    /// Takes out what workers have not claimed of a map: it is cancelled.
    fn take_of(&mut self, harvest: &Arc<Harvest>) -> Settled {
        let mut calls = self.queue.take_of(harvest);
        for (index, seat) in self.seats.iter_mut().enumerate() {
            calls.extend(seat.take_of(index, harvest));
        }
        calls.into_iter().map(|call| (call, Err(JoinError::Cancelled))).collect()
    }

    /// Cuts a frame, and queues what comes back in as many parts as there are workers for it. False
    /// when nothing came back.
    fn cut(&mut self, begun: Begun, now_ns: u64) -> bool {
        let Some(mut rest) = self.seats[begun.seat].cut(begun.slot) else { return false };
        if let Target::Items(portion) = &rest.target {
            // The item that is executed counts as one, however long it will take.
            let taken_ns = now_ns.saturating_sub(begun.at_ns);
            portion.harvest.note(Timing { count: begun.claimed, taken_ns });
        }
        let parts = u16::try_from(self.serving()).unwrap_or(u16::MAX);
        let length = rest.items().div_ceil(parts);
        let mut queued = Vec::new();
        while let Some(others) = rest.split_off(length) {
            queued.push(std::mem::replace(&mut rest, others));
        }
        queued.push(rest);
        // Newest first, so pushing to the front restores their order.
        for call in queued.into_iter().rev() {
            self.requeue(call);
        }
        true
    }
}

impl Seat {
    /// When the worker was sent a frame that it has not begun; the latest one.
    fn sent_ns(&self) -> Option<u64> {
        let frames = self.occupied().filter(|(slot, entry)| {
            let items = entry.call.as_ref().map_or(0, Call::items);
            items > 1 && self.look(*slot, entry) == Claim::Queued
        });
        frames.map(|(_slot, entry)| entry.sent_ns).max()
    }

    /// The frame that the worker has begun, if some of its items are left.
    fn begun(&self, index: usize) -> Option<Begun> {
        let board = &self.process.as_ref()?.board;
        self.occupied().find_map(|(slot, entry)| {
            let items = entry.call.as_ref()?.items();
            if items < 2 {
                return None;
            }
            let claimed = match board.look(slot, entry.sequence) {
                Claim::Running { index, .. } | Claim::Between { index } => index.checked_add(1)?,
                Claim::Queued | Claim::Over => return None,
            };
            let left = items.checked_sub(claimed).filter(|&left| left > 0)?;
            Some(Begun { seat: index, slot, at_ns: board.begun_ns(slot), claimed, left })
        })
    }

    /// Where the frames of a map are that the worker has.
    fn places_of(&self, index: usize, harvest: &Arc<Harvest>) -> Vec<Place> {
        let of_map = self.occupied().filter(|(_slot, entry)| {
            entry.call.as_ref().is_some_and(|call| call.target.belongs_to(harvest))
        });
        let place =
            |(slot, entry): (u16, &InFlight)| Place { seat: index, slot, sequence: entry.sequence };
        of_map.map(place).collect()
    }

    /// Takes back what the worker has not claimed of a map.
    fn take_of(&mut self, index: usize, harvest: &Arc<Harvest>) -> Vec<Call> {
        let places = self.places_of(index, harvest);
        let back = |place: Place| self.revoke(place).or_else(|| self.cut(place.slot));
        places.into_iter().filter_map(back).collect()
    }

    /// Kills the worker if it executes an item of a map.
    #[cfg(feature = "distributed")]
    fn kill_item_of(&mut self, index: usize, harvest: &Arc<Harvest>) {
        for place in self.places_of(index, harvest) {
            let board = self.process.as_ref().map(|process| &process.board);
            let claim = board.map(|board| board.look(place.slot, place.sequence));
            if let Some(Claim::Running { index: item, .. }) = claim {
                self.doom(place, item, Doom::Killed);
            }
        }
    }
}
