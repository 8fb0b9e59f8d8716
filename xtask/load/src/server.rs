//! The event loop.
//!
//! One turn: poll; connections with events; timers that are due; connections that had more to do
//! than one turn allows; new connections. New ones come last because they may get the key of a
//! connection that ended in the same turn, whose remaining events must not reach them.

use std::{
    collections::BTreeSet,
    io, mem,
    net::SocketAddr,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use common::site::Site;
use mio::{Events, Interest, Poll, Token, Waker, event::Event, net::TcpStream};
use slab::Slab;

use crate::{
    alarm::Alarm,
    arrivals::Arrivals,
    connection::{Connection, Fate, Turn},
    lifeline::Lifeline,
    report::{failed, report},
    request::MAX_REQUEST_BYTES,
    service::Service,
    timers::{Due, Timers},
};

/// The listening socket.
const ARRIVALS: Token = Token(usize::MAX);
/// The alarm for the next timer.
const ALARM: Token = Token(usize::MAX - 1);
/// Standard input.
const LIFELINE: Token = Token(usize::MAX - 2);
/// The request to stop from another thread.
const STOP: Token = Token(usize::MAX - 3);

/// How many events one poll takes.
const EVENTS_PER_TURN: usize = 1_024;

/// How many connections one turn accepts.
const ARRIVALS_PER_TURN: u32 = 64;

/// How long the last answers may take when the server ends.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Serves `site` on a free port of 127.0.0.1 until standard input ends; `ready` is told the address
/// as soon as connections are accepted. At most `per_host` requests of one virtual host may be in
/// flight at once.
///
/// When standard input ends, idle connections are closed; answers under way have one second.
///
/// # Errors
///
/// If the system has no descriptor for the server, if `ready` fails, or if polling does.
pub fn serve_until_stdin_ends(
    site: Site,
    per_host: NonZeroU32,
    ready: impl FnOnce(SocketAddr) -> io::Result<()>,
) -> io::Result<()> {
    let mut server = Server::bind(site, per_host)?;
    server.watch_stdin().map_err(|error| failed("watch standard input", &error))?;
    ready(server.addr()?).map_err(|error| failed("say that the server is ready", &error))?;
    server.run()
}

/// The server.
#[derive(Debug)]
pub(crate) struct Server {
    /// What it waits with.
    poll: Poll,
    /// Ends the poll when the next timer is due.
    alarm: Alarm,
    /// Where connections come from; gone when the server ends.
    arrivals: Option<Arrivals>,
    /// Standard input, if its end is the server's end.
    lifeline: Option<Lifeline>,
    /// The open connections; the keys are their tokens.
    connections: Slab<Connection>,
    /// Connections that go on without waiting for an event. A key whose connection has ended, or
    /// that a new one got since, does no harm: trying to go on is always allowed.
    going_on: BTreeSet<usize>,
    /// What is due when.
    timers: Timers,
    /// What the requests are for.
    service: Service,
    /// Where connections read to.
    scratch: Box<[u8]>,
    /// Whether it goes on.
    phase: Phase,
}

/// Whether the server goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It takes connections.
    Serving,
    /// It gives its last answers.
    Ending,
    /// It has ended.
    Ended,
}

