//! A seat: the place of one worker, whose occupant may be replaced.
//!
//! # Credits
//!
//! ipc-channel's `send` blocks when the socket is full and has no `try` form, and a parent that
//! blocks while its worker blocks on a result is a deadlock. So a seat counts what it has sent
//! and the worker has not answered: at most [`SLOTS`] calls and [`CREDIT_BYTES`]. The default
//! socket buffer of Linux takes 278 small datagrams or 208 KiB. Every call is answered, a
//! revoked one with "skipped", so credits always come back.

use std::io;

use crate::board::{Claim, SLOTS};
use crate::call::Call;
use crate::error::JoinError;
use crate::frame::{CallHeader, MAX_FRAME, push_call};
use crate::ticket::Place;

use super::process::{Doom, Process};

/// While a call with a time limit has not started, its start is looked for no more often.
const MIN_CHECK_NS: u64 = 1_000_000;

/// The place of one worker.
#[derive(Debug)]
pub(super) struct Seat {
    /// Counts occupants, so that late messages from an earlier one are recognised.
    pub(super) generation: u32,
    /// The worker, if there is one.
    pub(super) process: Option<Process>,
    /// When the next occupant is started; none when nobody is to come or one is here.
    pub(super) start_at_ns: Option<u64>,
    /// For one call in a process of its own: no replacement, nothing from the queue.
    pub(super) one_shot: bool,
    /// The one call of a one-shot seat, until its worker is ready.
    pub(super) own: Option<Call>,
    /// Workers in a row that died without finishing a call.
    pub(super) failures: u32,
    /// What is in flight, by slot of the board.
    slots: Vec<Option<InFlight>>,
    /// Slots that are free.
    free: Vec<u16>,
    /// The last sequence number of each slot; they go on over generations, so that a place
    /// names one sending of one call.
    sequences: Vec<u32>,
    /// Bytes in flight.
    bytes: usize,
    /// Calls in flight that are not revoked.
    load: usize,
}

/// One call in flight.
#[derive(Debug)]
struct InFlight {
    /// The call; none when it was revoked and the worker has not said so yet.
    call: Option<Call>,
    /// Its number on the board.
    sequence: u32,
    /// What it took of the credit.
    bytes: usize,
    /// When it was sent, as a count.
    order: u64,
    /// Why its worker is being killed.
    doom: Option<Doom>,
}

impl Seat {
    /// An empty seat.
    pub(super) fn new(one_shot: bool) -> Self {
        let count = u16::try_from(SLOTS).expect("a board has fewer than 65,536 slots");
        Self {
            generation: 0,
            process: None,
            start_at_ns: None,
            one_shot,
            own: None,
            failures: 0,
            slots: (0..SLOTS).map(|_| None).collect(),
            free: (0..count).rev().collect(),
            sequences: vec![0; SLOTS],
            bytes: 0,
            load: 0,
        }
    }

