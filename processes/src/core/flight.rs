//! What a worker has been sent: how it is answered, taken back, and accounted for after a death.

use crate::board::{Board, Claim, SLOTS};
use crate::call::Call;
use crate::error::JoinError;
use crate::harvest::{Portion, Timing};
use crate::target::Target;
use crate::ticket::Place;

use super::breaker::USEFUL_NS;
use super::process::{Doom, Process};
use super::seat::Seat;

/// One call or frame in flight.
#[derive(Debug)]
pub(super) struct InFlight {
    /// The call; none when it was revoked and the worker has not said so yet. After a cut, only
    /// what the worker has.
    pub(super) call: Option<Call>,
    /// Its number on the board.
    pub(super) sequence: u32,
    /// How many of its items were answered, in their order.
    pub(super) answered: u16,
    /// What it took of the credit.
    pub(super) charge: usize,
    /// How many items were charged to the worker's account of calls.
    pub(super) booked: u16,
    /// When it was sent, as a count.
    pub(super) order: u64,
    /// When it was sent; of frames only.
    pub(super) sent_ns: u64,
    /// Why its worker is being killed.
    pub(super) doom: Option<Doom>,
}

/// Whose results came in.
#[derive(Debug)]
pub(super) enum Answered {
    /// Those of a whole call that is not in flight any more.
    Whole(Call),
    /// Those of some items in a row, which begin here; and their call, if that was all of it.
    Part(Portion, Option<Call>),
    /// Of nothing that is known: it was taken back, or the seat has another worker.
    Nobody,
    /// The worker has no business to say this.
    Nonsense,
}

impl InFlight {
    /// How many items are not answered. Never more were than there are: [`Seat::answered`] and
    /// [`Seat::cut`] see to that.
    pub(super) fn left(&self) -> u16 {
        self.call.as_ref().map_or(0, |call| call.items() - self.answered)
    }

    /// What became of the call when its worker died, having answered as far as it could: what was
    /// never claimed, and what is to be blamed. That is everything that was not answered when the board
    /// says what cannot be, see [`crate::board`].
    fn inquest(self, slot: u16, board: &Board) -> (Option<Call>, Option<Call>) {
        let claim = board.look(slot, self.sequence);
        let Some(mut call) = self.call else { return (None, None) };
        if self.answered > 0 {
            let Some(unanswered) = call.split_off(self.answered) else { return (None, None) };
            call = unanswered;
        }
        match claim {
            Claim::Queued if self.answered == 0 => (Some(call), None),
            Claim::Running { index, .. } | Claim::Between { index } => {
                match (index.checked_sub(self.answered), index.checked_add(1)) {
                    (Some(claimed), _) => (call.split_off(claimed.saturating_add(1)), Some(call)),
                    // The result of the last one that it claimed was published.
                    (None, Some(claimed)) if claimed == self.answered => (Some(call), None),
                    (None, _) => (None, Some(call)),
                }
            }
            Claim::Queued | Claim::Over => (None, Some(call)),
        }
    }
}

impl Seat {
    /// Results of the next `count` items of a call came in. Its slot is free after the last one.
    pub(super) fn answered(&mut self, slot: u16, sequence: u32, count: u16) -> Answered {
        let Some(place) = self.slots.get_mut(usize::from(slot)) else {
            return Answered::Nonsense;
        };
        let Some(entry) = place.as_mut().filter(|entry| entry.sequence == sequence) else {
            return Answered::Nobody;
        };
        let Some(call) = &entry.call else { return Answered::Nonsense };
        let Some(left) = entry.left().checked_sub(count) else { return Answered::Nonsense };
        let first = entry.answered;
        entry.answered += count;
        self.answers += u64::from(count);
        if left > 0 || first > 0 {
            let Target::Items(portion) = &call.target else { return Answered::Nonsense };
            let answered = portion.after(first);
            let over = if left == 0 { self.close(slot) } else { None };
            return Answered::Part(answered, over);
        }
        self.close(slot).map_or(Answered::Nobody, Answered::Whole)
    }

    /// As [`answered`](Self::answered) for one item that did not return; gives it as a call of its
    /// own, which may have to be run again.
    pub(super) fn failed(&mut self, slot: u16, sequence: u32) -> Answered {
        let entry = self.slots.get(usize::from(slot)).and_then(Option::as_ref);
        let item = entry
            .filter(|entry| entry.sequence == sequence)
            .and_then(|entry| entry.call.as_ref()?.nth(entry.answered));
        match (self.answered(slot, sequence, 1), item) {
            (Answered::Part(..), Some(item)) => Answered::Whole(item),
            (answered, _) => answered,
        }
    }

    /// The worker has skipped a call that was taken back. False when it was not.
    pub(super) fn skipped(&mut self, slot: u16, sequence: u32) -> bool {
        let entry = self.slots.get(usize::from(slot)).and_then(Option::as_ref);
        let Some(entry) = entry.filter(|entry| entry.sequence == sequence) else { return true };
        if entry.call.is_some() {
            return false;
        }
        let booked = entry.booked;
        self.answers += 1;
        self.vacate_slot(slot);
        self.unbook(booked);
        true
    }

    /// A call was answered to the end. If it was items of a map, and was not cut, the map learns how
    /// long they took.
    fn close(&mut self, slot: u16) -> Option<Call> {
        let taken_ns = self.process.as_ref().map(|process| process.board.taken_ns(slot));
        let booked = self.slots[usize::from(slot)].as_ref().map(|entry| entry.booked);
        let call = self.vacate_slot(slot)?;
        if let Target::Items(portion) = &call.target
            && let Some(taken_ns) = taken_ns
            && booked == Some(call.items())
        {
            portion.harvest.note(Timing { count: call.items(), taken_ns });
        }
        Some(call)
    }

