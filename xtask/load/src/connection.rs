//! One connection, from request to answer and on to the next request.
//!
//! | state | what it waits for | then |
//! |---|---|---|
//! | `Reading` | bytes of a request | `Waiting`, or `Writing` if it is answered at once |
//! | `Waiting` | its timer | `Writing` |
//! | `Writing` | room in the socket | `Reading`, or `Closing` if the connection is to end |
//! | `Closing` | the end of the peer's bytes, or its timer | gone |
//!
//! Only `Reading` reads requests, so a connection holds at most one request's worth of input and
//! one answer, however fast its peer sends and however slowly it reads. `Closing` is there because
//! closing a socket with unread input resets it, which can take the last answer away from a peer
//! that has not read it yet (RFC 9112, section 9.6).

use std::{
    io::{self, Read as _, Write as _},
    mem,
    net::Shutdown,
    time::{Duration, Instant},
};

use mio::net::TcpStream;

use crate::{
    request::{self, MAX_REQUEST_BYTES, Unreadable},
    response::{Answer, Persistence},
    service::{InFlight, Reply, Service},
    timers::{Due, TimerId, Timers},
};

/// How many steps a connection may take before others have their turn.
const STEPS_PER_TURN: u32 = 32;

/// How long a peer may keep sending after its last answer.
const CLOSING_LIMIT: Duration = Duration::from_secs(1);

/// What a connection works with during one turn of the server.
#[derive(Debug)]
pub(crate) struct Turn<'server> {
    /// What requests are given to.
    pub(crate) service: &'server mut Service,
    /// Where timers are set.
    pub(crate) timers: &'server mut Timers,
    /// Where bytes are read to first, shared by all connections; [`MAX_REQUEST_BYTES`] long.
    pub(crate) scratch: &'server mut [u8],
    /// When the turn started.
    pub(crate) now: Instant,
    /// What timers of this connection are set for.
    pub(crate) due: Due,
}

/// What becomes of a connection after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Fate {
    /// It waits for its socket or its timer.
    Waits,
    /// It could go on, but others come first.
    GoesOn,
    /// It is over.
    Over,
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The socket.
    stream: TcpStream,
    /// What was read and not yet understood: at most [`MAX_REQUEST_BYTES`].
    input: Vec<u8>,
    /// The answer being written; empty if there is none.
    output: Vec<u8>,
    /// How much of `output` is written.
    written: usize,
    /// What happens after the current answer.
    persistence: Persistence,
    /// Where it is in the table of states.
    state: State,
}

/// The states in the table above.
#[derive(Debug)]
enum State {
    /// Collects the bytes of a request.
    Reading,
    /// Has a request whose answer is not due yet.
    Waiting {
        /// The request.
        request: InFlight,
        /// When its answer is due.
        timer: TimerId,
    },
    /// Writes an answer.
    Writing {
        /// The request it answers, if that is in flight.
        request: Option<InFlight>,
    },
    /// Has said its last and throws away what comes.
    Closing {
        /// When it stops doing so.
        timer: TimerId,
    },
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The next one can follow.
    Done,
    /// The socket or the timer has to come first.
    Blocked,
    /// There is nothing more to do.
    Last,
}

