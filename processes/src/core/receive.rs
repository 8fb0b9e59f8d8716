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

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::codec;
use crate::control::{Control, Up};
use crate::doorbell::Doorbell;
use crate::error::{JoinError, Side};
use crate::frame::{Kind, take_record, take_result};
use crate::harvest::{Piece, Values};
use crate::results::{NAP, Reader};
use crate::segment::Sealed;
use crate::target::Target;
use crate::ticket::{Encoded, Outcome, Payload};

use super::flight::Answered;
use super::seat::Seat;
use super::settle::{Alerts, Settled};
use super::view::Counters;
use super::vigil::Vigil;
use super::{Core, State};

/// Brings new rings to the receiver, which alone reads them.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Rings that the receiver does not know yet.
    arrivals: Mutex<Vec<Route>>,
    /// Wakes the receiver.
    doorbell: Doorbell,
}

/// A ring and whose it is.
#[derive(Debug)]
pub(super) struct Route {
    /// Index of the seat.
    pub(super) seat: usize,
    /// The seat's occupant.
    pub(super) generation: u32,
    /// Large results come through here.
    pub(super) control: Arc<Control>,
    /// Results come out here.
    pub(super) results: Reader,
    /// Set when the worker was reaped.
    pub(super) gone: Arc<AtomicBool>,
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

/// One or more result frames about the same call, taken apart.
#[derive(Debug)]
struct Reply {
    /// Index of the seat.
    seat: usize,
    /// The seat's occupant.
    generation: u32,
    /// What it says; none when it makes no sense.
    content: Option<(u16, u32, Answer)>,
}

/// What a worker says about a call.
#[derive(Debug)]
enum Answer {
    /// So many items of it returned; the result frames as they came.
    Values(u16, Vec<u8>),
    /// It, or an item of it, ended like this.
    Outcome(Outcome),
    /// It had been taken back.
    Skipped,
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

impl Route {
    /// True when there is something to read, or nothing ever will be again.
    fn has_news(&self) -> bool {
        self.results.has_news() || self.gone.load(Ordering::Acquire)
    }

    /// Reads what there is. False when nothing more will come.
    fn read(&mut self, bytes: &mut Vec<u8>, limit: usize, replies: &mut Vec<Reply>) -> bool {
        // Before the ring: what was published before the worker's end is in it by then.
        let gone = self.gone.load(Ordering::Acquire);
        let mut sane = self.results.take(bytes).is_ok();
        let mut rest = if sane { bytes.as_slice() } else { &[] };
        while sane && !rest.is_empty() {
            let reply = take_values(&mut rest)
                .or_else(|| take_record(&mut rest).and_then(|record| self.parse(record, limit)));
            sane = reply.is_some();
            replies.push(self.reply(reply));
        }
        if !sane && replies.last().is_none_or(|reply| reply.content.is_some()) {
            replies.push(self.reply(None));
        }
        sane && !gone
    }

    /// What the worker says, if it makes sense.
    fn reply(&self, content: Option<(u16, u32, Answer)>) -> Reply {
        Reply { seat: self.seat, generation: self.generation, content }
    }

    /// Takes a record apart.
    fn parse(&self, record: &[u8], limit: usize) -> Option<(u16, u32, Answer)> {
        let (slot, sequence, kind, body) = take_result(record)?;
        Some((slot, sequence, self.answer(kind, body, limit)?))
    }

    /// The meaning of a result's body.
    fn answer(&self, kind: Kind, body: &[u8], limit: usize) -> Option<Answer> {
        let text = || String::from_utf8_lossy(body).into_owned();
        let outcome = match kind {
            Kind::Skipped => return Some(Answer::Skipped),
            Kind::Value => Ok(Payload::from(Encoded::Bytes(body.to_vec()))),
            Kind::Payload => match self.large(body) {
                Ok(sealed) => Ok(Payload::from(Encoded::Sealed(sealed))),
                Err(error) => Err(JoinError::Decode {
                    side: Side::Parent,
                    message: format!("a large result did not arrive: {error}"),
                }),
            },
            Kind::Panicked => {
                let (message, location, backtrace) = codec::decode(body).ok()?;
                Err(JoinError::Panicked { message, location, backtrace })
            }
            Kind::BadArgument => Err(JoinError::Decode { side: Side::Worker, message: text() }),
            Kind::BadResult => Err(JoinError::Encode { side: Side::Worker, message: text() }),
            Kind::TooLarge => {
                let size = u64::from_le_bytes(body.try_into().ok()?);
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                Err(JoinError::TooLarge { side: Side::Worker, size, limit })
            }
        };
        Some(Answer::Outcome(outcome))
    }

