//! Datagrams over Unix sockets.

use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::task::Poll;

use super::super::io::Io;
use super::super::io_traits::descriptor;
use super::{FIRST_RETRY, LAST_RETRY};
use crate::current::may_operate;
use crate::sources::Direction;
use crate::time::sleep;

/// A Unix socket for datagrams, which arrive whole and in order or are refused: none is lost on the way.
///
/// A sender waits while the receiver's queue is full. A future that is dropped before it was ready has
/// sent or received nothing.
///
/// A socket may be sent to another thread, but belongs to the reactor in which it first had to wait.
#[derive(Debug)]
pub struct UnixDatagram {
    io: Io<mio::net::UnixDatagram>,
}

descriptor!(UnixDatagram);

impl UnixDatagram {
    /// Makes a socket file. Dropping the socket leaves it in place.
    ///
    /// # Errors
    ///
    /// As [`std::os::unix::net::UnixDatagram::bind`].
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self { io: Io::new(mio::net::UnixDatagram::bind(path)?) })
    }

    /// A socket without an address: nobody can send to it.
    ///
    /// # Errors
    ///
    /// When there are no descriptors left.
    pub fn unbound() -> io::Result<Self> {
        Ok(Self { io: Io::new(mio::net::UnixDatagram::unbound()?) })
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// When there are no descriptors left.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = mio::net::UnixDatagram::pair()?;
        Ok((Self { io: Io::new(one) }, Self { io: Io::new(other) }))
    }

    /// Takes over a socket of the standard library.
    ///
    /// # Errors
    ///
    /// When it cannot be made non-blocking.
    pub fn from_std(socket: std::os::unix::net::UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { io: Io::of_others(mio::net::UnixDatagram::from_std(socket)) })
    }

    /// Gives the socket to the standard library, in blocking mode.
    ///
    /// # Errors
    ///
    /// When the socket waits in another thread's reactor, or its mode cannot be changed.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixDatagram> {
        let socket = std::os::unix::net::UnixDatagram::from(self.io.into_inner()?);
        socket.set_nonblocking(false)?;
        Ok(socket)
    }

    /// Sets where [`send`](Self::send) sends to, and receives from there only.
    ///
    /// # Errors
    ///
    /// When nobody is there, or the system refuses.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.io.socket().connect(path)
    }

    /// Sends a datagram to a path.
    ///
    /// The system does not say when there is room in the queue of a receiver to which this socket is not
    /// [connected](Self::connect). While it is full, this tries again after 1, 2, 4, ... 64 milliseconds;
    /// connect first if the receiver may be slow.
    ///
    /// # Errors
    ///
    /// When nobody is there, the datagram is too large, or the system refuses.
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn send_to(&self, datagram: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        let mut pause = FIRST_RETRY;
        loop {
            poll_fn(|cx| if may_operate(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
            match self.io.try_io(|socket| socket.send_to(datagram, path)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sleep(pause).await;
                    pause = (pause * 2).min(LAST_RETRY);
                }
                result => return result,
            }
        }
    }

    /// Receives a datagram; gives its length and sender.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        poll_fn(|cx| self.io.poll_io(cx, Direction::Read, |socket| socket.recv_from(buffer))).await
    }

    /// Sends a datagram to where the socket is connected to.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to); when the socket is not connected, or the peer is gone.
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.io.poll_io(cx, Direction::Write, |socket| socket.send(datagram))).await
    }

    /// Receives a datagram.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.io.poll_io(cx, Direction::Read, |socket| socket.recv(buffer))).await
    }

    /// Sends a datagram to the connected peer if there is room for it, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; else as [`send`](Self::send).
    pub fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.io.try_io(|socket| socket.send(datagram))
    }

    /// Receives a datagram that is there, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; else as [`recv`](Self::recv).
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.try_io(|socket| socket.recv(buffer))
    }

    /// Address the socket is bound to.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.socket().local_addr()
    }

    /// Address the socket is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected` when it is not.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.socket().peer_addr()
    }

    /// Shuts down one direction or both. A task that waits for it is woken.
    ///
    /// # Errors
    ///
    /// `NotConnected` when it is not connected.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.socket().shutdown(how)
    }
}
