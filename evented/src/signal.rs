//! Signals of the process, as something to wait for.
//!
//! Each [`Signal`] has a pipe of its own, into which a handler writes a byte; so there may be several
//! for the same signal, in several reactors and threads, and each hears of it. What comes between two
//! waits stays in the pipe.
//!
//! **Signals coalesce**, as everywhere: the kernel keeps one of a kind while it is not delivered, and
//! [`Signal::recv`] gives one for all that have come since the last time. It says that there was one, not
//! how many.
//!
//! The other way, a `signalfd`, is not taken on purpose. It needs the signal blocked in all threads, and
//! the mask of blocked signals is inherited by child processes, in which Ctrl-C would then do nothing. A
//! handler is reset by `exec`, so children find the signals as they should be.
//!
//! **The default action is gone for good** once there was a `Signal` of a kind, also after it was
//! dropped: a program that waits for Ctrl-C once is not ended by the next one.
//!
//! ```no_run
//! use evented::signal::{Kind, Signal};
//!
//! # evented::block_on(async {
//! let mut reload = Signal::new(Kind::HANGUP)?;
//! loop {
//!     reload.recv().await?;
//!     println!("somebody has changed the configuration");
//! }
//! # #[expect(unreachable_code)] Ok::<(), std::io::Error>(())
//! # }).unwrap();
//! ```

use std::fmt;
use std::future::poll_fn;
use std::io::{self, Read};
use std::task::{Context, Poll, ready};

use signal_hook::SigId;
use signal_hook::consts::{
    FORBIDDEN, SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
    SIGWINCH,
};
use signal_hook::low_level::{pipe, signal_name, unregister};

use crate::net::io::Io;
use crate::record::{WaitsFor, waits_for};
use crate::sources::Direction;

/// A kind of signal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(i32);

impl Kind {
    /// `SIGINT`: Ctrl-C.
    pub const INTERRUPT: Self = Self(SIGINT);
    /// `SIGTERM`: somebody asks the process to end.
    pub const TERMINATE: Self = Self(SIGTERM);
    /// `SIGHUP`: the terminal is gone; by custom, for services, a request to read the configuration.
    pub const HANGUP: Self = Self(SIGHUP);
    /// `SIGQUIT`: Ctrl-\.
    pub const QUIT: Self = Self(SIGQUIT);
    /// `SIGUSR1`.
    pub const USER1: Self = Self(SIGUSR1);
    /// `SIGUSR2`.
    pub const USER2: Self = Self(SIGUSR2);
    /// `SIGALRM`: a timer of the process.
    pub const ALARM: Self = Self(SIGALRM);
    /// `SIGCHLD`: a child process has changed its state. [`process`](crate::process) does not need it.
    pub const CHILD: Self = Self(SIGCHLD);
    /// `SIGPIPE`: written to a pipe that nobody reads.
    pub const PIPE: Self = Self(SIGPIPE);
    /// `SIGWINCH`: the terminal has another size.
    pub const WINDOW_CHANGE: Self = Self(SIGWINCH);

    /// The kind with this number. Whether there is one shows when it is used.
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match signal_name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

/// The signals of one kind, from the moment on when this was made.
///
/// It may be sent to another thread, but belongs to the reactor in which it first had to wait, for as long
/// as that one lives. Once it is gone, this may wait in another one, and has missed nothing.
pub struct Signal {
    kind: Kind,
    /// The handler writes a byte into the other end of the pipe for each signal, unless it is full.
    io: Io<mio::unix::pipe::Receiver>,
    /// The registration, which has the other end.
    id: SigId,
}

impl Signal {
    /// Listens from here on.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a signal that cannot be caught or must not be (`SIGKILL`, `SIGSTOP`, `SIGSEGV`,
    /// `SIGILL`, `SIGFPE`), and for a number that is none. When there are no descriptors left.
    pub fn new(kind: Kind) -> io::Result<Self> {
        if FORBIDDEN.contains(&kind.0) {
            let text = format!("{kind:?} cannot be waited for");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (sender, receiver) = mio::unix::pipe::new()?;
        let id = pipe::register(kind.0, sender)?;
        Ok(Self { kind, io: Io::new(receiver), id })
    }

    /// What it listens for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Waits until at least one has come since the last time. A future that is dropped has taken none.
    ///
    /// # Errors
    ///
    /// When it waits in another reactor already, and that is alive.
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn recv(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv), for futures written by hand, and for streams:
    /// `futures::stream::poll_fn(|cx| signal.poll_recv(cx).map(Some))`.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.leave_gone_reactor();
        let polled = self.io.poll_io(cx, Direction::Read, take_one);
        if polled.is_pending() {
            waits_for(WaitsFor::Signal(self.kind.as_raw().cast_unsigned()));
        }
        ready!(polled)?;
        self.take_rest();
        Poll::Ready(Ok(()))
    }

    /// Whether at least one has come since the last time. Works outside a reactor, too.
    pub fn try_recv(&mut self) -> bool {
        let came = self.io.try_io(take_one).is_ok();
        if came {
            self.take_rest();
        }
        came
    }

    /// Those that have come up to here are told as one.
    fn take_rest(&self) {
        while self.io.try_io(take_one).is_ok() {}
    }
}

/// Takes signals out of the pipe; `WouldBlock` if there is none.
fn take_one(mut pipe: &mio::unix::pipe::Receiver) -> io::Result<()> {
    // The registration keeps the other end open, so the pipe has no end.
    pipe.read(&mut [0; 64]).map(drop)
}

impl Drop for Signal {
    fn drop(&mut self) {
        // The handler is not writing any more when this returns, and the other end is closed.
        unregister(self.id);
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Waits for Ctrl-C or a request to end: [`Kind::INTERRUPT`] or [`Kind::TERMINATE`], and tells which.
/// Only those that come from the first poll on count.
///
/// # Errors
///
/// As [`Signal::new`].
///
/// # Panics
///
/// Outside a reactor.
pub async fn end_requested() -> io::Result<Kind> {
    let (mut interrupt, mut terminate) =
        (Signal::new(Kind::INTERRUPT)?, Signal::new(Kind::TERMINATE)?);
    poll_fn(|cx| {
        for signal in [&mut interrupt, &mut terminate] {
            if let Poll::Ready(result) = signal.poll_recv(cx) {
                return Poll::Ready(result.map(|()| signal.kind));
            }
        }
        Poll::Pending
    })
    .await
}
