//! A seat: the place of one worker, whose occupant may be replaced.
//!
//! # Credits
//!
//! ipc-channel's `send` blocks when the socket is full and has no `try` form, and a parent that
//! blocks while its worker blocks on a result is a deadlock. So a seat counts what it has sent
//! and the worker has not answered: at most [`SLOTS`] calls, and no more bytes than the worker's
//! [`Process::credit`]. Every call is answered, a revoked one with "skipped", so credits always
//! come back.
//!
//! The kernel charges a socket buffer not with a datagram's bytes but with the memory that holds
//! them: up to 16 KiB are rounded up to a power of two, more to whole pages, and each has a
//! header. Of the default buffer of 208 KiB, 4,200-byte datagrams fill one half with payload,
//! small ones an eighth. [`charge`] is never less than the kernel's, so what a seat has credit
//! for does not block.

use std::io;
use std::sync::Arc;

use crate::arena::Arena;
use crate::board::{Claim, SLOTS};
use crate::call::{Argument, Call, Code};
use crate::clock;
use crate::frame::{CallHeader, push_call};
use crate::ticket::Place;

use super::flight::InFlight;
use super::limits::Silence;
use super::process::{Doom, Process};
use super::recycle::Post;

/// So many calls whose argument is a descriptor may be in flight to one worker: it has one as well
/// until it executes the call.
const MOST_SEALED: usize = 8;

/// The place of one worker.
#[derive(Debug)]
pub(super) struct Seat {
    /// Counts occupants, so that late messages from an earlier one are recognised.
    pub(super) generation: u32,
    /// The worker, if there is one.
    pub(super) process: Option<Process>,
    /// When the next occupant is started; none when nobody is to come or one is here.
    pub(super) start_at_ns: Option<u64>,
    /// True while somebody starts a worker for it, without the lock.
    pub(super) launching: bool,
    /// For one call in a process of its own: no replacement, nothing from the queue.
    pub(super) one_shot: bool,
    /// The one call of a one-shot seat, until its worker is ready.
    pub(super) own: Option<Call>,
    /// Workers in a row that died without finishing a call.
    pub(super) failures: u32,
    /// What is in flight, by slot of the board.
    pub(super) slots: Vec<Option<InFlight>>,
    /// Slots that are free.
    pub(super) free: Vec<u16>,
    /// The last sequence number of each slot; they go on over generations, so that a place
    /// names one sending of one call.
    sequences: Vec<u32>,
    /// What is in flight, as [`charge`]d.
    pub(super) charged: usize,
    /// Calls and frames in flight that are not revoked.
    pub(super) load: usize,
    /// How many answers came so far.
    pub(super) answers: u64,
    /// Set while the worker holds a call with a limit and gives no sign of life.
    pub(super) silence: Option<Silence>,
    /// What the seat is for.
    pub(super) post: Post,
    /// The seat whose worker is to take over.
    pub(super) successor: Option<usize>,
    /// The seat whose worker this one is to take over from.
    pub(super) replaces: Option<usize>,
    /// Since when the worker has nothing to do, if the pool wants to know.
    pub(super) idle_since_ns: Option<u64>,
    /// The count of answers when the worker's memory was looked at last.
    pub(super) weighed_at: u64,
    /// True when the worker had no descriptor left for a call, see [`super::scarce`].
    pub(super) starved: bool,
}

/// Why a call could not be sent to a worker.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// No credit; the answers to what is in flight bring it back.
    Credit,
    /// The control socket is full; the worker's watchdog empties it.
    ControlFull,
    /// There is no worker, or it is going down; another one will do.
    Gone(io::Error),
    /// The kernel will not pass a descriptor, whichever worker gets it.
    Hopeless(io::Error),
    /// No descriptor or no memory is left in this process to send it.
    Unready(io::Error),
    /// It was cancelled: there is nothing more to do with it.
    Unwanted,
}

impl From<io::Error> for Obstacle {
    /// What an error of the control socket means.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::ControlFull,
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::NotConnected
            | io::ErrorKind::ConnectionRefused => Self::Gone(error),
            _ => Self::Hopeless(error),
        }
    }
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Credit => f.write_str("its worker has enough to do"),
            Self::ControlFull => f.write_str("its control socket is full"),
            Self::Gone(error) | Self::Hopeless(error) | Self::Unready(error) => error.fmt(f),
            Self::Unwanted => f.write_str("it was cancelled"),
        }
    }
}

/// What the kernel charges a socket buffer at most for a datagram of this many bytes, or for
/// this part of a longer one.
fn charge(bytes: usize) -> usize {
    /// Memory of the descriptions of a datagram and of its data.
    const HEADERS: usize = 1024;
    /// Up to here the data is one block, whose size is a power of two.
    const BLOCK: usize = 16 * 1024;
    bytes + bytes.min(BLOCK) + HEADERS
}

impl Seat {
    /// An empty seat.
    pub(super) fn new(one_shot: bool) -> Self {
        let count = u16::try_from(SLOTS).expect("a board has fewer than 65,536 slots");
        Self {
            generation: 0,
            process: None,
            start_at_ns: None,
            launching: false,
            one_shot,
            own: None,
            failures: 0,
            slots: (0..SLOTS).map(|_| None).collect(),
            free: (0..count).rev().collect(),
            sequences: vec![0; SLOTS],
            charged: 0,
            load: 0,
            answers: 0,
            silence: None,
            post: Post::Open,
            successor: None,
            replaces: None,
            idle_since_ns: None,
            weighed_at: 0,
            starved: false,
        }
    }

