//! The ring of one worker, and what the records in it say.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::arena::lend::Lent;
use crate::codec;
use crate::control::{Control, Up};
use crate::error::{JoinError, Side};
use crate::frame::{Kind, take_record, take_result};
use crate::results::Reader;
use crate::segment::Sealed;
use crate::ticket::{Encoded, Outcome, Payload};

/// A ring and whose it is.
#[derive(Debug)]
pub(in crate::core) struct Route {
    /// Index of the seat.
    pub(in crate::core) seat: usize,
    /// The seat's occupant.
    pub(in crate::core) generation: u32,
    /// Large results come through here.
    pub(in crate::core) control: Arc<Control>,
    /// Results come out here.
    pub(in crate::core) results: Reader,
    /// Set when the worker was reaped.
    pub(in crate::core) gone: Arc<AtomicBool>,
}

/// One or more result frames about the same call, taken apart.
#[derive(Debug)]
pub(super) struct Reply {
    /// Index of the seat.
    pub(super) seat: usize,
    /// The seat's occupant.
    pub(super) generation: u32,
    /// What it says; none when it makes no sense.
    pub(super) content: Option<(u16, u32, Answer)>,
}

/// What a worker says about a call.
#[derive(Debug)]
pub(super) enum Answer {
    /// So many items of it returned; the result frames as they came.
    Values(u16, Vec<u8>),
    /// It, or an item of it, ended like this.
    Outcome(Outcome),
    /// It had been taken back.
    Skipped,
    /// The worker has no descriptor left for what belongs to it, as a sentence; it was not executed.
    Unreceived(String),
}

impl Route {
    /// True when there is something to read, or nothing ever will be again.
    pub(super) fn has_news(&self) -> bool {
        self.results.has_news() || self.gone.load(Ordering::Acquire)
    }

    /// Reads what there is. False when nothing more will come.
    pub(super) fn read(
        &mut self,
        bytes: &mut Vec<u8>,
        limit: usize,
        replies: &mut Vec<Reply>,
    ) -> bool {
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
            Kind::Unreceived => return Some(Answer::Unreceived(text())),
            Kind::Value => Ok(Payload::from(Encoded::Bytes(body.to_vec()))),
            Kind::Lent => {
                Ok(Payload::from(Encoded::Lent(Lent::new(self.results.segment(), body)?)))
            }
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

/// What the tests with arbitrary bytes need.
#[cfg(test)]
pub(crate) mod fuzz {
    use super::*;
    use crate::arena::lend::RESULT_ARENA_BYTES;
    use crate::board::Board;
    use crate::doorbell::Doorbell;
    use crate::results::{RESULTS_AT, Writer};
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
            let segment = Segment::create(RESULTS_AT + RESULT_ARENA_BYTES).expect("memory");
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
