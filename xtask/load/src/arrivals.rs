//! New connections, and what happens when there is no room for them.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use mio::{
    Interest, Registry, Token,
    net::{TcpListener, TcpStream},
};

use crate::{
    report::report,
    timers::{Due, TimerId, Timers},
};

/// How long accepting pauses when the system refuses. A connection that ends makes it shorter; the
/// timer is there for room that others make.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections.
///
/// A connection that cannot be accepted, typically because there is no descriptor left (`EMFILE`),
/// stays in the backlog, and trying at once again would keep a core busy with failing. So accepting
/// pauses, and one line on standard error says so, the first time.
#[derive(Debug)]
pub(crate) struct Arrivals {
    /// The listening socket.
    listener: TcpListener,
    /// What is known about the backlog.
    state: State,
    /// Whether the first failure was reported.
    reported: Reported,
}

/// What is known about the backlog.
#[derive(Debug)]
enum State {
    /// Empty until the poll says otherwise.
    Empty,
    /// There may be connections in it.
    Ready,
    /// There are, but the system refuses to give them.
    Paused(TimerId),
}

/// Whether the reason for a pause was written to standard error.
#[derive(Debug)]
enum Reported {
    /// Not yet.
    No,
    /// Once, which is enough.
    Yes,
}

impl Arrivals {
    /// Listens on a free port of 127.0.0.1; the poll of `registry` reports with `token`.
    pub(crate) fn listen(registry: &Registry, token: Token) -> io::Result<Self> {
        let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        registry.register(&mut listener, token, Interest::READABLE)?;
        Ok(Self { listener, state: State::Empty, reported: Reported::No })
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The poll says that there is something in the backlog.
    pub(crate) fn announced(&mut self) {
        if matches!(self.state, State::Empty) {
            self.state = State::Ready;
        }
    }

    /// There may be room again: a connection ended, or the pause did.
    pub(crate) fn resume(&mut self, timers: &mut Timers) {
        if let State::Paused(timer) = self.state {
            timers.cancel(timer);
            self.state = State::Ready;
        }
    }

    /// Whether [`next`](Self::next) may have something.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready)
    }

    /// The next connection; none if there is none yet, or no room for one.
    pub(crate) fn next(&mut self, timers: &mut Timers, now: Instant) -> Option<TcpStream> {
        while self.is_ready() {
            match self.listener.accept() {
                Ok((stream, _)) => return Some(stream),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.state = State::Empty,
                    // The peer gave up before it was accepted.
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => self.pause(&error, timers, now),
                },
            }
        }
        None
    }

    /// Stops accepting for a while.
    fn pause(&mut self, error: &io::Error, timers: &mut Timers, now: Instant) {
        if matches!(self.reported, Reported::No) {
            self.reported = Reported::Yes;
            report(&format!("accept a connection, so accepting pauses: {error}"));
        }
        self.state = State::Paused(timers.set(now + PAUSE, Due::Accepting));
    }
}