impl Server {
    /// A server that listens on a free port of 127.0.0.1 and has not begun to answer.
    pub(crate) fn bind(site: Site, per_host: NonZeroU32) -> io::Result<Self> {
        let bind = || {
            let poll = Poll::new()?;
            let alarm = Alarm::new(poll.registry(), ALARM)?;
            let arrivals = Arrivals::listen(poll.registry(), ARRIVALS)?;
            Ok((poll, alarm, arrivals))
        };
        let (poll, alarm, arrivals) =
            bind().map_err(|error| failed("listen on 127.0.0.1", &error))?;
        Ok(Self {
            poll,
            alarm,
            arrivals: Some(arrivals),
            lifeline: None,
            connections: Slab::new(),
            going_on: BTreeSet::new(),
            timers: Timers::default(),
            service: Service::new(site, per_host),
            scratch: vec![0; MAX_REQUEST_BYTES].into_boxed_slice(),
            phase: Phase::Serving,
        })
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> io::Result<SocketAddr> {
        match &self.arrivals {
            Some(arrivals) => arrivals.addr(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// A waker that ends the server. There can be one only.
    pub(crate) fn stopper(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), STOP)
    }

    /// Lets the end of standard input end the server.
    fn watch_stdin(&mut self) -> io::Result<()> {
        self.lifeline = Some(Lifeline::of_stdin(self.poll.registry(), LIFELINE)?);
        Ok(())
    }

    /// Serves until the end.
    pub(crate) fn run(mut self) -> io::Result<()> {
        // A lifeline that never waits gives no event.
        self.check_lifeline()?;
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        while self.phase != Phase::Ended {
            let mut limit = self.alarm.set(self.timers.next_due(), Instant::now())?;
            if !self.going_on.is_empty() || self.arrivals.as_ref().is_some_and(Arrivals::is_ready) {
                limit = Some(Duration::ZERO);
            }
            match self.poll.poll(&mut events, limit) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result.map_err(|error| failed("poll for events", &error))?,
            }
            self.turn(&events)?;
        }
        Ok(())
    }

    /// One turn; the order is explained at the top.
    fn turn(&mut self, events: &Events) -> io::Result<()> {
        let now = Instant::now();
        // What was left over from the last turn, not what this one leaves over.
        let left_over = mem::take(&mut self.going_on);
        for event in events {
            match event.token() {
                ARRIVALS => self.arrivals.iter_mut().for_each(Arrivals::announced),
                // It has ended the poll, which is all.
                ALARM => {}
                LIFELINE => self.check_lifeline()?,
                STOP => self.end(now),
                Token(key) => self.connection_event(key, event, now),
            }
        }
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                Due::Connection(key) => self.drive(key, now, Connection::timer_came_up),
                Due::Accepting => {
                    self.arrivals.iter_mut().for_each(|it| it.resume(&mut self.timers));
                }
                Due::End => self.phase = Phase::Ended,
            }
        }
        for key in left_over {
            self.drive(key, now, Connection::advance);
        }
        self.accept(now);
        if self.phase == Phase::Ending && self.connections.is_empty() {
            self.phase = Phase::Ended;
        }
        Ok(())
    }

    /// Lets a connection whose socket has news go on.
    fn connection_event(&mut self, key: usize, event: &Event, now: Instant) {
        if event.is_error() {
            // Reset by the peer: a waiting connection would notice only when it answers.
            self.remove(key);
        } else {
            self.drive(key, now, Connection::advance);
        }
    }

    /// Has the connection `key`, if it is still there, do `what`.
    fn drive(
        &mut self,
        key: usize,
        now: Instant,
        what: impl FnOnce(&mut Connection, &mut Turn<'_>) -> Fate,
    ) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let fate = what(
            connection,
            &mut Turn {
                service: &mut self.service,
                timers: &mut self.timers,
                scratch: &mut self.scratch,
                now,
                due: Due::Connection(key),
            },
        );
        match fate {
            Fate::Waits => {}
            Fate::GoesOn => _ = self.going_on.insert(key),
            Fate::Over => self.remove(key),
        }
    }

    /// Takes a connection out; its socket closes, which also ends its registration.
    fn remove(&mut self, key: usize) {
        let Some(connection) = self.connections.try_remove(key) else { return };
        connection.retire(&mut self.service, &mut self.timers);
        self.arrivals.iter_mut().for_each(|it| it.resume(&mut self.timers));
    }

    /// Accepts what has arrived.
    fn accept(&mut self, now: Instant) {
        for _ in 0..ARRIVALS_PER_TURN {
            let arrivals = self.arrivals.as_mut();
            let Some(stream) = arrivals.and_then(|it| it.next(&mut self.timers, now)) else {
                return;
            };
            if let Err(error) = self.add(stream) {
                report(&format!("set up a connection, which is closed: {error}"));
            }
        }
    }

    /// Adds a connection. It is not driven yet: its registration reports what is there already.
    fn add(&mut self, stream: TcpStream) -> io::Result<()> {
        // An answer is written at once: waiting for more to fill a packet only delays it.
        stream.set_nodelay(true)?;
        let entry = self.connections.vacant_entry();
        let token = Token(entry.key());
        let mut connection = Connection::new(stream);
        self.poll.registry().register(
            connection.stream_mut(),
            token,
            Interest::READABLE | Interest::WRITABLE,
        )?;
        entry.insert(connection);
        Ok(())
    }

    /// Ends the server if standard input has ended.
    fn check_lifeline(&mut self) -> io::Result<()> {
        let Some(lifeline) = &self.lifeline else { return Ok(()) };
        if lifeline.has_ended().map_err(|error| failed("read standard input", &error))? {
            self.end(Instant::now());
        }
        Ok(())
    }

    /// Takes no more connections and requests; answers under way get their time.
    fn end(&mut self, now: Instant) {
        if self.phase != Phase::Serving {
            return;
        }
        self.phase = Phase::Ending;
        self.arrivals = None;
        self.timers.set(now + END_LIMIT, Due::End);
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.drive(key, now, |connection, _| connection.end());
        }
        if self.connections.is_empty() {
            self.phase = Phase::Ended;
        }
    }
}