impl Connection {
    /// A connection whose first request is still to come.
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            persistence: Persistence::KeepAlive,
            state: State::Reading,
        }
    }

    /// The socket, to register it.
    pub(crate) fn stream_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Does what can be done without waiting.
    pub(crate) fn advance(&mut self, turn: &mut Turn<'_>) -> Fate {
        for _ in 0..STEPS_PER_TURN {
            let step = match self.state {
                State::Reading => self.read_request(turn),
                State::Waiting { .. } => Ok(Step::Blocked),
                State::Writing { .. } => self.write_answer(turn),
                State::Closing { .. } => self.discard_input(turn),
            };
            match step {
                Ok(Step::Done) => {}
                Ok(Step::Blocked) => return Fate::Waits,
                // Errors of a socket mean that the peer reset it: nobody is left to tell.
                Ok(Step::Last) | Err(_) => return Fate::Over,
            }
        }
        Fate::GoesOn
    }

    /// Its timer came up.
    pub(crate) fn timer_came_up(&mut self, turn: &mut Turn<'_>) -> Fate {
        match mem::replace(&mut self.state, State::Reading) {
            State::Waiting { request, .. } => {
                let answer = turn.service.answer(&request);
                self.start_writing(&answer, Some(request));
                self.advance(turn)
            }
            State::Closing { .. } => Fate::Over,
            // These set no timer.
            state @ (State::Reading | State::Writing { .. }) => {
                self.state = state;
                Fate::Waits
            }
        }
    }

    /// The server ends: the request that is being answered is the last one.
    pub(crate) fn end(&mut self) -> Fate {
        self.persistence = Persistence::Close;
        match self.state {
            State::Reading | State::Closing { .. } => Fate::Over,
            State::Waiting { .. } | State::Writing { .. } => Fate::Waits,
        }
    }

    /// Gives back what the connection holds of the server. The socket closes with it.
    pub(crate) fn retire(self, service: &mut Service, timers: &mut Timers) {
        match self.state {
            State::Waiting { request, timer } => {
                timers.cancel(timer);
                service.abandoned(request);
            }
            State::Writing { request: Some(request) } => service.abandoned(request),
            State::Closing { timer } => timers.cancel(timer),
            State::Reading | State::Writing { request: None } => {}
        }
    }

    /// Takes in a request if it is complete, otherwise reads more of it.
    fn read_request(&mut self, turn: &mut Turn<'_>) -> io::Result<Step> {
        match request::parse(&self.input) {
            Ok(Some(request)) => {
                self.persistence = request.persistence;
                let length = request.length;
                let reply = turn.service.receive(&request);
                self.input.drain(..length);
                match reply {
                    Reply::Now(answer) => self.start_writing(&answer, None),
                    Reply::After(latency, request) => {
                        // Not from the start of the turn: the request may have come since then.
                        let timer = turn.timers.set(Instant::now() + latency, turn.due);
                        self.state = State::Waiting { request, timer };
                    }
                }
                Ok(Step::Done)
            }
            Ok(None) => self.read_more(turn),
            Err(unreadable) => {
                self.refuse(unreadable);
                Ok(Step::Done)
            }
        }
    }

    /// Reads what is there, as far as one request may be long.
    fn read_more(&mut self, turn: &mut Turn<'_>) -> io::Result<Step> {
        // Never empty: a full input is either a request or refused.
        let space = MAX_REQUEST_BYTES - self.input.len();
        match read(&mut self.stream, &mut turn.scratch[..space])? {
            None => Ok(Step::Blocked),
            Some(0) if self.input.is_empty() => Ok(Step::Last),
            Some(0) => {
                self.refuse(Unreadable::Malformed("it ends too early"));
                Ok(Step::Done)
            }
            Some(length) => {
                self.input.extend_from_slice(&turn.scratch[..length]);
                Ok(Step::Done)
            }
        }
    }

    /// Answers bytes that are not a request, and ends the connection after it.
    fn refuse(&mut self, unreadable: Unreadable) {
        self.persistence = Persistence::Close;
        self.start_writing(&unreadable.answer(), None);
    }

    /// Makes `answer` what is to be written.
    fn start_writing(&mut self, answer: &Answer, request: Option<InFlight>) {
        self.output = answer.render(self.persistence);
        self.written = 0;
        self.state = State::Writing { request };
    }

    /// Writes as much of the answer as there is room for.
    fn write_answer(&mut self, turn: &mut Turn<'_>) -> io::Result<Step> {
        match self.stream.write(&self.output[self.written..]) {
            Ok(length) => self.written += length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Step::Blocked),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if self.written == self.output.len() {
            self.finish_answer(turn)?;
        }
        Ok(Step::Done)
    }

    /// The answer is written: goes on to the next request, or towards the end.
    fn finish_answer(&mut self, turn: &mut Turn<'_>) -> io::Result<()> {
        // Idle connections hold no memory.
        self.output = Vec::new();
        if let State::Writing { request: Some(request) } =
            mem::replace(&mut self.state, State::Reading)
        {
            turn.service.delivered(request);
        }
        if self.persistence == Persistence::Close {
            self.input = Vec::new();
            let timer = turn.timers.set(turn.now + CLOSING_LIMIT, turn.due);
            self.state = State::Closing { timer };
            self.stream.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }

    /// Reads what nobody will look at, until the peer has ended too.
    fn discard_input(&mut self, turn: &mut Turn<'_>) -> io::Result<Step> {
        Ok(match read(&mut self.stream, turn.scratch)? {
            None => Step::Blocked,
            Some(0) => Step::Last,
            Some(_) => Step::Done,
        })
    }
}

/// Reads what is there; none if there is nothing yet.
fn read(stream: &mut TcpStream, bytes: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match stream.read(bytes) {
            Ok(length) => return Ok(Some(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
