//! Accepting TCP connections.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use super::TcpStream;
use super::io::Io;
use super::io_traits::descriptor;
use super::reaction::Reaction;
use super::reserve::Reserve;
use crate::sources::Direction;

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
    /// For when there are no descriptors.
    reserve: Reserve,
}

descriptor!(TcpListener);

impl TcpListener {
    /// Binds an address and listens. Port 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// As [`std::net::TcpListener::bind`].
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::of(mio::net::TcpListener::bind(address)?, Io::new)
    }

    /// Takes over a listener of the standard library.
    ///
    /// # Errors
    ///
    /// When it cannot be made non-blocking, or there is no descriptor left for the reserve.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Self::of(mio::net::TcpListener::from_std(listener), Io::of_others)
    }

    fn of(
        listener: mio::net::TcpListener,
        io: fn(mio::net::TcpListener) -> Io<mio::net::TcpListener>,
    ) -> io::Result<Self> {
        let reserve = Reserve::of(listener.as_fd())?;
        Ok(Self { io: io(listener), reserve })
    }

    /// Waits for a connection. Several tasks may accept from the same listener. A future that is dropped
    /// has accepted nothing: no connection is lost.
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

    /// Accepts a connection that waits, without waiting for one. Works outside a reactor, too.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; else as [`accept`](Self::accept), without the care for what
    /// has run out.
    pub fn try_accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.io.try_io(mio::net::TcpListener::accept)?;
        Ok((TcpStream::new(stream), peer))
    }

    /// Gives the listener to the standard library, in blocking mode.
    ///
    /// # Errors
    ///
    /// When the listener waits in another thread's reactor, or its mode cannot be changed.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        let listener = std::net::TcpListener::from(self.io.into_inner()?);
        listener.set_nonblocking(false)?;
        Ok(listener)
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
