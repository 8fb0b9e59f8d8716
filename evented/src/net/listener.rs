//! Accepting TCP connections.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::TcpStream;
use super::io::Io;
use super::reaction::Reaction;
use crate::sources::Direction;
use crate::time::sleep;

/// How long `accept` waits when nothing it could do would help: there is no memory, or no descriptor,
/// not even the reserved one.
const PAUSE: Duration = Duration::from_millis(50);

/// A TCP socket that accepts connections.
///
/// When the process runs out of descriptors, connections wait in the kernel, and a loop that accepts
/// would spin. The listener therefore keeps one descriptor in reserve: [`accept`](Self::accept) then
/// takes one connection, closes it at once, and returns the error, so the caller sees each connection
/// that was turned away and the peer sees the end of the stream instead of silence. When the system
/// runs out of memory, `accept` waits 50 ms before it returns the error.
#[derive(Debug)]
pub struct TcpListener {
    io: Io<mio::net::TcpListener>,
    /// A copy of the listener's own descriptor. None: it was used and could not be replaced yet.
    reserve: Mutex<Option<OwnedFd>>,
}

impl TcpListener {
    /// Binds an address and listens. Port 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// As [`std::net::TcpListener::bind`].
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::new(mio::net::TcpListener::bind(address)?)
    }

    /// Takes over a listener of the standard library.
    ///
    /// # Errors
    ///
    /// When it cannot be made non-blocking, or there is no descriptor left for the reserve.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Self::new(mio::net::TcpListener::from_std(listener))
    }

    fn new(listener: mio::net::TcpListener) -> io::Result<Self> {
        let reserve = Mutex::new(Some(listener.as_fd().try_clone_to_owned()?));
        Ok(Self { io: Io::new(listener), reserve })
    }

    /// Waits for a connection. Several tasks may accept from the same listener.
    ///
    /// # Errors
    ///
    /// When there are no descriptors left (`EMFILE`, `ENFILE`; one connection was turned away) and when
    /// there is no memory for a connection (`ENOBUFS`, `ENOMEM`; it waits in the kernel). The listener
    /// stays usable after these, and a loop that goes on does not spin. All other errors mean that the
    /// socket cannot accept. A connection that was lost while it waited is no error: the next one is
    /// taken.
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let result = poll_fn(|cx| self.poll_accept(cx)).await;
        if let Err(error) = &result {
            let helpless = match Reaction::to(error) {
                Reaction::TurnAway => !self.turn_one_away(),
                Reaction::Pause => true,
                Reaction::Retry | Reaction::Report => false,
            };
            if helpless {
                sleep(PAUSE).await;
            }
        }
        result
    }

    /// As [`accept`](Self::accept) for futures written by hand, without the care for what has run out:
    /// a loop that goes on after such an error spins.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        loop {
            // Each try costs an operation, so a flood of lost connections does not keep the loop.
            match ready!(self.io.poll_io(cx, Direction::Read, mio::net::TcpListener::accept)) {
                Err(error) if Reaction::to(&error) == Reaction::Retry => {}
                result => {
                    return Poll::Ready(
                        result.map(|(stream, peer)| (TcpStream::new(stream), peer)),
                    );
                }
            }
        }
    }

    /// Address the listener is bound to.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.socket().local_addr()
    }

    /// Gives up the reserve, accepts one connection, closes it and takes a reserve again. False if
    /// there was no reserve or no connection came out.
    fn turn_one_away(&self) -> bool {
        let mut reserve = self.reserve.lock().unwrap_or_else(PoisonError::into_inner);
        let had_one = reserve.take().is_some();
        let accepted = self.io.socket().accept();
        let turned_away = accepted.is_ok();
        drop(accepted);
        *reserve = self.as_fd().try_clone_to_owned().ok();
        had_one && turned_away
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.io.socket().as_raw_fd()
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.socket().as_fd()
    }
}
