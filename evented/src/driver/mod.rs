//! Where time and readiness come from. The rest of the reactor knows no system call.

mod mio;
mod sets;
mod tail;
mod virtual_time;

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::class::Rank;

pub(crate) use self::mio::MioDriver;
pub(crate) use self::virtual_time::VirtualDriver;

/// A source of time and readiness. One implementation asks the kernel; another may simulate it.
pub(crate) trait Driver {
    /// The clock against which deadlines are compared.
    fn now(&self) -> Instant;

    /// Collects readiness of descriptors of the ranks that are `due` into `ready`, and of others at
    /// will. Sleeps until something is ready, the deadline has come or an
    /// [`Unpark`] was used, whichever is first; it may also return early.
    fn wait(&mut self, sleep: Wait, due: u8, ready: &mut Vec<Ready>) -> io::Result<()>;

    /// Lets time pass. False for a clock that goes by itself.
    fn advance(&mut self, by: Duration) -> bool;

    /// The rank with which a descriptor of this rank is to be registered: another one where the system has
    /// nothing left to tell it apart with.
    fn rank_for(&mut self, rank: Rank) -> Rank;

    /// Reports readiness of a descriptor, edge-triggered. Closing the descriptor ends that, if nobody else has
    /// its open file.
    fn register(&mut self, watch: Watch) -> io::Result<()>;

    /// Changes the directions of a descriptor that is registered with this rank, and reports its
    /// readiness again.
    fn reregister(&mut self, watch: Watch) -> io::Result<()>;

    /// Ends the reports for a descriptor that is registered with this rank; it stays open.
    fn deregister(&mut self, fd: RawFd, rank: Rank) -> io::Result<()>;

    /// A descriptor that can be read when a look at everything would find something, or the alarm has come.
    ///
    /// # Errors
    ///
    /// `Unsupported` where there is none; when there are none left.
    fn descriptor(&self) -> io::Result<OwnedFd>;

    /// From here on somebody else waits, by the descriptor, and for so long at most. False if an earlier look
    /// has left something of which the descriptor may not tell.
    fn alarm(&mut self, after: Option<Duration>) -> io::Result<bool>;

    /// What other threads use to end a `wait`.
    fn unparker(&self) -> Arc<dyn Unpark>;
}

/// Ends a [`Driver::wait`] from another thread; the next one if none is under way.
pub(crate) trait Unpark: Send + Sync {
    /// Does it. Must be cheap and must not block.
    fn unpark(&self);
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Only look at what is due.
    Never,
    /// Only look, at everything.
    Look,
    /// At most this long.
    For(Duration),
    /// As long as nothing happens.
    Forever,
}

/// Which directions of a descriptor are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Directions {
    /// Reading only.
    Read,
    /// Writing only.
    Write,
    /// Both.
    Both,
}

/// What is to be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    /// The descriptor.
    pub(crate) fd: RawFd,
    /// What it is called in reports.
    pub(crate) token: usize,
    /// What is watched.
    pub(crate) directions: Directions,
    /// The most urgent rank that waits for it.
    pub(crate) rank: Rank,
}

/// One report of readiness.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    /// The token of the registration.
    pub(crate) token: usize,
    /// Reading would not block.
    pub(crate) read: bool,
    /// From here on a read that gives less than was asked for may leave something: the peer will send no
    /// more, or the descriptor failed, so that no report follows; or there is urgent data, in front of
    /// which a read stops.
    pub(crate) read_undrained: bool,
    /// Writing would not block.
    pub(crate) write: bool,
}

#[cfg(test)]
mod tests;
