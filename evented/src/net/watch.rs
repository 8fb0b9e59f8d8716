//! Waiting for any descriptor.

use std::cell::OnceCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;
use std::task::{Context, Poll};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::io::Io;
use crate::current;
use crate::engine::Engine;
use crate::sources::Direction;

/// Waits for the readiness of a descriptor of any kind: a device, an eventfd, a socket of another library.
///
/// Nothing is changed about the descriptor. One in blocking mode stays so, also for those who share it:
/// then the system is asked right before each call whether it would block. That is no promise. A reader
/// in another process may be faster, and a large write blocks until all of it is written; write at most
/// `PIPE_BUF` (4,096) bytes to a pipe.
///
/// Readiness is cached, and edges are what the system reports, but neither can be got wrong:
/// [`readable`](Self::readable) and [`writable`](Self::writable) ask the system before they return, so
/// it does not matter who has read how much in between.
///
/// ```
/// use std::io::Read;
/// use evented::net::Watch;
///
/// # evented::block_on(async {
/// let (reader, mut writer) = std::io::pipe()?;
/// let watch = Watch::new(reader)?;
/// std::io::Write::write_all(&mut writer, b"x")?;
/// let mut byte = [0];
/// let read = watch.read_with(|mut pipe| pipe.read(&mut byte)).await?;
/// assert_eq!((read, byte), (1, *b"x"));
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
///
/// It stays on its thread, and belongs to the reactor in which it first had to wait. Dropping it takes
/// the descriptor out of the poll set before it drops the value, so a descriptor that is open elsewhere
/// as well leaves nothing behind.
pub struct Watch<T: AsFd> {
    io: Io<Fd<T>>,
    /// Whose poll set it is in. Kept so that it can leave, whichever reactor runs then.
    engine: OnceCell<Rc<Engine>>,
    /// The descriptor is in blocking mode: each call is preceded by a look.
    blocks: bool,
}

/// Gives the number of a descriptor.
struct Fd<T>(T);

impl<T: AsFd> AsRawFd for Fd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl<T: AsFd> Watch<T> {
    /// Watches a descriptor, which must stay the same as long as the value exists.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a regular file or directory: the system takes them for ready always, although
    /// reading them may block; read and write them inside [`blocking`](fn@crate::blocking). When the
    /// descriptor is closed.
    pub fn new(value: T) -> io::Result<Self> {
        let fd = value.as_fd();
        let kind = FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode);
        if matches!(kind, FileType::RegularFile | FileType::Directory) {
            return Err(refused(kind));
        }
        let blocks = !rustix::fs::fcntl_getfl(fd)?.contains(OFlags::NONBLOCK);
        Ok(Self { io: Io::new(Fd(value)), engine: OnceCell::new(), blocks })
    }

    /// The value.
    pub fn get_ref(&self) -> &T {
        &self.io.socket().0
    }

    /// Takes the descriptor out of the poll set and gives the value back.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn into_inner(mut self) -> io::Result<T> {
        self.leave()?;
        let Fd(value) = self.io.take_socket();
        Ok(value)
    }

    /// Waits until a read would not block, or the other end is gone.
    ///
    /// # Errors
    ///
    /// When the descriptor cannot be watched: `Unsupported` for kinds of files that epoll refuses,
    /// `AlreadyExists` when another watch of this reactor has the same descriptor; give it a duplicate.
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_readable(cx)).await
    }

    /// Waits until a write would not block, or the other end is gone.
    ///
    /// # Errors
    ///
    /// As [`readable`](Self::readable).
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_writable(cx)).await
    }

    /// Calls `read` until it does not say `WouldBlock`, and waits for readiness in between. When the
    /// future is dropped before it was ready, `read` has not succeeded.
    ///
    /// # Errors
    ///
    /// Those of `read`; as [`readable`](Self::readable).
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn read_with<R>(&self, mut read: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        poll_fn(|cx| self.poll_with(cx, Direction::Read, &mut read)).await
    }

    /// As [`read_with`](Self::read_with), for writing.
    ///
    /// # Errors
    ///
    /// Those of `write`; as [`readable`](Self::readable).
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub async fn write_with<R>(&self, mut write: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        poll_fn(|cx| self.poll_with(cx, Direction::Write, &mut write)).await
    }

    /// As [`readable`](Self::readable), for futures written by hand.
    ///
    /// # Errors
    ///
    /// As [`readable`](Self::readable).
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub fn poll_readable(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.poll_look(cx, Direction::Read)
    }

    /// As [`writable`](Self::writable), for futures written by hand.
    ///
    /// # Errors
    ///
    /// As [`readable`](Self::readable).
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub fn poll_writable(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.poll_look(cx, Direction::Write)
    }

    /// As [`read_with`](Self::read_with) and [`write_with`](Self::write_with).
    pub(crate) fn poll_with<R>(
        &self,
        cx: &Context<'_>,
        direction: Direction,
        op: &mut dyn FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_io(cx, direction, |value| {
            if self.blocks {
                look(value.as_fd(), direction)?;
            }
            op(value)
        })
    }

    /// The cache says whether a look is worth it: it is cleared by a look alone, after which an event
    /// must come.
    fn poll_look(&self, cx: &Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        self.poll_io(cx, direction, |value| look(value.as_fd(), direction))
    }

    fn poll_io<R>(
        &self,
        cx: &Context<'_>,
        direction: Direction,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let mut would_block = false;
        let poll = self.io.poll_io(cx, direction, |fd| {
            let result = op(&fd.0);
            would_block =
                result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
            result
        });
        if self.io.has_source() {
            self.engine.get_or_init(current::engine);
        }
        let is_refused = |error: &io::Error| Errno::from_io_error(error) == Some(Errno::PERM);
        match poll {
            // The error is that of the poll set: the call itself would have blocked.
            Poll::Ready(Err(error)) if would_block && is_refused(&error) => {
                let kind = rustix::fs::fstat(self.get_ref())?.st_mode;
                Poll::Ready(Err(refused(FileType::from_raw_mode(kind))))
            }
            poll => poll,
        }
    }

    /// Takes the descriptor out of the poll set.
    fn leave(&mut self) -> io::Result<()> {
        match (self.engine.take(), self.io.take_source()) {
            (Some(engine), Some(id)) => engine.remove_source(id),
            _ => Ok(()),
        }
    }
}

impl<T: AsFd> Drop for Watch<T> {
    fn drop(&mut self) {
        // Fails only if the reactor is gone, and its poll set with it.
        drop(self.leave());
    }
}

impl<T: AsFd> AsFd for Watch<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsFd> fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("fd", &self.as_fd().as_raw_fd())
            .field("blocks", &self.blocks)
            .field("waits", &self.io.has_source())
            .finish_non_exhaustive()
    }
}

/// Asks the system; `WouldBlock` if a call would.
fn look(fd: BorrowedFd<'_>, direction: Direction) -> io::Result<()> {
    let wanted = match direction {
        Direction::Read => PollFlags::IN,
        Direction::Write => PollFlags::OUT,
    };
    let mut asked = [PollFd::from_borrowed_fd(fd, wanted)];
    rustix::event::poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    let answer = asked[0].revents();
    if answer.contains(PollFlags::NVAL) {
        return Err(Errno::BADF.into());
    }
    // What failed or hung up does not block.
    let ready = answer.intersects(wanted | PollFlags::HUP | PollFlags::ERR);
    if ready { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
}

fn refused(kind: FileType) -> io::Error {
    let what = match kind {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        _ => "this kind of file",
    };
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!(
            "{what} has no readiness to wait for, and epoll refuses it: use it inside \
             `evented::blocking`"
        ),
    )
}
