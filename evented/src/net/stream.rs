//! TCP connections.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::calls;
use super::connect;
use super::io::Io;
use super::io_traits::{async_write, descriptor};
use crate::sources::Direction;

/// A TCP connection.
///
/// Reads and writes go through the traits of `futures-io`, on `TcpStream` and on `&TcpStream`, so that
/// one task may read while another writes. Several tasks may wait for the same direction: an event
/// wakes all of them. A read or write that is dropped before it was ready has moved nothing; methods that
/// move more than one piece, such as `read_exact` and `write_all`, lose count of what they moved.
///
/// A stream may be sent to another thread, but belongs to the reactor in which it first had to wait.
#[derive(Debug)]
pub struct TcpStream {
    io: Io<std::net::TcpStream>,
}

descriptor!(TcpStream);

impl TcpStream {
    /// Connects to an address.
    ///
    /// # Errors
    ///
    /// As [`std::net::TcpStream::connect`].
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        connect::to_address(address).await
    }

    /// Looks up `host:port` on a thread of the blocking pool and connects to whichever address answers
    /// first, see [`connect_happy`](super::connect_happy).
    ///
    /// # Errors
    ///
    /// Those of the look-up; `NotFound` when the host has no address; then those of
    /// [`connect_happy`](super::connect_happy).
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn connect_host(host_and_port: impl Into<String>) -> io::Result<Self> {
        connect::to_host(host_and_port.into()).await
    }

    /// Takes over a connection of the standard library.
    ///
    /// # Errors
    ///
    /// When it cannot be made non-blocking.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { io: Io::of_others(stream) })
    }

    /// Gives the connection to the standard library, in blocking mode.
    ///
    /// # Errors
    ///
    /// When the stream waits in another thread's reactor, or its mode cannot be changed.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        let stream = self.io.into_inner()?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    pub(super) fn new(stream: mio::net::TcpStream) -> Self {
        Self { io: Io::new(stream.into()) }
    }

    pub(super) fn io(&self) -> &Io<std::net::TcpStream> {
        &self.io
    }

    /// Address of the other end.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.socket().peer_addr()
    }

    /// Address of this end.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.socket().local_addr()
    }

    /// Sends small writes at once instead of collecting them.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io.socket().set_nodelay(nodelay)
    }

    /// Whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.socket().nodelay()
    }

    /// Shuts down one direction or both. A task that waits for it is woken.
    ///
    /// # Errors
    ///
    /// `NotConnected` when the connection is gone.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.socket().shutdown(how)
    }

    /// Reads without taking the bytes out.
    ///
    /// # Errors
    ///
    /// As reading.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        std::future::poll_fn(|cx| {
            self.io.poll_io(cx, Direction::Read, |socket| socket.peek(buffer))
        })
        .await
    }

    /// Reads what is there, without waiting for more. Works outside a reactor, too.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is nothing; else as reading.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.try_io(|mut socket| socket.read(buffer))
    }

    /// Writes what there is room for, without waiting for more. Works outside a reactor, too.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; else as writing.
    pub fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.io.try_io(|mut socket| socket.write(buffer))
    }
}

impl AsyncRead for &TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let asked = buffer.len();
        let read = |socket: &std::net::TcpStream| calls::receive(socket, buffer);
        self.io.poll_draining(cx, Direction::Read, read, |read| (1..asked).contains(read))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let asked = buffers.iter().map(|buffer| buffer.len()).sum();
        let read = |mut socket: &std::net::TcpStream| socket.read_vectored(buffers);
        self.io.poll_draining(cx, Direction::Read, read, |read| (1..asked).contains(read))
    }
}

impl AsyncWrite for &TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_io(cx, Direction::Write, |socket| calls::send(socket, buffer))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_io(cx, Direction::Write, |mut socket| socket.write_vectored(buffers))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The kernel has every byte that was written.
        Poll::Ready(Ok(()))
    }

    /// Shuts down writing; the other end reads the end of the stream. Harmless when repeated or when
    /// the connection is gone.
    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.shutdown(Shutdown::Write) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read(cx, buffer)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read_vectored(cx, buffers)
    }
}

async_write!(TcpStream);
