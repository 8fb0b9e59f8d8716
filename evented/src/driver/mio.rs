//! The driver that asks the kernel, through mio.

use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Token, Waker};

use super::sets::{self, Sets, TAIL, UNPARK};
use super::tail::Tail;
use super::{Directions, Driver, Ready, Unpark, Wait, Watch};
use crate::class::Rank;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct MioDriver {
    /// The poll sets.
    sets: Sets,
    /// Sleeps with sub-millisecond ends.
    tail: Tail,
    /// An eventfd, shared with the mailbox.
    unparker: Arc<Waker>,
}

impl MioDriver {
    pub(crate) fn new() -> io::Result<Self> {
        let sets = Sets::new()?;
        let unparker = Arc::new(Waker::new(sets.top(), UNPARK)?);
        let tail = Tail::new(sets.top(), TAIL)?;
        Ok(Self { sets, tail, unparker })
    }
}

/// Adds what these events say to `ready`.
fn collect(events: &Events, ready: &mut Vec<Ready>) {
    for event in events {
        let token = event.token();
        if sets::is_own(token) {
            continue;
        }
        let failed = event.is_error();
        let read_closed = failed || event.is_read_closed();
        ready.push(Ready {
            token: token.0,
            read: event.is_readable() || read_closed,
            read_undrained: read_closed || event.is_priority(),
            write: event.is_writable() || event.is_write_closed() || failed,
        });
    }
}

impl Driver for MioDriver {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wait(&mut self, sleep: Wait, due: u8, ready: &mut Vec<Ready>) -> io::Result<()> {
        let timeout = match sleep {
            Wait::Never => return self.sets.look(due, |events| collect(events, ready)),
            Wait::Look => Some(Duration::ZERO),
            _ if !self.sets.may_sleep() => Some(Duration::ZERO),
            Wait::For(duration) => self.tail.timeout(duration)?,
            Wait::Forever => None,
        };
        self.sets.wait(timeout, |events| collect(events, ready))
    }

    fn advance(&mut self, _by: Duration) -> bool {
        false
    }

    fn rank_for(&mut self, rank: Rank) -> Rank {
        self.sets.rank_for(rank)
    }

    fn register(&mut self, watch: Watch) -> io::Result<()> {
        let registry = self.sets.registry(watch.rank)?;
        let interest = interest(watch.directions);
        registry.register(&mut SourceFd(&watch.fd), Token(watch.token), interest)
    }

    fn reregister(&mut self, watch: Watch) -> io::Result<()> {
        let registry = self.sets.registry(watch.rank)?;
        let interest = interest(watch.directions);
        registry.reregister(&mut SourceFd(&watch.fd), Token(watch.token), interest)
    }

    fn deregister(&mut self, fd: RawFd, rank: Rank) -> io::Result<()> {
        self.sets.registry(rank)?.deregister(&mut SourceFd(&fd))
    }

    fn descriptor(&self) -> io::Result<OwnedFd> {
        Tail::check_alarm()?;
        self.sets.top().as_fd().try_clone_to_owned()
    }

    fn alarm(&mut self, after: Option<Duration>) -> io::Result<bool> {
        if self.sets.has_left() {
            return Ok(false);
        }
        self.tail.alarm(after)?;
        Ok(true)
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        let unparker: Arc<Waker> = Arc::clone(&self.unparker);
        unparker
    }
}

impl Unpark for Waker {
    fn unpark(&self) {
        // Fails only if the eventfd is gone, and the `Arc` keeps it open.
        self.wake().expect("an open eventfd takes a write, mio resets it when its counter is full");
    }
}

/// What there is to read. With urgent data, so that it is known that there was some.
#[cfg(any(target_os = "linux", target_os = "android"))]
const READ: Interest = Interest::READABLE.add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const READ: Interest = Interest::READABLE;

fn interest(directions: Directions) -> Interest {
    match directions {
        Directions::Read => READ,
        Directions::Write => Interest::WRITABLE,
        Directions::Both => READ.add(Interest::WRITABLE),
    }
}
