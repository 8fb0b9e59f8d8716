//! Pipes.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::AsyncWrite;

use super::io::Io;
use super::io_traits::{async_read, descriptor};

/// A pipe: what is written to one end is read at the other.
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// # evented::block_on(async {
/// let (mut reader, mut writer) = evented::net::pipe()?;
/// writer.write_all(b"through a pipe").await?;
/// drop(writer);
/// let mut text = String::new();
/// reader.read_to_string(&mut text).await?;
/// assert_eq!(text, "through a pipe");
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
///
/// When there are no descriptors left.
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (sender, receiver) = mio::unix::pipe::new()?;
    Ok((PipeReader { io: Io::new(receiver) }, PipeWriter { io: Some(Io::new(sender)) }))
}

/// The end of a pipe that is read. The end of the data comes when the last writer is gone.
///
/// A read that is dropped before it was ready has taken nothing out. It may be sent to another thread,
/// but belongs to the reactor in which it first had to wait.
#[derive(Debug)]
pub struct PipeReader {
    io: Io<mio::unix::pipe::Receiver>,
}

async_read!(PipeReader);
descriptor!(PipeReader);

impl PipeReader {
    /// Takes over the read end of a pipe or named pipe.
    ///
    /// **It is made non-blocking for everybody who shares the open file**, duplicates and other processes
    /// included. Use [`Watch`](super::Watch) where that must not happen.
    ///
    /// # Errors
    ///
    /// When it cannot be made non-blocking.
    pub fn from_fd(fd: impl Into<OwnedFd>) -> io::Result<Self> {
        let receiver = mio::unix::pipe::Receiver::from(fd.into());
        receiver.set_nonblocking(true)?;
        Ok(Self { io: Io::of_others(receiver) })
    }

    /// Gives the descriptor away in blocking mode, to be the input of a child for example.
    ///
    /// # Errors
    ///
    /// When it waits in another thread's reactor, or its mode cannot be changed.
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        let receiver = self.io.into_inner()?;
        receiver.set_nonblocking(false)?;
        Ok(receiver.into())
    }

    /// Reads what is there, without waiting for more. Works outside a reactor, too.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is nothing; else as reading.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.try_io(|mut pipe| pipe.read(buffer))
    }
}

/// The end of a pipe that is written. Writing is an error (`BrokenPipe`) once nobody reads; a program
/// that has changed what Rust programs do about `SIGPIPE`, which is nothing, is ended by it.
///
/// A write that is dropped before it was ready has written nothing. [Closing](AsyncWrite::poll_close)
/// closes the descriptor. It may be sent to another thread, but belongs to the reactor in which it first
/// had to wait.
#[derive(Debug)]
pub struct PipeWriter {
    /// None once it was closed.
    io: Option<Io<mio::unix::pipe::Sender>>,
}

impl PipeWriter {
    /// Takes over the write end of a pipe or named pipe.
    ///
    /// **It is made non-blocking for everybody who shares the open file**, duplicates and other processes
    /// included. Use [`Watch`](super::Watch) where that must not happen.
    ///
    /// # Errors
    ///
    /// When it cannot be made non-blocking.
    pub fn from_fd(fd: impl Into<OwnedFd>) -> io::Result<Self> {
        let sender = mio::unix::pipe::Sender::from(fd.into());
        sender.set_nonblocking(true)?;
        Ok(Self { io: Some(Io::of_others(sender)) })
    }

    /// Gives the descriptor away in blocking mode, to be the output of a child for example.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when it was closed. When it waits in another thread's reactor, or its mode cannot be
    /// changed.
    pub fn into_blocking_fd(mut self) -> io::Result<OwnedFd> {
        let sender = self.io.take().ok_or_else(closed)?.into_inner()?;
        sender.set_nonblocking(false)?;
        Ok(sender.into())
    }

    /// Writes what there is room for, without waiting for more. Works outside a reactor, too.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is none; else as writing.
    pub fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.io()?.try_io(|mut pipe| pipe.write(buffer))
    }

    fn io(&self) -> io::Result<&Io<mio::unix::pipe::Sender>> {
        self.io.as_ref().ok_or_else(closed)
    }
}

impl AsyncWrite for PipeWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io()?.poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io()?.poll_write_vectored(cx, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The kernel has every byte that was written.
        Poll::Ready(Ok(()))
    }

    /// Closes the descriptor: the reader reads the end of the data, unless others write, too. Harmless
    /// when repeated; writing afterwards is an error.
    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        drop(self.io.take());
        Poll::Ready(Ok(()))
    }
}

/// # Panics
///
/// When it was closed: there is no descriptor any more.
impl AsRawFd for PipeWriter {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// # Panics
///
/// When it was closed: there is no descriptor any more.
impl AsFd for PipeWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_ref().expect("a pipe that was closed has no descriptor").socket().as_fd()
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "this end of the pipe was closed")
}
