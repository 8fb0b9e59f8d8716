//! A reactor as part of another loop.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::Location;
use std::time::Duration;

use crate::current;
use crate::reactor::{Reactor, Running};

/// What is left after a [turn](Reactor::turn).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "with `Again`, nobody says when to go on: call `turn` once more"]
pub enum Turn {
    /// A task was polled or a call was run, there is more to do, or not everything was looked at. The
    /// [descriptor](Reactor::descriptor) may not say so.
    Again,
    /// Nothing was done: there is nothing to do before the [descriptor](Reactor::descriptor) can be read.
    Idle,
    /// The reactor was [shut down](crate::Handle::shutdown): its tasks are cancelled, and there will be no others.
    Ended,
}

impl Reactor {
    /// Does one turn: takes in what has come, waiting for it at most `timeout` if no task is ready, and polls up to
    /// 64 tasks. For a loop of another kind, of a window system or another runtime, that this reactor is part of;
    /// by itself there are [`block_on`](Self::block_on) and [`run`](Self::run).
    ///
    /// ```
    /// use std::time::Duration;
    /// use evented::{Reactor, Turn, sleep};
    /// use rustix::event::{PollFd, PollFlags, poll};
    ///
    /// let reactor = Reactor::new()?;
    /// let task = reactor.spawn(async { sleep(Duration::from_millis(5)).await });
    /// while !task.is_finished() {
    ///     match reactor.turn(Duration::ZERO) {
    ///         Turn::Again => {} // Whatever else the loop has to do may come in between.
    ///         Turn::Idle => {
    ///             // Among the other descriptors of the loop.
    ///             let mut watched = [PollFd::from_borrowed_fd(reactor.descriptor()?, PollFlags::IN)];
    ///             poll(&mut watched, None)?;
    ///         }
    ///         Turn::Ended => break,
    ///     }
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// Wakers, timers, descriptors and other threads announce themselves by the descriptor. What this thread does
    /// between turns to the reactor or to its tasks does not: after [`spawn`](Self::spawn), or a `Task` that was
    /// dropped, cancelled or put into another class, call this without waiting first.
    ///
    /// In [virtual time](crate::Builder::virtual_time) the clock jumps by `timeout` at most; with a `timeout` beyond
    /// what an [`Instant`](std::time::Instant) can hold it stands, unless there is a timer.
    ///
    /// # Panics
    ///
    /// When this reactor is running already.
    #[track_caller]
    pub fn turn(&self, timeout: Duration) -> Turn {
        let running = Running::begin(self.engine(), "turn", Location::caller());
        current::enter(self.engine(), || {
            let _running = running;
            self.engine().turn_once(timeout)
        })
    }

    /// Can be read, as poll(2) and epoll(7) say it, when the next [`turn`](Self::turn) has something to do;
    /// meaningful while the last one has said [`Turn::Idle`]. It may be watched level-triggered or edge-triggered,
    /// and stays the same. Do not read from it.
    ///
    /// # Errors
    ///
    /// `Unsupported` in virtual time, and on systems other than Linux. When there is no descriptor left for it,
    /// the first time.
    pub fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        if let Some(descriptor) = self.own_descriptor().get() {
            return Ok(descriptor.as_fd());
        }
        let descriptor = self.engine().descriptor()?;
        Ok(self.own_descriptor().get_or_init(|| descriptor).as_fd())
    }
}
