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

use crate::call::Call;
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
        let (mut settled, mut news) = (Settled::new(), News::default());
        let mut hungry = Vec::new();
        let mut state = self.lock();
        for reply in replies {
            let State { seats, counters, .. } = &mut *state;
            let generation = |seat: &&mut Seat| seat.generation == reply.generation;
            let seat = seats.get_mut(reply.seat).filter(generation);
            let Some(seat) = seat.filter(|seat| seat.process.is_some()) else {
                news.useless.extend(reply.content.map(|(_slot, _sequence, answer)| answer));
                continue;
            };
            let sane = reply.content.is_some_and(|(slot, sequence, answer)| {
                seat.take_in((reply.seat, slot, sequence), answer, counters, &mut news)
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
        let News { alerts, ended, unreceived, useless } = news;
        for (call, outcome) in ended {
            state.conclude(call, outcome, &mut settled);
        }
        for (index, call, reason) in unreceived {
            self.turn_away(&mut state, index, call, reason, &mut settled);
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
        drop(useless);
        self.sweep_buffers();
    }
}

/// What answers bring, while the state is locked.
#[derive(Debug, Default)]
struct News {
    /// Who is to be told.
    alerts: Alerts,
    /// Calls that have ended, unless they are run again.
    ended: Settled,
    /// Calls that were not executed, as the worker in this seat has no descriptor left, in its words.
    unreceived: Vec<(usize, Call, String)>,
    /// Answers about nothing that is known; they may be long, so they are dropped last.
    useless: Vec<Answer>,
}

impl Seat {
    /// Takes in what the worker says about a call at a place (seat, slot, sequence): values of items go
    /// to their map at once. False when it makes no sense.
    fn take_in(
        &mut self,
        (index, slot, sequence): (usize, u16, u32),
        answer: Answer,
        counters: &mut Counters,
        news: &mut News,
    ) -> bool {
        let (count, records) = match answer {
            Answer::Skipped => return self.skipped(slot, sequence),
            Answer::Values(count, records) => (count, records),
            single => {
                let known = match self.failed(slot, sequence) {
                    Answered::Whole(call) if call.items() == 1 => {
                        match single {
                            Answer::Unreceived(why) => news.unreceived.push((index, call, why)),
                            Answer::Outcome(outcome) => news.ended.push((call, outcome)),
                            Answer::Skipped | Answer::Values(..) => unreachable!("see above"),
                        }
                        return true;
                    }
                    Answered::Nobody => true,
                    Answered::Whole(_) | Answered::Part(..) | Answered::Nonsense => false,
                };
                news.useless.push(single);
                return known;
            }
        };
        let (portion, over) = match self.answered(slot, sequence, count) {
            Answered::Nobody => {
                news.useless.push(Answer::Values(count, records));
                return true;
            }
            Answered::Nonsense => {
                news.useless.push(Answer::Values(count, records));
                return false;
            }
            Answered::Part(portion, over) => (portion, over),
            Answered::Whole(whole) => match &whole.target {
                Target::Items(portion) if whole.handles.is_empty() => {
                    (portion.clone(), Some(whole))
                }
                Target::Items(_) | Target::Ticket(_) => {
                    news.ended.push((whole, Ok(Payload::of_record(records))));
                    return true;
                }
            },
        };
        counters.done += u64::from(count);
        let values = Values { first: portion.first, records, count };
        news.alerts.end_items(&portion, count);
        news.alerts.bring(&portion.harvest, Piece::Values(values));
        if let Some(call) = over {
            news.alerts.end(call);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::flight::tests::{end, seat};
    use super::*;
    use crate::error::JoinError;

    #[test]
    fn what_answers_nothing_is_kept_until_no_lock_is_held() {
        let (mut seat, slot, sequence) = seat();
        let (mut counters, mut news) = (Counters::default(), News::default());
        let values = |count| Answer::Values(count, vec![0; 100]);
        let outcome = || Answer::Outcome(Err(JoinError::Cancelled));
        let unreceived = || Answer::Unreceived("full".to_owned());
        let others = [values(1), outcome(), unreceived()].map(|answer| (sequence - 1, answer));
        for (sequence, answer) in others {
            assert!(seat.take_in((0, slot, sequence), answer, &mut counters, &mut news));
        }
        // More than there are; and of a slot that does not exist.
        assert!(!seat.take_in((0, slot, sequence), values(9), &mut counters, &mut news));
        assert!(!seat.take_in((0, u16::MAX, 1), outcome(), &mut counters, &mut news));
        assert_eq!(news.useless.len(), 5);
        assert!(seat.take_in((0, slot, sequence), unreceived(), &mut counters, &mut news));
        assert_eq!((news.unreceived.len(), news.useless.len(), counters.done), (1, 5, 0));
        assert!(!end(&mut seat));
    }
}