    /// The large result that went ahead: after the start nothing else comes through the control
    /// socket, so it is the next message there.
    fn large(&self, id: &[u8]) -> io::Result<Sealed> {
        let Some((Up::Payload(arrived), Some(fd))) = self.control.receive(false)? else {
            return Err(io::Error::other("there is no descriptor"));
        };
        if arrived.to_le_bytes() != id {
            return Err(io::Error::other("the descriptor belongs to another result"));
        }
        Sealed::map(&fd)
    }
}

/// Takes values of the same call, as many as follow each other, off `bytes`. None when the first
/// record is something else.
fn take_values(bytes: &mut &[u8]) -> Option<(u16, u32, Answer)> {
    let (mut rest, mut call, mut count) = (*bytes, None, 0_u16);
    let mut end = rest;
    while let Some((slot, sequence, Kind::Value, _body)) =
        take_record(&mut rest).and_then(take_result)
        && *call.get_or_insert((slot, sequence)) == (slot, sequence)
        && count < u16::MAX
    {
        end = rest;
        count += 1;
    }
    let (slot, sequence) = call.filter(|_| count > 0)?;
    let (values, others) = bytes.split_at(bytes.len() - end.len());
    *bytes = others;
    Some((slot, sequence, Answer::Values(count, values.to_vec())))
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
                    Answered::Whole(_) | Answered::Part(_) | Answered::Nonsense => false,
                };
            }
            Answer::Values(count, records) => (count, records),
        };
        let whole;
        let portion = match self.answered(slot, sequence, count) {
            Answered::Nobody => return true,
            Answered::Nonsense => return false,
            Answered::Part(portion) => portion,
            Answered::Whole(call) => {
                whole = call;
                match &whole.target {
                    Target::Items(portion) if whole.handles.is_empty() => portion.clone(),
                    Target::Items(_) | Target::Ticket(_) => {
                        ended.push((whole, Ok(Payload::of_record(records))));
                        return true;
                    }
                }
            }
        };
        counters.done += u64::from(count);
        let values = Values { first: portion.first, records, count };
        alerts.bring(&portion.harvest, Piece::Values(values));
        true
    }
}

/// What the tests with arbitrary bytes need.
#[cfg(test)]
pub(crate) mod fuzz {
    use super::*;
    use crate::board::Board;
    use crate::results::{BOARD_AND_RING_BYTES, Writer};
    use crate::segment::Segment;

    /// A ring of results into which anything can be written.
    pub(crate) struct Rig {
        /// The worker's end.
        writer: Writer,
        /// The receiver's end.
        route: Route,
        /// The worker's end of the control socket, through which nothing comes.
        _control: std::os::fd::OwnedFd,
        /// The memory.
        _board: Board,
    }

    impl Rig {
        /// An empty one.
        pub(crate) fn new() -> Self {
            let segment = Segment::create(BOARD_AND_RING_BYTES).expect("memory");
            let doorbell = Doorbell::create().expect("memory");
            let (control, far) = Control::pair().expect("descriptors");
            let results = Reader::new(Arc::clone(&segment));
            let gone = Arc::default();
            let route = Route { seat: 0, generation: 0, control: Arc::new(control), results, gone };
            let board = Board::new(Arc::clone(&segment));
            Self { writer: Writer::new(segment, doorbell), route, _control: far, _board: board }
        }

        /// Has the receiver read these bytes; what it made of them.
        pub(crate) fn feed(&mut self, bytes: &[u8]) -> String {
            self.writer.publish(bytes);
            let mut replies = Vec::new();
            let sane = self.route.read(&mut Vec::new(), 1 << 20, &mut replies);
            let said = replies.first().map(|reply| match &reply.content {
                Some((_slot, _sequence, answer)) => format!("{answer:?}"),
                None => "nonsense".to_owned(),
            });
            // The names of what it is, and not what is in it.
            let said = said.unwrap_or_default();
            let said = said.split([' ', '{', '[']).next().unwrap_or_default();
            format!("{said} {sane}")
        }
    }
}
