//! The driver that asks the kernel, through mio.

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use super::tail::Tail;
use super::{Directions, Driver, Ready, Unpark, Wait};

/// How many events one `wait` takes at most. What is left comes with the next.
const EVENTS: usize = 1024;
/// Token of the unparker; no source has it.
const UNPARK: Token = Token(usize::MAX);
/// Token of the timer for short sleeps; no source has it.
const TAIL: Token = Token(usize::MAX - 1);

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct MioDriver {
    poll: Poll,
    /// Filled by the kernel, reused.
    events: Events,
    /// Sleeps with sub-millisecond ends.
    tail: Tail,
    /// An eventfd, shared with the mailbox.
    unparker: Arc<Waker>,
}

impl MioDriver {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let unparker = Arc::new(Waker::new(poll.registry(), UNPARK)?);
        let tail = Tail::new(poll.registry(), TAIL)?;
        Ok(Self { poll, events: Events::with_capacity(EVENTS), tail, unparker })
    }
}

impl Driver for MioDriver {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wait(&mut self, sleep: Wait, ready: &mut Vec<Ready>) -> io::Result<()> {
        let timeout = match sleep {
            Wait::Never => Some(Duration::ZERO),
            Wait::For(duration) => self.tail.timeout(duration)?,
            Wait::Forever => None,
        };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        for event in &self.events {
            if event.token() == UNPARK || event.token() == TAIL {
                continue;
            }
            let failed = event.is_error();
            let read_closed = failed || event.is_read_closed();
            ready.push(Ready {
                token: event.token().0,
                read: event.is_readable() || read_closed,
                read_closed,
                write: event.is_writable() || event.is_write_closed() || failed,
            });
        }
        Ok(())
    }

    fn advance(&mut self, _by: Duration) -> bool {
        false
    }

    fn register(&mut self, fd: RawFd, token: usize, directions: Directions) -> io::Result<()> {
        self.poll.registry().register(&mut SourceFd(&fd), Token(token), interest(directions))
    }

    fn reregister(&mut self, fd: RawFd, token: usize, directions: Directions) -> io::Result<()> {
        self.poll.registry().reregister(&mut SourceFd(&fd), Token(token), interest(directions))
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        self.poll.registry().deregister(&mut SourceFd(&fd))
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

fn interest(directions: Directions) -> Interest {
    match directions {
        Directions::Read => Interest::READABLE,
        Directions::Write => Interest::WRITABLE,
        Directions::Both => Interest::READABLE | Interest::WRITABLE,
    }
}