    /// True when the worker takes calls.
    pub(super) fn is_serving(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.calls.is_some())
    }

    /// Calls and frames in flight that are not revoked.
    pub(super) fn load(&self) -> usize {
        self.load
    }

    /// Calls that can be sent now, as far as slots count.
    pub(super) fn room(&self) -> usize {
        usize::from(self.items_left()).min(self.free.len())
    }

    /// Items that the worker may be sent; at most as many as one call has.
    pub(super) fn items_left(&self) -> u16 {
        let left = self.process.as_ref().and_then(|process| process.calls_left);
        left.map_or(u16::MAX, |left| u16::try_from(left).unwrap_or(u16::MAX))
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

    /// True while the worker executes the call at `place`.
    pub(super) fn is_running(&self, place: Place) -> bool {
        let board = self.process.as_ref().map(|process| &process.board);
        board.is_some_and(|board| {
            matches!(board.look(place.slot, place.sequence), Claim::Running { .. })
        })
    }

    /// Whether the worker sees the arena of the pool.
    pub(super) fn sees_arena(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.sees_arena)
    }

    /// How many calls in flight have a descriptor as their argument.
    pub(super) fn sealed(&self) -> usize {
        let calls = self.occupied().filter_map(|(_slot, entry)| entry.call.as_ref());
        calls.filter(|call| matches!(call.argument, Argument::Sealed(..))).count()
    }

    /// Puts `call` into `frame`, or gives it back with the reason. `arena` is that of the pool.
    ///
    /// # Errors
    /// See [`Obstacle`].
    #[expect(clippy::result_large_err, reason = "the call goes back into the queue by value")]
    pub(super) fn load_call(
        &mut self,
        index: usize,
        mut call: Call,
        order: u64,
        arena: Option<&Arc<Arena>>,
        frame: &mut Vec<u8>,
    ) -> Result<(), (Call, Obstacle)> {
        let arena = arena.filter(|_| self.sees_arena());
        if call.is_sealed(arena) && self.sealed() >= MOST_SEALED {
            return Err((call, Obstacle::Credit));
        }
        // At least what it is when it leaves the arena.
        let charge = charge(call.frame_bytes());
        let Some(process) = &mut self.process else {
            return Err((call, Obstacle::Gone(io::ErrorKind::NotConnected.into())));
        };
        // The first one always fits: the socket is empty.
        if self.charged > 0 && self.charged + charge > process.credit {
            return Err((call, Obstacle::Credit));
        }
        let Some(slot) = self.free.pop() else {
            return Err((call, Obstacle::Credit));
        };
        if let Err(obstacle) = process.send_ahead(&mut call, arena) {
            self.free.push(slot);
            return Err((call, obstacle));
        }
        let sequence = self.sequences[usize::from(slot)].wrapping_add(1);
        let place = Place { seat: index, slot, sequence };
        if !call.target.sent(place) {
            self.free.push(slot);
            return Err((call, Obstacle::Unwanted));
        }
        self.sequences[usize::from(slot)] = sequence;
        let booked = call.items();
        process.calls_left = process.calls_left.map(|left| left.saturating_sub(booked.into()));
        process.board.offer(slot, sequence);
        let Code { function, trampoline } = call.code;
        let places = call.has_places();
        let header = CallHeader { slot, sequence, places, function, trampoline };
        push_call(frame, &header, call.body());
        let call = Some(call);
        let sent_ns = if booked > 1 { clock::now_ns() } else { 0 };
        let (answered, doom) = (0, None);
        let entry = InFlight { call, sequence, answered, charge, booked, order, sent_ns, doom };
        self.slots[usize::from(slot)] = Some(entry);
        self.charged += charge;
        self.load += 1;
        Ok(())
    }

    /// Kills the worker if it is executing this item of the call at `place`.
    pub(super) fn doom(&mut self, place: Place, index: u16, doom: Doom) -> bool {
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
            && process.board.doom(place.slot, place.sequence, index);
        if doomed {
            if matches!(doom, Doom::Killed)
                && let Some(call) = &mut entry.call
            {
                call.retry.forgo();
            }
            entry.doom = Some(doom);
            process.kill();
        }
        doomed
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

    use super::*;
    use crate::control::Control;

    /// As many datagrams as a charge allows go into a socket that nobody reads.
    #[test]
    fn the_kernel_never_charges_more() {
        for bytes in [1, 50, 127, 700, 1_000, 1_700, 2_100, 4_200, 8_300, 16_000, 17_000, 33_000] {
            let (near, _far) = Control::pair().unwrap();
            let credit = near.credit().unwrap();
            let (near, _far) =
                socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                    .unwrap();
            let datagram = vec![0_u8; bytes];
            let mut charged = 0;
            while charged + charge(bytes) <= credit {
                let sent = send(&near, &datagram, SendFlags::DONTWAIT);
                assert_ne!(sent, Err(Errno::AGAIN), "{charged} of {credit}, {bytes} each");
                charged += charge(bytes);
            }
            assert!(charged > 0, "{bytes}");
        }
    }
}
