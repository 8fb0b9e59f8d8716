//! The receiver: one thread that empties the rings of all workers.
//!
//! It sleeps on the core's doorbell. Before it does it says so, and then looks at all rings once
//! more, so nothing that was published is left lying (see [`crate::doorbell`]). What it takes out
//! of a ring comes from a process that may have gone wild, so a record that makes no sense is the
//! end of that worker and of nothing else.
//!
//! A worker that died is reaped by the supervisor, which marks its ring and rings. The receiver
//! reads the mark first and empties the ring then, so it has everything that was ever published;
//! only after that does the supervisor ask the board which call is to blame.

mod route;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::doorbell::Doorbell;
use crate::harvest::{Piece, Values};
use crate::results::NAP;
use crate::target::Target;
use crate::ticket::Payload;

use super::flight::Answered;
use super::seat::Seat;
use super::settle::{Alerts, Settled};
use super::view::Counters;
use super::vigil::Vigil;
use super::{Core, State};

pub(super) use route::Route;
#[cfg(test)]
pub(crate) use route::fuzz;
use route::{Answer, Reply};

/// Brings new rings to the receiver, which alone reads them.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Rings that the receiver does not know yet.
    arrivals: Mutex<Vec<Route>>,
    /// Wakes the receiver.
    doorbell: Doorbell,
}

impl Inbox {
    /// An empty inbox with its doorbell.
    ///
    /// # Errors
    /// No descriptor or no memory is left.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { arrivals: Mutex::new(Vec::new()), doorbell: Doorbell::create()? })
    }

    /// Hands a worker's ring over.
    pub(super) fn add(&self, route: Route) {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(route);
        self.ring();
    }

    /// Wakes the receiver: there is a new ring, a worker is gone, or it shall end.
    pub(super) fn ring(&self) {
        self.doorbell.ring();
    }

    /// What wakes the receiver; workers get it as well.
    pub(super) fn doorbell(&self) -> &Doorbell {
        &self.doorbell
    }
}

/// The body of the receiver's thread.
pub(super) fn run(core: &Arc<Core>) {
    let mut routes = Vec::new();
    let mut bytes = Vec::new();
    let doorbell = core.inbox.doorbell();
    let mut vigil = Vigil::new();
    loop {
        core.inbox.collect(&mut routes);
        if core.receive(&mut routes, &mut bytes, vigil.is_thorough) {
            vigil.found();
            continue;
        }
        vigil.is_thorough = false;
        doorbell.lie_down();
        if core.inbox.has_news(&routes) {
            doorbell.stay_up();
            continue;
        }
        if core.lock().ended {
            return;
        }
        let undisturbed = vigil.naps && doorbell.nap(NAP);
        if !vigil.naps {
            doorbell.sleep();
        }
        vigil.slept(undisturbed);
    }
}

impl Inbox {
    /// Takes new rings in.
    fn collect(&self, routes: &mut Vec<Route>) {
        routes.append(&mut self.arrivals.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The last look before the receiver sleeps.
    fn has_news(&self, routes: &[Route]) -> bool {
        let arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = !arrivals.is_empty();
        drop(arrivals);
        waiting || routes.iter().any(Route::has_news)
    }
}

impl Core {
    /// Empties all rings with news once, and with `thorough` all others, too. False when there was
    /// nothing.
    fn receive(&self, routes: &mut Vec<Route>, bytes: &mut Vec<u8>, thorough: bool) -> bool {
        let limit = self.config.max_payload;
        let mut replies = Vec::new();
        let read = |route: &mut Route| {
            (thorough || route.has_news()) && !route.read(bytes, limit, &mut replies)
        };
        let closed: Vec<_> = routes.extract_if(.., read).collect();
        let found = !replies.is_empty() || !closed.is_empty();
        if found {
            self.absorb(replies, &closed);
        }
        found
    }

    /// Settles what was answered, gives their workers new ones, and notes which
    /// workers will not say more.
    fn absorb(&self, replies: Vec<Reply>, closed: &[Route]) {
        let (mut settled, mut ended) = (Settled::new(), Settled::new());
        let mut alerts = Alerts::default();
        let mut hungry = Vec::new();
        let mut state = self.lock();
        for reply in replies {
            let State { seats, counters, .. } = &mut *state;
            let Some(seat) = seats.get_mut(reply.seat) else { continue };
            if seat.generation != reply.generation || seat.process.is_none() {
                continue;
            }
            let sane = reply.content.is_some_and(|(slot, sequence, answer)| {
                seat.take_in(slot, sequence, answer, counters, &mut alerts, &mut ended)
            });
            let Some(process) = &mut seat.process else { continue };
            if !sane {
                // It does not speak our language (any more). Its death settles its calls.
                process.kill();
                continue;
            }
            process.useful = true;
            if seat.one_shot {
                // Also when the call was cancelled: there will be no other.
                seat.dismiss(self.config.grace);
                self.alarm.ring();
            }
            if !hungry.contains(&reply.seat) {
                hungry.push(reply.seat);
            }
        }
        for (call, outcome) in ended {
            state.conclude(call, outcome, &mut settled);
        }
        for index in hungry {
            self.nourish(&mut state, index, &mut settled);
            self.after_answers(&mut state, index);
        }
        self.wake_sleepers(&mut state);
        for route in closed {
            let Some(seat) = state.seats.get_mut(route.seat) else { continue };
            if seat.generation == route.generation
                && let Some(process) = &mut seat.process
            {
                process.drained = true;
                self.alarm.ring();
            }
        }
        self.deliver_more(state, settled, alerts);
        self.sweep_buffers();
    }
}

impl Seat {
    /// Takes in what the worker says about a call: values of items go to their map at once, what
    /// else has ended to `ended`. False when it makes no sense.
    fn take_in(
        &mut self,
        slot: u16,
        sequence: u32,
        answer: Answer,
        counters: &mut Counters,
        alerts: &mut Alerts,
        ended: &mut Settled,
    ) -> bool {
        let (count, records) = match answer {
            Answer::Skipped => return self.skipped(slot, sequence),
            Answer::Outcome(outcome) => {
                return match self.failed(slot, sequence) {
                    Answered::Whole(call) if call.items() == 1 => {
                        ended.push((call, outcome));
                        true
                    }
                    Answered::Nobody => true,
                    Answered::Whole(_) | Answered::Part(..) | Answered::Nonsense => false,
                };
            }
            Answer::Values(count, records) => (count, records),
        };
        let (portion, over) = match self.answered(slot, sequence, count) {
            Answered::Nobody => return true,
            Answered::Nonsense => return false,
            Answered::Part(portion, over) => (portion, over),
            Answered::Whole(whole) => match &whole.target {
                Target::Items(portion) if whole.handles.is_empty() => {
                    (portion.clone(), Some(whole))
                }
                Target::Items(_) | Target::Ticket(_) => {
                    ended.push((whole, Ok(Payload::of_record(records))));
                    return true;
                }
            },
        };
        counters.done += u64::from(count);
        let values = Values { first: portion.first, records, count };
        alerts.bring(&portion.harvest, Piece::Values(values));
        if let Some(call) = over {
            alerts.end(call);
        }
        true
    }
}
