//! Reading and writing a file on the blocking pool.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::blocking::{Blocking, blocking};
use crate::{current, task};

/// How much is read or written at once at most.
const PIECE: usize = 64 * 1024;

/// A descriptor of a file, used by one call at a time.
pub(super) struct Pooled {
    /// Shared with the call.
    fd: Arc<OwnedFd>,
    state: State,
}

/// | state   | next                                                    |
/// |---------|---------------------------------------------------------|
/// | idle    | reading, when the bytes are used up; writing            |
/// | reading | idle, with what was read; or with nothing, and an error |
/// | writing | idle, with what was there; an error goes to the caller  |
enum State {
    /// Nothing is under way. What was read, and how much of it was handed out.
    Idle(Vec<u8>, usize),
    /// A thread reads.
    Reading(Blocking<io::Result<Vec<u8>>>),
    /// A thread writes.
    Writing(Blocking<io::Result<()>>),
}

const NOTHING: State = State::Idle(Vec::new(), 0);

impl Pooled {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self { fd: Arc::new(fd), state: NOTHING }
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            match &mut self.state {
                State::Idle(bytes, used) if *used < bytes.len() => {
                    let left = &bytes[*used..];
                    let count = left.len().min(buffer.len());
                    buffer[..count].copy_from_slice(&left[..count]);
                    *used += count;
                    return Poll::Ready(Ok(count));
                }
                State::Idle(..) => {
                    let (fd, size) = (Arc::clone(&self.fd), buffer.len().min(PIECE));
                    self.state = State::Reading(blocking(move || read(&fd, size)));
                }
                State::Reading(call) => {
                    let read = ready!(poll(call, cx));
                    self.state = NOTHING;
                    let bytes = read?;
                    if bytes.is_empty() {
                        return Poll::Ready(Ok(0));
                    }
                    self.state = State::Idle(bytes, 0);
                }
                State::Writing(_) => ready!(self.poll_flush(cx))?,
            }
        }
    }

    /// Ready when a thread has the bytes, or is going to.
    pub(super) fn poll_write(
        &mut self,
        cx: &Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        let piece = &buffer[..buffer.len().min(PIECE)];
        if piece.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let (fd, bytes) = (Arc::clone(&self.fd), piece.to_vec());
        let mut call = blocking(move || write(&fd, &bytes));
        // The first poll hands it over.
        match poll(&mut call, cx) {
            Poll::Ready(result) => result?,
            Poll::Pending => self.state = State::Writing(call),
        }
        Poll::Ready(Ok(piece.len()))
    }

    pub(super) fn poll_flush(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if let State::Writing(call) = &mut self.state {
            let written = ready!(poll(call, cx));
            self.state = NOTHING;
            written?;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        // A call that nobody waits for is skipped if it has not started: what was accepted is written.
        if let State::Writing(call) = std::mem::replace(&mut self.state, NOTHING)
            && current::try_engine().is_some()
        {
            task::spawn(call).detach();
        }
    }
}

impl fmt::Debug for Pooled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_busy = !matches!(self.state, State::Idle(..));
        f.debug_struct("Pooled").field("fd", &self.fd).field("is_busy", &is_busy).finish()
    }
}

fn poll<R>(call: &mut Blocking<io::Result<R>>, cx: &Context<'_>) -> Poll<io::Result<R>> {
    let mut cx = Context::from_waker(cx.waker());
    let done = ready!(Pin::new(call).poll(&mut cx));
    Poll::Ready(done.unwrap_or_else(|error| Err(io::Error::other(error))))
}

fn read(fd: &OwnedFd, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    let count = again(|| rustix::io::read(fd, &mut bytes[..]))?;
    bytes.truncate(count);
    Ok(bytes)
}

fn write(fd: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match again(|| rustix::io::write(fd, bytes))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => bytes = &bytes[count..],
        }
    }
    Ok(())
}

/// Calls again what a signal has interrupted.
fn again<R>(mut op: impl FnMut() -> Result<R, rustix::io::Errno>) -> io::Result<R> {
    loop {
        match op() {
            Err(rustix::io::Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}
