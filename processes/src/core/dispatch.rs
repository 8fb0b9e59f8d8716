//! Which worker gets which call.
//!
//! A worker may hold calls that it has not started: that hides the latency of the way to it. A
//! busy worker is given no more than [`AHEAD`] by a submit; a worker that has run low is given
//! its share of the queue, in one frame. Nothing is stuck behind a long call: a worker that has
//! nothing takes back half of what another one holds and has not claimed, and if there is no such
//! thing, the rest of a frame of items that takes long is [cut](super::cut) off.

use std::io;

use crate::board::SLOTS;
use crate::call::{Call, without_memory};
use crate::clock;
use crate::error::JoinError;
use crate::frame::MAX_FRAME;
use crate::shortage;
use crate::target::Target;

use super::limits::{FIRST_LOOK, LATE_LOOK};
use super::process::Process;
use super::seat::Obstacle;
use super::{Core, Settled, State};

/// A submit gives a call to a worker that holds fewer than this many; otherwise it waits in the
/// queue until a worker runs low.
const AHEAD: usize = 2;

/// So many calls are passed over at a time that wait for descriptors, to come to those that need none.
const MOST_PASSED_OVER: usize = 16;

/// A worker that holds no more than this many calls has run low.
const LOW: usize = SLOTS / 4;

impl Core {
    /// After a submit: gives the first queued call to the worker with the least to do, if that
    /// is little.
    pub(super) fn feed_lightest(&self, state: &mut State, settled: &mut Settled) {
        let lightest = state
            .seats
            .iter()
            .enumerate()
            .filter(|(_index, seat)| seat.is_open() && seat.room() > 0)
            .min_by_key(|(_index, seat)| seat.load());
        if let Some((index, seat)) = lightest
            && seat.load() < AHEAD
        {
            self.send_queued(state, index, 1, settled);
        }
    }

    /// After results: gives a worker that has run low its share of the queue, or, when the queue
    /// is empty and the worker too, calls that others hold and have not started.
    pub(super) fn nourish(&self, state: &mut State, index: usize, settled: &mut Settled) {
        let seat = &state.seats[index];
        if !seat.is_open() || seat.room() == 0 || seat.load() > LOW {
            return;
        }
        if state.queue.is_empty() && seat.load() == 0 {
            state.take_back_for(index);
            if state.queue.is_empty() {
                // What is cut is for all.
                return self.cut_for(state, index, settled);
            }
        }
        self.send_share(state, index, settled);
    }

    /// Gives a worker its share of the queue.
    pub(super) fn send_share(&self, state: &mut State, index: usize, settled: &mut Settled) {
        if !state.queue.is_empty() {
            let share = state.queue.len().div_ceil(state.serving());
            self.send_queued(state, index, share, settled);
        }
    }

    /// As [`nourish`](Self::nourish), for all workers.
    pub(super) fn nourish_all(&self, state: &mut State, settled: &mut Settled) {
        for index in 0..state.seats.len() {
            self.nourish(state, index, settled);
        }
    }

    /// Sends the one call of a one-shot seat whose worker is ready.
    pub(super) fn send_own(&self, state: &mut State, index: usize, settled: &mut Settled) {
        let Some(call) = state.seats[index].own.take() else { return };
        let mut frame = Vec::new();
        state.sent += 1;
        let order = state.sent;
        let timeout = call.timeout;
        match state.seats[index].load_call(index, call, order, self.arena(), &mut frame) {
            Ok(()) => {
                Self::send_frame(state, index, &frame);
                self.watch_limit(state, timeout);
            }
            Err((call, Obstacle::Unwanted)) => state.remains.calls.push(call),
            Err((call, Obstacle::Unready(error))) => {
                let error = without_memory(call.argument.len(), &error);
                settled.push((call, Err(error)));
                // Nothing else comes to it.
                state.seats[index].process.iter().for_each(Process::kill);
            }
            Err((call, obstacle)) => {
                // Its socket is new and empty, so this is no shortage of credit: the worker is
                // going down.
                let reason = format!("its worker went away: {obstacle}");
                settled.push((call, Err(JoinError::Broken { reason })));
            }
        }
    }

