//! Outcomes on their way to those who wait for them.

use std::sync::Arc;

use crate::arena::Keyed;
use crate::call::Call;
use crate::error::JoinError;
use crate::harvest::{Failed, Harvest, Piece, Portion};
use crate::scope::{self, Keeper};
use crate::target::Target;
use crate::ticket::{Outcome, Ticket, Waiters};

use super::Core;
use super::locked::Locked;
use super::view::Counters;

/// Calls and how they ended, or all items of a call, on the way to tickets and maps.
pub(super) type Settled = Vec<(Call, Outcome)>;

/// Who is to be woken when no lock is held.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    /// Waiters of single calls.
    calls: Vec<(Arc<Ticket>, Waiters)>,
    /// Maps whose owners wait.
    maps: Vec<Arc<Harvest>>,
    /// What has travelled with items: released before anybody is told of their end, without waiting
    /// for the lock of an object that a stopped process holds.
    keepers: Vec<Keeper>,
    /// Buffers that items have brought: let go of at the same time.
    buffers: Vec<Arc<Keyed>>,
    /// Calls that have ended: their arguments may be long, so they are dropped last.
    over: Vec<Call>,
    /// Results of maps that are gone, which may be long, too.
    unwanted: Vec<Piece>,
    /// Outcomes of calls that had one before, likewise.
    second: Vec<Outcome>,
}

impl Alerts {
    /// The call of some items, whose results were brought, has ended.
    pub(super) fn end(&mut self, call: Call) {
        if let Target::Items(portion) = &call.target {
            self.keepers.extend(portion.take_keepers());
        }
        self.over.push(call);
    }

    /// So many items have ended.
    pub(super) fn end_items(&mut self, portion: &Portion, count: u16) {
        portion.take_buffers(count, &mut self.buffers);
    }

    /// Brings results to a map, whose owner is woken later if it waits for them.
    pub(super) fn bring(&mut self, harvest: &Arc<Harvest>, piece: Piece) {
        match harvest.bring(piece) {
            Ok(true) => self.maps.push(Arc::clone(harvest)),
            Ok(false) => {}
            Err(unwanted) => self.unwanted.push(unwanted),
        }
    }

    /// Wakes everybody.
    fn wake(self) {
        scope::release(self.keepers);
        Keyed::let_go(self.buffers);
        for (ticket, waiters) in self.calls {
            waiters.wake(&ticket);
        }
        for map in self.maps {
            map.wake();
        }
        drop((self.over, self.unwanted, self.second));
    }
}

impl Counters {
    /// Counts so many calls that ended like this.
    fn count(&mut self, outcome: &Outcome, calls: u16) {
        *match outcome {
            Ok(_) => &mut self.done,
            Err(JoinError::Panicked { .. }) => &mut self.panicked,
            Err(JoinError::Cancelled) => &mut self.cancelled,
            Err(_) => &mut self.failed,
        } += u64::from(calls);
    }
}

impl Core {
    /// Gives each outcome to where it belongs, releases the lock, then wakes those who wait.
    pub(super) fn deliver(&self, state: Locked<'_>, settled: Settled) {
        self.deliver_more(state, settled, Alerts::default());
    }

    /// As [`deliver`](Self::deliver), and wakes some more.
    pub(super) fn deliver_more(&self, mut state: Locked<'_>, settled: Settled, mut alerts: Alerts) {
        for (mut call, mut outcome) in settled {
            state.counters.count(&outcome, call.items());
            if let Ok(payload) = &mut outcome {
                payload.keep(std::mem::take(&mut call.handles));
            }
            let count = call.items();
            match &call.target {
                Target::Ticket(ticket) => match ticket.settle(outcome) {
                    Ok(waiters) => alerts.calls.push((Arc::clone(ticket), waiters)),
                    Err(second) => alerts.second.push(second),
                },
                Target::Items(portion) => {
                    let first = portion.first;
                    alerts.keepers.extend(portion.take_keepers());
                    alerts.end_items(portion, count);
                    let piece = match outcome {
                        Err(error) if count > 1 => Piece::Failed(Failed { first, count, error }),
                        outcome => Piece::One(first, Box::new(outcome)),
                    };
                    alerts.bring(&portion.harvest, piece);
                }
            }
            alerts.over.push(call);
        }
        let stop_now = state.closing.is_some() && state.is_drained();
        let calls_wait = state.scarcity.is_noted();
        drop(state);
        if stop_now {
            self.alarm.ring();
        }
        alerts.wake();
        if calls_wait {
            self.try_again();
        }
    }
}