    /// True when the worker takes calls.
    pub(super) fn is_serving(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.calls.is_some())
    }

    /// Calls in flight that are not revoked.
    pub(super) fn load(&self) -> usize {
        self.load
    }

    /// Calls that can be sent now, as far as slots count.
    pub(super) fn room(&self) -> usize {
        self.free.len()
    }

    /// The worker's process id, while it is not reaped.
    pub(super) fn pid(&self) -> Option<u32> {
        self.process
            .as_ref()
            .filter(|process| process.ended.is_none())
            .map(|process| process.child.id())
    }

    /// 1 while the worker executes a call.
    pub(super) fn running(&self) -> usize {
        usize::from(self.occupied().any(|(slot, entry)| {
            entry.call.is_some() && matches!(self.look(slot, entry), Claim::Running { .. })
        }))
    }

    /// Puts `call` into `frame`, or gives it back with the reason.
    ///
    /// # Errors
    /// `WouldBlock`: no credit, or the control socket is full. Anything else: the worker is
    /// going down.
    pub(super) fn load_call(
        &mut self,
        index: usize,
        call: Call,
        order: u64,
        frame: &mut Vec<u8>,
    ) -> Result<(), (Call, io::Error)> {
        let bytes = call.frame_bytes();
        let Some(process) = &mut self.process else {
            return Err((call, io::ErrorKind::NotConnected.into()));
        };
        if self.bytes + bytes > CREDIT_BYTES {
            return Err((call, io::ErrorKind::WouldBlock.into()));
        }
        let Some(slot) = self.free.pop() else {
            return Err((call, io::ErrorKind::WouldBlock.into()));
        };
        if let Err(error) = process.send_ahead(&call) {
            self.free.push(slot);
            return Err((call, error));
        }
        let sequence = self.sequences[usize::from(slot)].wrapping_add(1);
        let place = Place { seat: index, slot, sequence };
        if !call.ticket.sent(place) {
            // Cancelled: nothing more to do with it.
            self.free.push(slot);
            return Ok(());
        }
        self.sequences[usize::from(slot)] = sequence;
        process.board.offer(slot, sequence);
        let (function, trampoline) = (call.function, call.trampoline);
        push_call(frame, &CallHeader { slot, sequence, function, trampoline }, call.body());
        let entry = InFlight { call: Some(call), sequence, bytes, order, doom: None };
        self.slots[usize::from(slot)] = Some(entry);
        self.bytes += bytes;
        self.load += 1;
        Ok(())
    }

    /// Frees a slot whose call was answered; gives the call unless it was revoked before.
    pub(super) fn answered(&mut self, slot: u16, sequence: u32) -> Option<Call> {
        let entry = self.slots.get_mut(usize::from(slot))?;
        if entry.as_ref().is_none_or(|entry| entry.sequence != sequence) {
            return None;
        }
        let entry = entry.take()?;
        self.free.push(slot);
        self.bytes -= entry.bytes;
        self.load -= usize::from(entry.call.is_some());
        entry.call
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

    /// Takes back everything that the worker has not claimed, and a call that waits for its own
    /// worker to start.
    pub(super) fn revoke_all(&mut self) -> Vec<Call> {
        let mut calls = self.revoke_newest(0, SLOTS);
        calls.extend(self.own.take());
        calls
    }

    /// Kills the worker if it is executing the call at `place`.
    pub(super) fn doom(&mut self, place: Place, doom: Doom) -> bool {
        let Some(process) = &self.process else { return false };
        if self.one_shot && self.own.is_some() {
            // It is starting, and nothing but this call depends on it.
            process.kill();
            return true;
        }
        let Some(entry) = &mut self.slots[usize::from(place.slot)] else { return false };
        if self.one_shot && process.board.look(place.slot, place.sequence) == Claim::Queued {
            process.kill();
            return true;
        }
        let doomed = entry.sequence == place.sequence
            && entry.call.is_some()
            && process.board.doom(place.slot, place.sequence);
        if doomed {
            entry.doom = Some(doom);
            process.kill();
        }
        doomed
    }

    /// Kills the worker if its call ran out of time; otherwise says when to look again.
    pub(super) fn enforce_limits(&mut self, index: usize, now_ns: u64) -> Option<u64> {
        let mut next: Option<u64> = None;
        let mut overdue = None;
        for (slot, entry) in self.occupied() {
            let Some(limit) = entry.call.as_ref().and_then(|call| call.timeout) else { continue };
            let limit_ns = crate::clock::to_ns(limit);
            let at_ns = match self.look(slot, entry) {
                Claim::Queued => now_ns.saturating_add(limit_ns.max(MIN_CHECK_NS)),
                Claim::Running { started_ns } => started_ns.saturating_add(limit_ns),
                Claim::Over => continue,
            };
            if at_ns <= now_ns {
                overdue = Some((Place { seat: index, slot, sequence: entry.sequence }, limit));
            } else {
                next = Some(next.map_or(at_ns, |next| next.min(at_ns)));
            }
        }
        if let Some((place, limit)) = overdue {
            // False means that it finished this very moment: its result is on the way.
            self.doom(place, Doom::TimedOut(limit));
        }
        next
    }

    /// Empties the seat of a dead worker: calls that it never claimed, in the order they were
    /// sent, and what it was executing with the verdict.
    pub(super) fn bury(&mut self) -> (Option<Process>, Vec<Call>, Vec<(Call, JoinError)>) {
        let Some(process) = self.process.take() else { return (None, Vec::new(), Vec::new()) };
        let mut unclaimed = Vec::new();
        let mut blamed = Vec::new();
        for (slot, entry) in self.slots.iter_mut().enumerate() {
            let Some(entry) = entry.take() else { continue };
            let slot = u16::try_from(slot).expect("a board has fewer than 65,536 slots");
            self.free.push(slot);
            let Some(call) = entry.call else { continue };
            if process.board.look(slot, entry.sequence) == Claim::Queued {
                unclaimed.push((entry.order, call));
            } else {
                blamed.push((call, process.verdict(entry.doom)));
            }
        }
        self.bytes = 0;
        self.load = 0;
        unclaimed.sort_unstable_by_key(|&(order, _)| order);
        (Some(process), unclaimed.into_iter().map(|(_order, call)| call).collect(), blamed)
    }

    /// The slots in use.
    fn occupied(&self) -> impl Iterator<Item = (u16, &InFlight)> {
        (0_u16..).zip(&self.slots).filter_map(|(slot, entry)| Some((slot, entry.as_ref()?)))
    }

    /// What the board says about an entry.
    fn look(&self, slot: u16, entry: &InFlight) -> Claim {
        let board = self.process.as_ref().map(|process| &process.board);
        board.map_or(Claim::Over, |board| board.look(slot, entry.sequence))
    }
}