    /// Frees a slot.
    fn vacate_slot(&mut self, slot: u16) -> Option<Call> {
        let entry = self.slots[usize::from(slot)].take()?;
        self.free.push(slot);
        self.charged -= entry.charge;
        self.load -= usize::from(entry.call.is_some());
        entry.call
    }

    /// Items that were sent are not executed by this worker.
    fn unbook(&mut self, items: u16) {
        if let Some(left) = self.process.as_mut().and_then(|process| process.calls_left.as_mut()) {
            *left += u64::from(items);
        }
    }

    /// Takes back the call at `place` if the worker has not claimed it.
    pub(super) fn revoke(&mut self, place: Place) -> Option<Call> {
        let board = &self.process.as_ref()?.board;
        let entry = self.slots[usize::from(place.slot)].as_mut()?;
        if entry.sequence != place.sequence || entry.call.is_none() {
            return None;
        }
        if !board.revoke(place.slot, place.sequence) {
            return None;
        }
        self.load -= 1;
        entry.call.take()
    }

    /// Takes back what the worker has not claimed of the frame in `slot`, which it has begun. One whose
    /// board says that it has not claimed what it has answered is killed.
    pub(super) fn cut(&mut self, slot: u16) -> Option<Call> {
        let process = self.process.as_ref()?;
        let entry = self.slots[usize::from(slot)].as_mut()?;
        let call = entry.call.as_mut()?;
        if call.items() < 2 {
            return None;
        }
        let claimed = process.board.cut(slot, entry.sequence)?;
        if claimed < entry.answered {
            process.kill();
            return None;
        }
        let rest = call.split_off(claimed)?;
        let over = entry.left() == 0;
        self.unbook(rest.items());
        if over {
            // It was between two items, and the result of the first one has been taken in.
            let _answered = self.close(slot);
        }
        Some(rest)
    }

    /// Takes back what the worker has not claimed of all frames that it has begun; that is one at
    /// most, unless it is out of its mind.
    pub(super) fn cut_all(&mut self) -> Vec<Call> {
        let slots: Vec<_> = self.occupied().map(|(slot, _entry)| slot).collect();
        slots.into_iter().filter_map(|slot| self.cut(slot)).collect()
    }

    /// Takes back what the worker has not claimed, the last sent first, at most `count`.
    pub(super) fn revoke_newest(&mut self, index: usize, count: usize) -> Vec<Call> {
        let mut candidates: Vec<_> = self
            .occupied()
            .filter(|(_slot, entry)| entry.call.is_some())
            .map(|(slot, entry)| (entry.order, slot, entry.sequence))
            .collect();
        candidates.sort_unstable_by_key(|&(order, ..)| std::cmp::Reverse(order));
        let places = candidates.into_iter().map(|(_order, slot, sequence)| Place {
            seat: index,
            slot,
            sequence,
        });
        places.filter_map(|place| self.revoke(place)).take(count).collect()
    }

    /// Takes back everything that the worker has not claimed, the last sent first.
    pub(super) fn revoke_all(&mut self, index: usize) -> Vec<Call> {
        let mut calls = self.revoke_newest(index, SLOTS);
        calls.extend(self.cut_all());
        calls
    }

    /// Whether a worker that has died had worked: it had executed a call for a while, or was killed
    /// for one by the parent.
    pub(super) fn has_worked(&self, now_ns: u64) -> bool {
        self.occupied().any(|(slot, entry)| match self.look(slot, entry) {
            Claim::Running { started_ns, .. } => now_ns.saturating_sub(started_ns) >= USEFUL_NS,
            Claim::Queued | Claim::Between { .. } | Claim::Over => entry.doom.is_some(),
        })
    }

    /// Empties the seat of a dead worker: what it never claimed, in the order in which it was
    /// sent, and what it was executing with the verdict.
    pub(super) fn bury(&mut self) -> (Option<Process>, Vec<Call>, Vec<(Call, JoinError)>) {
        let Some(process) = self.process.take() else { return (None, Vec::new(), Vec::new()) };
        let mut unclaimed = Vec::new();
        let mut blamed = Vec::new();
        for (slot, entry) in (0_u16..).zip(&mut self.slots) {
            let Some(entry) = entry.take() else { continue };
            self.free.push(slot);
            let (order, doom) = (entry.order, entry.doom);
            let (never_claimed, claimed) = entry.inquest(slot, &process.board);
            unclaimed.extend(never_claimed.map(|call| (order, call)));
            blamed.extend(claimed.map(|call| (call, process.verdict(doom))));
        }
        self.charged = 0;
        self.load = 0;
        self.silence = None;
        self.idle_since_ns = None;
        self.starved = false;
        unclaimed.sort_unstable_by_key(|&(order, _)| order);
        (Some(process), unclaimed.into_iter().map(|(_order, call)| call).collect(), blamed)
    }

    /// The slots in use.
    pub(super) fn occupied(&self) -> impl Iterator<Item = (u16, &InFlight)> {
        (0_u16..).zip(&self.slots).filter_map(|(slot, entry)| Some((slot, entry.as_ref()?)))
    }

    /// What the board says about an entry.
    pub(super) fn look(&self, slot: u16, entry: &InFlight) -> Claim {
        let board = self.process.as_ref().map(|process| &process.board);
        board.map_or(Claim::Over, |board| board.look(slot, entry.sequence))
    }

    /// How many results are to come.
    pub(super) fn items(&self) -> usize {
        self.occupied().map(|(_slot, entry)| usize::from(entry.left())).sum()
    }
}

#[cfg(test)]
pub(in crate::core) mod tests;
