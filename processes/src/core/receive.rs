//! The receiver: one thread that blocks on the result channels of all workers.
//!
//! Each result is one datagram, so a worker that is stopped or killed cannot leave the receiver
//! inside of a half-read message. Bytes are copied out of the message at once: ipc-channel gives
//! each one a buffer of 208 KiB.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use ipc_channel::ipc::{self, IpcReceiverSet, IpcSelectionResult, IpcSender, OpaqueIpcReceiver};

use crate::codec;
use crate::control::{Control, Up};
use crate::error::{JoinError, Side};
use crate::frame::{Kind, ResultBytes, take_result};
use crate::segment::Sealed;
use crate::ticket::{Encoded, Outcome, Payload};

use super::{Core, Settled};

/// Brings new result channels to the receiver, which alone may touch the receiver set.
pub(super) struct Inbox {
    /// Channels that are not yet in the set.
    arrivals: Mutex<Vec<Arrival>>,
    /// Wakes the receiver.
    bell: IpcSender<()>,
}

/// A result channel and whose it is.
struct Arrival {
    /// Its worker.
    route: Route,
    /// The channel.
    results: OpaqueIpcReceiver,
}

/// Whose channel it is.
#[derive(Debug)]
struct Route {
    /// Index of the seat.
    seat: usize,
    /// The seat's occupant.
    generation: u32,
    /// Large results come through here.
    control: Arc<Control>,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

/// The receiver's set and the number its bell has there.
pub(super) struct Set {
    /// All result channels, and the bell.
    receivers: IpcReceiverSet,
    /// The bell's number.
    bell: u64,
    /// The other channels by number.
    routes: HashMap<u64, Route>,
}

impl Inbox {
    /// An inbox and the set that its bell wakes.
    ///
    /// # Errors
    /// No descriptors are left.
    pub(super) fn new() -> io::Result<(Self, Set)> {
        let (bell, rung) = ipc::channel::<()>()?;
        let mut receivers = IpcReceiverSet::new()?;
        let number = receivers.add_opaque(rung.to_opaque())?;
        let inbox = Self { arrivals: Mutex::new(Vec::new()), bell };
        Ok((inbox, Set { receivers, bell: number, routes: HashMap::new() }))
    }

    /// Hands a worker's channel over.
    pub(super) fn add(
        &self,
        seat: usize,
        generation: u32,
        control: Arc<Control>,
        results: OpaqueIpcReceiver,
    ) {
        let arrival = Arrival { route: Route { seat, generation, control }, results };
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
        self.ring();
    }

    /// Wakes the receiver: there is a new channel, or it shall end.
    pub(super) fn ring(&self) {
        // The only error is a receiver that is gone, and then nobody needs waking.
        drop(self.bell.send(()));
    }
}

/// A result frame, taken apart.
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
    /// It ended like this.
    Outcome(Outcome),
    /// It had been taken back.
    Skipped,
}

/// The body of the receiver's thread.
pub(super) fn run(core: &Arc<Core>, mut set: Set) {
    loop {
        let events = match set.receivers.select() {
            Ok(events) => events,
            // Messages may be lost, and nobody can tell which: settle every call by the
            // death of its worker.
            Err(error) => return core.give_up_receiving(&error),
        };
        let mut replies = Vec::with_capacity(events.len());
        let mut closed = Vec::new();
        for event in events {
            match event {
                IpcSelectionResult::MessageReceived(number, _) if number == set.bell => {}
                IpcSelectionResult::MessageReceived(number, message) => {
                    if let Some(route) = set.routes.get(&number) {
                        let frame = message.to::<ResultBytes>();
                        replies.push(route.parse(frame.as_ref().ok(), core.config.max_payload));
                    }
                }
                IpcSelectionResult::ChannelClosed(number) => {
                    closed.extend(set.routes.remove(&number));
                }
            }
        }
        core.absorb(replies, &closed);
        if !set.collect(core) {
            return;
        }
    }
}

impl Set {
    /// Adds the channels that have arrived. False when the core has ended.
    fn collect(&mut self, core: &Core) -> bool {
        let arrivals = std::mem::take(
            &mut *core.inbox.arrivals.lock().unwrap_or_else(PoisonError::into_inner),
        );
        for Arrival { route, results } in arrivals {
            match self.receivers.add_opaque(results) {
                Ok(number) => drop(self.routes.insert(number, route)),
                // Not watched means not heard: that worker cannot serve.
                Err(_no_memory) => core.absorb(Vec::new(), &[route]),
            }
        }
        !core.lock().ended
    }
}

impl Route {
    /// Takes a frame apart; none is one that ipc-channel could not read.
    fn parse(&self, frame: Option<&ResultBytes>, limit: usize) -> Reply {
        let frame = frame.map(|ResultBytes(bytes)| bytes.as_slice());
        let content = frame.and_then(take_result).and_then(|(slot, sequence, kind, body)| {
            Some((slot, sequence, self.answer(kind, body, limit)?))
        });
        Reply { seat: self.seat, generation: self.generation, content }
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

impl Core {
    /// Settles the calls that were answered, gives their workers new ones, and notes which
    /// workers will not say more.
    fn absorb(&self, replies: Vec<Reply>, closed: &[Route]) {
        let mut settled = Settled::new();
        let mut hungry = Vec::new();
        let mut ended = Settled::new();
        let mut state = self.lock();
        for reply in replies {
            let Some(seat) = state.seats.get_mut(reply.seat) else { continue };
            let Some(process) = seat.process.as_mut() else { continue };
            if seat.generation != reply.generation {
                continue;
            }
            let Some((slot, sequence, answer)) = reply.content else {
                // It does not speak our language (any more). Its death settles its calls.
                process.kill();
                continue;
            };
            process.useful = true;
            let call = seat.answered(slot, sequence);
            if let (Some(call), Answer::Outcome(outcome)) = (call, answer) {
                ended.push((call, outcome));
            }
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
        for route in closed {
            let Some(seat) = state.seats.get_mut(route.seat) else { continue };
            if seat.generation == route.generation
                && let Some(process) = &mut seat.process
            {
                process.drained = true;
                // A worker that closed its channel and lives on is of no use.
                process.kill();
                self.alarm.ring();
            }
        }
        self.deliver(state, settled);
    }

    /// Without a receiver no call can finish: everything is settled by killing all workers.
    fn give_up_receiving(&self, error: &io::Error) {
        let mut state = self.lock();
        state.broken = Some(format!("results can no longer be received: {error}"));
        for process in state.seats.iter_mut().filter_map(|seat| seat.process.as_mut()) {
            process.drained = true;
            process.kill();
        }
        drop(state);
        self.alarm.ring();
    }
}
