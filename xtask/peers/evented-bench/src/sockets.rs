//! Sockets, as each loop has them.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    os::unix::net::UnixStream,
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_io::Async;
use futures_lite::{AsyncRead, AsyncWrite};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::loops::{Loop, Ours, Smol, Tokio, TokioLocal};

/// Descriptors that are not those of connections, at most.
const OTHER_DESCRIPTORS: u64 = 200;

/// A loop with sockets.
pub(crate) trait Sockets: Loop {
    /// A socket of this loop.
    type Stream: Send + 'static;

    /// Takes over a socket that does not block, on the loop that runs.
    fn stream(socket: UnixStream) -> Self::Stream;

    /// Reads.
    fn poll_read(
        stream: &mut Self::Stream,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>>;

    /// Writes.
    fn poll_write(
        stream: &mut Self::Stream,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>>;
}

/// Reads something; `Ok(0)`: there is no more.
pub(crate) async fn read<L: Sockets>(
    stream: &mut L::Stream,
    buffer: &mut [u8],
) -> io::Result<usize> {
    poll_fn(|cx| L::poll_read(stream, cx, buffer)).await
}

/// Writes all of it.
pub(crate) async fn write_all<L: Sockets>(
    stream: &mut L::Stream,
    mut bytes: &[u8],
) -> io::Result<()> {
    poll_fn(|cx| {
        while !bytes.is_empty() {
            let written = ready!(L::poll_write(stream, cx, bytes))?;
            bytes = &bytes[written..];
        }
        Poll::Ready(Ok(()))
    })
    .await
}

/// Connected sockets that do not block.
pub(crate) type Pair = (UnixStream, UnixStream);

/// So many pairs.
pub(crate) fn pairs(count: u64) -> Vec<Pair> {
    raise_limit();
    let pair = |_| {
        let (near, far) = UnixStream::pair().expect("descriptors are left");
        near.set_nonblocking(true).expect("a socket has that mode");
        far.set_nonblocking(true).expect("a socket has that mode");
        (near, far)
    };
    (0..count).map(pair).collect()
}

thread_local! {
    /// Pairs that are used again and again.
    static LASTING: RefCell<Vec<Pair>> = const { RefCell::new(Vec::new()) };
}

/// Descriptors of so many pairs, always the same ones in a process: where the system has put them is the
/// same for all who take turns with them. Who gets them leaves nothing in them.
pub(crate) fn lasting_pairs(count: u64) -> Vec<Pair> {
    let count = usize::try_from(count).expect("they are descriptors");
    LASTING.with_borrow_mut(|lasting| {
        let missing = count.saturating_sub(lasting.len());
        lasting.append(&mut pairs(missing as u64));
        let again = |socket: &UnixStream| socket.try_clone().expect("descriptors are left");
        lasting[..count].iter().map(|(near, far)| (again(near), again(far))).collect()
    })
}

/// How many pairs there may be, at most `wanted`.
pub(crate) fn most_pairs(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    wanted.min(limit.saturating_sub(OTHER_DESCRIPTORS) / 2)
}

/// Allows as many descriptors as this process may have.
fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("a process may use what it is allowed");
}

impl<const RECORDED: bool> Sockets for Ours<RECORDED> {
    type Stream = evented::net::TcpStream;

    fn stream(socket: UnixStream) -> Self::Stream {
        // The type calls nothing on it that only TCP has. That of Unix sockets reads once more than it
        // has to, because a peer may pass descriptors and split what it sends; the type of tokio does
        // not.
        let socket = std::net::TcpStream::from(std::os::fd::OwnedFd::from(socket));
        evented::net::TcpStream::from_std(socket).expect("it takes the mode")
    }

    fn poll_read(
        stream: &mut Self::Stream,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(stream).poll_read(cx, buffer)
    }

    fn poll_write(
        stream: &mut Self::Stream,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(stream).poll_write(cx, bytes)
    }
}

/// Reads with tokio's trait.
fn tokio_read(
    stream: &mut tokio::net::UnixStream,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = tokio::io::ReadBuf::new(buffer);
    ready!(tokio::io::AsyncRead::poll_read(Pin::new(stream), cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

/// Writes with tokio's trait.
fn tokio_write(
    stream: &mut tokio::net::UnixStream,
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    tokio::io::AsyncWrite::poll_write(Pin::new(stream), cx, bytes)
}

impl Sockets for Tokio {
    type Stream = tokio::net::UnixStream;

    fn stream(socket: UnixStream) -> Self::Stream {
        tokio::net::UnixStream::from_std(socket).expect("a loop runs")
    }

    fn poll_read(
        stream: &mut Self::Stream,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        tokio_read(stream, cx, buffer)
    }

    fn poll_write(
        stream: &mut Self::Stream,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        tokio_write(stream, cx, bytes)
    }
}

impl Sockets for TokioLocal {
    type Stream = tokio::net::UnixStream;

    fn stream(socket: UnixStream) -> Self::Stream {
        tokio::net::UnixStream::from_std(socket).expect("a loop runs")
    }

    fn poll_read(
        stream: &mut Self::Stream,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        tokio_read(stream, cx, buffer)
    }

    fn poll_write(
        stream: &mut Self::Stream,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        tokio_write(stream, cx, bytes)
    }
}

impl Sockets for Smol {
    type Stream = Async<UnixStream>;

    fn stream(socket: UnixStream) -> Self::Stream {
        Async::new_nonblocking(socket).expect("its reactor has descriptors left")
    }

    fn poll_read(
        stream: &mut Self::Stream,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(stream).poll_read(cx, buffer)
    }

    fn poll_write(
        stream: &mut Self::Stream,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(stream).poll_write(cx, bytes)
    }
}
