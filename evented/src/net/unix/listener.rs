//! Accepting connections of Unix sockets.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::task::{Context, Poll, ready};

use super::super::io::Io;
use super::super::io_traits::descriptor;
use super::super::reaction::Reaction;
use super::super::reserve::Reserve;
use super::UnixStream;
use crate::sources::Direction;

/// A Unix socket that accepts connections.
///
/// Dropping it leaves its file in place: remove it before you bind the same path again.
///
/// When the process runs out of descriptors, it behaves as a [`TcpListener`](super::super::TcpListener):
/// one connection is closed for each error.
#[derive(Debug)]
pub struct UnixListener {
    io: Io<mio::net::UnixListener>,
    /// For when there are no descriptors.
    reserve: Reserve,
}

descriptor!(UnixListener);

impl UnixListener {
    /// Makes a socket file and listens.
    ///
    /// # Errors
    ///
    /// As [`std::os::unix::net::UnixListener::bind`]: `AddrInUse` if the path exists, whoever made it.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::of(mio::net::UnixListener::bind(path)?, Io::new)
    }

    /// As [`bind`](Self::bind), also for addresses that are no path.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::of(mio::net::UnixListener::bind_addr(address)?, Io::new)
    }

    /// Takes over a listener of the standard library.
    ///
    /// # Errors
    ///
    /// When it cannot be made non-blocking, or there is no descriptor left for the reserve.
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Self::of(mio::net::UnixListener::from_std(listener), Io::of_others)
    }

    /// Gives the listener to the standard library, in blocking mode.
    ///
    /// # Errors
    ///
    /// When the listener waits in another thread's reactor, or its mode cannot be changed.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixListener> {
        let listener = std::os::unix::net::UnixListener::from(self.io.into_inner()?);
        listener.set_nonblocking(false)?;
        Ok(listener)
    }

    fn of(
        listener: mio::net::UnixListener,
        io: fn(mio::net::UnixListener) -> Io<mio::net::UnixListener>,
    ) -> io::Result<Self> {
        let reserve = Reserve::of(listener.as_fd())?;
        Ok(Self { io: io(listener), reserve })
    }

    /// Waits for a connection. Several tasks may accept from the same listener. A future that is dropped
    /// has accepted nothing.
    ///
    /// # Errors
    ///
    /// As [`TcpListener::accept`](super::super::TcpListener::accept).
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        loop {
            let result = poll_fn(|cx| self.poll_accept(cx)).await;
            let Err(error) = &result else { return result };
            let accept_one = || self.io.socket().accept();
            if !self.reserve.relieve(error, self.as_fd(), accept_one).await {
                return result;
            }
        }
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
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        loop {
            // Each try costs an operation, so a flood of lost connections does not keep the loop.
            match ready!(self.io.poll_io(cx, Direction::Read, mio::net::UnixListener::accept)) {
                Err(error) if Reaction::to(&error) == Reaction::Retry => {}
                result => {
                    return Poll::Ready(
                        result.map(|(stream, peer)| (UnixStream::new(stream), peer)),
                    );
                }
            }
        }
    }

    /// Accepts a connection that waits, without waiting for one. Works outside a reactor, too.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; else as [`accept`](Self::accept), without the care for what
    /// has run out.
    pub fn try_accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, peer) = self.io.try_io(mio::net::UnixListener::accept)?;
        Ok((UnixStream::new(stream), peer))
    }

    /// Address the listener is bound to.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.socket().local_addr()
    }
}
