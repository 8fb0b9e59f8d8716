//! [`Io`] for lanes whose workers wait by blocking.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    ops::Range,
    path::Path,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_io::{AsyncRead, AsyncWrite};

use crate::Io;

/// Runs a job body whose [`Io`] blocks, to its end, on this thread.
///
/// # Panics
/// If the future suspends: its `Io` was not a blocking one.
pub fn drive<F: Future>(body: F) -> F::Output {
    match pin!(body).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a body suspended in a lane that blocks"),
    }
}

/// What surrounds each blocking call and each end of a slice; a lane that models an interpreter
/// lock gives it up here.
pub trait Around {
    /// Runs `blocking`, a call that waits for something other than the processor.
    fn blocking<T>(&self, blocking: impl FnOnce() -> T) -> T;

    /// The end of a slice of computing.
    fn slice_end(&self);
}

/// Nothing surrounds anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Around for Plain {
    fn blocking<T>(&self, blocking: impl FnOnce() -> T) -> T {
        blocking()
    }

    fn slice_end(&self) {}
}

/// [`Io`] that waits by blocking the calling thread: its futures never suspend.
#[derive(Clone, Debug, Default)]
pub struct BlockingIo<A = Plain> {
    /// Surrounds every call that blocks.
    around: A,
}

impl<A> BlockingIo<A> {
    /// Blocks within `around`.
    pub const fn new(around: A) -> Self {
        Self { around }
    }
}

impl<A: Around + Clone + Unpin> Io for BlockingIo<A> {
    type Stream = BlockingStream<A>;

    #[expect(clippy::disallowed_methods, reason = "waiting is the work")]
    async fn wait(&self, duration: Duration) {
        self.around.blocking(|| std::thread::sleep(duration));
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Self::Stream> {
        let tcp = self.around.blocking(|| TcpStream::connect(to))?;
        Ok(BlockingStream { tcp, around: self.around.clone() })
    }

    async fn read_file(&self, path: &Path, range: Option<Range<u64>>) -> io::Result<Vec<u8>> {
        self.around.blocking(|| read_file(path, range))
    }

    async fn yield_now(&self) {
        self.around.slice_end();
    }
}

/// Reads `range` of the file at `path`, all of it without one.
///
/// # Errors
/// Those of `open(2)` and `read(2)`.
pub fn read_file(path: &Path, range: Option<Range<u64>>) -> io::Result<Vec<u8>> {
    let Some(range) = range else { return std::fs::read(path) };
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(range.start))?;
    let length = range.end.saturating_sub(range.start);
    let mut bytes = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A TCP connection whose reads and writes block until they are done.
#[derive(Debug)]
pub struct BlockingStream<A> {
    /// The connection.
    tcp: TcpStream,
    /// Surrounds every call that blocks.
    around: A,
}

impl<A: Around + Unpin> AsyncRead for BlockingStream<A> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.around.blocking(|| (&self.tcp).read(buffer)))
    }
}

impl<A: Around + Unpin> AsyncWrite for BlockingStream<A> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.around.blocking(|| (&self.tcp).write(bytes)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.tcp.shutdown(Shutdown::Write))
    }
}
