//! Connections of Unix sockets.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::AsyncWrite;

use super::super::io::Io;
use super::super::io_traits::{async_read, async_write, descriptor};
use super::{FIRST_RETRY, LAST_RETRY};
use crate::sources::Direction;
use crate::time::sleep;

/// A connection of a Unix socket.
///
/// Reads and writes go through the traits of `futures-io`, on `UnixStream` and on `&UnixStream`, so that
/// one task may read while another writes. Several tasks may wait for the same direction. A read or
/// write that is dropped before it was ready has moved nothing.
///
/// A stream may be sent to another thread, but belongs to the reactor in which it first had to wait.
#[derive(Debug)]
pub struct UnixStream {
    io: Io<mio::net::UnixStream>,
}

async_read!(UnixStream);
descriptor!(UnixStream);

impl UnixStream {
    /// Connects to a path.
    ///
    /// # Errors
    ///
    /// As [`std::os::unix::net::UnixStream::connect`].
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::connect_addr(&SocketAddr::from_pathname(path)?).await
    }

    /// As [`connect`](Self::connect), also to addresses that are no path.
    ///
    /// While the listener's queue is full, the system does not say when there is room again (it says
    /// `EAGAIN`, and no event follows). This tries again after 1, 2, 4, ... 64 milliseconds, without an
    /// end: put a [`timeout`](fn@crate::timeout) around it if nobody may be accepting.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn connect_addr(address: &SocketAddr) -> io::Result<Self> {
        let mut pause = FIRST_RETRY;
        let stream = loop {
            match mio::net::UnixStream::connect_addr(address) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sleep(pause).await;
                    pause = (pause * 2).min(LAST_RETRY);
                }
                result => break Self::new(result?),
            }
        };
        stream.until_connected().await?;
        Ok(stream)
    }

    /// On Linux the connection is there at once; elsewhere it may be on its way.
    async fn until_connected(&self) -> io::Result<()> {
        let mut asked = false;
        while let Err(error) = self.io.socket().peer_addr() {
            if error.kind() != io::ErrorKind::NotConnected {
                return Err(error);
            }
            poll_fn(|cx| self.io.poll_event(cx, Direction::Write, &mut asked)).await?;
            if let Some(error) = self.io.socket().take_error()? {
                return Err(error);
            }
            asked = false;
        }
        Ok(())
    }

    /// Two streams that are connected to each other.
    ///
    /// # Errors
    ///
    /// When there are no descriptors left.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = mio::net::UnixStream::pair()?;
        Ok((Self::new(one), Self::new(other)))
    }

    /// Takes over a connection of the standard library.
    ///
    /// # Errors
    ///
    /// When it cannot be made non-blocking.
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { io: Io::of_others(mio::net::UnixStream::from_std(stream)) })
    }

    /// Gives the connection to the standard library, in blocking mode.
    ///
    /// # Errors
    ///
    /// When the stream waits in another thread's reactor, or its mode cannot be changed.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixStream> {
        let stream = std::os::unix::net::UnixStream::from(self.io.into_inner()?);
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    pub(super) fn new(stream: mio::net::UnixStream) -> Self {
        Self { io: Io::new(stream) }
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

    /// Shuts down one direction or both. A task that waits for it is woken.
    ///
    /// # Errors
    ///
    /// `NotConnected` when the connection is gone.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.socket().shutdown(how)
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

impl AsyncWrite for &UnixStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_write_vectored(cx, buffers)
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

async_write!(UnixStream);
