//! Calls that need descriptors where there are none left: in this process, or in a worker.
//!
//! An argument that is long and finds no room in the arena needs a descriptor here until its call has
//! ended, and one in its worker until the call is executed. A shared object needs one in each worker.
//!
//! # In this process
//!
//! A call for which none is left [waits](State::waits) in the queue if something is under way that gives
//! descriptors back, and that has the queue looked at when it does: another call with a descriptor, a
//! worker that starts or leaves, or, if the call needs one only because this worker does not see the
//! arena, any worker that does. Calls behind it that need none pass it by. What has ended is dropped
//! only after the state is unlocked, so before a call fails everything is [tried again](Core::try_again)
//! after that.
//!
//! # In a worker
//!
//! A worker whose table is full has executed nothing of the call when it finds that, and says so. The call
//! goes back to the front of the queue, so that no call fails that another worker can execute, and the
//! worker gets a successor ([`super::recycle`]): its table may never have room again, and as it fails calls
//! faster than others execute them, it would get most of them. Until the successor is ready, it gets
//! calls only with which no descriptors go ahead. A call that [`MOST_TURNED_AWAY`] workers could not take
//! fails with the next one, and so does one for which no successor can be started: the limit of this
//! program, which its workers have, too, may be too low for what the call brings.

use std::io;

use crate::call::Call;
use crate::error::{JoinError, Side};
use crate::shortage;

use super::seat::Seat;
use super::settle::Settled;
use super::{Closing, Core, State};

/// So many workers may say that they have no descriptor left for a call.
const MOST_TURNED_AWAY: u8 = 2;

/// Whether calls wait for descriptors of this process.
#[derive(Debug, Default)]
pub(super) struct Scarcity {
    /// A call was passed over since this was looked at last.
    noted: bool,
    /// What has ended is dropped: a call for which nothing is under way fails now.
    last_try: bool,
}

impl Scarcity {
    /// True when a call waits that was to be sent.
    pub(super) fn is_noted(&self) -> bool {
        self.noted
    }
}

impl Core {
    /// Sends what was passed over, after something was dropped that may have had descriptors.
    pub(super) fn try_again(&self) {
        let mut settled = Settled::new();
        let mut state = self.lock();
        state.scarcity.last_try = true;
        self.nourish_all(&mut state, &mut settled);
        // What still waits is looked at again when that is of use.
        state.scarcity = Scarcity::default();
        self.deliver(state, settled);
    }

    /// A worker had no descriptor left for what belongs to a call, and has not executed it.
    pub(super) fn turn_away(
        &self,
        state: &mut State,
        index: usize,
        mut call: Call,
        reason: String,
        settled: &mut Settled,
    ) {
        let seat = &mut state.seats[index];
        if let Some(process) = &mut seat.process {
            process.mistrust(&call);
        }
        let over = matches!(state.closing, Some(Closing::Now { .. }));
        let refused = over || seat.one_shot || state.breaker.refusal().is_some();
        if refused || call.turned_away >= MOST_TURNED_AWAY {
            let error = JoinError::Decode { side: Side::Worker, message: reason };
            return settled.push((call, Err(error)));
        }
        seat.starved = true;
        call.turned_away += 1;
        state.requeue(call);
        self.begin_succession(state, index);
        self.nourish_all(state, settled);
    }
}

impl State {
    /// True while a worker is sent nothing for which it needs descriptors: it had none left, and its
    /// successor is on its way.
    pub(super) fn is_spared(&self, index: usize) -> bool {
        let seat = &self.seats[index];
        let comes = |seat: &Seat| seat.failures == 0 || seat.process.is_some();
        seat.starved && seat.successor.is_some_and(|successor| comes(&self.seats[successor]))
    }

    /// Whether a call that cannot be sent to this worker for that reason waits, instead of failing.
    pub(super) fn waits(&mut self, index: usize, call: &Call, error: &io::Error) -> bool {
        if !shortage::is_of_descriptors(error) {
            return false;
        }
        let blind = !self.seats[index].sees_arena() && call.is_sealed(None);
        let waits = self.seats.iter().any(|seat| {
            let changes = seat.launching || seat.process.is_some() && !seat.is_serving();
            let elsewhere = blind && seat.is_open() && seat.sees_arena();
            changes || elsewhere || seat.sealed() > 0
        });
        let waits = waits || self.seats[index].load() > 0 || !self.scarcity.last_try;
        self.scarcity.noted |= waits;
        waits
    }
}