    /// Sends up to `count` calls from the front of the queue, in as few frames as they need.
    fn send_queued(&self, state: &mut State, index: usize, count: usize, settled: &mut Settled) {
        let mut frame = Vec::new();
        let mut left = count;
        let mut passed_over = Vec::new();
        while left > 0
            && passed_over.len() < MOST_PASSED_OVER
            && state.seats[index].room() > 0
            && let Some(mut call) = state.queue.pop(&mut state.remains)
        {
            if call.sends_descriptors() && state.is_spared(index) {
                passed_over.push(call);
                continue;
            }
            let seat = &state.seats[index];
            // Each needs copies of its own, so they are sent at once, as far as there is room.
            let one_by_one = call.has_lists() && !seat.sees_arena();
            let most = if one_by_one { 1 } else { seat.items_left() };
            let rest = call.split_off(most);
            let is_part = one_by_one && rest.is_some();
            if let Some(rest) = rest {
                state.queue.push_front(rest);
            }
            if frame.len() + call.frame_bytes() > MAX_FRAME {
                Self::send_frame(state, index, &frame);
                frame.clear();
            }
            state.sent += 1;
            let order = state.sent;
            let (timeout, items) = (call.timeout, call.items());
            match state.seats[index].load_call(index, call, order, self.arena(), &mut frame) {
                Ok(()) => {
                    left -= usize::from(!is_part);
                    self.watch_limit(state, timeout);
                    self.watch_frame(state, index, items);
                }
                Err((call, Obstacle::Unwanted)) => state.remains.calls.push(call),
                Err((call, Obstacle::Unready(error))) if state.waits(index, &call, &error) => {
                    passed_over.push(call);
                }
                Err((call, Obstacle::Unready(error))) => {
                    let error = without_memory(call.argument.len(), &error);
                    settled.push((call, Err(error)));
                }
                Err((call, Obstacle::Hopeless(error))) => {
                    let error = shortage::explain(error);
                    let reason = format!("its shared memory cannot be sent: {error}");
                    settled.push((call, Err(JoinError::Broken { reason })));
                }
                Err((call, obstacle)) => {
                    if matches!(obstacle, Obstacle::ControlFull) {
                        // Perhaps nothing is in flight whose answer would bring us back here.
                        self.alarm.watch_room(index, &state.seats[index]);
                    }
                    state.queue.push_front(call);
                    break;
                }
            }
        }
        passed_over.into_iter().rev().for_each(|call| state.queue.push_front(call));
        Self::send_frame(state, index, &frame);
        self.succeed_exhausted(state, index);
    }

    /// Sends a frame, if there is something in it. It fits the worker's credit, so this does not
    /// block; if the worker is dead its calls are requeued when it is buried.
    fn send_frame(state: &State, index: usize, frame: &[u8]) {
        let process = state.seats[index].process.as_ref();
        let Some(calls) = process.and_then(|process| process.calls.as_ref()) else { return };
        if frame.is_empty() {
            return;
        }
        while let Err(error) = calls.send(frame) {
            if error.kind() != io::ErrorKind::Interrupted {
                // The supervisor hears of the death from the process descriptor; a live worker
                // that cannot be reached must not keep the calls.
                process.inspect(|process| process.kill());
                break;
            }
        }
    }

    /// Makes the supervisor look in time at a call: when its limit can be over, and before, or
    /// without one some time later, whether the worker is silent. A look that is planned for the limit of
    /// an earlier call, which may be finished, can be much too late for that.
    fn watch_limit(&self, state: &mut State, limit: Option<std::time::Duration>) {
        let look = limit.map_or(LATE_LOOK, |limit| limit.min(FIRST_LOOK));
        self.check_at(state, clock::after_ns(look));
    }

    /// Makes the supervisor look at this time or before.
    pub(super) fn check_at(&self, state: &mut State, at_ns: u64) {
        if at_ns < state.next_check_ns {
            state.next_check_ns = at_ns;
            self.alarm.ring();
        }
    }
}

impl State {
    /// How many workers take calls from the queue; at least 1.
    pub(super) fn serving(&self) -> usize {
        self.seats.iter().filter(|seat| seat.is_open()).count().max(1)
    }

    /// Moves half of the unstarted calls of the worker that holds most of them to the queue,
    /// at least one, so that an idle worker can have them.
    fn take_back_for(&mut self, idle: usize) {
        let richest = (0..self.seats.len())
            .filter(|&index| index != idle && !self.seats[index].one_shot)
            .max_by_key(|&index| self.seats[index].load());
        let Some(index) = richest else { return };
        let load = self.seats[index].load();
        if load < 2 {
            return;
        }
        // Newest first, so pushing to the front restores their order.
        for call in self.seats[index].revoke_newest(index, load / 2) {
            self.requeue(call);
        }
    }

    /// Puts a call that no worker has claimed back to the front of the queue.
    pub(super) fn requeue(&mut self, call: Call) {
        if call.target.requeued() {
            self.queue.push_front(call);
        } else {
            self.forget(call);
        }
    }

    /// Nobody wants a call any more that is on its way back. A cancelled single call was counted
    /// when it was cancelled; what is left of a map that was dropped was not.
    pub(super) fn forget(&mut self, call: Call) {
        if matches!(call.target, Target::Items(_)) {
            self.counters.cancelled += u64::from(call.items());
        }
        self.remains.calls.push(call);
    }
}
